//! What triggers call.

use pgrx::datum::Internal;
use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::pg::call::Call;
use crate::pg::trigger::{TriggerCall, Version};
use crate::store::{constraint_comments, purchases};
use engine::purchases::check_transition;

/// Refuses a change of a purchase's status that its life does not allow (semantics 4).
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.enforce_purchase_transition() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn enforce_purchase_transition(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "enforce_purchase_transition")?;
    if call.is_update_of_row() {
        let (from, to) = (call.text(Version::Old, c"status")?, call.text(Version::New, c"status")?);
        if let Err(allowed) = check_transition(&from, &to, purchases::cause_of_change()) {
            let purchase_id = call.id(Version::Old, c"id")?;
            return Err(Error::IllegalTransition { purchase_id, from, to, allowed }.into());
        }
    }
    Ok(Internal::from(Some(call.unchanged())))
}

/// Keeps `updated_at`, of whatever type it is.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.set_updated_at() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn set_updated_at(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "set_updated_at")?;
    Ok(Internal::from(Some(call.with_now(c"updated_at")?)))
}

/// Stores the code of a currency in capitals.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.normalize_currency() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn normalize_currency(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "normalize_currency")?;
    let currency = call.text(Version::New, c"currency")?;
    let is_in_capitals = !currency.bytes().any(|letter| letter.is_ascii_lowercase());
    let row =
        if is_in_capitals { call.unchanged() } else { call.with_text(c"currency", &currency.to_ascii_uppercase())? };
    Ok(Internal::from(Some(row)))
}

/// Announces to the catalog caches of all sessions that the table has changed, once that is committed.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.invalidate_catalog_cache() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn invalidate_catalog_cache(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "invalidate_catalog_cache")?;
    call.announce();
    Ok(Internal::from(Some(call.unchanged())))
}

/// Refuses to rename or delete a code that a purchase carries.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.protect_redeemed_code() RETURNS trigger
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn protect_redeemed_code(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "protect_redeemed_code")?;
    let promo_code = call.text(Version::Old, c"code")?;
    let stays = call.is_update_of_row() && call.text(Version::New, c"code")? == promo_code;
    if !stays && purchases::carry(&promo_code)? {
        return Err(Error::CodeRedeemed { promo_code }.into());
    }
    Ok(Internal::from(Some(call.unchanged())))
}

/// Refuses to delete an add-on that somebody has bought or owns.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.protect_sold_add_on() RETURNS trigger
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn protect_sold_add_on(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "protect_sold_add_on")?;
    if purchases::are_of(call.id(Version::Old, c"id")?)? {
        return Err(Error::AddOnSold { name: call.text(Version::Old, c"name")? }.into());
    }
    Ok(Internal::from(Some(call.unchanged())))
}

/// Refuses a row that breaks a rule of its table, in words.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.verify_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn verify_row(call: Call) -> Answer<Internal> {
    let trigger = TriggerCall::of(&call, "verify_row")?;
    if let Some(constraint) = trigger.broken_constraint(&call) {
        refuse(&trigger, constraint)?;
    }
    Ok(Internal::from(Some(trigger.unchanged())))
}

/// Refuses more uses of a code or bundle than it has. Every checkout with one comes here.
#[pg_extern(sql = "
CREATE FUNCTION @extschema@.verify_uses() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';")]
fn verify_uses(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "verify_uses")?;
    let uses = call.integer(Version::New, c"current_uses")?.unwrap_or_default();
    let most = call.integer(Version::New, c"max_uses")?.unwrap_or(i32::MAX);
    if !(0..=most).contains(&uses) {
        refuse(&call, format!("{}_current_uses_check", call.table()))?;
    }
    Ok(Internal::from(Some(call.unchanged())))
}

/// The error for a row that a constraint refuses. Where nobody says what the constraint is about, PostgreSQL will refuse the row.
fn refuse(call: &TriggerCall, constraint: String) -> Result<(), Error> {
    let Some(rule) = constraint_comments::of_constraint(call.table_oid(), &constraint)? else { return Ok(()) };
    let values: Vec<String> = rule.columns.iter().map(|column| call.told(column)).collect();
    let table = call.table();
    Err(Error::RowRefused { table, rule: rule.rule, constraint, values: values.join(", "), advice: rule.advice })
}
