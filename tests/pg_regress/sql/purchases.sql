-- The life of a purchase: paid or not, paid back, contested.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
BEGIN;
CREATE FUNCTION pg_temp.buy(buyer text, VARIADIC add_on_ids uuid[]) RETURNS uuid LANGUAGE sql AS $$
    SELECT count(*) FROM unnest(add_on_ids) id, add_to_cart(buyer, id);
    SELECT checkout_id FROM checkout(buyer, promo_code => 'launch2025') LIMIT 1;
$$;
CREATE FUNCTION pg_temp.purchase(buyer text, bought uuid) RETURNS uuid LANGUAGE sql AS $$
    SELECT id FROM add_on_purchases WHERE user_id = buyer AND add_on_id = bought;
$$;
CREATE VIEW pg_temp.story AS
SELECT p.user_id, a.name, p.amount, p.status, p.refund_amount, p.refunded_at = now() AS refunded_now, p.metadata ->> 'reason' AS reason, u.status AS access, u.expires_at <= now() AS has_ended
  FROM add_on_purchases p JOIN add_ons a ON a.id = p.add_on_id LEFT JOIN user_add_ons u ON u.user_id = p.user_id AND u.add_on_id = p.add_on_id ORDER BY p.user_id, a.name, p.status;
CREATE VIEW pg_temp.uses AS SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025';

SELECT pg_temp.buy('ada', :brigade, :bolt) AS checkout_id \gset
SELECT add_on_id, expires_at AT TIME ZONE 'UTC' = (now() AT TIME ZONE 'UTC') + interval '1 month' AS in_a_month FROM complete_checkout(:'checkout_id', 'pi_1', payment_method => 'card');
SELECT add_on_id, expires_at AT TIME ZONE 'UTC' = (now() AT TIME ZONE 'UTC') + interval '1 month' AS in_a_month FROM complete_checkout(:'checkout_id', 'pi_1'); -- the same
SELECT count(*) AS granted FROM complete_checkout(:'checkout_id'); -- and so without its payment
SELECT DISTINCT stripe_payment_id, lago_invoice_id, payment_method FROM add_on_purchases;
SELECT count(*) AS granted FROM complete_checkout(:'checkout_id', lago_invoice_id => 'in_1'); -- one more id of it
SELECT DISTINCT stripe_payment_id, lago_invoice_id, payment_method FROM add_on_purchases;
SELECT * FROM pg_temp.story;

-- Refunds in part add up; what reaches the amount ends access; the code's use is given back with the last of the checkout.
SELECT pg_temp.purchase('ada', :brigade) AS brigades, pg_temp.purchase('ada', :bolt) AS bolts \gset
SELECT refund_purchase(:'brigades', 5, 'slow'), refund_purchase(:'brigades', 0.99);
SELECT * FROM pg_temp.story;
SELECT refund_purchase(:'brigades');
SELECT * FROM pg_temp.story, pg_temp.uses;
SELECT refund_purchase(:'brigades'); -- nothing is left
SELECT refund_purchase(:'bolts', 7.99), current_uses FROM pg_temp.uses; -- its view of the counter is from before
SELECT * FROM pg_temp.story, pg_temp.uses;

-- A dispute withholds access; winning it gives it back, losing it refunds.
SELECT complete_checkout(pg_temp.buy('bob', :brigade, :bolt), 'pi_2') IS NOT NULL AS bought;
SELECT pg_temp.purchase('bob', :brigade) AS brigades, pg_temp.purchase('bob', :bolt) AS bolts \gset
SELECT dispute_purchase(:'brigades', 'unknown charge'), dispute_purchase(:'bolts'), dispute_purchase(:'bolts');
SELECT * FROM pg_temp.story WHERE user_id = 'bob';
SELECT resolve_dispute(:'brigades', true), resolve_dispute(:'brigades', true), resolve_dispute(:'bolts', false), resolve_dispute(:'bolts', false);
SELECT * FROM pg_temp.story, pg_temp.uses WHERE user_id = 'bob';

