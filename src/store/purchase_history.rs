//! What a user has bought, newest first.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;
use engine::money::Money;
use engine::time::Instant;

macro_rules! history {
    ($($and_status:literal)?) => {
        Statement::new(concat!(
            "SELECT p.id, p.add_on_id, a.name, p.quantity, (p.amount * 100)::bigint, p.currency, p.status,
                    (p.refund_amount * 100)::bigint, p.purchased_at
               FROM @extschema@.add_on_purchases p
               JOIN @extschema@.add_ons a ON a.id = p.add_on_id
              WHERE p.user_id = $1 ", $($and_status,)? "
              ORDER BY p.purchased_at DESC, p.add_on_id, p.id
              LIMIT $2 OFFSET $3"
        ))
    };
}

/// The columns of an entry, in its order, amounts in cents.
type EntryColumns = (Uuid, Uuid, String, i32, i64, String, String, i64, Instant);

static ALL: Statement<EntryColumns> = history!();
static WITH_STATUS: Statement<EntryColumns> = history!("AND p.status = $4");

/// A purchase in a history.
#[derive(Debug)]
pub struct Entry {
    pub purchase_id: Uuid,
    pub add_on_id: Uuid,
    pub name: String,
    pub quantity: i32,
    pub amount: Money,
    pub currency: String,
    pub status: String,
    pub refunded: Money,
    pub purchased_at: Instant,
}

/// Hands over a page of the user's purchases, of one status or of all; `None` is no limit and none to leave out.
pub fn page(
    user_id: &str,
    status: Option<&str>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    mut each: impl FnMut(Entry),
) -> Result<(), Error> {
    let take = |columns| {
        each(read_entry(columns));
        Ok(())
    };
    match status {
        Some(status) => WITH_STATUS.read(params![user_id, max_rows, skip, status], take),
        None => ALL.read(params![user_id, max_rows, skip], take),
    }
}

fn read_entry(columns: EntryColumns) -> Entry {
    let (purchase_id, add_on_id, name, quantity, cents, currency, status, refunded, purchased_at) = columns;
    let (amount, refunded) = (Money::from_cents(cents), Money::from_cents(refunded));
    Entry { purchase_id, add_on_id, name, quantity, amount, currency, status, refunded, purchased_at }
}
