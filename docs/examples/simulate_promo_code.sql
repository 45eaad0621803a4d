SELECT * FROM simulate_promo_code('{"discount_type": "fixed_amount", "discount_value": 10}');
