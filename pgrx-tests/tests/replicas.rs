//! One primary and two standbys: reads on the standbys, reading recent writes there, and losing the primary.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use harness::reads::READS;
use harness::{BOLT, BRIGADE, Server, refusal, text, wait_until};
use postgres::Client;

const DATABASE: &str = "shop";

/// A primary and its standbys.
struct Cluster {
    primary: Server,
    standbys: [Server; 2],
}

impl Cluster {
    /// Starts one, with the sample catalog and a code for everybody.
    fn start() -> Cluster {
        let primary = Server::start("wal_receiver_status_interval = 1s\nsynchronous_commit = local");
        primary.create_database(DATABASE);
        let setup = "CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog();
                     INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses)
                     VALUES ('SALE', 'percentage', 10, 1000000)";
        primary.connect(DATABASE).batch_execute(setup).unwrap();
        let standbys = ["one", "two"].map(|name| Server::standby_of(&primary, name));
        let cluster = Cluster { primary, standbys };
        cluster.wait_until_streaming(2);
        cluster
    }

    /// The cluster of all tests that leave it as it is, one at a time: some change how commits wait.
    fn shared() -> (&'static Cluster, MutexGuard<'static, ()>) {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let cluster = SHARED.get_or_init(|| {
            let cluster = Cluster::start();
            for server in [&cluster.primary, &cluster.standbys[0], &cluster.standbys[1]] {
                server.remove_at_exit();
            }
            cluster
        });
        (cluster, guard)
    }

    fn wait_until_streaming(&self, standbys: i64) {
        let mut client = self.primary.connect("postgres");
        let streaming = format!("SELECT count(*) >= {standbys} FROM pg_stat_replication WHERE state = 'streaming'");
        wait_until(&mut client, &streaming, "t");
    }

    /// Waits until every standby shows what the primary shows now.
    fn catch_up(&self) {
        let lsn = text(&mut self.primary.connect(DATABASE), "SELECT pg_current_wal_flush_lsn()").unwrap();
        self.standbys.iter().for_each(|standby| wait_for_replay(&mut standby.connect(DATABASE), &lsn));
    }
}

