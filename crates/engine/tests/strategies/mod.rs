//! Random catalogs, carts and users for property tests.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use engine::billing::BillingType;
use engine::cart::{Cart, Line, Terms};
use engine::catalog::{AddOn, Bundle, Catalog, PricingRule};
use engine::conditions::Conditions;
use engine::json::Malformed;
use engine::money::{Discount, Money, Percent, Unit};
use engine::promotions::{PromoCode, PromoDiscount, PromoRequest, Restrictions};
use engine::quote::{Quote, price};
use engine::time::{Instant, Window};

/// Add-ons have the ids 1, 2, …; rules, bundles and the code have ids of their own.
const ADD_ONS: u128 = 6;

/// All inputs of a quote. The instant is 0.
#[derive(Clone, Debug)]
pub struct World {
    pub add_ons: Vec<AddOn>,
    pub rules: Vec<PricingRule>,
    pub bundles: Vec<Bundle>,
    pub bundle_uses_left: HashMap<Uuid, u32>,
    pub quantities: Vec<(u128, u32)>,
    pub promo: PromoRequest,
    pub buyer: Buyer,
    /// The unit of the list prices; discounts are in cents regardless.
    pub unit: Unit,
}

/// Who buys.
#[derive(Clone, Debug)]
pub struct Buyer {
    pub is_known: bool,
    pub tier_code: Option<&'static str>,
    pub owned: Vec<Uuid>,
    pub has_purchased: bool,
    pub promo_uses: u32,
}

impl World {
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.add_ons.clone(), self.rules.clone(), self.bundles.clone())
    }

    pub fn terms(&self) -> Terms<'_> {
        Terms {
            user_id: self.buyer.is_known.then_some("ada"),
            tier_code: self.buyer.tier_code,
            owned: &self.buyer.owned,
            has_purchased: self.buyer.has_purchased,
            promo_uses: self.buyer.promo_uses,
            promo: Some(&self.promo),
            unit: self.unit,
            ..Terms::of_nobody(Instant(0), &self.bundle_uses_left)
        }
    }

    pub fn cart(&self, catalog: &Catalog) -> Cart {
        let line = |&(id, quantity): &(u128, u32)| line_of(catalog, id, quantity);
        Cart { lines: self.quantities.iter().map(line).collect(), withdrawn: Vec::new() }
    }

    pub fn quote(&self) -> Quote {
        self.quote_from(&self.catalog())
    }

    pub fn quote_from(&self, catalog: &Catalog) -> Quote {
        price(catalog, &self.cart(catalog), &self.terms())
    }
}

/// A line with this many units of an add-on.
pub fn line_of(catalog: &Catalog, id: u128, quantity: u32) -> Line {
    let add_on = catalog.find(Uuid::from_u128(id)).unwrap();
    Line::new(catalog.add_on(add_on), add_on, quantity, None, Unit::HUNDREDTH).unwrap()
}

/// The add-on of rules that tests write by hand.
pub const ADD_ON: Uuid = Uuid::from_u128(1);

/// A rule that is always a candidate.
pub fn rule(id: u128, priority: i32, percent: i64) -> PricingRule {
    PricingRule {
        id: Uuid::from_u128(id),
        add_on_id: ADD_ON,
        tier_code: None,
        discount: Discount { percent: Percent::from_hundredths(percent * 100), amount: Money::ZERO },
        conditions: Ok(Conditions::default()),
        priority,
        is_active: true,
        window: Window::default(),
    }
}

fn ids(numbers: Vec<u128>) -> Vec<Uuid> {
    numbers.into_iter().map(Uuid::from_u128).collect()
}

fn some_add_ons(count: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Uuid>> {
    prop::sample::subsequence((1..=ADD_ONS).collect::<Vec<u128>>(), count).prop_map(ids)
}

/// Amounts around the unit, where rounding matters, and ordinary ones, in units.
fn price_in_units() -> impl Strategy<Value = i64> {
    prop_oneof![0..20_i64, 0..20_000_i64]
}

fn discount() -> impl Strategy<Value = Discount> {
    let percent = prop_oneof![Just(0), 0..=10_000_i64, (0..=20_i64).prop_map(|fives| fives * 500)];
    let amount = prop_oneof![3 => Just(0), 1 => 0..500_i64];
    (percent, amount).prop_map(|(percent, amount)| Discount {
        percent: Percent::from_hundredths(percent),
        amount: Money::from_cents(amount),
    })
}

/// Mostly open at the instant.
fn window() -> impl Strategy<Value = Window> {
    let bound = || prop_oneof![6 => Just(None), 1 => (-1..=1_i64).prop_map(|at| Some(Instant(at)))];
    (bound(), bound()).prop_map(|(from, until)| Window { from, until })
}

fn mostly_true() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.9)
}

fn billing_type() -> impl Strategy<Value = BillingType> {
    prop::sample::select(&BillingType::ALL[..])
}

fn conditions() -> impl Strategy<Value = Result<Conditions, Malformed>> {
    let quantities = (prop::option::weighted(0.3, 1..5_u32), prop::option::weighted(0.2, 1..5_u32));
    let add_ons = || prop_oneof![4 => Just(vec![]), 1 => some_add_ons(1..=2)];
    let billing_types = prop::option::weighted(0.2, vec(billing_type(), 0..3));
    let subtotal = prop::option::weighted(0.2, 0..10_000_i64);
    let flags = (any::<bool>(), prop::bool::weighted(0.1));
    let conditions = (quantities, add_ons(), add_ons(), billing_types, subtotal, flags).prop_map(
        |((min_quantity, max_quantity), requires_addon, excludes_addon, billing_type, subtotal, flags)| {
            Ok(Conditions {
                min_quantity,
                max_quantity,
                min_subtotal: subtotal.map(|cents| rust_decimal::Decimal::new(cents, 2)),
                requires_addon,
                excludes_addon,
                billing_type,
                first_purchase_only: flags.1,
                stackable: flags.0,
            })
        },
    );
    prop_oneof![20 => conditions, 1 => Just(Err(Malformed("it is garbled".to_owned())))]
}

