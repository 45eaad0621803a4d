-- A guarded update of the one row, in a transaction of the same shape.
\set user random(1, :users)
\set add_on random(1, :add_ons)
BEGIN;
INSERT INTO cart_items (user_id, add_on_id) SELECT 'cold-' || :user::integer || '-' || :client_id::integer, id FROM add_ons
 WHERE sort_order = :add_on::integer ON CONFLICT DO NOTHING;
WITH sold AS (DELETE FROM cart_items WHERE user_id = 'cold-' || :user::integer || '-' || :client_id::integer RETURNING user_id, add_on_id),
     claimed AS (UPDATE promotional_codes SET current_uses = current_uses + 1 WHERE code = 'HOT' AND (max_uses IS NULL OR current_uses < max_uses))
INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, promo_code, metadata)
SELECT user_id, add_on_id, 9.99, gen_random_uuid(), 'HOT', '{"quote_line": {"total": 9.99}}' FROM sold;
COMMIT;
