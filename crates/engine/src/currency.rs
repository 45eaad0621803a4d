//! Currencies: the smallest amount that can be charged, and the units in which payment providers count (semantics 8).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::money::{Money, Unit};

/// Currencies without decimals in ISO 4217.
const WHOLE: [&str; 17] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
];

/// Currencies with more decimals than the amounts here have, and their number of decimals.
const FINER: [(&str, u32); 9] =
    [("BHD", 3), ("CLF", 4), ("IQD", 3), ("JOD", 3), ("KWD", 3), ("LYD", 3), ("OMR", 3), ("TND", 3), ("UYW", 4)];

/// The currency of a marketplace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    code: [u8; 3],
    unit: Unit,
}

/// Why a marketplace cannot have a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not a code of three capital letters.
    NoCode,
    /// Its amounts have more than two decimals.
    TooFine {
        /// How many they have.
        decimals: u32,
    },
}

impl Currency {
    /// The currency of an ISO 4217 code.
    pub fn from_code(code: &str) -> Result<Currency, Unusable> {
        let letters: [u8; 3] = code.as_bytes().try_into().map_err(|_| Unusable::NoCode)?;
        if !letters.iter().all(u8::is_ascii_uppercase) {
            return Err(Unusable::NoCode);
        }
        match FINER.iter().find(|(finer, _)| *finer == code) {
            Some(&(_, decimals)) => Err(Unusable::TooFine { decimals }),
            None => Ok(Currency { code: letters, unit: unit_of(code) }),
        }
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// The smallest amount that can be charged.
    pub fn unit(&self) -> Unit {
        self.unit
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NoCode => f.write_str("a currency is a code of three capital letters, such as USD"),
            Unusable::TooFine { decimals } => write!(f, "its amounts have {decimals} decimals, and prices have two"),
        }
    }
}

/// The smallest chargeable amount in the currency of a purchase, whatever the currency of the marketplace.
pub fn unit_of(code: &str) -> Unit {
    if WHOLE.contains(&code) { Unit::ONE } else { Unit::HUNDREDTH }
}

/// A payment provider. Each counts money in whole minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Stripe's "zero-decimal currencies" are those of ISO 4217 with three differences: the ariary is one of them,
    /// because Stripe ignores its fifths; the krona and the Ugandan shilling are not, because Stripe counts them in
    /// hundredths although it cannot charge fractions of them.
    Stripe,
    /// Lago's `amount_cents` are the subunits of Ruby's `money` library, in which the forint has none either.
    Lago,
}

impl Provider {
    /// Its name as callers see it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Stripe => "stripe",
            Provider::Lago => "lago",
        }
    }

    /// How many decimals an amount in this currency has.
    fn decimals(self, code: &str) -> u32 {
        let finer = FINER.iter().find(|(finer, _)| *finer == code).map(|&(_, decimals)| decimals);
        let is_whole = match (self, code) {
            (Provider::Stripe, "ISK" | "UGX") => false,
            (Provider::Lago, "HUF") | (_, "MGA") => true,
            _ => WHOLE.contains(&code),
        };
        finer.unwrap_or(if is_whole { 0 } else { 2 })
    }

    /// An amount as the provider reports it; `None` if it is not a whole number of cents or is too large.
    pub fn from_minor_units(self, amount: i64, code: &str) -> Option<Money> {
        let cents = match self.decimals(code) {
            decimals @ 0..2 => amount.checked_mul(10_i64.pow(2 - decimals)),
            decimals => {
                let parts = 10_i64.pow(decimals - 2);
                (amount % parts == 0).then_some(amount / parts)
            }
        };
        cents.map(Money::from_cents)
    }

    /// An amount as the provider expects it; `None` if the provider cannot represent or charge it.
    pub fn to_minor_units(self, amount: Money, code: &str) -> Option<i64> {
        if !unit_of(code).divides(amount) {
            return None;
        }
        match self.decimals(code) {
            decimals @ 0..2 => {
                let cents = 10_i64.pow(2 - decimals);
                (amount.cents() % cents == 0).then_some(amount.cents() / cents)
            }
            decimals => amount.cents().checked_mul(10_i64.pow(decimals - 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cents(cents: i64) -> Money {
        Money::from_cents(cents)
    }

    #[test]
    fn a_currency_is_three_capital_letters_and_has_at_most_two_decimals() {
        assert_eq!(
            Currency::from_code("USD").map(|usd| (usd.to_string(), usd.unit())),
            Ok(("USD".into(), Unit::HUNDREDTH))
        );
        assert_eq!(Currency::from_code("JPY").map(|yen| yen.unit()), Ok(Unit::ONE));
        for code in ["", "usd", "USd", "US", "USDT", "US1", "\u{dc}S"] {
            assert_eq!(Currency::from_code(code), Err(Unusable::NoCode), "{code}");
        }
        for code in ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"] {
            assert_eq!(Currency::from_code(code), Err(Unusable::TooFine { decimals: 3 }), "{code}");
        }
        assert_eq!(Currency::from_code("CLF"), Err(Unusable::TooFine { decimals: 4 }));
    }

    #[test]
    fn providers_count_yen_alike_and_kronur_each_in_their_way() {
        let told =
            |amount, code| [Provider::Stripe, Provider::Lago].map(|provider| provider.from_minor_units(amount, code));
        assert_eq!(told(1999, "USD"), [Some(cents(1999)); 2]);
        assert_eq!(told(899, "JPY"), [Some(cents(899_00)); 2]);
        assert_eq!(told(500, "ISK"), [Some(cents(500)), Some(cents(500_00))]);
        assert_eq!(told(500, "UGX"), [Some(cents(500)), Some(cents(500_00))]);
        assert_eq!(told(500, "HUF"), [Some(cents(500)), Some(cents(500_00))]);
        assert_eq!(told(500, "MGA"), [Some(cents(500_00)); 2]);
        assert_eq!(told(1230, "KWD"), [Some(cents(123)); 2]);
        assert_eq!(told(1234, "KWD"), [None; 2]);
        assert_eq!(told(i64::MAX, "JPY"), [None; 2]);
    }

    #[test]
    fn unchargeable_amounts_have_no_minor_units() {
        assert_eq!(Provider::Stripe.to_minor_units(cents(899_00), "JPY"), Some(899));
        assert_eq!(Provider::Stripe.to_minor_units(cents(899_10), "JPY"), None);
        assert_eq!(Provider::Stripe.to_minor_units(cents(899_00), "ISK"), Some(899_00));
        assert_eq!(Provider::Stripe.to_minor_units(cents(899_10), "ISK"), None);
        assert_eq!(Provider::Lago.to_minor_units(cents(899_00), "ISK"), Some(899));
        assert_eq!(Provider::Lago.to_minor_units(cents(899_10), "HUF"), None);
        assert_eq!(Provider::Lago.to_minor_units(cents(899_10), "USD"), Some(899_10));
        assert_eq!(Provider::Stripe.to_minor_units(Money::from_cents(i64::MAX), "KWD"), None);
    }

    proptest! {
        #[test]
        fn minor_units_are_read_back(
            code in prop::sample::select(vec!["USD", "JPY", "ISK", "UGX", "HUF", "MGA", "CLP", "KWD", "CLF", "XYZ"]),
            amount in 0..=Money::MAX.cents(),
            provider in prop::sample::select(vec![Provider::Stripe, Provider::Lago]),
        ) {
            if let Some(minor) = provider.to_minor_units(cents(amount), code) {
                prop_assert_eq!(provider.from_minor_units(minor, code), Some(cents(amount)));
            }
        }
    }
}
