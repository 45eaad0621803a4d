//! The discounts of pricing rules on a line.

mod strategies;

use std::collections::HashMap;

use engine::billing::BillingType;
use engine::cart::{Line, Terms};
use engine::catalog::{AddOn, AddOnRef, Catalog, PricingRule};
use engine::conditions::{CartFacts, Conditions};
use engine::json::Malformed;
use engine::money::{Discount, Money, Percent, Unit};
use engine::rules::*;
use engine::time::{Instant, Window};
use strategies::{ADD_ON, rule};

fn stackable(rule: PricingRule) -> PricingRule {
    PricingRule { conditions: Ok(Conditions { stackable: true, ..Conditions::default() }), ..rule }
}

/// The discounts of these rules on two units at 50.00, as (rule, cents).
fn discounts_of(rules: Vec<PricingRule>) -> Vec<(u128, i64)> {
    let add_on = AddOn {
        id: ADD_ON,
        name: "add-on".to_owned(),
        base_price: Money::from_cents(50_00),
        billing_type: BillingType::Monthly,
        is_active: true,
    };
    let catalog = Catalog::new(vec![add_on], rules, vec![]);
    let add_on = catalog.find(ADD_ON).unwrap();
    let line = Line::new(catalog.add_on(add_on), add_on, 2, None, Unit::HUNDREDTH).unwrap();
    let facts = CartFacts { subtotal: line.list_amount, in_cart: &[ADD_ON], owned: &[], is_first_purchase: true };
    let none_limited = HashMap::new();
    let terms = Terms { tier_code: Some("pro"), ..Terms::of_nobody(Instant(1000), &none_limited) };
    let applied = discounts(catalog.offer(add_on).rules(), &line, &facts, &terms);
    applied.iter().map(|applied| (applied.rule_id.as_u128(), applied.discount.cents())).collect()
}

#[test]
fn the_highest_priority_wins_then_the_largest_discount_then_the_smallest_id() {
    assert_eq!(discounts_of(vec![rule(10, 1, 50), rule(11, 2, 10)]), [(11, 10_00)]);
    assert_eq!(discounts_of(vec![rule(10, 1, 10), rule(11, 1, 20)]), [(11, 20_00)]);
    assert_eq!(discounts_of(vec![rule(11, 1, 20), rule(10, 1, 20)]), [(10, 20_00)]);
    assert_eq!(discounts_of(vec![]), []);
}

#[test]
fn a_winner_that_takes_nothing_still_wins() {
    assert_eq!(discounts_of(vec![rule(10, 1, 0), rule(11, 0, 90)]), []);
}

#[test]
fn stackable_rules_follow_a_stackable_winner_on_what_remains() {
    let rules = vec![
        stackable(rule(10, 5, 10)), // wins: 10 % of 100.00
        rule(11, 4, 90),            // not stackable: out
        stackable(rule(12, 3, 20)), // second of its priority: 20 % of 45.00
        stackable(rule(13, 3, 50)), // first of its priority: 50 % of 90.00
    ];
    assert_eq!(discounts_of(rules), [(10, 10_00), (13, 45_00), (12, 9_00)]);
    let lone_winner = vec![rule(10, 5, 10), stackable(rule(12, 3, 20))];
    assert_eq!(discounts_of(lone_winner), [(10, 10_00)]);
}

#[test]
fn amounts_are_per_unit_and_never_more_than_remains() {
    let amount = |cents| Discount { percent: Percent::from_hundredths(10_00), amount: Money::from_cents(cents) };
    assert_eq!(discounts_of(vec![PricingRule { discount: amount(3_00), ..rule(10, 1, 0) }]), [(10, 16_00)]);
    assert_eq!(discounts_of(vec![PricingRule { discount: amount(60_00), ..rule(10, 1, 0) }]), [(10, 100_00)]);
}

#[test]
fn only_candidates_take_part() {
    let window = |from, until| Window { from, until };
    for (is_candidate, rule) in [
        (false, PricingRule { is_active: false, ..rule(10, 1, 10) }),
        (false, PricingRule { window: window(Some(Instant(1001)), None), ..rule(10, 1, 10) }),
        (true, PricingRule { window: window(Some(Instant(1000)), Some(Instant(1001))), ..rule(10, 1, 10) }),
        (false, PricingRule { window: window(None, Some(Instant(1000))), ..rule(10, 1, 10) }),
        (true, PricingRule { tier_code: Some("pro".to_owned()), ..rule(10, 1, 10) }),
        (false, PricingRule { tier_code: Some("Pro".to_owned()), ..rule(10, 1, 10) }),
        (false, PricingRule { conditions: Err(Malformed("?".to_owned())), ..rule(10, 1, 10) }),
        (
            false,
            PricingRule {
                conditions: Ok(Conditions { min_quantity: Some(3), ..Conditions::default() }),
                ..rule(10, 1, 10)
            },
        ),
    ] {
        assert_eq!(!discounts_of(vec![rule.clone()]).is_empty(), is_candidate, "{rule:?}");
    }
}

#[test]
fn a_price_off_the_currency_unit_is_refused() {
    let (name, billing_type) = ("Brigade".to_owned(), BillingType::Monthly);
    let add_on = AddOn { id: ADD_ON, name, base_price: Money::from_cents(9_99), billing_type, is_active: true };
    let line = |unit| Line::new(&add_on, AddOnRef::FIRST, 100, None, unit);
    assert!(line(Unit::HUNDREDTH).is_ok());
    assert_eq!(line(Unit::ONE).unwrap_err().to_string(), "add-on \"Brigade\" costs 9.99, which is no multiple of 1.00");
}
