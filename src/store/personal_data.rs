//! The stored rows about a person.

use crate::error::Error;
use crate::pg::installation;
use crate::pg::jsonb::Jsonb;
use crate::pg::parameter::Params;
use crate::pg::statement::{Statement, command};
use crate::store::none_left;
use crate::{metadata_key, params};

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

/// The rows to be changed, locked, so that their number is known. Each takes the same parameters as its change.
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

/// An anonymous user has an add-on only once, however many users were erased under that name.
static FORGET_ACCESS: Statement = Statement::new(
    "DELETE FROM @extschema@.user_add_ons u
      WHERE u.user_id = $1
        AND EXISTS (SELECT FROM @extschema@.user_add_ons o WHERE o.user_id = $2 AND o.add_on_id = u.add_on_id)",
);

static RENAME_ACCESS: Statement =
    Statement::new("UPDATE @extschema@.user_add_ons AS u SET user_id=$2 WHERE u.user_id = $1");

/// The metadata of a purchase without the person whom its quote names: adopted purchases have theirs under `extensions`.
macro_rules! without_person {
    ($metadata:literal, $quotation:literal) => {
        concat!(
            "pg_catalog.jsonb_delete_path(pg_catalog.jsonb_delete_path(",
            $metadata,
            ", ",
            $quotation,
            "{",
            metadata_key!(quote),
            ",user_id}",
            $quotation,
            "), ",
            $quotation,
            "{extensions,",
            metadata_key!(quote),
            ",user_id}",
            $quotation,
            ")"
        )
    };
}

/// The rows of a checkout stay together, and their stored quote no longer names the person.
static RENAME_PURCHASES: Statement = Statement::new(concat!(
    "UPDATE @extschema@.add_on_purchases AS p SET user_id=$2, metadata=",
    without_person!("p.metadata", "'"),
    " WHERE p.user_id = $1"
));

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

/// With Citus, a row is stored on the node of its user and cannot change its user. So it is inserted again for the
/// other user and deleted. Columns that the host has added must be copied too, so PostgreSQL builds the command.
static WRITE_FOR: Statement<(String,)> = Statement::new(concat!(
    "SELECT pg_catalog.format(
              'INSERT INTO %7$I.%1$I (user_id, %2$s) SELECT %3$L, %4$s FROM %7$I.%1$I t WHERE t.user_id OPERATOR(pg_catalog.=) %5$L %6$s',
              c.relname, pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum), $3,
              pg_catalog.string_agg(
                CASE WHEN $1 = 'add_on_purchases' AND a.attname = 'metadata'
                     THEN '", without_person!("t.metadata", "''"), "'
                     ELSE ('t.' || pg_catalog.quote_ident(a.attname)) END, ', ' ORDER BY a.attnum),
              $2, $4, n.nspname)
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
      WHERE c.oid = ('@extschema@.' || $1)::pg_catalog.regclass
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attname <> 'user_id'
      GROUP BY c.relname, n.nspname"
));

static DELETE_ACCESS: Statement =
    Statement::new("DELETE FROM @extschema@.user_add_ons u WHERE u.user_id = $1 AND u.user_id <> $2");
static DELETE_PURCHASES: Statement =
    Statement::new("DELETE FROM @extschema@.add_on_purchases p WHERE p.user_id = $1 AND p.user_id <> $2");

/// All of them as one document.
pub fn document(user_id: &str) -> Result<Option<Jsonb>, Error> {
    EXPORT.read_one(params![user_id], |(document,)| document)
}

/// Deletes personal data, and renames the user in the rest. Returns the number of affected rows for each table.
pub fn rename(user_id: &str, replacement: &str) -> Result<Vec<(&'static str, u64)>, Error> {
    let both = params![user_id, replacement];
    let cart_items = change("cart_items", &LOCK_CART, &FORGET_CART, both)?;
    let (user_add_ons, purchases) = if installation::is_distributed()? {
        let unless_there = "ON CONFLICT ON CONSTRAINT user_add_ons_user_add_on_key DO NOTHING";
        let access = (ACCESS, &LOCK_ACCESS, &DELETE_ACCESS);
        let bought = (PURCHASES, &LOCK_PURCHASES, &DELETE_PURCHASES);
        (write_for_another(access, both, unless_there)?, write_for_another(bought, both, "")?)
    } else {
        let duplicates = change(ACCESS, &LOCK_DUPLICATES, &FORGET_ACCESS, both)?;
        let renamed = change(ACCESS, &LOCK_ACCESS, &RENAME_ACCESS, both)?;
        (duplicates + renamed, change(PURCHASES, &LOCK_PURCHASES, &RENAME_PURCHASES, both)?)
    };
    // Last, as the lock order requires.
    let codes = change("promotional_codes", &LOCK_CODES, &RENAME_IN_CODES, both)?;
    Ok(vec![("cart_items", cart_items), (ACCESS, user_add_ons), (PURCHASES, purchases), ("promotional_codes", codes)])
}

const ACCESS: &str = "user_add_ons";
const PURCHASES: &str = "add_on_purchases";

/// Changes all affected rows. Returns their number.
fn change(table: &'static str, lock: &Statement, change: &Statement, both: &Params) -> Result<u64, Error> {
    let (locked, changed) = (lock.perform(both)?, change.perform(both)?);
    none_left(table, locked, changed)?;
    Ok(changed)
}

/// The same with Citus: inserts the rows of one user again for another, and deletes them.
fn write_for_another(
    (table, lock, delete): (&'static str, &Statement, &Statement),
    both: &Params,
    unless_there: &str,
) -> Result<u64, Error> {
    let locked = lock.perform(both)?;
    let [user_id, replacement] = both else { return Ok(0) };
    let write = WRITE_FOR.read_one(&[&table, *user_id, *replacement, &unless_there], |(command,)| command)?;
    command(&write.unwrap_or_default());
    let deleted = delete.perform(both)?;
    none_left(table, locked, deleted)?;
    Ok(deleted)
}
