//! Who may call what, and who sees whose rows.

use pgrx::prelude::*;

use super::Answer;
use crate::datum::{Role, Text, required};
use crate::store::{access, isolation};

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn grant_marketplace_access(role: Option<Role>, level: Option<Text>) -> Answer<()> {
    let (Role(role), Text(level)) = (required(role, "role")?, required(level, "level")?);
    Ok(access::grant(role, access::level(&level)?)?)
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn revoke_marketplace_access(role: Option<Role>, level: Option<Text>) -> Answer<()> {
    let (Role(role), Text(level)) = (required(role, "role")?, required(level, "level")?);
    Ok(access::revoke(role, access::level(&level)?)?)
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn enable_user_isolation(setting: default!(Option<Text>, "'extensions.user_id'")) -> Answer<()> {
    let Text(setting) = required(setting, "setting")?;
    Ok(isolation::enable(&setting)?)
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn disable_user_isolation() -> Answer<()> {
    Ok(isolation::disable()?)
}
