//! The part of import_catalog(), which is plain SQL, that is written in Rust.

use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::pg::datum::{Text, required};
use crate::pg::document::Document;
use engine::json::Malformed;

/// What export_catalog() returns.
const SHAPE: &str = "an object with the keys add_ons, add_on_features, add_on_bundles, pricing_rules, promotional_codes, each an array \
                     of objects, as export_catalog() returns it";

/// The maximum size of a catalog in bytes.
const LARGEST: usize = 16 << 20;

#[pg_extern(name = "_check_catalog_size", immutable, parallel_safe)]
fn check_catalog_size(catalog: Option<Document<'_>>) -> Answer<()> {
    Ok(catalog.map_or(Ok(()), |catalog| catalog.check_size("catalog", LARGEST))?)
}

#[pg_extern(name = "_refuse_catalog", volatile, parallel_unsafe)]
fn refuse_catalog(problem: Option<Text>) -> Answer<()> {
    let Text(problem) = required(problem, "catalog")?;
    Err(Error::MalformedArgument { argument: "catalog", malformed: Malformed(problem), shape: SHAPE }.into())
}
