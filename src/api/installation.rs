//! The extension's tables, and the reference with which _check_installation() compares an installation.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::admin::expected;
use crate::error::Error;
use crate::pg::datum::Text;
use crate::pg::installation;
use crate::pg::tables::{TABLES, TABLES_OF_USERS};

fn text(text: impl Into<String>) -> Text {
    Text(text.into())
}

/// The list for functions and files in SQL. It looks nothing up, because the install script calls it before there are tables.
#[pg_extern(name = "_table_names", immutable, parallel_safe)]
fn table_names() -> TableIterator<'static, (name!(place, i32), name!(name, Text), name!(has_users, bool))> {
    TableIterator::new((1..).zip(TABLES).map(|(place, name)| (place, text(name), TABLES_OF_USERS.contains(&name))))
}

#[pg_extern(name = "_expected_objects", stable, parallel_safe)]
fn expected_objects() -> Result<
    TableIterator<'static, (name!(kind, Text), name!(table_name, Text), name!(name, Text), name!(definition, Text))>,
    ErrorReport,
> {
    let objects = expected::objects(&installation::schema()?).into_iter();
    let row = |object: expected::ExpectedObject| {
        (text(object.kind), text(object.table), text(object.name), text(object.definition))
    };
    Ok(TableIterator::new(objects.map(row)))
}

#[pg_extern(name = "_column_differences", stable, parallel_safe)]
fn column_differences() -> Result<
    TableIterator<
        'static,
        (name!(table_name, Text), name!(column_name, Text), name!(expected, Text), name!(found, Text)),
    >,
    ErrorReport,
> {
    let differences = Spi::connect(|_| installation::current())?.column_differences().into_iter();
    let row = |difference| match difference {
        Error::SchemaChanged { table, column, expected, found } => {
            Some((text(table), text(column), text(expected), text(found)))
        }
        _ => None,
    };
    Ok(TableIterator::new(differences.filter_map(row)))
}
