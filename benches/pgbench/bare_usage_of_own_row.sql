-- A guarded update of the very row that consume_feature counts with, of its trigger, constraints and indexes.
UPDATE user_add_ons u
   SET usage = jsonb_set(coalesce(u.usage, '{}'), '{metered}',
                         jsonb_build_object('used', coalesce((u.usage -> 'metered' -> 'used')::numeric, 0) + 1, 'at', clock_timestamp()))
 WHERE u.user_id = 'meter-0' AND u.add_on_id = :metered::uuid
   AND coalesce((u.usage -> 'metered' -> 'used')::numeric, 0) + 1 <= 1000000000;
