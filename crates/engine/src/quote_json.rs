//! The quote as the JSON document that callers see and purchases keep.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::bundles::AppliedBundle;
use super::cart::{Cart, Terms};
use super::catalog::Catalog;
use super::json::NUMBER;
use super::money::Money;
use super::promotions::{PromoCode, PromoRequest};
use super::quote::{PricedLine, PromoOutcome, Quote};

/// What a quote's document contains besides the quote.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// The currency of all amounts.
    pub currency: &'a str,
    /// `Terms::at` in ISO 8601.
    pub priced_at: &'a str,
}

/// A quote's document; serialise it.
#[derive(Debug, Serialize)]
pub struct QuoteDocument<'a> {
    user_id: Option<&'a str>,
    tier_code: Option<&'a str>,
    currency: &'a str,
    priced_at: &'a str,
    lines: Vec<LineDocument<'a>>,
    unavailable: Vec<UnavailableDocument>,
    bundles: Vec<BundleDocument<'a>>,
    bundle_search: &'static str,
    promo: Option<PromoDocument<'a>>,
    list_total: Amount,
    discount_total: Amount,
    total: Amount,
    line_count: usize,
    item_count: u64,
}

/// A quote line's document.
#[derive(Debug, Serialize)]
pub struct LineDocument<'a> {
    add_on_id: Uuid,
    name: &'a str,
    billing_type: &'static str,
    quantity: u32,
    unit_list_price: Amount,
    list_amount: Amount,
    rule_discount: Amount,
    rules: Vec<Uuid>,
    bundle_discount: Amount,
    bundles: &'a [Uuid],
    promo_discount: Amount,
    total: Amount,
}

#[derive(Debug, Serialize)]
struct UnavailableDocument {
    add_on_id: Uuid,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct BundleDocument<'a> {
    bundle_id: Uuid,
    name: &'a str,
    instances: u32,
    base: Amount,
    discount: Amount,
}

#[derive(Debug, Serialize)]
struct PromoDocument<'a> {
    code: &'a str,
    valid: bool,
    reasons: Vec<&'static str>,
    discount_type: Option<&'static str>,
    discount_value: Option<Amount>,
    eligible_amount: Amount,
    discount: Amount,
}

/// Money as a JSON number with exactly two decimals.
#[derive(Clone, Copy, Debug)]
struct Amount(Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut number = serializer.serialize_struct(NUMBER, 1)?;
        number.serialize_field(NUMBER, self.0.digits(&mut [0; Money::MOST_DIGITS]))?;
        number.end()
    }
}

impl<'a> QuoteDocument<'a> {
    /// The document of a quote and its inputs.
    pub fn new(
        quote: &'a Quote,
        catalog: &'a Catalog,
        cart: &Cart,
        terms: &Terms<'a>,
        heading: Heading<'a>,
    ) -> QuoteDocument<'a> {
        let withdrawn = |&add_on_id: &Uuid| UnavailableDocument { add_on_id, reason: "withdrawn" };
        let promo = terms.promo.zip(quote.promo.as_ref());
        QuoteDocument {
            user_id: terms.user_id,
            tier_code: terms.tier_code,
            currency: heading.currency,
            priced_at: heading.priced_at,
            lines: quote.lines.iter().map(|line| LineDocument::new(line, catalog)).collect(),
            unavailable: cart.withdrawn.iter().map(withdrawn).collect(),
            bundles: quote.bundles.iter().map(BundleDocument::new).collect(),
            bundle_search: quote.bundle_search.name(),
            promo: promo.map(|(request, outcome)| PromoDocument::new(request, outcome)),
            list_total: Amount(quote.list_total()),
            discount_total: Amount(quote.discount_total()),
            total: Amount(quote.total()),
            line_count: quote.lines.len(),
            item_count: quote.item_count(),
        }
    }

    /// The documents of the lines, in order.
    pub fn lines(&self) -> &[LineDocument<'a>] {
        &self.lines
    }
}

impl<'a> LineDocument<'a> {
    fn new(priced: &'a PricedLine, catalog: &'a Catalog) -> LineDocument<'a> {
        let add_on = catalog.add_on(priced.line.add_on);
        LineDocument {
            add_on_id: add_on.id,
            name: &add_on.name,
            billing_type: priced.line.billing_type.name(),
            quantity: priced.line.quantity,
            unit_list_price: Amount(add_on.base_price),
            list_amount: Amount(priced.line.list_amount),
            rule_discount: Amount(priced.rule_discount()),
            rules: priced.rules.iter().map(|rule| rule.rule_id).collect(),
            bundle_discount: Amount(priced.bundle_discount),
            bundles: &priced.bundles,
            promo_discount: Amount(priced.promo_discount),
            total: Amount(priced.total()),
        }
    }
}

impl<'a> BundleDocument<'a> {
    fn new(applied: &'a AppliedBundle) -> BundleDocument<'a> {
        BundleDocument {
            bundle_id: applied.bundle.id,
            name: &applied.bundle.name,
            instances: applied.instances,
            base: Amount(applied.base),
            discount: Amount(applied.discount),
        }
    }
}

impl<'a> PromoDocument<'a> {
    fn new(request: &'a PromoRequest, outcome: &PromoOutcome) -> PromoDocument<'a> {
        let terms: Option<&PromoCode> = request.terms.as_ref();
        PromoDocument {
            code: &request.code,
            valid: outcome.is_valid(),
            reasons: outcome.refusals.iter().map(|refusal| refusal.name()).collect(),
            discount_type: terms.map(|code| code.discount.name()),
            discount_value: terms.map(|code| Amount(code.discount.value())),
            eligible_amount: Amount(outcome.eligible_amount()),
            discount: Amount(outcome.discount),
        }
    }
}
