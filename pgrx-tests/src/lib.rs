//! Throwaway PostgreSQL servers for the suites in `tests/`.
//!
//! Each suite is an ordinary test target. It runs against the PostgreSQL whose major version stands in `PG_MAJOR` (18
//! without it), into which the extension was installed before:
//!
//! ```sh
//! PG_MAJOR=16 cargo test -p harness --test install
//! ```
//!
//! `make test` installs the extension into each version and runs every suite there. A new file in `tests/` is a suite of the table.

pub mod business;
pub mod clients;
pub mod invariants;
pub mod markdown;
pub mod page;
pub mod paths;
pub mod python;
pub mod reads;
pub mod server;
pub mod sql;
pub mod upgrade_script;
pub mod writes;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

pub use server::Server;

/// Begins the line with which a test that runs other tests reports how many of them passed.
pub const CASES: &str = "cases: ";

/// The newest PostgreSQL. Checks whose result is the same on every version run only here, and repeated tests run in
/// full here.
pub const NEWEST: u32 = 18;

/// The PostgreSQL that is not released yet. Together with other versions it runs only a few suites, whose failures do
/// not fail the run.
pub const PREVIEW: u32 = 19;

/// The id of Brigade in the sample catalog.
pub const BRIGADE: &str = "a0000000-0000-4000-8000-000000000003";
/// The id of Bolt.
pub const BOLT: &str = "a0000000-0000-4000-8000-000000000004";
/// The id of Vector Search.
pub const VECTORS: &str = "a0000000-0000-4000-8000-000000000008";

/// The number of repetitions of a test: the given number on the newest PostgreSQL, a quarter of it on the others. A
/// quarter covers every kind of case; the other rounds look for rare ones, which are in our code and so the same on
/// every version.
pub fn rounds(whole: usize) -> usize {
    if paths::major() == NEWEST { whole } else { whole.div_ceil(4) }
}

/// These cases on the newest PostgreSQL, and every fourth of them on the others, different ones on each.
pub fn share<T>(cases: Vec<T>) -> Vec<T> {
    match paths::major() {
        NEWEST => cases,
        major => cases.into_iter().skip(major as usize % 4).step_by(4).collect(),
    }
}

/// A fresh database of the suite's server, with the extension and the sample catalog.
pub fn marketplace(name: &str) -> postgres::Client {
    /// The database that the others are copies of.
    static ORIGINAL: OnceLock<&str> = OnceLock::new();
    let server = Server::shared();
    let original = ORIGINAL.get_or_init(|| {
        let name = "original marketplace";
        server.create_database(name);
        let mut client = server.connect(name);
        client
            .batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()")
            .expect("the extension installs and loads its sample");
        name
    });
    server.copy_database(original, name);
    server.connect(name)
}

/// The first column of the only row, as text.
pub fn text(client: &mut impl postgres::GenericClient, query: &str) -> Option<String> {
    let messages = client.simple_query(query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    messages.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    })?
}

/// The SQLSTATE, the `code:` line of the DETAIL and the message of the error that a query raises.
pub fn refusal(client: &mut impl postgres::GenericClient, query: &str) -> (String, String, String) {
    let error = client.simple_query(query).err().unwrap_or_else(|| panic!("{query} was not refused"));
    parts_of(&error, query)
}

/// The same of an error that a query has raised.
pub fn parts_of(error: &postgres::Error, query: &str) -> (String, String, String) {
    let error = error.as_db_error().unwrap_or_else(|| panic!("{query} broke the connection: {error}"));
    let code = error.detail().and_then(|detail| detail.lines().find_map(|line| line.strip_prefix("code: ")));
    (error.code().code().to_owned(), code.unwrap_or_default().to_owned(), error.message().to_owned())
}

/// Waits until a query returns a value.
pub fn wait_until(client: &mut impl postgres::GenericClient, query: &str, value: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while text(client, query).as_deref() != Some(value) {
        assert!(Instant::now() < deadline, "{query} does not return {value}, but {:?}", text(client, query));
        thread::sleep(Duration::from_millis(1));
    }
}

/// The SQLSTATE of every error of the extension by its code, as the library tells them.
pub fn errors(client: &mut impl postgres::GenericClient) -> BTreeMap<String, String> {
    client
        .batch_execute(
            "CREATE FUNCTION pg_temp.errors() RETURNS text LANGUAGE c AS '$libdir/extensions', 'errors_wrapper'",
        )
        .expect("the library has the symbol");
    let errors = client.query(
        "SELECT error ->> 'code', error ->> 'state' FROM jsonb_array_elements(pg_temp.errors()::jsonb) error",
        &[],
    );
    errors.expect("the library tells its errors").iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The id of an add-on of the sample catalog: `add_on("Brigade")`.
pub fn add_on(client: &mut impl postgres::GenericClient, name: &str) -> uuid::Uuid {
    client.query_one("SELECT id FROM add_ons WHERE name = $1", &[&name]).expect("the sample is loaded").get(0)
}
