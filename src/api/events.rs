//! Webhook bodies of payment providers, whose signatures the backend has verified.

use pgrx::prelude::*;
use serde_json::Value;

use super::Answer;
use crate::error::Error;
use crate::operations::events::{self, Strangers};
use crate::pg::datum::{now, required};
use crate::pg::document::{self, Document};
use crate::pg::jsonb::Jsonb;
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
    Ok(Jsonb::of(&events::apply(facts, Strangers::Kept)?.to_json()))
}

extension_sql_file!(
    "../../sql/functions/events.sql",
    name = "events_functions",
    requires = [apply_stripe_event, apply_lago_event]
);
