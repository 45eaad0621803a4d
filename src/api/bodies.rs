//! Functions whose bodies are SQL or PL/pgSQL.

use pgrx::prelude::*;

use super::Answer;
use crate::admin::schema_rename;
use crate::error;
use crate::pg::body;
use crate::pg::call::Call;
use crate::pg::datum::{Text, required};
use crate::pg::jsonb::Jsonb;
use crate::pg::tables::TABLES;
use crate::store::{catalog, none_left};

/// Called by the functions in sql/functions that have a body of their own: they are declared with this symbol, each next to its body.
#[pg_extern(sql = false)]
fn run_body(call: Call) -> Answer<()> {
    let _now = schema_rename::follow()?;
    Ok(body::run(&call)?)
}

/// Every error as JSON. Not part of the extension: `make docs` and the suites declare it for themselves.
#[pg_extern(sql = false)]
fn errors() -> String {
    error::as_json()
}

#[pg_extern(name = "_check_rows_written", immutable, parallel_safe)]
fn check_rows_written(table_name: Option<Text>, meant: Option<i64>, written: Option<i64>) -> Answer<()> {
    let Text(table_name) = required(table_name, "table_name")?;
    let table = TABLES.into_iter().find(|table| *table == table_name).unwrap_or("a table");
    let (meant, written) = (required(meant, "meant")?, required(written, "written")?);
    Ok(none_left(table, meant.max(0) as u64, written.max(0) as u64)?)
}

#[pg_extern(stable, parallel_safe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn export_catalog() -> Answer<Option<Jsonb>> {
    let _now = schema_rename::follow()?;
    Ok(catalog::document()?)
}
