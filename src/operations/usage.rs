//! Counts the use of metered features (semantics 7).
//!
//! A call locks the user's rows for the add-ons that give the feature, and nothing else, so other calls for the user
//! or for other users are not blocked. Under the lock the latest counter is read, so no use by somebody else is
//! overlooked. If only one add-on gives the feature, which is usual, its row is read without a lock, and written only
//! if it has not changed since.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::change::Done;
use crate::pg::clock::clock;
use crate::store::catalog_cache;
use crate::store::usage::{self as rows, HasKeys, UsageRow};
use engine::access::status::is_entitled;
use engine::billing::BillingType;
use engine::json::Malformed;
use engine::time::Instant;
use engine::usage::counters;
use engine::usage::keys::{KeyHash, Operation};
use engine::usage::metering::{GivingAddOn, Metering, Per};
use engine::usage::period::Holding;
use engine::usage::units::Units;
use engine::usage::{Allowance, Counter, Status, Usage};

/// Whether a call is allowed, and the resulting usage of the feature.
#[derive(Clone, Copy, Debug)]
pub struct UsageAnswer {
    pub is_allowed: bool,
    pub status: Status,
}

/// Uses units of a feature, all or none.
pub fn consume(user_id: &str, feature_key: &str, amount: Units, key: Option<&str>) -> Result<UsageAnswer, Error> {
    let key = key.map(|key| KeyHash::of(Operation::Consume, key));
    UsageChange { user_id, feature_key, key, change: &|usage| usage.consume(amount) }.answer()
}

/// Gives units back.
pub fn release(user_id: &str, feature_key: &str, amount: Units, key: Option<&str>) -> Result<UsageAnswer, Error> {
    let key = key.map(|key| KeyHash::of(Operation::Release, key));
    UsageChange { user_id, feature_key, key, change: &|usage| usage.release(amount) }.answer()
}

/// Sets the number of used units.
pub fn set(user_id: &str, feature_key: &str, used: Units) -> Result<UsageAnswer, Error> {
    UsageChange { user_id, feature_key, key: None, change: &|usage| usage.set(used) }.answer()
}

/// A user's usage of a feature at an instant, if the user has it.
pub fn of_feature(user_id: &str, feature_key: &str, at: Instant) -> Result<Option<Status>, Error> {
    let giving = catalog_cache::add_ons_giving(feature_key)?;
    let held = match &*giving {
        [] => return Ok(None),
        [add_on] => rows::owned(user_id, Some(add_on.add_on_id), at)?,
        _ => rows::owned(user_id, None, at)?,
    };
    let held = held.into_iter().filter_map(|row| Held::of(row, &giving, feature_key).transpose());
    let allowances = held.map(|held| held.map(|held| held.allowance(at))).collect::<Result<Vec<Allowance>, Error>>()?;
    let usage = Usage::of(allowances);
    Ok(usage.is_entitled().then(|| usage.status()))
}

/// A user's usage of every metered feature that the user has, in key order.
pub fn of_features(user_id: &str, at: Instant) -> Result<Vec<(String, Status)>, Error> {
    let mut found = Vec::new();
    for feature_key in rows::metered(user_id, at)? {
        if let Some(status) = of_feature(user_id, &feature_key, at)? {
            found.push((feature_key, status));
        }
    }
    Ok(found)
}

/// A user's add-on, with what it grants of the feature.
struct Held {
    row: UsageRow,
    metering: Metering,
    billing_type: BillingType,
    counter: Option<Counter>,
}

impl Held {
    fn of(row: UsageRow, giving: &[GivingAddOn], feature_key: &str) -> Result<Option<Held>, Error> {
        let Ok(place) = giving.binary_search_by_key(&row.add_on_id, |add_on| add_on.add_on_id) else { return Ok(None) };
        let GivingAddOn { billing_type, metering, .. } = &giving[place];
        let of_configuration = |malformed| malformed_column("add_on_features.configuration", malformed);
        let mut metering = metering.clone().map_err(of_configuration)?;
        // Usage-based units are bought in advance: each unit grants its limit once.
        if *billing_type == BillingType::UsageBased {
            metering.per = Per::Ever;
        }
        let counter = counters::counter(&row.counters, feature_key).map_err(of_usage)?;
        Ok(Some(Held { row, metering, billing_type: *billing_type, counter }))
    }

    fn holding(&self) -> Holding {
        let UsageRow { purchased_at, expires_at, .. } = self.row;
        Holding { purchased_at, expires_at, billing_type: self.billing_type }
    }

    fn allowance(&self, at: Instant) -> Allowance {
        let Metering { limit, per, allows_overage } = self.metering;
        Allowance {
            add_on_id: self.row.add_on_id,
            granted: limit.map(|limit| limit.times(self.row.quantity)),
            allows_overage,
            period: self.holding().period_beside(&self.row.periods, per, at),
            expires_at: self.row.expires_at,
            counter: self.counter,
        }
    }
}

