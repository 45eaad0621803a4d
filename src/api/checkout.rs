//! Selling carts, and what becomes of a checkout.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{Answer, money, short, user_to_change};
use crate::operations::checkout::{self, Order};
use crate::operations::payments::{self, PaymentReferences};
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp, now, required};

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn checkout(
    user_id: Option<Text>,
    tier_code: default!(Option<Text>, "NULL"),
    promo_code: default!(Option<Text>, "NULL"),
    expected_total: default!(Option<Digits>, "NULL"),
    idempotency_key: default!(Option<Text>, "NULL"),
    allow_mixed_billing: default!(Option<bool>, false),
) -> Result<
    TableIterator<
        'static,
        (
            name!(checkout_id, Id),
            name!(purchase_id, Id),
            name!(add_on_id, Id),
            name!(quantity, i32),
            name!(amount, Amount),
            name!(currency, Text),
            name!(status, Text),
        ),
    >,
    ErrorReport,
> {
    let order = Order {
        user_id: user_to_change(user_id)?,
        tier_code: tier_code.map(|text| text.0),
        promo_code: promo_code.map(|text| text.0),
        expected_total: expected_total.map(|total| money(total, "expected_total")).transpose()?,
        idempotency_key: short(idempotency_key, "idempotency_key", 255)?,
        allow_mixed_billing: required(allow_mixed_billing, "allow_mixed_billing")?,
        at: now(),
    };
    let rows = checkout::check_out(&order)?.into_iter().map(|sold| {
        (
            Id(sold.checkout_id),
            Id(sold.purchase_id),
            Id(sold.add_on_id),
            sold.quantity,
            Amount(sold.amount),
            Text(sold.currency),
            Text(sold.status),
        )
    });
    Ok(TableIterator::new(rows))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn complete_checkout(
    checkout_id: Option<Id>,
    stripe_payment_id: default!(Option<Text>, "NULL"),
    lago_invoice_id: default!(Option<Text>, "NULL"),
    payment_method: default!(Option<Text>, "NULL"),
) -> Result<TableIterator<'static, (name!(add_on_id, Id), name!(expires_at, Option<Timestamp>))>, ErrorReport> {
    let Id(checkout_id) = required(checkout_id, "checkout_id")?;
    let references = PaymentReferences {
        stripe_payment_id: short(stripe_payment_id, "stripe_payment_id", 255)?,
        lago_invoice_id: short(lago_invoice_id, "lago_invoice_id", 255)?,
        payment_method: short(payment_method, "payment_method", 50)?,
    };
    let granted = payments::complete(checkout_id, &references)?;
    Ok(TableIterator::new(granted.into_iter().map(|(add_on_id, end)| (Id(add_on_id), end.map(Timestamp)))))
}

/// As version 1.0.0 has it, whose function is there until ALTER EXTENSION has been run.
#[pg_extern(sql = false)]
fn fail_checkout(checkout_id: Option<Id>, reason: Option<Text>) -> Answer<bool> {
    give_up_checkout(checkout_id, reason, Some(false))
}

#[pg_extern(name = "fail_checkout", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn give_up_checkout(
    checkout_id: Option<Id>,
    reason: default!(Option<Text>, "NULL"),
    restore_cart: default!(Option<bool>, false),
) -> Answer<bool> {
    let Id(checkout_id) = required(checkout_id, "checkout_id")?;
    let restore_cart = required(restore_cart, "restore_cart")?;
    Ok(payments::fail(checkout_id, reason.as_deref(), restore_cart)?)
}

extension_sql_file!(
    "../../sql/functions/checkout.sql",
    name = "checkout_functions",
    requires = [checkout, complete_checkout, give_up_checkout]
);
