//! Rows of the extension's tables: one table or one question a file. They know no rule.

pub mod cart;
pub mod carts;
pub mod catalog;
pub mod catalog_cache;
pub mod drafts;
pub mod history;
pub mod owned;
pub mod promotions;
pub mod purchase_history;
pub mod purchases;
pub mod rules;
pub mod search;
pub mod unclaimed;
pub mod usage;
pub mod uses;

use crate::error::Error;

/// Whether so many rows were written or deleted as were meant to be: a trigger of the host can swallow rows without a word.
pub fn all_written(table: &'static str, meant: usize, written: u64) -> Result<(), Error> {
    if written == meant as u64 { Ok(()) } else { Err(Error::RowSwallowed { table, meant: meant as u64, written }) }
}
