//! The parts of an installation: the objects of tables.txt, and the functions written in SQL with the bodies from
//! their files. _check_installation() compares them with the database.

use std::collections::BTreeSet;

use crate::pg::tables::EXPECTED;

/// The files that define functions in SQL.
const SOURCES: [&str; 16] = [
    include_str!("../../sql/triggers.sql"),
    include_str!("../../sql/tables/add_on_bundles.sql"),
    include_str!("../../sql/functions/adopt_tables.sql"),
    include_str!("../../sql/functions/catalog_documents.sql"),
    include_str!("../../sql/functions/check_catalog.sql"),
    include_str!("../../sql/functions/check_installation.sql"),
    include_str!("../../sql/functions/check_marketplace.sql"),
    include_str!("../../sql/functions/check_purchases.sql"),
    include_str!("../../sql/functions/distribute_marketplace.sql"),
    include_str!("../../sql/functions/drafts.sql"),
    include_str!("../../sql/functions/explain_checkout.sql"),
    include_str!("../../sql/functions/load_sample_catalog.sql"),
    include_str!("../../sql/functions/marketplace_metrics.sql"),
    include_str!("../../sql/functions/marketplace_status.sql"),
    include_str!("../../sql/functions/reference_tables.sql"),
    include_str!("../../sql/functions/tables.sql"),
];

/// An object of an installation.
pub struct ExpectedObject {
    /// `column`, `constraint`, `index`, `trigger` or `function`.
    pub kind: &'static str,
    /// Its table; empty for functions.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its definition as PostgreSQL prints it; for a function its body, or its symbol in the library.
    pub definition: String,
}

/// Every object, with the quoted schema filled in.
pub fn objects(schema: &str) -> Vec<ExpectedObject> {
    let parts = EXPECTED.lines().filter_map(part_of_table).chain(SOURCES.into_iter().flat_map(functions));
    let in_schema = |(kind, table, name, definition): (_, _, _, &str)| ExpectedObject {
        kind,
        table,
        name,
        definition: definition.replace("@extschema@", schema),
    };
    let in_library = trigger_functions().into_iter().map(|name| {
        let definition = format!("{name}_wrapper");
        ExpectedObject { kind: "function", table: "", name, definition }
    });
    parts.map(in_schema).chain(in_library).collect()
}

/// The trigger functions in the library. Instead of a body they have the name of the symbol.
fn trigger_functions() -> BTreeSet<&'static str> {
    let written_in_sql: BTreeSet<&str> = bodies().into_iter().map(|(name, _)| name).collect();
    let function = |line: &'static str| Some(line.split_once("EXECUTE FUNCTION @extschema@.")?.1.split_once('(')?.0);
    EXPECTED.lines().filter_map(function).filter(|name| !written_in_sql.contains(name)).collect()
}

type Part = (&'static str, &'static str, &'static str, &'static str);

/// The functions written in SQL, each with the body from its file.
pub fn bodies() -> Vec<(&'static str, &'static str)> {
    SOURCES.into_iter().flat_map(functions).map(|(_, _, name, body)| (name, body)).collect()
}

/// A line of tables.txt: `kind table.name definition`.
fn part_of_table(line: &'static str) -> Option<Part> {
    let (kind, rest) = line.split_once(' ')?;
    let (table, rest) = rest.split_once('.')?;
    let (name, definition) = rest.split_once(' ')?;
    Some((kind, table, name, definition))
}

/// The functions that a file creates with a dollar-quoted body.
fn functions(source: &'static str) -> impl Iterator<Item = Part> {
    source.split("CREATE FUNCTION @extschema@.").skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('(')?;
        let (head, rest) = rest.split_once("$$")?;
        let (body, _) = rest.split_once("$$")?;
        // A function without such a body is followed by the next statement.
        (!head.contains(';')).then_some(("function", "", name, body))
    })
}
