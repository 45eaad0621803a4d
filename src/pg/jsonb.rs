//! Builds outgoing documents directly in PostgreSQL's `jsonb` format, or passes them on as stored. If PostgreSQL
//! parsed them from text, that would take ten times the document's size in memory, which matters for a cart with
//! thousands of lines.
//!
//! A container is a word with its kind and the number of its children, a word for each child with its type and length
//! (or, for every 32nd, the offset of its end), and then the children one after the other. Objects have first their
//! keys, sorted by length and then by bytes, and then their values. Numbers and containers are aligned to four bytes,
//! and the padding before them counts as part of them.

use engine::json::NUMBER;
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

use super::numeric::extend_with_number;
use super::row::Column;
use super::text::{extend_with_text, raw_bytes_of, refuse_above};

/// The maximum size in bytes of any document: a catalog to be imported, and one that is passed on as it is stored.
pub const LARGEST: usize = 16 << 20;

const SCALAR: u32 = 0x1000_0000;
const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;

const IS_STRING: u32 = 0;
const IS_NUMERIC: u32 = 0x1000_0000;
const IS_FALSE: u32 = 0x2000_0000;
const IS_TRUE: u32 = 0x3000_0000;
const IS_NULL: u32 = 0x4000_0000;
const IS_CONTAINER: u32 = 0x5000_0000;
const HAS_END: u32 = 0x8000_0000;
const STRIDE: usize = 32;

/// A document as it is stored, without the length word.
#[derive(Clone, Debug)]
pub struct Jsonb(Vec<u8>);

impl Jsonb {
    /// The document that this serialises to.
    pub fn of(document: &impl Serialize) -> Jsonb {
        let mut writer = Writer::new();
        if document.serialize(&mut writer).is_err() {
            // Writing fails only for values without a form in JSON, and our documents have none.
            writer = Writer::new();
            writer.end(IS_NULL, 0);
        }
        if writer.parts[0].kind != IS_CONTAINER {
            writer.close(ARRAY | SCALAR, 0, 0);
        }
        // A checkout keeps one for each of its lines.
        writer.bytes.shrink_to_fit();
        Jsonb(writer.bytes)
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

/// A value in its container: where its bytes are in the writer's memory.
#[derive(Clone, Copy)]
struct Part {
    kind: u32,
    is_aligned: bool,
    start: usize,
    end: usize,
}

/// Writes a document in one piece of memory: the parts of every open container stand one after the other, and become
/// the container in their place when it ends.
struct Writer {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// For the container that is being put together.
    spare: Vec<u8>,
    /// Whether the next text is the digits of a number.
    is_number: bool,
}

impl Writer {
    fn new() -> Writer {
        let (bytes, spare) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
        Writer { bytes, parts: Vec::with_capacity(64), spare, is_number: false }
    }

    /// Ends a part that began here.
    fn end(&mut self, kind: u32, start: usize) {
        let is_aligned = matches!(kind, IS_NUMERIC | IS_CONTAINER);
        self.parts.push(Part { kind, is_aligned, start, end: self.bytes.len() });
    }

    fn text(&mut self, text: &str) {
        let start = self.bytes.len();
        extend_with_text(&mut self.bytes, text);
        self.end(IS_STRING, start);
    }

    /// The name of a field, which is ASCII.
    fn name(&mut self, name: &'static str) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        self.end(IS_STRING, start);
    }

    fn number(&mut self, digits: &str) {
        let start = self.bytes.len();
        extend_with_number(&mut self.bytes, digits);
        self.end(IS_NUMERIC, start);
    }

    fn open(&mut self, kind: u32) -> Open<'_> {
        let (first, start) = (self.parts.len(), self.bytes.len());
        Open { writer: self, kind, first, start, variant: None }
    }

    /// A variant's content, in an object with the name of the variant.
    fn open_variant(&mut self, kind: u32, variant: &'static str) -> Open<'_> {
        let around = (self.parts.len(), self.bytes.len());
        self.name(variant);
        Open { variant: Some(around), ..self.open(kind) }
    }

    /// Makes a container of the parts from this one on. Those of an object are keys and values in turn.
    fn close(&mut self, kind: u32, first: usize, start: usize) {
        let Writer { bytes, parts, spare, .. } = self;
        let children = &mut parts[first..];
        let count = if kind == OBJECT { children.len() / 2 } else { children.len() };
        let head = 4 + 4 * children.len();
        spare.clear();
        spare.resize(head, 0);
        spare[..4].copy_from_slice(&(kind | count as u32).to_ne_bytes());
        let mut add = |position: usize, part: &Part| {
            let begin = spare.len();
            if part.is_aligned {
                spare.resize(begin.next_multiple_of(4), 0);
            }
            spare.extend_from_slice(&bytes[part.start..part.end]);
            let entry = match position.is_multiple_of(STRIDE) {
                true => HAS_END | part.kind | (spare.len() - head) as u32,
                false => part.kind | (spare.len() - begin) as u32,
            };
            spare[4 + 4 * position..8 + 4 * position].copy_from_slice(&entry.to_ne_bytes());
        };
        if kind == OBJECT {
            let (entries, _) = children.as_chunks_mut::<2>();
            let key = |entry: &[Part; 2]| {
                let key = &bytes[entry[0].start..entry[0].end];
                (key.len(), key)
            };
            entries.sort_by(|one, other| key(one).cmp(&key(other)));
            entries.iter().enumerate().for_each(|(position, [key, _])| add(position, key));
            entries.iter().enumerate().for_each(|(position, [_, value])| add(count + position, value));
        } else {
            children.iter().enumerate().for_each(|(position, part)| add(position, part));
        }
        parts.truncate(first);
        if start == 0 {
            std::mem::swap(bytes, spare);
        } else {
            bytes.truncate(start);
            bytes.extend_from_slice(spare);
        }
        self.end(IS_CONTAINER, start);
    }
}

type Error = serde_json::Error;

/// A container whose parts are being written.
struct Open<'w> {
    writer: &'w mut Writer,
    kind: u32,
    first: usize,
    start: usize,
    /// Where the object around it begins, if it is the content of a variant.
    variant: Option<(usize, usize)>,
}

impl Open<'_> {
    fn close(self) -> Result<(), Error> {
        // A number is there already.
        if self.kind != IS_NUMERIC {
            self.writer.close(self.kind, self.first, self.start);
        }
        if let Some((first, start)) = self.variant {
            self.writer.close(OBJECT, first, start);
        }
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty),*) => { $(
        fn $method(self, number: $type) -> Result<(), Error> {
            self.number(&number.to_string());
            Ok(())
        }
    )* };
}

