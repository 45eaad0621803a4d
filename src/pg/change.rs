//! Updates rows that are found one by one, by equality through an index, in columns that nothing else depends on. It
//! does what the executor does for such an UPDATE, without a plan and without the executor.
//!
//! When many sessions write the same row, each holds it from its update to the end of its transaction, so this time
//! must be short. The row is read without a lock under a current snapshot, the change is decided, and the row is
//! updated. If somebody else has updated it meanwhile, the code waits for that transaction, writes nothing, and
//! starts again with the new version. So a change is always based on the version that it replaces. For a few rows at
//! once, preparing the executor and parsing the constraints would take longer than the update itself.
//!
//! This is correct only if nothing else takes part in the update. Besides the conditions of a [`Probe`], the table
//! must have no rules, no generated columns, and no triggers for an UPDATE of these columns, with two exceptions:
//! triggers of foreign keys, which only look at keys, and triggers of our own. One of those keeps `updated_at`, which
//! is set here instead; one explains in words what a constraint refuses; and the one that checks how a purchase's
//! status changes is skipped by a change that makes that check itself. Constraints on the written columns are checked,
//! and a refusal is left to the statement. In all other cases, and under REPEATABLE READ and SERIALIZABLE, a
//! [`Statement`](super::statement::Statement) has to do the update. So it does for a row that the transaction itself
//! has written, if some check of that version may still be to come. Where the new version needs index entries,
//! PostgreSQL's own function adds them. Replication is checked as the executor checks it, and everything runs as the
//! owner, as statements do.

use std::cell::Cell;
use std::ffi::CStr;
use std::ops::ControlFlow;
use std::ptr;
use std::rc::Rc;

use pgrx::{PgBox, PgList, pg_sys};

use super::clock::now;
use super::installation::{self, Installation};
use super::locks::{FreshSnapshot, transaction_keeps_its_snapshot};
use super::owner::Restricted;
use super::parameter::Params;
use super::probe::{Open, Probe, place_of};
use super::row::{Columns, RowOf, attribute};
use super::session;
use super::text::raw_bytes_of;
use super::trigger::is_of_symbol;
use crate::error::Error;

/// The maximum number of written columns, with `updated_at`.
const MOST_WRITTEN: usize = 9;

/// The maximum number of attempts, each after waiting for an update by somebody else.
const MOST_ATTEMPTS: usize = 16;

/// The function of the trigger that keeps `updated_at`.
const STAMP: &CStr = c"set_updated_at_wrapper";

/// The function of the triggers that explain in words what a constraint would refuse after them.
const IN_WORDS: &CStr = c"verify_uses_wrapper";

/// The function of the trigger that checks how the status of a purchase changes.
const TRANSITION: &CStr = c"enforce_purchase_transition_wrapper";

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
/// Likewise. A text that may be too long for its column is left to the statement.
pub const TEXT: TypeOid = pg_sys::VARCHAROID;
/// Likewise.
pub const TEXTS: TypeOid = pg_sys::TEXTARRAYOID;

/// The values to write, one for each column, `None` for NULL; or no values if the row is to stay as it is. Columns at
/// the end for which there is no value keep theirs.
pub type Decision = Option<Vec<Option<pg_sys::Datum>>>;

/// Decides about a row, given the number of its key.
type Decide<'d, R> = dyn FnMut(usize, RowOf<'_, R>) -> Result<Decision, Error> + 'd;

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
    /// Whether it only changes a purchase's status in a way that is allowed.
    keeps_transitions: bool,
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
    /// Whether no check of an earlier version of a row can be pending.
    is_checked_at_once: bool,
}

