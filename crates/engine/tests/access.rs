//! Access from sources: periods laid end to end, and what follows from them.

use engine::access::calendar::{days_after, months_after};
use engine::access::kept::{Granted, Kept, Written};
use engine::access::outcome::{Access, access, union, units};
use engine::access::source::{Kind, Source, Span, Standing, Term, lay};
use engine::time::Instant;
use proptest::prelude::*;
use proptest::sample::select;

const DAY: i64 = 86_400_000_000;

fn day(day: i64) -> Instant {
    Instant(day * DAY)
}

fn paid(id: &str, made_at: i64, term: Term) -> Source {
    Source {
        kind: Kind::Purchase,
        id: id.to_owned(),
        made_at: day(made_at),
        place: String::new(),
        term,
        standing: Standing::Live,
        ended: None,
        is_absorbed: false,
        units: 1,
        adds_up: false,
    }
}

fn month(id: &str, made_at: i64) -> Source {
    paid(id, made_at, Term::Months(1))
}

fn granted(id: &str, from: i64, until: Option<i64>) -> Source {
    Source::window(Kind::Grant, id.to_owned(), day(from), day(from), until.map(day))
}

fn days(spans: &[Option<Span>]) -> Vec<Option<(i64, Option<i64>)>> {
    let days = |span: Span| (span.from.0 / DAY, span.until.map(|until| until.0 / DAY));
    spans.iter().map(|span| span.map(days)).collect()
}

/// From 1 January 2000 on: a January of 31 days, a February of 29.
#[test]
fn periods_are_laid_end_to_end_and_move_up() {
    let mut sources = vec![month("a", 0), month("b", 10), month("c", 80)];
    assert_eq!(days(&lay(&sources)), [Some((0, Some(31))), Some((31, Some(60))), Some((80, Some(111)))]);
    sources[0].standing = Standing::Gone;
    assert_eq!(days(&lay(&sources)), [None, Some((10, Some(41))), Some((80, Some(111)))]);
    // What is contested takes no time from what counts.
    sources[0].standing = Standing::Disputed;
    assert_eq!(days(&lay(&sources))[..2], [Some((0, Some(31))), Some((10, Some(41)))]);
}

#[test]
fn a_purchase_begins_behind_a_trial_or_a_grant_with_an_end() {
    let sources = [granted("grant", 0, Some(20)), month("a", 5)];
    assert_eq!(days(&lay(&sources)), [Some((0, Some(20))), Some((20, Some(51)))]);
    let sources = [granted("grant", 0, None), month("a", 5)];
    assert_eq!(days(&lay(&sources)), [Some((0, None)), Some((5, Some(36)))]);
}

#[test]
fn an_end_that_the_provider_names_counts() {
    let named = |until| Term::Until { until: day(until), months: 1 };
    // The end is the expected one, so that the anchor stays: 31 January, 29 February, 31 March.
    let sources = [paid("a", 30, Term::Months(1)), paid("b", 50, named(90)), month("c", 85)];
    assert_eq!(days(&lay(&sources)), [Some((30, Some(59))), Some((50, Some(90))), Some((90, Some(120)))]);
    let sources = [paid("a", 30, named(45)), month("c", 40)];
    assert_eq!(days(&lay(&sources)), [Some((30, Some(45))), Some((45, Some(74)))]);
}

#[test]
fn what_ended_before_its_time_makes_room() {
    let mut sources = vec![month("a", 0), month("b", 12)];
    sources[0].ended = Some(day(10));
    assert_eq!(days(&lay(&sources)), [Some((0, Some(10))), Some((12, Some(43)))]);
    sources[0].ended = Some(day(0));
    assert_eq!(days(&lay(&sources))[0], None);
}

