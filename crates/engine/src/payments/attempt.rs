//! Payment attempts, and the money that they took.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reports::{Reports, State};
use super::{merge_least, merge_most};
use crate::billing::BillingType;
use crate::currency::Provider;
use crate::money::Money;
use crate::time::Instant;

/// An object of the provider through which a checkout or a later period is paid: Stripe's sessions, payment intents,
/// charges and invoices, and Lago's invoices.
///
/// Several of them can be one payment: a session names its intent, and an `invoice_payment` names that of an invoice.
/// Each attempt keeps what it says itself, and `same_payment` keeps the ids of the others. [`super::payment`]
/// combines them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who told.
    pub provider: Provider,
    /// What it is.
    pub kind: AttemptKind,
    /// Its state; nothing if only its name is known.
    #[serde(default, skip_serializing_if = "Reports::is_empty")]
    pub state: Reports<AttemptState>,
    /// The money that was taken, tax and shipping included, in each currency that the provider names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<String, Money>,
    /// The tax and shipping on top of our prices, as a part of that. Tax that our prices include does not count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub on_top: BTreeMap<String, Money>,
    /// When the money was taken according to the provider, but no later than when we received the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Instant>,
    /// Ids of other attempts that belong to the same payment.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub same_payment: BTreeSet<String>,
    /// Ids of the subscriptions that it pays for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub subscriptions: BTreeSet<String>,
    /// The place of an invoice in the life of its subscription, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
    /// What an invoice says it pays for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lines: BTreeSet<InvoiceLine>,
    /// The checkout for which this payment was used before another checkout named it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<Uuid>,
}

/// What an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// A payment intent. Refunds and disputes name it, so its id is the preferred id of a payment.
    Intent,
    /// A charge of an intent.
    Charge,
    /// An invoice.
    Invoice,
    /// A session in which a shopper can pay.
    Session,
}

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// It can still be paid, possibly after a failed attempt.
    Open,
    /// The money is on its way.
    Processing,
    /// Nothing is due yet: a trial begins, or a card is only saved.
    Free,
    /// It was due and is not paid.
    Overdue,
    /// It will never be paid, with the provider's word for that.
    Ended(String),
    /// The money was taken.
    Paid,
}

impl State for AttemptState {
    /// Money that is due stays due until it is paid or given up. A collection attempt that fails or takes time
    /// changes nothing.
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
    /// It pays for a change in the middle of a period, not for a period.
    Proration,
}

/// Which lines of a checkout something is about: the lines of the named add-on; without one, the lines with this
/// billing type; without that too, all recurring lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share {
    /// The add-on in `metadata.add_on_id` of the item, its price or its product.
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
    /// An attempt about which nothing is known yet.
    pub fn new(provider: Provider, kind: AttemptKind) -> Attempt {
        Attempt {
            provider,
            kind,
            state: Reports::default(),
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

    /// What it took without tax and shipping, as one of this many equal parts, and the currency.
    pub fn share(&self, parts: usize) -> Option<(Money, &str)> {
        let (currency, &taken) = self.taken.first_key_value()?;
        let net = taken - self.on_top.get(currency).copied().unwrap_or(Money::ZERO);
        let share = Money::from_cents(net.cents() / parts.max(1) as i64);
        Some((share.clamp(Money::ZERO, Money::MAX), currency))
    }

    /// The end of the last period that it pays for.
    pub fn pays_until(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.until).max()
    }

    /// The ids of other objects that it names.
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
