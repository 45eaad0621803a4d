//! Runs the client suites of tests/clients.
//!
//! On the newest alone, because drivers speak the same protocol with every version, and the functions are tested on each.

use std::fs;

use harness::python::pytest;
use harness::{Server, marketplace, paths};

#[test]
fn clients() {
    install_released_versions();
    drop(marketplace("clients"));
    pytest("clients", &["tests/clients"]);
}

/// Makes released versions installable, from which a migration can update.
fn install_released_versions() {
    let folder = Server::shared().run("pg_config", &["--sharedir"]);
    for script in fs::read_dir(paths::root().join("sql/released")).expect("it exists").flatten() {
        if script.path().extension().is_some_and(|extension| extension == "sql") {
            let copy = std::path::Path::new(folder.trim()).join("extension").join(script.file_name());
            fs::copy(script.path(), copy).expect("the server's folder can be written to");
        }
    }
}
