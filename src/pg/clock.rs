//! The clock, and instants as text.

use std::ffi::CStr;

use pgrx::pg_sys;

use engine::time::Instant;

/// The current instant, whenever the transaction began.
pub fn clock() -> Instant {
    // SAFETY: the function reads the clock.
    Instant(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// The instant at which the transaction began.
pub fn now() -> Instant {
    // SAFETY: a transaction is in progress, as a function of it is running.
    Instant(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
}

/// An instant in ISO 8601, in UTC whatever the session's time zone; `infinity` and `-infinity` as PostgreSQL writes
/// them.
pub fn iso_8601(at: Instant) -> String {
    let mut buffer = [0 as core::ffi::c_char; pg_sys::MAXDATELEN as usize + 1];
    let utc = 0;
    // SAFETY: the buffer has the size that the function asks for, and it writes a C string.
    unsafe {
        let datum = pg_sys::Datum::from(at.0);
        pg_sys::JsonEncodeDateTime(buffer.as_mut_ptr(), datum, pg_sys::TIMESTAMPTZOID, &utc);
        CStr::from_ptr(buffer.as_ptr()).to_string_lossy().into_owned()
    }
}

#[cfg(feature = "pg_test")]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::*;

    #[pg_test]
    fn instants_are_printed_in_utc() {
        Spi::run("SET LOCAL timezone = 'Pacific/Auckland'").unwrap();
        assert_eq!(iso_8601(Instant(0)), "2000-01-01T00:00:00+00:00");
        assert_eq!(iso_8601(Instant(1_500_000)), "2000-01-01T00:00:01.5+00:00");
        assert_eq!(iso_8601(Instant::INFINITY), "infinity");
        assert_eq!(iso_8601(Instant::NEG_INFINITY), "-infinity");
    }
}
