//! Prints every error of the extension as JSON, for scripts/docs.

fn main() {
    println!("{}", harness::errors_as_json());
}
