//! Metered features: what is granted, what is used, and what a call may use (semantics 7).
//!
//! Each add-on of a user that gives a feature is an [`Allowance`] of units. Usage is counted at the allowance that it was
//! taken from, in a [`Counter`]: an amount, and when it was last counted. A counter counts in the current period only
//! if it was last counted since the period began. So a new period needs no write, and used units stay used even if
//! the configuration changes.

pub mod counters;
pub mod keys;
pub mod metering;
pub mod period;
pub mod units;

use uuid::Uuid;

use self::units::Units;
use crate::time::{Instant, Window};

/// The used amount of a feature, and when it was last counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The units.
    pub used: Units,
    /// The instant.
    pub at: Instant,
}

/// An add-on that gives a feature, at the instant of a [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The add-on.
    pub add_on_id: Uuid,
    /// Its grant in the current period; `None` for no limit.
    pub granted: Option<Units>,
    /// Whether more can be used.
    pub allows_overage: bool,
    /// The current period.
    pub period: Window,
    /// When the add-on ends; `None` for no end.
    pub expires_at: Option<Instant>,
    /// The last count, in this period or in an earlier one.
    pub counter: Option<Counter>,
}

impl Allowance {
    /// The amount used in the current period. `None` if the counter is already in a later period, because earlier
    /// counts are not kept.
    fn used(&self) -> Option<Units> {
        match self.counter {
            None => Some(Units::ZERO),
            Some(counter) if !self.period.has_begun(counter.at) => Some(Units::ZERO),
            Some(counter) => (!self.period.is_over(counter.at)).then_some(counter.used),
        }
    }

    /// Orders allowances by consumption: the one that ends first, then by add-on.
    fn order(&self) -> (Instant, Uuid) {
        let ends = self.period.until.into_iter().chain(self.expires_at);
        (ends.min().unwrap_or(Instant::INFINITY), self.add_on_id)
    }
}

/// The summary of a feature's usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The total grant of all allowances; `None` for no limit.
    pub granted: Option<Units>,
    /// The amount used; `None` if it is no longer known.
    pub used: Option<Units>,
    /// When the first of the current periods ends, if any does.
    pub resets_at: Option<Instant>,
}

impl Status {
    /// The remaining amount; `None` if there is no limit or it is not known.
    pub fn remaining(&self) -> Option<Units> {
        Some(self.granted?.less(self.used?))
    }
}

/// The usage of one feature by one user at an instant.
#[derive(Clone, Debug)]
pub struct Usage {
    /// In the order in which they are consumed.
    allowances: Vec<Allowance>,
    /// The amount of each that was used in its current period; `None` if not known.
    used: Vec<Option<Units>>,
}

impl Usage {
    /// The usage of these allowances, which may come in any order.
    pub fn of(mut allowances: Vec<Allowance>) -> Usage {
        allowances.sort_unstable_by_key(Allowance::order);
        let used = allowances.iter().map(Allowance::used).collect();
        Usage { allowances, used }
    }

    /// Whether the user has the feature at all.
    pub fn is_entitled(&self) -> bool {
        !self.allowances.is_empty()
    }

    /// The summary. A user without allowances has a grant of zero.
    pub fn status(&self) -> Status {
        Status {
            granted: self.allowances.iter().map(|allowance| allowance.granted).sum(),
            used: self.used.iter().copied().sum(),
            resets_at: self.allowances.iter().filter_map(|allowance| allowance.period.until).min(),
        }
    }

    /// Uses units, all or none. Returns whether that is allowed.
    pub fn consume(&mut self, amount: Units) -> bool {
        let Status { granted, used, .. } = self.status();
        let used = used.unwrap_or_default();
        let fits = amount == Units::ZERO || granted.is_none_or(|granted| used + amount <= granted);
        let is_allowed = self.is_entitled() && (fits || self.allows_overage());
        if is_allowed {
            self.burn(amount);
        }
        is_allowed
    }

    /// Gives units back, at most as many as were used in the current periods. Returns whether there is an allowance to
    /// give them to.
    pub fn release(&mut self, amount: Units) -> bool {
        let mut left = amount;
        // The units that were used last come back first.
        for used in self.used.iter_mut().rev().flatten() {
            let back = left.min(*used);
            *used -= back;
            left -= back;
        }
        self.is_entitled()
    }

    /// Sets the used amount, unless it exceeds the limit. Returns whether that is allowed.
    pub fn set(&mut self, amount: Units) -> bool {
        let Status { granted, used, .. } = self.status();
        let used = used.unwrap_or_default();
        let fits = granted.is_none_or(|granted| amount <= granted);
        let is_allowed = self.is_entitled() && (fits || self.allows_overage());
        if is_allowed {
            self.release(used.less(amount));
            self.burn(amount.less(used));
        }
        is_allowed
    }

    /// The counters that have changed, by add-on, as they are to be stored.
    pub fn changes(&self, at: Instant) -> Vec<(Uuid, Counter)> {
        let allowances = self.allowances.iter().zip(&self.used);
        let changed = allowances.filter(|(allowance, used)| **used != allowance.used());
        changed.map(|(allowance, used)| (allowance.add_on_id, Counter { used: used.unwrap_or_default(), at })).collect()
    }

    fn allows_overage(&self) -> bool {
        self.allowances.iter().any(|allowance| allowance.allows_overage)
    }

    /// Takes units from the allowances in order. If an allowance has no limit, everything is taken from it. Units beyond all
    /// grants go to the last allowance that allows overage.
    fn burn(&mut self, amount: Units) {
        let mut left = amount;
        if let Some(unlimited) = self.allowances.iter().position(|allowance| allowance.granted.is_none()) {
            self.add(unlimited, left);
            return;
        }
        for place in 0..self.allowances.len() {
            let granted = self.allowances[place].granted.unwrap_or_default();
            let taken = left.min(granted.less(self.used[place].unwrap_or_default()));
            self.add(place, taken);
            left -= taken;
        }
        if let Some(last) = self.allowances.iter().rposition(|allowance| allowance.allows_overage) {
            self.add(last, left);
        }
    }

    fn add(&mut self, place: usize, amount: Units) {
        self.used[place] = Some(self.used[place].unwrap_or_default() + amount);
    }
}
