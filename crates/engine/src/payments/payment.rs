//! Payments: the combined result of the attempts that are one payment, and its refunds.

use std::collections::{BTreeMap, BTreeSet};

use super::attempt::{Attempt, AttemptKind, AttemptState, Cycle, InvoiceLine};
use super::by_hand::ByHand;
use super::dispute::{Dispute, DisputeState};
use super::facts::Facts;
use super::merge_least;
use super::refund::{Refund, RefundTotal};
use crate::currency::Provider;
use crate::money::{Money, Unit};
use crate::time::Instant;

/// Attempts that name each other, what people said of them by hand, and the reported refunds and disputes.
#[derive(Clone, Debug, Default)]
pub struct Payment<'a> {
    /// Every id under which it is known.
    pub ids: BTreeSet<&'a str>,
    attempts: Vec<(&'a str, &'a Attempt)>,
    refunds: Vec<&'a Refund>,
    refund_totals: Vec<&'a RefundTotal>,
    /// Disputes about it, by their id.
    pub disputes: Vec<(&'a str, &'a Dispute)>,
    /// The first call by hand that says that it pays.
    pub said: Option<CompletedByHand<'a>>,
}

/// A call by hand that names a payment, or names none.
#[derive(Clone, Copy, Debug)]
pub struct CompletedByHand<'a> {
    /// When it was called.
    pub at: Instant,
    /// The payment in Stripe.
    pub stripe: Option<&'a str>,
    /// The invoice in Lago.
    pub lago: Option<&'a str>,
    /// How it was paid.
    pub method: Option<&'a str>,
}

/// How far a payment has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Only its name was heard.
    Unknown,
    /// It can still be made.
    Open,
    /// Nothing is to be paid yet.
    Free,
    /// The money is on its way.
    Processing,
    /// It was due and is not made.
    Overdue,
    /// It will never be made.
    Ended(String),
    /// The money was taken.
    Paid,
}

/// Why a payment does not pay for a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Another payment has already paid for the checkout.
    AlreadyPaid,
    /// It is another amount.
    AmountMismatch,
    /// It is in another currency.
    CurrencyMismatch,
    /// It pays for another checkout.
    PaymentUsed,
    /// The checkout has failed, and its uses are no longer available.
    CheckoutFailed,
}

impl Reason {
    /// Its name as callers see it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::AlreadyPaid => "already_paid",
            Reason::AmountMismatch => "amount_mismatch",
            Reason::CurrencyMismatch => "currency_mismatch",
            Reason::PaymentUsed => "payment_used",
            Reason::CheckoutFailed => "checkout_failed",
        }
    }
}

/// Groups of ids that name each other, and so belong to one payment.
fn groups<'a>(facts: &'a Facts, said: Option<CompletedByHand<'a>>) -> Groups<'a> {
    let mut groups = Groups::default();
    for (id, attempt) in &facts.attempts {
        groups.join([id.as_str()].into_iter().chain(attempt.same_payment.iter().map(String::as_str)));
    }
    for refund in facts.refunds.values() {
        groups.join(refund.payments.iter().map(String::as_str));
    }
    for (charge, total) in &facts.refund_totals {
        groups.join([charge.as_str()].into_iter().chain(total.payments.iter().map(String::as_str)));
    }
    for dispute in facts.disputes.values() {
        groups.join(dispute.payments.iter().map(String::as_str));
    }
    if let Some(said) = said {
        groups.join(said.stripe.into_iter().chain(said.lago));
    }
    groups
}

/// All payments that the facts know of, in the order of their first ids.
pub fn payments(facts: &Facts) -> Vec<Payment<'_>> {
    let said = said(facts);
    let groups = groups(facts, said);
    let mut found: BTreeMap<usize, Payment> = BTreeMap::new();
    for (id, group) in groups.all() {
        found.entry(group).or_default().ids.insert(id);
    }
    for (id, attempt) in &facts.attempts {
        groups.of(id, &mut found, |payment| payment.attempts.push((id, attempt)));
    }
    for refund in facts.refunds.values() {
        if let Some(id) = refund.payments.first() {
            groups.of(id, &mut found, |payment| payment.refunds.push(refund));
        }
    }
    for (charge, total) in &facts.refund_totals {
        groups.of(charge, &mut found, |payment| payment.refund_totals.push(total));
    }
    for (id, dispute) in &facts.disputes {
        if let Some(first) = dispute.payments.first() {
            groups.of(first, &mut found, |payment| payment.disputes.push((id, dispute)));
        }
    }
    let name = said.and_then(|said| said.stripe.or(said.lago));
    if let Some(name) = name {
        groups.of(name, &mut found, |payment| payment.said = said);
    }
    let mut payments: Vec<Payment> = found.into_values().collect();
    if let (Some(_), None) = (said, name) {
        let mut nameless = Payment { said, ..Payment::default() };
        // Money without an id is all that is known, so reported refunds can only be about it.
        for payment in payments.extract_if(.., |payment| !payment.was_tried()) {
            nameless.take_in(payment);
        }
        payments.push(nameless);
    }
    payments.sort_by(|one, other| one.id().cmp(&other.id()));
    payments
}

