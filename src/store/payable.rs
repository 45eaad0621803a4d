//! A checkout with the data that its payment provider needs.

use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::document::{self, Budget, Document, DocumentColumn};
use crate::pg::row::RawText;
use crate::pg::statement::Statement;
use crate::store::metadata::COLUMN;
use crate::store::purchases::status_of;
use crate::{in_metadata, params};
use engine::billing::BillingType;
use engine::json::decimal;
use engine::money::Money;
use engine::purchases::PurchaseStatus;
use engine::stripe_checkout::LineItem;

static OWNER: Statement<(String,)> =
    Statement::new("SELECT p.user_id FROM @extschema@.add_on_purchases p WHERE p.checkout_id = $1 LIMIT 1");

/// The name and billing type of a line are in its snapshot. For a purchase without a snapshot, the catalog has them.
static LINES: Statement<(Uuid, String, String, i32, i64, Option<DocumentColumn>)> = Statement::new(concat!(
    "SELECT p.add_on_id, a.name, a.billing_type, p.quantity, (p.amount * 100)::bigint, ",
    in_metadata!(-> quote_line),
    "
       FROM @extschema@.add_on_purchases p
       JOIN @extschema@.add_ons a ON a.id = p.add_on_id
      WHERE p.user_id = $1 AND p.checkout_id = $2
      ORDER BY ",
    in_metadata!(-> position),
    ", p.add_on_id"
));

static PURCHASES: Statement<(String, RawText, Option<String>)> = Statement::new(
    "SELECT p.currency, p.status, p.promo_code
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND p.checkout_id = $2",
);

/// The user who made the checkout.
pub fn owner(checkout_id: Uuid) -> Result<Option<String>, Error> {
    OWNER.read_one(params![checkout_id], |(user_id,)| user_id)
}

/// Its lines, in their order.
pub fn lines(user_id: &str, checkout_id: Uuid) -> Result<Vec<LineItem>, Error> {
    let (mut lines, mut budget) = (Vec::new(), Budget::of_rows());
    LINES.read(params![user_id, checkout_id], |row| {
        lines.push(read_line(row, &mut budget)?);
        Ok(())
    })?;
    Ok(lines)
}

/// The currency, the status and the code of each of its purchases.
pub fn terms(user_id: &str, checkout_id: Uuid) -> Result<Vec<(String, PurchaseStatus, Option<String>)>, Error> {
    PURCHASES.read_all(params![user_id, checkout_id], |(currency, status, code)| (currency, status_of(status), code))
}

fn read_line(
    (add_on_id, name, billing_type, quantity, cents, snapshot): (Uuid, String, String, i32, i64, Option<Document<'_>>),
    budget: &mut Budget,
) -> Result<LineItem, Error> {
    // A snapshot that the host has made unreadable counts as missing.
    let snapshot = snapshot.map(|snapshot| snapshot.read(COLUMN, document::OF_A_ROW)).transpose()?;
    let snapshot = snapshot.and_then(Result::ok).unwrap_or(Value::Null);
    let text = |key: &str| snapshot.get(key).and_then(Value::as_str);
    let discount = match snapshot.get("promo_discount") {
        Some(Value::Number(number)) => decimal(number.as_str()).and_then(Money::from_decimal),
        _ => None,
    };
    let billing_type = text("billing_type").and_then(BillingType::from_name).or(BillingType::from_name(&billing_type));
    let name = text("name").map_or(name, str::to_owned);
    budget.text(COLUMN, Some(&name))?;
    Ok(LineItem {
        add_on_id,
        name,
        quantity: quantity.max(1) as u32,
        billing_type: billing_type.unwrap_or(BillingType::OneTime),
        amount: Money::from_cents(cents),
        promo_discount: discount.unwrap_or(Money::ZERO).max(Money::ZERO),
    })
}
