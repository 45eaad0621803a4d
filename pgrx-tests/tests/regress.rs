//! Runs the pg_regress suites of tests/pg_regress and shows the differences.
//!
//! On a preview too, because its output is the same everywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{CASES, Server, paths, server::SUPERUSER};

/// In this order, one after the other, in one database.
const SUITES: &[&str] = &[
    "setup",
    "interface",
    "constraints",
    "cart",
    "pricing",
    "promotions",
    "entitlements",
    "search",
    "lists",
    "explain",
    "every_cart",
    "checkout",
    "purchases",
    "subscriptions",
    "renewals",
    "usage",
    "payment_events",
    "operations",
    "administration",
    "catalog_checks",
    "bad_input",
];

#[test]
fn all_suites_print_what_they_should() {
    let server = Server::start("");
    server.create_database("regress");
    let pgxs = server.run("pg_config", &["--pgxs"]);
    let makefiles = Path::new(pgxs.trim()).parent().unwrap();
    let regress = makefiles.with_file_name("test").join("regress/pg_regress");
    let input = paths::root().join("tests/pg_regress");
    let output = server.folder().join("regress");
    fs::create_dir(&output).unwrap();
    let mut command = Command::new(regress);
    command.args(["--use-existing", "--dbname=regress", "--user", SUPERUSER]);
    command.arg(format!("--host={}", server.folder().display()));
    command.arg(format!("--inputdir={}", input.display())).arg(format!("--outputdir={}", output.display()));
    let result = command.args(SUITES).output().unwrap();
    let differences = fs::read_to_string(output.join("regression.diffs")).unwrap_or_default();
    let printed = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{printed}\n{differences}");
    println!("{CASES}{}", SUITES.len());
}
