//! A marketplace in every state that dumps, upgrades and copies have to carry over.

use postgres::Client;

use crate::{Server, text};

/// Where [`open`] installs the extension.
pub const SCHEMA: &str = "marketplace";

/// A catalog, carts and purchases in every state, with texts that are hard to carry.
const TRADE: &str = r#"
    SELECT * FROM load_sample_catalog();
    INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent, priority, conditions)
    SELECT id, 'pro', 12.5, 3, '{"min_quantity": 2, "stackable": true}' FROM add_ons WHERE category = 'infrastructure';
    INSERT INTO promotional_codes (code, description, discount_type, discount_value, max_uses, user_restrictions)
    VALUES (' sommer-ä ', E'tab\there, line\nthere, \\. and ''quotes''', 'percentage', 5, 400, '{"max_uses_per_user": 2}');
    UPDATE add_ons SET metadata = '{"\\": "é 💩 \" \t", "deep": [[[{}]]]}', description = E'\\N' WHERE name = 'Bolt';
    UPDATE add_on_bundles SET max_uses = 1000 WHERE name = 'Developer Pro';

    SELECT count(*) FROM generate_series(1, 120) n, add_ons a,
           add_to_cart(CASE n % 4 WHEN 0 THEN 'zoë 💩 ' || n WHEN 1 THEN E'O''Brien \\ "x"\t' || n ELSE 'user ' || n END, a.id, 1 + n % 3)
     WHERE (n + a.sort_order) % 3 <> 0 OR n % 5 = 0;
    SELECT count(*) FROM (SELECT DISTINCT user_id FROM cart_items ORDER BY user_id LIMIT 90) u,
           checkout(u.user_id, 'pro', CASE WHEN length(u.user_id) % 2 = 0 THEN 'Sommer-Ä' END,
                    idempotency_key => 'key of ' || u.user_id, allow_mixed_billing => true);
    SELECT count(*) FROM (SELECT DISTINCT checkout_id FROM add_on_purchases ORDER BY checkout_id LIMIT 60) c,
           complete_checkout(c.checkout_id, 'pi_' || c.checkout_id, 'in_' || c.checkout_id, 'card');
    SELECT count(*) FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE status = 'pending' ORDER BY 1 LIMIT 10) c,
           fail_checkout(c.checkout_id, E'declined\r\n');
    SELECT count(*) FROM (SELECT id, amount FROM add_on_purchases WHERE status = 'completed' ORDER BY id LIMIT 40) p,
           refund_purchase(p.id, round(p.amount / 3, 2), 'unhappy');
    SELECT count(*) FROM (SELECT id FROM add_on_purchases WHERE status = 'completed' ORDER BY id LIMIT 20) p, refund_purchase(p.id);
    SELECT count(*) FROM (SELECT id FROM add_on_purchases WHERE status = 'completed' ORDER BY id LIMIT 9) p, dispute_purchase(p.id);
    SELECT count(*) FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM add_on_purchases WHERE status = 'disputed') p,
           resolve_dispute(p.id, p.n % 2 = 0) WHERE p.n <= 6;
    SELECT count(*) FROM (SELECT * FROM user_add_ons WHERE status = 'active' ORDER BY id LIMIT 6) u,
           suspend_add_on(u.user_id, u.add_on_id);
    SELECT count(*) FROM (SELECT * FROM user_add_ons WHERE status = 'active' ORDER BY id LIMIT 6) u,
           cancel_add_on(u.user_id, u.add_on_id, 'too dear', u.id < 'a0000000-0000-4000-8000-000000000000');
    SELECT count(*) FROM (SELECT * FROM user_add_ons WHERE status = 'active' AND expires_at IS NOT NULL ORDER BY id LIMIT 6) u,
           renew_add_on(u.user_id, u.add_on_id, 9.99, 'pi_renewal_' || u.id);
"#;

/// Creates a database with such a marketplace, owned by the role of the database's client.
pub fn open(server: &Server, database: &str) -> Client {
    server.create_database(database);
    trade(server.connect(database))
}

/// Installs the extension through a connection and does business.
pub fn trade(mut client: Client) -> Client {
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {SCHEMA}; CREATE EXTENSION extensions SCHEMA {SCHEMA}; SET search_path = {SCHEMA}, public"
        ))
        .expect("the extension installs");
    client.batch_execute(TRADE).unwrap_or_else(|error| panic!("business is done: {error:?}"));
    client
}

/// The rows of every table of the extension, in no particular order: a line with the table's name, the number of rows
/// and a digest.
pub fn rows(client: &mut Client) -> Vec<String> {
    let tables = "SELECT c.oid::regclass::text, c.relname::text FROM pg_class c, pg_extension e
                   WHERE e.extname = 'extensions' AND c.oid = ANY (e.extconfig) ORDER BY c.relname";
    let tables: Vec<(String, String)> =
        client.query(tables, &[]).expect("it is a query").iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(tables.len(), 8);
    let digest = |(table, name): &(String, String)| {
        let query = format!(
            "SELECT concat_ws(' ', '{name}:', count(*), 'rows', sum(hashtextextended(t::text, 0))) FROM ONLY {table} t"
        );
        text(client, &query).expect("it is an aggregate")
    };
    tables.iter().map(digest).collect()
}

