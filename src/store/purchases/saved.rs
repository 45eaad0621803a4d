//! Writes changed and new purchases.

use std::cell::Cell;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::change::{Change, DOCUMENT, Done, INSTANT, TEXT, TEXTS};
use crate::pg::clock::now;
use crate::pg::document;
use crate::pg::jsonb::Jsonb;
use crate::pg::parameter::{Parameter, Params};
use crate::pg::row::RawText;
use crate::pg::statement::Statement;
use crate::store::all_written;
use crate::store::metadata::Reason;
use crate::{metadata_key, params, probe};
use engine::money::Money;
use engine::payments::purchase::{Purchase, Records};
use engine::purchases::{Cause, PurchaseStatus};
use engine::time::Instant;

static SAVE: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET status=s.status, refund_amount=(s.refunded::numeric / 100),
            refunded_at=CASE WHEN (s.refunded::numeric / 100) > p.refund_amount OR (s.status = 'refunded' AND p.status <> s.status)
                             THEN $11
                             WHEN s.refunded = 0 AND s.status <> 'refunded' THEN NULL
                             ELSE p.refunded_at END,
            stripe_payment_id=s.stripe, lago_invoice_id=s.lago, payment_method=s.method, subscription_ends_at=s.ends,
            paid=s.paid,
            metadata=CASE WHEN s.reason IS NULL THEN p.metadata
                          ELSE (p.metadata || s.reason) END,
            facts=CASE WHEN p.id = $12 THEN $13 ELSE p.facts END,
            provider_ids=CASE WHEN p.id = $12 THEN $14 ELSE p.provider_ids END
       FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS s (id, status, refunded, stripe, lago, method, ends, paid, reason)
      WHERE p.user_id = $1 AND p.id = s.id",
);

/// Purchases that were recorded for one payment and now stand for another, possibly of another amount. Refunds of it
/// are written afterwards.
static REPRICE: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET amount=(r.cents::numeric / 100), refund_amount=LEAST(p.refund_amount, (r.cents::numeric / 100))
       FROM unnest($2, $3) AS r (id, cents)
      WHERE p.user_id = $1 AND p.id = r.id",
);

static REMOVE: Statement =
    Statement::new("DELETE FROM @extschema@.add_on_purchases AS p WHERE p.user_id = $1 AND p.id = ANY ($2)");

/// The first half of a change that needs two steps, because only a paid purchase can be refunded.
static COMPLETE_FIRST: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p SET status='completed' WHERE p.user_id = $1 AND p.id = ANY ($2)",
);

