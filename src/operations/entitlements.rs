//! Reading who is entitled to what (semantics 5).

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::datum::Json;
use crate::pg::statement::Statement;
use crate::store::catalog_cache;
use engine::entitlements::Grant;
use engine::time::Instant;

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

static GIVING: Statement<(Uuid,)> = Statement::new(giving!());

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

/// Whether the add-on `$1` is owned by the user `$2` at `$3`.
pub static HAS_ADD_ON: Statement = Statement::new(
    "SELECT
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $2 AND u.add_on_id = $1 AND u.status = 'active'
        AND u.purchased_at <= $3 AND (u.expires_at IS NULL OR u.expires_at > $3)",
);

static OWNED: Statement<(Uuid,)> = Statement::new(
    "SELECT u.add_on_id
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1 AND u.status = 'active'
        AND u.purchased_at <= $2 AND (u.expires_at IS NULL OR u.expires_at > $2)",
);

/// Every feature of every owned add-on, or one feature of them: the enabled rows, and the listed keys without a row.
static GRANTS: Statement<(String, Json, Uuid, Instant, Option<Instant>)> = Statement::new(
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

/// Whether some add-on that the user owns gives the feature.
pub fn has_feature(user_id: &str, feature_key: &str, at: Instant) -> Result<bool, Error> {
    match &*catalog_cache::add_ons_giving(feature_key)? {
        [] => Ok(false),
        &[add_on_id] => has_add_on(user_id, add_on_id, at),
        add_on_ids => {
            let gives = |(add_on_id,): (Uuid,)| add_on_ids.binary_search(&add_on_id).is_ok();
            OWNED.any(params![user_id, at], gives)
        }
    }
}

/// Reads the add-ons that give a feature, in id order.
pub fn load_add_ons_giving(feature_key: &str) -> Result<Vec<Uuid>, Error> {
    let mut add_ons: Vec<Uuid> = GIVING.read_all(params![feature_key], |(add_on_id,)| add_on_id)?;
    add_ons.sort_unstable();
    Ok(add_ons)
}

/// Whether the user owns the add-on.
pub fn has_add_on(user_id: &str, add_on_id: Uuid, at: Instant) -> Result<bool, Error> {
    let params = params![add_on_id, user_id, at];
    HAS_ADD_ON.any(params, |_| true)
}

/// The user's features, or one of them, in key order, each with all its grants.
pub fn grants(user_id: &str, feature_key: Option<&str>, at: Instant) -> Result<Vec<(String, Vec<Grant>)>, Error> {
    let mut features: Vec<(String, Vec<Grant>)> = Vec::new();
    GRANTS.read(params![user_id, at, feature_key], |(key, configuration, add_on_id, purchased_at, expires_at)| {
        let grant = Grant {
            // A jsonb of more than a hundred levels is no configuration that could be merged.
            configuration: configuration.parse().unwrap_or_default(),
            add_on_id,
            purchased_at,
            expires_at,
        };
        match features.last_mut() {
            Some((last, grants)) if *last == key => grants.push(grant),
            _ => features.push((key, vec![grant])),
        }
        Ok(())
    })?;
    Ok(features)
}
