//! Documents: `jsonb` values from outside, whose size is checked before they are loaded into memory.
//!
//! Running out of memory in Rust aborts the server instead of raising an error, so every read has a limit. There are
//! two: the size of the value as PostgreSQL stores it, which is checked before it is detoasted; and its memory in
//! Rust, which is counted while it is built up, because `[{"":1}, ...]` takes many times its size, and 1e100000 a
//! hundred thousand digits.

use std::ffi::CStr;
use std::marker::PhantomData;

use engine::json::Malformed;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pg_sys::JsonbIteratorToken as Token;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{check_for_interrupts, pg_sys};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::datum::Unread;
use super::jsonb::Jsonb;
use super::row::Column;
use super::text::{from_server, stored_size};
use crate::error::Error;

/// The maximum size in bytes of conditions, restrictions, configurations and drafts.
pub const OF_A_ROW: usize = 256 << 10;
/// The maximum size in bytes of the items of a quote.
pub const ITEMS: usize = 2 << 20;
/// The maximum size in bytes of a provider's body.
pub const EVENT: usize = 4 << 20;

/// The maximum size in bytes of the facts about the payments of a checkout, for reading and for writing.
pub const FACTS: usize = 4 << 20;
const FACTS_TO_WRITE: usize = 2 << 20;

/// The memory that a document may take when it is read.
const MEMORY: usize = 24 << 20;

/// The maximum depth of a document.
const DEEPEST: usize = 127;

/// The maximum number of digits in a number: more than any sensible number has.
const MOST_DIGITS: usize = 1000;

/// A `jsonb` value that has not been read yet.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    datum: pg_sys::Datum,
    /// It lives as long as the call or the row that it came with.
    lifetime: PhantomData<&'a ()>,
}

/// A column of documents.
pub struct DocumentColumn;

impl Column for DocumentColumn {
    type Value<'a> = Document<'a>;
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::JSONBOID];
    unsafe fn read<'a>(datum: pg_sys::Datum, _: bool) -> Document<'a> {
        Document { datum, lifetime: PhantomData }
    }
}

/// An object of which some entries are looked up. The others are not read.
#[derive(Clone, Copy)]
pub struct Entries<'a> {
    container: *mut pg_sys::JsonbContainer,
    /// It lives as long as the document.
    lifetime: PhantomData<&'a ()>,
}

/// Facts about payments, to be written. A document that could not be read again is refused.
pub fn of_facts(column: &'static str, facts: &impl Serialize) -> Result<Jsonb, Error> {
    let document = Jsonb::of(facts);
    refuse_larger(column, document.size(), FACTS_TO_WRITE)?;
    Ok(document)
}

fn refuse_larger(name: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit { Err(Error::DocumentTooLarge { name, size, limit }) } else { Ok(()) }
}

/// The memory that the values of a statement's rows may take together, if all of them are kept: each value has a
/// limit of its own, but the number of rows has none.
pub struct Budget {
    left: usize,
}

impl Budget {
    /// The limit for the rows of one statement.
    pub fn of_rows() -> Budget {
        Budget { left: MEMORY }
    }

    /// Counts the value of a column that a row keeps.
    pub fn take(&mut self, column: &'static str, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::DocumentTooCostly { name: column, limit: MEMORY })?;
        Ok(())
    }

    /// Counts a text that a row keeps.
    pub fn text(&mut self, column: &'static str, text: Option<&str>) -> Result<(), Error> {
        text.map_or(Ok(()), |text| self.take(column, text.len()))
    }
}

/// The most memory that a document takes as one of our structs: a text or a number is one field or one element of a
/// list, with the overhead of its list.
fn kept(document: &Value) -> usize {
    const ELEMENT: usize = 48;
    match document {
        Value::Array(elements) => elements.iter().map(kept).sum::<usize>() + ELEMENT,
        Value::Object(entries) => entries.values().map(kept).sum::<usize>() + ELEMENT,
        Value::String(text) => text.len() + ELEMENT,
        _ => ELEMENT,
    }
}

