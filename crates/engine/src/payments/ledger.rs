//! The ledger of a sale: its purchases, what is known of their payments, and what becomes of them (semantics 4.2).
//!
//! Rows from older versions or written by somebody else are accepted: what they say becomes a fact.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::attempt::AttemptState;
use super::by_hand::ByHand;
use super::derive::{LineOutcome, Outcome, derive};
use super::facts::{Fact, Facts, Object};
use super::paid::Paid;
use super::purchase::{Purchase, Records};
use super::sale::{KnownRenewal, Line, Sale};
use crate::money::Money;
use crate::purchases::PurchaseStatus;
use crate::time::Instant;

/// What is paid together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SaleId {
    /// A checkout, with the subscription that it began.
    Checkout(Uuid),
    /// A purchase without a checkout, and the others that share its payment.
    Alone(Uuid),
}

impl SaleId {
    /// The id of the checkout or the purchase.
    pub fn id(self) -> Uuid {
        match self {
            SaleId::Checkout(id) | SaleId::Alone(id) => id,
        }
    }

    /// The checkout.
    pub fn checkout(self) -> Option<Uuid> {
        match self {
            SaleId::Checkout(id) => Some(id),
            SaleId::Alone(_) => None,
        }
    }
}

/// A sale with all purchases of its add-ons by the user.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The sale.
    pub sale_id: SaleId,
    /// All purchases of its add-ons, in add-on id order.
    pub purchases: Vec<Purchase>,
    /// What is known of its payments.
    pub facts: Facts,
    /// The outcome at the time of loading.
    pub before: Outcome,
    /// Renewals that now stand for another payment, with the amount of that payment.
    pub repriced: Vec<(Uuid, Money)>,
    /// Renewals that no longer stand for any payment.
    pub removed: Vec<Uuid>,
    /// The sale's own purchases, by index.
    pub(super) lines: Vec<usize>,
    /// The purchase that stores the facts, by index.
    pub(super) bearer: usize,
}

/// Whether the uses of a code and bundles that a sale needs are available.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uses {
    /// It holds them, or can claim them.
    Claimed,
    /// Others have taken them.
    Gone,
}

impl Ledger {
    /// The ledger of a sale with what its rows say; `None` if it has no purchases.
    pub fn open(sale_id: SaleId, purchases: Vec<Purchase>, now: Instant) -> Option<Ledger> {
        let lines = lines_of(&purchases, sale_id);
        let rank = |&&place: &&usize| (purchases[place].records.is_none(), purchases[place].position, place);
        let bearer = *lines.iter().min_by_key(rank)?;
        let mut facts = Facts::default();
        for records in lines.iter().filter_map(|&place| purchases[place].records.as_ref()) {
            facts.merge(records.known.clone());
        }
        let (before, repriced, removed) = (Outcome::default(), Vec::new(), Vec::new());
        let mut ledger = Ledger { sale_id, purchases, facts, before, repriced, removed, lines, bearer };
        ledger.take_over_statuses(now);
        ledger.take_over_periods();
        Some(ledger)
    }

    /// The purchase that stores the facts.
    pub fn bearer(&self) -> &Purchase {
        &self.purchases[self.bearer]
    }

    /// The facts as they are stored.
    pub fn stored(&self) -> Option<&Records> {
        self.bearer().records.as_ref()
    }

    /// Notes that they are stored.
    pub fn set_stored(&mut self, records: Records) {
        self.purchases[self.bearer].records = Some(records);
    }

    /// The sale's own purchases.
    pub fn sold(&self) -> impl Iterator<Item = &Purchase> {
        self.lines.iter().map(|&place| &self.purchases[place])
    }

    /// What they cost.
    pub fn total(&self) -> Money {
        self.sold().map(|purchase| purchase.amount).sum()
    }

    /// Their currency, in capitals.
    pub fn currency(&self) -> String {
        self.bearer().currency.to_uppercase()
    }

    /// Whether any of them has this status.
    pub fn has(&self, status: PurchaseStatus) -> bool {
        self.sold().any(|purchase| purchase.columns.status == status)
    }

    fn have_all(&self, status: PurchaseStatus) -> bool {
        self.sold().all(|purchase| purchase.columns.status == status)
    }

    /// Whether the sale holds the uses of its code and bundles: as long as any of its purchases does.
    pub fn is_live(&self) -> bool {
        self.sold().any(|purchase| purchase.columns.status.is_live())
    }

    /// The code that it was sold with.
    pub fn promo_code(&self) -> Option<&str> {
        self.sold().find_map(|purchase| purchase.promo_code.as_deref())
    }

    /// The purchase of this id, the sale's own or a renewal of it.
    pub fn purchase(&self, purchase_id: Uuid) -> Option<&Purchase> {
        self.purchases.iter().find(|purchase| purchase.id == purchase_id)
    }

