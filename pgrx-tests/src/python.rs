//! Suites in Python, run by pytest in the virtual environment of scripts/setup.sh.

use std::process::Command;

use crate::{CASES, Server, paths};

/// Runs pytest against the shared server with these arguments, and shows its output if a test fails.
pub fn pytest(database: &str, arguments: &[&str]) {
    let programs = paths::programs(paths::major());
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(paths::cache().join("venv/bin/python"))
        .args(["-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider"])
        .args(arguments)
        .current_dir(paths::root())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("PGHOST", Server::shared().folder())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", database)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("run scripts/setup.sh python first");
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    println!("{printed}\n{CASES}{}", passed(&printed));
}

/// The number of passed tests, from the last line of pytest: `12 passed, 1 skipped in 3.45s`.
fn passed(printed: &str) -> usize {
    let (before, _) =
        printed.rsplit_once(" passed").unwrap_or_else(|| panic!("pytest does not say what passed: {printed}"));
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("pytest does not say how many passed: {printed}"))
}
