//! The state of the session.

use std::ffi::CStr;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use super::raw;
use super::text::to_server;

/// Processes the invalidations of other sessions' commits.
pub fn take_in_announcements() {
    // SAFETY: this is possible whenever a query runs.
    unsafe { pg_sys::AcceptInvalidationMessages() };
}

/// Notifies sessions that listen on a channel, once the transaction commits, as pg_notify() does if the transaction
/// writes.
pub fn notify(channel: &CStr, payload: &str) {
    let payload = to_server(payload);
    // SAFETY: both are C strings, which are copied; what is too long is an error.
    unsafe { pg_sys::Async_Notify(channel.as_ptr(), payload.as_ptr()) };
}

/// Tells the caller of something that is probably a mistake, and what to do about it.
pub fn advise(message: String, detail: &str, hint: &str) {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message, "extensions")
        .set_detail(detail)
        .set_hint(hint)
        .report(PgLogLevel::NOTICE);
}

/// Cancels the query if an interrupt is pending.
pub fn check_interrupts() {
    pgrx::check_for_interrupts!();
}

/// What identifies a role.
pub type RoleId = pg_sys::Oid;

/// The role with whose rights the current code runs.
pub fn role() -> RoleId {
    // SAFETY: this reads a variable.
    unsafe { raw::GetUserId() }
}

/// Whether PostgreSQL tracks the reads of the transaction for conflicts.
pub fn is_serializable() -> bool {
    // SAFETY: this reads a variable.
    unsafe { pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32 }
}

/// Whether the transaction can currently write.
pub fn may_write() -> bool {
    // SAFETY: these read variables.
    unsafe { !(pg_sys::XactReadOnly || pg_sys::RecoveryInProgress() || pg_sys::IsInParallelMode()) }
}

/// Whether the session replays changes of another server, where triggers have already fired.
pub fn is_replica() -> bool {
    // SAFETY: this reads a variable.
    unsafe { pg_sys::SessionReplicationRole != pg_sys::SESSION_REPLICATION_ROLE_ORIGIN as i32 }
}

/// With RUST_BACKTRACE in the server's environment, every error would carry a backtrace in its DETAIL, even
/// PostgreSQL's own errors. RUST_LIB_BACKTRACE can still be set by those who want one.
pub fn hide_backtraces() {
    if std::env::var_os("RUST_LIB_BACKTRACE").is_none() {
        // SAFETY: a backend has one thread.
        unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    }
}
