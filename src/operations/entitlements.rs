//! Reading who is entitled to what (semantics 5).

use uuid::Uuid;

use crate::error::Error;
use crate::store::{catalog_cache, owned};
use engine::time::Instant;

/// Whether some add-on that the user owns gives the feature.
pub fn has_feature(user_id: &str, feature_key: &str, at: Instant) -> Result<bool, Error> {
    match &*catalog_cache::add_ons_giving(feature_key)? {
        [] => Ok(false),
        [gift] => has_add_on(user_id, gift.add_on_id, at),
        gifts => {
            let gives = |add_on_id: Uuid| gifts.binary_search_by_key(&add_on_id, |gift| gift.add_on_id).is_ok();
            owned::holds_any(user_id, at, gives)
        }
    }
}

/// Whether the user owns the add-on.
pub fn has_add_on(user_id: &str, add_on_id: Uuid, at: Instant) -> Result<bool, Error> {
    owned::holds(user_id, add_on_id, at)
}
