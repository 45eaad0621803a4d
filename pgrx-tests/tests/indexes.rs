//! Every index serves the query in its comment, and none duplicates another.

use harness::{marketplace, text};
use postgres::Client;

/// Enough rows that reading a whole table costs more than an index.
const ROWS: &str = "
    INSERT INTO add_ons (name, description, category, base_price, billing_type, features, is_featured, sort_order, is_active)
    SELECT 'Add-on ' || n, 'Does number ' || n || repeat(' and more', 20), 'analytics', n % 500, 'monthly',
           jsonb_build_array('feature_' || n, 'feature_' || n % 7), n % 100 = 0, n, n % 10 > 0
      FROM generate_series(1, 3000) n;
    UPDATE add_ons SET category = 'productivity' WHERE sort_order % 50 = 0;
    INSERT INTO add_on_features (add_on_id, feature_key)
    SELECT id, 'feature_' || n FROM add_ons, generate_series(1, 3) n;
    INSERT INTO add_on_bundles (name, add_on_ids)
    SELECT 'Bundle ' || a.sort_order, array_agg(DISTINCT b.id)
      FROM add_ons a JOIN add_ons b ON b.sort_order BETWEEN a.sort_order AND a.sort_order + 2
     GROUP BY a.sort_order HAVING count(DISTINCT b.id) > 1;
    INSERT INTO pricing_rules (add_on_id, tier_code, priority)
    SELECT id, CASE WHEN n = 1 THEN 'tier_' || sort_order END, n FROM add_ons, generate_series(1, 3) n;
    INSERT INTO promotional_codes (code, discount_type, discount_value, expires_at, applicable_to)
    SELECT 'CODE' || sort_order, 'percentage', 10, now() + sort_order * interval '1 hour', ARRAY[id]
      FROM add_ons WHERE sort_order > 100;
    INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at, lago_subscription_id)
    SELECT 'user ' || n % 4001, a.id, (ARRAY['active', 'active', 'active', 'cancelled', 'expired'])[n % 5 + 1],
           now() - n * interval '1 minute', now() + n * interval '1 minute', 'sub_' || n
      FROM generate_series(1, 30000) n JOIN add_ons a ON a.sort_order = n % 3000;
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, status, checkout_id, promo_code, stripe_payment_id,
                                  lago_invoice_id, purchased_at, provider_ids)
    SELECT 'user ' || n % 401, add_on_id, 10, (ARRAY['pending', 'completed', 'completed', 'failed'])[n % 4 + 1], gen_random_uuid(),
           CASE WHEN n % 3 = 0 THEN 'CODE' || n % 3000 END, 'pi_' || n, 'in_' || n, purchased_at,
           ARRAY['pi_' || n, 'in_' || n]
      FROM (SELECT *, row_number() OVER () AS n FROM user_add_ons, generate_series(1, 2)) owned;
    INSERT INTO cart_items (user_id, add_on_id, added_at)
    SELECT 'user ' || n % 4999, a.id, now() - n * interval '1 minute'
      FROM generate_series(1, 30000) n JOIN add_ons a ON a.sort_order = n % 3000;
    INSERT INTO add_on_purchases (user_id, add_on_id, amount) SELECT 'user 123', id, 1 FROM add_ons WHERE sort_order < 200";

fn database(name: &str) -> Client {
    let mut client = marketplace(name);
    client.batch_execute(ROWS).unwrap();
    // VACUUM also empties the waiting lists of GIN indexes, as autovacuum would.
    client.batch_execute("VACUUM ANALYZE").unwrap();
    client
}

