//! Converts PostgreSQL's values to Rust's, and back.
//!
//! Text is converted between the database's encoding and UTF-8, so that a value that cannot be converted is an
//! ordinary error (22021) and not a panic. Money is converted without a detour through text.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ffi::{CStr, CString};

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, IntoDatum, PgLogLevel, pg_sys, varlena};
use uuid::Uuid;

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
            // SAFETY: the function reads a C string, a type that it does not look at, and a modifier.
            Err(_) => unsafe {
                let text = CString::new(self.0.to_string()).unwrap_or_default();
                let (no_type, no_modifier) = (pg_sys::Datum::from(0), pg_sys::Datum::from(-1_i32));
                let arguments = [Some(text.as_ptr().into()), Some(no_type), Some(no_modifier)];
                pgrx::direct_function_call_as_datum(pg_sys::numeric_in, &arguments)
            },
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

// SAFETY: the name is that of the built-in type.
unsafe impl SqlTranslatable for Str<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Str<'_>);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("pg_catalog.text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("pg_catalog.text")));
}

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

/// The maximum length of a text in bytes: no argument and no column that is read needs more.
pub const LONGEST_TEXT: usize = 1 << 20;

/// The maximum size of an array in bytes.
pub const LARGEST_ARRAY: usize = 1 << 20;

/// The string of a text. Running out of memory in Rust aborts the server, so a text that is too long for any purpose
/// here is refused before any of it is copied.
///
/// # Safety
/// The datum must be a text, varchar or name-like varlena.
pub unsafe fn string_of(datum: pg_sys::Datum) -> String {
    // SAFETY: the caller says so, and the text is copied at once.
    unsafe { str_of(datum) }.into_owned()
}

/// A text, which is copied only if it must be converted.
///
/// # Safety
/// The datum must be a text, varchar or name-like varlena that outlives the result.
unsafe fn str_of<'a>(datum: pg_sys::Datum) -> Cow<'a, str> {
    // SAFETY: the caller says so.
    unsafe {
        refuse_above(LONGEST_TEXT, "text", datum);
        str_from_server(raw_bytes_of(datum))
    }
}

/// Raises an error for a value with more bytes than this.
///
/// # Safety
/// The datum must be a varlena.
pub unsafe fn refuse_above(limit: usize, what: &'static str, datum: pg_sys::Datum) {
    // SAFETY: the caller says so.
    let size = unsafe { stored_size(datum) };
    if size > limit {
        ErrorReport::from(Error::ValueTooLarge { what, size, limit }).report(PgLogLevel::ERROR);
    }
}

/// The size of a value in bytes, uncompressed and detoasted. Nothing is fetched to find out.
///
/// # Safety
/// The datum must be a varlena.
pub unsafe fn stored_size(datum: pg_sys::Datum) -> usize {
    let value = datum.cast_mut_ptr::<pg_sys::varlena>().cast_const();
    // SAFETY: the caller says so. What is stored as it is says its size itself, without a call.
    unsafe {
        if varlena::varatt_is_1b_e(value) || varlena::varatt_is_4b_c(value) {
            pg_sys::toast_raw_datum_size(datum)
        } else {
            varlena::varsize_any(value)
        }
    }
}

/// The bytes of a text as the database has them.
///
/// # Safety
/// The datum must be a text, varchar or name-like varlena that outlives the result.
pub unsafe fn raw_bytes_of<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: the datum is a varlena; detoasting returns it or a copy of its whole value.
    unsafe { varlena::varlena_to_byte_slice(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr())) }
}

/// A new text in the current memory context. It is cut off at a NUL, which no text can hold.
pub fn text_datum(text: &str) -> pg_sys::Datum {
    let text = up_to_nul(text);
    // SAFETY: the first function reads so many bytes and copies them. The second returns them, or a C string of the
    // converted text, which the third copies.
    unsafe {
        if is_utf8() {
            return pg_sys::cstring_to_text_with_len(text.as_ptr().cast(), text.len() as i32).into();
        }
        let converted = pg_sys::pg_any_to_server(text.as_ptr().cast(), text.len() as i32, UTF8);
        match converted.cast_const().cast() == text.as_ptr() {
            true => pg_sys::cstring_to_text_with_len(converted, text.len() as i32).into(),
            false => pg_sys::cstring_to_text(converted).into(),
        }
    }
}

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;

