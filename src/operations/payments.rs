//! What becomes of purchases that were made: paid, failed, refunded, contested (semantics 4).
//!
//! A [`Payment`] is the purchases that are paid together: those of a checkout, or of one renewal. Every function here
//! expects the user's lock to be held.

use serde_json::json;
use uuid::Uuid;

use crate::error::Error;
use crate::operations::disputes::{self, Verdict};
use crate::pg::datum::{iso_8601, now};
use crate::pg::isolation;
use crate::pg::locks::lock_user;
use crate::store::purchases::{self, Purchase};
use crate::store::subscriptions::{self, Period};
use crate::store::uses::Claims;
use engine::currency::unit_of;
use engine::money::{Money, Unit};
use engine::purchases::PurchaseStatus;
use engine::refunds::{self, Refundable, Refunded};
use engine::time::Instant;

/// Purchases of one user that are paid together, in add-on id order, locked.
#[derive(Debug)]
pub struct Payment {
    pub purchases: Vec<Purchase>,
}

/// How a checkout was paid.
#[derive(Clone, Debug, Default)]
pub struct Means {
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
    pub payment_method: Option<String>,
}

impl Means {
    /// Adds the ids that the purchase does not have yet.
    fn complement(&self, purchase: &mut Purchase) {
        purchase.stripe_payment_id = purchase.stripe_payment_id.take().or_else(|| self.stripe_payment_id.clone());
        purchase.lago_invoice_id = purchase.lago_invoice_id.take().or_else(|| self.lago_invoice_id.clone());
    }
}

impl Payment {
    /// Whether any purchase waits for its payment.
    pub fn is_pending(&self) -> bool {
        self.has(PurchaseStatus::Pending)
    }

    /// Whether the payment has failed.
    pub fn has_failed(&self) -> bool {
        self.has(PurchaseStatus::Failed)
    }

    fn has(&self, status: PurchaseStatus) -> bool {
        self.purchases.iter().any(|purchase| purchase.status == status)
    }

    /// What all purchases cost.
    pub fn amount(&self) -> Money {
        self.purchases.iter().map(|purchase| purchase.amount).sum()
    }

    /// The checkout, unless it is a renewal.
    pub fn checkout_id(&self) -> Option<Uuid> {
        self.purchases.first().and_then(|purchase| purchase.checkout_id)
    }

    /// Completes what is pending and grants it, and applies what was noted of refunds and disputes before. Says whether
    /// anything was pending.
    pub fn complete(&mut self, means: &Means) -> Result<bool, Error> {
        if !self.is_pending() {
            return Ok(false);
        }
        let is_pending = |purchase: &&mut Purchase| purchase.status == PurchaseStatus::Pending;
        let mut bought: Vec<&mut Purchase> = self.purchases.iter_mut().filter(is_pending).collect();
        for purchase in &mut bought {
            purchase.status = PurchaseStatus::Completed;
            means.complement(purchase);
            purchase.payment_method = purchase.payment_method.take().or_else(|| means.payment_method.clone());
        }
        grant(&mut bought)?;
        self.apply_notes()?;
        Ok(true)
    }

    /// Applies what was heard of refunds and disputes before the payment.
    fn apply_notes(&mut self) -> Result<(), Error> {
        if self.purchases.iter().any(|purchase| purchase.metadata.has("refunded_by_provider")) {
            self.refund_in_total(Money::ZERO)?;
        }
        match disputes::verdict(self) {
            Some(Verdict::Lost) => self.lose(None)?,
            Some(Verdict::Open) => self.dispute(None, Some("payment disputed"))?,
            Some(Verdict::Won) | None => false,
        };
        Ok(())
    }

    /// Takes note of ids that were not known when the purchases were completed.
    pub fn record(&mut self, means: &Means) -> Result<(), Error> {
        self.purchases.iter_mut().for_each(|purchase| means.complement(purchase));
        purchases::save(&mut self.purchases).map(|_| ())
    }

    /// Fails what is pending and gives its uses back. Says whether anything was pending.
    pub fn fail(&mut self, reason: Option<&str>) -> Result<bool, Error> {
        let was_pending = self.is_pending();
        self.fail_keeping_uses(reason)?.give_back()?;
        Ok(was_pending)
    }