/// A rare value of this type: one that exists, or a bound that few rows pass.
fn rare_value(query: &str, parameter_type: &str) -> String {
    match parameter_type {
        "uuid" => "(SELECT id FROM add_ons WHERE sort_order = 1234)".to_owned(),
        "timestamp with time zone" if query.contains(">= $1") => "now() - interval '1 hour'".to_owned(),
        "timestamp with time zone" if query.contains("cart_items") => "now() - interval '29000 minutes'".to_owned(),
        "timestamp with time zone" if query.contains("purchased_at < $1") => {
            "now() - interval '29000 minutes'".to_owned()
        }
        "timestamp with time zone" => "now() + interval '1 hour'".to_owned(),
        "tsquery" => "'1234'".to_owned(),
        _ if query.contains("category") => "'productivity'".to_owned(),
        _ => "'user 123'".to_owned(),
    }
}

/// The plan of a query, with rare values for its parameters.
fn plan(client: &mut Client, query: &str) -> String {
    client.batch_execute(&format!("PREPARE q AS {query}")).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let types = "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'q'";
    let types: Vec<String> = client.query_one(types, &[]).unwrap().get(0);
    let values: Vec<String> = types
        .iter()
        .map(|parameter_type| {
            let value =
                format!("SELECT quote_literal(({})::{parameter_type}::text)", rare_value(query, parameter_type));
            text(client, &value).unwrap()
        })
        .collect();
    let execute = if values.is_empty() { "q".to_owned() } else { format!("q({})", values.join(", ")) };
    let explain = format!("EXPLAIN (COSTS off) EXECUTE {execute}");
    let lines = client.simple_query(&explain).unwrap();
    client.batch_execute("DEALLOCATE q").unwrap();
    lines
        .iter()
        .filter_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => row.get(0).map(|line| format!("{line}\n")),
            _ => None,
        })
        .collect()
}

