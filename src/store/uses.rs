//! Claiming uses of promotional codes and bundles, and giving them back (semantics 4).
//!
//! A claim is one guarded update, so it takes what is left at that very moment or nothing; behind it a constraint says the
//! same.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;

static CLAIM_CODE: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes c
        SET updated_at=pg_catalog.now(), current_uses=(c.current_uses + 1)
      WHERE c.code = $1 AND c.is_active AND (c.max_uses IS NULL OR c.current_uses < c.max_uses)",
);

static CLAIM_BUNDLE: Statement = Statement::new(
    "UPDATE @extschema@.add_on_bundles b
        SET updated_at=pg_catalog.now(), current_uses=(b.current_uses + $2)
      WHERE b.id = $1 AND b.is_active AND (b.max_uses IS NULL OR (b.max_uses - b.current_uses) >= $2)",
);

/// What was sold is sold at its price, also where the code or bundle has been switched off since.
static CLAIM_CODE_AGAIN: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes c
        SET updated_at=pg_catalog.now(), current_uses=(c.current_uses + $2)
      WHERE c.code = $1 AND (c.max_uses IS NULL OR (c.max_uses - c.current_uses) >= $2)",
);

static CLAIM_BUNDLE_AGAIN: Statement = Statement::new(
    "UPDATE @extschema@.add_on_bundles b
        SET updated_at=pg_catalog.now(), current_uses=(b.current_uses + $2)
      WHERE b.id = $1 AND (b.max_uses IS NULL OR (b.max_uses - b.current_uses) >= $2)",
);

static CODE_EXISTS: Statement = Statement::new("SELECT FROM @extschema@.promotional_codes c WHERE c.code = $1");

static BUNDLE_EXISTS: Statement = Statement::new("SELECT FROM @extschema@.add_on_bundles b WHERE b.id = $1");

static GIVE_CODE_BACK: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes c
        SET updated_at=pg_catalog.now(), current_uses=GREATEST((c.current_uses - $2), 0)
      WHERE c.code = $1",
);

static GIVE_BUNDLE_BACK: Statement = Statement::new(
    "UPDATE @extschema@.add_on_bundles b
        SET updated_at=pg_catalog.now(), current_uses=GREATEST((b.current_uses - $2), 0)
      WHERE b.id = $1",
);

/// Claims one use of a code. Says whether there was one.
pub fn claim_code(code: &str) -> Result<bool, Error> {
    Ok(CLAIM_CODE.perform(params![code])? > 0)
}

/// Claims instances of a bundle. Says whether there were so many.
pub fn claim_bundle(bundle_id: Uuid, instances: u32) -> Result<bool, Error> {
    let instances = i32::try_from(instances).unwrap_or(i32::MAX);
    Ok(CLAIM_BUNDLE.perform(params![bundle_id, instances])? > 0)
}

/// Uses that were claimed and are no longer needed.
#[derive(Debug, Default)]
pub struct Claims {
    bundles: BTreeMap<Uuid, i32>,
    codes: BTreeMap<String, i32>,
}

impl Claims {
    /// What one checkout has claimed.
    pub fn of_checkout(bundles: impl IntoIterator<Item = (Uuid, i32)>, code: Option<String>) -> Claims {
        Claims { bundles: bundles.into_iter().collect(), codes: code.into_iter().map(|code| (code, 1)).collect() }
    }

    /// Adds the claims of another checkout.
    pub fn add(&mut self, other: Claims) {
        for (bundle_id, instances) in other.bundles {
            *self.bundles.entry(bundle_id).or_default() += instances;
        }
        for (code, uses) in other.codes {
            *self.codes.entry(code).or_default() += uses;
        }
    }

    /// Claims everything again, or nothing: bundles by id, then codes, as the lock order says. What is no longer there limits
    /// nothing. Says whether there was enough.
    pub fn take(&self) -> Result<bool, Error> {
        let mut taken = Claims::default();
        for (&bundle_id, &instances) in &self.bundles {
            if CLAIM_BUNDLE_AGAIN.perform(params![bundle_id, instances])? > 0 {
                taken.bundles.insert(bundle_id, instances);
            } else if BUNDLE_EXISTS.perform(params![bundle_id])? > 0 {
                taken.give_back()?;
                return Ok(false);
            }
        }
        for (code, &uses) in &self.codes {
            if CLAIM_CODE_AGAIN.perform(params![code, uses])? > 0 {
                taken.codes.insert(code.clone(), uses);
            } else if CODE_EXISTS.perform(params![code])? > 0 {
                taken.give_back()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives everything back: bundles by id, then codes, as the lock order says.
    pub fn give_back(self) -> Result<(), Error> {
        for (bundle_id, instances) in self.bundles {
            GIVE_BUNDLE_BACK.perform(params![bundle_id, instances])?;
        }
        for (code, uses) in self.codes {
            GIVE_CODE_BACK.perform(params![&code, uses])?;
        }
        Ok(())
    }
}
