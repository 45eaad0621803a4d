//! What callers can do with an add-on that a user owns: each takes the user's lock and changes `user_add_ons`.

use serde_json::json;
use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::datum::now;
use crate::pg::locks::lock_user;
use crate::pg::settings;
use crate::pg::statement::Statement;
use crate::store::purchases::{self, Renewal};
use crate::store::subscriptions::{self, Owned};
use engine::money::Money;
use engine::time::Instant;

static ADD_ON_EXISTS: Statement<(bool,)> =
    Statement::new("SELECT EXISTS (SELECT FROM @extschema@.add_ons a WHERE a.id = $1)");

/// A payment for another period; nothing of it may be known.
#[derive(Debug)]
pub struct RenewalPayment {
    pub amount: Option<Money>,
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
}

impl RenewalPayment {
    fn is_known(&self) -> bool {
        self.amount.is_some() || self.stripe_payment_id.is_some() || self.lago_invoice_id.is_some()
    }
}

/// Grants an add-on, whether it is for sale or not, until an instant or without end. Returns the end.
pub fn grant(user_id: &str, add_on_id: Uuid, expires_at: Option<Instant>) -> Result<Option<Instant>, Error> {
    lock_user(user_id)?;
    if ADD_ON_EXISTS.execute_one(params![add_on_id], |(exists,)| exists)? != Some(true) {
        return Err(Error::AddOnNotFound { add_on_id });
    }
    subscriptions::grant_until(user_id, add_on_id, expires_at)
}

/// Extends an add-on by a period, and records the payment. A payment or invoice that was seen before changes nothing.
/// Returns the end.
pub fn renew(user_id: &str, add_on_id: Uuid, payment: &RenewalPayment) -> Result<Option<Instant>, Error> {
    let owned = find(user_id, add_on_id)?;
    if is_recorded(user_id, add_on_id, payment)? {
        return Ok(owned.expires_at);
    }
    let billing_type = purchases::billing_type_of(user_id, add_on_id)?;
    let ends_at = subscriptions::renew(user_id, add_on_id, billing_type)?.flatten();
    if payment.is_known() {
        purchases::insert_renewal(&Renewal {
            user_id,
            add_on_id,
            amount: payment.amount.unwrap_or(Money::ZERO),
            currency: settings::currency()?.code(),
            stripe_payment_id: payment.stripe_payment_id.as_deref(),
            lago_invoice_id: payment.lago_invoice_id.as_deref(),
            ends_at,
            metadata: json!({"renewal_of": null}),
        })?;
    }
    Ok(ends_at)
}

fn is_recorded(user_id: &str, add_on_id: Uuid, payment: &RenewalPayment) -> Result<bool, Error> {
    let mut found = Vec::new();
    if let Some(payment_id) = &payment.stripe_payment_id {
        found.extend(purchases::of_stripe_payment(user_id, payment_id)?);
    }
    if let Some(invoice_id) = &payment.lago_invoice_id {
        found.extend(purchases::of_lago_invoice(user_id, invoice_id)?);
    }
    Ok(found.iter().any(|purchase| purchase.add_on_id == add_on_id))
}

/// Ends an add-on now or, letting it run out, at the end of its period. Returns when access ends; `None` for never.
pub fn cancel(
    user_id: &str,
    add_on_id: Uuid,
    reason: Option<&str>,
    immediately: bool,
) -> Result<Option<Instant>, Error> {
    let owned = find(user_id, add_on_id)?;
    if owned.status == "cancelled" {
        return Ok(owned.expires_at);
    }
    if immediately {
        subscriptions::end(user_id, add_on_id, reason, None)?;
        return Ok(Some(owned.expires_at.map_or(now(), |end| end.min(now()))));
    }
    subscriptions::cancel_at_end(user_id, add_on_id, reason)?;
    Ok(owned.expires_at)
}

/// Withholds an add-on. Says whether anything changed.
pub fn suspend(user_id: &str, add_on_id: Uuid, reason: Option<&str>) -> Result<bool, Error> {
    find(user_id, add_on_id)?;
    subscriptions::suspend(user_id, add_on_id, reason)
}

/// Gives a withheld add-on back. Says whether anything changed.
pub fn resume(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    find(user_id, add_on_id)?;
    subscriptions::resume(user_id, add_on_id)
}

fn find(user_id: &str, add_on_id: Uuid) -> Result<Owned, Error> {
    lock_user(user_id)?;
    let owned = subscriptions::find(user_id, add_on_id)?;
    owned.ok_or_else(|| Error::NotOwned { user_id: user_id.to_owned(), add_on_id })
}
