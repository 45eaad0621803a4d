//! The recipe of docs/scaling.md that partitions purchases by time: it runs as printed, and everything keeps working.

use harness::{BRIGADE, Server, markdown, marketplace, paths, text};
use postgres::Client;

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
    // The existing rows are there, and can be changed.
    assert_eq!(text(&mut client, "SELECT count(*) FROM purchase_history('old')").unwrap(), "1");
    assert_eq!(text(&mut client, "SELECT has_feature('old', 'agent_platform')").unwrap(), "t");
    // New purchases go into a partition of their own, whatever part of their life they go through.
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
    // The tables are attached again, with a notice about how they are dumped and no other finding.
    let problems =
        "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace() WHERE severity <> 'ok'";
    let told = text(&mut client, problems).unwrap();
    assert!(
        told.starts_with("tables: table ") && told.contains("--load-via-partition-root") && !told.contains("; "),
        "{told}"
    );
    // A report of one month reads one partition.
    let plan: String = client
        .query("EXPLAIN SELECT sum(amount) FROM add_on_purchases WHERE purchased_at >= '2099-01-01'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get::<_, String>(0))
        .collect();
    assert!(!plan.contains("_before"), "{plan}");
}

/// The dump that docs/backup.md names brings every row back, into one table, without an error.
#[test]
fn a_dump_of_partitioned_purchases_is_restored() {
    let server = Server::shared();
    let mut client = marketplace("partitioned_dump");
    buy(&mut client, "old");
    client.batch_execute(&recipe("partition")).unwrap();
    buy(&mut client, "new");
    // A partition that was created since is not dumped until it is attached.
    let unattached = "SELECT count(*) FROM check_marketplace() WHERE NOT ok AND detail LIKE '%add_on_purchases_2031%attach_tables()%'";
    client
        .batch_execute(
            "CREATE TABLE add_on_purchases_2031 PARTITION OF add_on_purchases FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')",
        )
        .unwrap();
    assert_eq!(text(&mut client, unattached).unwrap(), "1");
    client.batch_execute("SELECT attach_tables()").unwrap();
    assert_eq!(text(&mut client, unattached).unwrap(), "0");
    assert!(client.batch_execute("SELECT attach_tables()").is_err(), "there is nothing left to attach");

    let run = |program: &str, arguments: &[&str]| {
        let output = server.command(program).args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && errors.is_empty(), "{program}: {errors}");
    };
    let dump = server.folder().join("partitioned.dump").to_str().unwrap().to_owned();
    run("pg_dump", &["--format", "custom", "--load-via-partition-root", "--file", &dump, "partitioned_dump"]);
    server.create_database("partitioned_restored");
    run("pg_restore", &["--exit-on-error", "--dbname", "partitioned_restored", &dump]);
    let mut restored = server.connect("partitioned_restored");
    let rows = "SELECT md5(string_agg(p::text, ' ' ORDER BY p.id)) FROM add_on_purchases p";
    assert_eq!(text(&mut restored, rows), text(&mut client, rows));
    assert_eq!(
        text(&mut restored, "SELECT string_agg(detail, '; ') FROM check_marketplace() WHERE severity <> 'ok'"),
        None
    );
    // And the recipe can be run there.
    restored.batch_execute(&recipe("partition")).unwrap();
    buy(&mut restored, "newer");
    assert_eq!(text(&mut restored, "SELECT count(*) FROM add_on_purchases").unwrap(), "3");

    // Old partitions can be dropped once they are detached from the extension, and the tables can be detached again.
    client
        .batch_execute(
            "ALTER TABLE add_on_purchases DETACH PARTITION add_on_purchases_before;
             ALTER EXTENSION extensions DROP TABLE add_on_purchases_before;
             DROP TABLE add_on_purchases_before;
             SELECT detach_tables();
             DROP TABLE add_on_purchases_2031",
        )
        .unwrap();
}
