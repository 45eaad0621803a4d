//! Pricing rules: which ones apply to a line and what they take off (semantics 2.2).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use uuid::Uuid;

use super::cart::{Line, Terms};
use super::catalog::PricingRule;
use super::conditions::{CartFacts, Conditions, Unmet};
use super::json::Malformed;
use super::money::{Money, Unit};

/// Conditions that name more add-ons than this take a while to test.
const MANY_ADD_ONS: usize = 100;

/// A rule that gave a discount on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleDiscount {
    /// The rule.
    pub rule_id: Uuid,
    /// What it took off.
    pub discount: Money,
}

/// Why a rule is no candidate for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ineligible<'r> {
    /// It is switched off.
    Inactive,
    /// Its window has not begun.
    NotYetValid,
    /// Its window is over.
    NoLongerValid,
    /// It is for another tier than the one given, if any was.
    OtherTier,
    /// Its stored conditions cannot be read.
    Malformed(&'r Malformed),
    /// A condition does not hold.
    Unmet(Unmet<'r>),
}

/// A rule, and what became of it on a line.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedRule<'r> {
    /// The rule.
    pub rule: &'r PricingRule,
    /// What became of it.
    pub verdict: RuleVerdict<'r>,
}

/// What became of a rule on a line.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleVerdict<'r> {
    /// It was applied.
    Applied {
        /// The amount left to pay before it.
        base: Money,
        /// Its discount; a winner's can be zero.
        discount: Money,
    },
    /// It was a candidate, and another one won.
    Lost {
        /// The winner.
        to: &'r PricingRule,
        /// Why that one.
        because: Loss,
    },
    /// It was no candidate.
    Ineligible(Vec<Ineligible<'r>>),
}

/// Why a candidate did not win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The winner's priority is higher.
    Priority,
    /// The priorities are equal, and the winner's discount on the list amount is larger.
    Discount {
        /// The discount of this rule.
        own: Money,
        /// The discount of the winner.
        winners: Money,
    },
    /// Priorities and discounts are equal, and the winner's id is smaller.
    Id,
}

/// The discounts of the rules on a line, in the order in which they apply, without rules that take nothing off. The
/// rules must come in the order of an offer.
pub fn discounts(rules: &[PricingRule], line: &Line, facts: &CartFacts, terms: &Terms) -> Vec<RuleDiscount> {
    let candidates = rules.iter().filter(|rule| is_candidate(rule, line, facts, terms));
    let applied = applied_discounts(candidates, line, terms.unit).filter(|(_, _, discount)| *discount > Money::ZERO);
    applied.map(|(rule, _, discount)| RuleDiscount { rule_id: rule.id, discount }).collect()
}

/// What becomes of each rule on a line: first those that apply, in order; then those that lose, in order; then the
/// others.
pub fn judge<'r>(
    rules: &'r [PricingRule],
    line: &Line,
    facts: &CartFacts,
    terms: &Terms,
) -> impl Iterator<Item = JudgedRule<'r>> {
    let (mut candidates, mut judged, mut ineligible) = (Vec::new(), Vec::new(), Vec::new());
    for rule in rules {
        let mut found = Vec::new();
        obstacles(rule, line, facts, terms, |obstacle| found.push(obstacle));
        match found.is_empty() {
            true => candidates.push(rule),
            false => ineligible.push(JudgedRule { rule, verdict: RuleVerdict::Ineligible(found) }),
        }
    }
    for (rule, base, discount) in applied_discounts(candidates.iter().copied(), line, terms.unit) {
        judged.push(JudgedRule { rule, verdict: RuleVerdict::Applied { base, discount } });
    }
    if let Some(winner) = winner(candidates.iter().copied(), line, terms.unit) {
        let applied: BTreeSet<Uuid> = judged.iter().map(|applied| applied.rule.id).collect();
        candidates.retain(|rule| !applied.contains(&rule.id));
        candidates.sort_by_key(|rule| precedence(rule, line, terms.unit));
        let lost = |rule| {
            let because = loss(rule, winner, line, terms.unit);
            JudgedRule { rule, verdict: RuleVerdict::Lost { to: winner, because } }
        };
        judged.extend(candidates.into_iter().map(lost));
    }
    judged.into_iter().chain(ineligible)
}

fn loss(rule: &PricingRule, winner: &PricingRule, line: &Line, unit: Unit) -> Loss {
    let (own, winners) = (on_list(rule, line, unit), on_list(winner, line, unit));
    match () {
        () if rule.priority < winner.priority => Loss::Priority,
        () if own < winners => Loss::Discount { own, winners },
        () => Loss::Id,
    }
}

