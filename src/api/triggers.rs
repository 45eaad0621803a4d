//! What triggers call.

use pgrx::datum::Internal;
use pgrx::prelude::*;
use uuid::Uuid;

use super::Answer;
use crate::error::Error;
use crate::pg::call::Call;
use crate::pg::trigger::{TriggerCall, Version};
use crate::store::purchases;
use engine::purchases::PurchaseStatus;

/// Refuses a change of a purchase's status that its life does not allow (semantics 4).
#[pg_extern(
    volatile,
    parallel_unsafe,
    sql = "
CREATE FUNCTION @extschema@.enforce_purchase_transition() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';"
)]
fn enforce_purchase_transition(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "enforce_purchase_transition")?;
    if call.is_update_of_row() {
        let (from, to) = (call.text(Version::Old, c"status")?, call.text(Version::New, c"status")?);
        check_transition(call.id(Version::Old, c"id")?, from, to)?;
    }
    Ok(Internal::from(Some(call.unchanged())))
}

/// Announces to the catalog caches of all sessions that the table has changed, once that is committed.
#[pg_extern(
    volatile,
    parallel_unsafe,
    sql = "
CREATE FUNCTION @extschema@.invalidate_catalog_cache() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';"
)]
fn invalidate_catalog_cache(call: Call) -> Answer<Internal> {
    let call = TriggerCall::of(&call, "invalidate_catalog_cache")?;
    call.announce();
    Ok(Internal::from(Some(call.unchanged())))
}

fn check_transition(purchase_id: Uuid, from: String, to: String) -> Result<(), Error> {
    let following =
        if purchases::change_by_facts() { PurchaseStatus::successors_by_facts } else { PurchaseStatus::successors };
    let successors = PurchaseStatus::from_name(&from).map_or(&[][..], following);
    let allowed: Vec<&'static str> = successors.iter().map(|status| status.name()).collect();
    if from == to || allowed.contains(&to.as_str()) {
        Ok(())
    } else {
        Err(Error::IllegalTransition { purchase_id, from, to, allowed })
    }
}
