//! The history of users as far as prices depend on it: owned add-ons, earlier purchases and redemptions.

use uuid::Uuid;

use crate::error::Error;
use crate::pg::probe::Probe;
use crate::pg::row::RawText;
use crate::pg::statement::Statement;
use crate::store::owned::{HELD, is_held};
use crate::{is_earlier_purchase, is_entitled, is_live, params, probe};
use engine::promotions::PromoRequest;
use engine::purchases::PurchaseStatus;
use engine::required_facts::RequiredFacts;
use engine::time::Instant;

macro_rules! owned {
    () => {
        concat!(
            "SELECT n.place
               FROM unnest($1, $2) WITH ORDINALITY n (user_id, add_on_id, place)
               JOIN @extschema@.user_add_ons u ON u.user_id = n.user_id AND u.add_on_id = n.add_on_id
              WHERE ",
            is_entitled!("$3")
        )
    };
}

// For Citus the users are named again, so that only their nodes are queried.

static OWNED: Statement<(i64,)> =
    Statement::new_or_distributed(owned!(), concat!(owned!(), " AND u.user_id = ANY ($1)"));

/// One index probe for each user, which stops at the first purchase.
static HAVE_PURCHASED: Statement<(i64,)> = Statement::new_or_distributed(
    concat!(
        "SELECT n.place
           FROM pg_catalog.unnest($1) WITH ORDINALITY n (user_id, place)
          CROSS JOIN LATERAL (
                  SELECT FROM @extschema@.add_on_purchases p WHERE p.user_id = n.user_id AND ",
        is_earlier_purchase!(),
        " LIMIT 1) p"
    ),
    concat!(
        "SELECT n.place
           FROM pg_catalog.unnest($1) WITH ORDINALITY n (user_id, place)
           JOIN (SELECT DISTINCT p.user_id FROM @extschema@.add_on_purchases p WHERE p.user_id = ANY ($1) AND ",
        is_earlier_purchase!(),
        ") p ON p.user_id = n.user_id"
    ),
);

macro_rules! redemptions {
    ($users:literal) => {
        concat!(
            "SELECT n.place, pg_catalog.count(DISTINCT COALESCE(p.checkout_id, p.id))
               FROM pg_catalog.unnest($1) WITH ORDINALITY n (user_id, place)
               JOIN @extschema@.add_on_purchases p ON p.user_id = n.user_id
              WHERE ",
            $users,
            " p.promo_code = $2 AND ",
            is_live!(),
            " GROUP BY n.place"
        )
    };
}

/// A checkout is live as long as any of its rows is; a row without a checkout stands for itself.
static REDEMPTIONS: Statement<(i64, i64)> =
    Statement::new_or_distributed(redemptions!(""), redemptions!("p.user_id = ANY ($1) AND"));

/// The same as HAVE_PURCHASED, user by user, if there is an index for it.
static PURCHASES: Probe<(RawText,)> = probe!("add_on_purchases", ["status"], "user_id");

/// The facts of a user's history that prices can depend on; empty if none were requested.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The requested add-ons that the user actively owns, in id order.
    pub owned: Vec<Uuid>,
    /// Whether the user has an earlier purchase (semantics 4).
    pub has_purchased: bool,
    /// The number of live redemptions of the code by the user.
    pub promo_uses: u32,
}

/// Loads the required facts of each user, in order. Facts of the same kind are loaded for many users by one
/// statement.
pub fn load(users: &[(&str, RequiredFacts)], at: Instant, promo: Option<&PromoRequest>) -> Result<Vec<History>, Error> {
    let mut histories = vec![History::default(); users.len()];
    load_owned(users, at, &mut histories)?;
    load_purchases(users, &mut histories)?;
    let (places, ids) = who(users, |required| required.promo_uses);
    if let (Some(promo), false) = (promo, ids.is_empty()) {
        REDEMPTIONS.read(params![&ids, &promo.code], |(place, uses)| {
            histories[places[position(place)]].promo_uses = u32::try_from(uses).unwrap_or(u32::MAX);
            Ok(())
        })?;
    }
    Ok(histories)
}

fn load_owned(users: &[(&str, RequiredFacts)], at: Instant, histories: &mut [History]) -> Result<(), Error> {
    let (mut places, mut user_ids, mut add_on_ids) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (user_id, required)) in users.iter().enumerate() {
        for &add_on_id in &required.owned {
            places.push(place);
            user_ids.push(Some(*user_id));
            add_on_ids.push(add_on_id);
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    if let Some(mut held) = HELD.open()? {
        for ((place, user_id), &add_on_id) in places.into_iter().zip(&user_ids).zip(&add_on_ids) {
            if held.any(params![user_id, add_on_id], |holding| is_held(holding, at))? {
                histories[place].owned.push(add_on_id);
            }
        }
    } else {
        OWNED.read(params![&user_ids, &add_on_ids, at], |(place,)| {
            let position = position(place);
            histories[places[position]].owned.push(add_on_ids[position]);
            Ok(())
        })?;
    }
    histories.iter_mut().for_each(|history| history.owned.sort_unstable());
    Ok(())
}

fn load_purchases(users: &[(&str, RequiredFacts)], histories: &mut [History]) -> Result<(), Error> {
    let (places, ids) = who(users, |required| required.has_purchased);
    if ids.is_empty() {
        return Ok(());
    }
    let Some(mut purchases) = PURCHASES.open()? else {
        return HAVE_PURCHASED.read(params![&ids], |(place,)| {
            histories[places[position(place)]].has_purchased = true;
            Ok(())
        });
    };
    for (place, user_id) in places.into_iter().zip(&ids) {
        histories[place].has_purchased = purchases.any(params![user_id], |(status,)| is_earlier_purchase(status))?;
    }
    Ok(())
}

fn is_earlier_purchase(status: &[u8]) -> bool {
    let status = std::str::from_utf8(status).ok().and_then(PurchaseStatus::from_name);
    status.is_some_and(PurchaseStatus::is_earlier_purchase)
}

/// The users with a required fact of this kind, and their positions among all users.
fn who<'a>(
    users: &[(&'a str, RequiredFacts)],
    is_asked: fn(&RequiredFacts) -> bool,
) -> (Vec<usize>, Vec<Option<&'a str>>) {
    let asked = users.iter().enumerate().filter(|(_, (_, required))| is_asked(required));
    asked.map(|(place, (user_id, _))| (place, Some(*user_id))).unzip()
}

/// The element of the arrays that a row is about.
fn position(place: i64) -> usize {
    place as usize - 1
}
