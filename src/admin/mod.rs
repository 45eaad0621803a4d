//! Administration: access levels, row security, the tables as members of the extension, the drop guard, adoption, scheduling.

pub mod access_levels;
pub mod adoption;
pub mod drop_guard;
pub mod expected;
pub mod extension_tables;
pub mod row_security;
pub mod schedule;
pub mod schema_rename;

/// A count with its noun: `1 table`, `8 tables`.
fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
