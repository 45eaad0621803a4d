//! The purchases that stand for the payments of later periods (semantics 4.2).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::derive::{Outcome, Renewal};
use super::ledger::{Ledger, lines_of};
use super::purchase::{Columns, Purchase};
use crate::time::Instant;

impl Ledger {
    /// Changes the renewals to a decided outcome: each later payment has one purchase for each line that it pays for.
    pub(super) fn apply_renewals(&mut self, after: &Outcome, now: Instant, mut new_id: impl FnMut() -> Uuid) {
        let Some(checkout_id) = self.sale_id.checkout() else { return };
        let mut unneeded = self.unneeded_renewals(after, checkout_id);
        for renewal in &after.renewals {
            match self.recorded(renewal) {
                // A purchase that somebody has recorded by hand has its own facts.
                Some(place) if self.purchases[place].renewal_of != Some(checkout_id) => {}
                Some(place) => self.purchases[place].columns.follow(&renewal.outcome, Some(&renewal.payment)),
                None => self.add_renewal(renewal, &mut unneeded, now, &mut new_id),
            }
        }
        self.remove(unneeded);
    }

    /// Recorded payments of later periods that turn out to be something else, usually the one that settles the
    /// checkout. A purchase with facts of its own stays.
    fn unneeded_renewals(&self, after: &Outcome, checkout_id: Uuid) -> BTreeSet<Uuid> {
        let is_ours = |purchase: &&Purchase| {
            purchase.checkout_id.is_none() && purchase.renewal_of == Some(checkout_id) && purchase.records.is_none()
        };
        let is_other = |purchase: &&Purchase| {
            let known = purchase.as_renewal();
            let settling = after.settled_by.iter().map(|settled| &settled.ids);
            let mut others = settling.chain(after.unsettled.iter().map(|payment| &payment.ids));
            others.any(|ids| known.is_of(ids, purchase.add_on_id))
        };
        self.purchases.iter().filter(is_ours).filter(is_other).map(|purchase| purchase.id).collect()
    }

    fn add_on_of(&self, renewal: &Renewal) -> Uuid {
        self.purchases[self.lines[renewal.line]].add_on_id
    }

    /// The purchase that stands for a renewal already.
    fn recorded(&self, renewal: &Renewal) -> Option<usize> {
        let (ids, add_on_id) = (&renewal.payment.ids, self.add_on_of(renewal));
        let is_it = |purchase: &Purchase| purchase.checkout_id.is_none() && purchase.as_renewal().is_of(ids, add_on_id);
        self.purchases.iter().position(is_it)
    }

    /// Adds a renewal, in the place of one that is no longer needed if there is one.
    fn add_renewal(
        &mut self,
        renewal: &Renewal,
        unneeded: &mut BTreeSet<Uuid>,
        now: Instant,
        new_id: &mut impl FnMut() -> Uuid,
    ) {
        let add_on_id = self.add_on_of(renewal);
        let spare = |purchase: &&mut Purchase| purchase.add_on_id == add_on_id && unneeded.contains(&purchase.id);
        if let Some(purchase) = self.purchases.iter_mut().find(spare) {
            (purchase.columns.stripe_payment_id, purchase.columns.lago_invoice_id) = (None, None);
            purchase.columns.follow(&renewal.outcome, Some(&renewal.payment));
            purchase.amount = renewal.amount;
            unneeded.remove(&purchase.id);
            self.repriced.push((purchase.id, renewal.amount));
            return;
        }
        let mut columns = Columns::completed();
        columns.follow(&renewal.outcome, Some(&renewal.payment));
        let line = &self.purchases[self.lines[renewal.line]];
        self.purchases.push(line.renewal(new_id(), now, renewal.amount, columns));
    }

    fn remove(&mut self, purchase_ids: BTreeSet<Uuid>) {
        if purchase_ids.is_empty() {
            return;
        }
        let bearer = self.bearer().id;
        self.purchases.retain(|purchase| !purchase_ids.contains(&purchase.id));
        self.lines = lines_of(&self.purchases, self.sale_id);
        self.bearer = self.purchases.iter().position(|purchase| purchase.id == bearer).unwrap_or_default();
        self.removed.extend(purchase_ids);
    }
}
