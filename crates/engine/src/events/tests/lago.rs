//! Lago's webhooks.

use serde_json::{Value, json};

use super::*;
use crate::currency::Provider;
use crate::events::lago::event;
use crate::payments::attempt::{AttemptKind, Cycle, InvoiceLine, Share};
use crate::payments::dispute::DisputeState;
use crate::payments::refund::RefundState;
use crate::payments::reports::Reports;
use crate::payments::subscription::SubscriptionState;

fn told(kind: &str, object_type: &str, object: Value) -> Vec<Fact> {
    let body = json!({"webhook_type": kind, "object_type": object_type, "organization_id": "o", object_type: object});
    event(&body, HEARD).unwrap_or_else(|malformed| panic!("{kind}: {malformed}"))
}

/// A fee of a subscription, as the invoices of webhooks carry it.
fn fee(changes: Value) -> Value {
    let fee = json!({"lago_id": "f1", "lago_invoice_id": "i1", "lago_subscription_id": "s1", "external_subscription_id": CHECKOUT,
                     "item": {"type": "subscription", "code": "pro", "name": "Pro"}, "pay_in_advance": true, "amount_cents": 1000,
                     "amount_currency": "EUR", "taxes_amount_cents": 200, "total_amount_cents": 1200, "units": "1.0",
                     "from_date": "2026-01-01T00:00:00+00:00", "to_date": "2026-01-31T23:59:59+00:00"});
    changed(fee, changes)
}

/// An invoice as most webhooks carry it: with its customer and its fees.
fn invoice(changes: Value) -> Value {
    let published: Value =
        serde_json::from_str(include_str!("../../../../../tests/payloads/lago.invoice.json")).unwrap();
    let rest = [
        "metadata",
        "subscriptions",
        "billing_periods",
        "credits",
        "applied_taxes",
        "error_details",
        "applied_usage_thresholds",
    ];
    let told = json!({"lago_id": "i1", "invoice_type": "subscription", "payment_status": "pending", "fees": [fee(json!({}))],
                      "sub_total_excluding_taxes_amount_cents": 1000, "taxes_amount_cents": 200, "total_amount_cents": 1200,
                      "payment_dispute_lost_at": null, "updated_at": "2026-01-01T00:00:00Z"});
    changed(changed(without(published["invoice"].clone(), &rest), told), changes)
}

fn invoice_told(kind: &str, changes: Value) -> Attempt {
    attempt(told(&format!("invoice.{kind}"), "invoice", invoice(changes)))
}

#[test]
fn an_invoice_is_found_by_its_fees() {
    let fact = only(told("invoice.payment_status_updated", "invoice", invoice(json!({"payment_status": "succeeded"}))));
    assert_eq!((fact.id.as_str(), fact.checkout_id), ("i1", Some(CHECKOUT)));
    let paid = attempt(vec![fact]);
    assert_eq!((paid.provider, paid.kind), (Provider::Lago, AttemptKind::Invoice));
    assert_eq!(paid.state, Reports::one(at(NEW_YEAR), AttemptState::Paid, None));
    assert_eq!((paid.taken, paid.on_top), (in_currency("EUR", 1200), in_currency("EUR", 200)));
    assert_eq!((paid.subscriptions, paid.paid_at), (set(&["s1", &CHECKOUT.to_string()]), Some(at(NEW_YEAR))));
    let until = Some(at(NEW_YEAR + 31 * 86_400 - 1));
    assert_eq!(paid.lines, BTreeSet::from([InvoiceLine { of: Share::default(), until, amount: Some(cents(1000)) }]));
}

#[test]
fn an_invoice_that_is_made_out_names_its_subscriptions_and_periods() {
    let period = json!({"lago_subscription_id": "s2", "external_subscription_id": "ours", "invoicing_reason": "subscription_starting",
                        "subscription_from_datetime": "2025-02-00T00:00:00Z", "subscription_to_datetime": "2026-01-31T23:59:59Z"});
    let more = json!({"subscriptions": [{"lago_id": "s3", "external_id": CHECKOUT}], "billing_periods": [period],
                      "fees": [fee(json!({"external_subscription_id": "other", "to_date": null}))]});
    let fact = only(told("invoice.created", "invoice", invoice(more)));
    assert_eq!(fact.checkout_id, Some(CHECKOUT));
    let created = attempt(vec![fact]);
    assert_eq!(created.subscriptions, set(&["s1", "s2", "s3", "other", "ours", &CHECKOUT.to_string()]));
    assert_eq!((state(&created), created.cycle), (Some(&AttemptState::Processing), Some(Cycle::First)));
    assert!(created.lines.iter().any(|line| line.until == Some(at(NEW_YEAR + 31 * 86_400 - 1))));
    let metadata = json!([{"key": "note", "value": 7}, {"key": "checkout_id", "value": CHECKOUT}]);
    let asked = told("invoice.created", "invoice", invoice(json!({"metadata": metadata, "fees": []})));
    assert_eq!(only(asked).checkout_id, Some(CHECKOUT));
    // Lago's own ids are not ours.
    let foreign =
        invoice(json!({"fees": [fee(json!({"external_subscription_id": "x", "lago_subscription_id": CHECKOUT}))]}));
    assert_eq!(only(told("invoice.created", "invoice", foreign)).checkout_id, None);
}

