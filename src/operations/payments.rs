//! What people say about payments: paid, given up, refunded, disputed (semantics 4). Each call becomes a fact like
//! any other.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::error::Error;
use crate::operations::books::{Books, Life, Written};
use crate::pg::caller;
use crate::pg::clock::now;
use crate::pg::locks::{hold_provider_ids, lock_user, lock_users};
use crate::store::cart;
use crate::store::purchases::{self, Location};
use engine::currency::unit_of;
use engine::money::Money;
use engine::payments::by_hand::ByHand;
use engine::purchases::PurchaseStatus;
use engine::time::Instant;

/// How a checkout was paid.
#[derive(Clone, Debug, Default)]
pub struct PaymentReferences {
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
    pub payment_method: Option<String>,
}

impl Books {
    /// Takes over stored reports that turn out to be about this sale, writes the outcome, and gives back uses that are
    /// no longer needed.
    pub fn settle(&mut self) -> Result<Written, Error> {
        self.claim()?;
        let mut written = self.write()?;
        std::mem::take(&mut written.claims).give_back()?;
        Ok(written)
    }
}

/// The books of a checkout, under the user's lock.
fn open_checkout(checkout_id: Uuid) -> Result<Books, Error> {
    let not_found = || Error::CheckoutNotFound { checkout_id };
    let owner = purchases::owner_of_checkout(checkout_id)?;
    caller::check_owner(owner.as_deref())?;
    let user_id = owner.ok_or_else(not_found)?;
    lock_user(&user_id)?;
    Books::open(&user_id, Life::Checkout(checkout_id))?.ok_or_else(not_found)
}

/// Completes a checkout and gives the user what was bought. It is idempotent: a repeated call changes nothing and
/// returns the same.
pub fn complete(checkout_id: Uuid, references: &PaymentReferences) -> Result<Vec<(Uuid, Option<Instant>)>, Error> {
    let mut books = open_checkout(checkout_id)?;
    complete_books(&mut books, checkout_id, references)?;
    let mut sold: Vec<(i64, Uuid)> = books.sold().map(|purchase| (purchase.position, purchase.add_on_id)).collect();
    sold.sort_unstable();
    let end = |add_on_id: Uuid| {
        books.owned.iter().find(|row| row.add_on_id == add_on_id).and_then(|row| row.columns.expires_at)
    };
    Ok(sold.into_iter().map(|(_, add_on_id)| (add_on_id, end(add_on_id))).collect())
}

/// Completes a checkout whose user's lock is held.
pub fn complete_books(books: &mut Books, checkout_id: Uuid, references: &PaymentReferences) -> Result<(), Error> {
    if books.has(PurchaseStatus::Failed) {
        return Err(Error::CheckoutState { checkout_id, status: "failed", wanted: "completed" });
    }
    if let Some(settled) = &books.before.settled_by {
        let ids = [
            ("stripe_payment_id", &settled.stripe, &references.stripe_payment_id),
            ("lago_invoice_id", &settled.lago, &references.lago_invoice_id),
        ];
        for (argument, stored, given) in ids {
            if let (Some(stored), Some(given)) = (stored, given)
                && !settled.ids.contains(given)
            {
                let (stored, given) = (stored.clone(), given.clone());
                return Err(Error::PaymentMismatch { checkout_id, argument, stored, given });
            }
        }
        let is_known = |given: &Option<String>| given.as_ref().is_none_or(|given| settled.ids.contains(given));
        if is_known(&references.stripe_payment_id) && is_known(&references.lago_invoice_id) {
            return Ok(());
        }
    }
    // One payment pays for only one checkout.
    refuse_used(references.stripe_payment_id.as_deref(), references.lago_invoice_id.as_deref(), |ids| {
        purchases::paid_by(ids, checkout_id)
    })?;
    books.facts.say(ByHand::Completed {
        at: now(),
        stripe: references.stripe_payment_id.clone(),
        lago: references.lago_invoice_id.clone(),
        method: references.payment_method.clone(),
    });
    books.settle().map(|_| ())
}

/// Refuses a payment that has already paid for something else. `used_by` finds out what, once nobody else is working
/// on the payment's ids.
pub fn refuse_used(
    stripe_payment_id: Option<&str>,
    lago_invoice_id: Option<&str>,
    used_by: impl FnOnce(&BTreeSet<&str>) -> Result<Option<Uuid>, Error>,
) -> Result<(), Error> {
    let ids: BTreeSet<&str> = stripe_payment_id.into_iter().chain(lago_invoice_id).collect();
    hold_provider_ids(ids.iter().copied())?;
    match used_by(&ids)? {
        Some(used_by) => {
            let payment_id = ids.into_iter().collect::<Vec<&str>>().join(", ");
            Err(Error::PaymentUsed { payment_id, used_by })
        }
        None => Ok(()),
    }
}

/// Gives a checkout up and, if asked, puts its lines back into the cart. Returns whether anything changed.
pub fn fail(checkout_id: Uuid, reason: Option<&str>, restore_cart: bool) -> Result<bool, Error> {
    let mut books = open_checkout(checkout_id)?;
    if !books.sold().all(|purchase| matches!(purchase.columns.status, PurchaseStatus::Pending | PurchaseStatus::Failed))
    {
        return Err(Error::CheckoutState { checkout_id, status: "completed", wanted: "failed" });
    }
    if !books.has(PurchaseStatus::Pending) {
        return Ok(false);
    }
    books.facts.say(ByHand::Failed { at: now(), reason: reason.map(str::to_owned) });
    let written = books.settle()?;
    if restore_cart {
        cart::restore(&books.user_id, checkout_id)?;
    }
    Ok(written.has_changed)
}

