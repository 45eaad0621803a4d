//! Properties of all parsers of outside input: documents of any shape, and decimal numbers.

use std::collections::BTreeMap;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use proptest::prelude::*;
use proptest::sample::Index;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use engine::conditions::Conditions;
use engine::events::{lago, stripe};
use engine::money::Money;
use engine::payments::{Fact, Facts};
use engine::promotions::Restrictions;
use engine::time::Instant;
use engine::{items, json};

/// Bodies as the providers publish them, with the kinds of events that carry them.
const STRIPE: [(&str, &str); 12] = [
    ("checkout.session.completed", include_str!("../../../tests/payloads/stripe.checkout.session.json")),
    ("checkout.session.async_payment_succeeded", include_str!("../../../tests/payloads/stripe.checkout.session.json")),
    ("checkout.session.expired", include_str!("../../../tests/payloads/stripe.checkout.session.json")),
    ("payment_intent.succeeded", include_str!("../../../tests/payloads/stripe.payment_intent.json")),
    ("payment_intent.payment_failed", include_str!("../../../tests/payloads/stripe.payment_intent.json")),
    ("charge.refunded", include_str!("../../../tests/payloads/stripe.charge.json")),
    ("charge.dispute.created", include_str!("../../../tests/payloads/stripe.dispute.json")),
    ("charge.dispute.closed", include_str!("../../../tests/payloads/stripe.dispute.json")),
    ("invoice.paid", include_str!("../../../tests/payloads/stripe.invoice.json")),
    ("invoice.payment_failed", include_str!("../../../tests/payloads/stripe.invoice.json")),
    ("customer.subscription.updated", include_str!("../../../tests/payloads/stripe.subscription.json")),
    ("customer.subscription.deleted", include_str!("../../../tests/payloads/stripe.subscription.json")),
];
const LAGO: [(&str, &str, &str); 5] = [
    ("subscription.started", "subscription", include_str!("../../../tests/payloads/lago.subscription.json")),
    ("subscription.terminated", "subscription", include_str!("../../../tests/payloads/lago.subscription.json")),
    ("invoice.created", "invoice", include_str!("../../../tests/payloads/lago.invoice.json")),
    ("invoice.payment_status_updated", "invoice", include_str!("../../../tests/payloads/lago.invoice.json")),
    ("invoice.payment_overdue", "invoice", include_str!("../../../tests/payloads/lago.invoice.json")),
];

/// More kinds of events that contain facts.
const MORE_OF_STRIPE: [(&str, &str); 16] = [
    ("payment_intent.processing", include_str!("../../../tests/payloads/stripe.payment_intent.json")),
    ("payment_intent.canceled", include_str!("../../../tests/payloads/stripe.payment_intent.json")),
    ("charge.succeeded", include_str!("../../../tests/payloads/stripe.charge.json")),
    ("charge.updated", include_str!("../../../tests/payloads/stripe.charge.json")),
    ("refund.created", include_str!("../../../tests/payloads/stripe.refund.json")),
    ("refund.failed", include_str!("../../../tests/payloads/stripe.refund.json")),
    ("charge.refund.updated", include_str!("../../../tests/payloads/stripe.refund.json")),
    ("charge.dispute.updated", include_str!("../../../tests/payloads/stripe.dispute.json")),
    ("charge.dispute.funds_withdrawn", include_str!("../../../tests/payloads/stripe.dispute.json")),
    ("invoice.created", include_str!("../../../tests/payloads/stripe.invoice.json")),
    ("invoice.voided", include_str!("../../../tests/payloads/stripe.invoice.json")),
    ("invoice.marked_uncollectible", include_str!("../../../tests/payloads/stripe.invoice.json")),
    ("invoice_payment.paid", include_str!("../../../tests/payloads/stripe.invoice_payment.json")),
    ("customer.subscription.created", include_str!("../../../tests/payloads/stripe.subscription.json")),
    ("customer.subscription.paused", include_str!("../../../tests/payloads/stripe.subscription.json")),
    ("checkout.session.async_payment_failed", include_str!("../../../tests/payloads/stripe.checkout.session.json")),
];
const MORE_OF_LAGO: [(&str, &str, &str); 4] = [
    ("subscription.updated", "subscription", include_str!("../../../tests/payloads/lago.subscription.json")),
    ("invoice.voided", "invoice", include_str!("../../../tests/payloads/lago.invoice.json")),
    ("invoice.one_off_created", "invoice", include_str!("../../../tests/payloads/lago.invoice.json")),
    ("invoice.paid_credit_added", "invoice", include_str!("../../../tests/payloads/lago.invoice.json")),
];

/// When everything is heard.
const HEARD: Instant = Instant(820_540_800_000_000);

