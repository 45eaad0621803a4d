//! Purchases: the rows of `add_on_purchases`, read and written many at once.
//!
//! A caller that changes them must hold the user's lock. Statements name the user even if an id would suffice, because
//! Citus finds the node by the user.
//!
//! What is known of payments has its own columns: `facts` and `provider_ids` on one purchase of a checkout for all of
//! them, `paid` on each. `metadata` holds the data of the sale, which is read but not written again. The rest of it
//! belongs to the host: only `reason` is added, by PostgreSQL itself, so that the other keys need not be parsed here.
//!
//! | key of `metadata` | |
//! |---|---|
//! | `quote_line` | the line of the quote on which the sale was based |
//! | `quote` | the whole quote, on the first purchase of a checkout |
//! | `position` | its place among the purchases of its checkout |
//! | `renewal` | the price of a renewal, and to how many of them its code applies |
//! | `renewal_of` | the checkout that a renewal continues |
//! | `idempotency_key`, `request` | the arguments of a `checkout` with a key, on the first purchase |
//! | `reason` | why it failed, was refunded or is contested |

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::change::{Change, DOCUMENT, Done, INSTANT, TEXT, TEXTS};
use crate::pg::clock::now;
use crate::pg::document::{self, Budget, DocumentColumn};
use crate::pg::installation;
use crate::pg::jsonb::Jsonb;
use crate::pg::locks::{FreshSnapshot, LatestSnapshot, transaction_keeps_its_snapshot};
use crate::pg::parameter::{Parameter, Params};
use crate::pg::probe::Probe;
use crate::pg::row::{RawText, RowOf};
use crate::pg::statement::Statement;
use crate::store::{all_written, catalog};
use crate::{is_paid, params, probe};
use engine::access::bought::RenewalTerms;
use engine::billing::BillingType;
use engine::money::Money;
use engine::payments::Facts;
use engine::payments::paid::Paid;
use engine::purchases::PurchaseStatus;
use engine::time::Instant;

type PurchaseColumns = (
    Uuid,
    Uuid,
    i64,
    String,
    String,
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

static OWNER_OF_CHECKOUT: Probe<(String,)> = probe!("add_on_purchases", ["user_id"], "checkout_id");

/// The add-ons of a checkout, with its user.
static BOUGHT: Probe<(String, Uuid)> = probe!("add_on_purchases", ["user_id", "add_on_id"], "checkout_id");

static LOCATION: Statement<(String, Option<Uuid>, Option<String>, bool)> = Statement::new(
    "SELECT p.user_id, p.checkout_id, (p.metadata ->> 'renewal_of'), p.facts IS NULL
       FROM @extschema@.add_on_purchases p
      WHERE p.id = $1",
);

/// The user, the checkout, the id, the add-on that it renews, and whether it has no facts yet.
type KnownBy = (String, Option<Uuid>, Uuid, Option<String>, bool);

/// Purchases that are known under one of these provider ids.
static KNOWN_BY: Statement<KnownBy> = Statement::new(
    "SELECT p.user_id, p.checkout_id, p.id, (p.metadata ->> 'renewal_of'), p.facts IS NULL
       FROM @extschema@.add_on_purchases p
      WHERE p.provider_ids && $1
      UNION
     SELECT p.user_id, p.checkout_id, p.id, (p.metadata ->> 'renewal_of'), p.facts IS NULL
       FROM @extschema@.add_on_purchases p
      WHERE p.stripe_payment_id = ANY ($1)
      UNION
     SELECT p.user_id, p.checkout_id, p.id, (p.metadata ->> 'renewal_of'), p.facts IS NULL
       FROM @extschema@.add_on_purchases p
      WHERE p.lago_invoice_id = ANY ($1)
      ORDER BY 1, 2, 3",
);

/// What one of these ids in Stripe or Lago has paid for: a checkout, or a purchase without one.
macro_rules! paid_by {
    ($condition:literal) => {
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
static PAID_BY: Statement<(Uuid,)> = paid_by!(
    " AND (p.checkout_id IS NULL OR p.checkout_id <> $2) AND COALESCE((p.metadata ->> 'renewal_of'), '') <> ($2::text)"
);

/// Something of somebody else.
static PAID_BY_ANOTHER: Statement<(Uuid,)> = paid_by!(" AND p.user_id <> $2");

static SAVE: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET status=s.status, refund_amount=(s.refunded::numeric / 100),
            refunded_at=CASE WHEN (s.refunded::numeric / 100) > p.refund_amount OR (s.status = 'refunded' AND p.status <> s.status)
                             THEN $11
                             WHEN s.refunded = 0 AND s.status <> 'refunded' THEN NULL
                             ELSE p.refunded_at END,
            stripe_payment_id=s.stripe, lago_invoice_id=s.lago, payment_method=s.method, subscription_ends_at=s.ends,
            paid=s.paid,
            metadata=CASE WHEN s.reason IS NULL THEN p.metadata
                          ELSE (p.metadata || s.reason) END,
            facts=CASE WHEN p.id = $12 THEN $13 ELSE p.facts END,
            provider_ids=CASE WHEN p.id = $12 THEN $14 ELSE p.provider_ids END
       FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS s (id, status, refunded, stripe, lago, method, ends, paid, reason)
      WHERE p.user_id = $1 AND p.id = s.id",
);

/// Purchases that were recorded for one payment and now stand for another, possibly of another amount. Refunds of it
/// are written afterwards.
static REPRICE: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET amount=(r.cents::numeric / 100), refund_amount=LEAST(p.refund_amount, (r.cents::numeric / 100))
       FROM unnest($2, $3) AS r (id, cents)
      WHERE p.user_id = $1 AND p.id = r.id",
);

static REMOVE: Statement =
    Statement::new("DELETE FROM @extschema@.add_on_purchases AS p WHERE p.user_id = $1 AND p.id = ANY ($2)");

/// The first half of a change that needs two steps, because only a paid purchase can be refunded.
static COMPLETE_FIRST: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p SET status='completed' WHERE p.user_id = $1 AND p.id = ANY ($2)",
);

