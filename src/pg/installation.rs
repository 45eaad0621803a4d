//! Where the extension is installed in this database, found once per backend and again when that may have changed; and
//! how often its catalog has changed, as far as this backend was told.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::{FromDatum, pg_guard, pg_sys};

use crate::error::Error;

/// The extension's schema in this database.
#[derive(Debug)]
pub struct Installation {
    /// The schema's name, quoted where it needs it.
    pub schema: String,
    /// The oids of its tables, as many as the look-up asks for.
    tables: Tables,
    /// Whether Citus spreads its tables over several nodes.
    pub is_distributed: bool,
    /// Whether triggers announce every change of the catalog. Tables that Citus spreads have none.
    is_announced: bool,
    /// Counts the installations that this backend has seen, from 1.
    pub generation: u64,
}

/// The tables that the invalidation callback looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tables {
    /// A member of every installation whose changes are not announced: only its end is.
    lasting: pg_sys::Oid,
    /// Those whose every change is announced by triggers: what catalog caches are made of.
    catalog: [pg_sys::Oid; 4],
}

const NO_TABLES: Tables = Tables { lasting: pg_sys::InvalidOid, catalog: [pg_sys::InvalidOid; 4] };

thread_local! {
    static FOUND: RefCell<Option<Rc<Installation>>> = const { RefCell::new(None) };
    /// Set by invalidation callbacks, which must not look anything up themselves.
    static MAY_HAVE_CHANGED: Cell<bool> = const { Cell::new(true) };
    /// What to compare with in the callback, without touching FOUND.
    static WATCHED: Cell<Tables> = const { Cell::new(NO_TABLES) };
    static CATALOG_CHANGES: Cell<u64> = const { Cell::new(0) };
    static CATALOG_IS_ANNOUNCED: Cell<bool> = const { Cell::new(false) };
}

/// Qualified by hand, because no installation is known yet.
const LOOK_UP: &CStr = c"SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text), t.lasting, t.a, t.f, t.r, t.b,
       (SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 4
          FROM pg_catalog.pg_trigger g
         WHERE g.tgrelid OPERATOR(pg_catalog.=) ANY (ARRAY[t.a, t.f, t.r, t.b])
           AND g.tgname OPERATOR(pg_catalog.=) ANY ('{invalidate_add_ons_cache,invalidate_add_on_features_cache,\
                                                     invalidate_pricing_rules_cache,invalidate_add_on_bundles_cache}'
                                                    ::pg_catalog.name[])
           AND g.tgenabled OPERATOR(pg_catalog.=) 'A'),
       pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
 CROSS JOIN LATERAL (
         SELECT pg_catalog.max(c.oid) FILTER (WHERE c.relname OPERATOR(pg_catalog.=) 'promotional_codes'),
                pg_catalog.max(c.oid) FILTER (WHERE c.relname OPERATOR(pg_catalog.=) 'add_ons'),
                pg_catalog.max(c.oid) FILTER (WHERE c.relname OPERATOR(pg_catalog.=) 'add_on_features'),
                pg_catalog.max(c.oid) FILTER (WHERE c.relname OPERATOR(pg_catalog.=) 'pricing_rules'),
                pg_catalog.max(c.oid) FILTER (WHERE c.relname OPERATOR(pg_catalog.=) 'add_on_bundles')
           FROM pg_catalog.pg_class c
          WHERE c.relnamespace OPERATOR(pg_catalog.=) n.oid
            AND c.relname OPERATOR(pg_catalog.=) ANY ('{promotional_codes,add_ons,add_on_features,pricing_rules,add_on_bundles}'
                                                      ::pg_catalog.name[])
       ) t (lasting, a, f, r, b)
 WHERE e.extname OPERATOR(pg_catalog.=) 'extensions'::pg_catalog.name";

/// The installation in this database. An SPI connection must be open.
pub fn current() -> Result<Rc<Installation>, Error> {
    if MAY_HAVE_CHANGED.get() {
        // Before looking, so that a change that is noticed while looking counts.
        MAY_HAVE_CHANGED.set(false);
        let found = look_up();
        FOUND.with_borrow_mut(|known| remember(known, found));
    }
    FOUND.with_borrow(Clone::clone).ok_or_else(|| {
        MAY_HAVE_CHANGED.set(true);
        Error::NotInstalled
    })
}

/// The quoted schema, for commands that are put together by hand.
pub fn schema() -> Result<String, Error> {
    pgrx::Spi::connect(|_| current()).map(|installation| installation.schema.clone())
}

/// Whether Citus spreads the tables over several nodes.
pub fn is_distributed() -> Result<bool, Error> {
    pgrx::Spi::connect(|_| current()).map(|installation| installation.is_distributed)
}

/// Whether every change of the catalog is announced, in the installation that was last looked up.
pub fn catalog_is_announced() -> bool {
    CATALOG_IS_ANNOUNCED.get()
}

