//! Months of the calendar in UTC.

use chrono::{Datelike, Months};

use crate::time::Instant;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// The last year in which a period may end. A period that would end later has no end.
const LAST_YEAR: i32 = 200_000;

/// The instant this many calendar months after another, in UTC. A month after 31 January is 28 or 29 February, and
/// two months after it is 31 March. `None` beyond the end of the calendar.
pub fn months_after(anchor: Instant, months: u32) -> Option<Instant> {
    let end = anchor.date_time()?.checked_add_months(Months::new(months))?;
    (end.year() <= LAST_YEAR).then(|| Instant::from(end))
}

/// The earliest start of a period of this many calendar months that ends at `end`: not before `earliest`, and at most
/// a day after it.
pub fn began_before(end: Instant, months: u32, earliest: Instant) -> Option<Instant> {
    let first = Instant::from(end.date_time()?.checked_sub_months(Months::new(months))?);
    // From 28 to 31 January a month ends on 28 February.
    let days = (0..=3).filter_map(|days| Some(Instant(first.0.checked_add(days * DAY)?)));
    let mut fitting = days.filter(|&from| from >= earliest && months_after(from, months) == Some(end));
    fitting.next().filter(|from| from.0.checked_sub(earliest.0).is_some_and(|after| after <= DAY))
}

/// The instant this many days after another.
pub fn days_after(start: Instant, days: u32) -> Option<Instant> {
    start.0.checked_add(i64::from(days).checked_mul(DAY)?).map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn at(text: &str) -> Instant {
        DateTime::parse_from_rfc3339(text).unwrap().into()
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
    fn a_beginning_is_found_by_its_end() {
        let began = |end: &str, earliest: &str| began_before(at(end), 1, at(earliest));
        assert_eq!(began("2027-02-15T10:00:00Z", "2027-01-15T09:00:00Z"), Some(at("2027-01-15T10:00:00Z")));
        assert_eq!(began("2027-02-28T10:00:00Z", "2027-01-31T09:00:00Z"), Some(at("2027-01-31T10:00:00Z")));
        assert_eq!(began("2027-02-28T10:00:00Z", "2027-01-29T11:00:00Z"), Some(at("2027-01-30T10:00:00Z")));
        // Two days later, or not at all
        assert_eq!(began("2027-02-15T10:00:00Z", "2027-01-13T10:00:00Z"), None);
        assert_eq!(began("2027-02-15T10:00:00Z", "2027-01-15T10:00:01Z"), None);
        assert_eq!(began_before(Instant::INFINITY, 1, Instant::NEG_INFINITY), None);
    }

    #[test]
    fn an_end_beyond_the_calendar_is_no_end() {
        assert_eq!(months_after(Instant::INFINITY, 1), None);
        assert_eq!(months_after(Instant::NEG_INFINITY, 1), None);
        assert_eq!(months_after(at("2027-01-31T10:00:00Z"), u32::MAX), None);
    }
}