/// Fails with the lines that only one of two descriptions has.
pub fn assert_same(after: &[String], before: &[String]) {
    let only = |in_these: &[String], not_in: &[String]| -> Vec<String> {
        in_these.iter().filter(|line| !not_in.contains(line)).cloned().collect()
    };
    assert!(after == before, "lost: {:#?}\ngained: {:#?}", only(before, after), only(after, before));
}

/// The catalogs' description of the extension, a line for each object: owners, privileges, constraints, indexes,
/// triggers, policies.
pub fn definitions(client: &mut Client) -> Vec<String> {
    client.batch_execute("BEGIN; SET LOCAL search_path = ''").expect("it is a setting");
    let lines: Vec<String> =
        client.query(DEFINITIONS, &[]).expect("it is a query").iter().map(|row| row.get(0)).collect();
    client.batch_execute("COMMIT").expect("it is possible at any time");
    assert!(lines.len() > 300, "{lines:#?}");
    lines
}

const DEFINITIONS: &str = "
    WITH members AS (
        SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE d.deptype = 'e' AND e.extname = 'extensions'
    ), relations AS (
        SELECT c.* FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    ), privileged (line, privileges) AS (
        SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity),
               coalesce(c.relacl, acldefault('r', c.relowner)) FROM relations c
        UNION ALL
        SELECT concat_ws(' ', 'column', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)),
               a.attacl
          FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        UNION ALL
        SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.proowner::regrole, p.provolatile, p.proparallel, p.procost, p.prorows,
                         p.prosecdef, p.proconfig),
               coalesce(p.proacl, acldefault('f', p.proowner))
          FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
        UNION ALL
        SELECT concat_ws(' ', 'schema', n.nspname, n.nspowner::regrole), coalesce(n.nspacl, acldefault('n', n.nspowner))
          FROM pg_namespace n JOIN pg_extension e ON e.extnamespace = n.oid AND e.extname = 'extensions'
    )
    SELECT line || ' ' || coalesce((SELECT string_agg(p::text, ' ' ORDER BY p::text) FROM unnest(privileges) p), '') FROM privileged
    UNION ALL
    SELECT concat_ws(' ', 'extension', e.extversion, e.extowner::regrole, e.extconfig::regclass[], e.extcondition)
      FROM pg_extension e WHERE e.extname = 'extensions'
    UNION ALL
    SELECT concat_ws(' ', 'constraint', n.conrelid::regclass, n.conname, pg_get_constraintdef(n.oid), n.convalidated)
      FROM pg_constraint n JOIN relations c ON n.conrelid = c.oid
    UNION ALL
    SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid) FROM pg_index i JOIN relations c ON i.indrelid = c.oid
    UNION ALL
    SELECT concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t JOIN relations c ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'policy', c.oid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, c.oid),
                     pg_get_expr(p.polwithcheck, c.oid))
      FROM pg_policy p JOIN relations c ON p.polrelid = c.oid
    UNION ALL
    SELECT concat_ws(' ', 'event trigger', t.evtname, t.evtevent, t.evtowner::regrole, t.evtfoid::regproc, t.evtenabled) FROM pg_event_trigger t
    ORDER BY 1";

/// Checks that business goes on: an open checkout is completed, a cart is sold with a code whose uses are counted, a
/// key still leads to its checkout, and check_marketplace() finds nothing.
pub fn goes_on(client: &mut Client) {
    let pending =
        text(client, "SELECT checkout_id FROM add_on_purchases WHERE status = 'pending' ORDER BY 1 LIMIT 1").unwrap();
    let granted = text(client, &format!("SELECT count(*) FROM complete_checkout('{pending}', 'pi_after')")).unwrap();
    assert_ne!(granted, "0");

    let uses = "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'";
    let before: i32 = text(client, uses).unwrap().parse().unwrap();
    let sold = "SELECT count(*) FROM checkout((SELECT min(user_id) FROM cart_items), promo_code => 'launch2025', allow_mixed_billing => true)";
    assert_ne!(text(client, sold).unwrap(), "0");
    assert_eq!(text(client, uses).unwrap(), (before + 1).to_string());

    let repeated = "SELECT bool_and(again.checkout_id = p.checkout_id)
                      FROM (SELECT user_id, checkout_id, promo_code, metadata ->> 'idempotency_key' AS key FROM add_on_purchases
                             WHERE metadata ? 'idempotency_key' ORDER BY id LIMIT 5) p,
                           checkout(p.user_id, 'pro', p.promo_code, idempotency_key => p.key, allow_mixed_billing => true) again";
    assert_eq!(text(client, repeated).as_deref(), Some("t"));
    crate::invariants::check(client);
}
