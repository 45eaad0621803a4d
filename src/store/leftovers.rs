//! Finds and clears what is over: abandoned carts, unpaid checkouts, expired access and codes.
//!
//! If Citus distributes the users' rows, no statement can lock rows of many users. Then candidates are found without
//! locks and processed user by user, with statements that check again.

use std::collections::BTreeMap;

use pgrx::datum::Interval;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::installation;
use crate::pg::locks::LatestSnapshot;
use crate::pg::parameter::Params;
use crate::pg::statement::Statement;
use crate::store::{all_written, owned};
use crate::{has_run_out, params};

/// A cart is abandoned if nothing in it was touched for this long. If a row was touched while its lock was waited
/// for, the conditions on the row itself are checked again and it is not locked.
static LOCK_ABANDONED: Statement<(Uuid,)> = Statement::new(
    "SELECT o.id
       FROM @extschema@.cart_items o
      WHERE o.added_at < (pg_catalog.now() - $1) AND o.updated_at < (pg_catalog.now() - $1)
        AND NOT EXISTS (SELECT
                          FROM @extschema@.cart_items n
                         WHERE n.user_id = o.user_id AND GREATEST(n.added_at, n.updated_at) >= (pg_catalog.now() - $1))
      ORDER BY o.added_at
      LIMIT $2
        FOR UPDATE SKIP LOCKED",
);

/// The conditions on the other rows of the cart are checked again under a newer snapshot.
static STILL_ABANDONED: Statement<(Uuid,)> = Statement::new(
    "SELECT o.id
       FROM @extschema@.cart_items o
      WHERE o.id = ANY ($1)
        AND NOT EXISTS (SELECT
                          FROM @extschema@.cart_items n
                         WHERE n.user_id = o.user_id AND GREATEST(n.added_at, n.updated_at) >= (pg_catalog.now() - $2))",
);

static CLEAR: Statement = Statement::new("DELETE FROM @extschema@.cart_items c WHERE c.id = ANY ($1)");

static ABANDONED_BY_USER: Statement<(String, Uuid)> = Statement::new(
    "SELECT o.user_id, o.id
       FROM @extschema@.cart_items o
      WHERE o.added_at < (pg_catalog.now() - $1)
        AND NOT EXISTS (SELECT
                          FROM @extschema@.cart_items n
                         WHERE n.user_id = o.user_id AND GREATEST(n.added_at, n.updated_at) >= (pg_catalog.now() - $1))
      ORDER BY o.added_at
      LIMIT $2",
);

static CLEAR_ABANDONED: Statement = Statement::new(
    "DELETE FROM @extschema@.cart_items c
      WHERE c.user_id = $1
        AND c.id = ANY (ARRAY(
              SELECT o.id
                FROM @extschema@.cart_items o
               WHERE o.user_id = $1 AND o.id = ANY ($2)
                 AND NOT EXISTS (SELECT
                                   FROM @extschema@.cart_items n
                                  WHERE n.user_id = $1 AND GREATEST(n.added_at, n.updated_at) >= (pg_catalog.now() - $3))
                 FOR UPDATE SKIP LOCKED))",
);

macro_rules! unpaid {
    ($locked:literal) => {
        concat!(
            "SELECT p.user_id, p.id, p.checkout_id
               FROM @extschema@.add_on_purchases p
              WHERE p.status = 'pending' AND p.purchased_at < (pg_catalog.now() - $1)
                AND NOT EXISTS (SELECT
                                  FROM @extschema@.add_on_purchases f
                                 WHERE f.user_id = p.user_id AND f.checkout_id = p.checkout_id
                                   AND ((f.facts ->> 'awaited') = 'trial'
                                        OR ((f.facts ->> 'awaited') = 'payment' AND f.purchased_at >= (pg_catalog.now() - $3))))
              ORDER BY p.purchased_at
              LIMIT $2 ",
            $locked
        )
    };
}

static UNPAID: Statement<(String, Uuid, Option<Uuid>)> =
    Statement::new_or_distributed(unpaid!("FOR UPDATE SKIP LOCKED"), unpaid!(""));

/// Subscriptions that renew may be paid a little late.
static LOCK_EXPIRED: Statement<(Uuid,)> = Statement::new(concat!(
    "SELECT u.id FROM @extschema@.user_add_ons u WHERE ",
    has_run_out!("$1"),
    " ORDER BY u.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED",
));

static EXPIRE_LOCKED: Statement<(String,)> = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET status='expired', updated_at=pg_catalog.now()
      WHERE u.id = ANY ($1)
     RETURNING u.user_id",
);

static EXPIRED_BY_USER: Statement<(String, Uuid)> = Statement::new(concat!(
    "SELECT u.user_id, u.id FROM @extschema@.user_add_ons u WHERE ",
    has_run_out!("$1"),
    " ORDER BY u.expires_at LIMIT $2",
));

