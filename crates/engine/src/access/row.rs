//! The row of `user_add_ons` that follows from the sources of access (semantics 5).

use super::bought::Bought;
use super::kept::{Kept, Written};
use super::outcome::{Access, access, units};
use super::renewal::{is_same_price, renewal_amount};
use super::source::{Source, Span, Standing, Term, lay};
use super::status::AccessStatus;
use crate::calendar::months_after;
use crate::money::Money;
use crate::time::Instant;
use crate::usage::period::PaidPeriod;

/// The columns of a row that follow from its sources, and those that people set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `status`
    pub status: AccessStatus,
    /// `purchased_at`: since when the user has it
    pub purchased_at: Instant,
    /// `expires_at`
    pub expires_at: Option<Instant>,
    /// `auto_renew`
    pub auto_renew: bool,
    /// `lago_subscription_id`
    pub lago_subscription_id: Option<String>,
    /// `cancellation_reason`
    pub cancellation_reason: Option<String>,
    /// `cancelled_at`
    pub cancelled_at: Option<Instant>,
    /// `quantity`
    pub quantity: i32,
    /// `renewal_amount`
    pub renewal_amount: Option<Money>,
    /// `suspended_at`
    pub suspended_at: Option<Instant>,
    /// The paid periods that have not ended, if they do not follow from the start and end of access.
    pub paid_periods: Vec<PaidPeriod>,
}

/// The end of the period that a purchase pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is not known. The stored end stays.
    Unknown,
    /// It has none.
    Never,
    /// It ends at this instant.
    At(Instant),
}

impl End {
    fn of(until: Option<Instant>) -> End {
        until.map_or(End::Never, End::At)
    }
}

impl Row {
    /// A row that is not there yet.
    pub fn new(now: Instant) -> Row {
        Row {
            status: AccessStatus::Active,
            purchased_at: now,
            expires_at: None,
            auto_renew: false,
            lago_subscription_id: None,
            cancellation_reason: None,
            cancelled_at: None,
            quantity: 1,
            renewal_amount: None,
            suspended_at: None,
            paid_periods: Vec::new(),
        }
    }

    /// Takes over whatever somebody else has written to the row since it was last derived from its sources.
    pub fn take_over(&mut self, kept: &mut Kept, purchases: &[Source], now: Instant) {
        let stands = self.as_written();
        if kept.written.as_ref() == Some(&stands) {
            return;
        }
        let is_withheld = kept.absorb(&stands, purchases, self.suspended_at.is_some(), now);
        self.suspended_at = is_withheld.then(|| self.suspended_at.unwrap_or(now));
        kept.written = Some(stands);
    }

    /// Updates the row to what follows from the purchases of its add-on and from what is kept besides. Returns all
    /// sources of its access; if there are none, the row stays as it is.
    pub fn follow(&mut self, kept: &mut Kept, purchases: &[Bought], sources: &[Source], now: Instant) -> Vec<Source> {
        let all = kept.all(sources);
        let Some(outcome) = access(&all, now) else { return all };
        let was_cancelled = self.cancelled_at.is_some();
        let (status, from, until) = self.window(outcome, &all, now);
        self.status = if self.suspended_at.is_some() { AccessStatus::Suspended } else { status };
        (self.purchased_at, self.expires_at) = (from, until);
        self.quantity = kept.units.unwrap_or_else(|| i32::try_from(units(&all, now)).unwrap_or(i32::MAX));
        if !purchases.is_empty() {
            self.follow_renewal(kept, status, purchases, now);
        } else if status == AccessStatus::Cancelled {
            self.auto_renew = false;
            self.cancelled_at = Some(self.cancelled_at.unwrap_or(now));
        }
        if was_cancelled && self.cancelled_at.is_none() && self.suspended_at.is_none() {
            self.cancellation_reason = None;
        }
        kept.written = Some(self.as_written());
        all
    }

    fn as_written(&self) -> Written {
        Written {
            status: self.status.unmarked(),
            from: self.purchased_at,
            until: self.expires_at,
            renews: self.auto_renew,
            units: self.quantity,
        }
    }

