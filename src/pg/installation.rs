//! The installation of the extension in this database, looked up once per backend and again when it may have changed;
//! and the number of catalog changes that this backend has been told of.
//!
//! Everything here comes from PostgreSQL's system caches, which show what is committed now, whatever snapshot the
//! caller uses. An object that exists in the caller's snapshot may be gone when a table is opened.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char};
use std::rc::Rc;

use pgrx::{PgRelation, pg_guard, pg_sys};

use super::qualified;
use super::tables::{self, CATALOG, TABLES};
use crate::error::Error;

/// The extension's schema in this database.
#[derive(Debug)]
pub struct Installation {
    /// The schema's name, quoted where it needs it.
    pub schema: String,
    /// The schema's own oid.
    namespace: pg_sys::Oid,
    /// The extension's own oid.
    pub extension: pg_sys::Oid,
    /// The oids of its tables, in the order of `TABLES`; invalid for a table that does not exist.
    tables: [pg_sys::Oid; TABLES.len()],
    /// The owner of the tables. If there are several, one that is not a superuser is preferred.
    pub owner: pg_sys::Oid,
    /// Whether Citus spreads its tables over several nodes.
    pub is_distributed: bool,
    /// The number of the installation among those that this backend has seen, from 1.
    pub generation: u64,
}

const NO_TABLES: [pg_sys::Oid; TABLES.len()] = [pg_sys::InvalidOid; TABLES.len()];

thread_local! {
    static FOUND: RefCell<Option<Rc<Installation>>> = const { RefCell::new(None) };
    /// Set by invalidation callbacks, which must not look anything up themselves.
    static MAY_HAVE_CHANGED: Cell<bool> = const { Cell::new(true) };
    /// The oids that the callback compares with, so that it need not borrow FOUND.
    static WATCHED: Cell<[pg_sys::Oid; TABLES.len()]> = const { Cell::new(NO_TABLES) };
    /// The number of changes to our tables, of any kind.
    static TABLE_CHANGES: Cell<u64> = const { Cell::new(0) };
    static CATALOG_CHANGES: Cell<u64> = const { Cell::new(0) };
    /// Whether triggers announce every change of the catalog, and the count of table changes for which this was
    /// found.
    static CATALOG_IS_ANNOUNCED: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
}

/// The installation in this database. An SPI connection must be open.
pub fn current() -> Result<Rc<Installation>, Error> {
    if MAY_HAVE_CHANGED.get() {
        // Before the lookup, so that a change noticed during the lookup counts.
        MAY_HAVE_CHANGED.set(false);
        let found = look_up();
        // The creation of a missing table is not announced.
        let is_whole = found.as_ref().is_some_and(|found| !found.tables.contains(&pg_sys::InvalidOid));
        if !is_whole {
            MAY_HAVE_CHANGED.set(true);
        }
        FOUND.with_borrow_mut(|known| remember(known, found));
    }
    FOUND.with_borrow(Clone::clone).ok_or(Error::NotInstalled)
}

/// The installation, for callers without an open SPI connection. One is opened only if a lookup is needed.
pub fn without_connection() -> Result<Rc<Installation>, Error> {
    if MAY_HAVE_CHANGED.get() {
        return pgrx::Spi::connect(|_| current());
    }
    FOUND.with_borrow(Clone::clone).ok_or(Error::NotInstalled)
}

/// Whether the installation may have changed since the last lookup.
pub fn may_have_changed() -> bool {
    MAY_HAVE_CHANGED.get()
}

/// The quoted schema, for commands that are built as strings.
pub fn schema() -> Result<String, Error> {
    without_connection().map(|installation| installation.schema.clone())
}

/// Who owns the tables.
pub fn owner() -> Result<pg_sys::Oid, Error> {
    without_connection().map(|installation| installation.owner)
}

/// Whether Citus spreads the tables over several nodes.
pub fn is_distributed() -> Result<bool, Error> {
    without_connection().map(|installation| installation.is_distributed)
}

