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

/// What changes the status of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Any statement.
    Statement,
    /// What is known of its payments: a provider can report that the money came after all or is on its way, or that a
    /// refund failed.
    Facts,
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

    /// The statuses that may follow this one.
    pub fn successors(self, cause: Cause) -> &'static [PurchaseStatus] {
        match self {
            PurchaseStatus::Failed if cause == Cause::Facts => &[PurchaseStatus::Completed, PurchaseStatus::Pending],
            PurchaseStatus::Refunded if cause == Cause::Facts => &[PurchaseStatus::Completed],
            PurchaseStatus::Pending => &[PurchaseStatus::Completed, PurchaseStatus::Failed],
            PurchaseStatus::Completed => &[PurchaseStatus::Refunded, PurchaseStatus::Disputed],
            PurchaseStatus::Disputed => &[PurchaseStatus::Completed, PurchaseStatus::Refunded],
            PurchaseStatus::Failed | PurchaseStatus::Refunded => &[],
        }
    }

    /// Whether a purchase of this status may get another one, or keeps its own.
    pub fn may_become(self, other: PurchaseStatus, cause: Cause) -> bool {
        self == other || self.successors(cause).contains(&other)
    }
}

/// Checks a change between statuses by their names, as a table without its constraint may hold others. An error names
/// the statuses that may follow.
pub fn check_transition(from: &str, to: &str, cause: Cause) -> Result<(), Vec<&'static str>> {
    let successors = PurchaseStatus::from_name(from).map_or(&[][..], |from| from.successors(cause));
    let allowed: Vec<&'static str> = successors.iter().map(|status| status.name()).collect();
    if from == to || allowed.contains(&to) { Ok(()) } else { Err(allowed) }
}

#[cfg(test)]
mod tests {
    use super::PurchaseStatus::{self, *};
    use super::{Cause, check_transition};

    fn legal(cause: Cause) -> Vec<(PurchaseStatus, PurchaseStatus)> {
        let from = PurchaseStatus::ALL.into_iter();
        from.flat_map(|from| from.successors(cause).iter().map(move |&to| (from, to))).collect()
    }

    #[test]
    fn only_six_transitions_are_legal_and_three_more_by_facts() {
        let by_statement = [
            (Pending, Completed),
            (Pending, Failed),
            (Completed, Refunded),
            (Completed, Disputed),
            (Disputed, Completed),
            (Disputed, Refunded),
        ];
        assert_eq!(legal(Cause::Statement), by_statement);
        let mut by_facts = legal(Cause::Facts);
        by_facts.retain(|transition| !by_statement.contains(transition));
        assert_eq!(by_facts, [(Failed, Completed), (Failed, Pending), (Refunded, Completed)]);
    }

    #[test]
    fn a_status_may_stay_and_an_unknown_one_has_no_successor() {
        for cause in [Cause::Statement, Cause::Facts] {
            for (from, to) in PurchaseStatus::ALL.into_iter().flat_map(|from| PurchaseStatus::ALL.map(|to| (from, to)))
            {
                let is_legal = from == to || legal(cause).contains(&(from, to));
                assert_eq!(from.may_become(to, cause), is_legal);
                assert_eq!(check_transition(from.name(), to.name(), cause).is_ok(), is_legal);
            }
        }
        assert_eq!(check_transition("lost", "lost", Cause::Statement), Ok(()));
        assert_eq!(check_transition("lost", "pending", Cause::Facts), Err(Vec::new()));
        assert_eq!(check_transition("pending", "refunded", Cause::Statement), Err(vec!["completed", "failed"]));
    }

    #[test]
    fn names_are_read_back() {
        assert!(PurchaseStatus::ALL.into_iter().all(|status| PurchaseStatus::from_name(status.name()) == Some(status)));
        assert_eq!(PurchaseStatus::from_name("paid"), None);
    }
}
