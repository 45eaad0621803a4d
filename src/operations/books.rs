//! The books of one sale: what is known of its payments, what follows from it, and what must be written (semantics
//! 4.2).
//!
//! Under the user's lock, this loads the purchases of a checkout and everything else that the user has bought or been
//! granted of the same add-ons. The engine derives the outcome from the facts, and every difference from the rows is
//! written. Rows from older versions or written by somebody else are accepted: what they say becomes a fact.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operations::access;
use crate::pg::clock::{iso_8601, now};
use crate::pg::ids::new_id;
use crate::store::owned::{self, Owned};
use crate::store::purchases::{self, Bearing, Columns, Purchase, Records};
use crate::store::uses::Claims;
use engine::money::Money;
use engine::payments::attempt::AttemptState;
use engine::payments::by_hand::ByHand;
use engine::payments::derive::{Awaited, LineOutcome, Outcome, Renewal, Settlement, derive};
use engine::payments::paid::Paid;
use engine::payments::sale::{KnownRenewal, Line, Sale};
use engine::payments::{Fact, Facts, Object};
use engine::purchases::PurchaseStatus;

/// What is paid together: a checkout with the subscription that it began, or purchases without a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// A checkout.
    Checkout(Uuid),
    /// A purchase without a checkout, and the others that share its payment.
    Alone(Uuid),
}

/// Everything about a sale, locked.
#[derive(Debug)]
pub struct Books {
    pub user_id: String,
    pub life: Life,
    /// All purchases of the add-ons of the sale, in add-on id order.
    pub purchases: Vec<Purchase>,
    /// The user's rows for these add-ons.
    pub owned: Vec<Owned>,
    /// The sale's own purchases, by index.
    pub lines: Vec<usize>,
    /// What is known.
    pub facts: Facts,
    /// The outcome at the time of loading.
    pub before: Outcome,
    /// The purchase that stores the facts.
    bearer: usize,
    /// The facts as they are stored.
    stored: Option<Records>,
    /// Renewals that now stand for another payment, with the amount of that payment.
    repriced: Vec<(Uuid, Money)>,
    /// Renewals that no longer stand for any payment.
    removed: Vec<Uuid>,
}

/// Whether the uses of a code and bundles that a sale needs are available.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uses {
    /// It holds them, or can claim them.
    Claimed,
    /// Others have taken them.
    Gone,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The outcome that follows from the facts now.
    pub after: Outcome,
    /// Whether anything was written.
    pub has_changed: bool,
    /// Uses that are no longer needed.
    pub claims: Claims,
}

