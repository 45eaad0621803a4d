//! Applies what payment providers report (semantics 4.2 to 4.6): adds the facts to the books of the sales that they
//! are about.
//!
//! A sale is found by our marker in the body, or by any provider id that is already known. A body with neither is not
//! ours as far as we know yet, and is stored for later.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operations::books::Books;
use crate::operations::lago_rows;
use crate::operations::payments::open_located;
use crate::operations::unclaimed;
use crate::pg::caller;
use crate::pg::clock::now;
use crate::pg::locks::{hold_provider_ids, lock_users, release_provider_ids, release_user, try_lock_user};
use crate::store::cart;
use crate::store::purchases;
use engine::money::Money;
use engine::payments::Fact;
use engine::payments::answer::{Action, Answer};
use engine::payments::ledger::SaleId;
use engine::purchases::PurchaseStatus;

/// What became of an event.
#[derive(Debug)]
pub struct Report {
    /// What was done.
    pub action: Action,
    /// Whether this delivery changed anything.
    pub changed: bool,
    /// Further details: ids, and the reason of a refusal.
    details: Vec<(&'static str, Value)>,
}

impl Report {
    fn of(action: Action, changed: bool) -> Report {
        Report { action, changed, details: Vec::new() }
    }

    /// The report on a sale.
    fn on(books: &Books, answer: Answer, changed: bool) -> Report {
        let mut report = Report::of(answer.action, changed);
        let amount = |(amount, currency): (Money, String)| json!(format!("{amount} {currency}"));
        if let Some(refusal) = answer.refusal {
            report.details = vec![
                ("reason", json!(refusal.reason.name())),
                ("payment_id", json!(refusal.payment_id)),
                ("expected", amount((books.ledger.total(), books.ledger.currency()))),
                ("received", amount(refusal.received)),
            ];
            report.details.extend(refusal.on_top.map(|on_top| ("on_top", amount(on_top))));
        }
        report.details.push(("user_id", json!(books.user_id)));
        report.details.extend(books.ledger.sale_id.checkout().map(|id| ("checkout_id", json!(id))));
        report
    }

