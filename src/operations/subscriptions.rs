//! Operations on an add-on that a user owns (semantics 5). Each takes the user's lock, and the row is then derived
//! from its sources.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::error::Error;
use crate::operations::access;
use crate::operations::books::{Books, Life};
use crate::operations::payments::refuse_used;
use crate::operations::sources::source_of;
use crate::pg::clock::now;
use crate::pg::locks::lock_user;
use crate::pg::settings;
use crate::store::owned::{self, Owned};
use crate::store::purchases::{self, Bearing, Purchase, Records};
use crate::store::{trials, unclaimed};
use engine::access::kept::{Extension, may_try};
use engine::access::row::Row;
use engine::access::source::Source;
use engine::access::status::AccessStatus;
use engine::billing::BillingType;
use engine::money::Money;
use engine::payments::attempt::{Attempt, AttemptState};
use engine::payments::by_hand::ByHand;
use engine::payments::paid::{Paid, Period};
use engine::payments::subscription::{Subscription, SubscriptionState};
use engine::payments::{Fact, Object};
use engine::time::Instant;

/// A payment for another period; all of its details are optional.
#[derive(Clone, Debug)]
pub struct RenewalPayment {
    pub amount: Option<Money>,
    pub stripe_payment_id: Option<String>,
    pub lago_invoice_id: Option<String>,
}

impl RenewalPayment {
    fn is_known(&self) -> bool {
        self.amount.is_some() || self.stripe_payment_id.is_some() || self.lago_invoice_id.is_some()
    }
}

/// A user's row for one add-on, and the purchases of it.
struct Account {
    user_id: String,
    row: Owned,
    purchases: Vec<Purchase>,
}

impl Account {
    /// Loads it under the user's lock. If there is no row, it is a new one.
    fn open(user_id: &str, add_on_id: Uuid) -> Result<Account, Error> {
        lock_user(user_id)?;
        let purchases = purchases::of_add_ons(user_id, &[add_on_id])?;
        let mut rows = owned::of_add_ons(user_id, &[add_on_id])?;
        access::take_rows_as_they_stand(&mut rows, &purchases);
        let row = rows.pop().unwrap_or_else(|| Owned::new(add_on_id));
        Ok(Account { user_id: user_id.to_owned(), row, purchases })
    }

    /// The same, but the user must have the add-on.
    fn open_owned(user_id: &str, add_on_id: Uuid) -> Result<Account, Error> {
        let account = Account::open(user_id, add_on_id)?;
        if account.row.is_stored {
            Ok(account)
        } else {
            Err(Error::NotOwned { user_id: user_id.to_owned(), add_on_id })
        }
    }

    fn sources(&self) -> Vec<Source> {
        self.purchases.iter().filter_map(source_of).collect()
    }

    /// Writes the row as derived from its sources.
    fn write(&mut self) -> Result<(), Error> {
        self.write_with(None)
    }

    /// The same, with the facts of a purchase.
    fn write_with(&mut self, bearing: Option<&Bearing>) -> Result<(), Error> {
        let mut rows = vec![self.row.clone()];
        access::apply(&mut rows, &mut self.purchases, &Default::default())?;
        purchases::save(&self.user_id, &mut self.purchases, bearing)?;
        owned::save(&self.user_id, &mut rows)?;
        self.row = rows.remove(0);
        Ok(())
    }

    /// Records a payment for another period. Returns the end of access.
    fn record(mut self, payment: &RenewalPayment, billing: BillingType) -> Result<Option<Instant>, Error> {
        let RenewalPayment { amount, stripe_payment_id: stripe, lago_invoice_id: lago } = payment.clone();
        let Row { renewal_amount, quantity, .. } = self.row.columns;
        let columns = purchases::Columns {
            stripe_payment_id: stripe.clone(),
            lago_invoice_id: lago.clone(),
            paid: Some(Paid::new(now(), Period::of(billing))),
            ..purchases::Columns::completed()
        };
        let (add_on_id, currency) = (self.row.add_on_id, settings::currency()?.code().to_owned());
        let amount = amount.or(renewal_amount).unwrap_or(Money::ZERO);
        let renewal = Purchase::standing_alone(add_on_id, amount, currency, quantity, billing, columns);
        let mut records = Records::default();
        records.known.say(ByHand::Completed { at: now(), stripe, lago, method: None });
        let bearing = Bearing { purchase_id: renewal.id, records };
        self.purchases.push(renewal);
        self.write_with(Some(&bearing))?;
        if !unclaimed::is_there()? {
            return Ok(self.row.columns.expires_at);
        }
        // Reports about the payment from before its id was known here
        let Some(mut books) = Books::open(&self.user_id, Life::Alone(bearing.purchase_id))? else { return Ok(None) };
        books.claim_beyond(BTreeSet::new())?;
        books.settle()?;
        Ok(books.owned.iter().find(|row| row.add_on_id == add_on_id).and_then(|row| row.columns.expires_at))
    }
}

