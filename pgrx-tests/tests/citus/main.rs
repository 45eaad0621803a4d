//! A coordinator and two workers of Citus: what distribute_marketplace() makes of them, and the whole life of purchases there.
//!
//! Apart, because Citus is in no package registry: the suite runs on the PostgreSQL of `CITUS_PG_CONFIG`, which has it, and is skipped
//! without: `make test-citus CITUS_PG_CONFIG=/path/to/pg_config`.

mod alike;
mod payments;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;

use harness::clients::{Answer, ask};
use harness::reads::READS;
use harness::{BOLT, BRIGADE, Server, VECTORS, refusal, text};
use postgres::{Client, NoTls};

/// The programs of the PostgreSQL with Citus.
fn programs() -> Option<PathBuf> {
    let pg_config = std::env::var_os("CITUS_PG_CONFIG").filter(|path| !path.is_empty())?;
    let output = Command::new(pg_config).arg("--bindir").output().expect("CITUS_PG_CONFIG can be run");
    Some(Path::new(String::from_utf8_lossy(&output.stdout).trim()).to_owned())
}

/// The coordinator and its workers, or nothing where there is no Citus.
fn nodes() -> Option<&'static [Server; 3]> {
    static NODES: OnceLock<Option<[Server; 3]>> = OnceLock::new();
    let nodes = NODES.get_or_init(|| {
        let programs = programs()?;
        // Citus begins a transaction on a worker for each transaction of a client, and resolves those in doubt every
        // two seconds.
        let settings = "shared_preload_libraries = 'citus'\nmax_prepared_transactions = 200\n\
                        citus.enable_statistics_collection = off\ncitus.recover_2pc_interval = '2s'";
        let nodes = [0, 1, 2].map(|_| Server::start_on_loopback(&programs, settings));
        nodes.iter().for_each(Server::remove_at_exit);
        Some(nodes)
    });
    if nodes.is_none() {
        println!("skipped: CITUS_PG_CONFIG names no PostgreSQL with Citus");
    }
    nodes.as_ref()
}

/// A database on all the nodes, with the extension and its sample on the coordinator. Returns a client of each node.
fn cluster(nodes: &[Server; 3], name: &str) -> [Client; 3] {
    for node in nodes {
        node.create_database(name);
        node.connect(name).batch_execute("CREATE EXTENSION citus").unwrap();
    }
    let [coordinator, workers @ ..] = nodes;
    let mut client = coordinator.connect(name);
    client.batch_execute(&format!("SELECT citus_set_coordinator_host('127.0.0.1', {})", coordinator.port())).unwrap();
    for worker in workers {
        client.batch_execute(&format!("SELECT citus_add_node('127.0.0.1', {})", worker.port())).unwrap();
    }
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    nodes.each_ref().map(|node| node.connect(name))
}

/// The same, spread.
fn distributed(nodes: &[Server; 3], name: &str) -> [Client; 3] {
    let mut clients = cluster(nodes, name);
    clients[0].batch_execute("SELECT * FROM distribute_marketplace(8)").unwrap();
    clients
}

/// Every invariant, except the notices about exhausted or free codes, which do no harm here.
fn check(client: &mut Client) {
    let problems = "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
                     WHERE NOT ok AND check_name NOT IN ('promotional_codes', 'bundles', 'discounts')";
    assert_eq!(text(client, problems), None);
}

#[test]
fn rows_that_were_there_are_there_afterwards() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, mut worker, _] = cluster(nodes, "kept");
    let rows = format!(
        "INSERT INTO user_add_ons (user_id, add_on_id) SELECT 'user ' || n, '{BRIGADE}' FROM generate_series(1, 500) n;
         INSERT INTO cart_items (user_id, add_on_id, quantity) SELECT 'user ' || n, '{BOLT}', n % 3 + 1 FROM generate_series(1, 500) n"
    );
    coordinator.batch_execute(&rows).unwrap();
    coordinator.batch_execute("SELECT * FROM checkout('user 1')").unwrap();
    let everything = "SELECT md5(string_agg(c::text, E'\\n' ORDER BY user_id)) FROM price_carts() c";
    let before = text(&mut coordinator, everything).unwrap();
    coordinator.batch_execute("SELECT * FROM distribute_marketplace(8)").unwrap();
    assert_eq!(text(&mut coordinator, everything).unwrap(), before);
    assert_eq!(text(&mut worker, everything).unwrap(), before);
    assert_eq!(text(&mut coordinator, "SELECT count(*) FROM entitled_users('agent_platform')").unwrap(), "500");
    check(&mut coordinator);
    // Each worker holds a part of the users.
    let shards = "SELECT count(DISTINCT p.groupid) FROM pg_dist_placement p JOIN pg_dist_shard s USING (shardid)
                   WHERE s.logicalrelid = 'cart_items'::regclass";
    assert_eq!(text(&mut coordinator, shards).unwrap_or_default(), "2");
}