/// The recipe of docs/scaling.md: a standby shows a commit once it has replayed the position that the primary named after it.
fn wait_for_replay(standby: &mut Client, lsn: &str) {
    wait_until(standby, &format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'"), "t");
}

/// Every invariant that holds at any moment, on any server. A code or bundle that is exhausted is not a violation.
fn check_invariants(client: &mut Client) {
    let problems = "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
                     WHERE NOT ok AND check_name NOT IN ('promotional_codes', 'bundles')";
    assert_eq!(text(client, problems), None);
    let half_sold = "
        SELECT string_agg(DISTINCT p.checkout_id::text, ', ') FROM add_on_purchases p
         WHERE p.metadata ? 'quote'
           AND ((p.metadata #>> '{quote,line_count}')::int
                    <> (SELECT count(*) FROM add_on_purchases l WHERE l.checkout_id = p.checkout_id)
                OR (SELECT count(DISTINCT l.status) FROM add_on_purchases l WHERE l.checkout_id = p.checkout_id) <> 1)";
    assert_eq!(text(client, half_sold), None);
    // Not at now(): a sale can be later than that although the statement's snapshot already sees it.
    let not_granted = "
        SELECT string_agg(p.user_id, ', ') FROM add_on_purchases p
         WHERE p.status = 'completed' AND NOT has_add_on(p.user_id, p.add_on_id, clock_timestamp())";
    assert_eq!(text(client, not_granted), None);
}

/// Puts two add-ons into a cart, sells and completes them, and returns the checkout.
fn buy(client: &mut impl postgres::GenericClient, user: &str) -> Result<String, postgres::Error> {
    for add_on in [BRIGADE, BOLT] {
        client.simple_query(&format!("SELECT * FROM add_to_cart('{user}', '{add_on}')"))?;
    }
    let checkout_id = first(client, &format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'sale')"))?;
    client.simple_query(&format!("SELECT * FROM complete_checkout('{checkout_id}')"))?;
    Ok(checkout_id)
}

/// The first column of the first row.
fn first(client: &mut impl postgres::GenericClient, query: &str) -> Result<String, postgres::Error> {
    let messages = client.simple_query(query)?;
    let found = messages.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    Ok(found.unwrap_or_default())
}

#[test]
fn every_read_works_on_a_standby_and_says_what_the_primary_says() {
    let (cluster, _guard) = Cluster::shared();
    let mut primary = cluster.primary.connect(DATABASE);
    buy(&mut primary, "ada").unwrap();
    primary.batch_execute(&format!("SELECT * FROM add_to_cart('ada', '{BRIGADE}', 3)")).unwrap();
    cluster.catch_up();
    // Everything at one instant, so that the answers are the same to the last letter.
    let instant = text(&mut primary, "SELECT now()").unwrap();
    let questions = [
        format!("SELECT price_cart('ada', 'pro', 'launch2025', '{instant}')"),
        format!("SELECT explain_cart_text('ada', 'pro', 'launch2025', '{instant}')"),
        format!("SELECT string_agg(c::text, ';' ORDER BY user_id) FROM price_carts('pro', 'firstbuy', '{instant}') c"),
        format!("SELECT string_agg(f::text, ';') FROM user_features('ada', '{instant}') f"),
        format!("SELECT string_agg(v::text, ';') FROM validate_promo_code('sale', 'ada', at => '{instant}') v"),
        "SELECT string_agg(h::text, ';') FROM purchase_history('ada') h".to_owned(),
    ];
    for standby in &cluster.standbys {
        let mut client = standby.connect(DATABASE);
        assert_eq!(text(&mut client, "SELECT pg_is_in_recovery()").unwrap(), "t");
        for read in READS {
            client.batch_execute(read).unwrap_or_else(|error| panic!("{read}: {error:?}"));
        }
        for question in &questions {
            let answer = text(&mut client, question);
            assert!(answer.is_some(), "{question}");
            assert_eq!(answer, text(&mut primary, question), "{question}");
        }
        check_invariants(&mut client);
    }
}

/// Every function of the levels shop and billing that writes, maintenance and plain statements, called so that each gets as far
/// as writing. `PURCHASE` and `CHECKOUT` stand for ids of ada's.
const WRITES: [&str; 28] = [
    "SELECT add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000003', 1)",
    "SELECT remove_from_cart('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT clear_cart('ada')",
    "SELECT merge_carts('ada', 'bob')",
    "SELECT consume_feature('ada', 'agent_platform')",
    "SELECT release_feature('ada', 'agent_platform')",
    "SELECT set_feature_usage('ada', 'agent_platform', 1)",
    "SELECT checkout('ada')",
    "SELECT complete_checkout('CHECKOUT')",
    "SELECT fail_checkout('CHECKOUT')",
    "SELECT refund_purchase('PURCHASE')",
    "SELECT dispute_purchase('PURCHASE')",
    "SELECT resolve_dispute('PURCHASE', true)",
    "SELECT grant_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT renew_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT cancel_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT suspend_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT resume_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "type": "checkout.session.completed", "created": 1, "data": {"object":
        {"object": "checkout.session", "id": "cs_1", "client_reference_id": "CHECKOUT", "payment_status": "paid"}}}')"#,
    r#"SELECT apply_lago_event('{"webhook_type": "invoice.payment_status_updated", "object_type": "invoice", "invoice":
        {"lago_id": "invoice", "payment_status": "succeeded", "metadata": [{"key": "checkout_id", "value": "CHECKOUT"}]}}')"#,
    r#"SELECT reconcile_stripe('[{"object": "checkout.session", "id": "cs_1", "client_reference_id": "CHECKOUT", "payment_status": "paid"}]')"#,
    "SELECT reprice_renewals('a0000000-0000-4000-8000-000000000003')",
    "SELECT run_maintenance()",
    "SELECT load_sample_catalog()",
    "UPDATE add_ons SET base_price = 1",
    "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('new', 'percentage', 1)",
    "DELETE FROM cart_items",
];

