//! PostgreSQL's own refusals of data, in its words.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder};

/// The longest refusal that is passed on, in characters: it may quote all that was refused.
const LONGEST: usize = 200;

/// What PostgreSQL says if it refuses the data that something passes to it. Without a subtransaction, so that it works in a
/// parallel worker: nothing is rolled back, and nothing but an error may follow.
pub fn of_data<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(run())))
        .catch_others(|caught| match caught {
            CaughtError::PostgresError(ref report) if is_about_data(report.sql_error_code()) => {
                Err(report.message().chars().take(LONGEST).collect())
            }
            other => other.rethrow(),
        })
        .execute()
}

/// Whether it is of class 22, a data exception, or refused by a constraint of a domain.
fn is_about_data(code: PgSqlErrorCode) -> bool {
    /// The bits of the first two characters of a SQLSTATE.
    const CLASS: i32 = 0xfff;
    code as i32 & CLASS == PgSqlErrorCode::ERRCODE_DATA_EXCEPTION as i32 & CLASS
        || code == PgSqlErrorCode::ERRCODE_CHECK_VIOLATION
        || code == PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION
}
