//! Purchases: reading those of a checkout or payment, and moving them through their life (semantics 4).
//!
//! Whoever changes them holds the user's lock. Statements name the user even where an id says enough: Citus finds the node by it.
//! Everything that becomes of a purchase and has no column of its own is kept
//! in its `metadata`:
//!
//! | key | |
//! |---|---|
//! | `quote_line` | the line of the quote that it was sold by |
//! | `quote` | the whole quote, on the first purchase of a checkout |
//! | `position` | its place among the purchases of its checkout |
//! | `access_until` | the end of access when it was completed, where that is not what it paid for by itself |
//! | `renewal_of` | the checkout that a renewal goes on with |
//! | `idempotency_key`, `request` | what `checkout` was called with, on the first purchase |
//! | `reason` | why it failed, was refunded or is contested |
//! | `refunded_directly`, `refunded_by_provider` | what is known of refunds, in cents |
//! | `disputes` | the provider's disputes: `open`, `won` or `lost` |
//! | `subscription` | what the provider last said of the subscription |
//! | `hold`, `overdue_invoices` | why access is withheld though the purchase is paid |
//! | `stripe_subscription_id`, `stripe_invoice_id`, `lago_subscription_id` | the provider's ids |

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::datum::{Json, now, read_time};
use crate::pg::parameter::{JsonText, Params};
use crate::pg::statement::Statement;
use crate::store::{all_written, catalog};
use engine::billing::BillingType;
use engine::money::Money;
use engine::purchases::PurchaseStatus;
use engine::subscription::SubscriptionState;
use engine::time::Instant;

/// What is read of a purchase, in the order of the statement.
type PurchaseColumns = (
    Uuid,
    String,
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
    Json,
    Instant,
);

macro_rules! select_purchases {
    ($condition:literal, $locked:literal) => {
        Statement::new(concat!(
            "SELECT p.id, p.user_id, p.add_on_id, (p.amount * 100)::bigint, p.currency, p.status,
                    (p.refund_amount * 100)::bigint, p.stripe_payment_id, p.lago_invoice_id, p.payment_method,
                    p.subscription_ends_at, p.promo_code, p.checkout_id, p.metadata, p.purchased_at
               FROM @extschema@.add_on_purchases p
              WHERE ",
            $condition,
            "
              ORDER BY p.add_on_id, p.id
                FOR UPDATE ",
            $locked
        ))
    };
}

static OF_CHECKOUT: Statement<PurchaseColumns> = select_purchases!("p.user_id = $1 AND p.checkout_id = $2", "");
static OF_CHECKOUT_UNLESS_LOCKED: Statement<PurchaseColumns> =
    select_purchases!("p.user_id = $1 AND p.checkout_id = $2", "SKIP LOCKED");
static BY_ID: Statement<PurchaseColumns> = select_purchases!("p.user_id = $1 AND p.id = $2", "");
static OF_STRIPE_PAYMENT: Statement<PurchaseColumns> =
    select_purchases!("p.user_id = $1 AND p.stripe_payment_id = $2", "");
static OF_LAGO_INVOICE: Statement<PurchaseColumns> = select_purchases!("p.user_id = $1 AND p.lago_invoice_id = $2", "");
static COUNT_OF_CHECKOUT: Statement<(i64,)> = Statement::new(
    "SELECT pg_catalog.count(*) FROM @extschema@.add_on_purchases p WHERE p.user_id = $1 AND p.checkout_id = $2",
);
static OF_STRIPE_SUBSCRIPTION: Statement<PurchaseColumns> =
    select_purchases!("p.user_id = $1 AND (p.metadata ->> 'stripe_subscription_id') = $2", "");

static OF_LAGO_SUBSCRIPTION: Statement<PurchaseColumns> =
    select_purchases!("p.user_id = $1 AND (p.metadata ->> 'lago_subscription_id') = $2", "");

static OWNER_OF_CHECKOUT: Statement<(String,)> =
    Statement::new("SELECT p.user_id FROM @extschema@.add_on_purchases p WHERE p.checkout_id = $1 LIMIT 1");

static OWNER_OF_PURCHASE: Statement<(String, Option<Uuid>)> =
    Statement::new("SELECT p.user_id, p.checkout_id FROM @extschema@.add_on_purchases p WHERE p.id = $1");

/// Metadata that has not changed is NULL here, and what is stored stays as it is.
static SAVE: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET status=s.status, refund_amount=(s.refunded::numeric / 100),
            refunded_at=CASE WHEN (s.refunded::numeric / 100) > p.refund_amount OR (s.status = 'refunded' AND p.status <> s.status)
                             THEN $10 ELSE p.refunded_at END,
            stripe_payment_id=s.stripe, lago_invoice_id=s.lago, payment_method=s.method, subscription_ends_at=s.ends,
            metadata=COALESCE(s.metadata::pg_catalog.jsonb, p.metadata)
       FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS s (id, status, refunded, stripe, lago, method, ends, metadata)
      WHERE p.user_id = $9 AND p.id = s.id",
);

