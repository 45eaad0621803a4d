//! What people and Lago do to a user's add-on (semantics 5): it ends, is withheld, given back and paid for.

use super::kept::{Extension, Kept};
use super::row::Row;
use super::source::Source;
use super::status::AccessStatus;
use crate::billing::BillingType;
use crate::payments::answer::Action;
use crate::payments::attempt::{Attempt, AttemptState};
use crate::payments::paid::Period;
use crate::payments::subscription::{Subscription, SubscriptionState};
use crate::time::Instant;

/// When a cancelled add-on ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Now.
    AtOnce,
    /// With its period.
    WithPeriod,
}

impl Row {
    /// Ends it, unless it has ended. Returns whether it was changed.
    pub fn cancel(
        &mut self,
        kept: &mut Kept,
        purchases: &[Source],
        reason: Option<&str>,
        ending: Ending,
        now: Instant,
    ) -> bool {
        if self.status == AccessStatus::Cancelled {
            return false;
        }
        self.set_reason(reason);
        (self.auto_renew, self.cancelled_at) = (false, Some(self.cancelled_at.unwrap_or(now)));
        match ending {
            Ending::AtOnce => kept.take_back(purchases, now),
            Ending::WithPeriod => kept.runs_out_since = Some(kept.runs_out_since.unwrap_or(now)),
        }
        true
    }

    /// Withholds it by hand, whatever else withholds it. Returns whether it was changed.
    pub fn suspend(&mut self, reason: Option<&str>, now: Instant) -> bool {
        if self.suspended_at.is_some() {
            return false;
        }
        self.suspended_at = Some(now);
        self.set_reason(reason);
        true
    }

    /// Gives it back if it was withheld by hand. Returns whether it was changed.
    pub fn resume(&mut self) -> bool {
        if self.suspended_at.take().is_none() {
            return false;
        }
        if self.cancelled_at.is_none() {
            self.cancellation_reason = None;
        }
        true
    }

    fn set_reason(&mut self, reason: Option<&str>) {
        self.cancellation_reason = reason.map(str::to_owned).or(self.cancellation_reason.take());
    }
}

impl Kept {
    /// Adds a period without a payment.
    pub fn extend(&mut self, billing: BillingType, now: Instant) {
        self.extensions.push(Extension { at: now, period: Period::of(billing) });
    }

    /// Applies what Lago reports of the subscription that pays for the host's row.
    pub fn follow_subscription(&mut self, subscription: &Subscription, purchases: &[Source], now: Instant) -> Action {
        if let Some(SubscriptionState::Ended { at }) = subscription.state.last() {
            self.take_back(purchases, at.unwrap_or(now));
            return Action::SubscriptionEnded;
        }
        self.is_pending = false;
        if let (Some(host), Some(until)) = (&mut self.host, subscription.paid_until(|_| true)) {
            host.until = host.until.map(|end| end.max(until));
        }
        Action::SubscriptionUpdated
    }

    /// Applies what Lago reports of an invoice for the host's row: an overdue one withholds the add-on until it is
    /// paid, and a paid one renews it. `None` if nothing follows.
    pub fn follow_invoice(&mut self, id: &str, invoice: &Attempt, is_recorded: bool) -> Option<Action> {
        match invoice.state.last() {
            Some(AttemptState::Overdue) if is_recorded => Some(Action::AlreadyPaid),
            Some(AttemptState::Overdue) => {
                self.overdue.insert(id.to_owned());
                Some(Action::Suspended)
            }
            Some(AttemptState::Paid) => {
                self.overdue.remove(id);
                Some(Action::Renewed)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::kept::AccessWindow;
    use crate::currency::Provider;
    use crate::payments::attempt::AttemptKind;
    use crate::payments::reports::Reports;

    const NOW: Instant = Instant(1000);

    fn invoice(state: AttemptState) -> Attempt {
        let mut invoice = Attempt::new(Provider::Lago, AttemptKind::Invoice);
        invoice.state = Reports::one(NOW, state, None);
        invoice
    }

    fn host() -> Kept {
        Kept { host: Some(AccessWindow { from: Instant(0), until: Some(Instant(2000)) }), ..Kept::default() }
    }

    #[test]
    fn an_overdue_invoice_withholds_until_it_is_paid() {
        let mut kept = host();
        assert_eq!(kept.follow_invoice("inv", &invoice(AttemptState::Overdue), false), Some(Action::Suspended));
        assert!(kept.overdue.contains("inv"));
        assert_eq!(kept.follow_invoice("inv", &invoice(AttemptState::Paid), false), Some(Action::Renewed));
        assert!(kept.overdue.is_empty());
        assert_eq!(kept.follow_invoice("inv", &invoice(AttemptState::Overdue), true), Some(Action::AlreadyPaid));
        assert_eq!(kept.follow_invoice("inv", &invoice(AttemptState::Open), false), None);
        assert!(kept.overdue.is_empty());
    }

    #[test]
    fn a_cancelled_add_on_ends_at_once_or_with_its_period_and_only_once() {
        for (ending, is_cut) in [(Ending::AtOnce, true), (Ending::WithPeriod, false)] {
            let (mut row, mut kept) = (Row::new(Instant(0)), host());
            assert!(row.cancel(&mut kept, &[], Some("moved"), ending, NOW));
            assert_eq!((kept.cuts.contains_key("host"), kept.runs_out_since), (is_cut, (!is_cut).then_some(NOW)));
            assert_eq!((row.cancelled_at, row.cancellation_reason.as_deref()), (Some(NOW), Some("moved")));
            row.status = AccessStatus::Cancelled;
            assert!(!row.cancel(&mut kept, &[], Some("again"), ending, NOW));
            assert_eq!(row.cancellation_reason.as_deref(), Some("moved"));
        }
    }

    #[test]
    fn what_is_given_back_forgets_why_it_was_withheld() {
        let mut row = Row::new(Instant(0));
        assert!(!row.resume());
        assert!(row.suspend(Some("fraud"), NOW) && !row.suspend(Some("twice"), NOW));
        assert_eq!(row.cancellation_reason.as_deref(), Some("fraud"));
        assert!(row.resume());
        assert_eq!((row.suspended_at, row.cancellation_reason), (None, None));
    }
}