    /// Fails what is pending. Returns the uses that are to be given back.
    pub fn fail_keeping_uses(&mut self, reason: Option<&str>) -> Result<Claims, Error> {
        let was_live = self.is_live();
        for purchase in self.purchases.iter_mut().filter(|purchase| purchase.status == PurchaseStatus::Pending) {
            purchase.status = PurchaseStatus::Failed;
            note(purchase, reason);
        }
        purchases::save(&mut self.purchases)?;
        Ok(self.claims_to_give_back(was_live))
    }

    /// Refunds so much of one purchase.
    pub fn refund(&mut self, purchase_id: Uuid, amount: Money, reason: Option<&str>) -> Result<(), Error> {
        let was_live = self.is_live();
        for purchase in self.purchases.iter_mut().filter(|purchase| purchase.id == purchase_id) {
            let directly = purchase.metadata.cents("refunded_directly") + amount;
            purchase.metadata.set("refunded_directly", json!(directly.cents()));
            note(purchase, reason);
            refund_up_to(purchase, Refunded::of(purchase.amount, purchase.refunded + amount))?;
        }
        self.give_uses_back(was_live)
    }

    /// Takes note of what the provider has refunded of the payment as a whole; it is refunded once the payment is made.
    /// Says whether that was news.
    pub fn refund_in_total(&mut self, total: Money) -> Result<bool, Error> {
        let was_live = self.is_live();
        let noted = self.purchases.iter().map(|purchase| purchase.metadata.cents("refunded_by_provider")).max();
        let total = noted.map_or(total, |noted| noted.max(total));
        for purchase in &mut self.purchases {
            purchase.metadata.set("refunded_by_provider", json!(total.cents()));
        }
        if self.is_pending() {
            purchases::save(&mut self.purchases)?;
            return Ok(noted != Some(total));
        }
        let refundable: Vec<Refundable> = self
            .purchases
            .iter()
            .map(|purchase| Refundable {
                amount: purchase.amount,
                directly: purchase.metadata.cents("refunded_directly"),
                refunded: purchase.refunded,
            })
            .collect();
        let unit = self.purchases.first().map_or(Unit::HUNDREDTH, |purchase| unit_of(&purchase.currency));
        let mut has_changed = false;
        for (purchase, refunded) in self.purchases.iter_mut().zip(refunds::spread(&refundable, total, unit)) {
            has_changed |= refunded.amount != purchase.refunded;
            refund_up_to(purchase, refunded)?;
        }
        self.give_uses_back(was_live)?;
        Ok(has_changed)
    }

    /// Contests completed purchases, or one of them: access is withheld.
    pub fn dispute(&mut self, purchase_id: Option<Uuid>, reason: Option<&str>) -> Result<bool, Error> {
        let mut has_changed = false;
        for purchase in self.completed(purchase_id, PurchaseStatus::Completed) {
            purchase.status = PurchaseStatus::Disputed;
            note(purchase, reason);
            purchases::save([&mut *purchase])?;
            subscriptions::apply_holds(&purchase.user_id, purchase.add_on_id)?;
            has_changed = true;
        }
        Ok(has_changed)
    }

    /// Gives access to contested purchases back, or to one of them.
    pub fn win(&mut self, purchase_id: Option<Uuid>) -> Result<bool, Error> {
        let mut has_changed = false;
        for purchase in self.completed(purchase_id, PurchaseStatus::Disputed) {
            purchase.status = PurchaseStatus::Completed;
            purchases::save([&mut *purchase])?;
            subscriptions::apply_holds(&purchase.user_id, purchase.add_on_id)?;
            has_changed = true;
        }
        Ok(has_changed)
    }

    /// The money of contested or completed purchases, or of one of them, is lost: they are refunded in full.
    pub fn lose(&mut self, purchase_id: Option<Uuid>) -> Result<bool, Error> {
        let was_live = self.is_live();
        let mut has_changed = false;
        let is_meant = |purchase: &Purchase| purchase_id.is_none_or(|id| purchase.id == id);
        for purchase in self.purchases.iter_mut().filter(|purchase| is_meant(purchase)) {
            if purchase.status.is_settled() {
                refund_up_to(purchase, Refunded::of(purchase.amount, purchase.amount))?;
                has_changed = true;
            }
        }
        self.give_uses_back(was_live)?;
        Ok(has_changed)
    }

    fn completed(&mut self, id: Option<Uuid>, status: PurchaseStatus) -> impl Iterator<Item = &mut Purchase> {
        let is_meant = move |purchase: &&mut Purchase| id.is_none_or(|id| purchase.id == id);
        self.purchases.iter_mut().filter(is_meant).filter(move |purchase| purchase.status == status)
    }

