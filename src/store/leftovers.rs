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
use crate::{has_expired, has_run_out, is_abandoned, is_unpaid, params};

/// If a row was touched while its lock was waited for, the conditions on the row itself are checked again and it is not
/// locked.
static LOCK_ABANDONED: Statement<(Uuid,)> = Statement::new(concat!(
    "SELECT o.id
       FROM @extschema@.cart_items o
      WHERE o.added_at < (pg_catalog.now() - $1) AND o.updated_at < (pg_catalog.now() - $1) AND ",
    is_abandoned!("o.user_id", "$1"),
    " ORDER BY o.added_at LIMIT $2 FOR UPDATE SKIP LOCKED",
));

/// The conditions on the other rows of the cart are checked again under a newer snapshot.
static STILL_ABANDONED: Statement<(Uuid,)> = Statement::new(concat!(
    "SELECT o.id FROM @extschema@.cart_items o WHERE o.id = ANY ($1) AND ",
    is_abandoned!("o.user_id", "$2")
));

static CLEAR: Statement = Statement::new("DELETE FROM @extschema@.cart_items c WHERE c.id = ANY ($1)");

/// The condition on `added_at` follows from the other one, and is there for its index.
static ABANDONED_BY_USER: Statement<(String, Uuid)> = Statement::new(concat!(
    "SELECT o.user_id, o.id FROM @extschema@.cart_items o WHERE o.added_at < (pg_catalog.now() - $1) AND ",
    is_abandoned!("o.user_id", "$1"),
    " ORDER BY o.added_at LIMIT $2",
));

static CLEAR_ABANDONED: Statement = Statement::new(concat!(
    "DELETE FROM @extschema@.cart_items c
      WHERE c.user_id = $1
        AND c.id = ANY (ARRAY(SELECT o.id FROM @extschema@.cart_items o WHERE o.user_id = $1 AND o.id = ANY ($2) AND ",
    is_abandoned!("$1", "$3"),
    " FOR UPDATE SKIP LOCKED))",
));

macro_rules! unpaid {
    ($locked:literal) => {
        concat!(
            "SELECT p.user_id, p.id, p.checkout_id FROM @extschema@.add_on_purchases p WHERE ",
            is_unpaid!("$1", "$3"),
            " ORDER BY p.purchased_at LIMIT $2 ",
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

static LOCK_EXPIRED_CODES: Statement<(Uuid,)> = Statement::new(concat!(
    "SELECT c.id FROM @extschema@.promotional_codes c WHERE ",
    has_expired!(),
    " ORDER BY c.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED",
));

static SWITCH_OFF: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes AS c SET is_active=false, updated_at=pg_catalog.now() WHERE c.id = ANY ($1)",
);

/// With Citus every node has its own copy of the codes, and a limit might choose different ones there: so all are
/// switched off at once.
static SWITCH_ALL_OFF: Statement = Statement::new(concat!(
    "UPDATE @extschema@.promotional_codes AS c SET is_active=false, updated_at=pg_catalog.now() WHERE ",
    has_expired!(),
    " AND $1 > 0",
));

static COUNT_ABANDONED: Statement<(i64,)> = Statement::new(concat!(
    "SELECT pg_catalog.count(*) FROM @extschema@.cart_items o WHERE o.added_at < (pg_catalog.now() - $1) AND ",
    is_abandoned!("o.user_id", "$1")
));

static COUNT_UNPAID: Statement<(i64,)> = Statement::new(concat!(
    "SELECT pg_catalog.count(*) FROM @extschema@.add_on_purchases p WHERE ",
    is_unpaid!("$1", "$2")
));

static COUNT_EXPIRED: Statement<(i64,)> =
    Statement::new(concat!("SELECT pg_catalog.count(*) FROM @extschema@.user_add_ons u WHERE ", has_run_out!("$1")));

static COUNT_EXPIRED_CODES: Statement<(i64,)> =
    Statement::new(concat!("SELECT pg_catalog.count(*) FROM @extschema@.promotional_codes c WHERE ", has_expired!()));

/// What run_maintenance() takes where it is called without arguments: cart_max_age, checkout_max_age, renewal_grace and
/// payment_max_age, as it is declared.
static DEFAULTS: Statement<(Interval, Interval, Interval, Interval)> = Statement::new(
    "SELECT d.ages[1], d.ages[2], d.ages[4], d.ages[5]
       FROM (SELECT ARRAY(SELECT CASE WHEN argument.place <> 3
                                      THEN pg_catalog.split_part(pg_catalog.pg_get_function_arg_default(p.oid, argument.place),
                                                                 pg_catalog.chr(39), 2)::pg_catalog.interval END
                            FROM pg_catalog.generate_series(1, 5) argument (place)
                           ORDER BY argument.place) AS ages
               FROM pg_catalog.pg_proc p
               JOIN pg_catalog.pg_extension e ON e.extnamespace = p.pronamespace
              WHERE e.extname = 'extensions' AND p.proname = 'run_maintenance') d",
);

/// The ages by which rows are over.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    pub cart: Interval,
    pub checkout: Interval,
    /// How late the payment of a subscription that renews may be.
    pub grace: Interval,
    /// The time that a payment may take.
    pub payment: Interval,
}

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

/// Purchases that have waited for their payment too long, with user and checkout, unless the payment may be on its way.
pub fn unpaid(ages: &Ages, most: i32) -> Result<Vec<(String, Uuid, Option<Uuid>)>, Error> {
    UNPAID.execute_all(params![ages.checkout, most, ages.payment], |row| row)
}

/// The ages that run_maintenance() goes by unless others are given.
pub fn default_ages() -> Result<Option<Ages>, Error> {
    DEFAULTS.read_one(params![], |(cart, checkout, grace, payment)| Ages { cart, checkout, grace, payment })
}

/// The numbers of abandoned items of carts, unpaid purchases, expired subscriptions and expired codes.
pub fn count(ages: &Ages) -> Result<[i64; 4], Error> {
    let count = |statement: &Statement<(i64,)>, params: &Params| {
        statement.read_one(params, |(rows,)| rows).map(Option::unwrap_or_default)
    };
    Ok([
        count(&COUNT_ABANDONED, params![ages.cart])?,
        count(&COUNT_UNPAID, params![ages.checkout, ages.payment])?,
        count(&COUNT_EXPIRED, params![ages.grace])?,
        count(&COUNT_EXPIRED_CODES, params![])?,
    ])
}
