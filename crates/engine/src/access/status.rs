//! The status that a row of `user_add_ons` records.

use serde::{Deserialize, Serialize};

use crate::time::{Instant, Window};

/// The status of an add-on that a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "&'static str")]
pub enum AccessStatus {
    /// It gives access within its window.
    Active,
    /// It was taken back.
    Cancelled,
    /// Its window is over, and maintenance has marked it.
    Expired,
    /// It waits to begin.
    Pending,
    /// It is withheld.
    Suspended,
}

impl AccessStatus {
    /// Every status, in the order of the table's constraint.
    pub const ALL: [AccessStatus; 5] = [
        AccessStatus::Active,
        AccessStatus::Cancelled,
        AccessStatus::Expired,
        AccessStatus::Pending,
        AccessStatus::Suspended,
    ];

    /// The name in `user_add_ons.status`.
    pub fn name(self) -> &'static str {
        match self {
            AccessStatus::Active => "active",
            AccessStatus::Cancelled => "cancelled",
            AccessStatus::Expired => "expired",
            AccessStatus::Pending => "pending",
            AccessStatus::Suspended => "suspended",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<AccessStatus> {
        AccessStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The status before maintenance marked it as expired.
    pub fn unmarked(self) -> AccessStatus {
        if self == AccessStatus::Expired { AccessStatus::Active } else { self }
    }
}

impl From<String> for AccessStatus {
    /// An unknown status gives no access.
    fn from(name: String) -> AccessStatus {
        AccessStatus::from_name(&name).unwrap_or(AccessStatus::Suspended)
    }
}

impl From<AccessStatus> for &'static str {
    fn from(status: AccessStatus) -> &'static str {
        status.name()
    }
}

/// Whether a row with this status and window gives access at an instant (semantics 5).
pub fn is_entitled(status: AccessStatus, window: Window, at: Instant) -> bool {
    status == AccessStatus::Active && window.contains(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_row_gives_access_and_only_within_its_window() {
        let window = Window { from: Some(Instant(10)), until: Some(Instant(20)) };
        let at = |at| AccessStatus::ALL.map(|status| is_entitled(status, window, Instant(at)));
        assert_eq!([9, 20].map(at), [[false; 5]; 2]);
        assert_eq!([10, 19].map(at), [[true, false, false, false, false]; 2]);
    }

    #[test]
    fn statuses_are_kept_by_their_names_and_what_nobody_knows_gives_nothing() {
        for status in AccessStatus::ALL {
            let kept = serde_json::to_value(status).unwrap();
            assert_eq!(kept, status.name());
            assert_eq!(serde_json::from_value::<AccessStatus>(kept).unwrap(), status);
        }
        assert_eq!(serde_json::from_str::<AccessStatus>("\"odd\"").unwrap(), AccessStatus::Suspended);
    }
}