#[test]
fn the_outcome_says_what_one_has() {
    let at = |sources: &[Source], now| access(sources, day(now));
    let span = |from, until: i64| Span { from: day(from), until: Some(day(until)) };
    let mut sources = vec![month("a", 0)];
    assert_eq!(at(&[], 0), None);
    assert_eq!(at(&sources, 30), Some(Access::Live(span(0, 31))));
    assert_eq!(at(&sources, 31), Some(Access::Lapsed(span(0, 31))));
    sources[0].standing = Standing::Disputed;
    assert_eq!(at(&sources, 30), Some(Access::Withheld(span(0, 31), Standing::Disputed)));
    sources.push(granted("grant", 10, Some(20)));
    assert_eq!(at(&sources, 15), Some(Access::Live(span(10, 20))));
    sources.truncate(1);
    (sources[0].standing, sources[0].ended) = (Standing::Live, Some(day(5)));
    assert_eq!(at(&sources, 15), Some(Access::Ended(Some(span(0, 5)))));
    sources[0].standing = Standing::Gone;
    assert_eq!(at(&sources, 15), Some(Access::Ended(None)));
}

#[test]
fn units_are_those_of_the_largest_purchase_or_add_up() {
    let with_units = |id: &str, units, adds_up| Source { units, adds_up, ..paid(id, 0, Term::Unlimited) };
    assert_eq!(units(&[with_units("a", 2, false), with_units("b", 3, false)], day(1)), 3);
    assert_eq!(units(&[with_units("a", 2, true), with_units("b", 3, true)], day(1)), 5);
    assert_eq!(units(&[Source { standing: Standing::Gone, ..with_units("a", 2, false) }], day(1)), 1);
}

#[test]
fn for_every_day_of_the_year_n_renewals_end_at_the_anchor_plus_n_months() {
    for start in 0..(4 * 366 + 1) {
        let anchor = day(start);
        // Paid a little early, just in time, or all at once.
        for early in [0, 3 * DAY, i64::MAX] {
            let mut sources = vec![paid("0", start, Term::Months(1))];
            for n in 1..=24 {
                let end = months_after(anchor, n).unwrap();
                let made_at = Instant(end.0.saturating_sub(early).max(anchor.0 + i64::from(n)));
                sources.push(Source { made_at: made_at.min(end), ..paid(&format!("{n:02}"), 0, Term::Months(1)) });
            }
            let ends: Vec<Instant> = lay(&sources).into_iter().map(|span| span.unwrap().until.unwrap()).collect();
            let expected: Vec<Instant> = (1..=25).map(|n| months_after(anchor, n).unwrap()).collect();
            assert_eq!(ends, expected, "day {start}");
        }
    }
    assert_eq!(days_after(day(3), 14), Some(day(17)));
}

fn written(status: &str, from: i64, until: Option<i64>) -> Written {
    Written { status: status.to_owned(), from: day(from), until: until.map(day), renews: true, units: 1 }
}

#[test]
fn what_the_host_writes_stands() {
    let shown = |kept: &Kept, purchases: &[Source]| access(&kept.all(purchases), day(10));
    let purchases = [month("a", 0)];
    let live = |from, until: Option<i64>| Some(Access::Live(Span { from: day(from), until: until.map(day) }));
    // Longer than what was paid for, and then the purchase is refunded.
    let mut kept = Kept::default();
    kept.absorb(&written("active", 0, None), &purchases, false, day(10));
    assert_eq!(shown(&kept, &purchases), live(0, None));
    let refunded = [Source { standing: Standing::Gone, ..month("a", 0) }];
    assert_eq!(shown(&kept, &refunded), live(0, None));
    // Shorter, and then another month is paid.
    let mut kept = Kept::default();
    kept.absorb(&written("active", 0, Some(5)), &purchases, false, day(10));
    assert_eq!(shown(&kept, &purchases), Some(Access::Ended(Some(Span { from: day(0), until: Some(day(5)) }))));
    assert_eq!(shown(&kept, &[month("a", 0), month("b", 10)]), live(10, Some(41)));
    // As it follows from the purchases.
    let mut kept = Kept::default();
    assert!(!kept.absorb(&written("active", 0, Some(31)), &purchases, false, day(10)));
    assert_eq!((kept.host, kept.cuts.len()), (None, 0));
    assert!(kept.absorb(&written("suspended", 0, Some(31)), &purchases, false, day(10)));
    let disputed = [Source { standing: Standing::Disputed, ..month("a", 0) }];
    assert!(!kept.absorb(&written("suspended", 0, Some(31)), &disputed, false, day(10)));
    // Nothing is known of it.
    let mut kept = Kept::default();
    kept.absorb(&written("active", 3, Some(40)), &[], false, day(10));
    assert_eq!(kept.host, Some(Granted { from: day(3), until: Some(day(40)) }));
    kept.absorb(&written("cancelled", 3, Some(40)), &[], false, day(10));
    assert_eq!(shown(&kept, &[]), Some(Access::Ended(Some(Span { from: day(3), until: Some(day(10)) }))));
}

