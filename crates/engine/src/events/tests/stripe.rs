//! Stripe's events and objects.

use serde_json::{Value, json};

use super::*;
use crate::billing::BillingType;
use crate::events::stripe::{event, objects};
use crate::payments::attempt::{AttemptKind, Cycle, InvoiceLine, Share};
use crate::payments::dispute::DisputeState;
use crate::payments::refund::RefundState;
use crate::payments::reports::Reports;
use crate::payments::subscription::{PeriodEnd, SubscriptionState};

fn published(name: &str) -> Value {
    let text = match name {
        "session" => include_str!("../../../../../tests/payloads/stripe.checkout.session.json"),
        "intent" => include_str!("../../../../../tests/payloads/stripe.payment_intent.json"),
        "charge" => include_str!("../../../../../tests/payloads/stripe.charge.json"),
        "refund" => include_str!("../../../../../tests/payloads/stripe.refund.json"),
        "dispute" => include_str!("../../../../../tests/payloads/stripe.dispute.json"),
        "invoice" => include_str!("../../../../../tests/payloads/stripe.invoice.json"),
        "invoice_payment" => include_str!("../../../../../tests/payloads/stripe.invoice_payment.json"),
        "subscription" => include_str!("../../../../../tests/payloads/stripe.subscription.json"),
        "item" => include_str!("../../../../../tests/payloads/stripe.subscription_item.json"),
        _ => panic!("no payload {name}"),
    };
    serde_json::from_str(text).unwrap()
}

/// What an event of that kind tells, of an object as published with some changes.
fn told(kind: &str, name: &str, changes: Value) -> Vec<Fact> {
    told_of(kind, changed(published(name), changes), json!({}))
}

fn told_of(kind: &str, object: Value, previous: Value) -> Vec<Fact> {
    let data = json!({"object": object, "previous_attributes": previous});
    let body = json!({"id": "evt_1", "object": "event", "type": kind, "created": NEW_YEAR, "data": data});
    event(&body, HEARD).unwrap_or_else(|malformed| panic!("{kind}: {malformed}"))
}

fn complaint(body: Value) -> String {
    event(&body, HEARD).unwrap_err().0
}

// Sessions

