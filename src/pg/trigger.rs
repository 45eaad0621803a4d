//! What a trigger is called with, read by the columns' types as they are.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::call::Call;
use super::checks;
use super::datum::{self, Id};
use super::row::{self, Column};
use crate::error::Error;
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
    /// The call, if a trigger makes it.
    pub fn of(call: &Call, function: &'static str) -> Result<TriggerCall, Error> {
        let context = call.context(pg_sys::NodeTag::T_TriggerData).ok_or(Error::CalledWithoutTrigger { function })?;
        // SAFETY: the node is one of a trigger.
        Ok(TriggerCall { data: unsafe { *context.cast::<pg_sys::TriggerData>() } })
    }

    /// Tells all sessions that the table has changed, once that is committed.
    pub fn announce(&self) {
        // SAFETY: the trigger's table is open as long as the call lasts.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid((*self.data.tg_relation).rd_id) };
    }

    /// Whether it is about a row that changes.
    pub fn is_update_of_row(&self) -> bool {
        !self.data.tg_newtuple.is_null()
    }

    /// What the trigger function returns to let things go on: the row, or nothing where the trigger is one for statements.
    pub fn unchanged(&self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.row())
    }

    /// A text column of the row that changes; empty where it is NULL.
    pub fn text(&self, version: Version, column: &'static CStr) -> Result<String, Error> {
        let value = self.value::<String>(version, column, "character varying")?;
        // SAFETY: the column is a text.
        Ok(value.map(|value| unsafe { datum::string_of(value) }).unwrap_or_default())
    }

    /// A uuid column of the row that changes; nil where it is NULL.
    pub fn id(&self, version: Version, column: &'static CStr) -> Result<Uuid, Error> {
        let value = self.value::<Uuid>(version, column, "uuid")?;
        // SAFETY: the column is a uuid.
        Ok(value.and_then(|value| unsafe { Id::from_datum(value, false) }).map(|id| id.0).unwrap_or_default())
    }

    /// A number of the row that changes, if there is one.
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

    /// The first of the extension's CHECK constraints that the row does not meet.
    pub fn broken_constraint(&self, call: &Call) -> Option<String> {
        // SAFETY: a call of a trigger names a table that is open, and a row of it.
        unsafe { checks::first_broken(call.info(), self.data.tg_relation, self.row()) }
    }

    /// A column of the row as a message tells it: its name and value.
    pub fn told(&self, column: &str) -> String {
        let longest = 100;
        let Ok(name) = CString::new(column) else { return String::new() };
        // SAFETY: the row is one of the table's; what is returned is NULL or a C string.
        let value = unsafe {
            let description = (*self.data.tg_relation).rd_att;
            let value = pg_sys::SPI_getvalue(self.row(), description, pg_sys::SPI_fnumber(description, name.as_ptr()));
            (!value.is_null()).then(|| datum::from_server(CStr::from_ptr(value).to_bytes()))
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

    /// The row as it is to be; the one that goes where it is deleted.
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
            Version::New => self.data.tg_newtuple,
        };
        // SAFETY: the row is one of the table's, whose description says which columns it has.
        unsafe {
            let description = (*self.data.tg_relation).rd_att;
            let number = pg_sys::SPI_fnumber(description, column.as_ptr());
            let found = match number {
                1.. => (*row::attribute(description, number as usize - 1)).atttypid,
                _ => pg_sys::InvalidOid,
            };
            if !row::is_stored_as(found, T::TYPES) {
                return Err(self.changed(column, expected, found));
            }
            let mut is_null = false;
            let value = pg_sys::SPI_getbinval(row, description, number, &mut is_null);
            Ok((!is_null).then_some(value))
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