fn any_rule(number: u128) -> impl Strategy<Value = PricingRule> {
    let tier_code = prop::option::weighted(0.2, prop::sample::select(vec!["pro", "vip"]));
    let what = (1..=ADD_ONS, discount(), conditions(), 0..3_i32);
    (what, tier_code, mostly_true(), window()).prop_map(
        move |((add_on, discount, conditions, priority), tier_code, is_active, window)| PricingRule {
            id: Uuid::from_u128(1000 + number),
            add_on_id: Uuid::from_u128(add_on),
            tier_code: tier_code.map(str::to_owned),
            discount,
            conditions,
            priority,
            is_active,
            window,
        },
    )
}

fn bundle(number: u128) -> impl Strategy<Value = (Bundle, Option<u32>)> {
    let what = (some_add_ons(2..=3), discount(), prop::option::of(0..4_u32));
    (what, mostly_true(), window()).prop_map(move |((add_on_ids, discount, uses_left), is_active, window)| {
        let id = Uuid::from_u128(2000 + number);
        let (name, is_limited) = (format!("bundle {number}"), uses_left.is_some());
        (Bundle { id, name, add_on_ids, discount, is_active, window, is_limited }, uses_left)
    })
}

fn restrictions() -> impl Strategy<Value = Result<Restrictions, Malformed>> {
    let tier = prop::option::weighted(0.1, Just(vec!["pro".to_owned()]));
    let user_ids = prop::option::weighted(0.1, prop::sample::select(vec![vec![], vec!["ada".to_owned()]]));
    (tier, prop::bool::weighted(0.1), user_ids, prop::option::weighted(0.1, 1..3_u32)).prop_map(
        |(tier, first_purchase_only, user_ids, max_uses_per_user)| {
            Ok(Restrictions { tier, first_purchase_only, user_ids, max_uses_per_user })
        },
    )
}

fn promo() -> impl Strategy<Value = PromoRequest> {
    let discount = prop_oneof![
        (1..=10_000_i64).prop_map(|percent| PromoDiscount::Percentage(Percent::from_hundredths(percent))),
        (1..20_000_i64).prop_map(|amount| PromoDiscount::FixedAmount(Money::from_cents(amount))),
    ];
    let what = (discount, prop::option::of(some_add_ons(1..=3)), 0..5_000_i64);
    let uses = (prop::option::weighted(0.2, 1..3_u32), 0..2_u32);
    let code = (what, uses, restrictions(), mostly_true(), window()).prop_map(
        |((discount, applicable_to, minimum), (max_uses, current_uses), restrictions, is_active, window)| PromoCode {
            id: Uuid::from_u128(3000),
            discount,
            max_uses,
            current_uses,
            applicable_to,
            min_purchase_amount: Money::from_cents(minimum),
            restrictions,
            expires_at: window.until,
            is_active,
        },
    );
    prop::option::weighted(0.95, code).prop_map(|terms| PromoRequest { code: "CODE".to_owned(), terms })
}

fn buyer() -> impl Strategy<Value = Buyer> {
    let tier_code = prop::option::of(prop::sample::select(vec!["pro", "vip"]));
    (mostly_true(), tier_code, some_add_ons(0..=2), any::<bool>(), 0..2_u32).prop_map(
        |(is_known, tier_code, owned, has_purchased, promo_uses)| Buyer {
            is_known,
            tier_code,
            owned: if is_known { owned } else { vec![] },
            has_purchased: is_known && has_purchased,
            promo_uses: if is_known { promo_uses } else { 0 },
        },
    )
}

/// A catalog, a cart and a buyer.
pub fn world() -> impl Strategy<Value = World> {
    let unit = prop_oneof![3 => Just(Unit::HUNDREDTH), 1 => Just(Unit::ONE)];
    let add_ons = (unit, vec((price_in_units(), billing_type()), ADD_ONS as usize)).prop_map(|(unit, add_ons)| {
        let add_on = |(number, (price, billing_type)): (u128, (i64, BillingType))| AddOn {
            id: Uuid::from_u128(number),
            name: format!("add-on {number}"),
            base_price: unit.times(price),
            billing_type,
            is_active: true,
        };
        (unit, (1..).zip(add_ons).map(add_on).collect::<Vec<AddOn>>())
    });
    let rules = (0..8_u128).map(any_rule).collect::<Vec<_>>();
    let bundles = (0..5_u128).map(bundle).collect::<Vec<_>>();
    let quantities = prop::sample::subsequence((1..=ADD_ONS).collect::<Vec<u128>>(), 0..=ADD_ONS as usize)
        .prop_shuffle()
        .prop_flat_map(|ids| {
            let count = ids.len();
            (Just(ids), vec(1..5_u32, count)).prop_map(|(ids, quantities)| ids.into_iter().zip(quantities).collect())
        });
    (add_ons, rules, bundles, quantities, promo(), buyer()).prop_map(
        |((unit, add_ons), rules, bundles, quantities, promo, buyer)| World {
            add_ons,
            rules,
            bundle_uses_left: bundles.iter().filter_map(|(bundle, uses)| Some((bundle.id, (*uses)?))).collect(),
            bundles: bundles.into_iter().map(|(bundle, _)| bundle).collect(),
            quantities,
            promo,
            buyer,
            unit,
        },
    )
}
