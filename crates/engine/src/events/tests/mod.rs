//! Bodies as the providers send them: the objects that they publish, with what webhooks of each version leave out and put
//! elsewhere.

mod lago;
mod stripe;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::money::Money;
use crate::payments::attempt::{Attempt, AttemptState};
use crate::payments::dispute::Dispute;
use crate::payments::refund::{Refund, RefundTotal};
use crate::payments::subscription::Subscription;
use crate::payments::{Fact, Object};
use crate::time::Instant;

const CHECKOUT: Uuid = Uuid::from_u128(0xc0);
const ADD_ON: Uuid = Uuid::from_u128(0xa0);

/// 2026-01-01, the time of the events here, in seconds since 1970 and as we count.
const NEW_YEAR: i64 = 1_767_225_600;

/// When everything here is heard: a day later.
const HEARD: Instant = Instant(820_540_800_000_000 + 86_400_000_000);

/// Seconds since 1970 as we count.
fn at(seconds: i64) -> Instant {
    Instant((seconds - 946_684_800) * 1_000_000)
}

fn cents(cents: i64) -> Money {
    Money::from_cents(cents)
}

fn in_currency(code: &str, amount: i64) -> BTreeMap<String, Money> {
    BTreeMap::from([(code.to_owned(), cents(amount))])
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// An object with some of its fields changed.
fn changed(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// An object without some of its fields.
fn without(mut object: Value, keys: &[&str]) -> Value {
    for key in keys {
        object.as_object_mut().unwrap().remove(*key);
    }
    object
}

/// The only fact.
fn only(facts: Vec<Fact>) -> Fact {
    let [fact] = <[Fact; 1]>::try_from(facts).unwrap_or_else(|facts| panic!("not one fact: {facts:?}"));
    fact
}

fn attempt(facts: Vec<Fact>) -> Attempt {
    let mut attempts = facts.into_iter().filter_map(|fact| match fact.object {
        Object::Attempt(attempt) => Some(attempt),
        _ => None,
    });
    attempts.next().expect("no attempt")
}

fn refund(facts: Vec<Fact>) -> Refund {
    match only(facts).object {
        Object::Refund(refund) => refund,
        other => panic!("no refund: {other:?}"),
    }
}

fn refund_total(facts: Vec<Fact>) -> RefundTotal {
    let mut totals = facts.into_iter().filter_map(|fact| match fact.object {
        Object::RefundTotal(total) => Some(total),
        _ => None,
    });
    totals.next().expect("no running total")
}

fn dispute(facts: Vec<Fact>) -> Dispute {
    match only(facts).object {
        Object::Dispute(dispute) => dispute,
        other => panic!("no dispute: {other:?}"),
    }
}

fn subscription(facts: Vec<Fact>) -> Subscription {
    match only(facts).object {
        Object::Subscription(subscription) => subscription,
        other => panic!("no subscription: {other:?}"),
    }
}

fn state(attempt: &Attempt) -> Option<&AttemptState> {
    attempt.state.last()
}

fn ended(reason: &str) -> AttemptState {
    AttemptState::Ended(reason.to_owned())
}
