-- Metered features: what is granted, used and left. "used/remaining of granted", with - for any amount.
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set gpu '''a0000000-0000-4000-8000-000000000009'''
CREATE FUNCTION pg_temp.told(allowed boolean, used numeric, remaining numeric, granted numeric) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN allowed THEN 'yes ' ELSE 'no ' END || coalesce(used::text, '?') || '/' || coalesce(remaining::text, '-') || ' of '
           || coalesce(granted::text, '-') $$;
CREATE FUNCTION pg_temp.consume(feature text, amount numeric, key text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.told(u.allowed, u.used, u.remaining, u.granted) FROM consume_feature('ada', feature, amount, key) u $$;
CREATE FUNCTION pg_temp.release(feature text, amount numeric, key text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.told(u.allowed, u.used, u.remaining, u.granted) FROM release_feature('ada', feature, amount, key) u $$;
CREATE FUNCTION pg_temp.set_usage(feature text, used numeric) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.told(u.allowed, u.used, u.remaining, u.granted) FROM set_feature_usage('ada', feature, used) u $$;
-- Whoever has nothing can use nothing, and that is no error; an unknown feature is one that nobody has.
BEGIN;
SELECT * FROM consume_feature('ada', 'gpu_hours');
SELECT * FROM consume_feature('ada', 'unheard of');
SELECT pg_temp.release('gpu_hours', 1), pg_temp.set_usage('gpu_hours', 0);
SELECT count(*) FROM feature_usage('ada');

-- Ten hours for a month. All or nothing, to the millionth.
SELECT count(*) FROM grant_add_on('ada', :bolt, now() + interval '20 days');
SELECT pg_temp.consume('gpu_hours', 9.999999), pg_temp.consume('gpu_hours', 0.000002), pg_temp.consume('gpu_hours', 0.000001);
SELECT pg_temp.consume('gpu_hours', 0), pg_temp.consume('gpu_hours', 0.000001);
SELECT granted, used, remaining, resets_at = now() + interval '20 days' AS resets_at_its_end FROM feature_usage('ada', 'gpu_hours');
-- At most what was used is given back.
SELECT pg_temp.release('gpu_hours', 4), pg_temp.release('gpu_hours', 100), pg_temp.release('gpu_hours', 1);
-- Every metered feature in key order, but not what is only switched on
SELECT feature_key, granted, used, remaining FROM feature_usage('ada');

-- Two units give twice as much, and another add-on adds its own: 2 × 10 + 50. What ends first is burnt first: Bolt.
UPDATE user_add_ons SET quantity = 2 WHERE add_on_id = :bolt;
SELECT count(*) FROM grant_add_on('ada', :gpu);
SELECT pg_temp.consume('gpu_hours', 25), feature_configuration('ada', 'gpu_hours');
SELECT a.name, u.usage #> '{gpu_hours,used}' AS used FROM user_add_ons u JOIN add_ons a ON a.id = u.add_on_id ORDER BY a.name;
-- A set amount keeps what it can: 5 of GPU Compute come back, then 10 of Bolt.
SELECT pg_temp.set_usage('gpu_hours', 10), pg_temp.set_usage('gpu_hours', 71), pg_temp.set_usage('gpu_hours', 70);
SELECT a.name, u.usage #> '{gpu_hours,used}' AS used FROM user_add_ons u JOIN add_ons a ON a.id = u.add_on_id ORDER BY a.name;

-- Withdrawn from sale it goes on; suspended and expired it does not, and what was used stays used.
UPDATE add_ons SET is_active = false WHERE id = :gpu;
SELECT suspend_add_on('ada', :bolt);
SELECT pg_temp.consume('gpu_hours', 1), pg_temp.release('gpu_hours', 10);
SELECT resume_add_on('ada', :bolt);
SELECT granted, used, remaining FROM feature_usage('ada', 'gpu_hours');
SELECT granted, used, remaining FROM feature_usage('ada', 'gpu_hours', now() + interval '20 days');

-- A limit that changes in the middle of a period, down to nothing and up again: 60 are used whatever is granted.
UPDATE add_on_features SET configuration = '{"limit": 0}' WHERE feature_key = 'gpu_hours' AND add_on_id = :gpu;
SELECT pg_temp.consume('gpu_hours', 1), feature_configuration('ada', 'gpu_hours');
UPDATE add_on_features SET configuration = '{"limit": 41.5}' WHERE feature_key = 'gpu_hours' AND add_on_id = :gpu;
SELECT pg_temp.consume('gpu_hours', 2), pg_temp.consume('gpu_hours', 1.5);
-- Another period: what was used today was used this month, this year and ever.
UPDATE add_on_features SET configuration = configuration || '{"per": "month"}' WHERE feature_key = 'gpu_hours';
SELECT granted, used, remaining, resets_at = (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC' AS next_month
  FROM feature_usage('ada', 'gpu_hours');
SELECT used, resets_at = (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC' AS the_month_after
  FROM feature_usage('ada', 'gpu_hours', (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC');
UPDATE add_on_features SET configuration = configuration || '{"per": "ever"}' WHERE feature_key = 'gpu_hours';
SELECT granted, used, resets_at FROM feature_usage('ada', 'gpu_hours');
-- Without a limit somewhere, any amount may be used, and counts.
UPDATE add_on_features SET configuration = '{"priority": true}' WHERE feature_key = 'gpu_hours' AND add_on_id = :gpu;
SELECT pg_temp.consume('gpu_hours', 99999), feature_configuration('ada', 'gpu_hours');
SELECT granted, used, remaining FROM feature_usage('ada', 'gpu_hours');
ROLLBACK;

-- A period begins by itself. What was counted before it does not count: the counter is put back to yesterday.
BEGIN;
SELECT count(*) FROM grant_add_on('ada', :bolt, now() + interval '20 days');
SELECT pg_temp.consume('code_review', 50), pg_temp.consume('code_review', 1);
SELECT used, resets_at = (date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC' AS tomorrow FROM feature_usage('ada', 'code_review');
UPDATE user_add_ons SET usage = jsonb_set(usage, '{code_review,at}', to_jsonb(now() - interval '1 day'));
SELECT used, remaining FROM feature_usage('ada', 'code_review');
SELECT pg_temp.consume('code_review', 2);
-- A paid period, too: the counter is put back to before it.
SELECT pg_temp.consume('gpu_hours', 10), pg_temp.consume('gpu_hours', 1);
UPDATE user_add_ons SET purchased_at = now() - interval '40 days';
SELECT used FROM feature_usage('ada', 'gpu_hours');
UPDATE user_add_ons SET usage = jsonb_set(usage, '{gpu_hours,at}', to_jsonb(now() - interval '15 days'));
SELECT pg_temp.consume('gpu_hours', 1);
-- Of the past nothing is kept.
SELECT granted, used, remaining FROM feature_usage('ada', 'gpu_hours', now() - interval '20 days');
ROLLBACK;

-- Paid periods are those that were paid for, whatever the row's beginning and end would say: a year of what is sold by the month.
BEGIN;
SELECT quantity FROM add_to_cart('ada', :bolt);
UPDATE cart_items SET billing_type = 'annual' WHERE user_id = 'ada';
SELECT count(*) FROM checkout('ada') c, complete_checkout(c.checkout_id);
SELECT pg_temp.consume('gpu_hours', 8), pg_temp.consume('gpu_hours', 3);
SELECT used, resets_at AT TIME ZONE 'UTC' = now() AT TIME ZONE 'UTC' + interval '1 year' AS in_a_year FROM feature_usage('ada', 'gpu_hours');
SELECT used, remaining FROM feature_usage('ada', 'gpu_hours', now() + interval '11 months');
UPDATE user_add_ons SET usage = jsonb_set(usage, '{gpu_hours,at}', to_jsonb(now() - interval '2 days'));
SELECT used, remaining FROM feature_usage('ada', 'gpu_hours'); -- was counted before
SELECT pg_temp.consume('gpu_hours', 10), pg_temp.consume('gpu_hours', 1);
ROLLBACK;
-- From 31 January to 28 February and 31 March, behind what began on the 1st.
BEGIN;
SET LOCAL TimeZone = 'UTC';
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at) VALUES ('ada', :bolt, '2099-01-01', '2099-01-31 10:00');
SELECT renew_add_on('ada', :bolt, 14.99, 'pi_1');
SELECT at, resets_at FROM unnest('{2099-01-30, 2099-01-31 09:59:59, 2099-01-31 10:00, 2099-02-28}'::timestamptz[]) at, feature_usage('ada', 'gpu_hours', at);
SELECT renew_add_on('ada', :bolt, 14.99, 'pi_2');
SELECT at, resets_at FROM unnest('{2099-01-30, 2099-01-31 10:00, 2099-03-30}'::timestamptz[]) at, feature_usage('ada', 'gpu_hours', at);
-- A host that cuts the row off ends the period, too.
UPDATE user_add_ons SET expires_at = '2099-03-15';
SELECT resets_at FROM feature_usage('ada', 'gpu_hours', '2099-03-01');
ROLLBACK;

-- The limits of the sample catalog hold: all that each gives can be used, and not a millionth more.
BEGIN;
CREATE VIEW pg_temp.limits AS
SELECT a.name, a.id, f.feature_key, (f.configuration -> 'limit')::numeric AS units FROM add_ons a JOIN add_on_features f ON f.add_on_id = a.id AND f.configuration ? 'limit';
SELECT count(*) FROM add_ons a, grant_add_on('owner of ' || a.name, a.id);
SELECT l.name, l.feature_key, l.units, u.allowed, u.remaining FROM pg_temp.limits l, consume_feature('owner of ' || l.name, l.feature_key, l.units) u ORDER BY 1, 2;
SELECT count(DISTINCT l.name) AS add_ons, count(*) FILTER (WHERE u.allowed) AS allowed FROM pg_temp.limits l, consume_feature('owner of ' || l.name, l.feature_key, 0.000001) u;
SELECT count(*) FILTER (WHERE u.allowed AND u.remaining = 0) AS used_up FROM pg_temp.limits l, set_feature_usage('owner of ' || l.name, l.feature_key, l.units) u;
ROLLBACK;

-- Prepaid: each unit of what is bought by use gives its limit once, for ever. Buying more adds to it.
BEGIN;
INSERT INTO add_ons (id, name, category, base_price, billing_type) VALUES ('a0000000-0000-4000-8000-0000000000a1', 'Pack', 'analytics', 5, 'usage_based');
INSERT INTO add_on_features (add_on_id, feature_key, configuration) VALUES ('a0000000-0000-4000-8000-0000000000a1', 'credits', '{"limit": 100, "per": "day", "overage": "refuse"}');
SELECT count(*) FROM grant_add_on('ada', 'a0000000-0000-4000-8000-0000000000a1');
SELECT pg_temp.consume('credits', 100), pg_temp.consume('credits', 1);
UPDATE user_add_ons SET quantity = 3, usage = jsonb_set(usage, '{credits,at}', to_jsonb(now() - interval '1 year'));
SELECT pg_temp.consume('credits', 150);
SELECT granted, used, remaining, resets_at FROM feature_usage('ada', 'credits');
-- Soft: more than is granted may be used.
UPDATE add_on_features SET configuration = '{"limit": 100, "overage": "allow"}' WHERE feature_key = 'credits';
SELECT pg_temp.consume('credits', 100), pg_temp.consume('credits', 100), pg_temp.set_usage('credits', 400);
ROLLBACK;

-- A key counts once, for its feature and its function; what was not allowed may be tried again.
BEGIN;
SELECT count(*) FROM grant_add_on('ada', :bolt);
SELECT pg_temp.consume('gpu_hours', 4, 'job 1'), pg_temp.consume('gpu_hours', 4, 'job 2'), pg_temp.consume('gpu_hours', 4, 'job 1'), pg_temp.consume('gpu_hours', 1, 'job 1');
SELECT pg_temp.consume('code_review', 1, 'job 1'), pg_temp.release('gpu_hours', 1, 'job 1'), pg_temp.release('gpu_hours', 1, 'job 1');
SELECT pg_temp.consume('gpu_hours', 4, 'job 3'), pg_temp.release('gpu_hours', 1), pg_temp.consume('gpu_hours', 4, 'job 3'), pg_temp.consume('gpu_hours', 4, 'job 3');
-- The last hundred are remembered.
SELECT count(*) FILTER (WHERE allowed) AS allowed FROM generate_series(1, 97) n, consume_feature('ada', 'gpu_hours', 0, 'nothing ' || n);
SELECT pg_temp.consume('gpu_hours', 0.25, 'job 3') AS remembered, pg_temp.consume('gpu_hours', 0.25, 'job 1') AS forgotten;
ROLLBACK;

-- Arguments that make no sense, and configurations
SELECT call.arguments, refused.code, refused.message
  FROM unnest(ARRAY['NULL, ''x''', '''ada'', NULL', '''ada'', ''x'', NULL', '''ada'', ''x'', -1', '''ada'', ''x'', ''NaN''', '''ada'', ''x'', ''Infinity''',
                    '''ada'', ''x'', 100000000000000', '''ada'', ''x'', 0.0000001', '''ada'', ''x'', 1, repeat(''k'', 256)', ''''', ''x''']) call (arguments)
 CROSS JOIN LATERAL testing.refusal('SELECT * FROM consume_feature(' || call.arguments || ')') refused;
SELECT * FROM feature_usage(NULL);
SELECT * FROM feature_usage('ada', at => NULL);
SELECT configuration, refused.message
  FROM unnest(ARRAY['{"limit": -1}', '{"limit": "10"}', '{"limit": 1e14}', '{"limit": 1, "per": "week"}', '{"limit": 1, "overage": "charge"}']) c (configuration)
 CROSS JOIN LATERAL testing.refusal(format('UPDATE add_on_features SET configuration = %L WHERE feature_key = ''ocr''', configuration)) refused;
