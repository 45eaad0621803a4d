//! Refunds and disputes of the purchases of a payment (semantics 4.4).

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::by_hand::ByHand;
use super::dispute::DisputeState;
use super::facts::Facts;
use super::payment::Payment;
use crate::money::{Money, Unit};
use crate::purchases::PurchaseStatus;
use crate::split::split;
use crate::time::Instant;

/// What became of the money of one purchase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reversals {
    /// What was paid back.
    pub refunded: Money,
    /// Whether that is all.
    pub is_whole: bool,
    /// Whether it is contested.
    pub is_disputed: bool,
}

impl Reversals {
    /// The status of a purchase that was paid.
    pub fn status(self) -> PurchaseStatus {
        match self {
            Reversals { is_whole: true, .. } => PurchaseStatus::Refunded,
            Reversals { is_disputed: true, .. } => PurchaseStatus::Disputed,
            _ => PurchaseStatus::Completed,
        }
    }
}

/// What people said of one purchase by its id.
#[derive(Clone, Debug, Default)]
struct ByName {
    /// Refunds, the earliest first.
    refunds: Vec<(Instant, Money)>,
    /// Whether somebody declared it refunded in full although it cost nothing.
    is_whole: bool,
    /// Whether it is contested.
    is_disputed: bool,
    /// Disputes that were decided, and how.
    decided: Vec<(BTreeSet<String>, bool)>,
    /// Whether a dispute that was only entered by hand is lost.
    is_lost: bool,
}

fn by_name(facts: &Facts, purchases: &[Uuid]) -> Vec<ByName> {
    let mut all = vec![ByName::default(); purchases.len()];
    if facts.by_hand.values().all(|call| call.purchase().is_none()) {
        return all;
    }
    let places: HashMap<Uuid, usize> = purchases.iter().copied().zip(0..).collect();
    for call in facts.by_hand.values() {
        let Some(said) = call.purchase().and_then(|id| places.get(&id)).and_then(|&place| all.get_mut(place)) else {
            continue;
        };
        match call {
            ByHand::Refunded { at, amount, .. } => {
                said.refunds.push((*at, *amount));
                said.is_whole |= *amount == Money::ZERO;
            }
            ByHand::Disputed { .. } => said.is_disputed = true,
            ByHand::Resolved { won, disputes, .. } => {
                said.is_lost |= !won && (said.is_disputed || disputes.is_empty());
                said.is_disputed = false;
                said.decided.push((disputes.clone(), *won));
            }
            ByHand::Completed { .. } | ByHand::Failed { .. } | ByHand::Settled { .. } => {}
        }
    }
    all
}

/// What became of the money of each purchase of a payment, given the purchases' amounts.
///
/// Refunds of named purchases count towards the provider's refunds, because the backend's refund of a purchase and
/// the provider's event are about the same money. The rest is split in proportion to what is left of each purchase. A
/// purchase that cost nothing ends with the payment, once the provider has paid back everything that was not refunded
/// by name.
pub fn reversed(facts: &Facts, payment: &Payment, purchases: &[Uuid], amounts: &[Money], unit: Unit) -> Vec<Reversals> {
    let total: Money = amounts.iter().copied().sum();
    let mut said = by_name(facts, purchases);
    take_back_failed(payment, total, &mut said, unit);
    let disputes = Disputes::of(payment, total, amounts, &said, unit);
    let by_name: Vec<Money> = said.iter().zip(amounts).map(|(said, &amount)| said.refunded(amount)).collect();
    let mut refunded = by_name.clone();
    let named: Money = by_name.iter().copied().sum();
    let unexplained = payment.refunded().of(total, unit) - named;
    for more in [unexplained.max(Money::ZERO), disputes.lost] {
        let left: Vec<Money> = amounts.iter().zip(&refunded).map(|(&amount, &refunded)| amount - refunded).collect();
        let more = more.min(left.iter().copied().sum());
        refunded.iter_mut().zip(split(more, &left, unit)).for_each(|(refunded, part)| *refunded += part);
    }
    let by_provider: Money = refunded.iter().copied().sum::<Money>() - named;
    let is_all = by_provider > Money::ZERO && by_provider == total - named;
    let reversals = |place: usize| {
        let (said, amount) = (&said[place], amounts[place]);
        let refunded = (refunded[place] + disputes.lost_by_hand[place]).min(amount);
        Reversals {
            refunded,
            is_whole: match amount {
                Money::ZERO => is_all || said.is_whole || said.is_lost,
                amount => refunded >= amount,
            },
            is_disputed: disputes.is_open[place] || said.is_disputed,
        }
    };
    (0..amounts.len()).map(reversals).collect()
}

/// The result of a payment's disputes.
struct Disputes {
    /// The amount that the provider reports as lost.
    lost: Money,
    /// The amount of each purchase that people declared lost.
    lost_by_hand: Vec<Money>,
    /// Whether each purchase is still contested.
    is_open: Vec<bool>,
}

impl Disputes {
    fn of(payment: &Payment, total: Money, amounts: &[Money], said: &[ByName], unit: Unit) -> Disputes {
        let nothing = vec![Money::ZERO; amounts.len()];
        let mut disputes = Disputes { lost: Money::ZERO, lost_by_hand: nothing, is_open: vec![false; amounts.len()] };
        for (id, dispute, state) in payment.dispute_states() {
            let amount = payment.disputed(dispute).of(total, unit);
            match state {
                DisputeState::Lost => disputes.lost += amount,
                DisputeState::Open => {
                    let parts = split(amount, amounts, unit);
                    for (place, said) in said.iter().enumerate() {
                        match said.decided.iter().rev().find(|(disputes, _)| disputes.contains(id)) {
                            Some((_, true)) => {}
                            Some((_, false)) => disputes.lost_by_hand[place] += parts[place],
                            None => disputes.is_open[place] = true,
                        }
                    }
                }
                DisputeState::Inquiry | DisputeState::Kept => {}
            }
        }
        disputes
    }
}

impl ByName {
    /// The refunds by name of a purchase with this price.
    fn refunded(&self, amount: Money) -> Money {
        let refunds: Money = self.refunds.iter().map(|(_, amount)| *amount).sum();
        if self.is_lost { amount } else { refunds.min(amount) }
    }
}

/// A failed refund cancels earlier refunds by name.
fn take_back_failed(payment: &Payment, total: Money, said: &mut [ByName], unit: Unit) {
    let mut failed = payment.failed_refunds();
    failed.sort_by_key(|(at, _)| *at);
    for (at, part) in failed {
        let mut left = part.of(total, unit);
        for (_, amount) in
            said.iter_mut().flat_map(|said| said.refunds.iter_mut()).filter(|(said_at, _)| *said_at <= at)
        {
            let taken_back = left.min(*amount);
            *amount -= taken_back;
            left -= taken_back;
        }
    }
}
