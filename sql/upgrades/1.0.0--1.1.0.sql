-- From 1.0.0 to 1.1.0: CHANGELOG.md says what is new.

ALTER TABLE @extschema@.add_ons
    DROP CONSTRAINT add_ons_category_check,
    ADD CONSTRAINT add_ons_category_check CHECK (category OPERATOR(pg_catalog.~) '^[a-z0-9]+(-[a-z0-9]+)*$'),
    ADD COLUMN trial_days integer,
    ADD CONSTRAINT add_ons_trial_days_check CHECK (trial_days > 0);
ALTER TABLE @extschema@.promotional_codes
    ADD COLUMN renewals integer DEFAULT 0,
    ADD CONSTRAINT promotional_codes_renewals_check CHECK (renewals >= 0);
ALTER TABLE @extschema@.user_add_ons
    ADD COLUMN quantity integer NOT NULL DEFAULT 1,
    ADD COLUMN renewal_amount numeric(10,2),
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN sources jsonb,
    ADD COLUMN usage jsonb,
    ADD COLUMN usage_keys bytea,
    ADD COLUMN paid_periods jsonb,
    SET (fillfactor = 85),
    ADD CONSTRAINT user_add_ons_quantity_check CHECK (quantity > 0),
    ADD CONSTRAINT user_add_ons_renewal_amount_check CHECK (renewal_amount >= 0);
ALTER TABLE @extschema@.add_on_purchases
    SET (toast_tuple_target = 1024),
    ADD COLUMN facts jsonb,
    ADD COLUMN provider_ids text[],
    ADD COLUMN paid jsonb;

-- A third decimal is refused from now on, and was rounded away before: that is what a type with decimals does. The rows stay as they are. So
-- do other people's views over these columns, which ALTER COLUMN TYPE would want to have dropped: only what the columns say of their
-- decimals goes.
UPDATE pg_attribute SET atttypmod = -1
 WHERE attname IN ('base_price', 'discount_percent', 'discount_amount', 'discount_value', 'min_purchase_amount')
   AND attrelid IN ('@extschema@.add_ons'::regclass, '@extschema@.add_on_bundles'::regclass, '@extschema@.pricing_rules'::regclass,
                    '@extschema@.promotional_codes'::regclass);
ALTER TABLE @extschema@.add_ons
    ADD CONSTRAINT add_ons_base_price_decimals_check CHECK (base_price = round(base_price, 2) AND base_price < 100000000);
ALTER TABLE @extschema@.add_on_bundles
    ALTER COLUMN discount_percent SET DEFAULT 0.00,
    ALTER COLUMN discount_amount SET DEFAULT 0.00,
    ADD CONSTRAINT add_on_bundles_discount_percent_decimals_check CHECK (discount_percent = round(discount_percent, 2)),
    ADD CONSTRAINT add_on_bundles_discount_amount_decimals_check
        CHECK (discount_amount = round(discount_amount, 2) AND discount_amount < 100000000);
ALTER TABLE @extschema@.pricing_rules
    ALTER COLUMN discount_percent SET DEFAULT 0.00,
    ALTER COLUMN discount_amount SET DEFAULT 0.00,
    ADD CONSTRAINT pricing_rules_discount_percent_decimals_check CHECK (discount_percent = round(discount_percent, 2)),
    ADD CONSTRAINT pricing_rules_discount_amount_decimals_check
        CHECK (discount_amount = round(discount_amount, 2) AND discount_amount < 100000000);
ALTER TABLE @extschema@.promotional_codes
    ALTER COLUMN min_purchase_amount SET DEFAULT 0.00,
    ADD CONSTRAINT promotional_codes_discount_value_decimals_check
        CHECK (discount_value = round(discount_value, 2) AND discount_value < 100000000),
    ADD CONSTRAINT promotional_codes_min_purchase_amount_decimals_check
        CHECK (min_purchase_amount = round(min_purchase_amount, 2) AND abs(min_purchase_amount) < 100000000);

DROP INDEX @extschema@.idx_add_on_purchases_holds;
DROP INDEX IF EXISTS @extschema@.idx_add_on_purchases_user_status, @extschema@.idx_add_on_purchases_stripe_subscription;
CREATE INDEX idx_add_on_purchases_provider_ids ON @extschema@.add_on_purchases USING gin (provider_ids)
    WHERE provider_ids IS NOT NULL;