-- An add-on that is paid for twice is kept when one of the payments is paid back, as long as the other reaches.
UPDATE add_ons SET billing_type = 'annual' WHERE id = :brigade;
SELECT complete_checkout(pg_temp.buy('eve', :brigade), 'pi_3') IS NOT NULL AS bought;
UPDATE add_ons SET billing_type = 'monthly' WHERE id = :brigade;
SELECT pg_temp.purchase('eve', :brigade) AS annual \gset
UPDATE promotional_codes SET user_restrictions = '{}' WHERE code = 'LAUNCH2025';
SELECT expires_at AT TIME ZONE 'UTC' = (now() AT TIME ZONE 'UTC') + interval '13 months' AS a_month_later FROM complete_checkout(pg_temp.buy('eve', :brigade), 'pi_4');
SELECT refund_purchase(:'annual');
SELECT status, expires_at AT TIME ZONE 'UTC' = (now() AT TIME ZONE 'UTC') + interval '1 month' AS in_a_month FROM user_add_ons WHERE user_id = 'eve';

-- History, newest first, and page by page.
UPDATE add_on_purchases SET purchased_at = purchased_at - interval '1 day' WHERE id = :'annual';
SELECT name, quantity, amount, currency, status, refund_amount FROM purchase_history('eve');
SELECT name, status FROM purchase_history('eve', max_rows => 1, skip => 1);
SELECT name, status FROM purchase_history('eve', status => 'completed');
SELECT count(*) FROM purchase_history('nobody');

-- What is refused.
SELECT pg_temp.buy('dan', :brigade) AS pending \gset
SELECT pg_temp.purchase('dan', :brigade) AS dans \gset
SELECT pg_temp.buy('fay', :brigade) AS failed \gset
SELECT pg_temp.purchase('fay', :brigade) AS fays, fail_checkout(:'failed') \gset
SELECT regexp_replace(call, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID') AS call, state, code, regexp_replace(message, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID') AS message FROM unnest(ARRAY[
    format('SELECT complete_checkout(%L, ''pi_9'')', :'checkout_id'),
    format('SELECT complete_checkout(%L, lago_invoice_id => ''in_9'')', :'checkout_id'),
    format('SELECT complete_checkout(%L)', :'failed'),
    format('SELECT fail_checkout(%L)', :'checkout_id'),
    format('SELECT refund_purchase(%L)', :'dans'),
    format('SELECT refund_purchase(%L)', :'fays'),
    format('SELECT refund_purchase(%L, 0.01)', :'annual'),
    format('SELECT refund_purchase(%L, 999)', :'brigades'),
    format('SELECT refund_purchase(%L, -1)', :'brigades'),
    format('SELECT refund_purchase(%L, 0.001)', :'brigades'),
    format('SELECT refund_purchase(%L, ''NaN'')', :'brigades'),
    format('SELECT refund_purchase(%L, 1e300)', :'brigades'),
    format('SELECT dispute_purchase(%L)', :'dans'),
    format('SELECT dispute_purchase(%L)', :'annual'),
    format('SELECT resolve_dispute(%L, true)', :'dans'),
    format('SELECT resolve_dispute(%L, false)', :'brigades'),
    format('SELECT resolve_dispute(%L, true)', :'annual'),
    format('UPDATE add_on_purchases SET status = ''completed'' WHERE id = %L', :'fays'),
    'SELECT purchase_history(NULL)',
    'SELECT purchase_history(''eve'', ''paid'')',
    'SELECT purchase_history(''eve'', max_rows => -1)',
    'SELECT complete_checkout(NULL)',
    'SELECT fail_checkout(NULL)',
    'SELECT refund_purchase(NULL)',
    'SELECT dispute_purchase(NULL)',
    'SELECT resolve_dispute(gen_random_uuid(), NULL)',
    'SELECT complete_checkout(gen_random_uuid())',
    'SELECT fail_checkout(gen_random_uuid())',
    'SELECT refund_purchase(gen_random_uuid())',
    'SELECT dispute_purchase(gen_random_uuid())',
    'SELECT resolve_dispute(gen_random_uuid(), true)'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
SELECT * FROM pg_temp.story;
SELECT * FROM check_marketplace() WHERE NOT ok;
ROLLBACK;
