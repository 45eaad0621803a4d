//! Invoices and their payments.

use std::collections::BTreeMap;

use super::{Told, attempt, marker, share, signed};
use crate::billing::BillingType;
use crate::events::json_cursor::{JsonCursor, ids};
use crate::json::Malformed;
use crate::money::Money;
use crate::payments::attempt::{AttemptKind, AttemptState, Cycle, InvoiceLine, Share};
use crate::payments::{Fact, Object};
use crate::time::Instant;

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let invoice = &told.object;
    // Before 2025-03-31 on the invoice itself, since then under its parent.
    let details = invoice.path("parent.subscription_details");
    let lines = invoice.path("lines.data").elements()?;
    let mut attempt = attempt(AttemptKind::Invoice);
    attempt.state = told.words(state)?;
    attempt.same_payment = ids([invoice.at("payment_intent"), invoice.at("charge")])?;
    for payment in invoice.path("payments.data").elements()? {
        attempt.same_payment.extend(paid_by(&payment)?);
    }
    attempt.subscriptions = ids([invoice.at("subscription"), details.at("subscription")])?;
    attempt.cycle = cycle(invoice)?;
    let currency = invoice.currency()?;
    attempt.lines = summed(&lines, currency.as_deref())?;
    if attempt.state.last() == Some(&AttemptState::Paid) {
        attempt.paid_at = Some(paid_at(told)?);
        if let (Some(currency), Some(total)) = (currency, total(invoice)?) {
            let extra = on_top(invoice, total, &currency)?;
            if Money::ZERO < extra && extra < total {
                attempt.on_top.insert(currency.clone(), extra);
            }
            attempt.taken.insert(currency, total);
        }
    }
    let marked = [details, invoice.at("subscription_details"), invoice.clone()];
    let checkout_id = marked.iter().chain(&lines).find_map(marker);
    Ok(vec![told.fact(checkout_id, Object::Attempt(attempt))?])
}

/// Which intent pays an invoice. Since 2025-03-31 neither of the two names the other.
pub(super) fn read_payment(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let payment = &told.object;
    let Some(id) = payment.at("invoice").id()? else { return Ok(Vec::new()) };
    if payment.at("status").text()? == Some("canceled") {
        return Ok(Vec::new());
    }
    let mut attempt = attempt(AttemptKind::Invoice);
    attempt.same_payment = paid_by(payment)?.into_iter().collect();
    Ok(vec![Fact { id, checkout_id: None, object: Object::Attempt(attempt) }])
}

fn paid_by(payment: &JsonCursor) -> Result<Vec<String>, Malformed> {
    ids([payment.path("payment.payment_intent"), payment.path("payment.charge")])
}

fn state(invoice: &JsonCursor, kind: Option<&str>) -> Result<Option<AttemptState>, Malformed> {
    let ended = |reason: &str| Some(AttemptState::Ended(reason.to_owned()));
    let paid = || {
        let is_nothing = total(invoice)?.is_some_and(|total| total <= Money::ZERO);
        Ok(Some(if is_nothing { AttemptState::Free } else { AttemptState::Paid }))
    };
    Ok(match (kind, invoice.at("status").text()?) {
        (Some("invoice.paid" | "invoice.payment_succeeded"), _) | (_, Some("paid")) => return paid(),
        (Some("invoice.voided"), _) | (_, Some("void")) => ended("invoice voided"),
        (Some("invoice.deleted"), _) => ended("invoice deleted"),
        (Some("invoice.marked_uncollectible" | "invoice.overdue"), _) | (_, Some("uncollectible")) => {
            Some(AttemptState::Overdue)
        }
        (Some("invoice.payment_failed"), _) | (_, Some("draft" | "open")) => Some(AttemptState::Open),
        _ => None,
    })
}

/// The total after discounts, with tax. Less is paid if the customer had credit left, but credit counts as money too.
fn total(invoice: &JsonCursor) -> Result<Option<Money>, Malformed> {
    let currency = invoice.currency()?;
    let amounts = [invoice.at("total"), invoice.at("amount_paid")];
    let amounts: Result<Vec<Option<Money>>, Malformed> =
        amounts.iter().map(|place| signed(place, currency.as_deref())).collect();
    Ok(amounts?.into_iter().flatten().max())
}

