//! Checks the CHECK constraints of a table on a row before PostgreSQL does, so that a refusal can be explained in
//! words.
//!
//! They are prepared once for a statement, as PostgreSQL does itself, however many rows it writes.

use std::ffi::CStr;

use pgrx::{PgMemoryContexts, pg_sys};

use super::tables::EXPECTED;

/// Prepared constraints. They live in the memory of the statement that fires the trigger, and are freed with it.
struct Prepared {
    slot: *mut pg_sys::TupleTableSlot,
    context: *mut pg_sys::ExprContext,
    /// One entry for each of the table's constraints, in order; NULL for those that are not ours.
    checks: *mut *mut pg_sys::ExprState,
}

/// The first of the extension's constraints on a table that a row violates. Constraints of others are skipped,
/// because they may look at columns that are computed after the triggers.
///
/// # Safety
/// The call must be one of a trigger, the table open and the row one of its rows.
pub unsafe fn first_broken(
    call: pg_sys::FunctionCallInfo,
    table: pg_sys::Relation,
    row: pg_sys::HeapTuple,
) -> Option<String> {
    // SAFETY: the caller says so. Descriptions of tables with CHECK constraints have as many as they say, with names that are C strings.
    unsafe {
        let constraints = (*(*table).rd_att).constr;
        if constraints.is_null() {
            return None;
        }
        let function = (*call).flinfo;
        if (*function).fn_extra.is_null() {
            (*function).fn_extra = PgMemoryContexts::For((*function).fn_mcxt).switch_to(|_| prepare(table)).cast();
        }
        let prepared = &*(*function).fn_extra.cast::<Prepared>();
        pg_sys::ExecStoreHeapTuple(row, prepared.slot, false);
        (*prepared.context).ecxt_scantuple = prepared.slot;
        let broken = (0..(*constraints).num_check as usize).find(|&number| {
            let check = *prepared.checks.add(number);
            !check.is_null() && !pg_sys::ExecCheck(check, prepared.context)
        });
        pg_sys::ExecClearTuple(prepared.slot);
        pg_sys::MemoryContextReset((*prepared.context).ecxt_per_tuple_memory);
        broken.map(|number| name_of((*constraints).check.add(number)))
    }
}

unsafe fn prepare(table: pg_sys::Relation) -> *mut Prepared {
    // SAFETY: the caller has the table open. What is made here is made in the memory of the statement.
    unsafe {
        let description = (*table).rd_att;
        let constraints = (*description).constr;
        let executor = pg_sys::CreateExecutorState();
        let count = (*constraints).num_check as usize;
        let checks =
            pg_sys::palloc0((count.max(1)) * size_of::<*mut pg_sys::ExprState>()).cast::<*mut pg_sys::ExprState>();
        let name = CStr::from_ptr((*(*table).rd_rel).relname.data.as_ptr()).to_string_lossy();
        for number in 0..count {
            let constraint = (*constraints).check.add(number);
            if is_ours(&name, &name_of(constraint)) {
                let condition = pg_sys::stringToNode((*constraint).ccbin).cast::<pg_sys::Expr>();
                *checks.add(number) = pg_sys::ExecPrepareExpr(condition, executor);
            }
        }
        let prepared = pg_sys::palloc(size_of::<Prepared>()).cast::<Prepared>();
        // Nobody has to release a copy of the description.
        let description = pg_sys::CreateTupleDescCopy(description);
        prepared.write(Prepared {
            slot: pg_sys::MakeSingleTupleTableSlot(description, &raw const pg_sys::TTSOpsHeapTuple),
            context: pg_sys::CreateExprContext(executor),
            checks,
        });
        prepared
    }
}

fn is_ours(table: &str, constraint: &str) -> bool {
    let line = format!("constraint {table}.{constraint} ");
    EXPECTED.lines().any(|expected| expected.starts_with(&line))
}

unsafe fn name_of(constraint: *const pg_sys::ConstrCheck) -> String {
    // SAFETY: the caller has one of an open table.
    unsafe { CStr::from_ptr((*constraint).ccname) }.to_string_lossy().into_owned()
}
