//! How much a search may do before it has to come to an end.

/// What working out the consumption of a line counts for: two divisions. Looking at a candidate counts for one.
pub(super) const CONSUMPTION: u64 = 8;

/// After how much work somebody is asked whether it should go on: well under a millisecond.
const UNTIL_ASKED: u64 = 1 << 16;

/// The work that is left to a search.
pub(super) struct Effort {
    left: u64,
    until_asked: u64,
    check_interrupts: fn(),
}

impl Effort {
    /// So much work. `check_interrupts` is called regularly meanwhile.
    pub fn new(left: u64, check_interrupts: fn()) -> Effort {
        Effort { left, until_asked: UNTIL_ASKED, check_interrupts }
    }

    /// Notes work that was done.
    pub fn spend(&mut self, work: u64) {
        self.left = self.left.saturating_sub(work);
        match self.until_asked.checked_sub(work) {
            Some(until_asked) => self.until_asked = until_asked,
            None => {
                self.until_asked = UNTIL_ASKED;
                (self.check_interrupts)();
            }
        }
    }

    /// Whether all of it is spent.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }
}
