//! The selection of bundles, compared with the text of the semantics (2.3).

mod strategies;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::strategies::{line_of, world};
use engine::billing::BillingType;
use engine::bundles::{self, AppliedBundle, Candidate, GREEDY_EFFORT, Search, Stock};
use engine::cart::{Cart, Line, Terms};
use engine::catalog::{AddOn, Bundle, Catalog};
use engine::money::{Discount, Money, Percent, Unit};
use engine::quote::{Quote, price};
use engine::time::{Instant, Window};

/// The saving of a selection, computed from the text of the semantics and not with the engine's own functions.
fn saving(candidates: &[Candidate], stock: &[Stock], selection: &[u32]) -> Option<Vec<i128>> {
    // Half away from zero to the unit: a quotient of cents.
    let unit = candidates.first().map_or(1, |candidate| i128::from(candidate.unit.amount().cents()));
    let rounded =
        |numerator: i128, denominator: i128| (2 * numerator + denominator * unit) / (2 * denominator * unit) * unit;
    let mut taken = vec![0_i128; stock.len()];
    let mut savings = Vec::new();
    for (candidate, &instances) in candidates.iter().zip(selection) {
        let k = i128::from(instances);
        let mut base = 0;
        for &line in &candidate.lines {
            let (q, r) = (i128::from(stock[line].quantity), i128::from(stock[line].remaining.cents()));
            base += rounded(r * (taken[line] + k), q) - rounded(r * taken[line], q);
            taken[line] += k;
            if taken[line] > q {
                return None;
            }
        }
        let Discount { percent, amount } = candidate.bundle.discount;
        let basis_points: i128 = (percent.to_string().parse::<f64>().unwrap() * 100.0).round() as i128;
        let amount = rounded(i128::from(amount.cents()) * k, 1);
        let discount = (rounded(base * basis_points, 10_000) + amount).min(base);
        if k > 0 && discount == 0 {
            return None;
        }
        savings.push(discount);
    }
    Some(savings)
}

/// The saving of the applied bundles, computed from these alone.
fn saving_of(candidates: &[Candidate], stock: &[Stock], applied: &[AppliedBundle]) -> Option<i128> {
    let instances = |candidate: &Candidate| {
        let found = applied.iter().find(|applied| applied.bundle.id == candidate.bundle.id);
        found.map_or(0, |applied| applied.instances)
    };
    let selection: Vec<u32> = candidates.iter().map(instances).collect();
    Some(saving(candidates, stock, &selection)?.iter().sum())
}

/// Every selection of at most this many instances of each candidate.
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

/// The greedy search as the semantics define it: each step evaluates the whole selection with one more instance of
/// each.
fn greedy_by_the_book(candidates: &[Candidate], stock: &[Stock]) -> Vec<u32> {
    let mut selection = vec![0; candidates.len()];
    loop {
        let total = |selection: &[u32]| Some(saving(candidates, stock, selection)?.iter().sum::<i128>());
        let now = total(&selection).unwrap();
        let with_one_more = |position: usize| {
            let mut selection = selection.clone();
            selection[position] += 1;
            (selection[position] <= candidates[position].most).then(|| total(&selection))?.map(|total| total - now)
        };
        let gains = (0..candidates.len()).filter_map(|position| Some((with_one_more(position)?, position)));
        let best = gains.max_by_key(|&(gain, position)| (gain, std::cmp::Reverse(position)));
        match best {
            Some((gain, position)) if gain > 0 => selection[position] += 1,
            _ => return selection,
        }
    }
}

/// The number of applied instances of each candidate.
fn instances(candidates: &[Candidate], applied: &[AppliedBundle]) -> Vec<u32> {
    let of = |candidate: &Candidate| applied.iter().find(|applied| applied.bundle.id == candidate.bundle.id);
    candidates.iter().map(|candidate| of(candidate).map_or(0, |applied| applied.instances)).collect()
}

/// A bundle: the positions of its lines, its discount, and its maximum number of uses.
type Member = (Vec<usize>, Discount, u32);

/// Lines and bundles of them, with amounts of a few cents, so that rounding decides, or ordinary amounts.
fn crowd() -> impl Strategy<Value = (Vec<Stock>, Vec<Member>)> {
    const LINES: usize = 6;
    let remaining = prop_oneof![0..40_i64, 0..20_000_i64];
    let stock =
        (1..14_u32, remaining).prop_map(|(quantity, cents)| Stock { quantity, remaining: Money::from_cents(cents) });
    let lines = prop::sample::subsequence((0..LINES).collect::<Vec<usize>>(), 2..=4);
    let discount = (prop_oneof![Just(0), 0..=3_000_i64], prop_oneof![3 => Just(0), 1 => 0..30_i64]);
    let discount = discount.prop_map(|(percent, cents)| Discount {
        percent: Percent::from_hundredths(percent),
        amount: Money::from_cents(cents),
    });
    (vec(stock, LINES), vec((lines, discount, 1..16_u32), 1..10))
}

fn bundles_of(crowd: &[Member]) -> Vec<Rc<Bundle>> {
    let bundle = |(number, (lines, discount, _)): (u128, &Member)| {
        let add_on_ids = lines.iter().map(|&line| Uuid::from_u128(line as u128)).collect();
        Rc::new(Bundle { add_on_ids, discount: *discount, ..bundle(number, [], 0) })
    };
    (1..).zip(crowd).map(bundle).collect()
}

