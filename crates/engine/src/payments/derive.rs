//! Derives the state of a checkout's purchases from the facts (semantics 4.2 to 4.4) in one pure function.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attempt::{Cycle, Share};
use super::by_hand::ByHand;
use super::facts::Facts;
use super::paid::{Paid, Period};
use super::payment::{Payment, Progress, Reason, payments};
use super::reversals::{Reversals, reversed};
use super::sale::{Line, Sale};
use super::subscriptions::{SubscriptionGroups, SubscriptionStatus};
use crate::billing::BillingType;
use crate::currency::{Provider, unit_of};
use crate::money::Money;
use crate::purchases::PurchaseStatus;
use crate::split::split;
use crate::time::Instant;

/// What follows from the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What becomes of each line.
    pub lines: Vec<LineOutcome>,
    /// The payments of later periods. Each has its own purchase for each line that it pays for.
    pub renewals: Vec<Renewal>,
    /// Payments that pay for nothing here.
    pub unsettled: Vec<Unsettled>,
    /// How it was paid.
    pub settled_by: Option<Settlement>,
    /// Whether money may still come, so that the checkout must not be given up because of its age.
    pub awaited: Option<Awaited>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Since when its lines have been in a free trial.
    pub trial_since: Option<Instant>,
}

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOutcome {
    /// Its status.
    pub status: PurchaseStatus,
    /// What was paid back of it.
    pub refunded: Money,
    /// What its payment pays for; `None` without a payment.
    pub paid: Option<Paid>,
}

/// The payment that settles a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Its id.
    pub id: Option<String>,
    /// Every id of it.
    pub ids: BTreeSet<String>,
    /// Its id in Stripe.
    pub stripe: Option<String>,
    /// Its invoice in Lago.
    pub lago: Option<String>,
    /// How it was paid, if somebody said so.
    pub method: Option<String>,
}

/// The part of a later payment that pays for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The line, by its place.
    pub line: usize,
    /// The payment.
    pub payment: Settlement,
    /// Its part of the money.
    pub amount: Money,
    /// What becomes of it.
    pub outcome: LineOutcome,
}

/// A payment that was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The payment.
    pub id: String,
    /// Every id of it.
    pub ids: BTreeSet<String>,
    /// Who took the money.
    pub provider: Provider,
    /// How much, with tax.
    pub amount: Money,
    /// In which currency.
    pub currency: String,
    /// Why it was not applied.
    pub reason: Reason,
    /// When it was taken.
    pub received_at: Option<Instant>,
    /// Whether the amount may yet turn out to be right: more was taken than asked for, and no session or invoice has
    /// said how much of it is tax.
    pub may_include_tax: bool,
}

/// Money that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// It is on its way.
    Payment,
    /// It comes when the trial of a subscription is over.
    Trial,
}

impl Outcome {
    /// Whether the sale holds the uses of its code and bundles: as long as any of its lines does.
    pub fn is_live(&self) -> bool {
        self.lines.iter().any(|line| line.status.is_live())
    }
}

impl Settlement {
    fn of(payment: &Payment) -> Settlement {
        Settlement {
            id: payment.id().map(str::to_owned),
            ids: payment.ids.iter().map(|&id| id.to_owned()).collect(),
            stripe: payment.stripe_id().map(str::to_owned),
            lago: payment.lago_id().map(str::to_owned),
            method: payment.said.and_then(|said| said.method).map(str::to_owned),
        }
    }
}

