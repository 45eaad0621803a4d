//! The parts of distribute_marketplace(), which is PL/pgSQL, that are written in Rust.

use pgrx::datum::Internal;
use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::pg::datum::{Text, required};
use crate::pg::{locks, planner};
use crate::store::unclaimed;

/// Has this node hold a user until the transaction ends: another node asks where the tables are spread.
#[pg_extern(name = "_hold_user", volatile, parallel_unsafe)]
fn hold_user(user_id: Option<Text>) -> Answer<()> {
    let Text(user_id) = required(user_id, "user_id")?;
    Ok(locks::hold(&user_id)?)
}

/// Makes the table of unclaimed facts, which no row is known for yet. Returns whether it is there.
#[pg_extern(name = "_make_unclaimed_table", volatile, parallel_unsafe)]
fn make_unclaimed_table() -> Answer<bool> {
    Ok(unclaimed::make_table()?)
}

/// Lets the planner replace a call with NULL as the user, which would crash a node of Citus.
#[pg_extern(name = "_plan_call_of_user", immutable, strict, parallel_safe)]
fn plan_call_of_user(request: Internal) -> Internal {
    planner::support_of_users(request)
}

/// Raises the error with this code, about this node.
#[pg_extern(name = "_refuse_distribution", volatile, parallel_unsafe)]
fn refuse_distribution(code: Option<Text>, node: Option<Text>, detail: Option<Text>) -> Answer<()> {
    let Text(code) = required(code, "code")?;
    let [node, detail] = [node, detail].map(|text| text.map(|text| text.0).unwrap_or_default());
    let error = match code.as_str() {
        "invalid_shard_count" => Error::InvalidShardCount { shard_count: detail },
        "citus_missing" => Error::CitusMissing,
        "not_coordinator" => Error::NotCoordinator,
        "node_not_prepared" => Error::NodeNotPrepared { node, failure: detail },
        _ => Error::NotDistributable { obstacles: detail },
    };
    Err(error.into())
}
