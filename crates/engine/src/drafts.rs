//! Rows of the catalog that somebody has in mind: JSON objects with the columns as keys, read as the tables would store
//! them. Missing keys get the columns' defaults, and what a constraint of the table refuses is refused in its name.

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use uuid::Uuid;

use super::catalog::{Bundle, PricingRule};
use super::conditions::Conditions;
use super::json::{Entry, Malformed, entries, unknown_key};
use super::money::{Discount, Money, Percent};
use super::promotions::{PromoCode, PromoDiscount, PromoRequest, Restrictions};
use super::time::{Instant, Window};

/// The id of a draft that has none and replaces nothing: among equals it comes last.
const LAST_ID: Uuid = Uuid::max();

/// Why a draft could not be a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not an object with the table's columns.
    Malformed(Malformed),
    /// A constraint of the table refuses it.
    Violation {
        /// The constraint's name.
        constraint: &'static str,
        /// What it asks for, and what was given.
        why: String,
    },
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Refused {
        Refused::Malformed(malformed)
    }
}

/// Reads a time as the database does.
pub type ReadTime<'a> = &'a dyn Fn(&str) -> Instant;

/// A bundle that somebody has in mind.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleDraft {
    /// The bundle.
    pub bundle: Bundle,
    /// How many instances can still be sold; `None` for any number.
    pub uses_left: Option<u32>,
}

/// Reads a row of `pricing_rules`, which has the id of the one it replaces unless it says another.
pub fn rule(document: &Value, replaces: Option<Uuid>, time: ReadTime) -> Result<PricingRule, Refused> {
    const KEYS: [&str; 12] = [
        "id",
        "add_on_id",
        "tier_code",
        "discount_percent",
        "discount_amount",
        "conditions",
        "priority",
        "is_active",
        "valid_from",
        "valid_until",
        "created_at",
        "updated_at",
    ];
    let mut add_on_id = None;
    let mut rule = PricingRule {
        id: replaces.unwrap_or(LAST_ID),
        add_on_id: Uuid::nil(),
        tier_code: None,
        discount: Discount::default(),
        conditions: Ok(Conditions::default()),
        priority: 0,
        is_active: true,
        window: Window::default(),
    };
    for entry in entries(document)? {
        match entry.key {
            "id" => rule.id = entry.uuid()?,
            "add_on_id" => add_on_id = Some(entry.uuid()?),
            "tier_code" => rule.tier_code = optional_text(entry, 50)?,
            "discount_percent" => rule.discount.percent = percent(entry, "pricing_rules_discount_percent_check")?,
            "discount_amount" => rule.discount.amount = money(entry, "pricing_rules_discount_amount_check")?,
            "conditions" => rule.conditions = Ok(conditions(entry)?),
            "priority" => rule.priority = entry.integer()?,
            "is_active" => rule.is_active = entry.boolean()?,
            "valid_from" => rule.window.from = optional_time(entry, time)?,
            "valid_until" => rule.window.until = optional_time(entry, time)?,
            "created_at" | "updated_at" => {}
            unknown => return Err(unknown_key(unknown, &KEYS).into()),
        }
    }
    rule.add_on_id = add_on_id.ok_or_else(|| missing("add_on_id"))?;
    check_window(rule.window, "pricing_rules_window_check")?;
    Ok(rule)
}

