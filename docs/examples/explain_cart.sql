SELECT step, stage, source, outcome, base, discount, detail
  FROM explain_cart('ada', promo_code => 'launch2025', at => '2026-12-01 12:00+00')
 WHERE stage IN ('rule', 'promo', 'total')
 ORDER BY step;
