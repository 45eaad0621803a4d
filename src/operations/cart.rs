//! Changes users' carts.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::locks::{lock_user_for_cart, lock_users};
use crate::pg::settings::max_cart_quantity;
use crate::store::cart::{self, CartItem};
use engine::cart::QuantityChange;

/// Puts units of an add-on into the cart, or says why they cannot be. The statement tests the same conditions, so that
/// none of them can change in between.
pub fn put(change: QuantityChange, user_id: &str, add_on_id: Uuid, quantity: i32) -> Result<CartItem, Error> {
    lock_user_for_cart(user_id)?;
    let limit = max_cart_quantity();
    if let Some(item) = cart::put(change, user_id, add_on_id, quantity, limit)? {
        return Ok(item);
    }
    let candidate = cart::candidate(user_id, add_on_id)?.ok_or(Error::AddOnNotFound { add_on_id })?;
    candidate.check(change, quantity, limit)?;
    Err(Error::RowSwallowed { table: "cart_items", meant: 1, written: 0 })
}

/// Takes an add-on out of the cart. Returns whether it was in it.
pub fn remove(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    lock_user_for_cart(user_id)?;
    cart::remove(user_id, add_on_id)
}

/// Empties the cart. Returns the number of its lines.
pub fn clear(user_id: &str) -> Result<u64, Error> {
    lock_user_for_cart(user_id)?;
    cart::clear(user_id)
}

/// Moves the lines of one user's cart into another's, with at most as many units of each as a cart may hold. For an
/// add-on in both carts, the larger quantity stays. Returns the add-ons of the joined cart and their quantities.
pub fn merge(from_user_id: &str, into_user_id: &str) -> Result<Vec<(Uuid, i32)>, Error> {
    if from_user_id != into_user_id {
        lock_users([from_user_id, into_user_id])?;
        let limit = max_cart_quantity();
        let mut lines = cart::take(from_user_id)?;
        lines.iter_mut().for_each(|(_, quantity, ..)| *quantity = limit.min(*quantity));
        cart::merge(into_user_id, &lines)?;
    }
    cart::contents(into_user_id)
}
