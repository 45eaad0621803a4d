//! Disputes.

use super::{Told, marker};
use crate::events::json_cursor::{JsonCursor, ids};
use crate::json::Malformed;
use crate::payments::dispute::{Dispute, DisputeState};
use crate::payments::{Fact, Object};

pub(super) fn read(told: &Told) -> Result<Vec<Fact>, Malformed> {
    let dispute = &told.object;
    let currency = dispute.currency()?;
    let status = dispute.at("status").text()?;
    let object = Dispute {
        payments: ids([dispute.at("charge"), dispute.at("payment_intent")])?,
        amount: told.amount("amount", currency.as_deref())?,
        currency,
        state: told.words(state)?,
        unknown: status.filter(|status| state_of(status).is_none()).map(str::to_owned).into_iter().collect(),
    };
    Ok(vec![told.fact(marker(dispute), Object::Dispute(object))?])
}

fn state(dispute: &JsonCursor, kind: Option<&str>) -> Result<Option<DisputeState>, Malformed> {
    Ok(match dispute.at("status").text()? {
        Some(status) => state_of(status),
        None => (kind == Some("charge.dispute.created")).then_some(DisputeState::Open),
    })
}

fn state_of(status: &str) -> Option<DisputeState> {
    match status {
        "warning_needs_response" | "warning_under_review" => Some(DisputeState::Inquiry),
        "needs_response" | "under_review" => Some(DisputeState::Open),
        "won" | "warning_closed" | "prevented" | "charge_refunded" => Some(DisputeState::Kept),
        "lost" => Some(DisputeState::Lost),
        _ => None,
    }
}
