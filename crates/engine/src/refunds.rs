//! Spreading refunds over the purchases of one payment (semantics 4).

use super::money::{Money, Unit};
use super::split::split;

/// A purchase that was paid together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refundable {
    /// What it cost.
    pub amount: Money,
    /// What was refunded of it by name, with `refund_purchase`.
    pub directly: Money,
    /// What is recorded as refunded so far.
    pub refunded: Money,
}

/// What becomes of a purchase by refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// What is refunded of it.
    pub amount: Money,
    /// Whether that is all of it, so that it ends.
    pub is_whole: bool,
}

impl Refunded {
    /// So much is refunded of a purchase that cost `price`.
    pub fn of(price: Money, amount: Money) -> Refunded {
        Refunded { amount, is_whole: amount >= price }
    }
}

/// What is refunded of each purchase when the provider says that `total` was paid back of the payment as a whole.
///
/// Refunds by name count towards the total: the backend that refunds a purchase and the provider's event about it tell of
/// the same money. What they do not explain is split in proportion to what is left of each purchase. The result depends
/// on the refunds by name and on the largest total, and not on the order in which they became known; only a purchase's
/// refund never shrinks.
///
/// What cost nothing ends with the payment: when the provider has paid back all that was not refunded by name.
pub fn spread(purchases: &[Refundable], total: Money, unit: Unit) -> Vec<Refunded> {
    let left: Vec<Money> = purchases.iter().map(|purchase| purchase.amount - purchase.directly).collect();
    let by_name: Money = purchases.iter().map(|purchase| purchase.directly).sum();
    let all_left: Money = left.iter().copied().sum();
    let unexplained = (total - by_name).clamp(Money::ZERO, all_left);
    let is_all = unexplained > Money::ZERO && unexplained == all_left;
    let parts = split(unexplained, &left, unit);
    let refunded = |(purchase, part): (&Refundable, Money)| {
        let amount = (purchase.directly + part).max(purchase.refunded);
        let refunded = Refunded::of(purchase.amount, amount);
        Refunded { is_whole: refunded.is_whole && (is_all || purchase.amount > Money::ZERO), ..refunded }
    };
    purchases.iter().zip(parts).map(refunded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cents(cents: i64) -> Money {
        Money::from_cents(cents)
    }

    fn parts_of(purchases: &[Refundable], total: i64) -> Vec<Money> {
        spread(purchases, cents(total), Unit::HUNDREDTH).iter().map(|refunded| refunded.amount).collect()
    }

    fn purchases(amounts: &[i64], directly: &[i64]) -> Vec<Refundable> {
        let purchase = |(&amount, &directly): (&i64, &i64)| Refundable {
            amount: cents(amount),
            directly: cents(directly),
            refunded: cents(directly),
        };
        amounts.iter().zip(directly).map(purchase).collect()
    }

    #[test]
    fn a_refund_of_the_payment_is_split_in_proportion() {
        assert_eq!(parts_of(&purchases(&[1000, 2000], &[0, 0]), 300), [cents(100), cents(200)]);
        assert_eq!(parts_of(&purchases(&[1000, 2000], &[0, 0]), 3000), [cents(1000), cents(2000)]);
        assert_eq!(parts_of(&purchases(&[1000, 2000], &[0, 0]), 9999), [cents(1000), cents(2000)]); // with tax
    }

    #[test]
    fn a_refund_by_name_explains_the_providers_total() {
        assert_eq!(parts_of(&purchases(&[1000, 2000], &[0, 500]), 500), [cents(0), cents(500)]);
        assert_eq!(parts_of(&purchases(&[1000, 2000], &[0, 500]), 750), [cents(100), cents(650)]);
        assert_eq!(parts_of(&purchases(&[1000, 2000], &[0, 500]), 100), [cents(0), cents(500)]);
    }

    #[test]
    fn what_was_free_ends_with_the_payment_and_not_before() {
        let ends = |directly: &[i64], total| -> Vec<bool> {
            let spread = spread(&purchases(&[0, 1000, 2000], directly), cents(total), Unit::HUNDREDTH);
            spread.iter().map(|refunded| refunded.is_whole).collect()
        };
        assert_eq!(ends(&[0, 0, 0], 0), [false, false, false]);
        assert_eq!(ends(&[0, 0, 0], 2900), [false, false, false]);
        assert_eq!(ends(&[0, 0, 0], 3000), [true, true, true]);
        assert_eq!(ends(&[0, 1000, 0], 1000), [false, true, false]);
        assert_eq!(ends(&[0, 1000, 2000], 3000), [false, true, true]); // each was meant by name, and this one was not
        assert_eq!(ends(&[0, 1000, 500], 3000), [true, true, true]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_stay_within_their_purchases(
            amounts in prop::collection::vec(0..10_000_i64, 1..6), total in 0..60_000_i64,
        ) {
            let purchases = purchases(&amounts, &vec![0; amounts.len()]);
            let parts = parts_of(&purchases, total);
            let whole: Money = purchases.iter().map(|purchase| purchase.amount).sum();
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), cents(total).min(whole));
            for (part, purchase) in parts.iter().zip(&purchases) {
                prop_assert!(*part >= Money::ZERO && *part <= purchase.amount);
            }
        }
    }
}