#[test]
fn invoices_are_on_their_way_overdue_paid_or_over() {
    use AttemptState::*;
    for (kind, changes, expected) in [
        ("created", json!({}), Processing),
        ("payment_status_updated", json!({}), Processing),
        ("payment_status_updated", json!({"payment_status": "failed"}), Open),
        ("payment_status_updated", json!({"payment_status": "failed", "payment_overdue": true}), Overdue),
        ("payment_overdue", json!({}), Overdue),
        ("payment_overdue", json!({"payment_status": "succeeded"}), Paid),
        ("one_off_created", json!({"invoice_type": "one_off"}), Processing),
        ("paid_credit_added", json!({"invoice_type": "credit", "payment_status": "succeeded"}), Paid),
        ("voided", json!({"status": "voided"}), ended("invoice voided")),
        ("voided", json!({}), ended("invoice voided")),
        ("created", json!({"payment_status": "succeeded", "total_amount_cents": 0}), Free),
    ] {
        let attempt = invoice_told(kind, changes);
        assert_eq!(state(&attempt), Some(&expected), "{kind}");
        assert_eq!(attempt.taken.is_empty(), expected != Paid, "{kind}");
    }
    assert!(invoice_told("created", json!({"payment_status": "something new"})).state.is_empty());
}

#[test]
fn credit_that_the_customer_had_was_money() {
    let credited = json!({"payment_status": "succeeded", "total_amount_cents": 200, "prepaid_credit_amount_cents": 600,
                          "credit_notes_amount_cents": 400});
    assert_eq!(invoice_told("payment_status_updated", credited).taken, in_currency("EUR", 1200));
    let untaxed = json!({"payment_status": "succeeded", "taxes_amount_cents": null});
    assert_eq!(invoice_told("payment_status_updated", untaxed).on_top, in_currency("EUR", 200));
}

#[test]
fn minor_units_are_lagos() {
    let taken =
        |currency: &str| invoice_told("created", json!({"payment_status": "succeeded", "currency": currency})).taken;
    for (currency, expected) in [("USD", 1200), ("JPY", 120_000), ("ISK", 120_000), ("HUF", 120_000), ("KWD", 120)] {
        assert_eq!(taken(currency), in_currency(currency, expected));
    }
}

#[test]
fn fees_for_what_was_used_pay_for_no_period() {
    let usage = fee(json!({"item": {"type": "charge", "code": "seats"}, "amount_cents": 300}));
    let lines = invoice_told("created", json!({"fees": [fee(json!({})), usage.clone(), usage]})).lines;
    let of = |until: Option<Instant>, amount| InvoiceLine { of: Share::default(), until, amount: Some(cents(amount)) };
    assert_eq!(lines, BTreeSet::from([of(Some(at(NEW_YEAR + 31 * 86_400 - 1)), 1000), of(None, 600)]));
    let progressive = json!({"invoice_type": "progressive_billing"});
    assert_eq!(invoice_told("created", progressive).cycle, Some(Cycle::Proration));
}

#[test]
fn a_credit_note_is_a_refund_as_far_as_money_goes_back() {
    let note = |changes: Value| {
        let note = json!({"lago_id": "cn1", "lago_invoice_id": "i1", "currency": "EUR", "total_amount_cents": 700,
                          "refund_amount_cents": 500, "credit_amount_cents": 200, "refund_status": "pending", "items": [],
                          "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:05Z"});
        told("credit_note.created", "credit_note", changed(note, changes))
    };
    let counts = refund(note(json!({})));
    assert_eq!(counts.state, Reports::one(at(NEW_YEAR + 5), RefundState::Counts, None));
    assert_eq!((counts.amount, counts.payments, counts.made_at), (Some(cents(500)), set(&["i1"]), Some(at(NEW_YEAR))));
    for (status, expected) in [(json!("succeeded"), RefundState::Counts), (json!("failed"), RefundState::Failed)] {
        assert_eq!(refund(note(json!({"refund_status": status}))).state.last(), Some(&expected));
    }
    assert!(refund(note(json!({"refund_status": "something new"}))).state.is_empty());
    assert_eq!(note(json!({"refund_amount_cents": 0, "refund_status": null})), []);
    let error = json!({"lago_credit_note_id": "cn1", "provider_error": {}});
    let failed = told("credit_note.refund_failure", "credit_note_payment_provider_refund_error", error);
    assert_eq!((failed[0].id.as_str(), refund(failed.clone()).state.last()), ("cn1", Some(&RefundState::Failed)));
}

