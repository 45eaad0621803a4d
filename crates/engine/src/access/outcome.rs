//! A user's access to an add-on, derived from its sources.

use std::cmp::Reverse;

use super::source::{Source, Span, Standing, lay};
use crate::time::Instant;

/// The access that follows from the sources at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The user has it, or will have it next, within this window.
    Live(Span),
    /// Something is paid for, but withheld.
    Withheld(Span, Standing),
    /// It has run out.
    Lapsed(Span),
    /// Access was taken back, at this instant if it is known.
    Ended(Option<Span>),
}

/// Derives the access at an instant, or `None` if there are no sources.
pub fn access(sources: &[Source], now: Instant) -> Option<Access> {
    let spans = lay(sources);
    let with_spans = || sources.iter().zip(&spans).filter_map(|(source, span)| Some((source, (*span)?)));
    let live: Vec<Span> = union(with_spans().filter(|(source, _)| source.standing == Standing::Live).map(|one| one.1));
    if let Some(span) = live.iter().find(|span| span.is_ahead(now)) {
        return Some(Access::Live(*span));
    }
    let withheld = with_spans().filter(|(source, span)| source.standing != Standing::Live && span.is_ahead(now));
    let standing = withheld.clone().map(|(source, _)| source.standing).min();
    if let (Some(span), Some(standing)) = (union(withheld.map(|one| one.1)).first(), standing) {
        return Some(Access::Withheld(*span, standing));
    }
    // If two sources end at the same instant, one that ran out by itself wins, then the longer one.
    let last = with_spans().max_by_key(|(source, span)| (span.until, span.until != source.ended, Reverse(span.from)));
    match last {
        Some((source, span)) if span.until != source.ended => Some(Access::Lapsed(joined(&live, span))),
        Some((_, span)) => Some(Access::Ended(Some(joined(&live, span)))),
        None if sources.is_empty() => None,
        None => {
            let cut =
                sources.iter().filter(|source| source.standing != Standing::Gone).filter_map(|source| source.ended);
            Some(Access::Ended(cut.max().map(|at| Span { from: at, until: Some(at) })))
        }
    }
}

fn joined(live: &[Span], span: Span) -> Span {
    live.iter().copied().find(|one| one.until == span.until).unwrap_or(span)
}

/// Joins windows that touch or overlap, the earliest first.
pub fn union(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.collect();
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.until.is_none_or(|until| until >= span.from) => {
                last.until = match (last.until, span.until) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    _ => None,
                };
            }
            _ => joined.push(span),
        }
    }
    joined
}

/// The number of units at an instant: the largest number of any live source, or the sum of those whose units add up,
/// whichever is more.
pub fn units(sources: &[Source], now: Instant) -> u32 {
    let spans = lay(sources);
    let counts = |(source, span): &(&Source, &Option<Span>)| {
        source.standing == Standing::Live && span.is_some_and(|span| span.is_ahead(now))
    };
    let counting: Vec<&Source> = sources.iter().zip(&spans).filter(counts).map(|(source, _)| source).collect();
    let at_once: Vec<&&Source> = counting.iter().filter(|source| !source.adds_up).collect();
    let most = at_once.iter().map(|source| source.units).max().unwrap_or(0);
    let sum =
        counting.iter().filter(|source| source.adds_up).fold(0_u32, |sum, source| sum.saturating_add(source.units));
    most.max(sum).max(1)
}
