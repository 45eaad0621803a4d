//! Reads JSON documents that people write. Complaints name the key and the value.

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

/// The name of the struct as which serde_json serialises a number, and of its one field: the digits.
pub const NUMBER: &str = "$serde_json::private::Number";

/// What is wrong with a document, in words: `"min_quantity" must be an integer from 1 to 2147483647, not "two"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value of a document together with the key it stands under.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub key: &'a str,
    pub value: &'a Value,
}

impl<'a> Entry<'a> {
    /// The complaint that the value is not of the required kind.
    pub fn must_be<T>(self, expected: &str) -> Result<T, Malformed> {
        Err(Malformed(format!("\"{}\" must be {expected}, not {}", self.key, shown(self.value))))
    }

    /// A whole number of units: from 1 to the largest `integer` of PostgreSQL.
    pub fn quantity(self) -> Result<u32, Malformed> {
        match self.value.as_i64() {
            Some(number @ 1..=2_147_483_647) => Ok(number as u32),
            _ => self.must_be("an integer from 1 to 2147483647"),
        }
    }

    pub fn boolean(self) -> Result<bool, Malformed> {
        self.value.as_bool().map_or_else(|| self.must_be("true or false"), Ok)
    }

    fn number(self) -> Option<Decimal> {
        match self.value {
            Value::Number(number) => decimal(number.as_str()),
            _ => None,
        }
    }

    /// A decimal number that is not negative, read digit by digit.
    pub fn amount(self) -> Result<Decimal, Malformed> {
        match self.number() {
            Some(amount) if !amount.is_sign_negative() || amount.is_zero() => Ok(amount),
            _ => self.must_be("a number that is not negative"),
        }
    }

    pub fn uuid(self) -> Result<Uuid, Malformed> {
        parse_uuid(self.value).map_or_else(|| self.must_be("a UUID"), Ok)
    }

    /// An array of UUIDs, in id order.
    pub fn uuids(self) -> Result<Vec<Uuid>, Malformed> {
        let ids = self.value.as_array().and_then(|ids| ids.iter().map(parse_uuid).collect::<Option<Vec<Uuid>>>());
        match ids {
            Some(mut ids) => {
                ids.sort_unstable();
                Ok(ids)
            }
            None => self.must_be("an array of add-on ids"),
        }
    }

    /// One string, or an array of strings.
    pub fn one_or_more_strings(self) -> Result<Vec<&'a str>, Malformed> {
        match self.value {
            Value::String(one) => Ok(vec![one]),
            Value::Array(_) => self.strings_or("a string or an array of strings"),
            _ => self.must_be("a string or an array of strings"),
        }
    }

    pub fn strings(self) -> Result<Vec<&'a str>, Malformed> {
        self.strings_or("an array of strings")
    }

    fn strings_or(self, expected: &str) -> Result<Vec<&'a str>, Malformed> {
        let strings = self.value.as_array().and_then(|all| all.iter().map(Value::as_str).collect());
        strings.map_or_else(|| self.must_be(expected), Ok)
    }
}

/// The entries of a JSON object.
pub(super) fn entries(document: &Value) -> Result<impl Iterator<Item = Entry<'_>>, Malformed> {
    match document {
        Value::Object(map) => Ok(map.iter().map(|(key, value)| Entry { key, value })),
        other => Err(Malformed(format!("expected a JSON object, not {}", shown(other)))),
    }
}

/// The complaint about an unknown key, with the list of known ones.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> Malformed {
    Malformed(format!("unknown key \"{key}\"; the keys are {}", known.join(", ")))
}

fn parse_uuid(value: &Value) -> Option<Uuid> {
    value.as_str().and_then(|text| Uuid::try_parse(text).ok())
}

/// A decimal number as JSON writes it, exponents included; `None` beyond 28 digits.
pub fn decimal(text: &str) -> Option<Decimal> {
    let Some((digits, _)) = text.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(text).ok();
    };
    // Otherwise it would be rounded.
    Decimal::from_str_exact(digits).ok()?;
    Decimal::from_scientific(text).ok()
}

/// A value as a message shows it, shortened if it is long.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
