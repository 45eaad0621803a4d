//! What has to be known of a user before a cart can be priced, so that nothing else is looked up.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::cart::{Cart, Line, ListCart, Terms};
use super::catalog::Catalog;
use super::conditions::Conditions;
use super::rules;

/// What to ask about a user's past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Which of these add-ons the user owns.
    pub owned: BTreeSet<Uuid>,
    /// Whether the user has an earlier purchase.
    pub has_purchased: bool,
    /// How often the user has redeemed the promotional code.
    pub promo_uses: bool,
}

impl Questions {
    /// What can change the price of a cart. The terms say nothing of the user's past yet.
    pub fn that_decide(catalog: &Catalog, cart: &Cart, terms: &Terms) -> Questions {
        let mut questions = Questions::about_promo(terms);
        let has_conditions = |line: &&Line| catalog.offer(line.add_on).has_conditions_on_users();
        if terms.user_id.is_some() && cart.lines.iter().any(|line| has_conditions(&line)) {
            let list_cart = ListCart::of(catalog, &cart.lines);
            let facts = list_cart.facts(terms);
            for line in cart.lines.iter().filter(has_conditions) {
                let rules = catalog.offer(line.add_on).rules();
                rules::undecided(rules, line, &facts, terms, |conditions| {
                    questions.add(conditions, |id| !facts.in_cart.contains(&id));
                });
            }
        }
        questions
    }

    /// What can change the explanation of a price, which tells of each rule whatever keeps it from applying.
    pub fn that_explain(catalog: &Catalog, cart: &Cart, terms: &Terms) -> Questions {
        let mut questions = Questions::about_promo(terms);
        if terms.user_id.is_some() {
            for rule in cart.lines.iter().flat_map(|line| catalog.offer(line.add_on).rules()) {
                rule.conditions.iter().for_each(|conditions| questions.add(conditions, |_| true));
            }
        }
        questions
    }

    fn about_promo(terms: &Terms) -> Questions {
        let restrictions = terms.promo.and_then(|promo| promo.terms.as_ref()?.restrictions.as_ref().ok());
        restrictions.filter(|_| terms.user_id.is_some()).map_or_else(Questions::default, |restrictions| Questions {
            owned: BTreeSet::new(),
            has_purchased: restrictions.first_purchase_only,
            promo_uses: restrictions.max_uses_per_user.is_some(),
        })
    }

    fn add(&mut self, conditions: &Conditions, is_open: impl Fn(Uuid) -> bool) {
        self.has_purchased |= conditions.first_purchase_only;
        self.owned.extend(conditions.add_ons().filter(|&id| is_open(id)));
    }
}

#[cfg(all(test, not(feature = "postgres")))]
mod tests {
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::engine::billing::BillingType;
    use crate::engine::catalog::{AddOn, PricingRule};
    use crate::engine::money::Money;
    use crate::engine::time::Instant;
    use crate::engine::worlds::{ADD_ON, line_of, rule};

    /// What is asked about a user with one unit of add-on 1 in the cart, which has these rules: (priority, conditions).
    fn asked(rules: &[(i32, Value)]) -> (Vec<u128>, bool) {
        let rule = |(id, (priority, conditions)): (u128, &(i32, Value))| PricingRule {
            conditions: Conditions::parse(conditions),
            ..rule(id, *priority, 10)
        };
        let (name, base_price, billing_type) = ("add-on".to_owned(), Money::from_cents(1_00), BillingType::Monthly);
        let add_on = AddOn { id: ADD_ON, name, base_price, billing_type, is_active: true };
        let catalog = Catalog::new(vec![add_on], (10..).zip(rules).map(rule).collect(), vec![]);
        let none_limited = HashMap::new();
        let terms = Terms { user_id: Some("ada"), ..Terms::of_nobody(Instant(0), &none_limited) };
        let cart = Cart { lines: vec![line_of(&catalog, 1, 1)], withdrawn: vec![] };
        let questions = Questions::that_decide(&catalog, &cart, &terms);
        (questions.owned.iter().map(Uuid::as_u128).collect(), questions.has_purchased)
    }

    fn requires(add_on: u128) -> Value {
        json!({ "requires_addon": [Uuid::from_u128(add_on)] })
    }

    #[test]
    fn only_what_can_matter_is_asked() {
        let anybody = || json!({});
        assert_eq!(asked(&[(1, requires(2)), (1, json!({"first_purchase_only": true}))]), (vec![2], true));
        assert_eq!(asked(&[(1, requires(1))]), (vec![], false), "it is in the cart");
        assert_eq!(
            asked(&[(1, json!({"excludes_addon": [Uuid::from_u128(1)]}))]),
            (vec![], false),
            "it is in the cart"
        );
        assert_eq!(asked(&[(1, json!({"first_purchase_only": true, "min_quantity": 2}))]), (vec![], false));
        assert_eq!(asked(&[(2, anybody()), (1, requires(2))]), (vec![], false), "another rule wins anyway");
        assert_eq!(asked(&[(1, anybody()), (1, requires(2))]), (vec![2], false), "the larger discount would win");
        let stackable = json!({"stackable": true});
        let follower = json!({"stackable": true, "first_purchase_only": true});
        assert_eq!(asked(&[(2, stackable), (1, follower.clone()), (1, requires(2))]), (vec![], true));
        assert_eq!(
            asked(&[(2, anybody()), (1, follower)]),
            (vec![], false),
            "it follows no winner that is not stackable"
        );
    }
}
