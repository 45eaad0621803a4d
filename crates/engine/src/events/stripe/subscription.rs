//! Subscriptions.

use super::{Told, marker, share};
use crate::events::json_cursor::JsonCursor;
use crate::json::Malformed;
use crate::payments::attempt::Share;
use crate::payments::subscription::{PeriodEnd, Subscription, SubscriptionState};
use crate::payments::{Fact, Object};

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let subscription = &told.object;
    let state = told.words(state)?;
    if state.is_empty() {
        return Ok(Vec::new());
    }
    let object = Subscription { state, ends: ends(told)?.into_iter().collect(), ..Subscription::default() };
    Ok(vec![told.fact(marker(subscription), Object::Subscription(object))?])
}

fn state(subscription: &JsonCursor, kind: Option<&str>) -> Result<Option<SubscriptionState>, Malformed> {
    let status = subscription.at("status").text()?;
    if kind == Some("customer.subscription.deleted") || matches!(status, Some("canceled" | "incomplete_expired")) {
        return Ok(Some(SubscriptionState::Ended { at: subscription.at("ended_at").unix_time()? }));
    }
    let is_unpaid = match status {
        Some("unpaid" | "paused") => true,
        Some("active" | "trialing" | "past_due" | "incomplete") | None => false,
        Some(_) => return Ok(None),
    };
    // The customer portal sets either, depending on how the subscription is billed.
    let (at_end, at) = (subscription.at("cancel_at_period_end"), subscription.at("cancel_at"));
    let will_end = at_end.boolean()? == Some(true) || at.unix_time()?.is_some();
    let renews = (will_end || !at_end.is_null()).then_some(!will_end);
    Ok(Some(SubscriptionState::Running { renews, is_unpaid }))
}

/// The ends of the current periods: since 2025-03-31 one for each item, before that one for all.
fn ends(told: &Told) -> Result<Vec<PeriodEnd>, Malformed> {
    let subscription = &told.object;
    let is_paid = match subscription.at("status").text()? {
        // Nothing is collected for the periods that begin meanwhile. The period that began before is paid, and was
        // reported.
        _ if !subscription.at("pause_collection").is_null() => return Ok(Vec::new()),
        Some("active" | "trialing") | None => true,
        Some("past_due" | "unpaid") => false,
        _ => return Ok(Vec::new()),
    };
    let mut ends = Vec::new();
    let mut note = |of: Share, place: JsonCursor| -> Result<(), Malformed> {
        let until = place.at("current_period_end").unix_time()?;
        ends.extend(until.map(|until| PeriodEnd { of, until, said_at: told.at, is_paid }));
        Ok(())
    };
    for item in subscription.path("items.data").elements()? {
        note(share(&item)?, item)?;
    }
    if ends.is_empty() {
        ends.extend(subscription.at("current_period_end").unix_time()?.map(|until| PeriodEnd {
            of: Share::default(),
            until,
            said_at: told.at,
            is_paid,
        }));
    }
    Ok(ends)
}