static INSERT_RENEWAL: Statement = Statement::new(
    "INSERT INTO @extschema@.add_on_purchases
            (user_id, add_on_id, amount, currency, status, stripe_payment_id, lago_invoice_id, subscription_ends_at, metadata)
     VALUES ($1, $2, ($3::numeric / 100), $4, 'completed', $5, $6, $7, $8)",
);

/// How the add-on was charged when the user last bought it, or else how it is charged now.
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

/// The end of access that the user's other paid purchases of an add-on give, leaving out renewals of a checkout: one row
/// if there are any.
static OTHERWISE_PAID_UNTIL: Statement<(Option<Instant>,)> = Statement::new(
    "SELECT CASE WHEN pg_catalog.bool_or(p.subscription_ends_at IS NULL) THEN NULL
                 ELSE pg_catalog.max(p.subscription_ends_at) END
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND p.add_on_id = $2 AND p.id <> $3 AND p.status = 'completed'
        AND ($4 IS NULL OR (p.metadata ->> 'renewal_of') IS NULL OR (p.metadata ->> 'renewal_of') <> $4)
        AND (p.subscription_ends_at IS NULL OR p.subscription_ends_at > pg_catalog.now())
     HAVING pg_catalog.count(*) > 0",
);

static SHORTEN_RENEWALS: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET subscription_ends_at=$4
      WHERE p.user_id = $1 AND p.add_on_id = $2 AND (p.metadata ->> 'renewal_of') = $3 AND p.subscription_ends_at > $4",
);

/// A row of `add_on_purchases`.
#[derive(Clone, Debug)]
pub struct Purchase {
    pub id: Uuid,
    pub user_id: String,
    pub add_on_id: Uuid,
    pub amount: Money,
    pub currency: String,
    pub status: PurchaseStatus,
    pub refunded: Money,
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
    pub payment_method: Option<String>,
    pub subscription_ends_at: Option<Instant>,
    pub promo_code: Option<String>,
    pub checkout_id: Option<Uuid>,
    pub purchased_at: Instant,
    pub metadata: Metadata,
    /// The row as it is stored.
    stored: Columns,
}

/// The columns of a purchase that change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Columns {
    status: PurchaseStatus,
    refunded: Money,
    stripe_payment_id: Option<String>,
    lago_invoice_id: Option<String>,
    payment_method: Option<String>,
    subscription_ends_at: Option<Instant>,
}

/// A purchase's `metadata`.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    entries: Map<String, Value>,
    has_changed: bool,
}

impl Metadata {
    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// The amount under a key, in cents.
    pub fn cents(&self, key: &str) -> Money {
        Money::from_cents(self.get(key).and_then(Value::as_i64).unwrap_or(0))
    }

    /// Whether something stands under a key.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Puts something under a key.
    pub fn set(&mut self, key: &str, value: Value) {
        if self.get(key) != Some(&value) {
            self.entries.insert(key.to_owned(), value);
            self.has_changed = true;
        }
    }

    /// Puts something under a key of the object under a key.
    pub fn set_in(&mut self, object: &str, key: &str, value: Value) {
        if self.get(object).and_then(|object| object.get(key)) != Some(&value) {
            let object = self.entries.entry(object).or_insert_with(|| Value::Object(Map::new()));
            object[key] = value;
            self.has_changed = true;
        }
    }

    /// Takes away what stands under a key.
    pub fn remove(&mut self, key: &str) {
        self.has_changed |= self.entries.remove(key).is_some();
    }
}

impl Purchase {
    /// Whether it counts as a redemption of its checkout's code and bundles.
    pub fn is_live(&self) -> bool {
        self.status == PurchaseStatus::Pending || self.status.is_settled()
    }

    /// How it is charged: as its quote line says, or else as the add-on is.
    pub fn billing_type(&self) -> Result<BillingType, Error> {
        let quoted = self.metadata.get("quote_line").and_then(|line| line.get("billing_type")?.as_str());
        match quoted.and_then(BillingType::from_name) {
            Some(billing_type) => Ok(billing_type),
            None => billing_type_of(&self.user_id, self.add_on_id),
        }
    }

    /// Whether it is paid for again and again.
    pub fn is_recurring(&self) -> Result<bool, Error> {
        Ok(self.billing_type()? != BillingType::OneTime)
    }

    /// What the provider has said of its subscription.
    pub fn subscription(&self) -> SubscriptionState {
        let document = self.metadata.get("subscription").cloned();
        document.and_then(|document| serde_json::from_value(document).ok()).unwrap_or_default()
    }