impl<'a> Entries<'a> {
    fn of(container: *mut pg_sys::JsonbContainer) -> Option<Entries<'a>> {
        // SAFETY: the container is a part of a document in memory.
        let is_object = unsafe { (*container).header & pg_sys::JB_FOBJECT != 0 };
        is_object.then_some(Entries { container, lifetime: PhantomData })
    }

    fn value(self, key: &str) -> Option<pg_sys::JsonbValue> {
        let mut value = pg_sys::JsonbValue::default();
        // SAFETY: the container is that of an object; the value refers to it.
        let found = unsafe {
            let (key, length) = (key.as_ptr().cast(), key.len() as i32);
            pg_sys::getKeyJsonValueFromContainer(self.container, key, length, &mut value)
        };
        (!found.is_null()).then_some(value)
    }

    /// A string or a number, as a text.
    pub fn text(self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        let mut builder = Builder { left: MEMORY, tokens: 0 };
        // SAFETY: the value is one of a document in memory.
        match unsafe { builder.scalar(&value) } {
            Ok(Value::String(text)) => Some(text),
            Ok(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The entries of an object in it.
    pub fn entries(self, key: &str) -> Option<Entries<'a>> {
        let value = self.value(key).filter(|value| value.type_ == pg_sys::jbvType::jbvBinary)?;
        // SAFETY: the type says that it is a part of the document.
        Entries::of(unsafe { value.val.binary.data })
    }

    /// A document in it.
    pub fn document(self, key: &str) -> Option<Document<'a>> {
        let mut value = self.value(key)?;
        // SAFETY: the value is one of a document in memory, and is copied.
        let datum = unsafe { pg_sys::Datum::from(pg_sys::JsonbValueToJsonb(&mut value)) };
        Some(Document { datum, lifetime: PhantomData })
    }
}

impl<'a> Document<'a> {
    /// Parses the document of a row that is kept, if there is memory for it and all others.
    pub fn keep<T: DeserializeOwned>(
        self,
        column: &'static str,
        limit: usize,
        budget: &mut Budget,
    ) -> Result<T, Error> {
        let malformed = |malformed| Error::MalformedColumn { column, malformed };
        let document = self.read(column, limit)?.map_err(malformed)?;
        budget.take(column, kept(&document))?;
        serde_json::from_value(document).map_err(|error| malformed(Malformed(error.to_string())))
    }

    /// The document of a row that is kept as it is, if there is memory for it and all others.
    pub fn keep_value(self, column: &'static str, budget: &mut Budget) -> Result<Value, Error> {
        let built = self.build(column, OF_A_ROW)?;
        let (document, memory) = built.map_err(|malformed| Error::MalformedColumn { column, malformed })?;
        budget.take(column, memory)?;
        Ok(document)
    }

    /// The document, if it has at most this many bytes. A document that is too large is an error, and one that is
    /// nested too deeply is malformed; both errors say which document it is.
    pub fn read(self, name: &'static str, limit: usize) -> Result<Result<Value, Malformed>, Error> {
        Ok(self.build(name, limit)?.map(|(document, _)| document))
    }

    /// The document and the memory that it takes.
    fn build(self, name: &'static str, limit: usize) -> Result<Result<(Value, usize), Malformed>, Error> {
        self.check_size(name, limit)?;
        let mut builder = Builder { left: MEMORY, tokens: 0 };
        // SAFETY: the datum is a jsonb that lives as long as this; the copy that detoasting makes is freed with the call's memory.
        unsafe {
            let document = pg_sys::pg_detoast_datum(self.datum.cast_mut_ptr()).cast::<pg_sys::Jsonb>();
            let mut iterator = pg_sys::JsonbIteratorInit(&raw mut (*document).root);
            match builder.next(&mut iterator).and_then(|(token, value)| builder.value(token, &value, &mut iterator, 0))
            {
                Ok(value) => Ok(Ok((value, MEMORY - builder.left))),
                Err(Refused::Malformed(why)) => Ok(Err(Malformed(format!("it cannot be read ({why})")))),
                Err(Refused::TooCostly) => Err(Error::DocumentTooCostly { name, limit: MEMORY }),
            }
        }
    }

