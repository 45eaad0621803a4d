-- The marketplace at work. `make demo` runs this with psql, which prints each statement before its result.
\set QUIET on
\pset footer off
\pset null '·'
\set ECHO queries

\echo
\echo '── The extension and a sample catalog ─────────────────────────────────────────────────────────────────────'
\echo
CREATE EXTENSION extensions;
SELECT * FROM load_sample_catalog();

\echo
\echo '── What is for sale ───────────────────────────────────────────────────────────────────────────────────────'
\echo
SELECT name, base_price, billing_type, category FROM search_add_ons();
SELECT name, base_price FROM search_add_ons('vec sea');

\echo
\echo '── A cart: two of Vector Search, one of Brigade, one of Bolt ──────────────────────────────────────────────'
\echo
SELECT a.name, item.quantity
  FROM (VALUES ('Brigade', 1), ('Bolt', 1), ('Vector Search', 2)) wanted (name, quantity)
  JOIN add_ons a USING (name)
 CROSS JOIN LATERAL add_to_cart('ada', a.id, wanted.quantity) item;

\echo
\echo '── Its price with the code LAUNCH2025, line by line: a bundle takes 20 % off three units, the code 20 % off all'
\echo
SELECT line ->> 'name' AS name, line -> 'quantity' AS units, line -> 'list_amount' AS list,
       line -> 'bundle_discount' AS bundle, line -> 'promo_discount' AS code, line -> 'total' AS total
  FROM jsonb_array_elements(price_cart('ada', promo_code => ' launch2025 ') -> 'lines') line;
SELECT bundle ->> 'name' AS bundle, bundle -> 'instances' AS instances, bundle -> 'base' AS of, bundle -> 'discount' AS discount
  FROM jsonb_array_elements(price_cart('ada', promo_code => 'LAUNCH2025') -> 'bundles') bundle;
SELECT quote -> 'list_total' AS list, quote -> 'discount_total' AS off, quote -> 'total' AS total, quote ->> 'currency' AS currency
  FROM price_cart('ada', promo_code => 'LAUNCH2025') quote;

\echo
\echo '── A code that is refused says every reason why ───────────────────────────────────────────────────────────'
\echo
UPDATE promotional_codes SET min_purchase_amount = 100 WHERE code = 'VIP2025';
SELECT valid, reasons, cart_total, final_total FROM validate_promo_code('VIP2025', 'ada', 'free');

\echo
\echo '── Checkout: one transaction prices the cart, claims the code and the bundle, and makes the purchases ───────'
\echo
SELECT name, sold.quantity, amount, currency, status
  FROM checkout('ada', promo_code => 'LAUNCH2025', expected_total => 43.98, idempotency_key => 'tab 1') sold
  JOIN add_ons a ON a.id = sold.add_on_id;
SELECT code, current_uses, max_uses FROM promotional_codes WHERE code = 'LAUNCH2025';
SELECT has_feature('ada', 'gpu_hours');

\echo
\echo '── Stripe calls the webhook, perhaps twice: the backend checks the signature and hands the body on ─────────'
\echo
CREATE FUNCTION stripes_event() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object(
        'id', 'evt_1', 'type', 'checkout.session.completed', 'created', 1767225600,
        'data', jsonb_build_object('object', jsonb_build_object(
            'id', 'cs_1', 'payment_intent', 'pi_1', 'client_reference_id', min(checkout_id::text),
            'payment_status', 'paid', 'amount_total', 4398, 'currency', 'usd')))
      FROM add_on_purchases
$$;
SELECT reply -> 'action' AS action, reply -> 'changed' AS changed FROM apply_stripe_event(stripes_event()) reply;
SELECT reply -> 'action' AS action, reply -> 'changed' AS changed FROM apply_stripe_event(stripes_event()) reply;

\echo
\echo '── May ada use GPU hours now? Since the event was applied ──────────────────────────────────────────────────'
\echo
SELECT has_feature('ada', 'gpu_hours'), feature_configuration('ada', 'gpu_hours');
SELECT name, quantity, expires_at::date - purchased_at::date AS days FROM active_add_ons('ada');

\echo
\echo '── Bolt gives ten hours a month: used to the limit, and one given back. A job that reports twice counts once ──'
\echo
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'gpu_hours', 7.5, idempotency_key => 'job 1');
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'gpu_hours', 7.5, idempotency_key => 'job 1');
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'gpu_hours', 2.5);
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'gpu_hours', 0.25);
SELECT allowed, used, remaining, granted FROM release_feature('ada', 'gpu_hours', 1);
SELECT feature_key, granted, used, remaining, resets_at::date - now()::date AS resets_in_days FROM feature_usage('ada');

\echo
\echo '── Two units of Vector Search give twice as many vectors, and not one more ─────────────────────────────────'
\echo
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'vector_database', 2000000);
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'vector_database', 1);

\echo
\echo '── A renewal pays for the next month. When that comes, ten hours are there again: no job resets anything ────'
\echo
SELECT name, due_at::date - now()::date AS due_in_days, amount FROM upcoming_renewals('ada', now() + interval '2 months') JOIN add_ons a ON a.id = add_on_id;
BEGIN;
SELECT renew_add_on('ada', id, stripe_payment_id => 'pi_2') > now() + interval '1 month' AS renewed FROM add_ons WHERE name = 'Bolt';
SELECT source, valid_from::date - now()::date AS from_day, valid_until::date - now()::date AS until_day, live, split_part(detail, ' at ', 1) AS detail
  FROM add_ons a, explain_access('ada', a.id) WHERE name = 'Bolt';
SELECT currency, subscriptions, new, renewed, churned, mrr FROM recurring_revenue;
SELECT granted, used, remaining FROM feature_usage('ada', 'gpu_hours', now() + interval '1 month 1 hour');
ROLLBACK;

\echo
\echo '── Bolt is refunded: half of it, then the rest. Access ends with the last cent ─────────────────────────────'
\echo
SELECT refund_purchase(purchase_id, 4.80, 'slow'), has_feature('ada', 'gpu_hours')
  FROM purchase_history('ada') WHERE name = 'Bolt';
SELECT refund_purchase(purchase_id) FROM purchase_history('ada') WHERE name = 'Bolt';
SELECT name, amount, status, refund_amount FROM purchase_history('ada');
SELECT has_feature('ada', 'gpu_hours');
SELECT count(*) FILTER (WHERE ok) AS checks_passed, count(*) FILTER (WHERE NOT ok) AS problems FROM check_marketplace();
