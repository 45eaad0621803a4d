//! Properties of whole quotes over random catalogs and carts.

mod strategies;

use std::collections::HashMap;

use proptest::prelude::*;
use uuid::Uuid;

use crate::strategies::{line_of, world};
use engine::billing::BillingType;
use engine::bundles::{self, Candidate, Search, Stock};
use engine::cart::{Cart, Line, Terms};
use engine::catalog::{AddOn, Bundle, Catalog};
use engine::explain::tree::tree;
use engine::explain::{Stage, Step, explain};
use engine::money::{Discount, Money, Percent};
use engine::promotions::PromoDiscount;
use engine::questions::Questions;
use engine::quote::{Quote, price, price_alone};
use engine::time::{Instant, Window};

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

/// The saving of a selection, worked out from the text of the semantics and not with the engine's own functions.
fn saving(candidates: &[Candidate], stock: &[Stock], selection: &[u32]) -> Option<Vec<i128>> {
    let mut taken = vec![0_i128; stock.len()];
    let mut savings = Vec::new();
    for (candidate, &instances) in candidates.iter().zip(selection) {
        let k = i128::from(instances);
        let mut base = 0;
        for &line in &candidate.lines {
            let (q, r) = (i128::from(stock[line].quantity), i128::from(stock[line].remaining.cents()));
            let rounded = |units: i128| (2 * r * units + q) / (2 * q);
            base += rounded(taken[line] + k) - rounded(taken[line]);
            taken[line] += k;
            if taken[line] > q {
                return None;
            }
        }
        let Discount { percent, amount } = candidate.bundle.discount;
        let basis_points: i128 = (percent.to_string().parse::<f64>().unwrap() * 100.0).round() as i128;
        let discount = ((base * basis_points + 5_000) / 10_000 + i128::from(amount.cents()) * k).min(base);
        if k > 0 && discount == 0 {
            return None;
        }
        savings.push(discount);
    }
    Some(savings)
}

/// The saving of what was applied, worked out from that alone.
fn saving_of(candidates: &[Candidate], stock: &[Stock], applied: &[bundles::AppliedBundle]) -> Option<i128> {
    let instances = |candidate: &Candidate| {
        let found = applied.iter().find(|applied| applied.bundle.id == candidate.bundle.id);
        found.map_or(0, |applied| applied.instances)
    };
    let selection: Vec<u32> = candidates.iter().map(instances).collect();
    Some(saving(candidates, stock, &selection)?.iter().sum())
}

/// Every selection of so many instances of each candidate at most.
fn selections(candidates: &[Candidate]) -> Vec<Vec<u32>> {
    candidates.iter().fold(vec![Vec::new()], |selections, candidate| {
        let extend = |selection: &Vec<u32>| {
            let selection = selection.clone();
            (0..=candidate.most).map(move |instances| [selection.as_slice(), &[instances]].concat())
        };
        selections.iter().flat_map(extend).collect()
    })
}