/// A session as webhooks carry it.
fn session(changes: Value) -> Value {
    let details = json!({"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0});
    let told = json!({"id": "cs_1", "status": "complete", "payment_status": "paid", "metadata": {"checkout_id": CHECKOUT},
                      "payment_intent": "pi_1", "amount_subtotal": 5000, "amount_total": 5000, "currency": "usd",
                      "total_details": details, "currency_conversion": null, "shipping_cost": null});
    changed(changed(published("session"), told), changes)
}

fn session_told(kind: &str, changes: Value) -> Attempt {
    attempt(told_of(&format!("checkout.session.{kind}"), session(changes), json!({})))
}

#[test]
fn a_session_that_is_paid_names_its_money_and_its_payment() {
    let fact = only(told_of("checkout.session.completed", session(json!({})), json!({})));
    assert_eq!((fact.id.as_str(), fact.checkout_id), ("cs_1", Some(CHECKOUT)));
    let Object::Attempt(attempt) = fact.object else { panic!() };
    assert_eq!(attempt.kind, AttemptKind::Session);
    assert_eq!(attempt.state, Reports::one(at(NEW_YEAR), AttemptState::Paid, None));
    assert_eq!((attempt.taken, attempt.on_top), (in_currency("USD", 5000), BTreeMap::new()));
    assert_eq!((attempt.paid_at, attempt.same_payment), (Some(at(NEW_YEAR)), set(&["pi_1"])));

    // A subscription's session names its invoice, and its intent since 2022-11-15 no longer.
    let named = json!({"mode": "subscription", "payment_intent": null, "invoice": "in_1", "subscription": "sub_1"});
    let attempt = session_told("completed", named);
    assert_eq!((attempt.same_payment, attempt.subscriptions), (set(&["in_1"]), set(&["sub_1"])));
    let expanded = session_told("completed", json!({"payment_intent": {"id": "pi_2", "object": "payment_intent"}}));
    assert_eq!(expanded.same_payment, set(&["pi_2"]));
    let reference = json!({"metadata": {}, "client_reference_id": CHECKOUT});
    let facts = told_of("checkout.session.completed", session(reference), json!({}));
    assert_eq!(only(facts).checkout_id, Some(CHECKOUT));
    let somebody = json!({"metadata": {"order": "7"}, "client_reference_id": "ada"});
    assert_eq!(only(told_of("checkout.session.completed", session(somebody), json!({}))).checkout_id, None);
}

#[test]
fn a_session_is_on_its_way_free_or_over() {
    use AttemptState::*;
    let unpaid = json!({"payment_status": "unpaid"});
    let open = json!({"payment_status": "unpaid", "status": "open"});
    let free = json!({"payment_status": "no_payment_required", "amount_total": 0, "mode": "subscription"});
    let setup =
        json!({"payment_status": "no_payment_required", "mode": "setup", "amount_total": null, "currency": null});
    let nothing = json!({"amount_total": 0});
    for (kind, changes, expected) in [
        ("completed", unpaid.clone(), Processing),
        ("async_payment_succeeded", json!({}), Paid),
        ("async_payment_failed", unpaid.clone(), ended("payment failed")),
        ("expired", open, ended("checkout session expired")),
        ("completed", free, Free),
        ("completed", setup, Free),
        ("completed", nothing, Free),
    ] {
        let attempt = session_told(kind, changes);
        assert_eq!(state(&attempt), Some(&expected), "{kind}");
        let is_paid = expected == Paid;
        assert_eq!((attempt.taken.is_empty(), attempt.paid_at.is_none()), (!is_paid, !is_paid), "{kind}");
    }
    assert!(session_told("completed", json!({"payment_status": "something new"})).state.is_empty());
}

#[test]
fn tax_and_shipping_are_on_top_unless_the_prices_include_them() {
    let with = |changes: Value| session_told("completed", changes).on_top;
    let tax = |amount: i64| json!({"amount_tax": amount, "amount_shipping": 200, "amount_discount": 0});
    assert_eq!(with(json!({"amount_total": 6200, "total_details": tax(1000)})), in_currency("USD", 1200));
    // Older bodies have no subtotal to compare with.
    let without = json!({"amount_subtotal": null, "amount_total": 6200, "total_details": tax(1000)});
    assert_eq!(with(without), in_currency("USD", 1200));
    let included = json!({"total_details": {"amount_tax": 798, "amount_shipping": null}});
    assert_eq!(with(included), BTreeMap::new());
    // 50.00 less 10.00, and 8.00 of tax.
    let discounted = json!({"amount_total": 4800, "total_details": {"amount_tax": 800, "amount_discount": 1000}});
    assert_eq!(with(discounted), in_currency("USD", 800));
    // What Stripe discounts is not our total: nothing makes it up.
    assert_eq!(with(json!({"amount_total": 4000})), BTreeMap::new());
    assert_eq!(with(json!({"amount_subtotal": null, "total_details": {"amount_tax": 7000}})), BTreeMap::new());
}

#[test]
fn a_price_that_was_converted_for_the_shopper_is_told_in_both_currencies() {
    let conversion = json!({"amount_subtotal": 5000, "amount_total": 5000, "fx_rate": "0.9", "source_currency": "usd"});
    let converted =
        json!({"currency": "eur", "amount_subtotal": 4500, "amount_total": 4500, "currency_conversion": conversion});
    let attempt = session_told("completed", converted);
    assert_eq!(attempt.taken, BTreeMap::from([("EUR".to_owned(), cents(4500)), ("USD".to_owned(), cents(5000))]));
    let conversion = json!({"amount_subtotal": 5000, "amount_total": 6000, "fx_rate": "0.9", "source_currency": "usd"});
    let taxed = json!({"currency": "eur", "amount_subtotal": 4500, "amount_total": 5400, "currency_conversion": conversion,
                       "total_details": {"amount_tax": 900}});
    let on_top = session_told("completed", taxed).on_top;
    assert_eq!(on_top, BTreeMap::from([("EUR".to_owned(), cents(900)), ("USD".to_owned(), cents(1000))]));
    // Nothing was converted where both are the same.
    let same = json!({"currency_conversion": {"amount_total": 1, "source_currency": "usd"}});
    assert_eq!(session_told("completed", same).taken, in_currency("USD", 5000));
}

// Payment intents and charges

#[test]
fn an_intent_tells_what_was_received() {
    let marked = json!({"id": "pi_1", "metadata": {"checkout_id": CHECKOUT}, "amount": 1099, "amount_received": 1000,
                        "latest_charge": "ch_1", "status": "succeeded"});
    let fact = only(told("payment_intent.succeeded", "intent", marked));
    assert_eq!((fact.id.as_str(), fact.checkout_id), ("pi_1", Some(CHECKOUT)));
    let paid = attempt(vec![fact]);
    assert_eq!((paid.kind, state(&paid)), (AttemptKind::Intent, Some(&AttemptState::Paid)));
    assert_eq!((paid.taken, paid.same_payment), (in_currency("USD", 1000), set(&["ch_1"])));
    assert_eq!(paid.paid_at, Some(at(NEW_YEAR)));
    let unsaid = attempt(told("payment_intent.succeeded", "intent", json!({"amount": 1099, "amount_received": 0})));
    assert_eq!(unsaid.taken, in_currency("USD", 1099));

    // Before 2022-11-15 it listed its charges, and before 2025-03-31 it named its invoice.
    let older =
        json!({"charges": {"data": [{"id": "ch_1"}, {"id": "ch_2"}]}, "invoice": "in_1", "latest_charge": null});
    let older = without(changed(published("intent"), older), &["latest_charge"]);
    let older = attempt(told_of("payment_intent.created", older, json!({})));
    assert_eq!(older.same_payment, set(&["ch_1", "ch_2", "in_1"]));
}

#[test]
fn an_intent_can_be_tried_again_until_it_is_cancelled() {
    use AttemptState::*;
    for (kind, status, expected) in [
        ("created", "requires_payment_method", Open),
        ("requires_action", "requires_action", Open),
        ("payment_failed", "requires_payment_method", Open),
        ("processing", "processing", Processing),
        ("amount_capturable_updated", "requires_capture", Processing),
        ("canceled", "canceled", ended("payment canceled")),
    ] {
        let attempt = attempt(told(&format!("payment_intent.{kind}"), "intent", json!({"status": status})));
        assert_eq!(state(&attempt), Some(&expected), "{kind}");
        assert!(attempt.taken.is_empty() && attempt.paid_at.is_none(), "{kind}");
    }
}

fn charge(changes: Value) -> Value {
    let told = json!({"id": "ch_1", "payment_intent": "pi_1", "amount": 5000, "amount_captured": 5000, "captured": true,
                      "created": NEW_YEAR - 60});
    changed(changed(published("charge"), told), changes)
}

#[test]
fn a_charge_is_a_payment_and_a_running_total() {
    let facts = told_of("charge.refunded", charge(json!({"amount_refunded": 500})), json!({"amount_refunded": 200}));
    assert!(facts.iter().all(|fact| fact.id == "ch_1" && fact.checkout_id.is_none()));
    let paid = attempt(facts.clone());
    assert_eq!((paid.kind, state(&paid)), (AttemptKind::Charge, Some(&AttemptState::Paid)));
    assert_eq!((&paid.taken, &paid.same_payment), (&in_currency("USD", 5000), &set(&["pi_1"])));
    assert_eq!(paid.paid_at, Some(at(NEW_YEAR - 60)));
    let total = refund_total(facts);
    assert_eq!(total.total, Reports::one(at(NEW_YEAR), cents(500), Some(cents(200))));
    assert_eq!((total.payments, total.taken, total.currency), (set(&["pi_1"]), Some(cents(5000)), Some("USD".into())));

    // A bank takes days from the charge on.
    let debit = json!({"payment_method_details": {"type": "sepa_debit"}});
    let paid = attempt(told_of("charge.succeeded", charge(debit), json!({})));
    assert_eq!(paid.paid_at, Some(at(NEW_YEAR)));

    // Nothing but the running total says nothing of the payment.
    let minimal =
        json!({"id": "ch_1", "payment_intent": "pi_1", "amount": 6000, "amount_refunded": 5000, "currency": "usd"});
    let facts = told_of("charge.refunded", minimal, json!({}));
    assert!(attempt(facts.clone()).state.is_empty());
    assert_eq!(refund_total(facts).total.last(), Some(&cents(5000)));
}

#[test]
fn a_charge_that_is_only_authorized_has_taken_nothing() {
    use AttemptState::*;
    for (changes, expected) in [
        (json!({"captured": false, "amount_captured": 0}), None),
        (json!({"status": "pending", "paid": false, "captured": false}), Some(Processing)),
        (json!({"status": "failed", "paid": false, "captured": false}), Some(Open)),
        (json!({"captured": true, "amount_captured": 4000}), Some(Paid)),
    ] {
        let attempt = attempt(told_of("charge.updated", charge(changes), json!({})));
        assert_eq!(state(&attempt), expected.as_ref());
        let taken = if expected == Some(Paid) { in_currency("USD", 4000) } else { BTreeMap::new() };
        assert_eq!(attempt.taken, taken);
    }
}

#[test]
fn refunds_that_a_charge_lists_count_one_by_one() {
    let refund = changed(published("refund"), json!({"id": "re_1", "charge": "ch_1", "amount": 500}));
    let list = |has_more: bool| json!({"refunds": {"data": [refund], "has_more": has_more}, "amount_refunded": 500});
    let facts = told_of("charge.refunded", charge(list(false)), json!({}));
    assert_eq!(facts.iter().filter(|fact| matches!(fact.object, Object::Refund(_))).count(), 1);
    let more = told_of("charge.refunded", charge(list(true)), json!({}));
    assert!(more.iter().all(|fact| !matches!(fact.object, Object::Refund(_))));
    let absent = told_of("charge.refunded", without(charge(json!({})), &["refunds"]), json!({}));
    assert_eq!(absent.len(), 2);
}

// Refunds and disputes

#[test]
fn a_refund_counts_until_it_fails() {
    let of = |kind: &str, status: &str| {
        refund(told(
            kind,
            "refund",
            json!({"id": "re_1", "payment_intent": "pi_1", "charge": "ch_1", "status": status}),
        ))
    };
    for (kind, status, expected) in [
        ("refund.created", "pending", Some(RefundState::Counts)),
        ("refund.updated", "requires_action", Some(RefundState::Counts)),
        ("charge.refund.updated", "succeeded", Some(RefundState::Counts)),
        ("refund.updated", "canceled", Some(RefundState::Failed)),
        ("refund.failed", "failed", Some(RefundState::Failed)),
        ("refund.updated", "something new", None),
    ] {
        assert_eq!(of(kind, status).state.last(), expected.as_ref(), "{kind} {status}");
    }
    let refund = of("refund.created", "succeeded");
    assert_eq!((refund.amount, refund.currency.as_deref()), (Some(cents(100)), Some("USD")));
    assert_eq!((refund.payments, refund.made_at), (set(&["ch_1", "pi_1"]), Some(at(1_234_567_890))));
}

#[test]
fn a_dispute_has_an_amount_and_moves_money_or_does_not() {
    let of = |status: &str| {
        let changes = json!({"payment_intent": "pi_1", "charge": "ch_1", "amount": 500, "status": status});
        dispute(told("charge.dispute.updated", "dispute", changes))
    };
    for (status, expected) in [
        ("warning_needs_response", DisputeState::Inquiry),
        ("warning_under_review", DisputeState::Inquiry),
        ("needs_response", DisputeState::Open),
        ("under_review", DisputeState::Open),
        ("won", DisputeState::Kept),
        ("warning_closed", DisputeState::Kept),
        ("prevented", DisputeState::Kept),
        ("charge_refunded", DisputeState::Kept),
        ("lost", DisputeState::Lost),
    ] {
        let dispute = of(status);
        assert_eq!((dispute.state.last(), dispute.unknown.is_empty()), (Some(&expected), true), "{status}");
    }
    let new = of("something new");
    assert!(new.state.is_empty() && new.unknown == set(&["something new"]));
    assert_eq!((new.amount, new.currency.as_deref()), (Some(cents(500)), Some("USD")));
    assert_eq!(new.payments, set(&["ch_1", "pi_1"]));
    let unsaid = told("charge.dispute.created", "dispute", json!({"status": null}));
    assert_eq!(dispute(unsaid).state.last(), Some(&DisputeState::Open));
    for kind in ["closed", "funds_withdrawn", "funds_reinstated"] {
        assert_eq!(told(&format!("charge.dispute.{kind}"), "dispute", json!({})).len(), 1, "{kind}");
    }
}

// Invoices

/// The line of an invoice before 2025-03-31.
fn old_line(changes: Value) -> Value {
    let price = published("item")["price"].clone();
    let old = json!({"type": "subscription", "proration": false, "subscription": "sub_1", "price": price, "amount": 1000,
                     "period": {"start": NEW_YEAR, "end": NEW_YEAR + 31 * 86_400}});
    let line = without(published("invoice")["lines"]["data"][0].clone(), &["parent", "pricing"]);
    changed(changed(line, old), changes)
}

/// The line of an invoice since.
fn new_line(changes: Value) -> Value {
    let item = json!({"subscription": "sub_1", "subscription_item": "si_1", "proration": false});
    let new = json!({"parent": {"type": "subscription_item_details", "subscription_item_details": item}, "amount": 1000,
                     "pricing": {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}},
                     "period": {"start": NEW_YEAR, "end": NEW_YEAR + 31 * 86_400}});
    changed(changed(published("invoice")["lines"]["data"][0].clone(), new), changes)
}

/// Invoices as webhooks carry them, before 2025-03-31 and since.
fn invoices(changes: Value) -> [Value; 2] {
    let both = json!({"id": "in_1", "status": "paid", "billing_reason": "subscription_cycle", "amount_paid": 1000, "total": 1000,
                      "amount_overpaid": 0, "shipping_cost": null, "total_taxes": [], "total_excluding_tax": 1000});
    let old = json!({"subscription": "sub_1", "payment_intent": "pi_1", "charge": "ch_1", "total_tax_amounts": [], "tax": null,
                     "subscription_details": {"metadata": {"checkout_id": CHECKOUT}}, "lines": {"data": [old_line(json!({}))]}});
    let details = json!({"subscription": "sub_1", "metadata": {"checkout_id": CHECKOUT}});
    let new = json!({"parent": {"type": "subscription_details", "subscription_details": details},
                     "lines": {"data": [new_line(json!({}))]}});
    let invoice = changed(published("invoice"), both);
    let old = changed(without(invoice.clone(), &["parent", "total_taxes"]), old);
    [old, changed(invoice, new)].map(|invoice| changed(invoice, changes.clone()))
}

fn invoices_told(kind: &str, changes: Value) -> [Attempt; 2] {
    invoices(changes).map(|invoice| attempt(told_of(kind, invoice, json!({}))))
}

#[test]
fn an_invoice_names_its_subscription_and_payment_in_the_old_places_and_not_its_payment_in_the_new() {
    for invoice in invoices(json!({})) {
        let fact = only(told_of("invoice.paid", invoice, json!({})));
        assert_eq!((fact.id.as_str(), fact.checkout_id), ("in_1", Some(CHECKOUT)));
        let paid = attempt(vec![fact]);
        assert_eq!((paid.kind, state(&paid)), (AttemptKind::Invoice, Some(&AttemptState::Paid)));
        assert_eq!((&paid.taken, paid.cycle), (&in_currency("USD", 1000), Some(Cycle::Later)));
        assert_eq!((&paid.subscriptions, paid.paid_at), (&set(&["sub_1"]), Some(at(NEW_YEAR))));
        let monthly = Share { billing: Some(BillingType::Monthly), add_on_id: None };
        let line = InvoiceLine { of: monthly, until: Some(at(NEW_YEAR + 31 * 86_400)), amount: Some(cents(1000)) };
        assert_eq!(paid.lines, BTreeSet::from([line]));
    }
    let [old, new] = invoices_told("invoice.paid", json!({}));
    assert_eq!((old.same_payment, new.same_payment), (set(&["ch_1", "pi_1"]), set(&[])));
    // Only where the API was asked for it.
    let payments = json!({"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]});
    let [_, expanded] = invoices_told("invoice.paid", json!({"payments": payments}));
    assert_eq!(expanded.same_payment, set(&["pi_1"]));
}

#[test]
fn the_marker_of_an_invoice_is_its_subscriptions_its_own_or_a_lines() {
    let [_, new] = invoices(json!({"parent": null, "metadata": {"checkout_id": CHECKOUT}}));
    assert_eq!(only(told_of("invoice.paid", new, json!({}))).checkout_id, Some(CHECKOUT));
    let line = new_line(json!({"metadata": {"checkout_id": CHECKOUT}}));
    let [_, new] = invoices(json!({"parent": null, "lines": {"data": [line]}}));
    assert_eq!(only(told_of("invoice.paid", new, json!({}))).checkout_id, Some(CHECKOUT));
    let [_, none] = invoices(json!({"parent": null}));
    assert_eq!(only(told_of("invoice.paid", none, json!({}))).checkout_id, None);
}

#[test]
fn invoices_are_open_free_overdue_or_over() {
    use AttemptState::*;
    for (kind, status, total, expected) in [
        ("created", "draft", 1000, Open),
        ("finalized", "open", 1000, Open),
        ("payment_failed", "open", 1000, Open),
        ("payment_succeeded", "paid", 1000, Paid),
        ("paid", "paid", 0, Free),
        ("paid", "paid", -500, Free),
        ("overdue", "open", 1000, Overdue),
        ("marked_uncollectible", "uncollectible", 1000, Overdue),
        ("voided", "void", 1000, ended("invoice voided")),
        ("updated", "paid", 1000, Paid),
    ] {
        let changes =
            json!({"status": status, "total": total, "amount_paid": if expected == Paid { total } else { 0 }});
        for attempt in invoices_told(&format!("invoice.{kind}"), changes) {
            assert_eq!(state(&attempt), Some(&expected), "{kind}");
            assert_eq!(attempt.taken.is_empty(), expected != Paid, "{kind}");
        }
    }
    let paid_at = json!({"status_transitions": {"paid_at": NEW_YEAR - 3600}});
    assert!(invoices_told("invoice.paid", paid_at).iter().all(|paid| paid.paid_at == Some(at(NEW_YEAR - 3600))));
}

#[test]
fn an_invoice_takes_its_total_after_discounts_from_credit_too() {
    let taken = |changes: Value| invoices_told("invoice.paid", changes).map(|invoice| invoice.taken);
    let discounted =
        json!({"subtotal": 1000, "total": 800, "amount_paid": 800, "total_discount_amounts": [{"amount": 200}]});
    assert_eq!(taken(discounted), [in_currency("USD", 800), in_currency("USD", 800)]);
    let credited = json!({"total": 1000, "amount_due": 400, "amount_paid": 400, "starting_balance": -600});
    assert_eq!(taken(credited), [in_currency("USD", 1000), in_currency("USD", 1000)]);
    let minimal = json!({"id": "in_1", "billing_reason": "subscription_update", "amount_paid": 1, "currency": "usd"});
    assert_eq!(attempt(told_of("invoice.paid", minimal, json!({}))).taken, in_currency("USD", 1));
}

#[test]
fn an_invoices_tax_is_on_top_unless_its_prices_include_it() {
    let on_top = |changes: Value| invoices_told("invoice.paid", changes).map(|invoice| invoice.on_top);
    let exclusive = json!({"total": 1190, "amount_paid": 1190, "total_excluding_tax": 1000, "amount_shipping": 0,
        "total_tax_amounts": [{"amount": 190, "inclusive": false}], "total_taxes": [{"amount": 190, "tax_behavior": "exclusive"}]});
    assert_eq!(on_top(exclusive), [in_currency("USD", 190), in_currency("USD", 190)]);
    let inclusive = json!({"total_excluding_tax": 840,
        "total_tax_amounts": [{"amount": 160, "inclusive": true}], "total_taxes": [{"amount": 160, "tax_behavior": "inclusive"}]});
    assert_eq!(on_top(inclusive), [BTreeMap::new(), BTreeMap::new()]);
    let shipped = json!({"total": 1500, "amount_paid": 1500, "total_excluding_tax": 1500, "amount_shipping": 500});
    assert_eq!(on_top(shipped), [in_currency("USD", 500), in_currency("USD", 500)]);
    let only_sums = json!({"total": 1190, "amount_paid": 1190, "total_tax_amounts": null, "total_taxes": null});
    assert_eq!(on_top(only_sums), [in_currency("USD", 190), in_currency("USD", 190)]);
}

#[test]
fn only_a_subscriptions_own_lines_pay_for_a_period() {
    let lines = |old: Value, new: Value| {
        let [first, _] = invoices_told("invoice.paid", json!({"lines": {"data": [old]}}));
        let [_, second] = invoices_told("invoice.paid", json!({"lines": {"data": [new]}}));
        [first.lines, second.lines].map(|lines| lines.into_iter().map(|line| line.until).collect::<Vec<_>>())
    };
    let none = [vec![None], vec![None]];
    let one_off = json!({"parent": {"type": "invoice_item_details", "invoice_item_details": {"invoice_item": "ii_1"}}});
    assert_eq!(lines(old_line(json!({"type": "invoiceitem"})), new_line(one_off)), none);
    let item = json!({"subscription": "sub_1", "proration": true});
    let proration = json!({"parent": {"type": "subscription_item_details", "subscription_item_details": item}});
    assert_eq!(lines(old_line(json!({"proration": true})), new_line(proration)), none);
    let [old, new] = invoices_told("invoice.paid", json!({"billing_reason": "subscription_update"}));
    assert_eq!((old.cycle, new.cycle), (Some(Cycle::Proration), Some(Cycle::Proration)));
}

#[test]
fn lines_add_up_by_what_they_are_about() {
    let price = changed(published("item")["price"].clone(), json!({"metadata": {"add_on_id": ADD_ON}}));
    let named = old_line(json!({"price": price, "amount": 700, "discount_amounts": [{"amount": 100}]}));
    let data = json!([named.clone(), named, old_line(json!({})), old_line(json!({"amount": 1}))]);
    let [attempt, _] = invoices_told("invoice.paid", json!({"lines": {"data": data}}));
    let billing = Some(BillingType::Monthly);
    let until = Some(at(NEW_YEAR + 31 * 86_400));
    let line = |add_on_id, amount| InvoiceLine { of: Share { add_on_id, billing }, until, amount: Some(cents(amount)) };
    assert_eq!(attempt.lines, BTreeSet::from([line(Some(ADD_ON), 1200), line(None, 1001)]));
    let annual = new_line(json!({"period": {"start": NEW_YEAR, "end": NEW_YEAR + 365 * 86_400}}));
    let [_, attempt] = invoices_told("invoice.paid", json!({"lines": {"data": [annual]}}));
    assert_eq!(attempt.lines.first().unwrap().of.billing, Some(BillingType::Annual));
}

#[test]
fn an_invoice_payment_links_an_invoice_and_its_intent() {
    let payment =
        json!({"invoice": "in_1", "status": "paid", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}});
    let fact = only(told("invoice_payment.paid", "invoice_payment", payment));
    assert_eq!((fact.id.as_str(), fact.checkout_id), ("in_1", None));
    let link = attempt(vec![fact]);
    assert_eq!((link.kind, link.same_payment), (AttemptKind::Invoice, set(&["pi_1"])));
    assert!(link.state.is_empty() && link.taken.is_empty());
    let charge = json!({"invoice": "in_1", "status": "paid", "payment": {"type": "charge", "charge": "ch_1"}});
    assert_eq!(attempt(told("invoice_payment.paid", "invoice_payment", charge)).same_payment, set(&["ch_1"]));
    let undone = json!({"invoice": "in_1", "status": "canceled"});
    assert_eq!(told("invoice_payment.detached", "invoice_payment", undone), []);
}

// Subscriptions

const ENDS: i64 = NEW_YEAR + 31 * 86_400;

/// Subscriptions as webhooks carry them, before 2025-03-31 and since.
fn subscriptions(changes: Value) -> [Value; 2] {
    let calm = json!({"id": "sub_1", "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
                      "pause_collection": null, "metadata": {"checkout_id": CHECKOUT}});
    let subscription = changed(published("subscription"), calm);
    let mut item = changed(published("item"), json!({"current_period_end": ENDS}));
    let new = changed(subscription.clone(), json!({"items": {"data": [item]}}));
    item = without(item, &["current_period_end", "current_period_start"]);
    let old = changed(subscription, json!({"current_period_end": ENDS, "items": {"data": [item]}}));
    [old, new].map(|subscription| changed(subscription, changes.clone()))
}

fn subscriptions_told(changes: Value) -> [Subscription; 2] {
    subscriptions(changes)
        .map(|subscription| super::subscription(told_of("customer.subscription.updated", subscription, json!({}))))
}

fn running(renews: bool, is_unpaid: bool) -> SubscriptionState {
    SubscriptionState::Running { renews: Some(renews), is_unpaid }
}

#[test]
fn a_subscription_tells_the_end_of_its_period_in_the_old_place_and_the_new() {
    let [old, new] = subscriptions(json!({})).map(|subscription| {
        let fact = only(told_of("customer.subscription.updated", subscription, json!({})));
        assert_eq!((fact.id.as_str(), fact.checkout_id), ("sub_1", Some(CHECKOUT)));
        super::subscription(vec![fact])
    });
    let end = |billing| PeriodEnd {
        of: Share { add_on_id: None, billing },
        until: at(ENDS),
        said_at: at(NEW_YEAR),
        is_paid: true,
    };
    assert_eq!(old.ends, BTreeSet::from([end(None)]));
    assert_eq!(new.ends, BTreeSet::from([end(Some(BillingType::Monthly))]));
    assert_eq!(old.state, Reports::one(at(NEW_YEAR), running(true, false), None));
    assert_eq!((old.state, old.external_id, old.continues), (new.state, None, false));
}

#[test]
fn each_item_has_its_own_end_and_add_on() {
    let add_on = |number: u128| json!({"add_on_id": Uuid::from_u128(number)});
    let mut items: Vec<Value> =
        (0..4).map(|number| changed(published("item"), json!({"current_period_end": ENDS + number}))).collect();
    items[0]["metadata"] = add_on(0xa0);
    items[1]["price"]["metadata"] = add_on(0xa1);
    items[2]["price"]["product"] = json!({"id": "prod_1", "metadata": add_on(0xa2)});
    items[3]["price"]["recurring"]["interval"] = json!("year");
    let [_, subscription] = subscriptions_told(json!({"items": {"data": items}}));
    let ends: BTreeSet<(Option<u128>, Option<BillingType>, Instant)> = subscription
        .ends
        .iter()
        .map(|end| (end.of.add_on_id.map(|id| id.as_u128()), end.of.billing, end.until))
        .collect();
    let monthly = Some(BillingType::Monthly);
    let expected = BTreeSet::from([
        (Some(0xa0), monthly, at(ENDS)),
        (Some(0xa1), monthly, at(ENDS + 1)),
        (Some(0xa2), monthly, at(ENDS + 2)),
        (None, Some(BillingType::Annual), at(ENDS + 3)),
    ]);
    assert_eq!(ends, expected);
}

#[test]
fn a_cancellation_is_one_whichever_field_says_it() {
    for changes in [json!({"cancel_at_period_end": true}), json!({"cancel_at": ENDS})] {
        for subscription in subscriptions_told(changes.clone()) {
            assert_eq!(subscription.state.last(), Some(&running(false, false)), "{changes}");
        }
    }
    let [_, new] = subscriptions(json!({"cancel_at": ENDS}));
    let told = told_of("customer.subscription.updated", new, json!({"cancel_at": null}));
    let reports = Reports::one(at(NEW_YEAR), running(false, false), Some(running(true, false)));
    assert_eq!(super::subscription(told).state, reports);
}

#[test]
fn unpaid_objects_pay_for_nothing() {
    let of = |changes: Value| {
        subscriptions_told(changes).map(|subscription| {
            let paid: Vec<bool> = subscription.ends.iter().map(|end| end.is_paid).collect();
            (subscription.state.last().cloned().unwrap(), paid)
        })
    };
    for (status, expected) in [
        ("active", (running(true, false), vec![true])),
        ("trialing", (running(true, false), vec![true])),
        ("past_due", (running(true, false), vec![false])),
        ("unpaid", (running(true, true), vec![false])),
        ("paused", (running(true, true), vec![])),
        ("incomplete", (running(true, false), vec![])),
    ] {
        assert_eq!(of(json!({"status": status})), [expected.clone(), expected], "{status}");
    }
    let paused = json!({"pause_collection": {"behavior": "void", "resumes_at": null}});
    assert_eq!(of(paused), [(running(true, false), vec![]), (running(true, false), vec![])]);
    let [old, _] = subscriptions(json!({"status": "something new"}));
    assert_eq!(told_of("customer.subscription.updated", old, json!({})), []);
}

#[test]
fn an_end_has_its_time() {
    for changes in [json!({"status": "canceled"}), json!({"status": "incomplete_expired"})] {
        for subscription in subscriptions_told(changed(json!({"ended_at": ENDS}), changes)) {
            assert_eq!(subscription.state.last(), Some(&SubscriptionState::Ended { at: Some(at(ENDS)) }));
        }
    }
    let [old, _] = subscriptions(json!({}));
    let deleted = super::subscription(told_of("customer.subscription.deleted", old, json!({})));
    assert_eq!(deleted.state.last(), Some(&SubscriptionState::Ended { at: None }));
}

// Whatever else comes

#[test]
fn unrelated_events_give_no_facts() {
    for kind in [
        "plan.created",
        "customer.created",
        "invoice.upcoming",
        "subscription_schedule.updated",
        "ping",
        "v2.core.event",
    ] {
        assert_eq!(event(&json!({"id": "evt_1", "type": kind, "data": {"object": []}}), HEARD), Ok(vec![]), "{kind}");
        assert_eq!(event(&json!({"id": "evt_1", "type": kind}), HEARD), Ok(vec![]), "{kind}");
    }
    let related = json!({"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"});
    let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "payment_intent.succeeded", "related_object": related});
    assert_eq!(event(&thin, HEARD), Ok(vec![]));
}

