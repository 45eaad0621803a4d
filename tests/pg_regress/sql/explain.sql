-- Why a cart costs what it costs: every candidate, with the values compared. Amounts are worked out in the comments.
\set orator '''a0000000-0000-4000-8000-000000000001'''
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set presenton '''a0000000-0000-4000-8000-000000000005'''
\set documents '''a0000000-0000-4000-8000-000000000007'''
\set vectors '''a0000000-0000-4000-8000-000000000008'''
\set gpu '''a0000000-0000-4000-8000-000000000009'''
\pset tuples_only on
\pset format unaligned
BEGIN;
-- Expiring is not what is shown here.
UPDATE promotional_codes SET expires_at = NULL;
INSERT INTO cart_items (user_id, add_on_id, quantity, added_at) VALUES
    ('ada', :gpu, 2, '2026-01-01'), ('ada', :brigade, 1, '2026-01-02'), ('ada', :bolt, 1, '2026-01-03'), ('ada', :vectors, 2, '2026-01-04'),
    ('ada', :documents, 1, '2026-01-05');
UPDATE add_ons SET is_active = false WHERE id = :documents;
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at) VALUES ('ada', :orator, '2025-01-01');
INSERT INTO add_on_purchases (user_id, add_on_id, amount, status) VALUES ('ada', :orator, 9.99, 'completed');
INSERT INTO pricing_rules (id, add_on_id, tier_code, discount_percent, discount_amount, priority, is_active, valid_from, valid_until, conditions) VALUES
    -- Applies: 10 % of 99.98 is 9.998, so 10.00, and 2 x 1.50.
    ('e0000000-0000-4000-8000-000000000001', :gpu, NULL, 10, 1.50, 9, true, NULL, NULL, '{"min_quantity": 2}'),
    ('e0000000-0000-4000-8000-000000000002', :gpu, NULL, 50, 0, 8, true, NULL, NULL, '{}'),
    ('e0000000-0000-4000-8000-000000000003', :gpu, NULL, 5, 0, 9, true, NULL, NULL, '{"stackable": true}'),
    ('e0000000-0000-4000-8000-000000000004', :gpu, NULL, 10, 1.50, 9, true, NULL, NULL, '{}'),
    ('e0000000-0000-4000-8000-000000000005', :gpu, 'vip', 90, 0, 9, true, NULL, NULL, '{}'),
    ('e0000000-0000-4000-8000-000000000006', :gpu, NULL, 90, 0, 9, false, '2026-06-01', '2026-07-01', '{}'),
    ('e0000000-0000-4000-8000-000000000007', :gpu, NULL, 90, 0, 9, true, NULL, '2026-02-01', '{"min_quantity": 3, "max_quantity": 1}'),
    -- Each condition with its values.
    ('e0000000-0000-4000-8000-000000000011', :brigade, NULL, 90, 0, 9, true, NULL, NULL, '{"min_subtotal": 164.95}'),
    ('e0000000-0000-4000-8000-000000000012', :brigade, NULL, 90, 0, 9, true, NULL, NULL,
     '{"requires_addon": ["a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000005"]}'),
    ('e0000000-0000-4000-8000-000000000013', :brigade, NULL, 90, 0, 9, true, NULL, NULL, '{"excludes_addon": ["a0000000-0000-4000-8000-000000000001"]}'),
    ('e0000000-0000-4000-8000-000000000014', :brigade, NULL, 90, 0, 9, true, NULL, NULL, '{"billing_type": ["annual", "one_time"]}'),
    ('e0000000-0000-4000-8000-000000000015', :brigade, NULL, 90, 0, 9, true, NULL, NULL, '{"first_purchase_only": true}'),
    ('e0000000-0000-4000-8000-000000000016', :brigade, NULL, 0, 0, 1, true, NULL, NULL, '{}'),
    -- Stacking: 10 % of 14.99 is 1.50, then 1.00 per unit off 13.49; the last is not stackable.
    ('e0000000-0000-4000-8000-000000000021', :bolt, NULL, 10, 0, 5, true, NULL, NULL, '{"stackable": true}'),
    ('e0000000-0000-4000-8000-000000000022', :bolt, NULL, 0, 1, 4, true, NULL, NULL, '{"stackable": true}'),
    ('e0000000-0000-4000-8000-000000000023', :bolt, NULL, 50, 0, 3, true, NULL, NULL, '{}');
