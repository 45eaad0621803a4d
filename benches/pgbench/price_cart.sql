\set user random(1, :carts)
SELECT price_cart('user-' || :user::integer, 'pro', 'TEN');
