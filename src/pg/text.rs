//! Text in the database's encoding, and the sizes of values.
//!
//! Text is converted between the database's encoding and UTF-8, so that a value that cannot be converted is an
//! ordinary error (22021) and not a panic.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::OnceLock;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, pg_sys, varlena};

use crate::error::Error;

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
pub unsafe fn str_of<'a>(datum: pg_sys::Datum) -> Cow<'a, str> {
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
    unsafe { if is_inline(value) { varlena::varsize_any(value) } else { pg_sys::toast_raw_datum_size(datum) } }
}

/// The bytes of a text as the database has them.
///
/// # Safety
/// The datum must be a text, varchar or name-like varlena that outlives the result.
pub unsafe fn raw_bytes_of<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    let value = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: the datum is a varlena; detoasting returns a copy of its whole value.
    unsafe {
        let whole = if is_inline(value) { value } else { pg_sys::pg_detoast_datum_packed(value) };
        varlena::varlena_to_byte_slice(whole)
    }
}

/// The bytes of a text as the database has them, if they need neither be fetched nor verified nor converted.
///
/// # Safety
/// The datum must be a text that outlives the result.
pub unsafe fn plain_bytes_of<'a>(datum: pg_sys::Datum) -> Option<&'a [u8]> {
    let value = datum.cast_mut_ptr::<pg_sys::varlena>().cast_const();
    // SAFETY: the caller says so.
    let bytes = unsafe { is_inline(value).then(|| varlena::varlena_to_byte_slice(value)) }?;
    (bytes.len() <= LONGEST_TEXT && (is_utf8() || bytes.is_ascii())).then_some(bytes)
}

/// Whether a value is stored as it is, neither compressed nor in another place.
///
/// # Safety
/// It must be a varlena.
unsafe fn is_inline(value: *const pg_sys::varlena) -> bool {
    // SAFETY: the caller says so.
    unsafe { !varlena::varatt_is_1b_e(value) && !varlena::varatt_is_4b_c(value) }
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
    static IS_UTF8: OnceLock<bool> = OnceLock::new();
    // SAFETY: this reads a variable, which stays as it is once a backend runs.
    *IS_UTF8.get_or_init(|| unsafe { pg_sys::GetDatabaseEncoding() } == UTF8)
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
    if is_utf8() {
        return String::from_utf8_lossy(bytes);
    }
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

#[cfg(feature = "pg_test")]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::*;
    use crate::pg::datum::Text;

    #[pg_test]
    fn text_comes_back_as_it_went() {
        for text in ["", "zo\u{eb}", "\u{1f4a9}", "it's", "\\", "\u{10ffff}"] {
            let datum = Text(text.to_owned()).into_datum().unwrap();
            // SAFETY: the datum is a text.
            assert_eq!(unsafe { Text::from_datum(datum, false) }, Some(Text(text.to_owned())));
        }
        // SAFETY: the datum is a text.
        assert_eq!(unsafe { string_of(text_datum("cut\0off")) }, "cut");
    }
}
