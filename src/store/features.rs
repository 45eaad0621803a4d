//! Which add-ons give which features, and to whom.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::error::Error;
use crate::pg::document::{self, DocumentColumn};
use crate::pg::probe::Probe;
use crate::pg::statement::Statement;
use crate::store::catalog;
use crate::{given, is_entitled, params, probe};
use engine::billing::BillingType;
use engine::entitlements::FeatureGrant;
use engine::time::Instant;
use engine::usage::metering::{GivingAddOn, Metering};

/// The rows about a feature.
static ROWS: Probe<(Uuid, bool, DocumentColumn)> =
    probe!("add_on_features", ["add_on_id", "enabled", "configuration"], "feature_key");

static BILLING_TYPE: Probe<(String,)> = probe!("add_ons", ["billing_type"], "id");

static LISTING: Statement<(Uuid, String)> =
    Statement::new("SELECT a.id, a.billing_type FROM @extschema@.add_ons a WHERE a.features ? $1");

/// Every feature of every owned add-on, or one feature of them.
static GRANTS: Statement<(String, DocumentColumn, Uuid, Instant, Option<Instant>)> = Statement::new(concat!(
    "SELECT g.feature_key, g.configuration, u.add_on_id, u.purchased_at, u.expires_at
       FROM @extschema@.user_add_ons u
      CROSS JOIN LATERAL ( ",
    given!(),
    " ) g (feature_key, configuration)
      WHERE u.user_id = $1 AND ",
    is_entitled!("$2"),
    " AND ($3 IS NULL OR g.feature_key = $3)
      ORDER BY g.feature_key COLLATE pg_catalog.\"C\", u.add_on_id",
));

/// How many units of each add-on the user has.
static UNITS: Statement<(Uuid, i32)> = Statement::new(
    "SELECT u.add_on_id, u.quantity FROM @extschema@.user_add_ons u WHERE u.user_id = $1 AND u.status = 'active'",
);

/// Reads the add-ons that give a feature, in id order: those of `giving!`, of which only the listing ones take a plan.
/// Planning all of it would be a third of the first call of a session.
pub fn add_ons_giving(feature_key: &str) -> Result<Vec<GivingAddOn>, Error> {
    let rows = ROWS.read_all(params![feature_key], |(add_on_id, is_enabled, configuration)| {
        let configuration = is_enabled.then(|| configuration.read_or_malformed("configuration"));
        (add_on_id, configuration.map(|read| read.and_then(|configuration| Metering::parse(&configuration))))
    })?;
    let have_row: HashSet<Uuid> = rows.iter().map(|(add_on_id, _)| *add_on_id).collect();
    let mut giving = LISTING.read_all(params![feature_key], |(add_on_id, billing_type)| GivingAddOn {
        add_on_id,
        billing_type: catalog::billing_type(billing_type),
        metering: Ok(Metering::default()),
    })?;
    giving.retain(|add_on| !have_row.contains(&add_on.add_on_id));
    for (add_on_id, metering) in rows {
        let Some(metering) = metering else { continue };
        let billing_type = BILLING_TYPE.read_one(params![add_on_id], |(name,)| catalog::billing_type(name))?;
        // A policy may hide the add-on and not the row.
        giving.push(GivingAddOn { add_on_id, billing_type: billing_type.unwrap_or(BillingType::OneTime), metering });
    }
    giving.sort_unstable_by_key(|add_on| add_on.add_on_id);
    Ok(giving)
}

/// The user's features, or one of them, in key order, each with all its grants.
pub fn grants(
    user_id: &str,
    feature_key: Option<&str>,
    at: Instant,
) -> Result<Vec<(String, Vec<FeatureGrant>)>, Error> {
    let (mut features, mut size): (Vec<(String, Vec<FeatureGrant>)>, usize) = (Vec::new(), 0);
    GRANTS.read(params![user_id, at, feature_key], |(key, configuration, add_on_id, purchased_at, expires_at)| {
        let (name, limit) = ("add_on_features.configuration", document::ITEMS);
        size += configuration.size();
        if size > limit {
            return Err(Error::DocumentTooLarge { name, size, limit });
        }
        let grant = FeatureGrant {
            // A jsonb with more than a hundred levels is not a configuration that could be merged.
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

/// Adds the number of units of the add-on to each grant. Only metered features need it.
fn count_units(user_id: &str, features: &mut [(String, Vec<FeatureGrant>)]) -> Result<(), Error> {
    let units: HashMap<Uuid, i32> = UNITS.read_all(params![user_id], |row| row)?.into_iter().collect();
    for grant in features.iter_mut().flat_map(|(_, grants)| grants) {
        grant.quantity = units.get(&grant.add_on_id).map_or(1, |&units| units.max(1) as u32);
    }
    Ok(())
}
