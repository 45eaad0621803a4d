//! Metered features by many clients at once, through crashes, in prepared transactions and on a standby.
//!
//! On a preview too, because rows are locked by many at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::clients::{Answer, ISOLATION_LEVELS, Session, allowed, ask, at_once};
use harness::{Server, add_on, marketplace, text};
use postgres::Client;

const CLIENTS: usize = 32;

/// Gives users an add-on with this many credits, without a period.
fn give(client: &mut Client, users: &[String], limit: i64) {
    client
        .execute(
            "INSERT INTO add_on_features (add_on_id, feature_key, configuration)
             SELECT id, 'credits', jsonb_build_object('limit', $1::bigint, 'per', 'ever') FROM add_ons WHERE name = 'Bolt'
             ON CONFLICT ON CONSTRAINT add_on_features_add_on_feature_key DO UPDATE SET configuration = excluded.configuration",
            &[&limit],
        )
        .unwrap();
    let bolt = add_on(client, "Bolt");
    client.execute("SELECT grant_add_on(u, $2) FROM unnest($1::text[]) u", &[&users, &bolt]).unwrap();
}

fn ada() -> Vec<String> {
    vec!["ada".to_owned()]
}

fn used(client: &mut Client, user: &str) -> String {
    text(client, &format!("SELECT used FROM feature_usage('{user}', 'credits')")).unwrap()
}

#[test]
fn the_last_units_are_used_once() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("last {isolation}");
        let mut client = marketplace(&database);
        give(&mut client, &ada(), 7);
        let answers = at_once(&database, isolation, CLIENTS, |_| {
            "SELECT allowed FROM consume_feature('ada', 'credits')".to_owned()
        });
        assert_eq!(allowed(&answers), 7, "{isolation}: {answers:?}");
        assert_eq!(used(&mut client, "ada"), "7");
        // The amount does not divide evenly: of ten units, at most three calls for three each get any.
        give(&mut client, &["bob".to_owned()], 10);
        let answers = at_once(&database, isolation, CLIENTS, |_| {
            "SELECT allowed FROM consume_feature('bob', 'credits', 3)".to_owned()
        });
        assert_eq!(allowed(&answers), 3, "{isolation}");
        assert_eq!(used(&mut client, "bob"), "9");
    }
}

#[test]
fn units_of_several_add_ons_are_used_once() {
    let mut client = marketplace("several");
    give(&mut client, &ada(), 10);
    client
        .batch_execute(
            r#"INSERT INTO add_on_features (add_on_id, feature_key, configuration)
               SELECT id, 'credits', '{"limit": 5, "per": "day"}' FROM add_ons WHERE name IN ('Brigade', 'Presenton');
               SELECT grant_add_on('ada', id) FROM add_ons WHERE name IN ('Brigade', 'Presenton')"#,
        )
        .unwrap();
    // Some use units and some give them back, in rows of three add-ons, without deadlocks.
    let answers = at_once("several", "read committed", CLIENTS, |number| match number % 4 {
        3 => "SELECT NOT allowed FROM release_feature('ada', 'credits', 1)".to_owned(),
        _ => "SELECT allowed FROM consume_feature('ada', 'credits', 2)".to_owned(),
    });
    assert!(answers.iter().all(Answer::is_ok), "{answers:?}");
    let taken = 2 * allowed(&answers) as i64;
    let left: i64 = used(&mut client, "ada").parse().unwrap();
    assert!((taken - 8..=taken).contains(&left) && left <= 20, "{left} of {taken} taken");
}

#[test]
fn users_do_not_wait_for_each_other() {
    let mut client = marketplace("apart");
    let users: Vec<String> = (0..CLIENTS).map(|number| format!("user {number}")).collect();
    give(&mut client, &users, 100);
    // One transaction of each user is open at the same time, and no other user's call waits for it.
    let mut open: Vec<Client> = users
        .iter()
        .map(|user| {
            let mut client = Server::shared().connect("apart");
            client.batch_execute("SET lock_timeout = '2s'; BEGIN").unwrap();
            let call = format!("SELECT allowed FROM consume_feature('{user}', 'credits', 60)");
            assert_eq!(text(&mut client, &call).as_deref(), Some("t"), "{user}");
            client
        })
        .collect();
    for (number, client) in open.iter_mut().enumerate() {
        client.batch_execute(if number % 2 == 0 { "COMMIT" } else { "ROLLBACK" }).unwrap();
        assert_eq!(used(client, &users[number]), if number % 2 == 0 { "60" } else { "0" });
    }
    // Nor does the rest of the user's shop: a cart is filled and sold while a call of the same user is not yet committed.
    let mut working = Session::new("apart", "read committed");
    working.step("BEGIN").unwrap();
    working.step("SELECT allowed FROM consume_feature('user 0', 'credits')").unwrap();
    let brigade = add_on(&mut client, "Brigade");
    let sell = format!(
        "SET lock_timeout = '2s'; SELECT count(*) FROM add_to_cart('user 0', '{brigade}');
         SELECT count(*) FROM checkout('user 0')"
    );
    assert!(ask(&mut client, &sell).is_ok());
    working.step("COMMIT").unwrap();
}

