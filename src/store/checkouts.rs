//! Checkouts: their purchases, and the idempotency keys of their calls.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::document::{Document, DocumentColumn};
use crate::pg::jsonb::Jsonb;
use crate::pg::locks::{LatestSnapshot, transaction_keeps_its_snapshot};
use crate::pg::row::RawText;
use crate::pg::statement::Statement;
use crate::store::all_written;
use crate::store::purchases::status_of;
use crate::{in_metadata, metadata_key, params};
use engine::json::Malformed;
use engine::money::Money;
use engine::purchases::PurchaseStatus;

static FIND_KEY: Statement<(Uuid, DocumentColumn)> = Statement::new(concat!(
    "SELECT p.checkout_id, ",
    in_metadata!(-> request),
    "
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND ",
    in_metadata!(->> idempotency_key),
    " = $2 AND ",
    in_metadata!(?idempotency_key)
));

static INSERT: Statement<(Uuid, Uuid)> = Statement::new(
    "INSERT INTO @extschema@.add_on_purchases
            (user_id, checkout_id, promo_code, currency, id, add_on_id, amount, quantity, metadata)
     SELECT $1, $2, $3, $4, line.id, line.add_on_id, (line.cents::numeric / 100), line.quantity, COALESCE(line.metadata, $10)
       FROM unnest($5, $6, $7, $8, $9) AS line (id, add_on_id, cents, quantity, metadata)
     RETURNING add_on_id, id",
);

static STORED: Statement<(Uuid, Uuid, Uuid, i32, i64, String, RawText)> = Statement::new(concat!(
    "SELECT p.checkout_id, p.id, p.add_on_id, p.quantity, (p.amount * 100)::bigint, p.currency, p.status
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND p.checkout_id = $2
      ORDER BY ",
    in_metadata!(-> position),
    ", p.add_on_id"
));

/// A purchase that a checkout made.
#[derive(Debug)]
pub struct CheckoutLine {
    pub checkout_id: Uuid,
    pub purchase_id: Uuid,
    pub add_on_id: Uuid,
    pub quantity: i32,
    pub amount: Money,
    pub currency: String,
    pub status: PurchaseStatus,
}

/// An earlier checkout, and the request that made it.
pub type Earlier = (Uuid, Result<Value, Malformed>);

/// The checkout that the user made under an idempotency key.
pub fn of_key(user_id: &str, key: &str) -> Result<Option<Earlier>, Error> {
    let read =
        |(checkout_id, request): (Uuid, Document<'_>)| (checkout_id, request.read_or_malformed(metadata_key!(request)));
    FIND_KEY.execute_one(params![user_id, key], read)
}

/// Whether a checkout exists that the transaction cannot see because of its older snapshot.
pub fn is_unseen(user_id: &str, key: &str) -> Result<bool, Error> {
    if !transaction_keeps_its_snapshot() {
        return Ok(false);
    }
    let _now = LatestSnapshot::take();
    FIND_KEY.any(params![user_id, key], |_| true)
}

/// Writes the purchases of a checkout with their snapshots; the first one's is passed separately. Returns the ids
/// under which they are stored.
pub fn insert(
    user_id: &str,
    promo_code: Option<&str>,
    sold: &mut Vec<CheckoutLine>,
    snapshots: Vec<Option<Jsonb>>,
    first: Option<Jsonb>,
) -> Result<(), Error> {
    let Some(CheckoutLine { checkout_id, currency, .. }) = sold.first() else { return Ok(()) };
    let add_on_ids: Vec<Uuid> = sold.iter().map(|sold| sold.add_on_id).collect();
    let cents: Vec<i64> = sold.iter().map(|sold| sold.amount.cents()).collect();
    let quantities: Vec<i32> = sold.iter().map(|sold| sold.quantity).collect();
    let ids: Vec<Uuid> = sold.iter().map(|sold| sold.purchase_id).collect();
    let params =
        params![user_id, *checkout_id, promo_code, currency, ids, &add_on_ids, &cents, &quantities, &snapshots, first];
    let written: HashMap<Uuid, Uuid> = INSERT.execute_all(params, |row| row)?.into_iter().collect();
    sold.retain_mut(|sold| written.get(&sold.add_on_id).inspect(|&&id| sold.purchase_id = id).is_some());
    all_written("add_on_purchases", add_on_ids.len(), sold.len() as u64)
}

/// A checkout as it is stored.
pub fn lines(user_id: &str, checkout_id: Uuid) -> Result<Vec<CheckoutLine>, Error> {
    STORED.execute_all(
        params![user_id, checkout_id],
        |(checkout_id, purchase_id, add_on_id, quantity, cents, currency, status)| CheckoutLine {
            checkout_id,
            purchase_id,
            add_on_id,
            quantity,
            amount: Money::from_cents(cents),
            currency,
            status: status_of(status),
        },
    )
}