/// The life that a purchase belongs to, under the user's lock.
fn open_purchase(purchase_id: Uuid) -> Result<Books, Error> {
    let not_found = || Error::PurchaseNotFound { purchase_id };
    let location = purchases::locate(purchase_id)?;
    caller::check_owner(location.as_ref().map(|location| location.user_id.as_str()))?;
    let location = location.ok_or_else(not_found)?;
    lock_user(&location.user_id)?;
    open_located(&location)?.ok_or_else(not_found)
}

/// The books of a purchase whose user's lock is held: those of its checkout, of the checkout that it renews, or its
/// own.
pub fn open_located(location: &Location) -> Result<Option<Books>, Error> {
    if let Some(checkout_id) = location.checkout_id {
        return Books::open(&location.user_id, Life::Checkout(checkout_id));
    }
    if let Some(checkout_id) = location.renewal_of.filter(|_| location.has_no_facts) {
        let books = Books::open(&location.user_id, Life::Checkout(checkout_id))?;
        if let Some(books) = books.filter(|books| books.renews_by(location.purchase_id)) {
            return Ok(Some(books));
        }
    }
    Books::open(&location.user_id, Life::Alone(location.purchase_id))
}

impl Books {
    /// Whether a purchase follows from the facts of this checkout, as a payment of a later period.
    fn renews_by(&self, purchase_id: Uuid) -> bool {
        let Ok(purchase) = self.purchase(purchase_id) else { return false };
        let ids = [&purchase.columns.stripe_payment_id, &purchase.columns.lago_invoice_id];
        let is_paid_by =
            |ids_of: &BTreeSet<String>| ids.iter().any(|id| id.as_ref().is_some_and(|id| ids_of.contains(id)));
        self.before.renewals.iter().any(|renewal| is_paid_by(&renewal.payment.ids))
    }
}

/// Refunds this much of a purchase, or all that is left. Returns the total refunded so far.
pub fn refund_purchase(purchase_id: Uuid, amount: Option<Money>, reason: Option<&str>) -> Result<Money, Error> {
    let mut books = open_purchase(purchase_id)?;
    let purchase = books.purchase(purchase_id)?;
    let status = purchase.columns.status;
    if !status.is_paid() {
        return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "refunded" });
    }
    let refundable = purchase.amount - purchase.columns.refunded;
    let requested = amount.unwrap_or(refundable);
    // The rest of a price in another unit can always be refunded.
    let unit = unit_of(&purchase.currency.to_uppercase());
    if requested.cents() % unit.amount().cents() != 0 && requested != refundable {
        return Err(Error::InvalidAmount {
            argument: "amount",
            expected: "a multiple of the smallest amount in the currency of the purchase",
            amount: requested.to_string(),
        });
    }
    if requested > refundable {
        return Err(Error::RefundExceedsAmount { purchase_id, requested, refundable });
    }
    if status != PurchaseStatus::Refunded {
        books.note(reason, |purchase| purchase.id == purchase_id);
        books.facts.say(ByHand::Refunded { at: now(), purchase: purchase_id, amount: requested });
        books.settle()?;
    }
    Ok(books.purchase(purchase_id)?.columns.refunded)
}

/// Marks a completed purchase as disputed. Returns its status.
pub fn dispute_purchase(purchase_id: Uuid, reason: Option<&str>) -> Result<PurchaseStatus, Error> {
    let mut books = open_purchase(purchase_id)?;
    let status = books.purchase(purchase_id)?.columns.status;
    match status {
        PurchaseStatus::Completed => {
            books.note(reason, |purchase| purchase.id == purchase_id);
            books.facts.say(ByHand::Disputed { at: now(), purchase: purchase_id });
            books.settle()?;
        }
        PurchaseStatus::Disputed => {}
        _ => return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "disputed" }),
    }
    Ok(books.purchase(purchase_id)?.columns.status)
}

/// Decides a disputed purchase. Returns its status. Repeating the same decision changes nothing.
pub fn resolve_dispute(purchase_id: Uuid, won: bool) -> Result<PurchaseStatus, Error> {
    let mut books = open_purchase(purchase_id)?;
    let status = books.purchase(purchase_id)?.columns.status;
    match (status, won) {
        (PurchaseStatus::Disputed, _) => {
            let disputes = books.open_disputes();
            books.facts.say(ByHand::Resolved { at: now(), purchase: purchase_id, won, disputes });
            books.settle()?;
        }
        (PurchaseStatus::Completed, true) | (PurchaseStatus::Refunded, false) => {}
        _ => return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "resolved" }),
    }
    Ok(books.purchase(purchase_id)?.columns.status)
}

/// Records that somebody has dealt with a payment that was not applied. Returns whether there was one.
pub fn settle_payment(payment_id: &str, note: Option<&str>) -> Result<bool, Error> {
    let known = purchases::known_by(&[payment_id].into_iter().collect())?;
    lock_users(known.iter().map(|location| location.user_id.as_str()))?;
    let mut has_changed = false;
    for location in known {
        let Some(mut books) = open_located(&location)? else { continue };
        let is_meant = |payment: &&engine::payments::derive::Unsettled| payment.ids.contains(payment_id);
        if books.before.unsettled.iter().any(|payment| is_meant(&payment)) {
            let (payment, note) = (payment_id.to_owned(), note.map(str::to_owned));
            books.facts.say(ByHand::Settled { at: now(), payment, note });
            books.settle()?;
            has_changed = true;
        }
    }
    Ok(has_changed)
}
