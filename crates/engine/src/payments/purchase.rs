//! A purchase, as far as payments change it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::derive::{Awaited, LineOutcome, Settlement};
use super::facts::Facts;
use super::paid::Paid;
use super::sale::{KnownRenewal, Line};
use crate::billing::BillingType;
use crate::money::Money;
use crate::purchases::PurchaseStatus;
use crate::time::Instant;

/// A row of `add_on_purchases`.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// `id`
    pub id: Uuid,
    /// `add_on_id`
    pub add_on_id: Uuid,
    /// `amount`
    pub amount: Money,
    /// `currency`
    pub currency: String,
    /// `promo_code`
    pub promo_code: Option<String>,
    /// `checkout_id`; a renewal and a purchase that a host has recorded have none.
    pub checkout_id: Option<Uuid>,
    /// `purchased_at`
    pub purchased_at: Instant,
    /// `quantity`
    pub quantity: i32,
    /// How it is charged: as its sale says, or else as its add-on is now.
    pub billing: BillingType,
    /// Whether its sale says so.
    pub is_quoted: bool,
    /// Its place among the purchases of its checkout.
    pub position: i64,
    /// The checkout that it renews.
    pub renewal_of: Option<Uuid>,
    /// What a renewal of it costs.
    pub terms: Option<RenewalTerms>,
    /// The columns that payments change.
    pub columns: Columns,
    /// Why it changes; only written, never read.
    pub reason: Option<String>,
    /// `facts`: what is known of the payments of its sale, if it keeps them for all of the sale.
    pub records: Option<Records>,
    /// The columns as they are stored; `None` for a new row.
    pub stored: Option<Columns>,
}

/// The price of a renewal, as fixed by the sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalTerms {
    /// Without the code, in cents.
    pub full: Money,
    /// With it, in cents.
    pub reduced: Money,
    /// The number of renewals to which the code applies; `None` means all.
    pub times: Option<u32>,
}

/// The columns of a purchase that payments change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// `status`
    pub status: PurchaseStatus,
    /// `refund_amount`
    pub refunded: Money,
    /// `stripe_payment_id`
    pub stripe_payment_id: Option<String>,
    /// `lago_invoice_id`
    pub lago_invoice_id: Option<String>,
    /// `payment_method`
    pub payment_method: Option<String>,
    /// `subscription_ends_at`
    pub ends_at: Option<Instant>,
    /// `paid`
    pub paid: Option<Paid>,
}

/// The document in `add_on_purchases.facts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// What providers and people said.
    #[serde(default)]
    pub known: Facts,
    /// Payments that pay for nothing, as `unsettled_payments()` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Value>,
    /// The money that keeps the checkout from being given up because of its age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Awaited>,
}

impl Columns {
    /// The columns of a paid purchase without further details.
    pub fn completed() -> Columns {
        Columns {
            status: PurchaseStatus::Completed,
            refunded: Money::ZERO,
            stripe_payment_id: None,
            lago_invoice_id: None,
            payment_method: None,
            ends_at: None,
            paid: None,
        }
    }

    /// Changes them to a derived outcome. A payment that is known keeps the ids that it has.
    pub fn follow(&mut self, outcome: &LineOutcome, payment: Option<&Settlement>) {
        self.status = outcome.status;
        self.refunded = outcome.refunded;
        self.paid = match (&self.paid, outcome.paid.clone()) {
            (Some(before), Some(paid)) if before.is_recorded => Some(paid.for_recorded(before)),
            (_, paid) => paid,
        };
        if let Some(payment) = payment {
            self.stripe_payment_id = payment.stripe.clone().or(self.stripe_payment_id.take());
            self.lago_invoice_id = payment.lago.clone().or(self.lago_invoice_id.take());
            self.payment_method = self.payment_method.take().or(payment.method.clone());
        }
    }
}

impl Purchase {
    /// A unit of an add-on that was paid at an instant, outside of any checkout.
    pub fn alone(
        id: Uuid,
        now: Instant,
        add_on_id: Uuid,
        amount: Money,
        currency: String,
        columns: Columns,
    ) -> Purchase {
        Purchase {
            id,
            add_on_id,
            amount,
            currency,
            promo_code: None,
            checkout_id: None,
            purchased_at: now,
            quantity: 1,
            billing: BillingType::OneTime,
            is_quoted: true,
            position: i64::MAX,
            renewal_of: None,
            terms: None,
            columns,
            reason: None,
            records: None,
            stored: None,
        }
    }

    /// A payment of a later period of this purchase.
    pub fn renewal(&self, id: Uuid, now: Instant, amount: Money, columns: Columns) -> Purchase {
        Purchase {
            quantity: self.quantity,
            billing: self.billing,
            renewal_of: self.checkout_id,
            ..Purchase::alone(id, now, self.add_on_id, amount, self.currency.clone(), columns)
        }
    }

    /// Whether it differs from the stored row.
    pub fn has_changed(&self) -> bool {
        self.reason.is_some() || self.stored.as_ref() != Some(&self.columns)
    }

    /// Whether it is no longer failed or refunded, so that what was the reason for that is none any more.
    pub fn has_recovered(&self) -> bool {
        let is_over = |status| matches!(status, PurchaseStatus::Failed | PurchaseStatus::Refunded);
        self.stored_status().is_some_and(is_over) && !is_over(self.columns.status)
    }

    /// The status that is stored.
    pub fn stored_status(&self) -> Option<PurchaseStatus> {
        self.stored.as_ref().map(|stored| stored.status)
    }

    /// Whether it has the payment or the invoice of these ids.
    pub fn is_paid_with(&self, stripe_payment_id: Option<&str>, lago_invoice_id: Option<&str>) -> bool {
        let is_same = |one: &Option<String>, other: Option<&str>| one.is_some() && one.as_deref() == other;
        is_same(&self.columns.stripe_payment_id, stripe_payment_id)
            || is_same(&self.columns.lago_invoice_id, lago_invoice_id)
    }

    /// The line of its sale.
    pub(super) fn as_line(&self) -> Line {
        Line {
            purchase_id: self.id,
            add_on_id: self.add_on_id,
            amount: self.amount,
            billing: self.billing,
            bought_at: self.purchased_at,
        }
    }

    /// The later payment that it stands for, if it is a renewal.
    pub(super) fn as_renewal(&self) -> KnownRenewal {
        KnownRenewal {
            purchase_id: self.id,
            add_on_id: self.add_on_id,
            stripe: self.columns.stripe_payment_id.clone(),
            lago: self.columns.lago_invoice_id.clone(),
            payment: self.columns.paid.as_ref().and_then(|paid| paid.payment.clone()),
        }
    }
}

/// How a user pays for an add-on according to the last of its purchases whose sale says so; `None` if no sale does.
pub fn billing_as_sold(purchases: &[Purchase]) -> Option<BillingType> {
    let sold = purchases.iter().filter(|one| one.is_quoted && one.columns.status != PurchaseStatus::Failed);
    sold.max_by_key(|one| (one.purchased_at, one.id)).map(|one| one.billing)
}