/// Tax and shipping on top of the prices. The current API version says for each tax rate whether the prices include
/// it; older versions say so in another place, and the oldest give only the total tax.
fn on_top(invoice: &JsonCursor, total: Money, currency: &str) -> Result<Money, Malformed> {
    let of = |place: &JsonCursor| signed(place, Some(currency));
    let shipping = of(&invoice.at("amount_shipping"))?.unwrap_or_default();
    let mut rates = invoice.at("total_taxes").elements()?;
    if rates.is_empty() {
        rates = invoice.at("total_tax_amounts").elements()?;
    }
    if rates.is_empty() {
        let total = of(&invoice.at("total"))?.unwrap_or(total);
        let without = of(&invoice.at("total_excluding_tax"))?.map(|without| total - without);
        return Ok(sum(without.or(of(&invoice.at("tax"))?).unwrap_or_default(), shipping));
    }
    let mut tax = Money::ZERO;
    for rate in rates {
        let is_included =
            rate.at("tax_behavior").text()? == Some("inclusive") || rate.at("inclusive").boolean()? == Some(true);
        if !is_included {
            tax = sum(tax, of(&rate.at("amount"))?.unwrap_or_default());
        }
    }
    Ok(sum(tax, shipping))
}

/// The sum of amounts. A body can hold so many that they overflow.
fn sum(one: Money, other: Money) -> Money {
    Money::from_cents(one.cents().saturating_add(other.cents()))
}

fn cycle(invoice: &JsonCursor) -> Result<Option<Cycle>, Malformed> {
    Ok(match invoice.at("billing_reason").text()? {
        Some("subscription_create") => Some(Cycle::First),
        Some("subscription_cycle" | "subscription_threshold") => Some(Cycle::Later),
        Some("subscription_update") => Some(Cycle::Proration),
        _ => None,
    })
}

fn paid_at(told: &Told) -> Result<Instant, Malformed> {
    let said = told.object.path("status_transitions.paid_at").unix_time()?;
    Ok(said.map_or_else(|| told.happened_at(), |paid_at| paid_at.min(told.heard_at)))
}

/// The lines by subject and end of the paid period. A line that pays for no period of a subscription has no end.
fn summed<C: FromIterator<InvoiceLine>>(lines: &[JsonCursor], currency: Option<&str>) -> Result<C, Malformed> {
    let mut sums: BTreeMap<(Share, Option<Instant>), Option<Money>> = BTreeMap::new();
    for line in lines {
        let period = [line.path("period.start").unix_time()?, line.path("period.end").unix_time()?];
        let until = if is_period(line)? { period[1] } else { None };
        let mut of = share(line)?;
        of.billing = of.billing.or_else(|| interval_of(period).filter(|_| until.is_some()));
        let mut amount = signed(&line.at("amount"), currency)?;
        for discount in line.at("discount_amounts").elements()? {
            let off = signed(&discount.at("amount"), currency)?.unwrap_or_default();
            amount = amount.map(|amount| amount - off);
        }
        let known = sums.entry((of, until)).or_default();
        *known = match (*known, amount) {
            (Some(known), Some(amount)) => Some(sum(known, amount)),
            (known, amount) => known.or(amount),
        };
    }
    Ok(sums.into_iter().map(|((of, until), amount)| InvoiceLine { of, until, amount }).collect())
}

/// Whether a line pays for a period of a subscription. One-off lines have periods too, and prorations pay for a part
/// of one.
fn is_period(line: &JsonCursor) -> Result<bool, Malformed> {
    let details = line.path("parent.subscription_item_details");
    let prorations = [line.at("proration"), details.at("proration")];
    let (parent, older) = (line.path("parent.type").text()?, line.at("type").text()?);
    let is_proration = match parent {
        Some(_) => prorations[1].boolean()?,
        None => prorations[0].boolean()?,
    };
    let is_of_subscription = match (parent, older) {
        (Some(parent), _) => parent == "subscription_item_details",
        (None, Some(older)) => older == "subscription",
        (None, None) => true,
    };
    Ok(is_of_subscription && is_proration != Some(true))
}

/// The interval whose length a period has.
fn interval_of([start, end]: [Option<Instant>; 2]) -> Option<BillingType> {
    const DAY: i64 = 86_400_000_000;
    match (end?.0.checked_sub(start?.0)? + DAY / 2) / DAY {
        28..=31 => Some(BillingType::Monthly),
        365..=366 => Some(BillingType::Annual),
        _ => None,
    }
}
