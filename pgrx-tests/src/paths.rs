//! Where things are.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_owned()
}

/// The folder of everything that set-up fetched.
pub fn cache() -> PathBuf {
    std::env::var_os("EXTENSIONS_CACHE").map_or_else(|| root().join(".cache"), PathBuf::from)
}

/// The folder of empty data folders, which servers are made from.
pub fn initialized() -> PathBuf {
    root().join("target/initialized")
}

/// The folder of a PostgreSQL's programs.
pub fn programs(major: u32) -> PathBuf {
    let link = cache().join(format!("postgres/{major}/pginstall/bin"));
    link.canonicalize().unwrap_or_else(|_| panic!("PostgreSQL {major} is missing: run scripts/setup.sh servers"))
}

/// Whether a PostgreSQL was fetched.
pub fn is_there(major: u32) -> bool {
    cache().join(format!("postgres/{major}/.complete")).exists()
}

/// The major version that a suite runs against.
pub fn major() -> u32 {
    std::env::var("PG_MAJOR").map_or(18, |major| major.parse().expect("PG_MAJOR is a number"))
}