    /// Whether a purchase follows from the facts of this sale, as a payment of a later period.
    pub fn is_renewed_by(&self, purchase_id: Uuid) -> bool {
        let Some(purchase) = self.purchase(purchase_id) else { return false };
        let ids = [&purchase.columns.stripe_payment_id, &purchase.columns.lago_invoice_id];
        let is_paid_by = |known: &BTreeSet<String>| ids.into_iter().flatten().any(|id| known.contains(id));
        self.before.renewals.iter().any(|renewal| is_paid_by(&renewal.payment.ids))
    }

    /// The facts of an event that concern the sale: all of them if the event names it or none, and otherwise what it
    /// says of refunds, disputes and subscriptions.
    pub fn concerned<'a>(&self, facts: &'a [Fact]) -> Vec<&'a Fact> {
        let named = facts.iter().find_map(|fact| fact.checkout_id).map(SaleId::Checkout);
        let is_named = named.is_none_or(|named| named == self.sale_id);
        facts.iter().filter(|fact| is_named || !matches!(fact.object, Object::Attempt(_))).collect()
    }

    /// The ids of a payment that a fact reports for the first time, if it does not already pay for this sale: it may
    /// have paid for another one.
    pub fn first_paid_by<'a>(&self, fact: &'a Fact) -> Option<BTreeSet<&'a str>> {
        let Object::Attempt(attempt) = &fact.object else { return None };
        if attempt.state.last() != Some(&AttemptState::Paid) || self.facts.attempts.contains_key(&fact.id) {
            return None;
        }
        let ids: BTreeSet<&str> = attempt.same_payment.iter().chain([&fact.id]).map(String::as_str).collect();
        let is_ours = self.before.settled_by.as_ref().is_some_and(|by| ids.iter().any(|id| by.ids.contains(*id)));
        (!is_ours).then_some(ids)
    }

    /// What follows from what is known.
    pub fn outcome(&self) -> Outcome {
        self.outcome_with(Uses::Claimed)
    }

    fn outcome_with(&self, uses: Uses) -> Outcome {
        let lines: Vec<Line> = self.sold().map(Purchase::as_line).collect();
        let renewals: Vec<KnownRenewal> = self.renewals().map(Purchase::as_renewal).collect();
        derive(&Sale {
            lines: &lines,
            currency: &self.currency(),
            facts: &self.facts,
            renewals: &renewals,
            is_gone: uses == Uses::Gone,
        })
    }

    /// Purchases that stand for payments of later periods.
    fn renewals(&self) -> impl Iterator<Item = &Purchase> {
        let checkout_id = self.sale_id.checkout();
        let may_renew = move |purchase: &&Purchase| {
            purchase.checkout_id.is_none() && purchase.renewal_of.is_none_or(|id| Some(id) == checkout_id)
        };
        self.purchases.iter().filter(move |_| checkout_id.is_some()).filter(may_renew)
    }

    /// Turns what the rows say and the facts do not into facts: rows written by a host, or by a version that kept no
    /// facts.
    fn take_over_statuses(&mut self, now: Instant) {
        self.before = self.outcome();
        let paid = self.sold().find(|purchase| purchase.columns.status.is_paid());
        if let (Some(purchase), None) = (paid, &self.before.settled_by) {
            let call = completed_by(purchase);
            self.facts.add_call(call);
            self.before = self.outcome();
        }
        let calls = self.unreported(now);
        if !calls.is_empty() {
            calls.into_iter().for_each(|call| self.facts.add_call(call));
            self.before = self.outcome();
        }
        if self.have_all(PurchaseStatus::Failed) && self.before.settled_by.is_some() {
            // The money came after the sale had failed, and others had taken the uses that it needed.
            self.before = self.outcome_with(Uses::Gone);
        }
    }

    /// The calls by hand after which the sale would be as its rows say.
    fn unreported(&self, now: Instant) -> Vec<ByHand> {
        let mut calls = Vec::new();
        for (purchase, derived) in self.sold().zip(&self.before.lines) {
            let (id, status) = (purchase.id, purchase.columns.status);
            match (status, derived.status) {
                (PurchaseStatus::Failed, PurchaseStatus::Pending) => {
                    calls.push(ByHand::Failed { at: now, reason: None });
                    break;
                }
                (PurchaseStatus::Disputed, PurchaseStatus::Completed) => {
                    calls.push(ByHand::Disputed { at: now, purchase: id });
                }
                (PurchaseStatus::Completed, PurchaseStatus::Disputed) => {
                    let disputes = self.facts.open_disputes();
                    calls.push(ByHand::Resolved { at: now, purchase: id, won: true, disputes });
                }
                _ => {}
            }
            let missing = purchase.columns.refunded - derived.refunded;
            let is_refunded_now = status == PurchaseStatus::Refunded && derived.status != PurchaseStatus::Refunded;
            if derived.status.is_paid() && status.is_paid() && (missing > Money::ZERO || is_refunded_now) {
                calls.push(ByHand::Refunded { at: now, purchase: id, amount: missing.max(Money::ZERO) });
            }
        }
        calls
    }

    /// Recorded purchases without facts pay for what they recorded, whatever the facts say otherwise.
    fn take_over_periods(&mut self) {
        for (line, &place) in self.before.lines.iter().zip(&self.lines) {
            let purchase = &mut self.purchases[place];
            if purchase.columns.paid.is_none() && purchase.columns.status.is_paid() {
                let recorded = Paid::recorded(purchase.purchased_at, purchase.columns.ends_at, purchase.billing);
                let derived = line.paid.clone().unwrap_or_else(|| recorded.clone());
                purchase.columns.paid = Some(derived.for_recorded(&recorded));
            }
        }
    }

    /// Decides what becomes of the sale: the outcome that follows from the facts, as far as the uses that it needs
    /// are available, and unless the current status must stay. `claim_uses` claims those uses again, or says that
    /// others have taken them.
    pub fn decide<E>(&mut self, now: Instant, mut claim_uses: impl FnMut() -> Result<bool, E>) -> Result<Outcome, E> {
        let mut after = self.outcome();
        let has_failed = self.has(PurchaseStatus::Failed);
        if !self.is_live() {
            if has_failed && after.settled_by.is_some() {
                if !claim_uses()? {
                    after = self.outcome_with(Uses::Gone);
                }
            } else if !has_failed && after.is_live() {
                // A failed refund: we have the money, so what it paid for is given regardless of the limits.
                claim_uses()?;
            }
        }
        // Later reports about a payment, for example that some of it was tax, do not take back what it gave.
        if let (Some(settled), None) = (&self.before.settled_by, &after.settled_by) {
            let (stripe, lago) = (settled.stripe.clone(), settled.lago.clone());
            self.facts.add_call(ByHand::Completed { at: now, stripe, lago, method: None });
            after = self.outcome();
        }
        // A sale that failed because an attempt had ended waits again as soon as another attempt is reported, as it
        // would if that had been reported first. It needs its uses for that.
        let is_to_wait = after.settled_by.is_none() && after.failure.is_none();
        if is_to_wait && self.have_all(PurchaseStatus::Failed) && !claim_uses()? {
            after.lines.iter_mut().for_each(|line| line.status = PurchaseStatus::Failed);
            after.awaited = None;
        }
        Ok(after)
    }

    /// Changes the purchases to a decided outcome; `new_id` makes ids for renewals. Returns the add-ons that have just
    /// been paid.
    pub fn apply(&mut self, after: &Outcome, now: Instant, new_id: impl FnMut() -> Uuid) -> BTreeSet<Uuid> {
        let mut has_begun = BTreeSet::new();
        let is_unpaid = |status| matches!(status, PurchaseStatus::Failed | PurchaseStatus::Pending);
        let has_failed_in_part =
            self.has(PurchaseStatus::Failed) && !self.sold().all(|purchase| is_unpaid(purchase.columns.status));
        for (outcome, &place) in after.lines.iter().zip(&self.lines) {
            let purchase = &mut self.purchases[place];
            // A purchase that somebody has failed by itself stays failed, even if others of its checkout were paid.
            if has_failed_in_part && purchase.columns.status == PurchaseStatus::Failed {
                continue;
            }
            if !purchase.columns.status.is_paid() && outcome.status.is_paid() {
                has_begun.insert(purchase.add_on_id);
            }
            if purchase.reason.is_none() && fails(purchase, outcome) {
                purchase.reason = after.failure.clone().filter(|reason| !reason.is_empty());
            }
            purchase.columns.follow(outcome, after.settled_by.as_ref());
        }
        self.apply_renewals(after, now, new_id);
        has_begun
    }
}

