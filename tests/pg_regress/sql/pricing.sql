-- Prices, step by step, on the sample catalog. Expected amounts are worked out in the comments.
\set orator '''a0000000-0000-4000-8000-000000000001'''
\set amanuensis '''a0000000-0000-4000-8000-000000000002'''
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set presenton '''a0000000-0000-4000-8000-000000000005'''
\set center '''a0000000-0000-4000-8000-000000000006'''
\set documents '''a0000000-0000-4000-8000-000000000007'''
\set vectors '''a0000000-0000-4000-8000-000000000008'''
\set gpu '''a0000000-0000-4000-8000-000000000009'''

CREATE FUNCTION pg_temp.lines(quote jsonb) RETURNS TABLE (name text, quantity int, list numeric, rules numeric, bundles numeric, promo numeric, total numeric)
LANGUAGE sql AS $$
    SELECT line ->> 'name', (line ->> 'quantity')::int, (line ->> 'list_amount')::numeric, (line ->> 'rule_discount')::numeric,
           (line ->> 'bundle_discount')::numeric, (line ->> 'promo_discount')::numeric, (line ->> 'total')::numeric
      FROM jsonb_array_elements(quote -> 'lines') WITH ORDINALITY lines (line, position) ORDER BY position
$$;
CREATE FUNCTION pg_temp.totals(quote jsonb) RETURNS TABLE (list_total jsonb, discount_total jsonb, total jsonb, bundle_search jsonb)
LANGUAGE sql AS $$ SELECT quote -> 'list_total', quote -> 'discount_total', quote -> 'total', quote -> 'bundle_search' $$;

BEGIN;

-- 1. Lines
SELECT price_add_on(:orator), price_add_on(:gpu, 3); -- 9.99, 3 × 49.99 = 149.97
SELECT jsonb_pretty(quote('[]'::jsonb, at => '2026-02-03 04:05:06+00'));
SELECT * FROM pg_temp.lines(quote(jsonb_build_array(
    jsonb_build_object('add_on_id', :gpu, 'quantity', 1),
    jsonb_build_object('add_on_id', :orator, 'quantity', 2),
    jsonb_build_object('quantity', 2, 'add_on_id', :gpu)))); -- two lines; one add-on given twice is one line

-- 2. Pricing rules
INSERT INTO pricing_rules (id, add_on_id, tier_code, discount_percent, discount_amount, conditions, priority) VALUES
    ('e0000000-0000-4000-8000-000000000001', :gpu, NULL, 10, 0, '{"min_quantity": 2}', 10),
    ('e0000000-0000-4000-8000-000000000002', :gpu, 'pro', 0, 10, '{}', 20),
    ('e0000000-0000-4000-8000-000000000003', :bolt, NULL, 10, 0, '{"stackable": true}', 5),
    ('e0000000-0000-4000-8000-000000000004', :bolt, NULL, 0, 1, '{"stackable": true}', 4),
    ('e0000000-0000-4000-8000-000000000005', :bolt, NULL, 50, 0, '{}', 3);
SELECT price_add_on(:gpu) AS one,                    -- 49.99: no rule for one unit
       price_add_on(:gpu, 2) AS two,                 -- 99.98 - round(9.998) = 89.98
       price_add_on(:gpu, 2, 'pro') AS two_for_pro,  -- the higher priority: 99.98 - 2 × 10.00 = 79.98
       price_add_on(:gpu, 1, 'pro') AS one_for_pro;  -- 39.99
SELECT price_add_on(:bolt, 2) AS stacked;            -- 29.98 - 3.00 = 26.98, then - 2 × 1.00 = 24.98; 50 % is not stackable
SELECT line -> 'rules' AS applied FROM jsonb_array_elements(quote(jsonb_build_array(
    jsonb_build_object('add_on_id', :bolt, 'quantity', 2))) -> 'lines') line;
UPDATE pricing_rules SET valid_until = '2026-06-01 00:00+00' WHERE add_on_id = :gpu AND tier_code = 'pro';
SELECT price_add_on(:gpu, 1, 'pro', '2026-05-31 23:59:59.999999+00') AS before, price_add_on(:gpu, 1, 'pro', '2026-06-01 00:00+00') AS at_the_end;
SET LOCAL timezone = 'Pacific/Auckland'; -- the session's time zone changes nothing
SELECT price_add_on(:gpu, 1, 'pro', '2026-05-31 23:59:59.999999+00') AS before, price_add_on(:gpu, 1, 'pro', '2026-06-01 00:00+00') AS at_the_end;

-- Conditions on the cart, on what the user owns and on what the user bought before
INSERT INTO pricing_rules (add_on_id, discount_percent, conditions) VALUES
    (:center, 50, jsonb_build_object('requires_addon', jsonb_build_array(:vectors))),
    (:documents, 50, '{"first_purchase_only": true}'),
    (:orator, 50, '{"min_subtotal": 29.97, "billing_type": ["monthly", "annual"]}');