/// Whether the database's encoding is UTF-8: then a str needs neither conversion nor verification.
fn is_utf8() -> bool {
    thread_local! { static IS_UTF8: OnceCell<bool> = const { OnceCell::new() } }
    // SAFETY: this reads a variable, which stays as it is once a backend runs.
    IS_UTF8.with(|is_utf8| *is_utf8.get_or_init(|| unsafe { pg_sys::GetDatabaseEncoding() } == UTF8))
}

fn up_to_nul(text: &str) -> &str {
    // Looking for a byte is faster than looking for a character.
    text.as_bytes().iter().position(|&byte| byte == 0).map_or(text, |end| &text[..end])
}

/// Text of the database as a string.
pub fn from_server(bytes: &[u8]) -> String {
    str_from_server(bytes).into_owned()
}

fn str_from_server(bytes: &[u8]) -> Cow<'_, str> {
    // SAFETY: the function reads so many bytes and returns them, or a C string of the converted text.
    let converted = unsafe { pg_sys::pg_server_to_any(bytes.as_ptr().cast(), bytes.len() as i32, UTF8) };
    if converted.cast_const().cast() == bytes.as_ptr() {
        return String::from_utf8_lossy(bytes);
    }
    // SAFETY: as above.
    let utf8 = unsafe { CStr::from_ptr(converted) }.to_bytes();
    Cow::Owned(String::from_utf8_lossy(utf8).into_owned())
}

/// A string as text of the database. It is cut off at a NUL, which no text can hold.
pub fn to_server(text: &str) -> CString {
    let text = up_to_nul(text);
    // SAFETY: the function reads so many bytes and returns them, or a C string of the converted text.
    let converted = unsafe { pg_sys::pg_any_to_server(text.as_ptr().cast(), text.len() as i32, UTF8) };
    if converted.cast_const().cast() == text.as_ptr() {
        CString::new(text).unwrap_or_default()
    } else {
        // SAFETY: as above.
        unsafe { CStr::from_ptr(converted) }.to_owned()
    }
}

/// Appends a string as text of the database. It is cut off at a NUL, which no text can hold.
pub fn extend_with_text(bytes: &mut Vec<u8>, text: &str) {
    if is_utf8() {
        bytes.extend_from_slice(up_to_nul(text).as_bytes());
    } else {
        bytes.extend_from_slice(to_server(text).as_bytes());
    }
}

/// Appends a number as a `numeric` stores it, from its digits.
pub fn extend_with_number(bytes: &mut Vec<u8>, digits: &str) {
    match few_digits(digits) {
        Some((is_negative, number, scale)) => extend_with_scaled(bytes, is_negative, number, scale),
        None => extend_with_digits(bytes, digits),
    }
}

