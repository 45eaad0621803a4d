//! The exact search: it evaluates every selection.

use super::effort::{CONSUMPTION, Effort};
use super::{Candidate, Stock};
use crate::money::Money;

/// Evaluates every selection and returns the best: the largest saving, then the fewest instances, then the
/// lexicographically smallest list of bundle ids. Returns `None` if the effort does not suffice.
pub(super) fn search(candidates: &[Candidate], stock: &[Stock], effort: Effort) -> Option<Vec<u32>> {
    let mut search = ExactSearch {
        candidates,
        stock,
        effort,
        taken: vec![0; stock.len()],
        chosen: vec![0; candidates.len()],
        best: vec![0; candidates.len()],
        best_saving: Money::ZERO,
        best_count: 0,
    };
    search.descend(0, Money::ZERO, 0);
    (!search.effort.is_spent()).then_some(search.best)
}

/// A walk over all selections, candidate by candidate in id order. What a bundle consumes depends only on earlier
/// candidates.
struct ExactSearch<'a, 'c> {
    candidates: &'a [Candidate<'c>],
    stock: &'a [Stock],
    effort: Effort,
    /// Units of each line that the chosen instances hold.
    taken: Vec<u32>,
    chosen: Vec<u32>,
    best: Vec<u32>,
    best_saving: Money,
    best_count: u64,
}

impl ExactSearch<'_, '_> {
    fn descend(&mut self, position: usize, saving: Money, count: u64) {
        let Some(candidate) = self.candidates.get(position) else {
            // More instances of smaller ids are tried first. So among equal selections the first one found has the
            // smallest list of ids.
            if saving > self.best_saving || (saving == self.best_saving && count < self.best_count) {
                (self.best_saving, self.best_count) = (saving, count);
                self.best.clone_from(&self.chosen);
            }
            return;
        };
        let free = |&line: &usize| self.stock[line].quantity - self.taken[line];
        let most = candidate.lines.iter().map(free).min().unwrap_or(0).min(candidate.most);
        for instances in (1..=most).rev() {
            let discount = self.discount(candidate, instances);
            if self.effort.is_spent() {
                return;
            }
            // A bundle that saves nothing is not applied, even if taking its units would change the rounding of
            // another bundle.
            if discount > Money::ZERO {
                self.take(position, instances);
                self.descend(position + 1, saving + discount, count + u64::from(instances));
                self.give_back(position);
            }
        }
        self.descend(position + 1, saving, count);
    }

    fn discount(&mut self, candidate: &Candidate, instances: u32) -> Money {
        self.effort.spend(candidate.lines.len() as u64 * CONSUMPTION);
        let consumed = |&line: &usize| candidate.consumes(self.stock[line], self.taken[line], instances);
        candidate.saves(candidate.lines.iter().map(consumed).sum(), instances)
    }

    fn take(&mut self, position: usize, instances: u32) {
        self.chosen[position] = instances;
        self.candidates[position].lines.iter().for_each(|&line| self.taken[line] += instances);
    }

    fn give_back(&mut self, position: usize) {
        let instances = std::mem::take(&mut self.chosen[position]);
        self.candidates[position].lines.iter().for_each(|&line| self.taken[line] -= instances);
    }
}
