//! Parameters for Stripe, and objects fetched from Stripe.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::operations::{reconcile, stripe_checkout};
use crate::pg::datum::{Id, Text, Timestamp, now, required};
use crate::pg::document::{self, Document};
use crate::pg::jsonb::Jsonb;
use engine::events::stripe;

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
    Ok(TableIterator::new(rows.map(|row| (row.object_id.map(Text), Text(row.action.to_owned()), row.changed))))
}

extension_sql_file!(
    "../../sql/functions/stripe.sql",
    name = "stripe_functions",
    requires = [stripe_checkout, reconcile_stripe]
);
