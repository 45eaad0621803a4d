//! The life of a purchase (semantics 4).

/// The status of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PurchaseStatus {
    /// Waiting for the payment.
    Pending,
    /// Paid.
    Completed,
    /// Not paid.
    Failed,
    /// Paid back in full.
    Refunded,
    /// The payment is contested.
    Disputed,
}

impl PurchaseStatus {
    /// Every status, in the order of the table's constraint.
    pub const ALL: [PurchaseStatus; 5] = [
        PurchaseStatus::Pending,
        PurchaseStatus::Completed,
        PurchaseStatus::Failed,
        PurchaseStatus::Refunded,
        PurchaseStatus::Disputed,
    ];

    /// The name in `add_on_purchases.status`.
    pub fn name(self) -> &'static str {
        match self {
            PurchaseStatus::Pending => "pending",
            PurchaseStatus::Completed => "completed",
            PurchaseStatus::Failed => "failed",
            PurchaseStatus::Refunded => "refunded",
            PurchaseStatus::Disputed => "disputed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<PurchaseStatus> {
        PurchaseStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether its payment was received, whatever happened to the money since.
    pub fn is_paid(self) -> bool {
        matches!(self, PurchaseStatus::Completed | PurchaseStatus::Refunded | PurchaseStatus::Disputed)
    }

    /// Whether it holds the uses of its code and bundles: it waits for its payment, or is paid.
    pub fn is_live(self) -> bool {
        self == PurchaseStatus::Pending || self.is_settled()
    }

    /// Whether a user with such a purchase no longer counts as new.
    pub fn is_earlier_purchase(self) -> bool {
        self != PurchaseStatus::Failed
    }

    /// Whether its payment was received and has not been paid back in full.
    pub fn is_settled(self) -> bool {
        matches!(self, PurchaseStatus::Completed | PurchaseStatus::Disputed)
    }

    /// The statuses that may follow this one, whatever causes the change.
    pub fn successors(self) -> &'static [PurchaseStatus] {
        match self {
            PurchaseStatus::Pending => &[PurchaseStatus::Completed, PurchaseStatus::Failed],
            PurchaseStatus::Completed => &[PurchaseStatus::Refunded, PurchaseStatus::Disputed],
            PurchaseStatus::Disputed => &[PurchaseStatus::Completed, PurchaseStatus::Refunded],
            PurchaseStatus::Failed | PurchaseStatus::Refunded => &[],
        }
    }

    /// The statuses that may follow this one when a provider reports that the money came after all or is on its way,
    /// or that a refund failed.
    pub fn successors_by_facts(self) -> &'static [PurchaseStatus] {
        match self {
            PurchaseStatus::Failed => &[PurchaseStatus::Completed, PurchaseStatus::Pending],
            PurchaseStatus::Refunded => &[PurchaseStatus::Completed],
            other => other.successors(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PurchaseStatus::{self, *};

    #[test]
    fn only_six_transitions_are_legal_and_three_more_by_facts() {
        let legal: Vec<(PurchaseStatus, PurchaseStatus)> = PurchaseStatus::ALL
            .into_iter()
            .flat_map(|from| from.successors().iter().map(move |&to| (from, to)))
            .collect();
        assert_eq!(
            legal,
            [
                (Pending, Completed),
                (Pending, Failed),
                (Completed, Refunded),
                (Completed, Disputed),
                (Disputed, Completed),
                (Disputed, Refunded)
            ]
        );
        let by_facts: usize = PurchaseStatus::ALL.into_iter().map(|from| from.successors_by_facts().len()).sum();
        assert_eq!(by_facts, 9);
        assert_eq!(
            (Failed.successors_by_facts(), Refunded.successors_by_facts()),
            (&[Completed, Pending][..], &[Completed][..])
        );
    }

    #[test]
    fn names_are_read_back() {
        assert!(PurchaseStatus::ALL.into_iter().all(|status| PurchaseStatus::from_name(status.name()) == Some(status)));
        assert_eq!(PurchaseStatus::from_name("paid"), None);
    }
}
