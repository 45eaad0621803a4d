//! Applying what payment providers tell (semantics 4 and 5).
//!
//! Deliveries can be repeated, late, and in any order. Each event is therefore taken as evidence of something that only
//! adds up: that a payment was made, the largest total refunded, the decision of a dispute, the latest word on a
//! subscription. A refund or a dispute of a checkout that still waits for its payment is evidence of the payment too.

mod payment;
mod subscription;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operations::payments::Payment;
use crate::params;
use crate::pg::isolation;
use crate::pg::locks::lock_user;
use crate::pg::parameter::Params;
use crate::pg::statement::Statement;
use crate::store::purchases::{self, Purchase};
use engine::events::{Event, News, Reference};

/// Where an event comes from: the providers' ids are kept in different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Stripe,
    Lago,
}

/// What became of an event.
#[derive(Debug)]
pub struct Report {
    /// Whether it concerned us and was applied.
    handled: bool,
    /// What was done, in one word.
    action: &'static str,
    /// Whether anything was changed by this delivery.
    changed: bool,
    /// More to say: ids, and why something was refused.
    details: Vec<(&'static str, Value)>,
}

impl Report {
    fn done(action: &'static str, changed: bool) -> Report {
        Report { handled: true, action, changed, details: Vec::new() }
    }

    fn not_handled(action: &'static str) -> Report {
        Report { handled: false, action, changed: false, details: Vec::new() }
    }

    fn refused(reason: &'static str, payment: &Payment, received: Value) -> Report {
        let expected = payment.purchases.first().map(|purchase| format!("{} {}", payment.amount(), purchase.currency));
        let details = vec![("reason", json!(reason)), ("expected", json!(expected)), ("received", received)];
        Report { handled: false, action: "refused", changed: false, details }
    }

    /// The document that callers see.
    pub fn to_json(&self) -> Value {
        let mut document = json!({"handled": self.handled, "action": self.action});
        if self.handled {
            document["changed"] = json!(self.changed);
        }
        for (key, value) in &self.details {
            document[*key] = value.clone();
        }
        document
    }
}

static OWNER_BY_PAYMENT: Statement<(String,)> =
    Statement::new("SELECT p.user_id FROM @extschema@.add_on_purchases p WHERE p.stripe_payment_id = ANY ($1) LIMIT 1");

static OWNER_BY_INVOICE: Statement<(String,)> =
    Statement::new("SELECT p.user_id FROM @extschema@.add_on_purchases p WHERE p.lago_invoice_id = $1 LIMIT 1");

static OWNER_BY_STRIPE_SUBSCRIPTION: Statement<(String,)> = Statement::new(
    "SELECT p.user_id
       FROM @extschema@.add_on_purchases p
      WHERE (p.metadata ->> 'stripe_subscription_id') = ANY ($1) AND p.metadata ? 'stripe_subscription_id'
      LIMIT 1",
);

static OWNER_BY_LAGO_SUBSCRIPTION: Statement<(String,)> =
    Statement::new("SELECT u.user_id FROM @extschema@.user_add_ons u WHERE u.lago_subscription_id = ANY ($1) LIMIT 1");

static OF_LAGO_SUBSCRIPTION: Statement<(Uuid,)> = Statement::new(
    "SELECT u.add_on_id
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1 AND u.lago_subscription_id = ANY ($2)
      ORDER BY u.add_on_id",
);

/// Applies an event.
pub fn apply(provider: Provider, event: &Event) -> Result<Report, Error> {
    if event.news == News::Unknown {
        return Ok(Report::not_handled("ignored"));
    }
    let owner = owner(provider, &event.reference)?;
    isolation::check_sees_everybody("a payment event", owner.as_deref())?;
    let Some(user_id) = owner else { return Ok(Report::not_handled("not_found")) };
    lock_user(&user_id)?;
    let mut case = Case::open(provider, event, user_id)?;
    let mut report = case.apply()?;
    report.details.push(("user_id", json!(case.user_id)));
    if let Some(checkout_id) = case.payment.as_ref().and_then(Payment::checkout_id) {
        report.details.push(("checkout_id", json!(checkout_id)));
    }
    Ok(report)
}

/// The user whom an event is about.
fn owner(provider: Provider, reference: &Reference) -> Result<Option<String>, Error> {
    let first = |statement: &Statement<(String,)>, params: &Params| statement.execute_one(params, |(user_id,)| user_id);
    let mut found = match reference.checkout_id {
        Some(checkout_id) => purchases::owner_of_checkout(checkout_id)?,
        None => None,
    };
    if found.is_none() && !reference.payment_ids.is_empty() {
        found = first(&OWNER_BY_PAYMENT, params![&reference.payment_ids])?;
    }
    if let (None, Provider::Lago, Some(invoice_id)) = (&found, provider, &reference.invoice_id) {
        found = first(&OWNER_BY_INVOICE, params![invoice_id])?;
    }
    if found.is_none() && !reference.subscription_ids.is_empty() {
        let by_subscription = match provider {
            Provider::Stripe => &OWNER_BY_STRIPE_SUBSCRIPTION,
            Provider::Lago => &OWNER_BY_LAGO_SUBSCRIPTION,
        };
        found = first(by_subscription, params![&reference.subscription_ids])?;
    }
    Ok(found)
}

/// An event, the user it is about, and what it is about: purchases that are paid together, and add-ons that are owned
/// under a subscription of Lago without being among these purchases.
struct Case<'a> {
    provider: Provider,
    event: &'a Event,
    user_id: String,
    payment: Option<Payment>,
    add_ons_of_lago: Vec<Uuid>,
}