static INSERT: Statement = Statement::new(
    "INSERT INTO @extschema@.add_on_purchases
            (id, user_id, add_on_id, amount, currency, quantity, status, refund_amount, refunded_at, stripe_payment_id, lago_invoice_id,
             subscription_ends_at, paid, purchased_at, metadata, facts, provider_ids)
     SELECT r.id, $1, r.add_on_id, (r.cents::numeric / 100), $2, r.quantity, r.status, (r.refunded::numeric / 100),
            CASE WHEN r.refunded > 0 THEN $3 END, r.stripe, r.lago, r.ends, r.paid, $3,
            pg_catalog.jsonb_build_object('renewal_of', $4::text), $5, $6
       FROM unnest($7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            AS r (id, add_on_id, cents, quantity, status, refunded, stripe, lago, ends, paid)",
);

/// The bundles of a checkout, with the number of instances of each. What the host has made unreadable counts as none.
static BUNDLES: Statement<(Option<DocumentColumn>,)> = Statement::new(
    "SELECT ((p.metadata -> 'quote') -> 'bundles')
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND p.checkout_id = $2 AND p.metadata ? 'quote'",
);

/// A bundle in the quote of a checkout.
#[derive(Deserialize)]
struct QuotedBundle {
    bundle_id: Uuid,
    instances: i32,
}

/// The billing type of the user's last purchase of the add-on, or else the add-on's current one.
static BILLING_TYPE: Statement<(String,)> = Statement::new(
    "SELECT COALESCE(
              (SELECT ((p.metadata -> 'quote_line') ->> 'billing_type')
                 FROM @extschema@.add_on_purchases p
                WHERE p.user_id = $1 AND p.add_on_id = $2 AND p.metadata ? 'quote_line' AND p.status <> 'failed'
                ORDER BY p.purchased_at DESC, p.id DESC
                LIMIT 1),
              a.billing_type)
       FROM @extschema@.add_ons a
      WHERE a.id = $2",
);

/// The document in `facts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// What providers and people said.
    #[serde(default)]
    pub known: Facts,
    /// Payments that pay for nothing, as `unsettled_payments()` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Value>,
    /// The reason that keeps the checkout from being given up because of its age: `payment` or `trial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<String>,
}

/// The addition to `metadata` when a purchase changes for a reason.
#[derive(Serialize)]
struct Reason<'a> {
    reason: Option<&'a str>,
}

