//! The constraints of the tables in words: their comments.

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;
use pgrx::pg_sys::Oid;

/// A constraint in words.
#[derive(Debug)]
pub struct Rule {
    /// What must hold: "base_price must be 0 or more".
    pub rule: String,
    /// What to do about a row that breaks it.
    pub advice: String,
    /// The columns that it checks.
    pub columns: Vec<String>,
}

/// The comment, and a column of the constraint; one row for each column.
static COMMENT: Statement<(String, String)> = Statement::new(
    "SELECT d.description, a.attname::pg_catalog.text
       FROM pg_catalog.pg_constraint n
       JOIN pg_catalog.pg_description d
         ON d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = n.oid AND d.objsubid = 0
       JOIN pg_catalog.pg_attribute a ON a.attrelid = n.conrelid AND a.attnum = ANY (n.conkey)
      WHERE n.conrelid = $1 AND n.conname = $2
      ORDER BY a.attnum",
);

/// The rule behind a constraint of a table, if its comment states one.
pub fn of_constraint(table: Oid, constraint: &str) -> Result<Option<Rule>, Error> {
    let found = COMMENT.read_all(params![table, constraint], |row| row)?;
    let Some((comment, _)) = found.first() else { return Ok(None) };
    let (rule, advice) = comment.split_once('\n').unwrap_or((comment, "Correct the row."));
    let (rule, advice) = (rule.to_owned(), advice.to_owned());
    Ok(Some(Rule { rule, advice, columns: found.into_iter().map(|(_, column)| column).collect() }))
}
