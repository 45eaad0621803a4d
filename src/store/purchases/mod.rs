//! Purchases: the rows of `add_on_purchases`, read and written many at once.
//!
//! A caller that changes them must hold the user's lock. Statements name the user even if an id would suffice, because
//! Citus finds the node by the user.
//!
//! What is known of payments has its own columns: `facts` and `provider_ids` on one purchase of a checkout for all of
//! them, `paid` on each. `metadata` holds the data of the sale (src/store/metadata.rs).

mod found;
mod saved;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::document::{self, Budget, DocumentColumn};
use crate::pg::installation;
use crate::pg::locks::FreshSnapshot;
use crate::pg::parameter::Params;
use crate::pg::probe::Probe;
use crate::pg::row::{RawText, RowOf};
use crate::pg::statement::Statement;
use crate::store::catalog;
use crate::store::metadata::COLUMN;
use crate::{in_metadata, metadata_key, params, probe};
use engine::billing::BillingType;
use engine::money::Money;
use engine::payments::purchase::{Columns, Purchase};
use engine::purchases::PurchaseStatus;
use engine::time::Instant;

pub use found::{Location, are_of, carry, known_by, locate, owner_of_checkout, paid_by, paid_by_another};
pub use saved::{RecordsUpdate, cause_of_change, remove, reprice, save};

type PurchaseColumns = (
    Uuid,
    Uuid,
    i64,
    String,
    RawText,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<Instant>,
    Option<String>,
    Option<Uuid>,
    Instant,
    i32,
    Option<DocumentColumn>,
    Option<DocumentColumn>,
    DocumentColumn,
);

macro_rules! select_purchases {
    ($condition:literal, $locked:literal) => {
        Statement::new(concat!(
            "SELECT p.id, p.add_on_id, (p.amount * 100)::bigint, p.currency, p.status, (p.refund_amount * 100)::bigint,
                    p.stripe_payment_id, p.lago_invoice_id, p.payment_method, p.subscription_ends_at, p.promo_code, p.checkout_id,
                    p.purchased_at, p.quantity, p.facts, p.paid, p.metadata
               FROM @extschema@.add_on_purchases p
              WHERE p.user_id = $1 AND ",
            $condition,
            " ",
            $locked
        ))
    };
}

/// All purchases of the add-ons of a checkout: access depends on all of them together. For tables that Citus
/// distributes, because the node follows from the user.
static WITH_CHECKOUT: Statement<PurchaseColumns> = select_purchases!(
    "p.add_on_id = ANY (ARRAY(SELECT o.add_on_id FROM @extschema@.add_on_purchases o
                               WHERE o.user_id = $1 AND o.checkout_id = $2))",
    "FOR UPDATE OF p"
);
static OF_ADD_ONS: Statement<PurchaseColumns> = select_purchases!("p.add_on_id = ANY ($2)", "FOR UPDATE OF p");
static OF_CHECKOUT_UNLESS_LOCKED: Statement<PurchaseColumns> =
    select_purchases!("p.checkout_id = $2", "FOR UPDATE OF p SKIP LOCKED");
static BY_ID_UNLESS_LOCKED: Statement<PurchaseColumns> = select_purchases!("p.id = $2", "FOR UPDATE OF p SKIP LOCKED");
static SEEN_OF_ADD_ONS: Statement<PurchaseColumns> = select_purchases!("p.add_on_id = ANY ($2)", "");
/// How add-ons are billed.
static BILLED: Statement<(Uuid, String)> =
    Statement::new("SELECT a.id, a.billing_type FROM @extschema@.add_ons a WHERE a.id = ANY ($1)");

static COUNT_OF_CHECKOUT: Statement<(i64,)> = Statement::new(
    "SELECT pg_catalog.count(*) FROM @extschema@.add_on_purchases p WHERE p.user_id = $1 AND p.checkout_id = $2",
);

/// The add-ons of purchases that were paid together: a single purchase, or all without a checkout that share its
/// payment.
static ADD_ONS_PAID_WITH: Statement<(Uuid,)> = Statement::new(
    "SELECT DISTINCT p.add_on_id
       FROM @extschema@.add_on_purchases o
       JOIN @extschema@.add_on_purchases p
         ON p.user_id = $1 AND p.checkout_id IS NULL
        AND (p.id = o.id OR p.stripe_payment_id = o.stripe_payment_id OR p.lago_invoice_id = o.lago_invoice_id)
      WHERE o.user_id = $1 AND o.id = $2",
);

