INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses, user_restrictions)
VALUES (' welcome10 ', 'percentage', 10, 100, '{"first_purchase_only": true}') RETURNING code;
SELECT valid, discount, final_total FROM validate_promo_code('Welcome10', 'ada');
SELECT valid, reasons FROM validate_promo_code('Welcome10', 'bob');
