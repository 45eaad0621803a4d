//! The row of `user_add_ons` that follows from purchases, and the price of the next renewal.

use engine::access::bought::Bought;
use engine::access::explain::{Why, why_not};
use engine::access::kept::{Kept, may_try};
use engine::access::renewal::{Price, PricedBy, is_same_price, renewal_amount};
use engine::access::row::{End, Row, ends};
use engine::access::source::{Source, lay};
use engine::access::status::{AccessStatus, is_entitled};
use engine::billing::BillingType;
use engine::calendar::months_after;
use engine::money::Money;
use engine::payments::paid::{Paid, Period};
use engine::payments::purchase::RenewalTerms;
use engine::purchases::PurchaseStatus;
use engine::time::{Instant, Window};
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

const BOUGHT: Instant = Instant(0);

fn day(day: i64) -> Instant {
    Instant(day * 86_400_000_000)
}

fn month(paid: &Paid) -> Bought<'_> {
    Bought {
        id: Uuid::from_u128(1),
        checkout_id: Some(Uuid::from_u128(0xc0)),
        status: PurchaseStatus::Completed,
        billing: BillingType::Monthly,
        quantity: 1,
        amount: Money::from_cents(10_00),
        purchased_at: BOUGHT,
        ends_at: None,
        paid: Some(paid),
        is_of_lago: false,
        terms: None,
    }
}

/// A later payment for another month.
fn renewal<'a>(number: u128, paid: &'a Paid) -> Bought<'a> {
    Bought { id: Uuid::from_u128(1 + number), checkout_id: None, ..month(paid) }
}

/// The row after these purchases at an instant.
fn row(kept: &mut Kept, purchases: &[Bought], now: Instant) -> Row {
    let mut row = Row::new(BOUGHT);
    let sources: Vec<Source> = purchases.iter().filter_map(Bought::source).collect();
    assert!(!row.follow(kept, purchases, &sources, now).is_empty());
    row
}

#[test]
fn a_paid_month_is_active_renewed_and_ends_after_a_month() {
    let paid = Paid::new(BOUGHT, Period::Months(1));
    let row = row(&mut Kept::default(), &[month(&paid)], day(5));
    assert_eq!((row.status, row.purchased_at, row.expires_at), (AccessStatus::Active, BOUGHT, months_after(BOUGHT, 1)));
    assert_eq!((row.auto_renew, row.renewal_amount), (true, Some(Money::from_cents(10_00))));
}

#[test]
fn a_subscription_that_will_not_be_renewed_is_cancelled_and_runs_to_its_end() {
    let paid = Paid { renews: Some(false), ..Paid::new(BOUGHT, Period::Months(1)) };
    let row = row(&mut Kept::default(), &[month(&paid)], day(5));
    assert_eq!((row.status, row.expires_at), (AccessStatus::Active, months_after(BOUGHT, 1)));
    assert_eq!((row.auto_renew, row.cancelled_at), (false, Some(day(5))));
}

#[test]
fn a_refund_takes_access_back_at_once_and_keeps_the_end_of_the_purchase() {
    let paid = Paid::new(BOUGHT, Period::Months(1));
    let refunded = Bought { status: PurchaseStatus::Refunded, ..month(&paid) };
    let mut kept = Kept::default();
    let row = row(&mut kept, &[refunded], day(5));
    assert_eq!((row.status, row.expires_at, row.auto_renew), (AccessStatus::Cancelled, Some(day(5)), false));
    let end = months_after(BOUGHT, 1).map_or(End::Never, End::At);
    assert_eq!(ends(&kept.all(&[refunded.source().unwrap()])), [end]);
}

#[test]
fn a_contested_payment_suspends_access() {
    let paid = Paid::new(BOUGHT, Period::Months(1));
    let disputed = Bought { status: PurchaseStatus::Disputed, ..month(&paid) };
    assert_eq!(row(&mut Kept::default(), &[disputed], day(5)).status, AccessStatus::Suspended);
}

#[test]
fn a_suspension_by_hand_outlasts_a_renewal() {
    let (first, second) = (Paid::new(BOUGHT, Period::Months(1)), Paid::new(day(20), Period::Months(1)));
    let purchases = [month(&first), renewal(1, &second)];
    let sources: Vec<Source> = purchases.iter().filter_map(Bought::source).collect();
    let mut row = Row { suspended_at: Some(day(3)), ..Row::new(BOUGHT) };
    row.follow(&mut Kept::default(), &purchases, &sources, day(21));
    assert_eq!((row.status, row.expires_at), (AccessStatus::Suspended, months_after(BOUGHT, 2)));
}

