//! Loads everything that a quote depends on, and prices it.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::error::Error;
use crate::pg::clock::iso_8601;
use crate::pg::jsonb::Jsonb;
use crate::pg::session::{self, check_interrupts};
use crate::pg::settings;
use crate::store::assortment::{Assortment, assortment};
use crate::store::cart::{self, ShownLine};
use crate::store::carts::{self, Batch};
use crate::store::catalog;
use crate::store::promotions;
use crate::store::user_history::{self, History};
use engine::cart::{Cart, StoredLine, Terms, check_limit};
use engine::catalog::Catalog;
use engine::currency::Currency;
use engine::explain::{Step, explain};
use engine::items;
use engine::money::Money;
use engine::promotions::PromoRequest;
use engine::quote::{self, PricedLine, Quote};
use engine::quote_json::{Heading, QuoteDocument};
use engine::required_facts::RequiredFacts;
use engine::time::Instant;

/// Who asks for a price, with which code, and at which instant.
#[derive(Debug)]
pub struct Request {
    pub user_id: Option<String>,
    pub tier_code: Option<String>,
    pub promo_code: Option<String>,
    pub at: Instant,
}

/// A priced cart and everything it was priced from.
#[derive(Debug)]
pub struct Priced {
    pub request: Request,
    pub currency: Currency,
    pub assortment: Assortment,
    pub cart: Cart,
    pub promo: Option<PromoRequest>,
    pub quote: Quote,
    history: History,
}

/// Determines which facts about the user to load.
type Ask = fn(&Catalog, &Cart, &Terms) -> RequiredFacts;

/// Prices add-ons by id.
pub fn price_items(request: Request, quantities: &BTreeMap<Uuid, u32>) -> Result<Priced, Error> {
    let currency = settings::currency()?;
    check_line_count(quantities.len())?;
    check_quantities(quantities)?;
    let assortment = assortment(&quantities.keys().copied().collect::<Vec<Uuid>>())?;
    let cart = items::to_cart(&assortment.catalog, quantities, currency.unit())?;
    price(request, currency, assortment, cart, RequiredFacts::to_decide)
}

/// Refuses more lines than can be priced together.
fn check_line_count(lines: usize) -> Result<(), Error> {
    let limit = items::MOST_LINES;
    if lines > limit { Err(Error::TooManyLines { lines, limit }) } else { Ok(()) }
}

/// Refuses more units of an add-on than a cart may hold.
fn check_quantities(quantities: &BTreeMap<Uuid, u32>) -> Result<(), Error> {
    let limit = settings::max_cart_quantity();
    quantities.iter().try_for_each(|(&add_on_id, &units)| Ok(check_limit(add_on_id, i64::from(units), limit)?))
}

/// Prices the user's stored cart.
pub fn price_stored_cart(request: Request) -> Result<Priced, Error> {
    let lines = cart::lines(request.user_id.as_deref().unwrap_or_default())?;
    price_lines(request, &lines)
}

/// A line of a stored cart as a page shows it.
#[derive(Debug)]
pub struct CartLine {
    pub shown: ShownLine,
    /// Its price; `None` if its add-on is no longer sold.
    pub price: Option<LinePrice>,
}

/// What a line costs.
#[derive(Clone, Copy, Debug)]
pub struct LinePrice {
    pub list_amount: Money,
    pub total: Money,
}

/// Prices the user's stored cart, line by line in the order in which they were added.
pub fn price_shown_cart(request: Request) -> Result<Vec<CartLine>, Error> {
    let shown = cart::shown_lines(request.user_id.as_deref().unwrap_or_default())?;
    let priced = price_stored_cart(request)?;
    let price = |line: &PricedLine| {
        let add_on_id = priced.assortment.catalog.add_on(line.line.add_on).id;
        (add_on_id, LinePrice { list_amount: line.line.list_amount, total: line.total() })
    };
    let mut prices: HashMap<Uuid, LinePrice> = priced.quote.lines.iter().map(price).collect();
    Ok(shown.into_iter().map(|shown| CartLine { price: prices.remove(&shown.add_on_id), shown }).collect())
}