/// What follows from the facts.
pub fn derive(sale: &Sale) -> Outcome {
    let payments = payments(sale.facts);
    let subscriptions = SubscriptionGroups::of(sale.facts);
    let dealt_with = dealt_with(sale.facts);
    let settling = if sale.is_gone { None } else { settling(sale, &payments, &dealt_with) };
    let mut outcome = Outcome { lines: vec![LineOutcome::pending(); sale.lines.len()], ..Outcome::default() };
    let mut paying: Vec<Paying> = Vec::new();
    if let Some(place) = settling {
        outcome.settled_by = Some(Settlement::of(&payments[place]));
        let places: Vec<usize> = (0..sale.lines.len()).collect();
        let amounts = sale.lines.iter().map(|line| line.amount).collect();
        paying.push(Paying { payment: &payments[place], lines: places, amounts, is_first: true, gives_period: true });
    }
    for (place, payment) in payments.iter().enumerate() {
        if Some(place) == settling || !payment.is_paid() {
            continue;
        }
        let later = if settling.is_some() { later_payment(sale, payment) } else { Err(reason_of(sale, payment)) };
        match later {
            Ok(later) => paying.push(later),
            Err(reason) => outcome.unsettled.extend(unsettled(sale, payment, reason, &dealt_with)),
        }
    }
    apply(sale, &subscriptions, &paying, &mut outcome);
    if settling.is_none() {
        wait_or_fail(sale, &payments, &subscriptions, &mut outcome);
    }
    outcome
}

impl LineOutcome {
    fn pending() -> LineOutcome {
        LineOutcome { status: PurchaseStatus::Pending, refunded: Money::ZERO, paid: None }
    }
}

/// Payments that somebody has declared dealt with.
fn dealt_with(facts: &Facts) -> BTreeSet<&str> {
    let mut payments = BTreeSet::new();
    for call in facts.by_hand.values() {
        if let ByHand::Settled { payment, .. } = call {
            payments.insert(payment.as_str());
        }
    }
    payments
}

fn total(sale: &Sale) -> Money {
    sale.lines.iter().map(|line| line.amount).sum()
}

/// The one payment that settles the checkout. What somebody said by hand comes first. An invoice of a later period or
/// of a change settles it only if nothing else was paid. Then a payment that is not refunded in full wins, then the
/// earliest, then the smallest id.
fn settling(sale: &Sale, payments: &[Payment], dealt_with: &BTreeSet<&str>) -> Option<usize> {
    let total = total(sale);
    let may = |payment: &Payment| {
        payment.is_paid()
            && payment.carries(total, sale.currency, payment.is_used()).is_ok()
            && payment.ids.iter().all(|id| !dealt_with.contains(id))
    };
    let able: Vec<usize> = (0..payments.len()).filter(|&place| may(&payments[place])).collect();
    let follows = |&place: &usize| able.iter().any(|&first| follows(&payments[place], &payments[first]));
    let candidates: Vec<usize> = able.iter().copied().filter(|place| !follows(place)).collect();
    let rank = |&place: &usize| {
        let payment = &payments[place];
        let is_refunded = payment.refunded().of(total, unit_of(sale.currency)) >= total && total > Money::ZERO;
        (
            payment.cycle().max(Some(Cycle::First)),
            Reverse(payment.said.is_some()),
            is_refunded,
            payment.paid_at(),
            payment.pays_until(),
            payment.id(),
        )
    };
    // If invoices do not say which one is the first, the earliest one is, even if it has been refunded since.
    let unsaid: Vec<usize> = candidates.iter().copied().filter(|&place| is_unsaid_invoice(&payments[place])).collect();
    let first = unsaid.iter().copied().min_by_key(|&place| {
        let payment = &payments[place];
        (payment.paid_at(), payment.pays_until(), payment.id())
    });
    candidates.into_iter().filter(|place| !unsaid.contains(place) || Some(*place) == first).min_by_key(rank)
}

/// Whether an invoice without a stated place belongs to the subscription of a first invoice that can settle the
/// checkout. Then it pays for a later period, even if the first payment was refunded since.
fn follows(payment: &Payment, first: &Payment) -> bool {
    is_unsaid_invoice(payment)
        && first.cycle() == Some(Cycle::First)
        && !first.subscriptions().is_disjoint(&payment.subscriptions())
}

