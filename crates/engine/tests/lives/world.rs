//! The provider, its books, and its webhooks.

use std::collections::BTreeSet;

use engine::billing::BillingType;
use engine::money::Money;
use engine::payments::by_hand::ByHand;
use engine::payments::sale::Line;
use engine::time::Instant;
use uuid::Uuid;

use super::actions::{Action, Ask};
use super::{Body, bodies};

/// The checkout of the world.
pub const CHECKOUT: Uuid = Uuid::from_u128(0xc0);
pub const CURRENCY: &str = "USD";

/// When the world begins, in seconds since 1970: 2026-01-01.
pub const BEGINNING: i64 = 1_767_225_600;

/// The instant so many seconds after the beginning of 1970.
pub fn instant(seconds: i64) -> Instant {
    Instant((seconds - 946_684_800) * 1_000_000)
}

/// A line of the checkout.
fn line(number: usize, amount: i64, billing: BillingType) -> Line {
    Line {
        purchase_id: Uuid::from_u128(0xb0 + number as u128),
        add_on_id: Uuid::from_u128(0xa0 + number as u128),
        amount: Money::from_cents(amount),
        billing,
        bought_at: instant(BEGINNING),
    }
}

/// The provider and the versions of its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Before 2025-03-31: invoices name their payments, and refunds are reported as running totals.
    StripeUntilBasil,
    /// Since then: an invoice_payment links them, and refunds have events of their own.
    StripeSinceBasil,
    Lago,
}

/// Money that was asked for.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Its id in our books: Stripe's intent, Lago's invoice.
    pub id: String,
    pub number: usize,
    /// What it takes, tax included.
    pub taken: i64,
    pub tax: i64,
    pub currency: String,
    pub stage: Stage,
    /// When it was begun.
    pub begun_at: i64,
    pub paid_at: Option<i64>,
    /// Whether the payment took days.
    pub is_debit: bool,
    /// Whether it is the one that settles the checkout.
    pub is_first: bool,
    pub gives_period: bool,
    /// The subscription that it pays for.
    pub subscription: usize,
    pub refunds: Vec<Refund>,
    pub disputes: Vec<Dispute>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Open,
    Processing,
    Paid,
    Over,
}

#[derive(Clone, Debug)]
pub struct Refund {
    pub id: String,
    pub amount: i64,
    pub made_at: i64,
    pub has_failed: bool,
}

#[derive(Clone, Debug)]
pub struct Dispute {
    pub id: String,
    pub amount: i64,
    pub status: &'static str,
}

impl Payment {
    pub fn net(&self) -> i64 {
        self.taken - self.tax
    }

    /// Whether it carries the total of a checkout. Stripe's intents do not say what part of their money is tax, so an
    /// intent that takes the total carries it, even if its session adds later that there was tax in it.
    pub fn carries(&self, total: i64) -> bool {
        self.currency == CURRENCY && (self.net() == total || self.taken == total)
    }

    pub fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| !refund.has_failed).map(|refund| refund.amount).sum()
    }

    fn disputed(&self, statuses: &[&str]) -> i64 {
        self.disputes.iter().filter(|dispute| statuses.contains(&dispute.status)).map(|dispute| dispute.amount).sum()
    }

    fn left(&self) -> i64 {
        let held = self.disputed(&["lost", "needs_response", "under_review", "warning_needs_response"]);
        (self.taken - self.refunded() - held).max(0)
    }

    /// The refunded or lost part of one of our amounts.
    pub fn lost_of(&self, ours: i64) -> i64 {
        let gone = (self.refunded() + self.disputed(&["lost"])).min(self.taken);
        (ours * gone * 2 + self.taken) / (self.taken * 2)
    }

    /// Whether nothing is left of it.
    pub fn is_gone(&self) -> bool {
        self.refunded() + self.disputed(&["lost"]) >= self.taken
    }

    pub fn is_disputed(&self) -> bool {
        self.disputed(&["needs_response", "under_review"]) > 0
    }
}

#[derive(Clone, Debug)]
pub struct World {
    pub api: Api,
    pub lines: Vec<Line>,
    pub is_subscription: bool,
    tax: i64,
    pub now: i64,
    pub payments: Vec<Payment>,
    /// Overdue invoices.
    pub overdue: Option<usize>,
    pub ended: BTreeSet<usize>,
    pub will_end: bool,
    pub plan: usize,
    pub periods: i64,
    count: usize,
    is_given_up: bool,
    pub sent: Vec<Body>,
    pub said: Vec<ByHand>,
}

