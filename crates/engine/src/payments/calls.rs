//! What calls by hand may do (semantics 4): complete a sale, give it up, refund a purchase, contest it, decide that.

use super::ledger::Ledger;
use super::purchase::Purchase;
use crate::currency::unit_of;
use crate::money::Money;
use crate::purchases::PurchaseStatus;

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is recorded.
    Recorded,
    /// Nothing: what it says is known already.
    Known,
    /// It is refused in this status.
    Refused,
}

/// How a checkout was paid.
#[derive(Clone, Debug, Default)]
pub struct PaymentReferences {
    /// The payment in Stripe.
    pub stripe_payment_id: Option<String>,
    /// The invoice in Lago.
    pub lago_invoice_id: Option<String>,
    /// How it was paid.
    pub payment_method: Option<String>,
}

/// Why a sale cannot be completed with a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionRefusal {
    /// It has failed.
    HasFailed,
    /// Another payment has completed it.
    OtherPayment {
        /// The argument that differs.
        argument: &'static str,
        /// The id of the payment that is known.
        stored: String,
        /// The id of the other one.
        given: String,
    },
}

/// Why a purchase cannot be refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundRefusal {
    /// It was not paid.
    NotPaid,
    /// Its currency has no such amount.
    NotPayable(Money),
    /// Less is left of it.
    TooMuch {
        /// What was asked for.
        requested: Money,
        /// What is left.
        refundable: Money,
    },
}

impl Ledger {
    /// Completes the sale with a payment.
    pub fn completion(&self, references: &PaymentReferences) -> Result<Effect, CompletionRefusal> {
        if self.has(PurchaseStatus::Failed) {
            return Err(CompletionRefusal::HasFailed);
        }
        let Some(settled) = &self.before.settled_by else { return Ok(Effect::Recorded) };
        let ids = [
            ("stripe_payment_id", &settled.stripe, &references.stripe_payment_id),
            ("lago_invoice_id", &settled.lago, &references.lago_invoice_id),
        ];
        let mut effect = Effect::Known;
        for (argument, stored, given) in ids {
            match (stored, given) {
                (_, Some(given)) if settled.ids.contains(given) => {}
                (Some(stored), Some(given)) => {
                    let (stored, given) = (stored.clone(), given.clone());
                    return Err(CompletionRefusal::OtherPayment { argument, stored, given });
                }
                (None, Some(_)) => effect = Effect::Recorded,
                (_, None) => {}
            }
        }
        Ok(effect)
    }

    /// Gives the sale up.
    pub fn giving_up(&self) -> Effect {
        let is_open = |status| matches!(status, PurchaseStatus::Pending | PurchaseStatus::Failed);
        match () {
            () if !self.sold().all(|purchase| is_open(purchase.columns.status)) => Effect::Refused,
            () if self.has(PurchaseStatus::Pending) => Effect::Recorded,
            () => Effect::Known,
        }
    }

    /// Whether a payment was not applied.
    pub fn has_unsettled(&self, payment_id: &str) -> bool {
        self.before.unsettled.iter().any(|payment| payment.ids.contains(payment_id))
    }
}

impl Purchase {
    /// Refunds this much of it, or all that is left. Returns the amount to be recorded; `None` if all of it has been
    /// refunded.
    pub fn refund(&self, amount: Option<Money>) -> Result<Option<Money>, RefundRefusal> {
        let status = self.columns.status;
        if !status.is_paid() {
            return Err(RefundRefusal::NotPaid);
        }
        let refundable = self.amount - self.columns.refunded;
        let requested = amount.unwrap_or(refundable);
        // The rest of a price in another unit can always be refunded.
        let unit = unit_of(&self.currency.to_uppercase()).amount();
        if requested.cents() % unit.cents() != 0 && requested != refundable {
            return Err(RefundRefusal::NotPayable(requested));
        }
        if requested > refundable {
            return Err(RefundRefusal::TooMuch { requested, refundable });
        }
        Ok((status != PurchaseStatus::Refunded).then_some(requested))
    }
}

impl PurchaseStatus {
    /// Contests a purchase in this status.
    pub fn dispute(self) -> Effect {
        match self {
            PurchaseStatus::Completed => Effect::Recorded,
            PurchaseStatus::Disputed => Effect::Known,
            PurchaseStatus::Pending | PurchaseStatus::Failed | PurchaseStatus::Refunded => Effect::Refused,
        }
    }

    /// Decides the dispute of a purchase in this status.
    pub fn resolution(self, won: bool) -> Effect {
        match (self, won) {
            (PurchaseStatus::Disputed, _) => Effect::Recorded,
            (PurchaseStatus::Completed, true) | (PurchaseStatus::Refunded, false) => Effect::Known,
            _ => Effect::Refused,
        }
    }
}
