//! Outcomes of facts, by example: the lives of docs/semantics.md and of public reports.

use std::collections::{BTreeMap, BTreeSet};

use engine::billing::BillingType;
use engine::currency::Provider;
use engine::money::Money;
use engine::payments::attempt::{Attempt, AttemptKind, AttemptState, Cycle};
use engine::payments::by_hand::ByHand;
use engine::payments::derive::{Awaited, Outcome, derive};
use engine::payments::dispute::{Dispute, DisputeState};
use engine::payments::payment::Reason;
use engine::payments::refund::{Refund, RefundState, RefundTotal};
use engine::payments::reports::Reports;
use engine::payments::sale::{Line, Sale};
use engine::payments::subscription::{Subscription, SubscriptionState};
use engine::payments::{Fact, Facts, Object};
use engine::purchases::PurchaseStatus::{self, *};
use engine::time::Instant;
use uuid::Uuid;

const USD: &str = "USD";

fn cents(cents: i64) -> Money {
    Money::from_cents(cents)
}

fn line(number: u128, amount: i64, billing: BillingType) -> Line {
    let purchase_id = Uuid::from_u128(100 + number);
    Line { purchase_id, add_on_id: Uuid::from_u128(number), amount: cents(amount), billing, bought_at: Instant(0) }
}

fn once(amounts: &[i64]) -> Vec<Line> {
    amounts.iter().zip(1..).map(|(&amount, number)| line(number, amount, BillingType::OneTime)).collect()
}

fn monthly(amount: i64) -> Vec<Line> {
    vec![line(1, amount, BillingType::Monthly)]
}

/// Reports in an order, with numbers for the calls by hand.
#[derive(Default)]
struct Told(Facts);

impl Told {
    fn attempt(mut self, id: &str, kind: AttemptKind, change: impl FnOnce(&mut Attempt)) -> Told {
        let mut attempt = Attempt::new(Provider::Stripe, kind);
        change(&mut attempt);
        self.0.learn(Fact { id: id.to_owned(), checkout_id: None, object: Object::Attempt(attempt) });
        self
    }

    fn intent(self, id: &str, at: i64, amount: i64) -> Told {
        self.attempt(id, AttemptKind::Intent, |attempt| paid(attempt, at, amount))
    }

    fn totals(mut self, at: i64, payment: &str, total: i64) -> Told {
        let total = RefundTotal {
            payments: BTreeSet::from([payment.to_owned()]),
            taken: None,
            currency: Some(USD.to_owned()),
            total: Reports::one(Instant(at), cents(total), None),
        };
        self.0.learn(Fact { id: format!("ch_of_{payment}"), checkout_id: None, object: Object::RefundTotal(total) });
        self
    }

    fn refund(mut self, id: &str, at: i64, payment: &str, amount: i64, state: RefundState) -> Told {
        let refund = Refund {
            payments: BTreeSet::from([payment.to_owned()]),
            amount: Some(cents(amount)),
            currency: Some(USD.to_owned()),
            made_at: None,
            state: Reports::one(Instant(at), state, None),
        };
        self.0.learn(Fact { id: id.to_owned(), checkout_id: None, object: Object::Refund(refund) });
        self
    }

    fn dispute(mut self, at: i64, payment: &str, amount: i64, state: DisputeState) -> Told {
        let dispute = Dispute {
            payments: BTreeSet::from([payment.to_owned()]),
            amount: Some(cents(amount)),
            currency: Some(USD.to_owned()),
            state: Reports::one(Instant(at), state, None),
            unknown: BTreeSet::new(),
        };
        self.0.learn(Fact { id: format!("dp of {payment}"), checkout_id: None, object: Object::Dispute(dispute) });
        self
    }

    fn subscription(mut self, id: &str, at: i64, state: SubscriptionState) -> Told {
        let state = Reports::one(Instant(at), state, None);
        let subscription = Subscription { state, ..Subscription::default() };
        self.0.learn(Fact { id: id.to_owned(), checkout_id: None, object: Object::Subscription(subscription) });
        self
    }

    fn by_hand(mut self, word: ByHand) -> Told {
        self.0.add_call(word);
        self
    }

