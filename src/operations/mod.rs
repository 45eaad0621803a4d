//! The operations behind the SQL functions, one file each. An operation loads rows, asks the engine, and writes its
//! decision.

pub mod access;
pub mod books;
pub mod cart;
pub mod checkout;
pub mod entitlements;
pub mod events;
pub mod explain_access;
pub mod lago_rows;
pub mod maintenance;
pub mod payments;
pub mod personal_data;
pub mod pricing;
pub mod promotions;
pub mod reconcile;
pub mod repricing;
pub mod simulation;
pub mod sources;
pub mod stripe_checkout;
pub mod subscriptions;
pub mod unclaimed;
pub mod usage;
