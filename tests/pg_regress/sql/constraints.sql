-- What no writer may break, whoever writes: each refusal names the constraint, the key or the transition.
\set VERBOSITY default
\set bolt '''a0000000-0000-4000-8000-000000000004'''

SELECT call, refusal.* FROM unnest(ARRAY[
    $call$INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('x', 'AI & Chat', 1, 'monthly')$call$,
    $call$INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('x', 'analytics', -0.01, 'monthly')$call$,
    $call$INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('x', 'analytics', 100000000, 'monthly')$call$,
    $call$INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('x', 'analytics', 1, 'weekly')$call$,
    $call$INSERT INTO add_ons (name, category, base_price, billing_type, features) VALUES ('x', 'analytics', 1, 'monthly', '"a"')$call$,
    $call$INSERT INTO add_ons (name, category, base_price, billing_type, features) VALUES ('x', 'analytics', 1, 'monthly', '["a", 1]')$call$,
    $call$INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('Bolt', 'analytics', 1, 'monthly')$call$,
    $call$INSERT INTO user_add_ons (user_id, add_on_id, status) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 'lost')$call$,
    $call$INSERT INTO user_add_ons (user_id, add_on_id) VALUES ('u', gen_random_uuid())$call$,
    $call$INSERT INTO add_on_purchases (user_id, add_on_id, amount) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', -1)$call$,
    $call$INSERT INTO add_on_purchases (user_id, add_on_id, amount, refund_amount) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 1, 1.01)$call$,
    $call$INSERT INTO add_on_purchases (user_id, add_on_id, amount, quantity) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 1, 0)$call$,
    $call$INSERT INTO add_on_bundles (name, add_on_ids) VALUES ('x', ARRAY['a0000000-0000-4000-8000-000000000004']::uuid[])$call$,
    $call$INSERT INTO add_on_bundles (name, add_on_ids) VALUES ('x', ARRAY['a0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000004']::uuid[])$call$,
    $call$INSERT INTO add_on_bundles (name, add_on_ids) VALUES ('x', ARRAY['a0000000-0000-4000-8000-000000000004', NULL]::uuid[])$call$,
    $call$INSERT INTO add_on_bundles (name, add_on_ids, discount_percent) VALUES ('x', ARRAY['a0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000003']::uuid[], 100.01)$call$,
    $call$INSERT INTO add_on_bundles (name, add_on_ids, max_uses, current_uses) VALUES ('x', ARRAY['a0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000003']::uuid[], 1, 2)$call$,
    $call$INSERT INTO add_on_bundles (name, add_on_ids, valid_from, valid_until) VALUES ('x', ARRAY['a0000000-0000-4000-8000-000000000004', 'a0000000-0000-4000-8000-000000000003']::uuid[], now(), now())$call$,
    $call$INSERT INTO pricing_rules (add_on_id, discount_amount) VALUES ('a0000000-0000-4000-8000-000000000004', -1)$call$,
    $call$INSERT INTO pricing_rules (add_on_id, valid_from, valid_until) VALUES ('a0000000-0000-4000-8000-000000000004', 'tomorrow', 'today')$call$,
    $call$INSERT INTO pricing_rules (add_on_id, conditions) VALUES ('a0000000-0000-4000-8000-000000000004', '{"min_quantity": 2, "colour": "red"}')$call$,
    $call$INSERT INTO pricing_rules (add_on_id, conditions) VALUES ('a0000000-0000-4000-8000-000000000004', '{"min_subtotal": "10.00"}')$call$,
    $call$INSERT INTO pricing_rules (add_on_id, conditions) VALUES ('a0000000-0000-4000-8000-000000000004', '{"requires_addon": ["Bolt"]}')$call$,
    $call$INSERT INTO pricing_rules (add_on_id, conditions) VALUES ('a0000000-0000-4000-8000-000000000004', '[]')$call$,
    $call$INSERT INTO cart_items (user_id, add_on_id, quantity) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 0)$call$,
    $call$INSERT INTO cart_items (user_id, add_on_id, billing_type) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 'weekly')$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('  ', 'percentage', 10)$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('X', 'fixed', 10)$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('X', 'percentage', 0)$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('X', 'percentage', 100.01)$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses, current_uses) VALUES ('X', 'percentage', 1, 1, 2)$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value, user_restrictions) VALUES ('X', 'percentage', 1, '{"tiers": ["pro"]}')$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value, user_restrictions) VALUES ('X', 'percentage', 1, '{"max_uses_per_user": 0}')$call$,
    $call$INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES (' vip2025 ', 'percentage', 1)$call$
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;

