//! The parameters with which a checkout can be paid at Stripe (semantics 6): those of a session, and of the coupon
//! that the session needs if the first payment is discounted and the renewals are not.
//!
//! Every amount is in Stripe's minor units, and the items less the coupon are exactly the checkout's total.

use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

use super::billing::BillingType;
use super::currency::Provider;
use super::money::Money;

/// A checkout that waits for its payment.
#[derive(Clone, Debug)]
pub struct Payable<'a> {
    /// The checkout.
    pub checkout_id: Uuid,
    /// The currency of its purchases, in capitals.
    pub currency: &'a str,
    /// Its purchases, in their order.
    pub lines: Vec<LineItem>,
    /// The promotional code that it carries.
    pub code: Option<Code<'a>>,
    /// Where Stripe sends the shopper who has paid.
    pub success_url: &'a str,
    /// Where Stripe sends the shopper who goes back.
    pub cancel_url: &'a str,
}

/// A purchase of it.
#[derive(Clone, Debug)]
pub struct LineItem {
    /// The add-on.
    pub add_on_id: Uuid,
    /// Its name.
    pub name: String,
    /// How many units.
    pub quantity: u32,
    /// How it is charged.
    pub billing_type: BillingType,
    /// Its price now, after all discounts.
    pub amount: Money,
    /// The discount of the promotional code.
    pub promo_discount: Money,
}

/// A promotional code, and the number of renewals that it applies to.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// The code.
    pub code: &'a str,
    /// The number of renewals to which it applies; `None` means all.
    pub renewals: Option<u32>,
}

/// Why Stripe cannot take a payment for a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpayable {
    /// There is nothing to pay.
    Nothing,
    /// Below what Stripe charges in this currency.
    BelowMinimum {
        /// The checkout's total.
        total: Money,
        /// The smallest charge.
        minimum: Money,
    },
    /// Above what Stripe charges in this currency.
    AboveMaximum {
        /// The checkout's total.
        total: Money,
        /// The largest charge.
        maximum: Money,
    },
    /// Stripe's minor unit is larger than the last decimal of the amount.
    Fraction {
        /// The amount.
        amount: Money,
    },
    /// One session has a single interval, and is paid either once or repeatedly.
    MixedBilling,
    /// More lines than a session can hold.
    TooManyLines {
        /// How many there are.
        lines: usize,
        /// How many a session takes.
        most: usize,
    },
}

/// The maximum number of lines in a session of mode `payment`, and in one of mode `subscription` for each kind of
/// line.
const MOST_ITEMS: usize = 100;
const MOST_ITEMS_OF_SUBSCRIPTION: usize = 20;

/// The maximum length of the names of products and of coupons in Stripe.
const LONGEST_PRODUCT: usize = 250;
const LONGEST_COUPON: usize = 40;

impl fmt::Display for Unpayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unpayable::Nothing => f.write_str("there is nothing to pay"),
            Unpayable::BelowMinimum { total, minimum } => {
                write!(f, "its total is {total}, and Stripe charges {minimum} at least")
            }
            Unpayable::AboveMaximum { total, maximum } => {
                write!(f, "its total is {total}, and Stripe charges {maximum} at most")
            }
            Unpayable::Fraction { amount } => write!(f, "Stripe has no such fraction of the currency as in {amount}"),
            Unpayable::MixedBilling => f.write_str("a session is paid once, each month or each year"),
            Unpayable::TooManyLines { lines, most } => {
                write!(f, "it has {lines} lines of a kind of which a session takes {most}")
            }
        }
    }
}

/// Stripe's minimum charge by currency. For other currencies Stripe has only a minimum in the currency of the bank
/// account, which is not known here.
const MINIMA: [(&str, i64); 24] = [
    ("AED", 2_00),
    ("AUD", 50),
    ("BGN", 1_00),
    ("BRL", 50),
    ("CAD", 50),
    ("CHF", 50),
    ("CZK", 15_00),
    ("DKK", 2_50),
    ("EUR", 50),
    ("GBP", 30),
    ("HKD", 4_00),
    ("HUF", 175_00),
    ("INR", 50),
    ("JPY", 50_00),
    ("MXN", 10_00),
    ("MYR", 2_00),
    ("NOK", 3_00),
    ("NZD", 50),
    ("PLN", 2_00),
    ("RON", 2_00),
    ("SEK", 3_00),
    ("SGD", 50),
    ("THB", 10_00),
    ("USD", 50),
];

