//! The application: the same rules, by plain prepared statements on the same tables.
//!
//! It reads what it needs in as few statements as a good programmer would, computes with the engine that the extension
//! computes with, and reads what a user owns or has bought only where a rule asks. It keeps no catalog of its own: a
//! price that changed a moment ago counts. It checks what the extension checks before a sale, and knows less: nothing
//! about payments besides their id, and of access only one period after another.

use std::collections::HashMap;

use anyhow::{Result, bail, ensure};
use engine::billing::BillingType;
use engine::cart::{Cart, Line, Terms};
use engine::catalog::{AddOn, Bundle, Catalog, PricingRule};
use engine::conditions::Conditions;
use engine::money::{Discount, Money, Percent, Unit};
use engine::promotions::{PromoCode, PromoDiscount, PromoRequest, Restrictions, normalized};
use engine::quote::{PricedLine, Quote, price};
use engine::quote_json::{Heading, QuoteDocument};
use engine::required_facts::RequiredFacts;
use engine::time::{Instant, Window};
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::wire::Wire;

macro_rules! statements {
    ($($name:ident: $text:expr,)+) => {
        /// The prepared statements.
        struct Statements { $($name: Statement,)+ }

        impl Statements {
            async fn prepare(wire: &Wire) -> Result<Statements> {
                Ok(Statements { $($name: wire.prepare($text).await?,)+ })
            }
        }
    };
}

/// A column as an `Instant` counts it: in microseconds since 2000.
macro_rules! instant {
    ($column:literal) => {
        concat!("((extract(epoch FROM ", $column, ") - 946684800) * 1000000)::bigint")
    };
}

macro_rules! lines {
    ($lock:literal) => {
        concat!(
            "SELECT c.add_on_id, c.quantity, c.billing_type, a.name, (a.base_price * 100)::bigint, a.billing_type, a.is_active, ",
            instant!("now()"),
            "
               FROM cart_items c JOIN add_ons a ON a.id = c.add_on_id
              WHERE c.user_id = $1 ORDER BY c.added_at, c.add_on_id",
            $lock
        )
    };
}

