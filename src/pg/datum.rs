//! Types for the arguments and results of SQL functions.

use std::borrow::Cow;
use std::ffi::CStr;
use std::marker::PhantomData;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, IntoDatum, pg_sys};
use uuid::Uuid;

use super::numeric;
use super::text::{LARGEST_ARRAY, plain_bytes_of, refuse_above, str_of, string_of, text_datum};
use crate::error::Error;
use engine::money::Money;
use engine::time::Instant;
use engine::usage::units::Units;

/// A `text` argument or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// A borrowed `text` argument, for calls in which a copy would be a good part of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Str<'a>(pub Cow<'a, str>);

impl std::ops::Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// A `text` argument that is looked at in the database's encoding where that will do.
#[derive(Clone, Copy)]
pub struct Passed<'a> {
    datum: pg_sys::Datum,
    call: PhantomData<&'a ()>,
}

impl<'a> Passed<'a> {
    /// It as a string.
    pub fn text(&self) -> Cow<'a, str> {
        // SAFETY: the datum is a text that lives as long as the call.
        unsafe { str_of(self.datum) }
    }

    /// Its bytes as the database has them, if they need neither be fetched nor verified.
    pub fn plain(&self) -> Option<&'a [u8]> {
        // SAFETY: as above.
        unsafe { plain_bytes_of(self.datum) }
    }

    pub(super) fn datum(&self) -> pg_sys::Datum {
        self.datum
    }
}

/// A `text[]` argument, flattened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts(pub Vec<Option<Text>>);

/// A `uuid` argument or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub Uuid);

/// A `regrole` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role(pub pg_sys::Oid);

/// A `timestamptz` argument or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub Instant);

/// An amount of money as a `numeric` with two decimals; a result only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Money);

/// Units of a metered feature as a `numeric` with as few decimals as it needs; a result only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(pub Units);

/// A `numeric` argument as its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits(pub String);

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Text> {
        // SAFETY: the caller says that the datum is a text.
        (!is_null).then(|| Text(unsafe { string_of(datum) }))
    }
}

impl IntoDatum for Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(text_datum(&self.0))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

impl FromDatum for Texts {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Texts> {
        if is_null {
            return None;
        }
        let (mut elements, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        // SAFETY: the caller says that the datum is a text[]; its elements are varlenas aligned like integers.
        unsafe {
            refuse_above(LARGEST_ARRAY, "array", datum);
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
            let align = pg_sys::TYPALIGN_INT as core::ffi::c_char;
            pg_sys::deconstruct_array(array, pg_sys::TEXTOID, -1, false, align, &mut elements, &mut nulls, &mut count);
            let element = |i| Text::from_datum(*elements.add(i), *nulls.add(i));
            Some(Texts((0..count as usize).map(element).collect()))
        }
    }
}

impl FromDatum for Id {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Id> {
        // SAFETY: the caller says that the datum is a uuid, which is sixteen bytes.
        (!is_null).then(|| Id(Uuid::from_bytes(unsafe { *datum.cast_mut_ptr::<[u8; 16]>() })))
    }
}

impl IntoDatum for Id {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        pgrx::Uuid::from_bytes(self.0.into_bytes()).into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::UUIDOID
    }
}

impl FromDatum for Role {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Role> {
        (!is_null).then(|| Role(pg_sys::Oid::from(datum.value() as u32)))
    }
}

impl FromDatum for Timestamp {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Timestamp> {
        (!is_null).then(|| Timestamp(Instant(datum.value() as i64)))
    }
}

impl IntoDatum for Timestamp {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TIMESTAMPTZOID
    }
}

impl IntoDatum for Amount {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // SAFETY: the function takes any number and returns a new numeric.
        Some(unsafe { pg_sys::int64_div_fast_to_numeric(self.0.cents(), 2) }.into())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::NUMERICOID
    }
}

impl IntoDatum for Quantity {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let (digits, scale) = self.0.scaled();
        match i64::try_from(digits) {
            // SAFETY: the function takes any number and returns a new numeric.
            Ok(digits) => Some(unsafe { pg_sys::int64_div_fast_to_numeric(digits, scale as i32) }.into()),
            Err(_) => numeric::parsed(&self.0.to_string()),
        }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::NUMERICOID
    }
}

impl FromDatum for Digits {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Digits> {
        if is_null {
            return None;
        }
        // SAFETY: the caller says that the datum is a numeric.
        let digits = unsafe { pgrx::direct_function_call::<&CStr>(pg_sys::numeric_out, &[Some(datum)]) }?;
        Some(Digits(digits.to_string_lossy().into_owned()))
    }
}

