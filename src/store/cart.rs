//! Reads and changes users' carts.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::installation;
use crate::pg::probe::Probe;
use crate::pg::statement::Statement;
use crate::store::catalog::billing_type;
use crate::store::{all_written, none_left};
use crate::{in_metadata, params, probe};
use engine::cart::{CartCandidate, QuantityChange, StoredLine};
use engine::money::Money;
use engine::time::Instant;

static LINES: Probe<TakenLine> = probe!("cart_items", ["add_on_id", "quantity", "billing_type", "added_at"], "user_id");

static CONTENTS: Statement<(Uuid, i32)> = Statement::new(
    "SELECT c.add_on_id, c.quantity FROM @extschema@.cart_items c WHERE c.user_id = $1 ORDER BY c.added_at, c.add_on_id",
);

static SHOWN: Statement<ShownColumns> = Statement::new(
    "SELECT c.id, c.add_on_id, a.name, a.description, a.category, a.icon_url, COALESCE(c.billing_type, a.billing_type), c.quantity,
            (a.base_price * 100)::bigint, c.added_at
       FROM @extschema@.cart_items c
       JOIN @extschema@.add_ons a ON a.id = c.add_on_id
      WHERE c.user_id = $1
      ORDER BY c.added_at, c.add_on_id",
);

/// Locked, so that nobody changes lines that are about to be sold.
static LOCKED_LINES: Statement<TakenLine> = Statement::new(
    "SELECT c.add_on_id, c.quantity, c.billing_type, c.added_at FROM @extschema@.cart_items c WHERE c.user_id = $1 FOR UPDATE",
);

static REMOVE_SOLD: Statement =
    Statement::new("DELETE FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.add_on_id = ANY ($2)");

/// Adds to the quantity unless that exceeds the limit: then no row comes back. Citus takes no parameters at the end
/// of an INSERT ... SELECT, so `FOR_SALE` is queried first there.
static ADD: Statement<(Uuid, Uuid, i32)> = Statement::new_or_distributed(
    "INSERT INTO @extschema@.cart_items AS c (user_id, add_on_id, quantity)
     SELECT $1, a.id, $3
       FROM @extschema@.add_ons a
      WHERE a.id = $2 AND a.is_active AND $3 <= $4
     ON CONFLICT ON CONSTRAINT cart_items_user_add_on_key DO UPDATE
        SET quantity=(c.quantity + excluded.quantity), updated_at=excluded.updated_at
      WHERE ($4 - c.quantity) >= excluded.quantity
     RETURNING c.id, c.add_on_id, c.quantity",
    "INSERT INTO @extschema@.cart_items AS c (user_id, add_on_id, quantity)
     VALUES ($1, $2, $3)
     ON CONFLICT ON CONSTRAINT cart_items_user_add_on_key DO UPDATE
        SET quantity=(c.quantity + excluded.quantity), updated_at=excluded.updated_at
      WHERE ($4 - c.quantity) >= excluded.quantity
     RETURNING c.id, c.add_on_id, c.quantity",
);

static FOR_SALE: Statement =
    Statement::new("SELECT FROM @extschema@.add_ons a WHERE a.id = $1 AND a.is_active AND $2 <= $3");

static SET: Statement<(Uuid, Uuid, i32)> = Statement::new(
    "INSERT INTO @extschema@.cart_items AS c (user_id, add_on_id, quantity)
     SELECT $1, a.id, $3
       FROM @extschema@.add_ons a
      WHERE a.id = $2 AND a.is_active AND $3 <= $4
     ON CONFLICT ON CONSTRAINT cart_items_user_add_on_key DO UPDATE
        SET quantity=excluded.quantity, updated_at=excluded.updated_at
     RETURNING c.id, c.add_on_id, c.quantity",
);

/// Whether an add-on can be put into a cart.
static CANDIDATE: Statement<(String, bool, Option<i32>)> = Statement::new(
    "SELECT a.name, a.is_active,
            (SELECT c.quantity FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.add_on_id = a.id)
       FROM @extschema@.add_ons a
      WHERE a.id = $2",
);

