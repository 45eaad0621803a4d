//! A cursor over a body; its complaints name the path to the value.

use chrono::{DateTime, Datelike};
use serde_json::Value;
use uuid::Uuid;

use crate::currency::Provider;
use crate::json::{Malformed, shown};
use crate::money::Money;
use crate::time::Instant;

/// The longest id that a column holds.
const LONGEST_ID: usize = 255;

/// The largest amount in minor units that is accepted, so that sums cannot overflow.
const LARGEST_AMOUNT: u64 = 1_000_000_000_000_000;

/// PostgreSQL's calendar begins in November of the year before.
const FIRST_YEAR: i32 = -4712;

/// A value of a body, and the path to it.
#[derive(Clone, Debug)]
pub struct JsonCursor<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> JsonCursor<'a> {
    /// The whole body, which must be an object.
    pub fn root(body: &'a Value) -> Result<JsonCursor<'a>, Malformed> {
        match body {
            Value::Object(_) => Ok(JsonCursor { path: String::new(), value: body }),
            other => Err(Malformed(format!("expected a JSON object, not {}", shown(other)))),
        }
    }

    /// A value that stands at this path of a body.
    pub fn new(path: &str, value: &'a Value) -> JsonCursor<'a> {
        JsonCursor { path: path.to_owned(), value }
    }

    /// The value here.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The path here.
    pub fn name(&self) -> &str {
        &self.path
    }

    /// The value under a key; `null` for a key that is missing.
    pub fn at(&self, key: &str) -> JsonCursor<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        JsonCursor { path, value: self.value.get(key).unwrap_or(&Value::Null) }
    }

    /// The value at the end of dotted keys.
    pub fn path(&self, keys: &str) -> JsonCursor<'a> {
        keys.split('.').fold(self.clone(), |cursor, key| cursor.at(key))
    }

    /// Whether nothing stands here.
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// The elements of an array; none of `null`.
    pub fn elements(&self) -> Result<Vec<JsonCursor<'a>>, Malformed> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(elements) => {
                let place = |(position, value)| JsonCursor { path: format!("{}[{position}]", self.path), value };
                Ok(elements.iter().enumerate().map(place).collect())
            }
            _ => self.must_be("an array"),
        }
    }

    /// An object.
    pub fn object(self) -> Result<JsonCursor<'a>, Malformed> {
        if self.value.is_object() { Ok(self) } else { self.must_be("an object") }
    }

    /// A string, or nothing.
    pub fn text(&self) -> Result<Option<&'a str>, Malformed> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => self.must_be("a string"),
        }
    }

    /// A string.
    pub fn required_text(&self) -> Result<&'a str, Malformed> {
        self.text()?.map_or_else(|| self.must_be("a string"), Ok)
    }

    /// The id of an object: a string, or the object itself if the provider was asked to expand it.
    pub fn id(&self) -> Result<Option<String>, Malformed> {
        let place = if self.value.is_object() { self.at("id") } else { self.clone() };
        match place.text()? {
            Some(text) if text.is_empty() || text.chars().count() > LONGEST_ID => {
                place.must_be("an id of 1 to 255 characters")
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// The id of a thing.
    pub fn required_id(&self) -> Result<String, Malformed> {
        self.id()?.map_or_else(|| self.must_be("an id of 1 to 255 characters"), Ok)
    }

    /// A whole number, or nothing.
    pub fn integer(&self) -> Result<Option<i64>, Malformed> {
        match self.value {
            Value::Null => Ok(None),
            value => value.as_i64().map_or_else(|| self.must_be("an integer"), |number| Ok(Some(number))),
        }
    }

    /// An amount in a provider's minor units, or nothing.
    pub fn money(&self, provider: Provider, currency: &str) -> Result<Option<Money>, Malformed> {
        let Some(number) = self.integer()?.filter(|number| number.unsigned_abs() <= LARGEST_AMOUNT) else {
            return if self.is_null() { Ok(None) } else { self.must_be("an amount that somebody could pay") };
        };
        match provider.from_minor_units(number, currency) {
            Some(amount) => Ok(Some(amount)),
            None => self.must_be("a whole number of hundredths"),
        }
    }

    /// An amount that is not negative, or nothing.
    pub fn amount(&self, provider: Provider, currency: &str) -> Result<Option<Money>, Malformed> {
        match self.money(provider, currency)? {
            Some(amount) if amount < Money::ZERO => self.must_be("an amount that is not negative"),
            amount => Ok(amount),
        }
    }

    /// The currency that an object names, in capital letters.
    pub fn currency(&self) -> Result<Option<String>, Malformed> {
        let place = self.at("currency");
        match place.text()? {
            Some(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Some(code.to_ascii_uppercase()))
            }
            Some(_) => place.must_be("a currency code of three letters"),
            None => Ok(None),
        }
    }

    /// True or false, or nothing.
    pub fn boolean(&self) -> Result<Option<bool>, Malformed> {
        match self.value {
            Value::Null => Ok(None),
            value => value.as_bool().map_or_else(|| self.must_be("true or false"), |on| Ok(Some(on))),
        }
    }

    /// A UUID, if the string here is one.
    pub fn uuid(&self) -> Option<Uuid> {
        self.value.as_str().and_then(|text| Uuid::try_parse(text.trim()).ok())
    }

    /// Seconds since 1970, or nothing.
    pub fn unix_time(&self) -> Result<Option<Instant>, Malformed> {
        self.integer()?.map_or(Ok(None), |seconds| match DateTime::from_timestamp(seconds, 0) {
            Some(time) if time.year() >= FIRST_YEAR => Ok(Some(time.into())),
            _ => self.must_be("a time in seconds since 1970"),
        })
    }

    /// A time in ISO 8601, or nothing.
    pub fn iso_time(&self) -> Result<Option<Instant>, Malformed> {
        self.text()?.map_or(Ok(None), |text| match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Some(time.into())),
            Err(_) => self.must_be("a time in ISO 8601"),
        })
    }

    /// The complaint that something else is expected here.
    pub fn must_be<T>(&self, expected: &str) -> Result<T, Malformed> {
        Err(Malformed(format!("{} must be {expected}, not {}", self.path, shown(self.value))))
    }
}

/// The ids at these places, without those that are missing.
pub fn ids<'a, C: FromIterator<String>>(places: impl IntoIterator<Item = JsonCursor<'a>>) -> Result<C, Malformed> {
    places.into_iter().filter_map(|place| place.id().transpose()).collect()
}
