//! Changes loaded rows to what follows from their sources of access. The engine decides (semantics 5).

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::error::Error;
use crate::operations::sources::{bought, by_add_on, sources_of};
use crate::pg::clock::now;
use crate::store::catalog_cache;
use crate::store::owned::Owned;
use crate::store::trials;
use engine::access::bought::Bought;
use engine::access::kept::may_try;
use engine::access::periods::{irregular, paid_periods};
use engine::access::row::{End, Row, ends};
use engine::access::source::Source;
use engine::payments::purchase::Purchase;
use engine::time::Instant;
use engine::usage::period::{Holding, PaidPeriod};

/// Takes over whatever somebody else has written to the rows since they were last derived from their sources.
pub fn take_over_rows(owned: &mut [Owned], purchases: &[Purchase]) {
    let places = by_add_on(purchases);
    for row in owned {
        let of_add_on = places.get(&row.add_on_id).map(Vec::as_slice).unwrap_or_default();
        take_over_row(row, &sources_of(purchases, of_add_on));
    }
}

/// The same for one row and the purchases of its add-on.
pub fn take_over_row(row: &mut Owned, purchases: &[Source]) {
    row.columns.take_over(&mut row.kept, purchases, now());
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
        let has_row = owned.iter().any(|row| row.add_on_id == add_on_id);
        let of_add_on = purchases.iter().filter(|purchase| purchase.add_on_id == add_on_id);
        if !may_try(has_row, of_add_on.map(|purchase| purchase.columns.status)) {
            continue;
        }
        let mut row = Owned::new(add_on_id);
        row.kept.begin_trial(beginning, days);
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
        let of_add_on: Vec<Bought> = places.iter().map(|&place| bought(&purchases[place])).collect();
        let sources = follow(row, &of_add_on, &sources)?;
        for (source, end) in sources.iter().zip(ends(&sources)) {
            let Some(&place) = places.iter().find(|&&place| source.id == purchases[place].id.to_string()) else {
                continue;
            };
            let ends_at = &mut purchases[place].columns.ends_at;
            *ends_at = match end {
                End::Unknown => *ends_at,
                End::Never => None,
                End::At(end) => Some(end),
            };
        }
    }
    let known = by_add_on(purchases);
    for row in owned.iter_mut().filter(|row| !known.contains_key(&row.add_on_id)) {
        follow(row, &[], &[])?;
    }
    Ok(())
}

/// Updates a row to what follows from all sources of its access, and returns them.
fn follow(row: &mut Owned, purchases: &[Bought], sources: &[Source]) -> Result<Vec<Source>, Error> {
    let all = row.columns.follow(&mut row.kept, purchases, sources, now());
    if !all.is_empty() {
        row.columns.paid_periods = irregular_periods(row, &all)?;
    }
    Ok(all)
}

/// The paid periods that do not follow from the other columns of the row.
fn irregular_periods(row: &Owned, sources: &[Source]) -> Result<Vec<PaidPeriod>, Error> {
    let paid = paid_periods(sources, now());
    let Some(offer) = (if paid.is_empty() { None } else { catalog_cache::offer(row.add_on_id)? }) else {
        return Ok(Vec::new());
    };
    let Row { purchased_at, expires_at, .. } = row.columns;
    Ok(irregular(paid, &Holding { purchased_at, expires_at, billing_type: offer.add_on.billing_type }))
}
