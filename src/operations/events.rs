//! Applies what payment providers report (semantics 4.2 to 4.6): adds the facts to the books of the sales that they
//! are about.
//!
//! A sale is found by our marker in the body, or by any provider id that is already known. A body with neither is not
//! ours as far as we know yet, and is stored for later.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operations::books::{Books, Life};
use crate::operations::lago_rows;
use crate::operations::payments::open_located;
use crate::operations::unclaimed;
use crate::pg::caller;
use crate::pg::clock::now;
use crate::pg::locks::{hold_provider_ids, lock_users, release_provider_ids, release_user, try_lock_user};
use crate::store::cart;
use crate::store::purchases;
use engine::money::Money;
use engine::payments::attempt::{Attempt, AttemptKind, AttemptState};
use engine::payments::derive::{Outcome, Unsettled};
use engine::payments::dispute::DisputeState;
use engine::payments::refund::RefundState;
use engine::payments::subscription::SubscriptionState;
use engine::payments::{Fact, Object};
use engine::purchases::PurchaseStatus;

/// What became of an event.
#[derive(Debug)]
pub struct Report {
    /// Whether it concerned us and was applied.
    handled: bool,
    /// What was done, in one word.
    pub action: &'static str,
    /// Whether this delivery changed anything.
    pub changed: bool,
    /// Whether the provider should deliver it again: it is about a checkout of ours that does not exist yet.
    retry: bool,
    /// Further details: ids, and the reason of a refusal.
    details: Vec<(&'static str, Value)>,
}

impl Report {
    fn done(action: &'static str, changed: bool) -> Report {
        Report { handled: true, action, changed, retry: false, details: Vec::new() }
    }

    fn not_handled(action: &'static str) -> Report {
        Report { handled: false, action, changed: false, retry: false, details: Vec::new() }
    }

    fn refused(payment: &Unsettled, attempt: &Attempt, books: &Books, changed: bool) -> Report {
        let currency = books.currency();
        // The subject of this very event comes first.
        let told = attempt.taken.get_key_value(&currency).or_else(|| attempt.taken.iter().next());
        let (reason, received) = match told {
            Some((other, amount)) if *other != currency => ("currency_mismatch", format!("{amount} {other}")),
            Some((_, amount)) => (payment.reason.name(), format!("{amount} {currency}")),
            None => (payment.reason.name(), format!("{} {}", payment.amount, payment.currency)),
        };
        let mut details = vec![
            ("reason", json!(reason)),
            ("payment_id", json!(payment.id)),
            ("expected", json!(format!("{} {currency}", books.total()))),
            ("received", json!(received)),
        ];
        // Without it, the two amounts could be the same.
        if let Some(on_top) = told.and_then(|(currency, _)| attempt.on_top.get_key_value(currency)) {
            details.push(("on_top", json!(format!("{} {}", on_top.1, on_top.0))));
        }
        Report { handled: false, action: "refused", changed, retry: false, details }
    }

