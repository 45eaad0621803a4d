//! Sells a cart (semantics 6). Under the user's lock, the cart is read and priced at one instant, uses of its code
//! and bundles are claimed, its lines become purchases, and it is emptied. Any refusal raises an error, which undoes
//! everything.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operations::books::Books;
use crate::operations::payments::complete_books;
use crate::operations::pricing::{self, Priced, Request};
use crate::pg::ids::new_ids;
use crate::pg::jsonb::Jsonb;
use crate::pg::locks::{FreshSnapshot, lock_user};
use crate::store::cart;
use crate::store::checkouts::{self, CheckoutLine};
use crate::store::metadata::{CheckoutSnapshot, PurchaseSnapshot};
use crate::store::{owned, promotions, uses};
use engine::billing::BillingType;
use engine::cart::StoredLine;
use engine::catalog::AddOn;
use engine::checkout::mixed_billing;
use engine::money::Money;
use engine::payments::calls::PaymentReferences;
use engine::payments::ledger::SaleId;
use engine::payments::purchase::RenewalTerms;
use engine::promotions::{Refusal, normalized};
use engine::purchases::PurchaseStatus;
use engine::quote::PricedLine;
use engine::quote_json::LineDocument;
use engine::time::Instant;

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct Order {
    pub user_id: String,
    pub tier_code: Option<String>,
    pub promo_code: Option<String>,
    pub expected_total: Option<Money>,
    pub idempotency_key: Option<String>,
    pub allow_mixed_billing: bool,
    pub at: Instant,
}

/// Sells the user's cart.
pub fn check_out(order: &Order) -> Result<Vec<CheckoutLine>, Error> {
    lock_user(&order.user_id)?;
    if let Some(checkout_id) = earlier_checkout(order)? {
        return checkouts::lines(&order.user_id, checkout_id);
    }
    let lines = cart::locked_lines(&order.user_id)?;
    let priced = price_now(order, &lines)?;
    check(order, &priced)?;
    refuse_owned(order, &priced)?;
    let mut ids = new_ids(1 + priced.quote.lines.len()).into_iter();
    let checkout_id = ids.next().unwrap_or_default();
    let sold = sell(order, &priced, checkout_id, ids)?;
    if priced.quote.total() > Money::ZERO {
        claim_uses(order, &priced, &lines)?;
        return Ok(sold);
    }
    // A checkout with a total of zero needs no payment. The user's rows are locked before those of bundles and codes.
    let books = Books::open(&order.user_id, SaleId::Checkout(checkout_id))?;
    claim_uses(order, &priced, &lines)?;
    if let Some(mut books) = books {
        complete_books(&mut books, checkout_id, &PaymentReferences::default())?;
    }
    checkouts::lines(&order.user_id, checkout_id)
}

fn price_now(order: &Order, lines: &[StoredLine]) -> Result<Priced, Error> {
    let _now = FreshSnapshot::take();
    let request = Request {
        user_id: Some(order.user_id.clone()),
        tier_code: order.tier_code.clone(),
        promo_code: order.promo_code.clone(),
        at: order.at,
    };
    pricing::price_lines(request, lines)
}

/// The checkout that the same request made before, under the same idempotency key.
fn earlier_checkout(order: &Order) -> Result<Option<Uuid>, Error> {
    let Some(key) = &order.idempotency_key else { return Ok(None) };
    match checkouts::of_key(&order.user_id, key)? {
        None if checkouts::is_unseen(&order.user_id, key)? => Err(Error::IdempotencyKeyUnseen { key: key.clone() }),
        None => Ok(None),
        Some((checkout_id, request)) if request == Ok(order.fingerprint()) => Ok(Some(checkout_id)),
        Some((checkout_id, _)) => Err(Error::IdempotencyKeyReused { key: key.clone(), checkout_id }),
    }
}

impl Order {
    /// What identifies a request. The cart is not part of it, because the first request has emptied it.
    fn fingerprint(&self) -> Value {
        json!({
            "tier_code": self.tier_code,
            "promo_code": self.promo_code.as_ref().map(|code| normalized(code)),
            "expected_total": self.expected_total.map(|total| total.to_string()),
            "allow_mixed_billing": self.allow_mixed_billing,
        })
    }
}

/// Every check that can refuse a cart, before anything is written.
fn check(order: &Order, priced: &Priced) -> Result<(), Error> {
    if priced.quote.lines.is_empty() {
        return Err(Error::EmptyCart { user_id: order.user_id.clone() });
    }
    let mixed = mixed_billing(priced.quote.lines.iter().map(|line| line.line.billing_type));
    if let Some(groups) = mixed.filter(|_| !order.allow_mixed_billing) {
        let groups = groups.into_iter().map(|group| group_in_words(group, priced)).collect();
        return Err(Error::MixedBilling { groups });
    }
    let refused = priced.promo.as_ref().zip(priced.quote.promo.as_ref()).filter(|(_, outcome)| !outcome.is_valid());
    let refused = refused.map(|(promo, outcome)| (promo.code.clone(), refusal_names(&outcome.refusals)));
    let total = priced.quote.total();
    if let Some(expected) = order.expected_total.filter(|&expected| expected != total) {
        let because = refused.map_or_else(String::new, |(code, reasons)| {
            format!(" Promotional code \"{code}\" is refused: {}.", reasons.join(", "))
        });
        let (user_id, expected) = (order.user_id.clone(), expected.to_string());
        return Err(Error::PriceChanged { user_id, expected, total, because });
    }
    refused.map_or(Ok(()), |(code, reasons)| Err(Error::PromoRefused { code, reasons }))
}

