//! Changing what users own.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, money, short, user_to_change};
use crate::error::Error;
use crate::operations::subscriptions::{self, RenewalPayment};
use crate::pg::datum::{Digits, Id, Text, Timestamp, iso_8601, now, required};
use engine::time::Instant;

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn grant_add_on(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    expires_at: default!(Option<Timestamp>, "NULL"),
) -> Result<TableIterator<'static, (name!(add_on_id, Id), name!(expires_at, Option<Timestamp>))>, ErrorReport> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let expires_at = expires_at.map(|Timestamp(end)| ahead(end)).transpose()?;
    let end = subscriptions::grant(&user_id, add_on_id, expires_at)?;
    Ok(TableIterator::once((Id(add_on_id), end.map(Timestamp))))
}

fn ahead(end: Instant) -> Result<Instant, Error> {
    if end > now() { Ok(end) } else { Err(Error::ExpiryNotAhead { expires_at: iso_8601(end) }) }
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn renew_add_on(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    amount: default!(Option<Digits>, "NULL"),
    stripe_payment_id: default!(Option<Text>, "NULL"),
    lago_invoice_id: default!(Option<Text>, "NULL"),
) -> Answer<Option<Timestamp>> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let payment = RenewalPayment {
        amount: amount.map(|amount| money(amount, "amount")).transpose()?,
        stripe_payment_id: short(stripe_payment_id, "stripe_payment_id", 255)?,
        lago_invoice_id: short(lago_invoice_id, "lago_invoice_id", 255)?,
    };
    Ok(subscriptions::renew(&user_id, add_on_id, &payment)?.map(Timestamp))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn cancel_add_on(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    reason: default!(Option<Text>, "NULL"),
    immediately: default!(Option<bool>, false),
) -> Answer<Option<Timestamp>> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let immediately = required(immediately, "immediately")?;
    let end = subscriptions::cancel(&user_id, add_on_id, reason.as_deref(), immediately)?;
    Ok(end.map(Timestamp))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn suspend_add_on(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    reason: default!(Option<Text>, "NULL"),
) -> Answer<bool> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    Ok(subscriptions::suspend(&user_id, add_on_id, reason.as_deref())?)
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn resume_add_on(user_id: Option<Text>, add_on_id: Option<Id>) -> Answer<bool> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    Ok(subscriptions::resume(&user_id, add_on_id)?)
}

extension_sql_file!(
    "../../sql/functions/subscriptions.sql",
    name = "subscriptions_functions",
    requires = [grant_add_on, renew_add_on, cancel_add_on, suspend_add_on, resume_add_on]
);
