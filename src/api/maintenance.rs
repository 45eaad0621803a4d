//! Operations: maintenance and its schedule, revenue, and the statistics of the session's cache.

use pgrx::datum::Interval;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::Answer;
use crate::admin::schedule;
use crate::error::Error;
use crate::operations::maintenance;
use crate::pg::call::Call;
use crate::pg::datum::{Amount, Id, Text, Timestamp, required};
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use crate::store::catalog_cache::{self, Statistics};
use crate::store::leftovers::Ages;
use crate::store::reports;

/// As version 1.0.0 has it, whose function is there until ALTER EXTENSION has been run.
#[pg_extern(sql = false)]
fn run_maintenance(
    cart_max_age: Option<Interval>,
    checkout_max_age: Option<Interval>,
    batch: Option<i32>,
    renewal_grace: Option<Interval>,
) -> Result<TableIterator<'static, (name!(task, Text), name!(affected, i64))>, ErrorReport> {
    let payment_max_age = Interval::new(0, 30, 0).ok();
    run_all_maintenance(cart_max_age, checkout_max_age, batch, renewal_grace, payment_max_age)
}

#[pg_extern(name = "run_maintenance", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn run_all_maintenance(
    cart_max_age: default!(Option<Interval>, "'30 days'"),
    checkout_max_age: default!(Option<Interval>, "'24 hours'"),
    batch: default!(Option<i32>, 10000),
    renewal_grace: default!(Option<Interval>, "'3 days'"),
    payment_max_age: default!(Option<Interval>, "'30 days'"),
) -> Result<TableIterator<'static, (name!(task, Text), name!(affected, i64))>, ErrorReport> {
    let ages = Ages {
        cart: age(cart_max_age, "cart_max_age")?,
        checkout: age(checkout_max_age, "checkout_max_age")?,
        grace: age(renewal_grace, "renewal_grace")?,
        payment: age(payment_max_age, "payment_max_age")?,
    };
    let done = maintenance::run(&ages, positive(required(batch, "batch")?, "batch")?)?;
    Ok(TableIterator::new(done.into_iter().map(|(task, affected)| (Text(task.to_owned()), affected as i64))))
}

#[pg_extern(name = "_waiting_for_maintenance", stable, parallel_safe)]
fn waiting_for_maintenance() -> Result<TableIterator<'static, (name!(task, Text), name!(waiting, i64))>, ErrorReport> {
    let waiting = maintenance::waiting()?.into_iter();
    Ok(TableIterator::new(waiting.map(|(task, rows)| (Text(task.to_owned()), rows))))
}

#[pg_extern(volatile, parallel_restricted)]
fn catalog_cache_stats() -> TableIterator<
    'static,
    (name!(entries, i64), name!(bytes, i64), name!(loads, i64), name!(hits, i64), name!(invalidations, i64)),
> {
    let Statistics { entries, bytes, loads, hits, invalidations } = catalog_cache::statistics();
    TableIterator::once((entries as i64, bytes as i64, loads as i64, hits as i64, invalidations as i64))
}

fn age(interval: Option<Interval>, argument: &'static str) -> Result<Interval, Error> {
    let interval = required(interval, argument)?;
    let is_negative = interval.months() < 0 || interval.days() < 0 || interval.micros() < 0;
    if is_negative { Err(Error::NegativeInterval { argument }) } else { Ok(interval) }
}

fn positive(rows: i32, argument: &'static str) -> Result<i32, Error> {
    if rows < 1 { Err(Error::InvalidCount { argument, least: 1, rows }) } else { Ok(rows) }
}

#[pg_extern(volatile, parallel_unsafe)]
fn schedule_maintenance(schedule: default!(Option<Text>, "'17 3 * * *'")) -> Answer<i64> {
    let Text(schedule) = required(schedule, "schedule")?;
    Ok(schedule::schedule_maintenance(&schedule)?)
}

#[pg_extern(sql = r#"
CREATE FUNCTION "revenue_by_add_on"(
    "since" pg_catalog.timestamptz,
    "until" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "category" pg_catalog.text,
    "currency" pg_catalog.text,
    "purchases" pg_catalog.int8,
    "units" pg_catalog.int8,
    "gross" pg_catalog.numeric,
    "refunded" pg_catalog.numeric,
    "net" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn revenue_by_add_on(since: Option<Timestamp>, until: Option<Timestamp>, call: Call) -> Answer<()> {
    let mut rows = Tuplestore::open(&call);
    reports::revenue(since.map(|since| since.0), until.map(|until| until.0), |revenue| {
        rows.push(|| {
            [
                Id(revenue.add_on_id).into_datum(),
                Some(text_datum(&revenue.name)),
                Some(text_datum(&revenue.category)),
                Some(text_datum(&revenue.currency)),
                revenue.purchases.into_datum(),
                revenue.units.into_datum(),
                Amount(revenue.gross).into_datum(),
                Amount(revenue.refunded).into_datum(),
                Amount(revenue.gross - revenue.refunded).into_datum(),
            ]
        });
    })?;
    Ok(())
}

extension_sql_file!(
    "../../sql/functions/maintenance.sql",
    name = "maintenance_functions",
    requires =
        [catalog_cache_stats, revenue_by_add_on, run_all_maintenance, schedule_maintenance, waiting_for_maintenance]
);
