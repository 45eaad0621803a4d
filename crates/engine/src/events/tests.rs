//! Bodies as the providers publish them, in the shapes of older and current API versions.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Charge, Cycle, Event, News, lago, stripe};
use crate::money::Money;
use crate::time::Instant;

const CHECKOUT: Uuid = Uuid::from_u128(0xc0);

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A published object with some of its fields changed.
fn changed(text: &str, changes: Value) -> Value {
    let mut object = fixture(text);
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn stripe_event(kind: &str, object: Value) -> Event {
    let body = json!({"id": "evt_1", "type": kind, "created": 1_767_225_600, "data": {"object": object}});
    stripe::read(&body).unwrap_or_else(|malformed| panic!("{kind}: {malformed}"))
}

fn lago_event(kind: &str, object_type: &str, object: Value) -> Event {
    lago::read(&json!({"webhook_type": kind, "object_type": object_type, object_type: object})).unwrap()
}

fn cents(amounts: &[i64]) -> Vec<Money> {
    amounts.iter().copied().map(Money::from_cents).collect()
}

/// 2026-01-01, the time of all events here, in microseconds since 2000.
const NEW_YEAR: Instant = Instant(820_540_800_000_000);

const SESSION: &str = include_str!("../../../../tests/payloads/stripe.checkout.session.json");
const INTENT: &str = include_str!("../../../../tests/payloads/stripe.payment_intent.json");
const CHARGE: &str = include_str!("../../../../tests/payloads/stripe.charge.json");
const DISPUTE: &str = include_str!("../../../../tests/payloads/stripe.dispute.json");
const INVOICE: &str = include_str!("../../../../tests/payloads/stripe.invoice.json");
const SUBSCRIPTION: &str = include_str!("../../../../tests/payloads/stripe.subscription.json");
const LAGO_INVOICE: &str = include_str!("../../../../tests/payloads/lago.invoice.json");
const LAGO_SUBSCRIPTION: &str = include_str!("../../../../tests/payloads/lago.subscription.json");

#[test]
fn a_session_is_paid_on_its_way_or_lost() {
    let paid = json!({"metadata": {"checkout_id": CHECKOUT}, "payment_status": "paid", "amount_total": 4398, "currency": "usd",
                      "total_details": {"amount_tax": 300, "amount_shipping": null}});
    let event = stripe_event("checkout.session.completed", changed(SESSION, paid));
    assert_eq!(event.order, (NEW_YEAR, "evt_1".to_owned()));
    assert_eq!(event.reference.checkout_id, Some(CHECKOUT));
    assert_eq!(event.reference.payment_ids[0], "pi_1PgafyB7WZ01zgkWSjxsAJo3");
    let charge = Charge { amounts: cents(&[4398, 4098]), currency: Some("USD".to_owned()) };
    assert_eq!(event.news, News::Paid { charge });

    let unpaid = changed(SESSION, json!({"client_reference_id": CHECKOUT, "payment_status": "unpaid"}));
    let event = stripe_event("checkout.session.completed", unpaid.clone());
    assert_eq!((event.reference.checkout_id, event.news), (Some(CHECKOUT), News::AwaitingPayment));
    assert!(matches!(stripe_event("checkout.session.async_payment_succeeded", unpaid.clone()).news, News::Paid { .. }));
    for kind in ["checkout.session.async_payment_failed", "checkout.session.expired"] {
        assert!(matches!(stripe_event(kind, unpaid.clone()).news, News::Failed { .. }), "{kind}");
    }
}

#[test]
fn an_intent_succeeds_or_may_be_tried_again() {
    let intent = changed(INTENT, json!({"metadata": {"checkout_id": CHECKOUT}, "amount_received": 1099}));
    let event = stripe_event("payment_intent.succeeded", intent.clone());
    assert_eq!(event.reference.payment_ids, ["pi_1PgafyB7WZ01zgkWSjxsAJo3"]);
    assert_eq!(event.news, News::Paid { charge: Charge { amounts: cents(&[1099]), currency: Some("USD".to_owned()) } });
    assert_eq!(stripe_event("payment_intent.payment_failed", intent).news, News::AttemptFailed);
}

#[test]
fn a_refund_is_a_running_total_whether_its_parts_are_listed_or_not() {
    let mut charge = changed(CHARGE, json!({"payment_intent": "pi_1", "amount_refunded": 500}));
    let news = News::Refunded { total: Money::from_cents(500), currency: Some("USD".to_owned()) };
    let event = stripe_event("charge.refunded", charge.clone());
    assert_eq!(event.reference.payment_ids, ["pi_1", "ch_1PgafuB7WZ01zgkWXYmPNZs8"]);
    assert_eq!(event.news, news);
    charge.as_object_mut().unwrap().remove("refunds");
    assert_eq!(stripe_event("charge.refunded", charge).news, news);
}

#[test]
fn a_dispute_opens_and_closes() {
    let dispute = |status: &str| changed(DISPUTE, json!({"payment_intent": "pi_1", "status": status}));
    let id = "dp_1Pgc71B7WZ01zgkWMevJiAUx".to_owned();
    let opened = stripe_event("charge.dispute.created", dispute("needs_response"));
    assert_eq!(opened.reference.payment_ids, ["pi_1", "ch_1PgafuB7WZ01zgkWXYmPNZs8"]);
    assert_eq!(opened.news, News::DisputeOpened { dispute_id: id.clone() });
    for (status, won) in [("won", true), ("lost", false), ("warning_closed", true)] {
        let closed = stripe_event("charge.dispute.closed", dispute(status));
        assert_eq!(closed.news, News::DisputeClosed { dispute_id: id.clone(), won });
    }
}

#[test]
fn an_invoice_names_its_subscription_and_payment_in_the_old_places_and_the_new() {
    let old = json!({"subscription": "sub_1", "payment_intent": "pi_2", "parent": null, "billing_reason": "subscription_cycle",
                     "amount_paid": 1000, "subscription_details": {"metadata": {"checkout_id": CHECKOUT}}});
    let new = json!({"parent": {"type": "subscription_details",
                                "subscription_details": {"subscription": "sub_1", "metadata": {"checkout_id": CHECKOUT}}},
                     "payments": {"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_2"}}]},
                     "billing_reason": "subscription_cycle", "amount_paid": 1000});
    for shape in [old, new] {
        let event = stripe_event("invoice.paid", changed(INVOICE, shape));
        assert_eq!(event.reference.checkout_id, Some(CHECKOUT));
        assert_eq!(event.reference.subscription_ids, ["sub_1"]);
        assert_eq!(event.reference.payment_ids, ["pi_2"]);
        assert_eq!(event.reference.invoice_id.as_deref(), Some("in_1Pgc6tB7WZ01zgkWu9fdqL6I"));
        let News::InvoicePaid { charge, cycle: Cycle::Later, period_end: Some(end) } = event.news else { panic!() };
        assert_eq!(charge.amounts[0], Money::from_cents(1000));
        assert_eq!(end, Instant((1_721_954_054 - 946_684_800) * 1_000_000));
    }
    assert_eq!(stripe_event("invoice.payment_failed", fixture(INVOICE)).news, News::AttemptFailed);
}

