//! Hostile surroundings and hostile arguments: schemas full of traps, and text that tries to become SQL.

use std::fmt::Write as _;

use harness::reads::READS;
use harness::writes::{self, WRITES};
use harness::{marketplace, text};
use postgres::Client;

const TRAPPED_FUNCTIONS: &[&str] = &[
    "now()",
    "upper(text)",
    "btrim(text)",
    "lower(text)",
    "length(text)",
    "concat_ws(text, text, text)",
    "quote_ident(text)",
    "quote_literal(text)",
    "to_regclass(text)",
    "current_setting(text, boolean)",
    "set_config(text, text, boolean)",
    "has_function_privilege(text, text)",
    "row_security_active(oid)",
    "pg_get_expr(pg_node_tree, oid)",
    "pg_get_constraintdef(oid)",
    "format_type(oid, integer)",
    "cardinality(uuid[])",
    "array_to_string(text[], text)",
    "pg_relation_size(regclass)",
    "pg_extension_config_dump(regclass, text)",
    "gen_random_uuid()",
    "to_jsonb(text)",
    "round(numeric, integer)",
    "count(uuid)",
    "min(text)",
    "unnest(text[])",
    "unnest(uuid[])",
    "array_agg(text)",
    "hashtext(text)",
    "pg_notify(text, text)",
    "to_tsvector(regconfig, text)",
    "jsonb_array_elements_text(jsonb)",
];

const TRAPPED_TYPES: &[&str] = &[
    "text",
    "varchar",
    "name",
    "oid",
    "uuid",
    "integer",
    "bigint",
    "numeric",
    "boolean",
    "timestamptz",
    "regclass",
    "jsonb",
    "\"char\"",
];

/// A schema first on the search path whose functions and operators raise an error when they are called, and temporary
/// tables with our names.
fn set_traps(client: &mut Client) {
    let mut traps = String::from("CREATE SCHEMA evil;");
    for (number, signature) in TRAPPED_FUNCTIONS.iter().enumerate() {
        write!(
            traps,
            "CREATE FUNCTION evil.{signature} RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trap {number}'; END$$;"
        )
        .unwrap();
    }
    for kind in TRAPPED_TYPES {
        write!(
            traps,
            "CREATE FUNCTION evil.compare({kind}, {kind}) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trap ='; END$$;"
        )
        .unwrap();
        for operator in ["=", "<>", "<", "<=", ">", ">=", "+", "-", "||", "->>"] {
            write!(
                traps,
                "CREATE OPERATOR evil.{operator} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = evil.compare);"
            )
            .unwrap();
        }
    }
    traps.push_str("CREATE DOMAIN evil.uuid AS pg_catalog.uuid CONSTRAINT trap CHECK (false);");
    traps.push_str("CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CONSTRAINT trap CHECK (false);");
    traps.push_str("CREATE DOMAIN evil.text AS pg_catalog.text CONSTRAINT trap CHECK (false);");
    for table in
        ["add_ons", "cart_items", "user_add_ons", "add_on_purchases", "promotional_codes", "pg_class", "pg_extension"]
    {
        write!(traps, "CREATE TEMP TABLE {table} (id int); CREATE TABLE evil.{table} (id int);").unwrap();
    }
    client.batch_execute(&traps).unwrap();
}

/// The functions of administration, besides those that the suite `install` calls in the same surroundings.
const ADMINISTRATION: [&str; 16] = [
    "SELECT public.grant_marketplace_access('app', level) FROM pg_catalog.unnest('{catalog,entitlements,shop,billing,admin}'::pg_catalog.text[]) level",
    "SELECT public.revoke_marketplace_access('app', 'shop')",
    "SELECT public.enable_user_isolation()",
    "SELECT public.disable_user_isolation()",
    "SELECT public.detach_tables()",
    "SELECT public.attach_tables()",
    "SELECT public.protect_marketplace()",
    "SELECT public.unprotect_marketplace()",
    "SELECT * FROM public.adopt_tables('old', dry_run => true)",
    "SELECT * FROM public.adopt_tables('old')",
    "SELECT * FROM public.check_marketplace()",
    "SELECT * FROM public.link_reference_tables()",
    "SELECT * FROM public.unlink_reference_tables()",
    "SELECT * FROM public.run_maintenance()",
    "SELECT * FROM public.price_carts('pro')",
    "SELECT * FROM public.subscriptions_expiring_soon, public.revenue_by_day",
];