/// Refuses to sell again what the user already has for good.
fn refuse_owned(order: &Order, priced: &Priced) -> Result<(), Error> {
    let once = priced.quote.lines.iter().filter(|line| line.line.billing_type == BillingType::OneTime);
    let mut add_ons: Vec<&AddOn> = once.map(|line| priced.assortment.catalog.add_on(line.line.add_on)).collect();
    add_ons.sort_unstable_by_key(|add_on| add_on.id);
    let _now = (!add_ons.is_empty()).then(FreshSnapshot::take);
    for add_on in add_ons {
        if owned::is_held_for_good(&order.user_id, add_on.id)? {
            return Err(Error::AlreadyOwned { user_id: order.user_id.clone(), name: add_on.name.clone() });
        }
    }
    Ok(())
}

fn refusal_names(refusals: &[Refusal]) -> Vec<&'static str> {
    refusals.iter().map(|refusal| refusal.name()).collect()
}

/// A billing type with the add-ons that are charged by it: `monthly (Brigade, Bolt)`.
fn group_in_words(group: BillingType, priced: &Priced) -> String {
    let in_group = priced.quote.lines.iter().filter(|line| line.line.billing_type == group);
    let names: Vec<&str> =
        in_group.map(|line| priced.assortment.catalog.add_on(line.line.add_on).name.as_str()).collect();
    format!("{} ({})", group.name(), names.join(", "))
}

/// Writes the purchases, each with its line of the quote and the first one with the whole quote, and takes them out
/// of the cart.
fn sell(
    order: &Order,
    priced: &Priced,
    checkout_id: Uuid,
    purchase_ids: impl Iterator<Item = Uuid>,
) -> Result<Vec<CheckoutLine>, Error> {
    let currency = priced.currency.to_string();
    let sold = |(line, purchase_id): (&PricedLine, Uuid)| CheckoutLine {
        checkout_id,
        purchase_id,
        add_on_id: priced.assortment.catalog.add_on(line.line.add_on).id,
        quantity: line.line.quantity as i32,
        amount: line.total(),
        currency: currency.clone(),
        status: PurchaseStatus::Pending,
    };
    let mut sold: Vec<CheckoutLine> = priced.quote.lines.iter().zip(purchase_ids).map(sold).collect();
    let (snapshots, first) = snapshots(order, priced)?;
    let code = priced.promo.as_ref().map(|promo| promo.code.as_str());
    checkouts::insert(&order.user_id, code, &mut sold, snapshots, first)?;
    let add_on_ids: Vec<Uuid> = sold.iter().map(|sold| sold.add_on_id).collect();
    cart::remove_sold(&order.user_id, &add_on_ids)?;
    Ok(sold)
}

/// The number of renewals, besides the first payment, to which the checkout's code applies; `None` means all.
fn code_renewals(priced: &Priced) -> Result<Option<u32>, Error> {
    let Some(promo) = &priced.promo else { return Ok(Some(0)) };
    let _now = FreshSnapshot::take();
    promotions::renewals(&promo.code)
}

/// The snapshots of all purchases but the first, whose place is empty, and that of the first: it can be as long as
/// all others.
fn snapshots(order: &Order, priced: &Priced) -> Result<(Vec<Option<Jsonb>>, Option<Jsonb>), Error> {
    let times = code_renewals(priced)?;
    let terms =
        |line: &PricedLine| RenewalTerms { full: line.total() + line.promo_discount, reduced: line.total(), times };
    let renewals: Vec<Option<RenewalTerms>> =
        priced.quote.lines.iter().map(|line| line.line.billing_type.is_periodic().then(|| terms(line))).collect();
    let mut snapshots: Vec<Option<Jsonb>> = priced.with_document(|quote| {
        let snapshot = |(position, quote_line): (usize, &LineDocument)| {
            let checkout = (position == 0).then(|| CheckoutSnapshot {
                quote,
                request: order.idempotency_key.is_some().then(|| order.fingerprint()),
                idempotency_key: order.idempotency_key.as_deref(),
            });
            Some(Jsonb::of(&PurchaseSnapshot { quote_line, position, renewal: renewals[position].clone(), checkout }))
        };
        quote.lines().iter().enumerate().map(snapshot).collect()
    });
    let first = snapshots.first_mut().and_then(Option::take);
    Ok((snapshots, first))
}

/// Claims the uses that the price is based on: first of bundles by id, then of the code.
fn claim_uses(order: &Order, priced: &Priced, lines: &[StoredLine]) -> Result<(), Error> {
    for bundle in &priced.quote.bundles {
        if !uses::claim_bundle(bundle.bundle.id, bundle.instances)? {
            let total = price_now(order, lines)?.quote.total();
            let (name, user_id) = (bundle.bundle.name.clone(), order.user_id.clone());
            return Err(Error::BundleSoldOut { name, user_id, total });
        }
    }
    match &priced.promo {
        Some(promo) if !uses::claim_code(&promo.code)? => {
            let now = price_now(order, lines)?.quote.promo.unwrap_or_default();
            // The code can have been exhausted and given back between the two checks.
            let refusals = if now.is_valid() { vec![Refusal::Exhausted] } else { now.refusals };
            Err(Error::PromoRefused { code: promo.code.clone(), reasons: refusal_names(&refusals) })
        }
        _ => Ok(()),
    }
}
