SELECT name, category, purchased_at::date, expires_at::date, auto_renew FROM active_add_ons('bob', '2026-12-01');
