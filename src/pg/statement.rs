//! Statements that are parsed and planned once per backend and then only executed.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::ptr;
use std::rc::Rc;

use pgrx::{pg_guard, pg_sys};

use super::installation::{self, Installation};
use super::owner::Restricted;
use super::parameter::Params;
use super::qualified;
use super::row::{Columns, Names, RawRow, misfit};
use crate::error::Error;

/// A statement whose rows have the columns `R`, with this backend's plan for it.
pub struct Statement<R = ()> {
    sql: Cow<'static, str>,
    /// The text for tables that Citus distributes, if it differs.
    distributed: Option<&'static str>,
    /// Whether it runs with the rights of its caller even if that is a superuser, because it runs no code of the
    /// tables' owner.
    is_by_caller: bool,
    /// One plan for callers with their own search_path, and one for functions that set it: PostgreSQL replans when
    /// the path changes.
    plans: [RefCell<Option<Rc<Plan>>>; 2],
    columns: PhantomData<fn() -> R>,
}

// SAFETY: a backend has one thread.
unsafe impl<R> Sync for Statement<R> {}

/// A plan, kept as long as it belongs to the statement or is being executed: functions that a statement calls can
/// change the installation.
struct Plan {
    kept: pg_sys::SPIPlanPtr,
    /// The installation that it was made for.
    generation: u64,
    /// The number of table changes at which their columns were checked.
    checked: Cell<u64>,
}

thread_local! {
    /// Plans that were dropped while an error unwound, when no function of PostgreSQL may be called.
    static LEFT_BEHIND: RefCell<Vec<pg_sys::SPIPlanPtr>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Plan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            LEFT_BEHIND.with_borrow_mut(|left| left.push(self.kept));
        } else {
            // SAFETY: the plan was kept by prepare, and nobody else holds it.
            unsafe { pg_sys::SPI_freeplan(self.kept) };
        }
    }
}

impl<R> Statement<R> {
    /// A statement that is prepared when it is first executed.
    pub const fn new(sql: &'static str) -> Statement<R> {
        qualified::check(sql);
        Statement::with(Cow::Borrowed(sql), None)
    }

    /// A statement with a different text for tables that Citus distributes, because Citus cannot route the usual one.
    pub const fn new_or_distributed(sql: &'static str, distributed: &'static str) -> Statement<R> {
        qualified::check(sql);
        qualified::check(distributed);
        Statement::with(Cow::Borrowed(sql), Some(distributed))
    }

    /// A statement whose text is built once per backend.
    pub fn built(sql: String) -> Statement<R> {
        qualified::check(&sql);
        Statement::with(Cow::Owned(sql), None)
    }

    /// The same, run with the rights of its caller even if that is a superuser. It must run no code of the tables'
    /// owner.
    pub const fn by_caller(mut self) -> Statement<R> {
        self.is_by_caller = true;
        self
    }

    const fn with(sql: Cow<'static, str>, distributed: Option<&'static str>) -> Statement<R> {
        Statement {
            sql,
            distributed,
            is_by_caller: false,
            plans: [const { RefCell::new(None) }; 2],
            columns: PhantomData,
        }
    }
}

/// The callback for each row, which returns whether to go on.
type Each<'e, R> = dyn FnMut(<R as Columns>::Row<'_>) -> Result<ControlFlow<()>, Error> + 'e;

