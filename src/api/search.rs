//! Searching the catalog.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::not_negative;
use crate::pg::datum::{Amount, Digits, Id, Json, Text};
use crate::store::search::{self, Criteria};

#[pg_extern(stable, parallel_safe)]
fn search_add_ons(
    search: default!(Option<Text>, "NULL"),
    category: default!(Option<Text>, "NULL"),
    feature_key: default!(Option<Text>, "NULL"),
    min_price: default!(Option<Digits>, "NULL"),
    max_price: default!(Option<Digits>, "NULL"),
    max_rows: default!(Option<i32>, 20),
    skip: default!(Option<i32>, 0),
) -> Result<
    TableIterator<
        'static,
        (
            name!(add_on_id, Id),
            name!(name, Text),
            name!(description, Option<Text>),
            name!(category, Text),
            name!(base_price, Amount),
            name!(billing_type, Text),
            name!(features, Json),
            name!(rank, f32),
        ),
    >,
    ErrorReport,
> {
    let criteria = Criteria {
        search: search.map(|text| text.0),
        category: category.map(|text| text.0),
        feature_key: feature_key.map(|text| text.0),
        min_price: min_price.map(|digits| digits.0),
        max_price: max_price.map(|digits| digits.0),
        max_rows: not_negative("max_rows", max_rows)?,
        skip: not_negative("skip", skip)?,
    };
    let rows = search::search(&criteria)?.into_iter().map(|found| {
        (
            Id(found.id),
            Text(found.name),
            found.description.map(Text),
            Text(found.category),
            Amount(found.base_price),
            Text(found.billing_type),
            found.features,
            found.rank,
        )
    });
    Ok(TableIterator::new(rows))
}

extension_sql_file!("../../sql/functions/search.sql", name = "search_functions", requires = [search_add_ons]);
