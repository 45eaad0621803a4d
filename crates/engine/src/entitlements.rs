//! Features that several add-ons give at once (semantics 5).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde_json::{Number, Value};
use uuid::Uuid;

use super::time::Instant;
use super::usage::metering::Metering;
use super::usage::units::Units;

/// A feature that an owned add-on gives.
#[derive(Clone, Debug)]
pub struct FeatureGrant {
    /// The add-on that gives it.
    pub add_on_id: Uuid,
    /// How many units of it the user has.
    pub quantity: u32,
    /// When the user got the add-on.
    pub purchased_at: Instant,
    /// When the add-on's window ends; `None` for no end.
    pub expires_at: Option<Instant>,
    /// The configuration of the feature in that add-on.
    pub configuration: Value,
}

/// A feature with all the grants that a user has of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The merged configuration.
    pub configuration: Value,
    /// The add-ons that give it, in id order.
    pub add_on_ids: Vec<Uuid>,
    /// When the last of them ends; `None` for no end.
    pub expires_at: Option<Instant>,
}

/// Merges the grants of one feature. There must be at least one.
pub fn merge(mut grants: Vec<FeatureGrant>) -> Feature {
    let mut add_on_ids: Vec<Uuid> = grants.iter().map(|grant| grant.add_on_id).collect();
    add_on_ids.sort_unstable();
    add_on_ids.dedup();
    let ends: Option<Vec<Instant>> = grants.iter().map(|grant| grant.expires_at).collect();
    let expires_at = ends.and_then(|ends| ends.into_iter().max());
    grants.sort_by_key(|grant| (std::cmp::Reverse(grant.purchased_at), grant.add_on_id));
    let limit = limit(&grants);
    let configurations = grants.into_iter().map(|grant| grant.configuration).collect();
    let mut configuration = merge_configurations(configurations);
    if let Value::Object(keys) = &mut configuration {
        match limit {
            Limit::Units(units) => {
                keys.insert("limit".to_owned(), Number::from_string_unchecked(units.to_string()).into());
            }
            Limit::Unlimited => drop(keys.remove("limit")),
            Limit::Unmetered => {}
        }
    }
    Feature { configuration, add_on_ids, expires_at }
}

/// The combined limit of all grants of a feature.
enum Limit {
    /// The feature is not metered, or a limit cannot be read.
    Unmetered,
    /// One of the grants has no limit.
    Unlimited,
    Units(Units),
}

fn limit(grants: &[FeatureGrant]) -> Limit {
    let limits = grants.iter().map(|grant| {
        let limit = Metering::parse(&grant.configuration).ok()?.limit;
        Some(limit.map(|limit| limit.times(grant.quantity)))
    });
    match limits.collect::<Option<Vec<Option<Units>>>>() {
        Some(limits) if limits.iter().any(Option::is_some) => {
            limits.into_iter().sum::<Option<Units>>().map_or(Limit::Unlimited, Limit::Units)
        }
        _ => Limit::Unmetered,
    }
}

/// Merges configurations key by key, the most recent first. A configuration that is not an object has no keys to
/// merge; if the most recent one is not an object, it is the result.
fn merge_configurations(mut configurations: Vec<Value>) -> Value {
    if configurations.len() == 1 || !configurations[0].is_object() {
        return configurations.swap_remove(0);
    }
    let mut values: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for configuration in configurations {
        let Value::Object(configuration) = configuration else { continue };
        for (key, value) in configuration {
            values.entry(key).or_default().push(value);
        }
    }
    Value::Object(values.into_iter().map(|(key, values)| (key, merge_values(values))).collect())
}

/// Merges the values of one key, the most recent first: the larger of numbers, the OR of booleans; for anything else,
/// and for values of different kinds, the most recent one.
fn merge_values(mut values: Vec<Value>) -> Value {
    if values.iter().all(Value::is_boolean) {
        Value::Bool(values.contains(&Value::Bool(true)))
    } else if values.iter().all(Value::is_number) {
        values.into_iter().reduce(larger).unwrap_or_default()
    } else {
        values.swap_remove(0)
    }
}

fn larger(one: Value, other: Value) -> Value {
    if compare_numbers(&one, &other) == Ordering::Less { other } else { one }
}

