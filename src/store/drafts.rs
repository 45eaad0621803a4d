//! Drafts of rows, completed as their tables would store them.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::document::Document;
use crate::pg::refusal;
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

static KEYS: Statement<(String,)> = Statement::new("SELECT k.key FROM pg_catalog.jsonb_object_keys($1) k (key)");

static IS_READ: Statement<(bool,)> = of_table!(
    "d.is_read",
    "(SELECT @extschema@._draft_value(c.oid::pg_catalog.regclass, $2, $3) IS NOT NULL AS is_read)"
);

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

/// Why a draft cannot be a row of a table, judging by its keys and the types of the columns. If there is a reason, nothing
/// but an error may follow.
pub fn problem(table: &str, draft: Document) -> Result<Option<String>, Error> {
    let problem = PROBLEM.read_one(params![table, draft], |(problem,)| problem)?.flatten();
    if problem.is_some() {
        return Ok(problem);
    }
    for key in KEYS.read_all(params![draft], |(key,)| key)? {
        match refusal::of_data(|| IS_READ.read_one(params![table, draft, &key], |_| ())) {
            Ok(read) => read?,
            Err(refused) => return Ok(Some(format!("\"{key}\": {refused}"))),
        };
    }
    Ok(None)
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
