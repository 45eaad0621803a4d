//! The limits of calls, over random allowances of units (semantics 7).

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use engine::time::{Instant, Window};
use engine::usage::units::Units;
use engine::usage::{Allowance, Counter, Usage};

const NOW: Instant = Instant(1_000);

fn units(millionths: i128) -> Units {
    Units::from_millionths(millionths)
}

/// A allowance with this grant, of which this much was used, in a period that ends at an instant.
fn allowance(id: u128, granted: Option<i128>, used: i128, until: Option<i64>) -> Allowance {
    Allowance {
        add_on_id: Uuid::from_u128(id),
        granted: granted.map(units),
        allows_overage: false,
        period: Window { from: Some(Instant(900)), until: until.map(Instant) },
        expires_at: None,
        counter: (used > 0).then_some(Counter { used: units(used), at: Instant(950) }),
    }
}

/// The used amount of each allowance after a call, by add-on.
fn changes(usage: &Usage) -> Vec<(u128, i128)> {
    let mut changes: Vec<(u128, i128)> =
        usage.changes(NOW).iter().map(|(id, counter)| (id.as_u128(), counter.used.millionths())).collect();
    changes.sort_unstable();
    changes
}

#[test]
fn units_add_up_and_the_earliest_end_is_used_first() {
    let mut usage = Usage::of(vec![
        allowance(1, Some(10), 0, None),
        allowance(2, Some(10), 4, Some(1_200)),
        allowance(4, Some(10), 0, Some(1_100)),
        allowance(3, Some(10), 9, Some(1_100)),
    ]);
    assert_eq!(usage.status().granted, Some(units(40)));
    assert_eq!(usage.status().remaining(), Some(units(27)));
    assert_eq!(usage.status().resets_at, Some(Instant(1_100)));
    assert!(usage.consume(units(20)));
    // One unit is left in 3 and ten in 4, which end at the same time, then six in 2, and three come from 1, which has
    // no end.
    assert_eq!(changes(&usage), [(1, 3), (2, 10), (3, 10), (4, 10)]);
    assert!(!usage.consume(units(8)), "seven are left");
    assert_eq!(changes(&usage), [(1, 3), (2, 10), (3, 10), (4, 10)]);
    assert!(usage.consume(units(7)));
    assert_eq!(usage.status().remaining(), Some(Units::ZERO));
}

#[test]
fn an_add_on_ending_before_its_period_is_used_first() {
    let ending = Allowance { expires_at: Some(Instant(1_050)), ..allowance(2, Some(10), 0, Some(2_000)) };
    let mut usage = Usage::of(vec![allowance(1, Some(10), 0, Some(1_100)), ending]);
    assert!(usage.consume(units(3)));
    assert_eq!(changes(&usage), [(2, 3)]);
    assert_eq!(usage.status().resets_at, Some(Instant(1_100)));
}

#[test]
fn a_period_begins_by_itself() {
    let of_last_period = |counted_at| Allowance {
        counter: Some(Counter { used: units(9), at: Instant(counted_at) }),
        ..allowance(1, Some(10), 0, Some(2_000))
    };
    assert_eq!(Usage::of(vec![of_last_period(899)]).status().used, Some(Units::ZERO));
    assert_eq!(Usage::of(vec![of_last_period(900)]).status().used, Some(units(9)));
    // A question about the past: usage before the current counter's period is not kept.
    assert_eq!(Usage::of(vec![of_last_period(2_000)]).status().used, None);
    assert_eq!(Usage::of(vec![of_last_period(2_000)]).status().remaining(), None);
}

#[test]
fn usage_stays_when_less_is_granted() {
    let mut usage = Usage::of(vec![allowance(1, Some(5), 8, None), allowance(2, Some(10), 0, None)]);
    assert_eq!(usage.status().remaining(), Some(units(7)));
    assert!(!usage.consume(units(8)));
    assert!(usage.consume(units(7)));
    assert_eq!(changes(&usage), [(2, 7)]);
    let mut over = Usage::of(vec![allowance(1, Some(5), 8, None)]);
    assert_eq!(over.status().remaining(), Some(Units::ZERO));
    assert!(!over.consume(units(1)) && over.consume(Units::ZERO));
    assert!(!over.set(units(6)) && over.set(units(5)));
}

