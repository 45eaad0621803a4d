//! The paid periods in which usage is counted (semantics 7).

use super::source::{Source, Standing, Term, lay};
use crate::time::Instant;
use crate::usage::metering::Per;
use crate::usage::period::{Holding, PaidPeriod};

/// The paid periods that end after an instant, the earliest first. Where two overlap, the later one begins at the end of the other.
pub fn paid_periods(sources: &[Source], now: Instant) -> Vec<PaidPeriod> {
    let is_paid = |source: &Source| {
        source.standing == Standing::Live && matches!(source.term, Term::Months(_) | Term::Until { .. })
    };
    let spans = sources.iter().zip(lay(sources)).filter(|(source, _)| is_paid(source));
    let mut ends: Vec<(Instant, Instant)> = spans.filter_map(|(_, span)| Some((span?.until?, span?.from))).collect();
    ends.sort_unstable();
    let mut periods: Vec<PaidPeriod> = Vec::new();
    for (until, from) in ends {
        let from = periods.last().map_or(from, |last| last.until.max(from));
        if from < until {
            periods.push(PaidPeriod { from, until });
        }
    }
    periods.retain(|period| period.until > now);
    periods
}

/// Returns these periods if they differ from the ones that follow from the start and end of access and the billing
/// type. Otherwise returns none: the periods need not be stored.
pub fn irregular(periods: Vec<PaidPeriod>, holding: &Holding) -> Vec<PaidPeriod> {
    let is_regular = |period: &PaidPeriod| {
        [period.from, Instant(period.until.0.saturating_sub(1))].iter().all(|&at| {
            let window = holding.period(Per::Period, at);
            (window.from, window.until) == (Some(period.from), Some(period.until))
        })
    };
    if periods.iter().all(is_regular) { Vec::new() } else { periods }
}
