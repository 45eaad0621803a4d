//! Every error of src/error is raised by a statement here, with its SQLSTATE, a reason and a hint.

use std::collections::BTreeSet;

use harness::{Server, errors, marketplace, text};
use postgres::Client;

const SITUATION: &str = "
    CREATE ROLE errors_role;
    SELECT count(*) FROM unnest('{ada,bob,carol}'::text[]) u, add_ons a, add_to_cart(u, a.id) WHERE a.name IN ('Brigade', 'Bolt');
    SELECT * FROM checkout('bob');
    SELECT * FROM checkout('carol', idempotency_key => 'key');
    SELECT count(*) FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'carol') c,
           complete_checkout(c.checkout_id, 'pi_1')";

/// A code, and statements of which the last raises it. Bob's checkout is pending, carol's is completed.
const CASES: &[(&str, &str)] = &[
    ("null_argument", "SELECT price_add_on(NULL)"),
    ("no_trial", "SELECT start_trial('ada', 'a0000000-0000-4000-8000-000000000003')"),
    (
        "trial_refused",
        "UPDATE add_ons SET trial_days = 7; SELECT start_trial('ada', 'a0000000-0000-4000-8000-000000000003');
         SELECT start_trial('ada', 'a0000000-0000-4000-8000-000000000003')",
    ),
    (
        "payment_used",
        "SELECT complete_checkout(checkout_id, 'pi_1') FROM add_on_purchases WHERE user_id = 'bob' LIMIT 1",
    ),
    (
        "already_owned",
        "UPDATE add_ons SET billing_type = 'one_time' WHERE name = 'Brigade';
         SELECT count(*) FROM grant_add_on('dora', 'a0000000-0000-4000-8000-000000000003');
         SELECT count(*) FROM add_to_cart('dora', 'a0000000-0000-4000-8000-000000000003'); SELECT count(*) FROM checkout('dora')",
    ),
    ("invalid_user_id", "SELECT clear_cart('')"),
    ("invalid_quantity", "SELECT price_add_on('a0000000-0000-4000-8000-000000000003', 0)"),
    ("invalid_count", "SELECT * FROM purchase_history('ada', max_rows => -1)"),
    ("malformed_argument", "SELECT quote('{}')"),
    ("document_too_large", "SELECT quote(to_jsonb(repeat('x', 3000000)))"),
    (
        "document_too_costly",
        r#"SELECT apply_lago_event((SELECT jsonb_agg('{"": 1}'::jsonb) FROM generate_series(1, 100000)))"#,
    ),
    ("value_too_large", "SELECT price_cart(repeat('x', 2000000))"),
    (
        "too_many_lines",
        "SELECT quote(jsonb_agg(jsonb_build_object('add_on_id', md5(n::text)::uuid, 'quantity', 1))) FROM generate_series(1, 10001) n",
    ),
    (
        "catalog_too_large",
        "INSERT INTO pricing_rules (add_on_id, conditions)
         SELECT 'a0000000-0000-4000-8000-000000000003', jsonb_build_object('requires_addon', jsonb_agg(md5(n::text)::uuid))
           FROM generate_series(1, 3000) n, generate_series(1, 400) rule GROUP BY rule;
         SELECT * FROM price_carts()",
    ),
    (
        "explanation_too_long",
        "WITH many AS (INSERT INTO add_ons (name, category, base_price, billing_type)
                       SELECT repeat('x', 240) || n, 'analytics', 1, 'monthly' FROM generate_series(1, 10000) n RETURNING id)
         INSERT INTO cart_items (user_id, add_on_id) SELECT 'dora', id FROM many;
         SELECT explain_cart_text('dora')",
    ),
    ("unknown_access_level", "SELECT grant_marketplace_access('errors_role', 'everything')"),
    (
        "not_owner",
        "GRANT EXECUTE ON FUNCTION grant_marketplace_access TO errors_role; SET LOCAL ROLE errors_role;
         SELECT grant_marketplace_access('errors_role', 'shop')",
    ),
    (
        "rows_hidden",
        "SELECT grant_marketplace_access('errors_role', 'admin'), enable_user_isolation(); SET LOCAL ROLE errors_role;
         SELECT * FROM run_maintenance()",
    ),
    (
        "other_user",
        "SELECT grant_marketplace_access('errors_role', 'shop'), enable_user_isolation(); SET LOCAL ROLE errors_role;
         SET LOCAL extensions.user_id = 'ada'; SELECT clear_cart('bob')",
    ),
    ("invalid_setting", "SELECT enable_user_isolation('user id')"),
    ("invalid_source_schema", "SELECT * FROM adopt_tables('nowhere')"),
    ("marketplace_protected", "SELECT protect_marketplace(); DROP EXTENSION extensions"),
    ("not_called_by_trigger", "SELECT guard_marketplace()"),
    ("tables_already_detached", "SELECT detach_tables(); SELECT detach_tables()"),
    ("tables_already_attached", "SELECT attach_tables()"),
    ("tables_differ", "SELECT detach_tables(); ALTER TABLE promotional_codes DROP COLUMN description; SELECT attach_tables()"),
    (
        "malformed_column",
        r#"INSERT INTO pricing_rules (add_on_id, conditions) VALUES ('a0000000-0000-4000-8000-000000000003', '{"min": 2}')"#,
    ),
    ("row_refused", "UPDATE add_ons SET base_price = -1"),
    ("add_on_sold", "DELETE FROM add_ons WHERE name = 'Bolt'"),
    (
        "code_redeemed",
        "SELECT count(*) FROM add_to_cart('dora', 'a0000000-0000-4000-8000-000000000003');
         SELECT count(*) FROM checkout('dora', promo_code => 'launch2025');
         UPDATE promotional_codes SET code = 'LAUNCHED' WHERE code = 'LAUNCH2025'",
    ),
    (
        "draft_refused",
        r#"SELECT * FROM simulate_pricing_rule('{"add_on_id": "a0000000-0000-4000-8000-000000000003", "discount_percent": 101}')"#,
    ),
    (
        "replaced_not_found",
        r#"SELECT * FROM simulate_bundle('{"add_on_ids": ["a0000000-0000-4000-8000-000000000003", "a0000000-0000-4000-8000-000000000004"]}',
                                          replaces => '00000000-0000-0000-0000-000000000000')"#,
    ),
    ("add_on_not_found", "SELECT price_add_on('00000000-0000-0000-0000-000000000000')"),
    (
        "add_on_not_for_sale",
        r#"UPDATE add_ons SET is_active = false;
           SELECT quote('[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 1}]')"#,
    ),
    ("quantity_limit", "SELECT * FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 100)"),
    (
        "amount_out_of_range",
        "UPDATE add_ons SET base_price = 99999999.99; SELECT price_add_on('a0000000-0000-4000-8000-000000000003', 2)",
    ),
    (
        "price_not_chargeable",
        "SET LOCAL extensions.currency = 'JPY'; SELECT price_add_on('a0000000-0000-4000-8000-000000000003')",
    ),
    // In a session of its own that finds the currency set, as below.
    ("currency_unusable", "SELECT quote('[]')"),
    ("text_too_long", "SELECT checkout('ada', idempotency_key => repeat('x', 10000))"),
    ("invalid_amount", "SELECT refund_purchase(id, -1) FROM add_on_purchases WHERE user_id = 'carol'"),
    ("invalid_units", "SELECT * FROM consume_feature('ada', 'gpu_hours', 'NaN')"),
    (
        "units_out_of_range",
        r#"UPDATE add_on_features SET configuration = '{"limit": 1, "overage": "allow"}' WHERE feature_key = 'gpu_hours';
           SELECT grant_add_on('ada', add_on_id) FROM add_on_features WHERE feature_key = 'gpu_hours';
           SELECT consume_feature('ada', 'gpu_hours', 99999999999999), consume_feature('ada', 'gpu_hours', 99999999999999)"#,
    ),
    ("unknown_word", "SELECT * FROM purchase_history('ada', 'bought')"),
    ("expiry_not_ahead", "SELECT * FROM grant_add_on('ada', 'a0000000-0000-4000-8000-000000000003', '2000-01-01')"),
    ("negative_interval", "SELECT * FROM run_maintenance('-1 day')"),
    ("empty_cart", "SELECT * FROM checkout('nobody')"),
    (
        "mixed_billing",
        "UPDATE add_ons SET billing_type = 'annual' WHERE name = 'Bolt'; SELECT * FROM checkout('ada')",
    ),
    (
        "not_payable",
        "UPDATE add_ons SET base_price = 0.20 WHERE name IN ('Brigade', 'Bolt');
         SELECT * FROM checkout('ada');
         SELECT stripe_checkout(checkout_id, 'https://shop.test', 'https://shop.test') FROM add_on_purchases WHERE user_id = 'ada'",
    ),
    ("invalid_url", "SELECT stripe_checkout(checkout_id, 'shop.test', 'https://shop.test') FROM add_on_purchases"),
    ("price_changed", "SELECT * FROM checkout('ada', expected_total => 1)"),
    ("promo_refused", "SELECT * FROM checkout('ada', promo_code => 'unheard of')"),
    (
        "idempotency_key_reused",
        "SELECT * FROM checkout('carol', idempotency_key => 'key', allow_mixed_billing => true, promo_code => 'launch2025')",
    ),
    (
        "row_swallowed",
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER swallow BEFORE INSERT ON add_on_purchases FOR EACH ROW EXECUTE FUNCTION swallow();
         SELECT * FROM checkout('ada')",
    ),
    ("checkout_not_found", "SELECT * FROM complete_checkout('00000000-0000-0000-0000-000000000000')"),
    ("checkout_state", "SELECT fail_checkout(checkout_id) FROM add_on_purchases WHERE user_id = 'carol'"),
    ("payment_mismatch", "SELECT complete_checkout(checkout_id, 'pi_2') FROM add_on_purchases WHERE user_id = 'carol'"),
    ("purchase_not_found", "SELECT refund_purchase('00000000-0000-0000-0000-000000000000')"),
    ("purchase_state", "SELECT refund_purchase(id) FROM add_on_purchases WHERE user_id = 'bob'"),
    ("refund_exceeds_amount", "SELECT refund_purchase(id, 1000) FROM add_on_purchases WHERE user_id = 'carol'"),
    ("not_owned", "SELECT cancel_add_on('nobody', 'a0000000-0000-4000-8000-000000000003')"),
    ("invalid_shard_count", "SELECT * FROM distribute_marketplace(0)"),
    ("citus_missing", "SELECT * FROM distribute_marketplace()"),
    // Errors that need a cluster are raised by distribute_marketplace() itself in the suite citus.
    ("not_coordinator", "SELECT _refuse_distribution('not_coordinator', NULL, NULL)"),
    ("not_distributable", "SELECT _refuse_distribution('not_distributable', NULL, 'Something is in the way.')"),
    ("node_not_prepared", "SELECT _refuse_distribution('node_not_prepared', 'node', 'It failed.')"),
    ("scheduler_missing", "SELECT schedule_maintenance()"),
    ("illegal_transition", "UPDATE add_on_purchases SET status = 'refunded' WHERE user_id = 'bob'"),
    (
        "called_without_trigger",
        "CREATE FUNCTION stray() RETURNS integer LANGUAGE c AS 'extensions', 'invalidate_catalog_cache_wrapper'; SELECT stray()",
    ),
    ("same_user", "SELECT * FROM forget_user('ada', 'ada')"),
    (
        "schema_renamed",
        "ALTER SCHEMA public RENAME TO renamed; SET LOCAL transaction_read_only = on; SELECT * FROM renamed.check_marketplace()",
    ),
    (
        "schema_changed",
        "ALTER TABLE cart_items RENAME quantity TO units; SELECT add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')",
    ),
    (
        "not_installed",
        "DROP EXTENSION extensions;
         CREATE FUNCTION stray(text) RETURNS integer LANGUAGE c AS 'extensions', 'clear_cart_wrapper'; SELECT stray('ada')",
    ),
];

