//! What grant_marketplace_access() has given to roles: rows of `marketplace_access`, a table that is created when the
//! first one is written.

use pgrx::pg_sys;

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::owner::Restricted;
use crate::pg::statement::{Statement, command};
use crate::store::all_written;

static TABLE: Statement<(pg_sys::Oid,)> = Statement::new(
    "SELECT c.oid
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_extension e ON e.extnamespace = c.relnamespace
      WHERE e.extname = 'extensions' AND c.relname = 'marketplace_access' AND c.relkind = 'r'",
);

static RECORDED: Statement<(String, String)> = Statement::new(
    "SELECT r.level, r.privilege FROM @extschema@.marketplace_access r WHERE r.role = $1::pg_catalog.regrole",
);

static RECORD: Statement = Statement::new(
    "INSERT INTO @extschema@.marketplace_access (role, level, privilege)
     SELECT $1::pg_catalog.regrole, $2, p.privilege FROM pg_catalog.unnest($3) p (privilege)",
);

static FORGET: Statement = Statement::new(
    "DELETE FROM @extschema@.marketplace_access r WHERE r.role = $1::pg_catalog.regrole AND r.level = $2",
);

/// The levels of a role, each with the privileges that it granted.
pub fn of_role(role: pg_sys::Oid) -> Result<Vec<(String, String)>, Error> {
    if table()?.is_some() { RECORDED.execute_all(params![role], |row| row) } else { Ok(Vec::new()) }
}

/// Replaces the record of a level, which has this many rows.
pub fn replace(role: pg_sys::Oid, level: &str, known: usize, given: Vec<&str>) -> Result<(), Error> {
    if table()?.is_none() {
        make_table()?;
    }
    forget(role, level, known)?;
    all_written("marketplace_access", given.len(), RECORD.perform(params![role, level, given])?)
}

/// Deletes the record of a level, which has this many rows.
pub fn forget(role: pg_sys::Oid, level: &str, known: usize) -> Result<(), Error> {
    all_written("marketplace_access", known, FORGET.perform(params![role, level])?)
}

/// The table, if it exists.
fn table() -> Result<Option<pg_sys::Oid>, Error> {
    TABLE.execute_one(params![], |(table,)| table)
}

/// A plain table of the owner, not a member of the extension: pg_dump saves it, as it saves the privileges. It is
/// dropped with the extension, as the privileges are.
fn make_table() -> Result<(), Error> {
    let (schema, owner) = (installation::schema()?, installation::owner()?);
    let _owner = Restricted::to_owner(owner);
    command(&format!(
        "CREATE TABLE {schema}.marketplace_access (
             role pg_catalog.regrole NOT NULL, level pg_catalog.text NOT NULL, privilege pg_catalog.text NOT NULL)"
    ));
    command(&format!(
        "COMMENT ON TABLE {schema}.marketplace_access IS
         'What grant_marketplace_access() has given to whom, so that revoke_marketplace_access() takes nothing else.'"
    ));
    table()?.map_or(Ok(()), installation::drop_with_extension)
}
