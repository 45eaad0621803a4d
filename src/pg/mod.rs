//! The border to PostgreSQL: statements, values, tuple stores, snapshots, locks, settings, and where the extension is installed.

pub mod datum;
pub mod installation;
pub mod locks;
pub mod planner;
pub mod settings;
pub mod snapshot;
pub mod statement;
pub mod tuplestore;