/// How many changes of the catalog this backend has been told of, its own uncommitted ones and their undoing included.
pub fn catalog_changes() -> u64 {
    CATALOG_CHANGES.get()
}

/// The tables of the catalog, in the installation that was last looked up.
pub fn catalog_tables() -> [pg_sys::Oid; 4] {
    WATCHED.get().catalog
}

fn remember(known: &mut Option<Rc<Installation>>, found: Option<Installation>) {
    thread_local! { static GENERATION: Cell<u64> = const { Cell::new(0) } }
    let Some(mut found) = found else {
        *known = None;
        return;
    };
    if known.as_ref().is_none_or(|known| !known.is_like(&found)) {
        if known.is_some() {
            count_catalog_change();
        }
        GENERATION.set(GENERATION.get() + 1);
        WATCHED.set(found.tables);
        CATALOG_IS_ANNOUNCED.set(found.is_announced);
        found.generation = GENERATION.get();
        *known = Some(Rc::new(found));
    }
}

impl Installation {
    fn is_like(&self, other: &Installation) -> bool {
        (&self.schema, self.tables, self.is_distributed, self.is_announced)
            == (&other.schema, other.tables, other.is_distributed, other.is_announced)
    }
}

/// Once per installation and backend, so a query string is in place.
fn look_up() -> Option<Installation> {
    // SAFETY: a connection is open; the columns are a text, oids and booleans.
    unsafe {
        pg_sys::SPI_execute(LOOK_UP.as_ptr(), true, 1);
        let table = pg_sys::SPI_tuptable.as_ref()?;
        if pg_sys::SPI_processed == 0 {
            return None;
        }
        let oid = |column| {
            let mut is_null = false;
            let datum = pg_sys::SPI_getbinval(*table.vals, table.tupdesc, column, &mut is_null);
            pg_sys::Oid::from_datum(datum, is_null)
        };
        let mut is_null = false;
        let schema = crate::pg::datum::string_of(pg_sys::SPI_getbinval(*table.vals, table.tupdesc, 1, &mut is_null));
        let tables = Tables { lasting: oid(2)?, catalog: [oid(3)?, oid(4)?, oid(5)?, oid(6)?] };
        let is_announced = flag(table, 7);
        let is_distributed = flag(table, 8) && is_spread(tables.lasting);
        Some(Installation { schema, tables, is_distributed, is_announced, generation: 0 })
    }
}

/// A boolean of the only row.
///
/// # Safety
/// The column must be a boolean.
unsafe fn flag(table: &pg_sys::SPITupleTable, column: i32) -> bool {
    let mut is_null = false;
    // SAFETY: the caller says so.
    unsafe {
        let datum = pg_sys::SPI_getbinval(*table.vals, table.tupdesc, column, &mut is_null);
        bool::from_datum(datum, is_null) == Some(true)
    }
}

/// Whether Citus, which is there, has spread a table over the nodes.
///
/// # Safety
/// An SPI connection must be open.
unsafe fn is_spread(table: pg_sys::Oid) -> bool {
    let query = format!(
        "SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid OPERATOR(pg_catalog.=) {}::pg_catalog.oid\0",
        table.to_u32()
    );
    // SAFETY: the caller says so, and the text ends with a zero.
    unsafe {
        pg_sys::SPI_execute(query.as_ptr().cast(), true, 1);
        pg_sys::SPI_processed > 0
    }
}

/// Asks to be told of everything that can move, rename or remove the extension, and of changes of its catalog.
pub fn watch() {
    // SAFETY: the callbacks stay valid as long as the backend runs, and they only set flags and counters.
    unsafe {
        pg_sys::CacheRegisterSyscacheCallback(
            pg_sys::SysCacheIdentifier::NAMESPACEOID as i32,
            Some(schema_changed),
            pg_sys::Datum::null(),
        );
        pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::null());
        for roles in [pg_sys::SysCacheIdentifier::AUTHOID, pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM] {
            pg_sys::CacheRegisterSyscacheCallback(roles as i32, Some(role_changed), pg_sys::Datum::null());
        }
    }
}

/// What a role may see of the catalog may have changed with it.
#[pg_guard]
unsafe extern "C-unwind" fn role_changed(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    count_catalog_change();
}

#[pg_guard]
unsafe extern "C-unwind" fn schema_changed(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    MAY_HAVE_CHANGED.set(true);
}

#[pg_guard]
unsafe extern "C-unwind" fn relation_changed(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    let watched = WATCHED.get();
    let is_anything = relation == pg_sys::InvalidOid;
    if is_anything || relation == watched.lasting {
        MAY_HAVE_CHANGED.set(true);
    }
    if is_anything || watched.catalog.contains(&relation) {
        count_catalog_change();
        // What was done may have been to take the triggers away.
        MAY_HAVE_CHANGED.set(true);
    }
}

fn count_catalog_change() {
    CATALOG_CHANGES.set(CATALOG_CHANGES.get() + 1);
}
