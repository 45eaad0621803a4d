//! What was paid for is what one has (semantics 5): the sources of access, and what follows from them.

pub mod kept;
pub mod outcome;
pub mod periods;
pub mod source;
pub mod status;