SELECT cart_total(add_on) FROM (VALUES ('none')) v (add_on); -- nobody's cart
SELECT quote(jsonb_build_array(jsonb_build_object('add_on_id', :center, 'quantity', 1))) -> 'total' AS alone, -- 19.99
       quote(jsonb_build_array(jsonb_build_object('add_on_id', :center, 'quantity', 1),
                               jsonb_build_object('add_on_id', :vectors, 'quantity', 1))) -> 'total' AS with_it; -- 19.99 - 10.00 + 14.99 = 24.98
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at) VALUES ('paul', :vectors, '2026-01-01', '2026-02-01');
SELECT quote(jsonb_build_array(jsonb_build_object('add_on_id', :center, 'quantity', 1)), 'paul', at => '2026-01-31') -> 'total' AS owned,
       quote(jsonb_build_array(jsonb_build_object('add_on_id', :center, 'quantity', 1)), 'paul', at => '2026-02-01') -> 'total' AS no_longer_owned;
SELECT quote(jsonb_build_array(jsonb_build_object('add_on_id', :documents, 'quantity', 1)), 'paul') -> 'total' AS first, -- 12.99 - 6.50 = 6.49
       quote(jsonb_build_array(jsonb_build_object('add_on_id', :documents, 'quantity', 1))) -> 'total' AS of_nobody; -- 12.99: nobody is known to be new
INSERT INTO add_on_purchases (user_id, add_on_id, amount, status) VALUES ('paul', :bolt, 1, 'pending');
SELECT quote(jsonb_build_array(jsonb_build_object('add_on_id', :documents, 'quantity', 1)), 'paul') -> 'total' AS pending_counts;
UPDATE add_on_purchases SET status = 'completed' WHERE user_id = 'paul';
SELECT quote(jsonb_build_array(jsonb_build_object('add_on_id', :documents, 'quantity', 1)), 'paul') -> 'total' AS second;
SELECT price_add_on(:orator, 2) AS below, price_add_on(:orator, 3) AS reached; -- 19.98, 29.97 - 14.99 = 14.98

ROLLBACK;
BEGIN;

-- 3. Bundles: AI Productivity 15 %, Developer Pro 20 %, Enterprise Suite 25 %, Knowledge Base 10 %
SELECT add_to_cart('bea', :orator), add_to_cart('bea', :amanuensis), add_to_cart('bea', :presenton, 2) \g /dev/null
SELECT * FROM pg_temp.lines(price_cart('bea')); -- base 9.99 + 9.99 + 9.99 = 29.97, 15 % = 4.4955 → 4.50, split 1.50 each
SELECT * FROM pg_temp.totals(price_cart('bea')); -- 39.96 - 4.50 = 35.46
SELECT jsonb_pretty(price_cart('bea') -> 'bundles');
UPDATE add_on_bundles SET max_uses = 1, current_uses = 1 WHERE name = 'AI Productivity';
SELECT * FROM pg_temp.totals(price_cart('bea')); -- sold out

-- One unit belongs to one bundle: with everything in the cart the suite saves more than the others together.
SELECT count(*) FROM add_ons, add_to_cart('eve', id);
SELECT b ->> 'name' AS bundle, b -> 'instances' AS instances, b -> 'base' AS base, b -> 'discount' AS discount
  FROM jsonb_array_elements(price_cart('eve') -> 'bundles') b; -- 162.91 × 25 % = 40.7275 → 40.73
SELECT * FROM pg_temp.lines(price_cart('eve'));
SELECT * FROM pg_temp.totals(price_cart('eve')); -- 122.18
-- Two of everything: two suites save 325.82 × 25 % = 81.455 → 81.46.
SELECT count(*) FROM add_ons, set_cart_quantity('eve', id, 2);
SELECT b ->> 'name' AS bundle, b -> 'instances' AS instances, b -> 'discount' AS discount
  FROM jsonb_array_elements(price_cart('eve') -> 'bundles') b;
-- Fifty of everything: 51 ^ 3 selections are too many to weigh them all. 50 suites save 8145.50 × 25 % = 2036.375 → 2036.38.
SELECT count(*) FROM add_ons, set_cart_quantity('eve', id, 50);
SELECT * FROM pg_temp.totals(price_cart('eve'));

-- A line is priced after its rules, and a bundle never takes more than what it consumes.
INSERT INTO pricing_rules (add_on_id, discount_percent) VALUES (:center, 100);
UPDATE add_on_bundles SET discount_percent = 100, discount_amount = 1000 WHERE name = 'Knowledge Base';
SELECT add_to_cart('kim', :center), add_to_cart('kim', :documents, 2) \g /dev/null
SELECT * FROM pg_temp.lines(price_cart('kim')); -- 0.00 and 12.99 of 25.98 are consumed and taken

ROLLBACK;
BEGIN;