impl World {
    pub fn new(api: Api, amounts: &[i64], is_subscription: bool, tax: i64) -> World {
        let billing = if is_subscription { BillingType::Monthly } else { BillingType::OneTime };
        let lines = amounts.iter().enumerate().map(|(number, &amount)| line(number, amount, billing)).collect();
        let mut world = World {
            api,
            lines,
            is_subscription,
            tax,
            now: BEGINNING,
            payments: Vec::new(),
            overdue: None,
            ended: BTreeSet::new(),
            will_end: false,
            plan: 0,
            periods: 0,
            count: 0,
            is_given_up: false,
            sent: Vec::new(),
            said: Vec::new(),
        };
        if api == Api::Lago {
            world.send(bodies::lago_subscription("subscription.started", &world, false));
            world.bill(Ask::Right);
        }
        world
    }

    pub fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount.cents()).sum()
    }

    /// Whether money is on its way.
    pub fn is_awaited(&self) -> bool {
        self.payments.iter().any(|payment| payment.stage == Stage::Processing)
    }

    pub fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// Whether access waits for an overdue payment.
    pub fn is_withheld(&self) -> bool {
        self.overdue.is_some()
    }

    /// Whether it is overdue.
    pub fn is_overdue(&self, payment: &Payment) -> bool {
        self.overdue.is_some_and(|place| self.payments[place].id == payment.id)
    }

    /// Whether the period that a payment pays for has not ended.
    pub fn covers(&self, payment: &Payment, _: &Line) -> bool {
        !self.is_subscription || !self.ended.contains(&payment.subscription)
    }

    fn send(&mut self, body: Body) {
        self.sent.push(body);
    }

    fn number(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    /// A requested payment, with tax on top.
    fn ask(&mut self, net: i64, currency: &str, is_first: bool) -> usize {
        let number = self.number();
        let tax = net * self.tax / 100;
        let id = if self.api == Api::Lago { format!("i{number}") } else { format!("pi_{number}") };
        let subscription =
            if is_first { number } else { self.running().map_or(number, |first| self.payments[first].subscription) };
        self.payments.push(Payment {
            id,
            number,
            taken: net + tax,
            tax,
            currency: currency.to_owned(),
            stage: Stage::Open,
            begun_at: self.now,
            paid_at: None,
            is_debit: false,
            is_first,
            gives_period: true,
            subscription: if self.api == Api::Lago { 0 } else { subscription },
            refunds: Vec::new(),
            disputes: Vec::new(),
        });
        let place = self.payments.len() - 1;
        if self.api == Api::Lago {
            let body = bodies::lago_invoice("invoice.created", self, &self.payments[place]);
            self.send(body);
        }
        place
    }

    /// The payment that began the current subscription.
    fn running(&self) -> Option<usize> {
        let total = self.total();
        let begins = |payment: &Payment| {
            payment.is_first
                && payment.stage == Stage::Paid
                && payment.carries(total)
                && !self.ended.contains(&payment.subscription)
        };
        let first = (0..self.payments.len()).filter(|&place| begins(&self.payments[place]));
        first.min_by_key(|&place| self.payments[place].paid_at).filter(|_| self.is_subscription)
    }

    fn pick(&self, which: usize, is_it: impl Fn(&Payment) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.payments.len()).filter(|&place| is_it(&self.payments[place])).collect();
        (!all.is_empty()).then(|| all[which % all.len()])
    }

    /// A page for the checkout or, at Lago, its invoice.
    fn bill(&mut self, ask: Ask) {
        let total = self.total();
        let (net, currency) = match ask {
            Ask::Right => (total, CURRENCY),
            Ask::OtherAmount => (total + 1, CURRENCY),
            Ask::OtherCurrency => (total, "EUR"),
            Ask::TaxInside => (total, CURRENCY),
        };
        let place = self.ask(net, currency, true);
        if ask == Ask::TaxInside {
            (self.payments[place].taken, self.payments[place].tax) = (total, total / 6);
        }
    }

    fn tell(&mut self, bodies: Vec<Body>) {
        self.sent.extend(bodies);
    }

    pub fn act(&mut self, action: &Action) {
        match *action {
            Action::Open(ask)
                if self.api != Api::Lago && self.payments.iter().filter(|payment| payment.is_first).count() < 4 =>
            {
                self.bill(ask);
            }
            Action::Pay(which) => self.pay(which),
            Action::PayLater(which) if self.api != Api::Lago => self.pay_later(which),
            Action::Clear(which) => self.clear(which),
            Action::Bounce(which) => self.bounce(which),
            Action::Try(which) => self.try_in_vain(which),
            Action::Expire(which) if self.api != Api::Lago => self.expire(which),
            Action::Refund(which, part) => self.refund(which, part),
            Action::FailRefund(which) => self.fail_refund(which),
            Action::Dispute(which, part, is_inquiry) => self.dispute(which, part, is_inquiry),
            Action::Decide(which, how) => self.decide(which, how),
            Action::Renew | Action::Prorate | Action::Cancel(_) | Action::ChangePlan | Action::End => {
                if let Some(first) = self.running() {
                    self.act_on_subscription(action, self.payments[first].subscription);
                }
            }
            Action::Overdue(is_paid) => self.overdue(is_paid),
            Action::Dun => {
                if let Some(place) = self.overdue {
                    let body = bodies::dunned(self, &self.payments[place]);
                    self.send(body);
                }
            }
            Action::Foreign => {
                let bodies = bodies::foreign(self);
                self.tell(bodies);
            }
            Action::GiveUp if self.payments.iter().all(|payment| payment.stage != Stage::Paid) => {
                self.is_given_up = true;
                self.said.push(ByHand::Failed { at: instant(self.now), reason: None });
            }
            _ => {}
        }
    }

    fn try_in_vain(&mut self, which: usize) {
        if let Some(place) = self.pick(which, |payment| payment.stage == Stage::Open) {
            let bodies = bodies::failed_try(self, &self.payments[place]);
            self.tell(bodies);
        }
    }

    fn expire(&mut self, which: usize) {
        if let Some(place) = self.pick(which, |payment| payment.stage == Stage::Open && payment.is_first) {
            self.payments[place].stage = Stage::Over;
            let body = bodies::session(self, &self.payments[place], "expired", "unpaid", "expired");
            self.send(body);
        }
    }

    /// The events that are possible for a running subscription.
    fn act_on_subscription(&mut self, action: &Action, subscription: usize) {
        let is_lago = self.api == Api::Lago;
        match *action {
            Action::Renew => {
                let place = self.ask(self.total(), CURRENCY, false);
                self.take(place);
            }
            Action::Prorate if !is_lago => {
                let place = self.ask(self.total() / 2 + 1, CURRENCY, false);
                self.payments[place].gives_period = false;
                self.take(place);
            }
            Action::Cancel(will_end) if self.will_end != will_end && (will_end || !is_lago) => {
                self.will_end = will_end;
                let body = bodies::subscription_changed(self, subscription);
                self.send(body);
            }
            Action::ChangePlan if is_lago => {
                let old = bodies::lago_subscription("subscription.terminated", self, true);
                self.send(old);
                self.plan += 1;
                let new = bodies::lago_subscription("subscription.started", self, false);
                self.send(new);
            }
            Action::End => {
                self.ended.insert(subscription);
                let body = bodies::subscription_ended(self, subscription);
                self.send(body);
            }
            _ => {}
        }
    }

    /// Takes the money of a payment.
    fn take(&mut self, place: usize) {
        let payment = &mut self.payments[place];
        payment.stage = Stage::Paid;
        payment.paid_at = Some(self.now);
        if payment.gives_period {
            self.periods += 1;
        }
        let bodies = bodies::paid(self, &self.payments[place]);
        self.tell(bodies);
    }

    fn pay(&mut self, which: usize) {
        if let Some(place) = self.pick(which, |payment| payment.stage == Stage::Open && payment.is_first) {
            self.payments[place].begun_at = self.now;
            self.take(place);
        }
    }

    fn pay_later(&mut self, which: usize) {
        if let Some(place) = self.pick(which, |payment| payment.stage == Stage::Open && payment.is_first) {
            let payment = &mut self.payments[place];
            (payment.stage, payment.is_debit, payment.begun_at) = (Stage::Processing, true, self.now);
            let bodies = bodies::on_its_way(self, &self.payments[place]);
            self.tell(bodies);
        }
    }

    fn clear(&mut self, which: usize) {
        if let Some(place) = self.pick(which, |payment| payment.stage == Stage::Processing) {
            self.take(place);
        }
    }

    fn bounce(&mut self, which: usize) {
        if let Some(place) = self.pick(which, |payment| payment.stage == Stage::Processing) {
            self.payments[place].stage = Stage::Over;
            let mut bodies = bodies::failed_try(self, &self.payments[place]);
            bodies.push(bodies::session(self, &self.payments[place], "complete", "unpaid", "async_payment_failed"));
            self.tell(bodies);
        }
    }

    fn refund(&mut self, which: usize, part: i64) {
        let Some(place) = self.pick(which, |payment| payment.stage == Stage::Paid && payment.left() > 0) else {
            return;
        };
        let number = self.number();
        let before = self.payments[place].refunded();
        let payment = &mut self.payments[place];
        let amount = (payment.left() * part / 100).max(1);
        payment.refunds.push(Refund { id: format!("re_{number}"), amount, made_at: self.now, has_failed: false });
        let bodies = bodies::refunded(self, &self.payments[place], before);
        self.tell(bodies);
    }

    fn fail_refund(&mut self, which: usize) {
        let fails = |payment: &Payment| payment.refunds.iter().any(|refund| !refund.has_failed);
        let Some(place) = self.pick(which, fails) else { return };
        let refunds = &mut self.payments[place].refunds;
        let refund = refunds.iter_mut().rev().find(|refund| !refund.has_failed).expect("there is one");
        refund.has_failed = true;
        let refund = refund.clone();
        let bodies = bodies::refund_failed(self, &self.payments[place], &refund);
        self.tell(bodies);
    }

    fn dispute(&mut self, which: usize, part: i64, is_inquiry: bool) {
        let contested = |payment: &Payment| payment.stage == Stage::Paid && payment.left() > 0;
        let Some(place) = self.pick(which, contested) else { return };
        let number = self.number();
        let payment = &mut self.payments[place];
        let (amount, status) = match self.api {
            // Lago only reports lost disputes, and those are about the whole amount.
            Api::Lago if payment.refunds.is_empty() => (payment.taken, "lost"),
            Api::Lago => return,
            _ if is_inquiry => ((payment.left() * part / 100).max(1), "warning_needs_response"),
            _ => ((payment.left() * part / 100).max(1), "needs_response"),
        };
        payment.disputes.push(Dispute { id: format!("dp_{number}"), amount, status });
        let dispute = payment.disputes.last().expect("it was just made").clone();
        let body = bodies::disputed(self, &self.payments[place], &dispute, None);
        self.send(body);
    }

    fn decide(&mut self, which: usize, how: usize) {
        const UNDECIDED: [&str; 3] = ["needs_response", "under_review", "warning_needs_response"];
        let is_undecided = |dispute: &Dispute| UNDECIDED.contains(&dispute.status);
        let Some(place) = self.pick(which, |payment| payment.disputes.iter().any(is_undecided)) else { return };
        // With tax, a part that is lost beside refunded parts is rounded more than once.
        let is_taxed = self.payments[place].tax > 0;
        let dispute =
            self.payments[place].disputes.iter_mut().find(|dispute| is_undecided(dispute)).expect("there is one");
        let before = dispute.status;
        dispute.status = match (before, how) {
            ("warning_needs_response", 0 | 1) => "warning_closed",
            ("warning_needs_response", _) => "needs_response",
            (_, 0) => "won",
            (_, 1 | 2) if !is_taxed => "lost",
            ("needs_response", 3) => "under_review",
            (_, 2) => "prevented",
            _ => "won",
        };
        let dispute = dispute.clone();
        let body = bodies::disputed(self, &self.payments[place], &dispute, Some(before));
        self.send(body);
    }

    fn overdue(&mut self, is_paid: bool) {
        match self.overdue {
            Some(place) if is_paid => {
                self.overdue = None;
                self.take(place);
            }
            None if self.running().is_some() => {
                let place = self.ask(self.total(), CURRENCY, false);
                self.overdue = Some(place);
                let body = bodies::overdue(self, &self.payments[place]);
                self.send(body);
            }
            _ => {}
        }
    }
}
