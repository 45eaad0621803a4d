//! Refunds, disputes and purchase history.

use pgrx::prelude::*;

use super::{Answer, money, not_negative};
use crate::error::Error;
use crate::operations::payments;
use crate::pg::call::Call;
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp, required};
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use crate::store::purchase_history;
use engine::money::Money;
use engine::purchases::PurchaseStatus;

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn refund_purchase(
    purchase_id: Option<Id>,
    amount: default!(Option<Digits>, "NULL"),
    reason: default!(Option<Text>, "NULL"),
) -> Answer<Amount> {
    let Id(purchase_id) = required(purchase_id, "purchase_id")?;
    let amount = amount.map(positive).transpose()?;
    let refunded = payments::refund_purchase(purchase_id, amount, reason.as_deref())?;
    Ok(Amount(refunded))
}

/// An amount that can be refunded.
fn positive(digits: Digits) -> Result<Money, Error> {
    let given = digits.0.clone();
    let amount = money(digits, "amount")?;
    if amount > Money::ZERO {
        Ok(amount)
    } else {
        Err(Error::InvalidAmount { argument: "amount", expected: "more than 0", amount: given })
    }
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn dispute_purchase(purchase_id: Option<Id>, reason: default!(Option<Text>, "NULL")) -> Answer<Text> {
    let Id(purchase_id) = required(purchase_id, "purchase_id")?;
    let status = payments::dispute_purchase(purchase_id, reason.as_deref())?;
    Ok(Text(status.name().to_owned()))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn resolve_dispute(purchase_id: Option<Id>, won: Option<bool>) -> Answer<Text> {
    let Id(purchase_id) = required(purchase_id, "purchase_id")?;
    let status = payments::resolve_dispute(purchase_id, required(won, "won")?)?;
    Ok(Text(status.name().to_owned()))
}

#[pg_extern(sql = r#"
CREATE FUNCTION "purchase_history"(
    "user_id" pg_catalog.text,
    "status" pg_catalog.text DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 50,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "purchase_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "quantity" pg_catalog.int4,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "status" pg_catalog.text,
    "refund_amount" pg_catalog.numeric,
    "purchased_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn purchase_history(
    user_id: Option<Text>,
    status: Option<Text>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    call: Call,
) -> Answer<()> {
    let Text(user_id) = required(user_id, "user_id")?;
    let status = status.map(known_status).transpose()?;
    let (max_rows, skip) = (not_negative("max_rows", max_rows)?, not_negative("skip", skip)?);
    let mut rows = Tuplestore::open(&call);
    purchase_history::page(&user_id, status, max_rows, skip, |entry| {
        rows.push(|| {
            [
                Id(entry.purchase_id).into_datum(),
                Id(entry.add_on_id).into_datum(),
                Some(text_datum(&entry.name)),
                entry.quantity.into_datum(),
                Amount(entry.amount).into_datum(),
                Some(text_datum(&entry.currency)),
                Some(text_datum(entry.status.name())),
                Amount(entry.refunded).into_datum(),
                Timestamp(entry.purchased_at).into_datum(),
            ]
        });
    })?;
    Ok(())
}

#[pg_extern(sql = r#"
CREATE FUNCTION "list_purchases"(
    "user_id" pg_catalog.text,
    "status" pg_catalog.text DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 20,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "purchase_id" pg_catalog.uuid,
    "checkout_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "category" pg_catalog.text,
    "version" pg_catalog.text,
    "icon_url" pg_catalog.text,
    "quantity" pg_catalog.int4,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "status" pg_catalog.text,
    "refund_amount" pg_catalog.numeric,
    "promo_code" pg_catalog.text,
    "stripe_payment_id" pg_catalog.text,
    "lago_invoice_id" pg_catalog.text,
    "purchased_at" pg_catalog.timestamptz,
    "subscription_ends_at" pg_catalog.timestamptz,
    "total_count" pg_catalog.int8
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn list_purchases(
    user_id: Option<Text>,
    status: Option<Text>,
    max_rows: Option<i32>,
    skip: Option<i32>,
    call: Call,
) -> Answer<()> {
    let Text(user_id) = required(user_id, "user_id")?;
    let status = status.map(known_status).transpose()?;
    let (max_rows, skip) = (not_negative("max_rows", max_rows)?, not_negative("skip", skip)?);
    let mut rows = Tuplestore::open(&call);
    purchase_history::listed_page(&user_id, status, max_rows, skip, |listed| {
        let entry = &listed.entry;
        rows.push(|| {
            [
                Id(entry.purchase_id).into_datum(),
                listed.checkout_id.and_then(|checkout_id| Id(checkout_id).into_datum()),
                Id(entry.add_on_id).into_datum(),
                Some(text_datum(&entry.name)),
                Some(text_datum(&listed.category)),
                listed.version.as_deref().map(text_datum),
                listed.icon_url.as_deref().map(text_datum),
                entry.quantity.into_datum(),
                Amount(entry.amount).into_datum(),
                Some(text_datum(&entry.currency)),
                Some(text_datum(entry.status.name())),
                Amount(entry.refunded).into_datum(),
                listed.promo_code.as_deref().map(text_datum),
                listed.stripe_payment_id.as_deref().map(text_datum),
                listed.lago_invoice_id.as_deref().map(text_datum),
                Timestamp(entry.purchased_at).into_datum(),
                listed.subscription_ends_at.and_then(|end| Timestamp(end).into_datum()),
                listed.total_count.into_datum(),
            ]
        });
    })?;
    Ok(())
}

fn known_status(Text(given): Text) -> Result<PurchaseStatus, Error> {
    let known = || PurchaseStatus::ALL.map(PurchaseStatus::name).join(", ");
    PurchaseStatus::from_name(&given).ok_or_else(|| Error::UnknownWord { argument: "status", known: known(), given })
}

extension_sql_file!(
    "../../sql/functions/purchases.sql",
    name = "purchases_functions",
    requires = [refund_purchase, dispute_purchase, resolve_dispute, purchase_history, list_purchases]
);
