//! Sources of access, trials, renewal prices, and payments that were not applied.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, short, user_to_change, valid_user_id};
use crate::error::Error;
use crate::operations::{explain_access as explaining, payments, repricing, subscriptions};
use crate::pg::call::Call;
use crate::pg::datum::{Amount, Id, Text, Timestamp, required, text_datum};
use crate::pg::tuplestore::Tuplestore;
use crate::store::reports;

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

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn settle_payment(payment_id: Option<Text>, note: default!(Option<Text>, "NULL")) -> Answer<bool> {
    let payment_id = short(payment_id, "payment_id", 255)?.ok_or(Error::NullArgument { argument: "payment_id" })?;
    Ok(payments::settle_payment(&payment_id, note.as_deref())?)
}

// The result can be long, so it goes into a tuplestore. pgrx knows of no such result and takes the declaration as it stands here.
#[pg_extern(sql = r#"
CREATE FUNCTION "unsettled_payments"() RETURNS TABLE (
    "payment_id" pg_catalog.text,
    "provider" pg_catalog.text,
    "checkout_id" pg_catalog.uuid,
    "user_id" pg_catalog.text,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "reason" pg_catalog.text,
    "received_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn unsettled_payments(call: Call) -> Answer<()> {
    let mut rows = Tuplestore::open(&call);
    reports::unsettled(|payment| {
        let text = |text: &Option<String>| text.as_deref().map(text_datum);
        rows.push(|| {
            [
                text(&payment.id),
                text(&payment.provider),
                Id(payment.checkout_id).into_datum(),
                Some(text_datum(&payment.user_id)),
                payment.amount.and_then(|amount| Amount(amount).into_datum()),
                text(&payment.currency),
                text(&payment.reason),
                payment.received_at.and_then(|at| Timestamp(at).into_datum()),
            ]
        });
    })?;
    Ok(())
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
    "../../sql/functions/sources.sql",
    name = "sources_functions",
    requires = [start_trial, explain_access, settle_payment, unsettled_payments, upcoming_renewals, reprice_renewals]
);
