//! Checkouts and their payment, at Stripe too.

use pgrx::prelude::*;

use super::{Answer, money, short, user_to_change};
use crate::error::Error;
use crate::operations::checkout::{self, Order};
use crate::operations::payments;
use crate::operations::stripe_checkout;
use crate::pg::call::Call;
use crate::pg::clock::now;
use crate::pg::datum::{Amount, Digits, Id, Text, Timestamp, required};
use crate::pg::jsonb::Jsonb;
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use engine::payments::calls::PaymentReferences;

#[pg_extern(sql = r#"
CREATE FUNCTION "checkout"(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "expected_total" pg_catalog.numeric DEFAULT NULL,
    "idempotency_key" pg_catalog.text DEFAULT NULL,
    "allow_mixed_billing" bool DEFAULT false
) RETURNS TABLE (
    "checkout_id" pg_catalog.uuid,
    "purchase_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "quantity" INT,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "status" pg_catalog.text
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn checkout(
    user_id: Option<Text>,
    tier_code: Option<Text>,
    promo_code: Option<Text>,
    expected_total: Option<Digits>,
    idempotency_key: Option<Text>,
    allow_mixed_billing: Option<bool>,
    call: Call,
) -> Answer<()> {
    let order = Order {
        user_id: user_to_change(user_id)?,
        tier_code: tier_code.map(|text| text.0),
        promo_code: promo_code.map(|text| text.0),
        expected_total: expected_total.map(|total| money(total, "expected_total")).transpose()?,
        idempotency_key: short(idempotency_key, "idempotency_key", 255)?,
        allow_mixed_billing: required(allow_mixed_billing, "allow_mixed_billing")?,
        at: now(),
    };
    let mut rows = Tuplestore::open(&call);
    for sold in checkout::check_out(&order)? {
        rows.push(|| {
            [
                Id(sold.checkout_id).into_datum(),
                Id(sold.purchase_id).into_datum(),
                Id(sold.add_on_id).into_datum(),
                sold.quantity.into_datum(),
                Amount(sold.amount).into_datum(),
                Some(text_datum(&sold.currency)),
                Some(text_datum(sold.status.name())),
            ]
        });
    }
    Ok(())
}

#[pg_extern(sql = r#"
CREATE FUNCTION "complete_checkout"(
    "checkout_id" pg_catalog.uuid,
    "stripe_payment_id" pg_catalog.text DEFAULT NULL,
    "lago_invoice_id" pg_catalog.text DEFAULT NULL,
    "payment_method" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "expires_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn complete_checkout(
    checkout_id: Option<Id>,
    stripe_payment_id: Option<Text>,
    lago_invoice_id: Option<Text>,
    payment_method: Option<Text>,
    call: Call,
) -> Answer<()> {
    let Id(checkout_id) = required(checkout_id, "checkout_id")?;
    let references = PaymentReferences {
        stripe_payment_id: short(stripe_payment_id, "stripe_payment_id", 255)?,
        lago_invoice_id: short(lago_invoice_id, "lago_invoice_id", 255)?,
        payment_method: short(payment_method, "payment_method", 50)?,
    };
    let mut rows = Tuplestore::open(&call);
    for (add_on_id, end) in payments::complete(checkout_id, &references)? {
        rows.push(|| [Id(add_on_id).into_datum(), end.map(Timestamp).into_datum()]);
    }
    Ok(())
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

#[pg_extern(stable, parallel_safe)]
fn stripe_checkout(checkout_id: Option<Id>, success_url: Option<Text>, cancel_url: Option<Text>) -> Answer<Jsonb> {
    let Id(checkout_id) = required(checkout_id, "checkout_id")?;
    let (success_url, cancel_url) = (url(success_url, "success_url")?, url(cancel_url, "cancel_url")?);
    Ok(Jsonb::of(&stripe_checkout::parameters(checkout_id, &success_url, &cancel_url)?))
}

/// The maximum length of an address in Stripe.
const LONGEST_URL: usize = 5000;

/// An address to which Stripe can redirect a shopper: that of a web page or an app.
fn url(url: Option<Text>, argument: &'static str) -> Result<String, Error> {
    let Text(url) = required(url, argument)?;
    let length = url.chars().count();
    if length > LONGEST_URL {
        return Err(Error::TextTooLong { argument, longest: LONGEST_URL, length });
    }
    let is_absolute = url.split_once("://").is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
    if is_absolute && !url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        Ok(url)
    } else {
        Err(Error::InvalidUrl { argument, url: url.chars().take(60).collect() })
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

extension_sql_file!(
    "../../sql/functions/checkout.sql",
    name = "checkout_functions",
    requires = [checkout, stripe_checkout, complete_checkout, give_up_checkout]
);
