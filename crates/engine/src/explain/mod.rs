//! Explains the price of a cart: every candidate for a discount and what became of it (semantics 2).
//!
//! [`explain`] prices the cart as [`quote::price`] does. Then it evaluates each rule, bundle and condition of the
//! code again, with the same functions that decided about them. The result is a list of [`Step`]s: one for each
//! candidate, and one for each line that a discount is split over. There can be many, so they are reported one by
//! one. [`tree`] lays them out for reading.

mod steps;
pub mod tree;
mod words;

use uuid::Uuid;

use super::bundles::{self, JudgedBundle};
use super::cart::{Cart, Line, ListCart, Terms};
use super::catalog::Catalog;
use super::money::Money;
use super::promotions::{self, CartAmounts, Check};
use super::quote::{self, PricedLine, Quote};

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A line at its list price.
    Line,
    /// A pricing rule of a line.
    Rule,
    /// A bundle that needs an add-on of the cart.
    Bundle,
    /// A line's part of a bundle's discount.
    BundleSplit,
    /// A condition of the promotional code.
    PromoCondition,
    /// The promotional code.
    Promo,
    /// A line's part of the code's discount.
    PromoSplit,
    /// The amount to pay for a line, and for the cart.
    Total,
}

impl Stage {
    /// The name in `explain_cart().stage`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Line => "line",
            Stage::Rule => "rule",
            Stage::Bundle => "bundle",
            Stage::BundleSplit => "bundle_split",
            Stage::PromoCondition => "promo_condition",
            Stage::Promo => "promo",
            Stage::PromoSplit => "promo_split",
            Stage::Total => "total",
        }
    }
}

/// A row of `explain_cart`. The discounts of all steps add up to the quote's discount, and those of an add-on to its
/// line's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub stage: Stage,
    /// The line's add-on, if the step is about one line.
    pub add_on_id: Option<Uuid>,
    /// The rule, the bundle or the code.
    pub source_id: Option<Uuid>,
    /// Its name, in words.
    pub source: String,
    /// What became of it, in one word.
    pub outcome: &'static str,
    /// The amount that it starts from; for a total, the amount to pay.
    pub base: Option<Money>,
    /// The discount on a line. Bundles and codes have none themselves: their splits do.
    pub discount: Option<Money>,
    /// The reason, with the values compared.
    pub detail: String,
}

/// A priced cart with the reasons for its price.
pub struct Explanation<'a> {
    catalog: &'a Catalog,
    cart: &'a Cart,
    terms: &'a Terms<'a>,
    /// The quote that is explained.
    pub quote: Quote,
    /// The facts that the rules' conditions test.
    list_cart: ListCart,
    bundles: Vec<JudgedBundle<'a>>,
    checks: Vec<Check>,
    /// What the code looks at.
    amounts: CartAmounts,
}

/// Prices a cart and collects the reasons. The catalog must hold every rule and bundle that touches the cart,
/// applicable or not.
pub fn explain<'a>(catalog: &'a Catalog, cart: &'a Cart, terms: &'a Terms<'a>) -> Explanation<'a> {
    let quote = quote::price(catalog, cart, terms);
    let mut by_id: Vec<&PricedLine> = quote.lines.iter().collect();
    by_id.sort_unstable_by_key(|priced| priced.line.add_on);
    let lines: Vec<Line> = by_id.iter().map(|priced| priced.line).collect();
    let stock: Vec<bundles::Stock> = by_id.iter().map(|priced| priced.stock()).collect();

    let list_cart = ListCart::of(catalog, &lines);
    let bundles = bundles::judge(catalog, &lines, &stock, &quote.bundles, terms);
    let amounts = quote.amounts_before_promo();
    let code = terms.promo.and_then(|request| request.terms.as_ref());
    let checks = code.map(|code| promotions::checks(code, &terms.redeemer(), &amounts)).unwrap_or_default();
    Explanation { catalog, cart, terms, list_cart, bundles, checks, amounts, quote }
}