/// The ids of a selection, each repeated per instance.
fn id_list(candidates: &[Candidate], selection: &[u32]) -> Vec<Uuid> {
    let repeated = candidates.iter().zip(selection);
    repeated.flat_map(|(candidate, &instances)| std::iter::repeat_n(candidate.bundle.id, instances as usize)).collect()
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
    fn what_was_not_asked_changes_nothing(world in world()) {
        let catalog = world.catalog();
        let cart = world.cart(&catalog);
        let (terms, is_known) = (world.terms(), world.buyer.is_known);
        let nothing_known = Terms { owned: &[], has_purchased: false, promo_uses: 0, ..terms };
        let asked = Questions::that_decide(&catalog, &cart, &nothing_known);
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
        let terms = Terms { tier_code: world.buyer.tier_code, ..Terms::of_nobody(Instant(0), &world.bundle_uses_left) };
        let quote = price(&catalog, &Cart { lines: vec![line], withdrawn: vec![] }, &terms);
        let alone = price_alone(catalog.offer(line.add_on), quantity, terms.tier_code, terms.at).unwrap();
        prop_assert_eq!(alone, quote.total());
    }

    #[test]
    fn the_bundle_selection_is_the_best_of_all(world in world()) {
        let catalog = world.catalog();
        let rules_only = world.quote_from(&Catalog::new(world.add_ons.clone(), world.rules.clone(), vec![]));
        let mut priced: Vec<_> = rules_only.lines.clone();
        priced.sort_by_key(|line| line.line.add_on);
        let lines: Vec<Line> = priced.iter().map(|line| line.line).collect();
        let stock: Vec<Stock> = priced
            .iter()
            .map(|line| Stock { quantity: line.line.quantity, remaining: line.line.list_amount - line.rule_discount() })
            .collect();
        let candidates = bundles::candidates(&catalog, &lines, &world.terms());

        let (exact, search) = bundles::apply(&candidates, &stock, || {});
        prop_assert_eq!(search, Search::Exact);
        let best = selections(&candidates)
            .into_iter()
            .filter_map(|selection| Some((saving(&candidates, &stock, &selection)?, selection)))
            .min_by_key(|(savings, selection)| {
                let ids = id_list(&candidates, selection);
                (std::cmp::Reverse(savings.iter().sum::<i128>()), ids.len(), ids)
            })
            .unwrap();
        let chosen: Vec<(Uuid, u32, i128)> =
            exact.iter().map(|bundle| (bundle.bundle.id, bundle.instances, bundle.discount.cents().into())).collect();
        let expected: Vec<(Uuid, u32, i128)> = candidates
            .iter()
            .zip(best.1.iter().zip(&best.0))
            .filter(|(_, (instances, _))| **instances > 0)
            .map(|(candidate, (&instances, &discount))| (candidate.bundle.id, instances, discount))
            .collect();
        prop_assert_eq!(chosen, expected);

        let greedy = bundles::apply_greedily(&candidates, &stock);
        let total = |applied: &[bundles::AppliedBundle]| applied.iter().map(|bundle| bundle.discount).sum::<Money>();
        prop_assert!(total(&greedy) <= total(&exact));
        prop_assert_eq!(saving_of(&candidates, &stock, &greedy), Some(i128::from(total(&greedy).cents())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_explanation_adds_up_to_the_quote(world in world()) {
        let (catalog, terms) = (world.catalog(), world.terms());
        let cart = world.cart(&catalog);
        let explanation = explain(&catalog, &cart, &terms);
        let (steps, quote) = (explanation.steps(), &explanation.quote);
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
        let steps = explanation.steps();
        let in_cart: Vec<Uuid> = cart.lines.iter().map(|line| catalog.add_on(line.add_on).id).collect();
        for rule in &world.rules {
            let named = steps.iter().filter(|step| step.stage == Stage::Rule && step.source_id == Some(rule.id)).count();
            prop_assert_eq!(named, usize::from(in_cart.contains(&rule.add_on_id)));
        }
        for bundle in &world.bundles {
            let named = steps.iter().filter(|step| step.stage == Stage::Bundle && step.source_id == Some(bundle.id)).count();
            prop_assert_eq!(named, usize::from(bundle.add_on_ids.iter().any(|id| in_cart.contains(id))));
        }
        // What applied is what the quote says; what did not says why, in words of any encoding.
        let applied: Vec<Uuid> = explanation.quote.lines.iter().flat_map(|line| &line.rules).map(|rule| rule.rule_id).collect();
        let steps_applied = steps.iter().filter(|step| step.stage == Stage::Rule && step.discount > Some(Money::ZERO));
        prop_assert_eq!(steps_applied.filter_map(|step| step.source_id).collect::<Vec<Uuid>>(), applied);
        let refusals: Vec<&str> = explanation.quote.promo.as_ref().unwrap().refusals.iter().map(|refusal| refusal.name()).collect();
        let failed = steps.iter().filter(|step| step.stage == Stage::PromoCondition && step.outcome != "met");
        if world.promo.terms.is_some() {
            prop_assert_eq!(failed.map(|step| step.outcome).collect::<Vec<&str>>(), refusals);
        }
        prop_assert!(steps.iter().all(|step| !step.detail.is_empty() && step.detail.is_ascii()));
        prop_assert_eq!(tree("Cart", &steps).lines().count(), 2 + steps.len());
    }
}

fn add_on(id: u128, price: i64) -> AddOn {
    AddOn {
        id: Uuid::from_u128(id),
        name: id.to_string(),
        base_price: Money::from_cents(price),
        billing_type: BillingType::Monthly,
        is_active: true,
    }
}

fn bundle<const N: usize>(id: u128, members: [u128; N], percent: i64) -> Bundle {
    Bundle {
        id: Uuid::from_u128(id),
        name: id.to_string(),
        add_on_ids: members.map(Uuid::from_u128).to_vec(),
        discount: Discount { percent: Percent::from_hundredths(percent * 100), amount: Money::ZERO },
        is_active: true,
        window: Window::default(),
        is_limited: false,
    }
}

#[test]
fn a_greedy_step_leaves_no_bundle_that_saves_nothing() {
    let limited = |bundle: Bundle| Bundle { is_limited: true, ..bundle };
    let with_amount = |bundle: Bundle, cents| {
        let amount = Money::from_cents(cents);
        Bundle { discount: Discount { amount, ..bundle.discount }, ..bundle }
    };
    let bundles = vec![
        limited(bundle(11, [1, 3], 25)),
        limited(bundle(12, [1, 2], 25)),
        limited(with_amount(bundle(13, [1, 2, 3], 25), 2)),
    ];
    let catalog = Catalog::new(vec![add_on(1, 0), add_on(2, 0), add_on(3, 0)], vec![], bundles);
    let lines = [(1, 6), (2, 3), (3, 7)].map(|(id, quantity)| line_of(&catalog, id, quantity));
    let uses_left = HashMap::from([(11, 1), (12, 2), (13, 1)].map(|(id, left)| (Uuid::from_u128(id), left)));
    let candidates = bundles::candidates(&catalog, &lines, &Terms::of_nobody(Instant(0), &uses_left));
    // What pricing rules have left of them: 0.09, 0.01 and nothing.
    let stock =
        [(6, 9), (3, 1), (7, 0)].map(|(quantity, cents)| Stock { quantity, remaining: Money::from_cents(cents) });
    let greedy = bundles::apply_greedily(&candidates, &stock);
    let total: i64 = greedy.iter().map(|bundle| bundle.discount.cents()).sum();
    assert_eq!(saving_of(&candidates, &stock, &greedy), Some(total.into()));
    assert_eq!(total, 3); // 12 once for 0.01 and 13 once for 0.02; 11 for 0.01 more would leave 12 without a saving
}

#[test]
fn a_search_beyond_the_limit_is_greedy_and_says_so() {
    let catalog = Catalog::new(
        vec![add_on(1, 1000), add_on(2, 1000), add_on(3, 1000)],
        vec![],
        vec![bundle(11, [1, 2], 10), bundle(12, [2, 3], 20)],
    );
    let quote = |quantity: u32| {
        let line = |id: u128| line_of(&catalog, id, quantity);
        let cart = Cart { lines: [1, 2, 3].map(line).to_vec(), withdrawn: vec![] };
        price(&catalog, &cart, &Terms::of_nobody(Instant(0), &HashMap::new()))
    };
    let (at_limit, beyond) = (quote(255), quote(256));
    assert_eq!(at_limit.bundle_search, Search::Exact); // 256 × 256 selections
    assert_eq!(beyond.bundle_search, Search::Greedy);
    for (quote, instances) in [(at_limit, 255), (beyond, 256)] {
        assert_eq!(quote.bundles.len(), 1);
        assert_eq!((quote.bundles[0].bundle.id, quote.bundles[0].instances), (Uuid::from_u128(12), instances));
    }
}