impl Books {
    /// The books of a user's checkout, or of purchases without one; `None` if there are no such purchases.
    pub fn open(user_id: &str, life: Life) -> Result<Option<Books>, Error> {
        let purchases = match life {
            Life::Checkout(checkout_id) => purchases::with_checkout(user_id, checkout_id)?,
            Life::Alone(purchase_id) => {
                purchases::of_add_ons(user_id, &purchases::add_ons_paid_with(user_id, purchase_id)?)?
            }
        };
        let mut add_on_ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.add_on_id).collect();
        add_on_ids.dedup();
        let owned = owned::of_add_ons(user_id, &add_on_ids)?;
        Ok(Books::of(user_id, life, purchases, owned))
    }

    /// The books of a sale that waits for its payment, built from its own purchases alone: an unpaid sale gives no
    /// access, so nothing else has to be locked. `None` if somebody else has locked one of its rows, or something was
    /// paid.
    pub fn open_unpaid(user_id: &str, life: Life) -> Result<Option<Books>, Error> {
        let purchases = match life {
            Life::Checkout(checkout_id) => {
                purchases::of_checkout_unless_locked(user_id, checkout_id)?.unwrap_or_default()
            }
            Life::Alone(purchase_id) => purchases::by_id_unless_locked(user_id, purchase_id)?,
        };
        let is_unpaid = purchases.iter().all(|purchase| !purchase.columns.status.is_paid());
        Ok(if is_unpaid { Books::of(user_id, life, purchases, Vec::new()) } else { None })
    }

    fn of(user_id: &str, life: Life, purchases: Vec<Purchase>, owned: Vec<Owned>) -> Option<Books> {
        let lines = lines_of(&purchases, life);
        let &first = lines
            .iter()
            .min_by_key(|&&place| (purchases[place].records.is_none(), purchases[place].position, place))?;
        let mut facts = Facts::default();
        for &place in &lines {
            if let Some(records) = &purchases[place].records {
                facts.merge(records.known.clone());
            }
        }
        let mut books = Books {
            user_id: user_id.to_owned(),
            life,
            owned,
            lines,
            facts,
            before: Outcome::default(),
            bearer: first,
            stored: purchases[first].records.clone(),
            repriced: Vec::new(),
            removed: Vec::new(),
            purchases,
        };
        books.take_rows_as_they_stand();
        books.take_periods_as_they_stand();
        access::take_rows_as_they_stand(&mut books.owned, &books.purchases);
        Some(books)
    }

    /// Ids that were known when the books were last stored.
    pub fn stored_ids(&self) -> BTreeSet<String> {
        let known = self.stored.iter().flat_map(|records| records.known.ids());
        known.map(str::to_owned).collect()
    }

    /// Adds a fact from a provider, and whether the payment was used for another sale before. Returns the fact in its
    /// normal form.
    pub fn hear(&mut self, mut fact: Fact) -> Result<Fact, Error> {
        if let Object::Attempt(attempt) = &mut fact.object
            && attempt.state.last() == Some(&AttemptState::Paid)
            && !self.facts.attempts.contains_key(&fact.id)
        {
            let mut ids: BTreeSet<&str> = attempt.same_payment.iter().map(String::as_str).collect();
            ids.insert(&fact.id);
            let besides = match self.life {
                Life::Checkout(id) | Life::Alone(id) => id,
            };
            let used_by = match self.before.settled_by.as_ref() {
                Some(settled) if ids.iter().any(|id| settled.ids.contains(*id)) => None,
                _ => purchases::paid_by(&ids, besides)?,
            };
            attempt.used_by = used_by.filter(|id| !self.purchases.iter().any(|purchase| purchase.id == *id));
        }
        self.facts.learn(fact.clone());
        Ok(fact)
    }

    /// What all lines cost.
    pub fn total(&self) -> Money {
        self.sold().map(|purchase| purchase.amount).sum()
    }

    /// Their currency, in capitals.
    pub fn currency(&self) -> String {
        self.purchases[self.bearer].currency.to_uppercase()
    }

    /// The sale's own purchases.
    pub fn sold(&self) -> impl Iterator<Item = &Purchase> {
        self.lines.iter().map(|&place| &self.purchases[place])
    }

    /// Whether any of them has this status.
    pub fn has(&self, status: PurchaseStatus) -> bool {
        self.sold().any(|purchase| purchase.columns.status == status)
    }

    /// The purchase of this id, the sale's own or a renewal of it.
    pub fn purchase(&self, purchase_id: Uuid) -> Result<&Purchase, Error> {
        self.purchases.iter().find(|purchase| purchase.id == purchase_id).ok_or(Error::PurchaseNotFound { purchase_id })
    }

    /// Records the reason for what becomes of the purchases.
    pub fn note(&mut self, reason: Option<&str>, is_meant: impl Fn(&Purchase) -> bool) {
        if let Some(reason) = reason {
            let meant = self.purchases.iter_mut().filter(|purchase| is_meant(purchase));
            meant.for_each(|purchase| purchase.reason = Some(reason.to_owned()));
        }
    }

    /// Derives the outcome from what is known.
    pub fn outcome(&self) -> Outcome {
        self.outcome_of(Uses::Claimed)
    }

    fn outcome_of(&self, uses: Uses) -> Outcome {
        let line = |purchase: &Purchase| Line {
            purchase_id: purchase.id,
            add_on_id: purchase.add_on_id,
            amount: purchase.amount,
            billing: purchase.billing,
            bought_at: purchase.purchased_at,
        };
        let lines: Vec<Line> = self.sold().map(line).collect();
        let renewals: Vec<KnownRenewal> = self.renewals().collect();
        derive(&Sale {
            lines: &lines,
            currency: &self.currency(),
            facts: &self.facts,
            renewals: &renewals,
            is_gone: uses == Uses::Gone,
        })
    }

    /// Purchases that stand for payments of later periods.
    fn renewals(&self) -> impl Iterator<Item = KnownRenewal> {
        let may_renew = |purchase: &&Purchase| match self.life {
            Life::Checkout(checkout_id) => {
                purchase.checkout_id.is_none() && purchase.renewal_of.is_none_or(|id| id == checkout_id)
            }
            Life::Alone(_) => false,
        };
        self.purchases.iter().filter(may_renew).map(known_renewal)
    }

    /// Turns what the rows say and the facts do not into facts: rows written by a host, or by a version that kept no
    /// facts.
    fn take_rows_as_they_stand(&mut self) {
        self.before = self.outcome();
        let stands: Vec<(usize, PurchaseStatus)> =
            self.lines.iter().map(|&place| self.purchases[place].columns.status).enumerate().collect();
        let is_paid = |status: PurchaseStatus| status.is_paid();
        let paid = stands.iter().find(|(_, status)| is_paid(*status)).map(|(number, _)| self.lines[*number]);
        let is_settled = self.before.settled_by.is_some();
        if let (Some(place), false) = (paid, is_settled) {
            let purchase = &self.purchases[place];
            self.facts.say(ByHand::Completed {
                at: purchase.columns.paid.as_ref().map_or(purchase.purchased_at, |paid| paid.at),
                stripe: purchase.columns.stripe_payment_id.clone(),
                lago: purchase.columns.lago_invoice_id.clone(),
                method: purchase.columns.payment_method.clone(),
            });
            self.before = self.outcome();
        }
        let mut words = Vec::new();
        for (number, status) in stands {
            let purchase = &self.purchases[self.lines[number]];
            let (id, at) = (purchase.id, now());
            let derived = &self.before.lines[number];
            match (status, derived.status) {
                (PurchaseStatus::Failed, PurchaseStatus::Pending) => {
                    words.push(ByHand::Failed { at, reason: None });
                    break;
                }
                (PurchaseStatus::Disputed, PurchaseStatus::Completed) => {
                    words.push(ByHand::Disputed { at, purchase: id })
                }
                (PurchaseStatus::Completed, PurchaseStatus::Disputed) => {
                    let disputes = open_disputes(&self.facts);
                    words.push(ByHand::Resolved { at, purchase: id, won: true, disputes });
                }
                _ => {}
            }
            let missing = purchase.columns.refunded - derived.refunded;
            let is_refunded_now = status == PurchaseStatus::Refunded && derived.status != PurchaseStatus::Refunded;
            if derived.status.is_paid() && status.is_paid() && (missing > Money::ZERO || is_refunded_now) {
                words.push(ByHand::Refunded { at, purchase: id, amount: missing.max(Money::ZERO) });
            }
        }
        if !words.is_empty() {
            words.into_iter().for_each(|word| self.facts.say(word));
            self.before = self.outcome();
        }
        let has_failed = self.sold().all(|purchase| purchase.columns.status == PurchaseStatus::Failed);
        if has_failed && self.before.settled_by.is_some() {
            // The money came after the sale had failed, and others had taken the uses that it needed.
            self.before = self.outcome_of(Uses::Gone);
        }
    }

    /// Recorded purchases without facts pay for what they recorded, whatever the facts say otherwise.
    fn take_periods_as_they_stand(&mut self) {
        for (line, &place) in self.before.lines.iter().zip(&self.lines) {
            let purchase = &mut self.purchases[place];
            if purchase.columns.paid.is_none() && purchase.columns.status.is_paid() {
                let recorded = Paid::recorded(purchase.purchased_at, purchase.columns.ends_at, purchase.billing);
                let derived = line.paid.clone().unwrap_or_else(|| recorded.clone());
                purchase.columns.paid = Some(derived.for_recorded(&recorded));
            }
        }
    }

    /// Writes what follows from the facts. The caller must give back the uses that are no longer needed, after
    /// everything else.
    pub fn write(&mut self) -> Result<Written, Error> {
        let stood: Vec<PurchaseStatus> = self.sold().map(|purchase| purchase.columns.status).collect();
        // A checkout is live as long as any of its purchases is.
        let was_live = stood.iter().any(|status| status.is_live());
        let after = self.decide(&stood, was_live)?;
        let is_live_now = after.lines.iter().any(|line| line.status.is_live());
        let claims = if was_live && !is_live_now { self.claims()? } else { Claims::default() };
        let has_begun = self.apply(&after);
        if let Some(since) = after.trial_since {
            let sold: Vec<&Purchase> = self.sold().collect();
            let trials = access::trials(since, &sold, &self.purchases, &self.owned)?;
            self.owned.extend(trials);
        }
        access::apply(&mut self.owned, &mut self.purchases, &has_begun)?;
        let records = self.records(&after);
        let is_known =
            self.stored.as_ref() == Some(&records) || (self.stored.is_none() && records == Records::default());
        let bearing = (!is_known).then(|| Bearing { purchase_id: self.purchases[self.bearer].id, records });
        purchases::reprice(&self.user_id, &std::mem::take(&mut self.repriced))?;
        purchases::remove(&self.user_id, &std::mem::take(&mut self.removed))?;
        let mut has_changed = purchases::save(&self.user_id, &mut self.purchases, bearing.as_ref())?;
        has_changed |= owned::save(&self.user_id, &mut self.owned)?;
        // Before the payment, only reports from providers can change anything.
        has_changed |= bearing.is_some() && after.settled_by.is_none();
        self.stored = bearing.map(|bearing| bearing.records).or(self.stored.take());
        Ok(Written { after, has_changed, claims })
    }

    /// Decides what becomes of the sale: the outcome that follows from the facts, as far as the uses that it needs
    /// are available, and unless the current status must stay.
    fn decide(&mut self, stood: &[PurchaseStatus], was_live: bool) -> Result<Outcome, Error> {
        let mut after = self.outcome();
        if !was_live
            && after.settled_by.is_some()
            && stood.contains(&PurchaseStatus::Failed)
            && !self.claims()?.take()?
        {
            after = self.outcome_of(Uses::Gone);
        } else if !was_live
            && after.lines.iter().any(|line| line.status.is_live())
            && !stood.contains(&PurchaseStatus::Failed)
        {
            // A failed refund: we have the money, so what it paid for is given regardless of the limits.
            self.claims()?.take()?;
        }
        // Later reports about a payment, for example that some of it was tax, do not take back what it gave.
        if let (Some(settled), None) = (&self.before.settled_by, &after.settled_by) {
            let (stripe, lago) = (settled.stripe.clone(), settled.lago.clone());
            self.facts.say(ByHand::Completed { at: now(), stripe, lago, method: None });
            after = self.outcome();
        }
        if after.failure.is_none() && !self.may_wait(&after, stood)? {
            after.lines.iter_mut().for_each(|line| line.status = PurchaseStatus::Failed);
            after.awaited = None;
        }
        Ok(after)
    }

    /// Whether a sale that has not been paid may wait for its payment. One that failed because an attempt had ended
    /// waits again as soon as another attempt is reported, as it would if that had been reported first. It needs its
    /// uses for that, unless others have taken them.
    fn may_wait(&self, after: &Outcome, stood: &[PurchaseStatus]) -> Result<bool, Error> {
        let has_failed = stood.iter().all(|&status| status == PurchaseStatus::Failed);
        if after.settled_by.is_some() || !has_failed { Ok(true) } else { self.claims()?.take() }
    }

    /// The uses of the code and the bundles that the checkout was sold with.
    fn claims(&self) -> Result<Claims, Error> {
        let Life::Checkout(checkout_id) = self.life else { return Ok(Claims::default()) };
        let code = self.sold().find_map(|purchase| purchase.promo_code.clone());
        Ok(Claims::of_checkout(purchases::bundles(&self.user_id, checkout_id)?, code))
    }

    /// Changes the purchases to the derived outcome. Returns the add-ons that have just been paid.
    fn apply(&mut self, after: &Outcome) -> BTreeSet<Uuid> {
        let mut has_begun = BTreeSet::new();
        let has_failed_in_part = self.has(PurchaseStatus::Failed)
            && !self
                .sold()
                .all(|purchase| matches!(purchase.columns.status, PurchaseStatus::Failed | PurchaseStatus::Pending));
        for (number, place) in self.lines.clone().into_iter().enumerate() {
            let purchase = &mut self.purchases[place];
            let outcome = &after.lines[number];
            // A purchase that somebody has failed by itself stays failed, even if others of its checkout were paid.
            if has_failed_in_part && purchase.columns.status == PurchaseStatus::Failed {
                continue;
            }
            if !purchase.columns.status.is_paid() && outcome.status.is_paid() {
                has_begun.insert(purchase.add_on_id);
            }
            let failed = outcome.status == PurchaseStatus::Failed && purchase.columns.status != PurchaseStatus::Failed;
            if failed && purchase.reason.is_none() {
                purchase.reason = after.failure.clone().filter(|reason| !reason.is_empty());
            }
            become_outcome(&mut purchase.columns, outcome, after.settled_by.as_ref());
        }
        let mut unneeded = self.unneeded_renewals(after);
        for renewal in &after.renewals {
            self.apply_renewal(renewal, &mut unneeded);
        }
        self.remove(unneeded);
        has_begun
    }

    /// Recorded payments of later periods that turn out to be something else, usually the one that settles the
    /// checkout.
    fn unneeded_renewals(&self, after: &Outcome) -> BTreeSet<Uuid> {
        let Life::Checkout(checkout_id) = self.life else { return BTreeSet::new() };
        let is_ours = |purchase: &&Purchase| {
            purchase.checkout_id.is_none() && purchase.renewal_of == Some(checkout_id) && purchase.records.is_none()
        };
        // A purchase without known facts stays: an older version has recorded it.
        let others = || {
            after
                .settled_by
                .iter()
                .map(|settled| &settled.ids)
                .chain(after.unsettled.iter().map(|payment| &payment.ids))
        };
        let is_other = |purchase: &&Purchase| {
            let known = known_renewal(purchase);
            others().any(|ids| known.is_of(ids, purchase.add_on_id))
        };
        self.purchases.iter().filter(is_ours).filter(is_other).map(|purchase| purchase.id).collect()
    }

    /// Removes purchases from the books.
    fn remove(&mut self, purchase_ids: BTreeSet<Uuid>) {
        if purchase_ids.is_empty() {
            return;
        }
        let bearer = self.purchases[self.bearer].id;
        self.purchases.retain(|purchase| !purchase_ids.contains(&purchase.id));
        self.lines = lines_of(&self.purchases, self.life);
        self.bearer = self.purchases.iter().position(|purchase| purchase.id == bearer).unwrap_or_default();
        self.removed.extend(purchase_ids);
    }

    fn apply_renewal(&mut self, renewal: &Renewal, unneeded: &mut BTreeSet<Uuid>) {
        let Life::Checkout(checkout_id) = self.life else { return };
        let line = self.lines[renewal.line];
        let add_on_id = self.purchases[line].add_on_id;
        let ids = &renewal.payment.ids;
        let is_it =
            |purchase: &Purchase| purchase.checkout_id.is_none() && known_renewal(purchase).is_of(ids, add_on_id);
        let spare = |purchase: &Purchase| purchase.add_on_id == add_on_id && unneeded.contains(&purchase.id);
        match self.purchases.iter().position(is_it) {
            // A purchase that somebody has recorded by hand has its own facts.
            Some(place) if self.purchases[place].renewal_of != Some(checkout_id) => {}
            Some(place) => become_outcome(&mut self.purchases[place].columns, &renewal.outcome, Some(&renewal.payment)),
            None => {
                // The purchase that was recorded in its place
                if let Some(place) = self.purchases.iter().position(spare) {
                    let purchase = &mut self.purchases[place];
                    (purchase.columns.stripe_payment_id, purchase.columns.lago_invoice_id) = (None, None);
                    become_outcome(&mut purchase.columns, &renewal.outcome, Some(&renewal.payment));
                    purchase.amount = renewal.amount;
                    unneeded.remove(&purchase.id);
                    self.repriced.push((purchase.id, renewal.amount));
                    return;
                }
                let mut columns = Columns::completed();
                become_outcome(&mut columns, &renewal.outcome, Some(&renewal.payment));
                self.purchases.push(Purchase::renewal(&self.purchases[line], new_id(), renewal.amount, columns));
            }
        }
    }

    fn records(&self, after: &Outcome) -> Records {
        let unsettled: Vec<Value> = after
            .unsettled
            .iter()
            .map(|payment| {
                json!({
                    "payment_id": payment.id, "provider": payment.provider.name(), "amount": payment.amount.to_string(),
                    "currency": payment.currency, "reason": payment.reason.name(),
                    "received_at": payment.received_at.map(iso_8601),
                })
            })
            .collect();
        Records {
            known: self.facts.clone(),
            unsettled: (!unsettled.is_empty()).then_some(Value::Array(unsettled)),
            awaited: after.awaited.map(|awaited| match awaited {
                Awaited::Payment => "payment".to_owned(),
                Awaited::Trial => "trial".to_owned(),
            }),
        }
    }
}

