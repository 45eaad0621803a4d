//! The keys of `add_on_purchases.metadata`, which holds the data of the sale. They are read, but not written again.
//!
//! The rest of the document belongs to the host: only `reason` is added, by PostgreSQL itself, so that the other keys
//! need not be parsed here.

use serde::Serialize;
use serde_json::Value;

use engine::payments::purchase::RenewalTerms;
use engine::quote_json::{LineDocument, QuoteDocument};

/// The column, as errors name it.
pub const COLUMN: &str = "add_on_purchases.metadata";

/// A key as a literal, for statements and for reading. The structs below have fields of the same names.
#[macro_export]
macro_rules! metadata_key {
    // The line of the quote on which the sale was based.
    (quote_line) => {
        "quote_line"
    };
    // The whole quote, on the first purchase of a checkout.
    (quote) => {
        "quote"
    };
    // Its place among the purchases of its checkout.
    (position) => {
        "position"
    };
    // The price of a renewal, and to how many of them the code of the sale applies.
    (renewal) => {
        "renewal"
    };
    // The checkout that a renewal continues.
    (renewal_of) => {
        "renewal_of"
    };
    // The key of the call that made the checkout, and its other arguments, on the first purchase.
    (idempotency_key) => {
        "idempotency_key"
    };
    (request) => {
        "request"
    };
}

/// The value of a key of the purchase `p`, or of a key within it, as jsonb (`->`) or as text (`->>`).
#[macro_export]
macro_rules! in_metadata {
    (-> $key:ident) => {
        concat!("(p.metadata -> '", $crate::metadata_key!($key), "')")
    };
    (->> $key:ident) => {
        concat!("(p.metadata ->> '", $crate::metadata_key!($key), "')")
    };
    (-> $key:ident -> $inner:literal) => {
        concat!("(", $crate::in_metadata!(-> $key), " -> '", $inner, "')")
    };
    (-> $key:ident ->> $inner:literal) => {
        concat!("(", $crate::in_metadata!(-> $key), " ->> '", $inner, "')")
    };
    (? $key:ident) => {
        concat!("p.metadata ? '", $crate::metadata_key!($key), "'")
    };
}

/// The metadata of a purchase, so that its price can be explained whatever becomes of the catalog.
#[derive(Serialize)]
pub struct PurchaseSnapshot<'a> {
    pub quote_line: &'a LineDocument<'a>,
    pub position: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<RenewalTerms>,
    #[serde(flatten)]
    pub checkout: Option<CheckoutSnapshot<'a>>,
}

/// The data that the first purchase of a checkout stores for all of them.
#[derive(Serialize)]
pub struct CheckoutSnapshot<'a> {
    pub quote: &'a QuoteDocument<'a>,
    /// What a repetition must ask for, if there can be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<&'a str>,
}

/// The addition when a purchase fails, is refunded or contested for a reason, or recovers.
#[derive(Serialize)]
pub struct Reason<'a> {
    pub reason: Option<&'a str>,
}
