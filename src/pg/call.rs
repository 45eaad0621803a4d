//! The call that PostgreSQL makes, for functions that need more of it than their arguments.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{is_a, pg_sys};

/// A call of one of our functions. Only pgrx creates it, from what PostgreSQL passes.
pub struct Call(pg_sys::FunctionCallInfo);

impl Call {
    /// What PostgreSQL passes, for as long as the call lasts.
    pub(super) fn info(&self) -> pg_sys::FunctionCallInfo {
        self.0
    }

    /// The context node of the call, if it is of this kind.
    pub(super) fn context(&self, tag: pg_sys::NodeTag) -> Option<*mut pg_sys::Node> {
        // SAFETY: a call has a context or none, and the node says what it is.
        unsafe {
            let context = (*self.0).context;
            (!context.is_null() && is_a(context, tag)).then_some(context)
        }
    }
}

// SAFETY: it stands for no argument, as pgrx's own does.
unsafe impl<'fcx> ArgAbi<'fcx> for Call {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as the caller says.
        Call(unsafe { arg.unbox_unchecked() })
    }

    fn is_virtual_arg() -> bool {
        true
    }
}

// SAFETY: as above; no declaration in SQL mentions it.
unsafe impl SqlTranslatable for Call {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Call);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::Skip));
}
