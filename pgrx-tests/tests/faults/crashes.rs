//! Servers that are killed during sales.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Server, invariants, rounds};
use postgres::Client;

/// The number of checkouts made while the server is repeatedly killed; `CHECKOUTS=10000` for the figure of
/// docs/reliability.md.
fn checkouts() -> usize {
    std::env::var("CHECKOUTS").map_or_else(|_| rounds(2_000), |count| count.parse().unwrap())
}

const CLIENTS: usize = 16;
const BACKENDS_KILLED: usize = 8;
const SERVERS_KILLED: usize = 4;

/// What the clients were told.
#[derive(Default)]
struct Acknowledged {
    /// Checkouts, with the number of their lines.
    sold: BTreeMap<String, i64>,
    completed: BTreeSet<String>,
    failed: BTreeSet<String>,
    /// Purchases, with what was paid back.
    refunded: BTreeMap<String, String>,
}

/// Sends a signal to a process of our own server.
fn signal(process: i32, signal: i32) {
    // SAFETY: this is a system call; a process that has ended meanwhile is no harm.
    unsafe { libc::kill(process, signal) };
}

fn postmaster(server: &Server) -> i32 {
    let file = std::fs::read_to_string(server.data().join("postmaster.pid")).expect("it runs");
    file.lines().next().unwrap().parse().unwrap()
}

/// One shopper's life, as long as the server lives. Everything is recorded once it was acknowledged.
fn shop(client: &mut Client, user: &str, acknowledged: &Mutex<Acknowledged>) -> Result<(), postgres::Error> {
    let lines = 1 + fastrand::i64(0..4);
    let choose = "SELECT count(*) FROM (SELECT id FROM add_ons ORDER BY random() LIMIT $2) a, add_to_cart($1, a.id, 1)";
    client.query(choose, &[&user, &lines])?;
    let code = fastrand::bool().then_some("launch2025");
    let sell = "SELECT checkout_id::text, purchase_id::text, amount::text FROM checkout($1, promo_code => $2, allow_mixed_billing => true)";
    let sold = client.query(sell, &[&user, &code])?;
    let checkout: String = sold[0].get(0);
    acknowledged.lock().unwrap().sold.insert(checkout.clone(), sold.len() as i64);
    if fastrand::u8(0..10) == 0 {
        client.query("SELECT fail_checkout($1::text::uuid)", &[&checkout])?;
        acknowledged.lock().unwrap().failed.insert(checkout);
        return Ok(());
    }
    client.query("SELECT complete_checkout($1::text::uuid, 'pi_' || $1)", &[&checkout])?;
    acknowledged.lock().unwrap().completed.insert(checkout);
    if fastrand::u8(0..5) == 0 {
        let purchase: String = sold[0].get(1);
        let back = client.query_one("SELECT refund_purchase($1::text::uuid)::text", &[&purchase])?;
        acknowledged.lock().unwrap().refunded.insert(purchase, back.get(0));
    }
    Ok(())
}

/// Kills backends, and sometimes the whole server, while the clients sell.
fn kill(server: &Server, sold: &AtomicUsize) {
    let every = checkouts() / (BACKENDS_KILLED + SERVERS_KILLED + 1);
    for round in 1..=BACKENDS_KILLED + SERVERS_KILLED {
        while sold.load(Ordering::Relaxed) < round * every {
            thread::sleep(Duration::from_millis(2));
        }
        if round % 3 == 0 {
            signal(postmaster(server), libc::SIGKILL);
            restart(server);
        } else {
            let busy = "SELECT pid FROM pg_stat_activity
                         WHERE datname = 'marketplace' AND pid <> pg_backend_pid() ORDER BY state = 'active' DESC, random() LIMIT 1";
            signal(server.connect_after_crash("marketplace").query_one(busy, &[]).unwrap().get(0), libc::SIGKILL);
        }
    }
}

