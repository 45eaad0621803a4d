//! The parameters with which a checkout can be paid at Stripe (semantics 6).

use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::store::{payable, promotions};
use engine::purchases::PurchaseStatus;
use engine::stripe_checkout::{self, Code, Payable};

/// The Stripe parameters of a checkout that waits for its payment.
pub fn parameters(checkout_id: Uuid, success_url: &str, cancel_url: &str) -> Result<Value, Error> {
    let user_id = payable::owner(checkout_id)?.ok_or(Error::CheckoutNotFound { checkout_id })?;
    let (currency, code) = terms(&user_id, checkout_id)?;
    let lines = payable::lines(&user_id, checkout_id)?;
    let renewals = code.as_deref().map(promotions::renewals).transpose()?.flatten();
    let code = code.as_deref().map(|code| Code { code, renewals });
    let payable = Payable { checkout_id, currency: &currency, lines, code, success_url, cancel_url };
    stripe_checkout::parameters(&payable).map_err(|why| Error::NotPayable { checkout_id, why })
}

/// The currency and the promotional code of a pending checkout.
fn terms(user_id: &str, checkout_id: Uuid) -> Result<(String, Option<String>), Error> {
    let purchases = payable::terms(user_id, checkout_id)?;
    if let Some((_, status, _)) = purchases.iter().find(|(_, status, _)| *status != PurchaseStatus::Pending) {
        return Err(Error::CheckoutState { checkout_id, status: status.name(), wanted: "paid" });
    }
    let currency = purchases.first().map(|(currency, ..)| currency.to_ascii_uppercase()).unwrap_or_default();
    Ok((currency, purchases.into_iter().find_map(|(.., code)| code)))
}