/// Reads a row of `add_on_bundles`, which has the id of the one it replaces unless it says another.
pub fn bundle(document: &Value, replaces: Option<Uuid>, time: ReadTime) -> Result<BundleDraft, Refused> {
    const KEYS: [&str; 14] = [
        "id",
        "name",
        "description",
        "add_on_ids",
        "discount_percent",
        "discount_amount",
        "is_active",
        "valid_from",
        "valid_until",
        "max_uses",
        "current_uses",
        "metadata",
        "created_at",
        "updated_at",
    ];
    let mut add_on_ids = None;
    let (mut max_uses, mut current_uses) = (None, 0);
    let mut bundle = Bundle {
        id: replaces.unwrap_or(LAST_ID),
        name: String::new(),
        add_on_ids: Vec::new(),
        discount: Discount::default(),
        is_active: true,
        window: Window::default(),
        is_limited: false,
    };
    for entry in entries(document)? {
        match entry.key {
            "id" => bundle.id = entry.uuid()?,
            "name" => bundle.name = text(entry, 255)?,
            "add_on_ids" => add_on_ids = Some(entry.uuids()?),
            "discount_percent" => bundle.discount.percent = percent(entry, "add_on_bundles_discount_percent_check")?,
            "discount_amount" => bundle.discount.amount = money(entry, "add_on_bundles_discount_amount_check")?,
            "is_active" => bundle.is_active = entry.boolean()?,
            "valid_from" => bundle.window.from = optional_time(entry, time)?,
            "valid_until" => bundle.window.until = optional_time(entry, time)?,
            "max_uses" => max_uses = most_uses(entry, "add_on_bundles_max_uses_check")?,
            "current_uses" => current_uses = uses(entry, "add_on_bundles_current_uses_check")?,
            "description" | "metadata" | "created_at" | "updated_at" => {}
            unknown => return Err(unknown_key(unknown, &KEYS).into()),
        }
    }
    bundle.add_on_ids = add_on_ids.ok_or_else(|| missing("add_on_ids"))?;
    check_members(&bundle.add_on_ids)?;
    check_window(bundle.window, "add_on_bundles_window_check")?;
    check_uses(max_uses, current_uses, "add_on_bundles_current_uses_check")?;
    bundle.is_limited = max_uses.is_some();
    let uses_left = max_uses.map(|max| max - current_uses);
    Ok(BundleDraft { bundle, uses_left })
}

/// Reads a row of `promotional_codes`.
pub fn promo_code(document: &Value, time: ReadTime) -> Result<PromoRequest, Refused> {
    const KEYS: [&str; 17] = [
        "id",
        "code",
        "description",
        "discount_type",
        "discount_value",
        "max_uses",
        "current_uses",
        "applicable_to",
        "min_purchase_amount",
        "user_restrictions",
        "expires_at",
        "is_active",
        "created_by",
        "renewals",
        "metadata",
        "created_at",
        "updated_at",
    ];
    let (mut code, mut discount_type, mut value) = (String::new(), None, None);
    let mut terms = PromoCode::unrestricted(LAST_ID, PromoDiscount::FixedAmount(Money::ZERO));
    for entry in entries(document)? {
        match entry.key {
            "id" => terms.id = entry.uuid()?,
            "code" => code = text(entry, 50)?,
            "discount_type" => discount_type = Some(text(entry, 20)?),
            "discount_value" => value = Some(money(entry, "promotional_codes_discount_value_check")?),
            "max_uses" => terms.max_uses = most_uses(entry, "promotional_codes_max_uses_check")?,
            "current_uses" => terms.current_uses = uses(entry, "promotional_codes_current_uses_check")?,
            "applicable_to" if entry.value.is_null() => {}
            "applicable_to" => terms.applicable_to = Some(entry.uuids()?),
            "min_purchase_amount" => terms.min_purchase_amount = signed_money(entry)?,
            "user_restrictions" => terms.restrictions = Ok(restrictions(entry)?),
            "expires_at" => terms.expires_at = optional_time(entry, time)?,
            "is_active" => terms.is_active = entry.boolean()?,
            // It concerns later payments, and no price of today.
            "renewals" => check_renewals(entry)?,
            "description" | "created_by" | "metadata" | "created_at" | "updated_at" => {}
            unknown => return Err(unknown_key(unknown, &KEYS).into()),
        }
    }
    let discount_type = discount_type.ok_or_else(|| missing("discount_type"))?;
    terms.discount = promo_discount(&discount_type, value.ok_or_else(|| missing("discount_value"))?)?;
    check_uses(terms.max_uses, terms.current_uses, "promotional_codes_current_uses_check")?;
    Ok(PromoRequest { code, terms: Some(terms) })
}

