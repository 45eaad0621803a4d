//! What the payment of a purchase pays for.

use serde::{Deserialize, Serialize};

use crate::billing::BillingType;
use crate::calendar::began_before;
use crate::time::Instant;

/// The basis on which a paid purchase gives access. It is stored with the purchase, so that access can be derived
/// without all the facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// Since when it is paid.
    pub at: Instant,
    /// For how long.
    pub period: Period,
    /// The end of the period, if the provider has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// When its subscription ended, however long it was paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Instant>,
    /// Whether the provider has given up on the subscription's payment, or one of its invoices is overdue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_overdue: bool,
    /// The payment, if it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// The subscription, by the provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// Whether the subscription will be renewed, if its provider has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<bool>,
    /// Whether the period is the one that the purchase recorded before facts were kept. It stays so unless the
    /// provider names a later end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_recorded: bool,
}

impl Paid {
    /// Paid since an instant, with nothing else known.
    pub fn new(at: Instant, period: Period) -> Paid {
        Paid {
            at,
            period,
            until: None,
            ended: None,
            is_overdue: false,
            payment: None,
            subscription: None,
            renews: None,
            is_recorded: false,
        }
    }

    /// The period of a purchase without facts, written by an older version or by the host: only its end is known.
    pub fn recorded(bought_at: Instant, ends_at: Option<Instant>, billing: BillingType) -> Paid {
        let period = match (ends_at, Period::of(billing)) {
            (None, _) => Period::Unlimited,
            (Some(_), Period::Months(months)) => Period::Months(months),
            (Some(_), _) => Period::Months(1),
        };
        // It began when it was completed, which may be later than when it was bought.
        let began = match (ends_at, period) {
            (Some(end), Period::Months(months)) => began_before(end, months, bought_at),
            _ => None,
        };
        Paid { until: ends_at, is_recorded: true, ..Paid::new(began.unwrap_or(bought_at), period) }
    }

    /// Applies the facts to the recorded period.
    pub fn for_recorded(self, recorded: &Paid) -> Paid {
        let until = self.until.max(recorded.until);
        Paid { at: recorded.at, period: recorded.period, until, is_recorded: true, ..self }
    }
}

/// The length of the paid access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// For this many months.
    Months(u32),
    /// Without end.
    Unlimited,
    /// No time: the proration of a change within a period that something else pays for.
    Nothing,
}

impl Period {
    /// What one payment pays for.
    pub fn of(billing: BillingType) -> Period {
        match billing {
            BillingType::Monthly => Period::Months(1),
            BillingType::Annual => Period::Months(12),
            BillingType::OneTime | BillingType::UsageBased => Period::Unlimited,
        }
    }
}

impl BillingType {
    /// Whether it recurs.
    pub fn is_periodic(self) -> bool {
        matches!(self, BillingType::Monthly | BillingType::Annual)
    }
}
