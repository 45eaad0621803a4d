//! Changing what users own: `user_add_ons` (semantics 5).
//!
//! The instant of a change is passed to its statement, and `updated_at` set by it, though a trigger does the latter too: Citus
//! has no triggers, and takes `now()` in none of these expressions. Whoever calls these holds the user's lock. Each change is announced on the channel `extensions_entitlements`.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::datum::now;
use crate::pg::parameter::Params;
use crate::pg::settings;
use crate::pg::statement::Statement;
use crate::store::all_written;
use engine::billing::BillingType;
use engine::time::Instant;

/// The end of the period that begins at some instant: calendar months and years in UTC, whatever the session's time zone;
/// NULL for what has no end.
macro_rules! period_end {
    ($start:literal, $billing_type:literal) => {
        concat!(
            "CASE WHEN ",
            $billing_type,
            " = 'monthly' THEN
                  pg_catalog.timezone('UTC', (pg_catalog.timezone('UTC', ",
            $start,
            ") + INTERVAL '1 month'))
                  WHEN ",
            $billing_type,
            " = 'annual' THEN
                  pg_catalog.timezone('UTC', (pg_catalog.timezone('UTC', ",
            $start,
            ") + INTERVAL '1 year'))
             END"
        )
    };
}

/// Whether the row entitles at some instant.
macro_rules! is_held {
    ($at:literal) => {
        concat!(
            "(u.status = 'active' AND u.purchased_at <= ",
            $at,
            " AND (u.expires_at IS NULL OR u.expires_at > ",
            $at,
            "))"
        )
    };
}

/// The ends of a month and of a year from now.
static PERIOD_ENDS: Statement<(Instant, Instant)> = Statement::new(concat!(
    "SELECT ",
    period_end!("pg_catalog.now()", "'monthly'"),
    ", ",
    period_end!("pg_catalog.now()", "'annual'"),
));

/// An add-on that is held already keeps its beginning, and an end that is later.
static GRANT: Statement<(Uuid, Option<Instant>)> = Statement::new(concat!(
    "INSERT INTO @extschema@.user_add_ons AS u
            (user_id, add_on_id, status, purchased_at, expires_at, auto_renew, lago_subscription_id)
     SELECT $1, w.add_on_id, 'active', pg_catalog.now(), w.ends, w.renews, w.lago
       FROM unnest($2, $3, $4, $5) AS w (add_on_id, ends, renews, lago)
     ON CONFLICT ON CONSTRAINT user_add_ons_user_add_on_key DO UPDATE
        SET status='active',
            purchased_at=CASE WHEN ",
    is_held!("excluded.purchased_at"),
    " THEN u.purchased_at ELSE excluded.purchased_at END,
            expires_at=CASE WHEN ",
    is_held!("excluded.purchased_at"),
    "
                             AND (u.expires_at IS NULL OR u.expires_at > excluded.expires_at)
                            THEN u.expires_at ELSE excluded.expires_at END,
            auto_renew=excluded.auto_renew,
            cancelled_at=NULL,
            cancellation_reason=NULL,
            updated_at=excluded.updated_at,
            lago_subscription_id=CASE WHEN excluded.lago_subscription_id IS NULL AND ",
    is_held!("excluded.purchased_at"),
    " THEN u.lago_subscription_id ELSE excluded.lago_subscription_id END
     RETURNING u.add_on_id, u.expires_at"
));

static FIND: Statement<(String, Option<Instant>)> = Statement::new(
    "SELECT u.status, u.expires_at
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1 AND u.add_on_id = $2
        FOR UPDATE",
);

/// Extends what the user has; what had ended begins again. What is renewed is wanted again: a cancellation that has ended it is
/// forgotten, one that lets it run out stays.
macro_rules! renew {
    (renews if $renews:literal, until $($expires_at:expr),+) => {
        Statement::new(concat!(
            "UPDATE @extschema@.user_add_ons AS u
                SET updated_at=$4, status=CASE WHEN u.status = 'suspended' THEN u.status ELSE 'active' END,
                    purchased_at=CASE WHEN (u.status = 'suspended' OR ",
            is_held!("$4"),
            ") THEN u.purchased_at ELSE $4 END,
                    auto_renew=(u.auto_renew OR (u.status = 'cancelled' AND ",
            $renews,
            ")),
                    cancelled_at=CASE WHEN u.status <> 'cancelled' THEN u.cancelled_at END,
                    cancellation_reason=CASE WHEN u.status <> 'cancelled' THEN u.cancellation_reason END,
                    expires_at=",
            $($expires_at,)+
            " WHERE u.user_id = $1 AND u.add_on_id = $2
             RETURNING u.expires_at"
        ))
    };
}

/// By a period, from the current end if that is still ahead, else from now. What has no end keeps none.
static RENEW: Statement<(Option<Instant>,)> = renew!(
    renews if "$3 = ANY ('{monthly,annual}')",
    until "CASE WHEN u.expires_at IS NOT NULL THEN ", period_end!("GREATEST(u.expires_at, $4)", "$3"), " END"
);

/// To the end of a period that was paid for.
static RENEW_UNTIL: Statement<(Option<Instant>,)> = renew!(
    renews if "true",
    until "CASE WHEN (u.status = 'suspended' OR ", is_held!("$4"), ")
                THEN CASE WHEN u.expires_at IS NOT NULL THEN GREATEST(u.expires_at, $3) END ELSE $3 END"
);

/// Extends to an end that somebody else has decided; never shortens, nor revives what was cancelled. What maintenance has
/// marked as expired in the meantime goes on.
static EXTEND: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$4, expires_at=$3, status=CASE WHEN u.status = 'expired' THEN 'active' ELSE u.status END
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.status <> 'cancelled' AND u.expires_at < $3",
);

static SHORTEN: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$4, expires_at=LEAST(u.expires_at, $3)
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND (u.expires_at IS NULL OR u.expires_at > $3)",
);

static CANCEL_AT_END: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$4, auto_renew=false, cancelled_at=COALESCE(u.cancelled_at, $4),
            cancellation_reason=COALESCE($3, u.cancellation_reason)
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND (u.auto_renew OR u.cancelled_at IS NULL)",
);

/// Ends access at an instant that is known, or else now; what has ended already can only have ended earlier.
static END: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$5, status='cancelled', auto_renew=false, cancelled_at=COALESCE(u.cancelled_at, $5),
            expires_at=CASE WHEN u.status = 'cancelled' OR $4 IS NULL
                            THEN LEAST(u.expires_at, COALESCE($4, $5)) ELSE $4 END,
            cancellation_reason=COALESCE($3, u.cancellation_reason)
      WHERE u.user_id = $1 AND u.add_on_id = $2
        AND (u.status <> 'cancelled' OR u.expires_at IS NULL OR u.expires_at > COALESCE($4, $5))
     RETURNING u.expires_at",
);

/// Withholds access that is not withheld yet.
static SUSPEND: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$4, status='suspended', cancellation_reason=COALESCE($3, u.cancellation_reason)
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.status = 'active'",
);

static RESUME: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$3, status='active', cancellation_reason=NULL
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.status = 'suspended'",
);

/// Gives access back that was withheld by a hold, and not by hand.
static RELEASE: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$3, status='active', cancellation_reason=NULL
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.status = 'suspended'
        AND pg_catalog.starts_with(u.cancellation_reason, 'hold: ')",
);

/// Why access is withheld: a contested payment, or what a provider said of the subscription.
static HOLDS: Statement<(Uuid, String)> = Statement::new(
    "SELECT p.add_on_id,
            pg_catalog.min(('hold: ' || CASE WHEN p.status = 'disputed' THEN 'payment disputed' ELSE (p.metadata ->> 'hold') END))
       FROM @extschema@.add_on_purchases p
      WHERE p.user_id = $1 AND p.add_on_id = ANY ($2) AND (p.status = 'disputed' OR p.metadata ? 'hold')
        AND p.status = ANY ('{disputed,completed}')
      GROUP BY p.add_on_id",
);

/// Sets what a provider says of the renewal.
static SET_RENEWAL: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$4, auto_renew=$3, cancelled_at=CASE WHEN $3 THEN NULL ELSE COALESCE(u.cancelled_at, $4) END
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.status <> 'cancelled' AND u.auto_renew <> $3",
);

/// Gives back what was waiting to begin.
static ACTIVATE: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$3, status='active'
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.status = 'pending'",
);

