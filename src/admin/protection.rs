//! Refusing to drop tables that hold rows, once somebody has asked for it.

use pgrx::pg_sys;

use crate::admin::extension_tables;
use crate::error::Error;
use crate::pg::installation;
use crate::pg::statement::{command, has_rows};
use crate::pg::tables::TABLES;

/// The event trigger that says whether the guard is on.
const GUARD: &std::ffi::CStr = c"extensions_guard";

/// Turns the guard on. PostgreSQL lets only superusers make event triggers.
pub fn protect() -> Result<(), Error> {
    if is_on() {
        return Ok(());
    }
    let schema = installation::schema()?;
    command(&format!(
        "CREATE EVENT TRIGGER extensions_guard ON ddl_command_start EXECUTE FUNCTION {schema}.guard_marketplace()"
    ));
    // Also where triggers are switched off for a session.
    command("ALTER EVENT TRIGGER extensions_guard ENABLE ALWAYS");
    command(
        "COMMENT ON EVENT TRIGGER extensions_guard IS
         'Has the tables of the extension \"extensions\" kept while they hold rows. Made by protect_marketplace().'",
    );
    Ok(())
}

/// Removes the event trigger.
pub fn drop_guard() {
    command("DROP EVENT TRIGGER IF EXISTS extensions_guard");
}

/// Whether the guard is on.
pub fn is_on() -> bool {
    // SAFETY: this looks at a catalog.
    unsafe { pg_sys::get_event_trigger_oid(GUARD.as_ptr(), true) != pg_sys::InvalidOid }
}

/// Refuses to drop a relation if it is one of the tables, in the extension or detached from it, and holds rows.
pub fn check_drop(relation: pg_sys::Oid) -> Result<(), Error> {
    // SAFETY: these look at catalogs and return C strings, or NULL for what is not there.
    let (name, relation_schema) = unsafe {
        let name = string(pg_sys::get_rel_name(relation));
        (name, string(pg_sys::quote_identifier(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation)))))
    };
    if !TABLES.contains(&name.as_str()) || installation::schema().ok().as_ref() != Some(&relation_schema) {
        return Ok(());
    }
    check_table(&relation_schema, &name)
}

/// Refuses if one of the tables holds rows and would go with the extension.
pub fn check_tables() -> Result<(), Error> {
    let schema = installation::schema()?;
    let members = extension_tables::members(&schema)?;
    members.iter().try_for_each(|table| check_table(&schema, table))
}

fn check_table(schema: &str, name: &str) -> Result<(), Error> {
    match has_rows(&format!("SELECT FROM {schema}.{name}")) {
        true => Err(Error::MarketplaceProtected { table: name.to_owned() }),
        false => Ok(()),
    }
}

/// # Safety
/// The pointer must be NULL or that of a C string.
unsafe fn string(name: *const std::ffi::c_char) -> String {
    if name.is_null() {
        return String::new();
    }
    // SAFETY: the caller says so.
    unsafe { std::ffi::CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
