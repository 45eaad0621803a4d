//! What users own: granting, trying, renewing and cancelling it, and why they have it.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, money, short, user_to_change, valid_user_id};
use crate::error::Error;
use crate::operations::subscriptions::{self, RenewalPayment};
use crate::operations::{explain_access as explaining, repricing};
use crate::pg::call::Call;
use crate::pg::clock::{iso_8601, now};
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp, required};
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use crate::store::reports;
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

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn start_trial(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
) -> Result<TableIterator<'static, (name!(add_on_id, Id), name!(expires_at, Option<Timestamp>))>, ErrorReport> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let end = subscriptions::start_trial(&user_id, add_on_id)?;
    Ok(TableIterator::once((Id(add_on_id), end.map(Timestamp))))
}

#[pg_extern(stable, parallel_safe)]
fn explain_access(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(source, Text),
            name!(source_id, Option<Text>),
            name!(valid_from, Option<Timestamp>),
            name!(valid_until, Option<Timestamp>),
            name!(live, bool),
            name!(detail, Text),
        ),
    >,
    ErrorReport,
> {
    let user_id = valid_user_id(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let Timestamp(at) = required(at, "at")?;
    let rows = explaining::explain(&user_id, add_on_id, at)?.into_iter().map(|one| {
        (
            Text(one.source.to_owned()),
            one.source_id.map(Text),
            one.valid_from.map(Timestamp),
            one.valid_until.map(Timestamp),
            one.live,
            Text(one.detail),
        )
    });
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = r#"
CREATE FUNCTION "upcoming_renewals"(
    "user_id" pg_catalog.text DEFAULT NULL,
    "until" pg_catalog.timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.+) '1 month'::pg_catalog.interval
) RETURNS TABLE (
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "due_at" pg_catalog.timestamptz,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "promo_code" pg_catalog.text
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn upcoming_renewals(user_id: Option<Text>, until: Option<Timestamp>, call: Call) -> Answer<()> {
    let mut rows = Tuplestore::open(&call);
    let Some(Timestamp(until)) = until else { return Ok(()) };
    reports::upcoming_renewals(user_id.as_deref(), until, |renewal| {
        rows.push(|| {
            [
                Some(text_datum(&renewal.user_id)),
                Id(renewal.add_on_id).into_datum(),
                Timestamp(renewal.due_at).into_datum(),
                Amount(renewal.amount).into_datum(),
                Some(text_datum(&renewal.currency)),
                renewal.promo_code.as_deref().map(text_datum),
            ]
        });
    })?;
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn reprice_renewals(add_on_id: Option<Id>) -> Answer<i64> {
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    Ok(repricing::reprice(add_on_id)? as i64)
}

extension_sql_file!(
    "../../sql/functions/subscriptions.sql",
    name = "subscriptions_functions",
    requires = [
        grant_add_on,
        renew_add_on,
        cancel_add_on,
        suspend_add_on,
        resume_add_on,
        start_trial,
        explain_access,
        upcoming_renewals,
        reprice_renewals
    ]
);
