//! A coordinator and two workers of Citus: what distribute_marketplace() makes of them, and the whole life of purchases there.
//!
//! Apart, because Citus is in no package registry: the suite runs on the PostgreSQL of `CITUS_PG_CONFIG`, which has it, and is skipped
//! without: `make test-citus CITUS_PG_CONFIG=/path/to/pg_config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;

use harness::clients::{Answer, ask};
use harness::reads::READS;
use harness::{Server, refusal, text};
use postgres::{Client, NoTls, SimpleQueryMessage};

const BRIGADE: &str = "a0000000-0000-4000-8000-000000000003";
const BOLT: &str = "a0000000-0000-4000-8000-000000000004";
const VECTORS: &str = "a0000000-0000-4000-8000-000000000008";

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
        // Citus begins a transaction on a worker for each of a client's; those in doubt are looked after every two seconds.
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

/// A database that the nodes have together, with the extension and its sample on the coordinator. Returns a client of each.
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

/// Every invariant; what an exhausted or free code is told of is no harm.
fn check(client: &mut Client) {
    let problems = "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
                     WHERE NOT ok AND check_name NOT IN ('promotional_codes', 'bundles', 'discounts')";
    assert_eq!(text(client, problems), None);
}

/// All columns of all rows, or the refusal, without what is different each time: ids by the order of their appearance, and times.
struct Transcript {
    ids: BTreeMap<String, String>,
}

impl Transcript {
    fn of(client: &mut Client, calls: &[&str]) -> Vec<String> {
        let mut transcript = Transcript { ids: BTreeMap::new() };
        calls.iter().map(|call| transcript.answer(client, call)).collect()
    }

    fn answer(&mut self, client: &mut Client, call: &str) -> String {
        let mut call = call.to_owned();
        for (id, name) in &self.ids {
            call = call.replace(&format!("<{name}>"), id);
        }
        let answer = match client.simple_query(&call) {
            Ok(messages) => messages.iter().filter_map(columns).collect::<Vec<String>>().join("\n"),
            Err(error) => {
                let error = error.as_db_error().unwrap_or_else(|| panic!("{call} broke the connection"));
                format!("{} {} {}", error.code().code(), error.message(), error.detail().unwrap_or_default())
            }
        };
        answer.split_inclusive(|letter: char| " \n,()\"{}".contains(letter)).map(|word| self.stable(word)).collect()
    }

    fn stable(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(|letter: char| " \n,()\"{}".contains(letter));
        // The ids of the sample are the same everywhere.
        if uuid::Uuid::try_parse(bare).is_ok() && !bare.contains("0000000-0000-4000-8000-") {
            let next = format!("id {}", self.ids.len());
            let name = self.ids.entry(bare.to_owned()).or_insert(next).clone();
            return word.replace(bare, &name);
        }
        let is_date = bare.len() == 10 && bare.matches('-').count() == 2;
        let is_time = bare.len() > 8 && bare.matches(':').count() >= 2;
        if is_date || is_time { word.replace(bare, "TIME") } else { word.to_owned() }
    }
}

fn columns(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|column| row.get(column).unwrap_or("NULL")).collect::<Vec<&str>>().join(" "))
}

