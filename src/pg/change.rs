//! Updates one row that is found by equality through an index, in columns that nothing else depends on. It does what
//! the executor does for such an UPDATE, without a plan and without the executor.
//!
//! When many sessions write the same row, each holds it from its update to the end of its transaction, so this time
//! must be short. The row is read without a lock under a current snapshot, the change is decided, and the row is
//! updated. If somebody else has updated it meanwhile, the code waits for that transaction, writes nothing, and
//! starts again with the new version. So a change is always based on the version that it replaces.
//!
//! This is correct only if nothing else takes part in the update. Besides the conditions of a [`Probe`], the table
//! must have no rules, no generated columns, and no triggers for an UPDATE of these columns, with two exceptions:
//! triggers of foreign keys, which only look at keys, and two triggers of our own. One of those keeps `updated_at`,
//! which is set here instead; the other one explains in words what a constraint refuses. Constraints on the written
//! columns are checked, and a refusal is left to the statement. In all other cases, under REPEATABLE READ and
//! SERIALIZABLE, and for a row that the transaction itself has written, a [`Statement`](super::statement::Statement)
//! has to do the update. If the page has no room for the new version, PostgreSQL's own function adds the index
//! entries. Replication is checked as the executor checks it, and everything runs as the owner, as statements do.

use std::cell::Cell;
use std::ffi::CStr;
use std::ops::ControlFlow;
use std::ptr;
use std::rc::Rc;

use pgrx::{PgBox, PgList, pg_sys};

use super::datum::now;
use super::installation::{self, Installation};
use super::locks::{FreshSnapshot, transaction_keeps_its_snapshot};
use super::owner::Restricted;
use super::parameter::Params;
use super::probe::{Open, Probe, place_of};
use super::row::{Columns, attribute};
use super::session;
use super::trigger::is_of_symbol;
use crate::error::Error;

/// The maximum number of written columns, with `updated_at`.
const MOST_WRITTEN: usize = 4;

/// The maximum number of attempts, each after waiting for an update by somebody else.
const MOST_ATTEMPTS: usize = 16;

/// The function of the trigger that keeps `updated_at`.
const STAMP: &CStr = c"set_updated_at_wrapper";

/// The function of the triggers that explain in words what a constraint would refuse after them.
const IN_WORDS: &CStr = c"verify_uses_wrapper";

/// The maximum number of trigger functions that may be skipped.
const MOST_TRIGGERS: usize = 2;

/// The type of a column.
pub type TypeOid = pg_sys::Oid;
/// The types of columns that are written.
pub const DOCUMENT: TypeOid = pg_sys::JSONBOID;
/// Likewise.
pub const BYTES: TypeOid = pg_sys::BYTEAOID;
/// Likewise.
pub const INTEGER: TypeOid = pg_sys::INT4OID;
/// Likewise.
pub const INSTANT: TypeOid = pg_sys::TIMESTAMPTZOID;

/// The values to write, one for each column, `None` for NULL; or no values if the row is to stay as it is.
pub type Decision = Option<Vec<Option<pg_sys::Datum>>>;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The row is written.
    Written,
    /// The decision was to leave the row as it is. It is not locked.
    Left,
    /// There is no such row.
    Missing,
    /// Nothing was done: a statement has to do the update.
    NotPossible,
}

/// A change of the single row of a table whose key columns equal the parameters.
pub struct Change<R> {
    rows: Probe<R>,
    /// The columns that are written, and their types.
    written: &'static [(&'static str, TypeOid)],
    known: Cell<Option<Known>>,
}

// SAFETY: a backend has one thread.
unsafe impl<R> Sync for Change<R> {}

/// How the row is written, and what this depends on.
#[derive(Clone, Copy)]
struct Known {
    generation: u64,
    changes: u64,
    role: pg_sys::Oid,
    way: Option<Way>,
}