/// A document without nested values that somebody could send.
fn leaf() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
        prop::sample::select(vec![
            "0",
            "-0",
            "1",
            "9223372036854775807",
            "-9223372036854775808",
            "-9000000000000",
            "1e400"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(|number| serde_json::from_str(&number).unwrap()),
        ".{0,12}".prop_map(Value::String),
        prop::sample::select(vec![
            "",
            "paid",
            "usd",
            "jpy",
            "kwd",
            "won",
            "9999-12-31T23:59:59Z",
            "0000-01-01T00:00:00+23:59",
            "monthly"
        ])
        .prop_map(Value::from),
        any::<u128>().prop_map(|id| Value::from(Uuid::from_u128(id).to_string())),
    ]
}

/// Any document, with known keys among others.
fn document() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "add_on_id",
            "quantity",
            "min_quantity",
            "min_subtotal",
            "requires_addon",
            "billing_type",
            "stackable",
            "tier",
            "user_ids",
            "max_uses_per_user",
            "id",
            "discount_percent",
            "discount_amount",
            "conditions",
            "priority",
            "valid_from",
            "valid_until",
            "add_on_ids",
            "max_uses",
            "current_uses",
            "code",
            "discount_type",
            "discount_value",
            "applicable_to",
            "user_restrictions",
            "min_purchase_amount",
            "expires_at",
            "is_active",
            "type",
            "data",
            "object",
            "webhook_type",
            "object_type",
            "invoice",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    leaf().prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The leaves of a document.
fn leaves(place: &mut Value) -> Vec<&mut Value> {
    let is_leaf = match place {
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => true,
    };
    match place {
        leaf if is_leaf => vec![leaf],
        Value::Array(values) => values.iter_mut().flat_map(leaves).collect(),
        Value::Object(fields) => fields.values_mut().flat_map(leaves).collect(),
        _ => Vec::new(),
    }
}

/// Replaces the values at some places of a document.
fn replace(document: &mut Value, replacements: Replacements) {
    for (place, with) in replacements {
        let mut leaves = leaves(document);
        let place = place.index(leaves.len());
        *leaves.swap_remove(place) = with;
    }
}

type Replacements = Vec<(Index, Value)>;

fn replacements() -> impl Strategy<Value = Replacements> {
    let few = prop::collection::vec((any::<Index>(), prop_oneof![3 => leaf(), 1 => document()]), 0..4);
    // Numbers are mostly replaced by numbers, so that most documents are parsed to the end.
    let extreme = prop::sample::select(vec![i64::MAX, i64::MIN, 0, 1, -9_000_000_000_000, 9_000_000_000_000])
        .prop_map(Value::from);
    let many = prop::collection::vec((any::<Index>(), extreme), 0..40);
    prop_oneof![few, many]
}

/// A parsed time can be stored: PostgreSQL has no times before 4714 BC.
fn can_be_stored(read: &impl std::fmt::Debug) -> bool {
    const FIRST: i64 = -211_813_488_000_000_000;
    format!("{read:?}").split("Instant(").skip(1).all(|rest| {
        let end = rest.find(')').unwrap();
        let time: i64 = rest[..end].parse().unwrap();
        time >= FIRST || time == Instant::NEG_INFINITY.0
    })
}

