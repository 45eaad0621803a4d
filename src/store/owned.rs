//! What users own: the rows of `user_add_ons`, read and written in bulk (semantics 5).
//!
//! Each statement is passed the instant of the change and sets `updated_at` itself, although a trigger does that too:
//! with Citus there are no triggers, and `now()` is not allowed in these expressions. The caller must hold the user's
//! lock. Each change is announced on the channel `extensions_entitlements`.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::clock::now;
use crate::pg::datum::Passed;
use crate::pg::document::{self, Budget, Document, DocumentColumn};
use crate::pg::ids::new_ids;
use crate::pg::jsonb::Jsonb;
use crate::pg::locks::FreshSnapshot;
use crate::pg::probe::{Opened, Probe};
use crate::pg::row::{RawText, RowOf};
use crate::pg::running::RunningStatement;
use crate::pg::session;
use crate::pg::settings;
use crate::pg::statement::Statement;
use crate::store::all_written;
use crate::{is_entitled, params, probe};
use engine::access::kept::Kept;
use engine::access::row::Row;
use engine::access::status::{self, AccessStatus};
use engine::money::Money;
use engine::time::{Instant, Window};
use engine::usage::period::PaidPeriod;

/// The status of a user's add-on, with the start and end of access.
pub type Holding = (RawText, Instant, Option<Instant>);

/// A user's row for an add-on.
pub static HELD: Probe<Holding> =
    probe!("user_add_ons", ["status", "purchased_at", "expires_at"], "user_id", "add_on_id");

/// Whether that gives access at an instant (semantics 5).
pub fn is_held((status, since, until): RowOf<Holding>, at: Instant) -> bool {
    status::is_entitled(status_of(status), Window { from: Some(since), until }, at)
}

/// A holding with its add-on.
type HoldingOf = (Uuid, RawText, Instant, Option<Instant>);

static ALL_HELD: Probe<HoldingOf> =
    probe!("user_add_ons", ["add_on_id", "status", "purchased_at", "expires_at"], "user_id");

/// Whether it gives access at an instant to an add-on that is meant.
fn is_one_held(
    (add_on_id, status, since, until): RowOf<HoldingOf>,
    at: Instant,
    is_meant: impl Fn(Uuid) -> bool,
) -> bool {
    is_held((status, since, until), at) && is_meant(add_on_id)
}

/// The users who have one of the add-ons `$1` at `$2`.
static HOLDERS: Statement<(RawText,)> = Statement::new(concat!(
    "SELECT u.user_id FROM @extschema@.user_add_ons u WHERE u.add_on_id = ANY ($1) AND ",
    is_entitled!("$2"),
));

/// The rows of users, open for all the calls of a statement.
pub enum OpenRows {
    /// Found by user and add-on.
    OfOne(Opened<Holding>),
    /// Found by user.
    OfAny(Opened<HoldingOf>),
}

impl OpenRows {
    /// Those for a question about so many add-ons; `None` if the statement cannot keep them open.
    pub fn of(statement: &RunningStatement, add_ons: usize) -> Result<Option<OpenRows>, Error> {
        Ok(match add_ons {
            1 => HELD.open_for(statement)?.map(OpenRows::OfOne),
            _ => ALL_HELD.open_for(statement)?.map(OpenRows::OfAny),
        })
    }

    /// Whether the calling query has the snapshot that they were opened under.
    pub fn are_usable(&self) -> bool {
        match self {
            OpenRows::OfOne(rows) => rows.is_usable(),
            OpenRows::OfAny(rows) => rows.is_usable(),
        }
    }

    /// Whether the user has one of these add-ons, which are in order, at an instant.
    pub fn hold(&mut self, user: Passed<'_>, add_ons: &[Uuid], at: Instant) -> Result<bool, Error> {
        match (self, add_ons) {
            (OpenRows::OfOne(rows), [add_on_id]) => rows.any(params![user, *add_on_id], |holding| is_held(holding, at)),
            (OpenRows::OfAny(rows), add_ons) => rows
                .any(params![user], |row| is_one_held(row, at, |add_on_id| add_ons.binary_search(&add_on_id).is_ok())),
            (OpenRows::OfOne(_), _) => Ok(false),
        }
    }
}