/// The lines of a checkout that are no longer in the cart and are still for sale.
static RESTORE: Statement = Statement::new(concat!(
    "INSERT INTO @extschema@.cart_items (user_id, add_on_id, quantity, billing_type)
     SELECT $1, p.add_on_id, p.quantity,
            CASE WHEN ",
    in_metadata!(-> quote_line ->> "billing_type"),
    " <> a.billing_type
                 THEN ",
    in_metadata!(-> quote_line ->> "billing_type"),
    " END
       FROM @extschema@.add_on_purchases p
       JOIN @extschema@.add_ons a ON a.id = p.add_on_id
      WHERE p.user_id = $1 AND p.checkout_id = $2 AND a.is_active AND p.status = 'failed'
     ON CONFLICT ON CONSTRAINT cart_items_user_add_on_key DO NOTHING"
));

/// The lines of a checkout that should be back in the cart and are not.
static NOT_RESTORED: Statement = Statement::new(
    "SELECT
       FROM @extschema@.add_on_purchases p
       JOIN @extschema@.add_ons a ON a.id = p.add_on_id
      WHERE p.user_id = $1 AND p.checkout_id = $2 AND a.is_active AND p.status = 'failed'
        AND NOT EXISTS (SELECT FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.add_on_id = p.add_on_id)",
);

static REMOVE: Statement =
    Statement::new("DELETE FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.add_on_id = $2");

static IS_THERE: Statement<(bool,)> =
    Statement::new("SELECT EXISTS (SELECT FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.add_on_id = $2)");

/// Locks all lines of a cart, so that their number is known before they are deleted.
static LOCK: Statement = Statement::new("SELECT FROM @extschema@.cart_items c WHERE c.user_id = $1 FOR UPDATE");

/// Takes all lines out of a cart.
static TAKE: Statement<TakenLine> = Statement::new(
    "DELETE FROM @extschema@.cart_items c WHERE c.user_id = $1 RETURNING c.add_on_id, c.quantity, c.billing_type, c.added_at",
);

/// Puts lines into a cart. For an add-on that is already in it, the larger quantity stays.
static MERGE: Statement = Statement::new(
    "INSERT INTO @extschema@.cart_items AS c (user_id, add_on_id, quantity, billing_type, added_at)
     SELECT $1, line.add_on_id, line.quantity, line.billing_type, line.added_at
       FROM unnest($2, $3, $4, $5) AS line (add_on_id, quantity, billing_type, added_at)
     ON CONFLICT ON CONSTRAINT cart_items_user_add_on_key DO UPDATE
        SET quantity=pg_catalog.int4larger(c.quantity, excluded.quantity)",
);

static CLEAR: Statement = Statement::new("DELETE FROM @extschema@.cart_items c WHERE c.user_id = $1");

/// Add-on, quantity, and the row's own billing type.
type LineColumns = (Uuid, i32, Option<String>);

/// The same, and when it was added.
pub type TakenLine = (Uuid, i32, Option<String>, Instant);

/// The columns of a line for display, in its order, with the price in cents.
type ShownColumns = (Uuid, Uuid, String, Option<String>, String, Option<String>, String, i32, i64, Instant);

/// A line of a cart for display, with the catalog data of its add-on.
#[derive(Debug)]
pub struct ShownLine {
    /// `cart_items.id`
    pub id: Uuid,
    pub add_on_id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub category: String,
    pub icon_url: Option<String>,
    /// The line's own, or else the add-on's.
    pub billing_type: String,
    pub quantity: i32,
    pub base_price: Money,
    pub added_at: Instant,
}

/// A row of `cart_items` after it was written.
#[derive(Clone, Copy, Debug)]
pub struct CartItem {
    /// `cart_items.id`
    pub id: Uuid,
    /// The add-on.
    pub add_on_id: Uuid,
    /// The units of it that are now in the cart.
    pub quantity: i32,
}

/// The user's cart, in the order in which its lines were added.
pub fn lines(user_id: &str) -> Result<Vec<StoredLine>, Error> {
    LINES.read_all(params![user_id], dated).map(in_order)
}

/// A line with its place.
fn dated((add_on_id, quantity, charged, added_at): TakenLine) -> ((Instant, Uuid), StoredLine) {
    ((added_at, add_on_id), stored_line((add_on_id, quantity, charged)))
}