#[test]
fn every_read_works_on_every_node() {
    let Some(nodes) = nodes() else { return };
    let mut clients = distributed(nodes, "reads");
    clients[0].batch_execute(&format!("SELECT * FROM add_to_cart('ada', '{BRIGADE}')")).unwrap();
    for client in &mut clients {
        // Citus puts no reference tables into a UNION for all users at once; that of one user is compared in the suite's lives.
        for read in READS.iter().filter(|read| !read.ends_with("FROM owned_add_ons")) {
            client.batch_execute(read).unwrap_or_else(|error| panic!("{read}: {error:?}"));
        }
        assert_eq!(text(client, "SELECT cart_total('ada')").unwrap(), "19.99");
    }
}

/// Citus' messages about the statements that it sends to other nodes.
fn sent(node: &Server, database: &str, call: &str) -> Vec<String> {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let collector = Arc::clone(&notices);
    let mut config = node.config(database);
    config.notice_callback(move |notice| collector.lock().expect("nobody panics").push(notice.message().to_owned()));
    let mut client = config.connect(NoTls).unwrap();
    client.batch_execute("SET citus.log_remote_commands = on; SET client_min_messages = notice").unwrap();
    client.batch_execute(call).unwrap();
    drop(client);
    let sent = notices.lock().expect("nobody panics").clone();
    sent.into_iter().filter(|message| message.starts_with("issuing ")).collect()
}

#[test]
fn functions_of_a_user_run_where_the_user_is() {
    let Some(nodes) = nodes() else { return };
    drop(distributed(nodes, "delegated"));
    for call in [
        format!("SELECT * FROM add_to_cart('ada', '{BRIGADE}')"),
        "SELECT price_cart('ada', 'pro')".to_owned(),
        "SELECT amount FROM checkout('ada', promo_code => 'launch2025')".to_owned(),
        "SELECT has_feature('ada', 'agent_platform')".to_owned(),
        "SELECT * FROM active_add_ons('ada')".to_owned(),
        "SELECT * FROM purchase_history('ada')".to_owned(),
        "SELECT * FROM list_purchases('ada')".to_owned(),
        "SELECT * FROM cart_lines('ada')".to_owned(),
    ] {
        let statements = sent(&nodes[0], "delegated", &call);
        // Only the call itself is sent: everything that it queries is on that node.
        assert_eq!(statements.len(), 1, "{call}: {statements:?}");
        assert!(statements[0].contains("public."), "{call}: {statements:?}");
    }
    // A call that names a checkout first finds its user, and works from the node that was asked.
    let mut client = nodes[0].connect("delegated");
    let checkout_id = text(&mut client, "SELECT checkout_id FROM add_on_purchases").unwrap();
    let statements = sent(&nodes[0], "delegated", &format!("SELECT * FROM complete_checkout('{checkout_id}')"));
    assert!(statements.len() > 2, "{statements:?}");
    assert_eq!(text(&mut client, "SELECT has_feature('ada', 'agent_platform')").unwrap(), "t");
}

/// Runs a call for each client at the same moment, the clients being connected to the nodes in turn.
fn at_once(nodes: &[Server; 3], database: &str, clients: usize, call: impl Fn(usize) -> String + Sync) -> Vec<Answer> {
    let barrier = Barrier::new(clients);
    thread::scope(|scope| {
        let run = |number: usize| {
            let (barrier, call) = (&barrier, &call);
            scope.spawn(move || {
                let mut client = nodes[number % 3].connect(database);
                // So that no client spends the race connecting to other nodes.
                client.batch_execute("SELECT count(*) FROM cart_items").unwrap();
                barrier.wait();
                ask(&mut client, &call(number))
            })
        };
        let handles: Vec<_> = (0..clients).map(run).collect();
        handles.into_iter().map(|handle| handle.join().expect("no client panics")).collect()
    })
}

fn sold(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.is_ok()).count()
}

