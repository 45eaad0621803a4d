//! Rows of the extension's tables, one file for each table or query. There are no business rules here.

pub mod access_records;
pub mod assortment;
pub mod cart;
pub mod carts;
pub mod catalog;
pub mod catalog_cache;
pub mod checkouts;
pub mod constraint_comments;
pub mod drafts;
pub mod features;
pub mod leftovers;
pub mod metadata;
pub mod owned;
pub mod payable;
pub mod personal_data;
pub mod predicates;
pub mod promotions;
pub mod purchase_history;
pub mod purchases;
pub mod renewals;
pub mod reports;
pub mod search;
pub mod trials;
pub mod unclaimed;
pub mod usage;
pub mod user_history;
pub mod user_set;
pub mod uses;

use crate::error::Error;

/// Checks that the expected number of rows was written or deleted: a trigger of the host can suppress rows silently.
pub fn all_written(table: &'static str, meant: usize, written: u64) -> Result<(), Error> {
    if written == meant as u64 { Ok(()) } else { Err(Error::RowSwallowed { table, meant: meant as u64, written }) }
}

/// The same if rows that did not exist yet, and so could not be locked, may have been added.
pub fn none_left(table: &'static str, locked: u64, written: u64) -> Result<(), Error> {
    if written >= locked { Ok(()) } else { Err(Error::RowSwallowed { table, meant: locked, written }) }
}
