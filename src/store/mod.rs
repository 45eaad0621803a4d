//! Rows of the extension's tables: one table or one question a file. They know no rule.

pub mod cart;
pub mod carts;
pub mod catalog;
pub mod catalog_cache;
pub mod history;
pub mod ownership;
pub mod promotions;
pub mod purchase_history;
pub mod purchases;
pub mod search;
pub mod subscriptions;
pub mod uses;