/// Lines in the order in which they were added.
fn in_order(mut lines: Vec<((Instant, Uuid), StoredLine)>) -> Vec<StoredLine> {
    lines.sort_unstable_by_key(|(place, _)| *place);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The user's cart for display, in the same order.
pub fn shown_lines(user_id: &str) -> Result<Vec<ShownLine>, Error> {
    SHOWN.read_all(params![user_id], |columns| {
        let (id, add_on_id, name, description, category, icon_url, billing_type, quantity, cents, added_at) = columns;
        let base_price = Money::from_cents(cents);
        ShownLine { id, add_on_id, name, description, category, icon_url, billing_type, quantity, base_price, added_at }
    })
}

/// The user's current cart, locked until the transaction ends.
pub fn locked_lines(user_id: &str) -> Result<Vec<StoredLine>, Error> {
    LOCKED_LINES.execute_all(params![user_id], dated).map(in_order)
}

/// The line of these columns.
pub fn stored_line((add_on_id, quantity, charged): LineColumns) -> StoredLine {
    StoredLine { add_on_id, quantity, billing_type: charged.map(billing_type) }
}

/// Takes the sold lines out of the cart.
pub fn remove_sold(user_id: &str, add_on_ids: &[Uuid]) -> Result<(), Error> {
    let removed = REMOVE_SOLD.perform(params![user_id, add_on_ids])?;
    all_written("cart_items", add_on_ids.len(), removed)
}

/// Puts units of an add-on into the cart. Returns `None` if nothing was written.
pub fn put(
    change: QuantityChange,
    user_id: &str,
    add_on_id: Uuid,
    quantity: i32,
    limit: i32,
) -> Result<Option<CartItem>, Error> {
    let [add_on, units, most] = params![add_on_id, quantity, limit];
    if installation::is_distributed()? && FOR_SALE.perform(&[add_on, units, most])? == 0 {
        return Ok(None);
    }
    let statement = if change == QuantityChange::Add { &ADD } else { &SET };
    let item = |(id, add_on_id, quantity)| CartItem { id, add_on_id, quantity };
    statement.execute_one(params![user_id, add_on, units, most], item)
}

/// What decides whether an add-on can be put into the cart; `None` if it does not exist.
pub fn candidate(user_id: &str, add_on_id: Uuid) -> Result<Option<CartCandidate>, Error> {
    CANDIDATE.execute_one(params![user_id, add_on_id], |(name, is_active, in_cart)| CartCandidate {
        add_on_id,
        name,
        is_active,
        in_cart: in_cart.unwrap_or(0),
    })
}

/// Takes an add-on out of the cart. Returns whether it was in it.
pub fn remove(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    if REMOVE.perform(params![user_id, add_on_id])? > 0 {
        return Ok(true);
    }
    match IS_THERE.execute_one(params![user_id, add_on_id], |(is_there,)| is_there)? {
        Some(true) => Err(Error::RowSwallowed { table: "cart_items", meant: 1, written: 0 }),
        _ => Ok(false),
    }
}

/// Takes all lines out of the user's cart.
pub fn take(user_id: &str) -> Result<Vec<TakenLine>, Error> {
    let locked = LOCK.perform(params![user_id])?;
    let lines = TAKE.execute_all(params![user_id], |line| line)?;
    none_left("cart_items", locked, lines.len() as u64)?;
    Ok(lines)
}

/// Puts lines into the user's cart. For an add-on that is already in it, the larger quantity stays.
pub fn merge(user_id: &str, lines: &[TakenLine]) -> Result<(), Error> {
    let add_on_ids: Vec<Uuid> = lines.iter().map(|line| line.0).collect();
    let quantities: Vec<i32> = lines.iter().map(|line| line.1).collect();
    let billing_types: Vec<Option<&str>> = lines.iter().map(|line| line.2.as_deref()).collect();
    let times: Vec<Option<Instant>> = lines.iter().map(|line| Some(line.3)).collect();
    let merged = MERGE.perform(params![user_id, add_on_ids, quantities, billing_types, times])?;
    all_written("cart_items", lines.len(), merged)
}

/// The add-ons in a cart and their quantities, in the order in which they were added.
pub fn contents(user_id: &str) -> Result<Vec<(Uuid, i32)>, Error> {
    CONTENTS.execute_all(params![user_id], |line| line)
}

/// Empties the cart. Returns the number of its lines.
pub fn clear(user_id: &str) -> Result<u64, Error> {
    let locked = LOCK.perform(params![user_id])?;
    let cleared = CLEAR.perform(params![user_id])?;
    none_left("cart_items", locked, cleared)?;
    Ok(cleared)
}

/// Puts the lines of a failed checkout back into the cart, unless they are already in it again.
pub fn restore(user_id: &str, checkout_id: Uuid) -> Result<u64, Error> {
    let restored = RESTORE.perform(params![user_id, checkout_id])?;
    let missing = NOT_RESTORED.perform(params![user_id, checkout_id])?;
    none_left("cart_items", restored + missing, restored)?;
    Ok(restored)
}
