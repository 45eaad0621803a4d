//! The rows that are kept of a person.

use crate::error::Error;
use crate::params;
use crate::pg::jsonb::Jsonb;
use crate::pg::statement::Statement;
use crate::store::none_left;

static EXPORT: Statement<(Jsonb,)> = Statement::new(
    "SELECT pg_catalog.jsonb_build_object(
              'user_id', $1,
              'cart_items', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c) ORDER BY c.added_at, c.id), '[]')
                               FROM @extschema@.cart_items c WHERE c.user_id = $1),
              'user_add_ons', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(u) ORDER BY u.purchased_at, u.id), '[]')
                                 FROM @extschema@.user_add_ons u WHERE u.user_id = $1),
              'add_on_purchases', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(p) ORDER BY p.purchased_at, p.id), '[]')
                                     FROM @extschema@.add_on_purchases p WHERE p.user_id = $1),
              'promotional_codes', (SELECT COALESCE(pg_catalog.jsonb_agg(c.code ORDER BY c.code), '[]')
                                      FROM @extschema@.promotional_codes c
                                     WHERE c.created_by = $1 OR (c.user_restrictions -> 'user_ids') ? $1))",
);

/// The rows that are to be changed, locked, so that it is known how many there are. Each takes what its change takes.
static LOCK_CART: Statement =
    Statement::new("SELECT FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.user_id <> $2 FOR UPDATE");
static LOCK_DUPLICATES: Statement = Statement::new(
    "SELECT FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1
        AND EXISTS (SELECT FROM @extschema@.user_add_ons o WHERE o.user_id = $2 AND o.add_on_id = u.add_on_id)
        FOR UPDATE",
);
static LOCK_ACCESS: Statement =
    Statement::new("SELECT FROM @extschema@.user_add_ons u WHERE u.user_id = $1 AND u.user_id <> $2 FOR UPDATE");
static LOCK_PURCHASES: Statement =
    Statement::new("SELECT FROM @extschema@.add_on_purchases p WHERE p.user_id = $1 AND p.user_id <> $2 FOR UPDATE");
static LOCK_CODES: Statement = Statement::new(
    "SELECT
       FROM @extschema@.promotional_codes c
      WHERE (c.created_by = $1 OR (c.user_restrictions -> 'user_ids') ? $1) AND $1 <> $2
        FOR UPDATE",
);

static FORGET_CART: Statement =
    Statement::new("DELETE FROM @extschema@.cart_items c WHERE c.user_id = $1 AND c.user_id <> $2");

/// Somebody without a name has an add-on once, however many people were forgotten under that name.
static FORGET_ACCESS: Statement = Statement::new(
    "DELETE FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1
        AND EXISTS (SELECT FROM @extschema@.user_add_ons o WHERE o.user_id = $2 AND o.add_on_id = u.add_on_id)",
);

static RENAME_ACCESS: Statement =
    Statement::new("UPDATE @extschema@.user_add_ons AS u SET user_id=$2 WHERE u.user_id = $1");

/// The rows of a checkout stay together, and the quote that is kept with them no longer names the person.
static RENAME_PURCHASES: Statement = Statement::new(
    "UPDATE @extschema@.add_on_purchases AS p
        SET user_id=$2, metadata=pg_catalog.jsonb_delete_path(
                                   pg_catalog.jsonb_delete_path(p.metadata, ARRAY['quote', 'user_id']), ARRAY['extensions', 'quote', 'user_id'])
      WHERE p.user_id = $1",
);

static RENAME_IN_CODES: Statement = Statement::new(
    "UPDATE @extschema@.promotional_codes AS c
        SET created_by=CASE WHEN c.created_by = $1 THEN $2 ELSE c.created_by END,
            user_restrictions=CASE WHEN (c.user_restrictions -> 'user_ids') ? $1
                                   THEN pg_catalog.jsonb_set(c.user_restrictions, '{user_ids}',
                                          (SELECT pg_catalog.jsonb_agg(CASE WHEN named.id = $1 THEN $2 ELSE named.id END)
                                             FROM pg_catalog.jsonb_array_elements_text(c.user_restrictions -> 'user_ids') named (id)))
                                   ELSE c.user_restrictions END
      WHERE c.created_by = $1 OR (c.user_restrictions -> 'user_ids') ? $1",
);

/// All of them as one document.
pub fn document(user_id: &str) -> Result<Option<Jsonb>, Error> {
    EXPORT.read_one(params![user_id], |(document,)| document)
}

/// Removes what belongs to the person, and gives the rest another name. Says of each table how many rows were concerned.
pub fn rename(user_id: &str, replacement: &str) -> Result<Vec<(&'static str, u64)>, Error> {
    let both = params![user_id, replacement];
    let changes: [(&'static str, &Statement, &Statement); 5] = [
        ("cart_items", &LOCK_CART, &FORGET_CART),
        ("user_add_ons", &LOCK_DUPLICATES, &FORGET_ACCESS),
        ("user_add_ons", &LOCK_ACCESS, &RENAME_ACCESS),
        ("add_on_purchases", &LOCK_PURCHASES, &RENAME_PURCHASES),
        // Last, as the order of locks has it.
        ("promotional_codes", &LOCK_CODES, &RENAME_IN_CODES),
    ];
    let mut concerned: Vec<(&'static str, u64)> = Vec::new();
    for (table, lock, change) in changes {
        let (locked, changed) = (lock.perform(both)?, change.perform(both)?);
        none_left(table, locked, changed)?;
        match concerned.last_mut().filter(|(last, _)| *last == table) {
            Some((_, before)) => *before += changed,
            None => concerned.push((table, changed)),
        }
    }
    Ok(concerned)
}
