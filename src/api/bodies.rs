//! Functions whose bodies are SQL or PL/pgSQL.

use pgrx::prelude::*;

use super::Answer;
use crate::admin::renamed;
use crate::params;
use crate::pg::body;
use crate::pg::call::Call;
use crate::pg::datum::Json;
use crate::pg::statement::Statement;

/// Called by the functions in sql/functions that have a body of their own: they are declared with this symbol, each next to its body.
#[pg_extern(sql = false)]
fn run_body(call: Call) -> Answer<()> {
    let _now = renamed::follow()?;
    Ok(body::run(&call)?)
}

#[pg_extern(stable, parallel_safe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn export_catalog() -> Answer<Option<Json>> {
    static EXPORT: Statement<(Json,)> = Statement::new("SELECT @extschema@.export_catalog_body()");
    let _now = renamed::follow()?;
    Ok(EXPORT.read_one(params![], |(document,)| document)?)
}