/// A row of `add_on_purchases`.
#[derive(Clone, Debug)]
pub struct Purchase {
    pub id: Uuid,
    pub add_on_id: Uuid,
    pub amount: Money,
    pub currency: String,
    pub promo_code: Option<String>,
    pub checkout_id: Option<Uuid>,
    pub purchased_at: Instant,
    pub quantity: i32,
    pub billing: BillingType,
    /// Whether the sale says how it is billed. Otherwise its add-on does.
    is_quoted: bool,
    pub position: i64,
    pub renewal_of: Option<Uuid>,
    /// The document in `metadata.renewal`.
    pub terms: Option<RenewalTerms>,
    pub columns: Columns,
    /// Why it changes; only written, never read.
    pub reason: Option<String>,
    /// What is stored of the facts.
    pub records: Option<Records>,
    /// The stored columns; `None` for a new row.
    stored: Option<Columns>,
}

/// The columns of a purchase that change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub status: PurchaseStatus,
    pub refunded: Money,
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
    pub payment_method: Option<String>,
    pub ends_at: Option<Instant>,
    pub paid: Option<Paid>,
}

impl Columns {
    /// The columns of a paid purchase without further details.
    pub fn completed() -> Columns {
        Columns {
            status: PurchaseStatus::Completed,
            refunded: Money::ZERO,
            stripe_payment_id: None,
            lago_invoice_id: None,
            payment_method: None,
            ends_at: None,
            paid: None,
        }
    }
}

impl Purchase {
    /// A payment for another period that is to be recorded.
    pub fn renewal(of: &Purchase, id: Uuid, amount: Money, columns: Columns) -> Purchase {
        Purchase {
            id,
            amount,
            promo_code: None,
            checkout_id: None,
            purchased_at: now(),
            renewal_of: of.checkout_id,
            terms: None,
            columns,
            reason: None,
            records: None,
            stored: None,
            ..of.clone()
        }
    }

    /// A payment for an add-on that was not bought here.
    pub fn standing_alone(
        add_on_id: Uuid,
        amount: Money,
        currency: String,
        quantity: i32,
        billing: BillingType,
        columns: Columns,
    ) -> Purchase {
        Purchase {
            id: crate::pg::ids::new_id(),
            add_on_id,
            amount,
            currency,
            promo_code: None,
            checkout_id: None,
            purchased_at: now(),
            quantity,
            billing,
            is_quoted: true,
            position: i64::MAX,
            renewal_of: None,
            terms: None,
            columns,
            reason: None,
            records: None,
            stored: None,
        }
    }

    /// Whether it differs from the stored row.
    pub fn has_changed(&self) -> bool {
        self.reason.is_some() || self.stored.as_ref() != Some(&self.columns)
    }

    /// Whether it is no longer failed or refunded, so that what was the reason for that is none any more.
    fn has_recovered(&self) -> bool {
        let is_over = |status| matches!(status, PurchaseStatus::Failed | PurchaseStatus::Refunded);
        self.stored_status().is_some_and(is_over) && !is_over(self.columns.status)
    }

    /// The status that is stored.
    pub fn stored_status(&self) -> Option<PurchaseStatus> {
        self.stored.as_ref().map(|stored| stored.status)
    }
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
    let quoted = entries.and_then(|entries| entries.entries("quote_line")?.text("billing_type"));
    let is_quoted = quoted.is_some();
    let terms = entries.and_then(|entries| entries.document("renewal"));
    let (column, of_a_row) = ("add_on_purchases.metadata", document::OF_A_ROW);
    for text in [&stripe_payment_id, &lago_invoice_id, &payment_method, &promo_code] {
        budget.text(column, text.as_deref())?;
    }
    let columns = Columns {
        // A constraint allows no other value.
        status: PurchaseStatus::from_name(&status).unwrap_or(PurchaseStatus::Failed),
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
        billing: quoted.map_or(BillingType::OneTime, catalog::billing_type),
        is_quoted,
        position: text("position").and_then(|position| position.parse().ok()).unwrap_or(i64::MAX),
        renewal_of: text("renewal_of").and_then(|id| Uuid::try_parse(&id).ok()),
        // A value that the host has made unreadable counts as missing.
        terms: terms.and_then(|terms| terms.keep(column, of_a_row, budget).ok()),
        stored: Some(columns.clone()),
        columns,
        reason: None,
        records: facts.map(|facts| facts.keep("add_on_purchases.facts", document::FACTS, budget)).transpose()?,
    })
}