/// The CHECK constraints of the catalog's tables, but for those on documents, and statements that each of them refuses.
const REFUSED_ROWS: &[(&str, &str)] = &[
    ("add_ons_category_check", "UPDATE add_ons SET category = 'AI & Chat'"),
    ("add_ons_base_price_check", "UPDATE add_ons SET base_price = -1"),
    ("add_ons_base_price_decimals_check", "UPDATE add_ons SET base_price = 9.999"),
    ("add_ons_base_price_decimals_check", "UPDATE add_ons SET base_price = 100000000"),
    ("add_ons_base_price_decimals_check", "UPDATE add_ons SET base_price = 'NaN'"),
    ("add_ons_billing_type_check", "UPDATE add_ons SET billing_type = 'yearly'"),
    ("add_ons_trial_days_check", "UPDATE add_ons SET trial_days = 0"),
    ("add_ons_features_check", "UPDATE add_ons SET features = '[1]'"),
    ("add_on_bundles_add_on_ids_check", "UPDATE add_on_bundles SET add_on_ids = add_on_ids[:1]"),
    ("add_on_bundles_add_on_ids_check", "UPDATE add_on_bundles SET add_on_ids = add_on_ids || add_on_ids"),
    ("add_on_bundles_discount_percent_check", "UPDATE add_on_bundles SET discount_percent = 120"),
    ("add_on_bundles_discount_percent_decimals_check", "UPDATE add_on_bundles SET discount_percent = 33.333"),
    ("add_on_bundles_discount_amount_check", "UPDATE add_on_bundles SET discount_amount = -1"),
    ("add_on_bundles_discount_amount_decimals_check", "UPDATE add_on_bundles SET discount_amount = 0.001"),
    ("add_on_bundles_window_check", "UPDATE add_on_bundles SET valid_from = now(), valid_until = now()"),
    ("add_on_bundles_max_uses_check", "UPDATE add_on_bundles SET max_uses = 0"),
    ("add_on_bundles_current_uses_check", "UPDATE add_on_bundles SET current_uses = -1"),
    ("add_on_bundles_current_uses_check", "UPDATE add_on_bundles SET current_uses = 2, max_uses = 1"),
    (
        "pricing_rules_discount_percent_check",
        "INSERT INTO pricing_rules (add_on_id, discount_percent) SELECT id, 101 FROM add_ons",
    ),
    (
        "pricing_rules_discount_percent_decimals_check",
        "INSERT INTO pricing_rules (add_on_id, discount_percent) SELECT id, 1.001 FROM add_ons",
    ),
    (
        "pricing_rules_discount_amount_check",
        "INSERT INTO pricing_rules (add_on_id, discount_amount) SELECT id, -1 FROM add_ons",
    ),
    (
        "pricing_rules_discount_amount_decimals_check",
        "INSERT INTO pricing_rules (add_on_id, discount_amount) SELECT id, 1e9 FROM add_ons",
    ),
    (
        "pricing_rules_window_check",
        "INSERT INTO pricing_rules (add_on_id, valid_from, valid_until) SELECT id, now(), now() FROM add_ons",
    ),
    ("promotional_codes_code_check", "UPDATE promotional_codes SET code = ' ' WHERE code = 'VIP2025'"),
    ("promotional_codes_discount_type_check", "UPDATE promotional_codes SET discount_type = 'percent'"),
    ("promotional_codes_discount_value_check", "UPDATE promotional_codes SET discount_value = 0"),
    (
        "promotional_codes_discount_value_check",
        "UPDATE promotional_codes SET discount_value = 120, discount_type = 'percentage'",
    ),
    ("promotional_codes_discount_value_decimals_check", "UPDATE promotional_codes SET discount_value = 9.999"),
    (
        "promotional_codes_min_purchase_amount_decimals_check",
        "UPDATE promotional_codes SET min_purchase_amount = 9.999",
    ),
    ("promotional_codes_max_uses_check", "UPDATE promotional_codes SET max_uses = 0"),
    ("promotional_codes_current_uses_check", "UPDATE promotional_codes SET current_uses = max_uses + 1"),
    ("promotional_codes_renewals_check", "UPDATE promotional_codes SET renewals = -1"),
];