statements! {
    lines: lines!(""),
    locked_lines: lines!(" FOR UPDATE OF c"),
    rules: concat!(
        "SELECT id, add_on_id, tier_code, (discount_percent * 100)::bigint, (discount_amount * 100)::bigint, conditions, priority, ",
        instant!("valid_from"), ", ", instant!("valid_until"),
        " FROM pricing_rules WHERE add_on_id = ANY ($1) AND is_active"
    ),
    bundles: concat!(
        "SELECT id, name, ARRAY(SELECT x FROM unnest(add_on_ids) x ORDER BY x), (discount_percent * 100)::bigint,
                (discount_amount * 100)::bigint, ",
        instant!("valid_from"), ", ", instant!("valid_until"), ", max_uses - current_uses
           FROM add_on_bundles WHERE add_on_ids <@ $1 AND is_active"
    ),
    code: concat!(
        "SELECT id, discount_type, (discount_value * 100)::bigint, max_uses, current_uses,
                ARRAY(SELECT x FROM unnest(applicable_to) x ORDER BY x), applicable_to IS NULL, (min_purchase_amount * 100)::bigint,
                user_restrictions, ",
        instant!("expires_at"), ", is_active, renewals
           FROM promotional_codes WHERE code = $1"
    ),
    owned: "SELECT add_on_id FROM user_add_ons
             WHERE user_id = $1 AND add_on_id = ANY ($2) AND status = 'active'
               AND purchased_at <= now() AND (expires_at IS NULL OR expires_at > now()) ORDER BY add_on_id",
    has_purchased: "SELECT EXISTS (SELECT FROM add_on_purchases
                     WHERE user_id = $1 AND status IN ('pending', 'completed', 'disputed', 'refunded'))",
    promo_uses: "SELECT count(DISTINCT coalesce(checkout_id, id)) FROM add_on_purchases
                  WHERE user_id = $1 AND promo_code = $2 AND status IN ('pending', 'completed', 'disputed')",
    lock_user: "SELECT gen_random_uuid(), pg_advisory_xact_lock(hashtextextended($1, 0))",
    held_for_good: "SELECT EXISTS (SELECT FROM user_add_ons
                     WHERE user_id = $1 AND add_on_id = ANY ($2) AND status = 'active' AND expires_at IS NULL)",
    claim_bundles: "UPDATE add_on_bundles b SET current_uses = b.current_uses + n.instances, updated_at = now()
                      FROM unnest($1::uuid[], $2::integer[]) n (id, instances)
                     WHERE b.id = n.id AND b.is_active AND (b.max_uses IS NULL OR b.max_uses - b.current_uses >= n.instances)",
    claim_code: "UPDATE promotional_codes SET current_uses = current_uses + 1, updated_at = now()
                  WHERE code = $1 AND is_active AND (max_uses IS NULL OR current_uses < max_uses)",
    sell: "INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, quantity, checkout_id, promo_code, metadata)
           SELECT $1, n.add_on_id, n.cents / 100.0, 'USD', n.quantity, $2, $3, n.metadata
             FROM unnest($4::uuid[], $5::bigint[], $6::integer[], $7::jsonb[]) n (add_on_id, cents, quantity, metadata)",
    remove_sold: "DELETE FROM cart_items WHERE user_id = $1 AND add_on_id = ANY ($2)",
    sold: "SELECT p.user_id, p.status, (p.amount * 100)::bigint FROM add_on_purchases p WHERE p.checkout_id = $1 FOR UPDATE",
    complete: "UPDATE add_on_purchases SET status = 'completed', stripe_payment_id = $2 WHERE checkout_id = $1",
    grant: "INSERT INTO user_add_ons AS u (user_id, add_on_id, expires_at, quantity, renewal_amount)
            SELECT p.user_id, p.add_on_id,
                   now() + CASE p.metadata -> 'quote_line' ->> 'billing_type' WHEN 'monthly' THEN interval '1 month'
                                                                            WHEN 'annual' THEN interval '1 year' END,
                   p.quantity, (p.metadata ->> 'renewal')::numeric
              FROM add_on_purchases p WHERE p.checkout_id = $1
                ON CONFLICT (user_id, add_on_id) DO UPDATE
               SET status = 'active', quantity = excluded.quantity, renewal_amount = excluded.renewal_amount, updated_at = now(),
                   expires_at = excluded.expires_at + CASE WHEN u.status = 'active' AND u.expires_at > now() THEN u.expires_at - now() ELSE interval '0' END",
}

/// The application at work on one connection.
pub struct Application {
    /// Its connection.
    pub wire: Wire,
    statements: Statements,
}

/// Who buys.
#[derive(Clone, Copy, Debug)]
pub struct Buyer<'a> {
    /// The user.
    pub user_id: &'a str,
    /// The user's tier.
    pub tier_code: Option<&'a str>,
    /// The code that the user entered.
    pub promo_code: Option<&'a str>,
}

/// A priced cart, and what it was priced from.
pub struct Priced<'a> {
    buyer: Buyer<'a>,
    at: Instant,
    catalog: Catalog,
    cart: Cart,
    uses_left: HashMap<Uuid, u32>,
    promo: Option<PromoRequest>,
    /// To how many renewals the code applies; `None` means all.
    renewals: Option<i32>,
    owned: Vec<Uuid>,
    has_purchased: bool,
    promo_uses: u32,
    quote: Quote,
}

