//! The data outlives the extension: the guard of protect_marketplace(), and detaching and attaching the tables.

use std::collections::BTreeSet;

use harness::{Server, add_on, marketplace, paths, refusal, text};
use postgres::Client;

const PROTECTED: (&str, &str) = ("55000", "marketplace_protected");

fn refused_with(client: &mut Client, statement: &str) -> (String, String) {
    let (state, code, _) = refusal(client, statement);
    (state, code)
}

fn is_protected(client: &mut Client, statement: &str) {
    let refused = refused_with(client, statement);
    assert_eq!((refused.0.as_str(), refused.1.as_str()), PROTECTED, "{statement}");
}

#[test]
fn nothing_drops_tables_that_hold_rows() {
    let mut client = marketplace("guarded");
    client
        .batch_execute(
            "CREATE SCHEMA aside; CREATE ROLE clerk; GRANT ALL ON SCHEMA aside TO clerk; SELECT protect_marketplace()",
        )
        .unwrap();
    // Asking twice is no mistake.
    client.batch_execute("SELECT protect_marketplace()").unwrap();
    for statement in [
        "DROP EXTENSION extensions",
        "DROP EXTENSION IF EXISTS extensions CASCADE",
        "DROP SCHEMA public CASCADE",
        "DROP SCHEMA aside, public CASCADE",
        "DROP OWNED BY postgres CASCADE",
        "DROP TABLE cart_items, add_ons CASCADE",
    ] {
        // PostgreSQL itself refuses to drop a member, or what the superuser of the cluster owns.
        let (state, code) = refused_with(&mut client, statement);
        assert!((state.as_str(), code.as_str()) == PROTECTED || state == "2BP01", "{statement}: {state} {code}");
        let left = "SELECT count(*) FROM add_ons";
        assert_eq!(text(&mut client, left).unwrap(), "9", "{statement}");
    }
    is_protected(&mut client, "DROP EXTENSION extensions");
    is_protected(&mut client, "DROP EXTENSION extensions CASCADE");
    is_protected(&mut client, "DROP SCHEMA public CASCADE");
    // In a session that has not used the extension yet, and where triggers are switched off.
    let mut fresh = Server::shared().connect("guarded");
    is_protected(&mut fresh, "DROP SCHEMA public CASCADE");
    let mut fresh = Server::shared().connect("guarded");
    fresh.batch_execute("SET session_replication_role = replica").unwrap();
    is_protected(&mut fresh, "DROP EXTENSION extensions");
    is_protected(&mut fresh, "DROP SCHEMA public CASCADE");
    // Other things are dropped as ever, also of the same names.
    client
        .batch_execute(
            "CREATE TABLE aside.add_ons (id int); INSERT INTO aside.add_ons VALUES (1); CREATE TEMP TABLE cart_items (id int);
             DROP TABLE aside.add_ons, pg_temp.cart_items; DROP SCHEMA aside CASCADE; DROP OWNED BY clerk",
        )
        .unwrap();
    client.batch_execute("SELECT unprotect_marketplace(); DROP EXTENSION extensions").unwrap();
    assert_eq!(text(&mut client, "SELECT count(*) FROM pg_event_trigger").unwrap(), "0");
}

#[test]
fn an_owner_who_is_dropped_does_not_take_the_tables_along() {
    let server = Server::shared();
    let mut superuser = server.connect("postgres");
    superuser.batch_execute("CREATE ROLE olga LOGIN").unwrap();
    superuser.batch_execute("CREATE DATABASE olgas OWNER olga").unwrap();
    let mut olga = server.config("olgas").user("olga").connect(postgres::NoTls).unwrap();
    olga.batch_execute(
        "CREATE SCHEMA shop; CREATE EXTENSION extensions SCHEMA shop; SELECT * FROM shop.load_sample_catalog()",
    )
    .unwrap();
    let mut superuser = server.connect("olgas");
    superuser.batch_execute("SELECT shop.protect_marketplace()").unwrap();
    for statement in ["DROP OWNED BY olga", "DROP OWNED BY olga CASCADE", "DROP SCHEMA shop CASCADE"] {
        is_protected(&mut olga, statement);
        is_protected(&mut superuser, statement);
    }
    assert_eq!(text(&mut superuser, "SELECT count(*) FROM shop.add_ons").unwrap(), "9");
    assert_eq!(refused_with(&mut olga, "SELECT shop.unprotect_marketplace()").0, "42501");
    superuser.batch_execute("SELECT shop.unprotect_marketplace(); DROP OWNED BY olga CASCADE").unwrap();
    assert_eq!(text(&mut superuser, "SELECT count(*) FROM pg_extension WHERE extname = 'extensions'").unwrap(), "0");
}

