//! Stripe's events and the objects of its API. Fields that moved between API versions are looked up in both places.

mod charge;
mod dispute;
mod intent;
mod invoice;
mod refund;
mod session;
mod subscription;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::json_cursor::JsonCursor;
use crate::billing::BillingType;
use crate::currency::Provider;
use crate::json::Malformed;
use crate::money::Money;
use crate::payments::attempt::{Attempt, AttemptKind, Share};
use crate::payments::reports::{Reports, State};
use crate::payments::{Fact, Object};
use crate::time::Instant;

/// The facts in the body of a webhook; none if it does not concern us.
pub fn event(body: &Value, heard_at: Instant) -> Result<Vec<Fact>, Malformed> {
    let event = JsonCursor::root(body)?;
    let kind = event.at("type").required_text()?;
    let Some(read) = reader_of_event(kind) else { return Ok(Vec::new()) };
    // Only a reference to the object, which nobody but its owner can fetch.
    if event.at("object").text()? == Some("v2.core.event") {
        return Ok(Vec::new());
    }
    let object = event.path("data.object").object()?;
    let at = event.at("created").unix_time()?.unwrap_or(Instant::NEG_INFINITY);
    let previous = event.path("data.previous_attributes").value().as_object();
    read(&Told { object, kind: Some(kind), at, heard_at, previous })
}

/// An object of the API, and its facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The facts; none if it does not concern us.
    pub facts: Vec<Fact>,
}

/// The facts in objects of the API: an array of objects, a list as the API returns it, or a single object. They
/// describe the state at the time of the request. Events among them are read as if they had just arrived.
pub fn objects(document: &Value, fetched_at: Instant) -> Result<Vec<Fetched>, Malformed> {
    let elements = match document {
        Value::Array(_) => JsonCursor::new("objects", document).elements()?,
        _ => match JsonCursor::root(document)? {
            list if list.value().get("data").is_some_and(Value::is_array) => list.at("data").elements()?,
            object => vec![object],
        },
    };
    elements.into_iter().map(|element| fetched(element.object()?, fetched_at)).collect()
}

fn fetched(object: JsonCursor, fetched_at: Instant) -> Result<Fetched, Malformed> {
    let id = object.at("id").id()?;
    let facts = match object.at("object").required_text()? {
        "event" => event(object.value(), fetched_at).map_err(|Malformed(what)| Malformed(within(&object, &what)))?,
        name => match reader_of_object(name) {
            Some(read) => read(&Told { object, kind: None, at: fetched_at, heard_at: fetched_at, previous: None })?,
            None => Vec::new(),
        },
    };
    Ok(Fetched { id, facts })
}

/// A complaint about something inside another document.
fn within(place: &JsonCursor, complaint: &str) -> String {
    if place.name().is_empty() { complaint.to_owned() } else { format!("{}: {complaint}", place.name()) }
}

type Reader = fn(&Told) -> Result<Vec<Fact>, Malformed>;

fn reader_of_event(kind: &str) -> Option<Reader> {
    let (thing, what) = kind.rsplit_once('.')?;
    match (thing, what) {
        // It has no id: it is a preview of an invoice.
        ("invoice", "upcoming") => None,
        ("charge.refund", _) => reader_of_object("refund"),
        ("charge.dispute", _) => reader_of_object("dispute"),
        ("customer.subscription", _) => reader_of_object("subscription"),
        (thing, _) => reader_of_object(thing).filter(|_| !matches!(thing, "subscription" | "dispute")),
    }
}

fn reader_of_object(name: &str) -> Option<Reader> {
    match name {
        "checkout.session" => Some(session::read),
        "payment_intent" => Some(intent::read),
        "charge" => Some(charge::read),
        "refund" => Some(refund::read),
        "dispute" => Some(dispute::read),
        "invoice" => Some(invoice::read),
        "invoice_payment" => Some(invoice::read_payment),
        "subscription" => Some(subscription::read),
        _ => None,
    }
}

