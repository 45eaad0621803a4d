//! Metered features: what is granted, what is used, and what a call may use (semantics 7).
//!
//! Each add-on that somebody has and that gives a feature is a [`Source`] of units. What was used is counted with the source it was
//! taken from, as a [`Counter`]: an amount, and when it was last counted. It counts in the current period if that has begun by then,
//! so that a period begins by itself, and what was used stays used whatever becomes of the configuration.

pub mod counters;
pub mod keys;
pub mod metering;
pub mod period;
pub mod units;

use uuid::Uuid;

use self::units::Units;
use crate::time::{Instant, Window};

/// What was used of a feature, and when that was last counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The units.
    pub used: Units,
    /// The instant.
    pub at: Instant,
}

/// An add-on that gives a feature, at the instant of a [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The add-on.
    pub add_on_id: Uuid,
    /// What it gives in the current period; `None` for any amount.
    pub granted: Option<Units>,
    /// Whether more can be used.
    pub allows_overage: bool,
    /// The current period.
    pub period: Window,
    /// When the add-on ends; `None` for no end.
    pub expires_at: Option<Instant>,
    /// What was counted last, in this period or in an earlier one.
    pub counter: Option<Counter>,
}

impl Source {
    /// What was used in the current period; `None` where the counter is in a later one already, and what was before is not kept.
    fn used(&self) -> Option<Units> {
        match self.counter {
            None => Some(Units::ZERO),
            Some(counter) if !self.period.has_begun(counter.at) => Some(Units::ZERO),
            Some(counter) => (!self.period.is_over(counter.at)).then_some(counter.used),
        }
    }

    /// Orders sources as they are burnt: what ends first, then by add-on.
    fn order(&self) -> (Instant, Uuid) {
        let ends = self.period.until.into_iter().chain(self.expires_at);
        (ends.min().unwrap_or(Instant::INFINITY), self.add_on_id)
    }
}

/// What a feature's usage comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What all sources give together; `None` for any amount.
    pub granted: Option<Units>,
    /// What was used of it; `None` where that is no longer known.
    pub used: Option<Units>,
    /// When the first of the current periods ends, if any does.
    pub resets_at: Option<Instant>,
}

impl Status {
    /// What can still be used; `None` where that is any amount, or not known.
    pub fn remaining(&self) -> Option<Units> {
        Some(self.granted?.less(self.used?))
    }
}

/// The usage of one feature by one user at an instant.
#[derive(Clone, Debug)]
pub struct Usage {
    /// In the order in which they are burnt.
    sources: Vec<Source>,
    /// What was used of each in its current period; `None` where that is not known.
    used: Vec<Option<Units>>,
}

impl Usage {
    /// The usage of these sources, which may come in any order.
    pub fn of(mut sources: Vec<Source>) -> Usage {
        sources.sort_unstable_by_key(Source::order);
        let used = sources.iter().map(Source::used).collect();
        Usage { sources, used }
    }

    /// Whether the user has the feature at all.
    pub fn is_entitled(&self) -> bool {
        !self.sources.is_empty()
    }

    /// What it comes to. Who has no source has nothing granted.
    pub fn status(&self) -> Status {
        Status {
            granted: self.sources.iter().map(|source| source.granted).sum(),
            used: self.used.iter().copied().sum(),
            resets_at: self.sources.iter().filter_map(|source| source.period.until).min(),
        }
    }

    /// Uses units, all or none. Says whether that is allowed.
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

    /// Gives units back, at most what was used in the current periods. Says whether there is anybody to give them to.
    pub fn release(&mut self, amount: Units) -> bool {
        let mut left = amount;
        // What was burnt last comes back first.
        for used in self.used.iter_mut().rev().flatten() {
            let back = left.min(*used);
            *used -= back;
            left -= back;
        }
        self.is_entitled()
    }

    /// Makes so many units used, unless that is more than may be. Says whether that is allowed.
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

    /// The counters that are others than before, by add-on, as they are to be kept.
    pub fn changes(&self, at: Instant) -> Vec<(Uuid, Counter)> {
        let sources = self.sources.iter().zip(&self.used);
        let changed = sources.filter(|(source, used)| **used != source.used());
        changed.map(|(source, used)| (source.add_on_id, Counter { used: used.unwrap_or_default(), at })).collect()
    }

    fn allows_overage(&self) -> bool {
        self.sources.iter().any(|source| source.allows_overage)
    }

    /// Takes units from the sources in their order. Where any amount is granted, it is taken from that and from nothing else. What is
    /// more than all of them grant is on the last that allows that.
    fn burn(&mut self, amount: Units) {
        let mut left = amount;
        if let Some(unlimited) = self.sources.iter().position(|source| source.granted.is_none()) {
            self.add(unlimited, left);
            return;
        }
        for place in 0..self.sources.len() {
            let granted = self.sources[place].granted.unwrap_or_default();
            let taken = left.min(granted.less(self.used[place].unwrap_or_default()));
            self.add(place, taken);
            left -= taken;
        }
        if let Some(last) = self.sources.iter().rposition(|source| source.allows_overage) {
            self.add(last, left);
        }
    }

    fn add(&mut self, place: usize, amount: Units) {
        self.used[place] = Some(self.used[place].unwrap_or_default() + amount);
    }
}
