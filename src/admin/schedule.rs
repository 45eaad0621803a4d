//! Handing regular work to pg_cron.

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::statement::Statement;

static SCHEDULER_EXISTS: Statement<(bool,)> =
    Statement::new("SELECT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_cron')");

/// pg_cron's functions always live in the schema cron. A job of the same name is replaced.
static SCHEDULE: Statement<(i64,)> = Statement::new("SELECT cron.schedule('extensions: run_maintenance', $1, $2)");

/// Has maintenance run on a schedule in cron's notation. Returns pg_cron's id of the job.
pub fn schedule_maintenance(schedule: &str) -> Result<i64, Error> {
    if SCHEDULER_EXISTS.execute_one(params![], |(answer,)| answer)? != Some(true) {
        return Err(Error::SchedulerMissing);
    }
    let command = format!("SELECT * FROM {}.run_maintenance()", installation::schema()?);
    let job = SCHEDULE.execute_one(params![schedule, &command], |(answer,)| answer)?;
    Ok(job.unwrap_or_default())
}
