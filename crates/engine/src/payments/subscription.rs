//! What a provider says of a subscription.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::attempt::Share;
use super::merge_text;
use super::reports::{Reports, State};
use crate::time::Instant;

/// A subscription, known by the provider's own id: Stripe's `sub_…`, Lago's `lago_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Lago's external id, which several subscriptions share: a plan change ends one of them and begins another under
    /// the same id.
    #[serde(alias = "life", default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Reports::is_empty")]
    pub state: Reports<SubscriptionState>,
    /// Whether another subscription continues it after a change of plan.
    #[serde(default)]
    pub continues: bool,
    /// The period ends that the provider has named.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ends: BTreeSet<PeriodEnd>,
}

/// Where a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// It runs.
    Running {
        /// Whether it will be renewed, if known. It will not if it is to end with its period or at an instant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renews: Option<bool>,
        /// Whether the provider has given up on its payment, so that nothing it paid for counts meanwhile.
        #[serde(default)]
        is_unpaid: bool,
    },
    /// It is over.
    Ended {
        /// Since when, if that is said.
        at: Option<Instant>,
    },
    /// Another has taken its place.
    Replaced,
}

impl State for SubscriptionState {
    fn finality(&self) -> u8 {
        match self {
            SubscriptionState::Running { .. } => 0,
            SubscriptionState::Ended { .. } => 1,
            SubscriptionState::Replaced => 2,
        }
    }
}

/// The end of a period that a provider names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeriodEnd {
    /// Of which lines.
    pub of: Share,
    /// The end.
    pub until: Instant,
    /// When that was said.
    pub said_at: Instant,
    /// Whether the period is paid. It is not while the provider is still trying to collect the money for it
    /// (`past_due`) or collects nothing (`pause_collection`).
    pub is_paid: bool,
}

impl Subscription {
    /// Of several reports on one end the latest counts; of reports in the same second, the one that says it is paid.
    pub(super) fn merge(&mut self, other: Subscription) {
        self.external_id = merge_text(self.external_id.take(), other.external_id);
        self.state.merge(other.state);
        self.continues |= other.continues;
        self.ends.extend(other.ends);
        let all: Vec<PeriodEnd> = self.ends.iter().copied().collect();
        let is_latest = |end: &PeriodEnd| {
            let is_later = |other: &PeriodEnd| (other.said_at, other.is_paid) > (end.said_at, end.is_paid);
            !all.iter().any(|other| (other.of, other.until) == (end.of, end.until) && is_later(other))
        };
        self.ends.retain(is_latest);
    }

    /// The latest end up to which it is paid, for lines that the reports mention.
    pub fn paid_until(&self, of: impl Fn(&Share) -> bool) -> Option<Instant> {
        self.ends.iter().filter(|end| end.is_paid && of(&end.of)).map(|end| end.until).max()
    }
}

impl Reports<SubscriptionState> {
    /// Dates an undated end by the report that told it, and no end later than now.
    pub(super) fn date_ends(&mut self, now: Instant) {
        let date = |said_at: Instant, state| match state {
            SubscriptionState::Ended { at: Some(at) } => SubscriptionState::Ended { at: Some(at.min(now)) },
            SubscriptionState::Ended { at: None } if said_at == Instant::NEG_INFINITY => {
                SubscriptionState::Ended { at: Some(now) }
            }
            SubscriptionState::Ended { at: None } => SubscriptionState::Ended { at: Some(said_at.min(now)) },
            state => state,
        };
        *self = std::mem::take(self).map(date);
    }
}
