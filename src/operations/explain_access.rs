//! Explains why a user has an add-on, or does not: every source of access, in words (semantics 5).

use uuid::Uuid;

use crate::error::Error;
use crate::operations::access::take_over_row;
use crate::operations::sources::source_of;
use crate::pg::clock::iso_8601;
use crate::store::{owned, purchases};
use engine::access::explain::{Why, why_not};
use engine::access::source::{Kind, Source, lay};
use engine::time::Instant;

/// The reason shown for a source that would count, but whose row somebody has deleted.
const NO_ROW: &str = "would count, but its row of user_add_ons is gone";

/// A source of access, as callers see it.
#[derive(Debug)]
pub struct Explained {
    pub source: &'static str,
    pub source_id: Option<String>,
    pub valid_from: Option<Instant>,
    pub valid_until: Option<Instant>,
    pub live: bool,
    pub detail: String,
}

/// Every source of the user's access to an add-on, the earliest first.
pub fn explain(user_id: &str, add_on_id: Uuid, at: Instant) -> Result<Vec<Explained>, Error> {
    let purchases = purchases::seen_of_add_ons(user_id, &[add_on_id])?;
    let mut row = owned::seen_of_add_ons(user_id, &[add_on_id])?.pop();
    let bought: Vec<Source> = purchases.iter().filter_map(source_of).collect();
    let sources = match &mut row {
        Some(row) => {
            take_over_row(row, &bought);
            row.kept.all(&bought)
        }
        None => bought,
    };
    let suspended = row.as_ref().and_then(|row| row.columns.suspended_at);
    let mut explained: Vec<Explained> = Vec::new();
    for (source, span) in sources.iter().zip(lay(&sources)) {
        let purchase = purchases.iter().find(|purchase| purchase.id.to_string() == source.id);
        let status = purchase.map(|purchase| purchase.columns.status);
        let why = why_not(source, span, status, at).map(in_words).or_else(|| row.is_none().then(|| NO_ROW.to_owned()));
        let live = why.is_none() && suspended.is_none();
        let detail = match (why, suspended) {
            (Some(why), _) => why,
            (None, Some(since)) => format!("counts, but the add-on is suspended by hand since {}", iso_8601(since)),
            (None, None) => "gives access".to_owned(),
        };
        explained.push(Explained {
            source: source.kind.name(),
            source_id: source_id(
                source,
                purchase.and_then(|purchase| purchase.columns.paid.as_ref()?.subscription.clone()),
            ),
            valid_from: span.map(|span| span.from),
            valid_until: span.and_then(|span| span.until),
            live,
            detail,
        });
    }
    explained.sort_by_key(|one| (one.valid_from.is_none(), one.valid_from));
    if let Some(since) = suspended {
        explained.push(Explained {
            source: "suspension",
            source_id: None,
            valid_from: Some(since),
            valid_until: None,
            live: false,
            detail: "withholds everything until resume_add_on()".to_owned(),
        });
    }
    Ok(explained)
}

fn source_id(source: &Source, subscription: Option<String>) -> Option<String> {
    match source.kind {
        Kind::Host | Kind::Trial | Kind::Extension => None,
        Kind::Grant => Some(source.id.trim_start_matches("grant ").to_owned()),
        Kind::Subscription => subscription.or_else(|| Some(source.id.clone())),
        Kind::Purchase => Some(source.id.clone()),
    }
}

fn in_words(why: Why) -> String {
    match why {
        Why::Waits => "waits to begin".to_owned(),
        Why::Disputed => "its payment is contested".to_owned(),
        Why::Overdue => "its subscription is not paid".to_owned(),
        Why::Refunded => "was paid back in full".to_owned(),
        Why::Unpaid => "is not paid".to_owned(),
        Why::Ended(at) => format!("was ended at {}", iso_8601(at)),
        Why::NoPeriod => "pays for no period".to_owned(),
        Why::Ahead(from) => format!("begins at {}", iso_8601(from)),
        Why::RunOut => "has run out".to_owned(),
    }
}
