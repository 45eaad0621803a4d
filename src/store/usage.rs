//! The counters of metered features, which are stored in the rows of `user_add_ons`.

use serde_json::Value;
use uuid::Uuid;

use crate::error::Error;
use crate::pg::change::{BYTES, Change, DOCUMENT, Done};
use crate::pg::document::{Budget, DocumentColumn};
use crate::pg::jsonb::Jsonb;
use crate::pg::parameter::Parameter;
use crate::pg::probe::Probe;
use crate::pg::row::{RawText, RowOf};
use crate::pg::statement::Statement;
use crate::store::all_written;
use crate::store::owned::{is_held, read_paid_periods, status_of};
use crate::{given, is_entitled, params, probe};
use engine::access::status::AccessStatus;
use engine::time::Instant;
use engine::usage::keys::Keys;
use engine::usage::period::PaidPeriod;

type Columns =
    (Uuid, i32, Instant, Option<Instant>, RawText, Option<DocumentColumn>, Option<DocumentColumn>, Option<Vec<u8>>);

/// Without the keys.
type HeldColumns = (Uuid, i32, Instant, Option<Instant>, RawText, Option<DocumentColumn>, Option<DocumentColumn>);

/// Locked against other counting calls too, until the transaction ends. Keys are only read if one is given.
static LOCKED: Statement<Columns> = Statement::new(
    "SELECT u.add_on_id, u.quantity, u.purchased_at, u.expires_at, u.status, u.paid_periods, u.usage, CASE WHEN $3 THEN u.usage_keys END
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1 AND u.add_on_id = $2
        FOR NO KEY UPDATE",
);

/// The same for several add-ons, always in the same order, so that counting calls cannot deadlock.
static ALL_LOCKED: Statement<Columns> = Statement::new(
    "SELECT u.add_on_id, u.quantity, u.purchased_at, u.expires_at, u.status, u.paid_periods, u.usage, CASE WHEN $3 THEN u.usage_keys END
       FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1 AND u.add_on_id = ANY ($2)
      ORDER BY u.add_on_id
        FOR NO KEY UPDATE",
);

/// What the user has of one add-on.
static HELD: Probe<HeldColumns> = probe!(
    "user_add_ons",
    ["add_on_id", "quantity", "purchased_at", "expires_at", "status", "paid_periods", "usage"],
    "user_id",
    "add_on_id"
);

/// What the user has of all of them.
static ALL_HELD: Probe<HeldColumns> = probe!(
    "user_add_ons",
    ["add_on_id", "quantity", "purchased_at", "expires_at", "status", "paid_periods", "usage"],
    "user_id"
);

/// The user's row for one add-on, to be counted.
static COUNTED: Change<HeldColumns> = Change::new(
    probe!(
        "user_add_ons",
        ["add_on_id", "quantity", "purchased_at", "expires_at", "status", "paid_periods", "usage"],
        "user_id",
        "add_on_id"
    ),
    &[("usage", DOCUMENT)],
);

/// The same with the keys.
static COUNTED_WITH_KEYS: Change<Columns> = Change::new(
    probe!(
        "user_add_ons",
        ["add_on_id", "quantity", "purchased_at", "expires_at", "status", "paid_periods", "usage", "usage_keys"],
        "user_id",
        "add_on_id"
    ),
    &[("usage", DOCUMENT), ("usage_keys", BYTES)],
);

