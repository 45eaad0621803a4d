//! The extension's tables, and what the functions expect of their columns.

use std::cell::OnceCell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::row;
use crate::error::Error;

/// The tables of a new installation, a line for each column, constraint, index and trigger, as PostgreSQL prints it.
/// The suite `protection` compares them, and writes the file if UPDATE_EXPECTED is set.
pub const EXPECTED: &str = include_str!("tables.txt");

/// The tables, ordered so that each comes after those that it refers to.
pub const TABLES: [&str; 8] = [
    "add_ons",
    "add_on_features",
    "add_on_bundles",
    "pricing_rules",
    "promotional_codes",
    "user_add_ons",
    "add_on_purchases",
    "cart_items",
];

/// The tables whose rows belong to users; the others are the catalog.
pub const TABLES_OF_USERS: [&str; 3] = ["user_add_ons", "add_on_purchases", "cart_items"];

/// The tables whose changes are announced by triggers: the source of the catalog caches.
pub const CATALOG: [&str; 4] = ["add_ons", "add_on_features", "add_on_bundles", "pricing_rules"];

/// A column that the functions read or write.
#[derive(Clone, Copy, Debug)]
struct Column {
    table: &'static str,
    name: &'static str,
    /// Its type, as SQL writes it.
    type_name: &'static str,
    /// Other types that have the same representation and are accepted.
    types: &'static [pg_sys::Oid],
}

/// Every column of a table that differs from what the functions expect: missing, generated, or of a type with another
/// representation. A varchar may have become a text, and either may be a domain.
///
/// # Safety
/// The relation must be open.
pub unsafe fn column_differences(table: &str, relation: pg_sys::Relation) -> Vec<Error> {
    thread_local! { static COLUMNS: OnceCell<Vec<Column>> = const { OnceCell::new() } }
    COLUMNS.with(|columns| {
        let columns = columns.get_or_init(|| EXPECTED.lines().filter_map(expected_column).collect());
        let of_table = columns.iter().filter(|column| column.table == table);
        // SAFETY: the caller says so.
        of_table.filter_map(|column| unsafe { difference(column, relation) }).collect()
    })
}

/// A line of EXPECTED: `column table.name type [NOT NULL] [DEFAULT ...]`.
fn expected_column(line: &'static str) -> Option<Column> {
    let (table, rest) = line.strip_prefix("column ")?.split_once('.')?;
    let (name, type_name) = rest.split_once(' ')?;
    let type_name = type_name.split(" NOT NULL").next()?.split(" DEFAULT ").next()?;
    let types: &[pg_sys::Oid] = match type_name.split('(').next()? {
        "character varying" | "text" => &[pg_sys::TEXTOID, pg_sys::VARCHAROID],
        "numeric" => &[pg_sys::NUMERICOID],
        "integer" => &[pg_sys::INT4OID],
        "boolean" => &[pg_sys::BOOLOID],
        "jsonb" => &[pg_sys::JSONBOID],
        "bytea" => &[pg_sys::BYTEAOID],
        "uuid" => &[pg_sys::UUIDOID],
        "text[]" => &[pg_sys::TEXTARRAYOID],
        "uuid[]" => &[pg_sys::UUIDARRAYOID],
        "timestamp with time zone" => &[pg_sys::TIMESTAMPTZOID],
        _ => &[],
    };
    Some(Column { table, name, type_name, types })
}

unsafe fn difference(column: &Column, relation: pg_sys::Relation) -> Option<Error> {
    // SAFETY: the relation is open; its description has as many attributes as it says.
    let attribute = unsafe {
        let description = (*relation).rd_att;
        let attributes = (0..(*description).natts as usize).map(|position| &*row::attribute(description, position));
        let is_meant = |attribute: &&pg_sys::FormData_pg_attribute| {
            !attribute.attisdropped
                && CStr::from_ptr(attribute.attname.data.as_ptr()).to_bytes() == column.name.as_bytes()
        };
        attributes.into_iter().find(is_meant)
    };
    let found = match attribute {
        None => "missing".to_owned(),
        Some(attribute) if attribute.attgenerated != 0 => "generated".to_owned(),
        Some(attribute) if row::is_stored_as(attribute.atttypid, column.types) => return None,
        Some(attribute) => row::name_of(attribute.atttypid),
    };
    let (table, column, expected) = (column.table.to_owned(), column.name.to_owned(), column.type_name.to_owned());
    Some(Error::SchemaChanged { table, column, expected, found })
}
