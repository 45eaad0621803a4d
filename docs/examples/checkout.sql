SELECT * FROM checkout('ada', promo_code => 'launch2025', expected_total => 39.99);
SELECT quantity, amount, currency, status
  FROM checkout('ada', promo_code => 'launch2025', expected_total => 41.82, idempotency_key => 'order 17');
