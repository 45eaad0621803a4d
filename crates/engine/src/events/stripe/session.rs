//! Checkout sessions.

use std::collections::BTreeMap;

use super::{Told, amount, attempt, marker};
use crate::events::json_cursor::{JsonCursor, ids};
use crate::json::Malformed;
use crate::money::Money;
use crate::payments::attempt::{AttemptKind, AttemptState};
use crate::payments::{Fact, Object};

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let session = &told.object;
    let mut attempt = attempt(AttemptKind::Session);
    attempt.state = told.words(state)?;
    attempt.same_payment = ids([session.at("payment_intent"), session.at("invoice")])?;
    attempt.subscriptions = ids([session.at("subscription")])?;
    if attempt.state.last() == Some(&AttemptState::Paid) {
        (attempt.taken, attempt.on_top) = money(session)?;
        attempt.paid_at = Some(told.happened_at());
    }
    let checkout_id = marker(session).or_else(|| session.at("client_reference_id").uuid());
    Ok(vec![told.fact(checkout_id, Object::Attempt(attempt))?])
}

fn state(session: &JsonCursor, kind: Option<&str>) -> Result<Option<AttemptState>, Malformed> {
    let status = session.at("status").text()?;
    let ended = |reason: &str| Ok(Some(AttemptState::Ended(reason.to_owned())));
    match (kind, session.at("payment_status").text()?) {
        (Some("checkout.session.expired"), _) => ended("checkout session expired"),
        (Some("checkout.session.async_payment_failed"), _) => ended("payment failed"),
        _ if session.at("mode").text()? == Some("setup") => Ok(Some(AttemptState::Free)),
        (Some("checkout.session.async_payment_succeeded"), _) => Ok(Some(AttemptState::Paid)),
        (_, Some("no_payment_required")) => Ok(Some(AttemptState::Free)),
        // A session that costs nothing is paid without a payment.
        (_, Some("paid")) if session.at("amount_total").integer()? == Some(0) => Ok(Some(AttemptState::Free)),
        (_, Some("paid")) => Ok(Some(AttemptState::Paid)),
        _ if status == Some("expired") => ended("checkout session expired"),
        // The shopper has done everything, and the money is on its way.
        (Some("checkout.session.completed"), Some("unpaid")) => Ok(Some(AttemptState::Processing)),
        (_, Some("unpaid")) if status == Some("complete") => Ok(Some(AttemptState::Processing)),
        (_, Some("unpaid")) => Ok(Some(AttemptState::Open)),
        _ => Ok(None),
    }
}

type ByCurrency = BTreeMap<String, Money>;

/// The amount taken, and how much of it is tax and shipping. If Stripe converted our price for the shopper, the
/// session names both currencies; ours is the source currency.
fn money(session: &JsonCursor) -> Result<(ByCurrency, ByCurrency), Malformed> {
    let (mut taken, mut on_top) = (BTreeMap::new(), BTreeMap::new());
    let currency = session.currency()?;
    let (Some(currency), Some(total)) = (&currency, amount(&session.at("amount_total"), currency.as_deref())?) else {
        return Ok((taken, on_top));
    };
    let details = session.at("total_details");
    let of = |key: &str| amount(&details.at(key), Some(currency)).map(Option::unwrap_or_default);
    let (tax, discount) = (of("amount_tax")? + of("amount_shipping")?, of("amount_discount")?);
    // Tax that the prices include is named too, but does not come on top.
    let subtotal = amount(&session.at("amount_subtotal"), Some(currency))?;
    let beyond = subtotal.map_or(tax, |subtotal| (total + discount - subtotal).max(Money::ZERO));
    let extra = tax.min(beyond);
    note(&mut taken, &mut on_top, currency, total, extra);
    let conversion = session.at("currency_conversion");
    let source = conversion.at("source_currency").text()?.map(str::to_uppercase);
    if let Some(source) = source.filter(|source| source != currency)
        && let Some(total) = amount(&conversion.at("amount_total"), Some(&source))?
    {
        let subtotal = amount(&conversion.at("amount_subtotal"), Some(&source))?.unwrap_or(total);
        let extra = if extra == Money::ZERO { extra } else { (total - subtotal).max(Money::ZERO) };
        note(&mut taken, &mut on_top, &source, total, extra);
    }
    Ok((taken, on_top))
}

fn note(taken: &mut ByCurrency, on_top: &mut ByCurrency, currency: &str, total: Money, extra: Money) {
    taken.insert(currency.to_owned(), total);
    // If more comes on top than the whole total, nothing does.
    if Money::ZERO < extra && extra < total {
        on_top.insert(currency.to_owned(), extra);
    }
}
