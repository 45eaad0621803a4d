//! The ledger of a sale: what rows say becomes facts, and outcomes become rows.

use std::collections::BTreeSet;
use std::convert::Infallible;

use engine::billing::BillingType;
use engine::currency::Provider;
use engine::money::Money;
use engine::payments::answer::{Action, Answer, Refusal};
use engine::payments::attempt::{Attempt, AttemptKind, AttemptState, Cycle};
use engine::payments::by_hand::ByHand;
use engine::payments::calls::{CompletionRefusal, Effect, PaymentReferences, RefundRefusal};
use engine::payments::derive::Outcome;
use engine::payments::dispute::Dispute;
use engine::payments::ledger::{Ledger, SaleId};
use engine::payments::payment::Reason;
use engine::payments::purchase::{Columns, Purchase, Records, billing_as_sold};
use engine::payments::reports::Reports;
use engine::payments::{Fact, Object};
use engine::purchases::PurchaseStatus::{self, *};
use engine::time::Instant;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

const CHECKOUT: Uuid = Uuid::from_u128(1);
const NOW: Instant = Instant(1_000_000_000_000_000);
const DAY: i64 = 86_400_000_000;

fn cents(cents: i64) -> Money {
    Money::from_cents(cents)
}

/// A purchase as a host would write it: without facts.
fn row(number: u128, amount: i64, status: PurchaseStatus, refunded: i64) -> Purchase {
    let (id, add_on_id) = (Uuid::from_u128(100 + number), Uuid::from_u128(number));
    let columns = Columns { status, refunded: cents(refunded), ..Columns::completed() };
    Purchase {
        checkout_id: Some(CHECKOUT),
        position: number as i64,
        billing: BillingType::Monthly,
        stored: Some(columns.clone()),
        ..Purchase::alone(id, Instant(0), add_on_id, cents(amount), "usd".to_owned(), columns)
    }
}

fn open(rows: Vec<Purchase>) -> Ledger {
    Ledger::open(SaleId::Checkout(CHECKOUT), rows, NOW).unwrap()
}

/// Decides and applies, with as many claims of uses as there are answers.
fn settle(ledger: &mut Ledger, claims: &[bool]) -> Outcome {
    let mut claims = claims.iter();
    let claim = || Ok::<bool, Infallible>(*claims.next().expect("a claim that is expected"));
    let Ok(after) = ledger.decide(NOW, claim);
    assert_eq!(claims.len(), 0, "a claim was expected");
    let mut ids = 900..;
    ledger.apply(&after, NOW, || Uuid::from_u128(ids.next().unwrap()));
    after
}

fn statuses(ledger: &Ledger) -> Vec<(PurchaseStatus, Money)> {
    ledger.sold().map(|purchase| (purchase.columns.status, purchase.columns.refunded)).collect()
}

/// The rows as they are after they have been stored.
fn stored(ledger: &Ledger) -> Vec<Purchase> {
    let mut rows = ledger.purchases.clone();
    for row in &mut rows {
        row.stored = Some(row.columns.clone());
        row.records = None;
    }
    let bearer = ledger.bearer().id;
    let records = Records { known: ledger.facts.clone(), ..Records::default() };
    rows.iter_mut().filter(|row| row.id == bearer).for_each(|row| row.records = Some(records.clone()));
    rows
}

fn payment(id: &str, amount: i64, change: impl FnOnce(&mut Attempt)) -> Fact {
    let mut attempt = Attempt::new(Provider::Stripe, AttemptKind::Invoice);
    attempt.state = Reports::one(Instant(DAY), AttemptState::Paid, None);
    attempt.taken = [("USD".to_owned(), cents(amount))].into();
    attempt.paid_at = Some(Instant(DAY));
    attempt.subscriptions = BTreeSet::from(["sub_1".to_owned()]);
    change(&mut attempt);
    Fact { id: id.to_owned(), checkout_id: None, object: Object::Attempt(attempt) }
}

fn failed_attempt(id: &str, state: AttemptState) -> Fact {
    payment(id, 1000, |attempt| {
        attempt.kind = AttemptKind::Session;
        attempt.state = Reports::one(Instant(DAY), state, None);
        (attempt.taken, attempt.paid_at) = Default::default();
    })
}

