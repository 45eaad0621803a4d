//! The engine alone, without PostgreSQL: `cargo bench --package engine-benches`.
#![allow(missing_docs, reason = "criterion makes a public function")]

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use engine::billing::BillingType;
use engine::cart::{Cart, Line, Terms};
use engine::catalog::{AddOn, Bundle, Catalog, PricingRule};
use engine::conditions::Conditions;
use engine::explain::explain;
use engine::money::{Discount, Money, Percent, Unit};
use engine::promotions::{PromoCode, PromoDiscount, PromoRequest};
use engine::quote::price;
use engine::quote_json::{Heading, QuoteDocument};
use engine::split::split;
use engine::time::{Instant, Window};
use uuid::Uuid;

/// Ids that look random, so that neighbours in the cart are not neighbours in the catalog.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn discount(percent: i64) -> Discount {
    Discount { percent: Percent::from_hundredths(percent * 100), amount: Money::ZERO }
}

/// This many add-ons, with three rules each, of which one applies, and a bundle of three for each of them.
fn catalog(add_ons: u128) -> Catalog {
    let add_on = |number| AddOn {
        id: id(number),
        name: format!("Add-on {number}"),
        base_price: Money::from_cents(5_99 + number as i64 % 50),
        billing_type: BillingType::Monthly,
        is_active: true,
    };
    let rule = |number: u128, priority: i32| PricingRule {
        id: id(1_000_000 + 10 * number + priority as u128),
        add_on_id: id(number),
        tier_code: (priority == 3).then(|| "vip".to_owned()),
        discount: discount(5 * i64::from(priority)),
        conditions: Ok(Conditions { min_quantity: (priority == 2).then_some(50), ..Conditions::default() }),
        priority,
        is_active: true,
        window: Window::default(),
    };
    let bundle = |number: u128| {
        let mut add_on_ids = [number, (number + 1) % add_ons, (number + 2) % add_ons].map(id).to_vec();
        add_on_ids.sort_unstable();
        Bundle {
            id: id(2_000_000 + number),
            name: format!("Bundle {number}"),
            add_on_ids,
            discount: discount(10),
            is_active: true,
            window: Window::default(),
            is_limited: false,
        }
    };
    Catalog::new(
        (0..add_ons).map(add_on).collect(),
        (0..add_ons).flat_map(|number| (1..=3).map(move |priority| rule(number, priority))).collect(),
        (0..add_ons).map(bundle).collect(),
    )
}

/// A cart of this many add-ons, each `step` after the one before.
fn cart(catalog: &Catalog, lines: u128, step: u128, quantity: u32) -> Cart {
    let line = |number: u128| {
        let add_on = catalog.find(id(number * step)).expect("it is in the catalog");
        Line::new(catalog.add_on(add_on), add_on, quantity, None, Unit::HUNDREDTH).expect("it is cheap")
    };
    Cart { lines: (0..lines).map(line).collect(), withdrawn: Vec::new() }
}

fn ten_percent() -> PromoRequest {
    let discount = PromoDiscount::Percentage(Percent::from_hundredths(10_00));
    PromoRequest { code: "TEN".to_owned(), terms: Some(PromoCode::unrestricted(id(3_000_000), discount)) }
}

fn quotes(criterion: &mut Criterion) {
    let (catalog, promo, unlimited) = (catalog(200), ten_percent(), HashMap::new());
    let terms = Terms { promo: Some(&promo), user_id: Some("ada"), ..Terms::of_nobody(Instant(0), &unlimited) };
    let mut group = criterion.benchmark_group("price");
    for lines in [1, 3, 10, 60] {
        let apart = cart(&catalog, lines, 3, 2);
        group.bench_with_input(BenchmarkId::new("lines", lines), &apart, |bencher, cart| {
            bencher.iter(|| price(&catalog, black_box(cart), &terms));
        });
    }
    for lines in [3, 6, 12] {
        let together = cart(&catalog, lines, 1, 2);
        group.bench_with_input(BenchmarkId::new("overlapping bundles", lines), &together, |bencher, cart| {
            bencher.iter(|| price(&catalog, black_box(cart), &terms));
        });
    }
    let many = cart(&catalog, 30, 1, 100);
    group.bench_function("greedy search", |bencher| bencher.iter(|| price(&catalog, black_box(&many), &terms)));
    group.finish();
}

fn documents(criterion: &mut Criterion) {
    let (catalog, promo, unlimited) = (catalog(200), ten_percent(), HashMap::new());
    let terms = Terms { promo: Some(&promo), user_id: Some("ada"), ..Terms::of_nobody(Instant(0), &unlimited) };
    let cart = cart(&catalog, 3, 1, 2);
    let quote = price(&catalog, &cart, &terms);
    let heading = Heading { currency: "USD", priced_at: "2026-01-01T00:00:00+00:00" };
    criterion.bench_function("quote to JSON", |bencher| {
        bencher
            .iter(|| serde_json::to_string(&QuoteDocument::new(black_box(&quote), &catalog, &cart, &terms, heading)));
    });
    criterion.bench_function("explain", |bencher| {
        bencher.iter(|| explain(&catalog, black_box(&cart), &terms).steps().count())
    });
}

fn splits(criterion: &mut Criterion) {
    let weights: Vec<Money> = (1..=100).map(|number| Money::from_cents(number * 37)).collect();
    for lines in [3, 100] {
        criterion.bench_function(&format!("split/{lines}"), |bencher| {
            bencher.iter(|| split(black_box(Money::from_cents(101)), &weights[..lines], Unit::HUNDREDTH));
        });
    }
}

criterion_group!(benches, quotes, documents, splits);
criterion_main!(benches);
