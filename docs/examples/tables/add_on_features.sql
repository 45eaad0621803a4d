-- 200 requests a day, for each unit of Presenton.
INSERT INTO add_on_features (add_on_id, feature_key, configuration)
VALUES ('a0000000-0000-4000-8000-000000000005', 'slide_requests', '{"limit": 200, "unit": "requests", "per": "day"}');
SELECT expires_at IS NULL AS without_end FROM grant_add_on('cy', 'a0000000-0000-4000-8000-000000000005');
SELECT allowed, used, remaining FROM consume_feature('cy', 'slide_requests', 3);