impl<R: Columns + 'static> Change<R> {
    /// A change of these columns of the row that the probe finds. The probe must find at most one.
    pub const fn new(rows: Probe<R>, written: &'static [(&'static str, TypeOid)]) -> Change<R> {
        assert!(written.len() < MOST_WRITTEN);
        Change { rows, written, keeps_transitions: false, known: Cell::new(None) }
    }

    /// The same, which checks by itself that a purchase's status changes as it may.
    pub const fn keeping_transitions(mut self) -> Change<R> {
        self.keeps_transitions = true;
        self
    }

    /// Applies the change that `decide` returns for the current row. It can be called more than once.
    pub fn apply(
        &self,
        params: &Params,
        decide: &mut dyn FnMut(R::Row<'_>) -> Result<Decision, Error>,
    ) -> Result<Done, Error> {
        let done = self.apply_to_each(&[params], &mut |_, row| decide(row))?;
        Ok(done.first().copied().unwrap_or(Done::NotPossible))
    }

    /// The same for several rows in turn, each with its own key. The first row for which it is not possible ends it:
    /// what was done is returned for the rows before.
    pub fn apply_to_each(&self, keys: &[&Params], decide: &mut Decide<R>) -> Result<Vec<Done>, Error> {
        let mut done = Vec::with_capacity(keys.len());
        let installation = installation::without_connection()?;
        if !session::may_write() || transaction_keeps_its_snapshot() || session::is_replica() {
            return Ok(done);
        }
        let _restricted = Restricted::where_needed(installation.owner);
        // SAFETY: a query is running, and the table stays open and locked until all of this is done.
        unsafe {
            let Some(table) = Open::table_to_change(installation.table(self.rows.table())) else { return Ok(done) };
            let Some(way) = self.way(&installation, table.0) else { return Ok(done) };
            pg_sys::CheckCmdReplicaIdentity(table.0, pg_sys::CmdType::CMD_UPDATE);
            let mut writer = Writer::new(table.0, way);
            for _ in 0..MOST_ATTEMPTS {
                if self.attempt(&mut writer, keys, decide, &mut done)?.is_break() {
                    break;
                }
            }
        }
        Ok(done)
    }

    /// Applies the change to the rows that are left, until somebody else was faster: then it must be called again.
    ///
    /// # Safety
    /// The writer's table must be open and locked, and a query be running.
    unsafe fn attempt(
        &self,
        writer: &mut Writer,
        keys: &[&Params],
        decide: &mut Decide<R>,
        done: &mut Vec<Done>,
    ) -> Result<ControlFlow<()>, Error> {
        let _now = FreshSnapshot::take();
        let Some(mut rows) = self.rows.open()? else { return Ok(ControlFlow::Break(())) };
        while let Some(key) = keys.get(done.len()) {
            let mut decision = None;
            rows.each(key, &mut |row| {
                decision = Some(decide(done.len(), row));
                ControlFlow::Break(())
            })?;
            let outcome = match decision.transpose()? {
                // SAFETY: the caller says so; the slot has the row that was decided about.
                Some(Some(values)) => unsafe { writer.write(rows.slot(), &values) },
                Some(None) => Some(Done::Left),
                None => Some(Done::Missing),
            };
            match outcome {
                None => return Ok(ControlFlow::Continue(())),
                Some(Done::NotPossible) => break,
                Some(outcome) => done.push(outcome),
            }
        }
        Ok(ControlFlow::Break(()))
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
            let triggers = triggers_of(table, &written, self.keeps_transitions)?;
            let is_kept = triggers.iter().flatten().any(|&(_, symbol)| symbol == STAMP);
            let stamp = if is_kept { Some(column_of(description, "updated_at", INSTANT)?) } else { None };
            let stamp = stamp.filter(|column| !written.contains(column));
            written.extend(stamp);
            let checks = checks_of(description, &written)?;
            let is_checked_at_once = is_checked_at_once(table);
            (!is_key(table, &written)).then_some(Way { columns, stamp, triggers, checks, is_checked_at_once })
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
        let is_it = found.atttypid == of_type && (found.atttypmod == -1 || of_type == TEXT);
        is_it.then_some(i32::from(place) + 1)
    }
}

/// Our triggers that an update of these columns fires; `None` if any other trigger fires.
///
/// # Safety
/// The table must be open and locked.
unsafe fn triggers_of(
    table: pg_sys::Relation,
    columns: &[i32],
    keeps_transitions: bool,
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
            let symbol =
                [STAMP, IN_WORDS, TRANSITION].into_iter().find(|symbol| is_of_symbol(trigger.tgfoid, symbol))?;
            // A trigger that keeps updated_at on every update is replaced by the code here.
            if kind != before_each_update
                || !trigger.tgqual.is_null()
                || (symbol == STAMP && trigger.tgnattr > 0)
                || (symbol == TRANSITION && !keeps_transitions)
            {
                return None;
            }
            *places.next()? = Some((trigger.tgfoid, symbol));
        }
    }
    Some(ours)
}