#[test]
fn a_code_with_seven_uses_is_redeemed_seven_times_from_all_nodes_together() {
    const CLIENTS: usize = 24;
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, ..] = distributed(nodes, "code");
    coordinator.batch_execute("UPDATE promotional_codes SET max_uses = 7 WHERE code = 'LAUNCH2025'").unwrap();
    for user in 0..CLIENTS {
        coordinator.batch_execute(&format!("SELECT * FROM add_to_cart('user {user}', '{BRIGADE}')")).unwrap();
    }
    let answers = at_once(nodes, "code", CLIENTS, |user| {
        format!("SELECT checkout_id FROM checkout('user {user}', promo_code => 'launch2025')")
    });
    assert_eq!(sold(&answers), 7, "{answers:?}");
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().all(|refusal| refusal == &("23514".to_owned(), "promo_refused".to_owned())), "{answers:?}");
    for node in nodes {
        let mut client = node.connect("code");
        let uses = "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'";
        assert_eq!(text(&mut client, uses).unwrap(), "7", "each node has its copy");
        assert_eq!(text(&mut client, "SELECT count(DISTINCT user_id) FROM cart_items").unwrap(), "17");
        check(&mut client);
    }
    // All of them give their use back at once.
    let checkouts: Vec<String> = answers.into_iter().flatten().flatten().collect();
    let answers = at_once(nodes, "code", 7, |number| format!("SELECT fail_checkout('{}')", checkouts[number]));
    assert_eq!(sold(&answers), 7, "{answers:?}");
    let uses = "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'";
    assert_eq!(text(&mut coordinator, uses).unwrap(), "0");
    check(&mut coordinator);
}

#[test]
fn one_cart_is_sold_once_whichever_nodes_are_asked() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, mut worker, _] = distributed(nodes, "once");
    for round in 0..8 {
        let user = format!("user {round}");
        for add_on in [BRIGADE, BOLT, VECTORS] {
            coordinator.batch_execute(&format!("SELECT * FROM add_to_cart('{user}', '{add_on}')")).unwrap();
        }
        // In a transaction of its own the function is not sent to the user's node.
        let answers = at_once(nodes, "once", 9, |number| match number % 2 {
            0 => format!("SELECT checkout_id FROM checkout('{user}')"),
            _ => format!("BEGIN; SELECT checkout_id FROM checkout('{user}'); COMMIT"),
        });
        assert_eq!(sold(&answers), 1, "{answers:?}");
        let same = at_once(nodes, "once", 9, |_| {
            format!("SELECT checkout_id FROM checkout('{user}', idempotency_key => 'none')")
        });
        assert_eq!(sold(&same), 0, "{same:?}");
        let checkout_id = answers.into_iter().flatten().flatten().next().expect("one was sold");
        let completed = at_once(nodes, "once", 9, |number| {
            format!("SELECT add_on_id FROM complete_checkout('{checkout_id}', 'pi_{round}_{}')", number % 2)
        });
        // Whichever payment came first is the one that completed it.
        assert!((4..=5).contains(&sold(&completed)), "{completed:?}");
    }
    assert_eq!(text(&mut worker, "SELECT count(*) FROM add_on_purchases").unwrap(), "24");
    check(&mut worker);
}

#[test]
fn the_lock_of_a_user_is_one_for_all_nodes() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, mut worker, mut other] = distributed(nodes, "lock");
    for client in [&mut coordinator, &mut worker, &mut other] {
        client.batch_execute("SET statement_timeout = '1s'").unwrap();
    }
    coordinator.batch_execute(&format!("SELECT * FROM grant_add_on('ada', '{BRIGADE}')")).unwrap();
    worker.batch_execute("BEGIN").unwrap();
    // Only the user ada is locked: there is no such row.
    assert_eq!(ask(&mut worker, &format!("SELECT cancel_add_on('ada', '{BOLT}')")).unwrap_err().1, "not_owned");
    worker.batch_execute("ROLLBACK; BEGIN").unwrap();
    assert!(ask(&mut worker, &format!("SELECT suspend_add_on('ada', '{BRIGADE}')")).is_ok());
    for waits in [&mut coordinator, &mut other] {
        let refused = ask(waits, &format!("SELECT * FROM grant_add_on('ada', '{BOLT}')"));
        assert_eq!(refused.unwrap_err().0, "57014", "the lock is held");
        assert!(ask(waits, &format!("SELECT * FROM grant_add_on('bob', '{BOLT}')")).is_ok(), "nobody else waits");
    }
    worker.batch_execute("COMMIT").unwrap();
    assert!(ask(&mut coordinator, &format!("SELECT * FROM grant_add_on('ada', '{BOLT}')")).is_ok());
}

