//! The business rules in plain Rust: no PostgreSQL, no I/O, no clock.
//!
//! `docs/semantics.md` numbers the steps; each module names the steps that it implements.

#![forbid(unsafe_code)]

pub mod access;
pub mod billing;
pub mod bundles;
pub mod calendar;
pub mod cart;
pub mod catalog;
pub mod checkout;
pub mod conditions;
pub mod currency;
pub mod entitlements;
pub mod error;
pub mod events;
pub mod explain;
pub mod hash;
pub mod items;
pub mod json;
pub mod money;
pub mod payments;
pub mod promotions;
pub mod purchases;
pub mod quote;
pub mod quote_json;
pub mod required_facts;
pub mod rules;
pub mod split;
pub mod stripe_checkout;
pub mod time;
pub mod usage;
