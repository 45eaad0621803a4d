//! The worked examples of `tests/vectors.json`, which come from the tests of other projects, in minor units.

use serde::Deserialize;
use serde_json::{Value, json};

use engine::money::{Discount, Money, Percent, Unit};
use engine::promotions::PromoDiscount;
use engine::split::split;

/// Counts minor units, whatever their name.
const UNIT: Unit = Unit::HUNDREDTH;

#[derive(Deserialize)]
struct Example {
    id: String,
    #[serde(rename = "fn")]
    function: String,
    #[serde(rename = "in")]
    input: Value,
    expect: Value,
}

fn amount(value: &Value) -> Money {
    Money::from_cents(value.as_i64().unwrap())
}

fn amounts(value: &Value) -> Vec<Money> {
    value.as_array().unwrap().iter().map(amount).collect()
}

fn percent(value: &Value) -> Percent {
    Percent::from_hundredths(value.as_i64().unwrap() * 100)
}

fn cents(amounts: &[Money]) -> Value {
    json!(amounts.iter().map(|amount| amount.cents()).collect::<Vec<i64>>())
}

/// One discount over all lines, as of a promotional code, optionally up to a cap.
fn order_discount(input: &Value) -> Value {
    let lines = amounts(&input["lines"]);
    let whole: Money = lines.iter().copied().sum();
    let discount = match input.get("pct") {
        Some(pct) => PromoDiscount::Percentage(percent(pct)),
        None => PromoDiscount::FixedAmount(amount(&input["fixed"])),
    };
    let cap = input.get("cap").map_or(whole, amount);
    cents(&split(discount.on(whole, UNIT).min(cap), &lines, UNIT))
}

/// Several discounts one after the other: percentages first, then amounts, the larger value first.
fn codes(input: &Value) -> Value {
    let mut codes: Vec<(bool, i64)> =
        input["codes"].as_array().unwrap().iter().map(|code| (code[0] == "fixed", code[1].as_i64().unwrap())).collect();
    codes.sort_by_key(|&(is_fixed, value)| (is_fixed, -value));
    let mut remaining = amounts(&input["lines"]);
    let mut parts = Vec::new();
    for (is_fixed, value) in codes {
        let discount = match is_fixed {
            true => PromoDiscount::FixedAmount(Money::from_cents(value)),
            false => PromoDiscount::Percentage(Percent::from_hundredths(value * 100)),
        };
        let part = split(discount.on(remaining.iter().copied().sum(), UNIT), &remaining, UNIT);
        remaining.iter_mut().zip(&part).for_each(|(left, &part)| *left -= part);
        parts.push(cents(&part));
    }
    json!({"parts": parts, "remaining": cents(&remaining)})
}

fn line_rule(input: &Value) -> Value {
    let discount = Discount {
        percent: input.get("pct").map_or(Percent::ZERO, percent),
        amount: input.get("per_unit").map_or(Money::ZERO, amount),
    };
    json!(discount.on(amount(&input["amount"]), input["qty"].as_u64().unwrap() as u32, UNIT).cents())
}

#[test]
fn every_worked_example_agrees() {
    let examples: Vec<Example> = serde_json::from_str(include_str!("../../../tests/vectors.json")).unwrap();
    assert_eq!(examples.len(), 72);
    for Example { id, function, input, expect } in examples {
        let ours = match function.as_str() {
            "allocate_weights" => cents(&split(amount(&input["amount"]), &amounts(&input["weights"]), UNIT)),
            "allocate" => cents(&split(amount(&input["amount"]), &amounts(&input["caps"]), UNIT)),
            "order_discount" => order_discount(&input),
            "codes" => codes(&input),
            "line_rule" => line_rule(&input),
            other => panic!("{id}: unknown function {other}"),
        };
        assert_eq!(ours, expect, "{id}");
    }
}
