//! The renewal prices of users who have bought an add-on.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;
use crate::store::all_written;
use engine::money::Money;
use engine::time::Instant;

static QUANTITIES: Statement<(i32,)> = Statement::new(
    "SELECT DISTINCT u.quantity
       FROM @extschema@.user_add_ons u
      WHERE u.add_on_id = $1 AND u.renewal_amount IS NOT NULL",
);

/// The amount is no longer the purchase's, and stays when the purchase's code runs out.
macro_rules! set_amount {
    ($amount:literal) => {
        concat!(
            "UPDATE @extschema@.user_add_ons AS u
                SET renewal_amount=",
            $amount,
            ", updated_at=pg_catalog.now(),
                    sources=CASE WHEN u.sources ? 'priced_by'
                                 THEN pg_catalog.jsonb_set(u.sources, '{priced_by,price}', '\"repriced\"'::jsonb)
                                 ELSE u.sources END"
        )
    };
}

/// Counts in one statement the rows to be changed and the changed rows, to detect a trigger that suppresses rows.
/// With Citus, which has no triggers, it counts the same rows twice.
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

static PRICED: Statement<(String, Option<Instant>, i32, i64)> = Statement::new(
    "SELECT u.user_id, u.expires_at, u.quantity, (u.renewal_amount * 100)::bigint
       FROM @extschema@.user_add_ons u
      WHERE u.add_on_id = $1 AND u.renewal_amount IS NOT NULL",
);

/// The numbers of units of an add-on for which some renewal has a price.
pub fn quantities(add_on_id: Uuid) -> Result<Vec<i32>, Error> {
    QUANTITIES.execute_all(params![add_on_id], |(quantity,)| quantity)
}

/// Sets the renewal price of this many units. Returns the number of changed amounts.
pub fn reprice(add_on_id: Uuid, quantities: &[i32], cents: &[i64]) -> Result<u64, Error> {
    let counted = REPRICE.execute_one(params![add_on_id, &quantities.to_vec(), &cents.to_vec()], |counts| counts)?;
    let (due, changed) = counted.unwrap_or_default();
    all_written("user_add_ons", due as usize, changed as u64)?;
    Ok(changed as u64)
}

/// A user's renewal that has a price.
#[derive(Debug)]
pub struct PricedRenewal {
    pub user_id: String,
    pub due_at: Option<Instant>,
    pub quantity: i32,
    pub amount: Money,
}

/// Passes on the renewals of an add-on that have a price.
pub fn priced(add_on_id: Uuid, mut each: impl FnMut(PricedRenewal) -> Result<(), Error>) -> Result<(), Error> {
    PRICED.read(params![add_on_id], |(user_id, due_at, quantity, cents)| {
        each(PricedRenewal { user_id, due_at, quantity, amount: Money::from_cents(cents) })
    })
}
