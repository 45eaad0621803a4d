//! Prices of add-ons, of arbitrary items and of stored carts.

use pgrx::prelude::*;

use super::{Answer, at_least};
use crate::error::Error;
use crate::operations::pricing::{self, CartLine, Priced, Request, Totals};
use crate::pg::call::Call;
use crate::pg::datum::{Amount, Id, Str, Text, Timestamp, required};
use crate::pg::document::{self, Document};
use crate::pg::jsonb::Jsonb;
use crate::pg::settings;
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use crate::store::catalog_cache;
use engine::items;
use engine::quote::price_alone;

#[pg_extern(stable, parallel_safe)]
fn price_add_on(
    add_on_id: Option<Id>,
    quantity: default!(Option<i32>, 1),
    tier_code: default!(Option<Str<'_>>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Amount> {
    let Id(add_on_id) = required(add_on_id, "add_on_id")?;
    let quantity = at_least(1, required(quantity, "quantity")?)?;
    let Timestamp(at) = required(at, "at")?;
    let offer = catalog_cache::offer(add_on_id)?.ok_or(Error::AddOnNotFound { add_on_id })?;
    let price =
        price_alone(&offer, quantity, tier_code.as_deref(), at, settings::currency()?.unit()).map_err(Error::from)?;
    Ok(Amount(price))
}

#[pg_extern(stable, parallel_safe, name = "quote")]
fn quote_items(
    items: Option<Document<'_>>,
    user_id: default!(Option<Text>, "NULL"),
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Jsonb> {
    let malformed = |malformed| Error::MalformedArgument { argument: "items", malformed, shape: items::SHAPE };
    let quantities = {
        let items = required(items, "items")?.read("items", document::ITEMS)?.map_err(malformed)?;
        items::parse(&items).map_err(malformed)?
    };
    Ok(pricing::price_items(request(user_id, tier_code, promo_code, at)?, &quantities)?.to_json())
}

#[pg_extern(stable, parallel_safe)]
fn price_cart(
    user_id: Option<Text>,
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Jsonb> {
    Ok(stored_cart(user_id, tier_code, promo_code, at)?.to_json())
}

#[pg_extern(stable, parallel_safe)]
fn cart_total(
    user_id: Option<Text>,
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Answer<Amount> {
    Ok(Amount(stored_cart(user_id, tier_code, promo_code, at)?.quote.total()))
}

#[pg_extern(sql = r#"
CREATE FUNCTION "cart_lines"(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "cart_item_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "description" pg_catalog.text,
    "category" pg_catalog.text,
    "icon_url" pg_catalog.text,
    "billing_type" pg_catalog.text,
    "quantity" pg_catalog.int4,
    "unit_list_price" pg_catalog.numeric,
    "list_amount" pg_catalog.numeric,
    "discount" pg_catalog.numeric,
    "total" pg_catalog.numeric,
    "added_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn cart_lines(
    user_id: Option<Text>,
    tier_code: Option<Text>,
    promo_code: Option<Text>,
    at: Option<Timestamp>,
    call: Call,
) -> Answer<()> {
    let user_id = required(user_id, "user_id")?;
    let lines = pricing::price_shown_cart(request(Some(user_id), tier_code, promo_code, at)?)?;
    let mut rows = Tuplestore::open(&call);
    for CartLine { shown, price } in lines {
        rows.push(|| {
            [
                Id(shown.id).into_datum(),
                Id(shown.add_on_id).into_datum(),
                Some(text_datum(&shown.name)),
                shown.description.as_deref().map(text_datum),
                Some(text_datum(&shown.category)),
                shown.icon_url.as_deref().map(text_datum),
                Some(text_datum(&shown.billing_type)),
                shown.quantity.into_datum(),
                Amount(shown.base_price).into_datum(),
                price.and_then(|price| Amount(price.list_amount).into_datum()),
                price.and_then(|price| Amount(price.list_amount - price.total).into_datum()),
                price.and_then(|price| Amount(price.total).into_datum()),
                Timestamp(shown.added_at).into_datum(),
            ]
        });
    }
    Ok(())
}

#[pg_extern(sql = r#"
CREATE FUNCTION "price_carts"(
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "user_id" pg_catalog.text,
    "line_count" pg_catalog.int4,
    "list_total" pg_catalog.numeric,
    "discount_total" pg_catalog.numeric,
    "total" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn price_carts(tier_code: Option<Text>, promo_code: Option<Text>, at: Option<Timestamp>, call: Call) -> Answer<()> {
    let request = request(None, tier_code, promo_code, at)?;
    let mut carts = Tuplestore::open(&call);
    pricing::price_every_cart(request, |user_id, Totals { line_count, list_total, total, .. }| {
        carts.push(|| {
            [
                Some(text_datum(user_id)),
                (line_count as i32).into_datum(),
                Amount(list_total).into_datum(),
                Amount(list_total - total).into_datum(),
                Amount(total).into_datum(),
            ]
        });
    })?;
    Ok(())
}

fn stored_cart(
    user_id: Option<Text>,
    tier_code: Option<Text>,
    promo_code: Option<Text>,
    at: Option<Timestamp>,
) -> Result<Priced, Error> {
    let user_id = required(user_id, "user_id")?;
    pricing::price_stored_cart(request(Some(user_id), tier_code, promo_code, at)?)
}

/// The arguments of the pricing functions.
pub(super) fn request(
    user_id: Option<Text>,
    tier_code: Option<Text>,
    promo_code: Option<Text>,
    at: Option<Timestamp>,
) -> Result<Request, Error> {
    Ok(Request {
        user_id: user_id.map(|text| text.0),
        tier_code: tier_code.map(|text| text.0),
        promo_code: promo_code.map(|text| text.0),
        at: required(at, "at")?.0,
    })
}

extension_sql_file!(
    "../../sql/functions/pricing.sql",
    name = "pricing_functions",
    requires = [price_add_on, quote_items, price_cart, cart_total, cart_lines, price_carts]
);

#[cfg(feature = "pg_test")]
#[pg_schema]
mod tests {
    use pgrx::prelude::*;

    fn total(query: &str) -> String {
        Spi::get_one::<String>(query).unwrap().unwrap()
    }

    fn fill_cart() {
        Spi::run("SELECT * FROM load_sample_catalog()").unwrap();
        Spi::run("SELECT * FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')").unwrap();
    }

    #[pg_test]
    fn a_price_is_read_under_the_snapshot_of_the_calling_query() {
        fill_cart();
        // The update has happened when its RETURNING list is evaluated, but this very query does not see it.
        let query = "UPDATE cart_items SET quantity = 2 RETURNING cart_total('ada')::text";
        assert_eq!(total(query), "19.99");
        assert_eq!(total("SELECT cart_total('ada')::text"), "39.98");
    }

    #[pg_test]
    fn a_price_follows_changes_of_the_same_transaction_and_their_undoing() {
        fill_cart();
        assert_eq!(total("SELECT cart_total('ada')::text"), "19.99");
        Spi::run(
            "DO $$ BEGIN
               UPDATE add_ons SET base_price = 5 WHERE name = 'Brigade';
               ASSERT cart_total('ada') = 5;
               RAISE division_by_zero;
             EXCEPTION WHEN division_by_zero THEN
               ASSERT cart_total('ada') = 19.99;
             END $$",
        )
        .unwrap();
        assert_eq!(total("SELECT cart_total('ada')::text"), "19.99");
    }

    #[pg_test]
    fn an_unknown_code_is_normalised() {
        fill_cart();
        let query = "SELECT price_cart('ada', promo_code => E' stra\u{df}e\\n ') -> 'promo' ->> 'code'
                          = 'STRASSE'";
        assert_eq!(Spi::get_one::<bool>(query).unwrap(), Some(true));
    }
}
