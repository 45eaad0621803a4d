//! Clean-up of abandoned carts, unpaid checkouts, expired subscriptions and codes.
//!
//! Each task does at most one batch and skips rows that somebody else has locked. The only locks that it waits for
//! are those of codes and bundles whose uses it gives back, and it takes them last. So it can run beside checkouts
//! and beside itself.

use crate::error::Error;
use crate::operations::books::Books;
use crate::pg::caller;
use crate::pg::clock::now;
use crate::store::leftovers::{self, Ages, Portion};
use crate::store::unclaimed;
use crate::store::uses::Claims;
use engine::payments::by_hand::ByHand;
use engine::payments::ledger::SaleId;
use engine::purchases::PurchaseStatus;

const ABANDONED_CARTS: &str = "abandoned_cart_items";
const UNPAID_PURCHASES: &str = "unpaid_purchases";
const EXPIRED_SUBSCRIPTIONS: &str = "expired_subscriptions";
const EXPIRED_CODES: &str = "expired_promotional_codes";
const UNCLAIMED_EVENTS: &str = "unclaimed_events";

/// Runs every task once, with this many rows at most. Returns their names and the number of rows that each has changed.
pub fn run(ages: &Ages, batch: i32) -> Result<Vec<(&'static str, u64)>, Error> {
    caller::check_sees_everybody("maintenance", None)?;
    let abandoned_carts = in_portions(batch, |most| leftovers::clear_abandoned_carts(ages.cart, most))?;
    let expired_subscriptions = in_portions(batch, |most| leftovers::expire_subscriptions(ages.grace, most))?;
    // The tasks follow the global lock order: rows of users, bundles, codes.
    let unpaid_purchases = in_portions(batch, |most| fail_unpaid(ages, most))?;
    let expired_codes = in_portions(batch, leftovers::switch_codes_off)?;
    let mut done = vec![
        (ABANDONED_CARTS, abandoned_carts),
        (UNPAID_PURCHASES, unpaid_purchases),
        (EXPIRED_SUBSCRIPTIONS, expired_subscriptions),
        (EXPIRED_CODES, expired_codes),
    ];
    if unclaimed::is_there()? {
        done.push((UNCLAIMED_EVENTS, unclaimed::forget(ages.payment, batch)?));
    }
    Ok(done)
}

/// The number of rows that each task would find, if run_maintenance() were called without arguments.
pub fn waiting() -> Result<Vec<(&'static str, i64)>, Error> {
    let Some(ages) = leftovers::default_ages()? else { return Ok(Vec::new()) };
    let tasks = [ABANDONED_CARTS, UNPAID_PURCHASES, EXPIRED_SUBSCRIPTIONS, EXPIRED_CODES];
    let mut waiting: Vec<_> = tasks.into_iter().zip(leftovers::count(&ages)?).collect();
    // A metric that is absent until its table exists would look like a broken exporter.
    let unclaimed = if unclaimed::is_there()? { unclaimed::count(ages.payment)? } else { 0 };
    waiting.push((UNCLAIMED_EVENTS, unclaimed));
    Ok(waiting)
}

/// The number of rows that a task keeps in memory at once.
const PORTION: i32 = 50_000;

/// Runs a task in portions, until nothing is left or the batch is done. Returns the number of changed rows.
fn in_portions(batch: i32, mut task: impl FnMut(i32) -> Result<Portion, Error>) -> Result<u64, Error> {
    let (mut left, mut changed) = (batch, 0);
    loop {
        let most = left.min(PORTION);
        let portion = task(most)?;
        changed += portion.changed;
        left -= most;
        if portion.found < most as u64 || left <= 0 {
            return Ok(changed);
        }
    }
}

/// Fails checkouts that were never paid. If somebody else has locked a purchase of a checkout, the checkout is left
/// for a later run.
fn fail_unpaid(ages: &Ages, most: i32) -> Result<Portion, Error> {
    let mut found = leftovers::unpaid(ages, most)?;
    let found_rows = found.len() as u64;
    found.sort_unstable_by_key(|&(_, purchase_id, checkout_id)| (checkout_id, purchase_id));
    found.dedup_by_key(|&mut (_, purchase_id, checkout_id)| checkout_id.unwrap_or(purchase_id));
    let (mut failed, mut claims) = (0, Claims::default());
    for (user_id, purchase_id, checkout_id) in found {
        let sale_id = checkout_id.map_or(SaleId::Alone(purchase_id), SaleId::Checkout);
        let Some(mut books) = Books::open_unpaid(&user_id, sale_id)? else { continue };
        failed +=
            books.ledger.sold().filter(|purchase| purchase.columns.status == PurchaseStatus::Pending).count() as u64;
        books.ledger.facts.add_call(ByHand::Failed { at: now(), reason: Some("not paid in time".to_owned()) });
        claims.add(books.write()?.claims);
    }
    claims.give_back()?;
    Ok(Portion { found: found_rows, changed: failed })
}