fn promo_discount(discount_type: &str, value: Money) -> Result<PromoDiscount, Refused> {
    let violates = |constraint, why: String| Err(Refused::Violation { constraint, why });
    if value == Money::ZERO {
        return violates("promotional_codes_discount_value_check", "discount_value must be more than 0".to_owned());
    }
    match discount_type {
        "fixed_amount" => Ok(PromoDiscount::FixedAmount(value)),
        "percentage" if value <= Money::from_cents(100_00) => {
            Ok(PromoDiscount::Percentage(Percent::from_hundredths(value.cents())))
        }
        "percentage" => violates(
            "promotional_codes_discount_value_check",
            format!("discount_value of a percentage must be at most 100, not {value}"),
        ),
        other => violates(
            "promotional_codes_discount_type_check",
            format!("discount_type must be percentage or fixed_amount, not \"{other}\""),
        ),
    }
}

fn missing(key: &str) -> Malformed {
    Malformed(format!("key \"{key}\" is missing"))
}

fn text(entry: Entry, longest: usize) -> Result<String, Malformed> {
    optional_text(entry, longest)?.map_or_else(|| entry.must_be(&format!("a string of up to {longest} characters")), Ok)
}

fn optional_text(entry: Entry, longest: usize) -> Result<Option<String>, Malformed> {
    match entry.value {
        Value::Null => Ok(None),
        Value::String(text) if text.chars().count() <= longest => Ok(Some(text.clone())),
        _ => entry.must_be(&format!("a string of up to {longest} characters")),
    }
}

fn optional_time(entry: Entry, time: ReadTime) -> Result<Option<Instant>, Malformed> {
    match entry.value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(time(text))),
        _ => entry.must_be("a time as a string"),
    }
}

/// A number rounded to two decimals, as numeric(10,2) rounds it.
fn hundredths(entry: Entry) -> Result<i64, Malformed> {
    let rounded = entry.decimal()?.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    match Money::from_decimal(rounded) {
        Some(amount) if amount.cents().abs() <= Money::MAX.cents() => Ok(amount.cents()),
        _ => entry.must_be(&format!("a number up to {}", Money::MAX)),
    }
}

fn signed_money(entry: Entry) -> Result<Money, Malformed> {
    Ok(Money::from_cents(hundredths(entry)?))
}

fn money(entry: Entry, constraint: &'static str) -> Result<Money, Refused> {
    let amount = signed_money(entry)?;
    if amount < Money::ZERO {
        return Err(Refused::Violation { constraint, why: format!("{} must not be negative: {amount}", entry.key) });
    }
    Ok(amount)
}

fn percent(entry: Entry, constraint: &'static str) -> Result<Percent, Refused> {
    match hundredths(entry)? {
        percent @ 0..=100_00 => Ok(Percent::from_hundredths(percent)),
        other => {
            let why = format!("{} must be from 0 to 100, not {}", entry.key, Decimal::new(other, 2).normalize());
            Err(Refused::Violation { constraint, why })
        }
    }
}

fn conditions(entry: Entry) -> Result<Conditions, Refused> {
    Conditions::parse(entry.value).map_err(|Malformed(why)| Refused::Violation {
        constraint: "pricing_rules_conditions_check",
        why: format!("conditions: {why}"),
    })
}

fn restrictions(entry: Entry) -> Result<Restrictions, Refused> {
    Restrictions::parse(entry.value).map_err(|Malformed(why)| Refused::Violation {
        constraint: "promotional_codes_user_restrictions_check",
        why: format!("user_restrictions: {why}"),
    })
}

fn most_uses(entry: Entry, constraint: &'static str) -> Result<Option<u32>, Refused> {
    if entry.value.is_null() {
        return Ok(None);
    }
    match entry.integer()? {
        uses if uses > 0 => Ok(Some(uses as u32)),
        uses => Err(Refused::Violation { constraint, why: format!("max_uses must be more than 0, not {uses}") }),
    }
}

