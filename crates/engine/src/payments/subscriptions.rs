//! The subscriptions that a checkout has begun.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::payment::{Payment, Progress, payments};
use super::reports::State;
use super::sale::Line;
use super::subscription::{Subscription, SubscriptionState};
use crate::time::Instant;

/// The subscriptions of a checkout, grouped by their external ids: a plan change in Lago ends one subscription and
/// continues with another.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionGroups<'a> {
    groups: BTreeMap<&'a str, Vec<(&'a str, &'a Subscription)>>,
    /// Whether an invoice of a subscription is overdue.
    pub is_overdue: bool,
}

/// The state of a payment's subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionStatus {
    /// Its id.
    pub id: Option<String>,
    /// When it ended.
    pub ended: Option<Instant>,
    /// Whether its payment was given up.
    pub is_unpaid: bool,
    /// Whether it will be renewed, if known.
    pub renews: Option<bool>,
}

impl<'a> SubscriptionGroups<'a> {
    /// The groups that the facts tell of.
    pub fn of(facts: &'a Facts) -> SubscriptionGroups<'a> {
        let mut groups: BTreeMap<&str, Vec<(&str, &Subscription)>> = BTreeMap::new();
        for (id, subscription) in &facts.subscriptions {
            let group = subscription.external_id.as_deref().unwrap_or(id);
            groups.entry(group).or_default().push((id, subscription));
        }
        let is_overdue = payments(facts).iter().any(|payment| payment.progress() == Progress::Overdue);
        SubscriptionGroups { groups, is_overdue }
    }

    /// The groups that a payment belongs to: the ones that it names, or all if it names none that is known.
    fn of_names(&self, payment: &Payment) -> BTreeSet<&'a str> {
        let names = payment.subscriptions();
        let is_named = |group: &str, members: &[(&str, &Subscription)]| {
            names.contains(group) || members.iter().any(|(id, _)| names.contains(id))
        };
        let named: BTreeSet<&str> =
            self.groups.iter().filter(|(group, members)| is_named(group, members)).map(|(&group, _)| group).collect();
        if named.is_empty() && names.is_empty() { self.groups.keys().copied().collect() } else { named }
    }

    /// Whether a payment belongs to a group.
    pub fn belongs(&self, payment: &Payment, group: &str) -> bool {
        self.of_names(payment).contains(group)
    }

    /// The state of a payment's subscription: that of the group that lasts longest.
    pub fn of_payment(&self, payment: &Payment) -> SubscriptionStatus {
        let groups: Vec<(&str, &Vec<(&str, &Subscription)>)> =
            self.of_names(payment).into_iter().filter_map(|group| Some((group, self.groups.get(group)?))).collect();
        if groups.is_empty() {
            return SubscriptionStatus {
                id: payment.subscriptions().first().map(|&id| id.to_owned()),
                ..SubscriptionStatus::default()
            };
        }
        let ends: Option<Vec<Instant>> = groups.iter().map(|(_, members)| end_of(members)).collect();
        let members = || groups.iter().flat_map(|(_, members)| members.iter()).map(|(_, subscription)| *subscription);
        let running = |subscription: &Subscription| match subscription.state.last() {
            Some(SubscriptionState::Running { renews, is_unpaid }) => {
                Some((subscription.state.at(), *renews, *is_unpaid))
            }
            _ => None,
        };
        let latest = members().filter_map(running).max();
        SubscriptionStatus {
            id: groups.iter().filter_map(|(_, members)| current(members)).next().map(str::to_owned),
            ended: ends.and_then(|ends| ends.into_iter().max()),
            is_unpaid: latest.is_some_and(|(_, _, is_unpaid)| is_unpaid),
            renews: latest.and_then(|(_, renews, _)| renews),
        }
    }

    /// Whether the subscription that a payment names is over.
    pub fn has_ended(&self, payment: &Payment) -> bool {
        !payment.subscriptions().is_empty() && self.of_payment(payment).ended.is_some()
    }

    /// The ends of periods up to which a line is paid, the earliest first, each with its group.
    pub fn paid_ends(&self, line: &Line) -> Vec<(&'a str, Instant)> {
        let mut ends: Vec<(Instant, &str)> = Vec::new();
        for (&group, members) in &self.groups {
            for (_, subscription) in members {
                let of_line = subscription.ends.iter().filter(|end| end.is_paid && end.of.covers(line));
                ends.extend(of_line.map(|end| (end.until, group)));
            }
        }
        ends.sort_unstable();
        ends.into_iter().map(|(until, group)| (group, until)).collect()
    }
}

/// The latest subscription of a group.
fn current<'a>(members: &[(&'a str, &Subscription)]) -> Option<&'a str> {
    let runs = |subscription: &Subscription| subscription.state.last().is_some_and(|state| state.finality() == 0);
    members.iter().max_by_key(|(id, subscription)| (runs(subscription), *id)).map(|(id, _)| *id)
}

/// When a group ended: when all its subscriptions have ended, unless one of them continues with another that has not
/// ended.
fn end_of(members: &[(&str, &Subscription)]) -> Option<Instant> {
    let end = |subscription: &Subscription| {
        let ends = subscription.state.latest().into_iter().filter_map(|state| match state {
            SubscriptionState::Ended { at } => Some(at.unwrap_or(Instant::NEG_INFINITY)),
            _ => None,
        });
        ends.min()
    };
    let is_replaced = |subscription: &Subscription| subscription.state.last() == Some(&SubscriptionState::Replaced);
    let lasting: Vec<&Subscription> = members
        .iter()
        .map(|(_, subscription)| *subscription)
        .filter(|subscription| !is_replaced(subscription))
        .collect();
    let ends: Option<Vec<Instant>> = lasting.into_iter().map(end).collect();
    ends.and_then(|ends| ends.into_iter().max())
}
