//! The part of adopt_tables(), which is plain SQL, that is written in Rust.

use pgrx::prelude::*;

use super::Answer;
use crate::admin::adoption;
use crate::error::Error;
use crate::pg::datum::{Text, Texts, required};
use crate::pg::tables::TABLES;

#[pg_extern(name = "_check_adoption", volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn check_adoption(source_schema: Option<Text>, time_zone: Option<Text>, skip: Option<Texts>) -> Answer<()> {
    let Text(schema) = required(source_schema, "source_schema")?;
    required(time_zone, "time_zone")?;
    for table in required(skip, "skip")?.0 {
        let Text(given) = required(table, "skip")?;
        if !TABLES.contains(&given.as_str()) {
            Err(Error::UnknownWord { argument: "skip", known: TABLES.join(", "), given })?;
        }
    }
    Ok(adoption::check(&schema)?)
}
