//! What is known of payments, and what follows from it (semantics 4.2).
//!
//! [`Facts`] hold what providers and people said about one checkout, each fact under the id of its object. Facts are
//! only ever merged. Merging is commutative, associative and idempotent, so neither the order of deliveries nor their
//! repetition matters.

pub mod answer;
pub mod attempt;
pub mod by_hand;
pub mod calls;
pub mod derive;
pub mod dispute;
pub mod facts;
pub mod ledger;
pub mod paid;
pub mod payment;
pub mod purchase;
pub mod refund;
pub mod renewals;
pub mod reports;
pub mod reversals;
pub mod sale;
pub mod subscription;
pub mod subscriptions;

use std::collections::BTreeMap;

use crate::money::Money;

pub use facts::{Fact, Facts, Object};

/// The smaller of two values, or the one that is known.
fn merge_least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The known text. Of two the smaller one wins, because any other choice would depend on the order.
fn merge_text(one: Option<String>, other: Option<String>) -> Option<String> {
    merge_least(one, other)
}

/// The larger amount of each currency.
fn merge_most(amounts: &mut BTreeMap<String, Money>, others: BTreeMap<String, Money>) {
    for (currency, amount) in others {
        let most = amounts.entry(currency).or_insert(amount);
        *most = amount.max(*most);
    }
}