fn read(statement: &Statement<PurchaseColumns>, params: &crate::pg::parameter::Params) -> Result<Vec<Purchase>, Error> {
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
        let known = BILLED.read_all(params![unquoted], |row| row)?;
        let known: BTreeMap<Uuid, String> = known.into_iter().collect();
        for purchase in purchases.iter_mut().filter(|purchase| !purchase.is_quoted) {
            if let Some(billing) = known.get(&purchase.add_on_id) {
                purchase.billing = catalog::billing_type(billing.clone());
            }
        }
    }
    Ok(purchases)
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

fn checkout_of(renewal_of: Option<String>) -> Option<Uuid> {
    renewal_of.and_then(|id| Uuid::try_parse(&id).ok())
}

/// Where a purchase belongs.
pub fn locate(purchase_id: Uuid) -> Result<Option<Location>, Error> {
    LOCATION.execute_one(params![purchase_id], |(user_id, checkout_id, renewal_of, has_no_facts)| Location {
        user_id,
        checkout_id,
        purchase_id,
        renewal_of: checkout_of(renewal_of),
        has_no_facts,
    })
}

/// The purchases that are known under one of these provider ids.
pub fn known_by(ids: &BTreeSet<&str>) -> Result<Vec<Location>, Error> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    KNOWN_BY.execute_all(params![&ids], |(user_id, checkout_id, purchase_id, renewal_of, has_no_facts)| Location {
        user_id,
        checkout_id,
        purchase_id,
        renewal_of: checkout_of(renewal_of),
        has_no_facts,
    })
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
fn one_as_it_is_now(
    statement: &Statement<(Uuid,)>,
    params: &crate::pg::parameter::Params,
) -> Result<Option<Uuid>, Error> {
    if transaction_keeps_its_snapshot() {
        let _now = LatestSnapshot::take();
        return statement.read_one(params, |(id,)| id);
    }
    statement.execute_one(params, |(id,)| id)
}

/// The facts to be stored, with one purchase for all that were paid together.
#[derive(Debug)]
pub struct Bearing {
    pub purchase_id: Uuid,
    pub records: Records,
}

/// Writes the changed and new purchases of a user, and the facts. Returns whether anything but the facts had changed.
pub fn save(user_id: &str, purchases: &mut [Purchase], bearing: Option<&Bearing>) -> Result<bool, Error> {
    let bearer = bearing.map(|bearing| bearing.purchase_id);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for purchase in purchases.iter_mut() {
        match purchase.stored {
            Some(_) if purchase.has_changed() || bearer == Some(purchase.id) => old.push(purchase),
            Some(_) => {}
            None => new.push(purchase),
        }
    }
    let has_changed = !new.is_empty() || old.iter().any(|purchase| purchase.has_changed());
    let (facts, ids) = match bearing {
        Some(bearing) => {
            let ids = bearing.records.known.ids().into_iter().map(str::to_owned).collect::<Vec<String>>();
            (Some(document::of_facts("add_on_purchases.facts", &bearing.records)?), Some(ids))
        }
        None => (None, None),
    };
    let between = |purchase: &&&mut Purchase| {
        let stored = purchase.stored_status().unwrap_or(purchase.columns.status);
        stored != purchase.columns.status && !stored.successors_by_facts().contains(&purchase.columns.status)
    };
    let _by_facts = ByFacts::begin();
    let in_two_steps: Vec<Uuid> = old.iter().filter(between).map(|purchase| purchase.id).collect();
    if !in_two_steps.is_empty() {
        let completed = COMPLETE_FIRST.perform(params![user_id, &in_two_steps])?;
        all_written("add_on_purchases", in_two_steps.len(), completed)?;
    }
    let completed = complete_at_once(&old, bearer, facts.as_ref(), ids.as_ref())?;
    if completed < old.len() {
        update(user_id, &old[completed..], bearer, facts.as_ref(), ids.as_ref())?;
    }
    if !new.is_empty() {
        insert(user_id, &new, bearer, facts.as_ref(), ids.as_ref())?;
    }
    for purchase in old.into_iter().chain(new) {
        purchase.stored = Some(purchase.columns.clone());
        purchase.reason = None;
    }
    Ok(has_changed)
}

thread_local! {
    static IS_BY_FACTS: Cell<bool> = const { Cell::new(false) };
}

