//! What goes wrong around the extension: servers that are killed, calls that are cut off, disks that are full, sessions that never
//! end. Nothing is half done afterwards, nothing that was acknowledged is lost, and nothing grows.

mod crashes;
mod disk;
mod interruptions;
mod memory;