    /// Its entries; `None` if it is no object.
    pub fn entries(self) -> Option<Entries<'a>> {
        // SAFETY: the datum is a jsonb that lives as long as this; the copy that detoasting makes is freed with the call's memory.
        let container = unsafe {
            let document = pg_sys::pg_detoast_datum(self.datum.cast_mut_ptr()).cast::<pg_sys::Jsonb>();
            &raw mut (*document).root
        };
        Entries::of(container)
    }

    /// Refuses a document with more bytes.
    pub fn check_size(self, name: &'static str, limit: usize) -> Result<(), Error> {
        refuse_larger(name, self.size(), limit)
    }

    /// The value in PostgreSQL's representation.
    pub(super) fn as_it_is(self) -> pg_sys::Datum {
        self.datum
    }

    /// Its stored size in bytes.
    pub fn size(self) -> usize {
        // SAFETY: the datum is a jsonb that lives as long as this.
        unsafe { stored_size(self.datum) }
    }

    /// The document of a row, or why it cannot be read. One that is too large counts as malformed.
    pub fn read_or_malformed(self, name: &'static str) -> Result<Value, Malformed> {
        self.read(name, OF_A_ROW).unwrap_or_else(|error| Err(Malformed(error.to_string())))
    }
}

/// Why a document is not read.
enum Refused {
    TooCostly,
    Malformed(String),
}

/// Builds a document's value as long as the memory limit allows.
struct Builder {
    left: usize,
    tokens: u32,
}

/// The memory of an object's tree nodes: each has room for eleven entries, of which at least five are used if it has
/// a parent.
const NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 128;

impl Builder {
    /// Counts memory.
    fn take(&mut self, bytes: usize) -> Result<(), Refused> {
        self.left = self.left.checked_sub(bytes).ok_or(Refused::TooCostly)?;
        Ok(())
    }

    /// The next token and its value.
    ///
    /// # Safety
    /// The iterator must be one of a document in memory.
    unsafe fn next(
        &mut self,
        iterator: &mut *mut pg_sys::JsonbIterator,
    ) -> Result<(Token::Type, pg_sys::JsonbValue), Refused> {
        self.tokens += 1;
        if self.tokens.is_multiple_of(1024) {
            check_for_interrupts!();
        }
        let mut value = pg_sys::JsonbValue::default();
        // SAFETY: the caller says so.
        let token = unsafe { pg_sys::JsonbIteratorNext(iterator, &mut value, false) };
        Ok((token, value))
    }

    /// The value that begins with a token.
    ///
    /// # Safety
    /// As for `next`; the token and its value must be what it has returned last.
    unsafe fn value(
        &mut self,
        token: Token::Type,
        value: &pg_sys::JsonbValue,
        iterator: &mut *mut pg_sys::JsonbIterator,
        depth: usize,
    ) -> Result<Value, Refused> {
        if depth > DEEPEST {
            return Err(Refused::Malformed(format!("it is nested more than {DEEPEST} levels deep")));
        }
        // SAFETY: the caller says so, and the token says which part of the value counts.
        unsafe {
            match token {
                Token::WJB_BEGIN_ARRAY => {
                    self.array(value.val.array.nElems, value.val.array.rawScalar, iterator, depth)
                }
                Token::WJB_BEGIN_OBJECT => self.object(iterator, depth),
                _ => self.scalar(value),
            }
        }
    }