/// Whether the current role finds users' rows by the index alone: then the rows are the same for every call of a query.
pub fn are_plain() -> Result<bool, Error> {
    Ok(HELD.open()?.is_some())
}

/// Reads the users who have one of these add-ons at an instant; a user who has several is named as often.
pub fn holders(add_ons: &[Uuid], at: Instant, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
    HOLDERS.read(params![add_ons, at], |(user,)| {
        each(user);
        Ok(())
    })
}

/// Whether the user has an add-on at an instant.
pub fn holds(user_id: &str, add_on_id: Uuid, at: Instant) -> Result<bool, Error> {
    HELD.any(params![user_id, add_on_id], |holding| is_held(holding, at))
}

/// Whether the user has one of these add-ons, which are in order.
pub fn hold(user: Passed<'_>, add_ons: &[Uuid], at: Instant) -> Result<bool, Error> {
    match add_ons {
        [add_on_id] => HELD.any(params![user, *add_on_id], |holding| is_held(holding, at)),
        _ => ALL_HELD
            .any(params![user], |row| is_one_held(row, at, |add_on_id| add_ons.binary_search(&add_on_id).is_ok())),
    }
}

/// Whether the user has one of the selected rows.
pub fn holds_any(user_id: &str, at: Instant, is_meant: impl Fn(Uuid) -> bool) -> Result<bool, Error> {
    ALL_HELD.any(params![user_id], |row| is_one_held(row, at, &is_meant))
}

/// Whether the user has an add-on without an end.
pub fn is_held_for_good(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    HELD.any(params![user_id, add_on_id], |(status, _, until)| {
        status_of(status) == AccessStatus::Active && until.is_none()
    })
}

/// A status. A constraint of the table guarantees that it is known; any other gives no access.
pub fn status_of(name: &[u8]) -> AccessStatus {
    let known = std::str::from_utf8(name).ok().and_then(AccessStatus::from_name);
    known.unwrap_or(AccessStatus::Suspended)
}

type OwnedColumns = (
    Uuid,
    RawText,
    Instant,
    Option<Instant>,
    bool,
    Option<String>,
    Option<String>,
    Option<Instant>,
    i32,
    Option<i64>,
    Option<Instant>,
    Option<DocumentColumn>,
    Option<DocumentColumn>,
);

macro_rules! select_owned {
    ($locked:literal) => {
        Statement::new(concat!(
            "SELECT u.add_on_id, u.status, u.purchased_at, u.expires_at, u.auto_renew, u.lago_subscription_id, u.cancellation_reason,
                    u.cancelled_at, u.quantity, (u.renewal_amount * 100)::bigint, u.suspended_at, u.sources,
                    u.paid_periods
               FROM @extschema@.user_add_ons u
              WHERE u.user_id = $1 AND u.add_on_id = ANY ($2) ",
            $locked
        ))
    };
}

static OF_ADD_ONS: Statement<OwnedColumns> = select_owned!("FOR UPDATE");
static SEEN_OF_ADD_ONS: Statement<OwnedColumns> = select_owned!("");

static OF_LAGO_SUBSCRIPTION: Statement<(String, Uuid)> = Statement::new(
    "SELECT u.user_id, u.add_on_id
       FROM @extschema@.user_add_ons u
      WHERE u.lago_subscription_id = ANY ($1)
      ORDER BY u.user_id, u.add_on_id",
);