fn known_renewal(purchase: &Purchase) -> KnownRenewal {
    KnownRenewal {
        purchase_id: purchase.id,
        add_on_id: purchase.add_on_id,
        stripe: purchase.columns.stripe_payment_id.clone(),
        lago: purchase.columns.lago_invoice_id.clone(),
        payment: purchase.columns.paid.as_ref().and_then(|paid| paid.payment.clone()),
    }
}

/// The indexes of the sale's own purchases.
fn lines_of(purchases: &[Purchase], life: Life) -> Vec<usize> {
    let is_own: Box<dyn Fn(&Purchase) -> bool> = match life {
        Life::Checkout(checkout_id) => Box::new(move |purchase| purchase.checkout_id == Some(checkout_id)),
        Life::Alone(purchase_id) => {
            let Some(first) = purchases.iter().find(|purchase| purchase.id == purchase_id) else { return Vec::new() };
            let (stripe, lago) = (first.columns.stripe_payment_id.clone(), first.columns.lago_invoice_id.clone());
            Box::new(move |purchase| {
                let is_same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
                purchase.id == purchase_id
                    || (purchase.checkout_id.is_none()
                        && (is_same(&purchase.columns.stripe_payment_id, &stripe)
                            || is_same(&purchase.columns.lago_invoice_id, &lago)))
            })
        }
    };
    (0..purchases.len()).filter(|&place| is_own(&purchases[place])).collect()
}

fn open_disputes(facts: &Facts) -> BTreeSet<String> {
    use engine::payments::dispute::DisputeState;
    let open = facts.disputes.iter().filter(|(_, dispute)| dispute.state.last() == Some(&DisputeState::Open));
    open.map(|(id, _)| id.clone()).collect()
}

impl Books {
    /// Disputes that the provider has reported and not decided yet.
    pub fn open_disputes(&self) -> BTreeSet<String> {
        open_disputes(&self.facts)
    }
}

fn become_outcome(columns: &mut Columns, outcome: &LineOutcome, payment: Option<&Settlement>) {
    columns.status = outcome.status;
    columns.refunded = outcome.refunded;
    columns.paid = match (&columns.paid, outcome.paid.clone()) {
        (Some(before), Some(paid)) if before.is_recorded => Some(paid.for_recorded(before)),
        (_, paid) => paid,
    };
    if let Some(payment) = payment {
        columns.stripe_payment_id = payment.stripe.clone().or(columns.stripe_payment_id.take());
        columns.lago_invoice_id = payment.lago.clone().or(columns.lago_invoice_id.take());
        columns.payment_method = columns.payment_method.take().or(payment.method.clone());
    }
}
