//! Setting what renewals of an add-on cost to its price of today (semantics 5).

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::datum::now;
use crate::pg::settings;
use crate::pg::statement::Statement;
use crate::store::{all_written, catalog_cache};
use engine::quote::price_alone;

static QUANTITIES: Statement<(i32,)> = Statement::new(
    "SELECT DISTINCT u.quantity
       FROM @extschema@.user_add_ons u
      WHERE u.add_on_id = $1 AND u.renewal_amount IS NOT NULL",
);

/// The amount is no longer that of the purchase, and stays when the purchase's code runs out.
macro_rules! set_amount {
    ($amount:literal) => {
        concat!(
            "UPDATE @extschema@.user_add_ons AS u
                SET renewal_amount=",
            $amount,
            ", updated_at=pg_catalog.now(),
                    sources=CASE WHEN u.sources ? 'priced_by'
                                 THEN pg_catalog.jsonb_set(u.sources, '{priced_by}',
                                        pg_catalog.to_jsonb((pg_catalog.split_part((u.sources ->> 'priced_by'), ' ', 1) || ' repriced')))
                                 ELSE u.sources END"
        )
    };
}

/// Counts in one statement what is to change and what has changed, so that it is known whether a trigger has swallowed a row. Over Citus,
/// where there are none, it counts the same rows twice.
static REPRICE: Statement<(i64, i64)> = Statement::new_or_distributed(
    concat!(
        "WITH due AS MATERIALIZED (
                SELECT u.id, (price.cents::numeric / 100) AS amount
                  FROM @extschema@.user_add_ons u
                  JOIN unnest($2, $3) AS price (quantity, cents) ON price.quantity = u.quantity
                 WHERE u.add_on_id = $1 AND u.renewal_amount <> (price.cents::numeric / 100)
                   FOR UPDATE OF u),
              changed AS (",
        set_amount!("due.amount"),
        "         FROM due
                 WHERE u.id = due.id
                RETURNING u.id)
         SELECT (SELECT pg_catalog.count(*) FROM due), (SELECT pg_catalog.count(*) FROM changed)"
    ),
    concat!(
        "WITH changed AS (",
        set_amount!("(price.cents::numeric / 100)"),
        "         FROM unnest($2, $3) AS price (quantity, cents)
                 WHERE u.add_on_id = $1 AND price.quantity = u.quantity AND u.renewal_amount <> (price.cents::numeric / 100)
                RETURNING u.id)
         SELECT (SELECT pg_catalog.count(*) FROM changed), (SELECT pg_catalog.count(*) FROM changed)"
    ),
);

/// Sets what renewing an add-on costs to today's price, for everybody who has it by purchase. Says how many amounts changed.
pub fn reprice(add_on_id: Uuid) -> Result<u64, Error> {
    let offer = catalog_cache::offer(add_on_id)?.ok_or(Error::AddOnNotFound { add_on_id })?;
    let unit = settings::currency()?.unit();
    let quantities = QUANTITIES.execute_all(params![add_on_id], |(quantity,)| quantity)?;
    let mut cents = Vec::with_capacity(quantities.len());
    for &quantity in &quantities {
        cents.push(price_alone(&offer, quantity.max(1) as u32, None, now(), unit)?.cents());
    }
    let counted = REPRICE.execute_one(params![add_on_id, &quantities, &cents], |counts| counts)?;
    let (due, changed) = counted.unwrap_or_default();
    all_written("user_add_ons", due as usize, changed as u64)?;
    Ok(changed as u64)
}