/// The rules that apply to a line, in order, each with the amount left to pay before it and its discount.
fn applied_discounts<'r>(
    candidates: impl Iterator<Item = &'r PricingRule> + Clone,
    line: &Line,
    unit: Unit,
) -> impl Iterator<Item = (&'r PricingRule, Money, Money)> {
    let (mut remaining, quantity) = (line.list_amount, line.quantity);
    let winner = winner(candidates.clone(), line, unit);
    let followers = match winner {
        Some(winner) if winner.is_stackable() => followers(winner, candidates, line, unit),
        _ => Vec::new(),
    };
    winner.into_iter().chain(followers).map(move |rule| {
        let (base, discount) = (remaining, rule.discount.on(remaining, quantity, unit));
        remaining -= discount;
        (rule, base, discount)
    })
}

/// Reports everything that keeps a rule from being a candidate for a line.
fn obstacles<'r>(
    rule: &'r PricingRule,
    line: &Line,
    facts: &CartFacts,
    terms: &Terms,
    mut tell: impl FnMut(Ineligible<'r>),
) {
    if !rule.is_active {
        tell(Ineligible::Inactive);
    }
    if !rule.window.has_begun(terms.at) {
        tell(Ineligible::NotYetValid);
    }
    if rule.window.is_over(terms.at) {
        tell(Ineligible::NoLongerValid);
    }
    if rule.tier_code.is_some() && rule.tier_code.as_deref() != terms.tier_code {
        tell(Ineligible::OtherTier);
    }
    match &rule.conditions {
        Ok(conditions) => {
            if conditions.add_ons().count() > MANY_ADD_ONS {
                (terms.check_interrupts)();
            }
            conditions.unmet(line.quantity, line.billing_type, facts, |unmet| tell(Ineligible::Unmet(unmet)));
        }
        Err(malformed) => tell(Ineligible::Malformed(malformed)),
    }
}

/// Reports the conditions that depend on the user's history, for rules that can change the discount of the line. The
/// facts passed in are those of a user without history.
pub fn undecided<'r>(
    rules: &'r [PricingRule],
    line: &Line,
    facts: &CartFacts,
    terms: &Terms,
    mut tell: impl FnMut(&'r Conditions),
) {
    // The priority of the first rule that is a candidate in any case. Behind it only stackable rules can matter, and
    // only if the winner can be stackable.
    let mut certain = None;
    let mut winner_may_stack = false;
    let of_users =
        |obstacle| matches!(obstacle, Ineligible::Unmet(Unmet::RequiresAddOn { .. } | Unmet::FirstPurchaseOnly));
    for rule in rules {
        let is_behind = certain.is_some_and(|priority| rule.priority < priority);
        let mut is_possible = !is_behind || (winner_may_stack && rule.is_stackable());
        if is_possible {
            obstacles(rule, line, facts, terms, |obstacle| is_possible &= of_users(obstacle));
        }
        if let (true, Ok(conditions)) = (is_possible, &rule.conditions) {
            winner_may_stack |= conditions.stackable;
            match conditions.look_at_users() {
                true => tell(conditions),
                false => certain = certain.or(Some(rule.priority)),
            }
        }
    }
}

fn is_candidate(rule: &PricingRule, line: &Line, facts: &CartFacts, terms: &Terms) -> bool {
    let mut is_candidate = true;
    obstacles(rule, line, facts, terms, |_| is_candidate = false);
    is_candidate
}

/// The candidate of the highest priority; among equals the one with the largest discount, then the smallest id.
/// Candidates come by falling priority, then by id, so only the first few have to be looked at.
fn winner<'r>(
    mut candidates: impl Iterator<Item = &'r PricingRule>,
    line: &Line,
    unit: Unit,
) -> Option<&'r PricingRule> {
    let mut best = candidates.next()?;
    for rule in candidates.take_while(|rule| rule.priority == best.priority) {
        if on_list(rule, line, unit) > on_list(best, line, unit) {
            best = rule;
        }
    }
    Some(best)
}

/// The other stackable candidates behind a stackable winner, in the order in which they apply.
fn followers<'r>(
    winner: &PricingRule,
    candidates: impl Iterator<Item = &'r PricingRule>,
    line: &Line,
    unit: Unit,
) -> Vec<&'r PricingRule> {
    let mut followers: Vec<&PricingRule> =
        candidates.filter(|rule| rule.is_stackable() && rule.id != winner.id).collect();
    followers.sort_by_key(|rule| precedence(rule, line, unit));
    followers
}

/// What a rule takes off the list amount of a line.
fn on_list(rule: &PricingRule, line: &Line, unit: Unit) -> Money {
    rule.discount.on(line.list_amount, line.quantity, unit)
}

/// Orders rules by falling priority, then falling discount on the line's list amount, then id.
fn precedence(rule: &PricingRule, line: &Line, unit: Unit) -> (Reverse<i32>, Reverse<Money>, Uuid) {
    (Reverse(rule.priority), Reverse(on_list(rule, line, unit)), rule.id)
}
