//! Ways of paying, and the money they took.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::words::{State, Words};
use super::{merge_least, merge_most};
use crate::billing::BillingType;
use crate::currency::Provider;
use crate::money::Money;
use crate::time::Instant;

/// A thing of the provider by which a checkout, or a later period, is or was to be paid: Stripe's sessions, payment intents,
/// charges and invoices, Lago's invoices.
///
/// Several of them are one payment: a session names its intent, `invoice_payment` an invoice's. Each keeps what it says
/// itself, and `same_payment` the ids of the others; what they come to together is for [`super::payment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who told.
    pub provider: Provider,
    /// What it is.
    pub kind: AttemptKind,
    /// How far it has come; nothing where only its name was heard.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub state: Words<AttemptState>,
    /// The money actually taken, tax and shipping included, in each currency in which it is named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<String, Money>,
    /// What of that is tax and shipping on top of our prices. Tax that our prices include is not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub on_top: BTreeMap<String, Money>,
    /// When the money was taken, as the provider dates it, but no later than when we heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Instant>,
    /// Ids of other attempts that are the same payment.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub same_payment: BTreeSet<String>,
    /// Ids of the subscriptions that it pays for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub subscriptions: BTreeSet<String>,
    /// Where an invoice stands in the life of its subscription, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
    /// What an invoice says that it pays for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lines: BTreeSet<InvoiceLine>,
    /// The checkout that this payment was used for before another named it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<Uuid>,
}

/// What an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// A payment intent: refunds and disputes name it, so a payment is known by it first of all.
    Intent,
    /// A charge of an intent.
    Charge,
    /// An invoice.
    Invoice,
    /// A session in which somebody can pay.
    Session,
}

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// It can still be paid, perhaps after a try that failed.
    Open,
    /// The money is on its way.
    Processing,
    /// Nothing is to be paid yet: a trial begins, or a card is only kept.
    Free,
    /// It was due and is not paid.
    Overdue,
    /// It will never be paid, and what the provider calls that.
    Ended(String),
    /// The money was taken.
    Paid,
}

impl State for AttemptState {
    /// What is due stays due until it is paid or given up: a try to collect it that fails, or takes its time, changes nothing.
    fn finality(&self) -> u8 {
        match self {
            AttemptState::Paid => 3,
            AttemptState::Ended(_) => 2,
            AttemptState::Overdue => 1,
            AttemptState::Open | AttemptState::Processing | AttemptState::Free => 0,
        }
    }
}

/// The place of an invoice in the life of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cycle {
    /// The first.
    First,
    /// It pays for a later period.
    Later,
    /// It pays for a change in the middle of a period, and for no period.
    Proration,
}

/// Which of the lines of a checkout something is about: those of the add-on if one is named, else those that are billed so,
/// else all that are billed again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share {
    /// The add-on that `metadata.add_on_id` of the item, its price or its product names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_on_id: Option<Uuid>,
    /// The interval of the price: `Monthly` or `Annual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<BillingType>,
}

/// A line of an invoice that pays for a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// What it is for.
    pub of: Share,
    /// The end of the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// Its amount, tax not included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

impl Attempt {
    /// An attempt of which nothing is known yet.
    pub fn new(provider: Provider, kind: AttemptKind) -> Attempt {
        Attempt {
            provider,
            kind,
            state: Words::default(),
            taken: BTreeMap::new(),
            on_top: BTreeMap::new(),
            paid_at: None,
            same_payment: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
            cycle: None,
            lines: BTreeSet::new(),
            used_by: None,
        }
    }

    /// The ids of other things that it names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.same_payment.iter().chain(&self.subscriptions)
    }

    pub(super) fn merge(&mut self, other: Attempt) {
        self.provider = self.provider.min(other.provider);
        self.kind = self.kind.min(other.kind);
        self.state.merge(other.state);
        merge_most(&mut self.taken, other.taken);
        merge_most(&mut self.on_top, other.on_top);
        self.paid_at = merge_least(self.paid_at, other.paid_at);
        self.same_payment.extend(other.same_payment);
        self.subscriptions.extend(other.subscriptions);
        self.cycle = self.cycle.max(other.cycle);
        self.lines.extend(other.lines);
        self.used_by = merge_least(self.used_by, other.used_by);
    }
}
