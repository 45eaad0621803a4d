//! Finds purchases: by their id, by the ids of providers, by what they sold.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::locks::{FreshSnapshot, LatestSnapshot, transaction_keeps_its_snapshot};
use crate::pg::parameter::Params;
use crate::pg::probe::Probe;
use crate::pg::statement::Statement;
use crate::{in_metadata, is_paid, params, probe};

static OWNER_OF_CHECKOUT: Probe<(String,)> = probe!("add_on_purchases", ["user_id"], "checkout_id");

macro_rules! select_locations {
    ($condition:literal) => {
        concat!(
            "SELECT p.user_id, p.checkout_id, p.id, ",
            in_metadata!(->> renewal_of),
            ", p.facts IS NULL FROM @extschema@.add_on_purchases p WHERE ",
            $condition
        )
    };
}

/// The columns of a location, in its order.
type LocationColumns = (String, Option<Uuid>, Uuid, Option<String>, bool);

static LOCATION: Statement<LocationColumns> = Statement::new(select_locations!("p.id = $1"));

/// Purchases that are known under one of these provider ids.
static KNOWN_BY: Statement<LocationColumns> = Statement::new(concat!(
    select_locations!("p.provider_ids && $1"),
    " UNION ",
    select_locations!("p.stripe_payment_id = ANY ($1)"),
    " UNION ",
    select_locations!("p.lago_invoice_id = ANY ($1)"),
    " ORDER BY 1, 2, 3",
));

/// What one of these ids in Stripe or Lago has paid for: a checkout, or a purchase without one.
macro_rules! paid_by {
    ($condition:expr) => {
        Statement::new(concat!(
            "SELECT COALESCE(p.checkout_id, p.id) FROM @extschema@.add_on_purchases p WHERE p.stripe_payment_id = ANY ($1) AND ",
            is_paid!(),
            $condition,
            " UNION ALL
             SELECT COALESCE(p.checkout_id, p.id) FROM @extschema@.add_on_purchases p WHERE p.lago_invoice_id = ANY ($1) AND ",
            is_paid!(),
            $condition,
            " LIMIT 1",
        ))
    };
}

/// Anything but this checkout and its renewals.
static PAID_BY: Statement<(Uuid,)> = paid_by!(concat!(
    " AND (p.checkout_id IS NULL OR p.checkout_id <> $2) AND COALESCE(",
    in_metadata!(->> renewal_of),
    ", '') <> ($2::text)"
));

/// Something of somebody else.
static PAID_BY_ANOTHER: Statement<(Uuid,)> = paid_by!(" AND p.user_id <> $2");

/// The user who made a checkout.
pub fn owner_of_checkout(checkout_id: Uuid) -> Result<Option<String>, Error> {
    let _now = FreshSnapshot::take();
    OWNER_OF_CHECKOUT.read_one(params![checkout_id], |(user_id,)| user_id)
}

/// The user of a purchase, and the sale that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub user_id: String,
    pub checkout_id: Option<Uuid>,
    pub purchase_id: Uuid,
    /// The checkout that it renews.
    pub renewal_of: Option<Uuid>,
    /// Whether no facts are stored with it.
    pub has_no_facts: bool,
}

fn read_location((user_id, checkout_id, purchase_id, renewal_of, has_no_facts): LocationColumns) -> Location {
    let renewal_of = renewal_of.and_then(|id| Uuid::try_parse(&id).ok());
    Location { user_id, checkout_id, purchase_id, renewal_of, has_no_facts }
}

/// Where a purchase belongs.
pub fn locate(purchase_id: Uuid) -> Result<Option<Location>, Error> {
    LOCATION.execute_one(params![purchase_id], read_location)
}

/// The purchases that are known under one of these provider ids.
pub fn known_by(ids: &BTreeSet<&str>) -> Result<Vec<Location>, Error> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    KNOWN_BY.execute_all(params![&ids], read_location)
}

/// The purchase that has the id of a payment in Stripe, and of an invoice in Lago.
static WITH_STRIPE_PAYMENT: Probe<(Uuid,)> = probe!("add_on_purchases", ["id"], "stripe_payment_id");
static WITH_LAGO_INVOICE: Probe<(Uuid,)> = probe!("add_on_purchases", ["id"], "lago_invoice_id");

/// Whether any purchase currently has one of these ids. Nearly every payment is the first with its ids.
fn are_known(ids: &BTreeSet<&str>) -> Result<bool, Error> {
    let _now = LatestSnapshot::take();
    for id in ids {
        if WITH_STRIPE_PAYMENT.any(params![*id], |_| true)? || WITH_LAGO_INVOICE.any(params![*id], |_| true)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Another checkout, or purchase without one, that one of these ids has paid for.
pub fn paid_by(ids: &BTreeSet<&str>, besides: Uuid) -> Result<Option<Uuid>, Error> {
    if !are_known(ids)? {
        return Ok(None);
    }
    let ids: Vec<&str> = ids.iter().copied().collect();
    one_as_it_is_now(&PAID_BY, params![&ids, besides])
}

/// What one of these ids has paid for, of another user.
pub fn paid_by_another(ids: &BTreeSet<&str>, user_id: &str) -> Result<Option<Uuid>, Error> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    one_as_it_is_now(&PAID_BY_ANOTHER, params![&ids, user_id])
}

/// A transaction with a fixed snapshot must not overlook what was committed since it began.
fn one_as_it_is_now(statement: &Statement<(Uuid,)>, params: &Params) -> Result<Option<Uuid>, Error> {
    if transaction_keeps_its_snapshot() {
        let _now = LatestSnapshot::take();
        return statement.read_one(params, |(id,)| id);
    }
    statement.execute_one(params, |(id,)| id)
}

static OF_CODE: Statement =
    Statement::new("SELECT FROM @extschema@.add_on_purchases p WHERE p.promo_code = $1 LIMIT 1");

static OF_ADD_ON: Statement = Statement::new(
    "SELECT FROM @extschema@.user_add_ons u WHERE u.add_on_id = $1
      UNION ALL
     SELECT FROM @extschema@.add_on_purchases p WHERE p.add_on_id = $1
      LIMIT 1",
);

/// Whether some purchase carries a promotional code.
pub fn carry(promo_code: &str) -> Result<bool, Error> {
    OF_CODE.any(params![promo_code], |()| true)
}

/// Whether somebody has bought an add-on, or owns it.
pub fn are_of(add_on_id: Uuid) -> Result<bool, Error> {
    OF_ADD_ON.any(params![add_on_id], |()| true)
}
