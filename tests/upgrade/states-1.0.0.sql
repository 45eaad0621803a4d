-- Every state that a purchase could be in on 1.0.0, as its functions have written it: columns, metadata, and what the user owned.
CREATE TABLE begun AS SELECT date_trunc('second', now()) - interval '10 days' AS at;
INSERT INTO add_ons (id, name, category, base_price, billing_type) VALUES
 ('a0000000-0000-4000-8000-0000000000a1', 'Monthly Ten', 'development', 10.00, 'monthly'),
 ('a0000000-0000-4000-8000-0000000000a2', 'Once Fifty', 'analytics', 50.00, 'one_time');
CREATE FUNCTION micros(t timestamptz) RETURNS bigint LANGUAGE sql AS $$ SELECT (extract(epoch FROM t) * 1000000)::bigint - 946684800000000 $$;
CREATE FUNCTION bought(person text, number int, product text, state text, means text, refunded numeric, said jsonb, provider text DEFAULT 'stripe')
RETURNS void LANGUAGE sql AS $$
  INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, status, stripe_payment_id, lago_invoice_id, refund_amount, refunded_at,
                                purchased_at, subscription_ends_at, metadata)
  SELECT person, a.id, a.base_price, CASE WHEN said ? 'renewal_of' THEN NULL ELSE ('c0000000-0000-4000-8000-0000000000' || number)::uuid END, state,
         CASE provider WHEN 'stripe' THEN means END, CASE provider WHEN 'lago' THEN means END, refunded, CASE WHEN refunded > 0 THEN at + interval '1 day' END,
         at, CASE WHEN a.billing_type = 'monthly' AND state NOT IN ('pending', 'failed') THEN at + interval '1 month' END,
         CASE WHEN said ? 'renewal_of' THEN said
              ELSE jsonb_build_object('position', 0, 'quote_line', jsonb_build_object('billing_type', a.billing_type)) || said END
    FROM begun, add_ons a WHERE a.name = product $$;
CREATE FUNCTION owns(person text, product text, state text, reason text DEFAULT NULL, ends interval DEFAULT '1 month', renews boolean DEFAULT true)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at, auto_renew, cancellation_reason, cancelled_at)
  SELECT person, a.id, state, at, CASE WHEN a.billing_type = 'monthly' OR state = 'cancelled' THEN at + ends END,
         renews AND a.billing_type = 'monthly', reason, CASE WHEN state = 'cancelled' THEN at + interval '1 day' END
    FROM begun, add_ons a WHERE a.name = product $$;
CREATE FUNCTION subscription(renews boolean, hold boolean, period_end timestamptz, ended_at timestamptz) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('said_at', micros(at), 'said_by', 'evt_1', 'auto_renew', renews, 'on_hold', hold, 'period_end', micros(period_end),
                            'has_ended', ended_at IS NOT NULL, 'ended_at', micros(ended_at)) FROM begun $$;

-- Not paid yet, and given up
SELECT bought('pending', 10, 'Once Fifty', 'pending', NULL, 0, '{}'), bought('failed', 11, 'Once Fifty', 'failed', NULL, 0, '{"reason": "not paid in time"}');
-- Paid
SELECT bought('paid', 12, 'Monthly Ten', 'completed', 'pi_12', 0, '{"access_until": null}'), owns('paid', 'Monthly Ten', 'active');
-- Paid back: in part as the provider says, by hand, wholly, and noted before the payment
SELECT bought('part', 13, 'Once Fifty', 'completed', 'pi_13', 30, '{"refunded_by_provider": 3000}'), owns('part', 'Once Fifty', 'active');
SELECT bought('by hand', 14, 'Once Fifty', 'completed', 'pi_14', 10, '{"refunded_directly": 1000, "reason": "kind"}'), owns('by hand', 'Once Fifty', 'active');
SELECT bought('gone', 15, 'Once Fifty', 'refunded', 'pi_15', 50, '{"refunded_by_provider": 5000}'), owns('gone', 'Once Fifty', 'cancelled', 'refunded', '1 day', false);
SELECT bought('noted', 16, 'Once Fifty', 'pending', 'pi_16', 0, '{"refunded_by_provider": 2000}');
-- Contested, won, lost
SELECT bought('disputed', 17, 'Once Fifty', 'disputed', 'pi_17', 0, '{"disputes": {"dp_17": "open"}, "reason": "payment disputed"}'),
       owns('disputed', 'Once Fifty', 'suspended', 'hold: payment disputed');
SELECT bought('won', 18, 'Once Fifty', 'completed', 'pi_18', 0, '{"disputes": {"dp_18": "won"}}'), owns('won', 'Once Fifty', 'active');
SELECT bought('lost', 19, 'Once Fifty', 'refunded', 'pi_19', 50, '{"disputes": {"dp_19": "lost"}}'), owns('lost', 'Once Fifty', 'cancelled', 'refunded', '1 day', false);
-- A subscription that was renewed, one that is about to be, one on hold, one that has ended
SELECT bought('renewed', 20, 'Monthly Ten', 'completed', 'pi_20', 0, jsonb_build_object('stripe_subscription_id', 'sub_20', 'stripe_invoice_id', 'in_20',
              'subscription', subscription(true, false, at + interval '1 month', NULL))), owns('renewed', 'Monthly Ten', 'active', NULL, '2 months') FROM begun;
SELECT bought('renewed', 20, 'Monthly Ten', 'completed', 'pi_21', 0,
              '{"renewal_of": "c0000000-0000-4000-8000-000000000020", "stripe_invoice_id": "in_21", "stripe_subscription_id": "sub_20"}');
UPDATE add_on_purchases SET purchased_at = at + interval '9 days', subscription_ends_at = at + interval '2 months' FROM begun WHERE stripe_payment_id = 'pi_21';
SELECT bought('due', 27, 'Monthly Ten', 'completed', 'pi_27', 0, jsonb_build_object('stripe_subscription_id', 'sub_27', 'stripe_invoice_id', 'in_26',
              'subscription', subscription(true, false, at + interval '9 days', NULL))), owns('due', 'Monthly Ten', 'active', NULL, '9 days') FROM begun;
UPDATE add_on_purchases SET subscription_ends_at = at + interval '9 days' FROM begun WHERE user_id = 'due';
SELECT bought('unpaid', 22, 'Monthly Ten', 'completed', 'pi_22', 0, jsonb_build_object('hold', 'subscription unpaid', 'stripe_subscription_id', 'sub_22',
              'subscription', subscription(true, true, NULL, NULL))), owns('unpaid', 'Monthly Ten', 'suspended', 'hold: subscription unpaid');
SELECT bought('ended', 23, 'Monthly Ten', 'completed', 'pi_23', 0, jsonb_build_object('stripe_subscription_id', 'sub_23',
              'subscription', subscription(false, false, NULL, at + interval '1 day'))), owns('ended', 'Monthly Ten', 'cancelled', 'subscription ended', '1 day', false) FROM begun;
-- Lago: paid, and an invoice that is overdue
SELECT bought('lago', 24, 'Monthly Ten', 'completed', 'li_24', 0, '{"lago_subscription_id": "ls_24"}', 'lago'), owns('lago', 'Monthly Ten', 'active');
SELECT bought('overdue', 25, 'Monthly Ten', 'completed', 'li_25', 0,
              '{"lago_subscription_id": "ls_25", "overdue_invoices": {"li_26": "overdue"}, "hold": "invoice overdue"}', 'lago'),
       owns('overdue', 'Monthly Ten', 'suspended', 'hold: invoice overdue');