/// Starts the server again as soon as the last child of the killed postmaster has exited.
fn restart(server: &Server) {
    let begun = Instant::now();
    let data = server.data();
    let start = || {
        let mut command = server.command("pg_ctl");
        command.args(["-w", "-s", "-D", data.to_str().unwrap(), "-l"]).arg(server.folder().join("log")).arg("start");
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap().success()
    };
    while !start() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server does not start again");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Tests the harness itself: an unannounced crash fails the test in which it happens.
#[test]
fn a_crash_that_no_test_meant_is_noticed() {
    let server = Server::start("restart_after_crash = on");
    server.create_database("marketplace");
    let (mut victim, mut other) =
        (server.connect_after_crash("marketplace"), server.connect_after_crash("marketplace"));
    let victim: i32 = victim.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    signal(victim, libc::SIGKILL);
    while other.simple_query("SELECT 1").is_ok() {
        thread::sleep(Duration::from_millis(20));
    }
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    let told = ended.expect_err("the crash is noticed").downcast::<String>().unwrap();
    assert!(told.contains(&format!("(PID {victim}) was terminated by signal 9")), "{told}");
}

#[test]
fn acknowledged_sales_survive_crashes() {
    let server = Server::start("restart_after_crash = on\nlog_min_messages = fatal\n");
    server.expect_kills();
    server.create_database("marketplace");
    let mut client = server.connect_after_crash("marketplace");
    client
        .batch_execute(
            "CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog();
             UPDATE promotional_codes SET max_uses = 1000000 WHERE code = 'LAUNCH2025'",
        )
        .unwrap();
    let (acknowledged, sold, broken) = (Mutex::default(), AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, acknowledged, sold, broken) = (&server, &acknowledged, &sold, &broken);
            scope.spawn(move || {
                let mut client = server.connect_after_crash("marketplace");
                let mut order = 0;
                while sold.load(Ordering::Relaxed) < checkouts() {
                    order += 1;
                    match shop(&mut client, &format!("shopper {number} {order}"), acknowledged) {
                        Ok(()) => drop(sold.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => {
                            let state = error.code().map(|code| code.code().to_owned());
                            let is_end =
                                state.as_deref().is_none_or(|state| ["57P01", "57P02", "57P03"].contains(&state));
                            assert!(is_end, "{error:?}");
                            broken.fetch_add(1, Ordering::Relaxed);
                            client = server.connect_after_crash("marketplace");
                        }
                    }
                }
            });
        }
        kill(&server, &sold);
    });
    let acknowledged: Acknowledged = acknowledged.into_inner().unwrap();
    println!(
        "{} checkouts acknowledged in {:.0?}, {BACKENDS_KILLED} backends and {SERVERS_KILLED} servers killed, {} calls cut off",
        acknowledged.sold.len(),
        begun.elapsed(),
        broken.load(Ordering::Relaxed)
    );
    check(&mut server.connect_after_crash("marketplace"), &acknowledged);
}

/// Everything that was acknowledged is there, and all of it is consistent.
fn check(client: &mut Client, acknowledged: &Acknowledged) {
    let mut found: BTreeMap<String, (i64, BTreeSet<String>)> = BTreeMap::new();
    let mut refunds: BTreeMap<String, String> = BTreeMap::new();
    for row in client
        .query("SELECT checkout_id::text, id::text, status::text, refund_amount::text FROM add_on_purchases", &[])
        .unwrap()
    {
        let checkout = found.entry(row.get(0)).or_default();
        checkout.0 += 1;
        checkout.1.insert(row.get(2));
        refunds.insert(row.get(1), row.get(3));
    }
    for (checkout, lines) in &acknowledged.sold {
        assert_eq!(found.get(checkout).map(|found| found.0), Some(*lines), "{checkout} was acknowledged");
    }
    let paid = BTreeSet::from(["completed".to_owned(), "refunded".to_owned()]);
    for checkout in &acknowledged.completed {
        assert!(found[checkout].1.is_subset(&paid), "{checkout} was completed: {:?}", found[checkout]);
    }
    for checkout in &acknowledged.failed {
        assert_eq!(found[checkout].1, BTreeSet::from(["failed".to_owned()]));
    }
    for (purchase, back) in &acknowledged.refunded {
        assert_eq!(&refunds[purchase], back, "{purchase} was refunded");
    }
    invariants::check(client);
}