impl Priced<'_> {
    fn terms(&self) -> Terms<'_> {
        Terms {
            user_id: Some(self.buyer.user_id),
            tier_code: self.buyer.tier_code,
            owned: &self.owned,
            has_purchased: self.has_purchased,
            promo: self.promo.as_ref(),
            promo_uses: self.promo_uses,
            ..Terms::of_nobody(self.at, &self.uses_left)
        }
    }

    /// The quote as `price_cart` returns it.
    pub fn document(&self) -> QuoteDocument<'_> {
        let heading = Heading { currency: "USD", priced_at: "" };
        QuoteDocument::new(&self.quote, &self.catalog, &self.cart, &self.terms(), heading)
    }

    fn add_on_id(&self, line: &PricedLine) -> Uuid {
        self.catalog.add_on(line.line.add_on).id
    }

    /// What each line keeps of the sale, the first one the whole quote as well.
    fn snapshots(&self) -> Result<Vec<Value>> {
        let document = self.document();
        let mut snapshots = Vec::new();
        for (position, (shown, line)) in document.lines().iter().zip(&self.quote.lines).enumerate() {
            let mut snapshot = json!({"quote_line": shown, "position": position});
            if matches!(line.line.billing_type, BillingType::Monthly | BillingType::Annual) {
                // What the first renewal costs.
                let has_ended = self.promo.is_none() || self.renewals == Some(0);
                let amount = line.total() + if has_ended { line.promo_discount } else { Money::ZERO };
                snapshot["renewal"] = Value::String(amount.to_string());
            }
            if position == 0 {
                snapshot["quote"] = serde_json::to_value(&document)?;
            }
            snapshots.push(snapshot);
        }
        Ok(snapshots)
    }
}

impl Application {
    /// Prepares everything.
    pub async fn new(wire: Wire) -> Result<Application> {
        Ok(Application { statements: Statements::prepare(&wire).await?, wire })
    }

