//! What payment providers tell us, in our own terms (semantics 4 and 5).
//!
//! [`stripe`] and [`lago`] read a verified webhook body into an [`Event`]: what it says ([`News`]) and how to find the
//! purchases it is about ([`Reference`]). Nothing here knows what the purchases look like.

pub mod lago;
mod reader;
pub mod stripe;

use uuid::Uuid;

use super::currency::Provider;
use super::money::Money;
use super::time::Instant;

/// A webhook body in our terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When the provider says it happened, and the event's id: later news of a subscription replace earlier ones.
    pub order: (Instant, String),
    /// How to find what it is about.
    pub reference: Reference,
    /// What it says.
    pub news: News,
}

/// Everything in a body that can lead to purchases or subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Our checkout, named in the provider's metadata.
    pub checkout_id: Option<Uuid>,
    /// Ids under which the payment may be recorded in `stripe_payment_id`.
    pub payment_ids: Vec<String>,
    /// The invoice: in Lago recorded in `lago_invoice_id`.
    pub invoice_id: Option<String>,
    /// Ids of the subscription.
    pub subscription_ids: Vec<String>,
}

/// What was charged. A provider may add tax and shipping, so several amounts are ours if they equal what we expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The amounts to compare with ours; none when the body names none.
    pub amounts: Vec<Money>,
    /// The currency in capital letters, when the body names it.
    pub currency: Option<String>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The checkout is paid.
    Paid {
        /// What was charged.
        charge: Charge,
    },
    /// The checkout is done, and the money is still on its way.
    AwaitingPayment,
    /// The checkout will never be paid.
    Failed {
        /// What the provider calls it.
        reason: String,
    },
    /// One attempt to pay failed; another may succeed.
    AttemptFailed,
    /// So much was paid back, all refunds together.
    Refunded {
        /// The running total.
        total: Money,
        /// The currency in capital letters, when the body names it.
        currency: Option<String>,
    },
    /// The payment is contested.
    DisputeOpened {
        /// The dispute.
        dispute_id: String,
    },
    /// A dispute was decided.
    DisputeClosed {
        /// The dispute.
        dispute_id: String,
        /// Whether the money stays with us.
        won: bool,
    },
    /// An invoice of a subscription was paid: the first, or a renewal.
    InvoicePaid {
        /// What was charged.
        charge: Charge,
        /// Whether it is the subscription's first, later, or not said to be either.
        cycle: Cycle,
        /// The end of the period it pays for.
        period_end: Option<Instant>,
    },
    /// An invoice was made out.
    InvoiceCreated,
    /// An invoice was not paid in time.
    InvoiceOverdue,
    /// A subscription runs, under these terms.
    SubscriptionChanged {
        /// Whether it will be renewed; `None` when the body does not say.
        auto_renew: Option<bool>,
        /// Whether access is withheld because payments are missing.
        on_hold: bool,
        /// The end of its current period.
        period_end: Option<Instant>,
    },
    /// A subscription is over.
    SubscriptionEnded {
        /// Since when; `None` for now.
        ended_at: Option<Instant>,
    },
    /// Nothing that concerns us.
    Unknown,
}

/// The place of an invoice in the life of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cycle {
    /// It pays for the first period.
    First,
    /// It pays for a later period.
    Later,
    /// The body does not say.
    Unsaid,
}

impl Charge {
    /// What was charged, as the provider counts it.
    fn of(provider: Provider, amounts: impl IntoIterator<Item = i64>, currency: Option<String>) -> Charge {
        let code = currency.as_deref().unwrap_or_default();
        let amounts = amounts.into_iter().filter_map(|amount| provider.from_minor_units(amount, code)).collect();
        Charge { amounts, currency }
    }
}

#[cfg(test)]
mod tests;