/// The collation of one of our columns, if the column exists and has one.
pub fn collation_of(table: &str, column: &CStr) -> Option<pg_sys::Oid> {
    let installation = without_connection().ok()?;
    let table = installation.tables[TABLES.iter().position(|name| *name == table)?];
    let (mut of_type, mut modifier, mut collation) = (pg_sys::InvalidOid, 0, pg_sys::InvalidOid);
    // SAFETY: these look at catalogs.
    unsafe {
        let column = pg_sys::get_attnum(table, column.as_ptr());
        if i32::from(column) == pg_sys::InvalidAttrNumber as i32 {
            return None;
        }
        pg_sys::get_atttypetypmodcoll(table, column, &mut of_type, &mut modifier, &mut collation);
    }
    (collation != pg_sys::InvalidOid).then_some(collation)
}

/// The pages and rows of one of our tables, as PostgreSQL last counted them; a table that it has not counted yet is
/// assumed to have forty rows to a page.
pub fn size_of(table: &str) -> Result<(f64, f64), Error> {
    let table = without_connection()?.table(table);
    let main = pg_sys::ForkNumber::MAIN_FORKNUM;
    // SAFETY: the relation is open, and asking for its size changes nothing.
    let size = with_relation(table, |relation| unsafe {
        let (class, pages) = (&*(*relation).rd_rel, f64::from(pg_sys::RelationGetNumberOfBlocksInFork(relation, main)));
        match (class.relpages > 0, f64::from(class.reltuples)) {
            (true, rows) if rows >= 0.0 => (pages, rows / f64::from(class.relpages) * pages),
            _ => (pages, pages * 40.0),
        }
    });
    Ok(size.unwrap_or_default())
}

/// Whether values of one of our columns are equal only if their bytes are.
pub fn compares_bytes(table: &str, column: &CStr) -> bool {
    // SAFETY: this looks at a catalog.
    collation_of(table, column).is_some_and(|collation| unsafe { pg_sys::get_collation_isdeterministic(collation) })
}

/// The extension's own oid.
pub fn extension() -> Result<pg_sys::Oid, Error> {
    without_connection().map(|installation| installation.extension)
}

/// Makes DROP EXTENSION drop a table that is not a member of the extension, as ALTER ... DEPENDS ON EXTENSION does
/// for other objects.
pub fn drop_with_extension(table: pg_sys::Oid) -> Result<(), Error> {
    let address = |class, object| pg_sys::ObjectAddress { classId: class, objectId: object, objectSubId: 0 };
    let table = address(pg_sys::RelationRelationId, table);
    let extension = address(pg_sys::ExtensionRelationId, extension()?);
    // SAFETY: both objects are there; this writes a row of a catalog, and lets what follows see it.
    unsafe {
        pg_sys::recordDependencyOn(&table, &extension, pg_sys::DependencyType::DEPENDENCY_AUTO_EXTENSION);
        pg_sys::CommandCounterIncrement();
    }
    Ok(())
}

/// The plain table of this name in the extension's schema, if it belongs to the owner of the tables. A table of
/// anybody else under that name does not count.
pub fn own_table(name: &CStr) -> Result<Option<pg_sys::Oid>, Error> {
    let installation = without_connection()?;
    let Some(&one) = installation.tables.iter().find(|&&table| table != pg_sys::InvalidOid) else { return Ok(None) };
    // SAFETY: these look at catalogs.
    let table = unsafe { pg_sys::get_relname_relid(name.as_ptr(), pg_sys::get_rel_namespace(one)) };
    // SAFETY: the relation is open.
    let is_own = |relation: pg_sys::Relation| unsafe {
        let row = &*(*relation).rd_rel;
        row.relkind == pg_sys::RELKIND_RELATION as c_char && row.relowner == installation.owner
    };
    Ok(with_relation(table, is_own).filter(|&is_own| is_own).map(|_| table))
}

