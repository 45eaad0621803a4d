//! Determines which facts about a user a price depends on, so that nothing else is loaded.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::cart::{Cart, Line, ListCart, Terms};
use super::catalog::Catalog;
use super::conditions::Conditions;
use super::rules;

/// The facts about a user's past that are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredFacts {
    /// Which of these add-ons the user owns.
    pub owned: BTreeSet<Uuid>,
    /// Whether the user has an earlier purchase.
    pub has_purchased: bool,
    /// How often the user has redeemed the promotional code.
    pub promo_uses: bool,
}

impl RequiredFacts {
    /// The facts that can change the price of a cart. At this point the terms hold nothing of the user's history.
    pub fn to_decide(catalog: &Catalog, cart: &Cart, terms: &Terms) -> RequiredFacts {
        let mut required = RequiredFacts::about_promo(terms);
        let has_conditions = |line: &&Line| catalog.offer(line.add_on).has_conditions_on_users();
        if terms.user_id.is_some() && cart.lines.iter().any(|line| has_conditions(&line)) {
            let list_cart = ListCart::of(catalog, &cart.lines);
            let facts = list_cart.facts(terms);
            for line in cart.lines.iter().filter(has_conditions) {
                (terms.check_interrupts)();
                let rules = catalog.offer(line.add_on).rules();
                rules::undecided(rules, line, &facts, terms, |conditions| {
                    required.add(conditions, |id| facts.in_cart.binary_search(&id).is_err());
                });
            }
        }
        required
    }

    /// The facts that can change the explanation of a price. For each rule, an explanation lists everything that
    /// keeps it from applying.
    pub fn to_explain(catalog: &Catalog, cart: &Cart, terms: &Terms) -> RequiredFacts {
        let mut required = RequiredFacts::about_promo(terms);
        if terms.user_id.is_some() {
            for rule in cart.lines.iter().flat_map(|line| catalog.offer(line.add_on).rules()) {
                (terms.check_interrupts)();
                rule.conditions.iter().for_each(|conditions| required.add(conditions, |_| true));
            }
        }
        required
    }

    /// Also requires what others require.
    pub fn join(&mut self, others: &RequiredFacts) {
        self.owned.extend(&others.owned);
        self.has_purchased |= others.has_purchased;
        self.promo_uses |= others.promo_uses;
    }

    fn about_promo(terms: &Terms) -> RequiredFacts {
        let restrictions = terms.promo.and_then(|promo| promo.terms.as_ref()?.restrictions.as_ref().ok());
        restrictions.filter(|_| terms.user_id.is_some()).map_or_else(RequiredFacts::default, |restrictions| {
            RequiredFacts {
                owned: BTreeSet::new(),
                has_purchased: restrictions.first_purchase_only,
                promo_uses: restrictions.max_uses_per_user.is_some(),
            }
        })
    }

    fn add(&mut self, conditions: &Conditions, is_open: impl Fn(Uuid) -> bool) {
        self.has_purchased |= conditions.first_purchase_only;
        self.owned.extend(conditions.add_ons().filter(|&id| is_open(id)));
    }
}