/// The life of a marketplace, call by call; `<id n>` stands for the n-th id that an answer has named.
const LIFE: [&str; 101] = [
    // Carts and prices.
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 2)",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 1)",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 98)",
    "SELECT add_on_id, quantity FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000004', 101)",
    "SELECT add_on_id, quantity FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000004', 2)",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000008')",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-00000000000f')",
    "SELECT remove_from_cart('ada', 'a0000000-0000-4000-8000-000000000001')",
    "INSERT INTO pricing_rules (id, add_on_id, discount_percent, conditions)
     VALUES ('d0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000004', 10, '{\"min_quantity\": 2}')",
    "UPDATE add_on_bundles SET max_uses = 2 WHERE name = 'Developer Pro'",
    "SELECT price_cart('ada', 'pro', 'launch2025') - 'priced_at'",
    "SELECT cart_total('ada', 'pro', 'firstbuy')",
    "SELECT explain_cart_text('ada', 'pro', 'launch2025')",
    "SELECT * FROM validate_promo_code(' launch2025 ', 'ada')",
    "SELECT * FROM validate_promo_code('vip2025', 'ada', 'free')",
    "SELECT * FROM price_carts('pro', 'launch2025') ORDER BY user_id",
    "SELECT * FROM simulate_promo_code('{\"code\": \"NEW\", \"discount_type\": \"percentage\", \"discount_value\": 50}')",
    // Checkout.
    "SELECT * FROM checkout('ada', 'pro', 'launch2025', expected_total => 1)",
    "SELECT checkout_id, add_on_id, quantity, amount, currency, status FROM checkout('ada', 'pro', 'launch2025', idempotency_key => 'k')",
    "SELECT checkout_id, add_on_id, quantity, amount, currency, status FROM checkout('ada', 'pro', 'launch2025', idempotency_key => 'k')",
    "SELECT * FROM checkout('ada', 'pro', idempotency_key => 'k')",
    "SELECT * FROM checkout('ada')",
    "SELECT code, current_uses FROM promotional_codes ORDER BY code",
    "SELECT name, current_uses FROM add_on_bundles ORDER BY name",
    "SELECT * FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT * FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT * FROM complete_checkout('<id 0>', 'pi_2')",
    "SELECT fail_checkout('<id 0>')",
    // Entitlements.
    "SELECT has_feature('ada', 'agent_platform'), has_feature('bob', 'agent_platform'), has_feature('ada', 'x')",
    "SELECT has_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM has_features('ada', '{agent_platform,speech}')",
    "SELECT feature_configuration('ada', 'agent_platform')",
    "SELECT feature_key, configuration FROM user_features('ada')",
    "SELECT add_on_id, name, category, auto_renew FROM active_add_ons('ada') ORDER BY add_on_id",
    "SELECT * FROM entitled_users('agent_platform')",
    "SELECT add_on_id, name, quantity, amount, status, refund_amount FROM purchase_history('ada')",
    "SELECT add_on_id, amount FROM purchase_history('ada', 'completed', 1, 1)",
    "SELECT add_on_id, name, amount, status, total_count FROM list_purchases('ada')",
    "SELECT add_on_id, name, category, amount, status FROM purchase_details WHERE user_id = 'ada' ORDER BY add_on_id",
    "SELECT add_on_id, name, features, status, entitled FROM owned_add_ons WHERE user_id = 'ada' ORDER BY add_on_id",
    "SELECT name, purchases, units, gross, net FROM revenue_by_add_on('2020-01-01')",
    "SELECT add_on_id, quantity, total FROM cart_lines('bob', 'pro')",
    "SELECT * FROM validate_promo_code('firstbuy', 'ada')",
    // Refunds and disputes.
    "SELECT id FROM add_on_purchases WHERE user_id = 'ada' AND add_on_id = 'a0000000-0000-4000-8000-000000000003'",
    "SELECT id FROM add_on_purchases WHERE user_id = 'ada' AND add_on_id = 'a0000000-0000-4000-8000-000000000004'",
    "SELECT refund_purchase('<id 1>', 5)",
    "SELECT refund_purchase('<id 1>', 500)",
    "SELECT refund_purchase('<id 1>', reason => 'returned')",
    "SELECT has_feature('ada', 'agent_platform')",
    "SELECT dispute_purchase('<id 2>', 'not mine')",
    "SELECT has_feature('ada', 'code_completion')",
    "SELECT resolve_dispute('<id 2>', true)",
    "SELECT has_feature('ada', 'code_completion')",
    "SELECT dispute_purchase('<id 2>'), resolve_dispute('<id 2>', false)",
    "SELECT refund_purchase('e0000000-0000-4000-8000-000000000000')",
    // What is owned.
    "SELECT * FROM grant_add_on('bob', 'a0000000-0000-4000-8000-000000000003', now() + interval '1 day')",
    "SELECT * FROM grant_add_on('bob', 'a0000000-0000-4000-8000-000000000003', now() + interval '1 hour')",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_3') > now() + interval '27 days'",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_3') < now() + interval '33 days'",
    "SELECT suspend_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 'late')",
    "SELECT status, cancellation_reason FROM user_add_ons WHERE user_id = 'bob'",
    "SELECT resume_add_on('bob', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT cancel_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 'moving') > now()",
    "SELECT cancel_add_on('bob', 'a0000000-0000-4000-8000-000000000003', immediately => true) <= now()",
    "SELECT status, auto_renew, cancellation_reason FROM user_add_ons WHERE user_id = 'bob'",
    "SELECT cancel_add_on('carol', 'a0000000-0000-4000-8000-000000000003')",
    // Webhooks.
    "SELECT add_on_id, quantity FROM add_to_cart('dora', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT checkout_id, amount FROM checkout('dora', promo_code => 'launch2025')",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1767225600,
        "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {"checkout_id": "<id 3>"}, "mode": "payment",
        "payment_status": "paid", "amount_total": 1599, "currency": "usd", "payment_intent": "pi_4"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1767225600,
        "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {"checkout_id": "<id 3>"}, "mode": "payment",
        "payment_status": "paid", "amount_total": 1599, "currency": "usd", "payment_intent": "pi_4"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_2", "object": "event", "type": "charge.refunded", "created": 1767225700,
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_4", "amount": 1599, "amount_refunded": 500,
        "currency": "usd"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_3", "object": "event", "type": "charge.refunded", "created": 1767225800,
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_unknown", "amount": 1599,
        "amount_refunded": 500, "currency": "usd"}}}')"#,
    "SELECT status, refund_amount, stripe_payment_id FROM add_on_purchases WHERE user_id = 'dora'",
    // A second payment, and one that is used twice.
    r#"SELECT apply_stripe_event('{"id": "evt_4", "object": "event", "type": "payment_intent.succeeded", "created": 1767225900,
        "data": {"object": {"id": "pi_5", "object": "payment_intent", "metadata": {"checkout_id": "<id 3>"}, "status": "succeeded",
        "amount": 1599, "amount_received": 1599, "currency": "usd"}}}')"#,
    "SELECT payment_id, amount, currency, reason FROM unsettled_payments()",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_4')",
    "SELECT settle_payment('pi_5', 'paid back by bank transfer'), settle_payment('pi_5')",
    "SELECT payment_id FROM unsettled_payments()",
    r#"SELECT object_id, action FROM reconcile_stripe('[{"id": "re_1", "object": "refund", "payment_intent": "pi_4", "charge": "ch_1",
        "amount": 700, "currency": "usd", "status": "succeeded", "created": 1767226000}]')"#,
    "SELECT status, refund_amount FROM add_on_purchases WHERE user_id = 'dora'",
    // Sources and usage.
    "SELECT source, live FROM explain_access('dora', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT user_id, add_on_id, amount FROM upcoming_renewals('dora', now() + interval '2 months')",
    "SELECT reprice_renewals('a0000000-0000-4000-8000-000000000003')",
    "SELECT feature_key, granted, used FROM feature_usage('dora') ORDER BY 1",
    "SELECT allowed, used, granted FROM feature_usage('dora') f, consume_feature('dora', f.feature_key, 1, 'once') WHERE f.granted IS NOT NULL",
    "SELECT allowed, used, granted FROM feature_usage('dora') f, consume_feature('dora', f.feature_key, 1, 'once') WHERE f.granted IS NOT NULL",
    // A checkout that fails gives its uses back.
    "SELECT add_on_id, quantity FROM add_to_cart('emil', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT checkout_id, amount FROM checkout('emil', promo_code => 'launch2025')",
    "SELECT fail_checkout('<id 4>', 'declined')",
    "SELECT code, current_uses FROM promotional_codes ORDER BY code",
    // A free checkout completes at once.
    "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('GIFT', 'percentage', 100)",
    "SELECT add_on_id, quantity FROM add_to_cart('fay', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT checkout_id, amount, status FROM checkout('fay', promo_code => 'gift')",
    "SELECT has_feature('fay', 'agent_platform')",
    // Maintenance.
    "SELECT add_on_id, quantity FROM add_to_cart('gus', 'a0000000-0000-4000-8000-000000000003')",
    "UPDATE cart_items SET added_at = now() - interval '40 days', updated_at = now() - interval '40 days' WHERE user_id = 'gus'",
    "SELECT add_on_id, quantity FROM add_to_cart('hal', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT count(*) FROM checkout('hal', promo_code => 'launch2025')",
    "UPDATE add_on_purchases SET purchased_at = now() - interval '2 days' WHERE user_id = 'hal'",
    "SELECT * FROM run_maintenance()",
    "SELECT code, current_uses FROM promotional_codes ORDER BY code",
];

