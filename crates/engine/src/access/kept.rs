//! What a row of `user_add_ons` keeps besides its purchases: other sources of access, and changes made by people and
//! hosts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::outcome::{Access, access};
use super::renewal::PricedBy;
use super::source::{Kind, Source, Span, Standing, Term, lay};
use super::status::AccessStatus;
use crate::calendar::days_after;
use crate::payments::paid::Period;
use crate::purchases::PurchaseStatus;
use crate::time::Instant;

/// The document in `user_add_ons.sources`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Grants by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// The trial. A user has only one trial of an add-on, ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<AccessWindow>,
    /// What the host has written itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<AccessWindow>,
    /// The sources that existed when the host wrote its row. The row stands for them too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absorbed: BTreeSet<String>,
    /// Periods that were added without a payment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
    /// Whether the host's row has not begun yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pending: bool,
    /// The number of units, if the host has written another number than was bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<i32>,
    /// Overdue invoices in Lago for the host's row.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overdue: BTreeSet<String>,
    /// Sources that were cut off early, by their id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cuts: BTreeMap<String, Cut>,
    /// When the add-on was set to run out by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_out_since: Option<Instant>,
    /// The basis of the next renewal's amount. As long as the basis stays the same, an amount that somebody else has
    /// set is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced_by: Option<PricedBy>,
    /// The row as it was last derived from its sources. Any difference to it was written by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
}

/// A grant by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number.
    pub number: u32,
    /// Its window.
    pub window: AccessWindow,
}

/// A period that was added without a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// When it was added.
    pub at: Instant,
    /// How long it is.
    pub period: Period,
}

/// A window of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessWindow {
    /// Its beginning.
    pub from: Instant,
    /// Its end; `None` for none.
    pub until: Option<Instant>,
}

/// Where a source was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The instant from which the source no longer counts.
    pub at: Instant,
    /// The end that the source had. If that end moves later, for example because the subscription is paid for longer,
    /// the cut is dropped. `None` if the source was taken back for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Instant>,
}

/// What a row says of access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// `user_add_ons.status`
    pub status: AccessStatus,
    /// `user_add_ons.purchased_at`
    pub from: Instant,
    /// `user_add_ons.expires_at`
    pub until: Option<Instant>,
    /// `user_add_ons.auto_renew`
    pub renews: bool,
    /// `user_add_ons.quantity`
    #[serde(default = "one")]
    pub units: i32,
}

/// Whether the trial of an add-on may begin: only for a user who has no row for it and has never paid for it.
pub fn may_try(has_row: bool, mut purchases: impl Iterator<Item = PurchaseStatus>) -> bool {
    !has_row && !purchases.any(PurchaseStatus::is_paid)
}

fn one() -> i32 {
    1
}

