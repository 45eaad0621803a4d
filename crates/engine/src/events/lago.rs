//! Lago's webhooks.

use serde_json::Value;

use super::super::currency::Provider;
use super::super::json::Malformed;
use super::super::time::Instant;
use super::reader::Place;
use super::{Charge, Cycle, Event, News, Reference};

/// Reads the body of a Lago webhook.
pub fn read(body: &Value) -> Result<Event, Malformed> {
    let webhook = Place::root(body)?;
    let kind = webhook.at("webhook_type").required_text()?;
    let object = webhook.at(webhook.at("object_type").required_text()?).object()?;
    let (reference, news) = match kind {
        "subscription.started" | "subscription.terminated" => subscription(kind, &object)?,
        "invoice.created" | "invoice.payment_status_updated" | "invoice.payment_overdue" => invoice(kind, &object)?,
        _ => (Reference::default(), News::Unknown),
    };
    // Lago's webhooks carry no time of their own and are not ordered by us.
    Ok(Event { order: (Instant::NEG_INFINITY, String::new()), reference, news })
}

fn subscription(kind: &str, subscription: &Place) -> Result<(Reference, News), Malformed> {
    let reference = Reference {
        checkout_id: subscription.at("external_id").uuid(),
        subscription_ids: texts([subscription.at("lago_id"), subscription.at("external_id")])?,
        ..Reference::default()
    };
    let news = match kind {
        "subscription.terminated" => News::SubscriptionEnded { ended_at: subscription.at("terminated_at").iso_time()? },
        _ => News::SubscriptionChanged {
            auto_renew: None,
            on_hold: false,
            period_end: subscription.at("current_billing_period_ending_at").iso_time()?,
        },
    };
    Ok((reference, news))
}

fn invoice(kind: &str, invoice: &Place) -> Result<(Reference, News), Malformed> {
    let mut external_ids = Vec::new();
    let mut subscription_ids = Vec::new();
    for subscription in invoice.at("subscriptions").elements()? {
        external_ids.push(subscription.at("external_id"));
        subscription_ids.extend(texts([subscription.at("lago_id"), subscription.at("external_id")])?);
    }
    for period in invoice.at("billing_periods").elements()? {
        external_ids.push(period.at("external_subscription_id"));
        subscription_ids.extend(texts([period.at("lago_subscription_id"), period.at("external_subscription_id")])?);
    }
    let metadata = invoice.at("metadata").elements()?;
    let metadata = metadata.iter().filter(|entry| entry.at("key").text().ok().flatten() == Some("checkout_id"));
    let checkout_id = metadata.map(|entry| entry.at("value")).find_map(|value| value.uuid());
    let reference = Reference {
        checkout_id: checkout_id.or_else(|| external_ids.iter().find_map(Place::uuid)),
        payment_ids: Vec::new(),
        invoice_id: Some(invoice.at("lago_id").required_text()?.to_owned()),
        subscription_ids,
    };
    let news = match (kind, invoice.at("payment_status").text()?) {
        ("invoice.created", _) => News::InvoiceCreated,
        ("invoice.payment_overdue", _) => News::InvoiceOverdue,
        (_, Some("succeeded")) if reference.subscription_ids.is_empty() => News::Paid { charge: charge(invoice)? },
        (_, Some("succeeded")) => {
            News::InvoicePaid { charge: charge(invoice)?, cycle: Cycle::Unsaid, period_end: period_end(invoice)? }
        }
        (_, Some("failed")) => News::AttemptFailed,
        (_, _) => News::AwaitingPayment,
    };
    Ok((reference, news))
}

/// The invoice's totals with and without tax.
fn charge(invoice: &Place) -> Result<Charge, Malformed> {
    let currency = invoice.currency()?;
    let totals = invoice.integers(&["total_amount_cents", "sub_total_excluding_taxes_amount_cents"])?;
    Ok(Charge::of(Provider::Lago, totals, currency))
}

fn period_end(invoice: &Place) -> Result<Option<Instant>, Malformed> {
    let ends = invoice.at("billing_periods").elements()?;
    // Some of Lago's own examples have days that do not exist.
    Ok(ends.iter().filter_map(|period| period.at("subscription_to_datetime").iso_time().ok().flatten()).max())
}

fn texts<const N: usize>(places: [Place; N]) -> Result<Vec<String>, Malformed> {
    let texts: Vec<Option<&str>> = places.iter().map(Place::text).collect::<Result<_, _>>()?;
    Ok(texts.into_iter().flatten().map(str::to_owned).collect())
}