/// What people said of the payment by hand. Several calls agree, because calls that differ are refused.
fn said(facts: &Facts) -> Option<CompletedByHand<'_>> {
    let mut all: Option<CompletedByHand> = None;
    for call in facts.by_hand.values() {
        if let ByHand::Completed { at, stripe, lago, method } = call {
            let said = all.get_or_insert(CompletedByHand { at: *at, stripe: None, lago: None, method: None });
            said.stripe = said.stripe.or(stripe.as_deref());
            said.lago = said.lago.or(lago.as_deref());
            said.method = said.method.or(method.as_deref());
        }
    }
    all
}

/// Ids that belong together.
#[derive(Default)]
struct Groups<'a> {
    places: BTreeMap<&'a str, usize>,
    leaders: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn join(&mut self, ids: impl Iterator<Item = &'a str>) {
        let mut first = None;
        for id in ids {
            let place = *self.places.entry(id).or_insert_with(|| {
                self.leaders.push(self.leaders.len());
                self.leaders.len() - 1
            });
            let leader = self.leader(place);
            match first {
                None => first = Some(leader),
                Some(first) => self.leaders[leader] = first,
            }
        }
    }

    fn leader(&self, mut place: usize) -> usize {
        while self.leaders[place] != place {
            place = self.leaders[place];
        }
        place
    }

    fn all(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.places.iter().map(|(&id, &place)| (id, self.leader(place)))
    }

    fn of<'b>(&self, id: &str, found: &mut BTreeMap<usize, Payment<'b>>, add: impl FnOnce(&mut Payment<'b>)) {
        let group = self.places.get(id).map(|&place| self.leader(place));
        if let Some(payment) = group.and_then(|group| found.get_mut(&group)) {
            add(payment);
        }
    }
}

/// The kind of object that an id belongs to, if nobody has said it.
fn kind_of(id: &str) -> AttemptKind {
    match id.split_once('_') {
        Some(("ch" | "py", _)) => AttemptKind::Charge,
        Some(("in", _)) => AttemptKind::Invoice,
        Some(("cs", _)) => AttemptKind::Session,
        _ => AttemptKind::Intent,
    }
}

impl<'a> Payment<'a> {
    fn take_in(&mut self, other: Payment<'a>) {
        self.ids.extend(other.ids);
        self.refunds.extend(other.refunds);
        self.refund_totals.extend(other.refund_totals);
        self.disputes.extend(other.disputes);
    }

    /// Whether anything besides refunds and disputes is known of it.
    fn was_tried(&self) -> bool {
        self.said.is_some() || !self.attempts.is_empty()
    }

    fn known_kind(&self, id: &str) -> AttemptKind {
        let known = self.attempts.iter().find(|(one, _)| *one == id).map(|(_, attempt)| attempt.kind);
        known.unwrap_or_else(|| kind_of(id))
    }

