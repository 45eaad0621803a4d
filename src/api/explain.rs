//! Explanations of prices.

use pgrx::prelude::*;

use super::Answer;
use super::pricing::request;
use crate::error::Error;
use crate::operations::pricing::{self, Priced};
use crate::pg::call::Call;
use crate::pg::clock::iso_8601;
use crate::pg::datum::{Amount, Id, Text, Timestamp, required};
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use engine::bundles::Search;
use engine::explain::tree::tree;

/// The maximum length of an explanation in bytes.
const LONGEST_TEXT: usize = 8 << 20;

/// The maximum number of bytes that a step adds besides its text.
const STEP_LENGTH: usize = 200;

#[pg_extern(sql = r#"
CREATE FUNCTION "explain_cart"(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "step" pg_catalog.int4,
    "stage" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "source_id" pg_catalog.uuid,
    "source" pg_catalog.text,
    "outcome" pg_catalog.text,
    "base" pg_catalog.numeric,
    "discount" pg_catalog.numeric,
    "detail" pg_catalog.text
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn explain_cart(
    user_id: Option<Text>,
    tier_code: Option<Text>,
    promo_code: Option<Text>,
    at: Option<Timestamp>,
    call: Call,
) -> Answer<()> {
    let priced = priced(user_id, tier_code, promo_code, at)?;
    let mut rows = Tuplestore::open(&call);
    priced.with_steps(|steps| {
        for (number, step) in (1_i32..).zip(steps) {
            rows.push(|| {
                [
                    number.into_datum(),
                    Some(text_datum(step.stage.name())),
                    step.add_on_id.map(Id).into_datum(),
                    step.source_id.map(Id).into_datum(),
                    Some(text_datum(&step.source)),
                    Some(text_datum(step.outcome)),
                    step.base.map(Amount).into_datum(),
                    step.discount.map(Amount).into_datum(),
                    Some(text_datum(&step.detail)),
                ]
            });
        }
    });
    Ok(())
}

#[pg_extern(stable, parallel_safe)]
fn explain_cart_text(
    user_id: Option<Text>,
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Text> {
    let priced = priced(user_id, tier_code, promo_code, at)?;
    let mut length = 0;
    let text = priced.with_steps(|steps| {
        let that_fit = steps.take_while(|step| {
            length += STEP_LENGTH + step.source.len() + step.detail.len();
            length <= LONGEST_TEXT
        });
        tree(&heading(&priced), that_fit)
    });
    if length > LONGEST_TEXT {
        return Err(Error::ExplanationTooLong { longest: LONGEST_TEXT }.into());
    }
    Ok(Text(text))
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
    format!("Cart of {user}{tier}, at {at}: {total} {}{greedy}", priced.currency)
}

extension_sql_file!(
    "../../sql/functions/explain.sql",
    name = "explain_functions",
    requires = [explain_cart, explain_cart_text]
);