#[test]
fn a_key_counts_once_whoever_comes_first() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("keys {isolation}");
        let mut client = marketplace(&database);
        give(&mut client, &ada(), 100);
        let answers = at_once(&database, isolation, 10, |_| {
            "SELECT used FROM consume_feature('ada', 'credits', 4, 'the job')".to_owned()
        });
        assert!(answers.iter().all(|answer| *answer == Ok(Some("4".to_owned()))), "{isolation}: {answers:?}");
        assert_eq!(used(&mut client, "ada"), "4");
    }
}

#[test]
fn a_waiting_call_counts_on_the_latest_row() {
    let mut client = marketplace("waiting");
    give(&mut client, &ada(), 10);
    let call = "SELECT allowed FROM consume_feature('ada', 'credits', 6)";
    for (end, answer) in [("COMMIT", "f"), ("ROLLBACK", "t")] {
        client.batch_execute("SELECT set_feature_usage('ada', 'credits', 0)").unwrap();
        let mut first = Session::new("waiting", "read committed");
        let mut second = Session::new("waiting", "read committed");
        first.step("BEGIN").unwrap();
        assert_eq!(first.step(call), Ok(Some("t".to_owned())));
        let waiting = second.waits(call);
        first.step(end).unwrap();
        assert_eq!(waiting.answer(), Ok(Some(answer.to_owned())), "{end}");
    }
    // The same where the add-on is lost meanwhile.
    client.batch_execute("SELECT set_feature_usage('ada', 'credits', 0)").unwrap();
    let mut first = Session::new("waiting", "read committed");
    let mut second = Session::new("waiting", "read committed");
    first.step("BEGIN").unwrap();
    first.step("UPDATE user_add_ons SET status = 'suspended' WHERE user_id = 'ada'").unwrap();
    let waiting = second.waits(call);
    first.step("COMMIT").unwrap();
    assert_eq!(waiting.answer(), Ok(Some("f".to_owned())));
}

#[test]
fn a_prepared_transaction_keeps_its_units() {
    let mut client = marketplace("prepared");
    give(&mut client, &ada(), 10);
    let call = "SELECT allowed FROM consume_feature('ada', 'credits', 6)";
    for (end, answer, left) in [("COMMIT", "f", "6"), ("ROLLBACK", "t", "6")] {
        client.batch_execute("SELECT set_feature_usage('ada', 'credits', 0)").unwrap();
        let mut first = Session::new("prepared", "read committed");
        first.step("BEGIN").unwrap();
        assert_eq!(first.step(call), Ok(Some("t".to_owned())));
        first.step("PREPARE TRANSACTION 'units'").unwrap();
        let mut second = Session::new("prepared", "read committed");
        let waiting = second.waits(call);
        client.batch_execute(&format!("{end} PREPARED 'units'")).unwrap();
        assert_eq!(waiting.answer(), Ok(Some(answer.to_owned())), "{end}");
        assert_eq!(used(&mut client, "ada"), left, "{end}");
    }
}