#[test]
fn a_lost_dispute_is_of_the_whole_invoice() {
    let lost = json!({"payment_status": "succeeded", "payment_dispute_lost_at": "2026-01-01T00:00:00Z"});
    let inside =
        told("invoice.payment_dispute_lost", "payment_dispute_lost", json!({"invoice": invoice(lost.clone())}));
    let later = told("invoice.resynced", "invoice", invoice(lost));
    for facts in [inside, later] {
        assert_eq!(facts.len(), 2);
        let Fact { id, object: Object::Dispute(dispute), .. } = facts[1].clone() else { panic!("{facts:?}") };
        assert_eq!((id.as_str(), dispute.payments), ("dispute of i1", set(&["i1"])));
        assert_eq!((dispute.amount, dispute.state.last()), (None, Some(&DisputeState::Lost)));
    }
    let undated = json!({"invoice": invoice(json!({"payment_status": "succeeded"}))});
    assert_eq!(told("invoice.payment_dispute_lost", "payment_dispute_lost", undated).len(), 2);
}

#[test]
fn a_try_that_failed_leaves_the_invoice_open() {
    let error =
        json!({"lago_invoice_id": "i1", "external_customer_id": "ada", "provider_error": {"message": "declined"}});
    let facts = told("invoice.payment_failure", "payment_provider_invoice_payment_error", error);
    assert_eq!((facts[0].id.as_str(), state(&attempt(facts.clone()))), ("i1", Some(&AttemptState::Open)));
}

fn subscription_told(kind: &str, changes: Value) -> Fact {
    let published: Value =
        serde_json::from_str(include_str!("../../../../../tests/payloads/lago.subscription.json")).unwrap();
    let told_ = json!({"lago_id": "s1", "external_id": CHECKOUT, "ending_at": null, "canceled_at": null});
    let object = changed(changed(published["subscription"].clone(), told_), changes);
    only(told(&format!("subscription.{kind}"), "subscription", object))
}

#[test]
fn a_subscription_runs_until_it_is_terminated() {
    let of = |kind: &str, changes: Value| subscription(vec![subscription_told(kind, changes)]);
    let fact = subscription_told("started", json!({}));
    assert_eq!((fact.id.as_str(), fact.checkout_id), ("s1", Some(CHECKOUT)));
    let started = subscription(vec![fact]);
    assert_eq!(started.external_id, Some(CHECKOUT.to_string()));
    let running = |renews| SubscriptionState::Running { renews, is_unpaid: false };
    assert_eq!(started.state.last(), Some(&running(None)));
    assert_eq!(started.ends.len(), 1);
    let ending = of("updated", json!({"ending_at": "2026-02-01T00:00:00Z"}));
    assert_eq!(ending.state.last(), Some(&running(Some(false))));
    let ended = SubscriptionState::Ended { at: Some(at(NEW_YEAR)) };
    let terminated_at = json!({"status": "terminated", "terminated_at": "2026-01-01T00:00:00Z"});
    assert_eq!(of("terminated", terminated_at).state, Reports::one(at(NEW_YEAR), ended, None));
    let canceled = of("canceled", json!({"status": "canceled", "canceled_at": "2026-01-01T00:00:00Z"}));
    assert_eq!(canceled.state.last(), Some(&SubscriptionState::Ended { at: Some(at(NEW_YEAR)) }));
    let unsaid = of("terminated", json!({}));
    assert_eq!(unsaid.state, Reports::one(Instant::NEG_INFINITY, SubscriptionState::Ended { at: None }, None));
}

#[test]
fn a_change_of_plan_ends_nothing() {
    let of = |kind: &str, changes: Value| subscription(vec![subscription_told(kind, changes)]);
    let old = json!({"status": "terminated", "terminated_at": "2026-01-01T00:00:00Z", "next_plan_code": "pro"});
    let old = of("terminated", old);
    assert_eq!((old.state.last(), old.continues), (Some(&SubscriptionState::Replaced), false));
    let new = of("started", json!({"lago_id": "s2", "previous_plan_code": "starter"}));
    assert!(new.continues && matches!(new.state.last(), Some(SubscriptionState::Running { .. })));
    // A change that is only planned.
    let planned = of("updated", json!({"next_plan_code": "starter", "downgrade_plan_date": "2026-02-01"}));
    assert!(matches!(planned.state.last(), Some(SubscriptionState::Running { .. })));
}

#[test]
fn unrelated_webhooks_give_no_facts_and_other_bodies_are_malformed() {
    for (kind, object_type) in
        [("customer.vies_check", "customer"), ("wallet.created", "wallet"), ("fee.created", "fee"), ("x", "y")]
    {
        assert_eq!(told(kind, object_type, json!([])), []);
    }
    let other = invoice(json!({"status": "finalized"}));
    assert_eq!(told("invoice.generated_pdf_of", "document", other), []);
    let complaint = |body: Value| event(&body, HEARD).unwrap_err().0;
    assert_eq!(complaint(json!([])), "expected a JSON object, not []");
    assert_eq!(complaint(json!({"webhook_type": "invoice.created"})), "object_type must be a string, not null");
    let body = json!({"webhook_type": "invoice.created", "object_type": "invoice"});
    assert_eq!(complaint(body), "invoice must be an object, not null");
    let body = json!({"webhook_type": "invoice.created", "object_type": "invoice", "invoice": {"fees": {}}});
    assert_eq!(complaint(body), "invoice.fees must be an array, not {}");
}
