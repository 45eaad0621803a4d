//! Derives what users own from its sources (semantics 5): compares loaded rows with the sources and changes them
//! accordingly.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::error::Error;
use crate::operations::sources::{by_add_on, paid_at, sources_of};
use crate::pg::datum::now;
use crate::store::catalog_cache;
use crate::store::owned::{Columns, Owned};
use crate::store::purchases::{Purchase, RenewalTerms};
use crate::store::trials;
use engine::access::kept::{Granted, Written};
use engine::access::outcome::{Access, access, units};
use engine::access::periods::{irregular, paid_periods};
use engine::access::source::{Source, Span, Standing, Term, lay};
use engine::access::status::AccessStatus;
use engine::calendar::{days_after, months_after};
use engine::money::Money;
use engine::payments::paid::Period;
use engine::time::Instant;
use engine::usage::period::{Holding, PaidPeriod};

fn as_written(row: &Owned) -> Written {
    Written {
        status: row.columns.status.unmarked(),
        from: row.columns.purchased_at,
        until: row.columns.expires_at,
        renews: row.columns.auto_renew,
        units: row.columns.quantity,
    }
}

/// Takes over whatever somebody else has written to the rows since they were last derived from their sources.
pub fn take_rows_as_they_stand(owned: &mut [Owned], purchases: &[Purchase]) {
    let places = by_add_on(purchases);
    for row in owned {
        let of_add_on = places.get(&row.add_on_id).map(Vec::as_slice).unwrap_or_default();
        take_row_as_it_stands(row, &sources_of(purchases, of_add_on));
    }
}

/// The same for one row and the purchases of its add-on.
pub fn take_row_as_it_stands(row: &mut Owned, purchases: &[Source]) {
    let stands = as_written(row);
    if row.kept.written.as_ref() == Some(&stands) {
        return;
    }
    let is_suspended = row.columns.suspended_at.is_some();
    let is_withheld = row.kept.absorb(&stands, purchases, is_suspended, now());
    row.columns.suspended_at = is_withheld.then(|| row.columns.suspended_at.unwrap_or_else(now));
    row.kept.written = Some(stands);
}

/// The trials that begin when a subscription is made without a first payment: those of the sold add-ons that have a
/// trial and that the user neither has nor had.
pub fn trials(
    since: Instant,
    sold: &[&Purchase],
    purchases: &[Purchase],
    owned: &[Owned],
) -> Result<Vec<Owned>, Error> {
    let add_on_ids: Vec<Uuid> = sold.iter().map(|purchase| purchase.add_on_id).collect();
    let beginning = sold.iter().map(|purchase| purchase.purchased_at).max().unwrap_or(since).max(since.min(now()));
    let mut begun = Vec::new();
    for (add_on_id, days) in trials::days_of(&add_on_ids)? {
        let had = |purchase: &Purchase| purchase.add_on_id == add_on_id && purchase.columns.status.is_paid();
        if purchases.iter().any(had) || owned.iter().any(|row| row.add_on_id == add_on_id) {
            continue;
        }
        let mut row = Owned::new(add_on_id);
        row.kept.trial = Some(Granted { from: beginning, until: days_after(beginning, days.max(0) as u32) });
        begun.push(row);
    }
    Ok(begun)
}

/// Changes the rows to what follows from their sources, and updates the ends of the purchases.
pub fn apply(owned: &mut Vec<Owned>, purchases: &mut [Purchase], has_begun: &BTreeSet<Uuid>) -> Result<(), Error> {
    let rows: HashMap<Uuid, usize> = owned.iter().map(|row| row.add_on_id).zip(0..).collect();
    for (add_on_id, places) in by_add_on(purchases) {
        let sources = sources_of(purchases, &places);
        let place = match rows.get(&add_on_id) {
            Some(&place) => place,
            None if sources.is_empty() => continue,
            None => {
                owned.push(Owned::new(add_on_id));
                owned.len() - 1
            }
        };
        let row = &mut owned[place];
        if has_begun.contains(&add_on_id) {
            (row.kept.runs_out_since, row.kept.units) = (None, None);
        }
        let of_add_on: Vec<&Purchase> = places.iter().map(|&place| &purchases[place]).collect();
        show(row, &sources, &of_add_on)?;
        let ends = ends_of(row, &sources);
        for (source, end) in sources.iter().zip(ends) {
            let purchase = places.iter().copied().find(|&place| source.id == purchases[place].id.to_string());
            if let (Some(place), Some(end)) = (purchase, end) {
                purchases[place].columns.ends_at = end;
            }
        }
    }
    let known = by_add_on(purchases);
    for row in owned.iter_mut().filter(|row| !known.contains_key(&row.add_on_id)) {
        show(row, &[], &[])?;
    }
    Ok(())
}

