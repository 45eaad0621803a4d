SET extensions.max_cart_quantity = 5;
SELECT quantity FROM add_to_cart('dee', 'a0000000-0000-4000-8000-000000000008', 5);
SELECT quantity FROM add_to_cart('dee', 'a0000000-0000-4000-8000-000000000008');
