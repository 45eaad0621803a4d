//! Reads rows by equality through an index. It does what the executor does for such a query, without a plan and
//! without the executor.
//!
//! Preparing the executor takes twice as long as the probe itself, and the first call of a session has to plan before
//! that. So this code reads the index as an index scan of the executor does: under the snapshot of the calling query,
//! with the same locks, which are kept until the transaction ends, and with the same tracking of conflicts under
//! SERIALIZABLE.
//!
//! This is correct only if the query needs nothing else from PostgreSQL: a plain table without partitions or
//! inheritance children, without row-level security, not distributed, which the caller may read completely; and a
//! valid index with PostgreSQL's own comparison operators under the column's collation. In all other cases, and if
//! another extension hooks into privilege checks, the same query runs as a [`Statement`], which handles all of that
//! or refuses as PostgreSQL does. A probe runs no code of the owner.

use std::cell::Cell;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::ptr;
use std::rc::Rc;

use pgrx::{PgList, pg_sys};

use super::installation::{self, Installation};
use super::parameter::Params;
use super::raw::{self, guarded};
use super::row::{Columns, Names, RawRow, attribute};
use super::running::RunningStatement;
use super::session;
use super::statement::Statement;
use crate::error::Error;

/// The maximum number of compared columns, and of read columns.
const MOST_KEYS: usize = 2;
const MOST_COLUMNS: usize = 12;

const SHARED: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
const KEPT: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

/// A query for the columns `R` of the rows of a table in which some columns equal the parameters, in this order.
pub struct Probe<R> {
    table: &'static str,
    columns: &'static [&'static str],
    keys: &'static [&'static str],
    by_plan: Statement<R>,
    known: Cell<Option<Known>>,
}

// SAFETY: a backend has one thread.
unsafe impl<R> Sync for Probe<R> {}

/// A probe of the table's columns: `probe!("cart_items", ["quantity"], "user_id")`, with an optional second column to
/// compare.
#[macro_export]
macro_rules! probe {
    ($table:literal, [$first:literal $(, $column:literal)*], $key:literal $(, $second:literal)?) => {
        $crate::pg::probe::Probe::new(
            $table,
            &[$first $(, $column)*],
            &[$key $(, $second)?],
            concat!(
                "SELECT t.", $first, $(", t.", $column,)*
                " FROM @extschema@.", $table, " t WHERE t.", $key, " = $1" $(, " AND t.", $second, " = $2")?
            ),
        )
    };
}

/// How the rows are found, and what this depends on.
#[derive(Clone, Copy)]
struct Known {
    generation: u64,
    changes: (u64, u64),
    role: pg_sys::Oid,
    /// `None` if the planner has to decide.
    way: Option<Way>,
}

/// An index, and the positions of the columns.
#[derive(Clone, Copy)]
struct Way {
    index: pg_sys::Oid,
    /// The comparisons of the index's columns, without a value.
    keys: [pg_sys::ScanKeyData; MOST_KEYS],
    /// The positions of the columns in the table, counted from 0, and the number of the last one.
    places: [u16; MOST_COLUMNS],
    last: i32,
}