static INSERT: Statement = Statement::new(concat!(
    "INSERT INTO @extschema@.add_on_purchases
            (id, user_id, add_on_id, amount, currency, quantity, status, refund_amount, refunded_at, stripe_payment_id, lago_invoice_id,
             subscription_ends_at, paid, purchased_at, metadata, facts, provider_ids)
     SELECT r.id, $1, r.add_on_id, (r.cents::numeric / 100), $2, r.quantity, r.status, (r.refunded::numeric / 100),
            CASE WHEN r.refunded > 0 THEN $3 END, r.stripe, r.lago, r.ends, r.paid, $3,
            pg_catalog.jsonb_build_object('",
    metadata_key!(renewal_of),
    "', $4::text), $5, $6
       FROM unnest($7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            AS r (id, add_on_id, cents, quantity, status, refunded, stripe, lago, ends, paid)"
));

/// The facts to be stored, with one purchase for all that were paid together.
#[derive(Debug)]
pub struct RecordsUpdate {
    pub purchase_id: Uuid,
    pub records: Records,
}

/// Writes the changed and new purchases of a user, and the facts. Returns whether anything but the facts had changed.
pub fn save(user_id: &str, purchases: &mut [Purchase], update: Option<&RecordsUpdate>) -> Result<bool, Error> {
    let bearer = update.map(|update| update.purchase_id);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for purchase in purchases.iter_mut() {
        match purchase.stored {
            Some(_) if purchase.has_changed() || bearer == Some(purchase.id) => old.push(purchase),
            Some(_) => {}
            None => new.push(purchase),
        }
    }
    let has_changed = !new.is_empty() || old.iter().any(|purchase| purchase.has_changed());
    let (facts, ids) = match update {
        Some(update) => {
            let ids = update.records.known.ids().into_iter().map(str::to_owned).collect::<Vec<String>>();
            (Some(document::of_facts("add_on_purchases.facts", &update.records)?), Some(ids))
        }
        None => (None, None),
    };
    let between = |purchase: &&&mut Purchase| {
        let stored = purchase.stored_status().unwrap_or(purchase.columns.status);
        !stored.may_become(purchase.columns.status, Cause::Facts)
    };
    let _by_facts = ByFacts::begin();
    let in_two_steps: Vec<Uuid> = old.iter().filter(between).map(|purchase| purchase.id).collect();
    if !in_two_steps.is_empty() {
        let completed = COMPLETE_FIRST.perform(params![user_id, &in_two_steps])?;
        all_written("add_on_purchases", in_two_steps.len(), completed)?;
    }
    let completed = complete_at_once(&old, bearer, facts.as_ref(), ids.as_ref())?;
    if completed < old.len() {
        update_rows(user_id, &old[completed..], bearer, facts.as_ref(), ids.as_ref())?;
    }
    if !new.is_empty() {
        insert_rows(user_id, &new, bearer, facts.as_ref(), ids.as_ref())?;
    }
    for purchase in old.into_iter().chain(new) {
        purchase.stored = Some(purchase.columns.clone());
        purchase.reason = None;
    }
    Ok(has_changed)
}

thread_local! {
    static CAUSE: Cell<Cause> = const { Cell::new(Cause::Statement) };
}

/// As long as this value lives, purchases are changed because of facts.
struct ByFacts;

impl ByFacts {
    fn begin() -> ByFacts {
        CAUSE.set(Cause::Facts);
        ByFacts
    }
}

impl Drop for ByFacts {
    fn drop(&mut self) {
        CAUSE.set(Cause::Statement);
    }
}

/// Why purchases are being changed: because of facts, or by a statement of somebody else.
pub fn cause_of_change() -> Cause {
    CAUSE.get()
}

/// The columns of rows, as arrays.
struct Arrays<'a> {
    ids: Vec<Uuid>,
    statuses: Vec<Option<&'a str>>,
    refunded: Vec<i64>,
    stripe: Vec<Option<&'a str>>,
    lago: Vec<Option<&'a str>>,
    ends: Vec<Option<Instant>>,
    paid: Vec<Option<Jsonb>>,
}

impl<'a> Arrays<'a> {
    fn of(purchases: &'a [&'a mut Purchase]) -> Arrays<'a> {
        let columns = || purchases.iter().map(|purchase| &purchase.columns);
        Arrays {
            ids: purchases.iter().map(|purchase| purchase.id).collect(),
            statuses: columns().map(|columns| Some(columns.status.name())).collect(),
            refunded: columns().map(|columns| columns.refunded.cents()).collect(),
            stripe: columns().map(|columns| columns.stripe_payment_id.as_deref()).collect(),
            lago: columns().map(|columns| columns.lago_invoice_id.as_deref()).collect(),
            ends: columns().map(|columns| columns.ends_at).collect(),
            paid: columns().map(|columns| columns.paid.as_ref().map(Jsonb::of)).collect(),
        }
    }
}

/// What completes a pending purchase, by its id. Only the purchase that stores the facts has values for the last two.
static COMPLETE: Change<(RawText,)> = Change::new(
    probe!("add_on_purchases", ["status"], "id"),
    &[
        ("status", TEXT),
        ("stripe_payment_id", TEXT),
        ("lago_invoice_id", TEXT),
        ("payment_method", TEXT),
        ("subscription_ends_at", INSTANT),
        ("paid", DOCUMENT),
        ("facts", DOCUMENT),
        ("provider_ids", TEXTS),
    ],
)
.keeping_transitions();

