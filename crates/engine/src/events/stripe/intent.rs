//! Payment intents.

use super::{Told, attempt, marker};
use crate::events::json_cursor::{JsonCursor, ids};
use crate::json::Malformed;
use crate::money::Money;
use crate::payments::attempt::{AttemptKind, AttemptState};
use crate::payments::{Fact, Object};

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let intent = &told.object;
    let mut attempt = attempt(AttemptKind::Intent);
    attempt.state = told.words(state)?;
    attempt.same_payment = ids([intent.at("latest_charge"), intent.at("invoice")])?;
    // Versions before 2022-11-15 list them.
    for charge in intent.path("charges.data").elements()? {
        attempt.same_payment.extend(charge.id()?);
    }
    if attempt.state.last() == Some(&AttemptState::Paid) {
        let currency = intent.currency()?;
        let received = told.amount("amount_received", currency.as_deref())?.filter(|&amount| amount > Money::ZERO);
        let taken = received.map_or_else(|| told.amount("amount", currency.as_deref()), |amount| Ok(Some(amount)))?;
        attempt.taken.extend(currency.zip(taken));
        attempt.paid_at = Some(told.happened_at());
    }
    Ok(vec![told.fact(marker(intent), Object::Attempt(attempt))?])
}

fn state(intent: &JsonCursor, kind: Option<&str>) -> Result<Option<AttemptState>, Malformed> {
    let ended = || Some(AttemptState::Ended("payment canceled".to_owned()));
    Ok(match (kind, intent.at("status").text()?) {
        (Some("payment_intent.succeeded"), _) => Some(AttemptState::Paid),
        (Some("payment_intent.processing"), _) => Some(AttemptState::Processing),
        (Some("payment_intent.payment_failed"), _) => Some(AttemptState::Open),
        (Some("payment_intent.canceled"), _) => ended(),
        (_, Some("succeeded")) => Some(AttemptState::Paid),
        // An authorization is as good as money on its way: the seller only has to capture it.
        (_, Some("processing" | "requires_capture")) => Some(AttemptState::Processing),
        (_, Some("canceled")) => ended(),
        (_, Some("requires_payment_method" | "requires_confirmation" | "requires_action")) => Some(AttemptState::Open),
        _ => None,
    })
}
