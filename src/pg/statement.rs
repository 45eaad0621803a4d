//! Statements that are parsed and planned once per backend and then only executed.
//!
//! A [`Statement`] names the extension's tables as `@extschema@.table`, as extension scripts do, and calls functions as
//! `pg_catalog.function`. Its operators stand between spaces and are qualified before it is parsed, so that nothing in
//! it depends on the caller's search_path; all operators then bind equally, so expressions need their parentheses. The
//! `=` of an assignment is no operator and stands without spaces. What hides an operator, as IN and IS DISTINCT FROM do, has
//! no place in it. Only `unnest` of several arrays stands bare: the parser knows it by that.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::CString;
use std::ops::ControlFlow;
use std::ptr;

use pgrx::datum::Interval;
use pgrx::{FromDatum, IntoDatum, pg_guard, pg_sys};
use uuid::Uuid;

use crate::error::Error;
use crate::pg::datum::{Id, Json, Text, Timestamp, raw_bytes_of, text_datum};
use crate::pg::installation;
use engine::time::Instant;

/// A statement and the plan that this backend keeps for it.
pub struct Statement {
    sql: Cow<'static, str>,
    /// The text for tables that Citus spreads over nodes, where it is another.
    distributed: Option<&'static str>,
    plan: Cell<pg_sys::SPIPlanPtr>,
    /// The installation that the plan was made for.
    generation: Cell<u64>,
}

// SAFETY: a backend has one thread.
unsafe impl Sync for Statement {}

