-- A user's cart. Items are shown without their random ids.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set presenton '''a0000000-0000-4000-8000-000000000005'''

SELECT add_on_id, quantity FROM add_to_cart('carla', :brigade);
SELECT add_on_id, quantity FROM add_to_cart('carla', :brigade, 2);
SELECT add_on_id, quantity FROM add_to_cart('carla', :bolt, quantity => 5);
SELECT add_on_id, quantity FROM set_cart_quantity('carla', :bolt, 1);
SELECT add_on_id, quantity FROM set_cart_quantity('carla', :presenton, 4);
SELECT a.name, c.quantity, c.billing_type FROM cart_items c JOIN add_ons a ON a.id = c.add_on_id
 WHERE c.user_id = 'carla' ORDER BY c.added_at;

-- The item that add_to_cart returns is the row in the table.
SELECT cart_item_id FROM add_to_cart('carla', :presenton) \gset
SELECT add_on_id, quantity FROM cart_items WHERE id = :'cart_item_id';

SELECT count(*) AS rows_for_zero FROM set_cart_quantity('carla', :presenton, 0);
SELECT count(*) AS rows_for_zero_of_nothing FROM set_cart_quantity('carla', :presenton, 0);
SELECT remove_from_cart('carla', :bolt) AS first, remove_from_cart('carla', :bolt) AS again;
SELECT clear_cart('carla') AS first, clear_cart('carla') AS again, clear_cart('nobody') AS nobody;

-- The limit is of one add-on in one cart, wherever its units come from.
SELECT quantity FROM add_to_cart('carla', :brigade, 100);
SELECT quantity FROM add_to_cart('carla', :brigade, 1);
SELECT quantity FROM add_to_cart('carla', :bolt, 101);
SELECT quantity FROM set_cart_quantity('carla', :brigade, 101);
SET extensions.max_cart_quantity = 101;
SELECT quantity FROM add_to_cart('carla', :brigade, 1);
SET extensions.max_cart_quantity = 50;
SELECT quantity FROM add_to_cart('carla', :brigade, 1); -- more than the new limit are there
SELECT quantity FROM set_cart_quantity('carla', :brigade, 50);
RESET extensions.max_cart_quantity;
SET extensions.max_cart_quantity = 0;

-- Whatever is a user id for the identity provider is one here.
SELECT quantity FROM add_to_cart('O''Brien "the boss"', :bolt);
SELECT quantity FROM add_to_cart('zoë 💩', :bolt);
SELECT quantity FROM add_to_cart(repeat('é', 255), :bolt);
SELECT cart_total('O''Brien "the boss"'), cart_total('zoë 💩'), cart_total(repeat('é', 255)), cart_total('zoë');
SELECT quantity FROM add_to_cart(repeat('é', 256), :bolt);
SELECT quantity FROM add_to_cart('', :bolt);

-- Withdrawn from sale: it cannot be added, stays in the cart unpriced, and can be taken out.
BEGIN;
UPDATE add_ons SET is_active = false WHERE id = :brigade;
SELECT quantity FROM add_to_cart('carla', :brigade);
ROLLBACK;
BEGIN;
SELECT quantity FROM add_to_cart('carla', :bolt);
UPDATE add_ons SET is_active = false WHERE id = :brigade;
SELECT q -> 'unavailable' AS unavailable, q -> 'line_count' AS line_count, q -> 'total' AS total FROM price_cart('carla') q;
SELECT count(*) FROM set_cart_quantity('carla', :brigade, 0);
SELECT price_cart('carla') -> 'unavailable' AS unavailable;
ROLLBACK;

-- A guest signs in: what is in both carts stays in the larger quantity, and the guest's cart is empty.
BEGIN;
DELETE FROM cart_items;
SELECT a.quantity, b.quantity, c.quantity FROM add_to_cart('guest', :brigade, 3) a, add_to_cart('guest', :bolt, 1) b, add_to_cart('ida', :bolt, 2) c;
UPDATE cart_items SET added_at = added_at - interval '1 hour', billing_type = 'annual' WHERE add_on_id = :brigade;
SELECT add_on_id, quantity FROM merge_carts('guest', 'ida');
SELECT user_id, add_on_id, quantity, billing_type FROM cart_items ORDER BY quantity;
SELECT count(*) FROM merge_carts('guest', 'guest');
SELECT count(*) FROM merge_carts('guest', 'nobody');
SELECT count(*) FROM add_to_cart('guest', :brigade, 9);
SET LOCAL extensions.max_cart_quantity = 5;
SELECT add_on_id, quantity FROM merge_carts('guest', 'ida');
SELECT code, message FROM testing.refusal('SELECT merge_carts(NULL, ''ida'')');
SELECT code, message FROM testing.refusal('SELECT merge_carts(''guest'', repeat(''x'', 256))');
ROLLBACK;

DELETE FROM cart_items;
