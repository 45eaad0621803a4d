//! Reading who is entitled to what (semantics 5).

use std::collections::HashMap;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::document;
use crate::pg::probe::Probe;
use crate::pg::row::RawText;
use crate::store::owned::{HELD, is_held};
use crate::store::{catalog_cache, features};
use crate::{params, probe};
use engine::entitlements::Grant;
use engine::time::Instant;

static ALL_HELD: Probe<(Uuid, RawText, Instant, Option<Instant>)> =
    probe!("user_add_ons", ["add_on_id", "status", "purchased_at", "expires_at"], "user_id");

/// Whether some add-on that the user owns gives the feature.
pub fn has_feature(user_id: &str, feature_key: &str, at: Instant) -> Result<bool, Error> {
    match &*catalog_cache::add_ons_giving(feature_key)? {
        [] => Ok(false),
        [gift] => has_add_on(user_id, gift.add_on_id, at),
        gifts => {
            let gives = |add_on_id: Uuid| gifts.binary_search_by_key(&add_on_id, |gift| gift.add_on_id).is_ok();
            ALL_HELD.any(params![user_id], |(add_on_id, status, since, until)| {
                is_held((status, since, until), at) && gives(add_on_id)
            })
        }
    }
}

/// Whether the user owns the add-on.
pub fn has_add_on(user_id: &str, add_on_id: Uuid, at: Instant) -> Result<bool, Error> {
    HELD.any(params![user_id, add_on_id], |holding| is_held(holding, at))
}

/// The user's features, or one of them, in key order, each with all its grants.
pub fn grants(user_id: &str, feature_key: Option<&str>, at: Instant) -> Result<Vec<(String, Vec<Grant>)>, Error> {
    let (mut features, mut size): (Vec<(String, Vec<Grant>)>, usize) = (Vec::new(), 0);
    features::GRANTS.read(
        params![user_id, at, feature_key],
        |(key, configuration, add_on_id, purchased_at, expires_at)| {
            let (name, limit) = ("add_on_features.configuration", document::ITEMS);
            size += configuration.size();
            if size > limit {
                return Err(Error::DocumentTooLarge { name, size, limit });
            }
            let grant = Grant {
                // A jsonb of more than a hundred levels is no configuration that could be merged.
                configuration: configuration.read(name, document::OF_A_ROW)?.unwrap_or_default(),
                add_on_id,
                quantity: 1,
                purchased_at,
                expires_at,
            };
            match features.last_mut() {
                Some((last, grants)) if *last == key => grants.push(grant),
                _ => features.push((key, vec![grant])),
            }
            Ok(())
        },
    )?;
    if features.iter().flat_map(|(_, grants)| grants).any(|grant| grant.configuration.get("limit").is_some()) {
        count_units(user_id, &mut features)?;
    }
    Ok(features)
}

/// Says of how many units of an add-on each grant is, which matters to metered features only.
fn count_units(user_id: &str, features: &mut [(String, Vec<Grant>)]) -> Result<(), Error> {
    let units: HashMap<Uuid, i32> = features::UNITS.read_all(params![user_id], |row| row)?.into_iter().collect();
    for grant in features.iter_mut().flat_map(|(_, grants)| grants) {
        grant.quantity = units.get(&grant.add_on_id).map_or(1, |&units| units.max(1) as u32);
    }
    Ok(())
}
