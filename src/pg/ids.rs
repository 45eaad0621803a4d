//! New ids.

use pgrx::pg_sys;
use uuid::Uuid;

/// A new random id.
pub fn new_id() -> Uuid {
    // SAFETY: the function takes no arguments and returns a new uuid.
    let id = unsafe { pgrx::direct_function_call::<pgrx::Uuid>(pg_sys::gen_random_uuid, &[]) };
    id.map_or_else(Uuid::nil, |id| Uuid::from_bytes(*id.as_bytes()))
}

/// New random ids (UUID version 4), as gen_random_uuid() makes them one at a time.
pub fn new_ids(count: usize) -> Vec<Uuid> {
    let mut random = vec![[0_u8; 16]; count];
    // SAFETY: the function fills as many bytes as it is told.
    let is_done = unsafe { pg_sys::pg_strong_random(random.as_mut_ptr().cast(), count * 16) };
    if !is_done {
        // It reports that there are no random numbers.
        return (0..count).map(|_| new_id()).collect();
    }
    random.into_iter().map(|bytes| uuid::Builder::from_random_bytes(bytes).into_uuid()).collect()
}
