//! How add-ons are charged.

use serde::{Deserialize, Serialize};

/// How an add-on is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingType {
    /// Paid once, owned without end.
    OneTime,
    /// Paid each month.
    Monthly,
    /// Paid each year.
    Annual,
    /// Paid by use, owned without end.
    UsageBased,
}

impl BillingType {
    /// Every billing type, in the order of the tables' constraints.
    pub const ALL: [BillingType; 4] =
        [BillingType::OneTime, BillingType::Monthly, BillingType::Annual, BillingType::UsageBased];

    /// The name used in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            BillingType::OneTime => "one_time",
            BillingType::Monthly => "monthly",
            BillingType::Annual => "annual",
            BillingType::UsageBased => "usage_based",
        }
    }

    /// The billing type of that name.
    pub fn from_name(name: &str) -> Option<BillingType> {
        BillingType::ALL.into_iter().find(|billing_type| billing_type.name() == name)
    }
}
