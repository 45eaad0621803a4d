//! Translates what payment providers send into facts (semantics 4.6).
//!
//! [`stripe`] reads events and objects of Stripe's API, [`lago`] reads Lago's webhooks. Nothing here depends on what
//! is already known: a body gives the same facts whenever it arrives. A body that means nothing to us gives no facts.
//! Only a body that cannot come from the provider at all is an error.

mod json_cursor;
pub mod lago;
pub mod stripe;
#[cfg(test)]
mod tests;
