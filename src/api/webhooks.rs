//! What payment providers report: webhook bodies whose signatures the backend has verified, objects fetched from Stripe,
//! and payments that were not applied.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::{Answer, short};
use crate::error::Error;
use crate::operations::events::{self, UnknownFacts};
use crate::operations::{payments, reconcile};
use crate::pg::call::Call;
use crate::pg::clock::now;
use crate::pg::datum::{Amount, Id, Text, Timestamp, required};
use crate::pg::document::{self, Document};
use crate::pg::jsonb::Jsonb;
use crate::pg::text::text_datum;
use crate::pg::tuplestore::Tuplestore;
use crate::store::reports;
use engine::events::{lago, stripe};
use engine::json::Malformed;
use engine::payments::Fact;
use engine::time::Instant;

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn apply_stripe_event(event: Option<Document<'_>>) -> Answer<Jsonb> {
    let shape = r#"{"id", "type", "created", "data": {"object": {...}}}, as Stripe sends it"#;
    Ok(apply(event, stripe::event, shape)?)
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn apply_lago_event(event: Option<Document<'_>>) -> Answer<Jsonb> {
    let shape =
        r#"{"webhook_type", "object_type", and under the key that object_type names the object}, as Lago sends it"#;
    Ok(apply(event, lago::event, shape)?)
}

fn apply(
    event: Option<Document>,
    read: fn(&Value, Instant) -> Result<Vec<Fact>, Malformed>,
    shape: &'static str,
) -> Result<Jsonb, Error> {
    let malformed = |malformed| Error::MalformedArgument { argument: "event", malformed, shape };
    let body = required(event, "event")?.read("event", document::EVENT)?.map_err(malformed)?;
    let facts = read(&body, now()).map_err(malformed)?;
    Ok(Jsonb::of(&events::apply(facts, UnknownFacts::Stored)?.to_json()))
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn reconcile_stripe(
    objects: Option<Document<'_>>,
    fetched_at: default!(Option<Timestamp>, "pg_catalog.now()"),
) -> Result<
    TableIterator<'static, (name!(object_id, Option<Text>), name!(action, Text), name!(changed, bool))>,
    ErrorReport,
> {
    let shape = r#"an array of objects of Stripe's API, {"data": [...]} as the API lists them, or one object"#;
    let malformed = |malformed| Error::MalformedArgument { argument: "objects", malformed, shape };
    let document = required(objects, "objects")?.read("objects", document::EVENT)?.map_err(malformed)?;
    let Timestamp(fetched_at) = required(fetched_at, "fetched_at")?;
    // A time in the future counts as now: otherwise these objects would override everything reported until then.
    let fetched = stripe::objects(&document, fetched_at.min(now())).map_err(malformed)?;
    let rows = reconcile::reconcile(fetched)?.into_iter();
    Ok(TableIterator::new(rows.map(|row| (row.object_id.map(Text), Text(row.action.name().to_owned()), row.changed))))
}

#[pg_extern(sql = r#"
CREATE FUNCTION "unsettled_payments"() RETURNS TABLE (
    "payment_id" pg_catalog.text,
    "provider" pg_catalog.text,
    "checkout_id" pg_catalog.uuid,
    "user_id" pg_catalog.text,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "reason" pg_catalog.text,
    "received_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn unsettled_payments(call: Call) -> Answer<()> {
    let mut rows = Tuplestore::open(&call);
    reports::unsettled(|payment| {
        let text = |text: &Option<String>| text.as_deref().map(text_datum);
        rows.push(|| {
            [
                text(&payment.id),
                text(&payment.provider),
                Id(payment.checkout_id).into_datum(),
                Some(text_datum(&payment.user_id)),
                payment.amount.and_then(|amount| Amount(amount).into_datum()),
                text(&payment.currency),
                text(&payment.reason),
                payment.received_at.and_then(|at| Timestamp(at).into_datum()),
            ]
        });
    })?;
    Ok(())
}

#[pg_extern(volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, @extschema@, pg_temp)]
fn settle_payment(payment_id: Option<Text>, note: default!(Option<Text>, "NULL")) -> Answer<bool> {
    let payment_id = short(payment_id, "payment_id", 255)?.ok_or(Error::NullArgument { argument: "payment_id" })?;
    Ok(payments::settle_payment(&payment_id, note.as_deref())?)
}

extension_sql_file!(
    "../../sql/functions/webhooks.sql",
    name = "webhooks_functions",
    requires = [apply_stripe_event, apply_lago_event, reconcile_stripe, unsettled_payments, settle_payment]
);