#[test]
fn traps_in_the_search_path_catch_nobody() {
    let server = harness::Server::shared();
    server.create_database("trapped");
    let mut client = server.connect("trapped");
    client.batch_execute("CREATE EXTENSION extensions; CREATE SCHEMA old; CREATE ROLE app").unwrap();
    client.batch_execute("CREATE TABLE old.add_ons AS SELECT gen_random_uuid() AS id, 'Old' AS name, 'analytics' AS category, 1 AS base_price, 'monthly' AS billing_type").unwrap();
    set_traps(&mut client);
    client.batch_execute("SET search_path = evil, pg_temp, pg_catalog").unwrap();
    for trap in
        ["SELECT upper('a'::text)", "SELECT 'a'::text = 'a'::text", "SELECT 1 FROM pg_class WHERE relname = 'x'::name"]
    {
        let error = client.batch_execute(trap).unwrap_err();
        let message = error.as_db_error().unwrap().message().to_owned();
        assert!(message.contains("trap") || message.contains("relname"), "the trap is set: {message}");
    }
    for call in ADMINISTRATION {
        client.batch_execute(call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
    assert_eq!(text(&mut client, "SELECT pg_catalog.count(*) FROM public.add_ons").unwrap(), "1");
}

/// Calls that reach statements that the others do not reach.
const OTHERS: [&str; 5] = [
    "SELECT renew_add_on('carol', 'a0000000-0000-4000-8000-000000000006')",
    r#"SELECT apply_stripe_event(jsonb_build_object('id', 'evt_2', 'type', 'customer.subscription.deleted', 'created', 1767225600,
              'data', jsonb_build_object('object', jsonb_build_object('id', 'sub_2', 'metadata',
              jsonb_build_object('checkout_id', p.checkout_id)))))
         FROM add_on_purchases p WHERE user_id = 'carol' AND checkout_id IS NOT NULL LIMIT 1"#,
    r#"SELECT price_cart('ada', 'pro', 'once') FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 1)"#,
    "SELECT * FROM search_add_ons('text-to-speech')",
    "SELECT * FROM search_add_ons('rigade')",
];

