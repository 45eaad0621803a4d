//! Results of any size: rows go into a tuplestore as they are found. PostgreSQL keeps it in work_mem, and then on
//! disk. Functions that are called often use one for a single row, too: a row that is returned by itself is a call of
//! its own, which takes the rights of the owner and the search_path anew.
//!
//! pgrx knows of no such result, so the functions that fill a tuplestore are declared in full beside their code.

use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys;

use super::call::Call;

/// The result of a set-returning function, filled while the function runs.
pub struct Tuplestore {
    store: *mut pg_sys::Tuplestorestate,
    columns: pg_sys::TupleDesc,
    /// The memory for making a row, freed after each row.
    per_row: PgMemoryContexts,
}

impl Tuplestore {
    /// Prepares the result of the current function. Its columns are known to the caller, and are not looked up.
    pub fn open(call: &Call) -> Tuplestore {
        // SAFETY: PostgreSQL raises an error where no set is accepted, and has prepared the result then.
        unsafe {
            pg_sys::InitMaterializedSRF(call.info(), pg_sys::MAT_SRF_USE_EXPECTED_DESC);
            let result = (*call.info()).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            let per_row = PgMemoryContexts::new("extensions: row of a result");
            Tuplestore { store: (*result).setResult, columns: (*result).setDesc, per_row }
        }
    }

    /// Adds a row whose values come from `make`.
    pub fn push<const N: usize>(&mut self, make: impl FnOnce() -> [Option<pg_sys::Datum>; N]) {
        // SAFETY: the store copies the row, of as many values as its description has columns, before their memory is freed.
        unsafe {
            assert_eq!((*self.columns).natts as usize, N);
            let values = self.per_row.switch_to(|_| make());
            let mut nulls = values.map(|value| value.is_none());
            let mut values = values.map(|value| value.unwrap_or(pg_sys::Datum::null()));
            pg_sys::tuplestore_putvalues(self.store, self.columns, values.as_mut_ptr(), nulls.as_mut_ptr());
            self.per_row.reset();
        }
    }
}
