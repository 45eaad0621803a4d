-- Clearing away, reporting, linking to the application's tables.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
BEGIN;
CREATE FUNCTION pg_temp.buy(buyer text, bought uuid, code text DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
    SELECT quantity FROM add_to_cart(buyer, bought);
    SELECT checkout_id FROM checkout(buyer, promo_code => code);
$$;

-- Maintenance: what is old enough is cleared away, what is not stays.
INSERT INTO cart_items (user_id, add_on_id, added_at, updated_at) VALUES
    ('gone', :brigade, now() - interval '31 days', now() - interval '31 days'), ('gone', :bolt, now() - interval '40 days', now() - interval '40 days'),
    ('back', :brigade, now() - interval '31 days', now() - interval '31 days'), ('back', :bolt, now() - interval '1 day', now());
SELECT pg_temp.buy('unpaid', :brigade, 'launch2025') AS unpaid, pg_temp.buy('paying', :bolt) AS paying \gset
UPDATE add_on_purchases SET purchased_at = now() - interval '25 hours' WHERE checkout_id = :'unpaid';
INSERT INTO user_add_ons (user_id, add_on_id, expires_at, auto_renew) VALUES
    ('over', :brigade, now(), false), ('late', :brigade, now() - interval '2 days', true), ('lost', :brigade, now() - interval '4 days', true),
    ('runs', :brigade, now() + interval '1 second', false), ('ever', :brigade, NULL, false);
INSERT INTO promotional_codes (code, discount_type, discount_value, expires_at) VALUES ('PAST', 'percentage', 5, now()), ('AHEAD', 'percentage', 5, now() + interval '1 second');
SELECT * FROM run_maintenance();
SELECT * FROM run_maintenance();
SELECT user_id, count(*) FROM cart_items GROUP BY user_id ORDER BY user_id;
SELECT user_id, status, metadata ->> 'reason' AS reason FROM add_on_purchases ORDER BY user_id;
SELECT user_id, status FROM user_add_ons ORDER BY user_id;
SELECT code, is_active, current_uses FROM promotional_codes WHERE code IN ('PAST', 'AHEAD', 'LAUNCH2025') ORDER BY code;
SELECT * FROM run_maintenance(renewal_grace => '0');
-- so many of each at a time
INSERT INTO cart_items (user_id, add_on_id, added_at, updated_at) SELECT 'gone ' || n, :brigade, now() - interval '31 days', now() - interval '31 days' FROM generate_series(1, 3) n;
INSERT INTO user_add_ons (user_id, add_on_id, expires_at, auto_renew) SELECT 'gone ' || n, :brigade, now(), false FROM generate_series(1, 2) n;
SELECT * FROM run_maintenance(batch => 2);
SELECT * FROM run_maintenance(batch => 2);
SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT run_maintenance(NULL)',
    'SELECT run_maintenance(''-1 day'')',
    'SELECT run_maintenance(checkout_max_age => ''-1 second'')',
    'SELECT run_maintenance(batch => 0)',
    'SELECT run_maintenance(batch => NULL)',
    'SELECT schedule_maintenance()',
    'SELECT schedule_maintenance(NULL)'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
ROLLBACK;

-- Reports
BEGIN;
INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, status, refund_amount, purchased_at, checkout_id, promo_code, metadata) VALUES
    ('ada', :brigade, 10, 'USD', 'completed', 2.50, '2026-03-01 12:00+00', 'f0000000-0000-4000-8000-000000000001', 'LAUNCH2025', '{"quote_line": {"promo_discount": 2.50}}'),
    ('ada', :bolt, 5, 'USD', 'refunded', 5, '2026-03-01 13:00+00', 'f0000000-0000-4000-8000-000000000001', 'LAUNCH2025', '{"quote_line": {"promo_discount": 1.25}}'),
    ('bob', :brigade, 20, 'EUR', 'disputed', 0, '2026-03-01 12:00+00', 'f0000000-0000-4000-8000-000000000002', NULL, '{}'),
    ('bob', :bolt, 40, 'USD', 'pending', 0, '2026-03-02 12:00+00', 'f0000000-0000-4000-8000-000000000003', 'LAUNCH2025', '{"quote_line": {"promo_discount": 8}}'),
    ('eve', :bolt, 80, 'USD', 'failed', 0, '2026-03-02 12:00+00', 'f0000000-0000-4000-8000-000000000004', 'LAUNCH2025', '{}'),
    ('eve', :bolt, 7, 'USD', 'completed', 0, '2026-03-02 12:00+00', NULL, NULL, '{"renewal_of": null}');
SELECT * FROM revenue_by_day ORDER BY day, currency;
SELECT * FROM revenue_by_add_on ORDER BY name, currency;
SELECT * FROM revenue_by_category ORDER BY category, currency;
SELECT code, current_uses, pending_checkouts, paid_checkouts, users, net, discount FROM promo_code_performance WHERE code = 'LAUNCH2025';
INSERT INTO user_add_ons (user_id, add_on_id, expires_at, status, auto_renew) VALUES
    ('today', :brigade, now() + interval '1 hour', 'active', true), ('week', :brigade, now() + interval '7 days', 'active', false),
    ('month', :brigade, now() + interval '8 days', 'active', true), ('over', :brigade, now(), 'active', true), ('withheld', :brigade, now() + interval '1 hour', 'suspended', true);
SELECT user_id, name, auto_renew, remaining FROM subscriptions_expiring_soon ORDER BY expires_at;
ROLLBACK;

-- Links to the application's tables: none there, some there, rows in the way
SELECT * FROM link_reference_tables();
SELECT * FROM unlink_reference_tables();
BEGIN;
CREATE TABLE subscription_tiers (tier_code varchar(50) PRIMARY KEY);
CREATE TABLE feature_definitions (feature_key varchar(100));
INSERT INTO subscription_tiers VALUES ('pro');
INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent) VALUES (:brigade, 'pro', 5), (:brigade, 'gold', 10), (:bolt, 'gold', 10), (:bolt, NULL, 1);
SELECT * FROM link_reference_tables();
SELECT * FROM testing.refusal('INSERT INTO pricing_rules (add_on_id, tier_code) VALUES (''a0000000-0000-4000-8000-000000000003'', ''silver'')');
SELECT check_name, detail FROM check_marketplace() WHERE NOT ok AND check_name <> 'pricing_rules';
INSERT INTO subscription_tiers VALUES ('gold');
ALTER TABLE feature_definitions ADD PRIMARY KEY (feature_key);
INSERT INTO feature_definitions SELECT DISTINCT feature_key FROM add_on_features;
SELECT * FROM link_reference_tables();
SELECT * FROM link_reference_tables();
SELECT * FROM check_marketplace() WHERE NOT ok;
SELECT * FROM unlink_reference_tables();
SELECT code FROM testing.refusal('INSERT INTO pricing_rules (add_on_id, tier_code) VALUES (''a0000000-0000-4000-8000-000000000003'', ''silver'')');
ROLLBACK;