    /// Prices a cart.
    pub async fn price<'a>(&self, buyer: Buyer<'a>) -> Result<Priced<'a>> {
        self.price_lines(buyer, self.wire.rows(&self.statements.lines, &[&buyer.user_id]).await?).await
    }

    async fn price_lines<'a>(&self, buyer: Buyer<'a>, lines: Vec<Row>) -> Result<Priced<'a>> {
        let Some(first) = lines.first() else { bail!("the cart of {} is empty", buyer.user_id) };
        let at = Instant(first.get(7));
        let add_on_ids: Vec<Uuid> = lines.iter().map(|line| line.get(0)).collect();
        let code = buyer.promo_code.map(normalized);
        let Statements { rules, bundles, code: code_row, .. } = &self.statements;
        let parameters: [&(dyn ToSql + Sync); 1] = [&add_on_ids];
        let discounts = self.wire.both(self.wire.rows(rules, &parameters), self.wire.rows(bundles, &parameters));
        let find_code = async {
            match &code {
                Some(code) => self.wire.rows(code_row, &[code]).await,
                None => Ok(Vec::new()),
            }
        };
        let ((rules, bundles), codes) = self.wire.both(discounts, find_code).await?;
        let renewals = codes.first().map_or(Some(0), |row| row.get(11));
        let terms = codes.first().map(promo_code);
        let promo = code.map(|code| PromoRequest { code, terms });
        let uses_left =
            bundles.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<i32>>(7)?.max(0) as u32)));
        let uses_left = uses_left.collect();
        let add_ons = lines.iter().map(add_on).collect::<Vec<AddOn>>();
        let bundles = bundles.iter().map(bundle).collect();
        let catalog = Catalog::new(add_ons, rules.iter().map(pricing_rule).collect(), bundles);
        let cart = cart_of(&lines, &catalog)?;
        let (owned, has_purchased, promo_uses, quote) = Default::default();
        let mut priced =
            Priced { buyer, at, catalog, cart, uses_left, promo, renewals, owned, has_purchased, promo_uses, quote };
        self.load_history(&mut priced).await?;
        priced.quote = price(&priced.catalog, &priced.cart, &priced.terms());
        Ok(priced)
    }

    /// Reads what the user owns or has bought, as far as the price depends on it.
    async fn load_history(&self, priced: &mut Priced<'_>) -> Result<()> {
        let required = RequiredFacts::to_decide(&priced.catalog, &priced.cart, &priced.terms());
        let user_id = priced.buyer.user_id;
        let code = priced.promo.as_ref().map(|promo| promo.code.as_str());
        let ids: Vec<Uuid> = required.owned.iter().copied().collect();
        let owned = async {
            let rows =
                if ids.is_empty() { vec![] } else { self.wire.rows(&self.statements.owned, &[&user_id, &ids]).await? };
            Ok(rows.iter().map(|row| row.get(0)).collect::<Vec<Uuid>>())
        };
        let has_purchased = async {
            Ok(required.has_purchased && self.wire.rows(&self.statements.has_purchased, &[&user_id]).await?[0].get(0))
        };
        let promo_uses = async {
            if !required.promo_uses {
                return Ok(0);
            }
            let rows = self.wire.rows(&self.statements.promo_uses, &[&user_id, &code]).await?;
            Ok(rows[0].get::<_, i64>(0) as u32)
        };
        if required == RequiredFacts::default() {
            return Ok(());
        }
        let ((owned, has_purchased), promo_uses) =
            self.wire.both(self.wire.both(owned, has_purchased), promo_uses).await?;
        (priced.owned, priced.has_purchased, priced.promo_uses) = (owned, has_purchased, promo_uses);
        Ok(())
    }

    /// Sells a cart, in one transaction.
    pub async fn check_out(&self, buyer: Buyer<'_>) -> Result<(Uuid, Money)> {
        let Statements { lock_user, locked_lines, .. } = &self.statements;
        let user: [&(dyn ToSql + Sync); 1] = [&buyer.user_id];
        let begin = self.wire.both(self.wire.run("BEGIN"), self.wire.rows(lock_user, &user));
        let ((_, locked), lines) = self.wire.both(begin, self.wire.rows(locked_lines, &user)).await?;
        let priced = self.price_lines(buyer, lines).await?;
        if let Some(outcome) = priced.quote.promo.as_ref().filter(|outcome| !outcome.is_valid()) {
            bail!("the code is refused: {:?}", outcome.refusals);
        }
        self.refuse_owned(&priced).await?;
        let checkout_id = locked[0].get(0);
        self.wire.both(self.claim_uses(&priced), self.sell(&priced, checkout_id)).await?;
        self.wire.run("COMMIT").await?;
        Ok((checkout_id, priced.quote.total()))
    }

    /// Refuses what the user has for good.
    async fn refuse_owned(&self, priced: &Priced<'_>) -> Result<()> {
        let once = priced.quote.lines.iter().filter(|line| line.line.billing_type == BillingType::OneTime);
        let ids: Vec<Uuid> = once.map(|line| priced.add_on_id(line)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let rows = self.wire.rows(&self.statements.held_for_good, &[&priced.buyer.user_id, &ids]).await?;
        ensure!(!rows[0].get::<_, bool>(0), "an add-on is owned already");
        Ok(())
    }

    async fn claim_uses(&self, priced: &Priced<'_>) -> Result<()> {
        let bundles = &priced.quote.bundles;
        let ids: Vec<Uuid> = bundles.iter().map(|applied| applied.bundle.id).collect();
        let instances: Vec<i32> = bundles.iter().map(|applied| applied.instances as i32).collect();
        let code = priced.promo.as_ref().map(|promo| promo.code.as_str());
        let claim_bundles = async {
            if ids.is_empty() {
                return Ok(0);
            }
            self.wire.change(&self.statements.claim_bundles, &[&ids, &instances]).await
        };
        let claim_code = async {
            match code {
                Some(code) => self.wire.change(&self.statements.claim_code, &[&code]).await,
                None => Ok(0),
            }
        };
        let claimed = self.wire.both(claim_bundles, claim_code).await?;
        ensure!(claimed == (ids.len() as u64, u64::from(code.is_some())), "a code or a bundle is used up");
        Ok(())
    }

    /// Writes the purchases, and takes them out of the cart.
    async fn sell(&self, priced: &Priced<'_>, checkout_id: Uuid) -> Result<()> {
        let lines = &priced.quote.lines;
        let user_id = priced.buyer.user_id;
        let ids: Vec<Uuid> = lines.iter().map(|line| priced.add_on_id(line)).collect();
        let cents: Vec<i64> = lines.iter().map(|line| line.total().cents()).collect();
        let quantities: Vec<i32> = lines.iter().map(|line| line.line.quantity as i32).collect();
        let snapshots = priced.snapshots()?;
        let code = priced.promo.as_ref().map(|promo| promo.code.as_str());
        let (sold, removed) = self
            .wire
            .both(
                self.wire.change(
                    &self.statements.sell,
                    &[&user_id, &checkout_id, &code, &ids, &cents, &quantities, &snapshots],
                ),
                self.wire.change(&self.statements.remove_sold, &[&user_id, &ids]),
            )
            .await?;
        ensure!(sold == removed && sold == ids.len() as u64, "the cart has changed");
        Ok(())
    }

    /// Records that a checkout was paid, and gives what was bought, in one transaction.
    pub async fn complete(&self, checkout_id: Uuid, paid: Money, payment_id: &str) -> Result<()> {
        let Statements { sold, complete, grant, .. } = &self.statements;
        let checkout: [&(dyn ToSql + Sync); 1] = [&checkout_id];
        let (_, sold) = self.wire.both(self.wire.run("BEGIN"), self.wire.rows(sold, &checkout)).await?;
        let amount: i64 = sold.iter().map(|row| row.get::<_, i64>(2)).sum();
        ensure!(amount == paid.cents(), "another amount was paid");
        ensure!(sold.iter().all(|row| row.get::<_, &str>(1) == "pending"), "it is not to be paid");
        let update: [&(dyn ToSql + Sync); 2] = [&checkout_id, &payment_id];
        let (completed, granted) =
            self.wire.both(self.wire.change(complete, &update), self.wire.change(grant, &checkout)).await?;
        ensure!(completed == granted && granted == sold.len() as u64, "a row is missing");
        self.wire.run("COMMIT").await
    }
}

