//! Functions written in SQL name the extension's schema in their bodies, which ALTER SCHEMA ... RENAME does not
//! change. The first call of one of them after a rename gives all of them bodies with the new name.

use std::cell::Cell;

use super::expected;
use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::locks::{self, FreshSnapshot};
use crate::pg::session;
use crate::pg::statement::{Statement, command};

/// Name, body and whole definition of the extension's functions that are written in SQL.
static FUNCTIONS: Statement<(String, String, String)> = Statement::new(
    "SELECT p.proname::pg_catalog.text, p.prosrc, pg_catalog.pg_get_functiondef(p.oid)
       FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
       JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE e.extname = 'extensions' AND l.lanname = ANY ('{sql,plpgsql}') AND p.prosqlbody IS NULL
      ORDER BY p.oid",
);

/// Makes the functions name the schema by its current name. If that changed something, the returned snapshot shows
/// it.
pub fn follow() -> Result<Option<FreshSnapshot>, Error> {
    thread_local! { static FOLLOWED: Cell<u64> = const { Cell::new(0) } }
    let installation = installation::without_connection()?;
    if FOLLOWED.get() == installation.generation {
        return Ok(None);
    }
    let is_stale = !stale(&installation.schema)?.is_empty();
    if is_stale {
        if !session::may_write() {
            return Err(Error::SchemaRenamed { schema: installation.schema.clone() });
        }
        locks::lock_extension();
        stale(&installation.schema)?.iter().for_each(|definition| command(definition));
    }
    FOLLOWED.set(installation.generation);
    Ok(is_stale.then(FreshSnapshot::take))
}

/// The corrected definitions of functions whose bodies name another schema and otherwise are as installed.
fn stale(schema: &str) -> Result<Vec<String>, Error> {
    let bodies = expected::bodies();
    let found = FUNCTIONS.execute_all(params![], |row| row)?;
    let renewed = |(name, body, definition): (String, String, String)| {
        let template = bodies.iter().find(|(known, _)| *known == name)?.1;
        let former = schema_in(&body, template).filter(|former| *former != schema)?;
        (template.replace("@extschema@", former) == body)
            .then(|| definition.replacen(&body, &template.replace("@extschema@", schema), 1))
    };
    Ok(found.into_iter().filter_map(renewed).collect())
}

/// The text in a body at the place where the template first names the schema.
fn schema_in<'a>(body: &'a str, template: &str) -> Option<&'a str> {
    let (before, rest) = template.split_once("@extschema@")?;
    let after = rest.split("@extschema@").next()?;
    let body = body.strip_prefix(before)?;
    body.find(after).map(|end| &body[..end])
}
