//! The statement that calls a function for each of its rows: how long it keeps what a function leaves open, and how many
//! calls its plan expects.

use std::ffi::c_void;
use std::ptr;

use pgrx::{PgList, pg_guard, pg_sys};

use super::raw;

/// PostgreSQL's own guess of the share of the rows for which a function returns true.
const SHARE_OF_TRUE: f64 = 1.0 / 3.0;

/// A statement that calls a function.
pub struct RunningStatement {
    memory: pg_sys::MemoryContext,
    call: *mut pg_sys::Node,
}

impl RunningStatement {
    /// # Safety
    /// The memory must be that of a function's place in an expression, and the call that place.
    pub(super) unsafe fn new(memory: pg_sys::MemoryContext, call: *mut pg_sys::Node) -> RunningStatement {
        RunningStatement { memory, call }
    }

    /// The memory that ends with the statement.
    pub(super) fn memory(&self) -> pg_sys::MemoryContext {
        self.memory
    }

    /// Whether the statement is the one that the session's client or a cursor runs, with its snapshot. Such a statement
    /// closes what was opened during it while its owner of resources is still the current one. An expression of
    /// PL/pgSQL, in contrast, is kept until the transaction ends, and what it leaves open would be in the way of ALTER
    /// TABLE.
    pub(super) fn is_of_portal(&self) -> bool {
        // SAFETY: these read variables; a portal that is active is there, and so is the memory of a running statement.
        unsafe {
            let Some(portal) = pg_sys::ActivePortal.as_ref() else { return false };
            ptr::eq((*self.memory).parent, portal.portalContext)
                && ptr::eq(pg_sys::CurrentResourceOwner, portal.resowner)
                && raw::ActiveSnapshotSet()
                && (*raw::GetActiveSnapshot()).regd_count > 0
        }
    }

    /// How many calls the plan of the statement expects; `None` if the plan cannot be found.
    pub fn expected_calls(&self) -> Option<f64> {
        if !self.is_of_portal() || self.call.is_null() {
            return None;
        }
        // SAFETY: as above; a portal holds on to the plans of its statements.
        unsafe {
            let statements = PgList::<pg_sys::PlannedStmt>::from_pg((*pg_sys::ActivePortal).stmts);
            statements.iter_ptr().find_map(|statement| {
                let subplans = PgList::<pg_sys::Plan>::from_pg((*statement).subplans);
                std::iter::once((*statement).planTree)
                    .chain(subplans.iter_ptr())
                    .find_map(|plan| calls_in(plan.as_ref()?, self.call))
            })
        }
    }
}

/// How often a plan makes a call; `None` if it does not.
///
/// # Safety
/// The plan must be whole, and the call a node.
unsafe fn calls_in(plan: &pg_sys::Plan, call: *mut pg_sys::Node) -> Option<f64> {
    // SAFETY: the caller says so; the node says what it is.
    unsafe {
        pg_sys::check_stack_depth();
        let inputs = inputs_of(plan);
        let read = inputs.first().map_or(plan.plan_rows / SHARE_OF_TRUE, |input| input.plan_rows);
        if contains(plan.qual.cast(), call) {
            return Some(read);
        }
        if contains(plan.targetlist.cast(), call) {
            // The arguments of an aggregate are evaluated for each row that it reads.
            let tag = plan.type_;
            let is_of_input = tag == pg_sys::NodeTag::T_Agg || tag == pg_sys::NodeTag::T_WindowAgg;
            return Some(if is_of_input { read } else { plan.plan_rows });
        }
        if is_join(plan.type_) && contains((*ptr::from_ref(plan).cast::<pg_sys::Join>()).joinqual.cast(), call) {
            return Some(plan.plan_rows / SHARE_OF_TRUE);
        }
        inputs.into_iter().find_map(|input| calls_in(input, call))
    }
}

/// The plans that a plan reads from.
unsafe fn inputs_of(plan: &pg_sys::Plan) -> Vec<&pg_sys::Plan> {
    let node = ptr::from_ref(plan);
    // SAFETY: the node says what it is.
    unsafe {
        let listed = match plan.type_ {
            pg_sys::NodeTag::T_Append => (*node.cast::<pg_sys::Append>()).appendplans,
            pg_sys::NodeTag::T_MergeAppend => (*node.cast::<pg_sys::MergeAppend>()).mergeplans,
            _ => ptr::null_mut(),
        };
        let below = match plan.type_ {
            pg_sys::NodeTag::T_SubqueryScan => (*node.cast::<pg_sys::SubqueryScan>()).subplan,
            _ => ptr::null_mut(),
        };
        let listed = PgList::<pg_sys::Plan>::from_pg(listed);
        let all = [below, plan.lefttree, plan.righttree].into_iter().chain(listed.iter_ptr());
        all.filter_map(|plan| plan.as_ref()).collect()
    }
}

fn is_join(tag: pg_sys::NodeTag) -> bool {
    use pg_sys::NodeTag::{T_HashJoin, T_MergeJoin, T_NestLoop};
    [T_NestLoop, T_MergeJoin, T_HashJoin].contains(&tag)
}

/// Whether an expression contains this very node.
unsafe fn contains(expression: *mut pg_sys::Node, node: *mut pg_sys::Node) -> bool {
    // SAFETY: the walker only looks.
    unsafe { is_or_contains(expression, node.cast()) }
}

#[pg_guard]
unsafe extern "C-unwind" fn is_or_contains(node: *mut pg_sys::Node, sought: *mut c_void) -> bool {
    // SAFETY: PostgreSQL passes whole nodes.
    unsafe {
        !node.is_null()
            && (ptr::eq(node.cast_const().cast(), sought)
                || pg_sys::expression_tree_walker(node, Some(is_or_contains), sought))
    }
}