static EXPIRE: Statement = Statement::new(concat!(
    "UPDATE @extschema@.user_add_ons AS o
        SET status='expired', updated_at=pg_catalog.now()
      WHERE o.user_id = $1
        AND o.id = ANY (ARRAY(
              SELECT u.id FROM @extschema@.user_add_ons u WHERE u.user_id = $1 AND u.id = ANY ($2) AND ",
    has_run_out!("$3"),
    " FOR UPDATE SKIP LOCKED))",
));

static LOCK_EXPIRED_CODES: Statement<(Uuid,)> = Statement::new(
    "SELECT o.id
       FROM @extschema@.promotional_codes o
      WHERE o.is_active AND o.expires_at <= pg_catalog.now()
      ORDER BY o.expires_at
      LIMIT $1
        FOR UPDATE SKIP LOCKED",
);

static SWITCH_OFF: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes AS c SET is_active=false, updated_at=pg_catalog.now() WHERE c.id = ANY ($1)",
);

/// With Citus every node has its own copy of the codes, and a limit might choose different ones there: so all are
/// switched off at once.
static SWITCH_ALL_OFF: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes AS c
        SET is_active=false, updated_at=pg_catalog.now()
      WHERE c.is_active AND c.expires_at <= pg_catalog.now() AND $1 > 0",
);

/// The result of one portion of a task.
#[derive(Debug)]
pub struct Portion {
    pub found: u64,
    pub changed: u64,
}

/// Clears carts that nobody has touched for this long.
pub fn clear_abandoned_carts(age: Interval, most: i32) -> Result<Portion, Error> {
    if installation::is_distributed()? {
        return change_by_user(&CLEAR_ABANDONED, &by_user(&ABANDONED_BY_USER, params![age, most])?, age, |_| {});
    }
    let locked: Vec<Uuid> = LOCK_ABANDONED.execute_all(params![age, most], |(id,)| id)?;
    let abandoned = {
        let _now = LatestSnapshot::take();
        STILL_ABANDONED.read_all(params![&locked, age], |(id,)| id)?
    };
    let changed = CLEAR.perform(params![&abandoned])?;
    all_written("cart_items", abandoned.len(), changed)?;
    Ok(Portion { found: locked.len() as u64, changed })
}

/// Switches off expired codes.
pub fn switch_codes_off(most: i32) -> Result<Portion, Error> {
    if installation::is_distributed()? {
        return Ok(Portion { found: 0, changed: SWITCH_ALL_OFF.perform(params![most])? });
    }
    let locked: Vec<Uuid> = LOCK_EXPIRED_CODES.execute_all(params![most], |(id,)| id)?;
    let changed = SWITCH_OFF.perform(params![&locked])?;
    all_written("promotional_codes", locked.len(), changed)?;
    Ok(Portion { found: locked.len() as u64, changed })
}

/// Rows of a statement that returns their users and ids, grouped by user.
fn by_user(statement: &Statement<(String, Uuid)>, params: &Params) -> Result<BTreeMap<String, Vec<Uuid>>, Error> {
    let mut found: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    statement.execute(params, |(user_id, id)| {
        found.entry(user_id).or_default().push(id);
        Ok(())
    })?;
    Ok(found)
}

/// Changes rows of each user. Returns how many, and reports the users to a callback.
fn change_by_user(
    statement: &Statement,
    found: &BTreeMap<String, Vec<Uuid>>,
    age: Interval,
    tell: fn(&str),
) -> Result<Portion, Error> {
    let mut portion = Portion { found: 0, changed: 0 };
    for (user_id, ids) in found {
        let rows = statement.perform(params![user_id, ids, age])?;
        if rows > 0 {
            tell(user_id);
        }
        portion.found += ids.len() as u64;
        portion.changed += rows;
    }
    Ok(portion)
}

/// Marks expired access; subscriptions that renew have a grace period.
pub fn expire_subscriptions(grace: Interval, most: i32) -> Result<Portion, Error> {
    if installation::is_distributed()? {
        let found = by_user(&EXPIRED_BY_USER, params![grace, most])?;
        return change_by_user(&EXPIRE, &found, grace, owned::announce);
    }
    let locked: Vec<Uuid> = LOCK_EXPIRED.execute_all(params![grace, most], |(id,)| id)?;
    let users: Vec<String> = EXPIRE_LOCKED.execute_all(params![&locked], |(user_id,)| user_id)?;
    all_written("user_add_ons", locked.len(), users.len() as u64)?;
    users.iter().for_each(|user_id| owned::announce(user_id));
    Ok(Portion { found: users.len() as u64, changed: users.len() as u64 })
}

/// Purchases that have waited for their payment for this long, with user and checkout, unless the payment may be on
/// its way.
pub fn unpaid(
    checkout_age: Interval,
    payment_age: Interval,
    most: i32,
) -> Result<Vec<(String, Uuid, Option<Uuid>)>, Error> {
    UNPAID.execute_all(params![checkout_age, most, payment_age], |row| row)
}
