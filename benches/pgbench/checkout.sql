\set user random(1, :users)
\set first random(1, :add_ons)
BEGIN;
INSERT INTO cart_items (user_id, add_on_id) SELECT 'buyer-' || :user::integer || '-' || :client_id::integer, id FROM add_ons
 WHERE billing_type <> 'one_time' AND sort_order IN (:first::integer, 1 + :first::integer * 7 % :add_ons::integer, 1 + :first::integer * 13 % :add_ons::integer) ON CONFLICT DO NOTHING;
SELECT min(checkout_id::text) AS checkout FROM checkout('buyer-' || :user::integer || '-' || :client_id::integer, 'pro', 'TEN', allow_mixed_billing => true) \gset
SELECT * FROM complete_checkout(:checkout::uuid, 'pi_' || :checkout::text);
COMMIT;
