//! Planner support for entitlement checks of a column: tells the planner that `has_feature(user_id, ...)` is an EXISTS
//! over the users' add-ons. The planner can then look all of them up at once and hash them, instead of calling the
//! function for each row.
//!
//! Inside the arguments of an aggregate the call stays: PostgreSQL assumes that these are evaluated once for each group,
//! so it never hashes there, and one executor probe for each row costs more than the function, which probes the index
//! itself.
//!
//! The result is the function's, whatever the collation of the caller's columns is. A function compares its arguments
//! under the collation of our columns, and so does the EXISTS, even if the caller's column has a collation under which
//! 'ADA' equals 'ada'.

use std::ffi::{CStr, CString, c_void};
use std::ptr;

use pgrx::datum::Internal;
use pgrx::{AllocatedByRust, PgBox, PgList, pg_guard, pg_sys};

use super::installation;
use super::statement::Statement;

/// What the support function of the other functions of a user answers: nothing, but where Citus would stumble.
pub fn support_of_users(request: Internal) -> Internal {
    let request = request.unwrap().unwrap_or(pg_sys::Datum::null());
    // SAFETY: as in support().
    unsafe {
        let of_nobody = simplified(request.cast_mut_ptr()).and_then(|(_, call)| of_nobody(call));
        Internal::from(Some(pg_sys::Datum::from(of_nobody.unwrap_or(ptr::null_mut()))))
    }
}

/// The query and the call of a simplification request, if the call is inside a query.
unsafe fn simplified(request: *mut pg_sys::Node) -> Option<(*mut pg_sys::PlannerInfo, *mut pg_sys::FuncExpr)> {
    // SAFETY: the node says what it is, and the planner fills it in.
    unsafe {
        if (*request).type_ != pg_sys::NodeTag::T_SupportRequestSimplify {
            return None;
        }
        let pg_sys::SupportRequestSimplify { root, fcall, .. } = *request.cast();
        // Outside of a query, in an index or a constraint, there is no place for a subquery.
        (!root.is_null() && pg_sys::ActiveSnapshotSet()).then_some((root, fcall))
    }
}

/// The same call for a NULL user, written so that this is not known before it runs. Citus sends a call to the node of
/// its user, and looks for the node without checking for NULL, which crashes the server.
unsafe fn of_nobody(call: *mut pg_sys::FuncExpr) -> Option<*mut pg_sys::Node> {
    // SAFETY: the planner passes a whole call, which stays as it is; the new nodes are made as PostgreSQL makes them.
    unsafe {
        let user = bare(PgList::<pg_sys::Node>::from_pg((*call).args).get_ptr(0)?);
        let is_null = (*user).type_ == pg_sys::NodeTag::T_Const && (*user.cast::<pg_sys::Const>()).constisnull;
        if !is_null || !is_distributed() {
            return None;
        }
        let mut arguments = PgList::<pg_sys::Node>::new();
        let (text, collation) = (pg_sys::TEXTOID, pg_sys::DEFAULT_COLLATION_OID);
        // This setting does not exist, and nobody else can create one under our prefix.
        let setting = super::text::text_datum("extensions.nobody");
        arguments.push(pg_sys::makeConst(text, -1, collation, -1, setting, false, false).cast());
        arguments.push(pg_sys::makeBoolConst(true, false));
        let (function, form) =
            (pg_sys::Oid::from(pg_sys::F_CURRENT_SETTING_TEXT_BOOL), pg_sys::CoercionForm::COERCE_EXPLICIT_CALL);
        let unknown = pg_sys::makeFuncExpr(function, text, arguments.into_pg(), collation, collation, form);
        let copy = pg_sys::copyObjectImpl(call.cast()).cast::<pg_sys::FuncExpr>();
        PgList::<pg_sys::Node>::from_pg((*copy).args).replace_ptr(0, unknown.cast());
        Some(copy.cast())
    }
}

/// The arguments of the call in the order of the statement's parameters: the subject of the question, the user, and
/// the instant.
type Arguments = [*mut pg_sys::Node; 3];

/// Our columns that the arguments are compared with.
const COMPARED_WITH: [Option<(&str, &CStr)>; 3] =
    [Some(("add_on_features", c"feature_key")), Some(("user_add_ons", c"user_id")), None];

/// The statements that the functions stand for.
pub struct Checks {
    pub has_feature: &'static Statement,
    pub has_add_on: &'static Statement,
}

/// What the support function of `has_feature` and `has_add_on` answers to a request of the planner.
pub fn support(request: Internal, checks: &Checks) -> Internal {
    let request = request.unwrap().unwrap_or(pg_sys::Datum::null());
    // SAFETY: nobody but PostgreSQL can make an internal value, and it passes requests about these functions.
    Internal::from(Some(pg_sys::Datum::from(unsafe { answer(request.cast_mut_ptr(), checks) })))
}