    /// A checkout lives while any of its purchases does.
    fn is_live(&self) -> bool {
        self.purchases.iter().any(Purchase::is_live)
    }

    /// Gives the uses of code and bundles back when the checkout has just ceased to live.
    fn give_uses_back(&self, was_live: bool) -> Result<(), Error> {
        self.claims_to_give_back(was_live).give_back()
    }

    fn claims_to_give_back(&self, was_live: bool) -> Claims {
        if !was_live || self.is_live() || self.checkout_id().is_none() {
            return Claims::default();
        }
        let code = self.purchases.iter().find_map(|purchase| purchase.promo_code.clone());
        Claims::of_checkout(self.bundles(), code)
    }

    /// The bundles that the checkout was sold with, and how many instances of each.
    fn bundles(&self) -> impl Iterator<Item = (Uuid, i32)> {
        let quote = self.purchases.iter().find_map(|purchase| purchase.metadata.get("quote"));
        let bundles = quote.and_then(|quote| quote.get("bundles")?.as_array());
        bundles.into_iter().flatten().filter_map(|bundle| {
            let id = Uuid::try_parse(bundle.get("bundle_id")?.as_str()?).ok()?;
            Some((id, i32::try_from(bundle.get("instances")?.as_i64()?).ok()?))
        })
    }
}

/// Raises what is refunded of a purchase. When that is all of it, the purchase is refunded and its access ends, unless
/// another purchase pays for it.
fn refund_up_to(purchase: &mut Purchase, refunded: Refunded) -> Result<(), Error> {
    purchase.refunded = refunded.amount;
    let is_whole = purchase.status.is_settled() && refunded.is_whole;
    if is_whole {
        purchase.status = PurchaseStatus::Refunded;
    }
    purchases::save([&mut *purchase])?;
    if !is_whole {
        return Ok(());
    }
    let otherwise_paid = purchases::otherwise_paid_until(purchase, true)?;
    end_access(purchase, otherwise_paid, "refunded", None)?;
    subscriptions::apply_holds(&purchase.user_id, purchase.add_on_id)
}

/// Grants what purchases of one user, completed a moment ago and not saved yet, paid for.
fn grant(bought: &mut [&mut Purchase]) -> Result<(), Error> {
    let Some(user_id) = bought.first().map(|purchase| purchase.user_id.clone()) else { return Ok(()) };
    let mut periods: Vec<Period> = Vec::new();
    for purchase in bought.iter() {
        periods.push(Period {
            add_on_id: purchase.add_on_id,
            billing_type: purchase.billing_type()?,
            lago_subscription_id: purchase.metadata.text("lago_subscription_id").map(str::to_owned),
        });
    }
    // A checkout has one purchase of an add-on, but somebody else may have written more.
    periods.dedup_by_key(|period| period.add_on_id);
    let granted = subscriptions::grant_periods(&user_id, &periods)?;
    for purchase in bought.iter_mut() {
        let Some(granted) = granted.iter().find(|granted| granted.add_on_id == purchase.add_on_id) else { continue };
        purchase.subscription_ends_at = granted.until;
        if granted.access_until != granted.until {
            purchase.metadata.set("access_until", json!(granted.access_until.map(iso_8601)));
        }
    }
    purchases::save(bought.iter_mut().map(|purchase| &mut **purchase))?;
    for purchase in bought.iter_mut().filter(|purchase| purchase.metadata.has("subscription")) {
        apply_subscription(purchase)?;
    }
    let add_on_ids: Vec<Uuid> = periods.iter().map(|period| period.add_on_id).collect();
    subscriptions::withhold(&user_id, &add_on_ids).map(|_| ())
}

/// Ends the access that a purchase gave, as far as other purchases do not give it.
fn end_access(
    purchase: &Purchase,
    otherwise_paid: Option<Option<Instant>>,
    reason: &str,
    at: Option<Instant>,
) -> Result<(), Error> {
    let (user_id, add_on_id) = (&purchase.user_id, purchase.add_on_id);
    match otherwise_paid {
        Some(Some(until)) => subscriptions::end_no_later(user_id, add_on_id, until)?,
        Some(None) => false,
        None => subscriptions::end(user_id, add_on_id, Some(reason), at)?,
    };
    Ok(())
}

