//! Refunds, disputes and the history of purchases.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, money, not_negative};
use crate::error::Error;
use crate::operations::payments;
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp, required};
use crate::store::purchase_history;
use engine::money::Money;
use engine::purchases::PurchaseStatus;

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
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
#[search_path(pg_catalog, pg_temp)]
fn dispute_purchase(purchase_id: Option<Id>, reason: default!(Option<Text>, "NULL")) -> Answer<Text> {
    let Id(purchase_id) = required(purchase_id, "purchase_id")?;
    let status = payments::dispute_purchase(purchase_id, reason.as_deref())?;
    Ok(Text(status.name().to_owned()))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn resolve_dispute(purchase_id: Option<Id>, won: Option<bool>) -> Answer<Text> {
    let Id(purchase_id) = required(purchase_id, "purchase_id")?;
    let status = payments::resolve_dispute(purchase_id, required(won, "won")?)?;
    Ok(Text(status.name().to_owned()))
}

#[pg_extern(stable, parallel_safe)]
fn purchase_history(
    user_id: Option<Text>,
    status: default!(Option<Text>, "NULL"),
    max_rows: default!(Option<i32>, 50),
    skip: default!(Option<i32>, 0),
) -> Result<
    TableIterator<
        'static,
        (
            name!(purchase_id, Id),
            name!(add_on_id, Id),
            name!(name, Text),
            name!(quantity, i32),
            name!(amount, Amount),
            name!(currency, Text),
            name!(status, Text),
            name!(refund_amount, Amount),
            name!(purchased_at, Timestamp),
        ),
    >,
    ErrorReport,
> {
    let Text(user_id) = required(user_id, "user_id")?;
    let status = status.map(known_status).transpose()?;
    let (max_rows, skip) = (not_negative("max_rows", max_rows)?, not_negative("skip", skip)?);
    let page = purchase_history::page(&user_id, status, max_rows, skip)?;
    let rows = page.into_iter().map(|entry| {
        (
            Id(entry.purchase_id),
            Id(entry.add_on_id),
            Text(entry.name),
            entry.quantity,
            Amount(entry.amount),
            Text(entry.currency),
            Text(entry.status),
            Amount(entry.refunded),
            Timestamp(entry.purchased_at),
        )
    });
    Ok(TableIterator::new(rows))
}

fn known_status(Text(given): Text) -> Result<&'static str, Error> {
    let known = || PurchaseStatus::ALL.map(PurchaseStatus::name).join(", ");
    match PurchaseStatus::from_name(&given) {
        Some(status) => Ok(status.name()),
        None => Err(Error::UnknownWord { argument: "status", known: known(), given }),
    }
}

extension_sql_file!(
    "../../sql/functions/purchases.sql",
    name = "purchases_functions",
    requires = [refund_purchase, dispute_purchase, resolve_dispute, purchase_history]
);
