//! The recipe of docs/scaling.md that partitions purchases by time: it is run as it stands there, and everything goes on.

use harness::{markdown, marketplace, paths, text};
use postgres::Client;

const BRIGADE: &str = "a0000000-0000-4000-8000-000000000003";

/// The blocks of the page that are marked so.
fn recipe(mark: &str) -> String {
    let page = std::fs::read_to_string(paths::root().join("docs/scaling.md")).expect("the page is there");
    let blocks: Vec<String> =
        markdown::blocks(&page).into_iter().filter(|block| block.is_marked(mark)).map(|block| block.text).collect();
    assert_eq!(blocks.len(), 1, "one block is marked {mark}");
    blocks.concat()
}

fn buy(client: &mut Client, user: &str) -> String {
    client.batch_execute(&format!("SELECT * FROM add_to_cart('{user}', '{BRIGADE}')")).unwrap();
    let checkout =
        format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'launch2025', idempotency_key => 'key')");
    let checkout_id = text(client, &checkout).unwrap();
    client.batch_execute(&format!("SELECT * FROM complete_checkout('{checkout_id}', 'pi_{user}')")).unwrap();
    checkout_id
}

#[test]
fn purchases_can_be_partitioned_by_time() {
    let mut client = marketplace("partitioned");
    let old = buy(&mut client, "old");
    client.batch_execute(&recipe("partition")).unwrap();

    let kind = "SELECT relkind::text FROM pg_class WHERE oid = 'add_on_purchases'::regclass";
    assert_eq!(text(&mut client, kind).unwrap(), "p");
    // What was there is there, and can be changed.
    assert_eq!(text(&mut client, "SELECT count(*) FROM purchase_history('old')").unwrap(), "1");
    assert_eq!(text(&mut client, "SELECT has_feature('old', 'agent_platform')").unwrap(), "t");
    // What is bought now goes into a partition of its own, whatever part of its life it goes through.
    let new = buy(&mut client, "new");
    let same = "SELECT checkout_id FROM checkout('new', promo_code => 'launch2025', idempotency_key => 'key')";
    assert_eq!(text(&mut client, same).unwrap(), new);
    let place = "SELECT tableoid::regclass::text LIKE '%_before' FROM add_on_purchases WHERE user_id = ";
    assert_eq!(text(&mut client, &format!("{place} 'old'")).unwrap(), "t");
    assert_eq!(text(&mut client, &format!("{place} 'new'")).unwrap(), "f");
    for checkout in [&old, &new] {
        let refund = format!("SELECT refund_purchase(id) FROM add_on_purchases WHERE checkout_id = '{checkout}'");
        assert_eq!(text(&mut client, &refund).unwrap(), "15.99");
    }
    assert_eq!(text(&mut client, "SELECT sum(purchases) FROM revenue_by_day").unwrap(), "2");
    let illegal = "UPDATE add_on_purchases SET status = 'pending'";
    let error = client.simple_query(illegal).unwrap_err();
    assert_eq!(error.as_db_error().unwrap().code().code(), "23514", "the trigger is there");
    let uses = "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'";
    assert_eq!(text(&mut client, uses).unwrap(), "0");
    // The tables are detached, which the first check tells of; nothing else is wrong.
    let problems = "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
                     WHERE NOT ok AND check_name <> 'tables'";
    assert_eq!(text(&mut client, problems), None);
    // A report of one month reads one partition.
    let plan: String = client
        .query("EXPLAIN SELECT sum(amount) FROM add_on_purchases WHERE purchased_at >= '2099-01-01'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get::<_, String>(0))
        .collect();
    assert!(!plan.contains("_before"), "{plan}");
}
