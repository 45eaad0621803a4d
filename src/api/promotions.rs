//! Checks of promotional codes.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::Error;
use crate::operations::pricing::{self, Request};
use crate::pg::datum::{Amount, Text, Timestamp, required};
use crate::store::promotions;
use engine::promotions::{PromoRequest, Redeemer, Refusal, refusals};
use engine::time::Instant;

/// A row of validate_promo_code.
type Validation =
    (bool, Vec<Text>, Option<Text>, Option<Amount>, Option<Amount>, Option<Amount>, Option<Amount>, Option<Amount>);

#[pg_extern(stable, parallel_safe)]
fn validate_promo_code(
    code: Option<Text>,
    user_id: default!(Option<Text>, "NULL"),
    tier_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(valid, bool),
            name!(reasons, Vec<Text>),
            name!(discount_type, Option<Text>),
            name!(discount_value, Option<Amount>),
            name!(eligible_amount, Option<Amount>),
            name!(discount, Option<Amount>),
            name!(cart_total, Option<Amount>),
            name!(final_total, Option<Amount>),
        ),
    >,
    ErrorReport,
> {
    let Text(code) = required(code, "code")?;
    let Timestamp(at) = required(at, "at")?;
    let tier_code = tier_code.map(|text| text.0);
    let validation = match user_id {
        Some(Text(user_id)) => against_cart(code, user_id, tier_code, at)?,
        None => without_user(&code, tier_code.as_deref(), at)?,
    };
    Ok(TableIterator::once(validation))
}

fn against_cart(code: String, user_id: String, tier_code: Option<String>, at: Instant) -> Result<Validation, Error> {
    let request = Request { user_id: Some(user_id), tier_code, promo_code: Some(code), at };
    let priced = pricing::price_stored_cart(request)?;
    let outcome = priced.quote.promo.clone().unwrap_or_default();
    let final_total = priced.quote.total();
    let (valid, reasons, discount_type, discount_value) = verdict(&outcome.refusals, priced.promo.as_ref());
    Ok((
        valid,
        reasons,
        discount_type,
        discount_value,
        Some(Amount(outcome.eligible_amount())),
        Some(Amount(outcome.discount)),
        Some(Amount(final_total + outcome.discount)),
        Some(Amount(final_total)),
    ))
}

/// Without a user there is no cart, and restrictions that need a user refuse.
fn without_user(code: &str, tier_code: Option<&str>, at: Instant) -> Result<Validation, Error> {
    let request = promotions::request(code)?;
    let redeemer = Redeemer { user_id: None, tier_code, is_first_purchase: false, uses: 0, at };
    let refusals = refusals(request.terms.as_ref(), &redeemer, None);
    let (valid, reasons, discount_type, discount_value) = verdict(&refusals, Some(&request));
    Ok((valid, reasons, discount_type, discount_value, None, None, None, None))
}

/// The columns that depend on the code alone.
fn verdict(refusals: &[Refusal], request: Option<&PromoRequest>) -> (bool, Vec<Text>, Option<Text>, Option<Amount>) {
    let terms = request.and_then(|request| request.terms.as_ref());
    (
        refusals.is_empty(),
        refusals.iter().map(|refusal| Text(refusal.name().to_owned())).collect(),
        terms.map(|code| Text(code.discount.name().to_owned())),
        terms.map(|code| Amount(code.discount.value())),
    )
}

extension_sql_file!(
    "../../sql/functions/promotions.sql",
    name = "promotions_functions",
    requires = [validate_promo_code]
);
