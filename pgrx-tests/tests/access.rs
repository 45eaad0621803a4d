//! grant_marketplace_access(): tries everything as every role, and compares what succeeds with the table of
//! docs/security.md.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Server, add_on, marketplace, paths, refusal, text};
use postgres::Client;

const LEVELS: [&str; 8] = ["catalog", "entitlements", "shop", "billing", "support", "monitor", "tables", "admin"];

/// The levels of each function in the documentation.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(paths::root().join("docs/security.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let read = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let levels = LEVELS.iter().zip(&cells[1..]).filter(|(_, cell)| **cell == "yes");
        (cells[0].trim_matches('`').to_owned(), levels.map(|(level, _)| (*level).to_owned()).collect())
    };
    rows.map(read).collect()
}

/// Functions that PUBLIC may execute, because constraints call them.
const FOR_ALL: [&str; 5] = [
    "has_no_duplicates",
    "check_pricing_conditions",
    "check_user_restrictions",
    "check_feature_configuration",
    "normalized_code",
];

fn functions(client: &mut Client) -> BTreeSet<String> {
    let query = "
        SELECT DISTINCT p.proname::text
          FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
         WHERE p.prorettype <> ALL ('{trigger,event_trigger,internal}'::regtype[])";
    client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// A marketplace with something for every function to do, and one role for each level and one for none.
fn roles(name: &str) -> Client {
    let mut client = marketplace(name);
    let brigade = add_on(&mut client, "Brigade");
    let setup = format!(
        "CREATE TABLE known (name text PRIMARY KEY, id uuid);
         SELECT add_to_cart(u, '{brigade}') FROM unnest('{{ada,bob,eve,zoe}}'::text[]) u;
         INSERT INTO known SELECT 'pending', checkout_id FROM checkout('ada', promo_code => 'LAUNCH2025');
         INSERT INTO known SELECT 'bob', purchase_id FROM checkout('bob');
         SELECT complete_checkout(checkout_id, 'pi_bob') FROM add_on_purchases WHERE user_id = 'bob';
         INSERT INTO known SELECT 'eve', purchase_id FROM checkout('eve');
         SELECT complete_checkout(checkout_id) FROM add_on_purchases WHERE user_id = 'eve';
         SELECT dispute_purchase(id) FROM known WHERE name = 'eve'"
    );
    client.batch_execute(&setup).unwrap();
    for level in LEVELS.iter().chain(&["none"]) {
        let role = format!("{name}_{level}");
        // Roles outlive databases, but the server is this program's own.
        client.batch_execute(&format!("CREATE ROLE {role}")).unwrap();
        if *level != "none" {
            client.batch_execute(&format!("SELECT grant_marketplace_access('{role}', '{level}')")).unwrap();
        }
    }
    client
}

/// A call of each function that succeeds when its caller may do everything. `{name}` stands for an id of the table `known`.
const CALLS: &[(&str, &str)] = &[
    ("price_add_on", "SELECT price_add_on('{brigade}')"),
    ("quote", r#"SELECT quote('[{"add_on_id": "{brigade}", "quantity": 2}]')"#),
    ("search_add_ons", "SELECT * FROM search_add_ons('agent')"),
    ("list_add_ons", "SELECT * FROM list_add_ons('agent')"),
    ("catalog_cache_stats", "SELECT * FROM catalog_cache_stats()"),
    ("has_feature", "SELECT has_feature('bob', 'agent_platform')"),
    ("has_add_on", "SELECT has_add_on('bob', '{brigade}')"),
    ("has_features", "SELECT * FROM has_features('bob', '{agent_platform}')"),
    ("feature_configuration", "SELECT feature_configuration('bob', 'agent_platform')"),
    ("consume_feature", "SELECT * FROM consume_feature('ada', 'agent_platform')"),
    ("release_feature", "SELECT * FROM release_feature('ada', 'agent_platform')"),
    ("set_feature_usage", "SELECT * FROM set_feature_usage('ada', 'agent_platform', 1)"),
    ("feature_usage", "SELECT * FROM feature_usage('ada')"),
    ("user_features", "SELECT * FROM user_features('bob')"),
    ("active_add_ons", "SELECT * FROM active_add_ons('bob')"),
    ("entitled_users", "SELECT * FROM entitled_users('agent_platform')"),
    ("add_to_cart", "SELECT add_to_cart('new', '{brigade}')"),
    ("set_cart_quantity", "SELECT set_cart_quantity('zoe', '{brigade}', 2)"),
    ("remove_from_cart", "SELECT remove_from_cart('zoe', '{brigade}')"),
    ("clear_cart", "SELECT clear_cart('zoe')"),
    ("merge_carts", "SELECT * FROM merge_carts('guest', 'zoe')"),
    ("price_cart", "SELECT price_cart('zoe', 'pro', 'FIRSTBUY')"),
    ("cart_total", "SELECT cart_total('zoe')"),
    ("cart_lines", "SELECT * FROM cart_lines('zoe', 'pro', 'FIRSTBUY')"),
    ("explain_cart", "SELECT * FROM explain_cart('zoe', 'pro', 'FIRSTBUY')"),
    ("explain_cart_text", "SELECT explain_cart_text('zoe')"),
    ("validate_promo_code", "SELECT * FROM validate_promo_code('FIRSTBUY', 'zoe')"),
    ("checkout", "SELECT * FROM checkout('zoe', promo_code => 'LAUNCH2025')"),
    ("stripe_checkout", "SELECT stripe_checkout('{pending}', 'https://shop.test', 'https://shop.test')"),
    ("complete_checkout", "SELECT * FROM complete_checkout('{pending}')"),
    ("fail_checkout", "SELECT fail_checkout('{pending}')"),
    ("purchase_history", "SELECT * FROM purchase_history('bob')"),
    ("list_purchases", "SELECT * FROM list_purchases('bob')"),
    ("revenue_by_add_on", "SELECT * FROM revenue_by_add_on('2026-01-01')"),
    ("refund_purchase", "SELECT refund_purchase('{bob}')"),
    ("dispute_purchase", "SELECT dispute_purchase('{bob}')"),
    ("resolve_dispute", "SELECT resolve_dispute('{eve}', false)"),
    ("grant_add_on", "SELECT * FROM grant_add_on('new', '{brigade}')"),
    ("renew_add_on", "SELECT renew_add_on('bob', '{brigade}', 19.99)"),
    ("cancel_add_on", "SELECT cancel_add_on('bob', '{brigade}')"),
    ("suspend_add_on", "SELECT suspend_add_on('bob', '{brigade}')"),
    ("resume_add_on", "SELECT resume_add_on('bob', '{brigade}')"),
    (
        "apply_stripe_event",
        r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "charge.refunded", "created": 1700000000, "data":
           {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_bob", "amount": 1999, "amount_refunded": 1999,
                       "currency": "usd", "refunded": true}}}')"#,
    ),
    (
        "apply_lago_event",
        r#"SELECT apply_lago_event('{"webhook_type": "subscription.terminated", "object_type": "subscription",
           "subscription": {"lago_id": "00000000-0000-4000-8000-000000000001", "external_id": "s", "status": "terminated"}}')"#,
    ),
    ("reconcile_stripe", r#"SELECT * FROM reconcile_stripe('{"id": "cus_1", "object": "customer"}')"#),
    ("unsettled_payments", "SELECT * FROM unsettled_payments()"),
    ("settle_payment", "SELECT settle_payment('pi_bob')"),
    ("explain_access", "SELECT * FROM explain_access('bob', '{brigade}')"),
    // Needs an add-on to try.
    ("start_trial", ""),
    ("upcoming_renewals", "SELECT * FROM upcoming_renewals('bob')"),
    ("reprice_renewals", "SELECT reprice_renewals('{brigade}')"),
    ("_check_adoption", "SELECT _check_adoption('pg_catalog', 'UTC', '{}')"),
    ("_adoption_columns", "SELECT * FROM _adoption_columns('known', 'add_ons')"),
    ("_adoption_findings", "SELECT * FROM _adoption_findings('pg_catalog', '{}')"),
    ("_feature_keys", "SELECT _feature_keys('{}')"),
    ("_adoption_rows", "SELECT _adoption_rows('known', 's.*', 'false')"),
    ("_adoption_doubts", "SELECT * FROM _adoption_doubts('known', 'add_ons', 'add_ons')"),
    ("_adoption_obstacles", "SELECT * FROM _adoption_obstacles('known', 'add_ons')"),
    ("_adopt_rows", "SELECT _adopt_rows('cart_items', 'cart_items') WHERE false"),
    ("adopt_tables", "SELECT * FROM adopt_tables('pg_catalog')"),
    ("_load_sample_catalog_body", "SELECT * FROM _load_sample_catalog_body()"),
    ("_check_marketplace_body", "SELECT * FROM _check_marketplace_body()"),
    ("_check_catalog_body", "SELECT * FROM _check_catalog_body()"),
    ("_marketplace_status_body", "SELECT * FROM _marketplace_status_body()"),
    ("_marketplace_metrics_body", "SELECT * FROM _marketplace_metrics_body()"),
    ("_explain_checkout_body", "SELECT * FROM _explain_checkout_body('00000000-0000-4000-8000-000000000000')"),
    ("_unknown_references_body", "SELECT * FROM _unknown_references_body()"),
    ("_export_catalog_body", "SELECT _export_catalog_body()"),
    ("_import_catalog_body", "SELECT * FROM _import_catalog_body('{}', false)"),
    ("_adopt_tables_body", "SELECT * FROM _adopt_tables_body('pg_catalog', 'UTC', true, '{}')"),
    ("_link_reference_tables_body", ""),
    ("_unlink_reference_tables_body", ""),
    ("price_carts", "SELECT * FROM price_carts()"),
    (
        "simulate_pricing_rule",
        r#"SELECT * FROM simulate_pricing_rule('{"add_on_id": "{brigade}", "discount_percent": 5}')"#,
    ),
    (
        "simulate_bundle",
        r#"SELECT * FROM simulate_bundle('{"add_on_ids": ["{brigade}", "a0000000-0000-4000-8000-000000000004"]}')"#,
    ),
    ("simulate_renewals", "SELECT * FROM simulate_renewals('{brigade}', 24.99)"),
    (
        "simulate_promo_code",
        r#"SELECT * FROM simulate_promo_code('{"code": "NEW", "discount_type": "percentage", "discount_value": 5}')"#,
    ),
    ("_check_catalog", "SELECT * FROM _check_catalog()"),
    ("_currency_setting", "SELECT * FROM _currency_setting()"),
    ("export_user", "SELECT export_user('ada')"),
    ("forget_user", "SELECT * FROM forget_user('ada')"),
    ("_hold_user", "SELECT _hold_user('ada')"),
    ("_make_unclaimed_table", "SELECT _make_unclaimed_table()"),
    ("_check_installation", "SELECT * FROM _check_installation()"),
    ("_check_purchases", "SELECT * FROM _check_purchases()"),
    ("_expected_objects", "SELECT * FROM _expected_objects()"),
    ("_column_differences", "SELECT * FROM _column_differences()"),
    ("check_marketplace", "SELECT * FROM check_marketplace()"),
    ("run_maintenance", "SELECT * FROM run_maintenance()"),
    ("_hold_user", "SELECT _hold_user('ada')"),
    ("_reference_links", "SELECT * FROM _reference_links()"),
    ("_unknown_references", "SELECT * FROM _unknown_references()"),
    ("load_sample_catalog", "SELECT * FROM load_sample_catalog()"),
    ("marketplace_status", "SELECT * FROM marketplace_status()"),
    ("marketplace_metrics", "SELECT * FROM marketplace_metrics()"),
    ("_waiting_for_maintenance", "SELECT * FROM _waiting_for_maintenance()"),
    ("explain_checkout", "SELECT * FROM explain_checkout('00000000-0000-4000-8000-000000000000')"),
    ("export_catalog", "SELECT export_catalog()"),
    ("import_catalog", "SELECT * FROM import_catalog('{\"add_ons\": [{\"name\": \"Bolt\", \"base_price\": 1}]}')"),
    ("_catalog_keys", "SELECT _catalog_keys('add_ons')"),
    ("_draft_problem", "SELECT _draft_problem('pg_class', '{}')"),
    ("_draft_value", "SELECT _draft_value('pg_class', '{\"relname\": \"x\"}', 'relname')"),
    ("_table_rules", "SELECT * FROM _table_rules('add_ons')"),
    ("_adoption_rules", "SELECT * FROM _adoption_rules('add_ons', 'add_ons', 's.*')"),
    ("_draft_row", "SELECT _draft_row('add_ons', '{}', gen_random_uuid())"),
    ("_catalog_key", "SELECT _catalog_key('add_ons', '{}')"),
    ("_catalog_object", "SELECT _catalog_object('add_ons', '{}')"),
    ("_catalog_rows", "SELECT * FROM _catalog_rows()"),
    ("_catalog_matches", "SELECT * FROM _catalog_matches('add_ons', '[]')"),
    ("_catalog_columns", "SELECT _catalog_columns('add_ons', '{}')"),
    ("_canonical_entry", "SELECT _canonical_entry('add_ons', '{\"name\": \"Bolt\"}')"),
    ("_write_catalog_entry", "SELECT _write_catalog_entry('add_ons', '{\"name\": \"Bolt\"}', '{brigade}') WHERE false"),
    ("_add_on_names", "SELECT _add_on_names('[]')"),
    ("_add_on_ids", "SELECT _add_on_ids('[]', 'x')"),
    ("_check_catalog_document", "SELECT _check_catalog_document('{}')"),
    ("_check_catalog_size", "SELECT _check_catalog_size('{}')"),
    ("_check_rows_written", "SELECT _check_rows_written('add_ons', 1, 1)"),
    ("_refuse_catalog", "SELECT _refuse_catalog('x') WHERE false"),
    ("_refuse_distribution", "SELECT _refuse_distribution('x', '', '') WHERE false"),
    ("_table_names", "SELECT * FROM _table_names()"),
    ("_marketplace_tables", "SELECT * FROM _marketplace_tables()"),
    ("_is_member", "SELECT _is_member('pg_class', 1259)"),
    ("_distribution_method", "SELECT _distribution_method('cart_items')"),
    ("_distribution_preparations", "SELECT * FROM _distribution_preparations()"),
    ("_distribution_of_node", "SELECT _distribution_of_node()"),
    ("_distribution_foreign_keys", "SELECT * FROM _distribution_foreign_keys()"),
    ("_functions_of_users", "SELECT * FROM _functions_of_users()"),
    ("distribution_status", "SELECT * FROM distribution_status()"),
    ("link_reference_tables", "SELECT * FROM link_reference_tables()"),
    ("unlink_reference_tables", "SELECT * FROM unlink_reference_tables()"),
    // Whoever may call these still has to own the tables, be a superuser, or have pg_cron.
    ("schedule_maintenance", ""),
    ("protect_marketplace", ""),
    ("unprotect_marketplace", ""),
    ("detach_tables", ""),
    ("_distribution_nodes", ""),
    ("_distribution_obstacles", ""),
    ("_check_distribution", ""),
    ("_prepare_distribution", ""),
    ("_prepare_workers", ""),
    ("_distribute_table", ""),
    ("distribute_marketplace", ""),
    ("attach_tables", ""),
    ("grant_marketplace_access", ""),
    ("revoke_marketplace_access", ""),
    ("enable_user_isolation", ""),
    ("disable_user_isolation", ""),
];

