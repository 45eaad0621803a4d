//! The data of a trigger call, read by the actual types of the columns.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::call::Call;
use super::checks;
use super::clock::now;
use super::datum::Id;
use super::row::{self, Column};
use super::text::{from_server, raw_bytes_of, string_of, text_datum};
use crate::error::Error;
use engine::time::Instant;
use pgrx::FromDatum;
use uuid::Uuid;

/// A call of a trigger function by its trigger.
pub struct TriggerCall {
    data: pg_sys::TriggerData,
}

/// One of the two rows that an UPDATE is about.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    /// As it is stored.
    Old,
    /// As it is to be.
    New,
}

impl TriggerCall {
    /// The call, if a trigger made it.
    pub fn of(call: &Call, function: &'static str) -> Result<TriggerCall, Error> {
        let context = call.context(pg_sys::NodeTag::T_TriggerData).ok_or(Error::CalledWithoutTrigger { function })?;
        // SAFETY: the node is one of a trigger.
        Ok(TriggerCall { data: unsafe { *context.cast::<pg_sys::TriggerData>() } })
    }

    /// Announces to all sessions, once the transaction commits, that the table has changed.
    pub fn announce(&self) {
        // SAFETY: the trigger's table is open as long as the call lasts.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid((*self.data.tg_relation).rd_id) };
    }

    /// Whether it runs for an updated row.
    pub fn is_update_of_row(&self) -> bool {
        !self.data.tg_newtuple.is_null()
    }