/// Whether all checks of a row are made before the statement that writes it ends, and no trigger that fires before
/// them could come here.
///
/// # Safety
/// The table must be open and locked.
unsafe fn is_checked_at_once(table: pg_sys::Relation) -> bool {
    // SAFETY: the caller says so; triggers are as many as their description says.
    unsafe {
        let Some(triggers) = (*table).trigdesc.as_ref() else { return true };
        let before_each = pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE;
        std::slice::from_raw_parts(triggers.triggers, triggers.numtriggers as usize).iter().all(|trigger| {
            let is_of_key = pg_sys::RI_FKey_trigger_type(trigger.tgfoid) != pg_sys::RI_TRIGGER_NONE as i32;
            !trigger.tgdeferrable && (is_of_key || trigger.tgtype as u32 & before_each == before_each)
        })
    }
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

/// Writes rows of a table. What it needs of the executor is prepared when the first row needs it.
struct Writer {
    table: pg_sys::Relation,
    way: Way,
    executor: *mut pg_sys::EState,
    /// The constraints that must be checked.
    checks: Vec<*mut pg_sys::ExprState>,
    /// The table with its indexes open.
    target: *mut pg_sys::ResultRelInfo,
}

impl Writer {
    /// # Safety
    /// The table must stay open and locked as long as this lives.
    unsafe fn new(table: pg_sys::Relation, way: Way) -> Writer {
        Writer { table, way, executor: ptr::null_mut(), checks: Vec::new(), target: ptr::null_mut() }
    }

    /// Writes a new version of a row; `None` if somebody else has updated it.
    ///
    /// # Safety
    /// The slot must have a row of the table, the values be of the columns' types, and a snapshot be active.
    unsafe fn write(&mut self, row: *mut pg_sys::TupleTableSlot, values: &[Option<pg_sys::Datum>]) -> Option<Done> {
        // SAFETY: the caller says so. A slot of a heap has a tuple with a header.
        unsafe {
            let (description, mut is_copy) = ((*self.table).rd_att, false);
            let old = pg_sys::ExecFetchSlotHeapTuple(row, false, &mut is_copy);
            // Checks of what the transaction itself has written may need the version that they were queued for.
            let is_own = pg_sys::TransactionIdIsCurrentTransactionId((*(*old).t_data).t_choice.t_heap.t_xmin);
            if (is_own && !self.way.is_checked_at_once) || !fit(description, &self.way, values) {
                return Some(Done::NotPossible);
            }
            let new = new_version(old, description, &self.way, values);
            let required = |place: &usize| (*attribute(description, *place)).attnotnull;
            let is_missing = |place: usize| pg_sys::heap_attisnull(new, place as i32 + 1, description);
            if (0..(*description).natts as usize).filter(required).any(is_missing) {
                return Some(Done::NotPossible);
            }
            let slot = pg_sys::MakeSingleTupleTableSlot(description, &raw const pg_sys::TTSOpsHeapTuple);
            pg_sys::ExecStoreHeapTuple(new, slot, true);
            let done = if self.meets(slot) { self.update((*old).t_self, slot) } else { Some(Done::NotPossible) };
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            done
        }
    }

    fn executor(&mut self) -> *mut pg_sys::EState {
        if self.executor.is_null() {
            // SAFETY: this allocates memory, which drop frees.
            self.executor = unsafe { pg_sys::CreateExecutorState() };
        }
        self.executor
    }

    /// Whether the row of the slot meets the constraints that must be checked.
    ///
    /// # Safety
    /// The slot must have a row of the table.
    unsafe fn meets(&mut self, slot: *mut pg_sys::TupleTableSlot) -> bool {
        if self.way.checks == 0 {
            return true;
        }
        let executor = self.executor();
        // SAFETY: the caller says so; the way was found for the table as it is, whose conditions are stored as texts.
        unsafe {
            if self.checks.is_empty()
                && let Some(constraints) = (*(*self.table).rd_att).constr.as_ref()
            {
                let asked = (0..constraints.num_check as usize).filter(|number| self.way.checks & (1 << number) != 0);
                let prepared = asked.map(|number| {
                    let condition = pg_sys::stringToNode((*constraints.check.add(number)).ccbin).cast::<pg_sys::Expr>();
                    pg_sys::ExecPrepareExpr(condition, executor)
                });
                self.checks = prepared.collect();
            }
            let context = per_tuple_context(executor);
            (*context).ecxt_scantuple = slot;
            self.checks.iter().all(|&check| pg_sys::ExecCheck(check, context))
        }
    }

    /// Replaces the version that was read with the row of the slot; `None` if somebody else has updated it.
    ///
    /// # Safety
    /// The slot must have a row of the table, and a snapshot be active.
    unsafe fn update(&mut self, mut place: pg_sys::ItemPointerData, slot: *mut pg_sys::TupleTableSlot) -> Option<Done> {
        let (mut failure, mut mode) = (pg_sys::TM_FailureData::default(), pg_sys::LockTupleMode::LockTupleExclusive);
        let mut entries = Default::default();
        let table = self.table;
        // SAFETY: the caller says so.
        unsafe {
            let (command, snapshot) = (pg_sys::GetCurrentCommandId(true), pg_sys::GetActiveSnapshot());
            let none = ptr::null_mut();
            let (place, failure, mode, entries_of) = (&mut place, &mut failure, &mut mode, &mut entries);
            #[cfg(not(feature = "pg19"))]
            let result = pg_sys::table_tuple_update(
                table, place, slot, command, snapshot, none, true, failure, mode, entries_of,
            );
            #[cfg(feature = "pg19")]
            let result = pg_sys::table_tuple_update(
                table, place, slot, command, 0, snapshot, none, true, failure, mode, entries_of,
            );
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
                self.add_to_indexes(slot, only_summaries);
            }
        }
        Some(Done::Written)
    }

    /// # Safety
    /// The slot must have a row that was just written to the table.
    unsafe fn add_to_indexes(&mut self, slot: *mut pg_sys::TupleTableSlot, _only_summaries: bool) {
        let executor = self.executor();
        // SAFETY: the caller says so. No index of the table can defer its check: that would be a trigger.
        unsafe {
            if self.target.is_null() {
                self.target = PgBox::<pg_sys::ResultRelInfo>::alloc_node(pg_sys::NodeTag::T_ResultRelInfo).into_pg();
                pg_sys::InitResultRelInfo(self.target, self.table, 0, ptr::null_mut(), 0);
                pg_sys::ExecOpenIndices(self.target, false);
            }
            let (target, no_conflict, no_arbiters) = (self.target, ptr::null_mut(), ptr::null_mut());
            #[cfg(feature = "pg15")]
            pg_sys::ExecInsertIndexTuples(target, slot, executor, true, false, no_conflict, no_arbiters);
            #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
            pg_sys::ExecInsertIndexTuples(
                target,
                slot,
                executor,
                true,
                false,
                no_conflict,
                no_arbiters,
                _only_summaries,
            );
            #[cfg(feature = "pg19")]
            {
                let summaries = if _only_summaries { pg_sys::EIIT_ONLY_SUMMARIZING } else { 0 };
                let flags = pg_sys::EIIT_IS_UPDATE | summaries;
                pg_sys::ExecInsertIndexTuples(target, executor, flags, slot, no_arbiters, no_conflict);
            }
            pg_sys::MemoryContextReset((*per_tuple_context(executor)).ecxt_per_tuple_memory);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // When an error unwinds, the end of the transaction or subtransaction does this.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: this closes and frees what was opened and made here.
        unsafe {
            if !self.target.is_null() {
                pg_sys::ExecCloseIndices(self.target);
            }
            if !self.executor.is_null() {
                pg_sys::FreeExecutorState(self.executor);
            }
        }
    }
}

/// The context in which the expressions of a row are evaluated.
///
/// # Safety
/// The executor's state must be alive.
unsafe fn per_tuple_context(executor: *mut pg_sys::EState) -> *mut pg_sys::ExprContext {
    // SAFETY: the caller says so.
    unsafe {
        match (*executor).es_per_tuple_exprcontext {
            context if context.is_null() => pg_sys::MakePerTupleExprContext(executor),
            context => context,
        }
    }
}

/// Whether no text can be too long for its column.
///
/// # Safety
/// The values must be of the columns' types.
unsafe fn fit(description: pg_sys::TupleDesc, way: &Way, values: &[Option<pg_sys::Datum>]) -> bool {
    way.columns.iter().zip(values).all(|(&column, value)| {
        // SAFETY: the caller says so; a column's number is one of the table's.
        unsafe {
            let column = &*attribute(description, column as usize - 1);
            let header = pg_sys::VARHDRSZ as i32;
            column.atttypid != TEXT
                || column.atttypmod < header
                || value.is_none_or(|text| raw_bytes_of(text).len() <= (column.atttypmod - header) as usize)
        }
    })
}