    /// The document that callers see.
    pub fn to_json(&self) -> Value {
        // An event about a checkout of ours that does not exist yet should be delivered again.
        let (is_handled, retry) = (self.action.is_handled(), self.action == Action::NotFound);
        let mut document = json!({"handled": is_handled, "action": self.action.name(), "retry": retry});
        if is_handled {
            document["changed"] = json!(self.changed);
        }
        for (key, value) in &self.details {
            document[*key] = value.clone();
        }
        document
    }
}

/// Applies what an event tells.
pub fn apply(facts: Vec<Fact>, unknown: UnknownFacts) -> Result<Report, Error> {
    if facts.is_empty() {
        return Ok(Report::of(Action::Ignored, false));
    }
    let facts: Vec<Fact> = facts.into_iter().map(|fact| fact.heard_at(now())).collect();
    let marker = facts.iter().find_map(|fact| fact.checkout_id);
    let targets = locked_targets(&facts, marker)?;
    let mut report: Option<Report> = None;
    for target in &targets {
        let Some(one) = apply_to(target, &facts)? else { continue };
        report = Some(match report.take() {
            Some(first) if first.action.is_handled() || !one.action.is_handled() => {
                Report { changed: first.changed || one.changed, ..first }
            }
            _ => one,
        });
    }
    // A subscription in Lago on a row that the host wrote has no checkout.
    if !targets.iter().any(|target| target.checkout_id.is_some())
        && let Some(applied) = lago_rows::apply(&facts)?
    {
        let changed = applied.changed || report.as_ref().is_some_and(|report| report.changed);
        report = Some(Report::of(applied.action, changed));
    }
    match report {
        Some(report) => Ok(report),
        None if marker.is_some() => Ok(Report::of(Action::NotFound, false)),
        None => {
            // It may be about a sale that we have not heard of yet.
            if let UnknownFacts::Stored = unknown {
                unclaimed::keep(&facts)?;
            }
            Ok(Report::of(Action::NotOurs, false))
        }
    }
}

/// Applies the facts that concern a sale, if any do.
fn apply_to(target: &Target, facts: &[Fact]) -> Result<Option<Report>, Error> {
    let Some(mut books) = target.open()? else { return Ok(None) };
    let facts = books.ledger.concerned(facts);
    if facts.is_empty() {
        return Ok(None);
    }
    facts.iter().try_for_each(|&fact| books.add_fact(fact.clone()))?;
    let was_pending = books.ledger.has(PurchaseStatus::Pending);
    let written = books.settle()?;
    if let (true, Some(checkout_id)) =
        (was_pending && books.ledger.has(PurchaseStatus::Failed), books.ledger.sale_id.checkout())
    {
        cart::restore(&books.user_id, checkout_id)?;
    }
    let answer = Answer::of(&facts, &books.ledger.currency(), &written.after);
    Ok(Some(Report::on(&books, answer, written.has_changed)))
}

/// What to do with facts that name nothing of ours.
#[derive(Clone, Copy, Debug)]
pub enum UnknownFacts {
    /// They are stored for later, in case they turn out to be about one of our sales.
    Stored,
    /// They are dropped: they will be reported again when they are needed.
    Dropped,
}

/// Takes the locks of the ids that facts name, and of the users that the facts are about. Ids that became known while
/// waiting for a lock are taken into account.
pub fn lock<T>(
    facts: &[Fact],
    find: impl Fn() -> Result<T, Error>,
    users: impl Fn(&T) -> BTreeSet<String>,
) -> Result<T, Error> {
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    let mut held: BTreeSet<String> = BTreeSet::new();
    loop {
        hold_provider_ids(ids.iter().copied())?;
        let found = find()?;
        let users = users(&found);
        if users.is_empty() {
            caller::check_sees_everybody("a payment event", None)?;
        }
        for user_id in &users {
            caller::check_sees_everybody("a payment event", Some(user_id))?;
        }
        let mut are_held = true;
        for user_id in users.difference(&held.clone()) {
            are_held = are_held && try_lock_user(user_id)? && held.insert(user_id.clone());
        }
        if are_held {
            return Ok(found);
        }
        // Whoever holds one of them may be waiting for the ids, or for a user that is held here.
        release_provider_ids(ids.iter().copied())?;
        held.iter().try_for_each(|user_id| release_user(user_id))?;
        lock_users(users.iter().map(String::as_str))?;
        held = users;
    }
}

/// Finds what an event is about, and takes its locks.
fn locked_targets(facts: &[Fact], marker: Option<Uuid>) -> Result<Vec<Target>, Error> {
    let users = |targets: &Vec<Target>| targets.iter().map(|target| target.user_id.clone()).collect();
    lock(facts, || targets(facts, marker), users)
}

/// A sale that an event may be about.
struct Target {
    user_id: String,
    checkout_id: Option<Uuid>,
    location: Option<purchases::Location>,
}

impl Target {
    fn open(&self) -> Result<Option<Books>, Error> {
        match (self.checkout_id, &self.location) {
            (Some(checkout_id), _) => Books::open(&self.user_id, SaleId::Checkout(checkout_id)),
            (None, Some(location)) => open_located(location),
            (None, None) => Ok(None),
        }
    }
}

/// The users that facts may be about.
pub fn users(facts: &[Fact]) -> Result<BTreeSet<String>, Error> {
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    let mut users: BTreeSet<String> = purchases::known_by(&ids)?.into_iter().map(|location| location.user_id).collect();
    let markers: BTreeSet<Uuid> = facts.iter().filter_map(|fact| fact.checkout_id).collect();
    for checkout_id in markers {
        users.extend(purchases::owner_of_checkout(checkout_id)?);
    }
    Ok(users)
}

/// The sale that is named, and the sales that know the subject of the event, ordered by user because locks are taken
/// in that order.
fn targets(facts: &[Fact], marker: Option<Uuid>) -> Result<Vec<Target>, Error> {
    let mut targets: Vec<Target> = Vec::new();
    if let Some(checkout_id) = marker
        && let Some(user_id) = purchases::owner_of_checkout(checkout_id)?
    {
        targets.push(Target { user_id, checkout_id: Some(checkout_id), location: None });
    }
    let ids: BTreeSet<&str> = facts.iter().flat_map(Fact::ids).collect();
    for location in purchases::known_by(&ids)? {
        let checkout_id = location.checkout_id.or(location.renewal_of.filter(|_| location.has_no_facts));
        let is_there = |target: &Target| {
            target.user_id == location.user_id
                && match checkout_id {
                    Some(checkout_id) => target.checkout_id == Some(checkout_id),
                    None => target.location.as_ref().is_some_and(|other| other.purchase_id == location.purchase_id),
                }
        };
        if !targets.iter().any(is_there) {
            let checkout_id = location.checkout_id;
            targets.push(Target { user_id: location.user_id.clone(), checkout_id, location: Some(location) });
        }
    }
    targets.sort_by(|one, other| one.user_id.cmp(&other.user_id));
    Ok(targets)
}
