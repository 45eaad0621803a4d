//! What triggers call.

use pgrx::datum::TryFromDatumError;
use pgrx::heap_tuple::PgHeapTuple;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::trigger_support::PgTriggerError;
use uuid::Uuid;

use crate::error::Error;
use engine::purchases::PurchaseStatus;

/// Refuses a change of a purchase's status that its life does not allow (semantics 4).
#[pg_trigger]
fn enforce_purchase_transition<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, TryFromDatumError> {
    if let (Some(old), Some(new)) = (trigger.old(), trigger.new()) {
        let (from, to) = (old.get_by_name::<String>("status")?, new.get_by_name::<String>("status")?);
        let purchase_id = old.get_by_name::<pgrx::Uuid>("id")?.map(|id| Uuid::from_bytes(*id)).unwrap_or_default();
        if let Err(refusal) = check_transition(purchase_id, from.unwrap_or_default(), to.unwrap_or_default()) {
            // An error that a trigger function returns is reported by pgrx as a panic.
            ErrorReport::from(refusal).report(PgLogLevel::ERROR);
        }
    }
    Ok(trigger.new())
}

/// Announces to the catalog caches of all sessions that the table has changed, once that is committed.
#[pg_trigger]
fn invalidate_catalog_cache<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, PgTriggerError> {
    // SAFETY: the trigger's table exists.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(trigger.relid()?) };
    Ok(trigger.new())
}

fn check_transition(purchase_id: Uuid, from: String, to: String) -> Result<(), Error> {
    let successors = PurchaseStatus::from_name(&from).map_or(&[][..], PurchaseStatus::successors);
    let allowed: Vec<&'static str> = successors.iter().map(|status| status.name()).collect();
    if from == to || allowed.contains(&to.as_str()) {
        Ok(())
    } else {
        Err(Error::IllegalTransition { purchase_id, from, to, allowed })
    }
}