/// The smallest charge in a currency, in the currency's own amounts.
fn minimum(currency: &str) -> Money {
    let known = MINIMA.iter().find(|(code, _)| *code == currency);
    Money::from_cents(known.map_or(1, |&(_, cents)| cents))
}

/// The largest charge in minor units: a number of eight digits, except for currencies of small value.
fn maximum(currency: &str) -> i64 {
    match currency {
        "INR" => 999_999_999,
        "COP" | "HUF" | "IDR" | "JPY" | "LBP" => 9_999_999_999,
        _ => 99_999_999,
    }
}

/// The parameters for Stripe: `{"coupon": null or parameters, "session": parameters}`.
pub fn parameters(payable: &Payable) -> Result<Value, Unpayable> {
    let total: Money = payable.lines.iter().map(|line| line.amount).sum();
    check_total(total, payable.currency)?;
    let interval = interval(&payable.lines)?;
    check_count(&payable.lines)?;
    let discount = discount(payable);
    let coupon = discount.map(|discount| coupon(payable, discount, interval)).transpose()?;
    let items: Result<Vec<Value>, Unpayable> =
        payable.lines.iter().map(|line| item(line, payable.currency, discount.is_some())).collect();
    let metadata = json!({"checkout_id": payable.checkout_id});
    let mut session = json!({
        "mode": if interval.is_some() { "subscription" } else { "payment" },
        "line_items": items?,
        "client_reference_id": payable.checkout_id,
        "metadata": metadata,
        "success_url": payable.success_url,
        "cancel_url": payable.cancel_url,
    });
    let paid_by = if interval.is_some() { "subscription_data" } else { "payment_intent_data" };
    session[paid_by] = json!({"metadata": metadata});
    if let Some(coupon) = &coupon {
        session["discounts"] = json!([{"coupon": coupon["id"]}]);
    }
    Ok(json!({"coupon": coupon, "session": session}))
}

fn check_total(total: Money, currency: &str) -> Result<(), Unpayable> {
    let minimum = minimum(currency);
    if total == Money::ZERO {
        return Err(Unpayable::Nothing);
    }
    if total < minimum {
        return Err(Unpayable::BelowMinimum { total, minimum });
    }
    if minor_units(total, currency)? > maximum(currency) {
        let maximum = Provider::Stripe.from_minor_units(maximum(currency), currency).unwrap_or(Money::MAX);
        return Err(Unpayable::AboveMaximum { total, maximum });
    }
    Ok(())
}

/// The interval in which the checkout is charged, in months; `None` when it is paid once.
fn interval(lines: &[LineItem]) -> Result<Option<Interval>, Unpayable> {
    let mut intervals: Vec<Option<Interval>> =
        lines.iter().filter(|line| line.billing_type != BillingType::UsageBased).map(Interval::of).collect();
    intervals.sort_unstable();
    intervals.dedup();
    match intervals[..] {
        [] => Ok(None),
        [interval] => Ok(interval),
        _ => Err(Unpayable::MixedBilling),
    }
}

fn check_count(lines: &[LineItem]) -> Result<(), Unpayable> {
    let recurring = lines.iter().filter(|line| Interval::of(line).is_some()).count();
    let counts = match recurring {
        0 => [(lines.len(), MOST_ITEMS), (0, MOST_ITEMS)],
        _ => [(recurring, MOST_ITEMS_OF_SUBSCRIPTION), (lines.len() - recurring, MOST_ITEMS_OF_SUBSCRIPTION)],
    };
    match counts.into_iter().find(|(count, most)| count > most) {
        Some((lines, most)) => Err(Unpayable::TooManyLines { lines, most }),
        None => Ok(()),
    }
}

/// How often a line is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Interval {
    Month,
    Year,
}

impl Interval {
    fn of(line: &LineItem) -> Option<Interval> {
        match line.billing_type {
            BillingType::Monthly => Some(Interval::Month),
            BillingType::Annual => Some(Interval::Year),
            // Units are prepaid: more units are another purchase.
            BillingType::OneTime | BillingType::UsageBased => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Interval::Month => "month",
            Interval::Year => "year",
        }
    }

    fn months(self) -> u32 {
        match self {
            Interval::Month => 1,
            Interval::Year => 12,
        }
    }
}

/// The discount of the first payments that does not apply to all: the code's discount on recurring lines.
fn discount(payable: &Payable) -> Option<Money> {
    payable.code.and_then(|code| code.renewals)?;
    let recurring = payable.lines.iter().filter(|line| Interval::of(line).is_some());
    let discount: Money = recurring.map(|line| line.promo_discount).sum();
    (discount > Money::ZERO).then_some(discount)
}

