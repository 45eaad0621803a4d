//! Splitting a discount over lines without losing or inventing a cent (semantics 3).

use std::cmp::Reverse;

use super::money::Money;

/// Splits `total` in proportion to `weights`: each part gets its share rounded down, and the cents left go one each to
/// the largest remainders, ties to the earlier part. Callers pass the lines in add-on id order, so that ties go to the
/// smaller add-on id.
///
/// The parts add up to `total`. When `total` is at most the sum of the weights, no part exceeds its weight: a part is
/// raised by a cent only when its exact share was not whole. Nothing can be split over weights that are all zero, and
/// then every part is zero.
pub fn split(total: Money, weights: &[Money]) -> Vec<Money> {
    let whole: Money = weights.iter().copied().sum();
    if whole == Money::ZERO || total == Money::ZERO {
        return vec![Money::ZERO; weights.len()];
    }
    let (mut parts, mut remainders) = (Vec::with_capacity(weights.len()), Vec::with_capacity(weights.len()));
    for (part, &weight) in weights.iter().enumerate() {
        let (share, remainder) = floor_share(total, weight, whole);
        parts.push(share);
        remainders.push((Reverse(remainder), part));
    }
    let left = total - parts.iter().copied().sum();
    remainders.sort_unstable();
    for &(_, part) in remainders.iter().take(left.cents() as usize) {
        parts[part] += Money::from_cents(1);
    }
    parts
}

/// `total × weight / whole` rounded down, and the remainder of that division.
fn floor_share(total: Money, weight: Money, whole: Money) -> (Money, u64) {
    let (total, weight, whole) = (total.cents() as u64, weight.cents() as u64, whole.cents() as u64);
    let (share, remainder) = match total.checked_mul(weight) {
        Some(product) => (product / whole, product % whole),
        None => {
            let product = u128::from(total) * u128::from(weight);
            ((product / u128::from(whole)) as u64, (product % u128::from(whole)) as u64)
        }
    };
    (Money::from_cents(share as i64), remainder)
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
        assert_eq!(split(Money::from_cents(1000), &amounts(&[5000, 5000, 5000])), amounts(&[334, 333, 333]));
        assert_eq!(split(Money::from_cents(1), &amounts(&[1, 100])), amounts(&[0, 1]));
    }

    #[test]
    fn nothing_is_split_over_nothing() {
        assert_eq!(split(Money::ZERO, &[]), vec![]);
        assert_eq!(split(Money::ZERO, &amounts(&[0, 0])), amounts(&[0, 0]));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_stay_within_their_weights(
            weights in prop::collection::vec(prop_oneof![0..5_i64, 0..=Money::MAX.cents()], 1..40),
            fraction in 0..=1_000_000_u64,
        ) {
            let weights = amounts(&weights);
            let whole: Money = weights.iter().copied().sum();
            let total = whole.share(fraction, 1_000_000);
            let parts = split(total, &weights);
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), total);
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!(*part >= Money::ZERO && part <= weight);
            }
        }

        #[test]
        fn a_heavier_line_never_gets_less(
            weights in prop::collection::vec(0..100_000_i64, 2..10), total in 0..100_000_i64,
        ) {
            let parts = split(Money::from_cents(total), &amounts(&weights));
            for (i, j) in (0..weights.len()).flat_map(|i| (0..weights.len()).map(move |j| (i, j))) {
                prop_assert!(weights[i] <= weights[j] || parts[i] >= parts[j]);
            }
        }
    }
}