/// Compares JSON numbers digit by digit, because a `numeric` can have more digits than any machine number.
fn compare_numbers(one: &Value, other: &Value) -> Ordering {
    let digits = |value: &Value| BigDecimal::from_str(&value.to_string()).unwrap_or_default();
    digits(one).cmp(&digits(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);
    const C: Uuid = Uuid::from_u128(3);

    fn grant(add_on_id: Uuid, purchased_at: i64, configuration: Value) -> FeatureGrant {
        FeatureGrant { add_on_id, quantity: 1, purchased_at: Instant(purchased_at), expires_at: None, configuration }
    }

    #[test]
    fn keys_merge_by_their_kind() {
        let feature = merge(vec![
            grant(B, 10, json!({"pages": 100, "ocr": true, "tone": "dry", "mixed": 5, "old": 1})),
            grant(A, 20, json!({"pages": 50.5, "ocr": false, "tone": "warm", "mixed": true, "new": [1]})),
        ]);
        assert_eq!(
            feature.configuration,
            json!({"pages": 100, "ocr": true, "tone": "warm", "mixed": true, "old": 1, "new": [1]})
        );
        assert_eq!(feature.add_on_ids, [A, B]);
    }

    #[test]
    fn the_result_does_not_depend_on_the_order_of_the_grants() {
        let grants = [
            grant(A, 10, json!({"n": 1, "s": "a"})),
            grant(B, 20, json!({"n": true, "s": "b"})),
            grant(C, 20, json!({"n": 7, "s": "c"})),
        ];
        let expected = json!({"n": true, "s": "b"}); // B and C are equally recent: the smaller id counts as the later
        for [x, y, z] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let feature = merge(vec![grants[x].clone(), grants[y].clone(), grants[z].clone()]);
            assert_eq!(feature.configuration, expected);
        }
    }

    #[test]
    fn numbers_are_compared_exactly_whatever_their_size() {
        let number = |text: &str| serde_json::from_str::<Value>(&format!("{{\"n\": {text}}}")).unwrap();
        for (smaller, greater) in [
            ("1e40", "10000000000000000000000000000000000000001"),
            ("-2", "-1.5"),
            ("0.1", "0.10000000000000000000000000000000000001"),
            ("9", "10"),
        ] {
            let feature = merge(vec![grant(A, 1, number(greater)), grant(B, 2, number(smaller))]);
            assert_eq!(feature.configuration, number(greater));
        }
    }

    #[test]
    fn a_configuration_that_is_no_object_has_no_keys() {
        let objects_win = merge(vec![grant(A, 1, json!([1])), grant(B, 2, json!({"a": 1}))]);
        assert_eq!(objects_win.configuration, json!({"a": 1}));
        let recent_wins = merge(vec![grant(A, 1, json!({"a": 1})), grant(B, 2, json!([1]))]);
        assert_eq!(recent_wins.configuration, json!([1]));
    }

    #[test]
    fn limits_add_up_unit_by_unit_unless_something_has_none() {
        let units = |quantity, grant: FeatureGrant| FeatureGrant { quantity, ..grant };
        let pages = |limit: Value| json!({"limit": limit, "per": "month", "speed": 1});
        let twice = merge(vec![units(2, grant(A, 1, pages(json!(50.5)))), grant(B, 2, pages(json!(10)))]);
        assert_eq!(twice.configuration, json!({"limit": 111, "per": "month", "speed": 1}));
        assert_eq!(merge(vec![units(3, grant(A, 1, pages(json!(50))))]).configuration["limit"], json!(150));
        let unlimited = merge(vec![grant(A, 1, pages(json!(50))), grant(B, 2, json!({"speed": 2}))]);
        assert_eq!(unlimited.configuration, json!({"per": "month", "speed": 2}));
        let host_made = merge(vec![grant(A, 1, json!({"limit": "50 GB"})), grant(B, 2, json!({"limit": 7}))]);
        assert_eq!(host_made.configuration, json!({"limit": 7}));
    }

    #[test]
    fn access_ends_with_the_last_grant() {
        let until = |expires_at| FeatureGrant { expires_at, ..grant(A, 1, json!({})) };
        let end = |ends: &[Option<i64>]| merge(ends.iter().map(|end| until(end.map(Instant))).collect()).expires_at;
        assert_eq!(end(&[Some(5), Some(9)]), Some(Instant(9)));
        assert_eq!(end(&[Some(5), None]), None);
    }
}