/// The result of a role's call: nothing, or the SQLSTATE and the message of its refusal. Its effects are rolled back.
fn attempt(client: &mut Client, role: &str, call: &str) -> Option<(String, String)> {
    let ids = [
        ("{brigade}", "SELECT id FROM add_ons WHERE name = 'Brigade'"),
        ("{pending}", "SELECT id FROM known WHERE name = 'pending'"),
        ("{bob}", "SELECT id FROM known WHERE name = 'bob'"),
        ("{eve}", "SELECT id FROM known WHERE name = 'eve'"),
    ];
    let call = ids.iter().fold(call.to_owned(), |call, (name, query)| match call.contains(name) {
        true => call.replace(name, &text(client, query).unwrap()),
        false => call,
    });
    client.batch_execute(&format!("BEGIN; SET LOCAL ROLE {role}")).unwrap();
    let outcome = client.simple_query(&call).err().map(|error| {
        let error = error.as_db_error().unwrap_or_else(|| panic!("{call} broke the connection: {error}"));
        (error.code().code().to_owned(), error.message().to_owned())
    });
    client.batch_execute("ROLLBACK").unwrap();
    outcome
}

#[test]
fn everything_is_tried_as_each_role() {
    let mut client = roles("each");
    let documented = documented();
    client.batch_execute("GRANT SELECT ON known TO each_admin").unwrap();
    for (function, call) in CALLS.iter().filter(|(_, call)| !call.is_empty()) {
        for level in LEVELS.iter().chain(&["none"]) {
            let refused = attempt(&mut client, &format!("each_{level}"), call);
            match documented[*function].contains(*level) {
                true => assert_eq!(refused, None, "{level} must be able to call {function}"),
                false => {
                    let (state, message) =
                        refused.unwrap_or_else(|| panic!("{level} must not be able to call {function}"));
                    assert_eq!(
                        (state.as_str(), message),
                        ("42501", format!("permission denied for function {function}"))
                    );
                }
            }
        }
    }
}

