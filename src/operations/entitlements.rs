//! Reading who is entitled to what (semantics 5).
//!
//! A query that asks about many users calls the function for each row. So the function keeps what all these calls have
//! in common: the add-ons that are asked for, and the open index. After many calls, or if the plan expects many, it reads
//! all entitled users at once and then only looks them up: a query over all users would otherwise probe the index for
//! each. Nothing else is found that way, because everything that is kept was read under the snapshot of the query.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::call::Call;
use crate::pg::datum::Passed;
use crate::pg::installation;
use crate::pg::running::RunningStatement;
use crate::pg::session::{self, RoleId};
use crate::pg::settings::{self, MoreWorkMem};
use crate::pg::snapshot::{Snapshot, Visibility};
use crate::store::owned::OpenRows;
use crate::store::user_set::UserSet;
use crate::store::{catalog_cache, owned};
use engine::time::Instant;

/// What a user may be entitled to.
#[derive(Clone, Copy)]
pub enum What<'a> {
    Feature(Passed<'a>),
    AddOn(Uuid),
}

/// Whether the user has the feature through some add-on, or owns the add-on.
pub fn is_entitled(call: &Call, user: Passed<'_>, what: What<'_>, at: Instant) -> Result<bool, Error> {
    if let Some(mut place) = call.kept::<Place>()
        && let Some(answer) = place.answer(call, user, what, at)?
    {
        return Ok(answer);
    }
    let user = user.text();
    match what {
        What::Feature(key) => has_feature(&user, &key.text(), at),
        What::AddOn(add_on_id) => owned::holds(&user, add_on_id, at),
    }
}

fn has_feature(user_id: &str, feature_key: &str, at: Instant) -> Result<bool, Error> {
    match &*catalog_cache::add_ons_giving(feature_key)? {
        [] => Ok(false),
        [add_on] => owned::holds(user_id, add_on.add_on_id, at),
        giving => {
            let gives = |add_on_id: Uuid| giving.binary_search_by_key(&add_on_id, |add_on| add_on.add_on_id).is_ok();
            owned::holds_any(user_id, at, gives)
        }
    }
}

/// A place in a statement that asks about users.
#[derive(Default)]
enum Place {
    /// Nothing is known of it.
    #[default]
    New,
    /// It asks the same about all users.
    Asks(Box<Question>),
    /// Each call stands for itself: the question differs from row to row, or policies decide what is found.
    Varies,
}

impl Place {
    /// The answer for a user; `None` if the call has to stand for itself.
    fn answer(&mut self, call: &Call, user: Passed<'_>, what: What<'_>, at: Instant) -> Result<Option<bool>, Error> {
        let Some(user_id) = user.plain() else { return Ok(None) };
        match self {
            Place::Asks(question) if !question.is_about(what, at) => *self = Place::Varies,
            Place::Asks(question) if question.is_current() => {}
            Place::New | Place::Asks(_) => *self = Place::asking(call, what, at)?,
            Place::Varies => {}
        }
        match self {
            Place::Asks(question) => question.answer(call, user, user_id).map(Some),
            _ => Ok(None),
        }
    }

    fn asking(call: &Call, what: What<'_>, at: Instant) -> Result<Place, Error> {
        let question = match call.statement() {
            Some(statement) => Question::new(&statement, what, at)?,
            None => None,
        };
        Ok(question.map_or(Place::Varies, |question| Place::Asks(Box::new(question))))
    }
}

/// What a place asks about each user, and what was read for it.
struct Question {
    /// The key of the feature, if it is about one.
    feature: Option<Box<[u8]>>,
    /// The add-ons that count, in order.
    add_ons: Vec<Uuid>,
    at: Instant,
    /// The role and the snapshot for which it was read.
    role: RoleId,
    seen: Visibility,
    rows: Option<OpenRows>,
    calls: u64,
    /// The number of calls from which on the users are worth reading.
    enough: u64,
    users: Option<UserSet>,
}

/// The number of calls after which the plan is looked at.
const FIRST_LOOK: u64 = 32;

