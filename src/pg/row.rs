//! Reads rows of results by the types of their columns.
//!
//! A statement declares the types of its columns. They are compared with those of the executor before each result's
//! first row, so that no value is ever read as a different type, whatever was done to the tables.

use std::ffi::CStr;

use engine::time::Instant;
use pgrx::datum::Interval;
use pgrx::{FromDatum, pg_sys};
use uuid::Uuid;

use super::datum::{Id, Text, Timestamp};
use super::numeric::hundredths_of;
use super::text::{LARGEST_ARRAY, LONGEST_TEXT, raw_bytes_of, refuse_above};
use crate::error::Error;

/// A type that a column can be read as.
pub trait Column {
    /// What a value becomes.
    type Value<'a>;
    /// The SQL types with the same representation, the usual one first.
    const TYPES: &'static [pg_sys::Oid];
    /// Whether NULL has a value.
    const IS_NULLABLE: bool = false;

    /// # Safety
    /// The datum must be of one of the types, and live as long as the value; it may be NULL only if that has a value.
    unsafe fn read<'a>(datum: pg_sys::Datum, is_null: bool) -> Self::Value<'a>;
}

/// The columns of a row: a tuple of column types. A statement of `()` returns rows that nobody reads.
pub trait Columns {
    /// The values of a row.
    type Row<'a>;
    /// The SQL types of each column.
    const TYPES: &'static [&'static [pg_sys::Oid]];

    /// Reads a row; fails for a NULL that is not allowed.
    ///
    /// # Safety
    /// The row's columns must be of these types.
    unsafe fn read<'a>(row: &RawRow<'a>) -> Result<Self::Row<'a>, Error>;
}

/// The values of a row with these columns.
pub type RowOf<'a, R> = <R as Columns>::Row<'a>;

/// A row as the executor passes it.
pub struct RawRow<'a> {
    pub values: &'a [pg_sys::Datum],
    pub nulls: &'a [bool],
    pub names: Names,
}

/// The names of a row's columns.
#[derive(Clone, Copy)]
pub enum Names {
    /// From the description of the result.
    Described(pg_sys::TupleDesc),
    /// From this list.
    Listed(&'static [&'static str]),
}

/// A text in the database's encoding.
pub struct RawText;

/// An amount with two decimals, in hundredths.
pub struct Cents;

impl Column for Cents {
    type Value<'a> = i64;
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::NUMERICOID];
    unsafe fn read<'a>(datum: pg_sys::Datum, _: bool) -> Self::Value<'a> {
        // SAFETY: the caller says that the datum is a numeric.
        unsafe { hundredths_of(datum) }
    }
}

impl RawRow<'_> {
    fn null_in(&self, column: usize) -> Error {
        let column = match self.names {
            // SAFETY: the description has as many attributes as the row has columns.
            Names::Described(description) => unsafe { name_and_type(description, column) }.0,
            Names::Listed(names) => names[column].to_owned(),
        };
        Error::UnexpectedNull { column }
    }
}

/// The first column that cannot be read as declared, if any.
///
/// # Safety
/// The description must be that of a result.
pub unsafe fn misfit(description: pg_sys::TupleDesc, types: &[&[pg_sys::Oid]]) -> Option<Error> {
    // SAFETY: the caller says so; columns are looked at only as far as there are any.
    unsafe {
        let count = (*description).natts as usize;
        for (column, expected) in types.iter().enumerate() {
            if column >= count {
                return Some(Error::ResultChanged {
                    column: column.to_string(),
                    expected: name_of(expected[0]),
                    found: "missing".into(),
                });
            }
            let (name, found) = name_and_type(description, column);
            if !is_stored_as(found, expected) {
                return Some(Error::ResultChanged {
                    column: name,
                    expected: name_of(expected[0]),
                    found: name_of(found),
                });
            }
        }
        None
    }
}

/// Whether values of a type, or of a domain's base type, have the representation of one of these types.
pub fn is_stored_as(found: pg_sys::Oid, expected: &[pg_sys::Oid]) -> bool {
    // SAFETY: this looks at a catalog.
    expected.contains(&found) || expected.contains(&unsafe { pg_sys::getBaseType(found) })
}

/// The name of a type, as it is written in SQL.
pub fn name_of(type_oid: pg_sys::Oid) -> String {
    // SAFETY: this looks at a catalog and returns a C string.
    unsafe { CStr::from_ptr(pg_sys::format_type_be(type_oid)) }.to_string_lossy().into_owned()
}

unsafe fn name_and_type(description: pg_sys::TupleDesc, column: usize) -> (String, pg_sys::Oid) {
    // SAFETY: the caller names a column that there is; names are C strings.
    unsafe {
        let attribute = &*attribute(description, column);
        (CStr::from_ptr(attribute.attname.data.as_ptr()).to_string_lossy().into_owned(), attribute.atttypid)
    }
}