fn is_unsaid_invoice(payment: &Payment) -> bool {
    payment.is_invoice() && payment.cycle().is_none() && payment.said.is_none() && !payment.subscriptions().is_empty()
}

/// Why a payment does not settle a checkout that is not settled yet.
fn reason_of(sale: &Sale, payment: &Payment) -> Reason {
    match payment.carries(total(sale), sale.currency, payment.is_used()) {
        Err(reason) => reason,
        Ok(()) if sale.is_gone => Reason::CheckoutFailed,
        Ok(()) => Reason::AlreadyPaid,
    }
}

/// A payment and the lines that it pays for.
struct Paying<'a> {
    payment: &'a Payment<'a>,
    lines: Vec<usize>,
    amounts: Vec<Money>,
    is_first: bool,
    gives_period: bool,
}

/// A payment other than the settling one pays for a later period if it is an invoice of the subscription.
fn later_payment<'a>(sale: &Sale, payment: &'a Payment<'a>) -> Result<Paying<'a>, Reason> {
    let cycle = payment.cycle();
    let is_later = matches!(cycle, Some(Cycle::Later | Cycle::Proration))
        || (cycle.is_none() && payment.is_invoice() && !payment.subscriptions().is_empty());
    if payment.is_used() {
        return Err(Reason::PaymentUsed);
    }
    let Some(amount) = payment.net(sale.currency) else { return Err(Reason::CurrencyMismatch) };
    if !is_later {
        let carries = payment.carries(total(sale), sale.currency, false);
        return Err(carries.err().unwrap_or(Reason::AlreadyPaid));
    }
    let lines = lines_of(sale, payment);
    if lines.is_empty() {
        return Err(Reason::AlreadyPaid);
    }
    if !(Money::ZERO..=Money::MAX).contains(&amount) {
        return Err(Reason::AmountMismatch);
    }
    let amounts = shares(sale, payment, &lines, amount);
    Ok(Paying { payment, lines, amounts, is_first: false, gives_period: cycle != Some(Cycle::Proration) })
}

/// The lines that an invoice pays for: the ones that it names, or all recurring lines if it names none.
fn lines_of(sale: &Sale, payment: &Payment) -> Vec<usize> {
    let recurring = (0..sale.lines.len()).filter(|&place| sale.lines[place].billing != BillingType::OneTime);
    let named: Vec<&Share> = payment.lines().map(|line| &line.of).filter(|share| share.add_on_id.is_some()).collect();
    let is_meant = |place: &usize| named.iter().any(|share| share.covers(&sale.lines[*place]));
    let all: Vec<usize> = recurring.collect();
    let meant: Vec<usize> = all.iter().copied().filter(is_meant).collect();
    if meant.is_empty() { all } else { meant }
}

/// Splits the payment by the amounts that the invoice gives for each line; without them by the prices of the lines,
/// or evenly if these are zero.
fn shares(sale: &Sale, payment: &Payment, lines: &[usize], paid: Money) -> Vec<Money> {
    let unit = unit_of(sale.currency);
    let mut told: BTreeMap<Uuid, Money> = BTreeMap::new();
    for line in payment.lines() {
        if let (Some(add_on_id), Some(amount)) =
            (line.of.add_on_id, line.amount.filter(|&amount| amount >= Money::ZERO))
        {
            *told.entry(add_on_id).or_default() += amount;
        }
    }
    let by_invoice: Vec<Option<Money>> =
        lines.iter().map(|&place| told.get(&sale.lines[place].add_on_id).copied()).collect();
    let weights: Vec<Money> = match by_invoice.into_iter().collect::<Option<Vec<Money>>>() {
        Some(weights) => weights,
        None => lines.iter().map(|&place| sale.lines[place].amount).collect(),
    };
    if weights.iter().all(|&weight| weight == Money::ZERO) {
        return split(paid, &vec![unit.amount(); weights.len()], unit);
    }
    split(paid, &weights, unit)
}

