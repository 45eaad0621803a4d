-- Every cart in one statement: what they cost, and what they would cost with another catalog.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set presenton '''a0000000-0000-4000-8000-000000000005'''
\set vectors '''a0000000-0000-4000-8000-000000000008'''
BEGIN;
SELECT * FROM price_carts();
INSERT INTO cart_items (user_id, add_on_id, quantity, billing_type) VALUES
    ('ada', :brigade, 1, NULL), ('ada', :bolt, 1, NULL), ('ada', :vectors, 1, NULL), -- 49.97, Developer Pro takes 9.99
    ('bob', :brigade, 2, NULL),                                                      -- 39.98
    ('zoë "💜" ''z''', :presenton, 3, 'annual'),                                     -- 29.97
    ('withdrawn', :presenton, 1, NULL), ('withdrawn', :bolt, 1, NULL);
SELECT * FROM price_carts() ORDER BY user_id COLLATE "C";
UPDATE add_ons SET is_active = false WHERE id = :bolt;
SELECT * FROM price_carts() ORDER BY user_id COLLATE "C"; -- ada's bundle is gone with Bolt
UPDATE add_ons SET is_active = true WHERE id = :bolt;
SELECT * FROM price_carts('vip_founder', ' vip2025 ') ORDER BY user_id COLLATE "C"; -- 30 %: 11.99 of 39.98, 11.99 of 39.98, 8.99 of 29.97, 7.49 of 24.98
SELECT p.user_id, p.total, p.total = cart_total(p.user_id, NULL, 'firstbuy') AS same FROM price_carts(promo_code => 'firstbuy') p ORDER BY p.user_id COLLATE "C";
SELECT count(*) FROM (SELECT price_carts()) carts; -- in a target list too
SELECT count(*) FROM (SELECT * FROM price_carts() LIMIT 2) carts;

-- A pricing rule that somebody has in mind
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :brigade, 'discount_percent', 10, 'conditions', '{"min_quantity": 2}'::jsonb)); -- bob: 10 % of 39.98 is 4.00
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :brigade, 'discount_percent', 10, 'tier_code', 'pro'));
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :brigade, 'discount_percent', 10, 'tier_code', 'pro'), tier_code => 'pro') ORDER BY 1;
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :brigade, 'discount_percent', 10, 'is_active', false));
-- next Friday
SELECT at::date, s.* FROM unnest('{2026-11-26, 2026-11-27, 2026-11-28}'::timestamptz[]) at,
       simulate_pricing_rule(jsonb_build_object('add_on_id', :presenton, 'discount_amount', 1, 'valid_from', '2026-11-27', 'valid_until', '2026-11-28 00:00'), at => at) s ORDER BY 1, s.user_id COLLATE "C";
-- in the place of another: what is changed by 25 % in place of 50 %
INSERT INTO pricing_rules (id, add_on_id, discount_percent, priority) VALUES ('e0000000-0000-4000-8000-000000000001', :presenton, 50, 3);
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :presenton, 'discount_percent', 25), 'e0000000-0000-4000-8000-000000000001') ORDER BY user_id COLLATE "C";
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :presenton, 'discount_percent', 75)); -- beaten by priority 3
-- moving it to another add-on takes it away from the first
SELECT * FROM simulate_pricing_rule(jsonb_build_object('add_on_id', :brigade, 'discount_percent', 50), 'e0000000-0000-4000-8000-000000000001') ORDER BY user_id COLLATE "C";
-- a row as it is exported changes nothing in its own place
SELECT count(*) FROM pricing_rules r, simulate_pricing_rule(to_jsonb(r), r.id);

-- A bundle that somebody has in mind
SELECT * FROM simulate_bundle(jsonb_build_object('add_on_ids', ARRAY[:presenton, :bolt]::uuid[], 'discount_amount', 3));
SELECT * FROM simulate_bundle(jsonb_build_object('add_on_ids', ARRAY[:presenton, :bolt]::uuid[], 'discount_amount', 3, 'max_uses', 1, 'current_uses', 1)); -- used up
SELECT * FROM simulate_bundle(jsonb_build_object('add_on_ids', ARRAY[:brigade, :bolt, :vectors]::uuid[], 'discount_percent', 30), 'b0000000-0000-4000-8000-000000000002'); -- 14.99 in place of 9.99
SELECT count(*) FROM add_on_bundles b, simulate_bundle(to_jsonb(b), b.id);

-- A code that somebody has in mind, in every cart
SELECT * FROM simulate_promo_code('{"code": "ten", "discount_type": "percentage", "discount_value": 10, "min_purchase_amount": 30}') ORDER BY user_id COLLATE "C";
SELECT * FROM simulate_promo_code('{"code": "ten", "discount_type": "percentage", "discount_value": 10, "user_restrictions": {"user_ids": ["bob"]}}');
-- redemptions of the code there is count
INSERT INTO add_on_purchases (user_id, add_on_id, amount, promo_code, status) VALUES ('bob', :bolt, 1, 'FRIEND50', 'completed');
SELECT * FROM simulate_promo_code('{"code": " friend50", "discount_type": "fixed_amount", "discount_value": 5, "user_restrictions": {"max_uses_per_user": 1}}') ORDER BY user_id COLLATE "C";
SELECT count(*) FROM promotional_codes c, simulate_promo_code(to_jsonb(c)) WHERE c.code = 'LAUNCH2025';
-- nothing was written
SELECT (SELECT count(*) FROM pricing_rules) AS rules, (SELECT count(*) FROM add_on_bundles) AS bundles, (SELECT count(*) FROM promotional_codes) AS codes;

-- Refusals
SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT * FROM price_carts(at => NULL)',
    'SELECT * FROM simulate_pricing_rule(NULL)',
    'SELECT * FROM simulate_pricing_rule(''{}'', at => NULL)',
    'SELECT * FROM simulate_pricing_rule(''[]'')',
    'SELECT * FROM simulate_pricing_rule(''{}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on": 1}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-00000000000f"}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-000000000003"}'', ''e0000000-0000-4000-8000-00000000000f'')',
    'SELECT * FROM simulate_pricing_rule(''{"id": "e0000000-0000-4000-8000-000000000001", "add_on_id": "a0000000-0000-4000-8000-000000000003"}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-000000000003", "discount_percent": 101}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-000000000003", "conditions": {"min_qty": 2}}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-000000000003", "valid_from": "soon"}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-000000000003", "priority": 3000000000}'')',
    'SELECT * FROM simulate_pricing_rule(''{"add_on_id": "a0000000-0000-4000-8000-000000000003", "priority": null}'')',
    'SELECT * FROM simulate_bundle(NULL)',
    'SELECT * FROM simulate_bundle(''{"add_on_ids": []}'')',
    'SELECT * FROM simulate_bundle(''{"add_on_ids": ["x"]}'')',
    'SELECT * FROM simulate_bundle(''{"add_on_ids": ["a0000000-0000-4000-8000-000000000003", "a0000000-0000-4000-8000-000000000004"]}'', ''b0000000-0000-4000-8000-00000000000f'')',
    'SELECT * FROM simulate_promo_code(NULL)',
    'SELECT * FROM simulate_promo_code(''{"discount_type": "fixed", "discount_value": 5}'')',
    'SELECT * FROM simulate_promo_code(''{"discount_type": "percentage", "discount_value": 101}'')',
    'SELECT * FROM simulate_promo_code(''{"discount_type": "percentage"}'')'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
-- A line that costs too much is found whoever's it is.
UPDATE add_ons SET base_price = 99999999.99 WHERE id = :brigade;
\set VERBOSITY default
SELECT * FROM price_carts();
ROLLBACK;
