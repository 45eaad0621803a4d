-- Views for analysts. Amounts are in the currency of their row; days are those of UTC, whatever the session's time
-- zone.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW @extschema@.revenue_by_day AS
SELECT timezone('UTC', purchased_at)::date AS day, currency, count(*) AS purchases, sum(amount) AS gross,
       sum(refund_amount) AS refunded, sum(amount - refund_amount) AS net
  FROM @extschema@.add_on_purchases
 WHERE status IN ('completed', 'refunded', 'disputed')
 GROUP BY 1, 2;

COMMENT ON VIEW @extschema@.revenue_by_day IS
'Payments and refunds, by day and currency. Purchases that are pending or failed do not count.';
COMMENT ON COLUMN @extschema@.revenue_by_day.day IS 'The day of the purchase, in UTC.';
COMMENT ON COLUMN @extschema@.revenue_by_day.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.revenue_by_day.purchases IS 'Paid purchases, one per line of a checkout.';
COMMENT ON COLUMN @extschema@.revenue_by_day.gross IS 'What was paid.';
COMMENT ON COLUMN @extschema@.revenue_by_day.refunded IS 'The amount refunded until now.';
COMMENT ON COLUMN @extschema@.revenue_by_day.net IS 'What is left.';

CREATE VIEW @extschema@.revenue_by_add_on AS
SELECT a.id AS add_on_id, a.name, a.category, p.currency, count(*) AS purchases, sum(p.quantity) AS units, sum(p.amount) AS gross,
       sum(p.refund_amount) AS refunded, sum(p.amount - p.refund_amount) AS net
  FROM @extschema@.add_on_purchases p
  JOIN @extschema@.add_ons a ON a.id = p.add_on_id
 WHERE p.status IN ('completed', 'refunded', 'disputed')
 GROUP BY a.id, a.name, a.category, p.currency;

COMMENT ON VIEW @extschema@.revenue_by_add_on IS 'Payments and refunds, by add-on and currency.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.name IS 'Its name.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.category IS 'Its category.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.purchases IS 'Paid purchases.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.units IS 'Units of all purchases.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.gross IS 'What was paid.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.refunded IS 'The amount refunded.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.net IS 'What is left.';

CREATE VIEW @extschema@.revenue_by_category AS
SELECT category, currency, sum(purchases)::bigint AS purchases, sum(gross) AS gross, sum(refunded) AS refunded, sum(net) AS net
  FROM @extschema@.revenue_by_add_on
 GROUP BY category, currency;

COMMENT ON VIEW @extschema@.revenue_by_category IS 'Payments and refunds, by category of add-on and currency.';
COMMENT ON COLUMN @extschema@.revenue_by_category.category IS 'The category.';
COMMENT ON COLUMN @extschema@.revenue_by_category.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.revenue_by_category.purchases IS 'Paid purchases.';
COMMENT ON COLUMN @extschema@.revenue_by_category.gross IS 'What was paid.';
COMMENT ON COLUMN @extschema@.revenue_by_category.refunded IS 'The amount refunded.';
COMMENT ON COLUMN @extschema@.revenue_by_category.net IS 'What is left.';

CREATE VIEW @extschema@.promo_code_performance AS
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

COMMENT ON VIEW @extschema@.promo_code_performance IS 'The revenue and the cost of each promotional code.';
COMMENT ON COLUMN @extschema@.promo_code_performance.promotional_code_id IS 'The id of the code.';
COMMENT ON COLUMN @extschema@.promo_code_performance.code IS 'The code.';
COMMENT ON COLUMN @extschema@.promo_code_performance.is_active IS 'Whether it applies.';
COMMENT ON COLUMN @extschema@.promo_code_performance.current_uses IS 'Its live redemptions.';
COMMENT ON COLUMN @extschema@.promo_code_performance.max_uses IS 'The maximum number of redemptions; NULL for no limit.';
COMMENT ON COLUMN @extschema@.promo_code_performance.pending_checkouts IS 'Checkouts with it that wait for their payment.';
COMMENT ON COLUMN @extschema@.promo_code_performance.paid_checkouts IS 'Checkouts with it that were paid, even if refunded since.';
COMMENT ON COLUMN @extschema@.promo_code_performance.users IS 'Users who paid with it.';
COMMENT ON COLUMN @extschema@.promo_code_performance.net IS 'What was paid with it, less refunds, over all currencies.';
COMMENT ON COLUMN @extschema@.promo_code_performance.discount IS 'What it took off paid purchases, over all currencies.';

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

