//! Runs functions whose bodies are SQL or PL/pgSQL from Rust, so that they run as the owner of the tables. If a
//! superuser is behind the call, they run [`Restricted`], because code of the owner must not run with the rights of a
//! superuser.

use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

use super::call::Call;
use super::installation;
use super::owner::Restricted;
use crate::error::Error;

/// Runs the function `_NAME_body` with the arguments of the call of `NAME` or `_NAME`, and returns its rows. SQL
/// declares both, with the same arguments and the same result.
pub fn run(call: &Call) -> Result<(), Error> {
    let call = call.info();
    let installation = installation::without_connection()?;
    // SAFETY: PostgreSQL raises an error where no set is accepted, and has prepared the result then. A tuple that is
    // stored is copied.
    unsafe {
        pg_sys::InitMaterializedSRF(call, 0);
        let result = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        let function = (*(*call).flinfo).fn_oid;
        let arguments = Arguments::of(call, function);
        let name = CStr::from_ptr(pg_sys::get_func_name(function)).to_string_lossy().into_owned();
        let places: Vec<String> = (1..=arguments.types.len()).map(|place| format!("${place}")).collect();
        let name = name.trim_start_matches('_');
        let sql = format!("SELECT * FROM {}._{name}_body({})", installation.schema, places.join(", "));
        let is_volatile = pg_sys::func_volatile(function) as u8 == pg_sys::PROVOLATILE_VOLATILE;
        let _restricted = Restricted::where_needed(installation.owner);
        pg_sys::SPI_connect();
        arguments.execute(&sql, !is_volatile);
        if let Some(table) = pg_sys::SPI_tuptable.as_ref() {
            for &tuple in std::slice::from_raw_parts(table.vals, pg_sys::SPI_processed as usize) {
                pg_sys::tuplestore_puttuple((*result).setResult, tuple);
            }
        }
        pg_sys::SPI_finish();
    }
    Ok(())
}

/// The arguments of a call.
struct Arguments {
    types: Vec<pg_sys::Oid>,
    values: Vec<pg_sys::Datum>,
    /// A blank for each value, and an n for each NULL.
    nulls: Vec<c_char>,
}

impl Arguments {
    unsafe fn of(call: pg_sys::FunctionCallInfo, function: pg_sys::Oid) -> Arguments {
        let (mut types, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: a call has as many arguments as its function; their types come as an array of that length.
        unsafe {
            pg_sys::get_func_signature(function, &mut types, &mut count);
            let given = (*call).args.as_slice(count as usize);
            Arguments {
                types: (0..count as usize).map(|place| *types.add(place)).collect(),
                values: given.iter().map(|argument| argument.value).collect(),
                nulls: given.iter().map(|argument| if argument.isnull { b'n' } else { b' ' } as c_char).collect(),
            }
        }
    }

    unsafe fn execute(mut self, sql: &str, is_read_only: bool) {
        let sql = CString::new(sql).unwrap_or_default();
        let count = self.types.len() as i32;
        // SAFETY: a connection is open, and there are as many of each. Errors are raised.
        unsafe {
            pg_sys::SPI_execute_with_args(
                sql.as_ptr(),
                count,
                self.types.as_mut_ptr(),
                self.values.as_mut_ptr(),
                self.nulls.as_ptr(),
                is_read_only,
                0,
            )
        };
    }
}