/// Grants an add-on, whether it is for sale or not, until an instant or without end. Returns the end of access.
pub fn grant(user_id: &str, add_on_id: Uuid, expires_at: Option<Instant>) -> Result<Option<Instant>, Error> {
    trials::name_and_days(add_on_id)?;
    let mut account = Account::open(user_id, add_on_id)?;
    account.row.kept.grant(now(), expires_at);
    account.write()?;
    Ok(account.row.columns.expires_at)
}

/// Extends an add-on by a period, and records the payment. A payment or invoice that was seen before changes nothing.
/// Returns the end.
pub fn renew(user_id: &str, add_on_id: Uuid, payment: &RenewalPayment) -> Result<Option<Instant>, Error> {
    let mut account = Account::open_owned(user_id, add_on_id)?;
    let is_same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
    let is_recorded = account.purchases.iter().any(|purchase| {
        is_same(&purchase.columns.stripe_payment_id, &payment.stripe_payment_id)
            || is_same(&purchase.columns.lago_invoice_id, &payment.lago_invoice_id)
    });
    if is_recorded {
        return Ok(account.row.columns.expires_at);
    }
    // One payment renews for one user, and cannot pay for another user's checkout.
    refuse_used(payment.stripe_payment_id.as_deref(), payment.lago_invoice_id.as_deref(), |ids| {
        purchases::paid_by_another(ids, user_id)
    })?;
    let billing = purchases::billing_type_of(user_id, add_on_id)?;
    // An add-on that had ended and is paid for again counts as new.
    if account.row.columns.status == AccessStatus::Cancelled {
        account.row.kept.runs_out_since = None;
    }
    if !payment.is_known() && account.row.columns.renewal_amount.is_none() {
        account.row.kept.extensions.push(Extension { at: now(), period: Period::of(billing) });
        account.write()?;
        return Ok(account.row.columns.expires_at);
    }
    account.record(payment, billing)
}

/// Ends an add-on now, or lets it run out at the end of its period. Returns the end of access; `None` for never.
pub fn cancel(
    user_id: &str,
    add_on_id: Uuid,
    reason: Option<&str>,
    immediately: bool,
) -> Result<Option<Instant>, Error> {
    let mut account = Account::open_owned(user_id, add_on_id)?;
    if account.row.columns.status == AccessStatus::Cancelled {
        return Ok(account.row.columns.expires_at);
    }
    let columns = &mut account.row.columns;
    columns.cancellation_reason = reason.map(str::to_owned).or(columns.cancellation_reason.take());
    (columns.auto_renew, columns.cancelled_at) = (false, Some(columns.cancelled_at.unwrap_or_else(now)));
    if immediately {
        let sources = account.sources();
        account.row.kept.take_back(&sources, now());
    } else {
        account.row.kept.runs_out_since = Some(account.row.kept.runs_out_since.unwrap_or_else(now));
    }
    account.write()?;
    Ok(account.row.columns.expires_at)
}

/// Withholds an add-on by hand, whatever else withholds it. Returns whether anything changed.
pub fn suspend(user_id: &str, add_on_id: Uuid, reason: Option<&str>) -> Result<bool, Error> {
    let mut account = Account::open_owned(user_id, add_on_id)?;
    if account.row.columns.suspended_at.is_some() {
        return Ok(false);
    }
    let columns = &mut account.row.columns;
    columns.suspended_at = Some(now());
    columns.cancellation_reason = reason.map(str::to_owned).or(columns.cancellation_reason.take());
    account.write()?;
    Ok(true)
}

/// Gives back an add-on that was withheld by hand. Returns whether anything changed.
pub fn resume(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    let mut account = Account::open_owned(user_id, add_on_id)?;
    if account.row.columns.suspended_at.take().is_none() {
        return Ok(false);
    }
    if account.row.columns.cancelled_at.is_none() {
        account.row.columns.cancellation_reason = None;
    }
    account.write()?;
    Ok(true)
}