fn uses(entry: Entry, constraint: &'static str) -> Result<u32, Refused> {
    let uses = entry.integer()?;
    u32::try_from(uses)
        .map_err(|_| Refused::Violation { constraint, why: format!("current_uses must not be negative: {uses}") })
}

/// NULL means without end.
fn check_renewals(entry: Entry) -> Result<(), Refused> {
    match entry.value.is_null() || entry.integer()? >= 0 {
        true => Ok(()),
        false => Err(Refused::Violation {
            constraint: "promotional_codes_renewals_check",
            why: "renewals must not be negative".to_owned(),
        }),
    }
}

fn check_uses(max_uses: Option<u32>, current_uses: u32, constraint: &'static str) -> Result<(), Refused> {
    match max_uses {
        Some(max) if current_uses > max => {
            let why = format!("current_uses must be at most max_uses, not {current_uses} of {max}");
            Err(Refused::Violation { constraint, why })
        }
        _ => Ok(()),
    }
}

fn check_window(window: Window, constraint: &'static str) -> Result<(), Refused> {
    match window {
        Window { from: Some(from), until: Some(until) } if from >= until => {
            Err(Refused::Violation { constraint, why: "valid_from must be before valid_until".to_owned() })
        }
        _ => Ok(()),
    }
}

/// The ids are in order.
fn check_members(add_on_ids: &[Uuid]) -> Result<(), Refused> {
    let constraint = "add_on_bundles_add_on_ids_check";
    if add_on_ids.len() < 2 {
        return Err(Refused::Violation { constraint, why: "add_on_ids must name at least two add-ons".to_owned() });
    }
    match add_on_ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Refused::Violation { constraint, why: format!("add_on_ids names {} twice", pair[0]) }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    /// Times are numbers here.
    fn time(text: &str) -> Instant {
        Instant(text.parse().unwrap())
    }

    fn complaint<T: std::fmt::Debug>(read: Result<T, Refused>) -> String {
        match read.unwrap_err() {
            Refused::Malformed(Malformed(why)) => why,
            Refused::Violation { constraint, why } => format!("{constraint}: {why}"),
        }
    }

    #[test]
    fn missing_keys_have_the_columns_defaults() {
        let rule = rule(&json!({"add_on_id": A}), None, &time).unwrap();
        assert_eq!((rule.id, rule.priority, rule.is_active, rule.tier_code), (Uuid::max(), 0, true, None));
        assert_eq!((rule.discount, rule.window), (Discount::default(), Window::default()));
        let draft = bundle(&json!({"add_on_ids": [B, A]}), Some(B), &time).unwrap();
        assert_eq!(draft.bundle.id, B);
        assert_eq!((draft.bundle.add_on_ids, draft.uses_left), (vec![A, B], None));
        let code = promo_code(&json!({"discount_type": "percentage", "discount_value": 12.5}), &time).unwrap();
        assert_eq!(code.terms.unwrap().discount, PromoDiscount::Percentage(Percent::from_hundredths(12_50)));
    }

    #[test]
    fn a_row_that_was_exported_is_read_back() {
        let row = json!({
            "id": B, "add_on_id": A, "tier_code": "pro", "discount_percent": 12.345, "discount_amount": 0.10,
            "conditions": {"min_quantity": 2}, "priority": -3, "is_active": false, "valid_from": "5", "valid_until": "9",
            "created_at": "1", "updated_at": "2",
        });
        let read = rule(&row, None, &time).unwrap();
        assert_eq!(
            read,
            PricingRule {
                id: B,
                add_on_id: A,
                tier_code: Some("pro".to_owned()),
                discount: Discount { percent: Percent::from_hundredths(12_35), amount: Money::from_cents(10) },
                conditions: Ok(Conditions { min_quantity: Some(2), ..Conditions::default() }),
                priority: -3,
                is_active: false,
                window: Window { from: Some(Instant(5)), until: Some(Instant(9)) },
            }
        );
    }

    #[test]
    fn what_the_table_refuses_is_refused_in_its_constraints_name() {
        for (document, expected) in [
            (
                json!({"discount_percent": 100.01}),
                "pricing_rules_discount_percent_check: discount_percent must be from 0 to 100, not 100.01",
            ),
            (
                json!({"discount_amount": -1}),
                "pricing_rules_discount_amount_check: discount_amount must not be negative: -1.00",
            ),
            (
                json!({"conditions": {"min_quantity": 0}}),
                "pricing_rules_conditions_check: conditions: \"min_quantity\" must be an integer from 1 to 2147483647, not 0",
            ),
            (
                json!({"valid_from": "9", "valid_until": "9"}),
                "pricing_rules_window_check: valid_from must be before valid_until",
            ),
        ] {
            let mut whole = json!({"add_on_id": A});
            whole.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
            assert_eq!(complaint(rule(&whole, None, &time)), expected);
        }
        for (document, expected) in [
            (
                json!({"add_on_ids": [A]}),
                "add_on_bundles_add_on_ids_check: add_on_ids must name at least two add-ons".to_owned(),
            ),
            (json!({"add_on_ids": [A, B, A]}), format!("add_on_bundles_add_on_ids_check: add_on_ids names {A} twice")),
            (
                json!({"add_on_ids": [A, B], "max_uses": 0}),
                "add_on_bundles_max_uses_check: max_uses must be more than 0, not 0".to_owned(),
            ),
            (
                json!({"add_on_ids": [A, B], "max_uses": 1, "current_uses": 2}),
                "add_on_bundles_current_uses_check: current_uses must be at most max_uses, not 2 of 1".to_owned(),
            ),
        ] {
            assert_eq!(complaint(bundle(&document, None, &time)), expected);
        }
        for (kind, value, expected) in [
            (
                "fixed",
                json!(5),
                "promotional_codes_discount_type_check: discount_type must be percentage or fixed_amount, not \"fixed\"",
            ),
            ("fixed_amount", json!(0), "promotional_codes_discount_value_check: discount_value must be more than 0"),
            (
                "percentage",
                json!(100.01),
                "promotional_codes_discount_value_check: discount_value of a percentage must be at most 100, not 100.01",
            ),
        ] {
            let document = json!({"discount_type": kind, "discount_value": value});
            assert_eq!(complaint(promo_code(&document, &time)), expected);
        }
    }

    #[test]
    fn what_is_no_row_is_refused_by_the_name_of_its_key() {
        let no_rule = |document| complaint(rule(&document, None, &time));
        assert_eq!(no_rule(json!([])), "expected a JSON object, not []");
        assert_eq!(no_rule(json!({})), "key \"add_on_id\" is missing");
        assert!(no_rule(json!({"percent": 1})).starts_with("unknown key \"percent\"; the keys are id, add_on_id, "));
        assert_eq!(no_rule(json!({"discount_percent": "1"})), "\"discount_percent\" must be a number, not \"1\"");
        assert_eq!(
            no_rule(json!({"discount_amount": 1e9})),
            "\"discount_amount\" must be a number up to 99999999.99, not 1000000000.0"
        );
        assert_eq!(no_rule(json!({"priority": 1.5})), "\"priority\" must be an integer, not 1.5");
        assert_eq!(no_rule(json!({"is_active": null})), "\"is_active\" must be true or false, not null");
        assert_eq!(no_rule(json!({"valid_from": 5})), "\"valid_from\" must be a time as a string, not 5");
        let long = json!({"add_on_id": A, "tier_code": "t".repeat(51)});
        assert!(no_rule(long).starts_with("\"tier_code\" must be a string of up to 50 characters, not "));
        assert_eq!(complaint(bundle(&json!({}), None, &time)), "key \"add_on_ids\" is missing");
        assert_eq!(complaint(promo_code(&json!({}), &time)), "key \"discount_type\" is missing");
    }
}
