//! Walking through a webhook body with complaints that name the path.

use chrono::{DateTime, Datelike};
use serde_json::Value;
use uuid::Uuid;

use super::super::json::{Malformed, shown};
use super::super::time::Instant;

/// A place in a body.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    /// The whole body, which must be an object.
    pub fn root(body: &'a Value) -> Result<Place<'a>, Malformed> {
        match body {
            Value::Object(_) => Ok(Place { path: String::new(), value: body }),
            other => Err(Malformed(format!("expected a JSON object, not {}", shown(other)))),
        }
    }

    /// The place under a key; a missing key is a place with `null`.
    pub fn at(&self, key: &str) -> Place<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Place { path, value: self.value.get(key).unwrap_or(&Value::Null) }
    }

    /// The place at the end of dotted keys.
    pub fn path(&self, keys: &str) -> Place<'a> {
        keys.split('.').fold(self.clone(), |place, key| place.at(key))
    }

    /// The elements of an array; none of `null`.
    pub fn elements(&self) -> Result<Vec<Place<'a>>, Malformed> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(elements) => {
                let place = |(position, value)| Place { path: format!("{}[{position}]", self.path), value };
                Ok(elements.iter().enumerate().map(place).collect())
            }
            _ => self.must_be("an array"),
        }
    }

    /// An object.
    pub fn object(self) -> Result<Place<'a>, Malformed> {
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

    /// The id of an object: a string, or the object itself where the provider was asked to expand it.
    pub fn id(&self) -> Result<Option<String>, Malformed> {
        let place = if self.value.is_object() { self.at("id") } else { self.clone() };
        Ok(place.text()?.map(str::to_owned))
    }

    /// A whole number, or nothing.
    pub fn integer(&self) -> Result<Option<i64>, Malformed> {
        match self.value {
            Value::Null => Ok(None),
            value => value.as_i64().map_or_else(|| self.must_be("an integer"), |number| Ok(Some(number))),
        }
    }

    /// A whole number.
    pub fn required_integer(&self) -> Result<i64, Malformed> {
        self.integer()?.map_or_else(|| self.must_be("an integer"), Ok)
    }

    /// The whole numbers under some keys, without those that are missing.
    pub fn integers(&self, keys: &[&str]) -> Result<Vec<i64>, Malformed> {
        let numbers: Vec<Option<i64>> = keys.iter().map(|key| self.at(key).integer()).collect::<Result<_, _>>()?;
        Ok(numbers.into_iter().flatten().collect())
    }

    /// The currency that an object names, in capital letters.
    pub fn currency(&self) -> Result<Option<String>, Malformed> {
        Ok(self.at("currency").text()?.map(str::to_uppercase))
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
            Some(time) if time.year() >= FIRST_YEAR => Ok(Some(instant(time.to_utc().timestamp_micros()))),
            _ => self.must_be("a time in seconds since 1970"),
        })
    }

    /// A time in ISO 8601, or nothing.
    pub fn iso_time(&self) -> Result<Option<Instant>, Malformed> {
        self.text()?.map_or(Ok(None), |text| match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Some(instant(time.timestamp_micros()))),
            Err(_) => self.must_be("a time in ISO 8601"),
        })
    }

    fn must_be<T>(&self, expected: &str) -> Result<T, Malformed> {
        Err(Malformed(format!("{} must be {expected}, not {}", self.path, shown(self.value))))
    }
}

/// PostgreSQL's calendar begins in November of the year before.
const FIRST_YEAR: i32 = -4712;

/// Microseconds since 1970 as PostgreSQL counts them, since 2000.
fn instant(unix_micros: i64) -> Instant {
    const EPOCH: i64 = 946_684_800_000_000;
    Instant(unix_micros - EPOCH)
}
