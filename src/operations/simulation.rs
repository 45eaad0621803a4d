//! Prices carts with a changed catalog. Nothing is written.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::error::Error;
use crate::operations::pricing::{Pricer, Totals};
use crate::pg::document::{self, Document};
use crate::pg::settings;
use crate::store::carts;
use crate::store::catalog::{self, Rows};
use crate::store::catalog_cache;
use crate::store::drafts::{self, Broken};
use crate::store::promotions;
use crate::store::renewals::{self as stored, PricedRenewal};
use engine::cart::StoredLine;
use engine::catalog::{Offer, PricingRule};
use engine::json::Malformed;
use engine::money::Money;
use engine::promotions::PromoRequest;
use engine::quote::price_alone;
use engine::time::Instant;

/// A cart whose total would change.
#[derive(Debug)]
pub struct CartChange<'a> {
    pub user_id: &'a str,
    pub before: Money,
    pub after: Money,
}

/// The tier and the instant for which to price.
#[derive(Clone, Debug)]
pub struct Scope {
    pub tier_code: Option<String>,
    pub at: Instant,
}

/// The id of a draft that has no id and replaces nothing: it loses every tie.
const LAST_ID: Uuid = Uuid::max();

/// A table whose rows can be drafted.
struct Kind {
    table: &'static str,
    /// What the functions call the draft.
    argument: &'static str,
    shape: &'static str,
}

const RULE: Kind = Kind {
    table: "pricing_rules",
    argument: "rule",
    shape: "an object with the columns of pricing_rules; add_on_id is required",
};
const BUNDLE: Kind = Kind {
    table: "add_on_bundles",
    argument: "bundle",
    shape: "an object with the columns of add_on_bundles; add_on_ids is required",
};
const CODE: Kind = Kind {
    table: "promotional_codes",
    argument: "code",
    shape: "an object with the columns of promotional_codes; discount_type and discount_value are required",
};

impl Kind {
    /// The row that the table would make of a draft, as JSON text. It has the id of the row that it replaces, unless
    /// the draft names another.
    fn row(&self, draft: Document, replaces: Option<Uuid>) -> Result<String, Error> {
        let argument = self.argument;
        draft.check_size(argument, document::OF_A_ROW)?;
        if let Some(problem) = drafts::problem(self.table, draft)? {
            return Err(Error::MalformedArgument { argument, malformed: Malformed(problem), shape: self.shape });
        }
        drafts::row(self.table, draft, replaces.unwrap_or(LAST_ID))?
            .map_err(|Broken { constraint, why }| Error::DraftRefused { argument, constraint, why })
    }
}

/// What carts would cost if a pricing rule were added or replaced.
pub fn pricing_rule(
    draft: Document,
    replaces: Option<Uuid>,
    scope: Scope,
    each: impl FnMut(CartChange),
) -> Result<(), Error> {
    let rule = catalog::drafted_rule(&RULE.row(draft, replaces)?)?;
    let now = catalog::everything()?;
    let mut then = now.clone();
    let mut concerned = vec![rule.add_on_id];
    if let Some(id) = replaces {
        let found = then.rules.iter().position(|rule| rule.id == id);
        let position = found.ok_or(Error::ReplacedNotFound { what: "pricing rule", id })?;
        concerned.push(then.rules.swap_remove(position).add_on_id);
    }
    if !then.add_ons.iter().any(|add_on| add_on.id == rule.add_on_id) {
        return Err(Error::AddOnNotFound { add_on_id: rule.add_on_id });
    }
    check_id(&RULE, rule.id, then.rules.iter().map(|rule| rule.id))?;
    then.rules.push(rule);
    compare(now, then, &concerned, scope, each)
}

/// What carts would cost if a bundle were added or replaced.
pub fn bundle(
    draft: Document,
    replaces: Option<Uuid>,
    scope: Scope,
    each: impl FnMut(CartChange),
) -> Result<(), Error> {
    let (bundle, uses_left) = catalog::drafted_bundle(&BUNDLE.row(draft, replaces)?)?;
    let now = catalog::everything()?;
    let mut then = now.clone();
    let mut concerned = bundle.add_on_ids.clone();
    if let Some(id) = replaces {
        let found = then.bundles.iter().position(|bundle| bundle.id == id);
        let position = found.ok_or(Error::ReplacedNotFound { what: "bundle", id })?;
        concerned.extend(then.bundles.swap_remove(position).add_on_ids);
        then.bundle_uses_left.remove(&id);
    }
    check_id(&BUNDLE, bundle.id, then.bundles.iter().map(|bundle| bundle.id))?;
    if let Some(left) = uses_left {
        then.bundle_uses_left.insert(bundle.id, left);
    }
    then.bundles.push(bundle);
    compare(now, then, &concerned, scope, each)
}