static LINK_TO_LAGO: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons AS u
        SET updated_at=$4, lago_subscription_id=$3
      WHERE u.user_id = $1 AND u.add_on_id = $2 AND u.lago_subscription_id IS NULL",
);

static ANNOUNCE: Statement = Statement::new("SELECT pg_catalog.pg_notify('extensions_entitlements', $1)");

/// A row of `user_add_ons`.
#[derive(Clone, Debug)]
pub struct Owned {
    /// `active`, `cancelled`, `expired`, `pending` or `suspended`.
    pub status: String,
    /// The end of access; `None` for no end.
    pub expires_at: Option<Instant>,
}

/// What the user has of an add-on, locked.
pub fn find(user_id: &str, add_on_id: Uuid) -> Result<Option<Owned>, Error> {
    FIND.execute_one(params![user_id, add_on_id], |(status, expires_at)| Owned { status, expires_at })
}

/// Something to grant: a month, a year, or access without end.
#[derive(Clone, Debug)]
pub struct Period {
    pub add_on_id: Uuid,
    pub billing_type: BillingType,
    pub lago_subscription_id: Option<String>,
}

/// What was granted.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    pub add_on_id: Uuid,
    /// The end of what was bought; `None` for no end.
    pub until: Option<Instant>,
    /// The end of access, which is later when more had been granted before; `None` for no end.
    pub access_until: Option<Instant>,
}

