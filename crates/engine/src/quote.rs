//! A quote, step by step: lines, pricing rules, bundles, the promotional code, totals (semantics 2).

use std::collections::HashMap;

use uuid::Uuid;

use super::bundles::{self, AppliedBundle, Search, Stock};
use super::cart::{Cart, Line, ListCart, Terms};
use super::catalog::{AddOnRef, Catalog, Offer};
use super::conditions::CartFacts;
use super::money::{Money, Unit};
use super::promotions::{self, CartAmounts, PromoRequest, Refusal};
use super::rules::{self, RuleDiscount};
use super::split::split;
use super::time::Instant;
use crate::error::Error;

/// A priced cart. The amounts of its lines add up to its totals.
#[derive(Clone, Debug, Default)]
pub struct Quote {
    /// The lines, in the order of the cart.
    pub lines: Vec<PricedLine>,
    /// The bundles that apply, in id order.
    pub bundles: Vec<AppliedBundle>,
    /// How the bundles were chosen.
    pub bundle_search: Search,
    /// What became of the promotional code, if one was given.
    pub promo: Option<PromoOutcome>,
}

/// A line and what came off it.
#[derive(Clone, Debug)]
pub struct PricedLine {
    /// The line.
    pub line: Line,
    /// Its place in the cart.
    place: usize,
    /// The rules that gave a discount, in the order in which they applied.
    pub rules: Vec<RuleDiscount>,
    /// The bundles that hold units of it, in id order.
    pub bundles: Vec<Uuid>,
    /// What all bundles took off.
    pub bundle_discount: Money,
    /// The discount of the promotional code.
    pub promo_discount: Money,
}

impl PricedLine {
    /// The discount of the pricing rules.
    pub fn rule_discount(&self) -> Money {
        self.rules.iter().map(|rule| rule.discount).sum()
    }

    /// What is to pay for the line.
    pub fn total(&self) -> Money {
        self.after_rules() - self.bundle_discount - self.promo_discount
    }

    fn after_rules(&self) -> Money {
        self.line.list_amount - self.rule_discount()
    }

    /// The line as bundles see it.
    pub(super) fn stock(&self) -> Stock {
        Stock { quantity: self.line.quantity, remaining: self.after_rules() }
    }
}

/// What became of a promotional code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromoOutcome {
    /// Every reason why it was refused; none if it applies.
    pub refusals: Vec<Refusal>,
    /// The price of its eligible lines before it; `None` if no line is eligible.
    pub eligible: Option<Money>,
    /// Its discount on them; zero if refused.
    pub discount: Money,
}

impl PromoOutcome {
    /// Whether the code applies.
    pub fn is_valid(&self) -> bool {
        self.refusals.is_empty()
    }

    /// The price of its eligible lines before it.
    pub fn eligible_amount(&self) -> Money {
        self.eligible.unwrap_or_default()
    }
}

impl Quote {
    /// The list price of the whole cart.
    pub fn list_total(&self) -> Money {
        self.lines.iter().map(|priced| priced.line.list_amount).sum()
    }

    /// What is to pay.
    pub fn total(&self) -> Money {
        self.lines.iter().map(PricedLine::total).sum()
    }

    /// Everything that came off.
    pub fn discount_total(&self) -> Money {
        self.list_total() - self.total()
    }

    /// What there would be to pay without the promotional code, which comes off last.
    pub fn total_before_promo(&self) -> Money {
        self.total() + self.promo.as_ref().map_or(Money::ZERO, |promo| promo.discount)
    }

    /// What a promotional code tested.
    pub fn amounts_before_promo(&self) -> CartAmounts {
        let eligible = self.promo.as_ref().and_then(|promo| promo.eligible);
        CartAmounts { total: self.total_before_promo(), eligible, is_empty: self.lines.is_empty() }
    }

    /// The units of all lines.
    pub fn item_count(&self) -> u64 {
        self.lines.iter().map(|priced| u64::from(priced.line.quantity)).sum()
    }
}