/// The end of the period that each purchase pays for by itself. `None` if it is not known; then the stored end stays.
/// A refunded purchase keeps the end that it would have had alone.
fn ends_of(row: &Owned, purchases: &[Source]) -> Vec<Option<Option<Instant>>> {
    let all = row.kept.all(purchases);
    let spans = lay(&all);
    let own = all.len() - purchases.len();
    let end = |(source, span): (&Source, &Option<Span>)| match (span, source.term) {
        (Some(span), _) => Some(span.until),
        (None, _) if source.standing != Standing::Gone => source.ended.map(Some),
        (None, Term::Months(months)) => Some(months_after(source.made_at, months)),
        (None, Term::Until { until, .. }) => Some(Some(until)),
        (None, _) => Some(None),
    };
    all[own..].iter().zip(&spans[own..]).map(end).collect()
}

/// Updates a row to what follows from its sources.
fn show(row: &mut Owned, sources: &[Source], purchases: &[&Purchase]) -> Result<(), Error> {
    let all = row.kept.all(sources);
    let Some(outcome) = access(&all, now()) else { return Ok(()) };
    let was_cancelled = row.columns.cancelled_at.is_some();
    let (status, from, until) = shown(outcome, &all, &row.columns);
    let columns = &mut row.columns;
    columns.status = if columns.suspended_at.is_some() { AccessStatus::Suspended } else { status };
    (columns.purchased_at, columns.expires_at) = (from, until);
    columns.paid_periods = irregular_periods(row.add_on_id, &all, columns)?;
    columns.quantity = row.kept.units.unwrap_or_else(|| i32::try_from(units(&all, now())).unwrap_or(i32::MAX));
    if !purchases.is_empty() {
        show_renewal(row, status, purchases);
    } else if status == AccessStatus::Cancelled {
        columns.auto_renew = false;
        columns.cancelled_at = Some(columns.cancelled_at.unwrap_or_else(now));
    }
    let columns = &mut row.columns;
    if was_cancelled && columns.cancelled_at.is_none() && columns.suspended_at.is_none() {
        columns.cancellation_reason = None;
    }
    row.kept.written = Some(as_written(row));
    Ok(())
}

/// The status and the window of a row, unless somebody withholds it by hand.
fn shown(outcome: Access, sources: &[Source], columns: &Columns) -> (AccessStatus, Instant, Option<Instant>) {
    match outcome {
        Access::Live(span) => (AccessStatus::Active, span.from, span.until),
        Access::Withheld(span, Standing::Pending) => (AccessStatus::Pending, span.from, span.until),
        Access::Withheld(span, _) => (AccessStatus::Suspended, span.from, span.until),
        Access::Lapsed(span) if columns.status == AccessStatus::Expired => {
            (AccessStatus::Expired, span.from, span.until)
        }
        Access::Lapsed(span) => (AccessStatus::Active, span.from, span.until),
        Access::Ended(Some(span)) if span.until == Some(span.from) => {
            (AccessStatus::Cancelled, columns.purchased_at.min(span.from), span.until)
        }
        Access::Ended(Some(span)) => (AccessStatus::Cancelled, span.from, span.until),
        Access::Ended(None) => {
            // The reported ends of their subscriptions, whether the report came before or after a refund.
            let told: Option<Vec<Instant>> = sources.iter().map(|source| source.ended).collect();
            let told = told.and_then(|ends| ends.into_iter().max());
            let end = columns.expires_at.into_iter().chain(told).fold(now(), Instant::min);
            (AccessStatus::Cancelled, columns.purchased_at.min(end), Some(end))
        }
    }
}

