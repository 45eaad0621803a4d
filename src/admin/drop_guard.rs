//! The guard of protect_marketplace(): it prevents dropping the tables while they hold rows.
//!
//! PostgreSQL calls a hook for each object that it is about to drop, whatever command caused it: DROP EXTENSION, DROP
//! SCHEMA, DROP OWNED, or a CASCADE from anything that an object of the extension depends on. But the hook exists
//! only in sessions that have loaded the library. So the guard has two parts: the hook, and an event trigger whose
//! function makes the session load the library before any command that changes definitions.
//!
//! The command may come from a superuser while the tables belong to somebody else. So the guard looks nothing up by
//! name and queries nothing that the owner could have made: only system catalogs, and the pages of plain tables.

use std::cell::RefCell;
use std::ffi::CStr;

use pgrx::pg_sys;

use crate::error::Error;
use crate::params;
use crate::pg::call::Call;
use crate::pg::drops::{self, Drop, statement_start};
use crate::pg::installation;
use crate::pg::rows::has_rows;
use crate::pg::statement::{Statement, command_as_caller};
use crate::pg::tables::TABLES;

/// The event trigger whose existence means that the guard is on.
const GUARD: &CStr = c"extensions_guard";

/// The tables, those in the extension under any name and those detached from it, and the owner of the extension. A
/// relation of another kind under the name of a table is ignored.
static GUARDED: Statement<(pg_sys::Oid, String, pg_sys::Oid, pg_sys::Oid, bool)> = Statement::new(
    "SELECT c.oid, c.relname::pg_catalog.text, c.relowner, e.extowner, d.objid IS NOT NULL
       FROM pg_catalog.pg_extension e
      CROSS JOIN pg_catalog.pg_class c
       LEFT JOIN pg_catalog.pg_depend d
         ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
        AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
      WHERE e.extname = 'extensions' AND c.relkind = ANY ('{r,p}')
        AND (d.objid IS NOT NULL OR (c.relnamespace = e.extnamespace AND c.relname = ANY ($1::pg_catalog.name[])))",
);

static PARTITIONS: Statement<(pg_sys::Oid,)> = Statement::new(
    "SELECT t.relid::pg_catalog.oid
       FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass) t
      WHERE t.relid <> $1::pg_catalog.regclass",
);

thread_local! {
    /// The command that is being watched.
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// A command for which the event trigger has fired. The tables are determined before it begins, because it can drop
/// the trigger and the extension before the tables.
struct Watch {
    /// The start time of the statement, which identifies it.
    statement: pg_sys::TimestampTz,
    tables: Vec<Table>,
    /// Tables that have already lost partitions with rows: PostgreSQL drops partitions before their table.
    bereft: Vec<pg_sys::Oid>,
}

#[derive(Clone)]
struct Table {
    oid: pg_sys::Oid,
    name: String,
    owner: pg_sys::Oid,
    extension_owner: pg_sys::Oid,
    is_member: bool,
    partitions: Vec<pg_sys::Oid>,
}

impl Table {
    fn holds_rows(&self) -> bool {
        has_rows(self.oid) || self.partitions.iter().any(|&partition| has_rows(partition))
    }
}

/// Registers the hook for objects that are about to be dropped.
pub fn watch() {
    drops::watch(relation_dropped);
}

/// Turns the guard on, and reports it. PostgreSQL lets only superusers create event triggers.
pub fn protect() -> Result<&'static str, Error> {
    if is_on() {
        return Ok("the tables were protected already");
    }
    let schema = installation::schema()?;
    command_as_caller(&format!(
        "CREATE EVENT TRIGGER extensions_guard ON ddl_command_start EXECUTE FUNCTION {schema}.guard_marketplace()"
    ));
    // Also in sessions in which triggers are switched off.
    command_as_caller("ALTER EVENT TRIGGER extensions_guard ENABLE ALWAYS");
    command_as_caller(
        "COMMENT ON EVENT TRIGGER extensions_guard IS
         'Has the tables of the extension \"extensions\" kept while they hold rows. Made by protect_marketplace().'",
    );
    Ok("the tables are protected: nobody can drop one while it holds rows")
}

