//! Searching the catalog.

use pgrx::prelude::*;

use super::{Answer, not_negative};
use crate::error::Error;
use crate::pg::call::Call;
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp};
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use crate::store::search::{self, Criteria, Details, FoundAddOn};

#[pg_extern(sql = r#"
CREATE FUNCTION "search_add_ons"(
    "search" pg_catalog.text DEFAULT NULL,
    "category" pg_catalog.text DEFAULT NULL,
    "feature_key" pg_catalog.text DEFAULT NULL,
    "min_price" pg_catalog.numeric DEFAULT NULL,
    "max_price" pg_catalog.numeric DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 20,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "description" pg_catalog.text,
    "category" pg_catalog.text,
    "base_price" pg_catalog.numeric,
    "billing_type" pg_catalog.text,
    "features" pg_catalog.jsonb,
    "rank" pg_catalog.float4
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
#[allow(clippy::too_many_arguments, reason = "as many as callers can pass")]
fn search_add_ons(
    search: Option<Text>,
    category: Option<Text>,
    feature_key: Option<Text>,
    min_price: Option<Digits>,
    max_price: Option<Digits>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    call: Call,
) -> Answer<()> {
    let criteria = criteria(search, category, feature_key, (min_price, max_price), (max_rows, skip))?;
    let mut rows = Tuplestore::open(&call);
    search::search(&criteria, Details::Brief, |found| {
        rows.push(|| {
            let [id, name, description, category, price, billing_type, features] = shown(&found);
            [id, name, description, category, price, billing_type, features, found.rank.into_datum()]
        });
    })?;
    Ok(())
}

#[pg_extern(sql = r#"
CREATE FUNCTION "list_add_ons"(
    "search" pg_catalog.text DEFAULT NULL,
    "category" pg_catalog.text DEFAULT NULL,
    "feature_key" pg_catalog.text DEFAULT NULL,
    "min_price" pg_catalog.numeric DEFAULT NULL,
    "max_price" pg_catalog.numeric DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 20,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "description" pg_catalog.text,
    "category" pg_catalog.text,
    "base_price" pg_catalog.numeric,
    "billing_type" pg_catalog.text,
    "features" pg_catalog.jsonb,
    "version" pg_catalog.text,
    "icon_url" pg_catalog.text,
    "trial_days" pg_catalog.int4,
    "is_featured" pg_catalog.bool,
    "created_at" pg_catalog.timestamptz,
    "rank" pg_catalog.float4,
    "total_count" pg_catalog.int8
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
#[allow(clippy::too_many_arguments, reason = "as many as callers can pass")]
fn list_add_ons(
    search: Option<Text>,
    category: Option<Text>,
    feature_key: Option<Text>,
    min_price: Option<Digits>,
    max_price: Option<Digits>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    call: Call,
) -> Answer<()> {
    let criteria = criteria(search, category, feature_key, (min_price, max_price), (max_rows, skip))?;
    let mut rows = Tuplestore::open(&call);
    search::search(&criteria, Details::Listing, |found| {
        rows.push(|| {
            let [id, name, description, category, price, billing_type, features] = shown(&found);
            [
                id,
                name,
                description,
                category,
                price,
                billing_type,
                features,
                found.version.as_deref().map(text_datum),
                found.icon_url.as_deref().map(text_datum),
                found.trial_days.into_datum(),
                found.is_featured.into_datum(),
                Timestamp(found.created_at).into_datum(),
                found.rank.into_datum(),
                found.total_count.into_datum(),
            ]
        });
    })?;
    Ok(())
}

/// The columns that both functions begin with.
fn shown(found: &FoundAddOn) -> [Option<pg_sys::Datum>; 7] {
    [
        Id(found.id).into_datum(),
        Some(text_datum(&found.name)),
        found.description.as_deref().map(text_datum),
        Some(text_datum(&found.category)),
        Amount(found.base_price).into_datum(),
        Some(text_datum(&found.billing_type)),
        Some(found.features.datum()),
    ]
}

/// The search criteria, the price range, and the requested rows.
fn criteria(
    search: Option<Text>,
    category: Option<Text>,
    feature_key: Option<Text>,
    (min_price, max_price): (Option<Digits>, Option<Digits>),
    (max_rows, skip): (Option<i32>, Option<i32>),
) -> Result<Criteria, Error> {
    Ok(Criteria {
        search: search.map(|text| text.0),
        category: category.map(|text| text.0),
        feature_key: feature_key.map(|text| text.0),
        min_price: min_price.map(|digits| digits.0),
        max_price: max_price.map(|digits| digits.0),
        max_rows: not_negative("max_rows", max_rows)?,
        skip: not_negative("skip", skip)?,
    })
}

extension_sql_file!(
    "../../sql/functions/search.sql",
    name = "search_functions",
    requires = [search_add_ons, list_add_ons]
);
