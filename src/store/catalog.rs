//! Loads the catalog data that prices depend on: add-ons, pricing rules and bundles.

use std::collections::HashMap;
use std::rc::Rc;

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::document::DocumentColumn;
use crate::pg::jsonb::Jsonb;
use crate::pg::parameter::JsonText;
use crate::pg::row::RowOf;
use crate::pg::statement::Statement;
use engine::billing::BillingType;
use engine::catalog::{AddOn, Bundle, Catalog, Offer, PricingRule};
use engine::conditions::Conditions;
use engine::money::{Discount, Money, Percent};
use engine::time::{Instant, Window};

macro_rules! select_add_ons {
    ($condition:literal) => {
        Statement::new(concat!(
            "SELECT a.id, a.name, (a.base_price * 100)::bigint, a.billing_type, a.is_active
               FROM @extschema@.add_ons a ",
            $condition
        ))
    };
}

macro_rules! select_rules {
    ($rows:literal) => {
        Statement::new(concat!(
            "SELECT r.id, r.add_on_id, r.tier_code, (r.discount_percent * 100)::bigint, (r.discount_amount * 100)::bigint,
                    r.conditions, r.priority, r.is_active, r.valid_from, r.valid_until
               FROM ",
            $rows
        ))
    };
}

macro_rules! select_bundles {
    ($rows:literal) => {
        Statement::new(concat!(
            "SELECT b.id, b.name, b.add_on_ids, (b.discount_percent * 100)::bigint, (b.discount_amount * 100)::bigint,
                    b.is_active, b.valid_from, b.valid_until, b.max_uses - b.current_uses
               FROM ",
            $rows
        ))
    };
}

/// Id, name, price in cents, billing type, and whether it is for sale.
type AddOnColumns = (Uuid, String, i64, String, bool);

/// Id, add-on, tier, discount, conditions, priority, switch and window.
type RuleColumns = (Uuid, Uuid, Option<String>, i64, i64, DocumentColumn, i32, bool, Option<Instant>, Option<Instant>);

/// Id, name, add-ons, discount, switch, window, and the remaining uses if limited.
type BundleColumns = (Uuid, String, Vec<Uuid>, i64, i64, bool, Option<Instant>, Option<Instant>, Option<i32>);

static ADD_ONS: Statement<AddOnColumns> = select_add_ons!("WHERE a.id = ANY ($1)");
static RULES: Statement<RuleColumns> =
    select_rules!("@extschema@.pricing_rules r WHERE r.add_on_id = ANY ($1) AND r.is_active");
static BUNDLES: Statement<BundleColumns> =
    select_bundles!("@extschema@.add_on_bundles b WHERE b.add_on_ids && $1 AND b.is_active");

static ALL_ADD_ONS: Statement<AddOnColumns> = select_add_ons!("");
static ALL_RULES: Statement<RuleColumns> = select_rules!("@extschema@.pricing_rules r");
static ALL_BUNDLES: Statement<BundleColumns> = select_bundles!("@extschema@.add_on_bundles b");

static DRAFTED_RULE: Statement<RuleColumns> =
    select_rules!("pg_catalog.jsonb_populate_record(NULL::@extschema@.pricing_rules, $1) r");
static DRAFTED_BUNDLE: Statement<BundleColumns> =
    select_bundles!("pg_catalog.jsonb_populate_record(NULL::@extschema@.add_on_bundles, $1) b");

/// Reads the offers of these add-ons, without those that do not exist. Rules and bundles that are switched off are
/// left out, because they affect no price.
pub fn load_offers(add_on_ids: &[Uuid]) -> Result<Vec<Rc<Offer>>, Error> {
    let ids = params![add_on_ids];
    let mut loaded = Rows::default();
    ADD_ONS.read(ids, |row| loaded.add_on(row))?;
    RULES.read(ids, |row| loaded.rule(row))?;
    BUNDLES.read(ids, |row| loaded.bundle(row))?;
    Ok(Catalog::new(loaded.add_ons, loaded.rules, loaded.bundles).into_offers())
}

/// Loads the whole catalog, including add-ons that are no longer sold and rules and bundles that are switched off.
pub fn everything() -> Result<Rows, Error> {
    let mut loaded = Rows::default();
    ALL_ADD_ONS.read(params![], |row| loaded.add_on(row))?;
    ALL_RULES.read(params![], |row| loaded.rule(row))?;
    ALL_BUNDLES.read(params![], |row| loaded.bundle(row))?;
    Ok(loaded)
}

