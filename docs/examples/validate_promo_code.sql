SELECT valid, reasons, eligible_amount, discount, cart_total, final_total
  FROM validate_promo_code('launch2025', 'ada', at => '2026-12-01 12:00+00');
SELECT valid, reasons FROM validate_promo_code('firstbuy', 'bob', at => '2026-12-01 12:00+00');
