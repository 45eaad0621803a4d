//! The border to PostgreSQL: statements, values, tuple stores, snapshots, locks, settings, and where the extension is installed.

pub mod body;
pub mod datum;
pub mod document;
pub mod installation;
pub mod isolation;
pub mod locks;
pub mod owner;
pub mod parameter;
pub mod planner;
pub mod qualified;
pub mod row;
pub mod rows;
pub mod settings;
pub mod snapshot;
pub mod statement;
pub mod tables;
pub mod trigger;
pub mod tuplestore;
