//! Interrupted calls: an error, a timeout or a cancel at each row that a function writes, and cancels at any moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Server, business, invariants, rounds, text};
use postgres::Client;

use harness::writes::{WRITES, situation};

/// Fails at the row number in `faults.at`, counted from 1, in the way that `faults.how` names.
const STRIKE: &str = "
    CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        row_number int := current_setting('faults.count')::int + 1;
    BEGIN
        PERFORM set_config('faults.count', row_number::text, false);
        IF row_number = current_setting('faults.at')::int THEN
            IF current_setting('faults.how') = 'disk' THEN
                RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'no space';
            END IF;
            PERFORM pg_sleep(60);
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    DO $$
    DECLARE
        name text;
    BEGIN
        FOREACH name IN ARRAY '{add_ons,add_on_features,add_on_bundles,pricing_rules,promotional_codes,cart_items,add_on_purchases,
                                user_add_ons}'::text[] LOOP
            EXECUTE format('CREATE TRIGGER zz_strike BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION strike()', name);
        END LOOP;
    END $$;
    SET faults.at = 0; SET faults.count = 0; SET faults.how = 'disk'";

/// Calls a function that is interrupted at a row, in a subtransaction. Returns the SQLSTATE, or none if it writes
/// fewer rows.
fn struck(client: &mut Client, call: &str, at: u32) -> Option<String> {
    client.batch_execute(&format!("SET faults.at = {at}; SET faults.count = 0; BEGIN; SAVEPOINT before")).unwrap();
    let state = client.batch_execute(call).err().map(|error| {
        let error = error.as_db_error().unwrap_or_else(|| panic!("{call} broke the connection: {error}"));
        error.code().code().to_owned()
    });
    let end = if state.is_some() { "ROLLBACK TO before; COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).unwrap();
    state
}

/// Interrupts each function at each of its rows. Returns how often.
fn strike_everywhere(client: &mut Client, state: &str) -> u32 {
    let before = business::rows(client);
    let mut strikes = 0;
    for (name, call) in WRITES {
        for at in 1.. {
            let Some(found) = struck(client, call, at) else {
                assert!(at > 1, "{name} writes nothing");
                break;
            };
            assert_eq!(found, state, "{name} at row {at}");
            business::assert_same(&business::rows(client), &before);
            strikes += 1;
        }
    }
    // The same session completes everything in the end.
    client.batch_execute("SET faults.at = 0; SET statement_timeout = 0").unwrap();
    for (name, call) in WRITES {
        client.batch_execute("BEGIN").unwrap();
        client.batch_execute(call).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        client.batch_execute("ROLLBACK").unwrap();
    }
    business::assert_same(&business::rows(client), &before);
    invariants::check(client);
    strikes
}

#[test]
fn an_error_at_any_row_leaves_nothing_behind() {
    let mut client = situation("struck");
    client.batch_execute(STRIKE).unwrap();
    let strikes = strike_everywhere(&mut client, "53100");
    println!("{strikes} errors at {} functions", WRITES.len());
    assert!(strikes > 60, "{strikes}");
}

#[test]
fn a_timeout_at_any_row_leaves_nothing_behind() {
    let mut client = situation("timed out");
    client.batch_execute(STRIKE).unwrap();
    client.batch_execute("SET faults.how = 'sleep'; SET statement_timeout = 100").unwrap();
    let strikes = strike_everywhere(&mut client, "57014");
    println!("{strikes} timeouts in {} functions", WRITES.len());
}

/// Tells the thread that cancels when to stop.
#[derive(Default)]
struct Over(AtomicBool);

/// Sets it when it is dropped, even by a panic.
struct End<'a>(&'a Over);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// The minimum number of cancelled calls, on the newest PostgreSQL.
const CANCELS: usize = 400;

#[test]
fn a_cancel_at_any_moment_leaves_nothing_behind() {
    let mut client = situation("cancelled");
    let before = business::rows(&mut client);
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let is_over = Over::default();
    let mut cancelled = vec![0; WRITES.len()];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut canceller = Server::shared().connect("postgres");
            while !is_over.0.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_micros(random.u64(100..4_000)));
                canceller.query("SELECT pg_cancel_backend($1)", &[&backend]).unwrap();
            }
        });
        let _end = End(&is_over);
        let begun = Instant::now();
        let are_many = |cancelled: &[usize]| cancelled.iter().sum::<usize>() >= rounds(CANCELS);
        let is_enough = |cancelled: &[usize]| are_many(cancelled) && cancelled.iter().all(|times| *times > 0);
        while !is_enough(&cancelled) && begun.elapsed() < Duration::from_secs(90) {
            for (position, (name, call)) in WRITES.iter().enumerate() {
                // The shortest calls are missed most often.
                if are_many(&cancelled) && cancelled[position] > 0 {
                    continue;
                }
                // A cancel can hit any statement. A call outside a transaction would commit.
                if client.batch_execute("BEGIN").is_ok()
                    && let Err(error) = client.batch_execute(call)
                {
                    let error = error.as_db_error().unwrap_or_else(|| panic!("{name} broke the connection: {error}"));
                    assert_eq!(error.code().code(), "57014", "{name}: {error:?}");
                    cancelled[position] += 1;
                }
                while client.batch_execute("ROLLBACK").is_err() {}
            }
        }
    });
    // The last cancel may still be on its way.
    while text_or_cancelled(&mut client).is_none() {}
    println!("{} cancels", cancelled.iter().sum::<usize>());
    assert!(cancelled.iter().all(|times| *times > 0), "{cancelled:?}");
    business::assert_same(&business::rows(&mut client), &before);
    for (name, call) in WRITES {
        client.batch_execute("BEGIN").unwrap();
        client.batch_execute(call).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        client.batch_execute("ROLLBACK").unwrap();
    }
    invariants::check(&mut client);
    assert_eq!(text(&mut client, "SELECT cart_total('ada') > 0").as_deref(), Some("t"));
}

fn text_or_cancelled(client: &mut Client) -> Option<()> {
    client.batch_execute("SELECT pg_sleep(0.1)").ok()
}
