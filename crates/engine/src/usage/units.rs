//! Units of a metered feature: exact decimals with six places.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// How many decimals an amount of units can have.
const DECIMALS: usize = 6;

const ONE: i128 = 1_000_000;

/// An amount of units, in millionths. Sums are not checked: overflow would take 10^18 calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units(i128);

impl Units {
    /// None.
    pub const ZERO: Units = Units(0);
    /// The largest amount that a call can name and a counter can hold: the range of `numeric(20,6)`.
    pub const MAX: Units = Units(99_999_999_999_999_999_999);

    /// So many millionths.
    pub const fn from_millionths(millionths: i128) -> Units {
        Units(millionths)
    }

    /// How many millionths.
    pub const fn millionths(self) -> i128 {
        self.0
    }

    /// Parses decimal digits. `None` for anything else: more than six decimals that are not zero, negative numbers,
    /// and amounts above [`Units::MAX`].
    pub fn from_digits(text: &str) -> Option<Units> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let kept = decimals.trim_end_matches('0');
        if whole.len() + decimals.len() == 0 || !is_number(whole) || !is_number(decimals) || kept.len() > DECIMALS {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > 14 {
            return None;
        }
        let millionths: i128 = format!("0{whole}{kept:0<DECIMALS$}").parse().ok()?;
        Some(Units(millionths))
    }

    /// So many times the amount.
    pub fn times(self, count: u32) -> Units {
        Units(self.0 * i128::from(count))
    }

    /// The rest after subtracting another amount; zero if that is larger.
    pub fn less(self, other: Units) -> Units {
        Units((self.0 - other.0).max(0))
    }

    /// The amount as a whole number of `10^-scale`, with as few decimals as it needs.
    pub fn scaled(self) -> (i128, u32) {
        let (mut digits, mut scale) = (self.0, DECIMALS as u32);
        while scale > 0 && digits % 10 == 0 {
            (digits, scale) = (digits / 10, scale - 1);
        }
        (digits, scale)
    }
}

impl Add for Units {
    type Output = Units;
    fn add(self, other: Units) -> Units {
        Units(self.0 + other.0)
    }
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Units) {
        self.0 += other.0;
    }
}

impl Sub for Units {
    type Output = Units;
    fn sub(self, other: Units) -> Units {
        Units(self.0 - other.0)
    }
}

impl SubAssign for Units {
    fn sub_assign(&mut self, other: Units) {
        self.0 -= other.0;
    }
}

impl Sum for Units {
    fn sum<I: Iterator<Item = Units>>(amounts: I) -> Units {
        amounts.fold(Units::ZERO, Add::add)
    }
}

impl fmt::Display for Units {
    /// Without needless zeros: `50`, `12.5`, `0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, decimals) = (self.0.abs() / ONE, self.0.abs() % ONE);
        match decimals {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{}", format!("{decimals:0DECIMALS$}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_are_read_exactly_or_not_at_all() {
        let read = |text: &str| Units::from_digits(text).map(Units::millionths);
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("12.5"), Some(12_500_000));
        assert_eq!(read(".25"), Some(250_000));
        assert_eq!(read("7."), Some(7_000_000));
        assert_eq!(read("0.000001"), Some(1));
        assert_eq!(read("1.0000000000"), Some(1_000_000));
        assert_eq!(read("99999999999999.999999"), Some(Units::MAX.millionths()));
        for text in
            ["", ".", "-1", "+1", "1e2", "NaN", "Infinity", "0.0000001", "100000000000000", "1 ", "1.2.3", "\u{661}"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_print_as_people_write_them() {
        let printed = |millionths| Units(millionths).to_string();
        assert_eq!(printed(50_000_000), "50");
        assert_eq!(printed(12_500_000), "12.5");
        assert_eq!(printed(1), "0.000001");
        assert_eq!(printed(-1_500_000), "-1.5");
        assert_eq!(Units(12_500_000).scaled(), (125, 1));
        assert_eq!(Units(0).scaled(), (0, 0));
        assert_eq!(Units(1).scaled(), (1, 6));
    }

    proptest! {
        #[test]
        fn printed_units_are_read_back(millionths in 0..=Units::MAX.millionths()) {
            prop_assert_eq!(Units::from_digits(&Units(millionths).to_string()), Some(Units(millionths)));
        }
    }
}