    /// Its place among the purchases of its checkout.
    pub fn position(&self) -> i64 {
        self.metadata.get("position").and_then(Value::as_i64).unwrap_or(i64::MAX)
    }

    /// The end of access as it was when the purchase was completed; `None` for no end.
    pub fn granted_until(&self) -> Option<Instant> {
        match self.metadata.get("access_until") {
            Some(until) => until.as_str().map(read_time),
            None => self.subscription_ends_at,
        }
    }

    fn columns(&self) -> Columns {
        Columns {
            status: self.status,
            refunded: self.refunded,
            stripe_payment_id: self.stripe_payment_id.clone(),
            lago_invoice_id: self.lago_invoice_id.clone(),
            payment_method: self.payment_method.clone(),
            subscription_ends_at: self.subscription_ends_at,
        }
    }

    /// Whether it is not stored as it is here.
    pub fn has_changed(&self) -> bool {
        self.metadata.has_changed || self.columns() != self.stored
    }
}

/// Writes what has changed of these purchases, all of one user. Says whether anything had.
pub fn save<'a>(purchases: impl IntoIterator<Item = &'a mut Purchase>) -> Result<bool, Error> {
    let mut changed: Vec<&mut Purchase> = purchases.into_iter().filter(|purchase| purchase.has_changed()).collect();
    if changed.is_empty() {
        return Ok(false);
    }
    let ids: Vec<Uuid> = changed.iter().map(|purchase| purchase.id).collect();
    let statuses: Vec<Option<&str>> = changed.iter().map(|purchase| Some(purchase.status.name())).collect();
    let refunded: Vec<i64> = changed.iter().map(|purchase| purchase.refunded.cents()).collect();
    let payments: Vec<Option<&str>> = changed.iter().map(|purchase| purchase.stripe_payment_id.as_deref()).collect();
    let invoices: Vec<Option<&str>> = changed.iter().map(|purchase| purchase.lago_invoice_id.as_deref()).collect();
    let methods: Vec<Option<&str>> = changed.iter().map(|purchase| purchase.payment_method.as_deref()).collect();
    let ends: Vec<Option<Instant>> = changed.iter().map(|purchase| purchase.subscription_ends_at).collect();
    let documents = changed.iter().map(|purchase| &purchase.metadata);
    let documents: Vec<Option<String>> =
        documents.map(|metadata| metadata.has_changed.then(|| Json::of(&metadata.entries).0)).collect();
    let documents: Vec<Option<&str>> = documents.iter().map(Option::as_deref).collect();
    let params = params![
        &ids,
        &statuses,
        &refunded,
        &payments,
        &invoices,
        &methods,
        &ends,
        &documents,
        &changed[0].user_id,
        now(),
    ];
    let written = SAVE.perform(params)?;
    all_written("add_on_purchases", changed.len(), written)?;
    for purchase in &mut changed {
        purchase.stored = purchase.columns();
        purchase.metadata.has_changed = false;
    }
    Ok(true)
}

/// The user who made a checkout.
pub fn owner_of_checkout(checkout_id: Uuid) -> Result<Option<String>, Error> {
    OWNER_OF_CHECKOUT.execute_one(params![checkout_id], |(user_id,)| user_id)
}

/// The user who made a purchase, and its checkout.
pub fn owner_of_purchase(purchase_id: Uuid) -> Result<Option<(String, Option<Uuid>)>, Error> {
    OWNER_OF_PURCHASE.execute_one(params![purchase_id], |row| row)
}

/// The purchases of the user's checkout, locked, in add-on id order.
pub fn of_checkout(user_id: &str, checkout_id: Uuid) -> Result<Vec<Purchase>, Error> {
    read(&OF_CHECKOUT, params![user_id, checkout_id])
}

/// The purchases of the user's checkout, locked; `None` when somebody else has locked one of them.
pub fn of_checkout_unless_locked(user_id: &str, checkout_id: Uuid) -> Result<Option<Vec<Purchase>>, Error> {
    let params = params![user_id, checkout_id];
    let found = read(&OF_CHECKOUT_UNLESS_LOCKED, params)?;
    let count = COUNT_OF_CHECKOUT.execute_one(params, |(count,)| count)?;
    Ok((count == Some(found.len() as i64)).then_some(found))
}

/// The user's purchase by itself, locked.
pub fn by_id(user_id: &str, purchase_id: Uuid) -> Result<Vec<Purchase>, Error> {
    read(&BY_ID, params![user_id, purchase_id])
}

/// The user's purchases with this payment, locked, in add-on id order.
pub fn of_stripe_payment(user_id: &str, payment_id: &str) -> Result<Vec<Purchase>, Error> {
    read(&OF_STRIPE_PAYMENT, params![user_id, payment_id])
}

