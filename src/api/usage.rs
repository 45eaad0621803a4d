//! Usage of metered features.

use pgrx::prelude::*;

use super::{Answer, short, user_to_change};
use crate::error::Error;
use crate::operations::usage::{self, UsageAnswer};
use crate::pg::call::Call;
use crate::pg::datum::{Digits, Quantity, Text, Timestamp, required};
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use engine::usage::Status;
use engine::usage::units::Units;

#[pg_extern(sql = r#"
CREATE FUNCTION "consume_feature"(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "amount" pg_catalog.numeric DEFAULT 1,
    "idempotency_key" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "allowed" bool,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "granted" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn consume_feature(
    user_id: Option<Text>,
    feature_key: Option<Text>,
    amount: Option<Digits>,
    idempotency_key: Option<Text>,
    call: Call,
) -> Answer<()> {
    let (user_id, Text(feature_key)) = (user_to_change(user_id)?, required(feature_key, "feature_key")?);
    let amount = units(amount, "amount")?;
    let key = short(idempotency_key, "idempotency_key", 255)?;
    give(&call, usage::consume(&user_id, &feature_key, amount, key.as_deref())?);
    Ok(())
}

#[pg_extern(sql = r#"
CREATE FUNCTION "release_feature"(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "amount" pg_catalog.numeric DEFAULT 1,
    "idempotency_key" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "allowed" bool,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "granted" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn release_feature(
    user_id: Option<Text>,
    feature_key: Option<Text>,
    amount: Option<Digits>,
    idempotency_key: Option<Text>,
    call: Call,
) -> Answer<()> {
    let (user_id, Text(feature_key)) = (user_to_change(user_id)?, required(feature_key, "feature_key")?);
    let amount = units(amount, "amount")?;
    let key = short(idempotency_key, "idempotency_key", 255)?;
    give(&call, usage::release(&user_id, &feature_key, amount, key.as_deref())?);
    Ok(())
}

#[pg_extern(sql = r#"
CREATE FUNCTION "set_feature_usage"(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "used" pg_catalog.numeric
) RETURNS TABLE (
    "allowed" bool,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "granted" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn set_feature_usage(user_id: Option<Text>, feature_key: Option<Text>, used: Option<Digits>, call: Call) -> Answer<()> {
    let (user_id, Text(feature_key)) = (user_to_change(user_id)?, required(feature_key, "feature_key")?);
    let used = units(used, "used")?;
    give(&call, usage::set(&user_id, &feature_key, used)?);
    Ok(())
}

/// No row if the user or the feature is NULL, as for other entitlements.
#[pg_extern(sql = r#"
CREATE FUNCTION "feature_usage"(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "feature_key" pg_catalog.text,
    "granted" pg_catalog.numeric,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn feature_usage(user_id: Option<Text>, feature_key: Option<Text>, at: Option<Timestamp>, call: Call) -> Answer<()> {
    let mut rows = Tuplestore::open(&call);
    let (Some(Text(user_id)), Some(Timestamp(at))) = (user_id, at) else { return Ok(()) };
    let found = match feature_key {
        Some(Text(key)) => usage::of_feature(&user_id, &key, at)?.map(|status| (key, status)).into_iter().collect(),
        None => usage::of_features(&user_id, at)?,
    };
    for (key, status) in found {
        let Status { granted, used, resets_at } = status;
        let [granted, used, remaining] = [granted, used, status.remaining()].map(|units| units.map(Quantity));
        rows.push(|| {
            let resets_at = resets_at.map(Timestamp).into_datum();
            [Some(text_datum(&key)), granted.into_datum(), used.into_datum(), remaining.into_datum(), resets_at]
        });
    }
    Ok(())
}

/// Makes an answer the one row of the result.
fn give(call: &Call, UsageAnswer { is_allowed, status }: UsageAnswer) {
    let Status { granted, used, resets_at } = status;
    let [used, remaining, granted] = [used, status.remaining(), granted].map(|units| units.map(Quantity));
    Tuplestore::open(call).push(|| {
        let resets_at = resets_at.map(Timestamp).into_datum();
        [is_allowed.into_datum(), used.into_datum(), remaining.into_datum(), granted.into_datum(), resets_at]
    });
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
