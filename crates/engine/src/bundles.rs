//! Bundles: which selection saves the most, and what it takes off each line (semantics 2.3).

use std::collections::BTreeSet;
use std::rc::Rc;

use uuid::Uuid;

use super::cart::{Line, Terms};
use super::catalog::{Bundle, Catalog};
use super::money::Money;
use super::split::split;

/// The most selections that are all looked at; beyond, the search is greedy.
pub const EXACT_SEARCH_LIMIT: u64 = 65_536;

/// How the selection was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Every selection was weighed.
    #[default]
    Exact,
    /// One instance at a time, because there were too many selections.
    Greedy,
}

impl Search {
    /// The name used in the quote.
    pub fn name(self) -> &'static str {
        match self {
            Search::Exact => "exact",
            Search::Greedy => "greedy",
        }
    }
}

/// A bundle that applies, how often, and what it takes off.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedBundle {
    /// The bundle.
    pub bundle: Rc<Bundle>,
    /// How many times it applies.
    pub instances: u32,
    /// What its instances consume of the lines.
    pub base: Money,
    /// What comes off that.
    pub discount: Money,
    /// The lines it consumes and each one's part of the discount.
    pub parts: Vec<BundlePart>,
}

/// What a bundle does to one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundlePart {
    /// The line's position among the lines.
    pub line: usize,
    /// How much of the line the bundle consumes.
    pub consumed: Money,
    /// The line's part of the bundle's discount.
    pub discount: Money,
}

/// A bundle whose add-ons are all in the cart.
#[derive(Debug)]
pub struct Candidate<'c> {
    /// The bundle.
    pub bundle: &'c Rc<Bundle>,
    /// Its lines, as positions in id order.
    pub lines: Vec<usize>,
    /// The most instances that its own uses and the cart allow: `m_b` of the semantics.
    pub most: u32,
}

/// A line as bundles see it.
#[derive(Clone, Copy, Debug)]
pub struct Stock {
    /// Units on the line.
    pub quantity: u32,
    /// What is left to pay for them after the pricing rules.
    pub remaining: Money,
}

/// The bundles that can apply to these lines (in add-on id order), in bundle id order.
pub fn candidates<'c>(catalog: &'c Catalog, lines: &[Line], terms: &Terms) -> Vec<Candidate<'c>> {
    let line_of = |&id: &Uuid| lines.binary_search_by_key(&id, |line| catalog.add_on(line.add_on).id).ok();
    let mut candidates = Vec::new();
    for line in lines {
        for bundle in catalog.offer(line.add_on).bundles() {
            if !bundle.is_active || !bundle.window.contains(terms.at) {
                continue;
            }
            let Some(positions) = bundle.add_on_ids.iter().map(line_of).collect::<Option<Vec<usize>>>() else {
                continue;
            };
            let in_cart = positions.iter().map(|&position| lines[position].quantity).min().unwrap_or(0);
            let most = in_cart.min(terms.uses_left(bundle));
            if most > 0 {
                candidates.push(Candidate { bundle, lines: positions, most });
            }
        }
    }
    candidates.sort_unstable_by_key(|candidate| candidate.bundle.id);
    candidates
}

/// A bundle that needs an add-on of the cart, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedBundle<'c> {
    /// The bundle.
    pub bundle: &'c Bundle,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It was applied.
    Applied(AppliedBundle),
    /// It was a candidate, and a selection without it saves more, or as much in a way that comes first.
    NotChosen {
        /// What it could save if there were no others.
        alone: Money,
    },
    /// It was no candidate.
    Ineligible(Vec<Obstacle>),
}

/// Why a bundle is no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It is switched off.
    Inactive,
    /// Its window has not begun.
    NotYetValid,
    /// Its window is over.
    NoLongerValid,
    /// All its uses are taken.
    UsedUp,
    /// These add-ons are not among the lines.
    Missing(Vec<Uuid>),
}

/// What became of each bundle that needs an add-on of these lines (in add-on id order), in bundle id order, when these
/// were applied.
pub fn judge<'c>(
    catalog: &'c Catalog,
    lines: &[Line],
    stock: &[Stock],
    applied: &[AppliedBundle],
    terms: &Terms,
) -> Vec<JudgedBundle<'c>> {
    let in_cart: BTreeSet<Uuid> = lines.iter().map(|line| catalog.add_on(line.add_on).id).collect();
    let candidates = candidates(catalog, lines, terms);
    let judge = |bundle: &'c Rc<Bundle>| {
        let candidate = candidates.iter().find(|candidate| candidate.bundle.id == bundle.id);
        let verdict = match (candidate, applied.iter().find(|applied| applied.bundle.id == bundle.id)) {
            (_, Some(applied)) => Verdict::Applied(applied.clone()),
            (Some(candidate), None) => Verdict::NotChosen { alone: saving_alone(candidate, stock) },
            (None, None) => Verdict::Ineligible(obstacles(bundle, &in_cart, terms)),
        };
        JudgedBundle { bundle, verdict }
    };
    let touches_cart = |bundle: &&Rc<Bundle>| bundle.add_on_ids.iter().any(|id| in_cart.contains(id));
    catalog.bundles().into_iter().filter(touches_cart).map(judge).collect()
}

