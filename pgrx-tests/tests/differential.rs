//! Compares the extension with an independent model of the rules, on random marketplaces: tests/differential.

use std::process::Command;

use extensions_tests::{Server, marketplace, paths};

#[test]
fn an_independent_model_of_the_rules_agrees() {
    drop(marketplace("differential"));
    let output = Command::new(paths::cache().join("venv/bin/python"))
        .args(["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "tests/differential"])
        .current_dir(paths::root())
        .env("PGHOST", Server::shared().folder())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", "differential")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("run scripts/setup.sh python first");
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    println!("{printed}");
}
