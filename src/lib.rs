//! An add-on marketplace inside PostgreSQL.
//!
//! [`engine`] holds the business rules in plain Rust. `api` holds the SQL functions, `operations` what they do: load rows from
//! `store`, ask the engine, write what it decides. `admin` stands beside them, and `pg` is the border to PostgreSQL.

pub mod error;

mod admin;
mod api;
mod operations;
mod pg;
mod schema;
mod store;

::pgrx::pg_module_magic!(name, version);

/// Runs when a backend loads the library.
#[pgrx::pg_guard]
#[allow(non_snake_case)]
extern "C-unwind" fn _PG_init() {
    hide_backtraces();
    pg::settings::register();
    pg::installation::watch();
    admin::drop_guard::watch();
}

/// With RUST_BACKTRACE in the server's environment, every error would carry a backtrace in its DETAIL, PostgreSQL's own
/// errors too. Whoever wants that can still set RUST_LIB_BACKTRACE.
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
