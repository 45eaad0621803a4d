SELECT count(*) AS lines FROM checkout('ada', promo_code => 'launch2025');
SELECT code, current_uses, max_uses, pending_checkouts, paid_checkouts, net FROM promo_code_performance WHERE current_uses > 0;