#[test]
fn a_change_of_the_catalog_is_seen_by_the_next_statement_on_every_node() {
    let Some(nodes) = nodes() else { return };
    let mut clients = distributed(nodes, "catalog");
    let price = format!("SELECT price_add_on('{BRIGADE}')");
    for (number, price_now) in ["5.00", "6.00", "7.00"].iter().enumerate() {
        for client in &mut clients {
            text(client, &price);
        }
        let change = format!("UPDATE add_ons SET base_price = {price_now} WHERE id = '{BRIGADE}'");
        clients[number].batch_execute(&change).unwrap();
        for client in &mut clients {
            assert_eq!(text(client, &price).unwrap(), *price_now);
            let kept = "SELECT entries FROM catalog_cache_stats()";
            assert_eq!(text(client, kept).unwrap(), "0", "nothing announces, so nothing is kept");
        }
    }
}

#[test]
fn functions_and_constraints_replace_the_triggers() {
    let Some(nodes) = nodes() else { return };
    let [mut client, ..] = distributed(nodes, "triggers");
    client.batch_execute(&format!("SELECT * FROM add_to_cart('ada', '{BRIGADE}')")).unwrap();
    client.batch_execute(&format!("SELECT * FROM add_to_cart('ada', '{BRIGADE}')")).unwrap();
    client.batch_execute(&format!("SELECT * FROM grant_add_on('ada', '{BRIGADE}')")).unwrap();
    client.batch_execute(&format!("SELECT suspend_add_on('ada', '{BRIGADE}')")).unwrap();
    client.batch_execute("SELECT * FROM checkout('ada', promo_code => 'launch2025')").unwrap();
    let moved = "SELECT bool_and(updated_at > created_at) FROM (
                     SELECT updated_at, created_at FROM user_add_ons UNION ALL
                     SELECT updated_at, created_at FROM promotional_codes WHERE code = 'LAUNCH2025') rows";
    assert_eq!(text(&mut client, moved).unwrap(), "t");
    let insert =
        "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES (' new ', 'percentage', 1)";
    assert_eq!(refusal(&mut client, insert).0, "23514", "a code is not normalised, but it has to be");
    let too_many = "UPDATE promotional_codes SET current_uses = max_uses + 1 WHERE code = 'LAUNCH2025'";
    assert_eq!(refusal(&mut client, too_many).0, "23514");
    // Only the functions enforce the life of a purchase.
    client.batch_execute("UPDATE add_on_purchases SET status = 'refunded'").unwrap();
    let refund = text(&mut client, "SELECT checkout_id FROM add_on_purchases").unwrap();
    assert_eq!(refusal(&mut client, &format!("SELECT fail_checkout('{refund}')")).1, "checkout_state");
}

#[test]
fn access_is_given_and_taken_on_every_node() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, ..] = distributed(nodes, "access");
    let as_clerk = || nodes.each_ref().map(|node| node.config("access").user("clerk").connect(NoTls).unwrap());
    coordinator.batch_execute("CREATE ROLE clerk LOGIN").unwrap();
    for (number, client) in as_clerk().iter_mut().enumerate() {
        let add = format!("SELECT * FROM add_to_cart('refused {number}', '{BRIGADE}')");
        assert_eq!(refusal(client, &add).0, "42501", "nobody has access from the start");
    }
    coordinator.batch_execute("SELECT grant_marketplace_access('clerk', 'shop')").unwrap();
    for (number, client) in as_clerk().iter_mut().enumerate() {
        // Users of every worker.
        for user in 0..4 {
            client.batch_execute(&format!("SELECT * FROM add_to_cart('{number} {user}', '{BRIGADE}')")).unwrap();
            client
                .batch_execute(&format!("SELECT * FROM checkout('{number} {user}', promo_code => 'launch2025')"))
                .unwrap();
        }
        let refund = "SELECT refund_purchase('a0000000-0000-4000-8000-000000000001')";
        assert_eq!(refusal(client, refund).0, "42501", "that is for another level");
    }
    coordinator.batch_execute("SELECT revoke_marketplace_access('clerk', 'shop')").unwrap();
    for client in &mut as_clerk() {
        for call in [
            format!("SELECT * FROM add_to_cart('again', '{BRIGADE}')"),
            "SELECT * FROM checkout('0 0')".to_owned(),
            "SELECT * FROM add_ons".to_owned(),
            "SELECT * FROM cart_items".to_owned(),
        ] {
            assert_eq!(refusal(client, &call).0, "42501", "{call}");
        }
    }
    check(&mut coordinator);
}

