//! Very long sessions: repeated reads take no more memory.

use std::fs;
use std::time::Instant;

use harness::reads::READS;
use harness::{marketplace, rounds, text};
use postgres::Client;

/// The maximum number of calls of a read; `MEMORY_CALLS=1000000` for the figure of docs/reliability.md.
const CALLS: usize = 1_000;

/// The tolerance for chance, in bytes.
const SLACK: i64 = 1 << 16;

/// The allocator keeps some memory that was used once, up to a limit. A leak grows in every round.
const ROUNDS: usize = 5;

/// The memory of a session: that of its contexts, and its own resident memory without the pages of the shared
/// buffers.
fn memory(client: &mut Client) -> (i64, i64) {
    // The first look makes contexts of its own.
    let query = "SELECT sum(total_bytes) FROM pg_backend_memory_contexts";
    text(client, query);
    let contexts = text(client, query).unwrap().parse().unwrap();
    let backend = text(client, "SELECT pg_backend_pid()").unwrap();
    let status = fs::read_to_string(format!("/proc/{backend}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes: i64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (contexts, kilobytes * 1024)
}

/// Calls a read many times, in one transaction or in one each.
fn call(client: &mut Client, read: &str, times: usize, commit: bool) {
    let query = read.replace('\'', "''");
    let end = if commit { "COMMIT;" } else { "" };
    // As a SELECT in a cursor loop does it: everything is fetched.
    let body = format!(
        "DO 'DECLARE r record; BEGIN FOR i IN 1..{times} LOOP FOR r IN {query} LOOP END LOOP; {end} END LOOP; END'"
    );
    client.batch_execute(&body).unwrap_or_else(|error| panic!("{read}: {error:?}"));
}

/// The number of calls of each kind that are compared: as many as asked for, or as half a second allows. A call that takes long does
/// more, so it would leak more, and need not be repeated as often.
fn enough(client: &mut Client, read: &str) -> usize {
    if let Ok(calls) = std::env::var("MEMORY_CALLS") {
        return calls.parse::<usize>().expect("MEMORY_CALLS is a number") / 2;
    }
    let tries = 5;
    let begun = Instant::now();
    call(client, read, tries, false);
    let affordable = tries as f64 * 0.5 / begun.elapsed().as_secs_f64();
    (affordable as usize).clamp(50, rounds(CALLS))
}

#[test]
fn reading_again_and_again_takes_no_more_memory() {
    let mut client = marketplace("memory");
    client
        .batch_execute(
            "SELECT count(*) FROM generate_series(1, 3) n, add_ons a, add_to_cart('ada', a.id, 1);
             SELECT count(*) FROM generate_series(1, 3) n, add_ons a, add_to_cart('bob', a.id, 1);
             SELECT count(*) FROM checkout('bob', allow_mixed_billing => true);
             INSERT INTO user_add_ons (user_id, add_on_id) SELECT 'ada', id FROM add_ons",
        )
        .unwrap();
    for read in READS {
        let calls = enough(&mut client, read);
        for commit in [false, true] {
            // Permanent allocations are made after some calls.
            call(&mut client, read, calls.min(200), commit);
            if !commit {
                client.batch_execute("BEGIN").unwrap();
                call(&mut client, read, calls.min(200), commit);
            }
            let kind = if commit { "each its transaction" } else { "one transaction" };
            let is_flat = (0..ROUNDS).any(|_| {
                let (contexts, resident) = memory(&mut client);
                call(&mut client, read, calls, commit);
                let (more_contexts, more_resident) = memory(&mut client);
                let (grown, grown_resident) = (more_contexts - contexts, more_resident - resident);
                println!("{calls} calls, {kind}: {grown} bytes in contexts, {grown_resident} resident: {read}");
                grown < SLACK && grown_resident < SLACK
            });
            if !commit {
                client.batch_execute("COMMIT").unwrap();
            }
            assert!(is_flat, "every {calls} calls, {kind}, take more memory: {read}");
        }
    }
}
