//! A sale and what is known of it: the input from which outcomes are derived.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::attempt::Share;
use super::facts::Facts;
use crate::billing::BillingType;
use crate::money::Money;
use crate::time::Instant;

/// A line of a checkout, as it was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The purchase.
    pub purchase_id: Uuid,
    /// What was bought.
    pub add_on_id: Uuid,
    /// What it cost.
    pub amount: Money,
    /// How it is charged.
    pub billing: BillingType,
    /// When it was bought; its payment cannot be earlier.
    pub bought_at: Instant,
}

/// A checkout's lines in add-on id order, or a stand-alone purchase, with everything else that is known.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    /// The lines.
    pub lines: &'a [Line],
    /// Their currency, in capitals.
    pub currency: &'a str,
    /// What providers and people said.
    pub facts: &'a Facts,
    /// Purchases that already stand for later payments.
    pub renewals: &'a [KnownRenewal],
    /// Whether it has failed and its uses cannot be claimed again, so that a payment comes too late.
    pub is_gone: bool,
}

/// The purchase that stands for the part of a later payment that pays for one add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRenewal {
    /// The purchase.
    pub purchase_id: Uuid,
    /// What it renews.
    pub add_on_id: Uuid,
    /// The payment, in Stripe.
    pub stripe: Option<String>,
    /// The payment, in Lago.
    pub lago: Option<String>,
    /// The id of the payment at the time when the purchase was recorded.
    pub payment: Option<String>,
}

impl KnownRenewal {
    /// Whether it stands for this part of this payment.
    pub fn is_of(&self, ids: &BTreeSet<impl AsRef<str> + Ord>, add_on_id: Uuid) -> bool {
        let names = |id: &Option<String>| id.as_deref().is_some_and(|id| ids.iter().any(|one| one.as_ref() == id));
        self.add_on_id == add_on_id && (names(&self.stripe) || names(&self.lago) || names(&self.payment))
    }
}

impl Share {
    /// Whether it is about a line.
    pub fn covers(&self, line: &Line) -> bool {
        match (self.add_on_id, self.billing) {
            (Some(add_on_id), _) => add_on_id == line.add_on_id,
            (None, Some(billing)) => billing == line.billing,
            (None, None) => line.billing != BillingType::OneTime,
        }
    }
}
