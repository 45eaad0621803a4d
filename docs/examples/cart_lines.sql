SELECT name, category, quantity, list_amount, discount, total FROM cart_lines('ada', promo_code => 'launch2025');
