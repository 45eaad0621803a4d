//! Schedules regular work with pg_cron.

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::owner;
use crate::pg::statement::Statement;

static SCHEDULER_EXISTS: Statement<(bool,)> =
    Statement::new("SELECT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_cron')");

/// pg_cron's functions always are in the schema cron. A job of the same name is replaced.
static SCHEDULE: Statement<(i64,)> =
    Statement::new("SELECT cron.schedule('extensions: run_maintenance', $1, $2)").by_caller();

/// The same for the owner of the tables, whose function the job calls: a superuser must not run it.
static SCHEDULE_FOR_OWNER: Statement<(i64,)> = Statement::new(
    "SELECT cron.schedule_in_database('extensions: run_maintenance', $1, $2, pg_catalog.current_database()::pg_catalog.text,
                                      pg_catalog.pg_get_userbyid($3)::pg_catalog.text)",
)
.by_caller();

/// Schedules maintenance in cron's notation. Returns pg_cron's id of the job.
pub fn schedule_maintenance(schedule: &str) -> Result<i64, Error> {
    if SCHEDULER_EXISTS.execute_one(params![], |(answer,)| answer)? != Some(true) {
        return Err(Error::SchedulerMissing);
    }
    let command = format!("SELECT * FROM {}.run_maintenance()", installation::schema()?);
    let role = installation::owner()?;
    let job = match owner::is_called_by_superuser(role) {
        true => SCHEDULE_FOR_OWNER.execute_one(params![schedule, &command, role], |(answer,)| answer)?,
        false => SCHEDULE.execute_one(params![schedule, &command], |(answer,)| answer)?,
    };
    Ok(job.unwrap_or_default())
}
