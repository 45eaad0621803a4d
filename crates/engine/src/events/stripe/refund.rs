//! Refunds.

use super::{Told, marker};
use crate::events::json_cursor::{JsonCursor, ids};
use crate::json::Malformed;
use crate::payments::refund::{Refund, RefundState};
use crate::payments::{Fact, Object};

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let refund = &told.object;
    let currency = refund.currency()?;
    let object = Refund {
        payments: ids([refund.at("charge"), refund.at("payment_intent")])?,
        amount: told.amount("amount", currency.as_deref())?,
        currency,
        made_at: refund.at("created").unix_time()?,
        state: told.words(state)?,
    };
    Ok(vec![told.fact(marker(refund), Object::Refund(object))?])
}

fn state(refund: &JsonCursor, kind: Option<&str>) -> Result<Option<RefundState>, Malformed> {
    Ok(match (kind, refund.at("status").text()?) {
        (Some("refund.failed"), _) | (_, Some("failed" | "canceled")) => Some(RefundState::Failed),
        (_, Some("pending" | "requires_action" | "succeeded")) => Some(RefundState::Counts),
        _ => None,
    })
}
