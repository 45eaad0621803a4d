-- A guarded update of the one row.
UPDATE baseline.usage SET used = used + 1 WHERE user_id = 'meter-0' AND feature_key = 'metered' AND used + 1 <= 1000000000;
