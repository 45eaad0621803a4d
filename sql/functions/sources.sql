-- Where access comes from, what renewals cost, and money that was not applied: what people and the planner are told about the functions of
-- src/api/sources.rs, and those that are plain SQL.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.start_trial(text, uuid) IS
'Gives the user an add-on for its trial_days, only once (semantics 5). A purchase during the trial begins at its end.
Arguments: user_id, 1 to 255 characters; add_on_id.
Returns: the add-on and when the trial ends.
Errors: 22023 null_argument, invalid_user_id; P0002 add_on_not_found; 23514 no_trial, trial_refused; 42501 other_user.';
ALTER FUNCTION @extschema@.start_trial(text, uuid) COST 5000 ROWS 1;

COMMENT ON FUNCTION @extschema@.explain_access(text, uuid, timestamptz) IS
'Every source of a user''s access to an add-on, and why it gives access or does not (semantics 5).
Arguments: user_id, 1 to 255 characters; add_on_id; at.
Returns: a row for each source, the earliest first: purchase, subscription, grant, trial, or host, a row that was not written by these
functions; source_id, the purchase, the subscription or the number of the grant; its window, NULL where it gives no time; whether it
gives access at that instant; and why. A suspension by hand is a row of its own.
Errors: 22023 null_argument, invalid_user_id.';
ALTER FUNCTION @extschema@.explain_access(text, uuid, timestamptz) COST 5000 ROWS 3;

COMMENT ON FUNCTION @extschema@.settle_payment(text, text) IS
'Says that a payment which was not applied has been dealt with: unsettled_payments() lists it no longer, and it completes nothing later
(semantics 4.3).
Arguments: payment_id, as unsettled_payments() names it; note, what was done, kept with the facts.
Returns: whether there was one.
Errors: 22023 null_argument, text_too_long.';
ALTER FUNCTION @extschema@.settle_payment(text, text) COST 10000;

CREATE FUNCTION @extschema@.unsettled_payments() RETURNS TABLE (
    payment_id text, provider text, checkout_id uuid, user_id text, amount numeric, currency text, reason text, received_at timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.payment_id, u.provider, coalesce(p.checkout_id, p.id), p.user_id::text, u.amount, u.currency, u.reason, u.received_at
      FROM @extschema@.add_on_purchases p
     CROSS JOIN jsonb_to_recordset(p.facts -> 'unsettled')
                u (payment_id text, provider text, amount numeric, currency text, reason text, received_at timestamptz)
     WHERE p.facts ? 'unsettled'
     ORDER BY u.received_at, u.payment_id
$$;
COMMENT ON FUNCTION @extschema@.unsettled_payments() IS
'Money that was taken and pays for nothing: a second payment, another amount or currency, one that came too late (semantics 4.3). It is
listed until a refund of it is told or settle_payment() is called.
Arguments: none.
Returns: a row for each payment, the earliest first: its id, stripe or lago, the checkout that it is about, the user, what was taken with
tax, the currency, and why it was not applied: already_paid, amount_mismatch, currency_mismatch, payment_used or checkout_failed.
Errors: none.';

CREATE FUNCTION @extschema@.upcoming_renewals(user_id text DEFAULT NULL, until timestamptz DEFAULT pg_catalog.now() + interval '1 month')
RETURNS TABLE (user_id text, add_on_id uuid, due_at timestamptz, amount numeric, currency text, promo_code text)
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.user_id::text, u.add_on_id, u.expires_at, u.renewal_amount, last.currency::text,
           CASE WHEN u.sources ->> 'priced_by' = last.id || ' reduced' THEN last.promo_code::text END
      FROM @extschema@.user_add_ons u
      JOIN @extschema@.add_on_purchases last ON last.id = split_part(u.sources ->> 'priced_by', ' ', 1)::uuid AND last.user_id = u.user_id
     WHERE (upcoming_renewals.user_id IS NULL OR u.user_id = upcoming_renewals.user_id)
       AND u.status = 'active' AND u.auto_renew AND u.renewal_amount IS NOT NULL
       AND u.expires_at >= now() AND u.expires_at <= upcoming_renewals.until
     ORDER BY u.expires_at, u.user_id, u.add_on_id
$$;
COMMENT ON FUNCTION @extschema@.upcoming_renewals(text, timestamptz) IS
'What will be renewed, when, and what it costs (semantics 5): add-ons that renew by themselves and whose period ends by an instant.
Arguments: user_id, NULL for everybody; until, a month from now by default.
Returns: a row for each add-on, the next first: the user, the add-on, when its period ends, renewal_amount, the currency that it was
bought in, and the promotional code that the amount takes into account.
Errors: none.';

CREATE FUNCTION @extschema@.reprice_renewals(add_on_id uuid) RETURNS bigint
LANGUAGE plpgsql COST 1000000 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE @extschema@.user_add_ons u
       SET renewal_amount = priced.amount, updated_at = now(),
           -- The amount is no longer that of the purchase, and stays when the purchase's code runs out.
           sources = CASE WHEN u.sources ? 'priced_by'
                          THEN jsonb_set(u.sources, '{priced_by}', to_jsonb(split_part(u.sources ->> 'priced_by', ' ', 1) || ' repriced'))
                          ELSE u.sources END
      FROM (SELECT q.quantity, @extschema@.price_add_on(reprice_renewals.add_on_id, q.quantity) AS amount
              FROM (SELECT DISTINCT o.quantity FROM @extschema@.user_add_ons o
                     WHERE o.add_on_id = reprice_renewals.add_on_id AND o.renewal_amount IS NOT NULL) q) priced
     WHERE u.add_on_id = reprice_renewals.add_on_id AND u.quantity = priced.quantity AND u.renewal_amount IS NOT NULL
       AND u.renewal_amount <> priced.amount;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION @extschema@.reprice_renewals(uuid) IS
'Sets what renewing an add-on costs to today''s price, for everybody who has it by purchase (semantics 5). The price is that of
price_add_on() for the units that the user has, without a tier or a code.
Arguments: add_on_id.
Returns: how many amounts changed.
Errors: 22023 null_argument; P0002 add_on_not_found; 55000 add_on_not_for_sale.';

SET LOCAL search_path = @extschema@, pg_temp;
