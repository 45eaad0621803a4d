//! What adopt_tables(), which is plain SQL, leaves to Rust.

use pgrx::prelude::*;

use super::Answer;
use crate::admin::adoption;
use crate::pg::datum::{Text, required};

#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn check_adoption(source_schema: Option<Text>, time_zone: Option<Text>) -> Answer<()> {
    let Text(schema) = required(source_schema, "source_schema")?;
    required(time_zone, "time_zone")?;
    Ok(adoption::check(&schema)?)
}