/// Grants what was bought: periods of different add-ons, in add-on id order.
pub fn grant_periods(user_id: &str, periods: &[Period]) -> Result<Vec<Granted>, Error> {
    let (month, year) = PERIOD_ENDS.execute_one(params![], |row| row)?.unzip();
    let end_of = |period: &Period| match period.billing_type {
        BillingType::Monthly => month,
        BillingType::Annual => year,
        BillingType::OneTime | BillingType::UsageBased => None,
    };
    let ends: Vec<Option<Instant>> = periods.iter().map(end_of).collect();
    let renews: Vec<bool> = ends.iter().map(Option::is_some).collect();
    let add_on_ids: Vec<Uuid> = periods.iter().map(|period| period.add_on_id).collect();
    let lago: Vec<Option<&str>> = periods.iter().map(|period| period.lago_subscription_id.as_deref()).collect();
    grant(user_id, &add_on_ids, &ends, &renews, &lago)
}

/// Grants access until an instant, or without end. It is not renewed by itself. Returns the end of access.
pub fn grant_until(user_id: &str, add_on_id: Uuid, expires_at: Option<Instant>) -> Result<Option<Instant>, Error> {
    let granted = grant(user_id, &[add_on_id], &[expires_at], &[false], &[None])?;
    Ok(granted.first().and_then(|granted| granted.access_until))
}

fn grant(
    user_id: &str,
    add_on_ids: &[Uuid],
    ends: &[Option<Instant>],
    renews: &[bool],
    lago: &[Option<&str>],
) -> Result<Vec<Granted>, Error> {
    let params = params![user_id, add_on_ids, ends, renews, lago,];
    let granted = GRANT.execute_all(params, |(add_on_id, access_until)| {
        let until = add_on_ids.iter().position(|&id| id == add_on_id).and_then(|position| ends[position]);
        Granted { add_on_id, until, access_until }
    })?;
    all_written("user_add_ons", add_on_ids.len(), granted.len() as u64)?;
    announce(user_id)?;
    Ok(granted)
}

/// Extends by a period. Returns the new end, or `None` when the user does not have the add-on.
pub fn renew(user_id: &str, add_on_id: Uuid, billing_type: BillingType) -> Result<Option<Option<Instant>>, Error> {
    let params = params![user_id, add_on_id, billing_type.name(), now()];
    let renewed = RENEW.execute_one(params, |(end,)| end)?;
    announce(user_id)?;
    Ok(renewed)
}

