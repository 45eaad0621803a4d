//! What is sent to Stripe.

use pgrx::prelude::*;

use super::Answer;
use crate::error::Error;
use crate::operations::stripe_checkout;
use crate::pg::datum::{Id, Json, Text, required};

#[pg_extern(stable, parallel_safe)]
fn stripe_checkout(checkout_id: Option<Id>, success_url: Option<Text>, cancel_url: Option<Text>) -> Answer<Json> {
    let Id(checkout_id) = required(checkout_id, "checkout_id")?;
    let (success_url, cancel_url) = (url(success_url, "success_url")?, url(cancel_url, "cancel_url")?);
    Ok(Json::of(&stripe_checkout::parameters(checkout_id, &success_url, &cancel_url)?))
}

/// The longest address that Stripe takes.
const LONGEST_URL: usize = 5000;

/// An address to which Stripe can send somebody: a web page's, or an app's.
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

extension_sql_file!("../../sql/functions/stripe.sql", name = "stripe_functions", requires = [stripe_checkout]);