INSERT INTO add_on_bundles (id, name, add_on_ids, discount_percent, discount_amount, is_active, valid_from, valid_until, max_uses, current_uses) VALUES
    -- Beaten by Developer Pro, which needs the same units and saves more.
    ('b0000000-0000-4000-8000-000000000011', 'Pair', ARRAY[:brigade, :bolt]::uuid[], 0, 1, true, NULL, NULL, NULL, 0),
    -- One instance, of the units that are left.
    ('b0000000-0000-4000-8000-000000000012', 'Compute', ARRAY[:gpu, :vectors]::uuid[], 0, 2, true, NULL, NULL, 5, 0),
    ('b0000000-0000-4000-8000-000000000013', 'Over', ARRAY[:gpu, :brigade]::uuid[], 50, 0, false, '2026-06-01', '2026-07-01', 1, 1),
    ('b0000000-0000-4000-8000-000000000014', 'Absent', ARRAY[:gpu, :presenton, :documents, 'a0000000-0000-4000-8000-00000000000f']::uuid[], 50, 0, true, NULL, NULL, NULL, 0),
    ('b0000000-0000-4000-8000-000000000015', 'Nothing', ARRAY[:gpu, :bolt]::uuid[], 0, 0, true, NULL, NULL, NULL, 0);
-- List 99.98 + 19.99 + 14.99 + 29.98 = 164.94; rules take 13.00 off GPU Compute and 2.50 off Bolt.
-- Developer Pro consumes 19.99 + 12.49 + 14.99 = 47.47: 20 % is 9.494, so 9.49. A second unit of Vector Search is left, so Compute can
-- have one instance (saving 2.00); without Developer Pro it could have two (4.00) besides Pair's 1.00. 11.49 is more than 5.00.
SELECT explain_cart_text('ada', 'pro', at => '2026-03-01 00:00+00');
-- The rows say the same, and add up.
SELECT step, stage, outcome, base, discount, source FROM explain_cart('ada', 'pro', at => '2026-03-01 00:00+00') WHERE outcome IN ('applied', 'to_pay', 'listed', 'unavailable');
-- FRIEND50 takes another 5.00.
SELECT sum(discount), price_cart('ada', 'pro', 'friend50', '2026-03-01 00:00+00') -> 'discount_total' FROM explain_cart('ada', 'pro', 'friend50', '2026-03-01 00:00+00');

-- Codes: one that applies, one that is refused for every reason at once, one that does not exist.
DELETE FROM pricing_rules;
DELETE FROM add_on_bundles;
SELECT explain_cart_text('bob', promo_code => 'none', at => '2026-03-01 00:00+00');
INSERT INTO cart_items (user_id, add_on_id, quantity, added_at) VALUES ('bob', :brigade, 1, '2026-01-01'), ('bob', :presenton, 1, '2026-01-02');
INSERT INTO promotional_codes (id, code, discount_type, discount_value, applicable_to, expires_at) VALUES
    ('c0000000-0000-4000-8000-000000000011', 'HALF', 'percentage', 50, ARRAY[:presenton]::uuid[], '2026-04-01'),
    ('c0000000-0000-4000-8000-000000000012', 'MUCH', 'fixed_amount', 100, ARRAY[:presenton]::uuid[], NULL);
SELECT explain_cart_text('bob', promo_code => ' half ', at => '2026-03-01 00:00+00'); -- 50 % of 9.99 is 4.995, so 5.00
SELECT explain_cart_text('bob', promo_code => 'MUCH', at => '2026-03-01 00:00+00'); -- all of 9.99
INSERT INTO promotional_codes (id, code, discount_type, discount_value, applicable_to, expires_at, is_active, max_uses, current_uses, min_purchase_amount, user_restrictions) VALUES
    ('c0000000-0000-4000-8000-000000000013', 'HOPELESS', 'percentage', 50, ARRAY[:gpu]::uuid[], '2026-03-01 00:00+00', false, 1, 1, 30,
     '{"tier": ["vip", "pro"], "first_purchase_only": true, "user_ids": ["ada"], "max_uses_per_user": 1}');
INSERT INTO add_on_purchases (user_id, add_on_id, amount, status, promo_code) VALUES ('bob', :orator, 9.99, 'completed', 'HOPELESS');
SELECT explain_cart_text('bob', 'free', 'hopeless', '2026-03-01 00:00+00');
SELECT stage, outcome, detail FROM explain_cart('bob', promo_code => 'no such code', at => '2026-03-01 00:00+00') WHERE stage LIKE 'promo%';
SELECT stage, outcome, detail FROM explain_cart('nobody', promo_code => 'half', at => '2026-03-01 00:00+00');

-- What was sold keeps its reasons, whatever becomes of the catalog. MUCH takes all of 9.99.
SELECT count(*) FROM checkout('bob', promo_code => 'much');
DELETE FROM promotional_codes WHERE code = 'HALF';
UPDATE add_ons SET name = 'Slides', base_price = 12 WHERE id = :presenton;
SELECT stage, source, outcome, base, discount, detail
  FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'bob' AND checkout_id IS NOT NULL) sold, explain_checkout(sold.checkout_id)
 ORDER BY step;
SELECT count(*) FROM explain_checkout('00000000-0000-4000-8000-000000000000');
SELECT count(*) FROM explain_checkout(NULL);

-- Refusals
SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT * FROM explain_cart(NULL)',
    'SELECT * FROM explain_cart(''ada'', at => NULL)',
    'SELECT explain_cart_text(NULL)'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
ROLLBACK;
