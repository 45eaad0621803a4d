//! Pricing every cart in one statement.

use std::fs;
use std::ops::RangeInclusive;

use harness::{Server, marketplace, refusal, text};
use postgres::Client;

/// Rules with every kind of condition, overlapping bundles of limited use, and users who own and have bought things.
const CATALOG: &str = r#"
    SELECT setseed(0.42);
    INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent, discount_amount, priority, conditions)
    SELECT a.id, (ARRAY[NULL, NULL, 'pro', 'vip'])[1 + n % 4], round((random() * 40)::numeric, 2), round(random()::numeric, 2), n % 3,
           (ARRAY['{}', '{"stackable": true}', '{"min_quantity": 2}', '{"max_quantity": 2, "stackable": true}', '{"min_subtotal": 50}',
                  '{"first_purchase_only": true}', '{"billing_type": ["annual"]}']::jsonb[]
            || jsonb_build_object('requires_addon', jsonb_build_array(b.id))
            || jsonb_build_object('excludes_addon', jsonb_build_array(b.id)))[1 + (n * 7 + a.sort_order) % 9]
      FROM add_ons a, generate_series(1, 6) n, LATERAL (SELECT id FROM add_ons b WHERE b.sort_order = 10 + (n * 30 + a.sort_order) % 90) b;
    INSERT INTO add_on_bundles (name, add_on_ids, discount_percent, discount_amount, max_uses, current_uses)
    SELECT 'bundle ' || n, ARRAY[a.id, b.id], round((random() * 50)::numeric, 2), n % 2, (ARRAY[NULL, 1, 3])[1 + n % 3], n % 2
      FROM generate_series(1, 12) n JOIN add_ons a ON a.sort_order = 10 + n % 9 * 10 JOIN add_ons b ON b.sort_order = 10 + (n + 1 + n / 9) % 9 * 10;
    UPDATE add_ons SET is_active = false WHERE name = 'Presenton';
    INSERT INTO promotional_codes (code, discount_type, discount_value, min_purchase_amount, user_restrictions)
    VALUES ('ONCE', 'fixed_amount', 7, 20, '{"max_uses_per_user": 1}')"#;

fn fill_carts(client: &mut Client, users: RangeInclusive<u32>) {
    let (first, last) = (users.start(), users.end());
    client
        .batch_execute(&format!(
            "INSERT INTO cart_items (user_id, add_on_id, quantity, billing_type, added_at)
             SELECT 'user ' || u, a.id, 1 + (random() * 3)::integer, CASE WHEN random() < 0.2 THEN 'annual' END,
                    now() - random() * interval '1 day'
               FROM generate_series({first}, {last}) u, add_ons a
              WHERE random() < 0.35;
             INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at)
             SELECT 'user ' || u, a.id, now() - interval '1 day', now() + (random() - 0.3) * interval '10 days'
               FROM generate_series({first}, {last}) u, add_ons a WHERE random() < 0.1;
             INSERT INTO add_on_purchases (user_id, add_on_id, amount, status, promo_code)
             SELECT 'user ' || u, a.id, 5, (ARRAY['pending', 'completed', 'failed'])[1 + u % 3], CASE WHEN u % 2 = 0 THEN 'ONCE' END
               FROM generate_series({first}, {last}) u, add_ons a WHERE random() < 0.05;
             ANALYZE"
        ))
        .unwrap();
}

#[test]
fn thousands_of_carts_cost_what_each_costs_by_itself() {
    let mut client = marketplace("every_cart");
    client.batch_execute(CATALOG).unwrap();
    fill_carts(&mut client, 1..=4000);
    for terms in
        ["NULL, NULL", "'pro', NULL", "NULL, 'launch2025'", "'vip', 'firstbuy'", "'pro', 'once'", "NULL, 'vip2025'"]
    {
        let differences = format!(
            "SELECT string_agg(concat_ws(' ', u.user_id, p, q.quote), E'\\n')
               FROM (SELECT DISTINCT user_id FROM cart_items) u
              CROSS JOIN LATERAL price_cart(u.user_id, {terms}) q (quote)
               FULL JOIN price_carts({terms}) p ON p.user_id = u.user_id
              WHERE (p.line_count, p.list_total, p.discount_total, p.total) IS DISTINCT FROM
                    ((q.quote ->> 'line_count')::integer, (q.quote ->> 'list_total')::numeric,
                     (q.quote ->> 'discount_total')::numeric, (q.quote ->> 'total')::numeric)"
        );
        assert_eq!(text(&mut client, &differences), None, "with {terms}");
    }
    // Else the comparison would have compared little.
    let reached = "SELECT count(*) > 3000 AND count(DISTINCT total) > 1000 AND bool_or(discount_total > 0) FROM price_carts('pro', 'once')";
    assert_eq!(text(&mut client, reached).unwrap(), "t");
}

