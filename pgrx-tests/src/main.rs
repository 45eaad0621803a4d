//! Runs every suite on every given PostgreSQL and prints a table of the results: `harness 15 16 17 18`. Together with
//! other versions, [`PREVIEW`] runs only a few suites.
//!
//! One thread builds the extension for one version after the other, because Cargo locks its target folder. Other
//! threads run the suites of versions that are built, [`SUITES_AT_ONCE`] at a time whatever their version: suites
//! wait more than they compute, and each has its own servers. Suites that need the machine alone come last, one by
//! one.

mod outcome;
mod suites;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use harness::{NEWEST, PREVIEW, paths};
use outcome::Outcome;
use suites::Suite;

const SUITES_AT_ONCE: usize = 3;

/// The engine's tests. They use no PostgreSQL, so they run once.
const ENGINE: &str = "engine";

/// The tests that run inside a server. They run before the build, because they install a library of their own.
const INSIDE: &str = "pg_test";
const BUILD: &str = "build";

/// The results of suites, by name and version.
#[derive(Default)]
struct Table(Mutex<BTreeMap<(String, u32), Outcome>>);

impl Table {
    /// Runs a suite and records its result. Returns whether it passed.
    fn add(&self, name: &str, major: u32, command: std::process::Command) -> bool {
        let outcome = outcome::of(name, major, command);
        let is_good = outcome.is_good;
        self.0.lock().expect("no thread panics").insert((name.to_owned(), major), outcome);
        is_good
    }

    /// Prints a row for each of these suites.
    fn print<'a>(&self, rows: impl Iterator<Item = &'a str>, majors: &[u32]) {
        let outcomes = self.0.lock().expect("no thread panics");
        let cell = |name: &str, major| {
            let outcome = outcomes.get(&(name.to_owned(), major));
            outcome.map_or_else(|| "not run".to_owned(), ToString::to_string)
        };
        let title = |&major: &u32| if major == 0 { String::new() } else { format!("PostgreSQL {major}") };
        let header: String = majors.iter().map(|major| format!("{:>20}", title(major))).collect();
        println!("\n{}", format!("{:14}{header}", "").trim_end());
        for name in rows {
            let row: String = majors.iter().map(|&major| format!("{:>20}", cell(name, major))).collect();
            println!("{name:14}{row}");
        }
    }

    /// Whether every required suite passed.
    fn is_good(&self, is_asked_for: impl Fn(u32) -> bool) -> bool {
        let outcomes = self.0.lock().expect("no thread panics");
        outcomes.iter().all(|((_, major), outcome)| outcome.is_good || !is_asked_for(*major))
    }
}

fn main() -> ExitCode {
    let mut majors: Vec<u32> = std::env::args().skip(1).filter_map(|major| major.parse().ok()).collect();
    if majors.len() > 1 && majors.contains(&PREVIEW) && !paths::is_there(PREVIEW) {
        println!("==> PostgreSQL {PREVIEW} is not released, and could not be fetched: it is NOT tested");
        majors.retain(|&major| major != PREVIEW);
    }
    assert!(!majors.is_empty(), "say which versions of PostgreSQL: harness 15 16 17 18");
    // Missing servers are found before anything runs.
    majors.iter().for_each(|&major| drop(paths::programs(major)));
    let begun = Instant::now();
    let suites = suites::compiled();
    let table = Table::default();
    run(&suites, &majors, &table);
    table.print([ENGINE].into_iter(), &[0]);
    table.print([INSIDE, BUILD].into_iter().chain(suites.iter().map(|suite| suite.name.as_str())), &majors);
    let is_good = table.is_good(|major| major != PREVIEW || majors == [PREVIEW]);
    if is_good && !table.is_good(|_| true) {
        println!("\nSomething failed on PostgreSQL {PREVIEW}, which is not released: that breaks nothing");
    }
    let took = begun.elapsed().as_secs();
    println!("\n{} in {}:{:02}", if is_good { "All is well" } else { "Something FAILED" }, took / 60, took % 60);
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(suites: &[Suite], majors: &[u32], table: &Table) {
    let (sender, ready) = mpsc::channel();
    let ready = Mutex::new(ready);
    let of_major = |major| suites.iter().filter(move |suite| suite.is_for(major, majors));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for major in in_order_of_building(majors) {
                if build(major, majors, table) {
                    let together = of_major(major).filter(|suite| !suite.is_alone);
                    together.for_each(|suite| sender.send((suite, major)).expect("somebody listens"));
                }
            }
            table.add(ENGINE, 0, suites::cargo(&["test", "--package", "engine"]));
        });
        for _ in 0..SUITES_AT_ONCE {
            scope.spawn(|| {
                let next = || ready.lock().expect("no thread panics").recv();
                while let Ok((suite, major)) = next() {
                    table.add(&suite.name, major, suite.command(major));
                }
            });
        }
    });
    for &major in majors {
        for suite in of_major(major).filter(|suite| suite.is_alone) {
            table.add(&suite.name, major, suite.command(major));
        }
    }
}

/// The newest one second: its suites take longest, and compiling the tests inside a server takes so long that the
/// suites of another one should run meanwhile.
fn in_order_of_building(majors: &[u32]) -> Vec<u32> {
    let (newest, mut order): (Vec<u32>, Vec<u32>) = majors.iter().partition(|&&major| major == NEWEST);
    let second = order.len().min(1);
    order.splice(second..second, newest);
    order
}

/// Runs the tests inside a server and installs the extension. Returns whether the suites can run. The tests inside
/// check how values are converted; that code is the same for every major version and is compiled just for those
/// tests.
fn build(major: u32, majors: &[u32], table: &Table) -> bool {
    let pg_config = paths::programs(major).join("pg_config");
    if major == NEWEST || majors == [major] {
        test_inside(major, table);
    }
    table.add(BUILD, major, suites::cargo(&["pgrx", "install", "--pg-config", &pg_config.to_string_lossy()]))
}

fn test_inside(major: u32, table: &Table) {
    // The command that `cargo pgrx test` runs. It cannot pass the first option on; see Cargo.toml.
    let features = format!("pg{major} pg_test");
    let arguments = ["test", "--ignore-rust-version", "--package", "extensions", "--no-default-features", "--features"];
    table.add(INSIDE, major, suites::cargo(&[&arguments[..], &[&features]].concat()));
}