#[test]
fn an_unlimited_source_spares_the_others() {
    let mut usage = Usage::of(vec![allowance(1, Some(5), 2, None), allowance(2, None, 0, Some(2_000))]);
    assert_eq!((usage.status().granted, usage.status().remaining()), (None, None));
    assert!(usage.consume(Units::MAX));
    assert_eq!(changes(&usage), [(2, Units::MAX.millionths())]);
    assert_eq!(usage.status().used, Some(Units::MAX + units(2)));
}

#[test]
fn overage_counts_on_the_last_source_that_allows_it() {
    let soft = |id, until| Allowance { allows_overage: true, ..allowance(id, Some(10), 0, until) };
    let mut usage = Usage::of(vec![soft(1, Some(1_100)), soft(2, Some(1_200)), allowance(3, Some(10), 0, None)]);
    assert!(usage.consume(units(35)));
    assert_eq!(changes(&usage), [(1, 10), (2, 15), (3, 10)]);
    assert_eq!((usage.status().used, usage.status().remaining()), (Some(units(35)), Some(Units::ZERO)));
    assert!(usage.release(units(6)));
    assert_eq!(changes(&usage), [(1, 10), (2, 15), (3, 4)]);
    assert!(usage.set(units(50)));
}

#[test]
fn release_gives_back_at_most_what_was_used() {
    let mut usage = Usage::of(vec![allowance(1, Some(10), 3, Some(1_100)), allowance(2, Some(10), 2, None)]);
    assert!(usage.release(units(4)));
    assert_eq!(changes(&usage), [(1, 1), (2, 0)]);
    assert!(usage.release(units(100)));
    assert_eq!(usage.status().used, Some(Units::ZERO));
}

#[test]
fn a_user_without_sources_cannot_consume() {
    let mut usage = Usage::of(vec![]);
    assert!(
        !usage.consume(units(1)) && !usage.consume(Units::ZERO) && !usage.release(units(1)) && !usage.set(Units::ZERO)
    );
    assert_eq!(usage.status().granted, Some(Units::ZERO));
    assert_eq!(usage.status().remaining(), Some(Units::ZERO));
}

/// A call: consume, release or set.
#[derive(Clone, Copy, Debug)]
enum Call {
    Consume(i128),
    Release(i128),
    Set(i128),
}

fn call() -> impl Strategy<Value = Call> {
    let amount = || prop_oneof![0..12_i128, 0..60_i128];
    prop_oneof![
        4 => amount().prop_map(Call::Consume),
        1 => amount().prop_map(Call::Release),
        1 => amount().prop_map(Call::Set),
    ]
}

fn allowances(limits: bool, overage: bool) -> impl Strategy<Value = Vec<Allowance>> {
    let granted = (0..20_i128, prop::bool::weighted(0.8))
        .prop_map(move |(limit, is_limited)| (limits || is_limited).then_some(limit));
    let allows = prop::bool::weighted(0.3).prop_map(move |allows| overage && allows);
    let window = (prop::option::of(1_001..1_010_i64), prop::option::of(1_001..1_010_i64));
    let counter = prop::option::of((0..20_i128, prop_oneof![800..900_i64, 900..1_001_i64]));
    vec((granted, allows, window, counter), 1..5).prop_map(|all| {
        let allowance = |(id, (granted, allows_overage, (until, expires_at), counter))| Allowance {
            allows_overage,
            expires_at: Option::map(expires_at, Instant),
            counter: Option::map(counter, |(used, at)| Counter { used: units(used), at: Instant(at) }),
            ..allowance(id, granted, 0, until)
        };
        (1..).zip(all).map(allowance).collect()
    })
}