-- What somebody owns or bought cannot be deleted. (PostgreSQL 18 says 23001, those before 23503.)
SELECT state IN ('23001', '23503') AS refused, code FROM testing.refusal($call$
    INSERT INTO user_add_ons (user_id, add_on_id) VALUES ('u', 'a0000000-0000-4000-8000-000000000004');
    DELETE FROM add_ons WHERE id = 'a0000000-0000-4000-8000-000000000004'$call$);
SELECT state IN ('23001', '23503') AS refused, code FROM testing.refusal($call$
    INSERT INTO add_on_purchases (user_id, add_on_id, amount) VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 1);
    DELETE FROM add_ons WHERE id = 'a0000000-0000-4000-8000-000000000004'$call$);

-- Codes are normalised by whoever writes them.
BEGIN;
INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('  summer sale ', 'fixed_amount', 250) RETURNING code;
UPDATE promotional_codes SET code = 'winter sale' WHERE code = 'SUMMER SALE' RETURNING code;
ROLLBACK;

-- updated_at follows every change and only changes.
BEGIN;
INSERT INTO add_ons (name, category, base_price, billing_type, updated_at) VALUES ('x', 'analytics', 1, 'monthly', '2020-01-01');
SELECT updated_at = '2020-01-01' AS as_inserted FROM add_ons WHERE name = 'x';
UPDATE add_ons SET base_price = 2 WHERE name = 'x';
SELECT updated_at = now() AS as_of_the_update FROM add_ons WHERE name = 'x';
ROLLBACK;
SELECT c.relname AS "table", count(*) AS triggers
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE t.tgname LIKE '%updated\_at%'
 GROUP BY c.relname ORDER BY c.relname COLLATE "C";

-- The life of a purchase: six transitions, no others.
CREATE FUNCTION pg_temp.attempt(before text, after text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    purchase uuid;
BEGIN
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, status)
    VALUES ('u', 'a0000000-0000-4000-8000-000000000004', 1, before) RETURNING id INTO purchase;
    UPDATE add_on_purchases SET status = after WHERE id = purchase;
    DELETE FROM add_on_purchases WHERE id = purchase;
    RETURN 'yes';
EXCEPTION WHEN check_violation THEN
    RETURN '-';
END
$$;
SELECT before,
       pg_temp.attempt(before, 'pending') AS pending, pg_temp.attempt(before, 'completed') AS completed,
       pg_temp.attempt(before, 'failed') AS failed, pg_temp.attempt(before, 'refunded') AS refunded,
       pg_temp.attempt(before, 'disputed') AS disputed
  FROM unnest(ARRAY['pending', 'completed', 'failed', 'refunded', 'disputed']) before;
BEGIN;
INSERT INTO add_on_purchases (id, user_id, add_on_id, amount, status)
VALUES ('d0000000-0000-4000-8000-000000000001', 'u', :bolt, 1, 'failed');
UPDATE add_on_purchases SET status = 'completed' WHERE user_id = 'u';
ROLLBACK;
-- Codes of currencies are stored in capitals, whoever writes them.
BEGIN;
INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency) VALUES ('u', :bolt, 1, 'eUr') RETURNING currency;
UPDATE add_on_purchases SET currency = 'gbp' WHERE user_id = 'u' RETURNING currency;
ROLLBACK;