/// As long as this value lives, purchases are changed because of facts.
struct ByFacts;

impl ByFacts {
    fn begin() -> ByFacts {
        IS_BY_FACTS.set(true);
        ByFacts
    }
}

impl Drop for ByFacts {
    fn drop(&mut self) {
        IS_BY_FACTS.set(false);
    }
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

/// Whether purchases are being changed because of facts, and not by a statement of somebody else.
pub fn change_by_facts() -> bool {
    IS_BY_FACTS.get()
}

/// The columns of rows, as arrays.
struct Arrays<'a> {
    ids: Vec<Uuid>,
    statuses: Vec<Option<&'a str>>,
    refunded: Vec<i64>,
    stripe: Vec<Option<&'a str>>,
    lago: Vec<Option<&'a str>>,
    ends: Vec<Option<Instant>>,
    paid: Vec<Option<Jsonb>>,
}

impl<'a> Arrays<'a> {
    fn of(purchases: &'a [&'a mut Purchase]) -> Arrays<'a> {
        let columns = || purchases.iter().map(|purchase| &purchase.columns);
        Arrays {
            ids: purchases.iter().map(|purchase| purchase.id).collect(),
            statuses: columns().map(|columns| Some(columns.status.name())).collect(),
            refunded: columns().map(|columns| columns.refunded.cents()).collect(),
            stripe: columns().map(|columns| columns.stripe_payment_id.as_deref()).collect(),
            lago: columns().map(|columns| columns.lago_invoice_id.as_deref()).collect(),
            ends: columns().map(|columns| columns.ends_at).collect(),
            paid: columns().map(|columns| columns.paid.as_ref().map(Jsonb::of)).collect(),
        }
    }
}

/// What completes a pending purchase, by its id. Only the purchase that stores the facts has values for the last two.
static COMPLETE: Change<(RawText,)> = Change::new(
    probe!("add_on_purchases", ["status"], "id"),
    &[
        ("status", TEXT),
        ("stripe_payment_id", TEXT),
        ("lago_invoice_id", TEXT),
        ("payment_method", TEXT),
        ("subscription_ends_at", INSTANT),
        ("paid", DOCUMENT),
        ("facts", DOCUMENT),
        ("provider_ids", TEXTS),
    ],
)
.keeping_transitions();