/// A status with what was paid back of an amount.
fn status_of(amount: i64) -> impl Strategy<Value = (PurchaseStatus, i64)> {
    let part = 0..amount;
    prop_oneof![
        Just((Pending, 0)),
        Just((Failed, 0)),
        Just((Refunded, amount)),
        part.clone().prop_map(|refunded| (Completed, refunded)),
        part.prop_map(|refunded| (Disputed, refunded)),
    ]
}

proptest! {
    #[test]
    fn a_purchase_without_facts_stays_as_it_stands((status, refunded) in status_of(1000)) {
        let mut ledger = open(vec![row(1, 1000, status, refunded)]);
        settle(&mut ledger, &[]);
        prop_assert_eq!(statuses(&ledger), [(status, cents(refunded))]);
    }

    #[test]
    fn what_was_taken_over_once_is_not_taken_over_again(
        rows in prop::collection::vec(status_of(1000), 1..4),
        has_paid in any::<bool>(),
    ) {
        let rows: Vec<Purchase> =
            rows.into_iter().zip(1..).map(|((status, refunded), number)| row(number, 1000, status, refunded)).collect();
        let total = 1000 * rows.len() as i64;
        let mut first = open(rows);
        if has_paid {
            first.facts.learn(payment("in_1", total, |_| {}));
        }
        let Ok(after) = first.decide(NOW, || Ok::<bool, Infallible>(true));
        first.apply(&after, NOW, Uuid::nil);
        let mut second = open(stored(&first));
        prop_assert_eq!(&second.facts, &first.facts);
        let Ok(again) = second.decide(NOW, || Ok::<bool, Infallible>(true));
        second.apply(&again, NOW, Uuid::nil);
        prop_assert_eq!(&again, &after);
        prop_assert!(second.purchases.iter().all(|purchase| !purchase.has_changed()), "{:?}", second.purchases);
    }

    #[test]
    fn no_more_is_refunded_than_was_paid(
        (status, refunded) in status_of(1000),
        asked in prop::option::of(1..1500_i64),
        currency in select(vec!["usd", "jpy"]),
    ) {
        let mut purchase = row(1, 1000, status, refunded);
        purchase.currency = currency.to_owned();
        match purchase.refund(asked.map(cents)) {
            Ok(Some(amount)) => {
                prop_assert!(status == Completed || status == Disputed);
                prop_assert!(amount <= cents(1000 - refunded));
                prop_assert_eq!(amount, asked.map_or(cents(1000 - refunded), cents));
            }
            Ok(None) => prop_assert_eq!((status, asked), (Refunded, None)),
            Err(RefundRefusal::NotPaid) => prop_assert!(!status.is_paid()),
            Err(RefundRefusal::TooMuch { requested, refundable }) => prop_assert!(requested > refundable),
            Err(RefundRefusal::NotPayable(amount)) => {
                prop_assert!(currency == "jpy" && amount.cents() % 100 != 0 && amount != cents(1000 - refunded));
            }
        }
    }
}

#[test]
fn a_payment_after_the_failure_needs_the_uses_again() {
    let late = || {
        let mut ledger = open(vec![row(1, 1000, Failed, 0)]);
        ledger.facts.learn(payment("in_1", 1000, |_| {}));
        ledger
    };
    let mut in_time = late();
    settle(&mut in_time, &[true]);
    assert_eq!(statuses(&in_time), [(Completed, Money::ZERO)]);
    let mut too_late = late();
    let after = settle(&mut too_late, &[false]);
    assert_eq!(statuses(&too_late), [(Failed, Money::ZERO)]);
    assert_eq!(after.unsettled.len(), 1);
    // It stays so, without another claim.
    assert!(open(stored(&too_late)).before.settled_by.is_none());
}

#[test]
fn a_failed_sale_waits_again_for_another_attempt_if_its_uses_are_left() {
    for (is_left, status) in [(true, Pending), (false, Failed)] {
        let mut ledger = open(vec![row(1, 1000, Pending, 0)]);
        ledger.facts.learn(failed_attempt("cs_1", AttemptState::Ended("expired".to_owned())));
        settle(&mut ledger, &[]);
        assert_eq!(statuses(&ledger), [(Failed, Money::ZERO)]);
        assert_eq!(ledger.bearer().reason.as_deref(), Some("expired"));
        let mut ledger = open(stored(&ledger));
        ledger.facts.learn(failed_attempt("cs_2", AttemptState::Open));
        settle(&mut ledger, &[is_left]);
        assert_eq!(statuses(&ledger), [(status, Money::ZERO)]);
    }
}

