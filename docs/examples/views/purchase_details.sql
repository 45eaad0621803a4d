SELECT name, category, quantity, amount, currency, status FROM purchase_details
 WHERE checkout_id = 'f0000000-0000-4000-8000-000000000001' ORDER BY name;
