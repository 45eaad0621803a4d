//! Merging facts: in any order, with any grouping and any repetition.

use std::collections::{BTreeMap, BTreeSet};

use engine::currency::Provider;
use engine::money::Money;
use engine::payments::attempt::{Attempt, AttemptKind, AttemptState, Cycle, InvoiceLine, Share};
use engine::payments::dispute::{Dispute, DisputeState};
use engine::payments::refund::{Refund, RefundState, RefundTotal};
use engine::payments::reports::{Reports, State};
use engine::payments::subscription::{PeriodEnd, Subscription, SubscriptionState};
use engine::payments::{Fact, Facts, Object};
use engine::time::Instant;
use proptest::prelude::*;
use proptest::sample::select;

/// Few ids, instants and amounts, so that facts often are about one object, of one second, and alike.
fn id() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn ids() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(id(), 0..2)
}

fn instant() -> impl Strategy<Value = Instant> {
    (0..3_i64).prop_map(Instant)
}

fn amount() -> impl Strategy<Value = Money> {
    (0..3_i64).prop_map(|units| Money::from_cents(100 * units))
}

fn amounts() -> impl Strategy<Value = BTreeMap<String, Money>> {
    prop::collection::btree_map(select(vec!["EUR", "USD"]).prop_map(str::to_owned), amount(), 0..2)
}

fn reports<T: State + std::fmt::Debug + 'static>(states: Vec<T>) -> impl Strategy<Value = Reports<T>> {
    (instant(), select(states.clone()), prop::option::of(select(states)))
        .prop_map(|(at, now, before)| Reports::one(at, now, before))
}

fn attempt() -> impl Strategy<Value = Attempt> {
    use AttemptState::*;
    let states = vec![Open, Processing, Free, Overdue, Ended("expired".to_owned()), Ended("failed".to_owned()), Paid];
    let cycle = prop::option::of(select(vec![Cycle::First, Cycle::Later, Cycle::Proration]));
    let line = (instant(), amount()).prop_map(|(until, amount)| InvoiceLine {
        of: Share::default(),
        until: Some(until),
        amount: Some(amount),
    });
    let kind = select(vec![AttemptKind::Intent, AttemptKind::Invoice, AttemptKind::Session]);
    let lines = prop::collection::btree_set(line, 0..2);
    (kind, reports(states), amounts(), amounts(), prop::option::of(instant()), ids(), ids(), cycle, lines).prop_map(
        |(kind, state, taken, on_top, paid_at, same_payment, subscriptions, cycle, lines)| Attempt {
            state,
            taken,
            on_top,
            paid_at,
            same_payment,
            subscriptions,
            cycle,
            lines,
            ..Attempt::new(Provider::Stripe, kind)
        },
    )
}

fn refund() -> impl Strategy<Value = Refund> {
    (
        ids(),
        prop::option::of(amount()),
        prop::option::of(instant()),
        reports(vec![RefundState::Counts, RefundState::Failed]),
    )
        .prop_map(|(payments, amount, made_at, state)| Refund { payments, amount, currency: None, made_at, state })
}

fn refund_total() -> impl Strategy<Value = RefundTotal> {
    let totals = (0..4).map(|units| Money::from_cents(100 * units)).collect();
    (ids(), prop::option::of(amount()), reports(totals)).prop_map(|(payments, taken, total)| RefundTotal {
        payments,
        taken,
        currency: None,
        total,
    })
}

fn dispute() -> impl Strategy<Value = Dispute> {
    use DisputeState::*;
    (ids(), prop::option::of(amount()), reports(vec![Inquiry, Open, Kept, Lost]), ids())
        .prop_map(|(payments, amount, state, unknown)| Dispute { payments, amount, currency: None, state, unknown })
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let running = |renews, is_unpaid| SubscriptionState::Running { renews, is_unpaid };
    let states = vec![
        running(None, false),
        running(Some(true), false),
        running(Some(false), true),
        SubscriptionState::Ended { at: None },
        SubscriptionState::Ended { at: Some(Instant(1)) },
        SubscriptionState::Replaced,
    ];
    let end = (instant(), instant(), any::<bool>()).prop_map(|(until, said_at, is_paid)| PeriodEnd {
        of: Share::default(),
        until,
        said_at,
        is_paid,
    });
    (prop::option::of(id()), reports(states), any::<bool>(), prop::collection::btree_set(end, 0..2))
        .prop_map(|(external_id, state, continues, ends)| Subscription { external_id, state, continues, ends })
}

fn fact() -> impl Strategy<Value = Fact> {
    let object = prop_oneof![
        attempt().prop_map(Object::Attempt),
        refund().prop_map(Object::Refund),
        refund_total().prop_map(Object::RefundTotal),
        dispute().prop_map(Object::Dispute),
        subscription().prop_map(Object::Subscription),
    ];
    (id(), object).prop_map(|(id, object)| Fact { id, checkout_id: None, object })
}

fn known(facts: &[Fact]) -> Facts {
    let mut known = Facts::default();
    facts.iter().for_each(|fact| known.learn(fact.clone()));
    known
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_matters(
        (facts, shuffled) in prop::collection::vec(fact(), 1..12).prop_flat_map(|facts| {
            let twice: Vec<Fact> = facts.iter().chain(&facts).cloned().collect();
            (Just(facts), Just(twice).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(known(&facts), known(&shuffled));
    }

    #[test]
    fn grouping_does_not_matter(one in prop::collection::vec(fact(), 0..6), other in prop::collection::vec(fact(), 0..6)) {
        let mut merged = known(&one);
        merged.merge(known(&other));
        let together: Vec<Fact> = one.into_iter().chain(other).collect();
        prop_assert_eq!(merged, known(&together));
    }

    #[test]
    fn facts_are_kept_as_json(facts in prop::collection::vec(fact(), 0..8)) {
        let facts = known(&facts);
        let document = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<Facts>(&document).unwrap(), facts);
    }
}