#[test]
fn a_foreign_change_to_the_row_outlasts_the_next_event() {
    let paid = Paid::new(BOUGHT, Period::Months(1));
    let (mut kept, purchases) = (Kept::default(), [month(&paid)]);
    let sources: Vec<Source> = purchases.iter().filter_map(Bought::source).collect();
    let mut row = row(&mut kept, &purchases, day(1));
    row.expires_at = Some(day(90));
    row.take_over(&mut kept, &sources, day(2));
    row.follow(&mut kept, &purchases, &sources, day(2));
    assert_eq!((row.status, row.expires_at), (AccessStatus::Active, Some(day(90))));
}

#[test]
fn a_row_without_sources_stays_as_it_is() {
    let mut row = Row { expires_at: Some(day(9)), ..Row::new(BOUGHT) };
    let before = row.clone();
    assert!(row.follow(&mut Kept::default(), &[], &[], day(1)).is_empty());
    assert_eq!(row, before);
}

#[test]
fn the_code_reduces_as_many_renewals_as_the_sale_says() {
    let terms = RenewalTerms { full: Money::from_cents(10_00), reduced: Money::from_cents(7_50), times: Some(2) };
    let paid: Vec<Paid> = (0..3).map(|number| Paid::new(day(30 * number), Period::Months(1))).collect();
    let sold = Bought { terms: Some(&terms), ..month(&paid[0]) };
    let priced = |renewals: usize| {
        let renewals = (1..=renewals).map(|number| renewal(number as u128, &paid[number]));
        let purchases: Vec<Bought> = std::iter::once(sold).chain(renewals).collect();
        renewal_amount(&purchases).unwrap().1.cents()
    };
    assert_eq!([0, 1, 2].map(priced), [7_50, 7_50, 10_00]);
}

#[test]
fn a_repriced_renewal_keeps_its_amount_until_the_next_purchase() {
    let by = |number: u128, price| Some(PricedBy { purchase: Uuid::from_u128(number), price });
    assert!(is_same_price(by(1, Price::Repriced), by(1, Price::Reduced)));
    assert!(!is_same_price(by(1, Price::Repriced), by(2, Price::Reduced)));
    assert!(!is_same_price(by(1, Price::Reduced), by(1, Price::Full)));
}

#[test]
fn a_trial_is_for_who_never_had_the_add_on() {
    use PurchaseStatus::*;
    assert!(may_try(false, [Pending, Failed].into_iter()));
    assert!(!may_try(true, [].into_iter()));
    assert!([Completed, Refunded, Disputed].into_iter().all(|status| !may_try(false, [status].into_iter())));
}

/// The explanation for the only source, before, in and after its month.
fn explained(purchase: Bought, at: Instant) -> Option<Why> {
    let source = purchase.source().unwrap();
    why_not(&source, lay(std::slice::from_ref(&source))[0], Some(purchase.status), at)
}

#[test]
fn the_explanation_names_why_a_source_does_not_count() {
    let paid = Paid::new(day(10), Period::Months(1));
    let at = |at| explained(month(&paid), day(at));
    assert_eq!([9, 10, 40, 50].map(at), [Some(Why::Ahead(day(10))), None, None, Some(Why::RunOut)]);
    let ended = Paid { ended: Some(day(20)), ..paid.clone() };
    assert_eq!([15, 20].map(|at| explained(month(&ended), day(at))), [None, Some(Why::Ended(day(20)))]);
    let nothing = Paid::new(day(10), Period::Nothing);
    assert_eq!(explained(month(&nothing), day(15)), Some(Why::NoPeriod));
    let overdue = Paid { is_overdue: true, ..paid.clone() };
    assert_eq!(explained(month(&overdue), day(15)), Some(Why::Overdue));
    for (status, why) in [(PurchaseStatus::Refunded, Why::Refunded), (PurchaseStatus::Disputed, Why::Disputed)] {
        assert_eq!(explained(Bought { status, ..month(&paid) }, day(15)), Some(why));
    }
}

proptest! {
    /// A source counts exactly where its explanation says nothing against it, as the derived row does.
    #[test]
    fn the_explanation_agrees_with_the_row(months in 1..4_u32, ended in proptest::option::of(0..90_i64), at in 0..130_i64,
                                           status in select(&[PurchaseStatus::Completed, PurchaseStatus::Refunded, PurchaseStatus::Disputed][..])) {
        let paid = Paid { ended: ended.map(day), ..Paid::new(BOUGHT, Period::Months(months)) };
        let purchase = Bought { status, ..month(&paid) };
        let row = row(&mut Kept::default(), &[purchase], day(at));
        let window = Window { from: Some(row.purchased_at), until: row.expires_at };
        prop_assert_eq!(explained(purchase, day(at)).is_none(), is_entitled(row.status, window, day(at)));
    }
}