#[test]
fn every_write_is_refused_on_a_standby_as_read_only() {
    let (cluster, _guard) = Cluster::shared();
    let mut primary = cluster.primary.connect(DATABASE);
    let roles = "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk;
                 SELECT grant_marketplace_access('clerk', 'shop'), grant_marketplace_access('clerk', 'billing')";
    primary.batch_execute(roles).unwrap();
    let functions = "SELECT proname::text FROM pg_proc
                      WHERE pronamespace = 'public'::regnamespace AND provolatile = 'v'
                        AND has_function_privilege('clerk', oid, 'EXECUTE')";
    let functions = primary.query(functions, &[]).unwrap();
    primary.batch_execute("DROP OWNED BY clerk; DROP ROLE clerk").unwrap();
    assert!(functions.len() > 10);
    for row in functions {
        let name: &str = row.get(0);
        // They write nothing where there is no payment to settle, or no trial to start.
        if ["settle_payment", "start_trial"].contains(&name) {
            continue;
        }
        assert!(WRITES.iter().any(|write| write.contains(&format!("{name}("))), "{name} is not among the writes");
    }

    let checkout_id = buy(&mut primary, "ada").unwrap();
    let purchase = format!("SELECT id FROM add_on_purchases WHERE checkout_id = '{checkout_id}' LIMIT 1");
    let purchase_id = text(&mut primary, &purchase).unwrap();
    primary.batch_execute(&format!("SELECT * FROM add_to_cart('ada', '{BRIGADE}')")).unwrap();
    cluster.catch_up();
    let mut standby = cluster.standbys[0].connect(DATABASE);
    for write in WRITES {
        let write = write.replace("CHECKOUT", &checkout_id).replace("PURCHASE", &purchase_id);
        assert_eq!(refusal(&mut standby, &write).0, "25006", "{write}");
    }
}

#[test]
fn a_change_of_the_catalog_reaches_sessions_of_a_standby_that_keep_it() {
    let (cluster, _guard) = Cluster::shared();
    let mut primary = cluster.primary.connect(DATABASE);
    primary.batch_execute(&format!("SELECT * FROM grant_add_on('keeper', '{BRIGADE}')")).unwrap();
    cluster.catch_up();
    let price = format!("SELECT price_add_on('{BRIGADE}')");
    let feature = "SELECT has_feature('keeper', 'agent_platform')";
    let mut sessions = cluster.standbys.each_ref().map(|standby| standby.connect(DATABASE));
    for session in &mut sessions {
        assert_eq!(text(session, &price).unwrap(), "19.99");
        assert_eq!(text(session, feature).unwrap(), "t");
        let hits = "SELECT hits FROM catalog_cache_stats()";
        let before: i64 = text(session, hits).unwrap().parse().unwrap();
        text(session, &price);
        text(session, feature);
        let after: i64 = text(session, hits).unwrap().parse().unwrap();
        assert_eq!(after - before, 2, "both are kept by the session");
    }
    let change = format!(
        "UPDATE add_ons SET base_price = 5 WHERE id = '{BRIGADE}';
         UPDATE add_on_features SET enabled = false WHERE add_on_id = '{BRIGADE}' AND feature_key = 'agent_platform'"
    );
    primary.batch_execute(&change).unwrap();
    cluster.catch_up();
    for session in &mut sessions {
        assert_eq!(text(session, &price).unwrap(), "5.00");
        assert_eq!(text(session, feature).unwrap(), "f");
    }
    let undo = format!(
        "UPDATE add_ons SET base_price = 19.99 WHERE id = '{BRIGADE}';
         UPDATE add_on_features SET enabled = true WHERE add_on_id = '{BRIGADE}' AND feature_key = 'agent_platform'"
    );
    primary.batch_execute(&undo).unwrap();
    cluster.catch_up();
    sessions.iter_mut().for_each(|session| assert_eq!(text(session, &price).unwrap(), "19.99"));
}