macro_rules! none_of_ours {
    ($($method:ident $argument:ty),*) => { $(
        fn $method(self, _: $argument) -> Result<(), Error> {
            Err(Error::custom("no document of ours has such a value"))
        }
    )* };
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Open<'w>;
    type SerializeTuple = Open<'w>;
    type SerializeTupleStruct = Open<'w>;
    type SerializeTupleVariant = Open<'w>;
    type SerializeMap = Open<'w>;
    type SerializeStruct = Open<'w>;
    type SerializeStructVariant = Open<'w>;

    numbers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
             serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
             serialize_i128 i128, serialize_u128 u128);

    none_of_ours!(serialize_f32 f32, serialize_f64 f64, serialize_bytes &[u8]);

    fn serialize_bool(self, on: bool) -> Result<(), Error> {
        self.end(if on { IS_TRUE } else { IS_FALSE }, self.bytes.len());
        Ok(())
    }

    fn serialize_char(self, letter: char) -> Result<(), Error> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        if std::mem::take(&mut self.is_number) {
            self.number(text)
        } else {
            self.text(text)
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.end(IS_NULL, self.bytes.len());
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut object = self.open(OBJECT);
        SerializeStruct::serialize_field(&mut object, variant, value)?;
        object.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'w>, Error> {
        Ok(self.open(ARRAY))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'w>, Error> {
        Ok(self.open(ARRAY))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'w>, Error> {
        Ok(self.open(ARRAY))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'w>, Error> {
        Ok(self.open_variant(ARRAY, variant))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'w>, Error> {
        Ok(self.open_variant(OBJECT, variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'w>, Error> {
        Ok(self.open(OBJECT))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open<'w>, Error> {
        self.is_number = name == NUMBER;
        let kind = if self.is_number { IS_NUMERIC } else { OBJECT };
        Ok(self.open(kind))
    }
}

macro_rules! as_elements {
    ($($trait:ident $method:ident),*) => { $(
        impl $trait for Open<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                value.serialize(&mut *self.writer)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )* };
}

macro_rules! as_entries {
    ($($trait:ident),*) => { $(
        impl $trait for Open<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                if self.kind == OBJECT {
                    self.writer.name(key);
                }
                value.serialize(&mut *self.writer)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )* };
}

as_elements!(
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);
as_entries!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        // Numbers as keys become texts, as in every JSON document.
        match serde_json::to_value(key)? {
            Value::String(text) => self.writer.text(&text),
            Value::Number(number) => self.writer.text(number.as_str()),
            _ => return Err(Error::custom("a key is a text or a number")),
        }
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}
