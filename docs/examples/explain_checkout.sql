SELECT count(*) AS lines FROM checkout('ada', promo_code => 'launch2025');
SELECT step, stage, source, base, discount, detail
  FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'ada') sold CROSS JOIN LATERAL explain_checkout(sold.checkout_id)
 ORDER BY step;
