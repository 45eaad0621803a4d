-- Who may what, and when.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set documents '''a0000000-0000-4000-8000-000000000007'''
\set gpu '''a0000000-0000-4000-8000-000000000009'''
BEGIN;
INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at) VALUES
    ('ada', :bolt, 'active', '2026-01-10', '2026-02-10'),
    ('ada', :gpu, 'active', '2026-01-20', NULL),
    ('bob', :bolt, 'cancelled', '2026-01-10', NULL),
    ('cyd', :bolt, 'suspended', '2026-01-10', NULL),
    ('dan', :bolt, 'pending', '2026-01-10', NULL),
    ('eve', :bolt, 'expired', '2026-01-10', NULL);

-- Half-open windows: access begins with its first instant and ends with its last
SELECT at, has_add_on('ada', :bolt, at) AS bolt, has_add_on('ada', :gpu, at) AS gpu, has_feature('ada', 'code_review', at) AS code_review,
       has_feature('ada', 'gpu_hours', at) AS gpu_hours, feature_configuration('ada', 'gpu_hours', at) AS configuration
  FROM unnest('{-infinity, 2026-01-09 23:59:59.999999, 2026-01-10, 2026-01-20, 2026-02-09 23:59:59.999999, 2026-02-10, infinity}'::timestamptz[]) at;
SELECT feature_key, configuration, cardinality(add_on_ids) AS add_ons, expires_at FROM user_features('ada', '2026-02-01');
SELECT add_on_id, name, category, purchased_at, expires_at, auto_renew, quantity FROM active_add_ons('ada', '2026-02-01');
SELECT * FROM has_features('ada', '{gpu_hours,ocr,code_review,gpu_hours,NULL}', '2026-02-01');
SELECT * FROM has_features('ada', '{}', '2026-02-01');

-- Only active rows entitle
SELECT user_id, has_feature(user_id, 'gpu_hours', '2026-02-01') FROM unnest('{ada,bob,cyd,dan,eve,nobody}'::text[]) user_id;
SELECT * FROM entitled_users('gpu_hours', '2026-02-01');
SELECT * FROM entitled_users('gpu_hours', '2026-01-01');

-- A row of add_on_features decides over a key in add_ons.features; a key without a row counts, with nothing configured
UPDATE add_on_features SET enabled = false WHERE add_on_id = :bolt AND feature_key = 'code_review';
UPDATE add_ons SET features = features || '["beta", "beta"]' WHERE id = :bolt;
SELECT has_feature('ada', 'code_review', '2026-02-01') AS withheld, has_feature('ada', 'beta', '2026-02-01') AS listed,
       feature_configuration('ada', 'beta', '2026-02-01') AS configuration, feature_configuration('ada', 'code_review', '2026-02-01') AS none;
SELECT * FROM entitled_users('beta', '2026-02-01');
SELECT * FROM entitled_users('code_review', '2026-02-01');
-- ... on its own add-on only
INSERT INTO add_on_features (add_on_id, feature_key, configuration) VALUES (:gpu, 'code_review', '{"reviews_per_day": 5}');
SELECT feature_configuration('ada', 'code_review', '2026-02-01');

-- Withdrawing an add-on takes nothing away
UPDATE add_ons SET is_active = false WHERE id = :gpu;
SELECT has_feature('ada', 'gpu_models', '2026-03-01'), (SELECT name FROM active_add_ons('ada', '2026-03-01'));

-- Merging: numbers by the larger, booleans by OR, anything else from the most recent
UPDATE add_on_features SET configuration = '{"hours": 10, "priority": true, "models": ["T4"], "note": "old", "burst": 1e40}' WHERE add_on_id = :bolt AND feature_key = 'gpu_hours';
UPDATE add_on_features SET configuration = '{"hours": 9.5, "priority": false, "models": ["A100"], "note": null, "burst": 10000000000000000000000000000000000000001}' WHERE add_on_id = :gpu AND feature_key = 'gpu_hours';
SELECT feature_configuration('ada', 'gpu_hours', '2026-02-01');

-- Whatever is missing, nobody is entitled
SELECT has_feature(NULL, 'gpu_hours') AS no_user, has_feature('ada', NULL) AS no_key, has_feature('ada', 'gpu_hours', NULL) AS no_instant,
       has_add_on(NULL, :gpu) AS no_user, has_add_on('ada', NULL) AS no_add_on, has_add_on('ada', gen_random_uuid()) AS unknown,
       feature_configuration(NULL, 'gpu_hours') AS no_user, feature_configuration('ada', NULL) AS no_key;
SELECT count(*) FROM user_features(NULL);
SELECT count(*) FROM active_add_ons(NULL);
SELECT count(*) FROM entitled_users(NULL);
SELECT * FROM has_features(NULL, '{gpu_hours}');
SELECT count(*) FROM has_features('ada', NULL);
ROLLBACK;
