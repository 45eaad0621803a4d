-- What pages show: carts, the catalog, what users have and had, purchases and revenue, as rows with all that goes with them.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set presenton '''a0000000-0000-4000-8000-000000000005'''
SET timezone = 'UTC';
SET datestyle = ISO;
BEGIN;
UPDATE add_ons SET version = '2.1', icon_url = 'https://shop.example/brigade.png', description = 'Agents' WHERE id = :brigade;
INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent) VALUES (:brigade, 'pro', 10);
INSERT INTO cart_items (id, user_id, add_on_id, quantity, billing_type, added_at) VALUES
    ('c0000000-0000-4000-8000-000000000001', 'ada', :brigade, 2, NULL, '2026-03-01 12:00'),
    ('c0000000-0000-4000-8000-000000000002', 'ada', :presenton, 1, NULL, '2026-03-01 12:01'),
    ('c0000000-0000-4000-8000-000000000003', 'ada', :bolt, 1, 'annual', '2026-03-01 12:02');
UPDATE add_ons SET is_active = false WHERE id = :presenton;

-- Two of Brigade are 39.98, less 10 %, 4.00, for the tier. The code takes 20 % of 35.98 and 14.99, 10.19: 7.19 and 2.99, and the cent
-- that is left goes to the larger remainder, .682 of Bolt. What is no longer sold stands there and costs nothing.
SELECT cart_item_id, name, description, category, icon_url, billing_type FROM cart_lines('ada') WHERE name <> 'Bolt';
SELECT name, billing_type, quantity, unit_list_price, list_amount, discount, total, added_at FROM cart_lines('ada', 'pro', 'launch2025');
SELECT sum(total) = cart_total('ada', 'pro', 'launch2025') AS as_priced FROM cart_lines('ada', 'pro', 'launch2025');
SELECT count(*) FROM cart_lines('nobody');

-- Lists of the catalog, with how many there are on all pages.
SELECT name, category, base_price, version, icon_url, trial_days, is_featured, created_at = now() AS is_new, rank, total_count
  FROM list_add_ons(category => 'ai-services', max_rows => 2, skip => 1);
SELECT name, rank > 0 AS ranked, total_count FROM list_add_ons('vec', max_rows => 1);
SELECT count(*) FROM list_add_ons(skip => 100);
SELECT count(*), min(total_count), max(total_count) FROM list_add_ons(max_rows => NULL);

-- What no word begins with is looked for anywhere, in the name before the description; what words find is all there is, on every page.
INSERT INTO add_ons (name, description, category, base_price, billing_type, sort_order) VALUES
    ('Zebra', NULL, 'analytics', 1, 'monthly', 1), ('Crazebra', NULL, 'analytics', 1, 'monthly', 2), ('Horse', 'No crazebra', 'analytics', 1, 'monthly', 0);
SELECT name, rank FROM search_add_ons('rigade');
SELECT name, rank FROM search_add_ons(' RIGade ');
SELECT name, rank, total_count FROM list_add_ons('AZEB');
SELECT name FROM search_add_ons('azeb', max_rows => 1, skip => 1);
SELECT name FROM search_add_ons('azeb', 'productivity');
SELECT name FROM search_add_ons('zebra');
SELECT name FROM search_add_ons('zebra', skip => 1);
SELECT name FROM search_add_ons('azeb', max_rows => 0);
SELECT name FROM search_add_ons('r_gade');
SELECT name FROM search_add_ons('%');

-- What a user has and had. A feature that is switched off is not given, one that is only listed is.
UPDATE add_ons SET features = '["agent_tools", "agent_memory", "extra"]' WHERE id = :brigade;
UPDATE add_on_features SET enabled = false WHERE add_on_id = :brigade AND feature_key = 'agent_memory';
INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at, quantity) VALUES
    ('ada', :brigade, 'active', '2026-01-01', NULL, 2), ('ada', :bolt, 'active', '2026-01-02', '2026-02-02', 1);
INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, cancelled_at, cancellation_reason) VALUES
    ('ada', :presenton, 'cancelled', '2026-01-03', '2026-01-04', 'too loud');
SELECT name, description, category, version, icon_url, features FROM owned_add_ons WHERE user_id = 'ada' AND name = 'Brigade';
SELECT name, status, entitled, entitled = has_add_on(user_id, add_on_id) AS agreed, quantity, purchased_at, expires_at, auto_renew, cancelled_at,
       cancellation_reason
  FROM owned_add_ons WHERE user_id = 'ada' ORDER BY purchased_at DESC;