    /// The document that callers see.
    pub fn to_json(&self) -> Value {
        let mut document = json!({"handled": self.handled, "action": self.action, "retry": self.retry});
        if self.handled {
            document["changed"] = json!(self.changed);
        }
        for (key, value) in &self.details {
            document[*key] = value.clone();
        }
        document
    }
}

/// Applies what an event tells.
pub fn apply(facts: Vec<Fact>, strangers: Strangers) -> Result<Report, Error> {
    if facts.is_empty() {
        return Ok(Report::not_handled("ignored"));
    }
    let facts: Vec<Fact> = facts.into_iter().map(|fact| fact.heard_at(now())).collect();
    let marker = facts.iter().find_map(|fact| fact.checkout_id);
    let targets = locked_targets(&facts, marker)?;
    let mut report: Option<Report> = None;
    for target in &targets {
        let Some(mut books) = target.open()? else { continue };
        let is_marked = marker.is_none() || books.life == marker.map_or(books.life, Life::Checkout);
        let told = learn(&mut books, &facts, is_marked)?;
        if told.is_empty() {
            continue;
        }
        let was_pending = books.has(PurchaseStatus::Pending);
        let written = books.settle()?;
        if let (true, Life::Checkout(checkout_id)) = (was_pending && books.has(PurchaseStatus::Failed), books.life) {
            cart::restore(&books.user_id, checkout_id)?;
        }
        let mut one = report_on(&told, &books, &written.after, written.has_changed);
        one.details.push(("user_id", json!(books.user_id)));
        if let Life::Checkout(checkout_id) = books.life {
            one.details.push(("checkout_id", json!(checkout_id)));
        }
        report = Some(match report.take() {
            Some(first) if first.handled || !one.handled => Report { changed: first.changed || one.changed, ..first },
            _ => one,
        });
    }
    // A subscription in Lago on a row that the host wrote has no checkout.
    if !targets.iter().any(|target| target.checkout_id.is_some())
        && let Some(told) = lago_rows::apply(&facts)?
    {
        let changed = told.changed || report.as_ref().is_some_and(|report| report.changed);
        report = Some(Report::done(told.action, changed));
    }
    match report {
        Some(report) => Ok(report),
        None if marker.is_some() => Ok(Report { retry: true, ..Report::not_handled("not_found") }),
        None => {
            // It may be about a sale that we have not heard of yet.
            if let Strangers::Kept = strangers {
                unclaimed::keep(&facts)?;
            }
            Ok(Report::not_handled("not_ours"))
        }
    }
}

/// What to do with facts that name nothing of ours.
#[derive(Clone, Copy, Debug)]
pub enum Strangers {
    /// They are stored for later, in case they turn out to be about one of our sales.
    Kept,
    /// They are dropped: they will be reported again when they are needed.
    Left,
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
            (Some(checkout_id), _) => Books::open(&self.user_id, Life::Checkout(checkout_id)),
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

/// Adds facts to the books: all of them to the sale that is named, and reports of refunds and disputes to the others.
/// Returns those books.
fn learn(books: &mut Books, facts: &[Fact], is_marked: bool) -> Result<Vec<Fact>, Error> {
    let meant = facts.iter().filter(|fact| is_marked || !matches!(fact.object, Object::Attempt(_)));
    meant.map(|fact| books.hear(fact.clone())).collect()
}

/// What an event came to.
fn report_on(told: &[Fact], books: &Books, after: &Outcome, changed: bool) -> Report {
    let main = told.iter().max_by_key(|fact| weight(&fact.object));
    let Some(main) = main else { return Report::not_handled("ignored") };
    let ids = main.ids();
    let refused = after.unsettled.iter().find(|payment| ids.iter().any(|id| payment.ids.contains(*id)));
    match &main.object {
        Object::Attempt(attempt) => match refused.filter(|_| attempt.state.last() == Some(&AttemptState::Paid)) {
            // Its session or invoice has yet to say how much of it is tax.
            Some(payment) if payment.may_include_tax && after.settled_by.is_none() => {
                Report::done("awaiting_payment", changed)
            }
            Some(payment) => Report::refused(payment, attempt, books, changed),
            None => Report::done(of_attempt(&main.id, attempt, after), changed),
        },
        Object::Refund(refund) if refund.state.last() == Some(&RefundState::Failed) => {
            Report::done("refund_failed", changed)
        }
        Object::Refund(_) | Object::RefundTotal(_) => Report::done(of_refund(&ids, after, refused.is_some()), changed),
        Object::Dispute(dispute) => match dispute.state.last() {
            _ if refused.is_some() => Report::done("noted", changed),
            _ if after.settled_by.is_none() => Report::done("noted_until_paid", changed),
            Some(DisputeState::Open) => Report::done("disputed", changed),
            Some(DisputeState::Inquiry) => Report::done("inquiry", changed),
            Some(DisputeState::Kept) => Report::done("dispute_won", changed),
            Some(DisputeState::Lost) => Report::done("dispute_lost", changed),
            None => Report::not_handled("unknown_status"),
        },
        Object::Subscription(subscription) => {
            let has_ended = matches!(subscription.state.last(), Some(SubscriptionState::Ended { .. }));
            Report::done(if has_ended { "subscription_ended" } else { "subscription_updated" }, changed)
        }
    }
}

/// The fact of an event that the event is about.
fn weight(object: &Object) -> u8 {
    match object {
        Object::Dispute(_) => 6,
        Object::Refund(_) => 5,
        // Every charge has one.
        Object::RefundTotal(total) if total.total.last() == Some(&Money::ZERO) => 0,
        Object::RefundTotal(_) => 4,
        Object::Subscription(_) => 3,
        Object::Attempt(attempt) if !attempt.state.is_empty() => 2,
        Object::Attempt(_) => 1,
    }
}

fn of_attempt(id: &str, attempt: &Attempt, after: &Outcome) -> &'static str {
    let is_of = |ids: &BTreeSet<String>| ids.contains(id);
    let has_settled = after.settled_by.as_ref().is_some_and(|settled| is_of(&settled.ids));
    match attempt.state.last() {
        Some(AttemptState::Paid) if has_settled => "completed",
        Some(AttemptState::Paid) if after.renewals.iter().any(|renewal| is_of(&renewal.payment.ids)) => "renewed",
        Some(AttemptState::Paid) => "noted",
        Some(AttemptState::Overdue) if has_settled => "already_paid",
        Some(AttemptState::Overdue) => "suspended",
        Some(AttemptState::Processing) if attempt.kind == AttemptKind::Invoice => "invoice_recorded",
        Some(AttemptState::Processing) => "awaiting_payment",
        Some(AttemptState::Free) => "awaiting_payment",
        Some(AttemptState::Ended(_)) if after.failure.is_some() => "failed",
        Some(AttemptState::Ended(_)) if after.settled_by.is_some() => "already_paid",
        Some(AttemptState::Ended(_)) => "attempt_ended",
        Some(AttemptState::Open) => "payment_attempt_failed",
        None => "linked",
    }
}

fn of_refund(ids: &BTreeSet<&str>, after: &Outcome, is_unsettled: bool) -> &'static str {
    let is_of = |known: &BTreeSet<String>| ids.iter().any(|id| known.contains(*id));
    let mut lines = Vec::new();
    if after.settled_by.as_ref().is_some_and(|settled| is_of(&settled.ids)) {
        lines.extend(&after.lines);
    }
    lines.extend(after.renewals.iter().filter(|renewal| is_of(&renewal.payment.ids)).map(|renewal| &renewal.outcome));
    match () {
        () if is_unsettled => "noted",
        () if lines.is_empty() && after.settled_by.is_none() => "noted_until_paid",
        () if lines.iter().all(|line| line.refunded == Money::ZERO && line.status != PurchaseStatus::Refunded) => {
            "noted"
        }
        () if lines.iter().all(|line| line.status == PurchaseStatus::Refunded) => "refunded",
        () => "partially_refunded",
    }
}