static SAVE: Statement = Statement::new(
    "INSERT INTO @extschema@.user_add_ons AS u
            (id, user_id, add_on_id, status, purchased_at, expires_at, auto_renew, lago_subscription_id, cancellation_reason, cancelled_at,
             quantity, renewal_amount, suspended_at, sources,
             paid_periods)
     SELECT s.id, $1, s.add_on_id, s.status, s.purchased_at, s.expires_at, s.auto_renew, s.lago, s.reason, s.cancelled_at, s.quantity,
            (s.renewal::numeric / 100), s.suspended_at, s.sources, s.paid_periods
       FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            AS s (id, add_on_id, status, purchased_at, expires_at, auto_renew, lago, reason, cancelled_at, quantity, renewal, suspended_at,
                  sources, paid_periods)
     ON CONFLICT ON CONSTRAINT user_add_ons_user_add_on_key DO UPDATE
        SET status=excluded.status, purchased_at=excluded.purchased_at, expires_at=excluded.expires_at,
            auto_renew=excluded.auto_renew, lago_subscription_id=excluded.lago_subscription_id,
            cancellation_reason=excluded.cancellation_reason, cancelled_at=excluded.cancelled_at, quantity=excluded.quantity,
            renewal_amount=excluded.renewal_amount, suspended_at=excluded.suspended_at, sources=excluded.sources,
            paid_periods=excluded.paid_periods, updated_at=excluded.updated_at",
);

/// A row of `user_add_ons`.
#[derive(Clone, Debug)]
pub struct Owned {
    pub add_on_id: Uuid,
    pub columns: Row,
    pub kept: Kept,
    /// Whether the row is there.
    pub is_stored: bool,
    stored: Option<(Row, Kept)>,
}

impl Owned {
    /// A row that is not there yet.
    pub fn new(add_on_id: Uuid) -> Owned {
        Owned { add_on_id, columns: Row::new(now()), kept: Kept::default(), is_stored: false, stored: None }
    }

    /// Whether it differs from the stored row.
    pub fn has_changed(&self) -> bool {
        self.stored.as_ref().is_none_or(|(columns, kept)| *columns != self.columns || *kept != self.kept)
    }
}

/// The user's rows for these add-ons, locked, in add-on id order.
pub fn of_add_ons(user_id: &str, add_on_ids: &[Uuid]) -> Result<Vec<Owned>, Error> {
    let (mut found, mut budget) = (Vec::new(), Budget::of_rows());
    if are_none_there(user_id, add_on_ids)? {
        return Ok(found);
    }
    OF_ADD_ONS.execute(params![user_id, add_on_ids], |row| {
        found.push(read_owned(row, &mut budget)?);
        Ok(())
    })?;
    found.sort_unstable_by_key(|row: &Owned| row.add_on_id);
    Ok(found)
}

