//! Protects the rows when the extension is dropped.

use pgrx::prelude::*;

use super::{Answer, tell};
use crate::admin::{drop_guard, extension_tables};
use crate::pg::call::Call;

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn protect_marketplace() -> Answer<()> {
    tell(drop_guard::protect()?);
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn unprotect_marketplace() {
    tell(drop_guard::unprotect());
}

/// The event trigger's function.
#[pg_extern(
    volatile,
    parallel_unsafe,
    sql = "
CREATE FUNCTION @extschema@.guard_marketplace() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';"
)]
fn guard_marketplace(call: Call) -> Answer<()> {
    Ok(drop_guard::before_command(&call)?)
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn detach_tables() -> Answer<()> {
    tell(&extension_tables::detach()?);
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn attach_tables() -> Answer<()> {
    tell(&extension_tables::attach()?);
    Ok(())
}

extension_sql_file!(
    "../../sql/functions/protection.sql",
    name = "protection_functions",
    requires = [protect_marketplace, unprotect_marketplace, detach_tables, attach_tables, guard_marketplace]
);
