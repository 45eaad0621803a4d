//! Runs the tests of examples/shop, in a browser too on the newest version.
//!
//! On the newest alone, because the functions that the pages call are tested by other suites on every version.

use harness::python::pytest;
use harness::{NEWEST, paths};

#[test]
fn shop() {
    let mut arguments = vec!["examples/shop/tests"];
    if paths::major() != NEWEST {
        arguments.push("--ignore=examples/shop/tests/test_browser.py");
    }
    pytest("postgres", &arguments);
}