-- 4. Promotional codes: FRIEND50 takes 5.00, split by largest remainder
SELECT add_to_cart('pia', :orator), add_to_cart('pia', :bolt), add_to_cart('pia', :gpu) \g /dev/null
SELECT * FROM pg_temp.lines(price_cart('pia', promo_code => 'friend50')); -- of 74.97: 0.666 → 0.67, 0.9997 → 1.00, 3.334 → 3.33
SELECT price_cart('pia', promo_code => '  Friend50 ') -> 'promo' AS promo;
SELECT price_cart('pia', promo_code => 'nosuchcode') -> 'promo' AS promo, cart_total('pia', promo_code => 'nosuchcode');
UPDATE promotional_codes SET applicable_to = ARRAY[:bolt]::uuid[], discount_value = 50 WHERE code = 'FRIEND50';
SELECT * FROM pg_temp.lines(price_cart('pia', promo_code => 'friend50')); -- at most what the eligible line costs
SELECT price_cart('pia', 'vip_founder', 'vip2025') -> 'total' AS vip, price_cart('pia', NULL, 'vip2025') -> 'total' AS not_vip; -- 74.97 - 22.49 = 52.48

-- 5. The cart row's own billing type counts
UPDATE cart_items SET billing_type = 'annual' WHERE user_id = 'pia' AND add_on_id = :gpu;
INSERT INTO pricing_rules (add_on_id, discount_percent, conditions) VALUES (:gpu, 10, '{"billing_type": "annual"}');
SELECT line ->> 'billing_type' AS billing_type, line -> 'rule_discount' AS rule_discount
  FROM jsonb_array_elements(price_cart('pia') -> 'lines') line;

-- The currency is a setting.
SET LOCAL extensions.currency = 'EUR';
SELECT price_cart('pia') ->> 'currency' AS currency;

-- Yen have no decimals: what is rounded or split is in whole ones, whatever the discounts say.
SAVEPOINT currency;
SET LOCAL extensions.currency = 'JPY';
SELECT price_add_on(:bolt);
ROLLBACK TO currency;
UPDATE add_ons SET base_price = CASE id WHEN :orator THEN 999 WHEN :bolt THEN 1499 ELSE 4999 END WHERE id IN (:orator, :bolt, :gpu);
UPDATE promotional_codes SET applicable_to = NULL, discount_value = 100.50 WHERE code = 'FRIEND50';
SET LOCAL extensions.currency = 'JPY';
-- 7497 - 500 (10 % of 4999 = 499.9) = 6997; 100.50 is rounded to 101 and split: 14 2941/6997, 21 4462/6997, 64 6591/6997
SELECT * FROM pg_temp.lines(price_cart('pia', promo_code => 'friend50'));
SELECT price_cart('pia') ->> 'currency' AS currency, price_cart('pia', promo_code => 'friend50') -> 'promo' -> 'discount' AS off;
SELECT detail FROM explain_cart('pia', promo_code => 'friend50') WHERE stage IN ('rule', 'promo') ORDER BY step;
SELECT split_part(detail, ' (', 1) AS add_on, substring(detail FROM 'costs.*') AS problem FROM check_marketplace() WHERE check_name = 'currency' AND NOT ok
ORDER BY detail COLLATE "C" LIMIT 1;
-- What has more decimals than amounts is refused by name, and so is what is no code.
SAVEPOINT wrong;
SET extensions.currency = 'KWD';
ROLLBACK TO wrong;
SET extensions.currency = 'usd';
ROLLBACK TO wrong;
SELECT * FROM _currency_setting();
ROLLBACK TO currency;

-- Read at another instant, in the past, in the future and at the ends of time
SELECT price_cart('pia', promo_code => 'launch2025', at => now() + interval '29 days') -> 'promo' -> 'reasons' AS before_its_end,
       price_cart('pia', promo_code => 'launch2025', at => now() + interval '30 days') -> 'promo' -> 'reasons' AS at_its_end;
SELECT q -> 'priced_at' AS priced_at, q -> 'total' AS total FROM price_cart('pia', at => '-infinity') q
UNION ALL SELECT q -> 'priced_at', q -> 'total' FROM price_cart('pia', at => 'infinity') q
UNION ALL SELECT q -> 'priced_at', q -> 'total' FROM price_cart('pia', at => '2026-03-29 03:30+02') q;

ROLLBACK;

-- Ten thousand lines
BEGIN;
INSERT INTO add_ons (name, category, base_price, billing_type) SELECT 'n' || n, 'analytics', n / 100.0, 'monthly' FROM generate_series(1, 10000) n;
SELECT q -> 'line_count' AS lines, q -> 'list_total' AS list_total, q -> 'total' AS total -- Σ n / 100 = 500 050.00, less 20 %
  FROM (SELECT quote(jsonb_agg(jsonb_build_object('add_on_id', id, 'quantity', 1)), promo_code => 'LAUNCH2025') AS q FROM add_ons WHERE name ~ '^n\d') ten_thousand;
ROLLBACK;
