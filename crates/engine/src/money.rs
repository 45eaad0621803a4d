//! Amounts of money and percentages, in whole cents and hundredths of a percent, never in floating point. Results are
//! rounded to the unit of a currency.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

/// An amount of money in cents.
///
/// Displayed with exactly two decimals. Sums are not checked: a line is at most [`Money::MAX`], and no cart holds the
/// nine hundred million lines that would overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The most a line can cost: what `add_on_purchases.amount`, a `numeric(10,2)`, can hold.
    pub const MAX: Money = Money(99_999_999_99);

    /// The letters of the longest amount, sign and point included.
    pub const MOST_DIGITS: usize = 24;

    /// The amount of this many cents.
    pub const fn from_cents(cents: i64) -> Money {
        Money(cents)
    }

    /// The number of cents.
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// The amount as it is displayed, written to the end of a buffer: for documents with many amounts.
    pub fn digits(self, buffer: &mut [u8; Money::MOST_DIGITS]) -> &str {
        let (mut rest, mut start) = (self.0.unsigned_abs(), buffer.len());
        let mut put = |letter| {
            start -= 1;
            buffer[start] = letter;
        };
        for place in 0.. {
            if place == 2 {
                put(b'.');
            }
            if place > 2 && rest == 0 {
                break;
            }
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        if self.0 < 0 {
            put(b'-');
        }
        std::str::from_utf8(&buffer[start..]).unwrap_or_default()
    }

    /// The exact amount, or `None` when it is not a whole number of cents or too large to count.
    pub fn from_decimal(amount: Decimal) -> Option<Money> {
        let cents = amount.checked_mul(Decimal::ONE_HUNDRED)?;
        if cents.fract().is_zero() { cents.to_i64().map(Money) } else { None }
    }

    /// What `quantity` units at this price cost, or `None` above [`Money::MAX`].
    pub fn times(self, quantity: u32) -> Option<Money> {
        let cents = self.0.checked_mul(i64::from(quantity))?;
        (cents <= Money::MAX.0).then_some(Money(cents))
    }

    /// `count` times this amount, rounded to the unit, but at most `cap`.
    pub fn times_up_to(self, count: u32, cap: Money, unit: Unit) -> Money {
        match self.0.checked_mul(i64::from(count)) {
            Some(cents) => Money(cents).rounded(unit).min(cap),
            None => cap,
        }
    }

    /// The amount, rounded half away from zero to the unit. It must not be negative.
    pub fn rounded(self, unit: Unit) -> Money {
        if unit.divides(self) { self } else { self.share(1, 1, unit) }
    }

    /// This percentage of the amount, rounded half away from zero to the unit.
    pub fn percent(self, percent: Percent, unit: Unit) -> Money {
        self.share(u64::from(percent.0), u64::from(Percent::WHOLE.0), unit)
    }

    /// `part / whole` of the amount, rounded half away from zero to the unit. The amount must not be negative.
    pub fn share(self, part: u64, whole: u64, unit: Unit) -> Money {
        debug_assert!(self.0 >= 0 && whole > 0);
        let (amount, unit) = (self.0 as u64, unit.0 as u64);
        let whole = whole * unit;
        // A 64-bit division is several times as fast as a 128-bit one, and nearly every amount fits. An odd whole has no
        // exact halves, so rounding its half down changes nothing.
        let cents = match amount.checked_mul(part).and_then(|product| product.checked_add(whole / 2)) {
            Some(shifted) => shifted / whole,
            None => {
                let shifted = u128::from(amount) * u128::from(part) + u128::from(whole / 2);
                (shifted / u128::from(whole)) as u64
            }
        };
        Money((cents * unit) as i64)
    }
}

/// The smallest amount that can be charged in a currency: every price is a multiple of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(i64);

impl Unit {
    /// A cent.
    pub const HUNDREDTH: Unit = Unit(1);
    /// One whole: a yen, a won.
    pub const ONE: Unit = Unit(100);

    /// The amount.
    pub const fn amount(self) -> Money {
        Money(self.0)
    }

    /// Whether an amount is a multiple of it.
    pub const fn divides(self, amount: Money) -> bool {
        amount.0 % self.0 == 0
    }

    /// The number of whole units in an amount; a remainder smaller than a unit is dropped.
    pub const fn count_in(self, amount: Money) -> i64 {
        amount.0 / self.0
    }

    /// So many of it.
    pub const fn times(self, count: i64) -> Money {
        Money(self.0 * count)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0 - other.0)
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        self.0 -= other.0;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits(&mut [0; Money::MOST_DIGITS]))
    }
}

/// A percentage from 0 to 100 with two decimals, kept in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    /// No discount.
    pub const ZERO: Percent = Percent(0);
    /// 100 %.
    pub const WHOLE: Percent = Percent(100_00);

    /// The percentage of this many hundredths of a percent; more than 100 % counts as 100 %.
    pub fn from_hundredths(hundredths: i64) -> Percent {
        Percent(hundredths.clamp(0, i64::from(Percent::WHOLE.0)) as u16)
    }

    /// The number of hundredths of a percent.
    pub fn hundredths(self) -> i64 {
        i64::from(self.0)
    }
}

impl fmt::Display for Percent {
    /// Without needless zeros: `15`, `12.5`, `0.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, hundredths) = (self.0 / 100, self.0 % 100);
        match hundredths {
            0 => write!(f, "{units}"),
            _ if hundredths % 10 == 0 => write!(f, "{units}.{}", hundredths / 10),
            _ => write!(f, "{units}.{hundredths:02}"),
        }
    }
}