fn candidates_of<'c>(crowd: &[Member], bundles: &'c [Rc<Bundle>], stock: &[Stock], unit: Unit) -> Vec<Candidate<'c>> {
    let candidate = |(bundle, (lines, _, uses)): (&'c Rc<Bundle>, &Member)| {
        let in_cart = lines.iter().map(|&line| stock[line].quantity).min().unwrap();
        Candidate { bundle, lines: lines.clone(), most: in_cart.min(*uses), unit }
    };
    bundles.iter().zip(crowd).map(candidate).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

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

        let greedy = bundles::apply_greedily(&candidates, &stock, GREEDY_EFFORT);
        let total = |applied: &[bundles::AppliedBundle]| applied.iter().map(|bundle| bundle.discount).sum::<Money>();
        prop_assert!(total(&greedy) <= total(&exact));
        prop_assert_eq!(saving_of(&candidates, &stock, &greedy), Some(i128::from(total(&greedy).cents())));
    }

    #[test]
    fn the_greedy_search_goes_by_the_book((stock, crowd) in crowd(), is_in_yen in any::<bool>()) {
        let unit = if is_in_yen { Unit::ONE } else { Unit::HUNDREDTH };
        let in_units = |stock: &Stock| Stock { remaining: unit.times(stock.remaining.cents()), ..*stock };
        let stock: Vec<Stock> = stock.iter().map(in_units).collect();
        let bundles = bundles_of(&crowd);
        let candidates = candidates_of(&crowd, &bundles, &stock, unit);
        let greedy = bundles::apply_greedily(&candidates, &stock, GREEDY_EFFORT);
        prop_assert_eq!(instances(&candidates, &greedy), greedy_by_the_book(&candidates, &stock));
    }

    #[test]
    fn a_search_that_is_cut_short_selects_what_can_be_sold((stock, crowd) in crowd(), effort in 0..20_000_u64) {
        let bundles = bundles_of(&crowd);
        let candidates = candidates_of(&crowd, &bundles, &stock, Unit::HUNDREDTH);
        let greedy = bundles::apply_greedily(&candidates, &stock, effort);
        let total: i64 = greedy.iter().map(|bundle| bundle.discount.cents()).sum();
        prop_assert_eq!(saving_of(&candidates, &stock, &greedy), Some(total.into()));
        let chosen = instances(&candidates, &greedy);
        prop_assert!(chosen.iter().zip(&candidates).all(|(&chosen, candidate)| chosen <= candidate.most));
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
    // The amounts left by pricing rules: 0.09, 0.01 and nothing.
    let stock =
        [(6, 9), (3, 1), (7, 0)].map(|(quantity, cents)| Stock { quantity, remaining: Money::from_cents(cents) });
    let greedy = bundles::apply_greedily(&candidates, &stock, GREEDY_EFFORT);
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

#[test]
fn millions_of_units_are_filled_up_in_blocks() {
    let catalog = Catalog::new(
        vec![add_on(1, 0), add_on(2, 0), add_on(3, 0)],
        vec![],
        vec![bundle(11, [1, 2], 25), bundle(12, [2, 3], 50)],
    );
    let quantity = i32::MAX as u32;
    let lines = [1, 2, 3].map(|id| line_of(&catalog, id, quantity));
    let none_limited = HashMap::new();
    let candidates = bundles::candidates(&catalog, &lines, &Terms::of_nobody(Instant(0), &none_limited));
    let stock = [Stock { quantity, remaining: Money::from_cents(4 * i64::from(quantity)) }; 3];
    let (applied, search) = bundles::apply(&candidates, &stock, || {});
    assert_eq!(search, Search::Greedy);
    // An instance of the first saves 0.02, of the other 0.04, until the other has taken all units that both need.
    assert_eq!(instances(&candidates, &applied), [0, quantity]);
    assert_eq!(applied[0].discount, Money::from_cents(4 * i64::from(quantity)));
}

/// This many add-ons, each of which forms a bundle with the first one.
fn hub(bundles: u128, quantity: u32, check_interrupts: fn()) -> Quote {
    let add_ons = (1..=bundles + 1).map(|id| add_on(id, 10_00)).collect();
    let bundles = (1..=bundles).map(|id| bundle(100_000 + id, [1, id + 1], 10)).collect();
    let catalog = Catalog::new(add_ons, vec![], bundles);
    let lines = (1..=catalog.bundles().len() as u128 + 1).map(|id| line_of(&catalog, id, quantity)).collect();
    let none_limited = HashMap::new();
    let terms = Terms { check_interrupts, ..Terms::of_nobody(Instant(0), &none_limited) };
    price(&catalog, &Cart { lines, withdrawn: vec![] }, &terms)
}

#[test]
fn bundles_that_share_an_add_on_take_its_units_in_the_order_of_their_ids() {
    let quote = hub(1_500, 20, || {});
    assert_eq!(quote.bundle_search, Search::Greedy);
    // All save the same 10 % of 20.00, so the first takes as many units as there are.
    assert_eq!(quote.bundles.len(), 1);
    assert_eq!((quote.bundles[0].bundle.id, quote.bundles[0].instances), (Uuid::from_u128(100_001), 20));
    assert_eq!(quote.discount_total(), Money::from_cents(40_00));
}

static ASKED: AtomicU64 = AtomicU64::new(0);

#[test]
fn a_long_search_can_be_ended() {
    hub(3_000, 100, || {
        ASKED.fetch_add(1, Ordering::Relaxed);
    });
    // 100 steps, each of which evaluates 3,000 gains.
    assert!(ASKED.load(Ordering::Relaxed) >= 50, "{ASKED:?}");
}