#[test]
fn every_index_is_chosen_for_the_query_in_its_comment() {
    let mut client = database("plans");
    let indexes = "
        SELECT i.relname::text, obj_description(i.oid, 'pg_class')
          FROM pg_class i WHERE i.relkind = 'i' AND i.relnamespace = 'public'::regnamespace ORDER BY 1";
    let indexes: Vec<(String, String)> =
        client.query(indexes, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(indexes.len() >= 30, "{} indexes", indexes.len());
    let mut unused = String::new();
    for (index, query) in &indexes {
        let plan = plan(&mut client, query);
        // Bitmap scans name the index on a line of its own, index scans before the table.
        if !plan.lines().any(|line| line.split_whitespace().any(|word| word == index)) {
            unused.push_str(&format!("{index} does not serve {query}\n{plan}\n"));
        }
    }
    assert!(unused.is_empty(), "{unused}");
}

#[test]
fn callers_find_the_indexes_that_they_look_for() {
    let mut client = marketplace("index_names");
    for name in [
        "idx_user_add_ons_user_id",
        "idx_cart_items_user",
        "idx_add_on_purchases_user_date",
        "idx_add_ons_features",
        "idx_pricing_rules_priority",
    ] {
        let found = format!("SELECT to_regclass('{name}') IS NOT NULL");
        assert_eq!(text(&mut client, &found).unwrap(), "t", "{name}");
    }
}

#[test]
fn no_index_repeats_the_beginning_of_another() {
    let mut client = marketplace("index_prefixes");
    let repeated = "
        SELECT string_agg(a.indexrelid::regclass || ' repeats ' || b.indexrelid::regclass, ', ')
          FROM pg_index a
          JOIN pg_index b ON b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid
          JOIN pg_class ca ON ca.oid = a.indexrelid
          JOIN pg_class cb ON cb.oid = b.indexrelid AND cb.relam = ca.relam
         WHERE ca.relnamespace = 'public'::regnamespace
           AND a.indexprs IS NULL
           AND (b.indkey::text || ' ') LIKE (a.indkey::text || ' %')";
    assert_eq!(text(&mut client, repeated), None);
}

const CALLS: &[&str] = &[
    "SELECT price_cart('user 123', 'pro', 'launch2025')",
    "SELECT * FROM validate_promo_code('code1234', 'user 123')",
    "SELECT has_feature('user 123', 'feature_1234')",
    "SELECT has_add_on('user 123', (SELECT add_on_id FROM user_add_ons WHERE user_id = 'user 123' LIMIT 1))",
    "SELECT * FROM user_features('user 123')",
    "SELECT feature_configuration('user 123', 'feature_2')",
    "SELECT * FROM active_add_ons('user 123')",
    "SELECT * FROM search_add_ons('number 1234')",
    "SELECT * FROM search_add_ons(feature_key => 'feature_1234')",
    "SELECT * FROM add_to_cart('user 123', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM remove_from_cart('user 123', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT clear_cart('user 123')",
    "SELECT * FROM cart_lines('user 123')",
    "SELECT * FROM list_add_ons(feature_key => 'feature_1234')",
    "SELECT * FROM list_purchases('user 123')",
    "SELECT * FROM list_purchases('user 123', 'failed')",
    "SELECT * FROM purchase_details WHERE purchase_id = (SELECT purchase_id FROM list_purchases('user 123', max_rows => 1))",
    "SELECT * FROM purchase_details WHERE user_id = 'user 123' ORDER BY purchased_at DESC LIMIT 20",
    "SELECT * FROM owned_add_ons WHERE user_id = 'user 123'",
    "SELECT * FROM purchase_history('user 123')",
    "SELECT * FROM purchase_history('user 123', 'failed')",
    "SELECT * FROM add_to_cart('user 123', 'a0000000-0000-4000-8000-000000000003');
         SELECT complete_checkout(checkout_id) FROM checkout('user 123', 'pro', 'launch2025', idempotency_key => 'k')",
    "SELECT refund_purchase(purchase_id, 1) FROM purchase_history('user 123', 'completed', 1)",
    "SELECT dispute_purchase(purchase_id) FROM purchase_history('user 123', 'completed', 1)",
    "SELECT renew_add_on('user 123', add_on_id, 1, 'pi_x', 'in_x') FROM active_add_ons('user 123')",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "type": "charge.refunded",
               "data": {"object": {"id": "ch_1", "payment_intent": "pi_1234", "amount_refunded": 1}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_1", "type": "customer.subscription.updated",
               "data": {"object": {"id": "sub_1234", "status": "active"}}}')"#,
    r#"SELECT apply_lago_event('{"webhook_type": "invoice.created", "object_type": "invoice",
               "invoice": {"lago_id": "in_1234"}}')"#,
    r#"SELECT apply_lago_event('{"webhook_type": "subscription.started", "object_type": "subscription",
               "subscription": {"lago_id": "sub_1234"}}')"#,
    "SELECT * FROM run_maintenance(batch => 10)",
];

/// The rows that a call reads by sequential scans.
fn rows_read_by(client: &mut Client, call: &str) -> i64 {
    // The counts of this session that it has not reported yet.
    let rows_read = |client: &mut Client| -> i64 {
        let query = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_xact_user_tables";
        text(client, query).unwrap().parse().unwrap()
    };
    client.batch_execute("BEGIN").unwrap();
    let before = rows_read(client);
    client.batch_execute(call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    let after = rows_read(client);
    client.batch_execute("COMMIT").unwrap();
    after - before
}

#[test]
fn queries_of_the_functions_use_their_indexes() {
    let mut client = database("functions");
    let whole_table = "SELECT count(*) FROM add_ons WHERE description LIKE '%x%'";
    assert!(rows_read_by(&mut client, whole_table) >= 3000, "reading a whole table is noticed");
    for call in CALLS {
        let rows_read = rows_read_by(&mut client, call);
        assert!(rows_read < 100, "{call} read {rows_read} rows one after the other");
    }
    // A report may scan the catalog, but of the purchases only those of its period.
    let rows_read = rows_read_by(&mut client, "SELECT * FROM revenue_by_add_on(now() - interval '10 minutes')");
    assert!(rows_read < 5_000, "purchases of other times: {rows_read} rows");
}
