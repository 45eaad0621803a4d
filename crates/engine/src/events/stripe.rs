//! Stripe's events. Fields that moved between versions of Stripe's API are looked for in both places.

use serde_json::Value;

use super::super::currency::Provider;
use super::super::json::Malformed;
use super::super::money::Money;
use super::super::time::Instant;
use super::reader::Place;
use super::{Charge, Cycle, Event, News, Reference};

/// Reads the body of a Stripe webhook.
pub fn read(body: &Value) -> Result<Event, Malformed> {
    let event = Place::root(body)?;
    let kind = event.at("type").required_text()?;
    let object = event.path("data.object").object()?;
    let (reference, news) = match kind {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "checkout.session.expired" => session(kind, &object)?,
        "payment_intent.succeeded" | "payment_intent.payment_failed" => payment_intent(kind, &object)?,
        "charge.refunded" => charge(&object)?,
        "charge.dispute.created" | "charge.dispute.closed" => dispute(kind, &object)?,
        "invoice.paid" | "invoice.payment_failed" => invoice(kind, &object)?,
        "customer.subscription.updated" | "customer.subscription.deleted" => subscription(kind, &object)?,
        _ => (Reference::default(), News::Unknown),
    };
    let created = event.at("created").unix_time()?.unwrap_or(Instant::NEG_INFINITY);
    let id = event.at("id").text()?.unwrap_or_default().to_owned();
    Ok(Event { order: (created, id), reference, news })
}

fn session(kind: &str, session: &Place) -> Result<(Reference, News), Malformed> {
    let checkout_id = session.path("metadata.checkout_id").uuid().or_else(|| session.at("client_reference_id").uuid());
    let reference = Reference {
        checkout_id,
        payment_ids: ids([session.at("payment_intent"), session.at("id")])?,
        invoice_id: session.at("invoice").id()?,
        subscription_ids: ids([session.at("subscription")])?,
    };
    let news = match kind {
        "checkout.session.expired" => News::Failed { reason: "checkout session expired".to_owned() },
        "checkout.session.async_payment_failed" => News::Failed { reason: "payment failed".to_owned() },
        "checkout.session.completed" if session.at("payment_status").text()? == Some("unpaid") => News::AwaitingPayment,
        _ => News::Paid { charge: session_charge(session)? },
    };
    Ok((reference, news))
}

/// The session's total is ours with tax and shipping on top.
fn session_charge(session: &Place) -> Result<Charge, Malformed> {
    let currency = session.currency()?;
    let total = session.at("amount_total").integer()?;
    let details = session.at("total_details");
    let extra = [details.at("amount_tax"), details.at("amount_shipping")];
    let add = |sum: i64, place: &Place| Ok(sum.saturating_add(place.integer()?.unwrap_or(0)));
    let extra = extra.iter().try_fold(0, add)?;
    let amounts = total.into_iter().flat_map(|total| [total, total.saturating_sub(extra)]);
    Ok(Charge::of(Provider::Stripe, amounts, currency))
}

fn payment_intent(kind: &str, intent: &Place) -> Result<(Reference, News), Malformed> {
    let reference = Reference {
        checkout_id: intent.path("metadata.checkout_id").uuid(),
        payment_ids: ids([intent.at("id"), intent.at("latest_charge")])?,
        invoice_id: intent.at("invoice").id()?,
        subscription_ids: Vec::new(),
    };
    let news = match kind {
        "payment_intent.succeeded" => {
            let received = intent.at("amount_received").integer()?.filter(|&amount| amount > 0);
            let amount = received.map_or_else(|| intent.at("amount").required_integer(), Ok)?;
            News::Paid { charge: Charge::of(Provider::Stripe, [amount], intent.currency()?) }
        }
        _ => News::AttemptFailed,
    };
    Ok((reference, news))
}

fn charge(charge: &Place) -> Result<(Reference, News), Malformed> {
    let reference = Reference {
        checkout_id: charge.path("metadata.checkout_id").uuid(),
        payment_ids: ids([charge.at("payment_intent"), charge.at("id")])?,
        invoice_id: charge.at("invoice").id()?,
        subscription_ids: Vec::new(),
    };
    let currency = charge.currency()?;
    let refunded = charge.at("amount_refunded").required_integer()?;
    let code = currency.as_deref().unwrap_or_default();
    let total = Provider::Stripe.from_minor_units(refunded.max(0), code).unwrap_or(Money::ZERO);
    Ok((reference, News::Refunded { total, currency }))
}