#[test]
fn a_simulation_says_what_the_change_then_does() {
    let mut client = marketplace("simulated");
    client.batch_execute(CATALOG).unwrap();
    fill_carts(&mut client, 1..=500);
    let difference = "
        SELECT count(*) FROM (SELECT user_id, total FROM price_carts('pro')) after
          JOIN before USING (user_id) FULL JOIN simulated USING (user_id)
         WHERE (simulated.user_id IS NOT NULL) <> (before.total <> after.total)
            OR (simulated.total_before, simulated.total_after) <> (before.total, after.total)";
    client.batch_execute("CREATE TEMP TABLE before AS SELECT user_id, total FROM price_carts('pro')").unwrap();
    let rule = "jsonb_build_object('add_on_id', a.id, 'discount_percent', 33.33, 'priority', 5, 'conditions', '{\"stackable\": true}'::jsonb)";
    let bundle =
        "jsonb_build_object('add_on_ids', jsonb_agg(a.id ORDER BY a.id), 'name', 'new', 'discount_percent', 90)";
    for (simulate, change) in [
        (
            format!("SELECT s.* FROM add_ons a, simulate_pricing_rule({rule}, NULL, 'pro') s WHERE a.name = 'Bolt'"),
            "INSERT INTO pricing_rules (id, add_on_id, discount_percent, priority, conditions)
             SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', id, 33.33, 5, '{\"stackable\": true}' FROM add_ons WHERE name = 'Bolt'",
        ),
        (
            format!(
                "SELECT s.* FROM (SELECT r.id, a.id AS add_on_id FROM add_ons a JOIN pricing_rules r ON r.add_on_id = a.id
                                   WHERE a.name = 'Bolt' ORDER BY r.priority DESC, r.id LIMIT 1) r (old, id),
                        LATERAL (SELECT r.id) a, simulate_pricing_rule({rule}, r.old, 'pro') s"
            ),
            "UPDATE pricing_rules SET tier_code = NULL, discount_percent = 33.33, discount_amount = 0, priority = 5, conditions = '{\"stackable\": true}'
              WHERE id = (SELECT r.id FROM add_ons a JOIN pricing_rules r ON r.add_on_id = a.id WHERE a.name = 'Bolt'
                           ORDER BY r.priority DESC, r.id LIMIT 1)",
        ),
        (
            format!(
                "SELECT s.* FROM (SELECT {bundle} FROM add_ons a WHERE a.name IN ('Bolt', 'Brigade')) b (draft),
                        simulate_bundle(b.draft, NULL, 'pro') s"
            ),
            "INSERT INTO add_on_bundles (id, name, add_on_ids, discount_percent)
             SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'new', array_agg(id), 90 FROM add_ons WHERE name IN ('Bolt', 'Brigade')",
        ),
    ] {
        client.batch_execute(&format!("BEGIN; CREATE TEMP TABLE simulated ON COMMIT DROP AS {simulate}")).unwrap();
        let count: i64 = client.query_one("SELECT count(*) FROM simulated", &[]).unwrap().get(0);
        assert!(count > 20, "only {count} carts change by {change}");
        client.batch_execute(change).unwrap();
        assert_eq!(text(&mut client, difference).unwrap(), "0", "{change}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn memory_does_not_grow_with_the_number_of_carts() {
    let mut client = marketplace("many_carts");
    client.batch_execute("SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0").unwrap();
    fill_carts(&mut client, 1..=1000);
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    // The most address space that the backend ever had: what it allocates adds to it, shared memory was there before.
    let peak = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs on this machine");
        let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    };
    let price = "SELECT count(*), sum(total) FROM price_carts('pro', 'launch2025')";
    client.batch_execute(price).unwrap();
    let with_few = peak();
    fill_carts(&mut Server::shared().connect("many_carts"), 1001..=60_000);
    client.batch_execute(price).unwrap();
    let grown = peak() - with_few;
    assert!(grown < 4096, "{grown} kB more for 60 times as many carts");
}

#[test]
fn pricing_every_cart_can_be_cancelled() {
    let mut client = marketplace("cancelled");
    fill_carts(&mut client, 1..=5000);
    client.batch_execute("SET statement_timeout = '5ms'").unwrap();
    assert_eq!(refusal(&mut client, "SELECT * FROM price_carts()").0, "57014");
    client.batch_execute("SET statement_timeout = 0").unwrap();
    let count: i64 = client.query_one("SELECT count(*) FROM price_carts()", &[]).unwrap().get(0);
    assert!(count > 4000);
}
