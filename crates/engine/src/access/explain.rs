//! Why a source gives no access.

use super::source::{Source, Span, Standing};
use crate::purchases::PurchaseStatus;
use crate::time::Instant;

/// The reason why a source gives no access at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The row waits to begin.
    Waits,
    /// Its payment is contested.
    Disputed,
    /// Its subscription is not paid.
    Overdue,
    /// It was refunded in full.
    Refunded,
    /// It was never paid.
    Unpaid,
    /// It was ended at this instant.
    Ended(Instant),
    /// It pays for no period.
    NoPeriod,
    /// It begins at this instant.
    Ahead(Instant),
    /// It has run out.
    RunOut,
}

/// Why the source, with its window and the status of its purchase, gives no access at an instant. `None` if it does.
pub fn why_not(source: &Source, span: Option<Span>, status: Option<PurchaseStatus>, at: Instant) -> Option<Why> {
    match (source.standing, status) {
        (Standing::Live, _) => {}
        (Standing::Pending, _) => return Some(Why::Waits),
        (Standing::Disputed, _) => return Some(Why::Disputed),
        (Standing::Overdue, _) => return Some(Why::Overdue),
        (Standing::Gone, Some(PurchaseStatus::Refunded)) => return Some(Why::Refunded),
        (Standing::Gone, _) => return Some(Why::Unpaid),
    }
    let Some(span) = span else { return Some(source.ended.map_or(Why::NoPeriod, Why::Ended)) };
    match source.ended {
        _ if span.contains(at) => None,
        _ if span.is_ahead(at) => Some(Why::Ahead(span.from)),
        Some(ended) if span.until == Some(ended) => Some(Why::Ended(ended)),
        _ => Some(Why::RunOut),
    }
}
