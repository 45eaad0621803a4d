//! Access from sources: periods laid end to end, and the resulting access.

use engine::access::kept::{AccessWindow, Kept, Written};
use engine::access::outcome::{Access, access, union, units};
use engine::access::periods::{irregular, paid_periods};
use engine::access::source::{Kind, Source, Span, Standing, Term, lay};
use engine::billing::BillingType;
use engine::calendar::{days_after, months_after};
use engine::time::{Instant, Window};
use engine::usage::metering::Per;
use engine::usage::period::{Holding, PaidPeriod};
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
    // A disputed source takes no time from the sources that count.
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
fn a_source_cut_short_moves_later_periods_up() {
    let mut sources = vec![month("a", 0), month("b", 12)];
    sources[0].ended = Some(day(10));
    assert_eq!(days(&lay(&sources)), [Some((0, Some(10))), Some((12, Some(43)))]);
    sources[0].ended = Some(day(0));
    assert_eq!(days(&lay(&sources))[0], None);
    // One that had not begun leaves the run as it was: from 31 January to 29 February, and on to 31 March.
    let mut sources = vec![month("a", 30), month("b", 31), month("c", 32)];
    sources[1].ended = Some(day(40));
    assert_eq!(days(&lay(&sources)), [Some((30, Some(59))), None, Some((59, Some(90)))]);
}

