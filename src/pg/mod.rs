//! The border to PostgreSQL: statements, index probes, changes of single rows, values, calls, tuplestores, snapshots,
//! locks, settings, the session, and the installation of the extension. This is the only place for `unsafe` code.

pub mod body;
pub mod call;
pub mod caller;
pub mod change;
pub mod checks;
pub mod clock;
pub mod datum;
pub mod document;
pub mod drops;
pub mod extension_script;
pub mod ids;
pub mod installation;
pub mod jsonb;
pub mod locks;
pub mod numeric;
pub mod owner;
pub mod parameter;
pub mod planner;
pub mod probe;
pub mod qualified;
mod raw;
pub mod refusal;
pub mod row;
pub mod rows;
pub mod running;
pub mod session;
pub mod settings;
pub mod snapshot;
pub mod statement;
pub mod tables;
pub mod text;
pub mod trigger;
pub mod tuplestore;