#[test]
fn a_cluster_answers_as_one_server_does() {
    let Some(nodes) = nodes() else { return };
    nodes[0].create_database("plain");
    let mut plain = nodes[0].connect("plain");
    plain.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    // The trigger would put its own time in the place of an older one.
    plain.batch_execute("ALTER TABLE cart_items DISABLE TRIGGER update_cart_items_updated_at").unwrap();
    let [mut coordinator, mut worker, _] = distributed(nodes, "alike");
    let (expected, answers) = (Transcript::of(&mut plain, &LIFE), Transcript::of(&mut coordinator, &LIFE));
    for ((call, expected), answer) in LIFE.iter().zip(&expected).zip(&answers) {
        assert_eq!(answer, expected, "{call}");
    }
    assert!(expected.iter().filter(|answer| answer.contains("code: ")).count() >= 9, "refusals are compared too");
    check(&mut coordinator);
    check(&mut worker);
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
        for read in READS {
            client.batch_execute(read).unwrap_or_else(|error| panic!("{read}: {error:?}"));
        }
        assert_eq!(text(client, "SELECT cart_total('ada')").unwrap(), "19.99");
    }
}

/// What Citus says of the statements that it sends to other nodes.
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
        // The call itself and nothing else: all that it asks it finds there.
        assert_eq!(statements.len(), 1, "{call}: {statements:?}");
        assert!(statements[0].contains("public."), "{call}: {statements:?}");
    }
    // What names a checkout finds its user first, and works from the node that is asked.
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
                // So that none of them spends the race on connecting to other nodes.
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
            format!("SELECT add_on_id FROM complete_checkout('{checkout_id}', 'pi_{}')", number % 2)
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
    // Nothing of ada's is locked but ada: there is no such row.
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
fn what_triggers_did_is_done_by_functions_and_constraints() {
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
    // Only the functions keep to the life of a purchase.
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

    // A transaction that has just made the extension would wait for itself.
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
fn what_stands_in_the_way_is_named_and_nothing_is_changed() {
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
    let error = coordinator.simple_query("SELECT * FROM distribute_marketplace()").unwrap_err();
    let error = error.as_db_error().unwrap();
    let detail = error.detail().unwrap();
    for obstacle in [
        "table public.pricing_rules: foreign key pricing_rules_tier_code_fkey to public.subscription_tiers: call unlink_reference_tables() first.",
        "table public.reviews: foreign key reviews_add_on_id_fkey to public.add_ons: drop it.",
        "table cart_items: trigger spy is not the extension's: drop it.",
        "table cart_items: policy user_isolation looks into another query: call disable_user_isolation() first.",
        "rows in its own promotional_codes would be hidden: delete them there.",
    ] {
        assert!(detail.contains(obstacle), "{obstacle} is not in {detail}");
    }
    assert!(detail.ends_with("\ncode: not_distributable"), "{detail}");
    let triggers = "SELECT count(*) > 10 FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(text(&mut coordinator, triggers).unwrap(), "t");
    assert_eq!(text(&mut worker, triggers).unwrap(), "t");

    worker.batch_execute("DELETE FROM promotional_codes").unwrap();
    coordinator
        .batch_execute(
            "DROP TRIGGER spy ON cart_items; DROP TABLE reviews; SELECT * FROM unlink_reference_tables();
             SELECT disable_user_isolation(); SELECT * FROM distribute_marketplace(8)",
        )
        .unwrap();
    let not_ok = "SELECT string_agg(object || ': ' || detail, '; ') FROM distribution_status() WHERE NOT ok";
    assert_eq!(text(&mut coordinator, not_ok), None);
    let again = "SELECT count(*) FROM distribute_marketplace() WHERE status LIKE 'was %'";
    assert_eq!(text(&mut coordinator, again).unwrap(), "16", "three nodes, eight tables, five keys");
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
    // A table that is only on the coordinator is no difficulty.
    let local = "SELECT string_agg(n, ' ') FROM unnest(ARRAY['ada', 'bob']) n WHERE has_feature(n, 'agent_platform')";
    assert_eq!(text(&mut coordinator, local).unwrap(), "ada");
}
