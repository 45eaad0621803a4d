//! Events about subscriptions and their invoices.

use serde_json::{Value, json};
use uuid::Uuid;

use super::payment::{charge_in_words, is_currency_of};
use super::{Case, Provider, Report};
use crate::error::Error;
use crate::operations::payments::{self, Means, Payment};
use crate::pg::settings;
use crate::store::purchases::{self, Purchase, Renewal};
use crate::store::subscriptions;
use engine::billing::BillingType;
use engine::currency::unit_of;
use engine::events::{Charge, Cycle};
use engine::money::{Money, Unit};
use engine::split::split;
use engine::subscription::SubscriptionState;
use engine::time::Instant;

impl Case<'_> {
    /// Takes in the latest word on a subscription that runs.
    pub(super) fn change_subscription(
        &mut self,
        auto_renew: Option<bool>,
        on_hold: bool,
        period_end: Option<Instant>,
    ) -> Result<Report, Error> {
        for &add_on_id in &self.add_ons_of_lago {
            subscriptions::activate(&self.user_id, add_on_id)?;
            if let Some(end) = period_end {
                subscriptions::extend(&self.user_id, add_on_id, end)?;
            }
        }
        let event = self.event;
        self.update_subscription("subscription_updated", |state| {
            state.change(event, auto_renew, on_hold, period_end);
        })
    }

    /// Takes in that a subscription is over.
    pub(super) fn end_subscription(&mut self, ended_at: Option<Instant>) -> Result<Report, Error> {
        for &add_on_id in &self.add_ons_of_lago {
            subscriptions::end(&self.user_id, add_on_id, Some("subscription ended"), ended_at)?;
        }
        self.update_subscription("subscription_ended", |state| state.end(ended_at))
    }

    /// Changes what is known of the subscription with each of its purchases, and what the user owns with it.
    fn update_subscription(
        &mut self,
        action: &'static str,
        change: impl Fn(&mut SubscriptionState),
    ) -> Result<Report, Error> {
        let Some(mut payment) = self.payment.take() else {
            let report = if self.add_ons_of_lago.is_empty() {
                Report::not_handled("not_found")
            } else {
                Report::done(action, true)
            };
            return Ok(report);
        };
        self.record_ids(&mut payment)?;
        let mut has_changed = false;
        for purchase in payment.purchases.iter_mut() {
            let before = purchase.subscription();
            let mut state = before.clone();
            change(&mut state);
            if state != before && purchase.is_recurring()? {
                purchase.metadata.set("subscription", json!(state));
                set_hold(purchase);
                purchases::save([&mut *purchase])?;
                payments::apply_subscription(purchase)?;
                has_changed = true;
            }
        }
        self.payment = Some(payment);
        Ok(Report::done(action, has_changed))
    }

    /// An invoice that is paid is the payment of the checkout, or pays for another period.
    pub(super) fn pay_invoice(
        &mut self,
        charge: &Charge,
        cycle: Cycle,
        period_end: Option<Instant>,
    ) -> Result<Report, Error> {
        let Some(mut payment) = self.payment.take() else {
            return match self.add_ons_of_lago.is_empty() {
                true => Ok(Report::not_handled("not_found")),
                false => self.renew_without_purchases(charge, period_end),
            };
        };
        let report = if self.is_first_invoice(&payment, cycle) {
            self.pay(&mut payment, charge)?
        } else if !is_currency_of(&payment, charge.currency.as_deref()) {
            Report::refused("currency_mismatch", &payment, json!(charge_in_words(charge)))
        } else if payment.has_failed() {
            Report::refused("checkout_failed", &payment, json!(charge_in_words(charge)))
        } else {
            self.renew(&mut payment, charge, period_end)?
        };
        if report.handled {
            self.clear_overdue(&mut payment)?;
        }
        self.payment = Some(payment);
        Ok(report)
    }

    fn is_first_invoice(&self, payment: &Payment, cycle: Cycle) -> bool {
        let is_recorded = |id: Option<&str>| id.is_some() && id == self.event.reference.invoice_id.as_deref();
        let own_invoice = payment.purchases.iter().any(|purchase| match self.provider {
            Provider::Stripe => is_recorded(purchase.metadata.text("stripe_invoice_id")),
            Provider::Lago => is_recorded(purchase.lago_invoice_id.as_deref()),
        });
        let has_no_invoice = payment.purchases.iter().all(|purchase| purchase.lago_invoice_id.is_none());
        match cycle {
            Cycle::First => true,
            Cycle::Later => false,
            Cycle::Unsaid => own_invoice || payment.is_pending() || (self.provider == Provider::Lago && has_no_invoice),
        }
    }

    /// Records the payment of another period once, split over the recurring purchases, and extends them.
    fn renew(&self, payment: &mut Payment, charge: &Charge, period_end: Option<Instant>) -> Result<Report, Error> {
        if self.is_renewal_recorded(payment)? {
            return Ok(Report::done("renewed", false));
        }
        payment.complete(&Means::default())?;
        let mut recurring = Vec::new();
        for purchase in &payment.purchases {
            if purchase.is_recurring()? {
                recurring.push(purchase);
            }
        }
        let weights: Vec<Money> = recurring.iter().map(|purchase| purchase.amount).collect();
        let paid = charge.amounts.first().copied().unwrap_or(Money::ZERO);
        let unit = recurring.first().map_or(Unit::HUNDREDTH, |purchase| unit_of(&purchase.currency));
        for (purchase, amount) in recurring.into_iter().zip(shares(paid, &weights, unit)) {
            let ends_at = renew_purchase(purchase, period_end)?;
            self.record_renewal(purchase.add_on_id, amount, &purchase.currency, ends_at, purchase.checkout_id)?;
        }
        Ok(Report::done("renewed", true))
    }

    /// Extends add-ons of a subscription that were not bought here.
    fn renew_without_purchases(&self, charge: &Charge, period_end: Option<Instant>) -> Result<Report, Error> {
        let weights = vec![Money::ZERO; self.add_ons_of_lago.len()];
        let paid = charge.amounts.first().copied().unwrap_or(Money::ZERO);
        let currency = charge.currency.clone().map_or_else(|| settings::currency().map(|own| own.to_string()), Ok)?;
        for (&add_on_id, amount) in self.add_ons_of_lago.iter().zip(shares(paid, &weights, unit_of(&currency))) {
            let billing_type = || purchases::billing_type_of(&self.user_id, add_on_id);
            let ends_at = renew_add_on(&self.user_id, add_on_id, period_end, billing_type)?;
            self.record_renewal(add_on_id, amount, &currency, ends_at, None)?;
        }
        Ok(Report::done("renewed", true))
    }

    fn is_renewal_recorded(&self, payment: &Payment) -> Result<bool, Error> {
        let reference = &self.event.reference;
        for payment_id in &reference.payment_ids {
            if !purchases::of_stripe_payment(&self.user_id, payment_id)?.is_empty() {
                return Ok(true);
            }
        }
        let Some(invoice_id) = &reference.invoice_id else { return Ok(false) };
        if self.provider == Provider::Lago {
            return Ok(!purchases::of_lago_invoice(&self.user_id, invoice_id)?.is_empty());
        }
        let subscription_ids =
            payment.purchases.iter().filter_map(|purchase| purchase.metadata.text("stripe_subscription_id"));
        for subscription_id in subscription_ids.chain(reference.subscription_ids.iter().map(String::as_str)) {
            let under_it = purchases::of_stripe_subscription(&self.user_id, subscription_id)?;
            if under_it.iter().any(|purchase| purchase.metadata.text("stripe_invoice_id") == Some(invoice_id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn record_renewal(
        &self,
        add_on_id: Uuid,
        amount: Money,
        currency: &str,
        ends_at: Option<Instant>,
        checkout_id: Option<Uuid>,
    ) -> Result<(), Error> {
        let reference = &self.event.reference;
        let mut metadata = json!({"renewal_of": checkout_id});
        if self.provider == Provider::Stripe {
            metadata["stripe_invoice_id"] = json!(reference.invoice_id);
            if let Some(subscription_id) = reference.subscription_ids.first() {
                metadata["stripe_subscription_id"] = json!(subscription_id);
            }
        }
        let is_lago = self.provider == Provider::Lago;
        purchases::insert_renewal(&Renewal {
            user_id: &self.user_id,
            add_on_id,
            amount,
            currency,
            stripe_payment_id: reference.payment_ids.first().map(String::as_str),
            lago_invoice_id: reference.invoice_id.as_deref().filter(|_| is_lago),
            ends_at,
            metadata,
        })
    }

    /// Withholds access until an invoice is paid, unless it is paid already.
    pub(super) fn hold_for_invoice(&mut self) -> Result<Report, Error> {
        let invoice_id = self.event.reference.invoice_id.clone().unwrap_or_default();
        let paid = purchases::of_lago_invoice(&self.user_id, &invoice_id)?;
        if paid.iter().any(|purchase| purchase.status.is_paid()) {
            return Ok(Report::done("already_paid", false));
        }
        let Some(mut payment) = self.payment.take() else {
            for &add_on_id in &self.add_ons_of_lago {
                subscriptions::suspend(&self.user_id, add_on_id, Some("hold: invoice overdue"))?;
            }
            let found = !self.add_ons_of_lago.is_empty();
            return Ok(if found { Report::done("suspended", true) } else { Report::not_handled("not_found") });
        };
        let mut has_changed = false;
        for purchase in payment.purchases.iter_mut() {
            let is_recurring = purchase.is_recurring()?;
            let overdue = purchase.metadata.get("overdue_invoices").and_then(|invoices| invoices.get(&invoice_id));
            if is_recurring && overdue.is_none() {
                record_invoice(purchase, &invoice_id, "overdue")?;
                has_changed = true;
            }
        }
        self.payment = Some(payment);
        Ok(Report::done("suspended", has_changed))
    }

    /// The invoice is paid: access is no longer withheld for it, and will not be.
    fn clear_overdue(&self, payment: &mut Payment) -> Result<(), Error> {
        let (Provider::Lago, Some(invoice_id)) = (self.provider, &self.event.reference.invoice_id) else {
            return Ok(());
        };
        payment.purchases.iter_mut().try_for_each(|purchase| record_invoice(purchase, invoice_id, "paid"))
    }
}

/// Extends what a purchase began: to the end that the provider names, if that can be the end of a later period, or else
/// by a period. A subscription that is over stays so.
fn renew_purchase(purchase: &Purchase, period_end: Option<Instant>) -> Result<Option<Instant>, Error> {
    let state = purchase.subscription();
    if state.has_ended {
        return Ok(period_end.into_iter().chain(state.ended_at()).min());
    }
    let later_end = period_end.filter(|&end| end > purchase.purchased_at);
    renew_add_on(&purchase.user_id, purchase.add_on_id, later_end, || purchase.billing_type())
}

/// Extends an add-on to an end, or else by a period of its way of billing. Returns the new end.
fn renew_add_on(
    user_id: &str,
    add_on_id: Uuid,
    period_end: Option<Instant>,
    billing_type: impl FnOnce() -> Result<BillingType, Error>,
) -> Result<Option<Instant>, Error> {
    let renewed = match period_end {
        Some(end) => subscriptions::renew_until(user_id, add_on_id, end)?,
        None => subscriptions::renew(user_id, add_on_id, billing_type()?)?,
    };
    subscriptions::apply_holds(user_id, add_on_id)?;
    Ok(renewed.flatten())
}

/// Splits what was paid in proportion to what the lines cost, or evenly when they cost nothing.
fn shares(paid: Money, weights: &[Money], unit: Unit) -> Vec<Money> {
    if weights.iter().all(|&weight| weight == Money::ZERO) {
        return split(paid, &vec![unit.amount(); weights.len()], unit);
    }
    split(paid, weights, unit)
}

/// Keeps with a purchase whether an invoice that was due is paid, and withholds access or gives it back.
fn record_invoice(purchase: &mut Purchase, invoice_id: &str, state: &str) -> Result<(), Error> {
    purchase.metadata.set_in("overdue_invoices", invoice_id, json!(state));
    set_hold(purchase);
    purchases::save([&mut *purchase])?;
    subscriptions::apply_holds(&purchase.user_id, purchase.add_on_id)
}

/// Says with the purchase whether and why access is withheld.
fn set_hold(purchase: &mut Purchase) {
    let overdue = purchase.metadata.get("overdue_invoices").and_then(Value::as_object);
    let is_overdue = overdue.is_some_and(|invoices| invoices.values().any(|state| state == "overdue"));
    let state = purchase.subscription();
    let hold = match () {
        () if state.has_ended => None,
        () if state.on_hold => Some("subscription unpaid"),
        () if is_overdue => Some("invoice overdue"),
        () => None,
    };
    match hold {
        Some(hold) => purchase.metadata.set("hold", json!(hold)),
        None => purchase.metadata.remove("hold"),
    }
}
