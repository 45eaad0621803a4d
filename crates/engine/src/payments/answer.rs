//! What an event is answered with (semantics 4.6).

use std::collections::BTreeSet;

use super::attempt::{Attempt, AttemptKind, AttemptState};
use super::derive::{Outcome, Unsettled};
use super::dispute::DisputeState;
use super::facts::{Fact, Object};
use super::payment::Reason;
use super::refund::RefundState;
use super::subscription::SubscriptionState;
use crate::money::Money;
use crate::purchases::PurchaseStatus;

/// What was done because of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It says nothing of payments.
    Ignored,
    /// It names a checkout of ours that does not exist yet.
    NotFound,
    /// It names nothing of ours.
    NotOurs,
    /// Its payment does not pay for the sale.
    Refused,
    /// A dispute has a status that nobody here knows.
    UnknownStatus,
    /// A payment is still to come.
    AwaitingPayment,
    /// Nothing follows from it.
    Noted,
    /// Nothing follows from it before the sale is paid.
    NotedUntilPaid,
    /// The payment pays for the sale.
    Completed,
    /// The payment pays for a later period.
    Renewed,
    /// Something else has paid already.
    AlreadyPaid,
    /// Access waits for an overdue payment.
    Suspended,
    /// An invoice is to be paid.
    InvoiceRecorded,
    /// The sale will not be paid.
    Failed,
    /// This attempt to pay is over, others are not.
    AttemptEnded,
    /// This attempt to pay has failed and can be repeated.
    PaymentAttemptFailed,
    /// An id of a payment is known now.
    Linked,
    /// Everything was paid back.
    Refunded,
    /// A part was paid back.
    PartiallyRefunded,
    /// A refund did not succeed.
    RefundFailed,
    /// A payment is contested.
    Disputed,
    /// A question that may become a dispute.
    Inquiry,
    /// The money stays.
    DisputeWon,
    /// The money is gone.
    DisputeLost,
    /// A subscription is over.
    SubscriptionEnded,
    /// A subscription has changed.
    SubscriptionUpdated,
}

impl Action {
    /// The word that callers see.
    pub fn name(self) -> &'static str {
        match self {
            Action::Ignored => "ignored",
            Action::NotFound => "not_found",
            Action::NotOurs => "not_ours",
            Action::Refused => "refused",
            Action::UnknownStatus => "unknown_status",
            Action::AwaitingPayment => "awaiting_payment",
            Action::Noted => "noted",
            Action::NotedUntilPaid => "noted_until_paid",
            Action::Completed => "completed",
            Action::Renewed => "renewed",
            Action::AlreadyPaid => "already_paid",
            Action::Suspended => "suspended",
            Action::InvoiceRecorded => "invoice_recorded",
            Action::Failed => "failed",
            Action::AttemptEnded => "attempt_ended",
            Action::PaymentAttemptFailed => "payment_attempt_failed",
            Action::Linked => "linked",
            Action::Refunded => "refunded",
            Action::PartiallyRefunded => "partially_refunded",
            Action::RefundFailed => "refund_failed",
            Action::Disputed => "disputed",
            Action::Inquiry => "inquiry",
            Action::DisputeWon => "dispute_won",
            Action::DisputeLost => "dispute_lost",
            Action::SubscriptionEnded => "subscription_ended",
            Action::SubscriptionUpdated => "subscription_updated",
        }
    }

    /// Whether the event is about something of ours.
    pub fn is_about_ours(self) -> bool {
        !matches!(self, Action::Ignored | Action::NotFound | Action::NotOurs)
    }

    /// Whether the event was applied.
    pub fn is_handled(self) -> bool {
        self.is_about_ours() && !matches!(self, Action::Refused | Action::UnknownStatus)
    }
}

/// What an event came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was done.
    pub action: Action,
    /// The payment that was refused.
    pub refusal: Option<Refusal>,
}

/// A payment that does not pay for the sale that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its id.
    pub payment_id: String,
    /// Why.
    pub reason: Reason,
    /// The money that was taken.
    pub received: (Money, String),
    /// How much of it is tax and shipping. Without it, what was expected and received could be the same.
    pub on_top: Option<(Money, String)>,
}

impl Refusal {
    /// What the event itself says of its payment comes first.
    fn of(payment: &Unsettled, attempt: &Attempt, currency: &str) -> Refusal {
        let taken = attempt.taken.get_key_value(currency).or_else(|| attempt.taken.iter().next());
        let amount = |(currency, amount): (&String, &Money)| (*amount, currency.clone());
        Refusal {
            payment_id: payment.id.clone(),
            reason: match taken {
                Some((other, _)) if other != currency => Reason::CurrencyMismatch,
                _ => payment.reason,
            },
            received: taken.map_or_else(|| (payment.amount, payment.currency.clone()), amount),
            on_top: taken.and_then(|(currency, _)| attempt.on_top.get_key_value(currency)).map(amount),
        }
    }
}

impl Answer {
    /// The answer to an event without further details.
    pub fn only(action: Action) -> Answer {
        Answer { action, refusal: None }
    }

