//! The price of the next renewal (semantics 5).

use super::bought::Bought;
use crate::money::Money;
use crate::payments::paid::Period;
use crate::payments::purchase::RenewalTerms;

/// The price of the next renewal and its basis: the last purchase, with its code as long as that applies.
pub fn renewal_amount(purchases: &[Bought]) -> Option<(String, Money)> {
    let bought = |purchase: &&Bought| {
        purchase.checkout_id.is_some() && purchase.status.is_paid() && purchase.billing.is_periodic()
    };
    let last = purchases.iter().filter(bought).max_by_key(|purchase| purchase.order())?;
    let as_paid = RenewalTerms { full: last.amount, reduced: last.amount, times: None };
    let RenewalTerms { full, reduced, times } = last.terms.unwrap_or(&as_paid);
    let is_renewal = |purchase: &&Bought| {
        let gives = purchase.paid.is_none_or(|paid| paid.period != Period::Nothing);
        purchase.checkout_id.is_none() && gives && purchase.order().0 >= last.order().0 && purchase.status.is_paid()
    };
    let renewals = purchases.iter().filter(is_renewal).count();
    let still_applies = times.is_none_or(|times| renewals < times as usize);
    let (kind, amount) = if still_applies { ("reduced", reduced) } else { ("full", full) };
    Some((format!("{} {kind}", last.id), *amount))
}

/// Whether an amount still has the basis that it was computed from. An amount set by reprice_renewals() stays until
/// the next purchase.
pub fn is_same_price(kept: Option<&str>, now: Option<&str>) -> bool {
    let purchase_of_now = now.and_then(|now| now.split(' ').next());
    let repriced = kept.and_then(|kept| kept.strip_suffix(" repriced"));
    kept == now || (repriced.is_some() && repriced == purchase_of_now)
}
