//! The greedy search, for carts with too many selections. It adds one instance at a time, the one that raises the
//! total saving most (ties go to the smaller id), until none raises it.
//!
//! The gain of an instance depends on the candidates of larger id that share a line with it: each unit that it takes
//! shifts the units of those candidates, and so their rounding. The search therefore caches the gain of every
//! candidate and, after a step, recomputes only the gains that the step can have changed. For each line of a chosen
//! candidate it also caches the discount after a shift by one unit, because all earlier candidates on that line need
//! it.
//!
//! The work is limited. When the budget is spent, the remaining instances are added in blocks.

use super::effort::{CONSUMPTION, Effort};
use super::{Candidate, Stock};
use crate::money::Money;

/// Adds instances one at a time until none raises the total saving or the budget is spent; then adds them in blocks.
pub(super) fn search(candidates: &[Candidate], stock: &[Stock], effort: u64, check_interrupts: fn()) -> Vec<u32> {
    let mut search = GreedySearch::new(candidates, stock, Effort::new(effort, check_interrupts));
    let mut gains = Gains::new((0..candidates.len()).map(|position| search.gain(position)).collect());
    while let Some(best) = gains.best() {
        if search.effort.is_spent() {
            search.effort = Effort::new(effort, check_interrupts);
            search.fill(gains);
            break;
        }
        for position in search.add(best) {
            gains.set(position, search.gain(position));
        }
    }
    search.chosen
}

/// The gains of all candidates, with quick access to the best one.
struct Gains {
    gains: Vec<Money>,
    /// A binary tree: the second half holds the candidates, and each other node n holds the better of nodes 2n and 2n
    /// + 1.
    winners: Vec<usize>,
}

impl Gains {
    fn new(gains: Vec<Money>) -> Gains {
        let mut winners: Vec<usize> = std::iter::repeat_n(0, gains.len()).chain(0..gains.len()).collect();
        for node in (1..gains.len()).rev() {
            winners[node] = better(&gains, winners[2 * node], winners[2 * node + 1]);
        }
        Gains { gains, winners }
    }

    fn set(&mut self, position: usize, gain: Money) {
        self.gains[position] = gain;
        let mut node = (self.gains.len() + position) / 2;
        while node > 0 {
            self.winners[node] = better(&self.gains, self.winners[2 * node], self.winners[2 * node + 1]);
            node /= 2;
        }
    }

    /// The candidate that raises the total saving most, if any does.
    fn best(&self) -> Option<usize> {
        self.winners.get(1).copied().filter(|&best| self.gains[best] > Money::ZERO)
    }

    /// The candidates that raise it, the best first.
    fn in_order(self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.gains.len()).filter(|&at| self.gains[at] > Money::ZERO).collect();
        order.sort_by_key(|&position| std::cmp::Reverse(self.gains[position]));
        order
    }
}

/// The candidate with the larger gain; of equal ones that of the smaller id.
fn better(gains: &[Money], one: usize, other: usize) -> usize {
    match gains[one].cmp(&gains[other]) {
        std::cmp::Ordering::Greater => one,
        std::cmp::Ordering::Less => other,
        std::cmp::Ordering::Equal => one.min(other),
    }
}

/// A candidate that needs a line.
#[derive(Clone, Copy)]
struct User {
    candidate: usize,
    /// The line's place in `GreedySearch::shifted`.
    slot: usize,
}

/// What a candidate shares with the one under evaluation.
#[derive(Clone, Copy, Default)]
struct Common {
    /// The number of the evaluation in which this was noted.
    look: u64,
    lines: u32,
    /// The place of the shared line, if there is only one.
    slot: usize,
}

/// The selection so far.
struct GreedySearch<'a, 'c> {
    candidates: &'a [Candidate<'c>],
    stock: &'a [Stock],
    effort: Effort,
    chosen: Vec<u32>,
    /// The discount of each candidate's chosen instances.
    discounts: Vec<Money>,
    /// Their sum.
    total: Money,
    /// Where the lines of each candidate begin in `shifted`.
    starts: Vec<usize>,
    /// For each line of a chosen candidate, its discount if one more unit of the line were taken before it.
    shifted: Vec<Money>,
    /// Units of each line that the chosen instances hold.
    held: Vec<u32>,
    /// For each line, the candidates that need it, in id order.
    users: Vec<Vec<usize>>,
    /// For each line, the chosen candidates that need it, in id order.
    holders: Vec<Vec<User>>,
    /// Numbers the evaluations, so that notes of earlier ones need not be cleared.
    look: u64,
    common: Vec<Common>,
    looked_at: Vec<u64>,
}