/// Makes what the user owns agree with what the provider has said of the subscription that a paid purchase began.
pub fn apply_subscription(purchase: &mut Purchase) -> Result<(), Error> {
    if !purchase.status.is_settled() || !purchase.is_recurring()? {
        return Ok(());
    }
    let state = purchase.subscription();
    if let Some(end) = state.period_end().filter(|&end| end > purchase.purchased_at) {
        subscriptions::extend(&purchase.user_id, purchase.add_on_id, end)?;
    }
    if state.has_ended {
        let ended_at = state.ended_at().unwrap_or_else(now);
        purchases::shorten_renewals(purchase, ended_at)?;
        let end = purchase.subscription_ends_at.map_or(ended_at, |end| end.min(ended_at));
        // What the checkout granted is still to be told as it was.
        if purchase.checkout_id.is_some() && !purchase.metadata.has("access_until") {
            purchase.metadata.set("access_until", json!(purchase.subscription_ends_at.map(iso_8601)));
        }
        purchase.subscription_ends_at = Some(end);
        purchases::save([&mut *purchase])?;
        let otherwise_paid = purchases::otherwise_paid_until(purchase, false)?;
        end_access(purchase, otherwise_paid, "subscription ended", Some(ended_at))?;
    } else if let Some(auto_renew) = state.auto_renew {
        subscriptions::set_renewal(&purchase.user_id, purchase.add_on_id, auto_renew)?;
    }
    subscriptions::apply_holds(&purchase.user_id, purchase.add_on_id)
}

/// Keeps the last reason that somebody gave.
fn note(purchase: &mut Purchase, reason: Option<&str>) {
    if let Some(reason) = reason {
        purchase.metadata.set("reason", json!(reason));
    }
}

/// A purchase, those it was paid with, and the user's lock.
fn open(purchase_id: Uuid) -> Result<Payment, Error> {
    let found = purchases::owner_of_purchase(purchase_id)?;
    isolation::check_owner(found.as_ref().map(|(user_id, _)| user_id.as_str()))?;
    let (user_id, checkout_id) = found.ok_or(Error::PurchaseNotFound { purchase_id })?;
    lock_user(&user_id)?;
    let purchases = match checkout_id {
        Some(checkout_id) => purchases::of_checkout(&user_id, checkout_id)?,
        None => purchases::by_id(&user_id, purchase_id)?,
    };
    Ok(Payment { purchases })
}

impl Payment {
    fn purchase(&self, purchase_id: Uuid) -> Result<&Purchase, Error> {
        let found = self.purchases.iter().find(|purchase| purchase.id == purchase_id);
        found.ok_or(Error::PurchaseNotFound { purchase_id })
    }
}

/// Refunds so much of a purchase, or all that is left. Returns what is refunded so far.
pub fn refund_purchase(purchase_id: Uuid, amount: Option<Money>, reason: Option<&str>) -> Result<Money, Error> {
    let mut payment = open(purchase_id)?;
    let purchase = payment.purchase(purchase_id)?;
    if !purchase.status.is_paid() {
        return Err(Error::PurchaseState { purchase_id, status: purchase.status.name(), wanted: "refunded" });
    }
    let refundable = purchase.amount - purchase.refunded;
    let requested = amount.unwrap_or(refundable);
    if requested > refundable {
        return Err(Error::RefundExceedsAmount { purchase_id, requested, refundable });
    }
    payment.refund(purchase_id, requested, reason)?;
    Ok(payment.purchase(purchase_id)?.refunded)
}

/// Contests a completed purchase. Returns its status.
pub fn dispute_purchase(purchase_id: Uuid, reason: Option<&str>) -> Result<PurchaseStatus, Error> {
    let mut payment = open(purchase_id)?;
    let status = payment.purchase(purchase_id)?.status;
    match status {
        PurchaseStatus::Completed => payment.dispute(Some(purchase_id), reason)?,
        PurchaseStatus::Disputed => false,
        _ => return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "disputed" }),
    };
    Ok(payment.purchase(purchase_id)?.status)
}

/// Decides about a contested purchase. Returns its status; deciding again in the same way changes nothing.
pub fn resolve_dispute(purchase_id: Uuid, won: bool) -> Result<PurchaseStatus, Error> {
    let mut payment = open(purchase_id)?;
    let status = payment.purchase(purchase_id)?.status;
    match (status, won) {
        (PurchaseStatus::Disputed, true) => payment.win(Some(purchase_id))?,
        (PurchaseStatus::Disputed, false) => payment.lose(Some(purchase_id))?,
        (PurchaseStatus::Completed, true) | (PurchaseStatus::Refunded, false) => false,
        _ => return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "resolved" }),
    };
    Ok(payment.purchase(purchase_id)?.status)
}
