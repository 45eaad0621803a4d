//! The bodies of the world's webhooks, with the fields in the places of each API version.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Body;
use super::world::{Api, BEGINNING, CHECKOUT, Dispute, Payment, Refund, World};

const MONTH: i64 = 31 * 86_400;

fn event(world: &World, kind: &str, object: Value, previous: Value) -> Body {
    let mut data = json!({"object": object});
    if !previous.is_null() {
        data["previous_attributes"] = previous;
    }
    Body::Stripe(
        json!({"id": format!("evt_{}", world.sent.len()), "object": "event", "type": kind, "created": world.now, "data": data}),
    )
}

fn is_new(world: &World) -> bool {
    world.api == Api::StripeSinceBasil
}

fn marker(world: &World) -> Value {
    // The metadata of subscription_data goes to the subscription and not to its payments.
    if world.is_subscription { json!({}) } else { json!({"checkout_id": CHECKOUT}) }
}

pub fn session(world: &World, payment: &Payment, status: &str, payment_status: &str, kind: &str) -> Body {
    let is_done = status == "complete";
    let ids = |id: String| if is_done { json!(id) } else { Value::Null };
    let session = json!({
        "id": format!("cs_{}", payment.number), "object": "checkout.session", "status": status, "payment_status": payment_status,
        "mode": if world.is_subscription { "subscription" } else { "payment" }, "metadata": {"checkout_id": CHECKOUT},
        "payment_intent": if world.is_subscription { Value::Null } else { ids(payment.id.clone()) },
        "invoice": if world.is_subscription { ids(invoice_id(payment)) } else { Value::Null },
        "subscription": if world.is_subscription { ids(subscription_id(payment.subscription)) } else { Value::Null },
        "amount_subtotal": payment.net(), "amount_total": payment.taken, "currency": payment.currency.to_lowercase(),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": payment.tax},
    });
    event(world, &format!("checkout.session.{kind}"), session, Value::Null)
}

fn intent(world: &World, payment: &Payment, kind: &str, status: &str) -> Body {
    let mut intent = json!({
        "id": payment.id, "object": "payment_intent", "status": status, "amount": payment.taken,
        "amount_received": if status == "succeeded" { payment.taken } else { 0 }, "currency": payment.currency.to_lowercase(),
        "latest_charge": charge_id(payment), "metadata": marker(world),
    });
    if !is_new(world) && world.is_subscription {
        intent["invoice"] = json!(invoice_id(payment));
    }
    event(world, &format!("payment_intent.{kind}"), intent, Value::Null)
}

fn charge(world: &World, payment: &Payment, kind: &str, status: &str, before: Value) -> Body {
    let is_paid = status == "succeeded";
    let mut charge = json!({
        "id": charge_id(payment), "object": "charge", "payment_intent": payment.id, "amount": payment.taken, "status": status,
        "amount_captured": if is_paid { payment.taken } else { 0 }, "captured": is_paid, "paid": is_paid,
        "amount_refunded": payment.refunded(), "refunded": payment.refunded() == payment.taken,
        "currency": payment.currency.to_lowercase(), "created": payment.begun_at, "metadata": marker(world),
        "payment_method_details": {"type": if payment.is_debit { "sepa_debit" } else { "card" }},
    });
    if !is_new(world) && world.is_subscription {
        charge["invoice"] = json!(invoice_id(payment));
    }
    event(world, &format!("charge.{kind}"), charge, before)
}

fn invoice(world: &World, payment: &Payment, kind: &str, status: &str) -> Body {
    let marked = json!({"subscription": subscription_id(payment.subscription), "metadata": {"checkout_id": CHECKOUT}});
    let reason = match () {
        () if payment.is_first => "subscription_create",
        () if payment.gives_period => "subscription_cycle",
        () => "subscription_update",
    };
    let mut invoice = json!({
        "id": invoice_id(payment), "object": "invoice", "status": status, "billing_reason": reason,
        "total": payment.taken, "amount_paid": if status == "paid" { payment.taken } else { 0 },
        "total_excluding_tax": payment.net(), "currency": payment.currency.to_lowercase(), "lines": {"data": [line(world, payment)]},
    });
    if is_new(world) {
        invoice["parent"] = json!({"type": "subscription_details", "subscription_details": marked});
        invoice["total_taxes"] = json!([{"amount": payment.tax, "tax_behavior": "exclusive"}]);
    } else {
        invoice["subscription"] = marked["subscription"].clone();
        invoice["subscription_details"] = json!({"metadata": marked["metadata"]});
        invoice["payment_intent"] = json!(payment.id);
        invoice["charge"] = json!(charge_id(payment));
        invoice["total_tax_amounts"] = json!([{"amount": payment.tax, "inclusive": false}]);
    }
    event(world, &format!("invoice.{kind}"), invoice, Value::Null)
}

