//! Entitlement checks. An incomplete question never grants anything: a NULL argument is answered as for a user who
//! owns nothing.

use std::collections::HashSet;

use pgrx::datum::Internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::Answer;
use crate::operations::entitlements::{self, What};
use crate::pg::call::Call;
use crate::pg::datum::{Id, Passed, Text, Texts, Timestamp};
use crate::pg::jsonb::Jsonb;
use crate::pg::planner;
use crate::store::features;
use engine::entitlements::merge;

/// Keeps Citus from sending a call without a user to a node.
#[pg_extern(name = "_plan_entitlement_check", immutable, strict, parallel_safe)]
fn plan_entitlement_check(request: Internal) -> Internal {
    planner::support_of_users(request)
}

#[pg_extern(stable, parallel_safe, support = plan_entitlement_check)]
fn has_feature(
    user_id: Option<Passed<'_>>,
    feature_key: Option<Passed<'_>>,
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
    call: Call,
) -> Answer<bool> {
    match (user_id, feature_key, at) {
        (Some(user), Some(key), Some(at)) => Ok(entitlements::is_entitled(&call, user, What::Feature(key), at.0)?),
        _ => Ok(false),
    }
}

#[pg_extern(stable, parallel_safe, support = plan_entitlement_check)]
fn has_add_on(
    user_id: Option<Passed<'_>>,
    add_on_id: Option<Id>,
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
    call: Call,
) -> Answer<bool> {
    match (user_id, add_on_id, at) {
        (Some(user), Some(add_on), Some(at)) => {
            Ok(entitlements::is_entitled(&call, user, What::AddOn(add_on.0), at.0)?)
        }
        _ => Ok(false),
    }
}

#[pg_extern(stable, parallel_safe)]
fn has_features(
    user_id: Option<Text>,
    feature_keys: Option<Texts>,
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<TableIterator<'static, (name!(feature_key, Option<Text>), name!(entitled, bool))>, ErrorReport> {
    let owned: HashSet<String> = match (user_id, at) {
        (Some(user), Some(at)) => features::grants(&user.0, None, at.0)?.into_iter().map(|(key, _)| key).collect(),
        _ => HashSet::new(),
    };
    let rows = feature_keys.map_or_else(Vec::new, |keys| keys.0).into_iter().map(move |key| {
        let entitled = key.as_ref().is_some_and(|key| owned.contains(&key.0));
        (key, entitled)
    });
    Ok(TableIterator::new(rows))
}

#[pg_extern(stable, parallel_safe)]
fn feature_configuration(
    user_id: Option<Text>,
    feature_key: Option<Text>,
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Option<Jsonb>> {
    let (Some(user), Some(key), Some(at)) = (user_id, feature_key, at) else { return Ok(None) };
    let found = features::grants(&user.0, Some(&key.0), at.0)?.pop();
    Ok(found.map(|(_, grants)| Jsonb::of(&merge(grants).configuration)))
}

#[pg_extern(stable, parallel_safe)]
fn user_features(
    user_id: Option<Text>,
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(feature_key, Text),
            name!(configuration, Jsonb),
            name!(add_on_ids, Vec<Id>),
            name!(expires_at, Option<Timestamp>),
        ),
    >,
    ErrorReport,
> {
    let (Some(user), Some(at)) = (user_id, at) else { return Ok(TableIterator::empty()) };
    let rows = features::grants(&user.0, None, at.0)?.into_iter().map(|(key, grants)| {
        let feature = merge(grants);
        let add_on_ids = feature.add_on_ids.into_iter().map(Id).collect();
        (Text(key), Jsonb::of(&feature.configuration), add_on_ids, feature.expires_at.map(Timestamp))
    });
    Ok(TableIterator::new(rows))
}
