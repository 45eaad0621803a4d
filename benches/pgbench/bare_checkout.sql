-- The same rows written by bare statements that check and compute nothing.
\set user random(1, :users)
\set first random(1, :add_ons)
BEGIN;
INSERT INTO cart_items (user_id, add_on_id) SELECT 'bare-' || :user::integer || '-' || :client_id::integer, id FROM add_ons
 WHERE billing_type <> 'one_time' AND sort_order IN (:first::integer, 1 + :first::integer * 7 % :add_ons::integer, 1 + :first::integer * 13 % :add_ons::integer) ON CONFLICT DO NOTHING;
SELECT gen_random_uuid() AS checkout \gset
INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, promo_code, metadata)
SELECT user_id, add_on_id, 9.99, :checkout::uuid, 'TEN', '{"quote_line": {"total": 9.99}}' FROM cart_items
 WHERE user_id = 'bare-' || :user::integer || '-' || :client_id::integer;
DELETE FROM cart_items WHERE user_id = 'bare-' || :user::integer || '-' || :client_id::integer;
UPDATE promotional_codes SET current_uses = current_uses + 1 WHERE code = 'TEN' AND (max_uses IS NULL OR current_uses < max_uses);
UPDATE add_on_purchases SET status = 'completed', stripe_payment_id = 'pi_' || :checkout::text WHERE checkout_id = :checkout::uuid;
INSERT INTO user_add_ons (user_id, add_on_id, expires_at)
SELECT user_id, add_on_id, now() + interval '1 month' FROM add_on_purchases WHERE checkout_id = :checkout::uuid
    ON CONFLICT (user_id, add_on_id) DO UPDATE SET status = 'active', expires_at = excluded.expires_at;
COMMIT;