    /// The status and the window, unless somebody withholds the row by hand.
    fn window(&self, outcome: Access, sources: &[Source], now: Instant) -> (AccessStatus, Instant, Option<Instant>) {
        match outcome {
            Access::Live(span) => (AccessStatus::Active, span.from, span.until),
            Access::Withheld(span, Standing::Pending) => (AccessStatus::Pending, span.from, span.until),
            Access::Withheld(span, _) => (AccessStatus::Suspended, span.from, span.until),
            Access::Lapsed(span) if self.status == AccessStatus::Expired => {
                (AccessStatus::Expired, span.from, span.until)
            }
            Access::Lapsed(span) => (AccessStatus::Active, span.from, span.until),
            Access::Ended(Some(span)) if span.until == Some(span.from) => {
                (AccessStatus::Cancelled, self.purchased_at.min(span.from), span.until)
            }
            Access::Ended(Some(span)) => (AccessStatus::Cancelled, span.from, span.until),
            Access::Ended(None) => {
                // The reported ends of their subscriptions, whether the report came before or after a refund.
                let told: Option<Vec<Instant>> = sources.iter().map(|source| source.ended).collect();
                let told = told.and_then(|ends| ends.into_iter().max());
                let end = self.expires_at.into_iter().chain(told).fold(now, Instant::min);
                (AccessStatus::Cancelled, self.purchased_at.min(end), Some(end))
            }
        }
    }

    /// Sets the renewal columns of a purchased add-on: whether it is renewed, at which price, and by which
    /// subscription.
    fn follow_renewal(&mut self, kept: &mut Kept, status: AccessStatus, purchases: &[Bought], now: Instant) {
        let periodic = purchases.iter().filter(|purchase| purchase.is_paid_by_period());
        let latest = periodic.clone().filter(|purchase| purchase.status.is_settled()).max_by_key(|one| one.order());
        let said = latest.and_then(|purchase| purchase.paid?.renews);
        let runs_out = kept.runs_out_since;
        // Without a period that was bought here, the host decides.
        let renews = match latest.map(|purchase| purchase.paid) {
            Some(Some(paid)) => said != Some(false) && paid.ended.is_none_or(|ended| ended > now),
            Some(None) => true,
            None => kept.host.is_some() && self.auto_renew,
        };
        self.auto_renew = renews && status != AccessStatus::Cancelled && runs_out.is_none();
        self.cancelled_at = match (status, runs_out, said) {
            (AccessStatus::Cancelled, ..) => Some(self.cancelled_at.unwrap_or(now)),
            (_, Some(since), _) => Some(since),
            (_, None, Some(false)) => Some(self.cancelled_at.unwrap_or(now)),
            _ => None,
        };
        let (priced_by, amount) = latest.and_then(|_| renewal_amount(purchases)).unzip();
        if !is_same_price(kept.priced_by, priced_by) {
            (kept.priced_by, self.renewal_amount) = (priced_by, amount);
        }
        // Refunded purchases are included: they belong to the same subscription, whichever was reported first.
        let by_lago = periodic.filter(|purchase| purchase.is_of_lago).max_by_key(|one| one.order());
        let subscription = by_lago.and_then(|purchase| purchase.paid?.subscription.clone());
        self.lago_subscription_id = subscription.or(self.lago_subscription_id.take());
    }
}

/// The end of the period that each source gives by itself. A refunded purchase keeps the end that it would have had
/// alone.
pub fn ends(sources: &[Source]) -> Vec<End> {
    let end = |(source, span): (&Source, Option<Span>)| match (span, source.term) {
        (Some(span), _) => End::of(span.until),
        (None, _) if source.standing != Standing::Gone => source.ended.map_or(End::Unknown, End::At),
        (None, Term::Months(months)) => End::of(months_after(source.made_at, months)),
        (None, Term::Until { until, .. }) => End::At(until),
        (None, _) => End::Never,
    };
    sources.iter().zip(lay(sources)).map(end).collect()
}
