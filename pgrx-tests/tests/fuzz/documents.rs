//! Random documents: documents of a valid shape, partly valid ones, and arbitrary ones.

use fastrand::Rng;
use serde_json::Value;

use crate::values::{choose, uuid};

const COUNTS: &str = "1|2|0|-1|1.5|1e9|100|2147483648|null|\"2\"|1e-400|99999999999999999999";
const AMOUNTS: &str = "10|0|100|0.005|-1|1e400|33.33|\"10\"|null|99999999.99|1e20";
const SECONDS: &str = "1767225600|0|-1|1e18|9223372036854775807|253402300800|null|\"x\"";
const STATUSES: &str = "paid|unpaid|succeeded|failed|won|lost|active|canceled|past_due|terminated|";

const STRIPES_KINDS: &str = "checkout.session.completed|checkout.session.expired|checkout.session.async_payment_succeeded|\
                             payment_intent.succeeded|payment_intent.payment_failed|charge.refunded|charge.dispute.created|\
                             charge.dispute.closed|invoice.paid|customer.subscription.updated|customer.subscription.deleted|\
                             refund.updated|x|";

const LAGOS_KINDS: &str = "subscription.started|subscription.terminated|invoice.created|invoice.payment_overdue|\
                           invoice.payment_status_updated|invoice.paid_credit_added|x";

const ODD_DOCUMENTS: &str = "null|true|0|\"\"|[]|{}|[null]|[[]]|{\"\": {\"\": []}}|1e1000|-0";
const ODD_VALUES: &str = "null|true|[]|{}|\"\"|\"x\"|0|-1|1e400|[{}]|{\"a\": null}|9223372036854775808";

/// A document: one of a valid shape, one of those with a change, or an arbitrary one.
pub fn document(random: &mut Rng, known: &[String]) -> String {
    match random.u8(..12) {
        0 => {
            let depth = random.usize(1..6_000);
            format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
        }
        1 => choose(random, ODD_DOCUMENTS).to_owned(),
        2 => {
            let item = format!(r#"{{"add_on_id": "{}", "quantity": 1}}"#, uuid(random, known));
            format!("[{}]", vec![item; random.usize(1..2_000)].join(","))
        }
        3 => {
            let shaped = shaped(random, known);
            mutated(random, &shaped)
        }
        _ => shaped(random, known),
    }
}

/// One with the shape that some function or column expects.
fn shaped(random: &mut Rng, known: &[String]) -> String {
    match random.u8(..9) {
        0..=2 => of_cart(random, known),
        3..=5 => draft(random, known),
        6 => stripes_event(random, known),
        7 => lagos_webhook(random, known),
        _ => catalog(random, known),
    }
}

/// Items, conditions of a rule, restrictions of a code.
fn of_cart(random: &mut Rng, known: &[String]) -> String {
    let (id, other) = (uuid(random, known), uuid(random, known));
    let (count, amount, status) = (choose(random, COUNTS), choose(random, AMOUNTS), choose(random, STATUSES));
    match random.u8(..3) {
        0 => format!(
            r#"[{{"add_on_id": "{id}", "quantity": {count}}}, {{"add_on_id": "{other}", "quantity": {count}}}]"#
        ),
        1 => format!(
            r#"{{"min_quantity": {count}, "max_quantity": {count}, "min_subtotal": {amount}, "requires_addon": ["{id}"],
                "excludes_addon": ["{other}"], "billing_type": ["monthly", "{status}"], "first_purchase_only": true, "stackable": true}}"#
        ),
        _ => format!(
            r#"{{"tier": ["pro", "{status}"], "first_purchase_only": false, "user_ids": ["ada"], "max_uses_per_user": {count}}}"#
        ),
    }
}

