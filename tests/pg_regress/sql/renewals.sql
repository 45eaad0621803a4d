-- What renewals cost, what another price would change, and what comes back every month.
\set month '''a0000000-0000-4000-8000-0000000000e1'''
\set year '''a0000000-0000-4000-8000-0000000000e2'''
\set once '''a0000000-0000-4000-8000-0000000000e3'''
BEGIN;
SET LOCAL TimeZone = 'UTC';
INSERT INTO add_ons (id, name, category, base_price, billing_type)
VALUES (:month, 'A month', 'development', 10, 'monthly'), (:year, 'A year', 'development', 120, 'annual'), (:once, 'Once', 'development', 50, 'one_time');
INSERT INTO promotional_codes (code, discount_type, discount_value, renewals) VALUES ('HALF', 'percentage', 50, 1);
CREATE VIEW pg_temp.due AS
SELECT user_id, months AS due_in_months, amount, currency, promo_code
  FROM generate_series(1, 12) months JOIN upcoming_renewals(until => 'infinity') ON due_at = now() + months * interval '1 month' ORDER BY user_id;

-- Ada's two cost 20.00, half of it now and at the first renewal; Bob's one 10.00.
SELECT quantity FROM add_to_cart('ada', :month, 2);
SELECT quantity FROM add_to_cart('bob', :month);
SELECT count(*) FROM (SELECT checkout_id FROM checkout('ada', promo_code => 'half') UNION ALL SELECT checkout_id FROM checkout('bob')) c, complete_checkout(c.checkout_id);
SELECT * FROM pg_temp.due;

-- What would change: at today's price Ada's code no longer counts; at 12.00; with a rule of 25 %, on 10.00 and on 12.00.
SELECT user_id, amount_before, amount_after FROM simulate_renewals(:month) ORDER BY 1;
SELECT user_id, due_at = now() + interval '1 month' AS in_a_month, amount_before, amount_after FROM simulate_renewals(:month, 12) ORDER BY 1;
SELECT user_id, amount_before, amount_after FROM simulate_renewals(:month, rule => '{"add_on_id": "a0000000-0000-4000-8000-0000000000e1", "discount_percent": 25}') ORDER BY 1;
SELECT user_id, amount_before, amount_after FROM simulate_renewals(:month, 12, '{"add_on_id": "a0000000-0000-4000-8000-0000000000e1", "discount_percent": 25}') ORDER BY 1;
-- A rule in place of another, and one that is dropped; then all is as it was.
INSERT INTO pricing_rules (id, add_on_id, discount_amount, conditions) VALUES ('e0000000-0000-4000-8000-0000000000e1', :month, 1, '{"min_quantity": 2}');
SELECT user_id, amount_before, amount_after FROM simulate_renewals(:month) ORDER BY 1;
SELECT user_id, amount_before, amount_after
  FROM simulate_renewals(:month, rule => '{"add_on_id": "a0000000-0000-4000-8000-0000000000e1", "discount_amount": 3}', replaces => 'e0000000-0000-4000-8000-0000000000e1') ORDER BY 1;
SELECT user_id, amount_before, amount_after FROM simulate_renewals(:month, replaces => 'e0000000-0000-4000-8000-0000000000e1') ORDER BY 1;
DELETE FROM pricing_rules WHERE add_on_id = :month;
SELECT * FROM simulate_renewals(:once, 1);
SAVEPOINT refused;
SELECT * FROM simulate_renewals(:month, rule => '{"add_on_id": "a0000000-0000-4000-8000-0000000000e2", "discount_percent": 25}');
ROLLBACK TO refused;
SELECT * FROM simulate_renewals(:month, replaces => 'e0000000-0000-4000-8000-0000000000e1');
ROLLBACK TO refused;
SELECT * FROM simulate_renewals(:month, -1);
ROLLBACK TO refused;
SELECT * FROM simulate_renewals('a0000000-0000-4000-8000-0000000000ff');
ROLLBACK TO refused;
SELECT * FROM simulate_renewals(NULL);
ROLLBACK TO refused;

-- reprice_renewals() does what was foretold.
UPDATE add_ons SET base_price = 12 WHERE id = :month;
CREATE TEMP TABLE foretold ON COMMIT DROP AS SELECT * FROM simulate_renewals(:month);
SELECT reprice_renewals(:month);
SELECT f.user_id, f.amount_after = u.renewal_amount AS as_foretold FROM foretold f JOIN user_add_ons u USING (user_id) WHERE u.add_on_id = :month ORDER BY 1;
SELECT count(*) FROM simulate_renewals(:month);
SELECT * FROM pg_temp.due;
-- It stays so when the code has run out, and until something is bought again: 2 x 12.00, and half of that for the code.
SELECT renew_add_on('ada', :month, stripe_payment_id => 'pi_' || n) = now() + (n + 1) * interval '1 month' AS is_so FROM generate_series(1, 2) n;
SELECT amount FROM add_on_purchases WHERE user_id = 'ada' AND checkout_id IS NULL;
SELECT * FROM pg_temp.due;
UPDATE add_on_purchases SET paid = jsonb_set(paid, '{at}', to_jsonb((paid ->> 'at')::bigint - 1)) WHERE user_id = 'ada'; -- that was before
SELECT quantity FROM add_to_cart('ada', :month, 2);
SELECT count(*) FROM checkout('ada', promo_code => 'half') c, complete_checkout(c.checkout_id);
SELECT amount, promo_code FROM upcoming_renewals('ada', 'infinity');
ROLLBACK;