/// Reads and writes of a marketplace that sells, in the same surroundings. A cursor is planned before the path is
/// hostile, so that every trap that fires was triggered by us.
#[test]
fn traps_in_the_search_path_catch_no_business() {
    let mut client = writes::situation("trapped_business");
    let prepare = r#"
        SELECT renew_add_on('carol', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_again');
        UPDATE add_on_purchases SET metadata = metadata || '{"renewal_of": "another"}' WHERE stripe_payment_id = 'pi_again';
        SELECT cancel_add_on('carol', 'a0000000-0000-4000-8000-000000000006', immediately => true);
        INSERT INTO promotional_codes (code, discount_type, discount_value, user_restrictions)
        VALUES ('ONCE', 'percentage', 10, '{"max_uses_per_user": 1, "first_purchase_only": true}');
        INSERT INTO pricing_rules (add_on_id, discount_percent, conditions)
        VALUES ('a0000000-0000-4000-8000-000000000003', 5,
                '{"first_purchase_only": true, "requires_addon": ["a0000000-0000-4000-8000-000000000009"]}')"#;
    client.batch_execute(prepare).unwrap();
    set_traps(&mut client);
    client
        .batch_execute("DROP TABLE pg_temp.add_ons, pg_temp.cart_items, pg_temp.user_add_ons, pg_temp.add_on_purchases")
        .unwrap();
    let calls = READS.iter().chain(OTHERS.iter()).copied().chain(WRITES.iter().map(|(_, call)| *call));
    let mut caught = Vec::new();
    for call in calls {
        let (before, call) = call.rsplit_once("; ").unwrap_or(("", call));
        let cursor = format!("BEGIN; {before}; DECLARE caller NO SCROLL CURSOR FOR {call}");
        client.batch_execute(&cursor).unwrap_or_else(|error| panic!("{call}: {error:?}"));
        let fetch = "SET LOCAL search_path = evil, pg_temp, pg_catalog; FETCH ALL FROM caller";
        if let Err(error) = client.batch_execute(fetch) {
            caught.push(format!("{call}: {error:?}"));
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
    assert!(caught.is_empty(), "{caught:#?}");
}

#[test]
fn an_install_script_falls_into_no_trap() {
    let server = harness::Server::shared();
    server.create_database("trapped_install");
    let mut client = server.connect("trapped_install");
    set_traps(&mut client);
    client.batch_execute("CREATE SCHEMA shop; SET search_path = evil, pg_temp, pg_catalog").unwrap();
    client.batch_execute("CREATE EXTENSION extensions SCHEMA shop").unwrap();
    // An existing object under one of our names that belongs to somebody else is not taken over.
    client
        .batch_execute("CREATE SCHEMA squatted; CREATE TABLE squatted.cart_items (id int); DROP EXTENSION extensions")
        .unwrap();
    let error = client.batch_execute("CREATE EXTENSION extensions SCHEMA squatted").unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P07");
    client.batch_execute("DROP TABLE squatted.cart_items; CREATE FUNCTION squatted.has_feature(pg_catalog.text, pg_catalog.text, pg_catalog.timestamptz DEFAULT pg_catalog.now()) RETURNS boolean LANGUAGE sql AS 'SELECT true'").unwrap();
    let error = client.batch_execute("CREATE EXTENSION extensions SCHEMA squatted").unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42723");
}

/// Text that would do harm, or at least be a syntax error, if it became part of a statement.
const PAYLOADS: [&str; 9] = [
    "'; DROP TABLE add_ons CASCADE; --",
    "' OR '1' = '1",
    "\"; DROP TABLE add_ons CASCADE; --",
    "$$; DROP TABLE add_ons CASCADE; $$",
    "\\'; DROP TABLE add_ons CASCADE; --",
    "x) UNION SELECT 1; DROP TABLE add_ons; --",
    "%I %s %1$s %L",
    "@extschema@.add_ons",
    "$1",
];

/// SQLSTATEs of statements that are malformed: syntax error, unknown column, table, function, type or parameter, and
/// internal errors.
const GIVEN_AWAY: [&str; 7] = ["42601", "42703", "42P01", "42883", "42704", "42P02", "XX000"];

/// An expression for an argument of a type that carries the payload, or something harmless.
fn argument(kind: &str, payload: &str) -> String {
    let literal = format!("'{}'", payload.replace('\'', "''"));
    match kind {
        "text" | "name" => format!("{literal}::{kind}"),
        "text[]" => format!("ARRAY[{literal}, NULL]"),
        "jsonb" => format!(
            "jsonb_build_object({literal}, {literal}, 'code', {literal}, 'name', {literal}, 'tier_code', {literal}, 'type', {literal},
                                'webhook_type', {literal}, 'data', jsonb_build_object('object', jsonb_build_object('id', {literal})))"
        ),
        "uuid" => "'a0000000-0000-4000-8000-000000000003'::uuid".to_owned(),
        "uuid[]" => "'{a0000000-0000-4000-8000-000000000003}'::uuid[]".to_owned(),
        "integer" => "1".to_owned(),
        "numeric" => "1.00".to_owned(),
        "boolean" => "false".to_owned(),
        "timestamp with time zone" => "now()".to_owned(),
        "interval" => "interval '1 day'".to_owned(),
        "regrole" => "'postgres'::regrole".to_owned(),
        other => panic!("say what to pass for {other}"),
    }
}

#[test]
fn text_is_never_part_of_a_statement() {
    let mut client = marketplace("injected");
    client.batch_execute("SELECT add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')").unwrap();
    let digest = "SELECT md5(string_agg(x::text, '' ORDER BY x::text)) FROM (
            SELECT to_jsonb(a) FROM add_ons a UNION ALL SELECT to_jsonb(c) FROM cart_items c
         UNION ALL SELECT to_jsonb(p) FROM promotional_codes p UNION ALL SELECT to_jsonb(pg_policy) FROM pg_policy) x";
    let before = text(&mut client, digest);
    // Helpers that only other functions call take names of tables, or pieces of SQL that they run with the rights of
    // their caller.
    let functions = "
        SELECT p.proname::text, array(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n)
          FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> ALL ('{trigger,event_trigger,internal}'::regtype[])
           AND obj_description(p.oid, 'pg_proc') NOT LIKE '%nly % call% it.' AND obj_description(p.oid, 'pg_proc') NOT LIKE '%Only that calls it.'
         ORDER BY 1";
    let functions: Vec<(String, Vec<String>)> =
        client.query(functions, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(functions.len() > 50);
    let mut tried = 0;
    for (name, kinds) in &functions {
        for payload in PAYLOADS {
            let arguments: Vec<String> = kinds.iter().map(|kind| argument(kind, payload)).collect();
            let call = format!("SELECT * FROM public.{name}({})", arguments.join(", "));
            client.batch_execute("BEGIN").unwrap();
            if let Err(error) = client.batch_execute(&call) {
                let error = error.as_db_error().unwrap_or_else(|| panic!("{call} broke the connection"));
                let is_absent_pg_cron = name == "schedule_maintenance";
                assert!(is_absent_pg_cron || !GIVEN_AWAY.contains(&error.code().code()), "{call}: {error:?}");
            }
            client.batch_execute("ROLLBACK").unwrap();
            tried += 1;
        }
    }
    assert!(tried > 500);
    assert_eq!(text(&mut client, digest), before);
}

#[test]
fn text_in_the_tables_is_never_part_of_a_statement() {
    let mut client = marketplace("stored");
    for payload in PAYLOADS {
        let literal = payload.replace('\'', "''");
        client
            .batch_execute(&format!(
                "BEGIN;
                 INSERT INTO add_ons (name, category, base_price, billing_type, features, description)
                 VALUES ('{literal}', 'analytics', 1, 'monthly', jsonb_build_array('{literal}'), '{literal}');
                 INSERT INTO add_on_features (add_on_id, feature_key) SELECT id, '{literal}' FROM add_ons WHERE name = '{literal}';
                 INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('{literal}', 'percentage', 10);
                 INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent)
                 SELECT id, '{literal}', 10 FROM add_ons WHERE name = '{literal}';
                 SELECT add_to_cart('{literal}', id) FROM add_ons WHERE name = '{literal}';
                 SELECT * FROM price_carts('{literal}', '{literal}'); SELECT * FROM check_marketplace();
                 SELECT * FROM explain_cart('{literal}', '{literal}', '{literal}');
                 SELECT complete_checkout(checkout_id, '{literal}', '{literal}', '{literal}')
                   FROM checkout('{literal}', '{literal}', '{literal}', idempotency_key => '{literal}');
                 SELECT * FROM user_features('{literal}'); SELECT * FROM entitled_users('{literal}');
                 SELECT * FROM search_add_ons('{literal}'); SELECT * FROM link_reference_tables();
                 SELECT * FROM revenue_by_add_on, promo_code_performance"
            ))
            .unwrap_or_else(|error| panic!("{payload}: {error:?}"));
        let entitled = format!("SELECT has_feature('{literal}', '{literal}')");
        assert_eq!(text(&mut client, &entitled).unwrap(), "t", "{payload}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

/// Code that an owner of the tables without superuser rights can attach to them. `strike` makes its owner a superuser
/// if it ever runs with such rights, and lays traps for the session: another role, another search_path, temporary
/// views under PostgreSQL's own names. It counts how often it ran, and as which role.
const STRIKE: &str = "
    CREATE SEQUENCE evil.strikes;
    CREATE FUNCTION evil.strike() RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
        attempt text;
    BEGIN
        PERFORM pg_catalog.nextval('evil.strikes');
        IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
            ALTER ROLE mallory SUPERUSER;
        END IF;
        FOREACH attempt IN ARRAY ARRAY['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE postgres', 'SET search_path = evil, pg_catalog',
                                       'CREATE TEMP VIEW pg_roles AS SELECT evil.strike()', 'CREATE TEMP TABLE pg_class (oid oid)'] LOOP
            BEGIN
                EXECUTE attempt;
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
            IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
                ALTER ROLE mallory SUPERUSER;
            END IF;
        END LOOP;
        RETURN true;
    END $$;
    CREATE FUNCTION evil.strike_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM evil.strike(); RETURN coalesce(NEW, OLD); END $$;
    CREATE FUNCTION evil.strike_for(value anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN RETURN evil.strike(); END $$;
    CREATE DOMAIN evil.word AS text CHECK (evil.strike())";

/// Everything that can be attached to the tables themselves: triggers, defaults, checks, indexes, policies, rules,
/// and a replacement of our own trigger function.
const SNARES: &str = "
    DO $$
    DECLARE
        name text;
    BEGIN
        FOREACH name IN ARRAY '{add_ons,add_on_features,add_on_bundles,pricing_rules,promotional_codes,user_add_ons,add_on_purchases,
                                cart_items}'::text[] LOOP
            EXECUTE format('CREATE TRIGGER aa_strike BEFORE INSERT OR UPDATE OR DELETE ON market.%I FOR EACH ROW EXECUTE FUNCTION evil.strike_row()', name);
            EXECUTE format('CREATE TRIGGER zz_strike AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON market.%I EXECUTE FUNCTION evil.strike_row()', name);
            EXECUTE format('ALTER TABLE market.%I ADD bait boolean DEFAULT evil.strike(), ADD word evil.word DEFAULT ''x''', name);
            EXECUTE format('ALTER TABLE market.%I ADD CONSTRAINT strike CHECK (evil.strike_for(created_at)) NOT VALID', name);
            EXECUTE format('CREATE INDEX ON market.%I (evil.strike_for(created_at))', name);
            EXECUTE format('CREATE POLICY strike ON market.%I USING (evil.strike()) WITH CHECK (evil.strike())', name);
            EXECUTE format('ALTER TABLE market.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        END LOOP;
    END $$;
    CREATE RULE strike AS ON DELETE TO market.cart_items DO ALSO SELECT evil.strike();
    CREATE OR REPLACE FUNCTION market.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM evil.strike(); RETURN NEW; END $$";

/// Views under the names of the tables, and under those of the host's tables that are looked for.
const VIEWS: &str = "
    DO $$
    DECLARE
        name text;
    BEGIN
        FOREACH name IN ARRAY '{add_ons,add_on_features,add_on_bundles,pricing_rules,promotional_codes,user_add_ons,add_on_purchases,
                                cart_items}'::text[] LOOP
            EXECUTE format('ALTER TABLE market.%1$I RENAME TO real_%1$s', name);
            EXECUTE format('CREATE VIEW market.%1$I AS SELECT * FROM market.real_%1$s WHERE evil.strike()', name);
        END LOOP;
    END $$;
    CREATE VIEW market.subscription_tiers AS SELECT 'x'::text AS tier_code WHERE evil.strike();
    CREATE VIEW market.feature_definitions AS SELECT 'x'::text AS feature_key WHERE evil.strike();
    CREATE VIEW market.marketplace_access AS SELECT NULL::regrole AS role, ''::text AS level, ''::text AS privilege WHERE evil.strike()";

/// The functions of the reference that a superuser calls. `{brigade}` is an add-on, `{pending}` a checkout and
/// `{bought}` a purchase.
const CALLS_OF_SUPERUSERS: &[&str] = &[
    "SELECT * FROM load_sample_catalog()",
    "SELECT price_add_on('{brigade}', 2, 'pro')",
    r#"SELECT quote('[{"add_on_id": "{brigade}", "quantity": 2}]', 'ada', 'pro', 'LAUNCH2025')"#,
    "SELECT price_cart('ada', 'pro', 'LAUNCH2025'), cart_total('ada')",
    "SELECT * FROM price_carts()",
    "SELECT * FROM explain_cart('ada', 'pro', 'LAUNCH2025')",
    "SELECT explain_cart_text('ada')",
    r#"SELECT * FROM simulate_pricing_rule('{"add_on_id": "{brigade}", "discount_percent": 5}')"#,
    "SELECT * FROM validate_promo_code('LAUNCH2025', 'ada')",
    "SELECT * FROM search_add_ons('agent')",
    "SELECT has_feature('ada', 'agent_platform'), has_add_on('ada', '{brigade}')",
    "SELECT count(*) FROM pg_namespace n WHERE has_feature(n.nspname::text, 'agent_platform')",
    "SELECT * FROM has_features('ada', '{agent_platform}')",
    "SELECT feature_configuration('ada', 'agent_platform')",
    "SELECT * FROM user_features('ada')",
    "SELECT * FROM active_add_ons('ada')",
    "SELECT * FROM entitled_users('agent_platform')",
    "SELECT * FROM add_to_cart('ada', '{brigade}')",
    "SELECT * FROM set_cart_quantity('ada', '{brigade}', 2)",
    "SELECT * FROM checkout('ada', promo_code => 'LAUNCH2025')",
    "SELECT * FROM complete_checkout('{pending}', 'pi_1')",
    "SELECT dispute_purchase('{bought}')",
    "SELECT resolve_dispute('{bought}', true)",
    "SELECT refund_purchase('{bought}', 1)",
    "SELECT * FROM purchase_history('eve')",
    "SELECT * FROM list_purchases('eve')",
    "SELECT * FROM cart_lines('ada', 'pro', 'LAUNCH2025')",
    "SELECT * FROM list_add_ons('rigade')",
    "SELECT * FROM revenue_by_add_on('2020-01-01')",
    "SELECT * FROM grant_add_on('bob', '{brigade}')",
    "SELECT suspend_add_on('bob', '{brigade}')",
    "SELECT resume_add_on('bob', '{brigade}')",
    "SELECT renew_add_on('bob', '{brigade}', 19.99)",
    "SELECT cancel_add_on('bob', '{brigade}', immediately => true)",
    "SELECT * FROM add_to_cart('zoe', '{brigade}')",
    "SELECT * FROM merge_carts('zoe', 'ada')",
    "SELECT * FROM add_to_cart('zoe', '{brigade}')",
    "SELECT remove_from_cart('zoe', '{brigade}')",
    "SELECT clear_cart('zoe')",
    "SELECT * FROM consume_feature('eve', 'agent_platform')",
    "SELECT * FROM release_feature('eve', 'agent_platform')",
    "SELECT * FROM feature_usage('eve')",
    "SELECT stripe_checkout('{pending}', 'https://a.example', 'https://b.example')",
    "SELECT * FROM merge_carts('guest', 'zoe')",
    "SELECT * FROM set_feature_usage('bob', 'agent_platform', 1)",
    "SELECT * FROM consume_feature('bob', 'agent_platform', 1, 'job')",
    "SELECT * FROM release_feature('bob', 'agent_platform', 1, 'job')",
    "SELECT * FROM feature_usage('bob')",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "charge.refunded", "created": 1700000000, "data": {"object":
       {"id": "ch_1", "object": "charge", "payment_intent": "pi_eve", "amount": 1999, "amount_refunded": 1999, "currency": "usd"}}}')"#,
    "SELECT * FROM start_trial('carl', '{brigade}')",
    "SELECT * FROM explain_access('bob', '{brigade}')",
    "SELECT * FROM unsettled_payments()",
    "SELECT settle_payment('pi_eve', 'done')",
    "SELECT * FROM upcoming_renewals()",
    "SELECT reprice_renewals('{brigade}')",
    r#"SELECT * FROM reconcile_stripe('{"id": "pi_eve", "object": "payment_intent", "status": "succeeded", "amount_received": 1999, "currency": "usd"}')"#,
    r#"SELECT apply_lago_event('{"webhook_type": "subscription.terminated", "object_type": "subscription", "subscription": {"lago_id": "x", "status": "terminated"}}')"#,
    "SELECT fail_checkout('{pending}', 'no', true)",
    "SELECT export_user('eve')",
    "SELECT * FROM forget_user('zoe')",
    r#"SELECT * FROM simulate_bundle('{"name": "x", "add_on_ids": ["{brigade}", "a0000000-0000-4000-8000-000000000004"], "discount_percent": 5}')"#,
    r#"SELECT * FROM simulate_promo_code('{"code": "x", "discount_type": "percentage", "discount_value": 10}')"#,
    "SELECT * FROM simulate_renewals('{brigade}', 5)",
    "SELECT schedule_maintenance()",
    "SELECT * FROM catalog_cache_stats()",
    "SELECT * FROM run_maintenance('0', '0')",
    "SELECT * FROM check_marketplace()",
    "SELECT * FROM _check_catalog()",
    "SELECT * FROM _unknown_references()",
    "SELECT * FROM marketplace_status()",
    "SELECT * FROM marketplace_metrics()",
    "SELECT * FROM explain_checkout('{pending}')",
    "SELECT * FROM link_reference_tables()",
    "SELECT * FROM unlink_reference_tables()",
    "SELECT export_catalog()",
    r#"SELECT * FROM import_catalog('{"add_ons": [{"name": "Bolt", "base_price": 1}]}', dry_run => true)"#,
    r#"SELECT * FROM import_catalog('{"add_ons": [{"name": "Bolt", "base_price": 1}]}')"#,
    "SELECT * FROM adopt_tables('old', dry_run => true)",
    "SELECT * FROM adopt_tables('old')",
    "SELECT grant_marketplace_access('mallory_app', 'admin')",
    "SELECT revoke_marketplace_access('mallory_app', 'admin')",
    "SELECT enable_user_isolation()",
    "SELECT disable_user_isolation()",
    "SELECT detach_tables()",
    "SELECT attach_tables()",
    "SELECT * FROM distribution_status()",
    "SELECT * FROM distribute_marketplace()",
    "SELECT protect_marketplace()",
    "DROP TABLE market.cart_items",
    "DROP SCHEMA market CASCADE",
    "DROP EXTENSION extensions",
    "DROP OWNED BY mallory",
    "SELECT unprotect_marketplace()",
    "DROP EXTENSION extensions CASCADE",
];

/// A database of mallory, who is not a superuser and has set all these traps, with a superuser's session in it.
fn mallorys(database: &str, traps: &str) -> (Client, Client) {
    static MALLORY: std::sync::Once = std::sync::Once::new();
    let server = harness::Server::shared();
    let mut superuser = server.connect("postgres");
    MALLORY.call_once(|| {
        superuser.batch_execute("CREATE ROLE mallory LOGIN; CREATE ROLE mallory_app LOGIN").unwrap();
    });
    superuser.batch_execute(&format!("CREATE DATABASE {database} OWNER mallory")).unwrap();
    let mut mallory = server.config(database).user("mallory").connect(postgres::NoTls).unwrap();
    let brigade = "a0000000-0000-4000-8000-000000000003";
    mallory
        .batch_execute(&format!(
            "CREATE SCHEMA market; CREATE SCHEMA evil; CREATE EXTENSION extensions SCHEMA market; SET search_path = market;
             SELECT load_sample_catalog();
             SELECT add_to_cart(u, '{brigade}') FROM unnest('{{ada,bob,eve}}'::text[]) u;
             SELECT complete_checkout(checkout_id, 'pi_eve') FROM checkout('eve');
             SELECT checkout('bob'); UPDATE add_ons SET base_price = base_price + 1;
             CREATE SCHEMA old; CREATE TABLE old.cart_items AS SELECT * FROM cart_items;
             GRANT ALL ON SCHEMA evil TO PUBLIC"
        ))
        .unwrap();
    mallory.batch_execute(STRIKE).unwrap();
    mallory.batch_execute(traps).unwrap();
    let mut superuser = server.connect(database);
    superuser.batch_execute("SET search_path = market, pg_catalog").unwrap();
    (superuser, mallory)
}

/// Calls everything as a superuser. Returns how often the owner's code ran in this session.
fn called_by_a_superuser(database: &str, traps: &str) -> i64 {
    let (mut superuser, mut mallory) = mallorys(database, traps);
    let mut known = |query: &str| text(&mut mallory, query).unwrap_or_default();
    let tables = if traps == VIEWS { "market.real_add_on_purchases" } else { "market.add_on_purchases" };
    let pending = known(&format!("SELECT checkout_id FROM {tables} WHERE user_id = 'bob'"));
    let bought = known(&format!("SELECT id FROM {tables} WHERE user_id = 'eve'"));
    let mut strikes = 0;
    for call in CALLS_OF_SUPERUSERS {
        let call = call.replace("{brigade}", "a0000000-0000-4000-8000-000000000003");
        let call = call.replace("{pending}", &pending).replace("{bought}", &bought);
        // Some calls fail, as they must; what matters is what they leave behind.
        if let Err(error) = superuser.simple_query(&call) {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{call} broke the connection: {error}"));
            assert_ne!(error.code().code(), "XX000", "{call}: {error:?}");
        }
        let state = "SELECT pg_catalog.concat_ws(' ', current_user, session_user, pg_catalog.current_setting('search_path'),
                            (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.pg_my_temp_schema()),
                            (SELECT pg_catalog.bool_or(r.rolsuper) FROM pg_catalog.pg_roles r WHERE r.rolname LIKE 'mallory%'))";
        assert_eq!(text(&mut superuser, state).unwrap(), "postgres postgres market, pg_catalog 0 f", "{call}");
        let count = "SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM evil.strikes s";
        strikes = text(&mut superuser, count).unwrap().parse().unwrap();
    }
    strikes
}

/// The functions that constraints call; none of them looks at tables.
const OF_CONSTRAINTS: [&str; 5] = [
    "check_feature_configuration",
    "check_pricing_conditions",
    "check_user_restrictions",
    "has_no_duplicates",
    "normalized_code",
];

/// A new function must be called here too, unless its name says that only our own functions call it.
#[test]
fn a_superuser_calls_every_function() {
    let mut client = marketplace("called");
    let functions = "
        SELECT DISTINCT p.proname::text
          FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
         WHERE p.prorettype <> ALL ('{trigger,event_trigger,internal}'::regtype[])
           AND (p.proname NOT LIKE '\\_%' OR p.prosrc = 'run_body_wrapper')
         ORDER BY 1";
    let names: Vec<String> = client.query(functions, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(names.len() > 60, "{names:?}");
    let is_called = |name: &String| CALLS_OF_SUPERUSERS.iter().any(|call| call.contains(&format!("{name}(")));
    let uncalled: Vec<&String> =
        names.iter().filter(|name| !is_called(name) && !OF_CONSTRAINTS.contains(&name.as_str())).collect();
    assert!(uncalled.is_empty(), "{uncalled:?}");
}

#[test]
fn a_superuser_who_calls_anything_runs_no_code_of_the_owner() {
    // It did run, and never with more rights than its owner has.
    assert!(called_by_a_superuser("mallorys_tables", SNARES) > 100);
}

#[test]
fn a_superuser_who_calls_anything_looks_through_no_view_of_the_owner() {
    called_by_a_superuser("mallorys_views", VIEWS);
}