/// The coupon of a checkout. Its id is derived from the checkout's, so that the session can name it before it exists
/// and nobody else can use it.
fn coupon(payable: &Payable, discount: Money, interval: Option<Interval>) -> Result<Value, Unpayable> {
    let (code, renewals) = payable.code.map_or(("", 0), |code| (code.code, code.renewals.unwrap_or(0)));
    let mut coupon = json!({
        "id": payable.checkout_id,
        "name": cut(code, LONGEST_COUPON),
        "amount_off": minor_units(discount, payable.currency)?,
        "currency": payable.currency.to_lowercase(),
        "duration": if renewals == 0 { "once" } else { "repeating" },
        "max_redemptions": 1,
        "metadata": {"checkout_id": payable.checkout_id},
    });
    if renewals > 0 {
        let payments = renewals.saturating_add(1);
        coupon["duration_in_months"] = json!(payments.saturating_mul(interval.map_or(1, Interval::months)));
    }
    Ok(coupon)
}

/// A line as Stripe shows and charges it. If its price per unit is not a whole number of minor units, the line
/// becomes one unit.
fn item(line: &LineItem, currency: &str, has_coupon: bool) -> Result<Value, Unpayable> {
    let interval = Interval::of(line);
    let off = if has_coupon && interval.is_some() { line.promo_discount } else { Money::ZERO };
    let amount = minor_units(line.amount + off, currency)?;
    let units = i64::from(line.quantity.max(1));
    // A price per unit that Stripe could not charge alone is not used.
    let unit_amount = Some(amount / units).filter(|each| each * units == amount && is_whole(*each, currency));
    let (quantity, unit_amount, name) = match unit_amount {
        Some(unit_amount) => (units, unit_amount, line.name.clone()),
        None => (1, amount, format!("{units} x {}", line.name)),
    };
    let mut price = json!({
        "currency": currency.to_lowercase(),
        "unit_amount": unit_amount,
        "product_data": {"name": cut(&name, LONGEST_PRODUCT), "metadata": {"add_on_id": line.add_on_id}},
    });
    if let Some(interval) = interval {
        price["recurring"] = json!({"interval": interval.name()});
    }
    Ok(json!({"quantity": quantity, "price_data": price}))
}

fn minor_units(amount: Money, currency: &str) -> Result<i64, Unpayable> {
    Provider::Stripe.to_minor_units(amount, currency).ok_or(Unpayable::Fraction { amount })
}

/// Whether an amount in minor units can be charged.
fn is_whole(minor: i64, currency: &str) -> bool {
    let amount = Provider::Stripe.from_minor_units(minor, currency);
    amount.is_some_and(|amount| minor_units(amount, currency).is_ok())
}