fn line(world: &World, payment: &Payment) -> Value {
    let end = BEGINNING + world.periods.max(1) * MONTH;
    let mut line = json!({"amount": payment.net(), "period": {"start": end - MONTH, "end": end}});
    if is_new(world) {
        let item = json!({"subscription": subscription_id(payment.subscription), "proration": !payment.gives_period});
        line["parent"] = json!({"type": "subscription_item_details", "subscription_item_details": item});
    } else {
        line["type"] = json!("subscription");
        line["proration"] = json!(!payment.gives_period);
        line["price"] = json!({"id": "price_1", "recurring": {"interval": "month", "interval_count": 1}});
    }
    line
}

fn invoice_id(payment: &Payment) -> String {
    format!("in_{}", payment.number)
}

fn charge_id(payment: &Payment) -> String {
    format!("ch_{}", payment.number)
}

fn subscription_id(number: usize) -> String {
    format!("sub_{number}")
}

/// The events about money that was taken.
pub fn paid(world: &World, payment: &Payment) -> Vec<Body> {
    if world.api == Api::Lago {
        return vec![lago_invoice("invoice.payment_status_updated", world, payment)];
    }
    let mut bodies = vec![
        intent(world, payment, "succeeded", "succeeded"),
        charge(world, payment, "succeeded", "succeeded", Value::Null),
    ];
    if payment.is_first {
        let kind = if payment.is_debit { "async_payment_succeeded" } else { "completed" };
        bodies.push(session(world, payment, "complete", "paid", kind));
    }
    if world.is_subscription {
        bodies.push(invoice(world, payment, "paid", "paid"));
        bodies.push(subscription(world, payment.subscription, "updated", "active", Value::Null));
        if is_new(world) {
            let link = json!({"id": format!("inpay_{}", payment.number), "object": "invoice_payment", "invoice": invoice_id(payment),
                              "status": "paid", "amount_paid": payment.taken, "currency": payment.currency.to_lowercase(),
                              "payment": {"type": "payment_intent", "payment_intent": payment.id}});
            bodies.push(event(world, "invoice_payment.paid", link, Value::Null));
        }
    }
    bodies
}

pub fn on_its_way(world: &World, payment: &Payment) -> Vec<Body> {
    vec![
        session(world, payment, "complete", "unpaid", "completed"),
        intent(world, payment, "processing", "processing"),
        charge(world, payment, "pending", "pending", Value::Null),
    ]
}

pub fn failed_try(world: &World, payment: &Payment) -> Vec<Body> {
    match world.api {
        Api::Lago => vec![lago_invoice_with("invoice.payment_status_updated", world, payment, "failed")],
        _ => vec![intent(world, payment, "payment_failed", "requires_payment_method")],
    }
}

pub fn refunded(world: &World, payment: &Payment, before: i64) -> Vec<Body> {
    let refund = payment.refunds.last().expect("one was just made");
    if world.api == Api::Lago {
        let status = if refund.amount % 2 == 0 { "pending" } else { "succeeded" };
        let note = json!({"lago_id": refund.id, "lago_invoice_id": payment.id, "currency": payment.currency,
                          "refund_amount_cents": refund.amount, "credit_amount_cents": 0, "refund_status": status,
                          "created_at": iso(refund.made_at), "updated_at": iso(world.now)});
        return vec![webhook("credit_note.created", "credit_note", note)];
    }
    let total = charge(world, payment, "refunded", "succeeded", json!({"amount_refunded": before}));
    if !is_new(world) {
        return vec![total];
    }
    let made = event(world, "refund.created", refund_object(payment, refund, "pending"), Value::Null);
    let sent =
        event(world, "refund.updated", refund_object(payment, refund, "succeeded"), json!({"status": "pending"}));
    vec![made, total, sent]
}

