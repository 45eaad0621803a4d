//! The facts about a user that are loaded before a cart is priced.

mod strategies;

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use engine::billing::BillingType;
use engine::cart::{Cart, Terms};
use engine::catalog::{AddOn, Catalog, PricingRule};
use engine::conditions::Conditions;
use engine::money::Money;
use engine::required_facts::*;
use engine::time::Instant;
use strategies::{ADD_ON, line_of, rule};

/// The facts required for a user with one unit of add-on 1 in the cart, which has these rules: (priority,
/// conditions).
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
    let required = RequiredFacts::to_decide(&catalog, &cart, &terms);
    (required.owned.iter().map(Uuid::as_u128).collect(), required.has_purchased)
}

fn requires(add_on: u128) -> Value {
    json!({ "requires_addon": [Uuid::from_u128(add_on)] })
}

#[test]
fn only_facts_that_can_change_the_price_are_required() {
    let anybody = || json!({});
    assert_eq!(asked(&[(1, requires(2)), (1, json!({"first_purchase_only": true}))]), (vec![2], true));
    assert_eq!(asked(&[(1, requires(1))]), (vec![], false), "it is in the cart");
    assert_eq!(asked(&[(1, json!({"excludes_addon": [Uuid::from_u128(1)]}))]), (vec![], false), "it is in the cart");
    assert_eq!(asked(&[(1, json!({"first_purchase_only": true, "min_quantity": 2}))]), (vec![], false));
    assert_eq!(asked(&[(2, anybody()), (1, requires(2))]), (vec![], false), "another rule wins anyway");
    assert_eq!(asked(&[(1, anybody()), (1, requires(2))]), (vec![2], false), "the larger discount would win");
    let stackable = json!({"stackable": true});
    let follower = json!({"stackable": true, "first_purchase_only": true});
    assert_eq!(asked(&[(2, stackable), (1, follower.clone()), (1, requires(2))]), (vec![], true));
    assert_eq!(asked(&[(2, anybody()), (1, follower)]), (vec![], false), "it follows no winner that is not stackable");
}
