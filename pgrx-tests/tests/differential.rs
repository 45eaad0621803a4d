//! Compares the extension with an independent model of the rules, on random marketplaces: tests/differential.

use harness::marketplace;
use harness::python::pytest;

#[test]
fn an_independent_model_of_the_rules_agrees() {
    drop(marketplace("differential"));
    pytest("differential", &["-s", "tests/differential"]);
}
