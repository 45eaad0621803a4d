//! Spreading refunds over the purchases of one payment (semantics 4).

use super::money::Money;
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

/// What is refunded of each purchase when the provider says that `total` was paid back of the payment as a whole.
///
/// Refunds by name count towards the total: the backend that refunds a purchase and the provider's event about it tell of
/// the same money. What they do not explain is split in proportion to what is left of each purchase. The result depends
/// on the refunds by name and on the largest total, and not on the order in which they became known; only a purchase's
/// refund never shrinks.
pub fn spread(purchases: &[Refundable], total: Money) -> Vec<Money> {
    let left: Vec<Money> = purchases.iter().map(|purchase| purchase.amount - purchase.directly).collect();
    let by_name: Money = purchases.iter().map(|purchase| purchase.directly).sum();
    let unexplained = (total - by_name).clamp(Money::ZERO, left.iter().copied().sum());
    let parts = split(unexplained, &left);
    purchases.iter().zip(parts).map(|(purchase, part)| (purchase.directly + part).max(purchase.refunded)).collect()
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cents(cents: i64) -> Money {
        Money::from_cents(cents)
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
        assert_eq!(spread(&purchases(&[1000, 2000], &[0, 0]), cents(300)), [cents(100), cents(200)]);
        assert_eq!(spread(&purchases(&[1000, 2000], &[0, 0]), cents(3000)), [cents(1000), cents(2000)]);
        assert_eq!(spread(&purchases(&[1000, 2000], &[0, 0]), cents(9999)), [cents(1000), cents(2000)]); // with tax
    }

    #[test]
    fn a_refund_by_name_explains_the_providers_total() {
        assert_eq!(spread(&purchases(&[1000, 2000], &[0, 500]), cents(500)), [cents(0), cents(500)]);
        assert_eq!(spread(&purchases(&[1000, 2000], &[0, 500]), cents(750)), [cents(100), cents(650)]);
        assert_eq!(spread(&purchases(&[1000, 2000], &[0, 500]), cents(100)), [cents(0), cents(500)]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_stay_within_their_purchases(
            amounts in prop::collection::vec(0..10_000_i64, 1..6), total in 0..60_000_i64,
        ) {
            let purchases = purchases(&amounts, &vec![0; amounts.len()]);
            let parts = spread(&purchases, cents(total));
            let whole: Money = purchases.iter().map(|purchase| purchase.amount).sum();
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), cents(total).min(whole));
            for (part, purchase) in parts.iter().zip(&purchases) {
                prop_assert!(*part >= Money::ZERO && *part <= purchase.amount);
            }
        }
    }
}
