//! Runs the tests of examples/shop, in a browser too on the newest version: pages do not depend on it.

use harness::paths;
use harness::python::pytest;

const NEWEST: u32 = 18;

#[test]
fn shop() {
    let mut arguments = vec!["examples/shop/tests"];
    if paths::major() != NEWEST {
        arguments.push("--ignore=examples/shop/tests/test_browser.py");
    }
    pytest("postgres", &arguments);
}