impl<R: Columns + 'static> Probe<R> {
    /// A probe of these columns by these others, with its text for the planner; `probe!` creates it.
    pub const fn new(
        table: &'static str,
        columns: &'static [&'static str],
        keys: &'static [&'static str],
        sql: &'static str,
    ) -> Probe<R> {
        assert!(columns.len() <= MOST_COLUMNS && keys.len() <= MOST_KEYS && columns.len() == R::TYPES.len());
        Probe { table, columns, keys, by_plan: Statement::new(sql), known: Cell::new(None) }
    }

    /// The table that it looks into.
    pub(super) fn table(&self) -> &'static str {
        self.table
    }

    /// Reads all rows, in no particular order.
    pub fn read_all<T>(&self, params: &Params, read: impl Fn(R::Row<'_>) -> T) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.each(params, &mut |row| {
            found.push(read(row));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Passes on all rows, in no particular order, until the callback stops.
    pub fn read(&self, params: &Params, mut each: impl FnMut(R::Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.each(params, &mut |row| {
            outcome = each(row);
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome
    }

    /// Reads one row, if there is any.
    pub fn read_one<T>(&self, params: &Params, read: impl Fn(R::Row<'_>) -> T) -> Result<Option<T>, Error> {
        let mut found = None;
        self.each(params, &mut |row| {
            found = Some(read(row));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Whether some row matches; reads no further than that.
    pub fn any(&self, params: &Params, is_it: impl Fn(R::Row<'_>) -> bool) -> Result<bool, Error> {
        match self.open()? {
            Some(mut opened) => opened.any(params, is_it),
            None => self.by_plan.any(params, is_it),
        }
    }

    fn each(&self, params: &Params, each: &mut dyn FnMut(R::Row<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        match self.open()? {
            Some(mut opened) => opened.each(params, each),
            None => self.by_plan.visit(params, &mut |row| Ok(each(row))),
        }
    }

    /// The index, for the probes of one call of a function; `None` if the planner has to decide.
    pub fn open(&self) -> Result<Option<Opened<R>>, Error> {
        // SAFETY: this reads a variable, and a context is current whenever a query runs.
        self.open_in(unsafe { pg_sys::CurrentMemoryContext })
    }

    /// The index, for the probes of all calls of a function in a statement, if the statement can keep it open; `None`
    /// otherwise, and if the planner has to decide.
    pub fn open_for(&self, statement: &RunningStatement) -> Result<Option<Opened<R>>, Error> {
        if statement.is_of_portal() { self.open_in(statement.memory()) } else { Ok(None) }
    }

    fn open_in(&self, memory: pg_sys::MemoryContext) -> Result<Option<Opened<R>>, Error> {
        let installation = installation::without_connection()?;
        // SAFETY: a query is running; what is opened is closed when it goes out of scope, in the order of the fields.
        unsafe {
            let Some(table) = Open::table(installation.table(self.table)) else { return Ok(None) };
            let Some(way) = self.way(&installation, &table)? else { return Ok(None) };
            let scan = Scan::begin(table, way.index, self.keys.len(), memory);
            Ok(Some(Opened { scan, way, names: self.columns, columns: PhantomData }))
        }
    }

    /// How the current caller finds the rows of the table, which is open and locked.
    fn way(&self, installation: &Rc<Installation>, table: &Open) -> Result<Option<Way>, Error> {
        // SAFETY: this reads a variable.
        if unsafe { (&raw const pg_sys::ExecutorCheckPerms_hook).read() }.is_some() || installation::may_have_changed()
        {
            return Ok(None);
        }
        let (changes, role) = ((installation::table_changes(), installation::catalog_changes()), session::role());
        let generation = installation.generation;
        match self.known.get() {
            Some(known) if known.changes == changes && known.role == role && known.generation == generation => {
                Ok(known.way)
            }
            _ => {
                self.by_plan.check_columns(installation)?;
                let way = if installation.is_distributed || !installation.is_usable() {
                    None
                } else {
                    // SAFETY: the table is open and locked.
                    unsafe { self.find_way(table.0, role) }
                };
                self.known.set(Some(Known { generation, changes, role, way }));
                Ok(way)
            }
        }
    }

    /// # Safety
    /// The table must be open and locked.
    unsafe fn find_way(&self, table: pg_sys::Relation, role: pg_sys::Oid) -> Option<Way> {
        // SAFETY: the caller says so; what is read is of the table's entry, or looked up in catalogs.
        unsafe {
            let class = &*(*table).rd_rel;
            let is_plain = class.relkind as u8 == pg_sys::RELKIND_RELATION && !class.relhassubclass;
            let select = pg_sys::ACL_SELECT as pg_sys::AclMode;
            if !is_plain
                || class.relrowsecurity
                || pg_sys::pg_class_aclcheck((*table).rd_id, role, select) != pg_sys::AclResult::ACLCHECK_OK
            {
                return None;
            }
            let mut places = [0; MOST_COLUMNS];
            for (place, name) in places.iter_mut().zip(self.columns) {
                *place = place_of((*table).rd_att, name)?;
            }
            let last = places[..self.columns.len()].iter().max().map_or(0, |&place| i32::from(place) + 1);
            let indexes = PgList::<pg_sys::Oid>::from_pg(pg_sys::RelationGetIndexList(table));
            let found = indexes.iter_oid().find_map(|index| self.keys_of(table, index).map(|keys| (index, keys)));
            found.map(|(index, keys)| Way { index, keys, places, last })
        }
    }

    /// Whether the index contains all rows that a probe can find: it is not partial, or its predicate only excludes
    /// NULL in a compared column. The predicate is inspected in its stored form, because PostgreSQL's own function
    /// simplifies it, which can run code of the owner.
    ///
    /// # Safety
    /// The description must be that of the table, and the index one of it that is open.
    unsafe fn covers(&self, description: pg_sys::TupleDesc, index: pg_sys::Relation) -> bool {
        // SAFETY: the caller says so; a predicate is stored as a text, and nodes say what they are.
        unsafe {
            let (cache, column) = (pg_sys::SysCacheIdentifier::INDEXRELID as i32, pg_sys::Anum_pg_index_indpred as i16);
            let mut is_whole = false;
            let predicate = pg_sys::SysCacheGetAttr(cache, (*index).rd_indextuple, column, &mut is_whole);
            if is_whole {
                return true;
            }
            let condition =
                pg_sys::stringToNode(pg_sys::text_to_cstring(predicate.cast_mut_ptr())).cast::<pg_sys::Node>();
            if (*condition).type_ != pg_sys::NodeTag::T_NullTest {
                return false;
            }
            let test = &*condition.cast::<pg_sys::NullTest>();
            let is_column = (*test.arg).type_ == pg_sys::NodeTag::T_Var;
            let is_key = |column: i16| {
                self.keys.iter().any(|key| place_of(description, key).is_some_and(|place| place as i16 + 1 == column))
            };
            test.nulltesttype == pg_sys::NullTestType::IS_NOT_NULL
                && is_column
                && is_key((*test.arg.cast::<pg_sys::Var>()).varattno)
        }
    }

    /// The comparisons of an index's columns, if the index can be used.
    ///
    /// # Safety
    /// The table must be open and locked, and the index one of its.
    unsafe fn keys_of(&self, table: pg_sys::Relation, index: pg_sys::Oid) -> Option<[pg_sys::ScanKeyData; MOST_KEYS]> {
        // SAFETY: the caller says so; an index has as many columns as it says.
        unsafe {
            let index = Open::index(index);
            let (form, description) = (&*(*index.0).rd_index, (*table).rd_att);
            let is_whole = form.indisvalid
                && form.indisready
                && form.indislive
                && !form.indcheckxmin
                && (*(*index.0).rd_rel).relam == pg_sys::BTREE_AM_OID
                && (form.indnkeyatts as usize) >= self.keys.len();
            if !is_whole {
                return None;
            }
            if !self.covers(description, index.0) {
                return None;
            }
            let mut keys = [pg_sys::ScanKeyData::default(); MOST_KEYS];
            for (position, name) in self.keys.iter().enumerate() {
                let column = place_of(description, name)?;
                let own = (*attribute(description, usize::from(column))).attcollation;
                let collation = *(*index.0).rd_indcollation.add(position);
                if i32::from(*form.indkey.values.as_ptr().add(position)) != i32::from(column) + 1 || collation != own {
                    return None;
                }
                let (family, of_type) = (*(*index.0).rd_opfamily.add(position), *(*index.0).rd_opcintype.add(position));
                let equal = pg_sys::BTEqualStrategyNumber as i16;
                let equality = pg_sys::get_opcode(pg_sys::get_opfamily_member(family, of_type, of_type, equal));
                let is_known = match of_type {
                    pg_sys::TEXTOID => equality == pg_sys::Oid::from(pg_sys::F_TEXTEQ),
                    pg_sys::UUIDOID => equality == pg_sys::Oid::from(pg_sys::F_UUID_EQ),
                    _ => false,
                };
                if !is_known {
                    return None;
                }
                let (entry, column, none) = (&raw mut keys[position], position as i16 + 1, pg_sys::Datum::null());
                let (equal, no_type) = (equal as pg_sys::StrategyNumber, pg_sys::InvalidOid);
                pg_sys::ScanKeyEntryInitialize(entry, 0, column, equal, no_type, collation, equality, none);
            }
            Some(keys)
        }
    }
}

/// An index that is open for probes.
pub struct Opened<R> {
    scan: Scan,
    way: Way,
    names: &'static [&'static str],
    columns: PhantomData<fn() -> R>,
}

impl<R: Columns + 'static> Opened<R> {
    /// Whether some row matches; reads no further than that.
    pub fn any(&mut self, params: &Params, is_it: impl Fn(R::Row<'_>) -> bool) -> Result<bool, Error> {
        let mut found = false;
        self.each(params, &mut |row| {
            found = is_it(row);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    /// Passes on the rows that equal the parameters, until the callback stops.
    pub(super) fn each(
        &mut self,
        params: &Params,
        each: &mut dyn FnMut(R::Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut keys = self.way.keys;
        let keys = &mut keys[..params.len()];
        for (key, param) in keys.iter_mut().zip(params) {
            // Nothing equals NULL.
            let Some(value) = param.datum() else { return Ok(()) };
            key.sk_argument = value;
        }
        self.visit(keys, each)?;
        for (key, _) in keys.iter().zip(params).filter(|(_, param)| param.is_allocated()) {
            // SAFETY: nothing refers to the value any more. Where rows are many, they would fill the memory of the query.
            unsafe { pg_sys::pfree(key.sk_argument.cast_mut_ptr()) };
        }
        Ok(())
    }

    /// Whether the calling query has the snapshot that it was opened under, and still owns it.
    pub fn is_usable(&self) -> bool {
        // SAFETY: these read variables.
        unsafe {
            raw::ActiveSnapshotSet()
                && ptr::eq(raw::GetActiveSnapshot(), self.scan.snapshot)
                && ptr::eq(pg_sys::CurrentResourceOwner, self.scan.owner)
        }
    }

    /// The location of the row that was passed on last.
    pub(super) fn slot(&self) -> *mut pg_sys::TupleTableSlot {
        self.scan.slot
    }

    fn visit(
        &mut self,
        keys: &mut [pg_sys::ScanKeyData],
        each: &mut dyn FnMut(R::Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (mut values, mut nulls) = ([pg_sys::Datum::null(); MOST_COLUMNS], [true; MOST_COLUMNS]);
        let (slot, count) = (self.scan.slot, self.names.len());
        let mut is_found = self.scan.first(keys, self.way.last);
        while is_found {
            // SAFETY: the slot has a row of the table, whose columns are of the types that were looked at, and at these places.
            let row = unsafe {
                for (position, &place) in self.way.places[..count].iter().enumerate() {
                    values[position] = *(*slot).tts_values.add(usize::from(place));
                    nulls[position] = *(*slot).tts_isnull.add(usize::from(place));
                }
                let names = Names::Listed(self.names);
                R::read(&RawRow { values: &values[..count], nulls: &nulls[..count], names })?
            };
            if each(row).is_break() {
                break;
            }
            is_found = self.scan.next(self.way.last);
        }
        Ok(())
    }
}

/// The place of a column in a table, counted from 0.
///
/// # Safety
/// The description must be that of a table.
pub(super) unsafe fn place_of(description: pg_sys::TupleDesc, name: &str) -> Option<u16> {
    // SAFETY: the caller says so; it has as many attributes as it says.
    unsafe {
        let is_meant = |place: &usize| {
            let attribute = &*attribute(description, *place);
            !attribute.attisdropped && CStr::from_ptr(attribute.attname.data.as_ptr()).to_bytes() == name.as_bytes()
        };
        (0..(*description).natts as usize).find(is_meant).map(|place| place as u16)
    }
}

/// An open table or index, closed when it goes out of scope. When an error unwinds, the transaction closes it
/// instead. The lock stays either way.
pub(super) struct Open(pub(super) pg_sys::Relation);

impl Open {
    /// A table, if it still exists.
    ///
    /// # Safety
    /// A transaction must be in progress.
    unsafe fn table(oid: pg_sys::Oid) -> Option<Open> {
        // SAFETY: the caller says so.
        unsafe { Open::table_in(oid, SHARED) }
    }

    /// The same for a table with rows that are to be written.
    ///
    /// # Safety
    /// A transaction must be in progress.
    pub(super) unsafe fn table_to_change(oid: pg_sys::Oid) -> Option<Open> {
        // SAFETY: the caller says so.
        unsafe { Open::table_in(oid, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE) }
    }

    unsafe fn table_in(oid: pg_sys::Oid, mode: pg_sys::LOCKMODE) -> Option<Open> {
        if oid == pg_sys::InvalidOid {
            return None;
        }
        // SAFETY: the caller says so.
        let relation = unsafe { pg_sys::try_table_open(oid, mode) };
        (!relation.is_null()).then_some(Open(relation))
    }

    /// # Safety
    /// It must be an index of a table that is locked.
    unsafe fn index(oid: pg_sys::Oid) -> Open {
        // SAFETY: the caller says so.
        Open(unsafe { pg_sys::index_open(oid, SHARED) })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: this closes what was opened.
            unsafe { pg_sys::relation_close(self.0, KEPT) };
        }
    }
}

/// A running scan of a table by an index, ended when it goes out of scope.
struct Scan {
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    /// The memory that it lives in, and the owner of its locks and pins.
    memory: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
    table: pg_sys::Relation,
}

impl Scan {
    /// # Safety
    /// It must be an index of the table, and a query be running. The memory must last as long as the scan.
    unsafe fn begin(table: Open, index: pg_sys::Oid, keys: usize, memory: pg_sys::MemoryContext) -> Scan {
        let (relation, count) = (table.0, keys as i32);
        std::mem::forget(table);
        // SAFETY: the caller says so, and the table is open and locked.
        let (scan, slot, index, snapshot, owner) = unsafe {
            assert!(raw::ActiveSnapshotSet(), "no query is running");
            within(memory, || {
                let index = raw::index_open(index, SHARED);
                let (slot, snapshot) = (raw::table_slot_create(relation, ptr::null_mut()), raw::GetActiveSnapshot());
                #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
                let scan = raw::index_beginscan(relation, index, snapshot, count, 0);
                #[cfg(feature = "pg18")]
                let scan = raw::index_beginscan(relation, index, snapshot, ptr::null_mut(), count, 0);
                #[cfg(feature = "pg19")]
                let scan = raw::index_beginscan(relation, index, snapshot, ptr::null_mut(), count, 0, 0);
                (scan, slot, index, snapshot, pg_sys::CurrentResourceOwner)
            })
        };
        Scan { scan, slot, index, snapshot, memory, owner, table: relation }
    }

    /// Moves to the first row with these keys that the snapshot sees, and takes it apart up to this column. The number
    /// of keys must be the announced one.
    fn first(&mut self, keys: &mut [pg_sys::ScanKeyData], last: i32) -> bool {
        let (scan, slot, count) = (self.scan, self.slot, keys.len() as i32);
        pgrx::check_for_interrupts!();
        // SAFETY: the scan has begun, and copies the keys; the slot is one of its table.
        unsafe {
            within(self.memory, || {
                raw::index_rescan(scan, keys.as_mut_ptr(), count, ptr::null_mut(), 0);
                take_next(scan, slot, last)
            })
        }
    }

    /// Moves to the next such row.
    fn next(&mut self, last: i32) -> bool {
        let (scan, slot) = (self.scan, self.slot);
        pgrx::check_for_interrupts!();
        // SAFETY: as above.
        unsafe { within(self.memory, || take_next(scan, slot, last)) }
    }
}

/// # Safety
/// The scan must have begun, the slot be one of its table, and this be guarded.
unsafe fn take_next(scan: pg_sys::IndexScanDesc, slot: *mut pg_sys::TupleTableSlot, last: i32) -> bool {
    // SAFETY: the caller says so.
    unsafe {
        let found = raw::index_getnext_slot(scan, pg_sys::ScanDirection::ForwardScanDirection, slot);
        if found && i32::from((*slot).tts_nvalid) < last {
            raw::slot_getsomeattrs_int(slot, last);
        }
        found
    }
}

/// Calls several functions in one guard, which allocate in this memory: a scan keeps some of what it allocates on its
/// way.
///
/// # Safety
/// As for `guarded`; the memory must be there.
unsafe fn within<T: Copy>(memory: pg_sys::MemoryContext, call: impl FnOnce() -> T) -> T {
    // SAFETY: the caller says so. After an error, PostgreSQL chooses the memory anew.
    unsafe {
        guarded(|| {
            let before = pg_sys::CurrentMemoryContext;
            pg_sys::CurrentMemoryContext = memory;
            let result = call();
            pg_sys::CurrentMemoryContext = before;
            result
        })
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        // Of a transaction that fails, PostgreSQL has released everything.
        // SAFETY: these read variables.
        let is_held = unsafe { raw::IsTransactionState() && ptr::eq(pg_sys::CurrentResourceOwner, self.owner) };
        if is_held && !std::thread::panicking() {
            let (scan, slot, index, table) = (self.scan, self.slot, self.index, self.table);
            // SAFETY: this ends what `begin` began.
            unsafe {
                guarded(|| {
                    raw::index_endscan(scan);
                    raw::ExecDropSingleTupleTableSlot(slot);
                    raw::relation_close(index, KEPT);
                    raw::relation_close(table, KEPT);
                });
            }
        }
    }
}