COMMENT ON VIEW @extschema@.cart_conversion IS
'How many carts become purchases, by day. A cart that was checked out counts on the day of its checkout, an open cart on the day of its
latest addition.';
COMMENT ON COLUMN @extschema@.cart_conversion.day IS 'The day, in UTC.';
COMMENT ON COLUMN @extschema@.cart_conversion.open_carts IS 'Carts that nobody has checked out yet.';
COMMENT ON COLUMN @extschema@.cart_conversion.checkouts IS 'Checkouts begun, whatever their outcome.';
COMMENT ON COLUMN @extschema@.cart_conversion.pending_checkouts IS 'Of these, how many wait for their payment.';
COMMENT ON COLUMN @extschema@.cart_conversion.failed_checkouts IS 'How many failed or were given up.';
COMMENT ON COLUMN @extschema@.cart_conversion.paid_checkouts IS 'How many were paid, even if refunded since.';
COMMENT ON COLUMN @extschema@.cart_conversion.conversion_percent IS 'Paid checkouts in percent of carts, open or checked out.';

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

COMMENT ON VIEW @extschema@.recurring_revenue IS
'Monthly recurring revenue (MRR), by month in UTC and currency, up to the current month. It counts the paid periods, with an end, of
completed purchases: a period is worth what was paid for it, by the month, so that a year counts a twelfth of its amount in each month. A
subscription is what a user has of one add-on in one currency. A period that begins at most three days after the one before has ended renews
it; otherwise it is new. A subscription churns in the month in which its last period ends, and counts as new if it is paid for again
later. So MRR is that of the month before, plus new, plus changed, less churned. Refunds in full and disputes take a period out of every
month, as if it had never been paid; refunds in part change nothing. Amounts are rounded to two places when they have been added up.';
COMMENT ON COLUMN @extschema@.recurring_revenue.month IS 'The first day of the month, in UTC.';
COMMENT ON COLUMN @extschema@.recurring_revenue.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.recurring_revenue.subscriptions IS 'The number of subscriptions that run at the end of the month, or now in the current one.';
COMMENT ON COLUMN @extschema@.recurring_revenue.new IS 'The monthly value of subscriptions that began in the month.';
COMMENT ON COLUMN @extschema@.recurring_revenue.renewed IS 'The new monthly value of subscriptions that were renewed in the month.';
COMMENT ON COLUMN @extschema@.recurring_revenue.changed IS 'How much more that is than before their renewal; negative if it is less.';
COMMENT ON COLUMN @extschema@.recurring_revenue.churned IS 'The monthly value of subscriptions that ended in the month.';
COMMENT ON COLUMN @extschema@.recurring_revenue.mrr IS 'The monthly value of subscriptions that run at the end of the month, or now.';

CREATE VIEW @extschema@.subscriptions_expiring_soon WITH (security_invoker = true) AS
SELECT u.user_id, u.add_on_id, a.name, u.expires_at, u.auto_renew, u.expires_at - now() AS remaining
  FROM @extschema@.user_add_ons u
  JOIN @extschema@.add_ons a ON a.id = u.add_on_id
 WHERE u.status = 'active' AND u.expires_at > now() AND u.expires_at <= now() + interval '7 days';

COMMENT ON VIEW @extschema@.subscriptions_expiring_soon IS
'Active add-ons whose access ends within seven days. It shows users, so it runs with the rights of its reader.';
COMMENT ON COLUMN @extschema@.subscriptions_expiring_soon.user_id IS 'The user.';
COMMENT ON COLUMN @extschema@.subscriptions_expiring_soon.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.subscriptions_expiring_soon.name IS 'Its name.';
COMMENT ON COLUMN @extschema@.subscriptions_expiring_soon.expires_at IS 'When access ends.';
COMMENT ON COLUMN @extschema@.subscriptions_expiring_soon.auto_renew IS 'Whether a payment is expected to extend it.';
COMMENT ON COLUMN @extschema@.subscriptions_expiring_soon.remaining IS 'How long it still lasts.';

CREATE VIEW @extschema@.purchase_details WITH (security_invoker = true) AS
SELECT p.id AS purchase_id, p.checkout_id, p.user_id, p.add_on_id, a.name, a.category, a.version, a.icon_url, p.quantity, p.amount,
       p.currency, p.status, p.refund_amount, p.promo_code, p.stripe_payment_id, p.lago_invoice_id, p.payment_method, p.purchased_at,
       p.refunded_at, p.subscription_ends_at
  FROM @extschema@.add_on_purchases p
  JOIN @extschema@.add_ons a ON a.id = p.add_on_id;

