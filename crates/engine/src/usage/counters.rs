//! The document in `user_add_ons.usage`: how much of each feature of the add-on was used, and when that was last
//! counted: `{"pages": {"used": 120, "at": "2026-02-01T09:30:00.000000Z"}}`.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Number, Value, json};

use super::Counter;
use super::units::Units;
use crate::json::{Malformed, shown};
use crate::time::Instant;

/// The counter of a feature, if there is one.
pub fn counter(document: &Value, feature_key: &str) -> Result<Option<Counter>, Malformed> {
    let Some(entry) = document.get(feature_key) else { return Ok(None) };
    read(entry).map(Some).ok_or_else(|| {
        Malformed(format!("\"{feature_key}\" must be {{\"used\": <number>, \"at\": <time>}}, not {}", shown(entry)))
    })
}

fn read(entry: &Value) -> Option<Counter> {
    let used = entry.get("used")?.as_number()?;
    let at = DateTime::parse_from_rfc3339(entry.get("at")?.as_str()?).ok()?;
    let used = Units::from_digits(used.as_str())?;
    Some(Counter { used, at: at.into() })
}

/// Stores the counter of a feature.
pub fn keep(document: &mut Value, feature_key: &str, counter: Counter) {
    let used = Number::from_string_unchecked(counter.used.to_string());
    let entry = json!({"used": used, "at": written(counter.at)});
    match document {
        Value::Object(entries) => {
            entries.insert(feature_key.to_owned(), entry);
        }
        other => *other = Value::Object(Map::from_iter([(feature_key.to_owned(), entry)])),
    }
}

/// An instant as counters store it: in UTC and of fixed length, so that the order of the texts is the order of the
/// instants.
pub fn written(at: Instant) -> String {
    at.date_time().unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_as_it_was_kept_and_others_stay() {
        let mut document = json!({"pages": {"used": 1, "at": "2026-01-01T00:00:00Z"}, "odd": 5});
        let kept = Counter { used: Units::from_millionths(12_500_000), at: Instant(823_068_000_000_001) };
        keep(&mut document, "hours", kept);
        assert_eq!(document["hours"], json!({"used": 12.5, "at": "2026-01-30T06:00:00.000001Z"}));
        assert_eq!(counter(&document, "hours"), Ok(Some(kept)));
        let pages = Counter { used: Units::from_millionths(1_000_000), at: Instant(820_540_800_000_000) };
        assert_eq!(counter(&document, "pages"), Ok(Some(pages)));
        assert_eq!(counter(&document, "seats"), Ok(None));
        assert_eq!(
            counter(&document, "odd").unwrap_err().to_string(),
            "\"odd\" must be {\"used\": <number>, \"at\": <time>}, not 5"
        );
    }

    #[test]
    fn a_value_that_is_not_an_object_is_replaced_by_one() {
        let mut document = Value::Null;
        keep(&mut document, "hours", Counter { used: Units::ZERO, at: Instant(0) });
        assert_eq!(document, json!({"hours": {"used": 0, "at": "2000-01-01T00:00:00.000000Z"}}));
    }
}