/// Prices lines of a stored cart.
pub fn price_lines(request: Request, lines: &[StoredLine]) -> Result<Priced, Error> {
    let currency = settings::currency()?;
    check_line_count(lines.len())?;
    let assortment = assortment(&lines.iter().map(|line| line.add_on_id).collect::<Vec<Uuid>>())?;
    let cart = Cart::of_stored(lines, &assortment.catalog, currency.unit())?;
    price(request, currency, assortment, cart, RequiredFacts::to_decide)
}

/// Prices the user's stored cart from the whole catalog, so that discounts that do not apply can be reported too.
pub fn price_stored_cart_from_everything(request: Request) -> Result<Priced, Error> {
    let currency = settings::currency()?;
    let lines = cart::lines(request.user_id.as_deref().unwrap_or_default())?;
    check_line_count(lines.len())?;
    let assortment = catalog::everything()?.arrange();
    let cart = Cart::of_stored(&lines, &assortment.catalog, currency.unit())?;
    price(request, currency, assortment, cart, RequiredFacts::to_explain)
}

fn price(request: Request, currency: Currency, assortment: Assortment, cart: Cart, ask: Ask) -> Result<Priced, Error> {
    let promo = request.promo_code.as_deref().map(promotions::request).transpose()?;
    if let (Some(tier), None) = (&request.tier_code, &promo) {
        tell_of_code_given_as_tier(tier)?;
    }
    let (history, quote) = (History::default(), Quote::default());
    let mut priced = Priced { request, currency, assortment, cart, promo, history, quote };
    let required = ask(&priced.assortment.catalog, &priced.cart, &priced.terms());
    if let Some(user_id) = priced.request.user_id.as_deref() {
        let histories = user_history::load(&[(user_id, required)], priced.request.at, priced.promo.as_ref())?;
        priced.history = histories.into_iter().next().unwrap_or_default();
    }
    priced.quote = quote::price(&priced.assortment.catalog, &priced.cart, &priced.terms());
    Ok(priced)
}

/// Gives a hint if a promotional code was passed as the tier, as in price_cart('ada', 'launch2025'): no rule or code
/// knows such a tier, and there is such a code.
fn tell_of_code_given_as_tier(tier_code: &str) -> Result<(), Error> {
    if promotions::is_code_and_no_tier(tier_code)? {
        session::advise(
            format!("\"{tier_code}\" was given as a tier, and is a promotional code"),
            "No pricing rule and no code is for a tier of that name, so the price is that without a tier.",
            "The tier comes before the code: pass it as promo_code => '...'.",
        );
    }
    Ok(())
}

impl Priced {
    fn terms(&self) -> Terms<'_> {
        Terms {
            at: self.request.at,
            user_id: self.request.user_id.as_deref(),
            tier_code: self.request.tier_code.as_deref(),
            owned: &self.history.owned,
            has_purchased: self.history.has_purchased,
            bundle_uses_left: &self.assortment.bundle_uses_left,
            promo: self.promo.as_ref(),
            unit: self.currency.unit(),
            promo_uses: self.history.promo_uses,
            check_interrupts,
        }
    }

    /// Passes the reasons for the price of a cart to a callback, one by one.
    pub fn with_steps<T>(&self, take: impl FnOnce(&mut dyn Iterator<Item = Step>) -> T) -> T {
        let terms = self.terms();
        let explanation = explain(&self.assortment.catalog, &self.cart, &terms);
        take(&mut explanation.steps())
    }

    /// The quote as callers see it.
    pub fn to_json(&self) -> Jsonb {
        self.with_document(|document| Jsonb::of(document))
    }

    /// Passes the quote's document to a callback.
    pub fn with_document<T>(&self, take: impl FnOnce(&QuoteDocument) -> T) -> T {
        let priced_at = iso_8601(self.request.at);
        let heading = Heading { currency: self.currency.code(), priced_at: &priced_at };
        take(&QuoteDocument::new(&self.quote, &self.assortment.catalog, &self.cart, &self.terms(), heading))
    }
}