CREATE INDEX idx_add_on_purchases_unsettled ON @extschema@.add_on_purchases ((facts -> 'unsettled')) WHERE facts ? 'unsettled';
CREATE INDEX idx_add_on_purchases_user_add_on ON @extschema@.add_on_purchases (user_id, add_on_id);
-- What was paid, also where it was paid back since: all that reports of a period read.
DROP INDEX @extschema@.idx_add_on_purchases_revenue;
CREATE INDEX idx_add_on_purchases_revenue ON @extschema@.add_on_purchases (purchased_at) INCLUDE (add_on_id, amount)
    WHERE status = ANY ('{completed,refunded,disputed}'::text[]);

CREATE OR REPLACE VIEW @extschema@.promo_code_performance AS
SELECT c.id AS promotional_code_id, c.code, c.is_active, c.current_uses, c.max_uses,
       count(DISTINCT coalesce(p.checkout_id, p.id)) FILTER (WHERE p.status = 'pending') AS pending_checkouts,
       count(DISTINCT coalesce(p.checkout_id, p.id)) FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')) AS paid_checkouts,
       count(DISTINCT p.user_id) FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')) AS users,
       coalesce(sum(p.amount - p.refund_amount) FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')), 0) AS net,
       coalesce(sum(CASE WHEN jsonb_typeof(p.metadata #> '{quote_line,promo_discount}') = 'number'
                         THEN (p.metadata #>> '{quote_line,promo_discount}')::numeric END)
                FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')), 0) AS discount
  FROM @extschema@.promotional_codes c
  LEFT JOIN @extschema@.add_on_purchases p ON p.promo_code = c.code
 GROUP BY c.id;

CREATE VIEW @extschema@.cart_conversion AS
WITH steps AS (
    SELECT timezone('UTC', max(added_at))::date AS day, 1 AS open_carts, 0 AS checkouts, NULL AS status
      FROM @extschema@.cart_items
     GROUP BY user_id
     UNION ALL
    SELECT timezone('UTC', min(purchased_at))::date, 0, 1,
           CASE WHEN bool_or(status = 'pending') THEN 'pending' WHEN bool_or(status <> 'failed') THEN 'paid' ELSE 'failed' END
      FROM @extschema@.add_on_purchases
     WHERE checkout_id IS NOT NULL
     GROUP BY checkout_id
)
SELECT day, sum(open_carts) AS open_carts, sum(checkouts) AS checkouts, count(*) FILTER (WHERE status = 'pending') AS pending_checkouts,
       count(*) FILTER (WHERE status = 'failed') AS failed_checkouts, count(*) FILTER (WHERE status = 'paid') AS paid_checkouts,
       round(100.0 * count(*) FILTER (WHERE status = 'paid') / count(*), 2) AS conversion_percent
  FROM steps
 GROUP BY day;

CREATE VIEW @extschema@.recurring_revenue AS
WITH paid AS (
    SELECT p.user_id, p.add_on_id, p.currency, p.amount / m.months AS value, timezone('UTC', p.subscription_ends_at) AS until,
           greatest(timezone('UTC', p.purchased_at), timezone('UTC', p.subscription_ends_at) - m.months * interval '1 month') AS since
      FROM @extschema@.add_on_purchases p
      JOIN @extschema@.add_ons a ON a.id = p.add_on_id
     CROSS JOIN LATERAL (
            SELECT coalesce(CASE WHEN p.paid @? 'strict $.period.months ? (@.type() == "number" && @ >= 1 && @ <= 1200)'
                                 THEN (p.paid #>> '{period,months}')::numeric::integer END,
                            CASE coalesce(p.metadata #>> '{quote_line,billing_type}', a.billing_type)
                                WHEN 'monthly' THEN 1 WHEN 'annual' THEN 12 END) AS months) m
     WHERE p.status = 'completed' AND m.months > 0 AND isfinite(p.subscription_ends_at)
), periods AS (
    SELECT user_id, add_on_id, currency, value, until,
           greatest(since, lag(until) OVER (PARTITION BY user_id, add_on_id, currency ORDER BY until, since)) AS since
      FROM paid
), counted AS (
    SELECT currency, value, since, until, lag(value) OVER of_one AS value_before,
           coalesce(since <= lag(until) OVER of_one + interval '3 days', false) AS is_renewal,
           coalesce(lead(since) OVER of_one <= until + interval '3 days', false) AS is_renewed
      FROM periods
     WHERE since < until AND since <= timezone('UTC', now())
    WINDOW of_one AS (PARTITION BY user_id, add_on_id, currency ORDER BY since)
), changes AS (
    SELECT currency, date_trunc('month', since) AS month, CASE WHEN is_renewal THEN 0 ELSE 1 END AS subscriptions,
           CASE WHEN is_renewal THEN 0 ELSE value END AS new, CASE WHEN is_renewal THEN value ELSE 0 END AS renewed,
           CASE WHEN is_renewal THEN value - value_before ELSE 0 END AS changed, 0 AS churned
      FROM counted
     UNION ALL
    SELECT currency, date_trunc('month', until), -1, 0, 0, 0, value
      FROM counted
     WHERE NOT is_renewed AND until <= timezone('UTC', now())
), months AS (
    SELECT first.currency, month.month
      FROM (SELECT currency, min(month) AS month FROM changes GROUP BY currency) first
     CROSS JOIN LATERAL generate_series(first.month, timezone('UTC', now()), interval '1 month') month (month)
), sums AS (
    SELECT currency, month, sum(subscriptions) AS subscriptions, sum(new) AS new, sum(renewed) AS renewed, sum(changed) AS changed,
           sum(churned) AS churned
      FROM changes
     GROUP BY currency, month
)
SELECT m.month::date AS month, m.currency, (sum(coalesce(s.subscriptions, 0)) OVER until_then)::bigint AS subscriptions,
       round(coalesce(s.new, 0), 2) AS new, round(coalesce(s.renewed, 0), 2) AS renewed, round(coalesce(s.changed, 0), 2) AS changed,
       round(coalesce(s.churned, 0), 2) AS churned,
       round(sum(coalesce(s.new, 0) + coalesce(s.changed, 0) - coalesce(s.churned, 0)) OVER until_then, 2) AS mrr
  FROM months m
  LEFT JOIN sums s ON s.currency = m.currency AND s.month = m.month
WINDOW until_then AS (PARTITION BY m.currency ORDER BY m.month);

ALTER VIEW @extschema@.subscriptions_expiring_soon SET (security_invoker = true);

CREATE VIEW @extschema@.purchase_details WITH (security_invoker = true) AS
SELECT p.id AS purchase_id, p.checkout_id, p.user_id, p.add_on_id, a.name, a.category, a.version, a.icon_url, p.quantity, p.amount,
       p.currency, p.status, p.refund_amount, p.promo_code, p.stripe_payment_id, p.lago_invoice_id, p.payment_method, p.purchased_at,
       p.refunded_at, p.subscription_ends_at
  FROM @extschema@.add_on_purchases p
  JOIN @extschema@.add_ons a ON a.id = p.add_on_id;

CREATE VIEW @extschema@.owned_add_ons WITH (security_invoker = true) AS
SELECT u.user_id, u.add_on_id, a.name, a.description, a.category, a.version, a.icon_url,
       (SELECT coalesce(jsonb_agg(given.key ORDER BY given.key COLLATE "C"), '[]')
          FROM (SELECT f.feature_key AS key FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.enabled
                 UNION
                SELECT listed.key FROM jsonb_array_elements_text(a.features) listed (key)
                 WHERE NOT EXISTS (SELECT FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = listed.key)
               ) given) AS features,
       u.status, u.status = 'active' AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now()) AS entitled,
       u.quantity, u.purchased_at, u.expires_at, u.auto_renew, u.renewal_amount, u.cancelled_at, u.cancellation_reason, u.suspended_at
  FROM @extschema@.user_add_ons u
  JOIN @extschema@.add_ons a ON a.id = u.add_on_id;

DROP FUNCTION @extschema@.active_add_ons(text, timestamptz);
DROP FUNCTION @extschema@.check_marketplace();
DROP FUNCTION @extschema@.fail_checkout(uuid, text);
DROP FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval);

-- What is not for users starts with _. Whatever depends on the functions, or was granted, stays as it is.
ALTER FUNCTION @extschema@.check_catalog() RENAME TO _check_catalog;
ALTER FUNCTION @extschema@.plan_entitlement_check(internal) RENAME TO _plan_entitlement_check;
ALTER FUNCTION @extschema@.reference_links() RENAME TO _reference_links;
ALTER FUNCTION @extschema@.unknown_references() RENAME TO _unknown_references;

-- Here the functions are made.

-- The function costs more than an insert would bear, and nearly every code is in capitals.
CREATE TRIGGER normalize_add_on_purchases_currency BEFORE INSERT OR UPDATE OF currency ON @extschema@.add_on_purchases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.normalize_currency();

-- Configurations had no keys of ours before. Where one has them in another sense, the constraint holds for new ones until somebody
-- corrects that and validates it.
ALTER TABLE @extschema@.add_on_features ADD CONSTRAINT add_on_features_configuration_check
    CHECK (@extschema@.check_feature_configuration(configuration)) NOT VALID;

-- Rows are changed as the owner of the tables, whoever updates: triggers and whatever else of the owner's is in the way has no more
-- rights than the owner then, although this script runs as a superuser.
ALTER TABLE @extschema@.promotional_codes DROP CONSTRAINT promotional_codes_code_check;
CREATE FUNCTION @extschema@._upgrade_rows_body() RETURNS TABLE (object text, affected bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    BEGIN
        ALTER TABLE @extschema@.add_on_features VALIDATE CONSTRAINT add_on_features_configuration_check;
    EXCEPTION WHEN check_violation THEN
        RAISE WARNING '%', SQLERRM
            USING HINT = 'Correct it, then ALTER TABLE add_on_features VALIDATE CONSTRAINT add_on_features_configuration_check.';
    END;

    -- Bought before currencies were stored in capitals
    UPDATE @extschema@.add_on_purchases SET currency = upper(currency COLLATE "C") WHERE currency <> upper(currency COLLATE "C");

    -- Codes were stored in capitals as the locale of the database has them.
    UPDATE @extschema@.add_on_purchases SET promo_code = @extschema@.normalized_code(promo_code)
     WHERE promo_code <> @extschema@.normalized_code(promo_code);
    UPDATE @extschema@.promotional_codes SET code = @extschema@.normalized_code(code) WHERE code <> @extschema@.normalized_code(code);

    -- What 1.0.0 kept of payments in the metadata of purchases becomes facts, on the first purchase of each checkout for all of it. Purchases
    -- of which nothing was told need none: what their columns say becomes a fact when something more is told.
    WITH told AS (
        SELECT p.user_id, coalesce(p.checkout_id, p.id) AS sale, p.id, p.add_on_id, p.metadata, p.currency,
               coalesce(p.stripe_payment_id, p.lago_invoice_id) AS payment, p.purchased_at,
               row_number() OVER (PARTITION BY p.user_id, coalesce(p.checkout_id, p.id)
                                  ORDER BY coalesce((p.metadata ->> 'position')::bigint, 2147483647), p.add_on_id, p.id) AS place
          FROM @extschema@.add_on_purchases p
         WHERE p.metadata ?| '{refunded_by_provider,disputes,subscription,overdue_invoices,stripe_subscription_id,stripe_invoice_id,lago_subscription_id}'
    ), sales AS (
        SELECT t.user_id, t.sale, min(t.id::text) FILTER (WHERE t.place = 1) AS bearer, max(t.payment) AS payment,
               max((t.metadata ->> 'refunded_by_provider')::bigint) AS refunded,
               max(coalesce(t.metadata ->> 'stripe_subscription_id', t.metadata ->> 'lago_subscription_id')) AS subscription,
               max(t.metadata ->> 'stripe_invoice_id') AS invoice, max(upper(t.currency)) AS currency,
               (array_agg(t.metadata -> 'subscription' ORDER BY t.place) FILTER (WHERE t.metadata ? 'subscription'))[1] AS said,
               (array_agg(t.metadata -> 'disputes' ORDER BY t.place) FILTER (WHERE jsonb_typeof(t.metadata -> 'disputes') = 'object'))[1] AS disputes,
               (array_agg(t.metadata -> 'overdue_invoices' ORDER BY t.place)
                    FILTER (WHERE jsonb_typeof(t.metadata -> 'overdue_invoices') = 'object'))[1] AS overdue
          FROM told t
         GROUP BY t.user_id, t.sale
    ), facts AS (
        SELECT s.user_id, s.bearer::uuid AS id,
               array_remove(ARRAY[s.payment, s.subscription, s.invoice]
                            || ARRAY(SELECT jsonb_object_keys(coalesce(s.disputes, '{}')))
                            || ARRAY(SELECT jsonb_object_keys(coalesce(s.overdue, '{}'))), NULL) AS ids,
               jsonb_strip_nulls(jsonb_build_object(
                   'refund_totals', CASE WHEN s.refunded > 0 AND s.payment IS NOT NULL THEN
                       jsonb_build_object(s.payment, jsonb_build_object('payments', jsonb_build_array(s.payment), 'currency', s.currency,
                           'total', jsonb_build_array(jsonb_build_object('at', -9223372036854775808, 'now', s.refunded)))) END,
                   'disputes', CASE WHEN s.payment IS NOT NULL THEN
                       (SELECT jsonb_object_agg(d.key, jsonb_build_object('payments', jsonb_build_array(s.payment),
                                   'state', jsonb_build_array(jsonb_build_object('at', -9223372036854775808,
                                       'now', CASE d.value WHEN 'won' THEN 'kept' WHEN 'lost' THEN 'lost' ELSE 'open' END))))
                          FROM jsonb_each_text(s.disputes) d) END,
                   'attempts', (SELECT jsonb_object_agg(a.key, a.value) FROM (
                           SELECT o.key, jsonb_build_object('provider', 'lago', 'kind', 'invoice', 'subscriptions',
                                      CASE WHEN s.subscription IS NULL THEN '[]' ELSE jsonb_build_array(s.subscription) END,
                                      'state', jsonb_build_array(jsonb_build_object('at', -9223372036854775808, 'now', o.value)))
                             FROM jsonb_each_text(s.overdue) o WHERE o.value IN ('overdue', 'paid')
                            UNION ALL
                           SELECT s.invoice, jsonb_build_object('provider', 'stripe', 'kind', 'invoice',
                                      'same_payment', CASE WHEN s.payment IS NULL THEN '[]' ELSE jsonb_build_array(s.payment) END,
                                      'subscriptions', CASE WHEN s.subscription IS NULL THEN '[]' ELSE jsonb_build_array(s.subscription) END)
                            WHERE s.invoice IS NOT NULL) a (key, value)),
                   'subscriptions', CASE WHEN s.subscription IS NOT NULL THEN
                       jsonb_build_object(s.subscription, jsonb_build_object(
                           'state', CASE WHEN (s.said ->> 'has_ended')::boolean THEN
                                             jsonb_build_array(jsonb_build_object('at', (s.said -> 'said_at'),
                                                 'now', jsonb_build_object('ended', jsonb_build_object('at', s.said -> 'ended_at'))))
                                         WHEN s.said IS NOT NULL THEN
                                             jsonb_build_array(jsonb_build_object('at', (s.said -> 'said_at'),
                                                 'now', jsonb_build_object('running', jsonb_build_object('renews', s.said -> 'auto_renew',
                                                     'is_unpaid', coalesce(s.said -> 'on_hold', 'false'))))) END,
                           'ends', CASE WHEN jsonb_typeof(s.said -> 'period_end') = 'number' THEN
                                            jsonb_build_array(jsonb_build_object('of', '{}'::jsonb, 'until', s.said -> 'period_end',
                                                'said_at', s.said -> 'said_at', 'is_paid', true)) END)) END)) AS known
          FROM sales s
    )
    UPDATE @extschema@.add_on_purchases p
       SET facts = jsonb_build_object('known', f.known), provider_ids = f.ids
      FROM facts f
     WHERE p.id = f.id AND p.user_id = f.user_id;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION @extschema@._upgrade_rows_body() OWNER TO %s',
                   (SELECT c.relowner::regrole FROM pg_catalog.pg_class c WHERE c.oid = '@extschema@.add_ons'::regclass));
END
$$;
CREATE FUNCTION @extschema@.upgrade_rows() RETURNS TABLE (object text, affected bigint)
LANGUAGE c SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'run_body_wrapper';
SELECT * FROM @extschema@.upgrade_rows();
DROP FUNCTION @extschema@.upgrade_rows(), @extschema@._upgrade_rows_body();
ALTER TABLE @extschema@.promotional_codes
    ADD CONSTRAINT promotional_codes_code_check CHECK (code <> '');
CREATE TRIGGER protect_promotional_codes_code BEFORE UPDATE OF code OR DELETE ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_redeemed_code();

-- sql/triggers.sql says what they are for.
CREATE TRIGGER protect_add_ons BEFORE DELETE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_sold_add_on();
CREATE TRIGGER normalize_add_ons_amounts BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_add_on_bundles_amounts BEFORE INSERT OR UPDATE OF discount_percent, discount_amount ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_pricing_rules_amounts BEFORE INSERT OR UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_promotional_codes_amounts BEFORE INSERT OR UPDATE OF discount_value, min_purchase_amount
    ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_add_ons_features BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.list_features();
CREATE TRIGGER verify_add_ons BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_features BEFORE INSERT OR UPDATE ON @extschema@.add_on_features
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_pricing_rules BEFORE INSERT OR UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_bundles BEFORE INSERT OR UPDATE OF
    add_on_ids, discount_percent, discount_amount, valid_from, valid_until, max_uses ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_promotional_codes BEFORE INSERT OR UPDATE OF
    code, discount_type, discount_value, max_uses, min_purchase_amount, user_restrictions, renewals ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_bundles_uses BEFORE UPDATE OF current_uses ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_uses();
CREATE TRIGGER verify_promotional_codes_uses BEFORE UPDATE OF current_uses ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_uses();
