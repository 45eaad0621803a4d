//! Refunds, reported one by one or as a charge's running total.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reports::{Reports, State};
use super::{merge_least, merge_text};
use crate::money::Money;
use crate::time::Instant;

/// A refund, known by its id. Lago's credit notes are refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Ids of the charge, payment intent or invoice that it pays back.
    pub payments: BTreeSet<String>,
    /// The amount, which is the same in all events about one refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// Its currency, in capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When the provider made it, which can be earlier than the events about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Instant>,
    /// What became of it.
    pub state: Reports<RefundState>,
}

/// What became of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// The money is on its way back, or has arrived.
    Counts,
    /// It failed or was cancelled: we keep the money.
    Failed,
}

impl State for RefundState {
    fn finality(&self) -> u8 {
        u8::from(*self == RefundState::Failed)
    }
}

/// The running total of what a charge has paid back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundTotal {
    /// Ids of the charge's payment intent and invoice, as far as they are named.
    pub payments: BTreeSet<String>,
    /// What the charge had taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Money>,
    /// The currency of both, in capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The total.
    pub total: Reports<Money>,
}

impl State for Money {}

impl Refund {
    pub(super) fn merge(&mut self, other: Refund) {
        self.payments.extend(other.payments);
        self.amount = self.amount.max(other.amount);
        self.currency = merge_text(self.currency.take(), other.currency);
        self.made_at = merge_least(self.made_at, other.made_at);
        self.state.merge(other.state);
    }

    /// Whether it counts.
    pub fn counts(&self) -> bool {
        self.state.last() == Some(&RefundState::Counts)
    }
}

impl RefundTotal {
    pub(super) fn merge(&mut self, other: RefundTotal) {
        self.payments.extend(other.payments);
        self.taken = self.taken.max(other.taken);
        self.currency = merge_text(self.currency.take(), other.currency);
        self.total.merge(other.total);
    }
}