fn refund_object(payment: &Payment, refund: &Refund, status: &str) -> Value {
    json!({"id": refund.id, "object": "refund", "charge": charge_id(payment), "payment_intent": payment.id, "amount": refund.amount,
           "currency": payment.currency.to_lowercase(), "status": status, "created": refund.made_at})
}

pub fn refund_failed(world: &World, payment: &Payment, refund: &Refund) -> Vec<Body> {
    match world.api {
        Api::Lago => {
            let error = json!({"lago_credit_note_id": refund.id, "provider_error": {}});
            vec![webhook("credit_note.refund_failure", "credit_note_payment_provider_refund_error", error)]
        }
        _ => {
            let kind = if is_new(world) { "refund.failed" } else { "charge.refund.updated" };
            vec![event(world, kind, refund_object(payment, refund, "failed"), json!({"status": "succeeded"}))]
        }
    }
}

pub fn disputed(world: &World, payment: &Payment, dispute: &Dispute, before: Option<&str>) -> Body {
    if world.api == Api::Lago {
        let mut invoice = lago_invoice_object(world, payment, "succeeded");
        invoice["payment_dispute_lost_at"] = json!(iso(world.now));
        return webhook("invoice.payment_dispute_lost", "payment_dispute_lost", json!({"invoice": invoice}));
    }
    let kind = match (before, dispute.status) {
        (None, _) => "created",
        (_, "needs_response" | "under_review") => "updated",
        _ => "closed",
    };
    let object = json!({"id": dispute.id, "object": "dispute", "charge": charge_id(payment), "payment_intent": payment.id,
                        "amount": dispute.amount, "currency": payment.currency.to_lowercase(), "status": dispute.status});
    event(
        world,
        &format!("charge.dispute.{kind}"),
        object,
        before.map_or(Value::Null, |status| json!({"status": status})),
    )
}

fn subscription(world: &World, number: usize, kind: &str, status: &str, previous: Value) -> Body {
    let end = BEGINNING + world.periods.max(1) * MONTH;
    let recurring = json!({"interval": "month", "interval_count": 1});
    let mut item = json!({"id": "si_1", "price": {"id": "price_1", "recurring": recurring}});
    let mut subscription = json!({
        "id": subscription_id(number), "object": "subscription", "status": status, "metadata": {"checkout_id": CHECKOUT},
        "cancel_at_period_end": false, "cancel_at": null, "pause_collection": null,
        "ended_at": if status == "canceled" { json!(world.now) } else { Value::Null },
    });
    if is_new(world) {
        item["current_period_end"] = json!(end);
        subscription["cancel_at"] = if world.will_end { json!(end) } else { Value::Null };
    } else {
        subscription["current_period_end"] = json!(end);
        subscription["cancel_at_period_end"] = json!(world.will_end);
    }
    subscription["items"] = json!({"data": [item]});
    event(world, &format!("customer.subscription.{kind}"), subscription, previous)
}

pub fn subscription_changed(world: &World, number: usize) -> Body {
    if world.api == Api::Lago {
        return lago_subscription("subscription.updated", world, false);
    }
    let previous = match (is_new(world), world.will_end) {
        (true, true) => json!({"cancel_at": null}),
        (true, false) => json!({"cancel_at": BEGINNING + world.periods.max(1) * MONTH}),
        (false, will_end) => json!({"cancel_at_period_end": !will_end}),
    };
    subscription(world, number, "updated", "active", previous)
}

pub fn subscription_ended(world: &World, number: usize) -> Body {
    match world.api {
        Api::Lago => lago_subscription("subscription.terminated", world, false),
        _ => subscription(world, number, "deleted", "canceled", Value::Null),
    }
}

pub fn overdue(world: &World, payment: &Payment) -> Body {
    match world.api {
        Api::Lago => lago_invoice("invoice.payment_overdue", world, payment),
        _ => invoice(world, payment, "overdue", "open"),
    }
}

/// Another attempt to collect a due amount has failed.
pub fn dunned(world: &World, payment: &Payment) -> Body {
    match world.api {
        Api::Lago => lago_invoice_with("invoice.payment_status_updated", world, payment, "failed"),
        _ => invoice(world, payment, "payment_failed", "open"),
    }
}

