//! Splitting a discount over lines without losing or inventing anything (semantics 3).

use std::cmp::Reverse;

use super::money::{Money, Unit};

/// Splits `total` in proportion to `weights`. Each part gets its share rounded down to the unit. The remaining units
/// go one each to the largest remainders, ties to the earlier part. Callers pass the lines in add-on id order, so
/// that ties go to the smaller add-on id.
///
/// The parts add up to `total`. If `total` is at most the sum of the weights, no part exceeds its weight: a part is
/// raised by a unit only if its exact share was not whole. If all weights are zero, every part is zero. Amounts that
/// are not multiples of the unit, which a host can write, are split in cents.
pub fn split(total: Money, weights: &[Money], unit: Unit) -> Vec<Money> {
    let whole: Money = weights.iter().copied().sum();
    if whole == Money::ZERO || total == Money::ZERO {
        return vec![Money::ZERO; weights.len()];
    }
    let is_whole = unit.divides(total) && weights.iter().all(|&weight| unit.divides(weight));
    let unit = if is_whole { unit } else { Unit::HUNDREDTH };
    let (mut parts, mut remainders) = (Vec::with_capacity(weights.len()), Vec::with_capacity(weights.len()));
    for (part, &weight) in weights.iter().enumerate() {
        let (share, remainder) = floor_share(total, weight, whole, unit);
        parts.push(share);
        remainders.push((Reverse(remainder), part));
    }
    let left = total - parts.iter().copied().sum();
    remainders.sort_unstable();
    for &(_, part) in remainders.iter().take(unit.count_in(left) as usize) {
        parts[part] += unit.amount();
    }
    parts
}

/// `total × weight / whole` rounded down to the unit, and the remainder of that division. All are multiples of the unit.
fn floor_share(total: Money, weight: Money, whole: Money, unit: Unit) -> (Money, u64) {
    let [total, weight, whole] = [total, weight, whole].map(|amount| unit.count_in(amount) as u64);
    let (share, remainder) = match total.checked_mul(weight) {
        Some(product) => (product / whole, product % whole),
        None => {
            let product = u128::from(total) * u128::from(weight);
            ((product / u128::from(whole)) as u64, (product % u128::from(whole)) as u64)
        }
    };
    (unit.times(share as i64), remainder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts(cents: &[i64]) -> Vec<Money> {
        cents.iter().copied().map(Money::from_cents).collect()
    }

    #[test]
    fn leftover_cents_go_to_the_largest_remainders_then_to_the_first() {
        assert_eq!(
            split(Money::from_cents(1000), &amounts(&[5000, 5000, 5000]), Unit::HUNDREDTH),
            amounts(&[334, 333, 333])
        );
        assert_eq!(split(Money::from_cents(1), &amounts(&[1, 100]), Unit::HUNDREDTH), amounts(&[0, 1]));
    }

    #[test]
    fn nothing_is_split_over_nothing() {
        assert_eq!(split(Money::ZERO, &[], Unit::ONE), vec![]);
        assert_eq!(split(Money::ZERO, &amounts(&[0, 0]), Unit::ONE), amounts(&[0, 0]));
    }

    #[test]
    fn yen_are_split_into_whole_ones() {
        let yen = |yen: &[i64]| yen.iter().map(|&yen| Unit::ONE.times(yen)).collect::<Vec<Money>>();
        assert_eq!(split(Unit::ONE.times(5), &yen(&[10, 10, 10]), Unit::ONE), yen(&[2, 2, 1]));
        assert_eq!(split(Unit::ONE.times(100), &yen(&[999, 1, 1]), Unit::ONE), yen(&[100, 0, 0]));
    }

    #[test]
    fn amounts_off_the_unit_are_split_in_cents() {
        assert_eq!(split(Money::from_cents(101), &amounts(&[100, 100]), Unit::ONE), amounts(&[51, 50]));
        assert_eq!(split(Money::from_cents(100), &amounts(&[100, 101]), Unit::ONE), amounts(&[50, 50]));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_stay_within_their_weights(
            weights in prop::collection::vec(prop_oneof![0..5_i64, 0..=999_999_99_i64], 1..40),
            fraction in 0..=1_000_000_u64,
            unit in prop::sample::select(vec![Unit::HUNDREDTH, Unit::ONE]),
        ) {
            let weights: Vec<Money> = weights.iter().map(|&count| unit.times(count)).collect();
            let whole: Money = weights.iter().copied().sum();
            let total = whole.share(fraction, 1_000_000, unit);
            let parts = split(total, &weights, unit);
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), total);
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!(*part >= Money::ZERO && part <= weight && unit.divides(*part));
            }
        }

        #[test]
        fn a_heavier_line_never_gets_less(
            weights in prop::collection::vec(0..100_000_i64, 2..10), total in 0..100_000_i64,
        ) {
            let parts = split(Money::from_cents(total), &amounts(&weights), Unit::HUNDREDTH);
            for (i, j) in (0..weights.len()).flat_map(|i| (0..weights.len()).map(move |j| (i, j))) {
                prop_assert!(weights[i] <= weights[j] || parts[i] >= parts[j]);
            }
        }
    }
}
