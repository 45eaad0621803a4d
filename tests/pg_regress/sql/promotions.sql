-- Every reason why a code is refused, alone and together.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
BEGIN;
SELECT quantity FROM add_to_cart('ada', :brigade);
INSERT INTO promotional_codes (code, discount_type, discount_value, is_active, expires_at, max_uses, current_uses, min_purchase_amount, applicable_to, user_restrictions)
VALUES
    ('GOOD', 'percentage', 12.5, true, NULL, NULL, 0, 0, NULL, '{}'),
    ('INACTIVE', 'percentage', 10, false, NULL, NULL, 0, 0, NULL, '{}'),
    ('EXPIRED', 'percentage', 10, true, '2026-01-01', NULL, 0, 0, NULL, '{}'),
    ('EXHAUSTED', 'percentage', 10, true, NULL, 3, 3, 0, NULL, '{}'),
    ('EXPENSIVE', 'percentage', 10, true, NULL, NULL, 0, 20, NULL, '{}'),
    ('OTHERS', 'percentage', 10, true, NULL, NULL, 0, 0, ARRAY[:bolt]::uuid[], '{}'),
    ('TIERS', 'percentage', 10, true, NULL, NULL, 0, 0, NULL, '{"tier": ["pro", "vip"]}'),
    ('NEWCOMERS', 'percentage', 10, true, NULL, NULL, 0, 0, NULL, '{"first_purchase_only": true}'),
    ('FRIENDS', 'percentage', 10, true, NULL, NULL, 0, 0, NULL, '{"user_ids": ["bob", "O''Brien"]}'),
    ('TWICE', 'percentage', 10, true, NULL, NULL, 0, 0, NULL, '{"max_uses_per_user": 2}'),
    ('HOPELESS', 'fixed_amount', 5, false, '2026-01-01', 1, 1, 1000, ARRAY[:bolt]::uuid[],
     '{"tier": "vip", "first_purchase_only": true, "user_ids": [], "max_uses_per_user": 1}');
-- ada has bought before, with TWICE twice: once in a checkout of two rows, once in one that is pending; a failed one does not count
INSERT INTO add_on_purchases (user_id, add_on_id, amount, status, checkout_id, promo_code) VALUES
    ('ada', :bolt, 1, 'completed', 'f0000000-0000-4000-8000-000000000001', 'TWICE'),
    ('ada', :brigade, 1, 'completed', 'f0000000-0000-4000-8000-000000000001', 'TWICE'),
    ('ada', :brigade, 1, 'pending', 'f0000000-0000-4000-8000-000000000002', 'TWICE'),
    ('ada', :brigade, 1, 'failed', 'f0000000-0000-4000-8000-000000000003', 'TWICE'),
    ('ada', :brigade, 1, 'completed', 'f0000000-0000-4000-8000-000000000004', 'HOPELESS');

SELECT code.*, answer.* FROM unnest(ARRAY['good', 'INACTIVE', 'EXPIRED', 'EXHAUSTED', 'EXPENSIVE', 'OTHERS', 'TIERS', 'NEWCOMERS', 'FRIENDS', 'TWICE', 'HOPELESS', 'nope', '', repeat('x', 200)]) code,
LATERAL validate_promo_code(code, 'ada') answer;

-- A tier, another user, one use fewer
SELECT valid, reasons, discount, final_total FROM validate_promo_code('tiers', 'ada', 'vip');
SELECT valid, reasons FROM validate_promo_code('tiers', 'ada', 'VIP');
UPDATE add_on_purchases SET status = 'failed' WHERE status = 'pending';
SELECT valid, reasons, discount, final_total FROM validate_promo_code('twice', 'ada');
SELECT quantity FROM add_to_cart('O''Brien', :brigade, 3);
SELECT valid, reasons, discount, cart_total, final_total FROM validate_promo_code('friends', 'O''Brien');
SELECT valid, reasons, discount, cart_total, final_total FROM validate_promo_code('newcomers', 'O''Brien'); -- 59.97 - 6.00

-- An empty cart is the only complaint about the cart
SELECT valid, reasons FROM validate_promo_code('good', 'nobody');
SELECT valid, reasons FROM validate_promo_code('expensive', 'nobody');
SELECT valid, reasons FROM validate_promo_code('nope', 'nobody');

-- Without a user the cart is not looked at; restrictions on the user refuse
SELECT code.*, answer.* FROM unnest(ARRAY['good', 'expensive', 'others', 'tiers', 'newcomers', 'friends', 'twice', 'nope']) code,
LATERAL validate_promo_code(code) answer;
SELECT valid, reasons FROM validate_promo_code('tiers', tier_code => 'pro');

-- The window is half open
SELECT (validate_promo_code('expired', 'ada', at => '2025-12-31 23:59:59.999999')).reasons AS before,
       (validate_promo_code('expired', 'ada', at => '2026-01-01')).reasons AS at_its_end;
ROLLBACK;
