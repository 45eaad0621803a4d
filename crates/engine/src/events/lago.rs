//! Lago's webhooks.
//!
//! Their bodies have no time of their own. Invoices and credit notes carry the time of their last change, which dates
//! them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::json_cursor::{JsonCursor, ids};
use crate::currency::Provider;
use crate::json::Malformed;
use crate::money::Money;
use crate::payments::attempt::{Attempt, AttemptKind, AttemptState, Cycle, InvoiceLine, Share};
use crate::payments::dispute::{Dispute, DisputeState};
use crate::payments::refund::{Refund, RefundState};
use crate::payments::reports::Reports;
use crate::payments::subscription::{PeriodEnd, Subscription, SubscriptionState};
use crate::payments::{Fact, Object};
use crate::time::Instant;

/// The facts in the body of a webhook; none if it does not concern us.
pub fn event(body: &Value, heard_at: Instant) -> Result<Vec<Fact>, Malformed> {
    let webhook = JsonCursor::root(body)?;
    let kind = webhook.at("webhook_type").required_text()?;
    let object_type = webhook.at("object_type").required_text()?;
    let object = || webhook.at(object_type).object();
    match kind {
        "invoice.payment_failure" => tried_in_vain(&object()?),
        "invoice.payment_dispute_lost" => {
            let invoice = object()?.at("invoice").object()?;
            let mut facts = self::invoice(kind, &invoice, heard_at)?;
            // The dispute is lost, whether the invoice says so too or not.
            facts.retain(|fact| !matches!(fact.object, Object::Dispute(_)));
            facts.push(lost_dispute(&invoice, dated(&invoice, "payment_dispute_lost_at")?)?);
            Ok(facts)
        }
        "credit_note.created" | "credit_note.generated" => credit_note(&object()?),
        "credit_note.refund_failure" => failed_refund(&object()?),
        _ if object_type == "invoice" && kind.starts_with("invoice.") => invoice(kind, &object()?, heard_at),
        _ if object_type == "subscription" && kind.starts_with("subscription.") => subscription(kind, &object()?),
        _ => Ok(Vec::new()),
    }
}

/// When an object says that something happened; the earliest instant if it does not say.
fn dated(object: &JsonCursor, key: &str) -> Result<Instant, Malformed> {
    Ok(object.at(key).iso_time()?.unwrap_or(Instant::NEG_INFINITY))
}

fn invoice(kind: &str, invoice: &JsonCursor, heard_at: Instant) -> Result<Vec<Fact>, Malformed> {
    let currency = invoice.currency()?.unwrap_or_default();
    let (total, tax) = money(invoice, &currency)?;
    let subscriptions = subscriptions_of(invoice)?;
    let changed_at = dated(invoice, "updated_at")?;
    let mut attempt = Attempt::new(Provider::Lago, AttemptKind::Invoice);
    if let Some(state) = state(kind, invoice, total)? {
        attempt.state = Reports::one(changed_at, state, None);
    }
    attempt.subscriptions = ids(subscriptions.iter().cloned())?;
    attempt.cycle = cycle(invoice)?;
    attempt.lines = lines(invoice, &currency)?;
    if attempt.state.last() == Some(&AttemptState::Paid) {
        let paid_at = if changed_at == Instant::NEG_INFINITY { heard_at } else { changed_at.min(heard_at) };
        attempt.paid_at = Some(paid_at);
        if let Some(total) = total.filter(|_| !currency.is_empty()) {
            if Money::ZERO < tax && tax < total {
                attempt.on_top.insert(currency.clone(), tax);
            }
            attempt.taken.insert(currency, total);
        }
    }
    let checkout_id = marker_in_metadata(invoice)?.or_else(|| subscriptions.iter().find_map(marker_in_external_id));
    let id = invoice.at("lago_id").required_id()?;
    let mut facts = vec![Fact { id, checkout_id, object: Object::Attempt(attempt) }];
    if !invoice.at("payment_dispute_lost_at").is_null() {
        facts.push(lost_dispute(invoice, dated(invoice, "payment_dispute_lost_at")?)?);
    }
    Ok(facts)
}

fn state(kind: &str, invoice: &JsonCursor, total: Option<Money>) -> Result<Option<AttemptState>, Malformed> {
    let ended = |reason: &str| Some(AttemptState::Ended(reason.to_owned()));
    let is_overdue = kind == "invoice.payment_overdue" || invoice.at("payment_overdue").boolean()? == Some(true);
    Ok(match (invoice.at("status").text()?, invoice.at("payment_status").text()?) {
        (_, Some("succeeded")) if total.is_some_and(|total| total <= Money::ZERO) => Some(AttemptState::Free),
        (_, Some("succeeded")) => Some(AttemptState::Paid),
        (Some("voided"), _) => ended("invoice voided"),
        _ if kind == "invoice.voided" => ended("invoice voided"),
        _ if kind == "invoice.deleted" => ended("invoice deleted"),
        _ if is_overdue => Some(AttemptState::Overdue),
        (_, Some("failed")) => Some(AttemptState::Open),
        // The invoice is issued, and the customer may take the agreed number of days to pay it.
        (_, Some("pending")) => Some(AttemptState::Processing),
        _ => None,
    })
}