#[test]
fn a_body_that_is_not_an_event_is_malformed() {
    assert_eq!(complaint(json!([])), "expected a JSON object, not []");
    assert_eq!(complaint(json!({})), "type must be a string, not null");
    assert_eq!(complaint(json!({"type": 7})), "type must be a string, not 7");
    let about = |object: Value| complaint(json!({"type": "charge.refunded", "data": {"object": object}}));
    assert_eq!(about(Value::Null), "data.object must be an object, not null");
    assert_eq!(about(json!([])), "data.object must be an object, not []");
    assert_eq!(about(json!({})), "data.object.id must be an id of 1 to 255 characters, not null");
    let with = |key: &str, value: Value| about(changed(charge(json!({})), json!({key: value})));
    assert!(with("amount_refunded", json!("5.00")).starts_with("data.object.amount_refunded must be an integer"));
    assert!(with("amount_refunded", json!(5.5)).starts_with("data.object.amount_refunded must be an integer"));
    assert!(with("amount_refunded", json!(-1)).ends_with("must be an amount that is not negative, not -1"));
    assert!(with("amount_captured", json!(i64::MIN)).contains("must be an amount that somebody could pay"));
    assert!(with("id", json!("x".repeat(256))).starts_with("data.object.id must be an id of 1 to 255 characters"));
    assert!(with("currency", json!("dollars")).starts_with("data.object.currency must be a currency code"));
    assert!(with("payment_intent", json!([])).starts_with("data.object.payment_intent must be a string"));
    assert!(
        event(
            &json!({"type": "charge.refunded", "data": {"object": charge(json!({"amount": 10_000_000_000_000_i64}))}}),
            HEARD
        )
        .is_ok()
    );
}

