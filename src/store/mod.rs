//! Rows of the extension's tables: one table or one question a file. They know no rule.

pub mod assortment;
pub mod cart;
pub mod carts;
pub mod catalog;
pub mod catalog_cache;
pub mod checkouts;
pub mod conditions;
pub mod drafts;
pub mod features;
pub mod history;
pub mod leftovers;
pub mod owned;
pub mod payable;
pub mod personal_data;
pub mod promotions;
pub mod purchase_history;
pub mod purchases;
pub mod renewals;
pub mod reports;
pub mod rules;
pub mod search;
pub mod trials;
pub mod unclaimed;
pub mod usage;
pub mod uses;

use crate::error::Error;

/// Whether so many rows were written or deleted as were meant to be: a trigger of the host can swallow rows without a word.
pub fn all_written(table: &'static str, meant: usize, written: u64) -> Result<(), Error> {
    if written == meant as u64 { Ok(()) } else { Err(Error::RowSwallowed { table, meant: meant as u64, written }) }
}

/// The same where rows that nobody could lock before, because they were not there yet, can have come along.
pub fn none_left(table: &'static str, locked: u64, written: u64) -> Result<(), Error> {
    if written >= locked { Ok(()) } else { Err(Error::RowSwallowed { table, meant: locked, written }) }
}
