SELECT * FROM price_carts(promo_code => 'launch2025');