/// Whether a purchase fails only now.
fn fails(purchase: &Purchase, outcome: &LineOutcome) -> bool {
    outcome.status == PurchaseStatus::Failed && purchase.columns.status != PurchaseStatus::Failed
}

/// The call by hand that a paid purchase without facts stands for.
fn completed_by(purchase: &Purchase) -> ByHand {
    let columns = &purchase.columns;
    ByHand::Completed {
        at: columns.paid.as_ref().map_or(purchase.purchased_at, |paid| paid.at),
        stripe: columns.stripe_payment_id.clone(),
        lago: columns.lago_invoice_id.clone(),
        method: columns.payment_method.clone(),
    }
}

/// The indexes of the purchases that make a sale.
pub(super) fn lines_of(purchases: &[Purchase], sale_id: SaleId) -> Vec<usize> {
    let places =
        |is_own: &dyn Fn(&Purchase) -> bool| (0..purchases.len()).filter(|&place| is_own(&purchases[place])).collect();
    match sale_id {
        SaleId::Checkout(checkout_id) => places(&|purchase| purchase.checkout_id == Some(checkout_id)),
        SaleId::Alone(purchase_id) => {
            let Some(first) = purchases.iter().find(|purchase| purchase.id == purchase_id) else { return Vec::new() };
            let columns = &first.columns;
            let ids = (columns.stripe_payment_id.as_deref(), columns.lago_invoice_id.as_deref());
            places(&|purchase| {
                purchase.id == purchase_id || (purchase.checkout_id.is_none() && purchase.is_paid_with(ids.0, ids.1))
            })
        }
    }
}
