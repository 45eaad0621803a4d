//! Operations on an add-on that a user owns (semantics 5). Each takes the user's lock, and the row is then derived
//! from its sources.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::error::Error;
use crate::operations::access;
use crate::operations::books::Books;
use crate::operations::payments::refuse_used;
use crate::operations::sources::source_of;
use crate::pg::clock::now;
use crate::pg::ids::new_id;
use crate::pg::locks::lock_user;
use crate::pg::settings;
use crate::store::owned::{self, Owned};
use crate::store::purchases::{self, RecordsUpdate};
use crate::store::{trials, unclaimed};
use engine::access::changes::Ending;
use engine::access::kept::may_try;
use engine::access::source::Source;
use engine::access::status::AccessStatus;
use engine::billing::BillingType;
use engine::money::Money;
use engine::payments::answer::Action;
use engine::payments::attempt::Attempt;
use engine::payments::by_hand::ByHand;
use engine::payments::ledger::SaleId;
use engine::payments::paid::{Paid, Period};
use engine::payments::purchase::{Columns, Purchase, Records, billing_as_sold};
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
        access::take_over_rows(&mut rows, &purchases);
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
    fn write_with(&mut self, update: Option<&RecordsUpdate>) -> Result<(), Error> {
        let mut rows = vec![self.row.clone()];
        access::apply(&mut rows, &mut self.purchases, &Default::default())?;
        purchases::save(&self.user_id, &mut self.purchases, update)?;
        owned::save(&self.user_id, &mut rows)?;
        self.row = rows.remove(0);
        Ok(())
    }

    /// How the user pays for it.
    fn billing(&self) -> Result<BillingType, Error> {
        billing_as_sold(&self.purchases).map_or_else(|| purchases::billing_type_of(self.row.add_on_id), Ok)
    }

    /// A payment of it.
    fn payment(&self, amount: Money, currency: String, billing: BillingType, columns: Columns) -> Purchase {
        let paid_alone = Purchase::alone(new_id(), now(), self.row.add_on_id, amount, currency, columns);
        Purchase { quantity: self.row.columns.quantity, billing, ..paid_alone }
    }

    /// Records a payment for another period. Returns the end of access.
    fn record(mut self, payment: &RenewalPayment, billing: BillingType) -> Result<Option<Instant>, Error> {
        let RenewalPayment { amount, stripe_payment_id: stripe, lago_invoice_id: lago } = payment.clone();
        let columns = Columns {
            stripe_payment_id: stripe.clone(),
            lago_invoice_id: lago.clone(),
            paid: Some(Paid::new(now(), Period::of(billing))),
            ..Columns::completed()
        };
        let amount = amount.or(self.row.columns.renewal_amount).unwrap_or(Money::ZERO);
        let renewal = self.payment(amount, settings::currency()?.code().to_owned(), billing, columns);
        let mut records = Records::default();
        records.known.add_call(ByHand::Completed { at: now(), stripe, lago, method: None });
        let update = RecordsUpdate { purchase_id: renewal.id, records };
        self.purchases.push(renewal);
        self.write_with(Some(&update))?;
        if !unclaimed::is_there()? {
            return Ok(self.row.columns.expires_at);
        }
        // Reports about the payment from before its id was known here
        let sale_id = SaleId::Alone(update.purchase_id);
        let Some(mut books) = Books::open(&self.user_id, sale_id)? else { return Ok(None) };
        books.claim_beyond(BTreeSet::new())?;
        books.settle()?;
        Ok(books.end_of(self.row.add_on_id))
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
    let (stripe, lago) = (payment.stripe_payment_id.as_deref(), payment.lago_invoice_id.as_deref());
    if account.purchases.iter().any(|purchase| purchase.is_paid_with(stripe, lago)) {
        return Ok(account.row.columns.expires_at);
    }
    // One payment renews for one user, and cannot pay for another user's checkout.
    refuse_used(stripe, lago, |ids| purchases::paid_by_another(ids, user_id))?;
    let billing = account.billing()?;
    // An add-on that had ended and is paid for again counts as new.
    if account.row.columns.status == AccessStatus::Cancelled {
        account.row.kept.runs_out_since = None;
    }
    if !payment.is_known() && account.row.columns.renewal_amount.is_none() {
        account.row.kept.extend(billing, now());
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
    let sources = account.sources();
    let ending = if immediately { Ending::AtOnce } else { Ending::WithPeriod };
    let Owned { columns, kept, .. } = &mut account.row;
    if columns.cancel(kept, &sources, reason, ending, now()) {
        account.write()?;
    }
    Ok(account.row.columns.expires_at)
}

/// Withholds an add-on by hand, whatever else withholds it. Returns whether anything changed.
pub fn suspend(user_id: &str, add_on_id: Uuid, reason: Option<&str>) -> Result<bool, Error> {
    let mut account = Account::open_owned(user_id, add_on_id)?;
    let has_changed = account.row.columns.suspend(reason, now());
    if has_changed {
        account.write()?;
    }
    Ok(has_changed)
}

/// Gives back an add-on that was withheld by hand. Returns whether anything changed.
pub fn resume(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    let mut account = Account::open_owned(user_id, add_on_id)?;
    let has_changed = account.row.columns.resume();
    if has_changed {
        account.write()?;
    }
    Ok(has_changed)
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

/// What was done because of facts, and whether it changed anything.
pub struct Applied {
    pub action: Action,
    pub changed: bool,
}

/// Applies Lago's reports about subscriptions that pay for add-ons not bought here.
pub fn apply_reports(user_id: &str, add_on_ids: &[Uuid], facts: &[Fact]) -> Result<Applied, Error> {
    let mut applied = Applied { action: Action::Noted, changed: false };
    for &add_on_id in add_on_ids {
        let mut account = Account::open_owned(user_id, add_on_id)?;
        for fact in facts {
            applied.action = account.apply_report(fact, add_on_ids.len())?.unwrap_or(applied.action);
        }
        applied.changed |= account.row.has_changed();
        account.write()?;
    }
    Ok(applied)
}

impl Account {
    /// Applies a report about the subscription, which pays for this many add-ons. `None` if nothing follows.
    fn apply_report(&mut self, fact: &Fact, add_ons: usize) -> Result<Option<Action>, Error> {
        match &fact.object {
            Object::Subscription(subscription) => {
                let sources = self.sources();
                Ok(Some(self.row.kept.follow_subscription(subscription, &sources, now())))
            }
            Object::Attempt(invoice) => {
                let is_recorded = self.purchases.iter().any(|purchase| purchase.is_paid_with(None, Some(&fact.id)));
                let action = self.row.kept.follow_invoice(&fact.id, invoice, is_recorded);
                if action == Some(Action::Renewed) && !is_recorded {
                    self.record_invoice(&fact.id, invoice, add_ons)?;
                }
                Ok(action)
            }
            _ => Ok(None),
        }
    }

    fn record_invoice(&mut self, id: &str, invoice: &Attempt, add_ons: usize) -> Result<(), Error> {
        let billing = self.billing()?;
        let (amount, currency) = match invoice.share(add_ons) {
            Some((amount, currency)) => (amount, currency.to_owned()),
            None => (Money::ZERO, settings::currency()?.code().to_owned()),
        };
        let paid = Paid {
            until: invoice.pays_until(),
            payment: Some(id.to_owned()),
            subscription: self.row.columns.lago_subscription_id.clone(),
            ..Paid::new(now(), Period::of(billing))
        };
        let columns = Columns { lago_invoice_id: Some(id.to_owned()), paid: Some(paid), ..Columns::completed() };
        self.purchases.push(self.payment(amount, currency, billing, columns));
        Ok(())
    }
}