/// The total of an invoice after coupons, with tax, and the tax, which Lago always adds on top. The customer's credit
/// counts as money too.
fn money(invoice: &JsonCursor, currency: &str) -> Result<(Option<Money>, Money), Malformed> {
    let of = |key: &str| invoice.at(key).amount(Provider::Lago, currency);
    let credit =
        of("credit_notes_amount_cents")?.unwrap_or_default() + of("prepaid_credit_amount_cents")?.unwrap_or_default();
    let total = of("total_amount_cents")?.map(|total| total + credit);
    let untaxed = of("sub_total_excluding_taxes_amount_cents")?;
    let tax = match of("taxes_amount_cents")? {
        Some(tax) => tax,
        None => total.zip(untaxed).map_or(Money::ZERO, |(total, untaxed)| (total - untaxed).max(Money::ZERO)),
    };
    Ok((total, tax))
}

/// The ids of the subscriptions that an invoice is for. Most webhooks name them only in the fees.
fn subscriptions_of<'a>(invoice: &JsonCursor<'a>) -> Result<Vec<JsonCursor<'a>>, Malformed> {
    let mut places = Vec::new();
    for subscription in invoice.at("subscriptions").elements()? {
        places.extend([subscription.at("external_id"), subscription.at("lago_id")]);
    }
    for part in invoice.at("billing_periods").elements()?.into_iter().chain(invoice.at("fees").elements()?) {
        places.extend([part.at("external_subscription_id"), part.at("lago_subscription_id")]);
    }
    Ok(places)
}

/// Our checkout, which is the external id of its subscription.
fn marker_in_external_id(place: &JsonCursor) -> Option<Uuid> {
    place.name().rsplit('.').next().filter(|key| key.starts_with("external")).and_then(|_| place.uuid())
}

/// Our checkout in the metadata of an invoice, which only the API returns.
fn marker_in_metadata(invoice: &JsonCursor) -> Result<Option<Uuid>, Malformed> {
    for entry in invoice.at("metadata").elements()? {
        if entry.at("key").text()? == Some("checkout_id")
            && let Some(checkout_id) = entry.at("value").uuid()
        {
            return Ok(Some(checkout_id));
        }
    }
    Ok(None)
}

/// The place of an invoice in the life of its subscription, if all of the invoice has the same place.
fn cycle(invoice: &JsonCursor) -> Result<Option<Cycle>, Malformed> {
    let mut cycles = BTreeSet::new();
    for period in invoice.at("billing_periods").elements()? {
        cycles.insert(match period.at("invoicing_reason").text()? {
            Some("subscription_starting") => Some(Cycle::First),
            Some("subscription_periodic") => Some(Cycle::Later),
            Some("progressive_billing" | "in_advance_charge") => Some(Cycle::Proration),
            _ => None,
        });
    }
    let is_for_usage = invoice.at("invoice_type").text()? == Some("progressive_billing");
    let only = cycles.first().copied().flatten().filter(|_| cycles.len() == 1);
    Ok(if is_for_usage { Some(Cycle::Proration) } else { only })
}

/// The fees by the end of their period. The fees of a subscription itself pay for the period; the others pay for
/// usage.
fn lines(invoice: &JsonCursor, currency: &str) -> Result<BTreeSet<InvoiceLine>, Malformed> {
    let mut sums: BTreeMap<Option<Instant>, Option<Money>> = BTreeMap::new();
    let mut has_end = false;
    for fee in invoice.at("fees").elements()? {
        let is_of_subscription = fee.path("item.type").text()? == Some("subscription");
        let until = if is_of_subscription { end(&fee.at("to_date")) } else { None };
        has_end |= until.is_some();
        let amount = fee.at("amount_cents").money(Provider::Lago, currency)?;
        let known = sums.entry(until).or_default();
        *known = match (*known, amount) {
            (Some(known), Some(amount)) => Some(Money::from_cents(known.cents().saturating_add(amount.cents()))),
            (known, amount) => known.or(amount),
        };
    }
    let mut lines: BTreeSet<InvoiceLine> =
        sums.into_iter().map(|(until, amount)| InvoiceLine { of: Share::default(), until, amount }).collect();
    if !has_end {
        let periods = invoice.at("billing_periods").elements()?;
        let ends = periods.iter().filter_map(|period| end(&period.at("subscription_to_datetime")));
        lines.extend(ends.map(|until| InvoiceLine { of: Share::default(), until: Some(until), amount: None }));
    }
    Ok(lines)
}