fn source(number: usize) -> impl Strategy<Value = Source> {
    let window = (0..100_i64, prop::option::of(1..100_i64)).prop_map(|(from, length)| {
        (from, Term::Window { from: day(from), until: length.map(|length| day(from + length)) })
    });
    let until =
        (0..100_i64, 1..60_i64).prop_map(|(from, length)| (from, Term::Until { until: day(from + length), months: 1 }));
    let period = (0..100_i64, select(vec![Term::Months(1), Term::Months(12), Term::Unlimited, Term::Nothing]));
    let standing = select(vec![Standing::Live, Standing::Live, Standing::Live, Standing::Disputed, Standing::Gone]);
    let ended = prop::option::weighted(0.2, 0..150_i64);
    (prop_oneof![window, until, period], standing, ended).prop_map(move |((made_at, term), standing, ended)| {
        let kind = if matches!(term, Term::Window { .. }) { Kind::Grant } else { Kind::Purchase };
        Source { kind, standing, ended: ended.map(day), ..paid(&format!("{number:02}"), made_at, term) }
    })
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    (1..7_usize).prop_flat_map(|count| (0..count).map(source).collect::<Vec<_>>())
}

fn live(sources: &[Source]) -> Vec<Span> {
    let spans = lay(sources);
    let live = sources.iter().zip(spans).filter(|(source, _)| source.standing == Standing::Live);
    union(live.filter_map(|(_, span)| span))
}

fn has(spans: &[Span], at: Instant) -> bool {
    spans.iter().any(|span| span.contains(at))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_live_source_more_never_takes_access_away(sources in sources(), more in source(50)) {
        let before = live(&sources);
        let more = Source { standing: Standing::Live, ended: None, ..more };
        let after: Vec<Source> = sources.iter().cloned().chain([more]).collect();
        let after = live(&after);
        for at in (0..2000).map(day) {
            prop_assert!(!has(&before, at) || has(&after, at), "{at:?} {before:?} {after:?}");
        }
    }

    #[test]
    fn what_is_gone_leaves_what_others_give(sources in sources(), place in any::<prop::sample::Index>()) {
        let place = place.index(sources.len());
        let (mut gone, mut without) = (sources.clone(), sources);
        gone[place].standing = Standing::Gone;
        without.remove(place);
        prop_assert_eq!(live(&gone), live(&without));
        for source in &without {
            if let (Term::Window { from, .. }, Standing::Live, None) = (source.term, source.standing, source.ended) {
                prop_assert!(has(&live(&gone), from));
            }
        }
    }

    #[test]
    fn no_paid_time_is_lost(made in prop::collection::vec((0..400_i64, 1..4_u32), 1..12)) {
        let paid_for = |(place, (made_at, months)): (usize, &(i64, u32))| paid(&format!("{place:02}"), *made_at, Term::Months(*months));
        let sources: Vec<Source> = made.iter().enumerate().map(paid_for).collect();
        let mut spans: Vec<(Span, u32, i64)> =
            lay(&sources).into_iter().zip(&made).map(|(span, (made_at, months))| (span.unwrap(), *months, *made_at)).collect();
        spans.sort_unstable();
        let (mut anchor, mut months, mut end) = (spans[0].0.from, 0, spans[0].0.from);
        for (span, more, made_at) in spans {
            prop_assert!(span.from >= day(made_at) && span.from >= end);
            if span.from > end {
                (anchor, months) = (span.from, 0);
            }
            months += more;
            end = months_after(anchor, months).unwrap();
            prop_assert_eq!(span.until, Some(end));
        }
    }

    #[test]
    fn the_order_in_which_sources_are_listed_does_not_matter(
        (sources, shuffled) in sources().prop_flat_map(|sources| (Just(sources.clone()), Just(sources).prop_shuffle())),
    ) {
        prop_assert_eq!(access(&sources, day(60)), access(&shuffled, day(60)));
        prop_assert_eq!(units(&sources, day(60)), units(&shuffled, day(60)));
    }
}