/// Everything that keeps a bundle from being a candidate.
fn obstacles(bundle: &Bundle, in_cart: &BTreeSet<Uuid>, terms: &Terms) -> Vec<Obstacle> {
    let missing: Vec<Uuid> = bundle.add_on_ids.iter().copied().filter(|id| !in_cart.contains(id)).collect();
    let is_used_up = terms.uses_left(bundle) == 0;
    [
        (!bundle.is_active).then_some(Obstacle::Inactive),
        (!bundle.window.has_begun(terms.at)).then_some(Obstacle::NotYetValid),
        bundle.window.is_over(terms.at).then_some(Obstacle::NoLongerValid),
        is_used_up.then_some(Obstacle::UsedUp),
        (!missing.is_empty()).then_some(Obstacle::Missing(missing)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a candidate can save at most when there are no others.
fn saving_alone(candidate: &Candidate, stock: &[Stock]) -> Money {
    let saving = |instances| {
        let consumed = |&line: &usize| consumption(stock[line], 0, instances);
        candidate.bundle.discount.on(candidate.lines.iter().map(consumed).sum(), instances)
    };
    // More instances consume more, and so save no less.
    saving(candidate.most)
}

/// Chooses how many instances of each candidate apply and splits their discounts over the lines. `check_interrupts` is
/// called at every step of a greedy search, which can be long, and may unwind to end it.
pub fn apply(candidates: &[Candidate], stock: &[Stock], check_interrupts: fn()) -> (Vec<AppliedBundle>, Search) {
    let selections = candidates.iter().try_fold(1_u64, |product, candidate| {
        product.checked_mul(u64::from(candidate.most) + 1).filter(|&product| product <= EXACT_SEARCH_LIMIT)
    });
    let (instances, search) = match selections {
        Some(_) => (exact(candidates, stock), Search::Exact),
        None => (greedy(candidates, stock, check_interrupts), Search::Greedy),
    };
    (settle(candidates, stock, &instances), search)
}

/// The greedy search whatever the number of selections.
pub fn apply_greedily(candidates: &[Candidate], stock: &[Stock]) -> Vec<AppliedBundle> {
    settle(candidates, stock, &greedy(candidates, stock, || {}))
}

/// The saving of a selection and its parts, bundle by bundle; bundles that save nothing are not among them.
fn settle(candidates: &[Candidate], stock: &[Stock], instances: &[u32]) -> Vec<AppliedBundle> {
    let mut taken = vec![0; stock.len()];
    let mut applied = Vec::new();
    for (candidate, &instances) in candidates.iter().zip(instances).filter(|(_, instances)| **instances > 0) {
        let consumed: Vec<Money> =
            candidate.lines.iter().map(|&line| consumption(stock[line], taken[line], instances)).collect();
        candidate.lines.iter().for_each(|&line| taken[line] += instances);
        let base = consumed.iter().copied().sum();
        let discount = candidate.bundle.discount.on(base, instances);
        if discount > Money::ZERO {
            let shares = split(discount, &consumed);
            let parts = candidate.lines.iter().zip(consumed).zip(shares);
            let parts = parts.map(|((&line, consumed), discount)| BundlePart { line, consumed, discount }).collect();
            let bundle = Rc::clone(candidate.bundle);
            applied.push(AppliedBundle { bundle, instances, base, discount, parts });
        }
    }
    applied
}

/// What `instances` units consume of a line of which `taken` units belong to bundles of smaller id.
fn consumption(stock: Stock, taken: u32, instances: u32) -> Money {
    let up_to = |units: u32| stock.remaining.share(u64::from(units), u64::from(stock.quantity));
    up_to(taken + instances) - up_to(taken)
}

/// Weighs every selection and returns the best: the largest saving, then the fewest instances, then the
/// lexicographically smallest list of bundle ids.
fn exact(candidates: &[Candidate], stock: &[Stock]) -> Vec<u32> {
    let mut search = ExactSearch {
        candidates,
        stock,
        taken: vec![0; stock.len()],
        chosen: vec![0; candidates.len()],
        best: vec![0; candidates.len()],
        best_saving: Money::ZERO,
        best_count: 0,
    };
    search.descend(0, Money::ZERO, 0);
    search.best
}

/// A walk over all selections, candidate by candidate in id order: what a bundle consumes depends only on those before.
struct ExactSearch<'a, 'c> {
    candidates: &'a [Candidate<'c>],
    stock: &'a [Stock],
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
            // More instances of smaller ids are tried first, so the first of equals has the smallest list of ids.
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
            // A bundle that saves nothing is not applied, even where taking its units would shift another's rounding.
            if discount > Money::ZERO {
                self.take(position, instances);
                self.descend(position + 1, saving + discount, count + u64::from(instances));
                self.give_back(position);
            }
        }
        self.descend(position + 1, saving, count);
    }

    fn discount(&self, candidate: &Candidate, instances: u32) -> Money {
        let consumed = |&line: &usize| consumption(self.stock[line], self.taken[line], instances);
        candidate.bundle.discount.on(candidate.lines.iter().map(consumed).sum(), instances)
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

/// Adds one instance at a time, the one that raises the total saving most, until none raises it.
fn greedy(candidates: &[Candidate], stock: &[Stock], check_interrupts: fn()) -> Vec<u32> {
    let mut search = GreedySearch::new(candidates, stock);
    let mut gains: Vec<Money> = (0..candidates.len()).map(|position| search.gain(position)).collect();
    loop {
        // Of equal gains the first is the one of the smallest id.
        let best = (0..gains.len()).max_by_key(|&position| (gains[position], std::cmp::Reverse(position)));
        let Some(best) = best.filter(|&best| gains[best] > Money::ZERO) else { break };
        search.add(best);
        check_interrupts();
        for neighbour in search.neighbours(best) {
            gains[neighbour] = search.gain(neighbour);
        }
    }
    search.chosen
}

/// The selection so far. A bundle's saving depends on the bundles that share a line with it and on no others, so adding
/// an instance changes the gains of those only.
struct GreedySearch<'a, 'c> {
    candidates: &'a [Candidate<'c>],
    stock: &'a [Stock],
    chosen: Vec<u32>,
    /// The discount of each candidate's chosen instances.
    discounts: Vec<Money>,
    /// For each line, the candidates that need it, in id order.
    users: Vec<Vec<usize>>,
    /// For each candidate, those it shares a line with, itself included, in id order.
    sharing: Vec<Vec<usize>>,
}

impl<'a, 'c> GreedySearch<'a, 'c> {
    fn new(candidates: &'a [Candidate<'c>], stock: &'a [Stock]) -> Self {
        let mut users = vec![Vec::new(); stock.len()];
        for (position, candidate) in candidates.iter().enumerate() {
            candidate.lines.iter().for_each(|&line| users[line].push(position));
        }
        let sharing = |candidate: &Candidate| {
            let users = candidate.lines.iter().flat_map(|&line| users[line].iter().copied());
            users.collect::<BTreeSet<usize>>().into_iter().collect()
        };
        let sharing = candidates.iter().map(sharing).collect();
        let count = candidates.len();
        GreedySearch { candidates, stock, chosen: vec![0; count], discounts: vec![Money::ZERO; count], users, sharing }
    }

    /// The candidates whose gain an instance of this one can change: a gain counts what it does to the savings of
    /// others, and those depend on every candidate they share a line with.
    fn neighbours(&self, position: usize) -> BTreeSet<usize> {
        self.sharing[position].iter().flat_map(|&other| self.sharing[other].iter().copied()).collect()
    }

    /// What one more instance adds to the total saving; zero when there is no room for it, or when it or another chosen
    /// bundle would save nothing then.
    fn gain(&mut self, position: usize) -> Money {
        if !self.has_room(position) {
            return Money::ZERO;
        }
        self.chosen[position] += 1;
        let gain = self.change(position).unwrap_or_default();
        self.chosen[position] -= 1;
        gain
    }

    /// How the total saving changes through the instance of `position` that was just added; `None` when that leaves a
    /// bundle that saves nothing, which is never part of a selection.
    fn change(&self, position: usize) -> Option<Money> {
        let change = |other: usize| {
            let discount = self.discount(other);
            (discount > Money::ZERO).then(|| discount - self.discounts[other])
        };
        self.affected(position).map(change).sum()
    }

    fn add(&mut self, position: usize) {
        self.chosen[position] += 1;
        let affected: Vec<usize> = self.affected(position).collect();
        for other in affected {
            self.discounts[other] = self.discount(other);
        }
    }

    /// The chosen candidates whose consumption depends on this one: itself and those of larger id on its lines.
    fn affected(&self, position: usize) -> impl Iterator<Item = usize> {
        let sharing = self.sharing[position].iter().copied();
        sharing.filter(move |&other| other >= position && self.chosen[other] > 0)
    }

    fn has_room(&self, position: usize) -> bool {
        let candidate = &self.candidates[position];
        let is_free = |&line: &usize| self.taken(line, self.candidates.len()) < u64::from(self.stock[line].quantity);
        self.chosen[position] < candidate.most && candidate.lines.iter().all(is_free)
    }

    /// Units of a line held by candidates before `position`.
    fn taken(&self, line: usize, position: usize) -> u64 {
        let before = self.users[line].iter().take_while(|&&user| user < position);
        before.map(|&user| u64::from(self.chosen[user])).sum()
    }

    fn discount(&self, position: usize) -> Money {
        let candidate = &self.candidates[position];
        let instances = self.chosen[position];
        let consumed = |&line: &usize| consumption(self.stock[line], self.taken(line, position) as u32, instances);
        candidate.bundle.discount.on(candidate.lines.iter().map(consumed).sum(), instances)
    }
}
