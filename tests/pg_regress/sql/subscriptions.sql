-- What users own: granting, renewing, cancelling, withholding.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
BEGIN;
CREATE FUNCTION pg_temp.ahead(at timestamptz) RETURNS interval LANGUAGE sql AS $$ SELECT justify_interval(at - now()) $$;
CREATE TEMP VIEW owned AS
SELECT u.user_id, a.name, u.status, pg_temp.ahead(u.expires_at) AS ends_in, u.auto_renew, u.cancelled_at = now() AS cancelled_now, u.cancellation_reason, has_add_on(u.user_id, a.id) AS entitled
  FROM user_add_ons u JOIN add_ons a ON a.id = u.add_on_id ORDER BY u.user_id, a.name;

-- A grant needs no purchase, and works for what is no longer sold. Granting again keeps the later end.
UPDATE add_ons SET is_active = false WHERE id = :bolt;
SELECT add_on_id, pg_temp.ahead(expires_at) FROM grant_add_on('ada', :bolt, now() + interval '10 days');
SELECT pg_temp.ahead(expires_at) FROM grant_add_on('ada', :bolt, now() + interval '5 days');
SELECT pg_temp.ahead(expires_at) FROM grant_add_on('ada', :bolt, now() + interval '20 days');
SELECT add_on_id, expires_at FROM grant_add_on('zoë', :brigade);
SELECT expires_at FROM grant_add_on('zoë', :brigade, now() + interval '5 days'); -- has no end already
SELECT * FROM pg_temp.owned;
SELECT count(*) AS purchases FROM add_on_purchases;
UPDATE add_ons SET is_active = true WHERE id = :bolt;

-- Renewing extends from the end if that is ahead, and else from now: a calendar month, also in other time zones.
SELECT expires_at FROM user_add_ons WHERE user_id = 'ada' \gset
SELECT renew_add_on('ada', :bolt) AT TIME ZONE 'UTC' = (:'expires_at'::timestamptz AT TIME ZONE 'UTC') + interval '1 month' AS a_month_later;
SELECT renew_add_on('zoë', :brigade) IS NULL AS still_has_no_end;
UPDATE user_add_ons SET purchased_at = '2026-01-01', expires_at = '2026-02-01', status = 'expired' WHERE user_id = 'ada';
SELECT renew_add_on('ada', :bolt) AT TIME ZONE 'UTC' = (now() AT TIME ZONE 'UTC') + interval '1 month' AS a_month_from_now, has_add_on('ada', :bolt, '2026-03-01') AS in_between;
SET LOCAL timezone = 'America/New_York';
UPDATE user_add_ons SET expires_at = '2038-01-31 23:30+00' WHERE user_id = 'ada';
SELECT renew_add_on('ada', :bolt) AT TIME ZONE 'UTC' AS last_of_february;
RESET timezone;

-- The same payment or invoice renews once, and is recorded as a purchase.
UPDATE user_add_ons SET expires_at = '2039-01-01+00' WHERE user_id = 'ada';
SELECT renew_add_on('ada', :bolt, 8.99, 'pi_1') AT TIME ZONE 'UTC';
SELECT renew_add_on('ada', :bolt, 8.99, 'pi_1') AT TIME ZONE 'UTC';
SELECT renew_add_on('ada', :bolt, 8.99, lago_invoice_id => 'in_1') AT TIME ZONE 'UTC';
SELECT renew_add_on('ada', :bolt, 8.99, 'pi_2', 'in_1') AT TIME ZONE 'UTC';
SELECT amount, currency, status, stripe_payment_id, lago_invoice_id, subscription_ends_at AT TIME ZONE 'UTC' AS ends FROM add_on_purchases ORDER BY subscription_ends_at;

-- Cancelling lets it run out, or ends it at once; renewing goes on with it.
SELECT cancel_add_on('ada', :bolt, 'too dear') AT TIME ZONE 'UTC', cancel_add_on('ada', :bolt) AT TIME ZONE 'UTC' AS again;
SELECT status, auto_renew, cancellation_reason, has_add_on('ada', :bolt) AS entitled FROM user_add_ons WHERE user_id = 'ada';
SELECT cancel_add_on('ada', :bolt, immediately => true) = now() AS at_once, cancel_add_on('ada', :bolt, immediately => true) = now() AS again;
SELECT cancel_add_on('zoë', :brigade) IS NULL AS never_ends;
SELECT * FROM pg_temp.owned;
SELECT pg_temp.ahead(renew_add_on('ada', :bolt)) >= interval '27 days' AS begins_again, has_add_on('ada', :bolt) AS before_it, status FROM user_add_ons WHERE user_id = 'ada';
SELECT has_add_on('ada', :bolt) AS entitled, auto_renew, cancelled_at, cancellation_reason FROM user_add_ons WHERE user_id = 'ada'; -- the cancellation is forgotten

