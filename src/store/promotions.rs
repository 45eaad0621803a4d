//! Looking up promotional codes.

use crate::error::Error;
use crate::params;
use crate::pg::document::{Document, DocumentColumn};
use crate::pg::row::RowOf;
use crate::pg::statement::Statement;
use engine::money::{Money, Percent};
use engine::promotions::{self, PromoCode, PromoDiscount, PromoRequest, Restrictions};
use engine::time::Instant;
use uuid::Uuid;

/// One row whether the code exists or not: its normalised form comes first.
static CODE: Statement<CodeColumns> = Statement::new(
    "SELECT typed.code, p.discount_type, (p.discount_value * 100)::bigint, p.max_uses, p.current_uses,
            p.applicable_to, (p.min_purchase_amount * 100)::bigint, p.user_restrictions, p.expires_at, p.is_active,
            p.id
       FROM (SELECT $1::pg_catalog.text AS code) typed
       LEFT JOIN @extschema@.promotional_codes p ON p.code = typed.code",
);

/// What is known of a code that somebody typed.
pub fn request(typed: &str) -> Result<PromoRequest, Error> {
    let found = CODE.read_one(params![promotions::normalized(typed)], read_code)?;
    Ok(found.unwrap_or(PromoRequest { code: String::new(), terms: None }))
}

static IS_CODE_AND_NO_TIER: Statement = Statement::new(
    "SELECT FROM @extschema@.promotional_codes c
      WHERE c.code = $1
        AND NOT EXISTS (SELECT FROM @extschema@.pricing_rules r WHERE r.tier_code = $2)
        AND NOT EXISTS (SELECT FROM @extschema@.promotional_codes o WHERE (o.user_restrictions -> 'tier') ? $2)",
);

/// Whether a text is a promotional code, and no tier that the catalog knows.
pub fn is_code_and_no_tier(text: &str) -> Result<bool, Error> {
    IS_CODE_AND_NO_TIER.any(params![promotions::normalized(text), text], |()| true)
}

/// The normalised form, and the row's type and value, uses, add-ons, least purchase, restrictions, end, switch and id.
type CodeColumns = (
    String,
    Option<String>,
    Option<i64>,
    Option<i32>,
    Option<i32>,
    Option<Vec<Uuid>>,
    Option<i64>,
    Option<DocumentColumn>,
    Option<Instant>,
    Option<bool>,
    Option<Uuid>,
);

fn read_code(columns: RowOf<CodeColumns>) -> PromoRequest {
    let (code, kind, value, max_uses, current_uses, applicable_to, least, restrictions, expires_at, is_active, id) =
        columns;
    let terms = id.map(|id| PromoCode {
        id,
        discount: match kind.as_deref() {
            Some("percentage") => PromoDiscount::Percentage(Percent::from_hundredths(value.unwrap_or_default())),
            _ => PromoDiscount::FixedAmount(Money::from_cents(value.unwrap_or_default())),
        },
        max_uses: max_uses.map(|uses| uses.max(0) as u32),
        current_uses: current_uses.unwrap_or_default().max(0) as u32,
        applicable_to: applicable_to.map(|mut add_on_ids| {
            add_on_ids.sort_unstable();
            add_on_ids
        }),
        min_purchase_amount: Money::from_cents(least.unwrap_or_default()),
        restrictions: restrictions.map_or_else(
            || Ok(Restrictions::default()),
            |document: Document| {
                let document = document.read_or_malformed("user_restrictions")?;
                Restrictions::parse(&document)
            },
        ),
        expires_at,
        is_active: is_active == Some(true),
    });
    PromoRequest { code, terms }
}