#[test]
fn a_subscription_tells_the_end_of_its_period_in_the_old_place_and_the_new() {
    let end = Some(Instant((976_287_773 - 946_684_800) * 1_000_000));
    let new = changed(SUBSCRIPTION, json!({"cancel_at_period_end": true}));
    let old = changed(
        SUBSCRIPTION,
        json!({"cancel_at_period_end": true, "current_period_end": 976_287_773, "items": {"data": []}}),
    );
    for shape in [old, new] {
        let event = stripe_event("customer.subscription.updated", shape);
        assert_eq!(event.reference.subscription_ids, ["sub_1Pgc6rB7WZ01zgkWNy0Cn5nw"]);
        let news = News::SubscriptionChanged { auto_renew: Some(false), on_hold: false, period_end: end };
        assert_eq!(event.news, news);
    }
    let unpaid = changed(SUBSCRIPTION, json!({"status": "unpaid", "cancel_at_period_end": false}));
    let News::SubscriptionChanged { on_hold: true, auto_renew: Some(true), .. } =
        stripe_event("customer.subscription.updated", unpaid).news
    else {
        panic!()
    };
    let deleted = stripe_event("customer.subscription.deleted", fixture(SUBSCRIPTION));
    let ended_at = Some(Instant((1_234_567_890 - 946_684_800) * 1_000_000));
    assert_eq!(deleted.news, News::SubscriptionEnded { ended_at });
}

