//! Months of the calendar in UTC.

use chrono::{DateTime, Datelike, Months};

use crate::time::Instant;

/// Microseconds from 1970 to 2000.
const EPOCH: i64 = 946_684_800_000_000;

/// The last year in which a period may end; what would end later has no end.
const LAST_YEAR: i32 = 200_000;

/// The instant so many calendar months after another, in UTC: from 31 January a month is 28 or 29 February, and two months are
/// 31 March. `None` where the calendar ends.
pub fn months_after(anchor: Instant, months: u32) -> Option<Instant> {
    let anchor = DateTime::from_timestamp_micros(anchor.0.checked_add(EPOCH)?)?;
    let end = anchor.checked_add_months(Months::new(months))?;
    (end.year() <= LAST_YEAR).then(|| Instant(end.timestamp_micros() - EPOCH))
}

/// The instant so many days after another.
pub fn days_after(start: Instant, days: u32) -> Option<Instant> {
    const DAY: i64 = 86_400_000_000;
    start.0.checked_add(i64::from(days).checked_mul(DAY)?).map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros() - EPOCH)
    }

    #[test]
    fn a_day_that_a_month_lacks_is_its_last() {
        let january = at("2027-01-31T10:00:00Z");
        let ends = [1, 2, 3, 12, 13].map(|months| months_after(january, months).unwrap());
        let expected = ["2027-02-28", "2027-03-31", "2027-04-30", "2028-01-31", "2028-02-29"];
        assert_eq!(ends, expected.map(|day| at(&format!("{day}T10:00:00Z"))));
        assert_eq!(months_after(at("2028-02-29T00:00:00Z"), 48), Some(at("2032-02-29T00:00:00Z")));
    }

    #[test]
    fn what_would_end_after_the_calendar_has_no_end() {
        assert_eq!(months_after(Instant::INFINITY, 1), None);
        assert_eq!(months_after(Instant::NEG_INFINITY, 1), None);
        assert_eq!(months_after(at("2027-01-31T10:00:00Z"), u32::MAX), None);
    }
}