/// Extends to the end of a period that was paid for. Returns the new end, or `None` when the user does not have it.
pub fn renew_until(user_id: &str, add_on_id: Uuid, end: Instant) -> Result<Option<Option<Instant>>, Error> {
    let params = params![user_id, add_on_id, end, now()];
    let renewed = RENEW_UNTIL.execute_one(params, |(end,)| end)?;
    announce(user_id)?;
    Ok(renewed)
}

/// Extends to an end, if that is later than the present one.
pub fn extend(user_id: &str, add_on_id: Uuid, end: Instant) -> Result<(), Error> {
    change(&EXTEND, user_id, params![user_id, add_on_id, end, now()]).map(|_| ())
}

/// Shortens access to an end, if that is earlier than the present one.
pub fn end_no_later(user_id: &str, add_on_id: Uuid, end: Instant) -> Result<bool, Error> {
    change(&SHORTEN, user_id, params![user_id, add_on_id, end, now()])
}

/// Lets access run out at its end.
pub fn cancel_at_end(user_id: &str, add_on_id: Uuid, reason: Option<&str>) -> Result<bool, Error> {
    let params = params![user_id, add_on_id, reason, now()];
    change(&CANCEL_AT_END, user_id, params)
}

/// Ends access, now or at an instant that is past.
pub fn end(user_id: &str, add_on_id: Uuid, reason: Option<&str>, at: Option<Instant>) -> Result<bool, Error> {
    let params = params![user_id, add_on_id, reason, at, now(),];
    change(&END, user_id, params)
}

/// Withholds access. Says whether anything changed.
pub fn suspend(user_id: &str, add_on_id: Uuid, reason: Option<&str>) -> Result<bool, Error> {
    let params = params![user_id, add_on_id, reason, now()];
    change(&SUSPEND, user_id, params)
}

/// Gives withheld access back. Says whether anything changed.
pub fn resume(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    change(&RESUME, user_id, params![user_id, add_on_id, now()])
}

/// Takes note of the subscription in Lago that pays for an add-on.
pub fn link_to_lago(user_id: &str, add_on_id: Uuid, lago_subscription_id: &str) -> Result<(), Error> {
    let params = params![user_id, add_on_id, lago_subscription_id, now()];
    LINK_TO_LAGO.perform(params).map(|_| ())
}

/// Begins what was pending.
pub fn activate(user_id: &str, add_on_id: Uuid) -> Result<bool, Error> {
    change(&ACTIVATE, user_id, params![user_id, add_on_id, now()])
}

/// Sets whether it will be renewed.
pub fn set_renewal(user_id: &str, add_on_id: Uuid, auto_renew: bool) -> Result<bool, Error> {
    change(&SET_RENEWAL, user_id, params![user_id, add_on_id, auto_renew, now()])
}

/// Withholds access or gives it back, as the purchases of the add-on say.
pub fn apply_holds(user_id: &str, add_on_id: Uuid) -> Result<(), Error> {
    if !withhold(user_id, &[add_on_id])? {
        change(&RELEASE, user_id, params![user_id, add_on_id, now()])?;
    }
    Ok(())
}

/// Withholds access to those of the add-ons that purchases hold. Says whether there were any.
pub fn withhold(user_id: &str, add_on_ids: &[Uuid]) -> Result<bool, Error> {
    let params = params![user_id, add_on_ids];
    let holds: Vec<(Uuid, String)> = HOLDS.execute_all(params, |row| row)?;
    for (add_on_id, hold) in &holds {
        suspend(user_id, *add_on_id, Some(hold))?;
    }
    Ok(!holds.is_empty())
}

fn change(statement: &Statement, user_id: &str, params: &Params) -> Result<bool, Error> {
    let has_changed = statement.perform(params)? > 0;
    if has_changed {
        announce(user_id)?;
    }
    Ok(has_changed)
}

/// Tells listeners, once the transaction commits, that the user's entitlements have changed, unless that is switched off.
/// PostgreSQL drops repetitions within a transaction.
pub fn announce(user_id: &str) -> Result<(), Error> {
    if settings::notifies() { ANNOUNCE.perform(params![user_id]).map(|_| ()) } else { Ok(()) }
}