/// Checkouts of many users go through the primary while others read on the standbys. Each read sees a consistent
/// moment, and in the end they see everything.
#[test]
fn reads_are_spread_over_the_standbys_while_the_primary_sells() {
    const SELLERS: usize = 4;
    const SALES: usize = 40;
    let (cluster, _guard) = Cluster::shared();
    let is_over = AtomicBool::new(false);
    let reads: Vec<usize> = thread::scope(|scope| {
        let sellers: Vec<_> = (0..SELLERS)
            .map(|seller| {
                let mut client = cluster.primary.connect(DATABASE);
                scope.spawn(move || {
                    (0..SALES).for_each(|sale| drop(buy(&mut client, &format!("spread {seller} {sale}")).unwrap()));
                })
            })
            .collect();
        let readers: Vec<_> = cluster
            .standbys
            .iter()
            .map(|standby| {
                let mut client = standby.connect(DATABASE);
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut reads = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        check_invariants(&mut client);
                        let user = format!("spread {} {}", reads % SELLERS, reads % SALES);
                        text(&mut client, &format!("SELECT cart_total('{user}')")).unwrap();
                        text(&mut client, &format!("SELECT has_feature('{user}', 'agent_platform')")).unwrap();
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        sellers.into_iter().for_each(|seller| seller.join().expect("no seller fails"));
        is_over.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().expect("no reader fails")).collect()
    });
    assert!(reads.iter().all(|&reads| reads > 0), "{reads:?}");
    cluster.catch_up();
    let entitled = "SELECT count(*) FROM entitled_users('agent_platform') WHERE entitled_users LIKE 'spread %'";
    for standby in &cluster.standbys {
        let mut client = standby.connect(DATABASE);
        assert_eq!(text(&mut client, entitled).unwrap(), (SELLERS * SALES).to_string());
        check_invariants(&mut client);
    }
}

/// The two ways to read recent writes on a standby that lags behind by a second.
#[test]
fn a_client_reads_its_own_writes_on_a_standby_that_lags() {
    let (cluster, _guard) = Cluster::shared();
    const LAG: Duration = Duration::from_secs(1);
    let delay = |delay: Duration| {
        let set = format!("ALTER SYSTEM SET recovery_min_apply_delay = '{}ms'", delay.as_millis());
        cluster.standbys[0].connect("postgres").batch_execute(&set).unwrap();
        cluster.standbys[0].connect("postgres").batch_execute("SELECT pg_reload_conf()").unwrap();
        wait_until(
            &mut cluster.standbys[0].connect("postgres"),
            &format!("SELECT current_setting('recovery_min_apply_delay')::interval = '{} ms'", delay.as_millis()),
            "t",
        );
    };
    let mut primary = cluster.primary.connect(DATABASE);
    let mut standby = cluster.standbys[0].connect(DATABASE);
    let has =
        |client: &mut Client, user: &str| text(client, &format!("SELECT has_add_on('{user}', '{BRIGADE}')")).unwrap();
    cluster.catch_up();
    delay(LAG);

    buy(&mut primary, "hurried").unwrap();
    assert_eq!(has(&mut standby, "hurried"), "f", "without a recipe the standby does not know yet");
    let lsn = text(&mut primary, "SELECT pg_current_wal_insert_lsn()").unwrap();
    wait_for_replay(&mut standby, &lsn);
    assert_eq!(has(&mut standby, "hurried"), "t", "the position was replayed");

    let standbys = "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 2 (one, two)'";
    primary.batch_execute(standbys).unwrap();
    primary.batch_execute("SELECT pg_reload_conf()").unwrap();
    wait_until(&mut primary, "SELECT count(*) = 2 FROM pg_stat_replication WHERE sync_state = 'sync'", "t");
    primary.batch_execute("SET synchronous_commit = remote_apply").unwrap();
    let started = Instant::now();
    primary.batch_execute(&format!("SELECT * FROM grant_add_on('patient', '{BRIGADE}')")).unwrap();
    assert!(started.elapsed() >= LAG, "the commit waits for the slowest");
    assert_eq!(has(&mut standby, "patient"), "t", "remote_apply: a commit that returned is there");
    assert_eq!(has(&mut cluster.standbys[1].connect(DATABASE), "patient"), "t");

    primary.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").unwrap();
    primary.batch_execute("SELECT pg_reload_conf()").unwrap();
    delay(Duration::ZERO);
    measure_lag(&mut primary, &mut standby);
}

/// How long after a COMMIT the standby shows it, with nothing held back: for the reader of the log.
fn measure_lag(primary: &mut Client, standby: &mut Client) {
    primary.batch_execute("RESET synchronous_commit").unwrap();
    let mut lags: Vec<Duration> = (0..50)
        .map(|number| {
            primary.batch_execute(&format!("SELECT * FROM grant_add_on('lag {number}', '{BRIGADE}')")).unwrap();
            let lsn = text(primary, "SELECT pg_current_wal_insert_lsn()").unwrap();
            let committed = Instant::now();
            wait_for_replay(standby, &lsn);
            assert_eq!(text(standby, &format!("SELECT has_add_on('lag {number}', '{BRIGADE}')")).unwrap(), "t");
            committed.elapsed()
        })
        .collect();
    lags.sort();
    println!("replay lag of 50 commits: median {:?}, longest {:?}", lags[lags.len() / 2], lags[lags.len() - 1]);
}

/// The knowledge of the clients in the failover test: which checkouts were acknowledged, and which request is in
/// doubt.
#[derive(Debug, Default)]
struct Ledger {
    sold: BTreeMap<String, String>,
    completed: Vec<String>,
    in_doubt: Option<String>,
}

impl Ledger {
    /// Buys for one user after the other until the server is gone, or this many sales are made. Every request has a
    /// key.
    fn sell(&mut self, server: &Server, seller: usize, first: usize, count: usize) {
        let mut client = server.connect(DATABASE);
        for sale in first..first + count {
            let user = format!("buyer {seller} {sale}");
            if self.sell_to(&mut client, &user).is_err() {
                self.in_doubt = Some(user);
                return;
            }
        }
    }

    fn sell_to(&mut self, client: &mut Client, user: &str) -> Result<(), postgres::Error> {
        // Setting, not adding, so that it can be repeated.
        for add_on in [BRIGADE, BOLT] {
            client.simple_query(&format!("SELECT * FROM set_cart_quantity('{user}', '{add_on}', 1)"))?;
        }
        let checkout =
            format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'sale', idempotency_key => 'only once')");
        let checkout_id = first(client, &checkout)?;
        self.sold.insert(user.to_owned(), checkout_id.clone());
        client.simple_query(&format!("SELECT * FROM complete_checkout('{checkout_id}', 'pi_{user}')"))?;
        self.completed.push(checkout_id);
        Ok(())
    }
}