/// The features of the user's add-ons that have a limit in some add-on.
static METERED: Statement<(String,)> = Statement::new(concat!(
    "SELECT DISTINCT g.feature_key COLLATE pg_catalog.\"C\"
       FROM @extschema@.user_add_ons u
      CROSS JOIN LATERAL ( ",
    given!(),
    " ) g (feature_key, configuration)
      WHERE u.user_id = $1 AND ",
    is_entitled!("$2"),
    " AND EXISTS (SELECT FROM @extschema@.add_on_features m WHERE m.feature_key = g.feature_key AND m.configuration ? 'limit')
      ORDER BY 1",
));

static COUNT: Statement =
    Statement::new("UPDATE @extschema@.user_add_ons u SET usage=$3 WHERE u.user_id = $1 AND u.add_on_id = $2");

static COUNT_WITH_KEYS: Statement = Statement::new(
    "UPDATE @extschema@.user_add_ons u SET usage=$3, usage_keys=$4 WHERE u.user_id = $1 AND u.add_on_id = $2",
);

/// A row of `user_add_ons`, as far as usage depends on it.
#[derive(Debug)]
pub struct UsageRow {
    pub add_on_id: Uuid,
    pub quantity: u32,
    pub purchased_at: Instant,
    pub expires_at: Option<Instant>,
    pub status: AccessStatus,
    /// The paid periods, if they do not follow from the start and end of access.
    pub periods: Vec<PaidPeriod>,
    /// `usage`; null if nothing was counted.
    pub counters: Value,
    pub keys: Keys,
}

impl UsageRow {
    fn of(row: RowOf<'_, Columns>, budget: &mut Budget) -> Result<UsageRow, Error> {
        let (add_on_id, quantity, purchased_at, expires_at, status, periods, counters, keys) = row;
        let counters = counters.map(|counters| counters.keep_value("user_add_ons.usage", budget)).transpose()?;
        let counters = counters.unwrap_or_default();
        budget.take("user_add_ons.usage_keys", keys.as_ref().map_or(0, Vec::len))?;
        let keys = keys.map_or_else(Keys::default, |packed| Keys::unpack(&packed));
        let periods = read_paid_periods(periods, budget);
        let quantity = quantity.max(0) as u32;
        Ok(UsageRow {
            add_on_id,
            quantity,
            purchased_at,
            expires_at,
            status: status_of(status),
            periods,
            counters,
            keys,
        })
    }
}

/// The user's rows of these add-ons, in their order, locked until the transaction ends.
pub fn locked(user_id: &str, add_on_ids: &[Uuid], with_keys: bool) -> Result<Vec<UsageRow>, Error> {
    let (mut found, mut budget) = (Vec::new(), Budget::of_rows());
    let take = |row: RowOf<'_, Columns>| {
        found.push(UsageRow::of(row, &mut budget)?);
        Ok(())
    };
    match add_on_ids {
        [] => 0,
        [add_on_id] => LOCKED.execute(params![user_id, *add_on_id, with_keys], take)?,
        add_on_ids => ALL_LOCKED.execute(params![user_id, add_on_ids, with_keys], take)?,
    };
    Ok(found)
}

/// What the user owned at an instant, of one add-on or of all.
pub fn owned(user_id: &str, add_on_id: Option<Uuid>, at: Instant) -> Result<Vec<UsageRow>, Error> {
    let (mut found, mut budget) = (Vec::new(), Budget::of_rows());
    let take = |(add_on_id, quantity, purchased_at, expires_at, status, periods, counters): RowOf<HeldColumns>| {
        if is_held((status, purchased_at, expires_at), at) {
            let row = (add_on_id, quantity, purchased_at, expires_at, status, periods, counters, None);
            found.push(UsageRow::of(row, &mut budget)?);
        }
        Ok(())
    };
    match add_on_id {
        Some(add_on_id) => HELD.read(params![user_id, add_on_id], take)?,
        None => ALL_HELD.read(params![user_id], take)?,
    }
    Ok(found)
}

/// The features of the user's add-ons that have a limit in some add-on, in key order.
pub fn metered(user_id: &str, at: Instant) -> Result<Vec<String>, Error> {
    METERED.read_all(params![user_id, at], |(feature_key,)| feature_key)
}

/// Whether a row to be written has changed keys.
pub type HasKeys = bool;

/// Updates the counters in the user's row for one add-on, based on its current version and without locking it first.
/// The callback can be called more than once.
pub fn change(
    user_id: &str,
    add_on_id: Uuid,
    with_keys: bool,
    decide: &mut dyn FnMut(UsageRow) -> Result<Option<(UsageRow, HasKeys)>, Error>,
) -> Result<Done, Error> {
    let params = params![user_id, add_on_id];
    let counters = |row: &UsageRow| Some(Jsonb::of(&row.counters).datum());
    if !with_keys {
        return COUNTED.apply(params, &mut |(add_on_id, quantity, from, until, status, periods, usage)| {
            let row = (add_on_id, quantity, from, until, status, periods, usage, None);
            Ok(decide(UsageRow::of(row, &mut Budget::of_rows())?)?.map(|(row, _)| vec![counters(&row)]))
        });
    }
    COUNTED_WITH_KEYS.apply(params, &mut |row| {
        let before = row.7.clone();
        let decided = decide(UsageRow::of(row, &mut Budget::of_rows())?)?;
        Ok(decided.map(|(row, has_keys)| {
            let keys = if has_keys { Some(row.keys.pack()) } else { before };
            vec![counters(&row), keys.and_then(|keys| keys.datum())]
        }))
    })
}

/// Writes the counters, and the keys if they have changed.
pub fn count(user_id: &str, add_on_id: Uuid, counters: &Value, keys: Option<&Keys>) -> Result<(), Error> {
    let counters = Jsonb::of(counters);
    let written = match keys {
        None => COUNT.perform(params![user_id, add_on_id, counters])?,
        Some(keys) => COUNT_WITH_KEYS.perform(params![user_id, add_on_id, counters, keys.pack()])?,
    };
    all_written("user_add_ons", 1, written)
}
