-- Fills an empty marketplace, set by set. psql variables: users, subscriptions, purchases, carts, add_ons; three lines in a cart.
-- Whoever does what is decided by hashes, so that neighbours in one table are none in another, and every run has the same data.
\set ON_ERROR_STOP on
\set QUIET on
\o /dev/null

CREATE FUNCTION pg_temp.pick(key bigint, choices bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (hashint8extended(key, 0) & 9223372036854775807) % choices $$;

-- Indexes are built faster when their tables are full.
CREATE TEMP TABLE dropped AS
SELECT i.indexrelid::regclass::text AS index, pg_get_indexdef(i.indexrelid) AS definition, obj_description(i.indexrelid, 'pg_class') AS comment
  FROM pg_index i
 WHERE i.indrelid IN ('user_add_ons'::regclass, 'add_on_purchases'::regclass, 'cart_items'::regclass)
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid);
SELECT 'DROP INDEX ' || index FROM dropped
\gexec

\echo catalog
INSERT INTO add_ons (name, description, category, base_price, billing_type, features, sort_order)
SELECT 'Add-on ' || n, 'What number ' || n || ' does.', (ARRAY['ai-services', 'infrastructure', 'analytics', 'development', 'productivity'])[1 + n % 5],
       4.99 + n % 50, (ARRAY['monthly', 'monthly', 'monthly', 'annual', 'one_time'])[1 + n % 5],
       jsonb_build_array('feature_' || n, 'family_' || n % 20, 'listed_' || n), n
  FROM generate_series(1, :add_ons) n;
CREATE TEMP TABLE numbered AS SELECT id, sort_order - 1 AS n FROM add_ons;
ALTER TABLE numbered ADD PRIMARY KEY (n);
INSERT INTO add_on_features (add_on_id, feature_key, configuration)
SELECT id, key, jsonb_build_object('limit', n, 'priority', n % 2 = 0)
  FROM numbered, unnest(ARRAY['feature_' || n + 1, 'family_' || (n + 1) % 20]) key;
-- Three rules for each add-on: one for a tier, one with a condition of one kind or another, one for everybody.
INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent, discount_amount, priority, conditions)
SELECT a.id, CASE WHEN k = 1 THEN 'pro' END, 5 * k, CASE WHEN k = 3 THEN 0.10 ELSE 0 END, k,
       CASE WHEN k <> 2 THEN '{}' ELSE (ARRAY[
           '{"min_quantity": 3}', '{"max_quantity": 1, "stackable": true}', '{"min_subtotal": 60}', '{"billing_type": ["annual", "monthly"]}',
           '{"min_quantity": 2, "stackable": true}']::jsonb[]
           || jsonb_build_object('requires_addon', jsonb_build_array(b.id)) || '{"first_purchase_only": true}'::jsonb)[1 + a.n % 7] END
  FROM numbered a JOIN numbered b ON b.n = (a.n + 3) % :add_ons CROSS JOIN generate_series(1, 3) k
 WHERE k < 3 OR a.n % 4 = 0;
INSERT INTO add_on_bundles (name, add_on_ids, discount_percent, discount_amount, max_uses)
SELECT 'Bundle ' || a.n, ARRAY[a.id, b.id], 10, a.n % 3, CASE WHEN a.n % 5 = 0 THEN 2000000000 END
  FROM numbered a JOIN numbered b ON b.n = (a.n + 1) % :add_ons
 WHERE a.n % 4 = 0 AND a.n <> b.n;
INSERT INTO promotional_codes (code, discount_type, discount_value, user_restrictions, min_purchase_amount)
VALUES ('TEN', 'percentage', 10, '{}', 0), ('FIVE', 'fixed_amount', 5, '{"max_uses_per_user": 1000000}', 10), ('HOT', 'percentage', 10, '{}', 0);

\echo subscriptions
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at, auto_renew)
SELECT 'user-' || u, a.id, now() - pg_temp.pick(s, 10000) * interval '1 hour',
       CASE WHEN s % 7 > 0 THEN now() + (pg_temp.pick(s + 1, 700) - 100) * interval '1 hour' END, s % 3 > 0
  FROM (SELECT s, 1 + s % :users AS u, s / :users AS k FROM generate_series(0::bigint, :subscriptions - 1) s) s
  JOIN numbered a ON a.n = (pg_temp.pick(u, :add_ons) + k * (1 + :add_ons / 7)) % :add_ons
    ON CONFLICT DO NOTHING;

-- Users of a metered feature.
INSERT INTO add_on_features (add_on_id, feature_key, configuration)
SELECT id, 'metered', '{"limit": 1000000000, "per": "month"}' FROM numbered WHERE n = 0;
INSERT INTO user_add_ons (user_id, add_on_id, expires_at)
SELECT 'meter-' || u, id, now() + interval '300 days' FROM generate_series(0, 2000) u, numbered WHERE n = 0;

\echo purchases
INSERT INTO add_on_purchases (user_id, add_on_id, amount, refund_amount, status, checkout_id, stripe_payment_id, purchased_at, metadata)
SELECT 'user-' || 1 + p % :users, a.id, 9.99, CASE WHEN p % 20 = 1 THEN 9.99 ELSE 0 END,
       CASE WHEN p % 20 = 0 THEN 'failed' WHEN p % 20 = 1 THEN 'refunded' ELSE 'completed' END,
       gen_random_uuid(), 'pi_' || p, now() - pg_temp.pick(p, 100000) * interval '10 minutes', '{"quote_line": {"total": 9.99}, "position": 0}'
  FROM generate_series(0::bigint, :purchases - 1) p
  JOIN numbered a ON a.n = pg_temp.pick(p + 7, :add_ons);

\echo carts
INSERT INTO cart_items (user_id, add_on_id, quantity, billing_type, added_at)
SELECT 'user-' || u, a.id, 1 + pg_temp.pick(3 * u + k, 4), CASE WHEN pg_temp.pick(u + k, 10) = 0 THEN 'annual' END,
       now() - pg_temp.pick(u, 1000000) * interval '1 second' + k * interval '1 millisecond'
  FROM generate_series(1::bigint, :carts) u CROSS JOIN generate_series(0, 2) k
  -- In every fifth cart the add-ons are neighbours, and make bundles.
  JOIN numbered a ON a.n = CASE WHEN u % 5 = 0 THEN (pg_temp.pick(u, :add_ons) + k) % :add_ons ELSE pg_temp.pick(7 * u + k, :add_ons) END
    ON CONFLICT DO NOTHING;

\echo indexes
SELECT definition FROM dropped
\gexec
SELECT format('COMMENT ON INDEX %s IS %L', index, comment) FROM dropped
\gexec

\echo statistics
VACUUM ANALYZE;
