//! Properties of whole quotes over random catalogs and carts.

mod strategies;

use proptest::prelude::*;
use uuid::Uuid;

use crate::strategies::{line_of, world};
use engine::cart::{Cart, Terms};
use engine::catalog::Catalog;
use engine::explain::tree::tree;
use engine::explain::{Stage, Step, explain};
use engine::money::{Money, Percent};
use engine::promotions::PromoDiscount;
use engine::quote::{Quote, price, price_alone};
use engine::required_facts::RequiredFacts;
use engine::time::Instant;

/// Every number of a quote by add-on, in add-on order, to compare quotes whose lines come in different orders.
fn numbers(catalog: &Catalog, quote: &Quote) -> Vec<String> {
    let mut lines: Vec<String> = quote
        .lines
        .iter()
        .map(|line| format!("{} {:?}", catalog.add_on(line.line.add_on).id, (&line.rules, &line.bundles, line.total())))
        .collect();
    lines.sort();
    lines.extend(quote.bundles.iter().map(|bundle| format!("{:?}", (bundle.bundle.id, bundle.base, bundle.discount))));
    lines.push(format!("{:?}", quote.promo));
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn parts_add_up_and_stay_within_their_lines(world in world()) {
        let quote = world.quote();
        for line in &quote.lines {
            prop_assert!(line.rules.iter().all(|rule| rule.discount > Money::ZERO));
            prop_assert!(line.bundle_discount >= Money::ZERO && line.promo_discount >= Money::ZERO);
            prop_assert!(Money::ZERO <= line.total() && line.total() <= line.line.list_amount);
            prop_assert!(line.rules.iter().all(|rule| world.unit.divides(rule.discount)));
            prop_assert!([line.bundle_discount, line.promo_discount].iter().all(|part| world.unit.divides(*part)));
        }
        for bundle in &quote.bundles {
            prop_assert!(bundle.discount > Money::ZERO && bundle.discount <= bundle.base);
            prop_assert_eq!(bundle.parts.iter().map(|part| part.discount).sum::<Money>(), bundle.discount);
            prop_assert_eq!(bundle.parts.iter().map(|part| part.consumed).sum::<Money>(), bundle.base);
            prop_assert!(bundle.parts.iter().all(|part| part.discount <= part.consumed));
        }
        let on_lines: Money = quote.lines.iter().map(|line| line.bundle_discount).sum();
        prop_assert_eq!(quote.bundles.iter().map(|bundle| bundle.discount).sum::<Money>(), on_lines);
        let promo = quote.promo.as_ref().unwrap();
        prop_assert_eq!(quote.lines.iter().map(|line| line.promo_discount).sum::<Money>(), promo.discount);
        prop_assert!(promo.discount <= promo.eligible_amount());
        prop_assert!(Money::ZERO <= quote.total() && quote.total() <= quote.list_total());
        prop_assert_eq!(quote.list_total() - quote.discount_total(), quote.total());
    }

    #[test]
    fn facts_that_were_not_required_do_not_change_the_price(world in world()) {
        let catalog = world.catalog();
        let cart = world.cart(&catalog);
        let (terms, is_known) = (world.terms(), world.buyer.is_known);
        let nothing_known = Terms { owned: &[], has_purchased: false, promo_uses: 0, ..terms };
        let asked = RequiredFacts::to_decide(&catalog, &cart, &nothing_known);
        let told = |id: &Uuid| asked.owned.contains(id) == terms.owned.contains(id);
        let otherwise: Vec<Uuid> = world.add_ons.iter().map(|add_on| add_on.id).filter(|id| is_known && told(id)).collect();
        for owned in [otherwise, terms.owned.iter().copied().filter(|id| asked.owned.contains(id)).collect()] {
            let has_purchased = if asked.has_purchased { terms.has_purchased } else { is_known && !terms.has_purchased };
            let promo_uses = if asked.promo_uses { terms.promo_uses } else { 1 - terms.promo_uses.min(1) };
            let lied_to = price(&catalog, &cart, &Terms { owned: &owned, has_purchased, promo_uses, ..terms });
            prop_assert_eq!(numbers(&catalog, &lied_to), numbers(&catalog, &price(&catalog, &cart, &terms)));
        }
    }

    #[test]
    fn a_quote_says_what_the_cart_costs_without_its_code(world in world()) {
        let catalog = world.catalog();
        let without = price(&catalog, &world.cart(&catalog), &Terms { promo: None, ..world.terms() });
        prop_assert_eq!(world.quote().total_before_promo(), without.total());
    }

    #[test]
    fn the_order_of_lines_and_rows_changes_nothing(world in world(), rotation in 0..8_usize) {
        let catalog = world.catalog();
        let mut shuffled = world.clone();
        shuffled.add_ons.rotate_left(rotation % world.add_ons.len());
        shuffled.rules.rotate_left(rotation % world.rules.len());
        shuffled.bundles.rotate_left(rotation % world.bundles.len());
        shuffled.quantities.reverse();
        prop_assert_eq!(numbers(&catalog, &world.quote()), numbers(&shuffled.catalog(), &shuffled.quote()));
    }

    #[test]
    fn a_larger_percentage_never_raises_the_total(world in world(), one in 1..=10_000_i64, other in 1..=10_000_i64) {
        let total = |percent: i64| {
            let mut world = world.clone();
            if let Some(code) = &mut world.promo.terms {
                code.discount = PromoDiscount::Percentage(Percent::from_hundredths(percent));
            }
            world.quote().total()
        };
        prop_assert!(total(one.max(other)) <= total(one.min(other)));
    }

    #[test]
    fn a_line_on_its_own_costs_what_a_quote_of_it_says(world in world(), id in 1..=6_u128, quantity in 1..6_u32) {
        let catalog = world.catalog();
        let line = line_of(&catalog, id, quantity);
        let terms = Terms { tier_code: world.buyer.tier_code, unit: world.unit, ..Terms::of_nobody(Instant(0), &world.bundle_uses_left) };
        let quote = price(&catalog, &Cart { lines: vec![line], withdrawn: vec![] }, &terms);
        let alone = price_alone(catalog.offer(line.add_on), quantity, terms.tier_code, terms.at, world.unit);
        prop_assert_eq!(alone.unwrap(), quote.total());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_explanation_adds_up_to_the_quote(world in world()) {
        let (catalog, terms) = (world.catalog(), world.terms());
        let cart = world.cart(&catalog);
        let explanation = explain(&catalog, &cart, &terms);
        let (steps, quote) = (explanation.steps().collect::<Vec<Step>>(), &explanation.quote);
        let off = |is_meant: &dyn Fn(&Step) -> bool| -> Money {
            steps.iter().filter(|step| is_meant(step)).filter_map(|step| step.discount).sum()
        };
        prop_assert_eq!(off(&|_| true), quote.discount_total());
        for priced in &quote.lines {
            let add_on = Some(catalog.add_on(priced.line.add_on).id);
            let of = |stage: Stage| off(&|step: &Step| step.add_on_id == add_on && step.stage == stage);
            prop_assert_eq!(of(Stage::Rule), priced.rule_discount());
            prop_assert_eq!(of(Stage::BundleSplit), priced.bundle_discount);
            prop_assert_eq!(of(Stage::PromoSplit), priced.promo_discount);
            let to_pay = steps.iter().find(|step| step.stage == Stage::Total && step.add_on_id == add_on).unwrap();
            prop_assert_eq!(to_pay.base, Some(priced.total()));
        }
        for bundle in &quote.bundles {
            let of_it = |step: &Step| step.source_id == Some(bundle.bundle.id);
            prop_assert_eq!(off(&of_it), bundle.discount);
        }
        prop_assert_eq!(steps.last().unwrap().base, Some(quote.total()));
    }

    #[test]
    fn an_explanation_names_every_candidate_once_with_its_reason(world in world()) {
        let (catalog, terms) = (world.catalog(), world.terms());
        let cart = world.cart(&catalog);
        let explanation = explain(&catalog, &cart, &terms);
        let steps: Vec<Step> = explanation.steps().collect();
        let in_cart: Vec<Uuid> = cart.lines.iter().map(|line| catalog.add_on(line.add_on).id).collect();
        for rule in &world.rules {
            let named = steps.iter().filter(|step| step.stage == Stage::Rule && step.source_id == Some(rule.id)).count();
            prop_assert_eq!(named, usize::from(in_cart.contains(&rule.add_on_id)));
        }
        for bundle in &world.bundles {
            let named = steps.iter().filter(|step| step.stage == Stage::Bundle && step.source_id == Some(bundle.id)).count();
            prop_assert_eq!(named, usize::from(bundle.add_on_ids.iter().any(|id| in_cart.contains(id))));
        }
        // The steps of applied discounts match the quote; the others give a reason in ASCII.
        let applied: Vec<Uuid> = explanation.quote.lines.iter().flat_map(|line| &line.rules).map(|rule| rule.rule_id).collect();
        let steps_applied = steps.iter().filter(|step| step.stage == Stage::Rule && step.discount > Some(Money::ZERO));
        prop_assert_eq!(steps_applied.filter_map(|step| step.source_id).collect::<Vec<Uuid>>(), applied);
        let refusals: Vec<&str> = explanation.quote.promo.as_ref().unwrap().refusals.iter().map(|refusal| refusal.name()).collect();
        let failed = steps.iter().filter(|step| step.stage == Stage::PromoCondition && step.outcome != "met");
        if world.promo.terms.is_some() {
            prop_assert_eq!(failed.map(|step| step.outcome).collect::<Vec<&str>>(), refusals);
        }
        prop_assert!(steps.iter().all(|step| !step.detail.is_empty() && step.detail.is_ascii()));
        prop_assert_eq!(tree("Cart", steps.iter().cloned()).lines().count(), 2 + steps.len());
    }
}
