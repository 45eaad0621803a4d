//! Checks whether tables can be taken over from another schema.

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::statement::Statement;

/// The schema's quoted name, if it exists.
static SCHEMA: Statement<(String,)> = Statement::new(
    "SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text) FROM pg_catalog.pg_namespace n WHERE n.nspname = $1",
);

/// Refuses schemas that do not exist, and the extension's own.
pub fn check(schema: &str) -> Result<(), Error> {
    let refuse = |why| Error::InvalidSourceSchema { schema: schema.to_owned(), why };
    match SCHEMA.read_one(params![schema], |(name,)| name)? {
        None => Err(refuse("There is no such schema.")),
        Some(name) if name == installation::schema()? => Err(refuse("It is the schema of the extension itself.")),
        Some(_) => Ok(()),
    }
}