/// Prices carts of many users on the same terms, from a catalog that is loaded once.
#[derive(Debug)]
pub struct Pricer {
    pub currency: Currency,
    pub assortment: Assortment,
    pub tier_code: Option<String>,
    pub promo: Option<PromoRequest>,
    pub at: Instant,
}

/// Carts, and what must be known of their users to price them.
#[derive(Debug, Default)]
struct Prepared<'b> {
    carts: Vec<Cart>,
    users: Vec<(&'b str, RequiredFacts)>,
}

/// What a cart costs.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    pub line_count: usize,
    pub list_total: Money,
    /// What it costs without the promotional code.
    pub before_promo: Money,
    pub total: Money,
}

impl Pricer {
    /// Prices carts, in order.
    pub fn price(&self, batch: &Batch) -> Result<Vec<Totals>, Error> {
        let prepared = self.prepare(batch)?;
        let histories = user_history::load(&prepared.users, self.at, self.promo.as_ref())?;
        Ok(self.totals(&prepared, &histories))
    }

    /// The same from two catalogs at one instant. What both ask about a user is read once.
    pub fn price_both(&self, other: &Pricer, batch: &Batch) -> Result<Vec<(Totals, Totals)>, Error> {
        let (mut own, others) = (self.prepare(batch)?, other.prepare(batch)?);
        own.users.iter_mut().zip(&others.users).for_each(|((_, own), (_, others))| own.join(others));
        let histories = user_history::load(&own.users, self.at, self.promo.as_ref())?;
        Ok(self.totals(&own, &histories).into_iter().zip(other.totals(&others, &histories)).collect())
    }

    fn prepare<'b>(&self, batch: &'b Batch) -> Result<Prepared<'b>, Error> {
        let catalog = &self.assortment.catalog;
        let nothing_known = History::default();
        let mut prepared = Prepared::default();
        for (user_id, lines) in batch.carts() {
            check_interrupts();
            let cart = Cart::of_stored(lines, catalog, self.currency.unit());
            let cart = cart.map_err(|error| Error::from(error).in_cart_of(user_id))?;
            let required = RequiredFacts::to_decide(catalog, &cart, &self.terms(user_id, &nothing_known));
            prepared.users.push((user_id, required));
            prepared.carts.push(cart);
        }
        Ok(prepared)
    }

    fn totals(&self, prepared: &Prepared, histories: &[History]) -> Vec<Totals> {
        let carts = prepared.carts.iter().zip(&prepared.users).zip(histories);
        carts.map(|((cart, (user_id, _)), history)| self.price_one(cart, &self.terms(user_id, history))).collect()
    }

    fn price_one(&self, cart: &Cart, terms: &Terms) -> Totals {
        check_interrupts();
        let quote = quote::price(&self.assortment.catalog, cart, terms);
        Totals {
            line_count: quote.lines.len(),
            list_total: quote.list_total(),
            before_promo: quote.total_before_promo(),
            total: quote.total(),
        }
    }

    fn terms<'a>(&'a self, user_id: &'a str, history: &'a History) -> Terms<'a> {
        Terms {
            at: self.at,
            user_id: Some(user_id),
            tier_code: self.tier_code.as_deref(),
            owned: &history.owned,
            has_purchased: history.has_purchased,
            bundle_uses_left: &self.assortment.bundle_uses_left,
            promo: self.promo.as_ref(),
            unit: self.currency.unit(),
            promo_uses: history.promo_uses,
            check_interrupts,
        }
    }
}

/// Prices every stored cart, in the order of the users.
pub fn price_every_cart(request: Request, mut each: impl FnMut(&str, Totals)) -> Result<(), Error> {
    let pricer = Pricer {
        currency: settings::currency()?,
        assortment: catalog::everything()?.arrange(),
        promo: request.promo_code.as_deref().map(promotions::request).transpose()?,
        tier_code: request.tier_code,
        at: request.at,
    };
    let any = |_: &[StoredLine]| true;
    carts::each_batch(any, |batch| {
        batch.carts().zip(pricer.price(batch)?).for_each(|((user_id, _), totals)| each(user_id, totals));
        Ok(())
    })
}
