//! The personal data of a user: export and erasure.

use crate::error::Error;
use crate::pg::caller;
use crate::pg::ids::new_id;
use crate::pg::jsonb::Jsonb;
use crate::pg::locks::lock_users;
use crate::store::personal_data;

/// All data that is stored about a user.
pub fn export(user_id: &str) -> Result<Jsonb, Error> {
    caller::check_user(user_id)?;
    personal_data::document(user_id)?.ok_or(Error::NotInstalled)
}

/// Deletes personal data, and assigns records that the books need to an anonymous user. Returns the number of
/// affected rows for each table.
pub fn forget(user_id: &str, replacement: Option<String>) -> Result<Vec<(&'static str, u64)>, Error> {
    let replacement = replacement.unwrap_or_else(|| format!("forgotten {}", new_id()));
    if replacement == user_id {
        return Err(Error::SameUser { user_id: replacement });
    }
    lock_users([user_id, &replacement])?;
    personal_data::rename(user_id, &replacement)
}