impl Case<'_> {
    fn open(provider: Provider, event: &Event, user_id: String) -> Result<Case<'_>, Error> {
        let mut case = Case { provider, event, user_id, payment: None, add_ons_of_lago: Vec::new() };
        case.payment = case.find_payment()?;
        if provider == Provider::Lago {
            let params = params![&case.user_id, &event.reference.subscription_ids];
            let mut add_on_ids: Vec<Uuid> = OF_LAGO_SUBSCRIPTION.execute_all(params, |(add_on_id,)| add_on_id)?;
            let purchases = case.payment.iter().flat_map(|payment| &payment.purchases);
            let bought: Vec<Uuid> = purchases.map(|purchase| purchase.add_on_id).collect();
            add_on_ids.retain(|id| !bought.contains(id));
            case.add_ons_of_lago = add_on_ids;
        }
        Ok(case)
    }

    /// The purchases of the checkout, or of the payment, or of the subscription's first payment.
    fn find_payment(&self) -> Result<Option<Payment>, Error> {
        let reference = &self.event.reference;
        let mut found = Vec::new();
        // Before the checkout: the provider may name that with payments of renewals too.
        for payment_id in &reference.payment_ids {
            if found.is_empty() {
                found = purchases::of_stripe_payment(&self.user_id, payment_id)?;
            }
        }
        if let (true, Some(checkout_id)) = (found.is_empty(), reference.checkout_id) {
            found = purchases::of_checkout(&self.user_id, checkout_id)?;
        }
        if let (true, Provider::Lago, Some(invoice_id)) = (found.is_empty(), self.provider, &reference.invoice_id) {
            found = purchases::of_lago_invoice(&self.user_id, invoice_id)?;
        }
        for subscription_id in &reference.subscription_ids {
            if found.is_empty() {
                found = match self.provider {
                    Provider::Stripe => purchases::of_stripe_subscription(&self.user_id, subscription_id)?,
                    Provider::Lago => purchases::of_lago_subscription(&self.user_id, subscription_id)?,
                };
                // Renewals stand under the subscription too; what is asked for is where it began.
                if found.iter().any(|purchase| purchase.checkout_id.is_some()) {
                    found.retain(|purchase| purchase.checkout_id.is_some());
                }
            }
        }
        whole_checkout(&self.user_id, found)
    }

    fn apply(&mut self) -> Result<Report, Error> {
        match &self.event.news {
            News::SubscriptionChanged { auto_renew, on_hold, period_end } => {
                self.change_subscription(*auto_renew, *on_hold, *period_end)
            }
            News::SubscriptionEnded { ended_at } => self.end_subscription(*ended_at),
            News::InvoicePaid { charge, cycle, period_end } => self.pay_invoice(charge, *cycle, *period_end),
            News::InvoiceOverdue => self.hold_for_invoice(),
            _ => match self.payment.take() {
                Some(mut payment) => {
                    let report = self.apply_to_payment(&mut payment);
                    self.payment = Some(payment);
                    report
                }
                None => Ok(Report::not_handled("not_found")),
            },
        }
    }
}

/// All purchases of the checkout that these belong to, or these.
fn whole_checkout(user_id: &str, found: Vec<Purchase>) -> Result<Option<Payment>, Error> {
    let checkout_id = found.first().and_then(|purchase| purchase.checkout_id);
    let purchases = match checkout_id {
        Some(checkout_id) => purchases::of_checkout(user_id, checkout_id)?,
        None => found,
    };
    Ok((!purchases.is_empty()).then_some(Payment { purchases }))
}