/// The add-ons of a checkout, with its user.
static BOUGHT: Probe<(String, Uuid)> = probe!("add_on_purchases", ["user_id", "add_on_id"], "checkout_id");

/// The bundles of a checkout, with the number of instances of each. What the host has made unreadable counts as none.
static BUNDLES: Statement<(Option<DocumentColumn>,)> = Statement::new(concat!(
    "SELECT ",
    in_metadata!(-> quote -> "bundles"),
    "
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND p.checkout_id = $2 AND ",
    in_metadata!(?quote)
));

/// A bundle in the quote of a checkout.
#[derive(Deserialize)]
struct QuotedBundle {
    bundle_id: Uuid,
    instances: i32,
}

/// A status. A constraint of the table guarantees that it is known; any other gives nothing.
pub fn status_of(name: &[u8]) -> PurchaseStatus {
    let known = std::str::from_utf8(name).ok().and_then(PurchaseStatus::from_name);
    known.unwrap_or(PurchaseStatus::Failed)
}

fn read_purchase(row: RowOf<'_, PurchaseColumns>, budget: &mut Budget) -> Result<Purchase, Error> {
    let (
        id,
        add_on_id,
        cents,
        currency,
        status,
        refunded,
        stripe_payment_id,
        lago_invoice_id,
        payment_method,
        ends_at,
        ..,
    ) = row;
    let (.., promo_code, checkout_id, purchased_at, quantity, facts, paid, metadata) = row;
    // It can be long and stored beside the row, so it is fetched once for all that is needed of it.
    let entries = metadata.entries();
    let text = |key| entries.and_then(|entries| entries.text(key));
    let quoted = entries.and_then(|entries| entries.entries(metadata_key!(quote_line))?.text("billing_type"));
    let terms = entries.and_then(|entries| entries.document(metadata_key!(renewal)));
    let of_a_row = document::OF_A_ROW;
    for text in [&stripe_payment_id, &lago_invoice_id, &payment_method, &promo_code] {
        budget.text(COLUMN, text.as_deref())?;
    }
    let columns = Columns {
        status: status_of(status),
        refunded: Money::from_cents(refunded),
        stripe_payment_id,
        lago_invoice_id,
        payment_method,
        ends_at,
        paid: paid.map(|paid| paid.keep("add_on_purchases.paid", of_a_row, budget)).transpose()?,
    };
    Ok(Purchase {
        id,
        add_on_id,
        amount: Money::from_cents(cents),
        currency,
        promo_code,
        checkout_id,
        purchased_at,
        quantity,
        is_quoted: quoted.is_some(),
        billing: quoted.map_or(BillingType::OneTime, catalog::billing_type),
        position: text(metadata_key!(position)).and_then(|position| position.parse().ok()).unwrap_or(i64::MAX),
        renewal_of: text(metadata_key!(renewal_of)).and_then(|id| Uuid::try_parse(&id).ok()),
        // A value that the host has made unreadable counts as missing.
        terms: terms.and_then(|terms| terms.keep(COLUMN, of_a_row, budget).ok()),
        stored: Some(columns.clone()),
        columns,
        reason: None,
        records: facts.map(|facts| facts.keep("add_on_purchases.facts", document::FACTS, budget)).transpose()?,
    })
}

fn read(statement: &Statement<PurchaseColumns>, params: &Params) -> Result<Vec<Purchase>, Error> {
    let (mut found, mut budget) = (Vec::new(), Budget::of_rows());
    statement.execute(params, |row| {
        found.push(read_purchase(row, &mut budget)?);
        Ok(())
    })?;
    let _now = FreshSnapshot::take();
    in_order(found)
}

/// Purchases in add-on id order. Where a sale does not say how it is billed, its add-on does.
fn in_order(mut purchases: Vec<Purchase>) -> Result<Vec<Purchase>, Error> {
    purchases.sort_unstable_by_key(|purchase| (purchase.add_on_id, purchase.id));
    let unquoted = purchases.iter().filter(|purchase| !purchase.is_quoted).map(|purchase| purchase.add_on_id);
    let mut unquoted: Vec<Uuid> = unquoted.collect();
    unquoted.dedup();
    if !unquoted.is_empty() {
        let known: BTreeMap<Uuid, BillingType> = BILLED.read_all(params![unquoted], billed)?.into_iter().collect();
        for purchase in purchases.iter_mut().filter(|purchase| !purchase.is_quoted) {
            purchase.billing = known.get(&purchase.add_on_id).copied().unwrap_or(purchase.billing);
        }
    }
    Ok(purchases)
}