#[test]
fn an_empty_marketplace_is_dropped_although_it_is_protected() {
    let server = Server::shared();
    for (database, statement) in [("empty_1", "DROP EXTENSION extensions"), ("empty_2", "DROP SCHEMA public CASCADE")] {
        server.create_database(database);
        let mut client = server.connect(database);
        client.batch_execute("CREATE EXTENSION extensions; SELECT protect_marketplace()").unwrap();
        client.batch_execute(statement).unwrap();
        assert_eq!(text(&mut client, "SELECT count(*) FROM pg_extension WHERE extname = 'extensions'").unwrap(), "0");
        assert_eq!(text(&mut client, "SELECT count(*) FROM pg_event_trigger").unwrap(), "0");
    }
}

#[test]
fn detached_tables_stay_when_the_extension_goes() {
    let mut client = marketplace("detached");
    let brigade = add_on(&mut client, "Brigade");
    client
        .batch_execute(&format!(
            "SELECT add_to_cart('ada', '{brigade}'); SELECT complete_checkout(checkout_id) FROM checkout('ada', promo_code => 'LAUNCH2025');
             SELECT detach_tables()"
        ))
        .unwrap();
    assert_eq!(refused_with(&mut client, "SELECT detach_tables()").1, "tables_already_detached");
    // Everything works as before meanwhile.
    client.batch_execute(&format!("SELECT add_to_cart('ada', '{brigade}')")).unwrap();
    assert_eq!(text(&mut client, "SELECT cart_total('ada')").unwrap(), "19.99");
    client.batch_execute("UPDATE add_ons SET base_price = 10 WHERE name = 'Brigade'").unwrap();
    assert_eq!(text(&mut client, "SELECT cart_total('ada')").unwrap(), "10.00");
    // The views read the tables and belong to the extension, which drops them.
    client.batch_execute("DROP EXTENSION extensions").unwrap();
    let counts = "SELECT concat_ws(' ', (SELECT count(*) FROM add_ons), (SELECT count(*) FROM add_on_purchases),
                                   (SELECT sum(current_uses) FROM promotional_codes), (SELECT count(*) FROM user_add_ons))";
    assert_eq!(text(&mut client, counts).unwrap(), "9 1 1 1");
    client.batch_execute("UPDATE add_ons SET name = 'Battalion' WHERE name = 'Brigade'").unwrap();
    assert_eq!(text(&mut client, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").unwrap(), "0");
    // And the extension takes them over again, from another schema.
    client
        .batch_execute(
            "CREATE SCHEMA old; DO $$DECLARE t text; BEGIN
               FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
                   EXECUTE format('ALTER TABLE %I SET SCHEMA old', t);
               END LOOP; END$$;
             CREATE EXTENSION extensions; SELECT * FROM adopt_tables('old')",
        )
        .unwrap();
    assert_eq!(text(&mut client, counts).unwrap(), "9 1 1 1");
    assert_eq!(text(&mut client, "SELECT has_feature('ada', 'agent_platform')").unwrap(), "t");
}

/// Everything about the tables that a dump of the schema would say, and which objects belong to the extension.
fn description(client: &mut Client) -> String {
    let query = "
        SELECT string_agg(what, E'\\n' ORDER BY what) FROM (
            SELECT pg_describe_object(d.classid, d.objid, 0)
              FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions' WHERE d.deptype = 'e'
         UNION ALL
            SELECT 'dumped ' || c.t::regclass || coalesce(' where ' || w.condition, '') FROM pg_extension e,
                   unnest(e.extconfig) WITH ORDINALITY c (t, n), unnest(e.extcondition) WITH ORDINALITY w (condition, n)
             WHERE e.extname = 'extensions' AND w.n = c.n
         UNION ALL
            SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
              FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
         UNION ALL
            SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL
            SELECT pg_describe_object(classid, objid, 0) || ' goes with ' || pg_describe_object(refclassid, refobjid, 0)
              FROM pg_depend WHERE deptype = 'x') x (what)";
    text(client, query).unwrap()
}

#[test]
fn attaching_undoes_detaching_without_a_trace() {
    let mut client = marketplace("attached");
    assert_eq!(refused_with(&mut client, "SELECT attach_tables()").1, "tables_already_attached");
    let before = description(&mut client);
    client.batch_execute("SELECT detach_tables()").unwrap();
    assert_ne!(description(&mut client), before);
    client.batch_execute("SELECT attach_tables()").unwrap();
    assert_eq!(description(&mut client), before);
    // Some of them, too.
    client.batch_execute("ALTER EXTENSION extensions DROP TABLE cart_items; SELECT attach_tables()").unwrap();
    assert_eq!(description(&mut client), before);
}

#[test]
fn tables_that_changed_are_attached_when_they_are_whole_again() {
    let mut client = marketplace("changed");
    client.batch_execute("SELECT detach_tables()").unwrap();
    let cases = [
        (
            "ALTER TABLE promotional_codes DROP COLUMN description",
            "ALTER TABLE promotional_codes ADD description text",
            "column promotional_codes.description text",
        ),
        (
            "ALTER TABLE cart_items ALTER quantity TYPE bigint",
            "ALTER TABLE cart_items ALTER quantity TYPE integer",
            "column cart_items.quantity integer NOT NULL DEFAULT 1",
        ),
        (
            "ALTER TABLE add_on_purchases DROP CONSTRAINT add_on_purchases_refund_amount_check",
            "ALTER TABLE add_on_purchases ADD CONSTRAINT add_on_purchases_refund_amount_check
                   CHECK (refund_amount BETWEEN 0 AND amount)",
            "constraint add_on_purchases.add_on_purchases_refund_amount_check",
        ),
        (
            "ALTER TABLE cart_items RENAME TO carts",
            "ALTER TABLE carts RENAME TO cart_items",
            "column cart_items.id uuid NOT NULL DEFAULT gen_random_uuid()",
        ),
    ];
    for (change, repair, difference) in cases {
        client.batch_execute(change).unwrap();
        let error = client.batch_execute("SELECT attach_tables()").unwrap_err();
        let detail = error.as_db_error().unwrap().detail().unwrap();
        assert!(detail.contains(difference) && detail.contains("code: tables_differ"), "{change}: {detail}");
        client.batch_execute(repair).unwrap();
    }
    // Rows that the dropped constraints would have refused are refused now, and nothing is attached.
    client.batch_execute("UPDATE pricing_rules SET conditions = '{\"colour\": 1}'").unwrap();
    if text(&mut client, "SELECT count(*) FROM pricing_rules").unwrap() == "0" {
        let rule =
            "INSERT INTO pricing_rules (add_on_id, conditions) SELECT id, '{\"colour\": 1}' FROM add_ons LIMIT 1";
        client.batch_execute(rule).unwrap();
    }
    assert_eq!(refused_with(&mut client, "SELECT attach_tables()").0, "23514");
    client.batch_execute("UPDATE pricing_rules SET conditions = '{}'; SELECT attach_tables()").unwrap();
}

/// The parts of the tables of an installation in the schema that is filled in, as src/pg/tables.txt has them.
const PARTS: &str = "
    SELECT concat_ws(' ', 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
                     CASE WHEN a.attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = 'the_schema'::regnamespace
 UNION ALL
    SELECT concat_ws(' ', 'constraint', c.relname || '.' || n.conname, pg_get_constraintdef(n.oid))
      FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
     WHERE n.connamespace = 'the_schema'::regnamespace AND n.contype IN ('p', 'u', 'f', 'c')
 UNION ALL
    SELECT concat_ws(' ', 'index', c.relname || '.' || n.relname, pg_get_indexdef(i.indexrelid))
      FROM pg_index i JOIN pg_class n ON n.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = 'the_schema'::regnamespace
 UNION ALL
    SELECT concat_ws(' ', 'trigger', c.relname || '.' || g.tgname, g.tgenabled, pg_get_triggerdef(g.oid))
      FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
     WHERE NOT g.tgisinternal AND c.relnamespace = 'the_schema'::regnamespace";

#[test]
fn the_expected_objects_are_those_of_a_fresh_installation() {
    Server::shared().create_database("made");
    let mut client = Server::shared().connect("made");
    client
        .batch_execute(
            "CREATE SCHEMA the_schema; CREATE EXTENSION extensions SCHEMA the_schema; SET search_path = pg_catalog",
        )
        .unwrap();
    let lines = client.query(PARTS, &[]).unwrap();
    let line = |row: &postgres::Row| row.get::<_, String>(0).replace("the_schema.", "@extschema@.");
    let actual: BTreeSet<String> = lines.iter().map(line).collect();
    let file = paths::root().join("src/pg/tables.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let lines: String = actual.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, lines).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap();
    let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
    let difference: Vec<&String> = actual.symmetric_difference(&expected).collect();
    assert!(difference.is_empty(), "{difference:#?}");
}

/// src/pg/tables.rs lists the tables; what has to name them itself, in SQL, names the same.
#[test]
fn the_listed_tables_are_those_of_an_installation() {
    let mut client = marketplace("listed");
    client.batch_execute("INSERT INTO pricing_rules (add_on_id) SELECT id FROM add_ons LIMIT 1").unwrap();
    let listed = "SELECT string_agg(name || CASE WHEN has_users THEN ' of users' ELSE '' END, ', ' ORDER BY name) FROM _table_names()";
    let installed = "
        SELECT string_agg(c.relname || CASE WHEN a.attname IS NOT NULL THEN ' of users' ELSE '' END, ', ' ORDER BY c.relname::text)
          FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id'
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'";
    assert_eq!(text(&mut client, listed), text(&mut client, installed));
    let too_late = "
        SELECT count(*) FROM pg_constraint c JOIN _marketplace_tables() t ON t.relation = c.conrelid
          JOIN _marketplace_tables() referenced ON referenced.relation = c.confrelid WHERE referenced.place >= t.place";
    assert_eq!(text(&mut client, too_late).as_deref(), Some("0"));
    let catalog =
        text(&mut client, "SELECT string_agg(name, ', ' ORDER BY name) FROM _table_names() WHERE NOT has_users");
    for list in [
        "SELECT string_agg(DISTINCT kind, ', ' ORDER BY kind) FROM _catalog_rows()",
        "SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_object_keys(export_catalog()) key",
    ] {
        assert_eq!(text(&mut client, list), catalog, "{list}");
    }
}

/// The guard checks every drop in the database, whichever role drops which object.
#[test]
fn the_guard_lets_roles_without_schema_usage_drop_their_own() {
    let mut client = marketplace("apart");
    client
        .batch_execute(
            "CREATE SCHEMA aside; ALTER EXTENSION extensions DROP TABLE cart_items; ALTER EXTENSION extensions ADD TABLE cart_items;
             CREATE ROLE apart LOGIN; GRANT CREATE ON DATABASE apart TO apart; REVOKE USAGE ON SCHEMA public FROM PUBLIC; SELECT protect_marketplace()",
        )
        .unwrap();
    let mut apart = Server::shared().config("apart").user("apart").connect(postgres::NoTls).unwrap();
    apart
        .batch_execute(
            "CREATE SCHEMA mine; CREATE TABLE mine.cart_items (id int); INSERT INTO mine.cart_items VALUES (1); DROP TABLE mine.cart_items;
             CREATE TEMP TABLE add_ons (id int); INSERT INTO add_ons VALUES (1); DROP TABLE pg_temp.add_ons;
             CREATE TABLE mine.add_ons AS SELECT 1 AS id; DROP SCHEMA mine CASCADE; CREATE SCHEMA mine; DROP OWNED BY apart",
        )
        .unwrap();
    is_protected(&mut client, "DROP EXTENSION extensions");
}

/// PostgreSQL drops partitions before their table, and what an extension needs before the extension, or after.
#[test]
fn rows_are_found_wherever_they_are() {
    let mut client = marketplace("elsewhere");
    client
        .batch_execute(
            "SELECT detach_tables(), protect_marketplace(); ALTER TABLE cart_items RENAME TO old_cart_items;
             CREATE TABLE cart_items (LIKE old_cart_items INCLUDING DEFAULTS) PARTITION BY HASH (user_id);
             CREATE TABLE cart_items_0 PARTITION OF cart_items FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY LIST (quantity);
             CREATE TABLE cart_items_1 PARTITION OF cart_items FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY LIST (quantity);
             CREATE TABLE cart_items_0_1 PARTITION OF cart_items_0 FOR VALUES IN (1);
             CREATE TABLE cart_items_1_1 PARTITION OF cart_items_1 FOR VALUES IN (1);
             INSERT INTO cart_items (user_id, add_on_id) SELECT 'ada', id FROM add_ons LIMIT 1",
        )
        .unwrap();
    is_protected(&mut client, "DROP SCHEMA public CASCADE");
    is_protected(&mut client, "DROP TABLE cart_items");
    // By itself a partition is its owner's, as when old months are dropped.
    client.batch_execute("DROP TABLE cart_items_0_1, cart_items_1_1; DROP TABLE cart_items").unwrap();
    // Rows that are hidden from queries that look for them.
    client
        .batch_execute("ALTER TABLE old_cart_items RENAME TO cart_items; INSERT INTO cart_items (user_id, add_on_id) SELECT 'ada', id FROM add_ons LIMIT 1;
                        ALTER TABLE cart_items ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE ROLE blind LOGIN;
                        ALTER TABLE cart_items OWNER TO blind; GRANT ALL ON SCHEMA public TO blind")
        .unwrap();
    let mut blind = Server::shared().config("elsewhere").user("blind").connect(postgres::NoTls).unwrap();
    assert_eq!(text(&mut blind, "SELECT count(*) FROM cart_items").unwrap(), "0");
    is_protected(&mut blind, "DROP TABLE cart_items CASCADE");
    is_protected(&mut client, "DROP SCHEMA public CASCADE");
}