#[derive(Clone, Copy)]
struct Way {
    /// The numbers of the columns, as PostgreSQL counts them.
    columns: [i32; MOST_WRITTEN],
    /// The number of `updated_at`, if a trigger keeps it.
    stamp: Option<i32>,
    /// The trigger functions that are skipped, and what they must be.
    triggers: [Option<(pg_sys::Oid, &'static CStr)>; MOST_TRIGGERS],
    /// A bit for each of the table's constraints that must be checked.
    checks: u64,
}

impl<R: Columns + 'static> Change<R> {
    /// A change of these columns of the row that the probe finds. The probe must find at most one.
    pub const fn new(rows: Probe<R>, written: &'static [(&'static str, TypeOid)]) -> Change<R> {
        assert!(written.len() < MOST_WRITTEN);
        Change { rows, written, known: Cell::new(None) }
    }

    /// Applies the change that `decide` returns for the current row. It can be called more than once.
    pub fn apply(
        &self,
        params: &Params,
        decide: &mut dyn FnMut(R::Row<'_>) -> Result<Decision, Error>,
    ) -> Result<Done, Error> {
        let installation = installation::without_connection()?;
        if !session::may_write() || transaction_keeps_its_snapshot() || session::is_replica() {
            return Ok(Done::NotPossible);
        }
        let _restricted = Restricted::where_needed(installation.owner);
        // SAFETY: a query is running, and the table stays open and locked until all of this is done.
        unsafe {
            let Some(table) = Open::table_to_change(installation.table(self.rows.table())) else {
                return Ok(Done::NotPossible);
            };
            let Some(way) = self.way(&installation, table.0) else { return Ok(Done::NotPossible) };
            pg_sys::CheckCmdReplicaIdentity(table.0, pg_sys::CmdType::CMD_UPDATE);
            for _ in 0..MOST_ATTEMPTS {
                if let Some(done) = self.attempt(table.0, way, params, decide)? {
                    return Ok(done);
                }
            }
        }
        Ok(Done::NotPossible)
    }

    /// Applies the change, unless somebody else was faster: then `None`.
    ///
    /// # Safety
    /// The table must be open and locked, and a query be running.
    unsafe fn attempt(
        &self,
        table: pg_sys::Relation,
        way: Way,
        params: &Params,
        decide: &mut dyn FnMut(R::Row<'_>) -> Result<Decision, Error>,
    ) -> Result<Option<Done>, Error> {
        let _now = FreshSnapshot::take();
        let Some(mut rows) = self.rows.open()? else { return Ok(Some(Done::NotPossible)) };
        let mut decision = None;
        rows.each(params, &mut |row| {
            decision = Some(decide(row));
            ControlFlow::Break(())
        })?;
        match decision.transpose()? {
            // SAFETY: the caller says so; the slot has the row that was decided about.
            Some(Some(values)) => Ok(unsafe { self.write(table, rows.slot(), way, &values) }),
            Some(None) => Ok(Some(Done::Left)),
            None => Ok(Some(Done::Missing)),
        }
    }

    /// # Safety
    /// The slot must have a row of the table, which is open and locked, and the values be of the columns' types.
    unsafe fn write(
        &self,
        table: pg_sys::Relation,
        row: *mut pg_sys::TupleTableSlot,
        way: Way,
        values: &[Option<pg_sys::Datum>],
    ) -> Option<Done> {
        // SAFETY: the caller says so. A slot of a heap has a tuple with a header.
        unsafe {
            let (description, mut is_copy) = ((*table).rd_att, false);
            let old = pg_sys::ExecFetchSlotHeapTuple(row, false, &mut is_copy);
            // Deferred checks of what the transaction itself has written may need the version that they were queued
            // for.
            if pg_sys::TransactionIdIsCurrentTransactionId((*(*old).t_data).t_choice.t_heap.t_xmin) {
                return Some(Done::NotPossible);
            }
            let new = new_version(old, description, &way, values);
            let required = |place: &usize| (*attribute(description, *place)).attnotnull;
            let is_missing = |place: usize| pg_sys::heap_attisnull(new, place as i32 + 1, description);
            if (0..(*description).natts as usize).filter(required).any(is_missing) {
                return Some(Done::NotPossible);
            }
            let slot = pg_sys::MakeSingleTupleTableSlot(description, &raw const pg_sys::TTSOpsHeapTuple);
            pg_sys::ExecStoreHeapTuple(new, slot, false);
            let is_valid = way.checks == 0 || meets(description, slot, way.checks);
            let done = if is_valid { update(table, (*old).t_self, slot) } else { Some(Done::NotPossible) };
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            done
        }
    }

    /// How the current caller writes the table, which is open and locked.
    ///
    /// # Safety
    /// The table must be open and locked.
    unsafe fn way(&self, installation: &Rc<Installation>, table: pg_sys::Relation) -> Option<Way> {
        let (generation, changes, role) = (installation.generation, installation::table_changes(), session::role());
        let known = self.known.get();
        let is_same = |known: &Known| known.generation == generation && known.changes == changes && known.role == role;
        let way = match known.filter(is_same) {
            Some(known) => known.way,
            None => {
                // SAFETY: the caller says so.
                let way = unsafe { self.find_way(table, role) };
                self.known.set(Some(Known { generation, changes, role, way }));
                way
            }
        };
        // Whoever replaces a trigger's function does not touch the table.
        // SAFETY: this looks at a catalog.
        let is_same = |&(function, symbol): &(pg_sys::Oid, &CStr)| unsafe { is_of_symbol(function, symbol) };
        way.filter(|way| way.triggers.iter().flatten().all(is_same))
    }

    /// # Safety
    /// The table must be open and locked.
    unsafe fn find_way(&self, table: pg_sys::Relation, role: pg_sys::Oid) -> Option<Way> {
        // SAFETY: the caller says so; what is read is of the table's entry, or looked up in catalogs.
        unsafe {
            let (class, description) = (&*(*table).rd_rel, (*table).rd_att);
            let update = pg_sys::ACL_UPDATE as pg_sys::AclMode;
            if class.relam != pg_sys::HEAP_TABLE_AM_OID
                || class.relispartition
                || !(*table).rd_rules.is_null()
                || pg_sys::pg_class_aclcheck((*table).rd_id, role, update) != pg_sys::AclResult::ACLCHECK_OK
            {
                return None;
            }
            let is_computed = |place: usize| (*attribute(description, place)).attgenerated != 0;
            if (0..(*description).natts as usize).any(is_computed) {
                return None;
            }
            let mut columns = [0; MOST_WRITTEN];
            for (column, &(name, of_type)) in columns.iter_mut().zip(self.written) {
                *column = column_of(description, name, of_type)?;
            }
            let mut written = columns[..self.written.len()].to_vec();
            let triggers = triggers_of(table, &written)?;
            let is_kept = triggers.iter().flatten().any(|&(_, symbol)| symbol == STAMP);
            let stamp = if is_kept { Some(column_of(description, "updated_at", INSTANT)?) } else { None };
            let stamp = stamp.filter(|column| !written.contains(column));
            written.extend(stamp);
            let checks = checks_of(description, &written)?;
            (!is_key(table, &written)).then_some(Way { columns, stamp, triggers, checks })
        }
    }
}

/// The number of a column with exactly this type.
///
/// # Safety
/// The description must be that of a table.
unsafe fn column_of(description: pg_sys::TupleDesc, name: &str, of_type: pg_sys::Oid) -> Option<i32> {
    // SAFETY: the caller says so.
    unsafe {
        let place = place_of(description, name)?;
        let found = &*attribute(description, usize::from(place));
        (found.atttypid == of_type && found.atttypmod == -1).then_some(i32::from(place) + 1)
    }
}

/// Our triggers that an update of these columns fires; `None` if any other trigger fires.
///
/// # Safety
/// The table must be open and locked.
unsafe fn triggers_of(
    table: pg_sys::Relation,
    columns: &[i32],
) -> Option<[Option<(pg_sys::Oid, &'static CStr)>; MOST_TRIGGERS]> {
    let mut ours = [None; MOST_TRIGGERS];
    // SAFETY: the caller says so; triggers are as many as their description says, and so are their columns.
    unsafe {
        let Some(triggers) = (*table).trigdesc.as_ref() else { return Some(ours) };
        let mut places = ours.iter_mut();
        for trigger in std::slice::from_raw_parts(triggers.triggers, triggers.numtriggers as usize) {
            let (kind, update) = (trigger.tgtype as u32, pg_sys::TRIGGER_TYPE_UPDATE);
            let sleeps =
                [pg_sys::TRIGGER_DISABLED, pg_sys::TRIGGER_FIRES_ON_REPLICA].contains(&(trigger.tgenabled as u8));
            let is_of_key = pg_sys::RI_FKey_trigger_type(trigger.tgfoid) != pg_sys::RI_TRIGGER_NONE as i32;
            let of_columns = match trigger.tgnattr {
                0 => &[][..],
                count => std::slice::from_raw_parts(trigger.tgattr, count as usize),
            };
            let is_of_others =
                trigger.tgnattr > 0 && !of_columns.iter().any(|&column| columns.contains(&i32::from(column)));
            if kind & update == 0 || sleeps || is_of_key || is_of_others {
                continue;
            }
            let before_each_update = pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE | update;
            let symbol = [STAMP, IN_WORDS].into_iter().find(|symbol| is_of_symbol(trigger.tgfoid, symbol))?;
            // A trigger that keeps updated_at on every update is replaced by the code here.
            if kind != before_each_update || !trigger.tgqual.is_null() || (symbol == STAMP && trigger.tgnattr > 0) {
                return None;
            }
            *places.next()? = Some((trigger.tgfoid, symbol));
        }
    }
    Some(ours)
}

/// Whether one of the columns belongs to a foreign key, or to a key that one could refer to.
///
/// # Safety
/// The table must be open and locked.
unsafe fn is_key(table: pg_sys::Relation, columns: &[i32]) -> bool {
    // SAFETY: the caller says so; a foreign key has as many columns as it says.
    unsafe {
        let keys = pg_sys::RelationGetIndexAttrBitmap(table, pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_KEY);
        let of_others = |&column: &i32| has_column(keys, column);
        let foreign = PgList::<pg_sys::ForeignKeyCacheInfo>::from_pg(pg_sys::RelationGetFKeyList(table));
        let refer = |key: *mut pg_sys::ForeignKeyCacheInfo| {
            let key = &*key;
            key.conkey[..key.nkeys as usize].iter().any(|&column| columns.contains(&i32::from(column)))
        };
        columns.iter().any(of_others) || foreign.iter_ptr().any(refer)
    }
}

/// The constraints that must be checked again, as a bit for each: those on one of the columns or on the whole row,
/// those that are not immutable, and those that existing rows were not checked against. `None` if there are too many.
///
/// # Safety
/// The description must be that of an open table.
unsafe fn checks_of(description: pg_sys::TupleDesc, columns: &[i32]) -> Option<u64> {
    // SAFETY: the caller says so; it has as many constraints as it says, whose conditions are stored as texts.
    unsafe {
        let Some(constraints) = (*description).constr.as_ref() else { return Some(0) };
        let is_asked = |&number: &usize| {
            let check = &*constraints.check.add(number);
            let condition = pg_sys::stringToNode(check.ccbin).cast::<pg_sys::Node>();
            let mut seen = ptr::null_mut();
            pg_sys::pull_varattnos(condition, 1, &mut seen);
            !check.ccvalid
                || pg_sys::contain_mutable_functions(condition)
                || has_column(seen, 0)
                || columns.iter().any(|&column| has_column(seen, column))
        };
        let count = constraints.num_check as usize;
        (count <= u64::BITS as usize)
            .then(|| (0..count).filter(is_asked).fold(0, |checks, number| checks | (1 << number)))
    }
}

/// Whether the row of the slot meets these constraints.
///
/// # Safety
/// The description must be that of an open table, and the slot have a row of it.
unsafe fn meets(description: pg_sys::TupleDesc, slot: *mut pg_sys::TupleTableSlot, checks: u64) -> bool {
    // SAFETY: the caller says so; what is made here is freed here.
    unsafe {
        let Some(constraints) = (*description).constr.as_ref() else { return true };
        let executor = pg_sys::CreateExecutorState();
        let context = pg_sys::CreateExprContext(executor);
        (*context).ecxt_scantuple = slot;
        let is_met = |number: usize| {
            let condition = pg_sys::stringToNode((*constraints.check.add(number)).ccbin).cast::<pg_sys::Expr>();
            pg_sys::ExecCheck(pg_sys::ExecPrepareExpr(condition, executor), context)
        };
        let are_met = (0..constraints.num_check as usize).filter(|number| checks & (1 << number) != 0).all(is_met);
        pg_sys::FreeExecutorState(executor);
        are_met
    }
}

/// Whether a set of columns in PostgreSQL's representation contains this number; 0 is the whole row.
///
/// # Safety
/// The set must be one of columns, or NULL.
unsafe fn has_column(columns: *const pg_sys::Bitmapset, column: i32) -> bool {
    // SAFETY: the caller says so.
    unsafe { pg_sys::bms_is_member(column - pg_sys::FirstLowInvalidHeapAttributeNumber, columns) }
}

/// # Safety
/// The tuple must be of the described table, and the values of the columns' types.
unsafe fn new_version(
    old: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
    way: &Way,
    values: &[Option<pg_sys::Datum>],
) -> pg_sys::HeapTuple {
    let mut columns = way.columns;
    let mut written = [pg_sys::Datum::null(); MOST_WRITTEN];
    let mut nulls = [false; MOST_WRITTEN];
    for (place, value) in values.iter().enumerate() {
        (written[place], nulls[place]) = (value.unwrap_or(pg_sys::Datum::null()), value.is_none());
    }
    let mut count = values.len();
    if let Some(column) = way.stamp {
        (columns[count], written[count]) = (column, pg_sys::Datum::from(now().0));
        count += 1;
    }
    let (columns, written, nulls) = (columns.as_mut_ptr(), written.as_mut_ptr(), nulls.as_mut_ptr());
    // SAFETY: the caller says so; there are as many of each.
    unsafe { pg_sys::heap_modify_tuple_by_cols(old, description, count as i32, columns, written, nulls) }
}

/// Replaces the version that was read with the row of the slot; `None` if somebody else has updated it.
///
/// # Safety
/// The table must be open and locked, the slot have a row of it, and a snapshot be active.
unsafe fn update(
    table: pg_sys::Relation,
    mut place: pg_sys::ItemPointerData,
    slot: *mut pg_sys::TupleTableSlot,
) -> Option<Done> {
    let (mut failure, mut mode) = (pg_sys::TM_FailureData::default(), pg_sys::LockTupleMode::LockTupleExclusive);
    let mut entries = Default::default();
    // SAFETY: the caller says so.
    unsafe {
        let (command, snapshot) = (pg_sys::GetCurrentCommandId(true), pg_sys::GetActiveSnapshot());
        let none = ptr::null_mut();
        let (place, failure, mode, entries_of) = (&mut place, &mut failure, &mut mode, &mut entries);
        #[cfg(not(feature = "pg19"))]
        let result =
            pg_sys::table_tuple_update(table, place, slot, command, snapshot, none, true, failure, mode, entries_of);
        #[cfg(feature = "pg19")]
        let result =
            pg_sys::table_tuple_update(table, place, slot, command, 0, snapshot, none, true, failure, mode, entries_of);
        match result {
            pg_sys::TM_Result::TM_Ok => {}
            pg_sys::TM_Result::TM_Updated | pg_sys::TM_Result::TM_Deleted => return None,
            _ => return Some(Done::NotPossible),
        }
        #[cfg(feature = "pg15")]
        let (is_needed, only_summaries) = (entries, false);
        #[cfg(not(feature = "pg15"))]
        let (is_needed, only_summaries) =
            (entries != pg_sys::TU_UpdateIndexes::TU_None, entries == pg_sys::TU_UpdateIndexes::TU_Summarizing);
        if is_needed {
            add_to_indexes(table, slot, only_summaries);
        }
    }
    Some(Done::Written)
}

/// # Safety
/// The table must be open and locked, and the slot have a row that was just written to it.
unsafe fn add_to_indexes(table: pg_sys::Relation, slot: *mut pg_sys::TupleTableSlot, _only_summaries: bool) {
    // SAFETY: the caller says so; what is made here is freed here. No index of the table can defer its check: that would be a trigger.
    unsafe {
        let executor = pg_sys::CreateExecutorState();
        let target = PgBox::<pg_sys::ResultRelInfo>::alloc_node(pg_sys::NodeTag::T_ResultRelInfo).into_pg();
        pg_sys::InitResultRelInfo(target, table, 0, ptr::null_mut(), 0);
        pg_sys::ExecOpenIndices(target, false);
        let (no_conflict, no_arbiters) = (ptr::null_mut(), ptr::null_mut());
        #[cfg(feature = "pg15")]
        pg_sys::ExecInsertIndexTuples(target, slot, executor, true, false, no_conflict, no_arbiters);
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        pg_sys::ExecInsertIndexTuples(target, slot, executor, true, false, no_conflict, no_arbiters, _only_summaries);
        #[cfg(feature = "pg19")]
        {
            let summaries = if _only_summaries { pg_sys::EIIT_ONLY_SUMMARIZING } else { 0 };
            let flags = pg_sys::EIIT_IS_UPDATE | summaries;
            pg_sys::ExecInsertIndexTuples(target, executor, flags, slot, no_arbiters, no_conflict);
        }
        pg_sys::ExecCloseIndices(target);
        pg_sys::FreeExecutorState(executor);
    }
}
