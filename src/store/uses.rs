//! Claims uses of promotional codes and bundles, and gives them back (semantics 4).
//!
//! A claim is one guarded update, so it takes what is left at that very moment, or nothing. A constraint enforces the
//! same limit.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::change::{Change, Done, INSTANT, INTEGER, TypeOid};
use crate::pg::clock::now;
use crate::pg::parameter::{Parameter, Params};
use crate::pg::statement::Statement;
use crate::store::all_written;
use crate::{params, probe};

/// Whether it is on, the maximum number of uses, and the current number.
type Counted = (bool, Option<i32>, i32);

/// The columns that a claim writes, with and without a statement.
const CLAIMED: &[(&str, TypeOid)] = &[("current_uses", INTEGER), ("updated_at", INSTANT)];

/// What counts the uses of a table's rows. `$1` is the row's key, `$2` a number of uses.
struct Counter {
    table: &'static str,
    /// Claims uses of a row that is on, without a statement.
    at_once: Change<Counted>,
    /// Claims uses of a row that is on.
    claim: Statement,
    /// Claims uses for an existing sale: it keeps its price, even if the row has been switched off since.
    claim_again: Statement,
    /// Locked, so that the answer stays true: whether the row has this many uses left, and whether it is on.
    lock: Statement<(bool, bool)>,
    give_back: Statement,
}

/// The counter of a table by a key.
macro_rules! counter {
    ($table:literal, $key:literal) => {
        Counter {
            table: $table,
            at_once: Change::new(probe!($table, ["is_active", "max_uses", "current_uses"], $key), CLAIMED),
            claim: Statement::new(counter!(claim $table, $key, " AND u.is_active")),
            claim_again: Statement::new(counter!(claim $table, $key, "")),
            lock: Statement::new(concat!(
                "SELECT ", counter!(are_left), ", u.is_active FROM @extschema@.", $table, " u WHERE u.", $key, " = $1 FOR UPDATE"
            )),
            give_back: Statement::new(counter!(update $table, $key, "GREATEST((u.current_uses - $2), 0)")),
        }
    };
    (claim $table:literal, $key:literal, $condition:literal) => {
        concat!(counter!(update $table, $key, "(u.current_uses + $2)"), $condition, " AND ", counter!(are_left))
    };
    (update $table:literal, $key:literal, $uses:literal) => {
        concat!(
            "UPDATE @extschema@.", $table, " u SET updated_at=pg_catalog.now(), current_uses=", $uses, " WHERE u.", $key, " = $1"
        )
    };
    (are_left) => {
        "(u.max_uses IS NULL OR (u.max_uses - u.current_uses) >= $2)"
    };
}

static CODES: Counter = counter!("promotional_codes", "code");
static BUNDLES: Counter = counter!("add_on_bundles", "id");

/// The sale for which uses are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sale {
    /// It is being made: the code or bundle has to be on.
    New,
    /// It exists, and keeps its price.
    Existing,
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

impl Counter {
    /// Claims this many uses of a row that is on, and locks the row only for its update where no statement has to
    /// decide. Returns whether enough were left.
    fn claim_now(&self, key: &dyn Parameter, uses: i32) -> Result<bool, Error> {
        let done = self.at_once.apply(&[key], &mut |(is_on, most, used)| {
            let claimed = used.checked_add(uses).filter(|&claimed| is_on && most.is_none_or(|most| claimed <= most));
            Ok(claimed.map(|claimed| vec![claimed.datum(), now().datum()]))
        })?;
        Ok(done == Done::Written || self.claim(Sale::New, &[key, &uses])? == Claim::Made)
    }

    /// Runs a claim. If it wrote nothing, the row is locked and checked: if uses were given back meanwhile, the claim
    /// is retried. If that writes nothing either, a trigger of the host has suppressed the row.
    fn claim(&self, sale: Sale, params: &Params) -> Result<Claim, Error> {
        let statement = if sale == Sale::New { &self.claim } else { &self.claim_again };
        if statement.perform(params)? > 0 {
            return Ok(Claim::Made);
        }
        match self.lock.execute_one(params, |row| row)? {
            None => Ok(Claim::Unknown),
            Some((true, is_on)) if is_on || sale == Sale::Existing => {
                all_written(self.table, 1, statement.perform(params)?)?;
                Ok(Claim::Made)
            }
            Some(_) => Ok(Claim::Refused),
        }
    }

    /// Gives uses of a row back, if it still exists.
    fn give_back(&self, params: &Params) -> Result<(), Error> {
        if self.give_back.perform(params)? == 0 && self.lock.perform(params)? > 0 {
            return all_written(self.table, 1, 0);
        }
        Ok(())
    }
}

/// Claims one use of a code. Returns whether one was left.
pub fn claim_code(code: &str) -> Result<bool, Error> {
    CODES.claim_now(&code, 1)
}

/// Claims instances of a bundle. Returns whether enough were left.
pub fn claim_bundle(bundle_id: Uuid, instances: u32) -> Result<bool, Error> {
    BUNDLES.claim_now(&bundle_id, i32::try_from(instances).unwrap_or(i32::MAX))
}

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
            match BUNDLES.claim(Sale::Existing, params![bundle_id, instances])? {
                Claim::Made => drop(taken.bundles.insert(bundle_id, instances)),
                Claim::Unknown => {}
                Claim::Refused => return taken.give_back().map(|()| false),
            }
        }
        for (code, &uses) in &self.codes {
            match CODES.claim(Sale::Existing, params![code, uses])? {
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
            BUNDLES.give_back(params![bundle_id, instances])?;
        }
        for (code, uses) in self.codes {
            CODES.give_back(params![&code, uses])?;
        }
        Ok(())
    }
}