/// Whether the user has no row for any of these add-ons, as for whoever buys them for the first time. It can only be
/// found out without a plan.
fn are_none_there(user_id: &str, add_on_ids: &[Uuid]) -> Result<bool, Error> {
    let _now = FreshSnapshot::take();
    let Some(mut rows) = HELD.open()? else { return Ok(false) };
    for &add_on_id in add_on_ids {
        if rows.any(params![user_id, add_on_id], |_| true)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same, as the calling query sees them, and not locked.
pub fn seen_of_add_ons(user_id: &str, add_on_ids: &[Uuid]) -> Result<Vec<Owned>, Error> {
    let (mut found, mut budget) = (Vec::new(), Budget::of_rows());
    SEEN_OF_ADD_ONS.read(params![user_id, add_on_ids], |row| {
        found.push(read_owned(row, &mut budget)?);
        Ok(())
    })?;
    found.sort_unstable_by_key(|row: &Owned| row.add_on_id);
    Ok(found)
}

fn read_owned(row: RowOf<'_, OwnedColumns>, budget: &mut Budget) -> Result<Owned, Error> {
    let (add_on_id, status, purchased_at, expires_at, auto_renew, lago, reason, cancelled_at, ..) = row;
    let (.., quantity, renewal, suspended_at, sources, paid_periods) = row;
    budget.text("user_add_ons.cancellation_reason", reason.as_deref())?;
    budget.text("user_add_ons.lago_subscription_id", lago.as_deref())?;
    let columns = Row {
        status: status_of(status),
        purchased_at,
        expires_at,
        auto_renew,
        lago_subscription_id: lago,
        cancellation_reason: reason,
        cancelled_at,
        quantity,
        renewal_amount: renewal.map(Money::from_cents),
        suspended_at,
        paid_periods: read_paid_periods(paid_periods, budget),
    };
    let sources =
        sources.map(|sources| sources.keep("user_add_ons.sources", document::OF_A_ROW, budget)).transpose()?;
    let kept: Kept = sources.unwrap_or_default();
    let stored = Some((columns.clone(), kept.clone()));
    Ok(Owned { add_on_id, columns, kept, is_stored: true, stored })
}

/// The value of `paid_periods`. An unreadable value counts as missing: then the periods follow from the start and end
/// of access.
pub fn read_paid_periods(column: Option<Document<'_>>, budget: &mut Budget) -> Vec<PaidPeriod> {
    let read = |periods: Document<'_>| periods.keep("user_add_ons.paid_periods", document::OF_A_ROW, budget).ok();
    column.and_then(read).unwrap_or_default()
}

/// The users and add-ons of these subscriptions in Lago.
pub fn of_lago_subscription(ids: &[&str]) -> Result<Vec<(String, Uuid)>, Error> {
    OF_LAGO_SUBSCRIPTION.execute_all(params![&ids.to_vec()], |row| row)
}

/// Writes the changed rows of a user, and notifies listeners. Returns whether anything had changed.
pub fn save(user_id: &str, rows: &mut [Owned]) -> Result<bool, Error> {
    let changed: Vec<&mut Owned> = rows.iter_mut().filter(|row| row.has_changed()).collect();
    if changed.is_empty() {
        return Ok(false);
    }
    let columns = || changed.iter().map(|row| &row.columns);
    let add_on_ids: Vec<Uuid> = changed.iter().map(|row| row.add_on_id).collect();
    let statuses: Vec<&str> = columns().map(|columns| columns.status.name()).collect();
    let beginnings: Vec<Option<Instant>> = columns().map(|columns| Some(columns.purchased_at)).collect();
    let ends: Vec<Option<Instant>> = columns().map(|columns| columns.expires_at).collect();
    let renews: Vec<bool> = columns().map(|columns| columns.auto_renew).collect();
    let lago: Vec<Option<&str>> = columns().map(|columns| columns.lago_subscription_id.as_deref()).collect();
    let reasons: Vec<Option<&str>> = columns().map(|columns| columns.cancellation_reason.as_deref()).collect();
    let cancelled: Vec<Option<Instant>> = columns().map(|columns| columns.cancelled_at).collect();
    let quantities: Vec<i32> = columns().map(|columns| columns.quantity).collect();
    let renewals: Vec<Option<i64>> = columns().map(|columns| columns.renewal_amount.map(Money::cents)).collect();
    let suspended: Vec<Option<Instant>> = columns().map(|columns| columns.suspended_at).collect();
    let sources: Vec<Option<Jsonb>> = changed.iter().map(|row| Some(Jsonb::of(&row.kept))).collect();
    let written_periods = |periods: &Vec<PaidPeriod>| (!periods.is_empty()).then(|| Jsonb::of(periods));
    let periods: Vec<Option<Jsonb>> = columns().map(|columns| written_periods(&columns.paid_periods)).collect();
    let written = SAVE.perform(params![
        user_id,
        // Of rows that are new.
        new_ids(add_on_ids.len()),
        &add_on_ids,
        &statuses,
        &beginnings,
        &ends,
        &renews,
        &lago,
        &reasons,
        &cancelled,
        &quantities,
        &renewals,
        &suspended,
        &sources,
        &periods,
    ])?;
    all_written("user_add_ons", add_on_ids.len(), written)?;
    for row in changed {
        row.is_stored = true;
        row.stored = Some((row.columns.clone(), row.kept.clone()));
    }
    announce(user_id);
    Ok(true)
}

/// Notifies listeners, once the transaction commits, that the user's entitlements have changed, unless that is
/// switched off. PostgreSQL drops duplicates within a transaction.
pub fn announce(user_id: &str) {
    if settings::notifies() {
        session::notify(c"extensions_entitlements", user_id);
    }
}
