//! What a user has bought, newest first.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::statement::{Param, Row, Statement};
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

static ALL: Statement = history!();
static WITH_STATUS: Statement = history!("AND p.status = $4");

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

/// A page of the user's purchases, of one status or of all; `None` is no limit and none to leave out.
pub fn page(
    user_id: &str,
    status: Option<&str>,
    max_rows: Option<i32>,
    skip: Option<i32>,
) -> Result<Vec<Entry>, Error> {
    let mut params = vec![Param::Text(user_id), Param::OptionalInt(max_rows), Param::OptionalInt(skip)];
    params.extend(status.map(Param::Text));
    let statement = if status.is_some() { &WITH_STATUS } else { &ALL };
    statement.read_all(&params, read_entry)
}

fn read_entry(row: &Row) -> Entry {
    Entry {
        purchase_id: row.get(0),
        add_on_id: row.get(1),
        name: row.get(2),
        quantity: row.get(3),
        amount: Money::from_cents(row.get(4)),
        currency: row.get(5),
        status: row.get(6),
        refunded: Money::from_cents(row.get(7)),
        purchased_at: row.get(8),
    }
}