-- Withholding and giving back.
SELECT suspend_add_on('ada', :bolt, 'abuse'), suspend_add_on('ada', :bolt), has_add_on('ada', :bolt) AS entitled;
SELECT has_add_on('ada', :bolt) AS entitled, cancellation_reason FROM user_add_ons WHERE user_id = 'ada';
SELECT renew_add_on('ada', :bolt) IS NOT NULL AS renewed, status FROM user_add_ons WHERE user_id = 'ada'; -- paying does not lift it
SELECT has_add_on('ada', :bolt) AS entitled;
SELECT resume_add_on('ada', :bolt), resume_add_on('ada', :bolt);
SELECT has_add_on('ada', :bolt) AS entitled;
-- what was cancelled is not given back by resuming
SELECT cancel_add_on('ada', :bolt, immediately => true) = now() AS at_once;
SELECT resume_add_on('ada', :bolt), suspend_add_on('ada', :bolt);

SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT grant_add_on(''ada'', ''00000000-0000-0000-0000-000000000000'')',
    'SELECT grant_add_on(''ada'', ''a0000000-0000-4000-8000-000000000003'', ''2026-01-01'')',
    'SELECT grant_add_on(''ada'', ''a0000000-0000-4000-8000-000000000003'', ''-infinity'')',
    'SELECT renew_add_on(''ada'', ''a0000000-0000-4000-8000-000000000003'')',
    'SELECT renew_add_on(''nobody'', ''a0000000-0000-4000-8000-000000000004'')',
    'SELECT renew_add_on(''ada'', ''a0000000-0000-4000-8000-000000000004'', -1)',
    'SELECT renew_add_on(''ada'', ''a0000000-0000-4000-8000-000000000004'', 1, repeat(''x'', 256))',
    'SELECT cancel_add_on(''nobody'', ''a0000000-0000-4000-8000-000000000004'')',
    'SELECT suspend_add_on(''nobody'', ''a0000000-0000-4000-8000-000000000004'')',
    'SELECT resume_add_on(''nobody'', ''a0000000-0000-4000-8000-000000000004'')'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
SELECT expires_at FROM grant_add_on('bob', :brigade, 'infinity');
ROLLBACK;

-- What a host has written goes on as it was when what was bought besides is paid back: until its end, and to be renewed.
BEGIN;
CREATE TEMP VIEW owned AS
SELECT user_id, status, expires_at - now() = interval '10 days' AS as_the_host_said, auto_renew FROM user_add_ons WHERE user_id = 'hana';
INSERT INTO user_add_ons (user_id, add_on_id, expires_at) VALUES ('hana', :bolt, now() + interval '10 days');
SELECT quantity FROM add_to_cart('hana', :bolt);
SELECT expires_at > now() + interval '11 days' AS a_month_more FROM checkout('hana') c, complete_checkout(c.checkout_id);
SELECT * FROM pg_temp.owned;
SELECT refund_purchase(purchase_id) FROM purchase_history('hana');
SELECT * FROM pg_temp.owned;
-- What a subscription paid for that has ended renews nothing, whatever else goes on.
SELECT quantity FROM add_to_cart('ivo', :bolt);
SELECT checkout_id AS sale FROM checkout('ivo') \gset
SELECT count(*) FROM complete_checkout(:'sale', 'pi_ivo');
SELECT count(*) FROM grant_add_on('ivo', :bolt, now() + interval '90 days');
SELECT count(*) FROM upcoming_renewals('ivo', 'infinity');
SELECT apply_stripe_event(jsonb_build_object('id', 'evt_1', 'type', 'customer.subscription.deleted', 'created', extract(epoch FROM now())::bigint,
           'data', jsonb_build_object('object', jsonb_build_object('id', 'sub_1', 'status', 'canceled', 'metadata', jsonb_build_object('checkout_id', :'sale'),
           'ended_at', extract(epoch FROM now())::bigint)))) -> 'action' AS action;
SELECT status, auto_renew, has_add_on('ivo', :bolt) FROM user_add_ons WHERE user_id = 'ivo';
SELECT count(*) FROM upcoming_renewals('ivo', 'infinity');
-- A row that a host has deleted gives nothing, and what was paid for says why.
SELECT quantity FROM add_to_cart('jo', :bolt);
SELECT count(*) FROM checkout('jo') c, complete_checkout(c.checkout_id);
DELETE FROM user_add_ons WHERE user_id = 'jo';
SELECT source, live, detail, has_add_on('jo', :bolt) FROM explain_access('jo', :bolt);
ROLLBACK;
