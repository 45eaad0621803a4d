//! Sets the renewal price of an add-on to its current price (semantics 5).

use uuid::Uuid;

use crate::error::Error;
use crate::pg::clock::now;
use crate::pg::settings;
use crate::store::{catalog_cache, renewals};
use engine::quote::price_alone;

/// Sets the renewal price of an add-on to its current price, for every user who has bought it. Returns the number of
/// changed amounts.
pub fn reprice(add_on_id: Uuid) -> Result<u64, Error> {
    let offer = catalog_cache::offer(add_on_id)?.ok_or(Error::AddOnNotFound { add_on_id })?;
    let unit = settings::currency()?.unit();
    let quantities = renewals::quantities(add_on_id)?;
    let mut cents = Vec::with_capacity(quantities.len());
    for &quantity in &quantities {
        cents.push(price_alone(&offer, quantity.max(1) as u32, None, now(), unit)?.cents());
    }
    renewals::reprice(add_on_id, &quantities, &cents)
}