/// Prices a cart. The order of its lines decides the order of the quote's lines and nothing else.
pub fn price(catalog: &Catalog, cart: &Cart, terms: &Terms) -> Quote {
    // In add-on id order, because the semantics break ties by it. Each line remembers its place in the cart.
    let mut places: Vec<usize> = (0..cart.lines.len()).collect();
    places.sort_unstable_by_key(|&place| cart.lines[place].add_on);
    let lines: Vec<Line> = places.iter().map(|&place| cart.lines[place]).collect();

    let mut priced = apply_rules(catalog, &lines, &places, terms);
    let (mut bundles, bundle_search) = apply_bundles(catalog, &lines, &mut priced, terms);
    let promo = terms.promo.map(|request| apply_promo(catalog, &mut priced, request, terms));

    for part in bundles.iter_mut().flat_map(|bundle| &mut bundle.parts) {
        part.line = places[part.line];
    }
    priced.sort_unstable_by_key(|priced| priced.place);
    Quote { lines: priced, bundles, bundle_search, promo }
}

/// The price of a line alone, for an unknown user: list price less pricing rules (semantics 2.1 and 2.2).
pub fn price_alone(
    offer: &Offer,
    quantity: u32,
    tier_code: Option<&str>,
    at: Instant,
    unit: Unit,
) -> Result<Money, Error> {
    let line = Line::new(offer.for_sale()?, AddOnRef::FIRST, quantity, None, unit)?;
    let in_cart = [offer.add_on.id];
    let facts = CartFacts { subtotal: line.list_amount, in_cart: &in_cart, owned: &[], is_first_purchase: false };
    let none_limited = HashMap::new();
    let terms = Terms { tier_code, unit, ..Terms::of_nobody(at, &none_limited) };
    let applied = rules::discounts(offer.rules(), &line, &facts, &terms);
    Ok(line.list_amount - applied.iter().map(|rule| rule.discount).sum())
}

fn apply_rules(catalog: &Catalog, lines: &[Line], places: &[usize], terms: &Terms) -> Vec<PricedLine> {
    let list_cart = ListCart::of(catalog, lines);
    let facts = list_cart.facts(terms);
    let price_line = |(&line, &place): (&Line, &usize)| {
        (terms.check_interrupts)();
        PricedLine {
            rules: rules::discounts(catalog.offer(line.add_on).rules(), &line, &facts, terms),
            line,
            place,
            bundles: Vec::new(),
            bundle_discount: Money::ZERO,
            promo_discount: Money::ZERO,
        }
    };
    lines.iter().zip(places).map(price_line).collect()
}

fn apply_bundles(
    catalog: &Catalog,
    lines: &[Line],
    priced: &mut [PricedLine],
    terms: &Terms,
) -> (Vec<AppliedBundle>, Search) {
    let candidates = bundles::candidates(catalog, lines, terms);
    if candidates.is_empty() {
        return Default::default();
    }
    let stock: Vec<Stock> = priced.iter().map(PricedLine::stock).collect();
    let (applied, search) = bundles::apply(&candidates, &stock, terms.check_interrupts);
    for bundle in &applied {
        for part in &bundle.parts {
            priced[part.line].bundles.push(bundle.bundle.id);
            priced[part.line].bundle_discount += part.discount;
        }
    }
    (applied, search)
}

fn apply_promo(catalog: &Catalog, priced: &mut [PricedLine], request: &PromoRequest, terms: &Terms) -> PromoOutcome {
    let is_eligible = |priced: &PricedLine| {
        request.terms.as_ref().is_some_and(|code| code.is_good_for(catalog.add_on(priced.line.add_on).id))
    };
    let eligible: Vec<usize> = (0..priced.len()).filter(|&line| is_eligible(&priced[line])).collect();
    let weights: Vec<Money> = eligible.iter().map(|&line| priced[line].total()).collect();
    let eligible_amount = weights.iter().copied().sum();
    let amounts = CartAmounts {
        total: priced.iter().map(PricedLine::total).sum(),
        eligible: (!eligible.is_empty()).then_some(eligible_amount),
        is_empty: priced.is_empty(),
    };
    let refusals = promotions::refusals(request.terms.as_ref(), &terms.redeemer(), Some(&amounts));
    let discount = match &request.terms {
        Some(code) if refusals.is_empty() => code.discount.on(eligible_amount, terms.unit),
        _ => Money::ZERO,
    };
    for (&line, part) in eligible.iter().zip(split(discount, &weights, terms.unit)) {
        priced[line].promo_discount = part;
    }
    PromoOutcome { refusals, eligible: amounts.eligible, discount }
}
