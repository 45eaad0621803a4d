UPDATE add_ons SET trial_days = 14 WHERE id = 'a0000000-0000-4000-8000-000000000003';
SELECT add_on_id, expires_at > now() + interval '13 days' AS two_weeks FROM start_trial('zoe', 'a0000000-0000-4000-8000-000000000003');