#[test]
fn the_outcome_reports_the_current_access() {
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

fn holding(from: i64, until: Option<i64>) -> Holding {
    Holding { purchased_at: day(from), expires_at: until.map(day), billing_type: BillingType::Monthly }
}

/// The stored paid periods of an add-on sold by the month, in days.
fn kept_periods(sources: &[Source], holding: Holding) -> Vec<(i64, i64)> {
    let kept = irregular(paid_periods(sources, day(0)), &holding);
    kept.into_iter().map(|PaidPeriod { from, until }| (from.0 / DAY, until.0 / DAY)).collect()
}

#[test]
fn only_irregular_periods_are_stored() {
    // From 1 January 2000 by the month; with a grant before; with ends that the provider names.
    assert_eq!(kept_periods(&[month("a", 0), month("b", 3)], holding(0, Some(60))), []);
    assert_eq!(kept_periods(&[granted("grant", 0, Some(10)), month("a", 3)], holding(0, Some(41))), []);
    let named = paid("a", 3, Term::Until { until: day(20), months: 1 });
    assert_eq!(kept_periods(&[named], holding(3, Some(20))), []);
    // A year of an add-on sold by the month, after a month of it.
    let year = paid("b", 3, Term::Months(12));
    assert_eq!(kept_periods(&[month("a", 0), year], holding(0, Some(397))), [(0, 31), (31, 397)]);
    // A month after a trial until 31 January ends on 29 February. A grant without end beside it has periods of its
    // own.
    assert_eq!(kept_periods(&[granted("trial", 16, Some(30)), month("a", 20)], holding(16, Some(59))), [(30, 59)]);
    assert_eq!(kept_periods(&[granted("grant", 0, None), month("a", 5)], holding(0, None)), [(5, 36)]);
}

#[test]
fn usage_is_counted_in_the_paid_periods_and_in_what_is_between_them() {
    let paid = [PaidPeriod { from: day(31), until: day(397) }, PaidPeriod { from: day(500), until: day(530) }];
    let window = |holding: Holding, at| {
        let Window { from, until } = holding.period_beside(&paid, Per::Period, day(at));
        (from.map(|from| from.0 / DAY), until.map(|until| until.0 / DAY))
    };
    let all = holding(10, Some(540));
    assert_eq!(window(all, 200), (Some(31), Some(397)));
    assert_eq!(window(all, 397), (Some(397), Some(411)), "to 15 February 2001: the next begins on 15 May");
    assert_eq!(window(all, 529), (Some(500), Some(530)));
    assert_eq!(window(all, 10), (Some(10), Some(31)));
    assert_eq!(window(all, 535), (Some(530), Some(540)));
    // The row was cut off by a host.
    assert_eq!(window(holding(40, Some(100)), 50), (Some(40), Some(100)));
    assert_eq!(all.period_beside(&paid, Per::Month, day(31)), all.period(Per::Month, day(31)));
}

fn written(status: &str, from: i64, until: Option<i64>) -> Written {
    Written { status: status.to_owned().into(), from: day(from), until: until.map(day), renews: true, units: 1 }
}

#[test]
fn rows_written_by_the_host_are_kept() {
    let shown = |kept: &Kept, purchases: &[Source]| access(&kept.all(purchases), day(10));
    let purchases = [month("a", 0)];
    let live = |from, until: Option<i64>| Some(Access::Live(Span { from: day(from), until: until.map(day) }));
    // A longer end than was paid for, and then the purchase is refunded.
    let mut kept = Kept::default();
    kept.absorb(&written("active", 0, None), &purchases, false, day(10));
    assert_eq!(shown(&kept, &purchases), live(0, None));
    let refunded = [Source { standing: Standing::Gone, ..month("a", 0) }];
    assert_eq!(shown(&kept, &refunded), live(0, None));
    // A shorter end, and then another month is paid.
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
    assert_eq!(kept.host, Some(AccessWindow { from: day(3), until: Some(day(40)) }));
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
    fn an_additional_source_never_shortens_access(sources in sources(), more in source(50)) {
        let before = live(&sources);
        let more = Source { standing: Standing::Live, ended: None, ..more };
        let after: Vec<Source> = sources.iter().cloned().chain([more]).collect();
        let after = live(&after);
        for at in (0..2000).map(day) {
            prop_assert!(!has(&before, at) || has(&after, at), "{at:?} {before:?} {after:?}");
        }
    }

    #[test]
    fn losing_one_source_keeps_access_from_others(sources in sources(), place in any::<prop::sample::Index>()) {
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
    fn ending_a_source_never_takes_what_another_gives(
        sources in sources(),
        place in any::<prop::sample::Index>(),
        end in prop_oneof![
            select(vec![Standing::Gone, Standing::Disputed, Standing::Overdue]).prop_map(Ok),
            (0..150_i64).prop_map(Err),
        ],
    ) {
        let place = place.index(sources.len());
        let mut ended = sources.clone();
        match end {
            Ok(standing) => ended[place].standing = standing,
            Err(at) => ended[place].ended = Some(ended[place].ended.map_or(day(at), |before| before.min(day(at)))),
        }
        let (before, after) = (lay(&sources), lay(&ended));
        for (number, source) in sources.iter().enumerate() {
            if number == place || source.standing != Standing::Live || source.ended.is_some() {
                continue;
            }
            match source.term {
                // Its time may begin earlier, and stays as long as it was paid for.
                Term::Months(months) => {
                    let span = after[number].unwrap();
                    let length = span.until.unwrap().0 - span.from.0;
                    prop_assert!(span.from >= source.made_at && span.from <= before[number].unwrap().from);
                    prop_assert!(length >= 28 * DAY * i64::from(months), "{span:?}");
                }
                _ => prop_assert_eq!(after[number], before[number]),
            }
        }
    }

    #[test]
    fn stored_paid_periods_are_complete(sources in sources(), now in 0..150_i64, part in 0..1000_u64) {
        let Some(Access::Live(Span { from, until })) = access(&sources, day(now)) else { return Ok(()) };
        let holding = Holding { purchased_at: from, expires_at: until, billing_type: BillingType::Monthly };
        let all = paid_periods(&sources, day(now));
        let kept = irregular(all.clone(), &holding);
        for period in all.iter().filter(|period| period.from >= from && until.is_none_or(|until| period.until <= until)) {
            let at = Instant(period.from.0 + ((period.until.0 - period.from.0 - 1) as i128 * i128::from(part) / 1000) as i64);
            let expected = Window { from: Some(period.from), until: Some(period.until) };
            prop_assert_eq!(holding.period_beside(&kept, Per::Period, at), expected, "{:?} {:?}", all, kept);
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
