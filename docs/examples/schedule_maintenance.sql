-- Where pg_cron is not installed. Where it is, the answer is the number of the job.
SELECT schedule_maintenance('17 3 * * *');