/// An object, and how we received it.
struct Told<'a> {
    object: JsonCursor<'a>,
    /// The kind of the event; `None` for an object of the API.
    kind: Option<&'a str>,
    /// The time, dated by Stripe, at which the object had this state.
    at: Instant,
    heard_at: Instant,
    /// What was different before.
    previous: Option<&'a Map<String, Value>>,
}

impl Told<'_> {
    /// When it happened, if it happened just before it was reported.
    fn happened_at(&self) -> Instant {
        if self.at == Instant::NEG_INFINITY { self.heard_at } else { self.at.min(self.heard_at) }
    }

    /// What the object says of its state, and of its previous state if it mentions one. `read` is also given the kind
    /// of the event, which can say more than the object; for the previous state only the object counts.
    fn words<T: State>(
        &self,
        read: impl Fn(&JsonCursor, Option<&str>) -> Result<Option<T>, Malformed>,
    ) -> Result<Reports<T>, Malformed> {
        let Some(now) = read(&self.object, self.kind)? else { return Ok(Reports::default()) };
        let before = match self.past() {
            Some(past) => read(&JsonCursor::new(self.object.name(), &past), None)?.filter(|before| *before != now),
            None => None,
        };
        Ok(Reports::one(self.at, now, before))
    }

    /// The object as it was before.
    fn past(&self) -> Option<Value> {
        let previous = self.previous.filter(|previous| !previous.is_empty())?;
        let mut past = self.object.value().clone();
        for (key, value) in previous {
            past[key] = value.clone();
        }
        Some(past)
    }

    /// The fact about the object itself.
    fn fact(&self, checkout_id: Option<Uuid>, object: Object) -> Result<Fact, Malformed> {
        Ok(Fact { id: self.object.at("id").required_id()?, checkout_id, object })
    }

    /// An amount under a key, which must not be negative.
    fn amount(&self, key: &str, currency: Option<&str>) -> Result<Option<Money>, Malformed> {
        amount(&self.object.at(key), currency)
    }
}

/// An amount in Stripe's minor units of a currency.
fn amount(place: &JsonCursor, currency: Option<&str>) -> Result<Option<Money>, Malformed> {
    place.amount(Provider::Stripe, currency.unwrap_or_default())
}

/// An amount that may be negative.
fn signed(place: &JsonCursor, currency: Option<&str>) -> Result<Option<Money>, Malformed> {
    place.money(Provider::Stripe, currency.unwrap_or_default())
}

fn attempt(kind: AttemptKind) -> Attempt {
    Attempt::new(Provider::Stripe, kind)
}

/// Our checkout in an object's metadata.
fn marker(object: &JsonCursor) -> Option<Uuid> {
    object.path("metadata.checkout_id").uuid()
}

/// Which lines of a checkout an item of a subscription or a line of an invoice is about. The add-on is named by its
/// metadata or by that of its price or product; the interval is that of its price.
fn share(item: &JsonCursor) -> Result<Share, Malformed> {
    let price = [item.at("price"), item.path("pricing.price_details.price"), item.at("plan")];
    let named = |place: &JsonCursor| place.path("metadata.add_on_id").uuid();
    let product = |place: &JsonCursor| named(&place.at("product"));
    let add_on_id = named(item)
        .or_else(|| price.iter().find_map(named))
        .or_else(|| price.iter().find_map(product))
        .or_else(|| named(&item.path("pricing.price_details.product")));
    let mut billing = None;
    for recurring in price.iter().flat_map(|price| [price.at("recurring"), price.clone()]) {
        if billing.is_none() {
            billing = interval(&recurring)?;
        }
    }
    Ok(Share { add_on_id, billing })
}

/// The interval of a price, where it is a month or a year.
fn interval(recurring: &JsonCursor) -> Result<Option<BillingType>, Malformed> {
    // A price that is given only by its id has no keys.
    let count = recurring.at("interval_count").integer()?.unwrap_or(1);
    Ok(match (recurring.at("interval").text()?, count) {
        (Some("month"), 1) => Some(BillingType::Monthly),
        (Some("year"), 1) | (Some("month"), 12) => Some(BillingType::Annual),
        _ => None,
    })
}