/// The discount of a pricing rule or a bundle: a percentage plus an amount per unit or per instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discount {
    /// The share of the amount it applies to.
    pub percent: Percent,
    /// The amount that comes off for each unit (rules) or instance (bundles).
    pub amount: Money,
}

impl Discount {
    /// `round(base × percent / 100) + round(amount × count)`, at most `base` (semantics 2.2 and 2.3).
    pub fn on(self, base: Money, count: u32, unit: Unit) -> Money {
        let percentage = base.percent(self.percent, unit);
        percentage + self.amount.times_up_to(count, base - percentage, unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: Unit = Unit::HUNDREDTH;

    fn cents(cents: i64) -> Money {
        Money::from_cents(cents)
    }

    #[test]
    fn percentages_round_half_away_from_zero() {
        assert_eq!(cents(1999).percent(Percent::from_hundredths(25_00), CENT), cents(500)); // 4.9975
        assert_eq!(cents(15).percent(Percent::from_hundredths(10_00), CENT), cents(2)); // 0.015
        assert_eq!(cents(90).percent(Percent::from_hundredths(35_00), CENT), cents(32)); // 0.315
        assert_eq!(cents(14).percent(Percent::from_hundredths(10_00), CENT), cents(1)); // 0.014
    }

    #[test]
    fn shares_round_halves_up_for_odd_and_even_wholes() {
        assert_eq!(cents(1).share(1, 2, CENT), cents(1));
        assert_eq!(cents(1).share(1, 3, CENT), cents(0));
        assert_eq!(cents(5).share(1, 3, CENT), cents(2)); // 1.67
        assert_eq!(cents(10).share(3, 20, CENT), cents(2)); // 1.5
        assert_eq!(cents(100).share(1, 7, CENT), cents(14)); // 14.29
    }

    #[test]
    fn shares_of_the_largest_amounts_are_exact() {
        let amount = cents(i64::from(u32::MAX) * 1_000_000_007);
        assert_eq!(amount.share(u64::from(u32::MAX), u64::from(u32::MAX), CENT), amount);
        assert_eq!(Money::MAX.share(2_147_483_646, 2_147_483_647, CENT), cents(9_999_999_994)); // 9999999994.34
    }

    #[test]
    fn yen_are_rounded_to_whole_ones() {
        let percent = Percent::from_hundredths;
        assert_eq!(cents(999_00).percent(percent(10_00), Unit::ONE), cents(100_00)); // 99.9
        assert_eq!(cents(15_00).percent(percent(10_00), Unit::ONE), cents(2_00)); // 1.5
        assert_eq!(cents(14_00).percent(percent(10_00), Unit::ONE), cents(1_00)); // 1.4
        assert_eq!(cents(10_00).share(1, 3, Unit::ONE), cents(3_00)); // 3.33
        assert_eq!(cents(10_00).share(2, 3, Unit::ONE), cents(7_00)); // 6.67
        assert_eq!(Money::MAX.share(1, 1, Unit::ONE), cents(100_000_000_00)); // 99999999.99
        assert_eq!(cents(1_50).rounded(Unit::ONE), cents(2_00));
        assert_eq!(cents(1_49).rounded(Unit::ONE), cents(1_00));
    }

    #[test]
    fn an_amount_for_each_unit_is_rounded_once_for_all() {
        let discount = Discount { percent: Percent::ZERO, amount: cents(50) };
        assert_eq!(discount.on(cents(100_00), 3, Unit::ONE), cents(2_00)); // 1.50
        assert_eq!(discount.on(cents(1_00), 3, Unit::ONE), cents(1_00));
    }

    #[test]
    fn a_line_above_the_column_is_refused() {
        assert_eq!(Money::MAX.times(1), Some(Money::MAX));
        assert_eq!(Money::MAX.times(2), None);
        assert_eq!(cents(1).times(u32::MAX), Some(cents(i64::from(u32::MAX))));
        assert_eq!(Money::MAX.times(u32::MAX), None);
    }

    #[test]
    fn a_discount_never_exceeds_its_base() {
        let discount = Discount { percent: Percent::from_hundredths(50_00), amount: Money::MAX };
        assert_eq!(discount.on(cents(101), u32::MAX, CENT), cents(101));
        let discount = Discount { percent: Percent::from_hundredths(10_00), amount: cents(7) };
        assert_eq!(discount.on(cents(1000), 3, CENT), cents(121));
    }

    #[test]
    fn amounts_and_percentages_print_as_people_write_them() {
        assert_eq!(cents(1999).to_string(), "19.99");
        assert_eq!(cents(-5).to_string(), "-0.05");
        assert_eq!(cents(0).to_string(), "0.00");
        assert_eq!(cents(i64::MIN).to_string(), "-92233720368547758.08");
        assert_eq!(Percent::from_hundredths(15_00).to_string(), "15");
        assert_eq!(Percent::from_hundredths(12_50).to_string(), "12.5");
        assert_eq!(Percent::from_hundredths(25).to_string(), "0.25");
    }

    #[test]
    fn only_whole_cents_are_money() {
        assert_eq!(Money::from_decimal("19.990".parse().unwrap()), Some(cents(1999)));
        assert_eq!(Money::from_decimal("19.999".parse().unwrap()), None);
        assert_eq!(Money::from_decimal(Decimal::MAX), None);
    }
}
