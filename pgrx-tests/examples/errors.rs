//! Prints every error of the extension as JSON, for scripts/docs.

fn main() {
    println!("{}", extensions_tests::errors_as_json());
}