/// A value for a parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    Text(&'a str),
    OptionalText(Option<&'a str>),
    Id(Uuid),
    Ids(&'a [Uuid]),
    Role(pg_sys::Oid),
    Bools(&'a [bool]),
    Bool(bool),
    Int(i32),
    Ints(&'a [i32]),
    OptionalInt(Option<i32>),
    BigInt(i64),
    BigInts(&'a [i64]),
    Texts(&'a [String]),
    OptionalTexts(&'a [Option<&'a str>]),
    OptionalAts(&'a [Option<Instant>]),
    Json(&'a str),
    At(Instant),
    OptionalAt(Option<Instant>),
    Interval(Interval),
}

/// A row of a result.
pub struct Row<'a> {
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
}

/// A type that a column can be read as.
pub trait Column: Sized {
    /// # Safety
    /// The datum must be of the SQL type that this Rust type stands for, and not NULL.
    unsafe fn read(datum: pg_sys::Datum) -> Self;
}

impl Statement {
    /// A statement that is prepared when it is first executed.
    pub const fn new(sql: &'static str) -> Statement {
        Statement::with(Cow::Borrowed(sql), None)
    }

    /// A statement that stands in other words where Citus spreads the tables over nodes, for what it cannot route.
    pub const fn new_or_distributed(sql: &'static str, distributed: &'static str) -> Statement {
        Statement::with(Cow::Borrowed(sql), Some(distributed))
    }

    /// A statement put together once per backend.
    pub const fn built(sql: String) -> Statement {
        Statement::with(Cow::Owned(sql), None)
    }

    const fn with(sql: Cow<'static, str>, distributed: Option<&'static str>) -> Statement {
        Statement { sql, distributed, plan: Cell::new(ptr::null_mut()), generation: Cell::new(0) }
    }

    /// Its text, with the schema filled in and operators qualified.
    pub fn sql_in(&self, schema: &str) -> String {
        qualified(&self.sql, schema)
    }

    /// Reads rows under the snapshot of the calling query. No transaction id is taken, so it works on a standby and in a
    /// parallel worker.
    pub fn read(&self, params: &[Param], mut each: impl FnMut(&Row) -> Result<(), Error>) -> Result<(), Error> {
        self.run(params, true, |row| each(row).map(ControlFlow::Continue)).map(|_| ())
    }

    /// Whether some row is what is looked for; reads no further than that.
    pub fn any(&self, params: &[Param], is_it: impl Fn(&Row) -> bool) -> Result<bool, Error> {
        let mut found = false;
        self.run(params, true, |row| {
            found = is_it(row);
            Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Reads all rows.
    pub fn read_all<T>(&self, params: &[Param], read: impl Fn(&Row) -> T) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.read(params, |row| {
            found.push(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads at most one row.
    pub fn read_one<T>(&self, params: &[Param], read: impl Fn(&Row) -> T) -> Result<Option<T>, Error> {
        let mut found = None;
        self.read(params, |row| {
            found = Some(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    /// Writes, or reads what this very function has written: under a new snapshot that sees everything before it. Says
    /// how many rows were written or read.
    pub fn execute(&self, params: &[Param], mut each: impl FnMut(&Row) -> Result<(), Error>) -> Result<u64, Error> {
        self.run(params, false, |row| each(row).map(ControlFlow::Continue))
    }

    /// Executes a statement for what it does, whatever rows it returns. Says how many were written or read.
    pub fn perform(&self, params: &[Param]) -> Result<u64, Error> {
        self.execute(params, |_| Ok(()))
    }

    /// Executes a statement and reads all rows that it returns.
    pub fn execute_all<T>(&self, params: &[Param], read: impl Fn(&Row) -> T) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.execute(params, |row| {
            found.push(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    /// Executes a statement that writes or reads at most one row.
    pub fn execute_one<T>(&self, params: &[Param], read: impl Fn(&Row) -> T) -> Result<Option<T>, Error> {
        let mut found = None;
        self.execute(params, |row| {
            found = Some(read(row));
            Ok(())
        })?;
        Ok(found)
    }

    fn run(
        &self,
        params: &[Param],
        read_only: bool,
        mut each: impl FnMut(&Row) -> Result<ControlFlow<()>, Error>,
    ) -> Result<u64, Error> {
        let _connection = Connection::open();
        let plan = self.plan(params)?;
        let mut receiver = Receiver::new(&mut each);
        let options = pg_sys::SPIExecuteOptions {
            params: param_list(params),
            read_only,
            dest: ptr::from_mut(&mut receiver).cast(),
            ..Default::default()
        };
        // SAFETY: the plan was prepared for parameters of these types, and the connection is open. The receiver begins
        // with the struct that it is passed as, and outlives the call.
        unsafe {
            pg_sys::SPI_execute_plan_extended(plan, &options);
            receiver.outcome.map(|_| pg_sys::SPI_processed)
        }
    }

    fn plan(&self, params: &[Param]) -> Result<pg_sys::SPIPlanPtr, Error> {
        let installation = installation::current()?;
        if self.generation.get() != installation.generation {
            let stale = self.plan.replace(ptr::null_mut());
            if !stale.is_null() {
                // SAFETY: the plan was kept by prepare and nobody else holds it.
                unsafe { pg_sys::SPI_freeplan(stale) };
            }
            self.plan.set(match (installation.is_distributed, self.distributed) {
                (false, _) => prepare(&self.sql_in(&installation.schema), ONE_PLAN, params),
                (true, None) => prepare(&self.sql_in(&installation.schema), A_PLAN_EACH, params),
                (true, Some(sql)) => prepare(&qualified(sql, &installation.schema), A_PLAN_EACH, params),
            });
            self.generation.set(installation.generation);
        }
        Ok(self.plan.get())
    }
}

/// One plan for all values: left to choose, PostgreSQL would plan some statements anew at every call.
const ONE_PLAN: u32 = pg_sys::CURSOR_OPT_GENERIC_PLAN;

/// A plan for each call: Citus has to know the user to find the node.
const A_PLAN_EACH: u32 = pg_sys::CURSOR_OPT_CUSTOM_PLAN;

/// The text of a statement, with the schema filled in and operators qualified.
fn qualified(sql: &str, schema: &str) -> String {
    const OPERATORS: [&str; 18] =
        ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "||", "?", "@>", "<@", "&&", "@@", "->", "->>"];
    let word = |word: &str| match OPERATORS.contains(&word) {
        true => format!("OPERATOR(pg_catalog.{word})"),
        false => word.replace("@extschema@", schema),
    };
    sql.split_whitespace().map(word).collect::<Vec<String>>().join(" ")
}

fn prepare(sql: &str, options: u32, params: &[Param]) -> pg_sys::SPIPlanPtr {
    let sql = CString::new(sql).unwrap_or_default();
    let mut types: Vec<pg_sys::Oid> = params.iter().map(|param| param.type_oid()).collect();
    // SAFETY: a connection is open. Errors are raised, so a plan comes back.
    unsafe {
        let plan = pg_sys::SPI_prepare_cursor(sql.as_ptr(), types.len() as i32, types.as_mut_ptr(), options as i32);
        pg_sys::SPI_keepplan(plan);
        plan
    }
}

/// Runs a command that is put together by hand, as administration needs now and then: it is parsed each time.
pub fn command(sql: &str) {
    run_once(sql, false);
}

/// Whether a query that is put together by hand finds any row. For administration, like `command`.
pub fn has_rows(sql: &str) -> bool {
    run_once(sql, true) > 0
}

fn run_once(sql: &str, read_only: bool) -> u64 {
    let _connection = Connection::open();
    let sql = CString::new(sql).unwrap_or_default();
    // SAFETY: a connection is open. Errors are raised.
    unsafe {
        pg_sys::SPI_execute(sql.as_ptr(), read_only, if read_only { 1 } else { 0 });
        pg_sys::SPI_processed
    }
}

/// The parameters as the executor takes them. Citus takes no empty list.
fn param_list(params: &[Param]) -> pg_sys::ParamListInfo {
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

/// Takes the rows of a result from the executor, one by one, without a copy of the result in between.
#[repr(C)]
struct Receiver<'a> {
    /// What the executor knows of it; it must come first.
    base: pg_sys::DestReceiver,
    each: &'a mut dyn FnMut(&Row) -> Result<ControlFlow<()>, Error>,
    outcome: Result<ControlFlow<()>, Error>,
}

impl<'a> Receiver<'a> {
    fn new(each: &'a mut dyn FnMut(&Row) -> Result<ControlFlow<()>, Error>) -> Receiver<'a> {
        let base = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start_up),
            rShutdown: Some(ignore),
            rDestroy: Some(ignore),
            // SPI expects a tuple table of DestSPI, and nothing of this one.
            mydest: pg_sys::CommandDest::DestTransientRel,
        };
        Receiver { base, each, outcome: Ok(ControlFlow::Continue(())) }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, receiver: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: the executor passes the receiver that run gave it, and a slot whose description says how many columns
    // it has.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver>();
        pg_sys::slot_getallattrs(slot);
        let columns = (*(*slot).tts_tupleDescriptor).natts as usize;
        let values = std::slice::from_raw_parts((*slot).tts_values, columns);
        let nulls = std::slice::from_raw_parts((*slot).tts_isnull, columns);
        receiver.outcome = (receiver.each)(&Row { values, nulls });
        matches!(receiver.outcome, Ok(ControlFlow::Continue(())))
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn start_up(
    _receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    _columns: pg_sys::TupleDesc,
) {
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

/// An element of a text array, which is copied when PostgreSQL's text is made of it and not before.
struct Borrowed<'a>(&'a str);

impl IntoDatum for Borrowed<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(text_datum(self.0))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

impl Param<'_> {
    fn type_oid(&self) -> pg_sys::Oid {
        match self {
            Param::Text(_) | Param::OptionalText(_) => pg_sys::TEXTOID,
            Param::Id(_) => pg_sys::UUIDOID,
            Param::Ids(_) => pg_sys::UUIDARRAYOID,
            Param::Role(_) => pg_sys::OIDOID,
            Param::Bool(_) => pg_sys::BOOLOID,
            Param::Bools(_) => pg_sys::BOOLARRAYOID,
            Param::Int(_) | Param::OptionalInt(_) => pg_sys::INT4OID,
            Param::Ints(_) => pg_sys::INT4ARRAYOID,
            Param::BigInt(_) => pg_sys::INT8OID,
            Param::BigInts(_) => pg_sys::INT8ARRAYOID,
            Param::Texts(_) | Param::OptionalTexts(_) => pg_sys::TEXTARRAYOID,
            Param::OptionalAts(_) => pg_sys::TIMESTAMPTZARRAYOID,
            Param::Json(_) => pg_sys::JSONBOID,
            Param::At(_) | Param::OptionalAt(_) => pg_sys::TIMESTAMPTZOID,
            Param::Interval(_) => pg_sys::INTERVALOID,
        }
    }

    fn datum(&self) -> Option<pg_sys::Datum> {
        match *self {
            Param::Text(text) => Some(text_datum(text)),
            Param::OptionalText(text) => text.map(text_datum),
            Param::Id(id) => Id(id).into_datum(),
            Param::Ids(ids) => ids.iter().copied().map(Id).collect::<Vec<Id>>().into_datum(),
            Param::Role(role) => Some(role.into()),
            Param::Bool(on) => on.into_datum(),
            Param::Bools(on) => on.to_vec().into_datum(),
            Param::Int(number) => number.into_datum(),
            Param::Ints(numbers) => numbers.to_vec().into_datum(),
            Param::BigInt(number) => number.into_datum(),
            Param::BigInts(numbers) => numbers.to_vec().into_datum(),
            Param::Texts(texts) => texts.iter().map(|text| Borrowed(text)).collect::<Vec<Borrowed>>().into_datum(),
            Param::OptionalTexts(texts) => {
                texts.iter().map(|text| text.map(Borrowed)).collect::<Vec<Option<Borrowed>>>().into_datum()
            }
            Param::OptionalAts(times) => {
                times.iter().map(|time| time.map(Timestamp)).collect::<Vec<Option<Timestamp>>>().into_datum()
            }
            Param::Json(text) => Json(text.to_owned()).into_datum(),
            Param::OptionalInt(number) => number.into_datum(),
            Param::At(at) => Timestamp(at).into_datum(),
            Param::OptionalAt(at) => at.map(Timestamp).into_datum(),
            Param::Interval(interval) => interval.into_datum(),
        }
    }
}

impl Row<'_> {
    /// A column that is never NULL, counted from 0.
    pub fn get<T: Column>(&self, column: usize) -> T {
        self.optional(column).unwrap_or_else(|| panic!("column {column} is NULL"))
    }

    /// A column that may be NULL, counted from 0.
    pub fn optional<T: Column>(&self, column: usize) -> Option<T> {
        // SAFETY: each statement is read next to its text, by the types that its columns have.
        (!self.nulls[column]).then(|| unsafe { T::read(self.values[column]) })
    }

    /// A text as the database spells it, in its own encoding; empty when NULL.
    pub fn raw_text(&self, column: usize) -> &[u8] {
        if self.nulls[column] {
            return &[];
        }
        // SAFETY: as above, the column is a text, which lives as long as the row.
        unsafe { raw_bytes_of(self.values[column]) }
    }
}

macro_rules! column {
    ($type:ty, $datum:ident => $read:expr) => {
        impl Column for $type {
            unsafe fn read($datum: pg_sys::Datum) -> Self {
                // SAFETY: the caller says that the datum is of this type.
                unsafe { $read }
            }
        }
    };
}

column!(bool, datum => bool::from_datum(datum, false).unwrap_unchecked());
column!(i32, datum => i32::from_datum(datum, false).unwrap_unchecked());
column!(i64, datum => i64::from_datum(datum, false).unwrap_unchecked());
column!(f32, datum => f32::from_datum(datum, false).unwrap_unchecked());
column!(String, datum => Text::from_datum(datum, false).unwrap_unchecked().0);
column!(Json, datum => Json::from_datum(datum, false).unwrap_unchecked());
column!(Uuid, datum => Id::from_datum(datum, false).unwrap_unchecked().0);
column!(Instant, datum => Timestamp::from_datum(datum, false).unwrap_unchecked().0);
column!(Vec<Uuid>, datum => ids(datum));

/// The elements of a uuid[] that are not NULL.
///
/// # Safety
/// The datum must be a uuid[].
unsafe fn ids(datum: pg_sys::Datum) -> Vec<Uuid> {
    // SAFETY: the caller says so.
    let elements = unsafe { Vec::<Option<pgrx::Uuid>>::from_datum(datum, false) }.unwrap_or_default();
    elements.into_iter().flatten().map(|id| Uuid::from_bytes(*id.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::Statement;

    #[test]
    fn operators_and_tables_are_qualified() {
        let statement =
            Statement::new("SELECT c.id FROM @extschema@.cart_items c\n  WHERE c.user_id = $1 AND c.quantity >= 2");
        assert_eq!(
            statement.sql_in("\"my shop\""),
            "SELECT c.id FROM \"my shop\".cart_items c WHERE c.user_id OPERATOR(pg_catalog.=) $1 \
             AND c.quantity OPERATOR(pg_catalog.>=) 2"
        );
    }
}
