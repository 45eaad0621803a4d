//! Charges, with the running total of their refunds.

use std::collections::BTreeSet;

use super::{Told, attempt, marker, refund};
use crate::events::json_cursor::{JsonCursor, ids};
use crate::json::Malformed;
use crate::money::Money;
use crate::payments::attempt::{AttemptKind, AttemptState};
use crate::payments::refund::RefundTotal;
use crate::payments::{Fact, Object};
use crate::time::Instant;

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let charge = &told.object;
    let currency = charge.currency()?;
    let captured = told.amount("amount_captured", currency.as_deref())?.filter(|&amount| amount > Money::ZERO);
    let taken = captured.map_or_else(|| told.amount("amount", currency.as_deref()), |amount| Ok(Some(amount)))?;
    let same_payment: BTreeSet<String> = ids([charge.at("payment_intent"), charge.at("invoice")])?;
    let mut facts = Vec::new();
    if !charge.at("amount_refunded").is_null() {
        let total = told.words(|charge, _| super::amount(&charge.at("amount_refunded"), currency.as_deref()))?;
        let total = RefundTotal { payments: same_payment.clone(), taken, currency: currency.clone(), total };
        facts.push(told.fact(marker(charge), Object::RefundTotal(total))?);
    }
    let mut attempt = attempt(AttemptKind::Charge);
    attempt.state = told.words(state)?;
    attempt.same_payment = same_payment;
    if attempt.state.last() == Some(&AttemptState::Paid) {
        attempt.taken.extend(currency.zip(taken));
        attempt.paid_at = Some(paid_at(told)?);
    }
    facts.push(told.fact(marker(charge), Object::Attempt(attempt))?);
    facts.extend(refunds(told)?);
    Ok(facts)
}

/// When it was paid. A card is paid when it is charged. A bank takes days, and only the event that reports the
/// payment has its date.
fn paid_at(told: &Told) -> Result<Instant, Malformed> {
    let method = told.object.path("payment_method_details.type").text()?;
    let made_at = told.object.at("created").unix_time()?.filter(|_| matches!(method, Some("card") | None));
    Ok(made_at.map_or_else(|| told.happened_at(), |made_at| made_at.min(told.heard_at)))
}

fn state(charge: &JsonCursor, _: Option<&str>) -> Result<Option<AttemptState>, Malformed> {
    let (paid, captured) = (charge.at("paid").boolean()?, charge.at("captured").boolean()?);
    Ok(match charge.at("status").text()? {
        Some("pending") => Some(AttemptState::Processing),
        // Another charge of the same intent may still succeed.
        Some("failed") => Some(AttemptState::Open),
        _ if captured == Some(true) || (captured.is_none() && paid == Some(true)) => Some(AttemptState::Paid),
        // Authorized but not captured: the intent says whether that is still so.
        _ => None,
    })
}

/// The charge's refunds one by one, which API versions before 2022-11-15 list. Not used if there are more refunds
/// than listed.
fn refunds(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let list = told.object.at("refunds");
    if list.at("has_more").boolean()? == Some(true) {
        return Ok(Vec::new());
    }
    let read =
        |object: JsonCursor| refund::read(&Told { object: object.object()?, kind: None, previous: None, ..*told });
    let facts: Result<Vec<Vec<Fact>>, Malformed> = list.at("data").elements()?.into_iter().map(read).collect();
    Ok(facts?.into_iter().flatten().collect())
}
