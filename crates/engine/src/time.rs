//! Instants and half-open windows of time (semantics 1).

use chrono::{DateTime, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 2000-01-01 00:00 UTC, as PostgreSQL counts a `timestamptz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// PostgreSQL's `-infinity`, before every other instant.
    pub const NEG_INFINITY: Instant = Instant(i64::MIN);
    /// PostgreSQL's `infinity`, after every other instant.
    pub const INFINITY: Instant = Instant(i64::MAX);

    /// Microseconds from 1970 to 2000.
    const EPOCH: i64 = 946_684_800_000_000;

    /// The instant on the calendar; `None` where the calendar has ended.
    pub fn date_time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0.checked_add(Instant::EPOCH)?)
    }
}

impl<Z: TimeZone> From<DateTime<Z>> for Instant {
    fn from(date_time: DateTime<Z>) -> Instant {
        Instant(date_time.timestamp_micros() - Instant::EPOCH)
    }
}

/// A half-open window: it contains its start and not its end. `None` is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first instant inside.
    pub from: Option<Instant>,
    /// The first instant no longer inside.
    pub until: Option<Instant>,
}

impl Window {
    /// Whether `from <= at < until`.
    pub fn contains(self, at: Instant) -> bool {
        self.has_begun(at) && !self.is_over(at)
    }

    /// Whether `from <= at`.
    pub fn has_begun(self, at: Instant) -> bool {
        self.from.is_none_or(|from| from <= at)
    }

    /// Whether `until <= at`.
    pub fn is_over(self, at: Instant) -> bool {
        self.until.is_some_and(|until| until <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_contains_its_start_and_not_its_end() {
        let window = Window { from: Some(Instant(10)), until: Some(Instant(20)) };
        let inside = |at| window.contains(Instant(at));
        assert_eq!([9, 10, 19, 20].map(inside), [false, true, true, false]);
    }

    #[test]
    fn a_window_without_bounds_contains_infinity() {
        assert!(Window::default().contains(Instant::NEG_INFINITY));
        assert!(Window::default().contains(Instant::INFINITY));
        assert!(!Window { from: None, until: Some(Instant::INFINITY) }.contains(Instant::INFINITY));
    }
}
