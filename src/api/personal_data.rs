//! What is kept of a person.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, valid_user_id};
use crate::operations::personal_data;
use crate::pg::datum::Text;
use crate::pg::jsonb::Jsonb;

#[pg_extern(stable, parallel_safe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn export_user(user_id: Option<Text>) -> Answer<Jsonb> {
    Ok(personal_data::export(&valid_user_id(user_id)?)?)
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn forget_user(
    user_id: Option<Text>,
    replacement: default!(Option<Text>, "NULL"),
) -> Result<TableIterator<'static, (name!(object, Text), name!(affected, i64))>, ErrorReport> {
    let user_id = valid_user_id(user_id)?;
    let replacement = replacement.map(|name| valid_user_id(Some(name))).transpose()?;
    let forgotten = personal_data::forget(&user_id, replacement)?.into_iter();
    Ok(TableIterator::new(forgotten.map(|(table, rows)| (Text(table.to_owned()), rows as i64))))
}

extension_sql_file!(
    "../../sql/functions/personal_data.sql",
    name = "personal_data_functions",
    requires = [export_user, forget_user]
);