    /// # Safety
    /// As for `value`.
    unsafe fn array(
        &mut self,
        length: i32,
        is_scalar: bool,
        iterator: &mut *mut pg_sys::JsonbIterator,
        depth: usize,
    ) -> Result<Value, Refused> {
        self.take(length.max(0) as usize * size_of::<Value>() + 16)?;
        let mut elements = Vec::with_capacity(length.max(0) as usize);
        loop {
            // SAFETY: the caller says so.
            let (token, value) = unsafe { self.next(iterator)? };
            if token == Token::WJB_END_ARRAY || token == Token::WJB_DONE {
                break;
            }
            // SAFETY: as above.
            elements.push(unsafe { self.value(token, &value, iterator, depth + 1)? });
        }
        // A scalar is stored as an array of its own.
        if is_scalar { Ok(elements.pop().unwrap_or_default()) } else { Ok(Value::Array(elements)) }
    }

    /// # Safety
    /// As for `value`.
    unsafe fn object(&mut self, iterator: &mut *mut pg_sys::JsonbIterator, depth: usize) -> Result<Value, Refused> {
        let mut entries = Map::new();
        loop {
            // SAFETY: the caller says so.
            let (token, key) = unsafe { self.next(iterator)? };
            if token != Token::WJB_KEY {
                break;
            }
            if entries.len().is_multiple_of(5) {
                self.take(NODE)?;
            }
            // SAFETY: as above; a key is a string.
            let key = unsafe { self.string(&key)? };
            // SAFETY: as above.
            let value = unsafe {
                let (token, value) = self.next(iterator)?;
                self.value(token, &value, iterator, depth + 1)?
            };
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }

    /// # Safety
    /// The value must be a scalar.
    unsafe fn scalar(&mut self, value: &pg_sys::JsonbValue) -> Result<Value, Refused> {
        // SAFETY: the caller says so, and the type says which part of the value counts.
        unsafe {
            match value.type_ {
                pg_sys::jbvType::jbvString => self.string(value).map(Value::String),
                pg_sys::jbvType::jbvBool => Ok(Value::Bool(value.val.boolean)),
                pg_sys::jbvType::jbvNumeric => {
                    let digits =
                        pgrx::direct_function_call_as_datum(pg_sys::numeric_out, &[Some(value.val.numeric.into())]);
                    let digits: *mut core::ffi::c_char = digits.unwrap_or(pg_sys::Datum::null()).cast_mut_ptr();
                    let text = CStr::from_ptr(digits).to_string_lossy().into_owned();
                    pg_sys::pfree(digits.cast());
                    if text.len() > MOST_DIGITS {
                        return Err(Refused::Malformed(format!("a number has {} digits", text.len())));
                    }
                    self.take(text.len() + 32)?;
                    Ok(Value::Number(Number::from_string_unchecked(text)))
                }
                _ => Ok(Value::Null),
            }
        }
    }

    /// # Safety
    /// The value must be a string.
    unsafe fn string(&mut self, value: &pg_sys::JsonbValue) -> Result<String, Refused> {
        // SAFETY: the caller says so; a string has so many bytes.
        let bytes = unsafe {
            let string = value.val.string;
            std::slice::from_raw_parts(string.val.cast::<u8>(), string.len.max(0) as usize)
        };
        self.take(bytes.len() + 32)?;
        Ok(from_server(bytes))
    }
}

// SAFETY: the SQL type named is the one that the document is read as.
unsafe impl<'fcx> ArgAbi<'fcx> for Document<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        let index = arg.index();
        // SAFETY: as above; the argument lives as long as the call.
        let datum = unsafe { arg.unbox_arg_using_from_datum::<Unread>() };
        Document { datum: datum.unwrap_or_else(|| panic!("argument {index} is NULL")).0, lifetime: PhantomData }
    }
}

// SAFETY: the name is that of the built-in type.
unsafe impl SqlTranslatable for Document<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Document<'_>);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("pg_catalog.jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("pg_catalog.jsonb")));
}
