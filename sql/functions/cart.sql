-- Comments and costs of the functions of src/api/cart.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.add_to_cart(text, uuid, integer) IS
'Adds units of an add-on to the user''s cart.
Arguments: user_id, 1 to 255 characters; add_on_id; quantity, units from 1.
Returns: the cart item with its new quantity.
Errors: 22023 null_argument, invalid_user_id, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale,
row_swallowed; 23514 quantity_limit; 42501 other_user.';
ALTER FUNCTION @extschema@.add_to_cart(text, uuid, integer) COST 2000 ROWS 1;

COMMENT ON FUNCTION @extschema@.set_cart_quantity(text, uuid, integer) IS
'Sets the number of units of an add-on in the user''s cart.
Arguments: user_id, 1 to 255 characters; add_on_id; quantity, units; 0 takes the add-on out.
Returns: the cart item; no row when it was taken out.
Errors: 22023 null_argument, invalid_user_id, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale,
row_swallowed; 23514 quantity_limit; 42501 other_user.';
ALTER FUNCTION @extschema@.set_cart_quantity(text, uuid, integer) COST 2000 ROWS 1;

COMMENT ON FUNCTION @extschema@.remove_from_cart(text, uuid) IS
'Takes an add-on out of the user''s cart.
Arguments: user_id; add_on_id.
Returns: whether it was there.
Errors: 22023 null_argument, invalid_user_id; 55000 row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.remove_from_cart(text, uuid) COST 2000;

COMMENT ON FUNCTION @extschema@.clear_cart(text) IS
'Empties the user''s cart.
Arguments: user_id.
Returns: how many items it had.
Errors: 22023 null_argument, invalid_user_id; 42501 other_user.';
ALTER FUNCTION @extschema@.clear_cart(text) COST 2000;

COMMENT ON FUNCTION @extschema@.merge_carts(text, text) IS
'Moves a cart into another user''s cart, for example when a guest signs in. If an add-on is in both, the larger quantity stays, up to
extensions.max_cart_quantity.
Arguments: from_user_id, whose cart is empty afterwards; into_user_id.
Returns: the cart of into_user_id, a row for each line in the order in which they were added: add_on_id; quantity.
Errors: 22023 null_argument, invalid_user_id; 55000 row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.merge_carts(text, text) COST 4000 ROWS 5;

SET LOCAL search_path = @extschema@, pg_temp;