/// The implementation that pgrx needs to accept a type as an argument.
macro_rules! argument {
    ($($type:ty),*) => { $(
        // SAFETY: the SQL type named for this Rust type is the one that its FromDatum reads.
        unsafe impl<'fcx> ArgAbi<'fcx> for $type {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                let index = arg.index();
                // SAFETY: as above.
                unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| panic!("argument {index} is NULL"))
            }
        }
    )* };
}

// SAFETY: the SQL type named below is the one that is read here.
unsafe impl<'fcx> ArgAbi<'fcx> for Str<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        let index = arg.index();
        // SAFETY: as above; the argument lives as long as the call.
        let datum = unsafe { arg.unbox_arg_using_from_datum::<Unread>() };
        // SAFETY: as above.
        Str(unsafe { str_of(datum.unwrap_or_else(|| panic!("argument {index} is NULL")).0) })
    }
}

// SAFETY: as above.
unsafe impl<'fcx> ArgAbi<'fcx> for Passed<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        let index = arg.index();
        // SAFETY: as above; the argument lives as long as the call.
        let datum = unsafe { arg.unbox_arg_using_from_datum::<Unread>() };
        Passed { datum: datum.unwrap_or_else(|| panic!("argument {index} is NULL")).0, call: PhantomData }
    }
}

/// The name of the SQL type of a borrowed text.
macro_rules! borrowed_text {
    ($($type:ty),*) => { $(
        // SAFETY: the name is that of the built-in type.
        unsafe impl SqlTranslatable for $type {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($type);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("pg_catalog.text"));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
                Ok(ReturnsRef::One(SqlMappingRef::literal("pg_catalog.text")));
        }
    )* };
}

borrowed_text!(Str<'_>, Passed<'_>);

/// An argument's datum as it is.
pub struct Unread(pub pg_sys::Datum);

impl FromDatum for Unread {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Unread> {
        (!is_null).then_some(Unread(datum))
    }
}

/// The implementation that pgrx needs to return a type.
macro_rules! result {
    ($($type:ty),*) => { $(
        // SAFETY: the SQL type named for this Rust type is the one that its IntoDatum makes.
        unsafe impl BoxRet for $type {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                match self.into_datum() {
                    // SAFETY: as above.
                    Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
                    None => fcinfo.return_null(),
                }
            }
        }
    )* };
}

/// The name of a Rust type's SQL type in `CREATE FUNCTION`.
macro_rules! sql_type {
    ($($type:ty => $name:literal),*) => { $(
        // SAFETY: the names are those of built-in types of the same representation.
        unsafe impl SqlTranslatable for $type {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($type);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal($name));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal($name)));
        }
    )* };
}

argument!(Text, Texts, Id, Role, Timestamp, Digits);
result!(Text, Id, Timestamp, Amount, Quantity);
sql_type!(
    Text => "pg_catalog.text",
    Texts => "pg_catalog.text[]",
    Id => "pg_catalog.uuid",
    Role => "pg_catalog.regrole",
    Timestamp => "pg_catalog.timestamptz",
    Amount => "pg_catalog.numeric",
    Quantity => "pg_catalog.numeric",
    Digits => "pg_catalog.numeric"
);

/// The value of a required argument.
pub fn required<T>(value: Option<T>, argument: &'static str) -> Result<T, Error> {
    value.ok_or(Error::NullArgument { argument })
}

#[cfg(feature = "pg_test")]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::*;

    /// The text that PostgreSQL prints for a value.
    fn printed(value: impl IntoDatum, output: unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum) -> String {
        // SAFETY: the callers name the output function of the value's type.
        let text = unsafe { pgrx::direct_function_call::<&CStr>(output, &[value.into_datum()]) };
        text.unwrap().to_str().unwrap().to_owned()
    }

    #[pg_test]
    fn money_becomes_a_numeric_with_two_decimals() {
        let amounts = (0..63).flat_map(|bits| [-1, 0, 1].map(|step| (1_i64 << bits) + step)).chain([i64::MAX, 100]);
        for amount in amounts.flat_map(|cents| [cents, -cents]).map(Money::from_cents) {
            assert_eq!(printed(Amount(amount), pg_sys::numeric_out), amount.to_string());
        }
    }

    #[pg_test]
    fn units_become_a_numeric_without_needless_decimals() {
        for millionths in [0, 1, 12_500_000, 50_000_000, i128::from(i64::MAX), Units::MAX.millionths(), -1_500_000] {
            let units = Units::from_millionths(millionths);
            assert_eq!(printed(Quantity(units), pg_sys::numeric_out), units.to_string());
        }
    }
}
