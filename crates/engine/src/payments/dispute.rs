//! Contested payments.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::merge_text;
use super::reports::{Reports, State};
use crate::money::Money;

/// A dispute, known by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Ids of the charge, payment intent or invoice that is contested.
    pub payments: BTreeSet<String>,
    /// The contested amount; all of the payment if no amount is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// Its currency, in capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Reports::is_empty")]
    pub state: Reports<DisputeState>,
    /// Statuses that we do not know. They are stored, but change nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unknown: BTreeSet<String>,
}

/// Where a dispute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// An inquiry, which moves no money.
    Inquiry,
    /// Undecided: the money is withheld.
    Open,
    /// The money stays with us.
    Kept,
    /// The money is gone.
    Lost,
}

impl State for DisputeState {
    fn finality(&self) -> u8 {
        u8::from(matches!(self, DisputeState::Kept | DisputeState::Lost))
    }
}

impl Dispute {
    pub(super) fn merge(&mut self, other: Dispute) {
        self.payments.extend(other.payments);
        self.amount = self.amount.max(other.amount);
        self.currency = merge_text(self.currency.take(), other.currency);
        self.state.merge(other.state);
        self.unknown.extend(other.unknown);
    }
}
