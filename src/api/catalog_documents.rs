//! The part of import_catalog(), which is plain SQL, that is written in Rust.

use std::sync::LazyLock;

use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::pg::datum::{Text, required};
use crate::pg::document::Document;
use crate::pg::jsonb;
use crate::pg::tables::{TABLES, TABLES_OF_USERS};
use engine::json::Malformed;

/// What export_catalog() returns.
static SHAPE: LazyLock<String> = LazyLock::new(|| {
    let tables = TABLES.into_iter().filter(|table| !TABLES_OF_USERS.contains(table)).collect::<Vec<_>>().join(", ");
    format!("an object with the keys {tables}, each an array of objects, as export_catalog() returns it")
});

#[pg_extern(name = "_check_catalog_size", immutable, parallel_safe)]
fn check_catalog_size(catalog: Option<Document<'_>>) -> Answer<()> {
    Ok(catalog.map_or(Ok(()), |catalog| catalog.check_size("catalog", jsonb::LARGEST))?)
}

#[pg_extern(name = "_refuse_catalog", volatile, parallel_unsafe)]
fn refuse_catalog(problem: Option<Text>) -> Answer<()> {
    let Text(problem) = required(problem, "catalog")?;
    Err(Error::MalformedArgument { argument: "catalog", malformed: Malformed(problem), shape: &SHAPE }.into())
}