/// The sign, the number without its point, and its decimals, if it has few digits and no exponent.
fn few_digits(digits: &str) -> Option<(bool, u64, usize)> {
    let (is_negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
    // Three zeros more have to fit.
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let point = digits.bytes().position(|letter| letter == b'.');
    let scale = point.map_or(0, |point| digits.len() - point - 1);
    let mut number = 0;
    for (place, letter) in digits.bytes().enumerate() {
        match letter {
            b'0'..=b'9' => number = number * 10 + u64::from(letter - b'0'),
            b'.' if Some(place) == point => {}
            _ => return None,
        }
    }
    Some((is_negative, number, scale))
}

/// Appends a number with its last digits, as many as `scale`, behind the point: the size, a word with the sign, the
/// scale and the power of 10 000 that the first digit stands for, and the digits to the base 10 000, without zeros at
/// either end.
fn extend_with_scaled(bytes: &mut Vec<u8>, is_negative: bool, number: u64, scale: usize) {
    const SHORT: u16 = 0x8000;
    const NEGATIVE: u16 = 0x2000;
    let behind_point = scale.div_ceil(4);
    let mut rest = number * 10_u64.pow((behind_point * 4 - scale) as u32);
    let (mut digits, mut count) = ([0_u16; 5], 0);
    while rest > 0 {
        (digits[count], rest) = ((rest % 10_000) as u16, rest / 10_000);
        count += 1;
    }
    let digits = &digits[digits.iter().position(|&digit| digit > 0).unwrap_or(count)..count];
    let power = if count == 0 { 0 } else { count as i16 - behind_point as i16 - 1 };
    let sign = if is_negative && count > 0 { NEGATIVE } else { 0 };
    let size = 4 + 2 + 2 * digits.len() as u32;
    bytes.extend(if cfg!(target_endian = "big") { size } else { size << 2 }.to_ne_bytes());
    bytes.extend((SHORT | sign | (scale as u16) << 7 | (power & 0x7f) as u16).to_ne_bytes());
    bytes.extend(digits.iter().rev().flat_map(|digit| digit.to_ne_bytes()));
}

/// Appends any other number; NaN if it is not a number.
fn extend_with_digits(bytes: &mut Vec<u8>, digits: &str) {
    let text = CString::new(digits).unwrap_or_default();
    let (no_type, no_modifier) = (pg_sys::Datum::from(0), pg_sys::Datum::from(-1_i32));
    // SAFETY: the function takes a C string, a type that it does not look at, and a modifier; it returns a new numeric, of as many
    // bytes as it says, or raises an error.
    unsafe {
        let arguments = [Some(text.as_ptr().into()), Some(no_type), Some(no_modifier)];
        if let Some(number) = pgrx::direct_function_call_as_datum(pg_sys::numeric_in, &arguments) {
            let number = number.cast_mut_ptr::<pg_sys::varlena>();
            bytes.extend_from_slice(std::slice::from_raw_parts(number.cast::<u8>(), varlena::varsize_any(number)));
            pg_sys::pfree(number.cast());
        }
    }
}

/// A `numeric` in hundredths, rounded.
///
/// # Safety
/// The datum must be a numeric.
pub unsafe fn hundredths_of(datum: pg_sys::Datum) -> i64 {
    // SAFETY: the caller says that the datum is a numeric; what has more digits than fit raises an error.
    unsafe {
        if let Some(hundredths) = few_hundredths(raw_bytes_of(datum)) {
            return hundredths;
        }
        let hundred: pg_sys::Datum = pg_sys::int64_to_numeric(100).into();
        let hundredths = pgrx::direct_function_call_as_datum(pg_sys::numeric_mul, &[Some(datum), Some(hundred)]);
        pgrx::direct_function_call::<i64>(pg_sys::numeric_int8, &[hundredths]).unwrap_or_default()
    }
}

/// The hundredths of a stored `numeric` (see `extend_with_scaled`) below 10 000 000 000 000 000 without a sign and
/// without further decimals.
fn few_hundredths(stored: &[u8]) -> Option<i64> {
    let (words, _) = stored.as_chunks::<2>();
    let (&head, digits) = words.split_first()?;
    let head = u16::from_ne_bytes(head);
    // The power of the first digit is 0 to 3, in the seven lowest bits.
    if head & 0xe000 != 0x8000 || head & 0x7f > 3 || digits.len() > 6 {
        return None;
    }
    let digit = |place: usize| digits.get(place).map_or(0, |&digit| i64::from(u16::from_ne_bytes(digit)));
    let before_point = usize::from(head & 0x7f) + 1;
    let whole = (0..before_point).fold(0, |whole, place| whole * 10_000 + digit(place));
    let is_whole = digit(before_point) % 100 == 0 && digits.len() <= before_point + 1;
    is_whole.then(|| whole * 100 + digit(before_point) / 100)
}

/// A new random id.
pub fn new_id() -> Uuid {
    // SAFETY: the function takes no arguments and returns a new uuid.
    let id = unsafe { pgrx::direct_function_call::<pgrx::Uuid>(pg_sys::gen_random_uuid, &[]) };
    id.map_or_else(Uuid::nil, |id| Uuid::from_bytes(*id.as_bytes()))
}

/// New random ids (UUID version 4), as gen_random_uuid() makes them one at a time.
pub fn new_ids(count: usize) -> Vec<Uuid> {
    let mut random = vec![[0_u8; 16]; count];
    // SAFETY: the function fills so many bytes.
    let is_done = unsafe { pg_sys::pg_strong_random(random.as_mut_ptr().cast(), count * 16) };
    if !is_done {
        // It reports that there are no random numbers.
        return (0..count).map(|_| new_id()).collect();
    }
    random.into_iter().map(|bytes| uuid::Builder::from_random_bytes(bytes).into_uuid()).collect()
}

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
    fn numbers_are_stored_as_postgresql_stores_them() {
        let amounts = (0..63).flat_map(|bits| [-1, 0, 1].map(|step| (1_i64 << bits) + step)).chain([100, 10_000, 0]);
        let amounts = amounts.flat_map(|amount| [amount, -amount]);
        let texts = amounts.flat_map(|amount| [amount.to_string(), Money::from_cents(amount).to_string()]);
        let others =
            ["0.0000000000001", "-0.00", "100000000.0000", "0.10", "1e3", "123456789012345.6", "12345678901234567.8"];
        for text in texts.chain(others.map(str::to_owned)) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            extend_with_number(&mut ours, &text);
            extend_with_digits(&mut theirs, &text);
            assert_eq!(ours, theirs, "{text}");
        }
    }

    #[pg_test]
    fn stored_amounts_are_read_in_hundredths() {
        let amounts = (0..56).flat_map(|bits| [-1, 0, 1].map(|step| (1_i64 << bits) + step)).chain([100, 10_000, 0]);
        for amount in amounts.flat_map(|amount| [amount, -amount]) {
            // SAFETY: the datum is a numeric.
            let read = unsafe { hundredths_of(Amount(Money::from_cents(amount)).into_datum().unwrap()) };
            assert_eq!(read, amount);
        }
        for (text, hundredths) in
            [("7", 700), ("0.005", 1), ("12.3449", 1234), ("10000.0001", 1_000_000), ("-0.01", -1)]
        {
            let mut stored = Vec::new();
            extend_with_digits(&mut stored, text);
            // SAFETY: the datum is a numeric.
            assert_eq!(unsafe { hundredths_of(pg_sys::Datum::from(stored.as_ptr())) }, hundredths, "{text}");
        }
    }

    #[pg_test]
    fn units_become_a_numeric_without_needless_decimals() {
        for millionths in [0, 1, 12_500_000, 50_000_000, i128::from(i64::MAX), Units::MAX.millionths(), -1_500_000] {
            let units = Units::from_millionths(millionths);
            assert_eq!(printed(Quantity(units), pg_sys::numeric_out), units.to_string());
        }
    }

    #[pg_test]
    fn text_comes_back_as_it_went() {
        for text in ["", "zo\u{eb}", "\u{1f4a9}", "it's", "\\", "\u{10ffff}"] {
            let datum = Text(text.to_owned()).into_datum().unwrap();
            // SAFETY: the datum is a text.
            assert_eq!(unsafe { Text::from_datum(datum, false) }, Some(Text(text.to_owned())));
        }
        assert_eq!(printed(Text("cut\0off".to_owned()), pg_sys::textout), "cut");
    }

    #[pg_test]
    fn instants_are_printed_in_utc() {
        Spi::run("SET LOCAL timezone = 'Pacific/Auckland'").unwrap();
        assert_eq!(iso_8601(Instant(0)), "2000-01-01T00:00:00+00:00");
        assert_eq!(iso_8601(Instant(1_500_000)), "2000-01-01T00:00:01.5+00:00");
        assert_eq!(iso_8601(Instant::INFINITY), "infinity");
        assert_eq!(iso_8601(Instant::NEG_INFINITY), "-infinity");
    }
}
