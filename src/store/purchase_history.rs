//! A user's purchases, newest first.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::row::{RawText, RowOf};
use crate::pg::statement::Statement;
use crate::store::purchases::status_of;
use engine::money::Money;
use engine::purchases::PurchaseStatus;
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
type EntryColumns = (Uuid, Uuid, String, i32, i64, String, RawText, i64, Instant);

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
    pub status: PurchaseStatus,
    pub refunded: Money,
    pub purchased_at: Instant,
}

/// Passes on a page of the user's purchases, with one status or all; `None` means no limit and no offset.
pub fn page(
    user_id: &str,
    status: Option<PurchaseStatus>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    mut each: impl FnMut(Entry),
) -> Result<(), Error> {
    let take = |columns: RowOf<EntryColumns>| {
        each(read_entry(columns));
        Ok(())
    };
    match status {
        Some(status) => WITH_STATUS.read(params![user_id, max_rows, skip, status.name()], take),
        None => ALL.read(params![user_id, max_rows, skip], take),
    }
}

macro_rules! listing {
    ($($and_status:literal, $of_all:literal)?) => {
        Statement::new(concat!(
            "SELECT p.id, p.checkout_id, p.add_on_id, a.name, a.category, a.version, a.icon_url, p.quantity, (p.amount * 100)::bigint,
                    p.currency, p.status, (p.refund_amount * 100)::bigint, p.promo_code, p.stripe_payment_id, p.lago_invoice_id,
                    p.purchased_at, p.subscription_ends_at,
                    (SELECT pg_catalog.count(*) FROM @extschema@.add_on_purchases o WHERE o.user_id = $1 ", $($of_all,)? ")
               FROM @extschema@.add_on_purchases p
               JOIN @extschema@.add_ons a ON a.id = p.add_on_id
              WHERE p.user_id = $1 ", $($and_status,)? "
              ORDER BY p.purchased_at DESC, p.add_on_id, p.id
              LIMIT $2 OFFSET $3"
        ))
    };
}

/// The columns of a listed purchase, in its order, amounts in cents.
type ListedColumns = (
    Uuid,
    Option<Uuid>,
    Uuid,
    String,
    String,
    Option<String>,
    Option<String>,
    i32,
    i64,
    String,
    RawText,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Instant,
    Option<Instant>,
    i64,
);

static LISTED: Statement<ListedColumns> = listing!();
static LISTED_WITH_STATUS: Statement<ListedColumns> = listing!("AND p.status = $4", "AND o.status = $4");

/// A purchase with everything that a page shows of it.
#[derive(Debug)]
pub struct Listed {
    pub entry: Entry,
    pub checkout_id: Option<Uuid>,
    pub category: String,
    pub version: Option<String>,
    pub icon_url: Option<String>,
    pub promo_code: Option<String>,
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
    pub subscription_ends_at: Option<Instant>,
    /// How many there are on all pages.
    pub total_count: i64,
}

/// Passes on a page as `page` does, with more details of each purchase and the total number.
pub fn listed_page(
    user_id: &str,
    status: Option<PurchaseStatus>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    mut each: impl FnMut(Listed),
) -> Result<(), Error> {
    let take = |columns: RowOf<ListedColumns>| {
        each(read_listed(columns));
        Ok(())
    };
    match status {
        Some(status) => LISTED_WITH_STATUS.read(params![user_id, max_rows, skip, status.name()], take),
        None => LISTED.read(params![user_id, max_rows, skip], take),
    }
}

fn read_listed(
    (
        purchase_id,
        checkout_id,
        add_on_id,
        name,
        category,
        version,
        icon_url,
        quantity,
        cents,
        currency,
        status,
        refunded,
        promo_code,
        stripe_payment_id,
        lago_invoice_id,
        purchased_at,
        subscription_ends_at,
        total_count,
    ): RowOf<ListedColumns>,
) -> Listed {
    Listed {
        entry: read_entry((purchase_id, add_on_id, name, quantity, cents, currency, status, refunded, purchased_at)),
        checkout_id,
        category,
        version,
        icon_url,
        promo_code,
        stripe_payment_id,
        lago_invoice_id,
        subscription_ends_at,
        total_count,
    }
}

fn read_entry(columns: RowOf<EntryColumns>) -> Entry {
    let (purchase_id, add_on_id, name, quantity, cents, currency, status, refunded, purchased_at) = columns;
    let (amount, refunded) = (Money::from_cents(cents), Money::from_cents(refunded));
    let status = status_of(status);
    Entry { purchase_id, add_on_id, name, quantity, amount, currency, status, refunded, purchased_at }
}
