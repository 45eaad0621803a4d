//! Imitates the state in which PostgreSQL runs a script of the extension.

use pgrx::pg_sys;

/// That state, outside of a script, until the value is dropped.
pub struct PretendedScript;

impl PretendedScript {
    /// Begins it.
    pub fn begin() -> PretendedScript {
        // SAFETY: a backend has one thread, and drop puts both back.
        unsafe {
            pg_sys::CurrentExtensionObject = pg_sys::get_extension_oid(c"extensions".as_ptr(), false);
            pg_sys::creating_extension = true;
        }
        PretendedScript
    }
}

impl Drop for PretendedScript {
    fn drop(&mut self) {
        // SAFETY: as above. No script of ours pretends, so there is none to go on with.
        unsafe {
            pg_sys::creating_extension = false;
            pg_sys::CurrentExtensionObject = pg_sys::InvalidOid;
        }
    }
}