fn unsettled(sale: &Sale, payment: &Payment, reason: Reason, dealt_with: &BTreeSet<&str>) -> Option<Unsettled> {
    let (amount, currency) = match payment.taken(sale.currency) {
        Some(amount) => (amount, sale.currency),
        None => payment.any_taken()?,
    };
    let is_over = payment.ids.iter().any(|id| dealt_with.contains(id));
    let refunded = payment.refunded();
    let is_refunded = refunded.amount > Money::ZERO && refunded.amount >= refunded.whole.unwrap_or(amount);
    (!is_over && !is_refunded && amount > Money::ZERO).then(|| Unsettled {
        id: payment.id().unwrap_or_default().to_owned(),
        ids: payment.ids.iter().map(|&id| id.to_owned()).collect(),
        provider: payment.provider(),
        amount,
        currency: currency.to_owned(),
        reason,
        received_at: payment.paid_at(),
        may_include_tax: reason == Reason::AmountMismatch
            && payment.is_without_details()
            && payment.net(sale.currency).is_some_and(|net| net > total(sale)),
    })
}

/// Applies the payments to their lines: refunds, disputes, and what the payments pay for.
fn apply(sale: &Sale, subscriptions: &SubscriptionGroups, paying: &[Paying], outcome: &mut Outcome) {
    let lines: Vec<Vec<Reversals>> = paying.iter().map(|paying| reverse(sale, paying)).collect();
    let pays: Vec<Paid> = paying.iter().map(|paying| Paid::new(paid_at(sale, paying), Period::Nothing)).collect();
    let mut all = Vec::new();
    for (paying, (reversals, paid)) in paying.iter().zip(lines.into_iter().zip(pays)) {
        all.push((paying, reversals, paid));
    }
    all.sort_by_key(|(paying, _, paid)| (paid.at, paying.payment.id()));
    let statuses: Vec<SubscriptionStatus> =
        all.iter().map(|(paying, ..)| subscriptions.of_payment(paying.payment)).collect();
    for place in 0..sale.lines.len() {
        let line = &sale.lines[place];
        // The payments of this line, the earliest first, each with the line's place in it.
        let of_line: Vec<(usize, usize)> = (0..all.len())
            .filter_map(|number| Some((number, all[number].0.lines.binary_search(&place).ok()?)))
            .collect();
        let periods: Vec<usize> =
            of_line.iter().filter(|(number, _)| all[*number].0.gives_period).map(|one| one.0).collect();
        let ends = ends_of(subscriptions, line, &all, &periods);
        for (number, position) in of_line {
            let (paying, reversals, base) = &all[number];
            let subscription = &statuses[number];
            let is_recurring = line.billing != BillingType::OneTime;
            let paid = Paid {
                period: if paying.gives_period { Period::of(line.billing) } else { Period::Nothing },
                until: ends.get(&number).copied(),
                ended: subscription.ended.filter(|_| is_recurring),
                is_overdue: is_recurring && (subscription.is_unpaid || subscriptions.is_overdue),
                payment: paying.payment.id().map(str::to_owned),
                subscription: subscription.id.clone().filter(|_| is_recurring),
                renews: subscription.renews.filter(|_| is_recurring),
                ..base.clone()
            };
            let reversal = &reversals[position];
            let this = LineOutcome { status: reversal.status(), refunded: reversal.refunded, paid: Some(paid) };
            if paying.is_first {
                outcome.lines[place] = this;
            } else {
                let payment = Settlement::of(paying.payment);
                outcome.renewals.push(Renewal {
                    line: place,
                    payment,
                    amount: paying.amounts[position],
                    outcome: this,
                });
            }
        }
    }
}

fn paid_at(sale: &Sale, paying: &Paying) -> Instant {
    let bought_at = paying.lines.iter().map(|&place| sale.lines[place].bought_at).max();
    let told = paying.payment.paid_at();
    told.max(bought_at).unwrap_or(Instant::NEG_INFINITY)
}