const ONE_ROW: &str = "jsonb_populate_record() makes one row of whatever it gets";

/// Reads a row of `pricing_rules` that is not stored, from its JSON text.
pub fn drafted_rule(row: &str) -> Result<PricingRule, Error> {
    DRAFTED_RULE.read_one(params![JsonText(row)], read_rule).map(|read| read.expect(ONE_ROW))
}

/// Reads a row of `add_on_bundles` that is not stored, from its JSON text, with the remaining uses if limited.
pub fn drafted_bundle(row: &str) -> Result<(Bundle, Option<u32>), Error> {
    let read = |row: BundleColumns| {
        let uses_left = row.8.map(|left| left.max(0) as u32);
        (read_bundle(row), uses_left)
    };
    DRAFTED_BUNDLE.read_one(params![JsonText(row)], read).map(|read| read.expect(ONE_ROW))
}

/// The catalog as a document with names instead of ids.
pub fn document() -> Result<Option<Jsonb>, Error> {
    static DOCUMENT: Statement<(Jsonb,)> = Statement::new("SELECT @extschema@._export_catalog_body()");
    DOCUMENT.read_one(params![], |(document,)| document)
}

/// Rows of the catalog that were loaded and can still be changed.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub add_ons: Vec<AddOn>,
    pub rules: Vec<PricingRule>,
    pub bundles: Vec<Bundle>,
    pub bundle_uses_left: HashMap<Uuid, u32>,
    /// About how many bytes of memory they take.
    size: usize,
}

/// The maximum size in bytes of a loaded catalog. A catalog and the one that it is compared with need twice as much.
const LARGEST_CATALOG: usize = 16 << 20;

impl Rows {
    fn add_on(&mut self, row: AddOnColumns) -> Result<(), Error> {
        let add_on = read_add_on(row);
        self.take(size_of::<Offer>() + add_on.name.len())?;
        self.add_ons.push(add_on);
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.size += bytes;
        if self.size > LARGEST_CATALOG {
            return Err(Error::CatalogTooLarge { limit: LARGEST_CATALOG });
        }
        Ok(())
    }

    fn rule(&mut self, row: RowOf<RuleColumns>) -> Result<(), Error> {
        let rule = read_rule(row);
        self.take(rule.size())?;
        self.rules.push(rule);
        Ok(())
    }

    fn bundle(&mut self, row: BundleColumns) -> Result<(), Error> {
        let uses_left = row.8;
        let bundle = read_bundle(row);
        self.take(bundle.size())?;
        if let Some(left) = uses_left {
            self.bundle_uses_left.insert(bundle.id, left.max(0) as u32);
        }
        self.bundles.push(bundle);
        Ok(())
    }
}

fn read_add_on((id, name, cents, charged, is_active): AddOnColumns) -> AddOn {
    AddOn { id, name, base_price: Money::from_cents(cents), billing_type: billing_type(charged), is_active }
}

/// A billing type. A constraint of the table guarantees that it is known.
pub fn billing_type(name: String) -> BillingType {
    BillingType::from_name(&name).unwrap_or(BillingType::OneTime)
}

fn read_rule(columns: RowOf<RuleColumns>) -> PricingRule {
    let (id, add_on_id, tier_code, percent, amount, conditions, priority, is_active, from, until) = columns;
    PricingRule {
        id,
        add_on_id,
        tier_code,
        discount: discount(percent, amount),
        conditions: conditions.read_or_malformed("conditions").and_then(|conditions| Conditions::parse(&conditions)),
        priority,
        is_active,
        window: Window { from, until },
    }
}

fn read_bundle(columns: BundleColumns) -> Bundle {
    let (id, name, mut add_on_ids, percent, amount, is_active, from, until, uses_left) = columns;
    // A table without its constraint may hold an id twice.
    add_on_ids.sort_unstable();
    add_on_ids.dedup();
    Bundle {
        id,
        name,
        add_on_ids,
        discount: discount(percent, amount),
        is_active,
        window: Window { from, until },
        is_limited: uses_left.is_some(),
    }
}

/// A percentage in hundredths and an amount in cents.
fn discount(percent: i64, cents: i64) -> Discount {
    Discount { percent: Percent::from_hundredths(percent), amount: Money::from_cents(cents) }
}