fn add_on(row: &Row) -> AddOn {
    AddOn {
        id: row.get(0),
        name: row.get(3),
        base_price: Money::from_cents(row.get(4)),
        billing_type: billing_type(row.get(5)),
        is_active: row.get(6),
    }
}

fn billing_type(name: &str) -> BillingType {
    BillingType::from_name(name).expect("a constraint allows no other")
}

fn cart_of(lines: &[Row], catalog: &Catalog) -> Result<Cart> {
    let mut cart = Cart::default();
    for row in lines {
        let id = row.get(0);
        match catalog.find(id).filter(|&found| catalog.add_on(found).is_active) {
            Some(found) => {
                let quantity = row.get::<_, i32>(1) as u32;
                let charged = row.get::<_, Option<&str>>(2).map(billing_type);
                let line = Line::new(catalog.add_on(found), found, quantity, charged, Unit::HUNDREDTH);
                cart.lines.push(line.map_err(|error| anyhow::anyhow!("{error:?}"))?);
            }
            None => cart.withdrawn.push(id),
        }
    }
    Ok(cart)
}

fn pricing_rule(row: &Row) -> PricingRule {
    PricingRule {
        id: row.get(0),
        add_on_id: row.get(1),
        tier_code: row.get(2),
        discount: discount(row.get(3), row.get(4)),
        conditions: Conditions::parse(&row.get::<_, Value>(5)),
        priority: row.get(6),
        is_active: true,
        window: window(row.get(7), row.get(8)),
    }
}

fn bundle(row: &Row) -> Bundle {
    Bundle {
        id: row.get(0),
        name: row.get(1),
        add_on_ids: row.get(2),
        discount: discount(row.get(3), row.get(4)),
        is_active: true,
        window: window(row.get(5), row.get(6)),
        is_limited: row.get::<_, Option<i32>>(7).is_some(),
    }
}

fn discount(hundredths: i64, cents: i64) -> Discount {
    Discount { percent: Percent::from_hundredths(hundredths), amount: Money::from_cents(cents) }
}

fn window(from: Option<i64>, until: Option<i64>) -> Window {
    Window { from: from.map(Instant), until: until.map(Instant) }
}

fn promo_code(row: &Row) -> PromoCode {
    let value = row.get(2);
    PromoCode {
        id: row.get(0),
        discount: match row.get(1) {
            "percentage" => PromoDiscount::Percentage(Percent::from_hundredths(value)),
            _ => PromoDiscount::FixedAmount(Money::from_cents(value)),
        },
        max_uses: row.get::<_, Option<i32>>(3).map(|uses| uses as u32),
        current_uses: row.get::<_, i32>(4) as u32,
        applicable_to: (!row.get::<_, bool>(6)).then(|| row.get(5)),
        min_purchase_amount: Money::from_cents(row.get(7)),
        restrictions: Restrictions::parse(&row.get::<_, Value>(8)),
        expires_at: row.get::<_, Option<i64>>(9).map(Instant),
        is_active: row.get(10),
    }
}