fn of_usage(malformed: Malformed) -> Error {
    malformed_column("user_add_ons.usage", malformed)
}

fn malformed_column(column: &'static str, malformed: Malformed) -> Error {
    Error::MalformedColumn { column, malformed }
}

/// A change of the used amount of a feature.
struct UsageChange<'a> {
    user_id: &'a str,
    feature_key: &'a str,
    key: Option<KeyHash>,
    /// Applies it, and returns whether it is allowed.
    change: &'a dyn Fn(&mut Usage) -> bool,
}

/// The result of a change, and the rows to write for it.
struct Decision {
    answer: UsageAnswer,
    rows: Vec<(UsageRow, HasKeys)>,
}

impl UsageChange<'_> {
    fn answer(&self) -> Result<UsageAnswer, Error> {
        match self.at_once()? {
            Some(answer) => Ok(answer),
            None => self.locked(),
        }
    }

    /// Applies the change if a single add-on gives the feature and allows it. The row is locked only from its update
    /// on. `None` if the rows must be locked before the decision.
    fn at_once(&self) -> Result<Option<UsageAnswer>, Error> {
        let giving = catalog_cache::add_ons_giving(self.feature_key)?;
        let [add_on] = &*giving else { return Ok(None) };
        let mut answer = None;
        let done = rows::change(self.user_id, add_on.add_on_id, self.key.is_some(), &mut |row| {
            let mut decision = self.decide(vec![row], &giving)?;
            answer = decision.answer.is_allowed.then_some(decision.answer);
            Ok(decision.rows.pop())
        })?;
        Ok(answer.filter(|_| matches!(done, Done::Written | Done::Left)))
    }

    /// Applies the change under the lock of its rows.
    fn locked(&self) -> Result<UsageAnswer, Error> {
        let giving = catalog_cache::add_ons_giving(self.feature_key)?;
        let add_on_ids: Vec<Uuid> = giving.iter().map(|add_on| add_on.add_on_id).collect();
        let locked = rows::locked(self.user_id, &add_on_ids, self.key.is_some())?;
        let decision = self.decide(locked, &giving)?;
        for (row, has_keys) in &decision.rows {
            rows::count(self.user_id, row.add_on_id, &row.counters, has_keys.then_some(&row.keys))?;
        }
        Ok(decision.answer)
    }

    /// The result of the change for these rows. A key that was used before gets its earlier answer.
    fn decide(&self, rows: Vec<UsageRow>, giving: &[GivingAddOn]) -> Result<Decision, Error> {
        let answered = |key: KeyHash| rows.iter().find_map(|row| row.keys.find(self.feature_key, key));
        if let Some(status) = self.key.and_then(answered) {
            return Ok(Decision { answer: UsageAnswer { is_allowed: true, status }, rows: Vec::new() });
        }
        let held = rows.into_iter().filter_map(|row| Held::of(row, giving, self.feature_key).transpose());
        let held = held.collect::<Result<Vec<Held>, Error>>()?;
        // Not before the last count: clocks can differ, and a period that has begun must not end again.
        let counted = held.iter().filter_map(|held| held.counter).map(|counter| counter.at);
        let at = counted.chain([clock()]).max().unwrap_or_else(clock);
        let owned = held.iter().filter(|held| is_entitled(held.row.status, held.holding().window(), at));
        let mut usage = Usage::of(owned.map(|held| held.allowance(at)).collect());
        let is_allowed = (self.change)(&mut usage);
        let answer = UsageAnswer { is_allowed, status: usage.status() };
        let rows = if is_allowed { self.to_write(held, &usage, at, answer.status)? } else { Vec::new() };
        Ok(Decision { answer, rows })
    }

    /// The rows whose counters have changed. The key is stored with one of them.
    fn to_write(
        &self,
        held: Vec<Held>,
        usage: &Usage,
        at: Instant,
        status: Status,
    ) -> Result<Vec<(UsageRow, HasKeys)>, Error> {
        let changes = usage.changes(at);
        let (is_unchanged, mut key) = (changes.is_empty(), self.key);
        let mut rows = Vec::new();
        for Held { mut row, .. } in held {
            let changed = changes.iter().find(|(add_on_id, _)| *add_on_id == row.add_on_id);
            if let Some((_, counter)) = changed {
                if counter.used > Units::MAX {
                    return Err(Error::UnitsOutOfRange { feature_key: self.feature_key.to_owned() });
                }
                counters::keep(&mut row.counters, self.feature_key, *counter);
            }
            let remembered = key.take_if(|_| changed.is_some() || is_unchanged);
            if let Some(key) = remembered {
                row.keys.remember(self.feature_key, key, status);
            }
            if changed.is_some() || remembered.is_some() {
                rows.push((row, remembered.is_some()));
            }
        }
        Ok(rows)
    }
}