/// The allowances as the next call would find them.
fn written(mut allowances: Vec<Allowance>, usage: &Usage) -> Vec<Allowance> {
    for (add_on_id, counter) in usage.changes(NOW) {
        allowances
            .iter_mut()
            .filter(|allowance| allowance.add_on_id == add_on_id)
            .for_each(|allowance| allowance.counter = Some(counter));
    }
    allowances
}

fn total(allowances: &[Allowance]) -> Units {
    Usage::of(allowances.to_vec()).status().used.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn usage_never_exceeds_what_is_granted(allowances in allowances(true, false), calls in vec(call(), 1..30)) {
        let mut allowances = allowances;
        for call in calls {
            let before = Usage::of(allowances.clone()).status();
            let (granted, used) = (before.granted.unwrap(), before.used.unwrap());
            let mut usage = Usage::of(allowances.clone());
            let (is_allowed, expected) = match call {
                Call::Consume(amount) => {
                    let fits = amount == 0 || used + units(amount) <= granted;
                    prop_assert_eq!(usage.consume(units(amount)), fits);
                    (fits, used + units(amount))
                }
                Call::Release(amount) => (usage.release(units(amount)), used.less(units(amount))),
                Call::Set(amount) => {
                    let fits = units(amount) <= granted;
                    prop_assert_eq!(usage.set(units(amount)), fits);
                    (fits, units(amount))
                }
            };
            // All or nothing, and the stored counters match the answer.
            let expected = if is_allowed { expected } else { used };
            prop_assert_eq!(usage.status().used, Some(expected));
            if !is_allowed {
                prop_assert!(usage.changes(NOW).is_empty());
            }
            allowances = written(allowances, &usage);
            prop_assert_eq!(total(&allowances), expected);
            prop_assert!(expected <= granted.max(used));
        }
    }

    #[test]
    fn the_order_of_the_sources_changes_nothing(allowances in allowances(false, true), calls in vec(call(), 1..10)) {
        let mut reversed: Vec<Allowance> = allowances.clone();
        reversed.reverse();
        let (mut one, mut other) = (Usage::of(allowances), Usage::of(reversed));
        for call in calls {
            let mut answers = [&mut one, &mut other].map(|usage| match call {
                Call::Consume(amount) => usage.consume(units(amount)),
                Call::Release(amount) => usage.release(units(amount)),
                Call::Set(amount) => usage.set(units(amount)),
            });
            answers.sort_unstable();
            prop_assert_eq!(answers[0], answers[1]);
            prop_assert_eq!(changes(&one), changes(&other));
        }
    }

    #[test]
    fn the_source_that_ends_first_is_used_up_first(
        allowances in allowances(true, true), amount in 1..40_i128,
    ) {
        let mut usage = Usage::of(allowances.clone());
        usage.consume(units(amount));
        let after = written(allowances.clone(), &usage);
        let end = |allowance: &Allowance| {
            allowance.period.until.into_iter().chain(allowance.expires_at).min().unwrap_or(Instant::INFINITY)
        };
        for earlier in &after {
            let has_room = total(&[*earlier]) < earlier.granted.unwrap();
            for (later, before) in after.iter().zip(&allowances) {
                let is_later = (end(earlier), earlier.add_on_id) < (end(later), later.add_on_id);
                prop_assert!(!(has_room && is_later) || total(&[*later]) == total(&[*before]));
            }
        }
    }

    #[test]
    fn released_units_were_used_before(allowances in allowances(false, true), amount in 0..40_i128) {
        let used = total(&allowances);
        let mut usage = Usage::of(allowances.clone());
        usage.release(units(amount));
        let after = written(allowances, &usage);
        prop_assert_eq!(total(&after), used.less(units(amount)));
        prop_assert!(after.iter().all(|allowance| total(&[*allowance]) >= Units::ZERO));
    }
}