fn dispute(kind: &str, dispute: &Place) -> Result<(Reference, News), Malformed> {
    let reference = Reference {
        checkout_id: dispute.path("metadata.checkout_id").uuid(),
        payment_ids: ids([dispute.at("payment_intent"), dispute.at("charge")])?,
        ..Reference::default()
    };
    let dispute_id = dispute.at("id").required_text()?.to_owned();
    if kind == "charge.dispute.created" {
        return Ok((reference, News::DisputeOpened { dispute_id }));
    }
    let won = match dispute.at("status").required_text()? {
        // An inquiry that is closed never became a dispute: the money stays.
        "won" | "warning_closed" => true,
        "lost" => false,
        other => {
            return Err(Malformed(format!(
                "data.object.status of a closed dispute must be won or lost, not \"{other}\""
            )));
        }
    };
    Ok((reference, News::DisputeClosed { dispute_id, won }))
}

fn invoice(kind: &str, invoice: &Place) -> Result<(Reference, News), Malformed> {
    // Before 2025-03-31 on the invoice itself, since then under its parent.
    let details = invoice.path("parent.subscription_details");
    let metadata = [
        details.path("metadata.checkout_id"),
        invoice.path("subscription_details.metadata.checkout_id"),
        invoice.path("metadata.checkout_id"),
    ];
    let mut payment_ids = ids([invoice.at("payment_intent"), invoice.at("charge")])?;
    for payment in invoice.path("payments.data").elements()? {
        payment_ids.extend(ids([payment.path("payment.payment_intent"), payment.path("payment.charge")])?);
    }
    let lines = invoice.path("lines.data").elements()?;
    let line_checkout = lines.iter().find_map(|line| line.path("metadata.checkout_id").uuid());
    let reference = Reference {
        checkout_id: metadata.iter().find_map(Place::uuid).or(line_checkout),
        payment_ids,
        invoice_id: invoice.at("id").id()?,
        subscription_ids: ids([invoice.at("subscription"), details.at("subscription")])?,
    };
    if kind == "invoice.payment_failed" {
        return Ok((reference, News::AttemptFailed));
    }
    let currency = invoice.currency()?;
    let totals = invoice.integers(&["amount_paid", "total_excluding_tax", "subtotal_excluding_tax"])?;
    let ends = lines.iter().map(|line| line.path("period.end").unix_time());
    let ends = ends.collect::<Result<Vec<Option<Instant>>, Malformed>>()?;
    let cycle = match invoice.at("billing_reason").text()? {
        Some("subscription_create") => Cycle::First,
        Some("subscription_cycle" | "subscription_update" | "subscription_threshold") => Cycle::Later,
        _ => Cycle::Unsaid,
    };
    let period_end = ends.into_iter().flatten().max();
    Ok((reference, News::InvoicePaid { charge: Charge::of(Provider::Stripe, totals, currency), cycle, period_end }))
}

fn subscription(kind: &str, subscription: &Place) -> Result<(Reference, News), Malformed> {
    let reference = Reference {
        checkout_id: subscription.path("metadata.checkout_id").uuid(),
        subscription_ids: vec![subscription.at("id").required_text()?.to_owned()],
        ..Reference::default()
    };
    let status = subscription.at("status").text()?;
    if kind == "customer.subscription.deleted" || status == Some("canceled") {
        let ended_at = subscription.at("ended_at").unix_time()?;
        return Ok((reference, News::SubscriptionEnded { ended_at }));
    }
    // Before 2025-03-31 on the subscription itself, since then on each of its items.
    let mut ends = vec![subscription.at("current_period_end").unix_time()?];
    for item in subscription.path("items.data").elements()? {
        ends.push(item.at("current_period_end").unix_time()?);
    }
    let news = News::SubscriptionChanged {
        auto_renew: subscription.at("cancel_at_period_end").boolean()?.map(|cancelled| !cancelled),
        on_hold: matches!(status, Some("unpaid" | "paused" | "incomplete_expired")),
        period_end: ends.into_iter().flatten().max(),
    };
    Ok((reference, news))
}

/// The ids at these places, without those that are missing.
fn ids<const N: usize>(places: [Place; N]) -> Result<Vec<String>, Malformed> {
    let ids: Vec<Option<String>> = places.iter().map(Place::id).collect::<Result<_, _>>()?;
    Ok(ids.into_iter().flatten().collect())
}