/// The user's purchases with this invoice, locked, in add-on id order.
pub fn of_lago_invoice(user_id: &str, invoice_id: &str) -> Result<Vec<Purchase>, Error> {
    read(&OF_LAGO_INVOICE, params![user_id, invoice_id])
}

/// The user's purchases under this subscription, first and renewals, locked, in add-on id order.
pub fn of_stripe_subscription(user_id: &str, subscription_id: &str) -> Result<Vec<Purchase>, Error> {
    read(&OF_STRIPE_SUBSCRIPTION, params![user_id, subscription_id])
}

/// The user's purchases under this subscription of Lago, locked, in add-on id order.
pub fn of_lago_subscription(user_id: &str, subscription_id: &str) -> Result<Vec<Purchase>, Error> {
    read(&OF_LAGO_SUBSCRIPTION, params![user_id, subscription_id])
}

fn read(statement: &Statement<PurchaseColumns>, params: &Params) -> Result<Vec<Purchase>, Error> {
    statement.execute_all(params, read_purchase)
}

fn read_purchase(columns: PurchaseColumns) -> Purchase {
    let (
        id,
        user_id,
        add_on_id,
        cents,
        currency,
        status,
        refunded,
        stripe,
        lago,
        method,
        ends,
        promo,
        checkout,
        metadata,
        at,
    ) = columns;
    let entries = match metadata.parse() {
        Ok(Value::Object(entries)) => entries,
        _ => Map::new(),
    };
    let columns = Columns {
        // A constraint lets nothing else in.
        status: PurchaseStatus::from_name(&status).unwrap_or(PurchaseStatus::Failed),
        refunded: Money::from_cents(refunded),
        stripe_payment_id: stripe,
        lago_invoice_id: lago,
        payment_method: method,
        subscription_ends_at: ends,
    };
    let stored = columns.clone();
    let Columns { status, refunded, stripe_payment_id, lago_invoice_id, payment_method, subscription_ends_at } =
        columns;
    Purchase {
        id,
        user_id,
        add_on_id,
        amount: Money::from_cents(cents),
        currency,
        status,
        refunded,
        stripe_payment_id,
        lago_invoice_id,
        payment_method,
        subscription_ends_at,
        promo_code: promo,
        checkout_id: checkout,
        purchased_at: at,
        metadata: Metadata { entries, has_changed: false },
        stored,
    }
}

/// How the user pays for an add-on.
pub fn billing_type_of(user_id: &str, add_on_id: Uuid) -> Result<BillingType, Error> {
    let found = BILLING_TYPE.execute_one(params![user_id, add_on_id], |(name,)| name)?;
    found.map(catalog::billing_type).ok_or(Error::AddOnNotFound { add_on_id })
}

/// Until when other completed purchases of the add-on give access, if they do: `Some(None)` is without end. Renewals of
/// the purchase's checkout count when they stand by themselves.
pub fn otherwise_paid_until(purchase: &Purchase, renewals_stand: bool) -> Result<Option<Option<Instant>>, Error> {
    let without = purchase.checkout_id.filter(|_| !renewals_stand).map(|id| id.to_string());
    let params = params![&purchase.user_id, purchase.add_on_id, purchase.id, without.as_deref(),];
    OTHERWISE_PAID_UNTIL.execute_one(params, |(until,)| until)
}

/// Lets no renewal of the purchase's checkout have paid for longer.
pub fn shorten_renewals(purchase: &Purchase, end: Instant) -> Result<(), Error> {
    let checkout_id = purchase.checkout_id.map(|id| id.to_string());
    let params = params![&purchase.user_id, purchase.add_on_id, checkout_id.as_deref(), end,];
    SHORTEN_RENEWALS.perform(params).map(|_| ())
}

/// A payment for another period, to be recorded.
#[derive(Debug)]
pub struct Renewal<'a> {
    pub user_id: &'a str,
    pub add_on_id: Uuid,
    pub amount: Money,
    pub currency: &'a str,
    pub stripe_payment_id: Option<&'a str>,
    pub lago_invoice_id: Option<&'a str>,
    pub ends_at: Option<Instant>,
    pub metadata: Value,
}

/// Records a payment for another period.
pub fn insert_renewal(renewal: &Renewal) -> Result<(), Error> {
    let metadata = Json::of(&renewal.metadata);
    let params = params![
        renewal.user_id,
        renewal.add_on_id,
        renewal.amount.cents(),
        renewal.currency,
        renewal.stripe_payment_id,
        renewal.lago_invoice_id,
        renewal.ends_at,
        JsonText(&metadata.0),
    ];
    all_written("add_on_purchases", 1, INSERT_RENEWAL.perform(params)?)
}
