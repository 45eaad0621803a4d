//! Lago's reports about add-ons that were not bought here: rows of `user_add_ons` that a host has written with the
//! subscription that pays for them.

use uuid::Uuid;

use crate::error::Error;
use crate::operations::subscriptions::{self, Applied};
use crate::pg::locks::lock_user;
use crate::store::owned;
use engine::payments::Fact;
use std::collections::BTreeSet;

/// Applies facts to the rows of their subscriptions; `None` if there are no such rows.
pub fn apply(facts: &[Fact]) -> Result<Option<Applied>, Error> {
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    let found: Vec<(String, Uuid)> = owned::of_lago_subscription(&ids.into_iter().collect::<Vec<&str>>())?;
    let Some((user_id, _)) = found.first().cloned() else { return Ok(None) };
    let add_on_ids: Vec<Uuid> = found.into_iter().filter(|(user, _)| *user == user_id).map(|(_, id)| id).collect();
    lock_user(&user_id)?;
    subscriptions::apply_reports(&user_id, &add_on_ids, facts).map(Some)
}
