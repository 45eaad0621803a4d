//! Faults around the extension: killed servers, interrupted calls, full disks, and very long sessions. Nothing may be
//! left half done, nothing acknowledged may be lost, and nothing may grow.

mod crashes;
mod disk;
mod interruptions;
mod memory;
