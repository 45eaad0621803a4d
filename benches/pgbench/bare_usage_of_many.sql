\set user random(0, 2000)
UPDATE baseline.usage SET used = used + 1
 WHERE user_id = 'meter-' || :user::integer AND feature_key = 'metered' AND used + 1 <= 1000000000;