impl<R: Columns + 'static> Statement<R> {
    /// Reads rows under the snapshot of the calling query. No transaction id is taken, so it works on a standby and in a
    /// parallel worker.
    pub fn read(&self, params: &Params, mut each: impl FnMut(R::Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.run(params, true, &mut |row| each(row).map(ControlFlow::Continue)).map(|_| ())
    }

    /// Reads rows as `read` does, until the callback stops.
    pub(super) fn visit(&self, params: &Params, each: &mut Each<'_, R>) -> Result<(), Error> {
        self.run(params, true, each).map(|_| ())
    }

    /// Refuses if the tables that it names differ from what the functions expect.
    pub(super) fn check_columns(&self, installation: &Installation) -> Result<(), Error> {
        installation.check_columns(&self.sql)
    }

    /// Whether some row matches; reads no further than that.
    pub fn any(&self, params: &Params, is_it: impl Fn(R::Row<'_>) -> bool) -> Result<bool, Error> {
        let mut found = false;
        self.run(params, true, &mut |row| {
            found = is_it(row);
            Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Reads all rows.
    pub fn read_all<T>(&self, params: &Params, read: impl Fn(R::Row<'_>) -> T) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.read(params, |row| {
            found.push(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads at most one row.
    pub fn read_one<T>(&self, params: &Params, read: impl Fn(R::Row<'_>) -> T) -> Result<Option<T>, Error> {
        let mut found = None;
        self.read(params, |row| {
            found = Some(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    /// Writes, or reads what this very function has written, under a new snapshot that sees everything before it.
    /// Returns the number of rows written or read.
    pub fn execute(
        &self,
        params: &Params,
        mut each: impl FnMut(R::Row<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.run(params, false, &mut |row| each(row).map(ControlFlow::Continue))
    }

    /// Executes a statement for its effect, and ignores the rows that it returns. Returns the number of rows written
    /// or read.
    pub fn perform(&self, params: &Params) -> Result<u64, Error> {
        self.execute(params, |_| Ok(()))
    }

    /// Executes a statement and reads all rows that it returns.
    pub fn execute_all<T>(&self, params: &Params, read: impl Fn(R::Row<'_>) -> T) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.execute(params, |row| {
            found.push(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    /// Executes a statement that writes or reads at most one row.
    pub fn execute_one<T>(&self, params: &Params, read: impl Fn(R::Row<'_>) -> T) -> Result<Option<T>, Error> {
        let mut found = None;
        self.execute(params, |row| {
            found = Some(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    fn run(&self, params: &Params, read_only: bool, each: &mut Each<R>) -> Result<u64, Error> {
        let _connection = Connection::open();
        // SAFETY: this reads a variable.
        let plan = &self.plans[usize::from(unsafe { pg_sys::InLocalUserIdChange() })];
        let installation = installation::current()?;
        let _restricted = (!self.is_by_caller).then(|| Restricted::where_needed(installation.owner));
        let plan = self.plan(plan, &installation, params)?;
        let mut each = |row: &RawRow| {
            // SAFETY: the receiver takes no rows whose columns are of other types.
            each(unsafe { R::read(row) }?)
        };
        let mut receiver = Receiver::new(R::TYPES, &mut each);
        let options = pg_sys::SPIExecuteOptions {
            params: param_list(params),
            read_only,
            dest: ptr::from_mut(&mut receiver).cast(),
            ..Default::default()
        };
        // SAFETY: the plan was prepared for parameters of these types, the connection is open, and the plan is held until the
        // end. The receiver begins with the struct that it is passed as, and outlives the call.
        unsafe {
            pg_sys::SPI_execute_plan_extended(plan.kept, &options);
            receiver.outcome.map(|_| pg_sys::SPI_processed)
        }
    }

    /// The plan for the installation as it is now.
    fn plan(
        &self,
        plan: &RefCell<Option<Rc<Plan>>>,
        installation: &Installation,
        params: &Params,
    ) -> Result<Rc<Plan>, Error> {
        let known = plan.borrow().as_ref().filter(|plan| plan.generation == installation.generation).map(Rc::clone);
        let changes = installation::table_changes();
        if let Some(plan) = known.as_ref().filter(|plan| plan.checked.get() == changes) {
            return Ok(Rc::clone(plan));
        }
        let (sql, options) = match (installation.is_distributed, self.distributed) {
            (false, _) => (&*self.sql, ONE_PLAN),
            (true, None) => (&*self.sql, A_PLAN_EACH),
            (true, Some(sql)) => (sql, A_PLAN_EACH),
        };
        installation.check_columns(sql)?;
        if let Some(plan) = known {
            plan.checked.set(changes);
            return Ok(plan);
        }
        let kept = prepare(&qualified::in_schema(sql, &installation.schema), options, params);
        let made = Rc::new(Plan { kept, generation: installation.generation, checked: Cell::new(changes) });
        // The previous plan is dropped here, unless an outer call is executing it.
        plan.replace(Some(Rc::clone(&made)));
        Ok(made)
    }
}

/// One generic plan for all values: otherwise PostgreSQL would replan some statements at every call.
const ONE_PLAN: u32 = pg_sys::CURSOR_OPT_GENERIC_PLAN;

/// A plan for each call: Citus has to know the user to find the node.
const A_PLAN_EACH: u32 = pg_sys::CURSOR_OPT_CUSTOM_PLAN;

fn prepare(sql: &str, options: u32, params: &Params) -> pg_sys::SPIPlanPtr {
    for left_behind in LEFT_BEHIND.take() {
        // SAFETY: nobody else holds it.
        unsafe { pg_sys::SPI_freeplan(left_behind) };
    }
    let sql = CString::new(sql).unwrap_or_default();
    let mut types: Vec<pg_sys::Oid> = params.iter().map(|param| param.type_oid()).collect();
    // SAFETY: a connection is open. Errors are raised, so a plan comes back.
    unsafe {
        let plan = pg_sys::SPI_prepare_cursor(sql.as_ptr(), types.len() as i32, types.as_mut_ptr(), options as i32);
        pg_sys::SPI_keepplan(plan);
        plan
    }
}

/// Runs a command that is built as a string, which administration occasionally needs: it is parsed each time. Code of
/// the owner that it runs has only the owner's rights.
pub fn command(sql: &str) {
    let owner = installation::owner().unwrap_or(pg_sys::InvalidOid);
    let _restricted = Restricted::where_needed(owner);
    command_as_caller(sql);
}

/// Runs a command that runs nobody's code, and that only its caller may be permitted to run.
pub fn command_as_caller(sql: &str) {
    let _connection = Connection::open();
    let sql = CString::new(sql).unwrap_or_default();
    // SAFETY: a connection is open. Errors are raised.
    unsafe { pg_sys::SPI_execute(sql.as_ptr(), false, 0) };
}

/// The parameters in the executor's form. Citus accepts no empty list.
fn param_list(params: &Params) -> pg_sys::ParamListInfo {
    if params.is_empty() {
        return ptr::null_mut();
    }
    // SAFETY: the list has room for so many parameters.
    unsafe {
        let list = pg_sys::makeParamList(params.len() as i32);
        let slots = (*list).params.as_mut_slice(params.len());
        for (slot, param) in slots.iter_mut().zip(params) {
            let datum = param.datum();
            *slot = pg_sys::ParamExternData {
                value: datum.unwrap_or(pg_sys::Datum::null()),
                isnull: datum.is_none(),
                pflags: pg_sys::PARAM_FLAG_CONST as u16,
                ptype: param.type_oid(),
            };
        }
        list
    }
}

/// Takes the rows of a result from the executor one by one, without copying the result.
#[repr(C)]
struct Receiver<'a> {
    /// The part that the executor knows; it must come first.
    base: pg_sys::DestReceiver,
    types: &'a [&'a [pg_sys::Oid]],
    each: &'a mut dyn FnMut(&RawRow) -> Result<ControlFlow<()>, Error>,
    outcome: Result<ControlFlow<()>, Error>,
}

impl<'a> Receiver<'a> {
    fn new(
        types: &'a [&'a [pg_sys::Oid]],
        each: &'a mut dyn FnMut(&RawRow) -> Result<ControlFlow<()>, Error>,
    ) -> Receiver<'a> {
        let base = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start_up),
            rShutdown: Some(ignore),
            rDestroy: Some(ignore),
            // SPI expects a tuple table from DestSPI, and nothing from this receiver.
            mydest: pg_sys::CommandDest::DestTransientRel,
        };
        Receiver { base, types, each, outcome: Ok(ControlFlow::Continue(())) }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, receiver: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: the executor passes the receiver that run gave it, and a slot whose description says how many columns
    // it has.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver>();
        if receiver.outcome.is_err() {
            return false;
        }
        let description = (*slot).tts_tupleDescriptor;
        let columns = (*description).natts as usize;
        // What was computed is all there already.
        if ((*slot).tts_nvalid as usize) < columns {
            pg_sys::slot_getallattrs(slot);
        }
        let values = std::slice::from_raw_parts((*slot).tts_values, columns);
        let nulls = std::slice::from_raw_parts((*slot).tts_isnull, columns);
        receiver.outcome = (receiver.each)(&RawRow { values, nulls, names: Names::Described(description) });
        matches!(receiver.outcome, Ok(ControlFlow::Continue(())))
    }
}

/// Checks the columns before the first row arrives: PostgreSQL replans a statement when its tables have changed.
#[pg_guard]
unsafe extern "C-unwind" fn start_up(receiver: *mut pg_sys::DestReceiver, _operation: i32, columns: pg_sys::TupleDesc) {
    // SAFETY: the executor passes the receiver that run gave it, and the description of the rows to come.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver>();
        if let Some(misfit) = misfit(columns, receiver.types) {
            receiver.outcome = Err(misfit);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}

/// An open SPI connection, closed when it goes out of scope. When an error unwinds, the transaction closes it instead.
struct Connection;

impl Connection {
    fn open() -> Connection {
        // SAFETY: connecting has no precondition; it raises an error when it fails.
        unsafe { pg_sys::SPI_connect() };
        Connection
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: this closes the connection that open made.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}