/// What things take, in nanoseconds: a call that probes by user and add-on, one that probes by user, and reading a page or
/// a row of all users.
const PROBE: f64 = 1_700.0;
const PROBE_OF_ALL: f64 = 4_000.0;
const PAGE: f64 = 1_300.0;
const ROW: f64 = 60.0;

impl Question {
    /// None if an answer may depend on more than the snapshot.
    fn new(statement: &RunningStatement, what: What<'_>, at: Instant) -> Result<Option<Question>, Error> {
        if !owned::are_plain()? {
            return Ok(None);
        }
        let (feature, add_ons) = match what {
            What::AddOn(add_on_id) => (None, vec![add_on_id]),
            What::Feature(key) => {
                let (Some(bytes), true) = (key.plain(), catalog_cache::sees_everything()) else { return Ok(None) };
                let giving = catalog_cache::add_ons_giving(&key.text())?;
                (Some(bytes.into()), giving.iter().map(|add_on| add_on.add_on_id).collect())
            }
        };
        let rows = OpenRows::of(statement, add_ons.len())?;
        let (role, seen) = (session::role(), Snapshot::with_active(Visibility::of));
        Ok(Some(Question { feature, add_ons, at, role, seen, rows, calls: 0, enough: FIRST_LOOK, users: None }))
    }

    fn is_about(&self, what: What<'_>, at: Instant) -> bool {
        self.at == at
            && match (what, &self.feature) {
                (What::Feature(key), Some(feature)) => key.plain() == Some(feature),
                (What::AddOn(add_on_id), None) => self.add_ons == [add_on_id],
                _ => false,
            }
    }

    fn is_current(&self) -> bool {
        let is_seen = |snapshot: &Snapshot| self.seen.is_that_of(snapshot);
        self.role == session::role()
            && Snapshot::with_active(is_seen)
            && self.rows.as_ref().is_none_or(OpenRows::are_usable)
    }

    fn answer(&mut self, call: &Call, user: Passed<'_>, user_id: &[u8]) -> Result<bool, Error> {
        if self.add_ons.is_empty() {
            return Ok(false);
        }
        if let Some(known) = self.users.as_ref().and_then(|users| users.contains(user_id)) {
            return Ok(known);
        }
        self.calls += 1;
        if self.calls == self.enough && self.users.is_none() {
            if self.calls == FIRST_LOOK {
                self.enough = self.enough_calls(call)?;
            } else {
                self.users = self.read_users()?;
            }
        }
        match &mut self.rows {
            Some(rows) => rows.hold(user, &self.add_ons, self.at),
            None => owned::hold(user, &self.add_ons, self.at),
        }
    }

    /// From how many calls on reading all users is worth its time. If the plan does not say that so many calls will come,
    /// the calls so far must have taken as long as that reading: then a query takes at most twice the time of the better
    /// way. If it does, a few of them suffice, for a query that stops early.
    fn enough_calls(&self, call: &Call) -> Result<u64, Error> {
        let (pages, rows) = installation::size_of("user_add_ons")?;
        let (_, add_ons) = installation::size_of("add_ons")?;
        let rows = rows * (self.add_ons.len() as f64 / add_ons.max(1.0)).min(1.0);
        let reading = pages.min(rows) * PAGE + rows * ROW;
        let as_good = reading / if self.add_ons.len() == 1 { PROBE } else { PROBE_OF_ALL };
        let expected = call.statement().and_then(|statement| statement.expected_calls()).unwrap_or(0.0);
        let enough = if expected > as_good { as_good / 16.0 } else { as_good };
        Ok((enough as u64).max(FIRST_LOOK + 1))
    }

    /// All users for whom the answer is yes; `None` where other users count as the same.
    fn read_users(&self) -> Result<Option<UserSet>, Error> {
        if !installation::compares_bytes("user_add_ons", c"user_id") {
            return Ok(None);
        }
        let mut users = UserSet::new(settings::user_set_bytes());
        // Otherwise PostgreSQL would forget which rows of a page it has found, and look at all of them again.
        let _memory = MoreWorkMem::for_user_set();
        owned::holders(&self.add_ons, self.at, |user| users.insert(user))?;
        Ok(Some(users))
    }
}