    /// The result with which the operation goes on: the row, or nothing for a statement-level trigger.
    pub fn unchanged(&self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.row())
    }

    /// The result with which the row goes on, with another text in a column.
    pub fn with_text(&self, column: &'static CStr, text: &str) -> Result<pg_sys::Datum, Error> {
        let (number, _) = self.column::<String>(column, "character varying")?;
        Ok(self.with(number, text_datum(text)))
    }

    /// The result with which the row goes on, with the transaction's instant in a column. A column that is not of
    /// PostgreSQL's own timestamp types gets the instant through its input function.
    pub fn with_now(&self, column: &'static CStr) -> Result<pg_sys::Datum, Error> {
        if self.row().is_null() || self.is_delete() {
            return Ok(self.unchanged());
        }
        match self.column::<Instant>(column, "timestamp with time zone") {
            Ok((number, -1)) => Ok(self.with(number, pg_sys::Datum::from(now().0))),
            Ok((number, _)) => Ok(self.with(number, self.read_into(number, now()))),
            Err(error) => {
                let number = self.number_of(column);
                if number > 0 { Ok(self.with(number, self.read_into(number, now()))) } else { Err(error) }
            }
        }
    }

    /// The value of a column of any type for an instant: what its input function makes of the text.
    fn read_into(&self, number: i32, at: Instant) -> pg_sys::Datum {
        // SAFETY: the column is one of the table's. Its type reads a C string, or raises an error.
        unsafe {
            let column = &*row::attribute((*self.data.tg_relation).rd_att, number as usize - 1);
            let at = Some(pg_sys::Datum::from(at.0));
            let text = pgrx::direct_function_call::<&CStr>(pg_sys::timestamptz_out, &[at]).unwrap_or_default();
            let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(column.atttypid, &mut function, &mut parameter);
            pg_sys::OidInputFunctionCall(function, text.as_ptr().cast_mut(), parameter, column.atttypmod)
        }
    }

    fn with(&self, mut number: i32, mut value: pg_sys::Datum) -> pg_sys::Datum {
        let mut is_null = false;
        // SAFETY: the row is one of the table's, and the value of the column's type.
        let row = unsafe {
            let description = (*self.data.tg_relation).rd_att;
            let (number, value, is_null) = (&raw mut number, &raw mut value, &raw mut is_null);
            pg_sys::heap_modify_tuple_by_cols(self.row(), description, 1, number, value, is_null)
        };
        pg_sys::Datum::from(row)
    }

    fn is_delete(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_DELETE
    }

    /// A text column of the changed row; empty if it is NULL.
    pub fn text(&self, version: Version, column: &'static CStr) -> Result<String, Error> {
        let value = self.value::<String>(version, column, "character varying")?;
        // SAFETY: the column is a text.
        Ok(value.map(|value| unsafe { string_of(value) }).unwrap_or_default())
    }

    /// A uuid column of the changed row; nil if it is NULL.
    pub fn id(&self, version: Version, column: &'static CStr) -> Result<Uuid, Error> {
        let value = self.value::<Uuid>(version, column, "uuid")?;
        // SAFETY: the column is a uuid.
        Ok(value.and_then(|value| unsafe { Id::from_datum(value, false) }).map(|id| id.0).unwrap_or_default())
    }

    /// An integer column of the changed row, if it has a value.
    pub fn integer(&self, version: Version, column: &'static CStr) -> Result<Option<i32>, Error> {
        let value = self.value::<i32>(version, column, "integer")?;
        // SAFETY: the column is an integer.
        Ok(value.and_then(|value| unsafe { i32::from_datum(value, false) }))
    }

    /// The table.
    pub fn table_oid(&self) -> pg_sys::Oid {
        // SAFETY: the trigger's table is open as long as the call lasts.
        unsafe { (*self.data.tg_relation).rd_id }
    }

    /// The table's name.
    pub fn table(&self) -> String {
        // SAFETY: the table is open, and its name is a C string.
        unsafe { CStr::from_ptr((*(*self.data.tg_relation).rd_rel).relname.data.as_ptr()) }
            .to_string_lossy()
            .into_owned()
    }

    /// The first of the extension's CHECK constraints that the row violates.
    pub fn broken_constraint(&self, call: &Call) -> Option<String> {
        // SAFETY: a call of a trigger names a table that is open, and a row of it.
        unsafe { checks::first_broken(call.info(), self.data.tg_relation, self.row()) }
    }

    /// A column of the row for a message: its name and value.
    pub fn told(&self, column: &str) -> String {
        let longest = 100;
        let Ok(name) = CString::new(column) else { return String::new() };
        // SAFETY: the row is one of the table's; what is returned is NULL or a C string.
        let value = unsafe {
            let description = (*self.data.tg_relation).rd_att;
            let value = pg_sys::SPI_getvalue(self.row(), description, pg_sys::SPI_fnumber(description, name.as_ptr()));
            (!value.is_null()).then(|| from_server(CStr::from_ptr(value).to_bytes()))
        };
        match value {
            None => format!("{column} is NULL"),
            Some(value) if value.is_empty() => format!("{column} is empty"),
            Some(value) if value.chars().count() > longest => {
                format!("{column} is {}...", value.chars().take(longest).collect::<String>())
            }
            Some(value) => format!("{column} is {value}"),
        }
    }

    /// The new row; for a DELETE, the old one.
    fn row(&self) -> pg_sys::HeapTuple {
        if self.is_update_of_row() { self.data.tg_newtuple } else { self.data.tg_trigtuple }
    }

    fn value<T: Column>(
        &self,
        version: Version,
        column: &'static CStr,
        expected: &str,
    ) -> Result<Option<pg_sys::Datum>, Error> {
        let row = match version {
            Version::Old => self.data.tg_trigtuple,
            Version::New => self.row(),
        };
        let (number, _) = self.column::<T>(column, expected)?;
        let mut is_null = false;
        // SAFETY: the row is one of the table's, which has the column.
        let value = unsafe { pg_sys::SPI_getbinval(row, (*self.data.tg_relation).rd_att, number, &mut is_null) };
        Ok((!is_null).then_some(value))
    }

    /// The number of a column, if the name exists.
    fn number_of(&self, column: &CStr) -> i32 {
        // SAFETY: the table is open, and the name a C string.
        unsafe { pg_sys::SPI_fnumber((*self.data.tg_relation).rd_att, column.as_ptr()) }
    }

    /// The number and the type modifier of a column with this type.
    fn column<T: Column>(&self, column: &'static CStr, expected: &str) -> Result<(i32, i32), Error> {
        let number = self.number_of(column);
        // SAFETY: the table's description says which columns it has.
        let (found, modifier) = unsafe {
            match number {
                1.. => {
                    let found = &*row::attribute((*self.data.tg_relation).rd_att, number as usize - 1);
                    (found.atttypid, found.atttypmod)
                }
                _ => (pg_sys::InvalidOid, -1),
            }
        };
        if row::is_stored_as(found, T::TYPES) {
            Ok((number, modifier))
        } else {
            Err(self.changed(column, expected, found))
        }
    }

    fn changed(&self, column: &CStr, expected: &str, found: pg_sys::Oid) -> Error {
        Error::SchemaChanged {
            table: self.table(),
            column: column.to_string_lossy().into_owned(),
            expected: expected.to_owned(),
            found: if found == pg_sys::InvalidOid { "missing".to_owned() } else { row::name_of(found) },
        }
    }
}

/// Whether a function is the one with this symbol in a library. Only superusers can create such functions.
///
/// # Safety
/// A transaction must be in progress.
pub(super) unsafe fn is_of_symbol(function: pg_sys::Oid, symbol: &CStr) -> bool {
    // SAFETY: the caller says so; a row of this catalog has a language and a source, which is a text.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let row = pg_sys::SearchSysCache1(cache, function.into());
        if row.is_null() {
            return false;
        }
        let (mut is_null, column) = (false, pg_sys::Anum_pg_proc_prosrc as i16);
        let is_c = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_proc>()).prolang == C;
        let source = pg_sys::SysCacheGetAttr(cache, row, column, &mut is_null);
        let is_it = is_c && !is_null && raw_bytes_of(source) == symbol.to_bytes();
        pg_sys::ReleaseSysCache(row);
        is_it
    }
}

/// The language of functions in libraries.
const C: pg_sys::Oid = pg_sys::Oid::from_u32(13);