/// Answers a request of the planner to put something simpler in place of a call; NULL leaves everything as it is.
///
/// # Safety
/// The request must be a node that the planner passes to a support function of `has_feature` or `has_add_on`.
unsafe fn answer(request: *mut pg_sys::Node, checks: &Checks) -> *mut pg_sys::Node {
    // SAFETY: the node says what it is, and the planner fills it in.
    unsafe {
        let Some((root, fcall)) = simplified(request) else { return ptr::null_mut() };
        if !may_execute(fcall) || is_distributed() {
            return of_nobody(fcall).unwrap_or(ptr::null_mut());
        }
        let Some(arguments) = arguments(fcall) else { return ptr::null_mut() };
        if is_aggregated(&*(*root).parse, fcall) {
            return ptr::null_mut();
        }
        let arguments = std::array::from_fn(|n| compared_as_ours(arguments[n], COMPARED_WITH[n]));
        let Some(subquery) = subquery(&arguments, checks) else { return ptr::null_mut() };
        (*(*root).parse).hasSubLinks = true;
        exists(subquery)
    }
}

/// The arguments, if the call asks the same question about each row: the user is a column, and nothing else depends
/// on the row.
unsafe fn arguments(call: *mut pg_sys::FuncExpr) -> Option<Arguments> {
    // SAFETY: the planner passes a whole call.
    unsafe {
        let list = PgList::<pg_sys::Node>::from_pg((*call).args);
        let [user, what, at] = [list.get_ptr(0)?, list.get_ptr(1)?, list.get_ptr(2)?];
        (is_column(user) && is_fixed(what) && is_fixed(at)).then_some([what, user, at])
    }
}

/// A call to look for in an expression.
struct Sought {
    function: pg_sys::Oid,
    user: *mut pg_sys::Node,
    is_within_aggregate: bool,
}

/// Whether a query asks the same of the same column inside an aggregate. The planner passes a copy, so it cannot be
/// determined which of several equal calls is meant.
unsafe fn is_aggregated(query: &pg_sys::Query, call: *mut pg_sys::FuncExpr) -> bool {
    if !query.hasAggs {
        return false;
    }
    // SAFETY: the planner passes a whole call, which has arguments; the walkers only look.
    unsafe {
        let Some(user) = PgList::<pg_sys::Node>::from_pg((*call).args).get_ptr(0) else { return false };
        let mut sought = Sought { function: (*call).funcid, user: bare(user), is_within_aggregate: false };
        let sought = (&raw mut sought).cast::<c_void>();
        seek(query.targetList.cast(), sought) || seek(query.havingQual, sought)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn seek(node: *mut pg_sys::Node, sought: *mut c_void) -> bool {
    // SAFETY: is_aggregated passes the call, and PostgreSQL whole nodes.
    unsafe {
        if node.is_null() {
            return false;
        }
        let call = &mut *sought.cast::<Sought>();
        match (*node).type_ {
            pg_sys::NodeTag::T_Aggref if !call.is_within_aggregate => {
                call.is_within_aggregate = true;
                let is_found = pg_sys::expression_tree_walker(node, Some(seek), sought);
                (*sought.cast::<Sought>()).is_within_aggregate = false;
                return is_found;
            }
            pg_sys::NodeTag::T_FuncExpr if call.is_within_aggregate => {
                let other = &*node.cast::<pg_sys::FuncExpr>();
                let user = PgList::<pg_sys::Node>::from_pg(other.args).get_ptr(0);
                let is_same = |user: *mut pg_sys::Node| pg_sys::equal(bare(user).cast(), call.user.cast());
                if other.funcid == call.function && user.is_some_and(is_same) {
                    return true;
                }
            }
            _ => {}
        }
        pg_sys::expression_tree_walker(node, Some(seek), sought)
    }
}

/// An expression without casts that change nothing.
unsafe fn bare(mut node: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: the node says what it is.
    unsafe {
        while (*node).type_ == pg_sys::NodeTag::T_RelabelType {
            node = (*node.cast::<pg_sys::RelabelType>()).arg.cast();
        }
        node
    }
}

/// An argument as the function would compare it with a column of ours.
unsafe fn compared_as_ours(argument: *mut pg_sys::Node, with: Option<(&str, &CStr)>) -> *mut pg_sys::Node {
    let Some((table, column)) = with else { return argument };
    // SAFETY: this looks at the node and at catalogs, and the new node is allocated as PostgreSQL would.
    unsafe {
        let own = pg_sys::exprCollation(argument);
        let ours = installation::collation_of(table, column).unwrap_or(own);
        if own == pg_sys::InvalidOid || own == ours {
            return argument;
        }
        let mut compared = PgBox::<pg_sys::CollateExpr, AllocatedByRust>::alloc_node(pg_sys::NodeTag::T_CollateExpr);
        compared.arg = argument.cast();
        compared.collOid = ours;
        compared.location = -1;
        compared.into_pg().cast()
    }
}

unsafe fn is_column(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the node says what it is.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Var => true,
            // A varchar that is passed as a text.
            pg_sys::NodeTag::T_RelabelType => is_column((*node.cast::<pg_sys::RelabelType>()).arg.cast()),
            _ => false,
        }
    }
}

