//! Checks a promotional code against a user's cart, or without a user by its own terms (semantics 2.4).

use crate::error::Error;
use crate::operations::pricing::{self, Request};
use crate::store::promotions;
use engine::money::Money;
use engine::promotions::{PromoDiscount, PromoRequest, Redeemer, Refusal, refusals};
use engine::time::Instant;

/// Whether a code can be used, and what it takes off.
#[derive(Debug)]
pub struct Validation {
    /// Every reason against it.
    pub refusals: Vec<Refusal>,
    /// Its type and value; `None` if there is no such code.
    pub discount: Option<PromoDiscount>,
    /// What it does to the cart; `None` without a user.
    pub in_cart: Option<InCart>,
}

/// What a code does to a cart.
#[derive(Clone, Copy, Debug)]
pub struct InCart {
    pub eligible_amount: Money,
    pub discount: Money,
    pub total: Money,
}

/// Checks a code against the cart of the user.
pub fn validate_for_user(
    code: String,
    user_id: String,
    tier_code: Option<String>,
    at: Instant,
) -> Result<Validation, Error> {
    let request = Request { user_id: Some(user_id), tier_code, promo_code: Some(code), at };
    let priced = pricing::price_stored_cart(request)?;
    let total = priced.quote.total();
    let outcome = priced.quote.promo.unwrap_or_default();
    let in_cart = InCart { eligible_amount: outcome.eligible_amount(), discount: outcome.discount, total };
    Ok(Validation {
        refusals: outcome.refusals,
        discount: priced.promo.as_ref().and_then(discount),
        in_cart: Some(in_cart),
    })
}

/// Checks a code without a user: there is no cart, and restrictions that need a user refuse.
pub fn validate_for_nobody(code: &str, tier_code: Option<&str>, at: Instant) -> Result<Validation, Error> {
    let request = promotions::request(code)?;
    let refusals = refusals(request.terms.as_ref(), &Redeemer::nobody(tier_code, at), None);
    Ok(Validation { refusals, discount: discount(&request), in_cart: None })
}

fn discount(request: &PromoRequest) -> Option<PromoDiscount> {
    request.terms.as_ref().map(|code| code.discount)
}