/// The number of changes to the extension's tables, of any kind: after a change, earlier findings about columns are
/// stale.
pub fn table_changes() -> u64 {
    TABLE_CHANGES.get()
}

/// The number of catalog changes that this backend has been told of, including its own uncommitted ones and
/// rollbacks.
pub fn catalog_changes() -> u64 {
    CATALOG_CHANGES.get()
}

/// The catalog tables, as of the last lookup.
pub fn catalog_tables() -> [pg_sys::Oid; CATALOG.len()] {
    let watched = WATCHED.get();
    CATALOG.map(|name| TABLES.iter().position(|table| *table == name).map_or(pg_sys::InvalidOid, |at| watched[at]))
}

/// Whether triggers announce every change of the catalog. Tables distributed by Citus have no triggers.
pub fn catalog_is_announced() -> bool {
    if let Some((changes, is_announced)) = CATALOG_IS_ANNOUNCED.get()
        && changes == TABLE_CHANGES.get()
    {
        return is_announced;
    }
    let changes = TABLE_CHANGES.get();
    let is_announced = CATALOG.iter().zip(catalog_tables()).all(|(name, table)| announces(name, table));
    CATALOG_IS_ANNOUNCED.set(Some((changes, is_announced)));
    is_announced
}

fn announces(name: &str, table: pg_sys::Oid) -> bool {
    let trigger = CString::new(format!("invalidate_{name}_cache")).unwrap_or_default();
    let always = pg_sys::TRIGGER_FIRES_ALWAYS as c_char;
    // Not from the table's entry: to make one takes the first call of a session longer than this.
    // SAFETY: the columns and the index are of the catalog, and its rows of this type.
    unsafe {
        let keys = [
            (pg_sys::Anum_pg_trigger_tgrelid, pg_sys::F_OIDEQ, table.into()),
            (pg_sys::Anum_pg_trigger_tgname, pg_sys::F_NAMEEQ, trigger.as_ptr().into()),
        ];
        let (catalog, index) = (pg_sys::TriggerRelationId, pg_sys::TriggerRelidNameIndexId);
        let is_enabled = |row: &pg_sys::FormData_pg_trigger| row.tgenabled == always;
        row_of_catalog(catalog, index.into(), keys, is_enabled).unwrap_or(false)
    }
}

/// Inspects a relation without a lock, as long as no invalidation is processed; `None` if it is gone.
pub fn with_relation<T>(relation: pg_sys::Oid, look: impl FnOnce(pg_sys::Relation) -> T) -> Option<T> {
    if relation == pg_sys::InvalidOid {
        return None;
    }
    // SAFETY: the relation's entry is pinned while it is looked at, so it is not rebuilt in place.
    unsafe {
        let entry = pg_sys::RelationIdGetRelation(relation);
        if entry.is_null() {
            return None;
        }
        let seen = look(entry);
        pg_sys::RelationClose(entry);
        Some(seen)
    }
}

impl Installation {
    /// The oid of a table; invalid if no table has the name.
    pub fn table(&self, name: &str) -> pg_sys::Oid {
        TABLES.iter().position(|table| *table == name).map_or(pg_sys::InvalidOid, |at| self.tables[at])
    }

