//! Compares the extension with an independent model of the rules, on random marketplaces: tests/differential.
//!
//! On the newest alone, because the engine computes the prices, and it is the same for every version.

use harness::marketplace;
use harness::python::pytest;

#[test]
fn an_independent_model_of_the_rules_agrees() {
    drop(marketplace("differential"));
    pytest("differential", &["-s", "tests/differential"]);
}
