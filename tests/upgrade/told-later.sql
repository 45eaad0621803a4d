-- What providers tell after the update of each state in states-1.0.0.sql
CREATE FUNCTION told(kind text, object jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT apply_stripe_event(jsonb_build_object('id', 'evt', 'object', 'event', 'type', kind, 'created', extract(epoch FROM now())::bigint,
                                               'data', jsonb_build_object('object', object))) ->> 'action' $$;
CREATE FUNCTION lago_told(kind text, invoice text, number int) RETURNS text LANGUAGE sql AS $$
  SELECT apply_lago_event(jsonb_build_object('webhook_type', kind, 'object_type', 'invoice', 'organization_id', 'o', 'invoice', jsonb_build_object(
    'lago_id', invoice, 'invoice_type', 'subscription', 'payment_status', 'succeeded', 'currency', 'USD', 'total_amount_cents', 1000,
    'fees', jsonb_build_array(jsonb_build_object('lago_subscription_id', 'ls_' || number, 'amount_cents', 1000, 'item', '{"type": "subscription"}'::jsonb,
      'external_subscription_id', 'c0000000-0000-4000-8000-0000000000' || number))))) ->> 'action' $$;
SELECT told('checkout.session.completed', '{"id": "cs_10", "client_reference_id": "c0000000-0000-4000-8000-000000000010", "payment_intent": "pi_10",
             "amount_total": 5000, "currency": "usd", "payment_status": "paid"}');
SELECT told('payment_intent.succeeded', jsonb_build_object('id', 'pi_' || n, 'status', 'succeeded', 'amount', 5000, 'amount_received', 5000, 'currency', 'usd',
             'metadata', jsonb_build_object('checkout_id', 'c0000000-0000-4000-8000-0000000000' || n))) FROM unnest('{11,16}'::int[]) n;
SELECT told('charge.refunded', jsonb_build_object('id', 'ch_' || n, 'payment_intent', 'pi_' || n, 'amount', taken, 'amount_refunded', back, 'currency', 'usd'))
  FROM (VALUES (12, 1000, 1000), (14, 5000, 1000), (18, 5000, 2000), (21, 1000, 1000), (23, 1000, 500)) t (n, taken, back);
SELECT told('refund.failed', jsonb_build_object('id', 're_' || n, 'object', 'refund', 'charge', 'ch_' || n, 'payment_intent', 'pi_' || n, 'amount', back,
                                                'currency', 'usd', 'status', 'failed')) FROM (VALUES (13, 3000), (15, 5000)) t (n, back);
SELECT told('charge.dispute.closed', jsonb_build_object('id', 'dp_' || n, 'charge', 'ch_' || n, 'payment_intent', 'pi_' || n, 'amount', 5000, 'currency', 'usd',
                                                        'status', status)) FROM (VALUES (17, 'won'), (19, 'lost')) t (n, status);
SELECT told('invoice.paid', '{"id": "in_27", "billing_reason": "subscription_cycle", "amount_paid": 1000, "currency": "usd", "subscription": "sub_27", "payment_intent": "pi_28"}');
SELECT told('customer.subscription.updated', jsonb_build_object('id', 'sub_22', 'status', 'active', 'cancel_at_period_end', false,
             'current_period_end', extract(epoch FROM at + interval '1 month')::bigint)) FROM begun;
SELECT lago_told('invoice.payment_status_updated', 'li_28', 24), lago_told('invoice.payment_status_updated', 'li_26', 25);