impl<'a, 'c> GreedySearch<'a, 'c> {
    fn new(candidates: &'a [Candidate<'c>], stock: &'a [Stock], effort: Effort) -> Self {
        let mut users = vec![Vec::new(); stock.len()];
        let (mut starts, mut end) = (Vec::with_capacity(candidates.len()), 0);
        for (position, candidate) in candidates.iter().enumerate() {
            candidate.lines.iter().for_each(|&line| users[line].push(position));
            starts.push(end);
            end += candidate.lines.len();
        }
        let count = candidates.len();
        GreedySearch {
            candidates,
            stock,
            effort,
            chosen: vec![0; count],
            discounts: vec![Money::ZERO; count],
            total: Money::ZERO,
            starts,
            shifted: vec![Money::ZERO; end],
            held: vec![0; stock.len()],
            users,
            holders: vec![Vec::new(); stock.len()],
            look: 0,
            common: vec![Common::default(); count],
            looked_at: vec![0; stock.len()],
        }
    }

    /// What one more instance adds to the total saving. Zero if there is no room for it, or if it or another chosen
    /// bundle would then save nothing.
    fn gain(&mut self, position: usize) -> Money {
        if self.room(position) == 0 {
            return Money::ZERO;
        }
        self.change(position).unwrap_or_default()
    }

    /// How many more instances fit into the cart and the remaining uses of the bundle.
    fn room(&self, position: usize) -> u32 {
        let candidate = &self.candidates[position];
        let free = candidate.lines.iter().map(|&line| self.stock[line].quantity - self.held[line]);
        free.min().unwrap_or(0).min(candidate.most - self.chosen[position])
    }

    /// How one more instance changes the total saving. `None` if a bundle would then save nothing, because such a
    /// bundle is never part of a selection.
    fn change(&mut self, position: usize) -> Option<Money> {
        let candidate = &self.candidates[position];
        let instances = self.chosen[position] + 1;
        let (mut behind, mut base, mut work) = (Vec::new(), Money::ZERO, 0);
        self.look += 1;
        for &line in &candidate.lines {
            self.looked_at[line] = self.look;
            let mut taken = 0;
            for &User { candidate, slot } in &self.holders[line] {
                if candidate < position {
                    taken += self.chosen[candidate];
                } else if candidate > position {
                    let common = &mut self.common[candidate];
                    if common.look != self.look {
                        *common = Common { look: self.look, lines: 0, slot };
                        behind.push(candidate);
                    }
                    common.lines += 1;
                }
            }
            base += candidate.consumes(self.stock[line], taken, instances);
            work += self.holders[line].len() as u64 + CONSUMPTION;
        }
        self.effort.spend(work + behind.len() as u64);
        let own = candidate.saves(base, instances);
        if own == Money::ZERO {
            return None;
        }
        let mut change = own - self.discounts[position];
        for other in behind {
            let discount = self.discount_behind(other);
            if discount == Money::ZERO {
                return None;
            }
            change += discount - self.discounts[other];
        }
        Some(change)
    }

    /// The discount of a chosen later candidate if the one under evaluation had one more instance.
    fn discount_behind(&mut self, position: usize) -> Money {
        let Common { lines, slot, .. } = self.common[position];
        if lines == 1 {
            return self.shifted[slot];
        }
        let candidate = &self.candidates[position];
        let (instances, mut base, mut work) = (self.chosen[position], Money::ZERO, 0);
        for &line in &candidate.lines {
            let shift = u32::from(self.looked_at[line] == self.look);
            base += candidate.consumes(self.stock[line], self.taken_before(line, position) + shift, instances);
            work += self.holders[line].len() as u64 + CONSUMPTION;
        }
        self.effort.spend(work);
        candidate.saves(base, instances)
    }

    /// Units of a line held by candidates before `position`.
    fn taken_before(&self, line: usize, position: usize) -> u32 {
        let before = self.holders[line].iter().take_while(|holder| holder.candidate < position);
        before.map(|holder| self.chosen[holder.candidate]).sum()
    }

    /// Adds an instance, and returns the candidates whose gains may have changed.
    fn add(&mut self, position: usize) -> Vec<usize> {
        let moved = self.place(position, 1);
        self.users_around(&moved)
    }

    /// Adds instances, and returns the chosen candidates whose discounts may have changed.
    fn place(&mut self, position: usize, instances: u32) -> Vec<usize> {
        for (place, &line) in self.candidates[position].lines.iter().enumerate() {
            self.held[line] += instances;
            if self.chosen[position] == 0 {
                let holder = User { candidate: position, slot: self.starts[position] + place };
                let at = self.holders[line].partition_point(|holder| holder.candidate < position);
                self.holders[line].insert(at, holder);
            }
        }
        self.chosen[position] += instances;
        let moved = self.holders_from(position);
        moved.iter().for_each(|&other| self.settle(other));
        moved
    }

    /// Undoes what `place` did.
    fn take_back(&mut self, position: usize, instances: u32, moved: &[usize]) {
        self.chosen[position] -= instances;
        for &line in &self.candidates[position].lines {
            self.held[line] -= instances;
            if self.chosen[position] == 0 {
                self.holders[line].retain(|holder| holder.candidate != position);
            }
        }
        moved.iter().for_each(|&other| self.settle(other));
    }

    /// A chosen candidate and the candidates behind it on its lines.
    fn holders_from(&mut self, position: usize) -> Vec<usize> {
        self.look += 1;
        let (mut found, mut work) = (Vec::new(), 0);
        for &line in &self.candidates[position].lines {
            let holders = &self.holders[line];
            for holder in &holders[holders.partition_point(|holder| holder.candidate < position)..] {
                let common = &mut self.common[holder.candidate];
                if common.look != self.look {
                    common.look = self.look;
                    found.push(holder.candidate);
                }
                work += 1;
            }
        }
        self.effort.spend(work);
        found
    }

    /// Computes the discount of a chosen candidate, as it is and with one more unit taken before it on each of its
    /// lines.
    fn settle(&mut self, position: usize) {
        let candidate = &self.candidates[position];
        let (instances, start) = (self.chosen[position], self.starts[position]);
        let (mut base, mut work) = (Money::ZERO, 0);
        // First the effect of one unit on each line; then, once the base is known, the discounts.
        for (place, &line) in candidate.lines.iter().enumerate() {
            let taken = self.taken_before(line, position);
            let consumed = candidate.consumes(self.stock[line], taken, instances);
            base += consumed;
            self.shifted[start + place] = candidate.consumes(self.stock[line], taken + 1, instances) - consumed;
            work += self.holders[line].len() as u64 + 2 * CONSUMPTION;
        }
        for difference in &mut self.shifted[start..start + candidate.lines.len()] {
            *difference = candidate.saves(base + *difference, instances);
        }
        let discount = candidate.saves(base, instances);
        let before = std::mem::replace(&mut self.discounts[position], discount);
        self.total += discount - before;
        self.effort.spend(work);
    }

    /// Every candidate that needs one of these lines.
    fn users_around(&mut self, moved: &[usize]) -> Vec<usize> {
        self.look += 1;
        let (mut found, mut work) = (Vec::new(), 0);
        for &line in moved.iter().flat_map(|&position| &self.candidates[position].lines) {
            if std::mem::replace(&mut self.looked_at[line], self.look) == self.look {
                continue;
            }
            work += self.users[line].len() as u64;
            for &user in &self.users[line] {
                let common = &mut self.common[user];
                if common.look != self.look {
                    common.look = self.look;
                    found.push(user);
                }
            }
        }
        self.effort.spend(work);
        found
    }

    /// For each candidate that still raises the total, the best first, adds as many instances as there is room for.
    fn fill(&mut self, gains: Gains) {
        for position in gains.in_order() {
            if self.effort.is_spent() {
                break;
            }
            let instances = self.room(position);
            if instances > 0 {
                self.add_block(position, instances);
            }
        }
    }

    /// Adds this many instances, unless that lowers the total saving or leaves a bundle that saves nothing.
    fn add_block(&mut self, position: usize, instances: u32) {
        let total = self.total;
        let moved = self.place(position, instances);
        let is_idle = moved.iter().any(|&other| self.discounts[other] == Money::ZERO);
        if is_idle || self.total <= total {
            self.take_back(position, instances, &moved);
        }
    }
}