/// Begins the trial of an add-on, which is possible only once. Returns its end.
pub fn start_trial(user_id: &str, add_on_id: Uuid) -> Result<Option<Instant>, Error> {
    let (name, trial_days) = trials::name_and_days(add_on_id)?;
    let Some(days) = trial_days else { return Err(Error::NoTrial { name }) };
    let mut account = Account::open(user_id, add_on_id)?;
    if !may_try(account.row.is_stored, account.purchases.iter().map(|purchase| purchase.columns.status)) {
        return Err(Error::TrialRefused { user_id: user_id.to_owned(), name });
    }
    account.row.kept.begin_trial(now(), days);
    account.write()?;
    Ok(account.row.columns.expires_at)
}

/// What was done because of facts, in one word, and whether it changed anything.
pub struct Told {
    pub action: &'static str,
    pub changed: bool,
}

/// Applies Lago's reports about subscriptions that pay for add-ons not bought here.
pub fn tell(user_id: &str, add_on_ids: &[Uuid], facts: &[Fact]) -> Result<Told, Error> {
    let mut told = Told { action: "noted", changed: false };
    for &add_on_id in add_on_ids {
        let mut account = Account::open_owned(user_id, add_on_id)?;
        for fact in facts {
            match &fact.object {
                Object::Subscription(subscription) => {
                    told.action = account.tell_subscription(subscription);
                }
                Object::Attempt(attempt) => {
                    if let Some(action) = account.tell_invoice(&fact.id, attempt, add_on_ids.len())? {
                        told.action = action;
                    }
                }
                _ => {}
            }
        }
        told.changed |= account.row.has_changed();
        account.write()?;
    }
    Ok(told)
}

impl Account {
    fn tell_subscription(&mut self, subscription: &Subscription) -> &'static str {
        if let Some(SubscriptionState::Ended { at }) = subscription.state.last() {
            let sources = self.sources();
            self.row.kept.take_back(&sources, at.unwrap_or_else(now));
            return "subscription_ended";
        }
        let kept = &mut self.row.kept;
        kept.is_pending = false;
        if let (Some(host), Some(until)) = (&mut kept.host, subscription.paid_until(|_| true)) {
            host.until = host.until.map(|end| end.max(until));
        }
        "subscription_updated"
    }

    /// A paid invoice pays for another period; an overdue one withholds the add-on until it is paid.
    fn tell_invoice(&mut self, id: &str, attempt: &Attempt, shares: usize) -> Result<Option<&'static str>, Error> {
        let is_paid = self.purchases.iter().any(|purchase| purchase.columns.lago_invoice_id.as_deref() == Some(id));
        match attempt.state.last() {
            Some(AttemptState::Overdue) if is_paid => Ok(Some("already_paid")),
            Some(AttemptState::Overdue) => {
                self.row.kept.overdue.insert(id.to_owned());
                Ok(Some("suspended"))
            }
            Some(AttemptState::Paid) => {
                self.row.kept.overdue.remove(id);
                if !is_paid {
                    self.record_invoice(id, attempt, shares)?;
                }
                Ok(Some("renewed"))
            }
            _ => Ok(None),
        }
    }

    fn record_invoice(&mut self, id: &str, attempt: &Attempt, shares: usize) -> Result<(), Error> {
        let add_on_id = self.row.add_on_id;
        let billing = purchases::billing_type_of(&self.user_id, add_on_id)?;
        let (currency, taken) = match attempt.taken.iter().next() {
            Some((currency, &taken)) => (currency.clone(), taken),
            None => (settings::currency()?.code().to_owned(), Money::ZERO),
        };
        let net = taken - attempt.on_top.get(&currency).copied().unwrap_or(Money::ZERO);
        let amount = Money::from_cents(net.cents() / shares.max(1) as i64).clamp(Money::ZERO, Money::MAX);
        let until = attempt.lines.iter().filter_map(|line| line.until).max();
        let paid = Paid {
            until,
            payment: Some(id.to_owned()),
            subscription: self.row.columns.lago_subscription_id.clone(),
            ..Paid::new(now(), Period::of(billing))
        };
        let columns = purchases::Columns {
            lago_invoice_id: Some(id.to_owned()),
            paid: Some(paid),
            ..purchases::Columns::completed()
        };
        let quantity = self.row.columns.quantity;
        self.purchases.push(Purchase::standing_alone(add_on_id, amount, currency, quantity, billing, columns));
        Ok(())
    }
}