#[test]
fn what_was_paid_stays_paid_and_what_failed_alone_stays_failed() {
    let mut ledger = open(vec![row(1, 1000, Completed, 0), row(2, 500, Failed, 0)]);
    settle(&mut ledger, &[]);
    assert_eq!(statuses(&ledger), [(Completed, Money::ZERO), (Failed, Money::ZERO)]);
}

#[test]
fn a_renewal_has_one_purchase_and_loses_it_when_its_payment_settles_the_sale() {
    let mut ledger = open(vec![row(1, 1000, Pending, 0)]);
    let paid_by = |id: &str| BTreeSet::from([id.to_owned()]);
    ledger.facts.learn(payment("in_1", 1000, |invoice| {
        (invoice.cycle, invoice.same_payment) = (Some(Cycle::First), paid_by("pi_1"));
    }));
    ledger.facts.learn(payment("in_2", 1000, |invoice| {
        (invoice.cycle, invoice.same_payment) = (Some(Cycle::Later), paid_by("pi_2"));
        invoice.paid_at = Some(Instant(31 * DAY));
    }));
    settle(&mut ledger, &[]);
    settle(&mut ledger, &[]);
    let renewal = &ledger.purchases[1];
    assert_eq!((ledger.purchases.len(), renewal.id), (2, Uuid::from_u128(900)));
    assert_eq!((renewal.renewal_of, renewal.checkout_id), (Some(CHECKOUT), None));
    assert!(open(stored(&ledger)).is_renewed_by(renewal.id));

    // A renewal that was recorded for the payment that pays for the sale itself stands for none.
    let mut wrong = ledger.purchases[0].renewal(Uuid::from_u128(500), NOW, cents(1000), Columns::completed());
    wrong.columns.stripe_payment_id = Some("pi_1".to_owned());
    let mut rows = stored(&ledger);
    rows.push(wrong);
    let mut ledger = open(rows);
    settle(&mut ledger, &[]);
    assert_eq!(ledger.removed, [Uuid::from_u128(500)]);
    assert_eq!(ledger.purchases.len(), 2);
}

#[test]
fn purchases_without_a_checkout_are_one_sale_if_they_share_a_payment() {
    let alone = |number: u128, payment: Option<&str>| {
        let mut purchase = row(number, 1000, Completed, 0);
        purchase.checkout_id = None;
        purchase.columns.stripe_payment_id = payment.map(str::to_owned);
        purchase
    };
    let rows = vec![alone(1, Some("pi_1")), alone(2, Some("pi_1")), alone(3, Some("pi_2")), alone(4, None)];
    let sold = |id: u128| {
        let ledger = Ledger::open(SaleId::Alone(Uuid::from_u128(id)), rows.clone(), NOW);
        ledger.map(|ledger| ledger.sold().map(|purchase| purchase.add_on_id.as_u128()).collect::<Vec<u128>>())
    };
    assert_eq!(sold(101), Some(vec![1, 2]));
    assert_eq!(sold(104), Some(vec![4]));
    assert_eq!(sold(105), None);
}

#[test]
fn one_payment_completes_a_sale_and_another_is_refused() {
    let stripe = |id: &str| PaymentReferences { stripe_payment_id: Some(id.to_owned()), ..Default::default() };
    assert_eq!(open(vec![row(1, 1000, Pending, 0)]).completion(&stripe("pi_1")), Ok(Effect::Recorded));
    assert_eq!(open(vec![row(1, 1000, Failed, 0)]).completion(&stripe("pi_1")), Err(CompletionRefusal::HasFailed));
    let mut paid = open(vec![row(1, 1000, Pending, 0)]);
    paid.facts.add_call(ByHand::Completed { at: NOW, stripe: Some("pi_1".to_owned()), lago: None, method: None });
    settle(&mut paid, &[]);
    let paid = open(stored(&paid));
    assert_eq!(paid.completion(&stripe("pi_1")), Ok(Effect::Known));
    assert_eq!(paid.completion(&PaymentReferences::default()), Ok(Effect::Known));
    let with_invoice = PaymentReferences { lago_invoice_id: Some("inv".to_owned()), ..stripe("pi_1") };
    assert_eq!(paid.completion(&with_invoice), Ok(Effect::Recorded));
    let (stored, given) = ("pi_1".to_owned(), "pi_2".to_owned());
    let other = CompletionRefusal::OtherPayment { argument: "stripe_payment_id", stored, given };
    assert_eq!(paid.completion(&stripe("pi_2")), Err(other));
}

