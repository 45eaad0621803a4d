//! Reading who is entitled to what (semantics 5).

use std::collections::HashMap;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::document::{self, DocumentColumn};
use crate::pg::probe::Probe;
use crate::pg::row::RawText;
use crate::pg::statement::Statement;
use crate::store::catalog;
use crate::store::catalog_cache;
use crate::store::owned::{HELD, is_held};
use crate::{params, probe};
use engine::entitlements::Grant;
use engine::time::Instant;
use engine::usage::metering::{Gift, Metering};

/// The add-ons that give the feature `$1`.
macro_rules! giving {
    () => {
        "SELECT f.add_on_id FROM @extschema@.add_on_features f WHERE f.feature_key = $1 AND f.enabled
          UNION ALL
         SELECT a.id FROM @extschema@.add_ons a
          WHERE a.features ? $1
            AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = $1)"
    };
}

/// The same, with what each gives.
static GIFTS: Statement<(Uuid, String, DocumentColumn)> = Statement::new(
    "SELECT a.id, a.billing_type, f.configuration
       FROM @extschema@.add_on_features f
       JOIN @extschema@.add_ons a ON a.id = f.add_on_id
      WHERE f.feature_key = $1 AND f.enabled
      UNION ALL
     SELECT a.id, a.billing_type, '{}'
       FROM @extschema@.add_ons a
      WHERE a.features ? $1
        AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = $1)",
);

/// Whether some add-on gives the feature `$1` to the user `$2` at `$3`, in one statement.
pub static HAS_FEATURE: Statement = Statement::new(concat!(
    "SELECT
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $2 AND u.status = 'active'
        AND u.purchased_at <= $3 AND (u.expires_at IS NULL OR u.expires_at > $3)
        AND u.add_on_id = ANY (ARRAY( ",
    giving!(),
    " ))",
));

/// Whether the add-on `$1` is owned by the user `$2` at `$3`, in one statement.
pub static HAS_ADD_ON: Statement = Statement::new(
    "SELECT
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $2 AND u.add_on_id = $1 AND u.status = 'active'
        AND u.purchased_at <= $3 AND (u.expires_at IS NULL OR u.expires_at > $3)",
);

static ALL_HELD: Probe<(Uuid, RawText, Instant, Option<Instant>)> =
    probe!("user_add_ons", ["add_on_id", "status", "purchased_at", "expires_at"], "user_id");

/// Every feature of every owned add-on, or one feature of them: the enabled rows, and the listed keys without a row.
static GRANTS: Statement<(String, DocumentColumn, Uuid, Instant, Option<Instant>)> = Statement::new(
    "SELECT g.feature_key, g.configuration, u.add_on_id, u.purchased_at, u.expires_at
       FROM @extschema@.user_add_ons u
      CROSS JOIN LATERAL (
              SELECT f.feature_key::pg_catalog.text, f.configuration
                FROM @extschema@.add_on_features f
               WHERE f.add_on_id = u.add_on_id AND f.enabled
           UNION ALL
              SELECT DISTINCT listed.feature_key, '{}'::pg_catalog.jsonb
                FROM @extschema@.add_ons a
               CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(a.features) listed (feature_key)
               WHERE a.id = u.add_on_id
                 AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f
                                  WHERE f.add_on_id = a.id AND f.feature_key = listed.feature_key)
           ) g (feature_key, configuration)
      WHERE u.user_id = $1 AND u.status = 'active'
        AND u.purchased_at <= $2 AND (u.expires_at IS NULL OR u.expires_at > $2)
        AND ($3 IS NULL OR g.feature_key = $3)
      ORDER BY g.feature_key COLLATE pg_catalog.\"C\", u.add_on_id",
);

static UNITS: Statement<(Uuid, i32)> = Statement::new(
    "SELECT u.add_on_id, u.quantity FROM @extschema@.user_add_ons u WHERE u.user_id = $1 AND u.status = 'active'",
);

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

/// Reads the add-ons that give a feature, in id order.
pub fn load_add_ons_giving(feature_key: &str) -> Result<Vec<Gift>, Error> {
    let mut gifts = GIFTS.read_all(params![feature_key], |(add_on_id, billing_type, configuration)| Gift {
        add_on_id,
        billing_type: catalog::billing_type(billing_type),
        metering: configuration
            .read_or_malformed("configuration")
            .and_then(|configuration| Metering::parse(&configuration)),
    })?;
    gifts.sort_unstable_by_key(|gift| gift.add_on_id);
    Ok(gifts)
}

/// Whether the user owns the add-on.
pub fn has_add_on(user_id: &str, add_on_id: Uuid, at: Instant) -> Result<bool, Error> {
    HELD.any(params![user_id, add_on_id], |holding| is_held(holding, at))
}

/// The user's features, or one of them, in key order, each with all its grants.
pub fn grants(user_id: &str, feature_key: Option<&str>, at: Instant) -> Result<Vec<(String, Vec<Grant>)>, Error> {
    let (mut features, mut size): (Vec<(String, Vec<Grant>)>, usize) = (Vec::new(), 0);
    GRANTS.read(params![user_id, at, feature_key], |(key, configuration, add_on_id, purchased_at, expires_at)| {
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
    })?;
    if features.iter().flat_map(|(_, grants)| grants).any(|grant| grant.configuration.get("limit").is_some()) {
        count_units(user_id, &mut features)?;
    }
    Ok(features)
}

/// Says of how many units of an add-on each grant is, which matters to metered features only.
fn count_units(user_id: &str, features: &mut [(String, Vec<Grant>)]) -> Result<(), Error> {
    let units: HashMap<Uuid, i32> = UNITS.read_all(params![user_id], |row| row)?.into_iter().collect();
    for grant in features.iter_mut().flat_map(|(_, grants)| grants) {
        grant.quantity = units.get(&grant.add_on_id).map_or(1, |&units| units.max(1) as u32);
    }
    Ok(())
}