fn billed((add_on_id, billing_type): (Uuid, String)) -> (Uuid, BillingType) {
    (add_on_id, catalog::billing_type(billing_type))
}

/// How an add-on is billed now.
pub fn billing_type_of(add_on_id: Uuid) -> Result<BillingType, Error> {
    let known = BILLED.read_one(params![vec![add_on_id]], billed)?;
    known.map(|(_, billing_type)| billing_type).ok_or(Error::AddOnNotFound { add_on_id })
}

/// All purchases of the add-ons of the user's checkout, locked, in add-on id order.
pub fn with_checkout(user_id: &str, checkout_id: Uuid) -> Result<Vec<Purchase>, Error> {
    if installation::is_distributed()? {
        return read(&WITH_CHECKOUT, params![user_id, checkout_id]);
    }
    let bought = {
        let _now = FreshSnapshot::take();
        BOUGHT.read_all(params![checkout_id], |(owner, add_on_id)| (owner == user_id).then_some(add_on_id))?
    };
    let add_on_ids: Vec<Uuid> = bought.into_iter().flatten().collect();
    read(&OF_ADD_ONS, params![user_id, add_on_ids])
}

/// All purchases of these add-ons by the user, locked, in add-on id order.
pub fn of_add_ons(user_id: &str, add_on_ids: &[Uuid]) -> Result<Vec<Purchase>, Error> {
    read(&OF_ADD_ONS, params![user_id, add_on_ids])
}

/// The same, as the calling query sees them, and not locked.
pub fn seen_of_add_ons(user_id: &str, add_on_ids: &[Uuid]) -> Result<Vec<Purchase>, Error> {
    let (mut found, mut budget) = (Vec::new(), Budget::of_rows());
    SEEN_OF_ADD_ONS.read(params![user_id, add_on_ids], |row| {
        found.push(read_purchase(row, &mut budget)?);
        Ok(())
    })?;
    in_order(found)
}

/// The add-ons of the purchases without a checkout that were paid together with this one.
pub fn add_ons_paid_with(user_id: &str, purchase_id: Uuid) -> Result<Vec<Uuid>, Error> {
    ADD_ONS_PAID_WITH.execute_all(params![user_id, purchase_id], |(id,)| id)
}

/// The purchases of the user's checkout, locked; `None` when somebody else has locked one of them.
pub fn of_checkout_unless_locked(user_id: &str, checkout_id: Uuid) -> Result<Option<Vec<Purchase>>, Error> {
    let found = read(&OF_CHECKOUT_UNLESS_LOCKED, params![user_id, checkout_id])?;
    let count = COUNT_OF_CHECKOUT.execute_one(params![user_id, checkout_id], |(count,)| count)?;
    Ok((count == Some(found.len() as i64)).then_some(found))
}

/// The user's purchase by itself, unless somebody else has locked it.
pub fn by_id_unless_locked(user_id: &str, purchase_id: Uuid) -> Result<Vec<Purchase>, Error> {
    read(&BY_ID_UNLESS_LOCKED, params![user_id, purchase_id])
}

/// The bundles of the user's checkout, with the number of instances of each.
pub fn bundles(user_id: &str, checkout_id: Uuid) -> Result<Vec<(Uuid, i32)>, Error> {
    let (mut bundles, mut budget) = (Vec::new(), Budget::of_rows());
    BUNDLES.execute(params![user_id, checkout_id], |(document,)| {
        let quoted: Option<Vec<Value>> =
            document.and_then(|document| document.keep(COLUMN, document::FACTS, &mut budget).ok());
        let read = |element| serde_json::from_value(element).ok().filter(|bundle: &QuotedBundle| bundle.instances > 0);
        let found = quoted.into_iter().flatten().filter_map(read);
        bundles.extend(found.map(|QuotedBundle { bundle_id, instances }| (bundle_id, instances)));
        Ok(())
    })?;
    Ok(bundles)
}