fn reverse(sale: &Sale, paying: &Paying) -> Vec<Reversals> {
    let ids: Vec<Uuid> = if paying.is_first {
        paying.lines.iter().map(|&place| sale.lines[place].purchase_id).collect()
    } else {
        let of_payment = sale.renewals.iter().filter(|known| known.is_of(&paying.payment.ids, known.add_on_id));
        let known: HashMap<Uuid, Uuid> = of_payment.map(|known| (known.add_on_id, known.purchase_id)).collect();
        let id = |&place: &usize| known.get(&sale.lines[place].add_on_id).copied().unwrap_or_default();
        paying.lines.iter().map(id).collect()
    };
    reversed(sale.facts, paying.payment, &ids, &paying.amounts, unit_of(sale.currency))
}

type Applied<'a> = (&'a Paying<'a>, Vec<Reversals>, Paid);

/// The period ends that the provider has named for a line, by the payment for each period: the payment whose invoice
/// names the end, or else the last payment before it.
fn ends_of(
    subscriptions: &SubscriptionGroups,
    line: &Line,
    all: &[Applied],
    periods: &[usize],
) -> BTreeMap<usize, Instant> {
    let mut ends: BTreeMap<usize, Instant> = BTreeMap::new();
    if !line.billing.is_periodic() || periods.is_empty() {
        return ends;
    }
    let mut named: BTreeMap<Instant, usize> = BTreeMap::new();
    for &number in periods {
        let (paying, _, paid) = &all[number];
        let told = paying.payment.lines().filter(|told| told.of.covers(line)).filter_map(|told| told.until);
        if let Some(until) = told.max().filter(|&until| until > paid.at) {
            named.entry(until).or_insert(number);
            ends.insert(number, until);
        }
    }
    for (group, until) in subscriptions.paid_ends(line) {
        let payer = named.get(&until).copied().or_else(|| {
            let before = periods.iter().copied().filter(|&number| {
                let (paying, _, paid) = &all[number];
                paid.at < until && subscriptions.belongs(paying.payment, group)
            });
            before.max()
        });
        if let Some(number) = payer {
            let end = ends.entry(number).or_insert(until);
            *end = until.max(*end);
        }
    }
    ends
}

/// An unpaid checkout waits as long as a payment can still come. It fails when the provider or a person says so.
fn wait_or_fail(sale: &Sale, payments: &[Payment], subscriptions: &SubscriptionGroups, outcome: &mut Outcome) {
    let trial =
        payments.iter().filter(|payment| !payment.subscriptions().is_empty()).filter_map(Payment::free_since).min();
    outcome.trial_since = trial;
    let said = sale.facts.by_hand.values().rev().find_map(|call| match call {
        ByHand::Failed { reason, .. } => Some(reason.clone().unwrap_or_default()),
        _ => None,
    });
    let mut ended: Option<String> = None;
    let mut is_open = false;
    for payment in payments {
        let progress = payment.progress();
        let is_over = subscriptions.has_ended(payment);
        match progress {
            Progress::Processing => (outcome.awaited, is_open) = (outcome.awaited.max(Some(Awaited::Payment)), true),
            Progress::Free if !payment.subscriptions().is_empty() && !is_over => {
                (outcome.awaited, is_open) = (outcome.awaited.max(Some(Awaited::Trial)), true);
            }
            Progress::Free | Progress::Open | Progress::Overdue if is_over => {
                ended = ended.max(Some("subscription ended".to_owned()));
            }
            Progress::Open | Progress::Overdue => is_open = true,
            Progress::Ended(reason) => ended = ended.max(Some(reason)),
            Progress::Free | Progress::Unknown | Progress::Paid => {}
        }
    }
    outcome.failure = said.or(ended.filter(|_| !is_open)).or(sale.is_gone.then(String::new));
    if outcome.failure.is_some() {
        outcome.awaited = None;
        outcome.lines.iter_mut().for_each(|line| line.status = PurchaseStatus::Failed);
    }
}
