//! A purchase, as far as access depends on it.

use uuid::Uuid;

use super::source::Source;
use crate::billing::BillingType;
use crate::money::Money;
use crate::payments::paid::{Paid, Period};
use crate::payments::purchase::RenewalTerms;
use crate::purchases::PurchaseStatus;
use crate::time::Instant;

/// What a row of `add_on_purchases` says of access.
#[derive(Clone, Copy, Debug)]
pub struct Bought<'a> {
    /// Its id.
    pub id: Uuid,
    /// The checkout that it belongs to; a renewal has none.
    pub checkout_id: Option<Uuid>,
    /// Its status.
    pub status: PurchaseStatus,
    /// How the add-on is billed.
    pub billing: BillingType,
    /// The number of units.
    pub quantity: i32,
    /// What was paid.
    pub amount: Money,
    /// When it was made.
    pub purchased_at: Instant,
    /// The stored end of its period.
    pub ends_at: Option<Instant>,
    /// What its payment pays for. Purchases recorded by older versions have only an end.
    pub paid: Option<&'a Paid>,
    /// Whether Lago invoiced it.
    pub is_of_lago: bool,
    /// The price of its renewals.
    pub terms: Option<&'a RenewalTerms>,
}

impl Bought<'_> {
    /// The source of access that it is.
    pub fn source(&self) -> Option<Source> {
        let paid = match (self.paid, self.status.is_paid()) {
            (Some(paid), _) => paid.clone(),
            (None, false) => return None,
            (None, true) => Paid::recorded(self.purchased_at, self.ends_at, self.billing),
        };
        let adds_up = self.billing == BillingType::UsageBased;
        let units = u32::try_from(self.quantity).unwrap_or(1);
        let mut source = Source::of_purchase(self.id.to_string(), self.status, &paid, units, adds_up);
        source.place = match &paid.payment {
            // The first period comes before its renewals.
            Some(_) if self.checkout_id.is_some() => String::new(),
            Some(payment) => payment.clone(),
            // Purchases that people have recorded at the same instant keep the order in which they were recorded.
            None => self.ends_at.map_or("~".to_owned(), |end| format!("{:020}", end.0)),
        };
        Some(source)
    }

    /// When it is known to have been paid, and its id: the order of purchases.
    pub fn order(&self) -> (Instant, Uuid) {
        (self.paid.map_or(self.purchased_at, |paid| paid.at), self.id)
    }

    /// Whether it was paid for a number of months.
    pub fn is_paid_by_period(&self) -> bool {
        let is_periodic = match self.paid {
            Some(paid) => matches!(paid.period, Period::Months(_)),
            None => self.ends_at.is_some(),
        };
        self.status.is_paid() && is_periodic
    }
}
