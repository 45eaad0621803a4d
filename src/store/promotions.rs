//! Looking up promotional codes.

use crate::error::Error;
use crate::pg::datum::Json;
use crate::pg::statement::{Param, Row, Statement};
use engine::money::{Money, Percent};
use engine::promotions::{PromoCode, PromoDiscount, PromoRequest, Restrictions};

/// One row whether the code exists or not: its normalised form comes first.
static CODE: Statement = Statement::new(
    "SELECT typed.code, p.discount_type, (p.discount_value * 100)::bigint, p.max_uses, p.current_uses,
            p.applicable_to, (p.min_purchase_amount * 100)::bigint, p.user_restrictions, p.expires_at, p.is_active,
            p.id
       FROM (SELECT pg_catalog.upper(pg_catalog.btrim($1)) AS code) typed
       LEFT JOIN @extschema@.promotional_codes p ON p.code = typed.code",
);

/// What is known of a code that somebody typed.
pub fn request(typed: &str) -> Result<PromoRequest, Error> {
    let found = CODE.read_one(&[Param::Text(typed)], |row| (row.get(0), read_code(row)))?;
    let (code, terms) = found.unwrap_or((String::new(), None));
    Ok(PromoRequest { code, terms })
}

fn read_code(row: &Row) -> Option<PromoCode> {
    let discount_type: String = row.optional(1)?;
    let hundredths: i64 = row.get(2);
    let applicable_to = row.optional(5).map(|mut add_on_ids: Vec<uuid::Uuid>| {
        add_on_ids.sort_unstable();
        add_on_ids
    });
    Some(PromoCode {
        id: row.get(10),
        discount: match discount_type.as_str() {
            "percentage" => PromoDiscount::Percentage(Percent::from_hundredths(hundredths)),
            _ => PromoDiscount::FixedAmount(Money::from_cents(hundredths)),
        },
        max_uses: row.optional::<i32>(3).map(|uses| uses.max(0) as u32),
        current_uses: row.get::<i32>(4).max(0) as u32,
        applicable_to,
        min_purchase_amount: Money::from_cents(row.get(6)),
        restrictions: row.get::<Json>(7).parse().and_then(|restrictions| Restrictions::parse(&restrictions)),
        expires_at: row.optional(8),
        is_active: row.get(9),
    })
}
