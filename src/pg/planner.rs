//! Planner support for the functions of a user, which keeps Citus from stumbling over a call without a user.

use std::ptr;

use pgrx::datum::Internal;
use pgrx::{PgList, pg_sys};

/// What the support function of the functions of a user answers: nothing, but where Citus would stumble.
pub fn support_of_users(request: Internal) -> Internal {
    let request = request.unwrap().unwrap_or(pg_sys::Datum::null());
    // SAFETY: nobody but PostgreSQL can make an internal value, and it passes requests about these functions.
    unsafe {
        let of_nobody = simplified(request.cast_mut_ptr()).and_then(|call| of_nobody(call));
        Internal::from(Some(pg_sys::Datum::from(of_nobody.unwrap_or(ptr::null_mut()))))
    }
}

/// The call of a simplification request, if it is inside a query.
unsafe fn simplified(request: *mut pg_sys::Node) -> Option<*mut pg_sys::FuncExpr> {
    // SAFETY: the node says what it is, and the planner fills it in.
    unsafe {
        if (*request).type_ != pg_sys::NodeTag::T_SupportRequestSimplify {
            return None;
        }
        let pg_sys::SupportRequestSimplify { root, fcall, .. } = *request.cast();
        (!root.is_null() && pg_sys::ActiveSnapshotSet()).then_some(fcall)
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

/// Citus decides where a query runs before the planner sees it. A table that appears later would be the empty local
/// one.
fn is_distributed() -> bool {
    // SAFETY: this looks at a catalog.
    unsafe { pg_sys::get_extension_oid(c"citus".as_ptr(), true) != pg_sys::InvalidOid }
}
