//! Why a cart costs what it costs.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::Answer;
use super::pricing::request;
use crate::error::Error;
use crate::operations::pricing::{self, Priced};
use crate::pg::datum::{Amount, Id, Text, Timestamp, iso_8601, required};
use crate::pg::settings;
use engine::bundles::Search;
use engine::explain::tree::tree;

#[pg_extern(stable, parallel_safe)]
fn explain_cart(
    user_id: Option<Text>,
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(step, i32),
            name!(stage, Text),
            name!(add_on_id, Option<Id>),
            name!(source_id, Option<Id>),
            name!(source, Text),
            name!(outcome, Text),
            name!(base, Option<Amount>),
            name!(discount, Option<Amount>),
            name!(detail, Text),
        ),
    >,
    ErrorReport,
> {
    let steps = priced(user_id, tier_code, promo_code, at)?.steps();
    let rows = steps.into_iter().enumerate().map(|(number, step)| {
        (
            number as i32 + 1,
            Text(step.stage.name().to_owned()),
            step.add_on_id.map(Id),
            step.source_id.map(Id),
            Text(step.source),
            Text(step.outcome.to_owned()),
            step.base.map(Amount),
            step.discount.map(Amount),
            Text(step.detail),
        )
    });
    Ok(TableIterator::new(rows))
}

#[pg_extern(stable, parallel_safe)]
fn explain_cart_text(
    user_id: Option<Text>,
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Text> {
    let priced = priced(user_id, tier_code, promo_code, at)?;
    Ok(Text(tree(&heading(&priced), &priced.steps())))
}

fn priced(
    user_id: Option<Text>,
    tier_code: Option<Text>,
    promo_code: Option<Text>,
    at: Option<Timestamp>,
) -> Result<Priced, Error> {
    let user_id = required(user_id, "user_id")?;
    pricing::price_stored_cart_from_everything(request(Some(user_id), tier_code, promo_code, at)?)
}

/// `Cart of ada, tier pro, at 2026-01-01T00:00:00+00:00: 43.98 USD`
fn heading(priced: &Priced) -> String {
    let user = priced.request.user_id.as_deref().unwrap_or_default();
    let tier = priced.request.tier_code.as_ref().map_or_else(String::new, |tier| format!(", tier {tier}"));
    let (at, total) = (iso_8601(priced.request.at), priced.quote.total());
    let greedy = match priced.quote.bundle_search {
        Search::Exact => "",
        Search::Greedy => " (bundles found by greedy search)",
    };
    format!("Cart of {user}{tier}, at {at}: {total} {}{greedy}", settings::currency())
}

extension_sql_file!(
    "../../sql/functions/explain.sql",
    name = "explain_functions",
    requires = [explain_cart, explain_cart_text]
);