/// Completes the pending purchases at the beginning of the list without a statement. Returns how many are written: a
/// statement has to write the rest.
fn complete_at_once(
    purchases: &[&mut Purchase],
    bearer: Option<Uuid>,
    facts: Option<&Jsonb>,
    provider_ids: Option<&Vec<String>>,
) -> Result<usize, Error> {
    let is_just_paid = |purchase: &&&mut Purchase| {
        let change = (purchase.stored_status(), purchase.columns.status, purchase.columns.refunded);
        change == (Some(PurchaseStatus::Pending), PurchaseStatus::Completed, Money::ZERO) && purchase.reason.is_none()
    };
    let ids: Vec<Uuid> = purchases.iter().take_while(is_just_paid).map(|purchase| purchase.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let keys: Vec<[&dyn Parameter; 1]> = ids.iter().map(|id| [id as &dyn Parameter]).collect();
    let keys: Vec<&Params> = keys.iter().map(|key| key.as_slice()).collect();
    let done = COMPLETE.apply_to_each(&keys, &mut |number, (status,)| {
        let Purchase { id, columns, .. } = &*purchases[number];
        if status != PurchaseStatus::Pending.name().as_bytes() {
            return Ok(None);
        }
        let mut values = vec![
            columns.status.name().datum(),
            columns.stripe_payment_id.datum(),
            columns.lago_invoice_id.datum(),
            columns.payment_method.datum(),
            columns.ends_at.datum(),
            columns.paid.as_ref().map(Jsonb::of).datum(),
        ];
        if bearer == Some(*id) {
            values.extend([facts.map(Jsonb::datum), provider_ids.and_then(|ids| ids.datum())]);
        }
        Ok(Some(values))
    })?;
    Ok(done.iter().take_while(|&&done| done == Done::Written).count())
}

fn update(
    user_id: &str,
    purchases: &[&mut Purchase],
    bearer: Option<Uuid>,
    facts: Option<&Jsonb>,
    provider_ids: Option<&Vec<String>>,
) -> Result<(), Error> {
    let Arrays { ids, statuses, refunded, stripe, lago, ends, paid } = Arrays::of(purchases);
    let methods: Vec<Option<&str>> =
        purchases.iter().map(|purchase| purchase.columns.payment_method.as_deref()).collect();
    // As a document, because Citus accepts no expression that builds a document in the condition on a row.
    let reason = |purchase: &&mut Purchase| {
        let told = purchase.reason.is_some() || purchase.has_recovered();
        told.then(|| Jsonb::of(&Reason { reason: purchase.reason.as_deref() }))
    };
    let reasons: Vec<Option<Jsonb>> = purchases.iter().map(reason).collect();
    let written = SAVE.perform(params![
        user_id,
        &ids,
        &statuses,
        &refunded,
        &stripe,
        &lago,
        &methods,
        &ends,
        &paid,
        &reasons,
        now(),
        bearer,
        facts.cloned(),
        provider_ids.cloned().unwrap_or_default(),
    ])?;
    all_written("add_on_purchases", ids.len(), written)
}

fn insert(
    user_id: &str,
    purchases: &[&mut Purchase],
    bearer: Option<Uuid>,
    facts: Option<&Jsonb>,
    provider_ids: Option<&Vec<String>>,
) -> Result<(), Error> {
    let Arrays { ids, statuses, refunded, stripe, lago, ends, paid } = Arrays::of(purchases);
    let add_on_ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.add_on_id).collect();
    let cents: Vec<i64> = purchases.iter().map(|purchase| purchase.amount.cents()).collect();
    let quantities: Vec<i32> = purchases.iter().map(|purchase| purchase.quantity).collect();
    // A purchase that stores facts of its own is alone; there is no other beside it.
    let is_bearer = purchases.iter().any(|purchase| bearer == Some(purchase.id));
    let written = INSERT.perform(params![
        user_id,
        &purchases[0].currency,
        now(),
        purchases[0].renewal_of,
        facts.filter(|_| is_bearer).cloned(),
        provider_ids.filter(|_| is_bearer).cloned(),
        &ids,
        &add_on_ids,
        &cents,
        &quantities,
        &statuses,
        &refunded,
        &stripe,
        &lago,
        &ends,
        &paid,
    ])?;
    all_written("add_on_purchases", ids.len(), written)
}

/// Sets other amounts for purchases of the user.
pub fn reprice(user_id: &str, amounts: &[(Uuid, Money)]) -> Result<(), Error> {
    if amounts.is_empty() {
        return Ok(());
    }
    let (ids, cents): (Vec<Uuid>, Vec<i64>) = amounts.iter().map(|&(id, amount)| (id, amount.cents())).unzip();
    all_written("add_on_purchases", ids.len(), REPRICE.perform(params![user_id, &ids, &cents])?)
}

/// Deletes purchases of the user that stand for no payment.
pub fn remove(user_id: &str, ids: &[Uuid]) -> Result<(), Error> {
    if ids.is_empty() {
        Ok(())
    } else {
        all_written("add_on_purchases", ids.len(), REMOVE.perform(params![user_id, &ids.to_vec()])?)
    }
}

/// The bundles of the user's checkout, with the number of instances of each.
pub fn bundles(user_id: &str, checkout_id: Uuid) -> Result<Vec<(Uuid, i32)>, Error> {
    let (mut bundles, mut budget) = (Vec::new(), Budget::of_rows());
    BUNDLES.execute(params![user_id, checkout_id], |(document,)| {
        let quoted: Option<Vec<Value>> =
            document.and_then(|document| document.keep("add_on_purchases.metadata", document::FACTS, &mut budget).ok());
        let read = |element| serde_json::from_value(element).ok().filter(|bundle: &QuotedBundle| bundle.instances > 0);
        let found = quoted.into_iter().flatten().filter_map(read);
        bundles.extend(found.map(|QuotedBundle { bundle_id, instances }| (bundle_id, instances)));
        Ok(())
    })?;
    Ok(bundles)
}

/// How the user pays for an add-on.
pub fn billing_type_of(user_id: &str, add_on_id: Uuid) -> Result<BillingType, Error> {
    let found = BILLING_TYPE.execute_one(params![user_id, add_on_id], |(billing_type,)| billing_type)?;
    found.map(catalog::billing_type).ok_or(Error::AddOnNotFound { add_on_id })
}
