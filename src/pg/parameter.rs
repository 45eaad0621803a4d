//! Values for the parameters of statements: `params![user_id, add_on_id]`.

use engine::time::Instant;
use pgrx::datum::Interval;
use pgrx::{IntoDatum, pg_sys};
use uuid::Uuid;

use super::datum::{Id, Passed, Timestamp};
use super::document::Document;
use super::jsonb::Jsonb;
use super::text::{text_datum, to_server};

/// A value that can be passed to a statement.
pub trait Parameter {
    /// Its SQL type.
    fn type_oid(&self) -> pg_sys::Oid;
    /// The value; `None` for NULL. It may refer to the parameter itself.
    fn datum(&self) -> Option<pg_sys::Datum>;
    /// Whether the value is a new allocation.
    fn is_allocated(&self) -> bool {
        true
    }
}

/// The parameters of a statement, in the order of `$1`, `$2`, and so on.
pub type Params<'a> = [&'a dyn Parameter];

/// A list of parameters.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$(&$value as &dyn $crate::pg::parameter::Parameter),*] };
}

/// A document, which is passed as text and parsed by PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct JsonText<'a>(pub &'a str);

impl JsonText<'_> {
    fn read(&self) -> Option<pg_sys::Datum> {
        let text = to_server(self.0);
        // SAFETY: the text is a C string in the database's encoding.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(text.as_ptr().into())]) }
    }
}

macro_rules! parameter {
    ($($type:ty, $oid:ident, $value:ident => $datum:expr;)+) => { $(
        impl Parameter for $type {
            fn type_oid(&self) -> pg_sys::Oid {
                pg_sys::$oid
            }

            fn datum(&self) -> Option<pg_sys::Datum> {
                let $value = self;
                $datum
            }
        }
    )+ };
}

parameter! {
    str, TEXTOID, text => Some(text_datum(text));
    String, TEXTOID, text => Some(text_datum(text));
    Option<&str>, TEXTOID, text => text.map(text_datum);
    Option<String>, TEXTOID, text => text.as_deref().map(text_datum);
    Option<Uuid>, UUIDOID, id => id.and_then(|id| Id(id).into_datum());
    [Uuid], UUIDARRAYOID, ids => ids.iter().copied().map(Id).collect::<Vec<Id>>().into_datum();
    Vec<Uuid>, UUIDARRAYOID, ids => ids.as_slice().datum();
    pg_sys::Oid, OIDOID, oid => Some((*oid).into());
    [pg_sys::Oid], OIDARRAYOID, oids => oids.to_vec().into_datum();
    bool, BOOLOID, on => on.into_datum();
    [bool], BOOLARRAYOID, on => on.to_vec().into_datum();
    Vec<bool>, BOOLARRAYOID, on => on.clone().into_datum();
    i32, INT4OID, number => number.into_datum();
    Option<i32>, INT4OID, number => number.into_datum();
    [i32], INT4ARRAYOID, numbers => numbers.to_vec().into_datum();
    Vec<i32>, INT4ARRAYOID, numbers => numbers.clone().into_datum();
    i64, INT8OID, number => number.into_datum();
    Option<i64>, INT8OID, number => number.into_datum();
    [i64], INT8ARRAYOID, numbers => numbers.to_vec().into_datum();
    Vec<i64>, INT8ARRAYOID, numbers => numbers.clone().into_datum();
    [String], TEXTARRAYOID, texts => texts.iter().map(|text| Borrowed(text)).collect::<Vec<Borrowed>>().into_datum();
    Vec<String>, TEXTARRAYOID, texts => texts.as_slice().datum();
    Vec<&str>, TEXTARRAYOID, texts => texts.iter().map(|text| Borrowed(text)).collect::<Vec<Borrowed>>().into_datum();
    [Option<&str>], TEXTARRAYOID, texts =>
        texts.iter().map(|text| text.map(Borrowed)).collect::<Vec<Option<Borrowed>>>().into_datum();
    Vec<Option<&str>>, TEXTARRAYOID, texts => texts.as_slice().datum();
    [Option<Instant>], TIMESTAMPTZARRAYOID, times =>
        times.iter().map(|time| time.map(Timestamp)).collect::<Vec<Option<Timestamp>>>().into_datum();
    Vec<Option<Instant>>, TIMESTAMPTZARRAYOID, times => times.as_slice().datum();
    [u8], BYTEAOID, bytes => bytes.into_datum();
    Vec<u8>, BYTEAOID, bytes => bytes.as_slice().into_datum();
    Instant, TIMESTAMPTZOID, at => Timestamp(*at).into_datum();
    Option<Instant>, TIMESTAMPTZOID, at => at.and_then(|at| Timestamp(at).into_datum());
    Interval, INTERVALOID, interval => interval.into_datum();
    Vec<Option<i64>>, INT8ARRAYOID, numbers => numbers.clone().into_datum();
    Option<Vec<String>>, TEXTARRAYOID, texts => texts.as_ref().and_then(|texts| texts.as_slice().datum());
    JsonText<'_>, JSONBOID, text => text.read();
    Jsonb, JSONBOID, document => Some(document.datum());
    Document<'_>, JSONBOID, document => Some(document.as_it_is());
    Option<Jsonb>, JSONBOID, document => document.as_ref().map(Jsonb::datum);
    Vec<Option<Jsonb>>, JSONBARRAYOID, documents =>
        documents.iter().map(|document| document.as_ref().map(Stored)).collect::<Vec<Option<Stored>>>().into_datum();
}

impl Parameter for Uuid {
    fn type_oid(&self) -> pg_sys::Oid {
        pg_sys::UUIDOID
    }

    fn datum(&self) -> Option<pg_sys::Datum> {
        Some(self.as_bytes().as_ptr().into())
    }

    fn is_allocated(&self) -> bool {
        false
    }
}

impl Parameter for Passed<'_> {
    fn type_oid(&self) -> pg_sys::Oid {
        pg_sys::TEXTOID
    }

    fn datum(&self) -> Option<pg_sys::Datum> {
        Some(Passed::datum(self))
    }

    fn is_allocated(&self) -> bool {
        false
    }
}

impl<T: Parameter + ?Sized> Parameter for &T {
    fn type_oid(&self) -> pg_sys::Oid {
        (**self).type_oid()
    }

    fn datum(&self) -> Option<pg_sys::Datum> {
        (**self).datum()
    }

    fn is_allocated(&self) -> bool {
        (**self).is_allocated()
    }
}

/// An element of a text array. It is copied only when PostgreSQL's text is made of it.
struct Borrowed<'a>(&'a str);

impl IntoDatum for Borrowed<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(text_datum(self.0))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

/// An element of an array of documents. It is copied only when PostgreSQL's array is made of it.
struct Stored<'a>(&'a Jsonb);

impl IntoDatum for Stored<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0.datum())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}