    fn completed(self, at: i64, stripe: Option<&str>) -> Told {
        let stripe = stripe.map(str::to_owned);
        self.by_hand(ByHand::Completed { at: Instant(at), stripe, lago: None, method: None })
    }

    fn of(&self, lines: &[Line]) -> Outcome {
        derive(&Sale { lines, currency: USD, facts: &self.0, renewals: &[], is_gone: false })
    }
}

fn paid(attempt: &mut Attempt, at: i64, amount: i64) {
    attempt.state = Reports::one(Instant(at), AttemptState::Paid, None);
    attempt.taken = BTreeMap::from([(USD.to_owned(), cents(amount))]);
    attempt.paid_at = Some(Instant(at));
}

fn names(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

fn statuses(outcome: &Outcome) -> Vec<(PurchaseStatus, i64)> {
    outcome.lines.iter().map(|line| (line.status, line.refunded.cents())).collect()
}

fn unsettled(outcome: &Outcome) -> Vec<(&str, Reason)> {
    outcome.unsettled.iter().map(|payment| (payment.id.as_str(), payment.reason)).collect()
}

#[test]
fn one_payment_pays_and_the_refund_of_another_touches_nothing() {
    let twice = Told::default()
        .attempt("cs_1", AttemptKind::Session, |session| {
            paid(session, 10, 5000);
            session.same_payment = names(&["pi_1"]);
        })
        .intent("pi_2", 11, 5000)
        .attempt("pi_3", AttemptKind::Intent, |intent| {
            paid(intent, 12, 0);
            intent.taken = BTreeMap::from([("EUR".to_owned(), cents(12300))]);
        });
    let outcome = twice.of(&once(&[5000]));
    assert_eq!(statuses(&outcome), [(Completed, 0)]);
    assert_eq!(outcome.settled_by.as_ref().unwrap().stripe.as_deref(), Some("pi_1"));
    assert_eq!(unsettled(&outcome), [("pi_2", Reason::AlreadyPaid), ("pi_3", Reason::CurrencyMismatch)]);
    let refunded = twice.totals(20, "pi_2", 5000).of(&once(&[5000]));
    assert_eq!(statuses(&refunded), [(Completed, 0)]);
    assert_eq!(unsettled(&refunded), [("pi_3", Reason::CurrencyMismatch)]);
}

#[test]
fn when_the_payment_that_paid_is_refunded_another_takes_its_place() {
    let twice = Told::default().intent("pi_1", 10, 5000).intent("pi_2", 11, 5000).totals(20, "pi_1", 5000);
    let outcome = twice.of(&once(&[5000]));
    assert_eq!(statuses(&outcome), [(Completed, 0)]);
    assert_eq!(outcome.settled_by.unwrap().stripe.as_deref(), Some("pi_2"));
    let both = Told(twice.0.clone()).totals(21, "pi_2", 5000).of(&once(&[5000]));
    assert_eq!(statuses(&both), [(Refunded, 5000)]);
}

#[test]
fn an_invoice_of_another_amount_pays_for_nothing_whatever_it_is_for() {
    for cycle in [Cycle::First, Cycle::Later, Cycle::Proration] {
        let told = Told::default().attempt("in_9", AttemptKind::Invoice, |invoice| {
            paid(invoice, 10, 1);
            (invoice.cycle, invoice.subscriptions) = (Some(cycle), names(&["sub_9"]));
        });
        let outcome = told.of(&monthly(10_000));
        assert_eq!(statuses(&outcome), [(Pending, 0)]);
        assert_eq!((unsettled(&outcome), outcome.renewals.len()), (vec![("in_9", Reason::AmountMismatch)], 0));
    }
}

#[test]
fn a_payment_on_its_way_keeps_the_checkout_open() {
    let expired = |told: Told| {
        told.attempt("cs_1", AttemptKind::Session, |session| {
            session.state = Reports::one(Instant(5), AttemptState::Ended("checkout session expired".to_owned()), None);
        })
    };
    let alone = expired(Told::default()).of(&once(&[5000]));
    assert_eq!(statuses(&alone), [(Failed, 0)]);
    assert_eq!(alone.failure.as_deref(), Some("checkout session expired"));
    let under_way = expired(Told::default()).attempt("cs_2", AttemptKind::Session, |session| {
        session.state = Reports::one(Instant(4), AttemptState::Processing, None);
        session.same_payment = names(&["pi_2"]);
    });
    let outcome = under_way.of(&once(&[5000]));
    assert_eq!((statuses(&outcome), outcome.awaited), (vec![(Pending, 0)], Some(Awaited::Payment)));
    assert_eq!(statuses(&under_way.intent("pi_2", 30, 5000).of(&once(&[5000]))), [(Completed, 0)]);
}

#[test]
fn a_part_that_is_lost_in_a_dispute_is_refunded_and_no_more() {
    let lines = once(&[5000, 3000]);
    let told = Told::default().completed(1, Some("pi_1")).dispute(10, "pi_1", 500, DisputeState::Open);
    assert_eq!(statuses(&told.of(&lines)), [(Disputed, 0), (Disputed, 0)]);
    let lost = told.dispute(20, "pi_1", 500, DisputeState::Lost);
    // 5.00 of 80.00 over 50.00 and 30.00: 3.125 and 1.875, so 3.12 and 1.87, and the cent to the larger remainder, the first.
    assert_eq!(statuses(&lost.of(&lines)), [(Completed, 313), (Completed, 187)]);
}

#[test]
fn refunds_that_fail_are_taken_back_however_they_were_told() {
    let bought = || Told::default().completed(1, Some("pi_1"));
    let lines = once(&[5000]);
    let whole = bought().totals(10, "pi_1", 5000);
    assert_eq!(statuses(&whole.of(&lines)), [(Refunded, 5000)]);
    let failed = whole.refund("re_1", 10, "pi_1", 5000, RefundState::Failed);
    assert_eq!(statuses(&failed.of(&lines)), [(Completed, 0)]);
    // 30.00 fail, then 10.00 succeed, all reported within one second.
    let partly = bought().totals(10, "pi_1", 3000).refund("re_2", 10, "pi_1", 3000, RefundState::Failed);
    assert_eq!(statuses(&partly.totals(10, "pi_1", 1000).of(&lines)), [(Completed, 1000)]);
    let by_hand = |at| ByHand::Refunded { at: Instant(at), purchase: lines[0].purchase_id, amount: cents(5000) };
    let undone = bought().by_hand(by_hand(5)).refund("re_1", 10, "pi_1", 5000, RefundState::Failed);
    assert_eq!(statuses(&undone.of(&lines)), [(Completed, 0)]);
    assert_eq!(statuses(&undone.by_hand(by_hand(15)).of(&lines)), [(Refunded, 5000)]);
}

#[test]
fn a_charge_that_only_a_refund_has_named_is_known() {
    let mut told = Told::default().intent("pi_1", 10, 5000).refund("re_1", 20, "pi_1", 1000, RefundState::Counts);
    told.0.refunds.get_mut("re_1").unwrap().payments.insert("ch_1".to_owned());
    assert!(told.0.ids().contains("ch_1"), "a dispute of ch_1 is about this payment");
}

#[test]
fn with_tax_on_top_amounts_stay_ours() {
    let told = Told::default().intent("pi_1", 10, 6000).attempt("cs_1", AttemptKind::Session, |session| {
        paid(session, 11, 6000);
        session.on_top = BTreeMap::from([(USD.to_owned(), cents(1000))]);
        session.same_payment = names(&["pi_1"]);
    });
    // 50.00 of 60.00 are 41.67 of 50.00.
    assert_eq!(statuses(&Told(told.0.clone()).totals(20, "pi_1", 5000).of(&once(&[5000]))), [(Completed, 4167)]);
    assert_eq!(statuses(&told.totals(20, "pi_1", 6000).of(&once(&[5000]))), [(Refunded, 5000)]);
}

#[test]
fn a_settled_payment_stays_settled_when_its_tax_is_reported_later() {
    let with_tax = |told: Told| {
        told.attempt("cs_1", AttemptKind::Session, |session| {
            paid(session, 11, 5000);
            session.on_top = BTreeMap::from([(USD.to_owned(), cents(1000))]);
            session.same_payment = names(&["pi_1"]);
        })
    };
    let alone = with_tax(Told::default()).of(&once(&[5000]));
    assert_eq!((statuses(&alone), unsettled(&alone)), (vec![(Pending, 0)], vec![("pi_1", Reason::AmountMismatch)]));
    let intent = Told::default().intent("pi_1", 10, 5000);
    assert_eq!(statuses(&intent.of(&once(&[5000]))), [(Completed, 0)]);
    for told in [with_tax(intent), with_tax(Told::default()).intent("pi_1", 10, 5000)] {
        assert_eq!(
            (statuses(&told.of(&once(&[5000]))), told.of(&once(&[5000])).unsettled),
            (vec![(Completed, 0)], vec![])
        );
    }
}

#[test]
fn a_first_invoice_of_another_amount_does_not_undo_what_a_later_one_has_paid() {
    let invoice = |told: Told, id: &str, at, amount, cycle| {
        told.attempt(id, AttemptKind::Invoice, |invoice| {
            paid(invoice, at, amount);
            (invoice.cycle, invoice.subscriptions) = (cycle, names(&["sub_1"]));
        })
    };
    let told = invoice(Told::default(), "in_2", 20, 1000, None);
    assert_eq!(statuses(&told.of(&monthly(1000))), [(Completed, 0)]);
    let told = invoice(told, "in_1", 10, 700, Some(Cycle::First)).of(&monthly(1000));
    assert_eq!((statuses(&told), unsettled(&told)), (vec![(Completed, 0)], vec![("in_1", Reason::AmountMismatch)]));
}

#[test]
fn an_invoice_payment_links_invoice_and_intent_in_new_api_versions() {
    let told = Told::default()
        .attempt("cs_1", AttemptKind::Session, |session| {
            paid(session, 10, 1000);
            (session.same_payment, session.subscriptions) = (names(&["in_1"]), names(&["sub_1"]));
        })
        .attempt("in_1", AttemptKind::Invoice, |invoice| invoice.same_payment = names(&["pi_1"]))
        .totals(20, "pi_1", 1000);
    let outcome = told.of(&monthly(1000));
    assert_eq!(statuses(&outcome), [(Refunded, 1000)]);
    assert_eq!(outcome.settled_by.unwrap().stripe.as_deref(), Some("pi_1"));
}

#[test]
fn the_first_paid_invoice_after_a_trial_completes_the_checkout() {
    let trial = Told::default().attempt("cs_1", AttemptKind::Session, |session| {
        session.state = Reports::one(Instant(10), AttemptState::Free, None);
        (session.same_payment, session.subscriptions) = (names(&["in_1"]), names(&["sub_1"]));
    });
    let outcome = trial.of(&monthly(1000));
    assert_eq!((outcome.awaited, outcome.trial_since), (Some(Awaited::Trial), Some(Instant(10))));
    let ended = Told(trial.0.clone()).subscription("sub_1", 20, SubscriptionState::Ended { at: None });
    assert_eq!(statuses(&ended.of(&monthly(1000))), [(Failed, 0)]);
    let paid = trial.attempt("in_2", AttemptKind::Invoice, |invoice| {
        paid(invoice, 30, 1000);
        (invoice.cycle, invoice.subscriptions) = (Some(Cycle::Later), names(&["sub_1"]));
    });
    assert_eq!(statuses(&paid.of(&monthly(1000))), [(Completed, 0)]);
}

#[test]
fn later_invoices_are_renewals_and_prorations_pay_for_no_period() {
    let invoice = |told: Told, id: &str, at, amount, cycle| {
        told.attempt(id, AttemptKind::Invoice, |invoice| {
            paid(invoice, at, amount);
            (invoice.cycle, invoice.subscriptions) = (cycle, names(&["sub_1"]));
        })
    };
    let told = invoice(Told::default(), "in_3", 30, 250, Some(Cycle::Proration));
    let told = invoice(told, "in_2", 20, 1000, Some(Cycle::Later));
    let told = invoice(told, "in_1", 10, 1000, Some(Cycle::First));
    let outcome = told.of(&monthly(1000));
    assert_eq!(outcome.settled_by.as_ref().unwrap().ids, names(&["in_1"]));
    let renewals: Vec<(i64, bool)> = outcome
        .renewals
        .iter()
        .map(|renewal| {
            let gives = renewal.outcome.paid.as_ref().unwrap().period != engine::payments::paid::Period::Nothing;
            (renewal.amount.cents(), gives)
        })
        .collect();
    assert_eq!(renewals, [(1000, true), (250, false)]);
}

#[test]
fn the_earliest_unnumbered_invoice_settles_even_if_refunded() {
    let invoice = |told: Told, id: &str, at| {
        told.attempt(id, AttemptKind::Invoice, |invoice| {
            paid(invoice, at, 1000);
            invoice.provider = Provider::Lago;
            invoice.subscriptions = names(&["sub_1"]);
        })
    };
    let told = invoice(invoice(Told::default(), "i2", 20), "i1", 10);
    let outcome = told.of(&monthly(1000));
    assert_eq!(outcome.settled_by.unwrap().lago.as_deref(), Some("i1"));
    assert_eq!(outcome.renewals.len(), 1);
    let refunded = told.refund("credit note", 30, "i1", 1000, RefundState::Counts).of(&monthly(1000));
    assert_eq!((statuses(&refunded), refunded.renewals.len()), (vec![(Refunded, 1000)], 1));
}

#[test]
fn unnumbered_invoices_renew_after_a_refunded_first_invoice() {
    let invoice = |told: Told, id: &str, at, cycle| {
        told.attempt(id, AttemptKind::Invoice, |invoice| {
            paid(invoice, at, 1000);
            (invoice.provider, invoice.cycle) = (Provider::Lago, cycle);
            invoice.subscriptions = names(&["sub_1"]);
        })
    };
    let told = invoice(invoice(Told::default(), "i2", 20, None), "i1", 10, Some(Cycle::First));
    let refunded = told.refund("credit note", 30, "i1", 1000, RefundState::Counts).of(&monthly(1000));
    assert_eq!(refunded.settled_by.as_ref().unwrap().lago.as_deref(), Some("i1"));
    assert_eq!((statuses(&refunded), refunded.renewals.len()), (vec![(Refunded, 1000)], 1));
    // A payment that was never completed was not the first.
    let unpaid = Told::default().attempt("i1", AttemptKind::Invoice, |invoice| {
        invoice.state = Reports::one(Instant(10), AttemptState::Ended("invoice voided".to_owned()), None);
        (invoice.cycle, invoice.subscriptions) = (Some(Cycle::First), names(&["sub_1"]));
    });
    let outcome = invoice(unpaid, "i2", 20, None).of(&monthly(1000));
    assert_eq!(outcome.settled_by.unwrap().lago.as_deref(), Some("i2"));
}

#[test]
fn an_overdue_invoice_stays_overdue_until_paid() {
    let invoice = |told: Told, at, state: AttemptState| {
        told.attempt("in_2", AttemptKind::Invoice, |invoice| {
            (invoice.cycle, invoice.subscriptions) = (Some(Cycle::Later), names(&["sub_1"]));
            match state {
                AttemptState::Paid => paid(invoice, at, 1000),
                state => invoice.state = Reports::one(Instant(at), state, None),
            }
        })
    };
    let first = Told::default().attempt("in_1", AttemptKind::Invoice, |invoice| {
        paid(invoice, 10, 1000);
        (invoice.cycle, invoice.subscriptions) = (Some(Cycle::First), names(&["sub_1"]));
    });
    let is_overdue = |told: &Told| told.of(&monthly(1000)).lines[0].paid.as_ref().unwrap().is_overdue;
    // Another attempt fails, and then one is on its way.
    let overdue = invoice(invoice(first, 20, AttemptState::Overdue), 30, AttemptState::Open);
    assert!(is_overdue(&overdue));
    let overdue = invoice(overdue, 40, AttemptState::Processing);
    assert!(is_overdue(&overdue));
    let given_up = Told(overdue.0.clone());
    assert!(!is_overdue(&invoice(given_up, 50, AttemptState::Ended("invoice voided".to_owned()))));
    assert!(!is_overdue(&invoice(overdue, 50, AttemptState::Paid)));
}

#[test]
fn a_plan_change_ends_nothing() {
    let lago = |id: &str, state: SubscriptionState, continues: bool| Fact {
        id: id.to_owned(),
        checkout_id: None,
        object: Object::Subscription(Subscription {
            external_id: Some("ext".to_owned()),
            state: Reports::one(Instant::NEG_INFINITY, state, None),
            continues,
            ends: BTreeSet::new(),
        }),
    };
    let ended = || SubscriptionState::Ended { at: Some(Instant(40)) };
    let running = || SubscriptionState::Running { renews: None, is_unpaid: false };
    let end_after = |facts: Vec<Fact>| {
        let mut told = Told::default().completed(1, None);
        facts.into_iter().for_each(|fact| told.0.learn(fact));
        told.of(&monthly(1000)).lines[0].paid.as_ref().unwrap().ended
    };
    assert_eq!(end_after(vec![lago("s1", SubscriptionState::Replaced, false)]), None);
    assert_eq!(end_after(vec![lago("s1", ended(), false), lago("s2", running(), true)]), None);
    assert_eq!(end_after(vec![lago("s1", ended(), false)]), Some(Instant(40)));
}

#[test]
fn disputes_by_hand_and_their_decisions_follow_each_other() {
    let lines = once(&[5000]);
    let purchase = lines[0].purchase_id;
    let disputed = || ByHand::Disputed { at: Instant(5), purchase };
    let resolved =
        |won, disputes: &[&str]| ByHand::Resolved { at: Instant(5), purchase, won, disputes: names(disputes) };
    let told = Told::default().completed(5, Some("pi_1")).by_hand(disputed());
    assert_eq!(statuses(&told.of(&lines)), [(Disputed, 0)]);
    let told = told.by_hand(resolved(true, &[])).by_hand(disputed());
    assert_eq!(statuses(&told.of(&lines)), [(Disputed, 0)]);
    assert_eq!(statuses(&told.by_hand(resolved(false, &[])).of(&lines)), [(Refunded, 5000)]);
    // Somebody decides a dispute of the provider, which is reported repeatedly.
    let told = Told::default().completed(5, Some("pi_1")).dispute(10, "pi_1", 500, DisputeState::Open);
    let told = told.by_hand(resolved(true, &["dp of pi_1"])).dispute(11, "pi_1", 500, DisputeState::Open);
    assert_eq!(statuses(&told.of(&lines)), [(Completed, 0)]);
    assert_eq!(statuses(&told.dispute(12, "pi_1", 500, DisputeState::Lost).of(&lines)), [(Completed, 500)]);
}

#[test]
fn an_inquiry_withholds_nothing() {
    let told = Told::default().completed(1, Some("pi_1")).dispute(10, "pi_1", 5000, DisputeState::Inquiry);
    assert_eq!(statuses(&told.of(&once(&[5000]))), [(Completed, 0)]);
}

#[test]
fn a_late_payment_completes_unless_the_uses_ran_out() {
    let failed = ByHand::Failed { at: Instant(5), reason: Some("declined".to_owned()) };
    let told = Told::default().by_hand(failed);
    assert_eq!(statuses(&told.of(&once(&[5000]))), [(Failed, 0)]);
    let told = told.intent("pi_1", 10, 5000);
    assert_eq!(statuses(&told.of(&once(&[5000]))), [(Completed, 0)]);
    let lines = once(&[5000]);
    let late = derive(&Sale { lines: &lines, currency: USD, facts: &told.0, renewals: &[], is_gone: true });
    assert_eq!((statuses(&late), unsettled(&late)), (vec![(Failed, 0)], vec![("pi_1", Reason::CheckoutFailed)]));
    let word = ByHand::Settled { at: Instant(20), payment: "pi_1".to_owned(), note: None };
    assert_eq!(unsettled(&told.by_hand(word).of(&lines)), []);
}