/// The first characters of a text.
fn cut(text: &str, longest: usize) -> &str {
    text.char_indices().nth(longest).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHECKOUT: Uuid = Uuid::from_u128(0xc0);

    fn line(number: u128, quantity: u32, billing_type: BillingType, amount: i64, promo_discount: i64) -> LineItem {
        LineItem {
            add_on_id: Uuid::from_u128(number),
            name: format!("Add-on {number}"),
            quantity,
            billing_type,
            amount: Money::from_cents(amount),
            promo_discount: Money::from_cents(promo_discount),
        }
    }

    fn payable<'a>(currency: &'a str, lines: Vec<LineItem>, code: Option<Code<'a>>) -> Payable<'a> {
        Payable {
            checkout_id: CHECKOUT,
            currency,
            lines,
            code,
            success_url: "https://shop.test/thanks",
            cancel_url: "https://shop.test/cart",
        }
    }

    fn once(renewals: Option<u32>) -> Option<Code<'static>> {
        Some(Code { code: "FRIEND50", renewals })
    }

    /// What a session charges now.
    fn charged(parameters: &Value) -> i64 {
        let items = parameters["session"]["line_items"].as_array().unwrap().iter();
        let number = |value: &Value| value.as_i64().unwrap();
        let sum: i64 = items.map(|item| number(&item["quantity"]) * number(&item["price_data"]["unit_amount"])).sum();
        sum - parameters["coupon"]["amount_off"].as_i64().unwrap_or(0)
    }

    #[test]
    fn one_time_lines_use_a_payment_session() {
        let lines = vec![line(1, 1, BillingType::OneTime, 49_99, 0), line(2, 3, BillingType::UsageBased, 30_00, 0)];
        let parameters = parameters(&payable("USD", lines, None)).unwrap();
        assert_eq!(
            parameters,
            json!({"coupon": null, "session": {
                "mode": "payment",
                "line_items": [
                    {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 4999, "product_data":
                        {"name": "Add-on 1", "metadata": {"add_on_id": Uuid::from_u128(1)}}}},
                    {"quantity": 3, "price_data": {"currency": "usd", "unit_amount": 1000, "product_data":
                        {"name": "Add-on 2", "metadata": {"add_on_id": Uuid::from_u128(2)}}}},
                ],
                "client_reference_id": CHECKOUT,
                "metadata": {"checkout_id": CHECKOUT},
                "payment_intent_data": {"metadata": {"checkout_id": CHECKOUT}},
                "success_url": "https://shop.test/thanks",
                "cancel_url": "https://shop.test/cart",
            }})
        );
    }

    #[test]
    fn recurring_lines_use_a_subscription_session_with_their_interval_and_units_are_charged_once() {
        for (billing_type, interval) in [(BillingType::Monthly, "month"), (BillingType::Annual, "year")] {
            let lines = vec![line(1, 1, billing_type, 9_99, 0), line(2, 1, BillingType::UsageBased, 5_00, 0)];
            let session = parameters(&payable("EUR", lines, None)).unwrap()["session"].take();
            assert_eq!(session["mode"], "subscription");
            assert_eq!(session["line_items"][0]["price_data"]["recurring"], json!({"interval": interval}));
            assert_eq!(session["line_items"][1]["price_data"].get("recurring"), None);
            assert_eq!(session["subscription_data"], json!({"metadata": {"checkout_id": CHECKOUT}}));
            assert_eq!(session.get("payment_intent_data"), None);
        }
    }

    #[test]
    fn a_line_whose_price_cannot_be_divided_is_one_unit() {
        let lines = vec![line(1, 3, BillingType::OneTime, 10_00, 0)];
        let item = parameters(&payable("USD", lines, None)).unwrap()["session"]["line_items"][0].take();
        assert_eq!((&item["quantity"], &item["price_data"]["unit_amount"]), (&json!(1), &json!(1000)));
        assert_eq!(item["price_data"]["product_data"]["name"], "3 x Add-on 1");
        // 5 kronur for two are 250 hundredths for each, which is half a krona.
        let lines = vec![line(1, 2, BillingType::OneTime, 5_00, 0)];
        let item = parameters(&payable("ISK", lines, None)).unwrap()["session"]["line_items"][0].take();
        assert_eq!((&item["quantity"], &item["price_data"]["unit_amount"]), (&json!(1), &json!(500)));
    }

    #[test]
    fn a_code_for_the_first_payment_is_a_coupon() {
        // 14.99 less 5.00, and 5.00 once less 1.00: the coupon is for what recurs.
        let lines = vec![line(1, 1, BillingType::Monthly, 9_99, 5_00), line(2, 1, BillingType::UsageBased, 4_00, 1_00)];
        let parameters = parameters(&payable("USD", lines, once(Some(0)))).unwrap();
        assert_eq!(
            parameters["coupon"],
            json!({"id": CHECKOUT, "name": "FRIEND50", "amount_off": 500, "currency": "usd", "duration": "once",
                   "max_redemptions": 1, "metadata": {"checkout_id": CHECKOUT}})
        );
        assert_eq!(parameters["session"]["discounts"], json!([{"coupon": CHECKOUT}]));
        assert_eq!(parameters["session"]["line_items"][0]["price_data"]["unit_amount"], 1499);
        assert_eq!(parameters["session"]["line_items"][1]["price_data"]["unit_amount"], 400);
        assert_eq!(charged(&parameters), 13_99);
    }

    #[test]
    fn a_code_for_some_renewals_is_a_coupon_for_as_many_months_and_one_for_all_is_the_price() {
        let with = |billing_type, renewals| {
            parameters(&payable("USD", vec![line(1, 1, billing_type, 8_00, 2_00)], once(renewals))).unwrap()
        };
        let months = |parameters: Value| {
            assert_eq!((charged(&parameters), &parameters["coupon"]["duration"]), (8_00, &json!("repeating")));
            parameters["coupon"]["duration_in_months"].as_u64()
        };
        assert_eq!(months(with(BillingType::Monthly, Some(2))), Some(3));
        assert_eq!(months(with(BillingType::Annual, Some(1))), Some(24));
        let for_ever = with(BillingType::Monthly, None);
        assert_eq!((charged(&for_ever), &for_ever["coupon"]), (8_00, &Value::Null));
        assert_eq!(for_ever["session"].get("discounts"), None);
        let bought_once = with(BillingType::OneTime, Some(0));
        assert_eq!((charged(&bought_once), &bought_once["coupon"]), (8_00, &Value::Null));
    }

    #[test]
    fn amounts_are_in_the_minor_units_that_stripe_counts_in() {
        for (currency, amount, minor) in [("JPY", 899_00, 899), ("ISK", 899_00, 899_00), ("UGX", 899_00, 899_00)] {
            let lines = vec![line(1, 1, BillingType::OneTime, amount, 0)];
            assert_eq!(charged(&parameters(&payable(currency, lines, None)).unwrap()), minor, "{currency}");
        }
    }

    #[test]
    fn amounts_that_stripe_cannot_charge_are_refused() {
        let refused = |currency, billing_types: &[BillingType], amount| {
            let lines = billing_types.iter().map(|&billing_type| line(1, 1, billing_type, amount, 0)).collect();
            parameters(&payable(currency, lines, None)).unwrap_err()
        };
        let cents = Money::from_cents;
        let (once, monthly, annual) = (BillingType::OneTime, BillingType::Monthly, BillingType::Annual);
        assert_eq!(refused("USD", &[once], 0), Unpayable::Nothing);
        assert_eq!(refused("USD", &[once], 49), Unpayable::BelowMinimum { total: cents(49), minimum: cents(50) });
        assert_eq!(
            refused("JPY", &[once], 49_00),
            Unpayable::BelowMinimum { total: cents(49_00), minimum: cents(50_00) }
        );
        let maximum = cents(999_999_99);
        assert_eq!(
            refused("USD", &[once], 1_000_000_00),
            Unpayable::AboveMaximum { total: cents(1_000_000_00), maximum }
        );
        assert_eq!(refused("JPY", &[once], 899_10), Unpayable::Fraction { amount: cents(899_10) });
        assert_eq!(refused("MGA", &[once], 5_20), Unpayable::Fraction { amount: cents(5_20) });
        assert_eq!(refused("USD", &[once, monthly], 5_00), Unpayable::MixedBilling);
        assert_eq!(refused("USD", &[annual, monthly], 5_00), Unpayable::MixedBilling);
        assert_eq!(refused("USD", &[once; 101], 1_00), Unpayable::TooManyLines { lines: 101, most: 100 });
        assert_eq!(refused("USD", &[monthly; 21], 1_00), Unpayable::TooManyLines { lines: 21, most: 20 });
    }

    #[test]
    fn names_are_truncated_to_the_limit_of_stripe() {
        let mut long = line(1, 3, BillingType::Monthly, 10_00, 1_00);
        long.name = "\u{fc}".repeat(255);
        let code = "C".repeat(50);
        let code = Some(Code { code: &code, renewals: Some(0) });
        let parameters = parameters(&payable("USD", vec![long], code)).unwrap();
        let name = &parameters["session"]["line_items"][0]["price_data"]["product_data"]["name"];
        assert_eq!(name.as_str().unwrap().chars().count(), 250);
        assert_eq!(parameters["coupon"]["name"].as_str().unwrap().len(), 40);
    }

    proptest! {
        #[test]
        fn the_items_less_the_coupon_are_the_total(
            lines in prop::collection::vec((1..50_u32, 0..100_000_i64, 0..10_000_i64, any::<bool>()), 1..15),
            currency in prop::sample::select(vec!["USD", "JPY", "ISK", "HUF", "XYZ"]),
            renewals in prop::option::of(0..3_u32),
        ) {
            let unit = if Provider::Stripe.to_minor_units(Money::from_cents(1), currency).is_some() { 1 } else { 100 };
            let lines: Vec<LineItem> = lines.into_iter().enumerate().map(|(number, (quantity, amount, off, is_monthly))| {
                let billing_type = if is_monthly { BillingType::Monthly } else { BillingType::UsageBased };
                line(number as u128, quantity, billing_type, amount * unit, off * unit)
            }).collect();
            let total: Money = lines.iter().map(|line| line.amount).sum();
            match parameters(&payable(currency, lines, once(renewals))) {
                Ok(parameters) => prop_assert_eq!(Provider::Stripe.from_minor_units(charged(&parameters), currency), Some(total)),
                Err(refused) => prop_assert!(
                    matches!(refused, Unpayable::Nothing | Unpayable::BelowMinimum { .. } | Unpayable::AboveMaximum { .. }),
                    "{refused}"
                ),
            }
        }
    }
}
