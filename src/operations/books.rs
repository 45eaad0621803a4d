//! The books of one sale: its ledger, and the user's access to its add-ons (semantics 4.2).
//!
//! Under the user's lock, this loads the purchases of a checkout and everything else that the user has bought or been
//! granted of the same add-ons. The engine derives the outcome from the facts, and every difference from the rows is
//! written.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operations::access;
use crate::pg::clock::{iso_8601, now};
use crate::pg::ids::new_id;
use crate::store::owned::{self, Owned};
use crate::store::purchases::{self, RecordsUpdate};
use crate::store::uses::Claims;
use engine::payments::derive::{Outcome, Unsettled};
use engine::payments::ledger::{Ledger, SaleId};
use engine::payments::purchase::{Purchase, Records};
use engine::payments::{Fact, Object};
use engine::time::Instant;

/// Everything about a sale, locked.
#[derive(Debug)]
pub struct Books {
    pub user_id: String,
    pub ledger: Ledger,
    /// The user's rows for its add-ons.
    pub owned: Vec<Owned>,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The outcome that follows from the facts now.
    pub after: Outcome,
    /// Whether anything was written.
    pub has_changed: bool,
    /// Uses that are no longer needed.
    pub claims: Claims,
}

impl Books {
    /// The books of a user's checkout, or of purchases without one; `None` if there are no such purchases.
    pub fn open(user_id: &str, sale_id: SaleId) -> Result<Option<Books>, Error> {
        let purchases = match sale_id {
            SaleId::Checkout(checkout_id) => purchases::with_checkout(user_id, checkout_id)?,
            SaleId::Alone(purchase_id) => {
                purchases::of_add_ons(user_id, &purchases::add_ons_paid_with(user_id, purchase_id)?)?
            }
        };
        let mut add_on_ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.add_on_id).collect();
        add_on_ids.dedup();
        let owned = owned::of_add_ons(user_id, &add_on_ids)?;
        Ok(Books::of(user_id, sale_id, purchases, owned))
    }

    /// The books of a sale that waits for its payment, built from its own purchases alone: an unpaid sale gives no
    /// access, so nothing else has to be locked. `None` if somebody else has locked one of its rows, or something was
    /// paid.
    pub fn open_unpaid(user_id: &str, sale_id: SaleId) -> Result<Option<Books>, Error> {
        let purchases = match sale_id {
            SaleId::Checkout(checkout_id) => {
                purchases::of_checkout_unless_locked(user_id, checkout_id)?.unwrap_or_default()
            }
            SaleId::Alone(purchase_id) => purchases::by_id_unless_locked(user_id, purchase_id)?,
        };
        let is_unpaid = purchases.iter().all(|purchase| !purchase.columns.status.is_paid());
        Ok(if is_unpaid { Books::of(user_id, sale_id, purchases, Vec::new()) } else { None })
    }

    fn of(user_id: &str, sale_id: SaleId, purchases: Vec<Purchase>, mut owned: Vec<Owned>) -> Option<Books> {
        let ledger = Ledger::open(sale_id, purchases, now())?;
        access::take_over_rows(&mut owned, &ledger.purchases);
        Some(Books { user_id: user_id.to_owned(), ledger, owned })
    }

    /// Adds a fact from a provider, and whether the payment was used for another sale before.
    pub fn add_fact(&mut self, mut fact: Fact) -> Result<(), Error> {
        let used_by = match self.ledger.first_paid_by(&fact) {
            Some(ids) => purchases::paid_by(&ids, self.ledger.sale_id.id())?,
            None => None,
        };
        if let Object::Attempt(attempt) = &mut fact.object {
            attempt.used_by = attempt.used_by.or(used_by.filter(|&id| self.ledger.purchase(id).is_none()));
        }
        self.ledger.facts.learn(fact);
        Ok(())
    }

    /// The purchase of this id, the sale's own or a renewal of it.
    pub fn purchase(&self, purchase_id: Uuid) -> Result<&Purchase, Error> {
        self.ledger.purchase(purchase_id).ok_or(Error::PurchaseNotFound { purchase_id })
    }

    /// The end of the user's access to an add-on of the sale.
    pub fn end_of(&self, add_on_id: Uuid) -> Option<Instant> {
        self.owned.iter().find(|row| row.add_on_id == add_on_id).and_then(|row| row.columns.expires_at)
    }

    /// Writes what follows from the facts. The caller must give back the uses that are no longer needed, after
    /// everything else.
    pub fn write(&mut self) -> Result<Written, Error> {
        let (user_id, ledger) = (&self.user_id, &mut self.ledger);
        let (sale_id, code) = (ledger.sale_id, ledger.promo_code().map(str::to_owned));
        let claims = || claims(user_id, sale_id, code.clone());
        let was_live = ledger.is_live();
        let after = ledger.decide(now(), || claims()?.take())?;
        let claims = if was_live && !after.is_live() { claims()? } else { Claims::default() };
        let has_begun = ledger.apply(&after, now(), new_id);
        if let Some(since) = after.trial_since {
            let sold: Vec<&Purchase> = ledger.sold().collect();
            let trials = access::trials(since, &sold, &ledger.purchases, &self.owned)?;
            self.owned.extend(trials);
        }
        access::apply(&mut self.owned, &mut ledger.purchases, &has_begun)?;
        let has_changed = self.save(&after)?;
        Ok(Written { after, has_changed, claims })
    }

    fn save(&mut self, after: &Outcome) -> Result<bool, Error> {
        let (user_id, ledger) = (&self.user_id, &mut self.ledger);
        let records = Records {
            known: ledger.facts.clone(),
            unsettled: (!after.unsettled.is_empty()).then(|| after.unsettled.iter().map(shown).collect()),
            awaited: after.awaited,
        };
        let is_known = ledger.stored().map_or(records == Records::default(), |stored| *stored == records);
        let update = (!is_known).then(|| RecordsUpdate { purchase_id: ledger.bearer().id, records });
        purchases::reprice(user_id, &std::mem::take(&mut ledger.repriced))?;
        purchases::remove(user_id, &std::mem::take(&mut ledger.removed))?;
        let mut has_changed = purchases::save(user_id, &mut ledger.purchases, update.as_ref())?;
        has_changed |= owned::save(user_id, &mut self.owned)?;
        // Before the payment, only reports from providers can change anything.
        has_changed |= update.is_some() && after.settled_by.is_none();
        if let Some(RecordsUpdate { records, .. }) = update {
            ledger.set_stored(records);
        }
        Ok(has_changed)
    }

    /// Ids that were known when the books were last stored.
    pub fn stored_ids(&self) -> BTreeSet<String> {
        let known = self.ledger.stored().map(|records| records.known.ids()).unwrap_or_default();
        known.into_iter().map(str::to_owned).collect()
    }
}

/// The uses of the code and the bundles that a checkout was sold with.
fn claims(user_id: &str, sale_id: SaleId, code: Option<String>) -> Result<Claims, Error> {
    let Some(checkout_id) = sale_id.checkout() else { return Ok(Claims::default()) };
    Ok(Claims::of_checkout(purchases::bundles(user_id, checkout_id)?, code))
}

/// A payment that was not applied, as `unsettled_payments()` shows it.
fn shown(payment: &Unsettled) -> Value {
    json!({
        "payment_id": payment.id, "provider": payment.provider.name(), "amount": payment.amount.to_string(),
        "currency": payment.currency, "reason": payment.reason.name(), "received_at": payment.received_at.map(iso_8601),
    })
}