fn sell_with_many(ledgers: &mut [Ledger], server: &Server, first: usize, count: usize, meanwhile: impl FnOnce()) {
    thread::scope(|scope| {
        for (seller, ledger) in ledgers.iter_mut().enumerate() {
            scope.spawn(move || ledger.sell(server, seller, first, count));
        }
        meanwhile();
    });
}

/// Makes commits wait until one of the standbys has them on disk.
fn be_synchronous(primary: &Server, standbys: &str) {
    let mut client = primary.connect("postgres");
    client.batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{standbys}'")).unwrap();
    client.batch_execute("ALTER SYSTEM SET synchronous_commit = 'on'").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    wait_until(&mut client, "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')", "t");
}

/// The standby that has received most: under ANY 1, everything acknowledged is there.
fn choose_successor(standbys: [Server; 2]) -> (Server, Server) {
    let received = standbys.each_ref().map(|standby| {
        let position = "SELECT pg_last_wal_receive_lsn() - '0/0'";
        text(&mut standby.connect("postgres"), position).unwrap().parse::<u64>().unwrap()
    });
    let [one, two] = standbys;
    if received[0] >= received[1] { (one, two) } else { (two, one) }
}

#[test]
fn a_failover_in_the_middle_of_checkouts_loses_nothing_that_was_acknowledged() {
    const SELLERS: usize = 6;
    let Cluster { primary, standbys } = Cluster::start();
    be_synchronous(&primary, "ANY 1 (one, two)");
    let mut ledgers: Vec<Ledger> = (0..SELLERS).map(|_| Ledger::default()).collect();
    sell_with_many(&mut ledgers, &primary, 0, usize::MAX / 2, || {
        thread::sleep(Duration::from_millis(1500));
        primary.control(&["-m", "immediate", "stop"]);
    });
    assert!(ledgers.iter().all(|ledger| ledger.in_doubt.is_some()), "every seller was in the middle of something");
    let sold: usize = ledgers.iter().map(|ledger| ledger.sold.len()).sum();
    assert!(sold >= SELLERS, "there was something to lose: {sold}");

    let (successor, other) = choose_successor(standbys);
    successor.control(&["promote"]);
    let mut client = successor.connect(DATABASE);
    for ledger in &ledgers {
        check_ledger(&mut client, ledger);
    }
    check_invariants(&mut client);

    // The other standby follows the new primary, and the sellers go on and repeat the requests in doubt.
    follow(&other, &successor);
    be_synchronous(&successor, "ANY 1 (one, two)");
    for ledger in &mut ledgers {
        let user = ledger.in_doubt.take().expect("it is in doubt");
        ledger.sell_to(&mut client, &user).expect("what is in doubt can be repeated");
        check_ledger(&mut client, ledger);
    }
    sell_with_many(&mut ledgers, &successor, 1_000_000, 5, || ());
    assert!(ledgers.iter().all(|ledger| ledger.in_doubt.is_none()));
    let lsn = text(&mut client, "SELECT pg_current_wal_flush_lsn()").unwrap();
    let mut standby = other.connect(DATABASE);
    wait_for_replay(&mut standby, &lsn);
    for client in [&mut client, &mut standby] {
        ledgers.iter().for_each(|ledger| check_ledger(client, ledger));
        check_invariants(client);
        let twice = "SELECT string_agg(user_id, ', ') FROM
                        (SELECT user_id FROM add_on_purchases GROUP BY user_id HAVING count(DISTINCT checkout_id) > 1) twice";
        assert_eq!(text(client, twice), None);
    }
    let total: usize = ledgers.iter().map(|ledger| ledger.completed.len()).sum();
    println!("failover: {sold} checkouts acknowledged before, {total} completed in the end");
}

