//! Checks of promotional codes.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::operations::promotions::{self, Validation};
use crate::pg::datum::{Amount, Text, Timestamp, required};

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
    let Validation { refusals, discount, in_cart } = match user_id {
        Some(Text(user_id)) => promotions::validate_for_user(code, user_id, tier_code, at)?,
        None => promotions::validate_for_nobody(&code, tier_code.as_deref(), at)?,
    };
    Ok(TableIterator::once((
        refusals.is_empty(),
        refusals.iter().map(|refusal| Text(refusal.name().to_owned())).collect(),
        discount.map(|discount| Text(discount.name().to_owned())),
        discount.map(|discount| Amount(discount.value())),
        in_cart.map(|cart| Amount(cart.eligible_amount)),
        in_cart.map(|cart| Amount(cart.discount)),
        in_cart.map(|cart| Amount(cart.total + cart.discount)),
        in_cart.map(|cart| Amount(cart.total)),
    )))
}

extension_sql_file!(
    "../../sql/functions/promotions.sql",
    name = "promotions_functions",
    requires = [validate_promo_code]
);
