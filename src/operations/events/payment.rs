//! Events about one payment: made, failed, paid back, contested.

use serde_json::json;

use super::{Case, Provider, Report};
use crate::error::Error;
use crate::operations::disputes::{self, Verdict};
use crate::operations::payments::{Means, Payment};
use crate::store::purchases::{self, Purchase};
use crate::store::subscriptions;
use engine::events::{Charge, News};
use engine::money::Money;
use engine::purchases::PurchaseStatus;

impl Case<'_> {
    pub(super) fn apply_to_payment(&self, payment: &mut Payment) -> Result<Report, Error> {
        match &self.event.news {
            News::Paid { charge } => self.pay(payment, charge),
            News::AwaitingPayment => {
                self.record_ids(payment)?;
                Ok(Report::done("awaiting_payment", false))
            }
            News::InvoiceCreated => Ok(Report::done("invoice_recorded", self.record_ids(payment)?)),
            News::AttemptFailed => Ok(Report::done("payment_attempt_failed", false)),
            News::Failed { reason } => match payment.fail(Some(reason))? {
                true => Ok(Report::done("failed", true)),
                false if payment.has_failed() => Ok(Report::done("failed", false)),
                false => Ok(Report::done("already_paid", false)),
            },
            News::Refunded { total, currency } => self.refund(payment, *total, currency.as_deref()),
            News::DisputeOpened { dispute_id } => self.open_dispute(payment, dispute_id),
            News::DisputeClosed { dispute_id, won } => self.close_dispute(payment, dispute_id, *won),
            _ => Ok(Report::not_handled("ignored")),
        }
    }

    /// A payment of exactly what the purchases cost completes them.
    pub(super) fn pay(&self, payment: &mut Payment, charge: &Charge) -> Result<Report, Error> {
        if payment.has_failed() {
            return Ok(Report::refused("checkout_failed", payment, json!(charge_in_words(charge))));
        }
        if payment.is_pending()
            && let Some(reason) = mismatch(payment, charge)
        {
            return Ok(Report::refused(reason, payment, json!(charge_in_words(charge))));
        }
        self.record_ids(payment)?;
        Ok(Report::done("completed", payment.complete(&Means::default())?))
    }

    fn refund(&self, payment: &mut Payment, total: Money, currency: Option<&str>) -> Result<Report, Error> {
        let received = Charge { amounts: vec![total], currency: currency.map(str::to_owned) };
        if payment.has_failed() {
            return Ok(Report::refused("checkout_failed", payment, json!(charge_in_words(&received))));
        }
        if !is_currency_of(payment, currency) {
            return Ok(Report::refused("currency_mismatch", payment, json!(charge_in_words(&received))));
        }
        self.record_ids(payment)?;
        let has_changed = payment.refund_in_total(total)?;
        if payment.is_pending() {
            return Ok(Report::done("noted_until_paid", has_changed));
        }
        let is_whole = payment.purchases.iter().all(|purchase| purchase.status == PurchaseStatus::Refunded);
        let action = if is_whole { "refunded" } else { "partially_refunded" };
        Ok(Report::done(action, has_changed))
    }

    fn open_dispute(&self, payment: &mut Payment, dispute_id: &str) -> Result<Report, Error> {
        if payment.has_failed() {
            return Ok(Report::refused("checkout_failed", payment, json!(dispute_id)));
        }
        self.record_ids(payment)?;
        let is_news = !disputes::is_known(payment, dispute_id);
        if is_news {
            disputes::record(payment, dispute_id, Verdict::Open)?;
        }
        if payment.is_pending() {
            return Ok(Report::done("noted_until_paid", is_news));
        }
        let has_changed = is_news && payment.dispute(None, Some("payment disputed"))?;
        Ok(Report::done("disputed", has_changed))
    }

    fn close_dispute(&self, payment: &mut Payment, dispute_id: &str, won: bool) -> Result<Report, Error> {
        if payment.has_failed() {
            return Ok(Report::refused("checkout_failed", payment, json!(dispute_id)));
        }
        self.record_ids(payment)?;
        disputes::record(payment, dispute_id, if won { Verdict::Won } else { Verdict::Lost })?;
        if payment.is_pending() {
            return Ok(Report::done("noted_until_paid", true));
        }
        let has_changed = match disputes::verdict(payment) {
            Some(Verdict::Won) => payment.win(None)?,
            Some(Verdict::Lost) => payment.lose(None)?,
            Some(Verdict::Open) | None => false,
        };
        Ok(Report::done(if won { "dispute_won" } else { "dispute_lost" }, has_changed))
    }

    /// Keeps the provider's ids with the purchases. Says whether any was new.
    pub(super) fn record_ids(&self, payment: &mut Payment) -> Result<bool, Error> {
        let reference = &self.event.reference;
        // A checkout session is not a payment: refunds and disputes do not name it.
        let payment_id = reference.payment_ids.iter().find(|id| !id.starts_with("cs_"));
        for purchase in &mut payment.purchases {
            match self.provider {
                Provider::Stripe => {
                    purchase.stripe_payment_id = purchase.stripe_payment_id.take().or_else(|| payment_id.cloned());
                    keep(purchase, "stripe_subscription_id", reference.subscription_ids.first());
                    keep(purchase, "stripe_invoice_id", reference.invoice_id.as_ref());
                }
                Provider::Lago => {
                    let invoice_id = reference.invoice_id.clone();
                    purchase.lago_invoice_id = purchase.lago_invoice_id.take().or(invoice_id);
                    let subscription_id = reference.subscription_ids.first();
                    keep(purchase, "lago_subscription_id", subscription_id);
                    if let Some(id) = subscription_id.filter(|_| purchase.status.is_settled()) {
                        subscriptions::link_to_lago(&purchase.user_id, purchase.add_on_id, id)?;
                    }
                }
            }
        }
        purchases::save(&mut payment.purchases)
    }
}

/// Why a charge is not for these purchases.
fn mismatch(payment: &Payment, charge: &Charge) -> Option<&'static str> {
    if !is_currency_of(payment, charge.currency.as_deref()) {
        return Some("currency_mismatch");
    }
    let is_ours = charge.amounts.is_empty() || charge.amounts.contains(&payment.amount());
    (!is_ours).then_some("amount_mismatch")
}

pub(super) fn is_currency_of(payment: &Payment, currency: Option<&str>) -> bool {
    let ours = payment.purchases.first().map(|purchase| purchase.currency.to_uppercase());
    currency.is_none_or(|currency| ours.is_none_or(|ours| ours == currency))
}

pub(super) fn charge_in_words(charge: &Charge) -> String {
    let amount = charge.amounts.first().map_or_else(|| "?".to_owned(), Money::to_string);
    format!("{amount} {}", charge.currency.as_deref().unwrap_or("?"))
}

/// Keeps the first value that is known of something.
fn keep(purchase: &mut Purchase, key: &str, value: Option<&String>) {
    if let Some(value) = value
        && !purchase.metadata.has(key)
    {
        purchase.metadata.set(key, json!(value));
    }
}