#[test]
fn expanded_objects_are_ids_too() {
    let session = changed(SESSION, json!({"payment_intent": fixture(INTENT), "payment_status": "paid"}));
    assert_eq!(
        stripe_event("checkout.session.completed", session).reference.payment_ids[0],
        "pi_1PgafyB7WZ01zgkWSjxsAJo3"
    );
}

#[test]
fn minor_units_depend_on_the_currency() {
    let intent = |currency: &str| changed(INTENT, json!({"amount": 1500, "currency": currency}));
    for (currency, amounts) in [("eur", vec![1500]), ("jpy", vec![150_000]), ("kwd", vec![150])] {
        let News::Paid { charge } = stripe_event("payment_intent.succeeded", intent(currency)).news else { panic!() };
        assert_eq!(charge.amounts, cents(&amounts), "{currency}");
    }
}

#[test]
fn what_does_not_concern_us_is_unknown_and_what_makes_no_sense_is_malformed() {
    assert_eq!(stripe_event("plan.created", json!({})).news, News::Unknown);
    let complaint = |body: Value| stripe::read(&body).unwrap_err().0;
    assert_eq!(complaint(json!([])), "expected a JSON object, not []");
    assert_eq!(complaint(json!({})), "type must be a string, not null");
    assert_eq!(complaint(json!({"type": "charge.refunded"})), "data.object must be an object, not null");
    let body = json!({"type": "charge.refunded", "data": {"object": {"amount_refunded": "5.00"}}});
    assert_eq!(complaint(body), "data.object.amount_refunded must be an integer, not \"5.00\"");
    let body = json!({"type": "charge.dispute.closed", "data": {"object": {"id": "dp_1", "status": "maybe"}}});
    assert_eq!(complaint(body), "data.object.status of a closed dispute must be won or lost, not \"maybe\"");
    let complaint = |body: Value| lago::read(&body).unwrap_err().0;
    assert_eq!(complaint(json!({"webhook_type": "invoice.created"})), "object_type must be a string, not null");
    let body = json!({"webhook_type": "invoice.created", "object_type": "invoice"});
    assert_eq!(complaint(body), "invoice must be an object, not null");
}

#[test]
fn lagos_invoices() {
    let invoice = fixture(LAGO_INVOICE)["invoice"].clone();
    let created = lago_event("invoice.created", "invoice", invoice.clone());
    assert_eq!(created.reference.invoice_id.as_deref(), Some("5eb02857-a71e-4ea2-bcf9-57d3a41bc6ba"));
    assert!(created.reference.subscription_ids.contains(&"LAG-EXT-1234".to_owned()));
    assert_eq!(created.reference.checkout_id, None, "Lago's own ids are not ours");
    assert_eq!(created.news, News::InvoiceCreated);
    assert_eq!(lago_event("invoice.payment_overdue", "invoice", invoice.clone()).news, News::InvoiceOverdue);

    let with = |status: &str| {
        let mut invoice = invoice.clone();
        invoice["payment_status"] = json!(status);
        invoice["metadata"] = json!([{"key": "checkout_id", "value": CHECKOUT}]);
        lago_event("invoice.payment_status_updated", "invoice", invoice)
    };
    assert_eq!(with("failed").news, News::AttemptFailed);
    assert_eq!(with("pending").news, News::AwaitingPayment);
    let paid = with("succeeded");
    assert_eq!(paid.reference.checkout_id, Some(CHECKOUT));
    let News::InvoicePaid { charge, cycle: Cycle::Unsaid, .. } = paid.news else { panic!() };
    assert_eq!(charge, Charge { amounts: cents(&[120, 100]), currency: Some("EUR".to_owned()) });
}

#[test]
fn lagos_subscriptions() {
    let mut subscription = fixture(LAGO_SUBSCRIPTION)["subscription"].clone();
    subscription["external_id"] = json!(CHECKOUT);
    let started = lago_event("subscription.started", "subscription", subscription.clone());
    assert_eq!(started.reference.checkout_id, Some(CHECKOUT));
    assert_eq!(started.reference.subscription_ids[0], "b7ab2926-1de8-4428-9bcd-779314ac129b");
    assert!(matches!(
        started.news,
        News::SubscriptionChanged { auto_renew: None, on_hold: false, period_end: Some(_) }
    ));
    subscription["terminated_at"] = json!("2026-01-01T00:00:00Z");
    let terminated = lago_event("subscription.terminated", "subscription", subscription);
    assert_eq!(terminated.news, News::SubscriptionEnded { ended_at: Some(NEW_YEAR) });
}