/// What carts would cost if every one of them used a promotional code.
pub fn promo_code(draft: Document, scope: Scope, mut each: impl FnMut(CartChange)) -> Result<(), Error> {
    let promo = promotions::drafted(&CODE.row(draft, None)?)?;
    let pricer = pricer(catalog::everything()?, Some(promo), scope)?;
    // A code comes off last, so that one price says both.
    carts::each_batch(
        |_| true,
        |batch| {
            for ((user_id, _), Totals { before_promo, total, .. }) in batch.carts().zip(pricer.price(batch)?) {
                if before_promo != total {
                    each(CartChange { user_id, before: before_promo, after: total });
                }
            }
            Ok(())
        },
    )
}

/// A renewal whose price would change.
#[derive(Debug)]
pub struct RenewalChange<'a> {
    pub user_id: &'a str,
    pub due_at: Option<Instant>,
    pub before: Money,
    pub after: Money,
}

/// A changed add-on: another list price, and a rule that is added or replaced.
pub struct Prices<'a> {
    pub base_price: Option<Money>,
    pub rule: Option<Document<'a>>,
    pub replaces: Option<Uuid>,
}

/// What renewals would cost if an add-on had other prices and reprice_renewals() were called.
pub fn renewals(
    add_on_id: Uuid,
    prices: Prices,
    at: Instant,
    mut each: impl FnMut(RenewalChange),
) -> Result<(), Error> {
    let unit = settings::currency()?.unit();
    let offer = catalog_cache::offer(add_on_id)?.ok_or(Error::AddOnNotFound { add_on_id })?;
    let offer = with_prices(&offer, prices)?;
    let mut priced: HashMap<i32, Money> = HashMap::new();
    stored::priced(add_on_id, |renewal| {
        let PricedRenewal { user_id, due_at, quantity, amount: before } = renewal;
        let after = match priced.get(&quantity) {
            Some(&after) => after,
            None => price_alone(&offer, quantity.max(1) as u32, None, at, unit)?,
        };
        priced.insert(quantity, after);
        if before != after {
            each(RenewalChange { user_id: &user_id, due_at, before, after });
        }
        Ok(())
    })
}

/// The add-on as it would be offered.
fn with_prices(offer: &Offer, prices: Prices) -> Result<Offer, Error> {
    let Prices { base_price, rule, replaces } = prices;
    let mut add_on = offer.add_on.clone();
    add_on.base_price = base_price.unwrap_or(add_on.base_price);
    let mut rules: Vec<PricingRule> = offer.rules().to_vec();
    if let Some(id) = replaces {
        let found = rules.iter().position(|rule| rule.id == id);
        rules.swap_remove(found.ok_or(Error::ReplacedNotFound { what: "pricing rule", id })?);
    }
    if let Some(draft) = rule {
        let rule = catalog::drafted_rule(&RULE.row(draft, replaces)?)?;
        if rule.add_on_id != add_on.id {
            let malformed = Malformed(format!("\"add_on_id\" must be {}, not {}", add_on.id, rule.add_on_id));
            return Err(Error::MalformedArgument { argument: RULE.argument, malformed, shape: RULE.shape });
        }
        check_id(&RULE, rule.id, rules.iter().map(|rule| rule.id))?;
        rules.push(rule);
    }
    Ok(Offer::new(add_on, rules, Vec::new()))
}

fn check_id(kind: &Kind, id: Uuid, mut taken: impl Iterator<Item = Uuid>) -> Result<(), Error> {
    if taken.any(|other| other == id) {
        let why = format!("there is one with the id {id}; pass it as replaces to replace it");
        return Err(Error::DraftRefused { argument: kind.argument, constraint: format!("{}_pkey", kind.table), why });
    }
    Ok(())
}

fn pricer(rows: Rows, promo: Option<PromoRequest>, scope: Scope) -> Result<Pricer, Error> {
    let Scope { tier_code, at } = scope;
    Ok(Pricer { currency: settings::currency()?, assortment: rows.arrange(), tier_code, promo, at })
}

/// Prices each cart with one of these add-ons twice, and passes on the carts whose totals differ. Those of other carts
/// cannot differ.
fn compare(
    now: Rows,
    then: Rows,
    concerned: &[Uuid],
    scope: Scope,
    mut each: impl FnMut(CartChange),
) -> Result<(), Error> {
    let (now, then) = (pricer(now, None, scope.clone())?, pricer(then, None, scope)?);
    let concerned: HashSet<&Uuid> = concerned.iter().collect();
    let is_concerned = |lines: &[StoredLine]| lines.iter().any(|line| concerned.contains(&line.add_on_id));
    carts::each_batch(is_concerned, |batch| {
        for ((user_id, _), (now, then)) in batch.carts().zip(now.price_both(&then, batch)?) {
            if now.total != then.total {
                each(CartChange { user_id, before: now.total, after: then.total });
            }
        }
        Ok(())
    })
}
