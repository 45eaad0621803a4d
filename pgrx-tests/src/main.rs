//! Runs every suite on every given PostgreSQL and prints a table of what came out: `extensions-tests 15 16 17 18`.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use extensions_tests::paths;

/// A set of tests that is run and reported as one.
struct Suite {
    name: &'static str,
    command: fn(major: u32) -> Command,
}

/// The engine knows no PostgreSQL and is tested once.
const ENGINE: Suite = Suite { name: "engine", command: |_| cargo(&["test", "--package", "engine"]) };

/// In this order: the first installs a build with test functions, the second the build that all others use.
const SUITES: &[Suite] = &[
    Suite { name: "pg_test", command: |major| cargo(&["pgrx", "test", &format!("pg{major}")]) },
    Suite {
        name: "build",
        command: |major| {
            let pg_config = paths::programs(major).join("pg_config");
            cargo(&["pgrx", "install", "--pg-config", &pg_config.to_string_lossy()])
        },
    },
    Suite { name: "install", command: |major| target("install", major) },
    Suite { name: "regress", command: |major| target("regress", major) },
    Suite { name: "indexes", command: |major| target("indexes", major) },
    Suite { name: "carts", command: |major| target("carts", major) },
    Suite { name: "differential", command: |major| target("differential", major) },
    Suite { name: "planner", command: |major| target("planner", major) },
    Suite { name: "cache", command: |major| target("cache", major) },
    Suite { name: "races", command: |major| target("races", major) },
    Suite { name: "events", command: |major| target("events", major) },
    Suite { name: "scheduler", command: |major| target("scheduler", major) },
    Suite { name: "replicas", command: |major| target("replicas", major) },
    Suite { name: "partitions", command: |major| target("partitions", major) },
    Suite { name: "logical", command: |major| target("logical", major) },
    Suite { name: "access", command: |major| target("access", major) },
    Suite { name: "isolation", command: |major| target("isolation", major) },
    Suite { name: "attacks", command: |major| target("attacks", major) },
    Suite { name: "protection", command: |major| target("protection", major) },
    Suite { name: "adoption", command: |major| target("adoption", major) },
    Suite { name: "documents", command: |major| target("documents", major) },
    Suite { name: "upgrade", command: |major| target("upgrade", major) },
    Suite { name: "errors", command: |major| target("errors", major) },
    Suite { name: "backup", command: |major| target("backup", major) },
    Suite { name: "faults", command: |major| target("faults", major) },
    Suite { name: "fuzz", command: |major| target("fuzz", major) },
    Suite { name: "docs", command: |major| target("docs", major) },
    Suite { name: "clients", command: |major| target("clients", major) },
    Suite { name: "shop", command: |major| target("shop", major) },
];

/// What came of a suite.
struct Outcome {
    passed: usize,
    is_good: bool,
    took: Duration,
}

fn main() -> ExitCode {
    let majors: Vec<u32> = std::env::args().skip(1).filter_map(|major| major.parse().ok()).collect();
    assert!(!majors.is_empty(), "say which versions of PostgreSQL: extensions-tests 15 16 17 18");
    // Missing servers are found before anything runs.
    majors.iter().for_each(|&major| drop(paths::programs(major)));

    let engine = run(&ENGINE, 0);
    let matrix: Vec<(u32, Vec<Outcome>)> =
        majors.iter().map(|&major| (major, SUITES.iter().map(|suite| run(suite, major)).collect())).collect();

    println!("\n{:12}{:>20}", ENGINE.name, cell(&engine));
    let header: String = majors.iter().map(|major| format!("{:>20}", format!("PostgreSQL {major}"))).collect();
    println!("\n{:12}{header}", "");
    for (position, suite) in SUITES.iter().enumerate() {
        let row: String = matrix.iter().map(|(_, outcomes)| format!("{:>20}", cell(&outcomes[position]))).collect();
        println!("{:12}{row}", suite.name);
    }
    let all_good = engine.is_good && matrix.iter().all(|(_, outcomes)| outcomes.iter().all(|outcome| outcome.is_good));
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cell(outcome: &Outcome) -> String {
    let verdict = if outcome.is_good { format!("{} ok", outcome.passed) } else { "FAILED".to_owned() };
    format!("{verdict} {:4.0}s", outcome.took.as_secs_f64())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

fn target(name: &str, major: u32) -> Command {
    let mut command = cargo(&["test", "--package", "extensions-tests", "--test", name]);
    command.env("PG_MAJOR", major.to_string());
    command
}

/// Runs a suite, shows its failures, and counts its tests by the lines that libtest prints.
fn run(suite: &Suite, major: u32) -> Outcome {
    let on = if major == 0 { String::new() } else { format!(" on PostgreSQL {major}") };
    println!("==> {}{on}", suite.name);
    let started = Instant::now();
    let mut command = (suite.command)(major);
    command.current_dir(paths::root()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("cargo can be run");
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let collector = std::thread::spawn(move || errors.lines().map_while(Result::ok).collect::<Vec<String>>());
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let lines: Vec<String> = output.lines().map_while(Result::ok).collect();
    let errors = collector.join().unwrap_or_default();
    let is_good = child.wait().is_ok_and(|status| status.success());
    if !is_good {
        lines.iter().chain(&errors).for_each(|line| println!("    {line}"));
    }
    let passed = lines.iter().filter(|line| line.starts_with("test ") && line.ends_with("... ok")).count();
    Outcome { passed, is_good, took: started.elapsed() }
}