#[test]
fn nodes_that_are_not_ready_are_named() {
    let Some(nodes) = nodes() else { return };
    nodes[0].create_database("alone");
    let mut alone = nodes[0].connect("alone");
    alone.batch_execute("CREATE EXTENSION extensions").unwrap();
    let (state, code, _) = refusal(&mut alone, "SELECT * FROM distribute_marketplace()");
    assert_eq!((state.as_str(), code.as_str()), ("55000", "citus_missing"));
    assert_eq!(text(&mut alone, "SELECT ok FROM distribution_status()").unwrap(), "f");

    // A transaction that has just created the extension would wait for itself.
    for node in nodes {
        node.create_database("hasty");
        node.connect("hasty").batch_execute("CREATE EXTENSION citus").unwrap();
    }
    let mut hasty = nodes[0].connect("hasty");
    let set_up = format!(
        "SELECT citus_set_coordinator_host('127.0.0.1', {}); SELECT citus_add_node('127.0.0.1', {})",
        nodes[0].port(),
        nodes[1].port()
    );
    hasty.batch_execute(&set_up).unwrap();
    hasty.batch_execute("BEGIN; CREATE EXTENSION extensions").unwrap();
    assert_eq!(refusal(&mut hasty, "SELECT * FROM distribute_marketplace()").1, "node_not_prepared");
    hasty.batch_execute("ROLLBACK").unwrap();
}

#[test]
fn obstacles_are_named_and_nothing_is_changed() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, mut worker, _] = cluster(nodes, "obstacles");
    let shards = "SELECT * FROM distribute_marketplace(0)";
    assert_eq!(refusal(&mut coordinator, shards).1, "invalid_shard_count");
    assert_eq!(refusal(&mut worker, "SELECT * FROM distribute_marketplace()").1, "not_coordinator");
    coordinator
        .batch_execute(
            "CREATE TABLE subscription_tiers (tier_code text PRIMARY KEY);
             SELECT * FROM link_reference_tables();
             CREATE TABLE reviews (add_on_id uuid REFERENCES add_ons);
             CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER spy BEFORE INSERT ON cart_items FOR EACH ROW EXECUTE FUNCTION spy();
             SELECT enable_user_isolation()",
        )
        .unwrap();
    worker
        .batch_execute(
            "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('X', 'percentage', 1)",
        )
        .unwrap();
    let early = r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "charge.refunded", "created": 1767225600, "data":
        {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 5, "amount_refunded": 5, "currency": "usd"}}}')"#;
    worker.batch_execute(early).unwrap();
    let error = coordinator.simple_query("SELECT * FROM distribute_marketplace()").unwrap_err();
    let error = error.as_db_error().unwrap();
    let detail = error.detail().unwrap();
    for obstacle in [
        "table public.pricing_rules: foreign key pricing_rules_tier_code_fkey to public.subscription_tiers: call unlink_reference_tables() first.",
        "table public.reviews: foreign key reviews_add_on_id_fkey to public.add_ons: drop it.",
        "table cart_items: trigger spy is not the extension's: drop it.",
        "table cart_items: policy user_isolation looks into another query: call disable_user_isolation() first.",
        "rows in its own promotional_codes would be hidden: delete them there.",
        "rows in its own marketplace_unclaimed would be hidden: delete them there.",
    ] {
        assert!(detail.contains(obstacle), "{obstacle} is not in {detail}");
    }
    assert!(detail.ends_with("\ncode: not_distributable"), "{detail}");
    let triggers = "SELECT count(*) > 10 FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(text(&mut coordinator, triggers).unwrap(), "t");
    assert_eq!(text(&mut worker, triggers).unwrap(), "t");

    worker.batch_execute("DELETE FROM promotional_codes; DELETE FROM marketplace_unclaimed").unwrap();
    coordinator
        .batch_execute(
            "DROP TRIGGER spy ON cart_items; DROP TABLE reviews; SELECT * FROM unlink_reference_tables();
             SELECT disable_user_isolation(); SELECT * FROM distribute_marketplace(8)",
        )
        .unwrap();
    let not_ok = "SELECT string_agg(object || ': ' || detail, '; ') FROM distribution_status() WHERE NOT ok";
    assert_eq!(text(&mut coordinator, not_ok), None);
    let again = "SELECT count(*) FROM distribute_marketplace() WHERE status LIKE 'was %'";
    assert_eq!(text(&mut coordinator, again).unwrap(), "17", "three nodes, nine tables, five keys");
}