    /// Whether the current role has USAGE on the schema.
    pub fn is_usable(&self) -> bool {
        let usage = pg_sys::ACL_USAGE as pg_sys::AclMode;
        // SAFETY: this looks at catalogs.
        unsafe {
            #[cfg(feature = "pg15")]
            let answer = pg_sys::pg_namespace_aclcheck(self.namespace, pg_sys::GetUserId(), usage);
            #[cfg(not(feature = "pg15"))]
            let answer =
                pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, self.namespace, pg_sys::GetUserId(), usage);
            answer == pg_sys::AclResult::ACLCHECK_OK
        }
    }

    /// Refuses if one of the tables that a statement names differs from what the functions expect. A missing column,
    /// such as a new one before ALTER EXTENSION has added it, matters only to statements that name it.
    pub fn check_columns(&self, sql: &str) -> Result<(), Error> {
        let named = TABLES.iter().zip(self.tables).filter(|(table, _)| qualified::names(sql, table));
        let matters = |difference: &Error| match difference {
            Error::SchemaChanged { column, found, .. } if found == "missing" => qualified::mentions(sql, column),
            _ => true,
        };
        match named.flat_map(|(table, oid)| differences(table, oid)).find(matters) {
            Some(difference) => Err(difference),
            None => Ok(()),
        }
    }

    /// Every deviation of the tables' columns from what the functions expect.
    pub fn column_differences(&self) -> Vec<Error> {
        TABLES.iter().zip(self.tables).flat_map(|(table, oid)| differences(table, oid)).collect()
    }

    fn is_like(&self, other: &Installation) -> bool {
        let parts = |one: &Installation| (one.namespace, one.extension, one.tables, one.owner, one.is_distributed);
        self.schema == other.schema && parts(self) == parts(other)
    }
}

fn differences(table: &str, relation: pg_sys::Oid) -> Vec<Error> {
    // SAFETY: the relation is open.
    let found = with_relation(relation, |relation| unsafe { tables::column_differences(table, relation) });
    found.unwrap_or_else(|| vec![Error::TableMissing { table: table.to_owned() }])
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
        TABLE_CHANGES.set(TABLE_CHANGES.get() + 1);
        WATCHED.set(found.tables);
        found.generation = GENERATION.get();
        *known = Some(Rc::new(found));
    }
}

fn look_up() -> Option<Installation> {
    // SAFETY: a transaction is in progress; names are C strings.
    unsafe {
        let (extension, schema, extension_owner) = found_extension()?;
        let name = pg_sys::get_namespace_name(schema);
        if name.is_null() {
            return None;
        }
        let quoted = CStr::from_ptr(pg_sys::quote_identifier(name));
        let schema_name = super::text::from_server(quoted.to_bytes());
        let found = TABLES.map(|table| table_of(table, schema));
        let tables = found.map(|(table, _)| table);
        let is_distributed = is_spread(tables[TABLES.len() - 1]);
        Some(Installation {
            schema: schema_name,
            namespace: schema,
            extension,
            owner: owner_of(&found).unwrap_or(extension_owner),
            tables,
            is_distributed,
            generation: 0,
        })
    }
}

fn owner_of(tables: &[(pg_sys::Oid, pg_sys::Oid)]) -> Option<pg_sys::Oid> {
    // SAFETY: this looks at a catalog.
    let is_plain = |&owner: &pg_sys::Oid| !unsafe { pg_sys::superuser_arg(owner) };
    let owners = || tables.iter().filter(|(table, _)| *table != pg_sys::InvalidOid).map(|(_, owner)| *owner);
    owners().find(is_plain).or(owners().next())
}

/// The extension, its schema and its owner, if it is installed. Not every supported version of PostgreSQL exports a
/// lookup for this.
unsafe fn found_extension() -> Option<(pg_sys::Oid, pg_sys::Oid, pg_sys::Oid)> {
    let keys = [(pg_sys::Anum_pg_extension_extname, pg_sys::F_NAMEEQ, c"extensions".as_ptr().into())];
    let read = |row: &pg_sys::FormData_pg_extension| (row.oid, row.extnamespace, row.extowner);
    // SAFETY: the column and the index are of the catalog, and its rows of this type.
    unsafe { row_of_catalog(pg_sys::ExtensionRelationId, pg_sys::ExtensionNameIndexId.into(), keys, read) }
}