/// Turns the guard off, and reports it.
pub fn unprotect() -> &'static str {
    WATCH.take();
    if !is_on() {
        return "the tables were not protected";
    }
    command_as_caller("DROP EVENT TRIGGER extensions_guard");
    "the tables are no longer protected: they can be dropped with their rows"
}

/// Whether the guard is on.
fn is_on() -> bool {
    drops::has_event_trigger(GUARD)
}

/// The action of the event trigger before a command that changes definitions. DROP EXTENSION and DROP OWNED are
/// refused here, before PostgreSQL refuses them because the trigger itself depends on the extension. An empty
/// marketplace can be dropped, and the trigger goes with it.
pub fn before_command(call: &Call) -> Result<(), Error> {
    let Some(drop) = Drop::announced_by(call)? else { return Ok(()) };
    let tables = guarded()?;
    let takes_extension = match &drop {
        Drop::Extension => true,
        Drop::OwnedBy(roles) => {
            tables.iter().any(|table| roles.contains(&table.owner) || roles.contains(&table.extension_owner))
        }
        Drop::Other => false,
    };
    if !takes_extension {
        WATCH.set(Some(Watch { statement: statement_start(), tables, bereft: Vec::new() }));
        return Ok(());
    }
    match tables.iter().find(|table| table.is_member && table.holds_rows()) {
        Some(table) => Err(Error::MarketplaceProtected { table: table.name.clone() }),
        None => {
            unprotect();
            WATCH.set(Some(Watch { statement: statement_start(), tables, bereft: Vec::new() }));
            Ok(())
        }
    }
}

/// The guarded tables; none if the extension is not installed.
fn guarded() -> Result<Vec<Table>, Error> {
    let names = TABLES.map(str::to_owned);
    let read = |(oid, name, owner, extension_owner, is_member)| Table {
        oid,
        name,
        owner,
        extension_owner,
        is_member,
        partitions: Vec::new(),
    };
    let found = match GUARDED.read_all(params![&names[..]], read) {
        Err(Error::NotInstalled) => return Ok(Vec::new()),
        found => found?,
    };
    let with_partitions = |mut table: Table| {
        table.partitions = PARTITIONS.read_all(params![table.oid], |(partition,)| partition)?;
        Ok(table)
    };
    found.into_iter().map(with_partitions).collect()
}

/// Refuses to drop a relation if it is one of the tables and holds rows, or held some when the command began.
fn relation_dropped(relation: pg_sys::Oid) -> Result<(), Error> {
    let statement = statement_start();
    let is_watched = WATCH.with_borrow(|watch| watch.as_ref().is_some_and(|watch| watch.statement == statement));
    if !is_watched {
        if !is_on() {
            return Ok(());
        }
        // Somebody has switched event triggers off, or the command that drops is not a DROP.
        let tables = guarded()?;
        WATCH.set(Some(Watch { statement, tables, bereft: Vec::new() }));
    }
    let meant = WATCH.with_borrow(|watch| {
        let mut tables = watch.iter().flat_map(|watch| &watch.tables);
        tables.find(|table| table.oid == relation || table.partitions.contains(&relation)).cloned()
    });
    let Some(table) = meant else { return Ok(()) };
    if table.oid != relation {
        if has_rows(relation) {
            WATCH.with_borrow_mut(|watch| watch.iter_mut().for_each(|watch| watch.bereft.push(table.oid)));
        }
        return Ok(());
    }
    let is_bereft = WATCH.with_borrow(|watch| watch.iter().any(|watch| watch.bereft.contains(&table.oid)));
    if is_bereft || table.holds_rows() { Err(Error::MarketplaceProtected { table: table.name }) } else { Ok(()) }
}