/// Direct writes to a catalog table report the rule that a row breaks, just like the functions.
#[test]
fn a_row_that_breaks_a_rule_is_refused_in_words() {
    let mut client = marketplace("refused_rows");
    for (constraint, statement) in REFUSED_ROWS {
        let error = client.batch_execute(statement).expect_err(statement);
        let error = error.as_db_error().unwrap_or_else(|| panic!("{statement} broke the connection: {error}"));
        assert_eq!(error.code().code(), "23514", "{statement}: {error:?}");
        let detail = error.detail().unwrap_or_default();
        assert!(detail.contains(&format!("The constraint {constraint} refuses it: ")), "{statement}: {error:?}");
        assert!(
            detail.ends_with(&format!("\"constraint\": \"{constraint}\"}}\ncode: row_refused")),
            "{statement}: {error:?}"
        );
        assert!(
            error.message().contains(" must ") && error.hint().is_some_and(|hint| hint.ends_with('.')),
            "{error:?}"
        );
    }
    // Each has been tried, and each constraint of any kind has words, which adopt_tables() tells too.
    let checks = "SELECT n.conname::text FROM pg_constraint n
                   WHERE n.contype = 'c' AND n.conrelid = ANY ('{add_ons,add_on_bundles,pricing_rules,promotional_codes}'::regclass[])
                     AND pg_get_constraintdef(n.oid) NOT LIKE 'CHECK (check_%'";
    let tried: BTreeSet<&str> = REFUSED_ROWS.iter().map(|(constraint, _)| *constraint).collect();
    for row in client.query(checks, &[]).unwrap() {
        assert!(tried.contains(row.get::<_, &str>(0)), "nothing breaks {}", row.get::<_, &str>(0));
    }
    let wordless = "SELECT string_agg(n.conname, ', ') FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
                     WHERE c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'extensions')::oid[]) AND n.contype <> 'n'
                       AND coalesce(obj_description(n.oid, 'pg_constraint'), '') !~ E'^[a-z_]+ (and [a-z_]+ )?must [^\n]+[^.]\n.*\\.$'";
    assert_eq!(text(&mut client, wordless), None);
}

