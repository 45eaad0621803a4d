//! How a feature is metered: the keys `limit`, `per` and `overage` of a configuration in `add_on_features` (semantics 7).

use serde_json::Value;
use uuid::Uuid;

use super::units::Units;
use crate::billing::BillingType;
use crate::json::{Entry, Malformed};

/// The period over which usage counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Per {
    /// The add-on's own paid period.
    #[default]
    Period,
    /// A day in UTC.
    Day,
    /// A month of the calendar in UTC.
    Month,
    /// A year of the calendar in UTC.
    Year,
    /// One that never ends.
    Ever,
}

impl Per {
    /// Every period.
    pub const ALL: [Per; 5] = [Per::Period, Per::Day, Per::Month, Per::Year, Per::Ever];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Per::Period => "period",
            Per::Day => "day",
            Per::Month => "month",
            Per::Year => "year",
            Per::Ever => "ever",
        }
    }
}

/// What an add-on grants of a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metering {
    /// The grant of one unit of the add-on for each period; `None` for no limit.
    pub limit: Option<Units>,
    /// The period.
    pub per: Per,
    /// Whether more than the grant can be used.
    pub allows_overage: bool,
}

impl Metering {
    /// Reads a configuration. One without `limit` sets no limit, and its other keys belong to the host.
    pub fn parse(configuration: &Value) -> Result<Metering, Malformed> {
        let Some(limit) = configuration.get("limit") else { return Ok(Metering::default()) };
        let limit = Entry { key: "limit", value: limit };
        let units = Units::from_digits(&limit.amount()?.to_string());
        let Some(units) = units else {
            return limit.must_be("a number with at most 14 digits before and 6 after the decimal point");
        };
        let mut metering = Metering { limit: Some(units), ..Metering::default() };
        if let Some(value) = configuration.get("per") {
            metering.per = named(Entry { key: "per", value }, &Per::ALL.map(|per| (per.name(), per)))?;
        }
        if let Some(value) = configuration.get("overage") {
            let ways = [("refuse", false), ("allow", true)];
            metering.allows_overage = named(Entry { key: "overage", value }, &ways)?;
        }
        Ok(metering)
    }
}

/// An add-on that gives a feature.
#[derive(Clone, Debug, PartialEq)]
pub struct GivingAddOn {
    /// The add-on.
    pub add_on_id: Uuid,
    /// How it is charged, unless it was bought with another billing type.
    pub billing_type: BillingType,
    /// What it grants. If the stored configuration cannot be read, the reason.
    pub metering: Result<Metering, Malformed>,
}

impl GivingAddOn {
    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        size_of::<GivingAddOn>() + self.metering.as_ref().err().map_or(0, |malformed| malformed.0.len())
    }
}

/// What a word stands for.
fn named<T: Copy>(entry: Entry, words: &[(&str, T)]) -> Result<T, Malformed> {
    let found = words.iter().find(|(word, _)| entry.value.as_str() == Some(word));
    found.map(|(_, meaning)| Ok(*meaning)).unwrap_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        entry.must_be(&format!("one of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_limit_makes_a_feature_metered() {
        let units = |units: i128| Some(Units::from_millionths(units * 1_000_000));
        let read = |configuration| Metering::parse(&configuration).unwrap();
        assert_eq!(read(json!({"limit": 50})), Metering { limit: units(50), per: Per::Period, allows_overage: false });
        assert_eq!(
            read(json!({"limit": 5000, "per": "month", "overage": "allow", "unit": "pages"})),
            Metering { limit: units(5000), per: Per::Month, allows_overage: true }
        );
        assert_eq!(read(json!({"limit": 0, "per": "ever", "overage": "refuse"})).limit, units(0));
        for unlimited in [json!({}), json!([]), json!("fast"), json!({"per": "call", "overage": 7})] {
            assert_eq!(read(unlimited), Metering::default());
        }
    }

    #[test]
    fn a_complaint_names_the_key_and_the_value() {
        let complaint = |configuration| Metering::parse(&configuration).unwrap_err().to_string();
        assert_eq!(complaint(json!({"limit": "50"})), "\"limit\" must be a number that is not negative, not \"50\"");
        assert_eq!(complaint(json!({"limit": -1})), "\"limit\" must be a number that is not negative, not -1");
        assert_eq!(complaint(json!({"limit": null})), "\"limit\" must be a number that is not negative, not null");
        for limit in ["100000000000000", "0.0000001"] {
            let configuration = serde_json::from_str(&format!("{{\"limit\": {limit}}}")).unwrap();
            assert_eq!(
                complaint(configuration),
                format!(
                    "\"limit\" must be a number with at most 14 digits before and 6 after the decimal point, not {limit}"
                )
            );
        }
        assert_eq!(
            complaint(json!({"limit": 1, "per": "week"})),
            "\"per\" must be one of period, day, month, year, ever, not \"week\""
        );
        assert_eq!(
            complaint(json!({"limit": 1, "overage": true})),
            "\"overage\" must be one of refuse, allow, not true"
        );
    }
}
