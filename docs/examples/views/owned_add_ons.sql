SELECT name, category, status, quantity, expires_at::date, auto_renew FROM owned_add_ons WHERE user_id = 'bob' ORDER BY name;
