//! What people say about payments: paid, given up, refunded, disputed (semantics 4). Each call becomes a fact like
//! any other.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::error::Error;
use crate::operations::books::{Books, Written};
use crate::pg::caller;
use crate::pg::clock::now;
use crate::pg::locks::{hold_provider_ids, lock_user, lock_users};
use crate::store::cart;
use crate::store::purchases::{self, Location};
use engine::money::Money;
use engine::payments::by_hand::ByHand;
use engine::payments::calls::{CompletionRefusal, Effect, PaymentReferences, RefundRefusal};
use engine::payments::ledger::SaleId;
use engine::purchases::PurchaseStatus;
use engine::time::Instant;

impl Books {
    /// Takes over stored reports that turn out to be about this sale, writes the outcome, and gives back uses that are
    /// no longer needed.
    pub fn settle(&mut self) -> Result<Written, Error> {
        self.claim()?;
        let mut written = self.write()?;
        std::mem::take(&mut written.claims).give_back()?;
        Ok(written)
    }

    /// Records a call by hand about one of the purchases, with its reason, and what follows from it.
    fn call(&mut self, purchase_id: Uuid, call: ByHand, reason: Option<&str>) -> Result<(), Error> {
        if let Some(purchase) = self.ledger.purchases.iter_mut().find(|purchase| purchase.id == purchase_id) {
            purchase.reason = reason.map(str::to_owned);
        }
        self.ledger.facts.add_call(call);
        self.settle().map(|_| ())
    }
}

/// The books of a checkout, under the user's lock.
fn open_checkout(checkout_id: Uuid) -> Result<Books, Error> {
    let not_found = || Error::CheckoutNotFound { checkout_id };
    let owner = purchases::owner_of_checkout(checkout_id)?;
    caller::check_owner(owner.as_deref())?;
    let user_id = owner.ok_or_else(not_found)?;
    lock_user(&user_id)?;
    Books::open(&user_id, SaleId::Checkout(checkout_id))?.ok_or_else(not_found)
}

/// Completes a checkout and gives the user what was bought. It is idempotent: a repeated call changes nothing and
/// returns the same.
pub fn complete(checkout_id: Uuid, references: &PaymentReferences) -> Result<Vec<(Uuid, Option<Instant>)>, Error> {
    let mut books = open_checkout(checkout_id)?;
    complete_books(&mut books, checkout_id, references)?;
    let mut sold: Vec<(i64, Uuid)> =
        books.ledger.sold().map(|purchase| (purchase.position, purchase.add_on_id)).collect();
    sold.sort_unstable();
    Ok(sold.into_iter().map(|(_, add_on_id)| (add_on_id, books.end_of(add_on_id))).collect())
}

/// Completes a checkout whose user's lock is held.
pub fn complete_books(books: &mut Books, checkout_id: Uuid, references: &PaymentReferences) -> Result<(), Error> {
    let effect = books.ledger.completion(references).map_err(|refusal| match refusal {
        CompletionRefusal::HasFailed => Error::CheckoutState { checkout_id, status: "failed", wanted: "completed" },
        CompletionRefusal::OtherPayment { argument, stored, given } => {
            Error::PaymentMismatch { checkout_id, argument, stored, given }
        }
    })?;
    if effect == Effect::Known {
        return Ok(());
    }
    // One payment pays for only one checkout.
    refuse_used(references.stripe_payment_id.as_deref(), references.lago_invoice_id.as_deref(), |ids| {
        purchases::paid_by(ids, checkout_id)
    })?;
    books.ledger.facts.add_call(ByHand::Completed {
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
    match books.ledger.giving_up() {
        Effect::Recorded => {}
        Effect::Known => return Ok(false),
        Effect::Refused => return Err(Error::CheckoutState { checkout_id, status: "completed", wanted: "failed" }),
    }
    books.ledger.facts.add_call(ByHand::Failed { at: now(), reason: reason.map(str::to_owned) });
    let written = books.settle()?;
    if restore_cart {
        cart::restore(&books.user_id, checkout_id)?;
    }
    Ok(written.has_changed)
}

/// The books of the sale that a purchase belongs to, under the user's lock.
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
        return Books::open(&location.user_id, SaleId::Checkout(checkout_id));
    }
    if let Some(checkout_id) = location.renewal_of.filter(|_| location.has_no_facts) {
        let books = Books::open(&location.user_id, SaleId::Checkout(checkout_id))?;
        if let Some(books) = books.filter(|books| books.ledger.is_renewed_by(location.purchase_id)) {
            return Ok(Some(books));
        }
    }
    Books::open(&location.user_id, SaleId::Alone(location.purchase_id))
}

/// Refunds this much of a purchase, or all that is left. Returns the total refunded so far.
pub fn refund_purchase(purchase_id: Uuid, amount: Option<Money>, reason: Option<&str>) -> Result<Money, Error> {
    let mut books = open_purchase(purchase_id)?;
    let purchase = books.purchase(purchase_id)?;
    let status = purchase.columns.status.name();
    let refund = purchase.refund(amount).map_err(|refusal| match refusal {
        RefundRefusal::NotPaid => Error::PurchaseState { purchase_id, status, wanted: "refunded" },
        RefundRefusal::NotPayable(amount) => Error::InvalidAmount {
            argument: "amount",
            expected: "a multiple of the smallest amount in the currency of the purchase",
            amount: amount.to_string(),
        },
        RefundRefusal::TooMuch { requested, refundable } => {
            Error::RefundExceedsAmount { purchase_id, requested, refundable }
        }
    })?;
    if let Some(amount) = refund {
        books.call(purchase_id, ByHand::Refunded { at: now(), purchase: purchase_id, amount }, reason)?;
    }
    Ok(books.purchase(purchase_id)?.columns.refunded)
}

/// Marks a completed purchase as disputed. Returns its status.
pub fn dispute_purchase(purchase_id: Uuid, reason: Option<&str>) -> Result<PurchaseStatus, Error> {
    let mut books = open_purchase(purchase_id)?;
    let status = books.purchase(purchase_id)?.columns.status;
    match status.dispute() {
        Effect::Recorded => books.call(purchase_id, ByHand::Disputed { at: now(), purchase: purchase_id }, reason)?,
        Effect::Known => {}
        Effect::Refused => {
            return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "disputed" });
        }
    }
    Ok(books.purchase(purchase_id)?.columns.status)
}

/// Decides a disputed purchase. Returns its status. Repeating the same decision changes nothing.
pub fn resolve_dispute(purchase_id: Uuid, won: bool) -> Result<PurchaseStatus, Error> {
    let mut books = open_purchase(purchase_id)?;
    let status = books.purchase(purchase_id)?.columns.status;
    match status.resolution(won) {
        Effect::Recorded => {
            let disputes = books.ledger.facts.open_disputes();
            let call = ByHand::Resolved { at: now(), purchase: purchase_id, won, disputes };
            books.call(purchase_id, call, None)?;
        }
        Effect::Known => {}
        Effect::Refused => {
            return Err(Error::PurchaseState { purchase_id, status: status.name(), wanted: "resolved" });
        }
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
        if books.ledger.has_unsettled(payment_id) {
            let (payment, note) = (payment_id.to_owned(), note.map(str::to_owned));
            books.ledger.facts.add_call(ByHand::Settled { at: now(), payment, note });
            books.settle()?;
            has_changed = true;
        }
    }
    Ok(has_changed)
}