/// An amount that is not a multiple of a cent is refused; any other is stored with two decimals, however it is
/// written.
#[test]
fn amounts_are_stored_with_two_decimals() {
    let mut client = marketplace("decimals");
    let stored = [
        ("UPDATE add_ons SET base_price = 10 WHERE name = 'Bolt' RETURNING base_price::text", "10.00"),
        ("UPDATE add_ons SET base_price = 9.9000 WHERE name = 'Bolt' RETURNING base_price::text", "9.90"),
        (
            "INSERT INTO pricing_rules (add_on_id) SELECT id FROM add_ons LIMIT 1 RETURNING discount_percent || ' ' || discount_amount",
            "0.00 0.00",
        ),
        (
            "UPDATE add_on_bundles SET discount_percent = 12.5, discount_amount = 3 WHERE name = 'Developer Pro'
             RETURNING discount_percent || ' ' || discount_amount",
            "12.50 3.00",
        ),
        (
            "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('ten', 'percentage', 10)
             RETURNING code || ' ' || discount_value || ' ' || min_purchase_amount",
            "TEN 10.00 0.00",
        ),
    ];
    for (statement, value) in stored {
        assert_eq!(text(&mut client, statement).unwrap(), value, "{statement}");
    }
    // Many rows in one statement, of which one is refused.
    let copy = "INSERT INTO add_ons (name, category, base_price, billing_type)
                SELECT 'n' || n, 'analytics', n / 1000.0, 'monthly' FROM generate_series(10, 100, 10) n";
    client.batch_execute(copy).unwrap();
    let refused = copy.replace("'n'", "'m'").replace("100, 10", "101, 1");
    assert!(client.batch_execute(&refused).is_err());
    assert_eq!(text(&mut client, "SELECT count(*) FROM add_ons WHERE name ~ '^[nm]'").unwrap(), "10");
}

