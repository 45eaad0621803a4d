SELECT quantity FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000008', 1);
