\pset format unaligned
\pset tuples_only on
SELECT explain_cart_text('ada', promo_code => 'vip2025', at => '2026-12-01 12:00+00');