/// Sets the renewal columns of a purchased add-on: whether it is renewed, at which price, and by which subscription.
fn show_renewal(row: &mut Owned, status: AccessStatus, purchases: &[&Purchase]) {
    let columns = &mut row.columns;
    let periodic = purchases.iter().filter(|purchase| is_paid_by_period(purchase));
    let last = |purchase: &&&Purchase| (paid_at(purchase), purchase.id);
    let latest = periodic.clone().filter(|purchase| purchase.columns.status.is_settled()).max_by_key(last);
    let said = latest.and_then(|purchase| purchase.columns.paid.as_ref()?.renews);
    let runs_out = row.kept.runs_out_since;
    // Without a period that was bought here, the host decides.
    let renews = match latest.map(|purchase| &purchase.columns.paid) {
        Some(Some(paid)) => said != Some(false) && paid.ended.is_none_or(|ended| ended > now()),
        Some(None) => true,
        None => row.kept.host.is_some() && columns.auto_renew,
    };
    columns.auto_renew = renews && status != AccessStatus::Cancelled && runs_out.is_none();
    columns.cancelled_at = match (status, runs_out, said) {
        (AccessStatus::Cancelled, ..) => Some(columns.cancelled_at.unwrap_or_else(now)),
        (_, Some(since), _) => Some(since),
        (_, None, Some(false)) => Some(columns.cancelled_at.unwrap_or_else(now)),
        _ => None,
    };
    let (priced_by, amount) = latest.and_then(|_| renewal_amount(purchases)).unzip();
    if !is_same_price(row.kept.priced_by.as_deref(), priced_by.as_deref()) {
        (row.kept.priced_by, columns.renewal_amount) = (priced_by, amount);
    }
    // Refunded purchases are included: they belong to the same subscription, whichever was reported first.
    let by_lago = periodic.filter(|purchase| purchase.columns.lago_invoice_id.is_some()).max_by_key(last);
    let subscription = by_lago.and_then(|purchase| purchase.columns.paid.as_ref()?.subscription.clone());
    columns.lago_subscription_id = subscription.or(columns.lago_subscription_id.take());
}

/// Whether a purchase was paid for a number of months. For purchases recorded by older versions, the end tells.
fn is_paid_by_period(purchase: &Purchase) -> bool {
    let columns = &purchase.columns;
    let is_periodic = match &columns.paid {
        Some(paid) => matches!(paid.period, Period::Months(_)),
        None => columns.ends_at.is_some(),
    };
    columns.status.is_paid() && is_periodic
}

/// The paid periods that do not follow from the other columns of the row.
fn irregular_periods(add_on_id: Uuid, sources: &[Source], columns: &Columns) -> Result<Vec<PaidPeriod>, Error> {
    let paid = paid_periods(sources, now());
    let Some(offer) = (if paid.is_empty() { None } else { catalog_cache::offer(add_on_id)? }) else {
        return Ok(Vec::new());
    };
    let Columns { purchased_at, expires_at, .. } = *columns;
    Ok(irregular(paid, &Holding { purchased_at, expires_at, billing_type: offer.add_on.billing_type }))
}

/// Whether an amount still has the basis that it was computed from. An amount set by reprice_renewals() stays until
/// the next purchase.
fn is_same_price(kept: Option<&str>, now: Option<&str>) -> bool {
    let purchase_of_now = now.and_then(|now| now.split(' ').next());
    let repriced = kept.and_then(|kept| kept.strip_suffix(" repriced"));
    kept == now || (repriced.is_some() && repriced == purchase_of_now)
}

/// The price of the next renewal: as fixed by the last purchase, with the code as long as it applies.
fn renewal_amount(purchases: &[&Purchase]) -> Option<(String, Money)> {
    let bought = purchases.iter().filter(|purchase| {
        purchase.checkout_id.is_some() && purchase.columns.status.is_paid() && purchase.billing.is_periodic()
    });
    let last = bought.max_by_key(|purchase| (paid_at(purchase), purchase.id))?;
    let RenewalTerms { full, reduced, times } =
        last.terms.clone().unwrap_or(RenewalTerms { full: last.amount, reduced: last.amount, times: None });
    let is_renewal = |purchase: &&&Purchase| {
        let gives = purchase.columns.paid.as_ref().is_none_or(|paid| paid.period != Period::Nothing);
        purchase.checkout_id.is_none()
            && gives
            && paid_at(purchase) >= paid_at(last)
            && purchase.columns.status.is_paid()
    };
    let renewals = purchases.iter().filter(is_renewal).count();
    let still_applies = times.is_none_or(|times| renewals < times as usize);
    let (kind, amount) = if still_applies { ("reduced", reduced) } else { ("full", full) };
    Some((format!("{} {kind}", last.id), amount))
}
