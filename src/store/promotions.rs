//! Looks up promotional codes.

use std::cell::RefCell;
use std::collections::HashSet;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::document::DocumentColumn;
use crate::pg::parameter::JsonText;
use crate::pg::probe::Probe;
use crate::pg::row::{Cents, RowOf};
use crate::pg::statement::Statement;
use crate::{params, probe};
use engine::money::{Money, Percent};
use engine::promotions::{self, PromoCode, PromoDiscount, PromoRequest, Restrictions};
use engine::time::Instant;

/// Passes the columns of a code to a macro that reads them.
macro_rules! columns {
    ($read:ident) => {
        $read!(
            "id",
            "discount_type",
            "discount_value",
            "max_uses",
            "current_uses",
            "applicable_to",
            "min_purchase_amount",
            "user_restrictions",
            "expires_at",
            "is_active"
        )
    };
}

macro_rules! of_code {
    ($($column:literal),*) => {
        probe!("promotional_codes", [$($column),*], "code")
    };
}

macro_rules! of_draft {
    ($first:literal $(, $column:literal)*) => {
        Statement::new(concat!(
            "SELECT p.", $first, $(", p.", $column,)*
            " FROM pg_catalog.jsonb_populate_record(NULL::@extschema@.promotional_codes, $1) p"
        ))
    };
}

static CODE: Probe<CodeColumns> = columns!(of_code);
static DRAFTED: Statement<CodeColumns> = columns!(of_draft);

/// What is known of an entered code.
pub fn request(typed: &str) -> Result<PromoRequest, Error> {
    let code = promotions::normalized(typed);
    let terms = CODE.read_one(params![&code], read_code)?;
    Ok(PromoRequest { code, terms })
}

/// The number of renewals to which a code applies; NULL means all.
static RENEWALS: Probe<(Option<i32>,)> = probe!("promotional_codes", ["renewals"], "code");

/// The number of renewals, besides the first payment, to which a code applies; `None` means all. A deleted code
/// discounts no renewal.
pub fn renewals(code: &str) -> Result<Option<u32>, Error> {
    let renewals = RENEWALS.read_one(params![code], |(renewals,)| renewals)?.unwrap_or(Some(0));
    Ok(renewals.map(|renewals| renewals.max(0) as u32))
}

static IS_CODE_AND_NO_TIER: Statement = Statement::new(
    "SELECT FROM @extschema@.promotional_codes c
      WHERE c.code = $1
        AND NOT EXISTS (SELECT FROM @extschema@.pricing_rules r WHERE r.tier_code = $2)
        AND NOT EXISTS (SELECT FROM @extschema@.promotional_codes o WHERE (o.user_restrictions -> 'tier') ? $2)",
);

/// Whether a text is a promotional code and not a tier that the catalog knows. A session looks up each tier only once,
/// because prices are asked for often.
pub fn is_code_and_no_tier(text: &str) -> Result<bool, Error> {
    const MOST_TIERS: usize = 100;
    thread_local! { static TIERS: RefCell<HashSet<String>> = RefCell::default() }
    if TIERS.with_borrow(|tiers| tiers.contains(text)) {
        return Ok(false);
    }
    let is_code = IS_CODE_AND_NO_TIER.any(params![promotions::normalized(text), text], |()| true)?;
    if !is_code {
        TIERS.with_borrow_mut(|tiers| {
            if tiers.len() >= MOST_TIERS {
                tiers.clear();
            }
            tiers.insert(text.to_owned())
        });
    }
    Ok(is_code)
}

/// Reads a row of `promotional_codes` that is not stored, from its JSON text.
pub fn drafted(row: &str) -> Result<PromoRequest, Error> {
    let columns: serde_json::Value = serde_json::from_str(row).unwrap_or_default();
    let code = columns["code"].as_str().map(promotions::normalized).unwrap_or_default();
    let terms = DRAFTED.read_one(params![JsonText(row)], read_code)?;
    Ok(PromoRequest { code, terms })
}

/// The id, type and value, uses, add-ons, least purchase, restrictions, end and switch.
type CodeColumns =
    (Uuid, String, Cents, Option<i32>, i32, Option<Vec<Uuid>>, Cents, DocumentColumn, Option<Instant>, bool);

fn read_code(columns: RowOf<CodeColumns>) -> PromoCode {
    let (id, kind, value, max_uses, current_uses, applicable_to, least, restrictions, expires_at, is_active) = columns;
    PromoCode {
        id,
        discount: match kind.as_str() {
            "percentage" => PromoDiscount::Percentage(Percent::from_hundredths(value)),
            _ => PromoDiscount::FixedAmount(Money::from_cents(value)),
        },
        max_uses: max_uses.map(|uses| uses.max(0) as u32),
        current_uses: current_uses.max(0) as u32,
        applicable_to: applicable_to.map(|mut add_on_ids| {
            add_on_ids.sort_unstable();
            add_on_ids
        }),
        min_purchase_amount: Money::from_cents(least),
        restrictions: restrictions
            .read_or_malformed("user_restrictions")
            .and_then(|restrictions| Restrictions::parse(&restrictions)),
        expires_at,
        is_active,
    }
}