#[test]
fn a_period_begins_in_open_and_prepared_transactions_too() {
    let mut client = marketplace("periods");
    give(&mut client, &ada(), 10);
    client
        .batch_execute(
            r#"UPDATE add_on_features SET configuration = '{"limit": 10, "per": "day"}' WHERE feature_key = 'credits'"#,
        )
        .unwrap();
    let call = "SELECT allowed FROM consume_feature('ada', 'credits', 6)";
    // As though that had been yesterday: the transaction is prepared before the day ends, and committed after.
    let yesterday =
        "UPDATE user_add_ons SET usage = jsonb_set(usage, '{credits,at}', to_jsonb(now() - interval '1 day'))";
    let mut first = Session::new("periods", "read committed");
    first.step("BEGIN").unwrap();
    assert_eq!(first.step(call), Ok(Some("t".to_owned())));
    first.step(yesterday).unwrap();
    first.step("PREPARE TRANSACTION 'yesterday'").unwrap();
    let mut second = Session::new("periods", "read committed");
    let waiting = second.waits(call);
    client.batch_execute("COMMIT PREPARED 'yesterday'").unwrap();
    assert_eq!(waiting.answer(), Ok(Some("t".to_owned())));
    assert_eq!(used(&mut client, "ada"), "6");
    // A transaction that is open when the day ends counts in the new day, and never reopens the old one: here the
    // last count is already of tomorrow.
    let tomorrow =
        "UPDATE user_add_ons SET usage = jsonb_set(usage, '{credits,at}', to_jsonb(now() + interval '1 day'))";
    client.batch_execute(tomorrow).unwrap();
    assert_eq!(ask(&mut client, call), Ok(Some("f".to_owned())));
    assert_eq!(text(&mut client, "SELECT used FROM consume_feature('ada', 'credits', 4)").as_deref(), Some("10"));
}

#[test]
fn a_crash_loses_no_acknowledged_unit_and_counts_none_twice() {
    const WORKERS: usize = 6;
    // The last hundred keys are remembered. Without a pause, the others could use as many before a client that was cut off
    // is back.
    const PAUSE: Duration = Duration::from_millis(10);
    let server = Server::start("");
    server.create_database("crash");
    let mut client = server.connect("crash");
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    give(&mut client, &ada(), 1_000_000);
    let acknowledged = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (server, acknowledged, is_over) = (&server, &acknowledged, &is_over);
            scope.spawn(move || {
                let mut number = 0;
                let mut client = server.connect_after_crash("crash");
                while !is_over.load(Ordering::Relaxed) {
                    number += 1;
                    let key = format!("{worker}/{number}");
                    // A client that does not know how a call ended repeats it.
                    while let Err(error) = count(&mut client, &key) {
                        assert!(error.as_db_error().is_none_or(|error| error.code().code() == "57P01"), "{error:?}");
                        client = server.connect_after_crash("crash");
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(PAUSE);
                }
            });
        }
        for _ in 0..4 {
            thread::sleep(Duration::from_millis(400));
            server.control(&["stop", "-m", "immediate"]);
            server.control(&["start"]);
        }
        thread::sleep(Duration::from_millis(200));
        is_over.store(true, Ordering::Relaxed);
    });
    let acknowledged = acknowledged.into_inner();
    assert!(acknowledged > 100, "only {acknowledged} were acknowledged");
    assert_eq!(used(&mut server.connect_after_crash("crash"), "ada"), acknowledged.to_string());
}

/// Uses a unit under a key.
fn count(client: &mut Client, key: &str) -> Result<(), postgres::Error> {
    let row = client.query_one("SELECT allowed FROM consume_feature('ada', 'credits', 1, $1)", &[&key])?;
    assert!(row.get::<_, bool>(0), "{key}");
    Ok(())
}

