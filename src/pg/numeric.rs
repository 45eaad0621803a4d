//! The storage format of `numeric`: money and other numbers are converted without a detour through text.

use std::ffi::CString;

use pgrx::{pg_sys, varlena};

use super::text::raw_bytes_of;

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
    let Some(number) = parsed(digits) else { return };
    let number = number.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: the numeric is new and has as many bytes as it says.
    unsafe {
        bytes.extend_from_slice(std::slice::from_raw_parts(number.cast::<u8>(), varlena::varsize_any(number)));
        pg_sys::pfree(number.cast());
    }
}

/// A new `numeric` with these digits; NaN if they are not a number.
pub fn parsed(digits: &str) -> Option<pg_sys::Datum> {
    let text = CString::new(digits).unwrap_or_default();
    let (no_type, no_modifier) = (pg_sys::Datum::from(0), pg_sys::Datum::from(-1_i32));
    let arguments = [Some(text.as_ptr().into()), Some(no_type), Some(no_modifier)];
    // SAFETY: the function takes a C string, a type that it does not look at, and a modifier; it returns a new numeric or
    // raises an error.
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::numeric_in, &arguments) }
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

#[cfg(feature = "pg_test")]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::*;
    use crate::pg::datum::Amount;
    use engine::money::Money;

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
}