#[test]
fn the_documentation_knows_every_function_and_privileges_agree_with_it() {
    let mut client = roles("known");
    let documented = documented();
    let functions = functions(&mut client);
    let names: BTreeSet<String> = documented.keys().cloned().chain(FOR_ALL.map(str::to_owned)).collect();
    assert_eq!(names, functions);
    for (function, _) in CALLS {
        assert!(documented.contains_key(*function), "{function} is called and not documented");
    }
    for function in documented.keys() {
        assert!(CALLS.iter().any(|(called, _)| called == function), "{function} is documented and not called");
    }
    for (function, levels) in &documented {
        for level in LEVELS {
            let may = format!(
                "SELECT bool_and(has_function_privilege('known_{level}', oid, 'EXECUTE')) FROM pg_proc
                  WHERE proname = '{function}' AND pronamespace = 'public'::regnamespace"
            );
            assert_eq!(text(&mut client, &may).unwrap() == "t", levels.contains(level), "{level}: {function}");
        }
    }
}

/// The functions that have a section of their own in the reference.
fn explained() -> BTreeSet<String> {
    let page = std::fs::read_to_string(paths::root().join("docs/reference.md")).unwrap();
    let (functions, _) = page.split_once("\n## Views\n").unwrap();
    functions.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

/// A function that runs with the rights of its caller, and the function that calls it: both need the same levels.
const CALLED_AS_THE_CALLER: [(&str, &str); 1] = [("_explain_checkout_body", "explain_checkout")];

#[test]
fn a_name_tells_whether_a_function_is_for_users() {
    let mut client = marketplace("prefixes");
    let (documented, explained) = (documented(), explained());
    let query = "
        SELECT p.proname::text, p.prorettype = ANY ('{trigger,event_trigger}'::regtype[]), has_function_privilege('public', p.oid, 'EXECUTE')
          FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'";
    let of_admin = BTreeSet::from(["admin".to_owned()]);
    let mut prefixed = 0;
    for row in client.query(query, &[]).unwrap() {
        let (name, is_of_trigger, is_public): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        let is_of_tables = is_of_trigger || FOR_ALL.contains(&name.as_str());
        assert_eq!(explained.contains(&name), !is_of_tables && !name.starts_with('_'), "{name}");
        if name.starts_with('_') {
            let caller = CALLED_AS_THE_CALLER.iter().find(|(called, _)| *called == name);
            let levels = caller.map_or(&of_admin, |(_, caller)| &documented[*caller]);
            assert!(!is_public, "{name}");
            assert!(documented.get(&name).is_none_or(|given| given == levels), "{name}");
            prefixed += 1;
        }
    }
    assert!(prefixed > 50, "{prefixed}");
}

#[test]
fn public_has_nothing() {
    let mut client = roles("nothing");
    let allowed = "
        SELECT string_agg(what, ' ' ORDER BY what) FROM (
            SELECT p.proname::text FROM pg_proc p
             WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege('nothing_none', p.oid, 'EXECUTE')
         UNION ALL
            SELECT c.relname FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'known'
               AND (has_table_privilege('nothing_none', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                    OR has_any_column_privilege('nothing_none', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))) x (what)";
    let for_all = "check_feature_configuration check_pricing_conditions check_user_restrictions has_no_duplicates normalized_code";
    assert_eq!(text(&mut client, allowed).unwrap(), for_all);
    // A function that runs with its owner's rights finds no object that a caller could have put in its way.
    let definers = "SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc
                     WHERE pronamespace = 'public'::regnamespace AND prosecdef
                       AND NOT coalesce(proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp', 'search_path=pg_catalog, public, pg_temp']";
    assert_eq!(text(&mut client, definers), None);
}

/// Every function by which one of these levels changes something runs as the owner: their roles have no right to write.
#[test]
fn writing_functions_run_as_the_owner() {
    let mut client = marketplace("writers");
    let documented = documented();
    let volatile = "SELECT DISTINCT proname::text FROM pg_proc
                     WHERE pronamespace = 'public'::regnamespace AND provolatile = 'v' AND NOT prosecdef";
    let invokers: BTreeSet<String> = client.query(volatile, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    for (function, levels) in documented.iter().filter(|(function, _)| invokers.contains(*function)) {
        let others = ["entitlements", "shop", "billing"];
        assert!(others.iter().all(|level| !levels.contains(*level)), "{function} writes with the rights of its caller");
    }
    client.batch_execute("CREATE ROLE writer; SELECT grant_marketplace_access('writer', level) FROM unnest('{entitlements,shop,billing}'::text[]) level").unwrap();
    let writable = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
                       AND (has_table_privilege('writer', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                            OR has_any_column_privilege('writer', oid, 'INSERT, UPDATE'))";
    assert_eq!(text(&mut client, writable), None);
    let brigade = add_on(&mut client, "Brigade");
    let life = format!(
        "SET ROLE writer; SELECT add_to_cart('ada', '{brigade}'); SELECT set_cart_quantity('ada', '{brigade}', 2);
         SELECT complete_checkout(checkout_id, 'pi_1') FROM checkout('ada', promo_code => 'LAUNCH2025');
         SELECT suspend_add_on('ada', '{brigade}'), resume_add_on('ada', '{brigade}'), renew_add_on('ada', '{brigade}', 19.99, 'pi_2');
         SELECT dispute_purchase(purchase_id), resolve_dispute(purchase_id, true), refund_purchase(purchase_id)
           FROM purchase_history('ada') ORDER BY purchased_at LIMIT 1"
    );
    client.batch_execute(&life).unwrap();
}

#[test]
fn a_level_reads_and_writes_no_other_tables() {
    let mut client = roles("tables");
    let direct = [
        ("SELECT FROM add_ons", "catalog entitlements shop billing support tables admin"),
        ("SELECT FROM pricing_rules", "catalog shop support tables admin"),
        ("SELECT FROM promotional_codes", "shop billing support tables admin"),
        ("SELECT FROM user_add_ons", "entitlements shop billing support tables admin"),
        ("SELECT FROM cart_items", "shop support tables admin"),
        ("SELECT FROM revenue_by_day", "billing admin"),
        ("SELECT FROM recurring_revenue", "billing admin"),
        ("SELECT FROM promo_code_performance", "admin"),
        ("SELECT FROM subscriptions_expiring_soon", "admin"),
        ("UPDATE add_ons SET base_price = 0", "tables admin"),
        ("UPDATE pricing_rules SET priority = 0", "admin"),
        ("UPDATE promotional_codes SET max_uses = NULL", "tables admin"),
        ("UPDATE promotional_codes SET current_uses = current_uses", "tables admin"),
        ("UPDATE user_add_ons SET status = status", "tables admin"),
        ("INSERT INTO cart_items (user_id, add_on_id) SELECT 'new', id FROM add_ons", "tables admin"),
        (
            "INSERT INTO add_on_purchases (user_id, add_on_id, amount, status) SELECT 'new', id, 0, 'completed' FROM add_ons",
            "tables admin",
        ),
        ("INSERT INTO user_add_ons (user_id, add_on_id) SELECT 'new', id FROM add_ons", "tables admin"),
        ("DELETE FROM user_add_ons", "admin"),
        ("DELETE FROM add_on_purchases", "admin"),
        ("DELETE FROM add_ons WHERE false", "admin"),
        ("DELETE FROM cart_items", "tables admin"),
        ("TRUNCATE cart_items", "admin"),
        ("DROP TABLE cart_items", ""),
        ("ALTER TABLE cart_items DISABLE TRIGGER ALL", ""),
    ];
    for (statement, levels) in direct {
        for level in LEVELS {
            let refused = attempt(&mut client, &format!("tables_{level}"), statement);
            let allowed = levels.split(' ').any(|one| one == level);
            assert_eq!(
                refused.as_ref().map(|(state, _)| state.as_str()),
                (!allowed).then_some("42501"),
                "{level}: {statement}"
            );
        }
    }
}

/// Everything that a role may do, in words.
fn held(client: &mut Client, role: &str) -> String {
    let query = format!(
        "SELECT string_agg(what, ' ' ORDER BY what) FROM (
            SELECT 'execute ' || p.oid::regprocedure FROM pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = '{role}'::regrole
         UNION ALL
            SELECT a.privilege_type || ' ' || c.relname FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = '{role}'::regrole
         UNION ALL
            SELECT a.privilege_type || ' ' || t.attrelid::regclass || '.' || t.attname
              FROM pg_attribute t, aclexplode(t.attacl) a WHERE a.grantee = '{role}'::regrole
         UNION ALL
            SELECT a.privilege_type || ' ' || n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a
             WHERE a.grantee = '{role}'::regrole) x (what)"
    );
    text(client, &query).unwrap_or_default()
}

#[test]
fn revoking_a_level_leaves_what_the_others_need() {
    let mut client = marketplace("revoked");
    for (number, &level) in LEVELS.iter().enumerate() {
        for &other in LEVELS.iter().filter(|other| **other != level) {
            let (role, alone) = (format!("both_{number}_{other}"), format!("alone_{number}_{other}"));
            client
                .batch_execute(&format!(
                    "CREATE ROLE {role}; CREATE ROLE {alone};
                     SELECT grant_marketplace_access('{role}', '{level}'), grant_marketplace_access('{role}', '{other}'),
                            grant_marketplace_access('{alone}', '{other}'), revoke_marketplace_access('{role}', '{level}')"
                ))
                .unwrap();
            match (level, other) {
                // admin stands for everything.
                ("admin", _) => assert_eq!(held(&mut client, &role), ""),
                (_, "admin") => {}
                _ => assert_eq!(held(&mut client, &role), held(&mut client, &alone), "{level} beside {other}"),
            }
            client.batch_execute(&format!("SELECT revoke_marketplace_access('{role}', '{other}')")).unwrap();
            if other != "admin" && level != "admin" {
                assert_eq!(held(&mut client, &role), "", "{level} and {other}");
            }
        }
    }
    // Taking a level that nobody granted raises no error.
    client.batch_execute("CREATE ROLE plain; SELECT revoke_marketplace_access('plain', 'shop')").unwrap();
}

#[test]
fn privileges_granted_by_hand_stay() {
    let mut client = marketplace("by_hand");
    client
        .batch_execute(
            "CREATE ROLE clerk; CREATE ROLE lender; CREATE ROLE stranger; GRANT SELECT, INSERT ON add_ons TO clerk; GRANT USAGE ON SCHEMA public TO clerk;
             GRANT EXECUTE ON FUNCTION search_add_ons, has_feature TO clerk;
             GRANT SELECT ON cart_items TO lender WITH GRANT OPTION; GRANT EXECUTE ON FUNCTION checkout TO lender WITH GRANT OPTION;
             SET ROLE lender; GRANT SELECT ON cart_items TO clerk; GRANT EXECUTE ON FUNCTION checkout TO clerk; RESET ROLE",
        )
        .unwrap();
    let before = held(&mut client, "clerk");
    for level in LEVELS {
        // Of a level that was never given there is nothing to take.
        client.batch_execute(&format!("SELECT revoke_marketplace_access('clerk', '{level}')")).unwrap();
        assert_eq!(held(&mut client, "clerk"), before, "{level}");
        // Granting it twice makes no difference.
        let twice = format!("SELECT grant_marketplace_access('clerk', '{level}') FROM generate_series(1, 2)");
        client.batch_execute(&twice).unwrap();
        assert!(level == "monitor" || held(&mut client, "clerk") != before, "{level}");
        client.batch_execute(&format!("SELECT revoke_marketplace_access('clerk', '{level}')")).unwrap();
        assert_eq!(held(&mut client, "clerk"), before, "{level}");
    }
    client
        .batch_execute("SELECT grant_marketplace_access('clerk', level) FROM unnest('{catalog,shop}'::text[]) level")
        .unwrap();
    client.batch_execute("SELECT revoke_marketplace_access('clerk', 'admin')").unwrap();
    assert_eq!(held(&mut client, "clerk"), before);
    // Levels of others are nobody else's business.
    client.batch_execute("SELECT grant_marketplace_access('stranger', 'shop')").unwrap();
    let strangers = held(&mut client, "stranger");
    client
        .batch_execute("SELECT grant_marketplace_access('clerk', 'shop'), revoke_marketplace_access('clerk', 'shop')")
        .unwrap();
    assert_eq!(held(&mut client, "stranger"), strangers);
    // The records are dropped with the extension, and they do not block that.
    client.batch_execute("DROP EXTENSION extensions").unwrap();
    assert_eq!(text(&mut client, "SELECT to_regclass('marketplace_access')"), None);
}

#[test]
fn only_the_owner_grants_and_only_what_exists() {
    let mut client = roles("granting");
    let grant = |arguments: &str| format!("SELECT grant_marketplace_access({arguments})");
    assert_eq!(refusal(&mut client, &grant("'granting_none', 'root'")).1, "unknown_access_level");
    assert_eq!(refusal(&mut client, &grant("'granting_none', 'SHOP'")).1, "unknown_access_level");
    assert_eq!(refusal(&mut client, &grant("NULL, 'shop'")).1, "null_argument");
    assert_eq!(refusal(&mut client, &grant("'granting_none', NULL")).1, "null_argument");
    assert_eq!(refusal(&mut client, &grant("'nobody at all', 'shop'")).0, "42602");
    assert_eq!(refusal(&mut client, &grant("'\"nobody at all\"', 'shop'")).0, "42704");
    client.batch_execute("SET ROLE granting_admin").unwrap();
    let refused = refusal(&mut client, &grant("'granting_none', 'shop'"));
    assert_eq!((refused.0.as_str(), refused.1.as_str()), ("42501", "not_owner"));
    client.batch_execute("RESET ROLE; CREATE ROLE \"Zoe \"\"Z\"\"; DROP\"").unwrap();
    client.batch_execute(&grant("'\"Zoe \"\"Z\"\"; DROP\"', 'shop'")).unwrap();
    client.batch_execute("SET ROLE \"Zoe \"\"Z\"\"; DROP\"; SELECT cart_total('ada')").unwrap();
}

#[test]
fn the_owner_of_a_database_installs_it_and_needs_nobody() {
    let server = Server::shared();
    let mut superuser = server.connect("postgres");
    superuser.batch_execute("CREATE ROLE dana LOGIN; CREATE ROLE danas_app LOGIN").unwrap();
    superuser.batch_execute("CREATE DATABASE danas OWNER dana").unwrap();
    let mut dana = server.config("danas").user("dana").connect(postgres::NoTls).unwrap();
    dana.batch_execute("CREATE SCHEMA shop; CREATE EXTENSION extensions SCHEMA shop; SET search_path = shop, public")
        .unwrap();
    dana.batch_execute("SELECT * FROM load_sample_catalog(); SELECT grant_marketplace_access('danas_app', 'shop')")
        .unwrap();
    let brigade = add_on(&mut dana, "Brigade");
    let mut app = server.config("danas").user("danas_app").connect(postgres::NoTls).unwrap();
    app.batch_execute(&format!("SELECT shop.add_to_cart('ada', '{brigade}')")).unwrap();
    assert_eq!(text(&mut app, "SELECT shop.cart_total('ada')").unwrap(), "19.99");
    let checkout = text(&mut app, "SELECT checkout_id FROM shop.checkout('ada')").unwrap();
    let complete = format!("SELECT shop.complete_checkout('{checkout}')");
    // A shopper's role may not declare a payment received.
    assert_eq!(refusal(&mut app, &complete).0, "42501");
    dana.batch_execute("SELECT grant_marketplace_access('danas_app', 'billing')").unwrap();
    app.batch_execute(&complete).unwrap();
    // Everything is hers, but the function that runs for everybody.
    let not_hers = "
        SELECT string_agg(what, ' ') FROM (
            SELECT p.proname::text, p.proowner FROM pg_proc p WHERE p.pronamespace = 'shop'::regnamespace
         UNION ALL SELECT c.relname, c.relowner FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace) x (what, owner)
         WHERE owner <> 'dana'::regrole";
    assert_eq!(text(&mut dana, not_hers).unwrap(), "guard_marketplace");
    assert_eq!(refusal(&mut dana, "SELECT protect_marketplace()").0, "42501");
    dana.batch_execute("SELECT enable_user_isolation(); SELECT disable_user_isolation()").unwrap();
    dana.batch_execute("SELECT detach_tables(); SELECT attach_tables()").unwrap();
    dana.batch_execute("DROP EXTENSION extensions").unwrap();
}

#[test]
fn default_privileges_give_nothing_away() {
    let server = Server::shared();
    let mut superuser = server.connect("postgres");
    superuser.batch_execute("CREATE ROLE taker; CREATE ROLE donna LOGIN").unwrap();
    for installer in ["postgres", "donna"] {
        let database = format!("defaults_{installer}");
        superuser.batch_execute(&format!("CREATE DATABASE {database} OWNER {installer}")).unwrap();
        // In a trusted extension everything is made by the superuser of the cluster first.
        for maker in ["postgres", "donna"] {
            server
                .connect(&database)
                .batch_execute(&format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {maker} GRANT EXECUTE ON FUNCTIONS TO taker, donna;
                     ALTER DEFAULT PRIVILEGES FOR ROLE {maker} GRANT ALL ON TABLES TO taker WITH GRANT OPTION;
                     ALTER DEFAULT PRIVILEGES FOR ROLE {maker} GRANT SELECT ON TABLES TO PUBLIC"
                ))
                .unwrap();
        }
        let mut client = server.config(&database).user(installer).connect(postgres::NoTls).unwrap();
        // Within a subtransaction, too.
        client
            .batch_execute("CREATE SCHEMA shop; BEGIN; SAVEPOINT s; CREATE EXTENSION extensions SCHEMA shop; COMMIT")
            .unwrap();
        let given = format!(
            "SELECT string_agg(what, ' ' ORDER BY what) FROM (
                SELECT p.proname, a.grantee FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                 WHERE p.pronamespace = 'shop'::regnamespace
             UNION ALL
                SELECT c.relname, a.grantee FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
                 WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'v')) x (what, grantee)
              WHERE grantee NOT IN ('{installer}'::regrole, 'postgres'::regrole)"
        );
        let for_all = "check_feature_configuration check_pricing_conditions check_user_restrictions has_no_duplicates normalized_code";
        assert_eq!(text(&mut client, &given).unwrap(), for_all, "{installer}");
    }
}

/// The calls, besides all reads, that are made in a schema of any name.
const CALLED_ANYWHERE: &[&str] = &[
    "SELECT * FROM import_catalog(export_catalog() || '{\"add_ons\": [{\"name\": \"New\", \"category\": \"analytics\", \"base_price\": 1, \"billing_type\": \"monthly\"}]}')",
    "SELECT * FROM import_catalog('{\"add_ons\": [{\"name\": \"New\", \"base_price\": 2}]}')",
    "SELECT * FROM link_reference_tables()",
    "SELECT * FROM unlink_reference_tables()",
    "SELECT * FROM distribution_status()",
    "SELECT * FROM adopt_tables('o\"dd.%I ''%s', dry_run => true)",
    "SELECT enable_user_isolation(), disable_user_isolation()",
    "SELECT detach_tables()",
    "SELECT attach_tables()",
    "SELECT complete_checkout(checkout_id) FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003'), checkout('ada')",
    "SELECT * FROM run_maintenance()",
    "SELECT protect_marketplace()",
    "SELECT unprotect_marketplace()",
];

#[test]
fn schemas_and_roles_have_any_name() {
    let server = Server::shared();
    server.create_database("names");
    let mut client = server.connect("names");
    let (schema, role) = ("\"we ird.%s %I %L\"", "\"o\"\"dd.%I '%s\"");
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {schema}; CREATE EXTENSION extensions SCHEMA {schema}; SET search_path = {schema}; CREATE ROLE {role};
             CREATE TABLE subscription_tiers (tier_code text PRIMARY KEY); CREATE TABLE feature_definitions (feature_key text PRIMARY KEY);
             CREATE SCHEMA {role}"
        ))
        .unwrap();
    client.batch_execute("SELECT * FROM load_sample_catalog()").unwrap();
    client
        .batch_execute(&format!(
            "CREATE TABLE {role}.cart_items AS SELECT 'ada' AS user_id, id AS add_on_id FROM add_ons"
        ))
        .unwrap();
    for level in LEVELS {
        for function in ["grant", "revoke"] {
            let call = format!("SELECT {function}_marketplace_access('{}', '{level}')", role.replace('\'', "''"));
            client.batch_execute(&call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
        }
    }
    let calls = harness::reads::READS.iter().chain(CALLED_ANYWHERE);
    for call in calls.clone() {
        client.batch_execute(call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
    // PostgreSQL lets no extension be made in a schema whose name has quotes, but renames any.
    let renamed = "\"we\"\"ird.%s %I\"";
    client
        .batch_execute(&format!(
            "ALTER SCHEMA {schema} RENAME TO {renamed}; SET search_path = {renamed}; TRUNCATE cart_items"
        ))
        .unwrap();
    for call in calls.filter(|call| !call.contains("adopt_tables")) {
        client.batch_execute(call).unwrap_or_else(|error| panic!("after the schema is renamed: {call}: {error:?}"));
    }
}

#[test]
fn no_notifications_when_the_setting_is_off() {
    let mut client = marketplace("told");
    let brigade = add_on(&mut client, "Brigade");
    let grant = format!("BEGIN; SELECT grant_add_on('ada', '{brigade}'); PREPARE TRANSACTION 'granted'");
    // PostgreSQL prepares nothing that notifies.
    assert_eq!(refusal(&mut client, &grant).0, "0A000");
    client.batch_execute("ROLLBACK; LISTEN extensions_entitlements; SET extensions.notify = off").unwrap();
    client.batch_execute(&grant).unwrap();
    client.batch_execute("COMMIT PREPARED 'granted'").unwrap();
    assert_eq!(text(&mut client, "SELECT count(*) FROM user_add_ons").unwrap(), "1");
    use postgres::fallible_iterator::FallibleIterator;
    assert_eq!(client.notifications().iter().count().unwrap(), 0);
    client.batch_execute(&format!("SET extensions.notify = on; SELECT grant_add_on('bob', '{brigade}')")).unwrap();
    assert_eq!(client.notifications().iter().next().unwrap().unwrap().payload(), "bob");
}