/// A rule, a bundle or a code.
fn draft(random: &mut Rng, known: &[String]) -> String {
    let (id, other) = (uuid(random, known), uuid(random, known));
    let (count, amount, status) = (choose(random, COUNTS), choose(random, AMOUNTS), choose(random, STATUSES));
    match random.u8(..3) {
        0 => format!(
            r#"{{"add_on_id": "{id}", "discount_percent": {amount}, "discount_amount": {amount}, "priority": {count},
                "conditions": {{"min_quantity": {count}}}, "valid_from": "2026-01-01", "valid_until": "{status}"}}"#
        ),
        1 => format!(
            r#"{{"name": "{status}", "add_on_ids": ["{id}", "{other}"], "discount_percent": {amount}, "max_uses": {count}}}"#
        ),
        _ => format!(
            r#"{{"code": "new {status}", "discount_type": "percentage", "discount_value": {amount}, "applicable_to": ["{id}"],
                "user_restrictions": {{"max_uses_per_user": {count}}}, "min_purchase_amount": {amount}}}"#
        ),
    }
}

fn stripes_event(random: &mut Rng, known: &[String]) -> String {
    let (id, other, event) = (uuid(random, known), uuid(random, known), random.u8(..));
    let (kind, status) = (choose(random, STRIPES_KINDS), choose(random, STATUSES));
    let (count, seconds) = (choose(random, COUNTS), choose(random, SECONDS));
    let currency = choose(random, "usd|eur|USD||xxxxx");
    format!(
        r#"{{"id": "evt_{event}", "type": "{kind}", "created": {seconds}, "data": {{"object": {{"id": "cs_1", "object": "x",
            "client_reference_id": "{id}", "metadata": {{"checkout_id": "{other}"}}, "payment_intent": "pi_1", "invoice": "in_1",
            "subscription": "sub_1", "amount_total": {count}, "amount": {count}, "amount_received": {count}, "amount_refunded": {count},
            "amount_paid": {count}, "currency": "{currency}", "payment_status": "{status}", "status": "{status}",
            "current_period_end": {seconds}, "lines": {{"data": [{{"period": {{"start": {seconds}, "end": {seconds}}}}}]}}}}}}}}"#
    )
}

fn lagos_webhook(random: &mut Rng, known: &[String]) -> String {
    let (id, kind, status) = (uuid(random, known), choose(random, LAGOS_KINDS), choose(random, STATUSES));
    let (count, object) = (choose(random, COUNTS), choose(random, "invoice|subscription|x"));
    let end = choose(random, "2099-02-28T00:00:00Z|infinity|0000-00-00|+999999-12-31T00:00:00Z|");
    format!(
        r#"{{"webhook_type": "{kind}", "object_type": "{object}", "organization_id": "org",
            "invoice": {{"lago_id": "in_1", "payment_status": "{status}", "total_amount_cents": {count}, "currency": "USD",
            "metadata": [{{"key": "checkout_id", "value": "{id}"}}], "subscriptions": [{{"lago_subscription_id": "sub_1",
            "subscription_to_datetime": "{end}"}}]}},
            "subscription": {{"lago_id": "sub_1", "external_id": "{id}", "status": "{status}", "terminated_at": "2030-01-01T00:00:00Z"}}}}"#
    )
}

fn catalog(random: &mut Rng, known: &[String]) -> String {
    let (id, other) = (uuid(random, known), uuid(random, known));
    let (amount, status) = (choose(random, AMOUNTS), choose(random, STATUSES));
    format!(
        r#"{{"version": 1, "add_ons": [{{"id": "{id}", "name": "{status}", "category": "analytics", "base_price": {amount},
            "billing_type": "monthly"}}], "pricing_rules": [], "add_on_bundles": [{{"id": "{other}", "add_on_ids": ["{id}"]}}],
            "promotional_codes": [], "add_on_features": []}}"#
    )
}

/// With one value replaced by another, if the result still is a document.
fn mutated(random: &mut Rng, document: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(document) else { return document.to_owned() };
    replace_within(random, &mut value);
    value.to_string()
}

fn replace_within(random: &mut Rng, value: &mut Value) {
    let mut inner: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    if inner.is_empty() || random.u8(..3) == 0 {
        *value = serde_json::from_str(choose(random, ODD_VALUES)).unwrap();
    } else {
        let position = random.usize(..inner.len());
        replace_within(random, inner.swap_remove(position));
    }
}
