//! Bundles: which selection saves the most, and how much it takes off each line (semantics 2.3).

mod effort;
mod exact;
mod greedy;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use uuid::Uuid;

use super::cart::{Line, Terms};
use super::catalog::{Bundle, Catalog};
use super::money::{Money, Unit};
use super::split::split;
use effort::Effort;

/// The largest number of selections that the exact search evaluates; beyond it the search is greedy.
pub const EXACT_SEARCH_LIMIT: u64 = 65_536;

/// The work that an exact search may do before the greedy search replaces it: enough for every search within the
/// limit whose bundles need no more than 256 add-ons each.
const EXACT_EFFORT: u64 = 2 * EXACT_SEARCH_LIMIT * 256 * effort::CONSUMPTION;

/// The work that a greedy search may do one instance at a time. This suffices for about a million instances of
/// bundles that share add-ons with few others, in well under a second.
pub const GREEDY_EFFORT: u64 = 1 << 29;

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

/// An applied bundle, its number of instances, and its discount.
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
    /// The lines it consumes, each with its part of the discount.
    pub parts: Vec<BundlePart>,
}

/// The effect of a bundle on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundlePart {
    /// The line's position among the lines.
    pub line: usize,
    /// The amount of the line that the bundle consumes.
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
    /// The smallest amount that can be charged.
    pub unit: Unit,
}

impl Candidate<'_> {
    /// The amount that `instances` units consume of a line whose first `taken` units belong to bundles of smaller id.
    fn consumes(&self, stock: Stock, taken: u32, instances: u32) -> Money {
        let up_to = |units: u32| stock.remaining.share(u64::from(units), u64::from(stock.quantity), self.unit);
        up_to(taken + instances) - up_to(taken)
    }

    /// The discount of this many instances on what they consume.
    fn saves(&self, base: Money, instances: u32) -> Money {
        self.bundle.discount.on(base, instances, self.unit)
    }
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
                candidates.push(Candidate { bundle, lines: positions, most, unit: terms.unit });
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
    pub verdict: BundleVerdict,
}

/// What became of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub enum BundleVerdict {
    /// It was applied.
    Applied(AppliedBundle),
    /// It was a candidate, but a selection without it saves more, or saves as much and wins the tie.
    NotChosen {
        /// What it would save if there were no other bundles.
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

/// What became of each bundle that needs an add-on of these lines (in add-on id order), given the applied bundles; in
/// bundle id order.
pub fn judge<'c>(
    catalog: &'c Catalog,
    lines: &[Line],
    stock: &[Stock],
    applied: &[AppliedBundle],
    terms: &Terms,
) -> Vec<JudgedBundle<'c>> {
    let in_cart: BTreeSet<Uuid> = lines.iter().map(|line| catalog.add_on(line.add_on).id).collect();
    let candidates = candidates(catalog, lines, terms);
    let applied: BTreeMap<Uuid, &AppliedBundle> = applied.iter().map(|applied| (applied.bundle.id, applied)).collect();
    let judge = |bundle: &'c Rc<Bundle>| {
        let candidate = candidates.binary_search_by_key(&bundle.id, |candidate| candidate.bundle.id);
        let verdict = match (candidate.ok().map(|position| &candidates[position]), applied.get(&bundle.id)) {
            (_, Some(&applied)) => BundleVerdict::Applied(applied.clone()),
            (Some(candidate), None) => BundleVerdict::NotChosen { alone: saving_alone(candidate, stock) },
            (None, None) => BundleVerdict::Ineligible(obstacles(bundle, &in_cart, terms)),
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

/// The most that a candidate can save if there are no other bundles.
fn saving_alone(candidate: &Candidate, stock: &[Stock]) -> Money {
    let saving = |instances| {
        let consumed = |&line: &usize| candidate.consumes(stock[line], 0, instances);
        candidate.saves(candidate.lines.iter().map(consumed).sum(), instances)
    };
    // More instances consume more, so they never save less.
    saving(candidate.most)
}

/// Chooses how many instances of each candidate apply and splits their discounts over the lines. A search can be
/// long, so it calls `check_interrupts` regularly, which may unwind to end it.
pub fn apply(candidates: &[Candidate], stock: &[Stock], check_interrupts: fn()) -> (Vec<AppliedBundle>, Search) {
    let selections = candidates.iter().try_fold(1_u64, |product, candidate| {
        product.checked_mul(u64::from(candidate.most) + 1).filter(|&product| product <= EXACT_SEARCH_LIMIT)
    });
    let exact = selections.and_then(|_| exact::search(candidates, stock, Effort::new(EXACT_EFFORT, check_interrupts)));
    let (instances, search) = match exact {
        Some(instances) => (instances, Search::Exact),
        None => (greedy::search(candidates, stock, GREEDY_EFFORT, check_interrupts), Search::Greedy),
    };
    (settle(candidates, stock, &instances), search)
}

/// The greedy search whatever the number of selections, with at most this much work.
pub fn apply_greedily(candidates: &[Candidate], stock: &[Stock], effort: u64) -> Vec<AppliedBundle> {
    settle(candidates, stock, &greedy::search(candidates, stock, effort, || {}))
}

/// The saving of a selection and the discount of each bundle, without bundles that save nothing.
fn settle(candidates: &[Candidate], stock: &[Stock], instances: &[u32]) -> Vec<AppliedBundle> {
    let mut taken = vec![0; stock.len()];
    let mut applied = Vec::new();
    for (candidate, &instances) in candidates.iter().zip(instances).filter(|(_, instances)| **instances > 0) {
        let consumed: Vec<Money> =
            candidate.lines.iter().map(|&line| candidate.consumes(stock[line], taken[line], instances)).collect();
        candidate.lines.iter().for_each(|&line| taken[line] += instances);
        let base = consumed.iter().copied().sum();
        let discount = candidate.saves(base, instances);
        if discount > Money::ZERO {
            let shares = split(discount, &consumed, candidate.unit);
            let parts = candidate.lines.iter().zip(consumed).zip(shares);
            let parts = parts.map(|((&line, consumed), discount)| BundlePart { line, consumed, discount }).collect();
            let bundle = Rc::clone(candidate.bundle);
            applied.push(AppliedBundle { bundle, instances, base, discount, parts });
        }
    }
    applied
}
