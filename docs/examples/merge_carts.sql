SELECT quantity FROM add_to_cart('guest-7', 'a0000000-0000-4000-8000-000000000003', 2);
SELECT a.name, merged.quantity FROM merge_carts('guest-7', 'ada') merged JOIN add_ons a ON a.id = merged.add_on_id;
SELECT cart_total('guest-7');
