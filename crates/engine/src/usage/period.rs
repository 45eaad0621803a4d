//! The period that contains an instant: a day, month or year of the calendar in UTC, or a paid period.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::metering::Per;
use crate::billing::BillingType;
use crate::time::{Instant, Window};

/// The dates of an add-on of a user that its periods depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// When access began.
    pub purchased_at: Instant,
    /// When it ends; `None` for no end.
    pub expires_at: Option<Instant>,
    /// How it is charged.
    pub billing_type: BillingType,
}

/// A paid period that does not follow from a [`Holding`]: a year of an add-on sold by the month, or the month after a
/// trial that ended on the 31st.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidPeriod {
    /// Its beginning.
    pub from: Instant,
    /// Its end.
    pub until: Instant,
}

impl Holding {
    /// When there is access.
    pub fn window(&self) -> Window {
        Window { from: Some(self.purchased_at), until: self.expires_at }
    }

    /// The period that contains an instant. A period that never starts anew has no bounds.
    pub fn period(&self, per: Per, at: Instant) -> Window {
        match per {
            Per::Ever => Window::default(),
            Per::Day => calendar(at, |date| date, |date| date.succ_opt()),
            Per::Month => calendar(at, first_of_month, |date| date.checked_add_months(Months::new(1))),
            Per::Year => calendar(
                at,
                |date| first_of_month(date).with_month(1).unwrap_or(date),
                |date| date.checked_add_months(Months::new(12)),
            ),
            Per::Period => self.paid_period(at),
        }
    }

    /// The period that contains an instant, given the paid periods that have not ended. Time between them was granted
    /// in another way, and has its own periods.
    pub fn period_beside(&self, paid: &[PaidPeriod], per: Per, at: Instant) -> Window {
        if per != Per::Period || paid.is_empty() {
            return self.period(per, at);
        }
        if let Some(period) = paid.iter().find(|period| period.from <= at && at < period.until) {
            let until = self.expires_at.map_or(period.until, |end| end.min(period.until));
            return Window { from: Some(period.from.max(self.purchased_at)), until: Some(until) };
        }
        let before = paid.iter().map(|period| period.until).filter(|&until| until <= at).max();
        let behind = paid.iter().map(|period| period.from).filter(|&from| from > at).min();
        let purchased_at = before.map_or(self.purchased_at, |until| until.max(self.purchased_at));
        let rest = Holding { purchased_at, expires_at: behind.or(self.expires_at), ..*self };
        rest.period(per, at)
    }

    /// Paid months or years follow each other without a gap. They are counted from the beginning of access if its end
    /// is a multiple of them; otherwise they are counted back from that end, which a provider or a person has set.
    fn paid_period(&self, at: Instant) -> Window {
        let months = match self.billing_type {
            BillingType::Monthly => 1,
            BillingType::Annual => 12,
            BillingType::OneTime | BillingType::UsageBased => return Window::default(),
        };
        let bounds = |anchor: Instant, at: Instant| around(anchor, months, at);
        let from_beginning = |end: Instant| {
            let (_, next) = bounds(self.purchased_at, Instant(end.0.checked_sub(1)?))?;
            (next == end).then_some(self.purchased_at)
        };
        let anchor = match self.expires_at {
            None | Some(Instant::INFINITY) => self.purchased_at,
            Some(end) => from_beginning(end).unwrap_or(end),
        };
        match bounds(anchor, at) {
            Some((from, until)) => {
                let until = self.expires_at.map_or(until, |end| end.min(until));
                Window { from: Some(from.max(self.purchased_at)), until: Some(until) }
            }
            None => Window { from: None, until: self.expires_at },
        }
    }
}

fn first_of_month(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// The window from one midnight to another; unbounded beyond the end of the calendar.
fn calendar(
    at: Instant,
    first: impl Fn(NaiveDate) -> NaiveDate,
    next: impl Fn(NaiveDate) -> Option<NaiveDate>,
) -> Window {
    let midnight = |date: NaiveDate| Instant::from(date.and_time(NaiveTime::MIN).and_utc());
    let Some(from) = at.date_time().map(|at| first(at.date_naive())) else { return Window::default() };
    Window { from: Some(midnight(from)), until: next(from).map(midnight) }
}

/// The instant this many months after an anchor, or before it if negative.
fn months_from(anchor: DateTime<Utc>, months: i64) -> Option<DateTime<Utc>> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { anchor.checked_sub_months(count) } else { anchor.checked_add_months(count) }
}

