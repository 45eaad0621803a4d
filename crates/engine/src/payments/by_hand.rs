//! What people say by calling functions. These calls are facts like any other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::money::Money;
use crate::time::Instant;

/// A call by hand. Calls are numbered in the order in which they were made, because each sees the effects of the
/// earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// It is paid.
    Completed {
        /// When that was said.
        at: Instant,
        /// The payment in Stripe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stripe: Option<String>,
        /// The invoice in Lago.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lago: Option<String>,
        /// How it was paid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
    },
    /// It will not be paid.
    Failed {
        /// When that was said.
        at: Instant,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// This much of a purchase was paid back.
    Refunded {
        /// When that was said.
        at: Instant,
        /// The purchase.
        purchase: Uuid,
        /// How much.
        amount: Money,
    },
    /// A purchase is contested.
    Disputed {
        /// When that was said.
        at: Instant,
        /// The purchase.
        purchase: Uuid,
    },
    /// Disputes about a purchase have been decided.
    Resolved {
        /// When that was said.
        at: Instant,
        /// The purchase.
        purchase: Uuid,
        /// Whether we keep the money.
        won: bool,
        /// The provider's disputes that were open.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        disputes: BTreeSet<String>,
    },
    /// Somebody has dealt with a payment that was not applied.
    Settled {
        /// When that was said.
        at: Instant,
        /// The payment.
        payment: String,
        /// What was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
}

impl ByHand {
    /// The purchase that it is about.
    pub fn purchase(&self) -> Option<Uuid> {
        match self {
            ByHand::Refunded { purchase, .. }
            | ByHand::Disputed { purchase, .. }
            | ByHand::Resolved { purchase, .. } => Some(*purchase),
            ByHand::Completed { .. } | ByHand::Failed { .. } | ByHand::Settled { .. } => None,
        }
    }
}