/// Objects of others: another checkout of ours, and objects that are not ours at all.
pub fn foreign(world: &World) -> Vec<Body> {
    let number = 1_000 + world.sent.len();
    let marked = json!({"checkout_id": Uuid::from_u128(0xf0)});
    if world.api == Api::Lago {
        let invoice = json!({"lago_id": format!("i{number}"), "payment_status": "succeeded", "currency": "USD", "total_amount_cents": 700,
                             "fees": [{"lago_subscription_id": "else", "external_subscription_id": "else"}]});
        return vec![webhook("invoice.payment_status_updated", "invoice", invoice)];
    }
    let intent = |id: String, metadata: Value| {
        let intent = json!({"id": id, "object": "payment_intent", "status": "succeeded", "amount": 700, "amount_received": 700,
                            "currency": "usd", "metadata": metadata});
        event(world, "payment_intent.succeeded", intent, Value::Null)
    };
    vec![intent(format!("pi_{number}"), marked), intent(format!("pi_{number}_2"), json!({}))]
}

// Lago

fn webhook(kind: &str, object_type: &str, object: Value) -> Body {
    Body::Lago(json!({"webhook_type": kind, "object_type": object_type, "organization_id": "o", object_type: object}))
}

fn iso(seconds: i64) -> String {
    let (day, second) = ((seconds - BEGINNING) / 86_400, (seconds - BEGINNING) % 86_400);
    format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", day + 1, second / 3600, second / 60 % 60, second % 60)
}

fn lago_subscription_id(world: &World) -> String {
    format!("s{}", world.plan)
}

pub fn lago_subscription(kind: &str, world: &World, goes_on: bool) -> Body {
    let is_over = kind == "subscription.terminated";
    let subscription = json!({
        "lago_id": lago_subscription_id(world), "external_id": CHECKOUT, "status": if is_over { "terminated" } else { "active" },
        "started_at": iso(world.now), "terminated_at": if is_over { json!(iso(world.now)) } else { Value::Null },
        "ending_at": if world.will_end { json!(iso(BEGINNING + 28 * 86_400)) } else { Value::Null },
        "previous_plan_code": if world.plan > 0 { json!("starter") } else { Value::Null },
        "next_plan_code": if goes_on { json!("pro") } else { Value::Null },
    });
    webhook(kind, "subscription", subscription)
}

fn lago_invoice_object(world: &World, payment: &Payment, status: &str) -> Value {
    let end = BEGINNING + world.periods.max(1) * 86_400 * 20;
    json!({
        "lago_id": payment.id, "invoice_type": "subscription", "status": "finalized", "payment_status": status,
        "payment_overdue": world.is_overdue(payment), "currency": payment.currency, "sub_total_excluding_taxes_amount_cents": payment.net(), "taxes_amount_cents": payment.tax,
        "total_amount_cents": payment.taken, "updated_at": iso(world.now), "customer": {"external_id": "ada"},
        "fees": [{"lago_invoice_id": payment.id, "lago_subscription_id": lago_subscription_id(world), "external_subscription_id": CHECKOUT,
                  "item": {"type": "subscription", "code": "pro"}, "amount_cents": payment.net(), "to_date": iso(end.min(BEGINNING + 29 * 86_400))}],
    })
}

pub fn lago_invoice(kind: &str, world: &World, payment: &Payment) -> Body {
    let status = if payment.paid_at.is_some() && kind != "invoice.created" { "succeeded" } else { "pending" };
    lago_invoice_with(kind, world, payment, status)
}

fn lago_invoice_with(kind: &str, world: &World, payment: &Payment, status: &str) -> Body {
    let mut invoice = lago_invoice_object(world, payment, status);
    if kind == "invoice.created" {
        let reason = if payment.is_first { "subscription_starting" } else { "subscription_periodic" };
        invoice["subscriptions"] = json!([{"lago_id": lago_subscription_id(world), "external_id": CHECKOUT}]);
        invoice["billing_periods"] = json!([{"lago_subscription_id": lago_subscription_id(world),
                                             "external_subscription_id": CHECKOUT, "invoicing_reason": reason}]);
    }
    webhook(kind, "invoice", invoice)
}