/// The bounds around an instant that are multiples of this many months from an anchor. Each is counted from the
/// anchor: from 31 January they are 28 February, 31 March, 30 April.
fn around(anchor: Instant, months: i64, at: Instant) -> Option<(Instant, Instant)> {
    let (anchor, at) = (anchor.date_time()?, at.date_time()?);
    let apart = i64::from(at.year() - anchor.year()) * 12 + i64::from(at.month()) - i64::from(anchor.month());
    // The month alone can be off by one: within the month, the bound may still be ahead.
    let guess = apart.div_euclid(months);
    let periods = if months_from(anchor, guess * months)? > at { guess - 1 } else { guess };
    let (from, until) = (months_from(anchor, periods * months)?, months_from(anchor, (periods + 1) * months)?);
    Some((from.into(), until.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        DateTime::parse_from_rfc3339(&text).unwrap().into()
    }

    fn window(from: &str, until: &str) -> Window {
        Window { from: Some(at(from)), until: Some(at(until)) }
    }

    fn held(billing_type: BillingType, purchased_at: &str, expires_at: Option<&str>) -> Holding {
        Holding { purchased_at: at(purchased_at), expires_at: expires_at.map(at), billing_type }
    }

    #[test]
    fn days_months_and_years_are_those_of_utc() {
        let holding = held(BillingType::Monthly, "2028-01-01", None);
        let noon = at("2028-02-29T12:00:00Z");
        assert_eq!(holding.period(Per::Day, noon), window("2028-02-29", "2028-03-01"));
        assert_eq!(holding.period(Per::Month, noon), window("2028-02-01", "2028-03-01"));
        assert_eq!(holding.period(Per::Year, noon), window("2028-01-01", "2029-01-01"));
        assert_eq!(holding.period(Per::Ever, noon), Window::default());
        // A period contains its first instant, but not its end.
        assert_eq!(holding.period(Per::Day, at("2028-03-01")), window("2028-03-01", "2028-03-02"));
        assert_eq!(holding.period(Per::Month, at("2028-02-29T23:59:59.999999Z")), window("2028-02-01", "2028-03-01"));
    }

    #[test]
    fn a_paid_period_is_counted_from_the_beginning() {
        let bought_on_the_31st = held(BillingType::Monthly, "2027-01-31", Some("2027-04-30"));
        assert_eq!(bought_on_the_31st.period(Per::Period, at("2027-02-01")), window("2027-01-31", "2027-02-28"));
        assert_eq!(bought_on_the_31st.period(Per::Period, at("2027-03-30")), window("2027-02-28", "2027-03-31"));
        assert_eq!(bought_on_the_31st.period(Per::Period, at("2027-03-31")), window("2027-03-31", "2027-04-30"));
        let yearly = held(BillingType::Annual, "2024-02-29", Some("2026-02-28"));
        assert_eq!(yearly.period(Per::Period, at("2025-02-28")), window("2025-02-28", "2026-02-28"));
    }

    #[test]
    fn a_paid_period_is_counted_from_a_changed_end() {
        let until_the_15th = held(BillingType::Monthly, "2027-01-31", Some("2027-04-15"));
        assert_eq!(until_the_15th.period(Per::Period, at("2027-03-14")), window("2027-02-15", "2027-03-15"));
        assert_eq!(until_the_15th.period(Per::Period, at("2027-02-01")), window("2027-01-31", "2027-02-15"));
        let trial = held(BillingType::Annual, "2027-01-01", Some("2027-01-15"));
        assert_eq!(trial.period(Per::Period, at("2027-01-02")), window("2027-01-01", "2027-01-15"));
    }

    #[test]
    fn without_an_end_months_are_counted_all_the_same_and_what_is_bought_once_has_no_periods() {
        let granted = held(BillingType::Monthly, "2027-01-31", None);
        assert_eq!(granted.period(Per::Period, at("2030-02-28")), window("2030-02-28", "2030-03-31"));
        for billing_type in [BillingType::OneTime, BillingType::UsageBased] {
            assert_eq!(held(billing_type, "2027-01-31", None).period(Per::Period, at("2030-02-28")), Window::default());
        }
    }

    #[test]
    fn infinite_instants_have_no_periods() {
        let holding =
            |purchased_at, expires_at| Holding { purchased_at, expires_at, billing_type: BillingType::Monthly };
        let forever = holding(Instant::NEG_INFINITY, Some(Instant::INFINITY));
        for per in [Per::Day, Per::Month, Per::Year, Per::Ever] {
            assert_eq!(forever.period(per, Instant::INFINITY), Window::default());
            assert_eq!(forever.period(per, Instant::NEG_INFINITY), Window::default());
        }
        assert_eq!(forever.period(Per::Period, at("2027-01-01")).from, None);
        assert_eq!(holding(Instant::NEG_INFINITY, None).period(Per::Period, at("2027-01-01")), Window::default());
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_its_period_and_periods_meet(
            begin in 0..1_000_000_000_000_000_i64,
            length in prop::option::of(1..200_000_000_000_000_i64),
            part in 0..1_000_u64,
            per in prop::sample::select(&Per::ALL[..]),
            billing_type in prop::sample::select(&BillingType::ALL[..]),
        ) {
            let holding = Holding {
                purchased_at: Instant(begin),
                expires_at: length.map(|length| Instant(begin + length)),
                billing_type,
            };
            let lasts = length.unwrap_or(100_000_000_000_000);
            let inside = Instant(begin + (i128::from(lasts - 1) * i128::from(part) / 1_000) as i64);
            let period = holding.period(per, inside);
            prop_assert!(period.contains(inside), "{holding:?} {period:?}");
            for bound in [period.from.map(|from| Instant(from.0 - 1)), period.until].into_iter().flatten() {
                if holding.window().contains(bound) {
                    let next = holding.period(per, bound);
                    prop_assert!(next.until == period.from || next.from == period.until, "{period:?} {next:?}");
                }
            }
        }
    }
}
