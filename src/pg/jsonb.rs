//! Builds outgoing documents directly in PostgreSQL's `jsonb` format, or passes them on as stored. If PostgreSQL
//! parsed them from text, that would take ten times the document's size in memory, which matters for a cart with
//! thousands of lines.
//!
//! A container is a word with its kind and the number of its children, a word for each child with its type and length
//! (or, for every 32nd, the offset of its end), and then the children one after the other. Objects have first their
//! keys, sorted by length and then by bytes, and then their values. Numbers and containers are aligned to four bytes,
//! and the padding before them counts as part of them.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, pg_sys};
use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value;

use super::datum::{digits_of, raw_bytes_of, refuse_above, to_server};
use super::row::Column;

/// The maximum size in bytes of a document that is passed on unchanged.
const LARGEST: usize = 16 << 20;

const SCALAR: u32 = 0x1000_0000;
const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;

const IS_STRING: u32 = 0;
const IS_NUMERIC: u32 = 0x1000_0000;
const IS_FALSE: u32 = 0x2000_0000;
const IS_TRUE: u32 = 0x3000_0000;
const IS_NULL: u32 = 0x4000_0000;
const IS_CONTAINER: u32 = 0x5000_0000;
const TYPE: u32 = 0x7000_0000;
const HAS_END: u32 = 0x8000_0000;
const STRIDE: usize = 32;

/// The name under which serde_json passes a number as its digits.
const NUMBER: &str = "$serde_json::private::Number";

/// A document as it is stored, without the length word.
#[derive(Clone, Debug)]
pub struct Jsonb(Vec<u8>);

impl Jsonb {
    /// The document that this serialises to.
    pub fn of(document: &impl Serialize) -> Jsonb {
        // Writing fails only for values without a form in JSON, and our documents have none.
        let value = document.serialize(Writer).unwrap_or_else(|_| Part::plain(IS_NULL, Vec::new()));
        match value.kind {
            IS_CONTAINER => Jsonb(value.bytes),
            _ => Jsonb(container(ARRAY | SCALAR, 1, &[value]).bytes),
        }
    }

    /// The bytes that it has.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The datum, in the current memory context.
    pub fn datum(&self) -> pg_sys::Datum {
        let size = self.0.len() + pg_sys::VARHDRSZ;
        // SAFETY: so many bytes are allocated, and all of them are written.
        unsafe {
            let value = pg_sys::palloc(size).cast::<pg_sys::varlena>();
            pgrx::varlena::set_varsize_4b(value, size as i32);
            std::ptr::copy_nonoverlapping(self.0.as_ptr(), value.cast::<u8>().add(pg_sys::VARHDRSZ), self.0.len());
            value.into()
        }
    }
}

/// A document that is passed on. It is not parsed, so it takes only as much memory as it has bytes.
impl Column for Jsonb {
    type Value<'a> = Jsonb;
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::JSONBOID];
    unsafe fn read<'a>(datum: pg_sys::Datum, _: bool) -> Self::Value<'a> {
        // SAFETY: the caller says that the datum is a jsonb, whose bytes are copied.
        unsafe {
            refuse_above(LARGEST, "jsonb", datum);
            Jsonb(raw_bytes_of(datum).to_vec())
        }
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.datum())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the SQL type named below is the one that its IntoDatum makes.
unsafe impl BoxRet for Jsonb {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(self.datum()) }
    }
}

// SAFETY: the name is that of the built-in type.
unsafe impl SqlTranslatable for Jsonb {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Jsonb);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("pg_catalog.jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("pg_catalog.jsonb")));
}

/// A value in its container.
struct Part {
    kind: u32,
    is_aligned: bool,
    bytes: Vec<u8>,
}

impl Part {
    fn plain(kind: u32, bytes: Vec<u8>) -> Part {
        Part { kind, is_aligned: false, bytes }
    }

    fn string(text: &str) -> Part {
        Part::plain(IS_STRING, to_server(text).into_bytes())
    }

    fn number(digits: &str) -> Part {
        Part { kind: IS_NUMERIC, is_aligned: true, bytes: digits_of(digits) }
    }
}

/// A container with this many children. The parts are the children; for an object the keys, then the values.
fn container(kind: u32, children: usize, parts: &[Part]) -> Part {
    let head = 4 + 4 * parts.len();
    let size: usize = parts.iter().map(|part| part.bytes.len() + 3).sum();
    let mut bytes = Vec::with_capacity(head + size);
    bytes.resize(head, 0);
    bytes[..4].copy_from_slice(&(kind | children as u32).to_ne_bytes());
    for (position, part) in parts.iter().enumerate() {
        let start = bytes.len();
        if part.is_aligned {
            bytes.resize(start.next_multiple_of(4), 0);
        }
        bytes.extend_from_slice(&part.bytes);
        let entry = match position.is_multiple_of(STRIDE) {
            true => HAS_END | (part.kind & TYPE) | (bytes.len() - head) as u32,
            false => part.kind | (bytes.len() - start) as u32,
        };
        bytes[4 + 4 * position..8 + 4 * position].copy_from_slice(&entry.to_ne_bytes());
    }
    Part { kind: IS_CONTAINER, is_aligned: true, bytes }
}

