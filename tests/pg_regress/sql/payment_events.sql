-- Webhook bodies of Stripe and Lago: what each answers. Orders and repetitions are tested elsewhere, with whole payloads.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
BEGIN;
CREATE FUNCTION pg_temp.stripe(kind text, object jsonb, seconds integer DEFAULT 0) RETURNS jsonb LANGUAGE sql AS $$
    SELECT apply_stripe_event(jsonb_build_object('id', 'evt_' || seconds, 'object', 'event', 'type', kind, 'created', 1767225600 + seconds, 'data', jsonb_build_object('object', object)))
           - 'checkout_id';
$$;
CREATE FUNCTION pg_temp.lago(kind text, object_type text, object jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT apply_lago_event(jsonb_build_object('webhook_type', kind, 'object_type', object_type, object_type, object)) - 'checkout_id';
$$;
CREATE FUNCTION pg_temp.buy(buyer text) RETURNS uuid LANGUAGE sql AS $$
    SELECT quantity FROM add_to_cart(buyer, 'a0000000-0000-4000-8000-000000000003');
    SELECT checkout_id FROM checkout(buyer);
$$;

SELECT pg_temp.buy('ada') AS checkout_id \gset
SELECT jsonb_build_object('id', 'cs_1', 'client_reference_id', :'checkout_id', 'payment_status', 'paid', 'currency', 'usd', 'payment_intent', 'pi_1') AS session \gset
SELECT pg_temp.stripe('checkout.session.completed', :'session'::jsonb || '{"amount_total": 1998}');
SELECT pg_temp.stripe('checkout.session.completed', :'session'::jsonb || '{"amount_total": 1999, "currency": "eur"}');
SELECT pg_temp.stripe('payment_intent.payment_failed', '{"id": "pi_1"}');
SELECT pg_temp.stripe('checkout.session.completed', :'session'::jsonb || '{"amount_total": 1999, "payment_status": "unpaid"}');
SELECT pg_temp.stripe('payment_intent.payment_failed', '{"id": "pi_1"}');
SELECT pg_temp.stripe('charge.refunded', '{"id": "ch_1", "payment_intent": "pi_1", "amount": 1999, "amount_refunded": 100, "currency": "usd"}');
SELECT status, refund_amount FROM add_on_purchases;
SELECT pg_temp.stripe('checkout.session.async_payment_succeeded', :'session'::jsonb || '{"amount_total": 1999}');
SELECT pg_temp.stripe('checkout.session.async_payment_succeeded', :'session'::jsonb || '{"amount_total": 1999}');
SELECT status, refund_amount, stripe_payment_id, has_add_on('ada', :brigade) AS entitled FROM add_on_purchases;
SELECT pg_temp.stripe('checkout.session.expired', :'session');
SELECT pg_temp.stripe('charge.dispute.created', '{"id": "dp_1", "payment_intent": "pi_1", "status": "needs_response"}');
SELECT status, has_add_on('ada', :brigade) AS entitled FROM add_on_purchases;
SELECT pg_temp.stripe('charge.dispute.closed', '{"id": "dp_1", "payment_intent": "pi_1", "status": "won"}');
SELECT pg_temp.stripe('charge.dispute.created', '{"id": "dp_1", "payment_intent": "pi_1", "status": "needs_response"}'); -- late
SELECT status, has_add_on('ada', :brigade) AS entitled FROM add_on_purchases;
SELECT pg_temp.stripe('charge.refunded', '{"id": "ch_1", "payment_intent": "pi_1", "amount": 1999, "amount_refunded": 1999, "currency": "usd"}');
SELECT pg_temp.stripe('charge.refunded', '{"id": "ch_1", "payment_intent": "pi_1", "amount": 1999, "amount_refunded": 100, "currency": "usd"}'); -- late
SELECT status, refund_amount, has_add_on('ada', :brigade) AS entitled FROM add_on_purchases;

-- Too late: the checkout was given up.
SELECT pg_temp.buy('bob') AS checkout_id \gset
SELECT pg_temp.stripe('checkout.session.expired', jsonb_build_object('id', 'cs_2', 'client_reference_id', :'checkout_id'));
SELECT pg_temp.stripe('checkout.session.expired', jsonb_build_object('id', 'cs_2', 'client_reference_id', :'checkout_id'));
SELECT pg_temp.stripe('payment_intent.succeeded', jsonb_build_object('id', 'pi_2', 'amount', 1999, 'currency', 'usd', 'metadata', jsonb_build_object('checkout_id', :'checkout_id')));
SELECT status FROM add_on_purchases WHERE user_id = 'bob';

-- Lago: the backend has named the subscription after the checkout.
SELECT pg_temp.buy('eve') AS checkout_id \gset
SELECT jsonb_build_object('lago_id', 'sub-lago', 'external_id', :'checkout_id', 'current_billing_period_ending_at', '2099-01-31T23:59:59Z') AS subscription,
       jsonb_build_object('lago_id', 'inv-lago', 'currency', 'USD', 'total_amount_cents', 1999, 'payment_status', 'pending',
                          'subscriptions', jsonb_build_array(jsonb_build_object('lago_id', 'sub-lago', 'external_id', :'checkout_id'))) AS invoice \gset
SELECT pg_temp.lago('subscription.started', 'subscription', :'subscription');
SELECT pg_temp.lago('invoice.created', 'invoice', :'invoice');
SELECT pg_temp.lago('invoice.payment_status_updated', 'invoice', :'invoice'::jsonb || '{"payment_status": "failed"}');
SELECT pg_temp.lago('invoice.payment_status_updated', 'invoice', :'invoice'::jsonb || '{"payment_status": "succeeded", "total_amount_cents": 1}');
SELECT has_add_on('eve', :brigade);
SELECT pg_temp.lago('invoice.payment_status_updated', 'invoice', :'invoice'::jsonb || '{"payment_status": "succeeded"}');
SELECT u.status, u.expires_at AT TIME ZONE 'UTC' AS ends, u.lago_subscription_id, p.lago_invoice_id FROM user_add_ons u JOIN add_on_purchases p USING (user_id, add_on_id) WHERE user_id = 'eve';
SELECT pg_temp.lago('invoice.payment_overdue', 'invoice', :'invoice'); -- late
SELECT pg_temp.lago('invoice.payment_overdue', 'invoice', :'invoice'::jsonb || '{"lago_id": "inv-2"}');
SELECT status, cancellation_reason FROM user_add_ons WHERE user_id = 'eve';
SELECT pg_temp.lago('invoice.payment_status_updated', 'invoice', :'invoice'::jsonb || '{"lago_id": "inv-2", "payment_status": "succeeded", "billing_periods": [{"lago_subscription_id": "sub-lago", "subscription_to_datetime": "2099-02-28T23:59:59Z"}]}');
SELECT status, cancellation_reason, expires_at AT TIME ZONE 'UTC' AS ends FROM user_add_ons WHERE user_id = 'eve';
SELECT pg_temp.lago('subscription.terminated', 'subscription', :'subscription'::jsonb || '{"terminated_at": "2026-06-01T00:00:00Z"}');
SELECT status, expires_at AT TIME ZONE 'UTC' AS ends FROM user_add_ons WHERE user_id = 'eve';
SELECT lago_invoice_id, amount, status, subscription_ends_at AT TIME ZONE 'UTC' AS ends FROM add_on_purchases WHERE user_id = 'eve' ORDER BY lago_invoice_id;

-- Nothing of ours
SELECT apply_stripe_event('{"id": "evt", "type": "plan.created", "data": {"object": {}}}'), apply_lago_event('{"webhook_type": "customer.created", "object_type": "customer", "customer": {}}');
SELECT pg_temp.stripe('payment_intent.succeeded', '{"id": "pi_404", "amount": 1, "currency": "usd"}');
SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT apply_stripe_event(NULL)',
    'SELECT apply_stripe_event(''[]'')',
    'SELECT apply_stripe_event(''{}'')',
    'SELECT apply_stripe_event(''{"type": "invoice.paid"}'')',
    'SELECT apply_stripe_event(''{"type": "charge.refunded", "data": {"object": {"id": "ch_1"}}}'')',
    'SELECT apply_stripe_event(''{"type": "charge.refunded", "data": {"object": {"id": "ch_1", "amount_refunded": "12.50"}}}'')',
    'SELECT apply_stripe_event(''{"type": "charge.refunded", "data": {"object": {"id": "ch_1", "amount_refunded": 1e30}}}'')',
    'SELECT apply_stripe_event(''{"type": "charge.dispute.closed", "data": {"object": {"id": "dp_1", "status": "needs_response"}}}'')',
    'SELECT apply_stripe_event(''{"type": "customer.subscription.updated", "data": {"object": {"id": "sub_1", "current_period_end": 9e18}}}'')',
    'SELECT apply_lago_event(NULL)',
    'SELECT apply_lago_event(''{}'')',
    'SELECT apply_lago_event(''{"webhook_type": "invoice.created", "object_type": "invoice"}'')',
    'SELECT apply_lago_event(''{"webhook_type": "invoice.created", "object_type": "invoice", "invoice": {"lago_id": 7}}'')',
    'SELECT apply_lago_event(''{"webhook_type": "subscription.terminated", "object_type": "subscription", "subscription": {"terminated_at": "tomorrow"}}'')'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
SELECT * FROM check_marketplace() WHERE NOT ok;
ROLLBACK;