/// Everything that was acknowledged to the seller is there.
fn check_ledger(client: &mut Client, ledger: &Ledger) {
    for (user, checkout_id) in &ledger.sold {
        let rows =
            format!("SELECT count(*) FROM add_on_purchases WHERE checkout_id = '{checkout_id}' AND user_id = '{user}'");
        assert_eq!(text(client, &rows).unwrap(), "2", "{user}: {checkout_id}");
    }
    for checkout_id in &ledger.completed {
        let rows = format!(
            "SELECT count(*) FROM add_on_purchases WHERE checkout_id = '{checkout_id}' AND status = 'completed'"
        );
        assert_eq!(text(client, &rows).unwrap(), "2", "{checkout_id}");
    }
}

/// Lets a standby stream from another primary.
fn follow(standby: &Server, primary: &Server) {
    let socket = primary.folder().display().to_string();
    let set = "SELECT regexp_replace(current_setting('primary_conninfo'), $r$host='?[^' ]*'?$r$, '')";
    let mut client = standby.connect("postgres");
    let connection = format!("{} host={socket}", text(&mut client, set).unwrap()).replace('\'', "''");
    client.batch_execute(&format!("ALTER SYSTEM SET primary_conninfo = '{connection}'")).unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    wait_until(
        &mut primary.connect("postgres"),
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'",
        "t",
    );
}