unsafe fn is_fixed(node: *mut pg_sys::Node) -> bool {
    // SAFETY: these look at the node and change nothing.
    unsafe {
        !pg_sys::contain_var_clause(node)
            && !pg_sys::contain_volatile_functions(node)
            && !pg_sys::contain_subplans(node)
            && !pg_sys::contain_agg_clause(node)
            && !pg_sys::contain_window_function(node)
    }
}

/// The conditions under which PostgreSQL itself inlines a function.
unsafe fn may_execute(call: *mut pg_sys::FuncExpr) -> bool {
    let execute = pg_sys::ACL_EXECUTE as pg_sys::AclMode;
    // SAFETY: the planner passes a whole call; these look at catalogs.
    unsafe {
        #[cfg(feature = "pg15")]
        let answer = pg_sys::pg_proc_aclcheck((*call).funcid, pg_sys::GetUserId(), execute);
        #[cfg(not(feature = "pg15"))]
        let answer = pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, (*call).funcid, pg_sys::GetUserId(), execute);
        answer == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// Citus decides where a query runs before the planner sees it. A table that appears later would be the empty local
/// one.
fn is_distributed() -> bool {
    // SAFETY: this looks at a catalog.
    unsafe { pg_sys::get_extension_oid(c"citus".as_ptr(), true) != pg_sys::InvalidOid }
}

/// The statement that the function itself executes, with the arguments filled in. None if row security is on: then
/// the visible rows depend on the role that executes the plan, and a plan with such a subquery would not be replanned
/// for another role.
unsafe fn subquery(arguments: &Arguments, checks: &Checks) -> Option<*mut pg_sys::Query> {
    // SAFETY: the first argument is one of the two types. The parser's state holds on to the arguments until it is freed.
    unsafe {
        let is_of_add_on = pg_sys::exprType(arguments[0]) == pg_sys::UUIDOID;
        let statement = if is_of_add_on { checks.has_add_on } else { checks.has_feature };
        let sql = CString::new(statement.sql_in(&installation::schema().ok()?)).ok()?;
        let statements = PgList::<pg_sys::RawStmt>::from_pg(pg_sys::raw_parser(
            sql.as_ptr(),
            pg_sys::RawParseMode::RAW_PARSE_DEFAULT,
        ));
        let state = pg_sys::make_parsestate(ptr::null_mut());
        (*state).p_paramref_hook = Some(argument);
        (*state).p_ref_hook_state = ptr::from_ref(arguments).cast_mut().cast::<c_void>();
        let tree = (*statements.get_ptr(0)?).stmt;
        let query = pg_sys::parse_sub_analyze(tree, state, ptr::null_mut(), false, true);
        pg_sys::free_parsestate(state);
        (!has_row_security(query)).then_some(query)
    }
}

/// Replaces `$n` with an argument, adjusted for this many levels of nested queries.
#[pg_guard]
unsafe extern "C-unwind" fn argument(
    state: *mut pg_sys::ParseState,
    reference: *mut pg_sys::ParamRef,
) -> *mut pg_sys::Node {
    // SAFETY: subquery sets the state, which nested queries inherit.
    unsafe {
        let arguments = &*(*state).p_ref_hook_state.cast::<Arguments>();
        let node = pg_sys::copyObjectImpl(arguments[(*reference).number as usize - 1].cast()).cast();
        let depth =
            std::iter::successors((*state).parentParseState.as_ref(), |state| state.parentParseState.as_ref()).count();
        pg_sys::IncrementVarSublevelsUp(node, depth as i32, 0);
        node
    }
}

unsafe fn has_row_security(query: *mut pg_sys::Query) -> bool {
    let (mut relations, mut others, mut is_rewritten) = (ptr::null_mut(), ptr::null_mut(), false);
    // SAFETY: this walks through the query and makes lists of what it finds.
    unsafe {
        pg_sys::extract_query_dependencies(query.cast(), &mut relations, &mut others, &mut is_rewritten);
        let none = pg_sys::CheckEnableRlsResult::RLS_NONE as i32;
        let relations = PgList::<pg_sys::Oid>::from_pg(relations);
        relations.iter_oid().any(|relation| pg_sys::check_enable_rls(relation, pg_sys::InvalidOid, true) != none)
    }
}

unsafe fn exists(subquery: *mut pg_sys::Query) -> *mut pg_sys::Node {
    // SAFETY: the node is allocated as PostgreSQL would.
    unsafe {
        let mut link = PgBox::<pg_sys::SubLink, AllocatedByRust>::alloc_node(pg_sys::NodeTag::T_SubLink);
        link.subLinkType = pg_sys::SubLinkType::EXISTS_SUBLINK;
        link.subselect = subquery.cast();
        link.location = -1;
        link.into_pg().cast()
    }
}
