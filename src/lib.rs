//! An add-on marketplace inside PostgreSQL.
//!
//! [`engine`] holds the business rules in plain Rust. `store` reads and writes the tables, `api` holds the SQL functions,
//! `datum` turns values of one side into values of the other. Data flows from `api` through `store` to the `engine`, and
//! back the same way.

pub mod engine;
pub mod error;

#[cfg(feature = "postgres")]
mod api;
#[cfg(feature = "postgres")]
mod datum;
#[cfg(feature = "postgres")]
mod guard;
#[cfg(feature = "postgres")]
mod planner;
#[cfg(feature = "postgres")]
mod schema;
#[cfg(feature = "postgres")]
mod settings;
#[cfg(feature = "postgres")]
mod store;
#[cfg(feature = "postgres")]
mod tuplestore;

#[cfg(feature = "postgres")]
::pgrx::pg_module_magic!(name, version);

/// Runs when a backend loads the library.
#[cfg(feature = "postgres")]
#[pgrx::pg_guard]
#[allow(non_snake_case)]
extern "C-unwind" fn _PG_init() {
    hide_backtraces();
    settings::register();
    store::installation::watch();
    guard::watch();
}

/// With RUST_BACKTRACE in the server's environment, every error would carry a backtrace in its DETAIL, PostgreSQL's own
/// errors too. Whoever wants that can still set RUST_LIB_BACKTRACE.
#[cfg(feature = "postgres")]
fn hide_backtraces() {
    if std::env::var_os("RUST_LIB_BACKTRACE").is_none() {
        // SAFETY: a backend has one thread.
        unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    }
}

/// What `cargo pgrx test` asks of the crate.
#[cfg(feature = "pg_test")]
pub mod pg_test {
    /// Called once before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
