//! A limit on the work of a search.

/// The cost of computing what a line loses to a bundle: two divisions. Looking at a candidate costs one.
pub(super) const CONSUMPTION: u64 = 8;

/// The amount of work between two checks for interrupts: well under a millisecond.
const UNTIL_ASKED: u64 = 1 << 16;

/// The work that a search may still do.
pub(super) struct Effort {
    left: u64,
    until_asked: u64,
    check_interrupts: fn(),
}

impl Effort {
    /// A budget of this much work. The search calls `check_interrupts` regularly.
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
