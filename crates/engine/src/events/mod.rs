//! What payment providers tell us, as facts (semantics 4.6).
//!
//! [`stripe`] reads events and objects of the API of Stripe, [`lago`] webhooks of Lago. Nothing here knows what is known
//! already: a body gives the same facts whenever it comes. What means nothing to us gives none; only what is no body of the
//! provider's at all is an error.

mod json_cursor;
pub mod lago;
pub mod stripe;
#[cfg(test)]
mod tests;