/// The facts can be stored: as a document, with ids that fit their columns and times that exist.
fn can_be_kept(facts: &[Fact]) -> bool {
    let mut known = Facts::default();
    facts.iter().for_each(|fact| known.learn(fact.clone()));
    let kept = serde_json::to_value(&known).unwrap();
    let ids_fit = facts.iter().flat_map(Fact::ids).all(|id| (1..=300).contains(&id.chars().count()));
    ids_fit && can_be_stored(&facts) && serde_json::from_value::<Facts>(kept).unwrap() == known
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn stripe_bodies_are_stored_or_refused(
        chosen in any::<Index>(),
        changes in replacements(),
        before in replacements(),
        is_fetched in any::<bool>(),
    ) {
        let all: Vec<(&str, &str)> = STRIPE.into_iter().chain(MORE_OF_STRIPE).collect();
        let (kind, object) = chosen.get(&all);
        let mut object: Value = serde_json::from_str(object).unwrap();
        let mut previous = object.clone();
        replace(&mut previous, before);
        replace(&mut object, changes);
        let facts = if is_fetched {
            let read = stripe::objects(&json!({"object": "list", "data": [object]}), HEARD);
            read.map(|fetched| fetched.into_iter().flat_map(|fetched| fetched.facts).collect())
        } else {
            let data = json!({"object": object, "previous_attributes": previous});
            stripe::event(&json!({"id": "evt_1", "type": kind, "created": 1_767_225_600, "data": data}), HEARD)
        };
        if let Ok(facts) = facts {
            let facts: Vec<Fact> = facts;
            prop_assert!(can_be_kept(&facts), "{facts:?}");
        }
    }

    #[test]
    fn whatever_lago_tells_can_be_kept_or_is_refused(chosen in any::<Index>(), changes in replacements()) {
        let all: Vec<(&str, &str, &str)> = LAGO.into_iter().chain(MORE_OF_LAGO).collect();
        let (kind, object_type, object) = chosen.get(&all);
        let object: Value = serde_json::from_str(object).unwrap();
        let mut body = json!({"webhook_type": kind, "object_type": object_type, *object_type: object[object_type]});
        replace(&mut body, changes);
        if let Ok(facts) = lago::event(&body, HEARD) {
            prop_assert!(can_be_kept(&facts), "{facts:?}");
        }
    }

    #[test]
    fn any_document_is_read_or_refused(document in document()) {
        let _ = (stripe::event(&document, HEARD), lago::event(&document, HEARD));
        let _ = stripe::objects(&document, HEARD);
        let _ = (items::parse(&document), Conditions::parse(&document), Restrictions::parse(&document));
    }

    #[test]
    fn items_are_added_up(items in prop::collection::vec((0..4_u128, 1..=2_000_000_000_u32), 0..6)) {
        let document: Vec<Value> = items.iter().map(|(id, quantity)| json!({"add_on_id": Uuid::from_u128(*id), "quantity": quantity})).collect();
        let mut sums: BTreeMap<Uuid, u64> = BTreeMap::new();
        items.iter().for_each(|(id, quantity)| *sums.entry(Uuid::from_u128(*id)).or_default() += u64::from(*quantity));
        match items::parse(&Value::Array(document)) {
            Ok(read) => prop_assert!(read.into_iter().map(|(id, quantity)| (id, u64::from(quantity))).eq(sums)),
            Err(refused) => prop_assert!(sums.values().any(|sum| *sum > 2_147_483_647), "{refused}"),
        }
    }

    #[test]
    fn a_decimal_number_is_read_exactly_or_not_at_all(text in "-?(0|[1-9][0-9]{0,34})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?") {
        if let Some(read) = json::decimal(&text) {
            let exact = BigDecimal::from_str(&text).unwrap();
            prop_assert_eq!(BigDecimal::from_str(&read.to_string()).unwrap(), exact);
        }
    }

    #[test]
    fn an_amount_is_its_number_of_cents_or_none(units in any::<i64>(), scale in 0..8_u32) {
        let decimal = Decimal::new(units, scale);
        let cents = BigDecimal::new(units.into(), i64::from(scale)) * BigDecimal::from(100);
        match Money::from_decimal(decimal) {
            Some(money) => prop_assert_eq!(BigDecimal::from(money.cents()), cents),
            None => prop_assert!(!cents.is_integer() || cents.abs() > i64::MAX),
        }
    }

    #[test]
    fn an_amount_is_read_as_it_is_written(cents in any::<i64>()) {
        let money = Money::from_cents(cents);
        let written = money.to_string();
        let read = Decimal::from_str_exact(&written).ok().and_then(Money::from_decimal);
        prop_assert_eq!(read, Some(money));
    }
}

#[test]
fn sums_of_extremes_do_not_overflow() {
    let details = json!({"amount_tax": i64::MAX, "amount_shipping": i64::MAX});
    let session = json!({"id": "cs_1", "payment_status": "paid", "amount_total": i64::MIN, "currency": "usd", "total_details": details});
    let body = json!({"type": "checkout.session.completed", "data": {"object": session}});
    // Larger amounts are refused by name; a body can have many of the largest allowed ones.
    assert!(stripe::event(&body, HEARD).is_err());
    let line = json!({"amount": 1_000_000_000_000_000_i64, "type": "subscription"});
    let invoice = json!({"id": "in_1", "currency": "jpy", "total": 1, "lines": {"data": vec![line; 200]}});
    let body = json!({"type": "invoice.paid", "data": {"object": invoice}});
    assert!(stripe::event(&body, HEARD).is_ok());
}

#[test]
fn times_before_the_first_that_can_be_stored_are_refused() {
    let refund = json!({"id": "re_1", "charge": "ch_1", "amount": 1, "currency": "usd", "status": "succeeded"});
    let created = |seconds: i64| {
        stripe::event(&json!({"type": "refund.created", "created": seconds, "data": {"object": refund}}), HEARD)
    };
    assert!(created(-200_000_000_000).is_ok_and(|facts| can_be_stored(&facts)));
    assert!(created(-9_000_000_000_000).is_err());
    assert!(created(-250_000_000_000).is_err());
}
