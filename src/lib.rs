//! An add-on marketplace inside PostgreSQL.
//!
//! [`engine`] holds the business rules in plain Rust. `api` holds the SQL functions, and `operations` what they do:
//! load rows from `store`, ask the engine, write its decision. `admin` holds administration, and `pg` is the border
//! to PostgreSQL.

// Except in `pg`, which allows it again.
#![deny(unsafe_code)]

mod admin;
mod api;
mod error;
mod operations;
#[allow(unsafe_code)]
mod pg;
mod schema;
mod store;

::pgrx::pg_module_magic!(name, version);

/// Runs when a backend loads the library.
#[pgrx::pg_guard]
#[allow(non_snake_case)]
extern "C-unwind" fn _PG_init() {
    pg::session::hide_backtraces();
    pg::settings::register();
    pg::installation::watch();
    admin::drop_guard::watch();
}

/// The configuration that `cargo pgrx test` asks of the crate.
#[cfg(feature = "pg_test")]
pub mod pg_test {
    /// Called once before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