#[test]
fn only_an_unpaid_sale_is_given_up_and_only_once() {
    let effect = |statuses: &[PurchaseStatus]| {
        let rows = statuses.iter().zip(1..).map(|(&status, number)| row(number, 1000, status, 0));
        open(rows.collect()).giving_up()
    };
    assert_eq!(effect(&[Pending, Failed]), Effect::Recorded);
    assert_eq!(effect(&[Failed, Failed]), Effect::Known);
    assert_eq!(effect(&[Failed, Completed]), Effect::Refused);
}

#[test]
fn the_last_sale_that_says_so_tells_how_an_add_on_is_billed() {
    let sold = |number: u128, billing, status, is_quoted| Purchase {
        purchased_at: Instant(number as i64),
        billing,
        is_quoted,
        ..row(number, 1000, status, 0)
    };
    let (annual, monthly) = (BillingType::Annual, BillingType::Monthly);
    let first = sold(1, annual, Refunded, true);
    let all = [first.clone(), sold(2, monthly, Failed, true), sold(3, monthly, Completed, false)];
    assert_eq!(billing_as_sold(&all), Some(annual));
    assert_eq!(billing_as_sold(&[first, sold(2, monthly, Pending, true)]), Some(monthly));
    assert_eq!(billing_as_sold(&all[1..]), None);
}

fn answer(facts: &[Fact]) -> Answer {
    let mut ledger = open(vec![row(1, 1000, Pending, 0)]);
    facts.iter().for_each(|fact| ledger.facts.learn(fact.clone()));
    let after = settle(&mut ledger, &[]);
    Answer::of(&facts.iter().collect::<Vec<&Fact>>(), "USD", &after)
}

#[test]
fn an_event_is_answered_with_what_its_payment_did() {
    assert_eq!(answer(&[]), Answer::only(Action::Ignored));
    assert_eq!(answer(&[payment("in_1", 1000, |_| {})]), Answer::only(Action::Completed));
    assert_eq!(answer(&[failed_attempt("cs_1", AttemptState::Open)]), Answer::only(Action::PaymentAttemptFailed));
    let expired = AttemptState::Ended("expired".to_owned());
    assert_eq!(answer(&[failed_attempt("cs_1", expired)]), Answer::only(Action::Failed));
    let too_much = answer(&[payment("in_1", 1200, |invoice| {
        invoice.on_top = [("USD".to_owned(), cents(100))].into();
    })]);
    let refusal = Refusal {
        payment_id: "in_1".to_owned(),
        reason: Reason::AmountMismatch,
        received: (cents(1200), "USD".to_owned()),
        on_top: Some((cents(100), "USD".to_owned())),
    };
    assert_eq!(too_much, Answer { action: Action::Refused, refusal: Some(refusal) });
    assert!(!Action::Refused.is_handled() && Action::Refused.is_about_ours());
    assert!(!Action::NotFound.is_about_ours() && !Action::NotFound.is_handled());
    let other_currency =
        answer(&[payment("in_1", 1000, |invoice| invoice.taken = [("EUR".to_owned(), cents(1000))].into())]);
    assert_eq!(other_currency.refusal.map(|refusal| refusal.reason), Some(Reason::CurrencyMismatch));
}

#[test]
fn an_event_that_names_another_sale_tells_this_one_only_of_reversals() {
    let mut named = payment("in_1", 1000, |_| {});
    named.checkout_id = Some(Uuid::from_u128(2));
    let dispute = Fact { id: "dp_1".to_owned(), checkout_id: None, object: Object::Dispute(Dispute::default()) };
    let ledger = open(vec![row(1, 1000, Pending, 0)]);
    assert_eq!(ledger.concerned(&[named.clone(), dispute.clone()]), [&dispute]);
    named.checkout_id = Some(CHECKOUT);
    assert_eq!(ledger.concerned(&[named.clone(), dispute.clone()]).len(), 2);
    named.checkout_id = None;
    assert_eq!(ledger.concerned(&[named, dispute]).len(), 2);
}

#[test]
fn what_cost_nothing_and_was_refunded_stays_refunded() {
    let mut ledger = open(vec![row(1, 0, Refunded, 0)]);
    settle(&mut ledger, &[]);
    assert_eq!(statuses(&ledger), [(Refunded, Money::ZERO)]);
}
