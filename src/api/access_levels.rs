//! Privileges and row-level security.

use pgrx::prelude::*;

use super::{Answer, tell};
use crate::admin::access_levels;
use crate::admin::row_security;
use crate::pg::datum::{Role, Text, required};

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn grant_marketplace_access(role: Option<Role>, level: Option<Text>) -> Answer<()> {
    let (Role(role), Text(level)) = (required(role, "role")?, required(level, "level")?);
    tell(&access_levels::grant(role, access_levels::level(&level)?)?);
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn revoke_marketplace_access(role: Option<Role>, level: Option<Text>) -> Answer<()> {
    let (Role(role), Text(level)) = (required(role, "role")?, required(level, "level")?);
    tell(&access_levels::revoke(role, access_levels::level(&level)?)?);
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn enable_user_isolation(setting: default!(Option<Text>, "'extensions.user_id'")) -> Answer<()> {
    let Text(setting) = required(setting, "setting")?;
    tell(&row_security::enable(&setting)?);
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn disable_user_isolation() -> Answer<()> {
    tell(&row_security::disable()?);
    Ok(())
}

extension_sql_file!(
    "../../sql/functions/access.sql",
    name = "access_functions",
    requires = [grant_marketplace_access, revoke_marketplace_access, enable_user_isolation, disable_user_isolation]
);