    /// The answer to an event with these facts about a sale in this currency, given what follows from all facts.
    pub fn of(facts: &[&Fact], currency: &str, after: &Outcome) -> Answer {
        let Some(main) = facts.iter().max_by_key(|fact| weight(&fact.object)) else {
            return Answer::only(Action::Ignored);
        };
        let ids = main.ids();
        let unsettled = after.unsettled.iter().find(|payment| ids.iter().any(|id| payment.ids.contains(*id)));
        let action = match &main.object {
            Object::Attempt(attempt) if attempt.state.last() == Some(&AttemptState::Paid) => match unsettled {
                // Its session or invoice has yet to say how much of it is tax.
                Some(payment) if payment.may_include_tax && after.settled_by.is_none() => Action::AwaitingPayment,
                Some(payment) => {
                    let refusal = Some(Refusal::of(payment, attempt, currency));
                    return Answer { action: Action::Refused, refusal };
                }
                None => of_attempt(&main.id, attempt, after),
            },
            Object::Attempt(attempt) => of_attempt(&main.id, attempt, after),
            Object::Refund(refund) if refund.state.last() == Some(&RefundState::Failed) => Action::RefundFailed,
            Object::Refund(_) | Object::RefundTotal(_) if unsettled.is_some() => Action::Noted,
            Object::Refund(_) | Object::RefundTotal(_) => of_refund(&ids, after),
            Object::Dispute(_) if unsettled.is_some() => Action::Noted,
            Object::Dispute(_) if after.settled_by.is_none() => Action::NotedUntilPaid,
            Object::Dispute(dispute) => match dispute.state.last() {
                Some(DisputeState::Open) => Action::Disputed,
                Some(DisputeState::Inquiry) => Action::Inquiry,
                Some(DisputeState::Kept) => Action::DisputeWon,
                Some(DisputeState::Lost) => Action::DisputeLost,
                None => Action::UnknownStatus,
            },
            Object::Subscription(subscription) => match subscription.state.last() {
                Some(SubscriptionState::Ended { .. }) => Action::SubscriptionEnded,
                _ => Action::SubscriptionUpdated,
            },
        };
        Answer::only(action)
    }
}

/// The fact of an event that the event is about has the highest weight.
fn weight(object: &Object) -> u8 {
    match object {
        Object::Dispute(_) => 6,
        Object::Refund(_) => 5,
        // Every charge has one.
        Object::RefundTotal(total) if total.total.last() == Some(&Money::ZERO) => 0,
        Object::RefundTotal(_) => 4,
        Object::Subscription(_) => 3,
        Object::Attempt(attempt) if !attempt.state.is_empty() => 2,
        Object::Attempt(_) => 1,
    }
}

fn of_attempt(id: &str, attempt: &Attempt, after: &Outcome) -> Action {
    let is_of = |ids: &BTreeSet<String>| ids.contains(id);
    let has_settled = after.settled_by.as_ref().is_some_and(|settled| is_of(&settled.ids));
    match attempt.state.last() {
        Some(AttemptState::Paid) if has_settled => Action::Completed,
        Some(AttemptState::Paid) if after.renewals.iter().any(|renewal| is_of(&renewal.payment.ids)) => Action::Renewed,
        Some(AttemptState::Paid) => Action::Noted,
        Some(AttemptState::Overdue) if has_settled => Action::AlreadyPaid,
        Some(AttemptState::Overdue) => Action::Suspended,
        Some(AttemptState::Processing) if attempt.kind == AttemptKind::Invoice => Action::InvoiceRecorded,
        Some(AttemptState::Processing | AttemptState::Free) => Action::AwaitingPayment,
        Some(AttemptState::Ended(_)) if after.failure.is_some() => Action::Failed,
        Some(AttemptState::Ended(_)) if after.settled_by.is_some() => Action::AlreadyPaid,
        Some(AttemptState::Ended(_)) => Action::AttemptEnded,
        Some(AttemptState::Open) => Action::PaymentAttemptFailed,
        None => Action::Linked,
    }
}

fn of_refund(ids: &BTreeSet<&str>, after: &Outcome) -> Action {
    let is_of = |known: &BTreeSet<String>| ids.iter().any(|id| known.contains(*id));
    let mut lines = Vec::new();
    if after.settled_by.as_ref().is_some_and(|settled| is_of(&settled.ids)) {
        lines.extend(&after.lines);
    }
    lines.extend(after.renewals.iter().filter(|renewal| is_of(&renewal.payment.ids)).map(|renewal| &renewal.outcome));
    let is_whole = |status| status == PurchaseStatus::Refunded;
    match () {
        () if lines.is_empty() && after.settled_by.is_none() => Action::NotedUntilPaid,
        () if lines.iter().all(|line| line.refunded == Money::ZERO && !is_whole(line.status)) => Action::Noted,
        () if lines.iter().all(|line| is_whole(line.status)) => Action::Refunded,
        () => Action::PartiallyRefunded,
    }
}
