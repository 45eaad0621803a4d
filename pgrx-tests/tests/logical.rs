//! Logical replication: another server keeps the tables up to date, and its sessions notice the changes.

use harness::{Server, add_on, text, wait_until};
use postgres::Client;

/// A publisher with the sample catalog, and a subscriber that has it all.
fn pair() -> (Server, Client, Server, Client) {
    let settings = "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10";
    let (publisher, subscriber) = (Server::start(settings), Server::start(settings));
    let mut from = publisher.connect("postgres");
    let mut to = subscriber.connect("postgres");
    from.batch_execute(
        "CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog();
         CREATE PUBLICATION marketplace FOR TABLE add_ons, add_on_features, add_on_bundles, pricing_rules, promotional_codes,
             user_add_ons, add_on_purchases, cart_items",
    )
    .unwrap();
    to.batch_execute("CREATE EXTENSION extensions").unwrap();
    let connection = format!("host={} user=postgres dbname=postgres", publisher.folder().display());
    to.batch_execute(&format!("CREATE SUBSCRIPTION marketplace CONNECTION '{connection}' PUBLICATION marketplace"))
        .unwrap();
    wait_until(&mut to, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", "0");
    (publisher, from, subscriber, to)
}

#[test]
fn a_subscriber_has_the_rows_and_its_sessions_the_prices() {
    let (_publisher, mut from, _subscriber, mut to) = pair();
    assert_eq!(text(&mut to, "SELECT count(*) FROM add_ons").unwrap(), "9");
    let brigade = add_on(&mut from, "Brigade");
    let price = format!("SELECT price_add_on('{brigade}')");
    assert_eq!(text(&mut to, &price).unwrap(), "19.99");

    // The session of the subscriber keeps the catalog; each kind of change reaches it.
    let hits = "SELECT hits FROM catalog_cache_stats()";
    let before: i64 = text(&mut to, hits).unwrap().parse().unwrap();
    assert_eq!(text(&mut to, &price).unwrap(), "19.99");
    assert!(text(&mut to, hits).unwrap().parse::<i64>().unwrap() > before, "the catalog is kept");
    from.batch_execute("UPDATE add_ons SET base_price = 30 WHERE name = 'Brigade'").unwrap();
    wait_until(&mut to, &price, "30.00");
    from.batch_execute(&format!("INSERT INTO pricing_rules (add_on_id, discount_percent) VALUES ('{brigade}', 10)"))
        .unwrap();
    wait_until(&mut to, &price, "27.00");
    from.batch_execute("DELETE FROM pricing_rules").unwrap();
    wait_until(&mut to, &price, "30.00");
    let bundle = format!(
        "SELECT quote('[{{\"add_on_id\": \"{brigade}\", \"quantity\": 1}}, {{\"add_on_id\": \"{}\", \"quantity\": 1}}]') ->> 'total'",
        add_on(&mut from, "Bolt")
    );
    assert_eq!(text(&mut to, &bundle).unwrap(), "44.99");
    from.batch_execute(
        "INSERT INTO add_on_bundles (name, add_on_ids, discount_percent)
         SELECT 'Two', array_agg(id), 20 FROM add_ons WHERE name IN ('Brigade', 'Bolt')",
    )
    .unwrap();
    // 44.99 less 20 %.
    wait_until(&mut to, &bundle, "35.99");
    from.batch_execute("UPDATE add_on_bundles SET discount_percent = 50 WHERE name = 'Two'").unwrap();
    wait_until(&mut to, &bundle, "22.49");

    // Business there is seen here, with its statuses.
    from.batch_execute(&format!(
        "SELECT add_to_cart('ada', '{brigade}'); SELECT complete_checkout(checkout_id) FROM checkout('ada', promo_code => 'LAUNCH2025');
         SELECT refund_purchase(id) FROM add_on_purchases"
    ))
    .unwrap();
    wait_until(&mut to, "SELECT string_agg(status, ' ') FROM add_on_purchases", "refunded");
    wait_until(&mut to, "SELECT string_agg(status, ' ') FROM user_add_ons", "cancelled");
    wait_until(&mut to, "SELECT count(*) FROM check_marketplace() WHERE NOT ok", "0");
    from.batch_execute(&format!("SELECT * FROM grant_add_on('zoe', '{brigade}')")).unwrap();
    wait_until(&mut to, "SELECT has_feature('zoe', 'agent_platform')", "t");
    assert_eq!(digest(&mut from), digest(&mut to));
    from.batch_execute("TRUNCATE cart_items").unwrap();
    to.batch_execute("ALTER SUBSCRIPTION marketplace DISABLE; ALTER SUBSCRIPTION marketplace SET (slot_name = NONE); DROP SUBSCRIPTION marketplace")
        .unwrap();
}

fn digest(client: &mut Client) -> String {
    let query = "
        SELECT md5(string_agg(t, '' ORDER BY t)) FROM (
            SELECT to_jsonb(a)::text FROM add_ons a UNION ALL SELECT to_jsonb(a)::text FROM add_on_bundles a
         UNION ALL SELECT to_jsonb(a)::text FROM user_add_ons a UNION ALL SELECT to_jsonb(a)::text FROM add_on_purchases a) x (t)";
    text(client, query).unwrap()
}