#[test]
fn a_node_that_is_added_later_is_prepared_by_calling_again() {
    let Some(nodes) = nodes() else { return };
    for node in nodes {
        node.create_database("grows");
        node.connect("grows").batch_execute("CREATE EXTENSION citus").unwrap();
    }
    let mut coordinator = nodes[0].connect("grows");
    let add = |number: usize| format!("SELECT citus_add_node('127.0.0.1', {})", nodes[number].port());
    coordinator.batch_execute(&format!("SELECT citus_set_coordinator_host('127.0.0.1', {})", nodes[0].port())).unwrap();
    coordinator.batch_execute(&add(1)).unwrap();
    coordinator.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    coordinator.batch_execute("SELECT * FROM distribute_marketplace(8)").unwrap();
    for user in 0..20 {
        coordinator.batch_execute(&format!("SELECT * FROM add_to_cart('user {user}', '{BRIGADE}')")).unwrap();
    }
    coordinator.batch_execute(&add(2)).unwrap();
    let not_ok = "SELECT count(*) FROM distribution_status() WHERE NOT ok";
    assert_eq!(text(&mut coordinator, not_ok).unwrap(), "1", "the new node is not prepared");
    coordinator.batch_execute("SELECT * FROM distribute_marketplace(8)").unwrap();
    assert_eq!(text(&mut coordinator, not_ok).unwrap(), "0");
    coordinator.batch_execute("SELECT rebalance_table_shards(shard_transfer_mode => 'block_writes')").unwrap();
    let shards = "SELECT count(DISTINCT p.groupid) FROM pg_dist_placement p JOIN pg_dist_shard s USING (shardid)
                   WHERE s.logicalrelid = 'cart_items'::regclass";
    assert_eq!(text(&mut coordinator, shards).unwrap(), "2");
    let mut newcomer = nodes[2].connect("grows");
    for client in [&mut coordinator, &mut newcomer] {
        assert_eq!(text(client, "SELECT count(*) FROM price_carts()").unwrap(), "20");
        let users = "SELECT count(*) FROM generate_series(0, 19) n WHERE cart_total('user ' || n) = 19.99";
        assert_eq!(text(client, users).unwrap(), "20");
    }
    let answers = at_once(nodes, "grows", 20, |user| {
        format!("SELECT amount FROM checkout('user {user}', promo_code => 'launch2025')")
    });
    assert_eq!(sold(&answers), 20, "{answers:?}");
    check(&mut newcomer);
}

#[test]
fn an_entitlement_check_of_a_column_is_refused_or_allowed_by_a_setting() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, ..] = distributed(nodes, "columns");
    coordinator.batch_execute(&format!("SELECT * FROM grant_add_on('ada', '{BRIGADE}')")).unwrap();
    coordinator.batch_execute(&format!("SELECT * FROM grant_add_on('bob', '{BOLT}')")).unwrap();
    let question = "SELECT string_agg(user_id, ' ') FROM user_add_ons WHERE has_feature(user_id, 'agent_platform')";
    let (_, _, message) = refusal(&mut coordinator, question);
    assert_eq!(message, "cannot execute a distributed query from a query on a shard");
    let instead =
        "SELECT string_agg(user_id, ' ') FROM user_add_ons WHERE user_id IN (SELECT entitled_users('agent_platform'))";
    assert_eq!(text(&mut coordinator, instead).unwrap(), "ada");
    coordinator.batch_execute("ALTER DATABASE columns SET citus.allow_nested_distributed_execution = on").unwrap();
    assert_eq!(text(&mut nodes[0].connect("columns"), question).unwrap(), "ada");
    // A table that exists only on the coordinator is no problem.
    let local = "SELECT string_agg(n, ' ') FROM unnest(ARRAY['ada', 'bob']) n WHERE has_feature(n, 'agent_platform')";
    assert_eq!(text(&mut coordinator, local).unwrap(), "ada");
}