COMMENT ON VIEW @extschema@.purchase_details IS
'Every purchase with the catalog''s data about its add-on: a single one, or those of a checkout, a user or an add-on. It
shows users, so it runs with the rights of its reader.';
COMMENT ON COLUMN @extschema@.purchase_details.purchase_id IS 'The purchase.';
COMMENT ON COLUMN @extschema@.purchase_details.checkout_id IS 'The checkout that it is a line of.';
COMMENT ON COLUMN @extschema@.purchase_details.user_id IS 'The buyer.';
COMMENT ON COLUMN @extschema@.purchase_details.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.purchase_details.name IS 'Its present name.';
COMMENT ON COLUMN @extschema@.purchase_details.category IS 'Its category.';
COMMENT ON COLUMN @extschema@.purchase_details.version IS 'Its version.';
COMMENT ON COLUMN @extschema@.purchase_details.icon_url IS 'Its picture.';
COMMENT ON COLUMN @extschema@.purchase_details.quantity IS 'The units bought.';
COMMENT ON COLUMN @extschema@.purchase_details.amount IS 'What the line cost.';
COMMENT ON COLUMN @extschema@.purchase_details.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.purchase_details.status IS 'pending, completed, failed, refunded or disputed.';
COMMENT ON COLUMN @extschema@.purchase_details.refund_amount IS 'The amount refunded until now.';
COMMENT ON COLUMN @extschema@.purchase_details.promo_code IS 'The promotional code of the checkout.';
COMMENT ON COLUMN @extschema@.purchase_details.stripe_payment_id IS 'The id of the payment in Stripe.';
COMMENT ON COLUMN @extschema@.purchase_details.lago_invoice_id IS 'The id of the invoice in Lago.';
COMMENT ON COLUMN @extschema@.purchase_details.payment_method IS 'How it was paid.';
COMMENT ON COLUMN @extschema@.purchase_details.purchased_at IS 'When the checkout was made.';
COMMENT ON COLUMN @extschema@.purchase_details.refunded_at IS 'When the latest refund was recorded.';
COMMENT ON COLUMN @extschema@.purchase_details.subscription_ends_at IS 'The end of the period that it paid for.';

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

COMMENT ON VIEW @extschema@.owned_add_ons IS
'The add-ons that users have or had, in any status, with the catalog''s data about them; active_add_ons() returns what a user may use at an
instant. It shows users, so it runs with the rights of its reader.';
COMMENT ON COLUMN @extschema@.owned_add_ons.user_id IS 'The user.';
COMMENT ON COLUMN @extschema@.owned_add_ons.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.owned_add_ons.name IS 'Its name.';
COMMENT ON COLUMN @extschema@.owned_add_ons.description IS 'What it does.';
COMMENT ON COLUMN @extschema@.owned_add_ons.category IS 'Its category.';
COMMENT ON COLUMN @extschema@.owned_add_ons.version IS 'Its version.';
COMMENT ON COLUMN @extschema@.owned_add_ons.icon_url IS 'Its picture.';
COMMENT ON COLUMN @extschema@.owned_add_ons.features IS 'The keys of the features that it gives, as an array.';
COMMENT ON COLUMN @extschema@.owned_add_ons.status IS 'active, cancelled, expired, pending or suspended.';
COMMENT ON COLUMN @extschema@.owned_add_ons.entitled IS 'Whether the user may use it now, as has_add_on() says.';
COMMENT ON COLUMN @extschema@.owned_add_ons.quantity IS 'The units that the user has.';
COMMENT ON COLUMN @extschema@.owned_add_ons.purchased_at IS 'Since when.';
COMMENT ON COLUMN @extschema@.owned_add_ons.expires_at IS 'Until when; NULL for no end.';
COMMENT ON COLUMN @extschema@.owned_add_ons.auto_renew IS 'Whether a payment is expected to extend it.';
COMMENT ON COLUMN @extschema@.owned_add_ons.renewal_amount IS 'What the next renewal costs.';
COMMENT ON COLUMN @extschema@.owned_add_ons.cancelled_at IS 'When it was cancelled.';
COMMENT ON COLUMN @extschema@.owned_add_ons.cancellation_reason IS 'The reason that was given.';
COMMENT ON COLUMN @extschema@.owned_add_ons.suspended_at IS 'Since when it is suspended by hand.';

SET LOCAL search_path = @extschema@, pg_temp;
