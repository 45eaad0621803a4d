//! Keeps the linker from dropping the section in which pgrx stores the SQL of functions.

fn main() {
    let is = |variable: &str, value: &str| std::env::var(variable).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_FAMILY", "unix") && !is("CARGO_CFG_TARGET_OS", "macos") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--no-gc-sections");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