#[test]
fn a_standby_tells_what_is_used_and_lets_nothing_be_used() {
    let primary = Server::start("");
    primary.create_database("usage");
    let mut client = primary.connect("usage");
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    give(&mut client, &ada(), 10);
    let standby = Server::standby_of(&primary, "usage");
    client.batch_execute("SELECT consume_feature('ada', 'credits', 7)").unwrap();
    let mut reader = standby.connect("usage");
    let begun = Instant::now();
    while used(&mut reader, "ada") != "7" {
        assert!(begun.elapsed() < Duration::from_secs(30), "the standby does not catch up");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(text(&mut reader, "SELECT count(*) FROM feature_usage('ada')").as_deref(), Some("4"));
    for call in [
        "consume_feature('ada', 'credits', 1)",
        "release_feature('ada', 'credits', 1)",
        "set_feature_usage('ada', 'credits', 1)",
    ] {
        let refused = ask(&mut reader, &format!("SELECT {call}")).unwrap_err();
        assert_eq!(refused.0, "25006", "{call}: {}", refused.1);
    }
}

#[test]
fn counting_writes_beside_the_row_and_touches_no_index() {
    // Alone on its server: PostgreSQL keeps old versions as long as transactions last that began before, of whatever
    // database.
    let server = Server::start("");
    server.create_database("hot");
    let mut client = server.connect("hot");
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    give(&mut client, &ada(), 1_000);
    for number in 0..300 {
        client.batch_execute(&format!("SELECT consume_feature('ada', 'credits', 1, 'job {number}')")).unwrap();
    }
    client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    // A page can be full for a moment.
    let written =
        "SELECT n_tup_upd = 300 AND n_tup_hot_upd > 280 FROM pg_stat_user_tables WHERE relname = 'user_add_ons'";
    assert_eq!(text(&mut client, written).as_deref(), Some("t"));
    let size = "SELECT pg_relation_size('user_add_ons') <= 8192 * 8 AND pg_relation_size(reltoastrelid) = 0
                  FROM pg_class WHERE oid = 'user_add_ons'::regclass";
    assert_eq!(text(&mut client, size).as_deref(), Some("t"), "the keys leave the row whole, and it stays where it is");
}

#[test]
fn a_parallel_query_may_ask_of_everybody() {
    let mut client = marketplace("parallel");
    let users: Vec<String> = (0..200).map(|number| format!("user {number}")).collect();
    give(&mut client, &users, 10);
    let force = if harness::paths::major() < 16 { "force_parallel_mode" } else { "debug_parallel_query" };
    client
        .batch_execute(&format!(
            "SELECT consume_feature(u, 'credits', 3) FROM (SELECT DISTINCT user_id FROM user_add_ons) x (u);
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
             SET {force} = on",
        ))
        .unwrap();
    let sum = "SELECT sum(f.remaining) FROM user_add_ons u CROSS JOIN LATERAL feature_usage(u.user_id, 'credits') f";
    assert_eq!(text(&mut client, sum).as_deref(), Some("1400"));
}

/// Counting updates the row without a plan if nothing else takes part. Anything that a host puts on the table takes
/// effect from the next call on, even in sessions that have counted before.
#[test]
fn triggers_of_the_host_fire_at_every_count() {
    let mut client = marketplace("say");
    let mut owner = Server::shared().connect("say");
    give(&mut client, &ada(), 1_000);
    let count = "SELECT used FROM consume_feature('ada', 'credits')";
    let stamped = "SELECT updated_at = now() FROM user_add_ons WHERE user_id = 'ada'";
    let count_and_look = |client: &mut Client, look: &str| {
        client.batch_execute("BEGIN").unwrap();
        let used = text(client, count).unwrap();
        let seen = text(client, look);
        client.batch_execute("COMMIT").unwrap();
        (used, seen)
    };
    let told = |used: &str, seen: &str| (used.to_owned(), Some(seen.to_owned()));
    assert_eq!(count_and_look(&mut client, stamped), told("1", "t"));

    for (used, timing) in [("2", "BEFORE UPDATE"), ("3", "AFTER UPDATE OF usage")] {
        owner
            .batch_execute(&format!(
                "CREATE TABLE IF NOT EXISTS log (used text);
                 CREATE OR REPLACE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO log VALUES (NEW.usage -> 'credits' ->> 'used'); RETURN NEW; END $$;
                 CREATE TRIGGER a_log {timing} ON user_add_ons FOR EACH ROW EXECUTE FUNCTION log()"
            ))
            .unwrap();
        assert_eq!(count_and_look(&mut client, "SELECT max(used) FROM log"), told(used, used), "{timing}");
        owner.batch_execute("DROP TRIGGER a_log ON user_add_ons").unwrap();
    }
    owner.batch_execute("ALTER TABLE user_add_ons DISABLE TRIGGER update_user_add_ons_updated_at").unwrap();
    assert_eq!(count_and_look(&mut client, stamped), told("4", "f"));
    owner.batch_execute("ALTER TABLE user_add_ons ENABLE TRIGGER update_user_add_ons_updated_at").unwrap();
    assert_eq!(count_and_look(&mut client, stamped), told("5", "t"));
    owner
        .batch_execute(
            "ALTER TABLE user_add_ons ADD COLUMN so_far numeric GENERATED ALWAYS AS ((usage -> 'credits' -> 'used')::numeric) STORED",
        )
        .unwrap();
    assert_eq!(count_and_look(&mut client, "SELECT so_far FROM user_add_ons"), told("6", "6"));
    owner.batch_execute("ALTER TABLE user_add_ons DROP COLUMN so_far").unwrap();
    owner
        .batch_execute(
            "CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN NEW.updated_at := '2020-02-02'; RETURN NEW; END $$",
        )
        .unwrap();
    let of_host = "SELECT updated_at = '2020-02-02' FROM user_add_ons WHERE user_id = 'ada'";
    assert_eq!(count_and_look(&mut client, of_host), told("7", "t"));
    owner
        .batch_execute("ALTER TABLE user_add_ons ADD CONSTRAINT few CHECK (coalesce((usage -> 'credits' -> 'used')::numeric, 0) <= 8)")
        .unwrap();
    assert_eq!(count_and_look(&mut client, of_host), told("8", "t"));
    assert_eq!(ask(&mut client, count).unwrap_err().0, "23514");
    assert_eq!(used(&mut client, "ada"), "8");
}

/// Counts of the transaction itself are included, and are undone when their part of the transaction is.
#[test]
fn a_transaction_counts_on_what_it_has_written_itself() {
    let mut client = marketplace("own");
    give(&mut client, &ada(), 10);
    client.batch_execute("BEGIN; SELECT consume_feature('ada', 'credits', 4); SAVEPOINT here").unwrap();
    assert_eq!(text(&mut client, "SELECT used FROM consume_feature('ada', 'credits', 5, 'key')").as_deref(), Some("9"));
    assert_eq!(text(&mut client, "SELECT allowed FROM consume_feature('ada', 'credits', 2)").as_deref(), Some("f"));
    client.batch_execute("ROLLBACK TO here").unwrap();
    assert_eq!(text(&mut client, "SELECT used FROM consume_feature('ada', 'credits', 5, 'key')").as_deref(), Some("9"));
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(used(&mut client, "ada"), "0");
    let several = "SELECT string_agg(c.used::text, ' ')
                     FROM generate_series(1, 4) i, LATERAL consume_feature('ada', 'credits', 3 + i - i) c";
    assert_eq!(text(&mut client, several).as_deref(), Some("3 6 9 9"));
}

/// If a page has no room for the row, the new version is stored elsewhere, and every index leads to it.
#[test]
fn rows_that_move_are_found_by_every_index() {
    let mut client = marketplace("moved");
    let users: Vec<String> = (0..600).map(|number| format!("user {number}")).collect();
    client.batch_execute("ALTER TABLE user_add_ons SET (fillfactor = 100)").unwrap();
    give(&mut client, &users, 10);
    client
        .batch_execute(
            "UPDATE user_add_ons SET expires_at = 'infinity'; CREATE TEMP TABLE copied AS SELECT id FROM user_add_ons",
        )
        .unwrap();
    client.batch_execute("VACUUM FULL user_add_ons").unwrap();
    for _ in 0..3 {
        let each = "SELECT count(*) FROM unnest($1::text[]) u, LATERAL consume_feature(u, 'credits') c WHERE c.allowed";
        assert_eq!(client.query_one(each, &[&users]).unwrap().get::<_, i64>(0), 600);
    }
    client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    let moved = "SELECT n_tup_upd - n_tup_hot_upd > 50 FROM pg_stat_user_tables WHERE relname = 'user_add_ons'";
    assert_eq!(text(&mut client, moved).as_deref(), Some("t"), "the test moves no rows");
    let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'user_add_ons'::regclass";
    assert_eq!(text(&mut client, indexes).as_deref(), Some("6"), "each is asked below");
    client.batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off").unwrap();
    for condition in [
        "user_id IN (SELECT u FROM unnest($1::text[]) u) AND add_on_id = $2",
        "id IN (SELECT id FROM copied)",
        "status = 'active' AND user_id IN (SELECT u FROM unnest($1::text[]) u)",
        "add_on_id = $2 AND status = 'active'",
        "status = 'active' AND expires_at <= 'infinity'",
    ] {
        let found = format!(
            "SELECT count(*), sum((usage -> 'credits' -> 'used')::int) FROM user_add_ons
              WHERE {condition} AND ($1::text[] IS NOT NULL) AND ($2::uuid IS NOT NULL)"
        );
        let bolt = add_on(&mut client, "Bolt");
        let row = client.query_one(&found, &[&users, &bolt]).unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, Option<i64>>(1)), (600, Some(1800)), "{condition}");
    }
}
