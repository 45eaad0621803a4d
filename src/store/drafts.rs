//! Drafts of rows, completed as their tables would store them.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::document::Document;
use crate::pg::statement::Statement;

macro_rules! of_table {
    ($columns:literal, $function:literal) => {
        Statement::new(concat!(
            "SELECT ",
            $columns,
            " FROM pg_catalog.pg_extension e
               JOIN pg_catalog.pg_class c ON c.relnamespace = e.extnamespace AND c.relname::pg_catalog.text = $1
              CROSS JOIN LATERAL ",
            $function,
            " d WHERE e.extname = 'extensions'"
        ))
    };
}

static PROBLEM: Statement<(Option<String>,)> =
    of_table!("d.problem", "(SELECT @extschema@._draft_problem(c.oid::pg_catalog.regclass, $2) AS problem)");

static ROW: Statement<(String, Option<String>, Option<String>)> = of_table!(
    "d.entry::pg_catalog.text, d.broken_constraint, d.rule",
    "@extschema@._draft_row(c.oid::pg_catalog.regclass, $2, $3)"
);

/// A constraint that refuses a row.
#[derive(Debug)]
pub struct Broken {
    pub constraint: String,
    /// The rule that it breaks, and the given values.
    pub why: String,
}

/// Why a draft cannot be a row of a table, judging by its keys and the types of their values.
pub fn problem(table: &str, draft: Document) -> Result<Option<String>, Error> {
    PROBLEM.read_one(params![table, draft], |(problem,)| problem).map(Option::flatten)
}

/// The row that a table would make of a draft, as JSON text, with this id unless the draft names another.
pub fn row(table: &str, draft: Document, id: Uuid) -> Result<Result<String, Broken>, Error> {
    let mut found = Ok(String::new());
    ROW.read(params![table, draft, id], |(entry, constraint, why)| {
        let why = why.unwrap_or_default();
        found = constraint.map_or(Ok(entry), |constraint| Err(Broken { constraint, why }));
        Ok(())
    })?;
    Ok(found)
}