/// A column of a description, counted from 0.
///
/// # Safety
/// The description must have that column.
pub unsafe fn attribute(description: pg_sys::TupleDesc, column: usize) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: the caller says so. From 18 on the attributes follow an array that is as long.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        return (*description).attrs.as_ptr().add(column);
        #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
        return {
            let attributes = (*description).compact_attrs.as_ptr().add((*description).natts as usize);
            attributes.cast::<pg_sys::FormData_pg_attribute>().add(column)
        };
    }
}

macro_rules! column {
    ($type:ty, [$($oid:ident),+], $datum:ident => $read:expr) => {
        impl Column for $type {
            type Value<'a> = $type;
            const TYPES: &'static [pg_sys::Oid] = &[$(pg_sys::$oid),+];
            unsafe fn read<'a>($datum: pg_sys::Datum, _: bool) -> Self::Value<'a> {
                // SAFETY: the caller says that the datum is of this type, and not NULL.
                unsafe { $read }
            }
        }
    };
}

column!(bool, [BOOLOID], datum => bool::from_datum(datum, false).unwrap_unchecked());
column!(i32, [INT4OID], datum => i32::from_datum(datum, false).unwrap_unchecked());
column!(i64, [INT8OID], datum => i64::from_datum(datum, false).unwrap_unchecked());
column!(f32, [FLOAT4OID], datum => f32::from_datum(datum, false).unwrap_unchecked());
column!(pg_sys::Oid, [OIDOID], datum => pg_sys::Oid::from_datum(datum, false).unwrap_unchecked());
column!(String, [TEXTOID, VARCHAROID], datum => Text::from_datum(datum, false).unwrap_unchecked().0);
column!(Uuid, [UUIDOID], datum => Id::from_datum(datum, false).unwrap_unchecked().0);
column!(Instant, [TIMESTAMPTZOID], datum => Timestamp::from_datum(datum, false).unwrap_unchecked().0);
column!(Interval, [INTERVALOID], datum => Interval::from_datum(datum, false).unwrap_unchecked());
column!(Vec<u8>, [BYTEAOID], datum => raw_bytes_of(datum).to_vec());
column!(Vec<Uuid>, [UUIDARRAYOID], datum => ids(datum));

impl Column for RawText {
    type Value<'a> = &'a [u8];
    const TYPES: &'static [pg_sys::Oid] = <String as Column>::TYPES;
    unsafe fn read<'a>(datum: pg_sys::Datum, _: bool) -> &'a [u8] {
        // SAFETY: the caller says that the datum is a text.
        unsafe {
            refuse_above(LONGEST_TEXT, "text", datum);
            raw_bytes_of(datum)
        }
    }
}

impl<T: Column> Column for Option<T> {
    type Value<'a> = Option<T::Value<'a>>;
    const TYPES: &'static [pg_sys::Oid] = T::TYPES;
    const IS_NULLABLE: bool = true;
    unsafe fn read<'a>(datum: pg_sys::Datum, is_null: bool) -> Option<T::Value<'a>> {
        // SAFETY: the caller says so.
        (!is_null).then(|| unsafe { T::read(datum, false) })
    }
}

/// The elements of a uuid[] that are not NULL.
///
/// # Safety
/// The datum must be a uuid[].
unsafe fn ids(datum: pg_sys::Datum) -> Vec<Uuid> {
    // SAFETY: the caller says so.
    unsafe { refuse_above(LARGEST_ARRAY, "array", datum) };
    // SAFETY: as above.
    let elements = unsafe { Vec::<Option<pgrx::Uuid>>::from_datum(datum, false) }.unwrap_or_default();
    elements.into_iter().flatten().map(|id| Uuid::from_bytes(*id.as_bytes())).collect()
}

impl Columns for () {
    type Row<'a> = ();
    const TYPES: &'static [&'static [pg_sys::Oid]] = &[];
    unsafe fn read<'a>(_: &RawRow<'a>) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! columns {
    ($($type:ident $place:tt),+) => {
        impl<$($type: Column),+> Columns for ($($type,)+) {
            type Row<'a> = ($($type::Value<'a>,)+);
            const TYPES: &'static [&'static [pg_sys::Oid]] = &[$($type::TYPES),+];
            unsafe fn read<'a>(row: &RawRow<'a>) -> Result<Self::Row<'a>, Error> {
                $(if row.nulls[$place] && !$type::IS_NULLABLE {
                    return Err(row.null_in($place));
                })+
                // SAFETY: the caller says that the columns are of these types, and those that are NULL may be.
                Ok(unsafe { ($($type::read(row.values[$place], row.nulls[$place]),)+) })
            }
        }
    };
}

columns!(A 0);
columns!(A 0, B 1);
columns!(A 0, B 1, C 2);
columns!(A 0, B 1, C 2, D 3);
columns!(A 0, B 1, C 2, D 3, E 4);
columns!(A 0, B 1, C 2, D 3, E 4, F 5);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15, Q 16);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15, Q 16, R 17);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15, Q 16, R 17, S 18);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15, Q 16, R 17, S 18, T 19);