fn object(mut entries: Vec<(Part, Part)>) -> Part {
    entries.sort_by(|(one, _), (other, _)| (one.bytes.len(), &one.bytes).cmp(&(other.bytes.len(), &other.bytes)));
    let (mut parts, values): (Vec<Part>, Vec<Part>) = entries.into_iter().unzip();
    let children = parts.len();
    parts.extend(values);
    container(OBJECT, children, &parts)
}

type Error = serde_json::Error;

struct Writer;

/// The elements of an array.
struct Elements(Vec<Part>);

/// The content of an enum's variant, with the name of the variant.
struct Variant<T>(&'static str, T);

/// The entries of an object with the key of the next one, or the digits of a number.
#[derive(Default)]
struct Entries {
    entries: Vec<(Part, Part)>,
    key: Option<Part>,
    number: Option<Part>,
}

macro_rules! numbers {
    ($($method:ident $type:ty),*) => { $(
        fn $method(self, number: $type) -> Result<Part, Error> {
            Ok(Part::number(&number.to_string()))
        }
    )* };
}

macro_rules! none_of_ours {
    ($($method:ident ( $($argument:ty),* ) -> $result:ty;)*) => { $(
        fn $method(self, $(_: $argument),*) -> Result<$result, Error> {
            Err(Error::custom("no document of ours has such a value"))
        }
    )* };
}

impl Serializer for Writer {
    type Ok = Part;
    type Error = Error;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Variant<Elements>;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Variant<Entries>;

    numbers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
             serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
             serialize_i128 i128, serialize_u128 u128);

    none_of_ours! {
        serialize_f32(f32) -> Part;
        serialize_f64(f64) -> Part;
        serialize_bytes(&[u8]) -> Part;
    }

    fn serialize_bool(self, on: bool) -> Result<Part, Error> {
        Ok(Part::plain(if on { IS_TRUE } else { IS_FALSE }, Vec::new()))
    }

    fn serialize_char(self, letter: char) -> Result<Part, Error> {
        Ok(Part::string(letter.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, text: &str) -> Result<Part, Error> {
        Ok(Part::string(text))
    }

    fn serialize_none(self) -> Result<Part, Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<Part, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Part, Error> {
        Ok(Part::plain(IS_NULL, Vec::new()))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Part, Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Part, Error> {
        Ok(Part::string(variant))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<Part, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Part, Error> {
        Ok(object(vec![(Part::string(variant), value.serialize(self)?)]))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements, Error> {
        Ok(Elements(Vec::with_capacity(length.unwrap_or(0))))
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Elements, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<Elements>, Error> {
        Ok(Variant(variant, self.serialize_seq(Some(length))?))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<Entries>, Error> {
        Ok(Variant(variant, Entries::default()))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, Error> {
        Ok(Entries::default())
    }
}

impl SerializeSeq for Elements {
    type Ok = Part;
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        self.0.push(value.serialize(Writer)?);
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(container(ARRAY, self.0.len(), &self.0))
    }
}

macro_rules! as_elements {
    ($($trait:ident $method:ident),*) => { $(
        impl $trait for Elements {
            type Ok = Part;
            type Error = Error;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                SerializeSeq::serialize_element(self, value)
            }

            fn end(self) -> Result<Part, Error> {
                SerializeSeq::end(self)
            }
        }
    )* };
}

as_elements!(SerializeTuple serialize_element, SerializeTupleStruct serialize_field);

impl SerializeTupleVariant for Variant<Elements> {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(&mut self.1, value)
    }

    fn end(self) -> Result<Part, Error> {
        Ok(object(vec![(Part::string(self.0), SerializeSeq::end(self.1)?)]))
    }
}

impl SerializeStructVariant for Variant<Entries> {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        SerializeStruct::serialize_field(&mut self.1, key, value)
    }

    fn end(self) -> Result<Part, Error> {
        Ok(object(vec![(Part::string(self.0), SerializeStruct::end(self.1)?)]))
    }
}

impl SerializeMap for Entries {
    type Ok = Part;
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        // Numbers as keys become texts, as in every JSON document.
        self.key = Some(match serde_json::to_value(key)? {
            Value::String(text) => Part::string(&text),
            Value::Number(number) => Part::string(number.as_str()),
            _ => return Err(Error::custom("a key is a text or a number")),
        });
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a key comes before its value"))?;
        self.entries.push((key, value.serialize(Writer)?));
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(object(self.entries))
    }
}

impl SerializeStruct for Entries {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        let mut value = value.serialize(Writer)?;
        if key == NUMBER {
            let digits = std::str::from_utf8(&value.bytes).map_err(Error::custom)?;
            value = Part::number(digits);
            self.number = Some(value);
        } else {
            self.entries.push((Part::string(key), value));
        }
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(self.number.unwrap_or_else(|| object(self.entries)))
    }
}
