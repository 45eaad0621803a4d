//! What the session is and does.

use pgrx::pg_sys;

/// Takes in what other sessions have announced when they committed.
pub fn take_in_announcements() {
    // SAFETY: this is possible whenever a query runs.
    unsafe { pg_sys::AcceptInvalidationMessages() };
}

/// The role in whose name things are done.
pub fn role() -> pg_sys::Oid {
    // SAFETY: this reads a variable.
    unsafe { pg_sys::GetUserId() }
}

/// Whether PostgreSQL watches for conflicts what the transaction reads.
pub fn is_serializable() -> bool {
    // SAFETY: this reads a variable.
    unsafe { pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32 }
}

/// Whether the transaction may write, here and now.
pub fn may_write() -> bool {
    // SAFETY: these read variables.
    unsafe { !(pg_sys::XactReadOnly || pg_sys::RecoveryInProgress() || pg_sys::IsInParallelMode()) }
}

/// With RUST_BACKTRACE in the server's environment, every error would carry a backtrace in its DETAIL, PostgreSQL's own
/// errors too. Whoever wants that can still set RUST_LIB_BACKTRACE.
pub fn hide_backtraces() {
    if std::env::var_os("RUST_LIB_BACKTRACE").is_none() {
        // SAFETY: a backend has one thread.
        unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    }
}
