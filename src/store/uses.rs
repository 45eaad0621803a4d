//! Claims uses of promotional codes and bundles, and gives them back (semantics 4).
//!
//! A claim is one guarded update, so it takes what is left at that very moment, or nothing. A constraint enforces the
//! same limit.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::change::{Change, Done, INSTANT, INTEGER, TypeOid};
use crate::pg::datum::now;
use crate::pg::parameter::{Parameter, Params};
use crate::pg::statement::Statement;
use crate::store::all_written;
use crate::{params, probe};

/// Whether it is on, the maximum number of uses, and the current number.
type Counted = (bool, Option<i32>, i32);

/// The columns that a claim writes, with and without a statement.
const CLAIMED: &[(&str, TypeOid)] = &[("current_uses", INTEGER), ("updated_at", INSTANT)];

/// Uses of a code and of a bundle, claimed without a statement.
static USES_OF_CODE: Change<Counted> =
    Change::new(probe!("promotional_codes", ["is_active", "max_uses", "current_uses"], "code"), CLAIMED);
static USES_OF_BUNDLE: Change<Counted> =
    Change::new(probe!("add_on_bundles", ["is_active", "max_uses", "current_uses"], "id"), CLAIMED);

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

/// A sale keeps its price, even if the code or bundle has been switched off since.
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

/// Locked, so that the answer stays true: whether it has this many uses left, and whether it is on.
static LOCK_CODE: Statement<(bool, bool)> = Statement::new(
    "SELECT (c.max_uses IS NULL OR (c.max_uses - c.current_uses) >= $2), c.is_active
       FROM @extschema@.promotional_codes c
      WHERE c.code = $1
        FOR UPDATE",
);

static LOCK_BUNDLE: Statement<(bool, bool)> = Statement::new(
    "SELECT (b.max_uses IS NULL OR (b.max_uses - b.current_uses) >= $2), b.is_active
       FROM @extschema@.add_on_bundles b
      WHERE b.id = $1
        FOR UPDATE",
);

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

/// What is claimed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// A code or bundle that is on.
    Now,
    /// A code or bundle of an existing sale, whether it is on or not.
    Sold,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Made,
    /// Not enough uses are left, or it is switched off.
    Refused,
    /// There is no such code or bundle.
    Unknown,
}

/// Runs a claim. If it wrote nothing, the row is locked and checked: if uses were given back meanwhile, the claim is
/// retried. If that writes nothing either, a trigger of the host has suppressed the row.
fn claim(
    table: &'static str,
    statement: &Statement,
    lock: &Statement<(bool, bool)>,
    params: &Params,
    offer: Offer,
) -> Result<Claim, Error> {
    if statement.perform(params)? > 0 {
        return Ok(Claim::Made);
    }
    let [what, ..] = params else { return Ok(Claim::Unknown) };
    let uses = params.get(1).copied().unwrap_or(&1_i32);
    match lock.execute_one(&[*what, uses], |row| row)? {
        None => Ok(Claim::Unknown),
        Some((true, is_on)) if is_on || offer == Offer::Sold => {
            all_written(table, 1, statement.perform(params)?)?;
            Ok(Claim::Made)
        }
        Some(_) => Ok(Claim::Refused),
    }
}

/// Claims this many uses of a code or bundle that is on, if enough are left, and locks the row only for its update.
/// Returns whether it was done; otherwise a statement has to decide.
fn claim_at_once(change: &Change<Counted>, params: &Params, count: i32) -> Result<bool, Error> {
    let done = change.apply(params, &mut |(is_on, most, uses)| {
        let claimed = uses.checked_add(count).filter(|&claimed| is_on && most.is_none_or(|most| claimed <= most));
        Ok(claimed.map(|claimed| vec![claimed.datum(), now().datum()]))
    })?;
    Ok(done == Done::Written)
}

/// Claims one use of a code. Returns whether one was left.
pub fn claim_code(code: &str) -> Result<bool, Error> {
    if claim_at_once(&USES_OF_CODE, params![code], 1)? {
        return Ok(true);
    }
    Ok(claim(CODES, &CLAIM_CODE, &LOCK_CODE, params![code], Offer::Now)? == Claim::Made)
}

/// Claims instances of a bundle. Returns whether enough were left.
pub fn claim_bundle(bundle_id: Uuid, instances: u32) -> Result<bool, Error> {
    let instances = i32::try_from(instances).unwrap_or(i32::MAX);
    if claim_at_once(&USES_OF_BUNDLE, params![bundle_id], instances)? {
        return Ok(true);
    }
    Ok(claim(BUNDLES, &CLAIM_BUNDLE, &LOCK_BUNDLE, params![bundle_id, instances], Offer::Now)? == Claim::Made)
}

const CODES: &str = "promotional_codes";
const BUNDLES: &str = "add_on_bundles";

/// Claimed uses that are no longer needed.
#[derive(Debug, Default)]
pub struct Claims {
    bundles: BTreeMap<Uuid, i32>,
    codes: BTreeMap<String, i32>,
}

impl Claims {
    /// The claims of one checkout.
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

    /// Claims everything again, or nothing: first bundles by id, then codes, as the lock order requires. A deleted
    /// code or bundle sets no limit. Returns whether enough were left.
    pub fn take(&self) -> Result<bool, Error> {
        let mut taken = Claims::default();
        for (&bundle_id, &instances) in &self.bundles {
            match claim(BUNDLES, &CLAIM_BUNDLE_AGAIN, &LOCK_BUNDLE, params![bundle_id, instances], Offer::Sold)? {
                Claim::Made => drop(taken.bundles.insert(bundle_id, instances)),
                Claim::Unknown => {}
                Claim::Refused => return taken.give_back().map(|()| false),
            }
        }
        for (code, &uses) in &self.codes {
            match claim(CODES, &CLAIM_CODE_AGAIN, &LOCK_CODE, params![code, uses], Offer::Sold)? {
                Claim::Made => drop(taken.codes.insert(code.clone(), uses)),
                Claim::Unknown => {}
                Claim::Refused => return taken.give_back().map(|()| false),
            }
        }
        Ok(true)
    }

    /// Gives everything back: first bundles by id, then codes, as the lock order requires.
    pub fn give_back(self) -> Result<(), Error> {
        for (bundle_id, instances) in self.bundles {
            give_back(BUNDLES, &GIVE_BUNDLE_BACK, &LOCK_BUNDLE, params![bundle_id, instances])?;
        }
        for (code, uses) in self.codes {
            give_back(CODES, &GIVE_CODE_BACK, &LOCK_CODE, params![&code, uses])?;
        }
        Ok(())
    }
}

/// Gives uses of one code or bundle back, if it still exists.
fn give_back(
    table: &'static str,
    statement: &Statement,
    lock: &Statement<(bool, bool)>,
    params: &Params,
) -> Result<(), Error> {
    if statement.perform(params)? == 0 && lock.perform(params)? > 0 {
        return all_written(table, 1, 0);
    }
    Ok(())
}
