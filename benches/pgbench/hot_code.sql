\set user random(1, :users)
\set add_on random(1, :add_ons)
BEGIN;
INSERT INTO cart_items (user_id, add_on_id) SELECT 'hot-' || :user::integer || '-' || :client_id::integer, id FROM add_ons
 WHERE sort_order = :add_on::integer ON CONFLICT DO NOTHING;
SELECT count(*) FROM checkout('hot-' || :user::integer || '-' || :client_id::integer, promo_code => 'HOT', allow_mixed_billing => true);
COMMIT;