#[test]
fn an_event_without_a_date_is_before_all_others_and_paid_when_it_was_heard() {
    let body = json!({"type": "checkout.session.completed", "data": {"object": session(json!({}))}});
    let attempt = attempt(event(&body, HEARD).unwrap());
    assert_eq!((attempt.state.at(), attempt.paid_at), (Some(Instant::NEG_INFINITY), Some(HEARD)));
    let later =
        json!({"type": "checkout.session.completed", "created": NEW_YEAR * 2, "data": {"object": session(json!({}))}});
    assert_eq!(super::attempt(event(&later, HEARD).unwrap()).paid_at, Some(HEARD));
}

#[test]
fn minor_units_are_stripes() {
    for (currency, expected) in
        [("eur", 5000), ("jpy", 500_000), ("isk", 5000), ("ugx", 5000), ("huf", 5000), ("kwd", 500)]
    {
        let taken = session_told("completed", json!({"currency": currency})).taken;
        assert_eq!(taken, in_currency(&currency.to_uppercase(), expected), "{currency}");
    }
}

// Objects of the API

#[test]
fn objects_come_alone_in_an_array_or_as_a_list() {
    let object = |name: &str, changes: Value| changed(published(name), changes);
    let all =
        json!([session(json!({})), object("refund", json!({"id": "re_1"})), {"object": "customer", "id": "cus_1"}]);
    let read = |document: &Value| objects(document, HEARD).unwrap();
    let told = read(&all);
    let ids: Vec<Option<&str>> = told.iter().map(|fetched| fetched.id.as_deref()).collect();
    assert_eq!(ids, [Some("cs_1"), Some("re_1"), Some("cus_1")]);
    assert_eq!(told.iter().map(|fetched| fetched.facts.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(read(&json!({"object": "list", "data": all, "has_more": false})), told);
    assert_eq!(read(&all[1]), told[1..2]);
    assert_eq!(read(&json!({"data": []})), []);
    let paid = attempt(told[0].facts.clone());
    assert_eq!(paid.state, Reports::one(HEARD, AttemptState::Paid, None));
    assert_eq!(paid.paid_at, Some(HEARD));
}

#[test]
fn objects_are_read_by_what_they_say_of_themselves() {
    use AttemptState::*;
    let state_of = |object: Value| state(&attempt(objects(&object, HEARD).unwrap().remove(0).facts)).cloned();
    let unpaid = |status: &str| session(json!({"payment_status": "unpaid", "status": status}));
    assert_eq!(state_of(unpaid("open")), Some(Open));
    assert_eq!(state_of(unpaid("complete")), Some(Processing));
    assert_eq!(state_of(unpaid("expired")), Some(ended("checkout session expired")));
    let intent = |status: &str| changed(published("intent"), json!({"status": status, "amount_received": 1099}));
    assert_eq!(state_of(intent("succeeded")), Some(Paid));
    assert_eq!(state_of(intent("canceled")), Some(ended("payment canceled")));
    let [_, invoice] = invoices(json!({}));
    assert_eq!(state_of(invoice), Some(Paid));
    // A charge and an invoice know when they were paid, which is before they were fetched.
    let charge = objects(&charge(json!({})), HEARD).unwrap().remove(0).facts;
    assert_eq!(attempt(charge).paid_at, Some(at(NEW_YEAR - 60)));
}

#[test]
fn events_among_objects_are_dated_by_themselves() {
    let body = json!({"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": NEW_YEAR,
                      "data": {"object": session(json!({}))}});
    let fetched = objects(&json!({"object": "list", "data": [body]}), HEARD).unwrap().remove(0);
    assert_eq!(fetched.id.as_deref(), Some("evt_1"));
    assert_eq!(fetched.facts, event(&body, HEARD).unwrap());
}

#[test]
fn a_document_without_objects_is_malformed() {
    let complaint = |document: Value| objects(&document, HEARD).unwrap_err().0;
    assert_eq!(complaint(json!("x")), "expected a JSON object, not \"x\"");
    assert_eq!(complaint(json!([7])), "objects[0] must be an object, not 7");
    assert_eq!(complaint(json!([{}])), "objects[0].object must be a string, not null");
    assert_eq!(complaint(json!({"id": "ch_1"})), "object must be a string, not null");
    assert_eq!(complaint(json!({"data": [null]})), "data[0] must be an object, not null");
    assert_eq!(complaint(json!([{"object": "event"}])), "objects[0]: type must be a string, not null");
}
