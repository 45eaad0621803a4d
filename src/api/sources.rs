//! Where access comes from, trials, and money that was not applied.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, short, user_to_change, valid_user_id};
use crate::error::Error;
use crate::operations::{explain_access as explaining, ownership, payments};
use crate::pg::datum::{Id, Text, Timestamp, required};

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn start_trial(
    user_id: Option<Text>,
    add_on_id: Option<Id>,
) -> Result<TableIterator<'static, (name!(add_on_id, Id), name!(expires_at, Option<Timestamp>))>, ErrorReport> {
    let user_id = user_to_change(user_id)?;
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let end = ownership::start_trial(&user_id, add_on_id)?;
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

extension_sql_file!(
    "../../sql/functions/sources.sql",
    name = "sources_functions",
    requires = [start_trial, explain_access, settle_payment, price_add_on, "tables"]
);