/// Errors that need two sessions, and the suite that raises each.
const ELSEWHERE: &[(&str, &str)] = &[("idempotency_key_unseen", "races")];

#[test]
fn every_error_is_raised_with_its_sqlstate_a_reason_and_a_hint() {
    let mut client: Client = marketplace("errors");
    client.batch_execute(SITUATION).unwrap();
    let declared = errors(&mut client);
    // Set in a session that has not loaded the library, which would refuse it.
    Server::shared()
        .connect("errors")
        .batch_execute(
            "CREATE ROLE errors_in_dinars LOGIN SUPERUSER; ALTER ROLE errors_in_dinars SET extensions.currency = 'KWD'",
        )
        .unwrap();
    let mut in_dinars = Server::shared().config("errors").user("errors_in_dinars").connect(postgres::NoTls).unwrap();
    for (code, statements) in CASES {
        let client = if *code == "currency_unusable" { &mut in_dinars } else { &mut client };
        let error = client.batch_execute(&format!("BEGIN; {statements}")).expect_err(code);
        let error = error.as_db_error().unwrap_or_else(|| panic!("{code} broke the connection: {error}"));
        client.batch_execute("ROLLBACK").unwrap();
        let (reason, found) =
            error.detail().and_then(|detail| detail.rsplit_once("\ncode: ")).unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(found, *code, "{error:?}");
        let (reason, data) = reason.split_once("\ndata: ").unwrap_or((reason, "{}"));
        assert!(serde_json::from_str::<serde_json::Value>(data).is_ok_and(|data| data.is_object()), "{error:?}");
        assert_eq!(Some(error.code().code()), declared.get(*code).map(String::as_str), "{code}");
        assert!(reason.ends_with('.') && error.hint().is_some_and(|hint| hint.ends_with('.')), "{error:?}");
    }
    let raised: BTreeSet<_> = CASES.iter().chain(ELSEWHERE).map(|(code, _)| *code).collect();
    let missing: Vec<_> = declared.keys().filter(|code| !raised.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "nothing raises {missing:?}");
    // Nothing of all that was kept, and the session goes on.
    assert!(client.simple_query("SELECT price_cart('ada')").is_ok());
    assert!(Server::shared().connect("errors").simple_query("SELECT * FROM check_marketplace()").is_ok());
}