SELECT features = (SELECT jsonb_agg(feature_key ORDER BY feature_key COLLATE "C") FROM user_features('ada')) AS agreed
  FROM owned_add_ons WHERE user_id = 'ada' AND entitled;

-- Purchases, newest first, with what checkouts and providers call them.
INSERT INTO add_on_purchases (id, user_id, add_on_id, amount, refund_amount, currency, status, checkout_id, promo_code, stripe_payment_id,
                              lago_invoice_id, payment_method, purchased_at, refunded_at, subscription_ends_at) VALUES
    ('d0000000-0000-4000-8000-000000000001', 'ada', :brigade, 10, 2.50, 'USD', 'completed', 'f0000000-0000-4000-8000-000000000001', 'LAUNCH2025',
     'pi_1', NULL, 'card', '2026-03-01 12:00', '2026-05-01', '2026-04-01 12:00'),
    ('d0000000-0000-4000-8000-000000000002', 'ada', :bolt, 5, 5, 'USD', 'refunded', 'f0000000-0000-4000-8000-000000000001', 'LAUNCH2025',
     'pi_1', NULL, 'card', '2026-03-01 12:00', '2026-05-01', NULL),
    ('d0000000-0000-4000-8000-000000000003', 'ada', :bolt, 7, 0, 'USD', 'failed', NULL, NULL, NULL, 'in_1', NULL, '2026-03-02', NULL, NULL),
    ('d0000000-0000-4000-8000-000000000004', 'bob', :bolt, 20, 0, 'EUR', 'disputed', NULL, NULL, NULL, NULL, NULL, '2026-03-31 23:59:59', NULL, NULL),
    ('d0000000-0000-4000-8000-000000000005', 'bob', :bolt, 40, 0, 'USD', 'completed', NULL, NULL, NULL, NULL, NULL, '2026-04-01', NULL, NULL),
    ('d0000000-0000-4000-8000-000000000006', 'bob', :bolt, 80, 0, 'USD', 'pending', NULL, NULL, NULL, NULL, NULL, '2026-03-01', NULL, NULL);
SELECT purchase_id, checkout_id, name, category, version, icon_url, quantity, total_count FROM list_purchases('ada');
SELECT name, amount, currency, status, refund_amount, promo_code, stripe_payment_id, lago_invoice_id, purchased_at, subscription_ends_at
  FROM list_purchases('ada');
SELECT name, status, total_count FROM list_purchases('ada', 'refunded');
SELECT name, status, total_count FROM list_purchases('ada', max_rows => 1, skip => 1);
SELECT count(*) FROM list_purchases('ada', skip => 3);
\x on
SELECT * FROM purchase_details WHERE purchase_id = 'd0000000-0000-4000-8000-000000000001';
\x off
SELECT name, amount FROM purchase_details WHERE checkout_id = 'f0000000-0000-4000-8000-000000000001' ORDER BY name;

-- Revenue of a period, its end left out; what pays nothing does not count.
SELECT name, category, currency, purchases, units, gross, refunded, net FROM revenue_by_add_on('2026-03-01', '2026-04-01');
SELECT name, currency, net FROM revenue_by_add_on('2026-03-01 12:00:01', '2026-04-01 00:00:00.000001');
SELECT count(*) FROM revenue_by_add_on('2026-04-01', '2026-03-01');
SELECT count(*) FROM (SELECT * FROM revenue_by_add_on(NULL, NULL) EXCEPT SELECT * FROM revenue_by_add_on) differences;

-- No call of before means something else now, and none is ambiguous.
SELECT count(*) FROM search_add_ons(NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT count(*) FROM purchase_history('ada', NULL, NULL, NULL);
SELECT count(*) FROM list_purchases('ada', NULL, NULL, NULL);
SELECT count(*) FROM list_add_ons(NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT count(*) FROM cart_lines('ada', NULL, NULL);
SELECT count(*) FROM revenue_by_add_on;
SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT cart_lines(NULL)',
    'SELECT cart_lines(''ada'', at => NULL)',
    'SELECT list_purchases(NULL)',
    'SELECT list_purchases(''ada'', ''paid'')',
    'SELECT list_purchases(''ada'', max_rows => -1)',
    'SELECT list_add_ons(skip => -1)',
    'SELECT list_add_ons(repeat(''x'', 10000))'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
ROLLBACK;
RESET timezone;
RESET datestyle;
