//! All facts about one checkout.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attempt::{Attempt, AttemptState};
use super::by_hand::ByHand;
use super::dispute::{Dispute, DisputeState};
use super::refund::{Refund, RefundTotal};
use super::subscription::Subscription;
use crate::time::Instant;

/// A fact about one object of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The provider's id of the object.
    pub id: String,
    /// The checkout that it names as ours, in `metadata.checkout_id` or wherever else our marker is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_id: Option<Uuid>,
    /// What is said.
    pub object: Object,
}

/// A thing of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A way of paying.
    Attempt(Attempt),
    /// A refund.
    Refund(Refund),
    /// The total refunds of a charge, under the charge's id.
    RefundTotal(RefundTotal),
    /// A dispute.
    Dispute(Dispute),
    /// A subscription.
    Subscription(Subscription),
}

impl Fact {
    /// The fact as it is stored when it arrives at an instant. An event dated later than that instant is dated to it,
    /// and so is the undated end of a subscription.
    pub fn heard_at(mut self, now: Instant) -> Fact {
        match &mut self.object {
            Object::Attempt(attempt) => {
                let is_paid = attempt.state.last() == Some(&AttemptState::Paid);
                attempt.paid_at = attempt.paid_at.map(|at| at.min(now)).or(is_paid.then_some(now));
            }
            Object::Subscription(subscription) => subscription.state.date_ends(now),
            _ => {}
        }
        self
    }

    /// The ids that can lead to what is already known: the fact's own id, and those of other objects that it names.
    pub fn ids(&self) -> BTreeSet<&str> {
        let named: Vec<&String> = match &self.object {
            Object::Attempt(attempt) => attempt.names().collect(),
            Object::Refund(refund) => refund.payments.iter().collect(),
            Object::RefundTotal(total) => total.payments.iter().collect(),
            Object::Dispute(dispute) => dispute.payments.iter().collect(),
            Object::Subscription(subscription) => subscription.external_id.iter().collect(),
        };
        named.into_iter().chain([&self.id]).map(String::as_str).collect()
    }
}

/// All that is known of one checkout and the subscription that it began, or of a stand-alone purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Ways of paying, by the provider's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attempts: BTreeMap<String, Attempt>,
    /// Refunds, by their id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refunds: BTreeMap<String, Refund>,
    /// Running totals of refunds, by the charge's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refund_totals: BTreeMap<String, RefundTotal>,
    /// Disputes, by their id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disputes: BTreeMap<String, Dispute>,
    /// Subscriptions, by the provider's own id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subscriptions: BTreeMap<String, Subscription>,
    /// Calls by hand, by their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_hand: BTreeMap<u32, ByHand>,
}

impl Facts {
    /// Merges a fact from a provider.
    pub fn learn(&mut self, fact: Fact) {
        let Fact { id, object, .. } = fact;
        let mut told = Facts::default();
        match object {
            Object::Attempt(attempt) => _ = told.attempts.insert(id, attempt),
            Object::Refund(refund) => _ = told.refunds.insert(id, refund),
            Object::RefundTotal(total) => _ = told.refund_totals.insert(id, total),
            Object::Dispute(dispute) => _ = told.disputes.insert(id, dispute),
            Object::Subscription(subscription) => _ = told.subscriptions.insert(id, subscription),
        }
        self.merge(told);
    }

    /// Adds a call by hand.
    pub fn add_call(&mut self, call: ByHand) {
        let number = self.by_hand.last_key_value().map_or(1, |(last, _)| last + 1);
        self.by_hand.insert(number, call);
    }

    /// Disputes that the provider has reported and not decided yet.
    pub fn open_disputes(&self) -> BTreeSet<String> {
        let open = self.disputes.iter().filter(|(_, dispute)| dispute.state.last() == Some(&DisputeState::Open));
        open.map(|(id, _)| id.clone()).collect()
    }

    /// Merges other facts. Order and repetition do not matter.
    pub fn merge(&mut self, other: Facts) {
        merge_each(&mut self.attempts, other.attempts, Attempt::merge);
        merge_each(&mut self.refunds, other.refunds, Refund::merge);
        merge_each(&mut self.refund_totals, other.refund_totals, RefundTotal::merge);
        merge_each(&mut self.disputes, other.disputes, Dispute::merge);
        merge_each(&mut self.subscriptions, other.subscriptions, Subscription::merge);
        merge_each(&mut self.by_hand, other.by_hand, |call, other| {
            if other > *call {
                *call = other;
            }
        });
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    /// Every id by which a provider could refer to something known here.
    pub fn ids(&self) -> BTreeSet<&str> {
        let mut ids: BTreeSet<&str> = self.attempts.keys().map(String::as_str).collect();
        ids.extend(self.attempts.values().flat_map(Attempt::names).map(String::as_str));
        ids.extend(self.refunds.keys().map(String::as_str));
        ids.extend(self.refund_totals.keys().map(String::as_str));
        ids.extend(self.disputes.keys().map(String::as_str));
        // Refunds and disputes may use an id that no attempt has mentioned.
        let refunds = self.refunds.values().flat_map(|refund| &refund.payments);
        let totals = self.refund_totals.values().flat_map(|total| &total.payments);
        let disputes = self.disputes.values().flat_map(|dispute| &dispute.payments);
        ids.extend(refunds.chain(totals).chain(disputes).map(String::as_str));
        for (id, subscription) in &self.subscriptions {
            ids.extend([id.as_str()].into_iter().chain(subscription.external_id.as_deref()));
        }
        for call in self.by_hand.values() {
            if let ByHand::Completed { stripe, lago, .. } = call {
                ids.extend(stripe.as_deref().into_iter().chain(lago.as_deref()));
            }
        }
        ids
    }
}

fn merge_each<K: Ord, T>(known: &mut BTreeMap<K, T>, told: BTreeMap<K, T>, merge: impl Fn(&mut T, T)) {
    for (key, other) in told {
        match known.get_mut(&key) {
            Some(one) => merge(one, other),
            None => _ = known.insert(key, other),
        }
    }
}
