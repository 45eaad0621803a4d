SELECT count(*) AS lines FROM checkout('ada');
SELECT count(*) AS granted FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'ada') sold, complete_checkout(sold.checkout_id);
SELECT subscriptions, new, renewed, churned, mrr FROM recurring_revenue WHERE month = date_trunc('month', now());
