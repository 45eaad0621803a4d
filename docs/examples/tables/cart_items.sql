SELECT a.name, c.quantity FROM cart_items c JOIN add_ons a ON a.id = c.add_on_id WHERE c.user_id = 'ada' ORDER BY c.added_at;
INSERT INTO cart_items (user_id, add_on_id, quantity) VALUES ('dee', 'a0000000-0000-4000-8000-000000000008', 2);
SELECT cart_total('dee');
