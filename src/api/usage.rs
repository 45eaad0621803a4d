//! What is used of metered features.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{short, user_to_change};
use crate::error::Error;
use crate::operations::usage::{self, Answer};
use crate::pg::datum::{Digits, Quantity, Text, Timestamp, required};
use engine::usage::Status;
use engine::usage::units::Units;

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn consume_feature(
    user_id: Option<Text>,
    feature_key: Option<Text>,
    amount: default!(Option<Digits>, 1),
    idempotency_key: default!(Option<Text>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(allowed, bool),
            name!(used, Option<Quantity>),
            name!(remaining, Option<Quantity>),
            name!(granted, Option<Quantity>),
            name!(resets_at, Option<Timestamp>),
        ),
    >,
    ErrorReport,
> {
    let (user_id, Text(feature_key)) = (user_to_change(user_id)?, required(feature_key, "feature_key")?);
    let amount = units(amount, "amount")?;
    let key = short(idempotency_key, "idempotency_key", 255)?;
    Ok(TableIterator::once(answered(usage::consume(&user_id, &feature_key, amount, key.as_deref())?)))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn release_feature(
    user_id: Option<Text>,
    feature_key: Option<Text>,
    amount: default!(Option<Digits>, 1),
    idempotency_key: default!(Option<Text>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(allowed, bool),
            name!(used, Option<Quantity>),
            name!(remaining, Option<Quantity>),
            name!(granted, Option<Quantity>),
            name!(resets_at, Option<Timestamp>),
        ),
    >,
    ErrorReport,
> {
    let (user_id, Text(feature_key)) = (user_to_change(user_id)?, required(feature_key, "feature_key")?);
    let amount = units(amount, "amount")?;
    let key = short(idempotency_key, "idempotency_key", 255)?;
    Ok(TableIterator::once(answered(usage::release(&user_id, &feature_key, amount, key.as_deref())?)))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn set_feature_usage(
    user_id: Option<Text>,
    feature_key: Option<Text>,
    used: Option<Digits>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(allowed, bool),
            name!(used, Option<Quantity>),
            name!(remaining, Option<Quantity>),
            name!(granted, Option<Quantity>),
            name!(resets_at, Option<Timestamp>),
        ),
    >,
    ErrorReport,
> {
    let (user_id, Text(feature_key)) = (user_to_change(user_id)?, required(feature_key, "feature_key")?);
    let used = units(used, "used")?;
    Ok(TableIterator::once(answered(usage::set(&user_id, &feature_key, used)?)))
}

/// Like other entitlements: who asks about nobody or nothing gets no row.
#[pg_extern(stable, parallel_safe)]
fn feature_usage(
    user_id: Option<Text>,
    feature_key: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(feature_key, Text),
            name!(granted, Option<Quantity>),
            name!(used, Option<Quantity>),
            name!(remaining, Option<Quantity>),
            name!(resets_at, Option<Timestamp>),
        ),
    >,
    ErrorReport,
> {
    let (Some(Text(user_id)), Some(Timestamp(at))) = (user_id, at) else { return Ok(TableIterator::empty()) };
    let found = match feature_key {
        Some(Text(key)) => usage::of_feature(&user_id, &key, at)?.map(|status| (key, status)).into_iter().collect(),
        None => usage::of_features(&user_id, at)?,
    };
    let rows = found.into_iter().map(|(key, status)| {
        let Status { granted, used, resets_at } = status;
        let [granted, used, remaining] = [granted, used, status.remaining()].map(|units| units.map(Quantity));
        (Text(key), granted, used, remaining, resets_at.map(Timestamp))
    });
    Ok(TableIterator::new(rows))
}

type Answered = (bool, Option<Quantity>, Option<Quantity>, Option<Quantity>, Option<Timestamp>);

fn answered(Answer { is_allowed, status }: Answer) -> Answered {
    let Status { granted, used, resets_at } = status;
    let [used, remaining, granted] = [used, status.remaining(), granted].map(|units| units.map(Quantity));
    (is_allowed, used, remaining, granted, resets_at.map(Timestamp))
}

/// An amount of units that a counter can hold.
fn units(amount: Option<Digits>, argument: &'static str) -> Result<Units, Error> {
    let Digits(digits) = required(amount, argument)?;
    Units::from_digits(&digits).ok_or_else(|| {
        let amount = if digits.len() > 40 { format!("{}...", &digits[..40]) } else { digits };
        Error::InvalidUnits { argument, amount }
    })
}

extension_sql_file!(
    "../../sql/functions/usage.sql",
    name = "usage_functions",
    requires = [consume_feature, release_feature, set_feature_usage, feature_usage]
);