-- Recurring revenue, worked by hand, in UTC whatever the session's time zone is.
-- Ada: 10.00 from 31 January; renewed for 12.00 an hour before her month ends; over on 31 March.
-- Bob: 120.00 for a year from 15 February, 10.00 a month. Gil: 100.00 for a year from 1 March, 8.33 a month.
-- Cy: 10.00 from 10 March; renewed on 10 April, two hours late; over on 10 May, and bought again on 20 May, with 4.00 paid back; over on 20 June.
-- Dora: 10.00 EUR for March, over with the first instant of April. Eve was paid back, Hal has not paid, Ida's has no end, Jan's is contested.
--   USD        new                      renewed   changed   churned        MRR
--   January    10.00                                                      10.00
--   February   10.00 (Bob)              12.00     2.00                    22.00
--   March      10.00 + 8.33 (Cy, Gil)                       12.00 (Ada)   28.33
--   April                               10.00                             28.33
--   May        10.00 (Cy)                                   10.00 (Cy)    28.33
--   June                                                    10.00 (Cy)    18.33
--   February of the next year: less Bob's 10.00; March: less Gil's 8.33
BEGIN;
SET LOCAL TimeZone = 'Pacific/Auckland';
INSERT INTO add_ons (id, name, category, base_price, billing_type)
VALUES (:month, 'A month', 'development', 10, 'monthly'), (:year, 'A year', 'development', 120, 'annual'), (:once, 'Once', 'development', 50, 'one_time');
INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, status, refund_amount, purchased_at, subscription_ends_at)
VALUES ('ada', :month, 10, 'USD', 'completed', 0, '2021-01-31 09:00Z', '2021-02-28 09:00Z'),
       ('ada', :month, 12, 'USD', 'completed', 0, '2021-02-28 08:00Z', '2021-03-31 09:00Z'),
       ('bob', :year, 120, 'USD', 'completed', 0, '2021-02-15 00:00Z', '2022-02-15 00:00Z'),
       ('cy', :month, 10, 'USD', 'completed', 0, '2021-03-10 10:00Z', '2021-04-10 10:00Z'),
       ('cy', :month, 10, 'USD', 'completed', 0, '2021-04-10 12:00Z', '2021-05-10 10:00Z'),
       ('cy', :month, 10, 'USD', 'completed', 4, '2021-05-20 10:00Z', '2021-06-20 10:00Z'),
       ('dora', :month, 10, 'EUR', 'completed', 0, '2021-03-01 00:00Z', '2021-04-01 00:00Z'),
       ('eve', :month, 10, 'USD', 'refunded', 10, '2021-03-01 00:00Z', '2021-04-01 00:00Z'),
       ('gil', :year, 100, 'USD', 'completed', 0, '2021-03-01 00:00Z', '2022-03-01 00:00Z'),
       ('hal', :month, 10, 'USD', 'pending', 0, '2021-03-01 00:00Z', NULL),
       ('ida', :once, 50, 'USD', 'completed', 0, '2021-03-01 00:00Z', NULL),
       ('jan', :month, 10, 'USD', 'disputed', 0, '2021-03-01 00:00Z', '2021-04-01 00:00Z');
SELECT * FROM recurring_revenue WHERE month < '2021-07-01' OR month BETWEEN '2022-01-15' AND '2022-03-15' ORDER BY currency, month;
-- MRR is that of the month before, and what has changed; what has not ended yet has not churned.
INSERT INTO add_on_purchases (user_id, add_on_id, amount, status, purchased_at, subscription_ends_at)
VALUES ('kim', :year, 36, 'completed', now() - interval '1 month', now() + interval '11 months');
SELECT bool_and(mrr = before + new + changed - churned) AS adds_up
  FROM (SELECT *, lag(mrr, 1, 0) OVER (PARTITION BY currency ORDER BY month) AS before FROM recurring_revenue) r;
SELECT subscriptions, churned, mrr FROM recurring_revenue WHERE currency = 'USD' ORDER BY month DESC LIMIT 1;
-- An empty report
DELETE FROM add_on_purchases;
SELECT * FROM recurring_revenue;
ROLLBACK;