/// Completes the pending purchases at the beginning of the list without a statement. Returns how many are written: a
/// statement has to write the rest.
fn complete_at_once(
    purchases: &[&mut Purchase],
    bearer: Option<Uuid>,
    facts: Option<&Jsonb>,
    provider_ids: Option<&Vec<String>>,
) -> Result<usize, Error> {
    let is_just_paid = |purchase: &&&mut Purchase| {
        let change = (purchase.stored_status(), purchase.columns.status, purchase.columns.refunded);
        change == (Some(PurchaseStatus::Pending), PurchaseStatus::Completed, Money::ZERO) && purchase.reason.is_none()
    };
    let ids: Vec<Uuid> = purchases.iter().take_while(is_just_paid).map(|purchase| purchase.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let keys: Vec<[&dyn Parameter; 1]> = ids.iter().map(|id| [id as &dyn Parameter]).collect();
    let keys: Vec<&Params> = keys.iter().map(|key| key.as_slice()).collect();
    let done = COMPLETE.apply_to_each(&keys, &mut |number, (status,)| {
        let Purchase { id, columns, .. } = &*purchases[number];
        if status != PurchaseStatus::Pending.name().as_bytes() {
            return Ok(None);
        }
        let mut values = vec![
            columns.status.name().datum(),
            columns.stripe_payment_id.datum(),
            columns.lago_invoice_id.datum(),
            columns.payment_method.datum(),
            columns.ends_at.datum(),
            columns.paid.as_ref().map(Jsonb::of).datum(),
        ];
        if bearer == Some(*id) {
            values.extend([facts.map(Jsonb::datum), provider_ids.and_then(|ids| ids.datum())]);
        }
        Ok(Some(values))
    })?;
    Ok(done.iter().take_while(|&&done| done == Done::Written).count())
}

fn update_rows(
    user_id: &str,
    purchases: &[&mut Purchase],
    bearer: Option<Uuid>,
    facts: Option<&Jsonb>,
    provider_ids: Option<&Vec<String>>,
) -> Result<(), Error> {
    let Arrays { ids, statuses, refunded, stripe, lago, ends, paid } = Arrays::of(purchases);
    let methods: Vec<Option<&str>> =
        purchases.iter().map(|purchase| purchase.columns.payment_method.as_deref()).collect();
    // As a document, because Citus accepts no expression that builds a document in the condition on a row.
    let reason = |purchase: &&mut Purchase| {
        let told = purchase.reason.is_some() || purchase.has_recovered();
        told.then(|| Jsonb::of(&Reason { reason: purchase.reason.as_deref() }))
    };
    let reasons: Vec<Option<Jsonb>> = purchases.iter().map(reason).collect();
    let written = SAVE.perform(params![
        user_id,
        &ids,
        &statuses,
        &refunded,
        &stripe,
        &lago,
        &methods,
        &ends,
        &paid,
        &reasons,
        now(),
        bearer,
        facts.cloned(),
        provider_ids.cloned().unwrap_or_default(),
    ])?;
    all_written("add_on_purchases", ids.len(), written)
}

fn insert_rows(
    user_id: &str,
    purchases: &[&mut Purchase],
    bearer: Option<Uuid>,
    facts: Option<&Jsonb>,
    provider_ids: Option<&Vec<String>>,
) -> Result<(), Error> {
    let Arrays { ids, statuses, refunded, stripe, lago, ends, paid } = Arrays::of(purchases);
    let add_on_ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.add_on_id).collect();
    let cents: Vec<i64> = purchases.iter().map(|purchase| purchase.amount.cents()).collect();
    let quantities: Vec<i32> = purchases.iter().map(|purchase| purchase.quantity).collect();
    // A purchase that stores facts of its own is alone; there is no other beside it.
    let is_bearer = purchases.iter().any(|purchase| bearer == Some(purchase.id));
    let written = INSERT.perform(params![
        user_id,
        &purchases[0].currency,
        now(),
        purchases[0].renewal_of,
        facts.filter(|_| is_bearer).cloned(),
        provider_ids.filter(|_| is_bearer).cloned(),
        &ids,
        &add_on_ids,
        &cents,
        &quantities,
        &statuses,
        &refunded,
        &stripe,
        &lago,
        &ends,
        &paid,
    ])?;
    all_written("add_on_purchases", ids.len(), written)
}

/// Sets other amounts for purchases of the user.
pub fn reprice(user_id: &str, amounts: &[(Uuid, Money)]) -> Result<(), Error> {
    if amounts.is_empty() {
        return Ok(());
    }
    let (ids, cents): (Vec<Uuid>, Vec<i64>) = amounts.iter().map(|&(id, amount)| (id, amount.cents())).unzip();
    all_written("add_on_purchases", ids.len(), REPRICE.perform(params![user_id, &ids, &cents])?)
}

/// Deletes purchases of the user that stand for no payment.
pub fn remove(user_id: &str, ids: &[Uuid]) -> Result<(), Error> {
    if ids.is_empty() {
        Ok(())
    } else {
        all_written("add_on_purchases", ids.len(), REMOVE.perform(params![user_id, &ids.to_vec()])?)
    }
}
