//! Access (semantics 5): users have what they have paid for. The sources of access, and what follows from them.

pub mod bought;
pub mod changes;
pub mod explain;
pub mod kept;
pub mod outcome;
pub mod periods;
pub mod renewal;
pub mod row;
pub mod source;
pub mod status;
