//! Commands that drop objects, and the objects that they drop.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};

use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::{PgList, is_a, pg_guard, pg_sys};

use super::call::Call;
use crate::error::Error;

/// The callback for each relation that is about to be dropped. It may refuse.
type Told = fn(pg_sys::Oid) -> Result<(), Error>;

thread_local! {
    /// Our callback.
    static TOLD: Cell<Option<Told>> = const { Cell::new(None) };
    /// The hook that was registered before ours; it is called, too.
    static NEXT: Cell<pg_sys::object_access_hook_type> = const { Cell::new(None) };
}

/// Registers the callback for relations that are about to be dropped.
pub fn watch(told: Told) {
    TOLD.set(Some(told));
    // SAFETY: a backend has one thread, and the hook stays valid as long as it runs.
    unsafe {
        NEXT.set(pg_sys::object_access_hook);
        pg_sys::object_access_hook = Some(object_accessed);
    }
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
    if access == pg_sys::ObjectAccessType::OAT_DROP
        && class == pg_sys::RelationRelationId
        && part == 0
        && let Some(told) = TOLD.get()
    {
        told(object).map_err(ErrorReport::from).unwrap_or_report();
    }
}

/// What a command drops.
pub enum Drop {
    /// Our extension.
    Extension,
    /// What belongs to roles.
    OwnedBy(Vec<pg_sys::Oid>),
    /// Anything else.
    Other,
}

impl Drop {
    /// The command for which the event trigger calls its function, if it drops something.
    pub fn announced_by(call: &Call) -> Result<Option<Drop>, Error> {
        // SELECT calls functions of event triggers too.
        let context = call.context(pg_sys::NodeTag::T_EventTriggerData).ok_or(Error::NotCalledByTrigger)?;
        // SAFETY: the node is one of an event trigger, whose command is a node.
        Ok(unsafe { Drop::read((*context.cast::<pg_sys::EventTriggerData>()).parsetree) })
    }

    unsafe fn read(command: *mut pg_sys::Node) -> Option<Drop> {
        // SAFETY: the caller passes a node, and the names of extensions are strings.
        unsafe {
            if is_a(command, pg_sys::NodeTag::T_DropOwnedStmt) {
                let roles = PgList::<pg_sys::RoleSpec>::from_pg((*command.cast::<pg_sys::DropOwnedStmt>()).roles);
                let roles = roles.iter_ptr().map(|role| pg_sys::get_rolespec_oid(role, true));
                return Some(Drop::OwnedBy(roles.collect()));
            }
            if !is_a(command, pg_sys::NodeTag::T_DropStmt) {
                return None;
            }
            let drop = &*command.cast::<pg_sys::DropStmt>();
            let names = PgList::<pg_sys::String>::from_pg(drop.objects);
            let is_ours = drop.removeType == pg_sys::ObjectType::OBJECT_EXTENSION
                && names.iter_ptr().any(|name| CStr::from_ptr((*name).sval) == c"extensions");
            Some(if is_ours { Drop::Extension } else { Drop::Other })
        }
    }
}

/// The start time of the current statement, which identifies the statement.
pub fn statement_start() -> pg_sys::TimestampTz {
    // SAFETY: this reads a variable.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// Whether an event trigger with this name exists.
pub fn has_event_trigger(name: &CStr) -> bool {
    // SAFETY: this looks at a catalog.
    unsafe { pg_sys::get_event_trigger_oid(name.as_ptr(), true) != pg_sys::InvalidOid }
}