/// The end of a period. Some of Lago's own examples have days that do not exist.
fn end(place: &JsonCursor) -> Option<Instant> {
    place.iso_time().ok().flatten()
}

fn lost_dispute(invoice: &JsonCursor, at: Instant) -> Result<Fact, Malformed> {
    let invoice_id = invoice.at("lago_id").required_id()?;
    let dispute = Dispute {
        payments: BTreeSet::from([invoice_id.clone()]),
        state: Reports::one(at, DisputeState::Lost, None),
        ..Dispute::default()
    };
    Ok(Fact { id: format!("dispute of {invoice_id}"), checkout_id: None, object: Object::Dispute(dispute) })
}

/// Another attempt to collect the money of an invoice has failed.
fn tried_in_vain(error: &JsonCursor) -> Result<Vec<Fact>, Malformed> {
    let mut attempt = Attempt::new(Provider::Lago, AttemptKind::Invoice);
    attempt.state = Reports::one(Instant::NEG_INFINITY, AttemptState::Open, None);
    let id = error.at("lago_invoice_id").required_id()?;
    Ok(vec![Fact { id, checkout_id: None, object: Object::Attempt(attempt) }])
}

/// A credit note is a refund to the extent that it pays money back. Credit to the customer's balance is no refund,
/// and neither is a reduction of an unpaid invoice.
fn credit_note(note: &JsonCursor) -> Result<Vec<Fact>, Malformed> {
    let currency = note.currency()?;
    let amount = note.at("refund_amount_cents").amount(Provider::Lago, currency.as_deref().unwrap_or_default())?;
    if amount == Some(Money::ZERO) {
        return Ok(Vec::new());
    }
    let state = match note.at("refund_status").text()? {
        Some("failed") => Some(RefundState::Failed),
        Some("pending" | "succeeded") | None => Some(RefundState::Counts),
        Some(_) => None,
    };
    let at = dated(note, "updated_at")?;
    let refund = Refund {
        payments: ids([note.at("lago_invoice_id")])?,
        amount,
        currency,
        made_at: note.at("created_at").iso_time()?,
        state: state.map_or_else(Reports::default, |state| Reports::one(at, state, None)),
    };
    let id = note.at("lago_id").required_id()?;
    Ok(vec![Fact { id, checkout_id: None, object: Object::Refund(refund) }])
}

fn failed_refund(error: &JsonCursor) -> Result<Vec<Fact>, Malformed> {
    let state = Reports::one(Instant::NEG_INFINITY, RefundState::Failed, None);
    let id = error.at("lago_credit_note_id").required_id()?;
    Ok(vec![Fact { id, checkout_id: None, object: Object::Refund(Refund { state, ..Refund::default() }) }])
}

fn subscription(kind: &str, subscription: &JsonCursor) -> Result<Vec<Fact>, Malformed> {
    let goes_on = !subscription.at("next_plan_code").is_null();
    let status = subscription.at("status").text()?;
    let ended = |key: &str| Ok(SubscriptionState::Ended { at: subscription.at(key).iso_time()? });
    let state = match (kind, status) {
        ("subscription.terminated", _) | (_, Some("terminated")) if goes_on => SubscriptionState::Replaced,
        ("subscription.terminated", _) | (_, Some("terminated")) => ended("terminated_at")?,
        ("subscription.canceled", _) | (_, Some("canceled")) => ended("canceled_at")?,
        (_, Some("active" | "pending" | "incomplete") | None) => {
            // Bodies have no date, so nothing could tell later that the subscription goes on after all.
            let will_end = !subscription.at("ending_at").is_null();
            SubscriptionState::Running { renews: will_end.then_some(false), is_unpaid: false }
        }
        _ => return Ok(Vec::new()),
    };
    let (is_running, at) = match &state {
        SubscriptionState::Running { .. } => (true, Instant::NEG_INFINITY),
        SubscriptionState::Ended { at } => (false, at.unwrap_or(Instant::NEG_INFINITY)),
        SubscriptionState::Replaced => (false, dated(subscription, "terminated_at")?),
    };
    let until = subscription.at("current_billing_period_ending_at").iso_time()?;
    let until = until.filter(|_| is_running && matches!(status, Some("active") | None));
    let end = until.map(|until| PeriodEnd { of: Share::default(), until, said_at: at, is_paid: true });
    let object = Subscription {
        external_id: subscription.at("external_id").id()?,
        state: Reports::one(at, state, None),
        continues: !subscription.at("previous_plan_code").is_null(),
        ends: end.into_iter().collect(),
    };
    let id = subscription.at("lago_id").required_id()?;
    Ok(vec![Fact { id, checkout_id: subscription.at("external_id").uuid(), object: Object::Subscription(object) }])
}