    /// The id that is shown for it: the intent rather than the charge, the invoice or the session.
    pub fn id(&self) -> Option<&'a str> {
        self.ids.iter().copied().min_by_key(|id| (self.known_kind(id), *id))
    }

    /// Who told of it.
    pub fn provider(&self) -> Provider {
        let told = self.attempts.iter().map(|(_, attempt)| attempt.provider).min();
        let by_hand = self.said.filter(|said| said.stripe.is_none() && said.lago.is_some());
        told.unwrap_or(if by_hand.is_some() { Provider::Lago } else { Provider::Stripe })
    }

    /// Its id in Stripe. An id given by hand counts until a better one is reported.
    pub fn stripe_id(&self) -> Option<&'a str> {
        let is_lago = |id: &str| {
            let told = self.attempts.iter().find(|(one, _)| *one == id).map(|(_, attempt)| attempt.provider);
            told.map_or(self.provider() == Provider::Lago, |provider| provider == Provider::Lago)
                || self.said.is_some_and(|said| said.lago == Some(id))
        };
        let ours = self.ids.iter().copied().filter(|id| !is_lago(id));
        let best = ours.min_by_key(|id| (self.known_kind(id), *id));
        best.filter(|id| self.known_kind(id) <= AttemptKind::Charge).or(self.said.and_then(|said| said.stripe))
    }

    /// Its invoice in Lago.
    pub fn lago_id(&self) -> Option<&'a str> {
        let told = self.attempts.iter().find(|(_, attempt)| attempt.provider == Provider::Lago).map(|(id, _)| *id);
        told.or(self.said.and_then(|said| said.lago))
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let of = |attempt: &&Attempt| match attempt.state.last() {
            None => Progress::Unknown,
            Some(AttemptState::Open) => Progress::Open,
            Some(AttemptState::Processing) => Progress::Processing,
            Some(AttemptState::Free) => Progress::Free,
            Some(AttemptState::Overdue) => Progress::Overdue,
            Some(AttemptState::Ended(reason)) => Progress::Ended(reason.clone()),
            Some(AttemptState::Paid) => Progress::Paid,
        };
        let told = self.attempts.iter().map(|(_, attempt)| of(attempt)).max();
        if self.said.is_some() { Progress::Paid } else { told.unwrap_or(Progress::Unknown) }
    }

    /// Whether the money was taken.
    pub fn is_paid(&self) -> bool {
        self.progress() == Progress::Paid
    }

    /// When the money was taken, as far as that is known.
    pub fn paid_at(&self) -> Option<Instant> {
        let told = self.attempts.iter().filter_map(|(_, attempt)| attempt.paid_at).min();
        merge_least(told, self.said.map(|said| said.at))
    }

    /// Ids of the subscriptions that it pays for.
    pub fn subscriptions(&self) -> BTreeSet<&'a str> {
        self.attempts.iter().flat_map(|(_, attempt)| &attempt.subscriptions).map(String::as_str).collect()
    }

    /// Its place in the life of a subscription, if one of its invoices says so.
    pub fn cycle(&self) -> Option<Cycle> {
        self.attempts.iter().filter_map(|(_, attempt)| attempt.cycle).max()
    }

    /// Whether it is the payment of an invoice.
    pub fn is_invoice(&self) -> bool {
        self.attempts.iter().any(|(_, attempt)| attempt.kind == AttemptKind::Invoice)
    }

    /// Whether no session or invoice of it has been reported.
    pub fn is_without_details(&self) -> bool {
        let is_told = |attempt: &Attempt| attempt.state.last().is_some();
        self.attempts.iter().all(|(_, attempt)| attempt.kind <= AttemptKind::Charge || !is_told(attempt))
    }

    /// What its invoices say that it pays for.
    pub fn lines(&self) -> impl Iterator<Item = &'a InvoiceLine> {
        self.attempts.iter().flat_map(|(_, attempt)| &attempt.lines)
    }

    /// The last period end that its invoices name.
    pub fn pays_until(&self) -> Option<Instant> {
        self.lines().filter_map(|line| line.until).max()
    }

    /// When it was first known to be free of charge, because a trial begins.
    pub fn free_since(&self) -> Option<Instant> {
        let is_free = |attempt: &&Attempt| attempt.state.last() == Some(&AttemptState::Free);
        self.attempts.iter().map(|(_, attempt)| *attempt).filter(is_free).filter_map(|attempt| attempt.state.at()).min()
    }

    /// The money taken in a currency, tax and shipping included.
    pub fn taken(&self, currency: &str) -> Option<Money> {
        self.attempts.iter().filter_map(|(_, attempt)| attempt.taken.get(currency)).copied().max()
    }

    /// The money taken in a currency, less the tax and shipping that any of its attempts names.
    pub fn net(&self, currency: &str) -> Option<Money> {
        let on_top = self.attempts.iter().filter_map(|(_, attempt)| attempt.on_top.get(currency)).copied().max();
        Some(self.taken(currency)? - on_top.unwrap_or(Money::ZERO))
    }

    /// An amount that was taken, in any currency, for display.
    pub fn any_taken(&self) -> Option<(Money, &'a str)> {
        let all = self.attempts.iter().flat_map(|(_, attempt)| &attempt.taken);
        all.map(|(currency, &amount)| (amount, currency.as_str())).max()
    }

    /// Whether it pays this amount in this currency, or else why not. What people report by hand is believed.
    pub fn carries(&self, total: Money, currency: &str, is_used: bool) -> Result<(), Reason> {
        match self.any_taken() {
            _ if is_used => Err(Reason::PaymentUsed),
            _ if self.said.is_some() || self.takes(total, currency) => Ok(()),
            Some(_) if self.taken(currency).is_none() => Err(Reason::CurrencyMismatch),
            _ => Err(Reason::AmountMismatch),
        }
    }

    /// Whether one of its attempts took this amount, less the tax and shipping that it names itself or that another
    /// attempt names. What has carried an amount once carries it for ever, however much of it turns out to be tax: a
    /// purchase that was paid cannot become unpaid, and no later report may decide differently from an earlier one.
    fn takes(&self, total: Money, currency: &str) -> bool {
        let on_top: Vec<Money> =
            self.attempts.iter().filter_map(|(_, attempt)| attempt.on_top.get(currency)).copied().collect();
        self.attempts.iter().any(|(_, attempt)| {
            let Some(&taken) = attempt.taken.get(currency) else { return false };
            let own = attempt.on_top.get(currency).copied().unwrap_or_default();
            taken - own == total || on_top.iter().any(|&on_top| taken - on_top == total)
        })
    }

    /// Whether it was used for another checkout before.
    pub fn is_used(&self) -> bool {
        self.attempts.iter().any(|(_, attempt)| attempt.used_by.is_some())
    }

    /// The refunds, as a part of all that was taken.
    pub fn refunded(&self) -> Part {
        let counting: Vec<&&Refund> = self.refunds.iter().filter(|refund| refund.counts()).collect();
        let told: Money = counting.iter().filter_map(|refund| refund.amount).sum();
        let currency = self.refunds.iter().filter_map(|refund| refund.currency.as_deref());
        let currency = currency.chain(self.refund_totals.iter().filter_map(|total| total.currency.as_deref())).min();
        let running: Money = self.refund_totals.iter().map(|total| self.running_total(total)).sum();
        // A refund made after the last running total is not included in it.
        let since = self.refund_totals.iter().filter_map(|total| total.total.at()).max();
        let later = counting.iter().filter(|refund| since.is_some() && refund.made_at > since);
        let later: Money = later.filter_map(|refund| refund.amount).sum();
        Part { amount: told.max(running + later), whole: self.whole(currency) }
    }

    /// A charge's running total, less the refunds that have failed since it was reported.
    fn running_total(&self, total: &RefundTotal) -> Money {
        let told_at = total.total.at();
        let failed = self.refunds.iter().filter(|refund| !refund.counts() && refund.state.at() >= told_at);
        let failed: Vec<Money> = failed.filter_map(|refund| refund.amount).collect();
        let less_failed = |said: &&Money| {
            failed.iter().fold(**said, |left, &amount| if amount <= left { left - amount } else { left })
        };
        total.total.latest().iter().map(less_failed).max().unwrap_or(Money::ZERO)
    }

    /// The contested part in disputes that meet a condition.
    pub fn disputed(&self, dispute: &Dispute) -> Part {
        let whole = self.whole(dispute.currency.as_deref());
        match dispute.amount {
            Some(amount) => Part { amount, whole },
            None => Part { amount: Money::from_cents(1), whole: Some(Money::from_cents(1)) },
        }
    }

    /// All that was taken in the currency of a refund or dispute, if known.
    fn whole(&self, currency: Option<&str>) -> Option<Money> {
        let taken = match currency {
            Some(currency) => self.taken(currency),
            None => self.any_taken().map(|(amount, _)| amount),
        };
        let of_charges: Money = self.refund_totals.iter().filter_map(|total| total.taken).sum();
        taken.filter(|&taken| taken > Money::ZERO).or((of_charges > Money::ZERO).then_some(of_charges))
    }

    /// Amounts of failed refunds, and when the failure was reported.
    pub fn failed_refunds(&self) -> Vec<(Instant, Part)> {
        let failed = self.refunds.iter().filter(|refund| !refund.counts());
        let amount = |refund: &&Refund| {
            let whole = self.whole(refund.currency.as_deref());
            Some((refund.state.at()?, Part { amount: refund.amount?, whole }))
        };
        failed.filter_map(amount).collect()
    }

    /// The state of a payment's disputes.
    pub fn dispute_states(&self) -> impl Iterator<Item = (&'a str, &'a Dispute, DisputeState)> {
        let state = |&(id, dispute): &(&'a str, &'a Dispute)| Some((id, dispute, *dispute.state.last()?));
        self.disputes.iter().filter_map(state)
    }
}

/// A part of what a payment took, tax included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part.
    pub amount: Money,
    /// The whole payment. `None` if nobody named its amount; then it is what we asked for.
    pub whole: Option<Money>,
}

impl Part {
    /// The same share of one of our amounts.
    pub fn of(self, ours: Money, unit: Unit) -> Money {
        let whole = self.whole.unwrap_or(ours);
        let amount = self.amount.clamp(Money::ZERO, whole);
        if whole == Money::ZERO {
            Money::ZERO
        } else {
            ours.share(amount.cents() as u64, whole.cents() as u64, unit).min(ours)
        }
    }
}
