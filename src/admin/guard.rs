//! The guard of protect_marketplace(): the tables are not dropped while they hold rows.
//!
//! PostgreSQL tells of each object that it is about to drop, whatever command that comes from: DROP EXTENSION, DROP SCHEMA,
//! DROP OWNED, or a CASCADE from anything that something of the extension depends on. But it tells only those who are loaded
//! in the session. So the guard is two things: an event trigger, whose function has the library loaded before any command that
//! changes definitions, and a hook.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};

use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::{PgList, is_a, pg_guard, pg_sys};

use crate::admin::extension_tables;
use crate::admin::protection;
use crate::error::Error;

thread_local! {
    /// Who else wants to be told.
    static NEXT: Cell<pg_sys::object_access_hook_type> = const { Cell::new(None) };
    /// When the statement began for which the event trigger fired last: a command can drop the trigger before the tables.
    static ARMED: Cell<pg_sys::TimestampTz> = const { Cell::new(0) };
}

/// Asks to be told of objects that are about to be dropped.
pub fn watch() {
    // SAFETY: a backend has one thread, and the hook stays valid as long as it runs.
    unsafe {
        NEXT.set(pg_sys::object_access_hook);
        pg_sys::object_access_hook = Some(object_accessed);
    }
}

/// What the event trigger does before a command that changes definitions. DROP EXTENSION and DROP OWNED are refused here, before
/// PostgreSQL refuses them because the trigger itself depends on the extension; an empty marketplace goes, and the trigger with it.
///
/// # Safety
/// The call must be one that PostgreSQL makes.
pub unsafe fn before_command(call: pg_sys::FunctionCallInfo) -> Result<(), Error> {
    // SAFETY: a call has a context or none, and the node says what it is. SELECT calls functions of event triggers too.
    let command = unsafe {
        let context = (*call).context;
        if context.is_null() || !is_a(context, pg_sys::NodeTag::T_EventTriggerData) {
            return Err(Error::NotCalledByTrigger);
        }
        (*context.cast::<pg_sys::EventTriggerData>()).parsetree
    };
    ARMED.set(statement_start());
    // SAFETY: the node says what it is.
    if unsafe { drops_extension(command)? } {
        protection::check_tables()?;
        unprotect();
    }
    Ok(())
}

/// Turns the guard off.
pub fn unprotect() {
    ARMED.set(0);
    protection::drop_guard();
}

unsafe fn drops_extension(command: *mut pg_sys::Node) -> Result<bool, Error> {
    // SAFETY: the caller passes a node, and the names of extensions are strings.
    unsafe {
        if is_a(command, pg_sys::NodeTag::T_DropOwnedStmt) {
            let roles = PgList::<pg_sys::RoleSpec>::from_pg((*command.cast::<pg_sys::DropOwnedStmt>()).roles);
            let mut roles = roles.iter_ptr().map(|role| pg_sys::get_rolespec_oid(role, true));
            return roles.try_fold(false, |found, role| Ok(found || extension_tables::is_owned_by(role)?));
        }
        if !is_a(command, pg_sys::NodeTag::T_DropStmt) {
            return Ok(false);
        }
        let drop = &*command.cast::<pg_sys::DropStmt>();
        let names = PgList::<pg_sys::String>::from_pg(drop.objects);
        Ok(drop.removeType == pg_sys::ObjectType::OBJECT_EXTENSION
            && names.iter_ptr().any(|name| CStr::from_ptr((*name).sval) == c"extensions"))
    }
}

fn statement_start() -> pg_sys::TimestampTz {
    // SAFETY: this reads a variable.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

#[pg_guard]
unsafe extern "C-unwind" fn object_accessed(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    part: c_int,
    argument: *mut c_void,
) {
    if let Some(next) = NEXT.get() {
        // SAFETY: the arguments are those that it would have been called with.
        unsafe { next(access, class, object, part, argument) };
    }
    let is_table = class == pg_sys::RelationRelationId && part == 0;
    if access == pg_sys::ObjectAccessType::OAT_DROP
        && is_table
        && (protection::is_on() || ARMED.get() == statement_start())
    {
        protection::check_drop(object).map_err(ErrorReport::from).unwrap_or_report();
    }
}