/// Reads the row of a system catalog in which these columns equal these values by these functions.
///
/// # Safety
/// The columns and the index must be of the catalog, and `R` its row.
unsafe fn row_of_catalog<R, T, const N: usize>(
    catalog: pg_sys::Oid,
    index: pg_sys::Oid,
    keys: [(u32, u32, pg_sys::Datum); N],
    read: impl FnOnce(&R) -> T,
) -> Option<T> {
    // SAFETY: the caller says so; the scan is under a snapshot of now, and the tuple is read before it ends.
    unsafe {
        let catalog = PgRelation::with_lock(catalog, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let mut keys = keys.map(|(column, function, value)| {
            let mut key = pg_sys::ScanKeyData::default();
            let equal = pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber;
            pg_sys::ScanKeyInit(&mut key, column as pg_sys::AttrNumber, equal, function.into(), value);
            key
        });
        let no_snapshot = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(catalog.as_ptr(), index, true, no_snapshot, N as i32, keys.as_mut_ptr());
        let tuple = pg_sys::systable_getnext(scan);
        let found = (!tuple.is_null()).then(|| read(&*pg_sys::GETSTRUCT(tuple).cast::<R>()));
        pg_sys::systable_endscan(scan);
        found
    }
}

/// The table with this name, plain or partitioned, and its owner; no other kind of relation.
unsafe fn table_of(name: &str, schema: pg_sys::Oid) -> (pg_sys::Oid, pg_sys::Oid) {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: this looks at a catalog, and at the row as long as it is held.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::RELNAMENSP as i32;
        let tuple = pg_sys::SearchSysCache2(cache, name.as_ptr().into(), schema.into());
        if tuple.is_null() {
            return (pg_sys::InvalidOid, pg_sys::InvalidOid);
        }
        let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let (kind, found) = (row.relkind as u8, (row.oid, row.relowner));
        pg_sys::ReleaseSysCache(tuple);
        let is_table = kind == pg_sys::RELKIND_RELATION || kind == pg_sys::RELKIND_PARTITIONED_TABLE;
        if is_table { found } else { (pg_sys::InvalidOid, pg_sys::InvalidOid) }
    }
}

/// Whether Citus is installed and has distributed a table over the nodes.
///
/// # Safety
/// An SPI connection must be open.
unsafe fn is_spread(table: pg_sys::Oid) -> bool {
    // SAFETY: the caller says so, and the text ends with a zero.
    unsafe {
        let catalog = pg_sys::Oid::from(pg_sys::PG_CATALOG_NAMESPACE);
        if pg_sys::get_relname_relid(c"pg_dist_partition".as_ptr(), catalog) == pg_sys::InvalidOid {
            return false;
        }
        let query = format!(
            "SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid OPERATOR(pg_catalog.=) {}::pg_catalog.oid\0",
            table.to_u32()
        );
        pg_sys::SPI_execute(query.as_ptr().cast(), true, 1);
        pg_sys::SPI_processed > 0
    }
}

/// Registers callbacks for everything that can move, rename or remove the extension, and for changes of its catalog.
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

/// A changed role can see other rows of the catalog, and the owner may have other rights.
#[pg_guard]
unsafe extern "C-unwind" fn role_changed(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    MAY_HAVE_CHANGED.set(true);
    count_catalog_change();
}

#[pg_guard]
unsafe extern "C-unwind" fn schema_changed(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    MAY_HAVE_CHANGED.set(true);
    // USAGE on the schema is part of the right to read its tables.
    TABLE_CHANGES.set(TABLE_CHANGES.get() + 1);
}

#[pg_guard]
unsafe extern "C-unwind" fn relation_changed(_arg: pg_sys::Datum, relation: pg_sys::Oid) {
    let is_anything = relation == pg_sys::InvalidOid;
    if is_anything || WATCHED.get().contains(&relation) {
        MAY_HAVE_CHANGED.set(true);
        TABLE_CHANGES.set(TABLE_CHANGES.get() + 1);
    }
    // A change to a catalog table may have removed its triggers.
    if is_anything || catalog_tables().contains(&relation) {
        count_catalog_change();
    }
}

fn count_catalog_change() {
    CATALOG_CHANGES.set(CATALOG_CHANGES.get() + 1);
}