impl Kept {
    /// The sources that are kept here.
    pub fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        if let Some(AccessWindow { from, until }) = self.host {
            let mut host = Source::window(Kind::Host, "host".to_owned(), Instant::NEG_INFINITY, from, until);
            if self.is_pending {
                host.standing = Standing::Pending;
            } else if !self.overdue.is_empty() {
                host.standing = Standing::Overdue;
            }
            sources.push(host);
        }
        for Grant { number, window } in &self.grants {
            let id = format!("grant {number}");
            sources.push(Source::window(Kind::Grant, id, window.from, window.from, window.until));
        }
        for (number, Extension { at, period }) in self.extensions.iter().enumerate() {
            let id = format!("extension {}", number + 1);
            let mut extension = Source::window(Kind::Extension, id, *at, *at, None);
            extension.term = match *period {
                Period::Months(months) => Term::Months(months),
                Period::Unlimited => Term::Unlimited,
                Period::Nothing => Term::Nothing,
            };
            sources.push(extension);
        }
        if let Some(AccessWindow { from, until }) = self.trial {
            sources.push(Source::window(Kind::Trial, "trial".to_owned(), from, from, until));
        }
        sources
    }

    /// All sources: these and the purchases, each cut off where a cut is recorded.
    pub fn all(&self, purchases: &[Source]) -> Vec<Source> {
        let mut sources = self.sources();
        sources.extend(purchases.iter().cloned());
        for source in &mut sources {
            source.is_absorbed = self.host.is_some() && self.absorbed.contains(&source.id);
            let Some(cut) = self.cuts.get(&source.id) else { continue };
            // The provider has named a later end since.
            let has_moved = matches!(source.term, Term::Until { until, .. } if cut.end.is_some_and(|end| until > end));
            if !has_moved {
                source.ended = source.ended.map_or(Some(cut.at), |ended| Some(ended.min(cut.at)));
            }
        }
        sources
    }

    /// Begins the trial.
    pub fn begin_trial(&mut self, from: Instant, days: i32) {
        self.trial = Some(AccessWindow { from, until: days_after(from, u32::try_from(days).unwrap_or(0)) });
    }

    /// Adds a grant.
    pub fn grant(&mut self, from: Instant, until: Option<Instant>) {
        let number = self.grants.last().map_or(1, |last| last.number + 1);
        self.grants.push(Grant { number, window: AccessWindow { from, until } });
    }

    /// Takes back everything that gives access at an instant or later.
    pub fn take_back(&mut self, purchases: &[Source], at: Instant) {
        self.cut(purchases, at, |_| None);
    }

    fn cut(&mut self, purchases: &[Source], at: Instant, end: impl Fn(&Span) -> Option<Instant>) {
        let sources = self.all(purchases);
        for (source, span) in sources.iter().zip(lay(&sources)) {
            if let Some(span) = span.filter(|span| span.is_ahead(at)) {
                self.cuts.insert(source.id.clone(), Cut { at, end: end(&span) });
            }
        }
    }

    /// Takes in changes that somebody else has written to the row, so that the sources lead to exactly that row.
    /// Returns whether the row is to be withheld by hand.
    pub fn absorb(&mut self, row: &Written, purchases: &[Source], is_suspended: bool, now: Instant) -> bool {
        let sources = self.all(purchases);
        let expected = access(&sources, now);
        if self.written.as_ref().map_or(1, |written| written.units) != row.units {
            self.units = Some(row.units);
        }
        if self.written.as_ref().is_some_and(|written| written.renews != row.renews) {
            self.runs_out_since = (!row.renews).then_some(now);
        }
        match row.status {
            AccessStatus::Suspended => {
                let by_machine = matches!(expected, Some(Access::Withheld(..)));
                self.absorb_window(row, expected, purchases);
                is_suspended || !by_machine
            }
            AccessStatus::Cancelled => {
                let at = row.until.map_or(now, |until| until.min(now));
                self.cut(purchases, at, |_| None);
                false
            }
            AccessStatus::Pending => {
                (self.host, self.is_pending) = (Some(AccessWindow { from: row.from, until: row.until }), true);
                false
            }
            AccessStatus::Active | AccessStatus::Expired => {
                self.is_pending = false;
                self.absorb_window(row, expected, purchases);
                false
            }
        }
    }

    fn absorb_window(&mut self, row: &Written, expected: Option<Access>, purchases: &[Source]) {
        let shown = AccessWindow { from: row.from, until: row.until };
        let is_host = row.status != AccessStatus::Suspended;
        let (from, until) = match expected {
            Some(Access::Live(span) | Access::Lapsed(span)) => (span.from, span.until),
            Some(Access::Withheld(span, _)) if !is_host => (span.from, span.until),
            _ => {
                self.become_host(shown, purchases);
                return;
            }
        };
        if let Some(end) = row.until.filter(|&end| until.is_none_or(|until| until > end)) {
            self.cut(purchases, end, |span| span.until);
        } else if row.until != until || row.from < from {
            self.become_host(shown, purchases);
        }
    }

    /// The host's row stands for every source that existed.
    fn become_host(&mut self, shown: AccessWindow, purchases: &[Source]) {
        let there = self.all(purchases);
        self.absorbed = there.into_iter().filter(|source| source.kind != Kind::Host).map(|source| source.id).collect();
        self.host = Some(shown);
    }
}
