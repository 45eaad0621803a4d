//! The price of the next renewal (semantics 5).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bought::Bought;
use crate::money::Money;
use crate::payments::paid::Period;
use crate::payments::purchase::RenewalTerms;

/// The basis of a renewal's amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedBy {
    /// The purchase that is renewed.
    pub purchase: Uuid,
    /// Which price of it.
    pub price: Price,
}

/// A price of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// Without the code of the sale.
    Full,
    /// With it.
    Reduced,
    /// As reprice_renewals() has set it. It is no longer the purchase's.
    Repriced,
}

/// The price of the next renewal and its basis: the last purchase, with its code as long as that applies.
pub fn renewal_amount(purchases: &[Bought]) -> Option<(PricedBy, Money)> {
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
    let (price, amount) = if still_applies { (Price::Reduced, reduced) } else { (Price::Full, full) };
    Some((PricedBy { purchase: last.id, price }, *amount))
}

/// Whether an amount still has the basis that it was computed from. An amount set by reprice_renewals() stays until
/// the next purchase.
pub fn is_same_price(kept: Option<PricedBy>, now: Option<PricedBy>) -> bool {
    let is_repriced =
        |kept: PricedBy| kept.price == Price::Repriced && now.is_some_and(|now| now.purchase == kept.purchase);
    kept == now || kept.is_some_and(is_repriced)
}
