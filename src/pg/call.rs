//! The call that PostgreSQL makes, for functions that need more of it than their arguments.

use std::any::Any;
use std::cell::{RefCell, RefMut};
use std::ffi::c_void;
use std::ptr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{is_a, pg_guard, pg_sys};

use super::running::RunningStatement;

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

    /// What the function keeps at this place of a statement between its calls there, until the statement ends. `None` in
    /// the first call, so that keeping costs nothing where there is no second; and in a call within a call.
    pub fn kept<T: Default + 'static>(&self) -> Option<RefMut<'_, T>> {
        // SAFETY: the call stays as it is while it lasts, and nobody else uses the field: it is this function's.
        unsafe {
            let place = (*self.0).flinfo.as_mut()?;
            if place.fn_extra.is_null() {
                place.fn_extra = CALLED_ONCE.as_ptr().cast_mut().cast();
                return None;
            }
            if ptr::eq(place.fn_extra.cast_const().cast(), CALLED_ONCE.as_ptr()) {
                place.fn_extra = keep_in(place.fn_mcxt, Box::new(RefCell::new(T::default()))).cast();
            }
            let kept = &*place.fn_extra.cast::<Kept>();
            kept.value.downcast_ref::<RefCell<T>>()?.try_borrow_mut().ok()
        }
    }

    /// The statement that makes the call, if the function has a place in one.
    pub fn statement(&self) -> Option<RunningStatement> {
        // SAFETY: the call stays as it is while it lasts.
        unsafe {
            let place = (*self.0).flinfo.as_ref()?;
            Some(RunningStatement::new(place.fn_mcxt, place.fn_expr))
        }
    }
}

/// Stands for what a function has not kept yet.
static CALLED_ONCE: [u8; 1] = [0];

/// What a function keeps, and the callback that drops it with the memory of the statement.
struct Kept {
    value: Box<dyn Any>,
    callback: pg_sys::MemoryContextCallback,
}

/// # Safety
/// The memory must be there.
unsafe fn keep_in(memory: pg_sys::MemoryContext, value: Box<dyn Any>) -> *mut Kept {
    let callback = pg_sys::MemoryContextCallback { func: Some(drop_kept), ..Default::default() };
    let kept = Box::into_raw(Box::new(Kept { value, callback }));
    // SAFETY: the caller says so; what is kept stays where it is until the callback drops it.
    unsafe {
        (*kept).callback.arg = kept.cast();
        pg_sys::MemoryContextRegisterResetCallback(memory, &raw mut (*kept).callback);
    }
    kept
}

#[pg_guard]
unsafe extern "C-unwind" fn drop_kept(kept: *mut c_void) {
    // SAFETY: keep_in has made it, and PostgreSQL calls this once.
    drop(unsafe { Box::from_raw(kept.cast::<Kept>()) });
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
