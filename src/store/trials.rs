//! The trial periods of add-ons.

use uuid::Uuid;

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;

static TRIAL_DAYS: Statement<(Uuid, i32)> = Statement::new(
    "SELECT a.id, a.trial_days FROM @extschema@.add_ons a WHERE a.id = ANY ($1) AND a.trial_days IS NOT NULL",
);

static NAME_AND_TRIAL: Statement<(String, Option<i32>)> =
    Statement::new("SELECT a.name, a.trial_days FROM @extschema@.add_ons a WHERE a.id = $1");

/// The trial days of these add-ons, if they have any.
pub fn days_of(add_on_ids: &[Uuid]) -> Result<Vec<(Uuid, i32)>, Error> {
    TRIAL_DAYS.execute_all(params![add_on_ids], |row| row)
}

/// The name of an add-on, which must exist, and its trial days.
pub fn name_and_days(add_on_id: Uuid) -> Result<(String, Option<i32>), Error> {
    NAME_AND_TRIAL.execute_one(params![add_on_id], |row| row)?.ok_or(Error::AddOnNotFound { add_on_id })
}
