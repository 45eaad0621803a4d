//! The prices of carts and renewals under a changed catalog.

use pgrx::prelude::*;

use super::{Answer, money};
use crate::error::Error;
use crate::operations::simulation::{self, CartChange, Prices, RenewalChange, Scope};
use crate::pg::call::Call;
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp, required};
use crate::pg::document::Document;
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;

#[pg_extern(sql = r#"
CREATE FUNCTION "simulate_pricing_rule"(
    "rule" pg_catalog.jsonb,
    "replaces" pg_catalog.uuid DEFAULT NULL,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE ("user_id" pg_catalog.text, "total_before" pg_catalog.numeric, "total_after" pg_catalog.numeric)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn simulate_pricing_rule(
    rule: Option<Document<'_>>,
    replaces: Option<Id>,
    tier_code: Option<Text>,
    at: Option<Timestamp>,
    call: Call,
) -> Answer<()> {
    let (rule, scope) = (required(rule, "rule")?, scope(tier_code, at)?);
    let mut changes = Tuplestore::open(&call);
    Ok(simulation::pricing_rule(rule, replaces.map(|id| id.0), scope, |change| push(&mut changes, change))?)
}

#[pg_extern(sql = r#"
CREATE FUNCTION "simulate_bundle"(
    "bundle" pg_catalog.jsonb,
    "replaces" pg_catalog.uuid DEFAULT NULL,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE ("user_id" pg_catalog.text, "total_before" pg_catalog.numeric, "total_after" pg_catalog.numeric)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn simulate_bundle(
    bundle: Option<Document<'_>>,
    replaces: Option<Id>,
    tier_code: Option<Text>,
    at: Option<Timestamp>,
    call: Call,
) -> Answer<()> {
    let (bundle, scope) = (required(bundle, "bundle")?, scope(tier_code, at)?);
    let mut changes = Tuplestore::open(&call);
    Ok(simulation::bundle(bundle, replaces.map(|id| id.0), scope, |change| push(&mut changes, change))?)
}

#[pg_extern(sql = r#"
CREATE FUNCTION "simulate_promo_code"(
    "code" pg_catalog.jsonb,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE ("user_id" pg_catalog.text, "total_before" pg_catalog.numeric, "total_after" pg_catalog.numeric)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn simulate_promo_code(
    code: Option<Document<'_>>,
    tier_code: Option<Text>,
    at: Option<Timestamp>,
    call: Call,
) -> Answer<()> {
    let (code, scope) = (required(code, "code")?, scope(tier_code, at)?);
    let mut changes = Tuplestore::open(&call);
    Ok(simulation::promo_code(code, scope, |change| push(&mut changes, change))?)
}

#[pg_extern(sql = r#"
CREATE FUNCTION "simulate_renewals"(
    "add_on_id" pg_catalog.uuid,
    "base_price" pg_catalog.numeric DEFAULT NULL,
    "rule" pg_catalog.jsonb DEFAULT NULL,
    "replaces" pg_catalog.uuid DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "user_id" pg_catalog.text,
    "due_at" pg_catalog.timestamptz,
    "amount_before" pg_catalog.numeric,
    "amount_after" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn simulate_renewals(
    add_on_id: Option<Id>,
    base_price: Option<Digits>,
    rule: Option<Document<'_>>,
    replaces: Option<Id>,
    at: Option<Timestamp>,
    call: Call,
) -> Answer<()> {
    let (Id(add_on_id), Timestamp(at)) = (required(add_on_id, "add_on_id")?, required(at, "at")?);
    let base_price = base_price.map(|digits| money(digits, "base_price")).transpose()?;
    let prices = Prices { base_price, rule, replaces: replaces.map(|id| id.0) };
    let mut changes = Tuplestore::open(&call);
    Ok(simulation::renewals(add_on_id, prices, at, |RenewalChange { user_id, due_at, before, after }| {
        changes.push(|| {
            [
                Some(text_datum(user_id)),
                due_at.map(Timestamp).into_datum(),
                Amount(before).into_datum(),
                Amount(after).into_datum(),
            ]
        });
    })?)
}

fn scope(tier_code: Option<Text>, at: Option<Timestamp>) -> Result<Scope, Error> {
    Ok(Scope { tier_code: tier_code.map(|text| text.0), at: required(at, "at")?.0 })
}

fn push(changes: &mut Tuplestore, change: CartChange) {
    changes.push(|| {
        [Some(text_datum(change.user_id)), Amount(change.before).into_datum(), Amount(change.after).into_datum()]
    });
}

extension_sql_file!(
    "../../sql/functions/simulations.sql",
    name = "simulations_functions",
    requires = [simulate_pricing_rule, simulate_bundle, simulate_promo_code, simulate_renewals]
);
