//! What providers have said of disputes about a payment, kept with its purchases.

use serde_json::json;

use crate::error::Error;
use crate::operations::payments::Payment;
use crate::store::purchases;

/// What is known of a dispute, or of all disputes of a payment together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The money stays.
    Won,
    /// Undecided.
    Open,
    /// The money is gone.
    Lost,
}

impl Verdict {
    const ALL: [Verdict; 3] = [Verdict::Won, Verdict::Open, Verdict::Lost];

    fn name(self) -> &'static str {
        match self {
            Verdict::Won => "won",
            Verdict::Open => "open",
            Verdict::Lost => "lost",
        }
    }

    fn from_name(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// Whether a dispute is known.
pub fn is_known(payment: &Payment, dispute_id: &str) -> bool {
    payment
        .purchases
        .iter()
        .any(|purchase| purchase.metadata.get("disputes").and_then(|disputes| disputes.get(dispute_id)).is_some())
}

/// What the disputes of a payment come to: one that is lost decides, or else one that is open. `None` without disputes.
pub fn verdict(payment: &Payment) -> Option<Verdict> {
    let disputes = payment.purchases.iter().filter_map(|purchase| purchase.metadata.get("disputes")?.as_object());
    disputes.flat_map(|disputes| disputes.values()).filter_map(|verdict| Verdict::from_name(verdict.as_str()?)).max()
}

/// Keeps with the purchases what was said of a dispute.
pub fn record(payment: &mut Payment, dispute_id: &str, verdict: Verdict) -> Result<(), Error> {
    for purchase in &mut payment.purchases {
        purchase.metadata.set_in("disputes", dispute_id, json!(verdict.name()));
    }
    purchases::save(&mut payment.purchases).map(|_| ())
}
