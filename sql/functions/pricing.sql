-- Comments and costs of the functions of src/api/pricing.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.price_add_on(uuid, integer, text, timestamptz) IS
'The price of a line on its own: list price times quantity, less its pricing rules, without a user (semantics 2.1, 2.2).
Arguments: add_on_id; quantity, units from 1; tier_code, the tier whose rules apply in addition to those for everybody; at, the instant of
all decisions.
Returns: the amount, with two decimals, in extensions.currency.
Errors: 22023 null_argument, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale, price_not_chargeable,
currency_unusable; 22003 amount_out_of_range;
54000 value_too_large.';
ALTER FUNCTION @extschema@.price_add_on(uuid, integer, text, timestamptz) COST 20;

COMMENT ON FUNCTION @extschema@.quote(jsonb, text, text, text, timestamptz) IS
'Prices any items as a cart: pricing rules, bundles, promotional code, totals (semantics 2). The order of the items does not matter.
Arguments: items, [{"add_on_id": uuid, "quantity": integer from 1}, ...], the same add-on given twice being one line; user_id, for
conditions on what the user owns or bought; tier_code; promo_code, in any case, with or without blanks around it; at.
Returns: the quote, an object with lines (in add-on id order), unavailable, bundles, bundle_search, promo, list_total,
discount_total, total, line_count, item_count, user_id, tier_code, currency and priced_at. Amounts have two decimals. A refused
code does not fail the quote: promo.valid is false and promo.reasons says why.
Errors: 22023 null_argument, malformed_argument; P0002 add_on_not_found; 55000 add_on_not_for_sale, price_not_chargeable,
currency_unusable; 22003 amount_out_of_range;
54000 document_too_large, document_too_costly,
too_many_lines, catalog_too_large, value_too_large; 23514 quantity_limit.';
ALTER FUNCTION @extschema@.quote(jsonb, text, text, text, timestamptz) COST 1000;

COMMENT ON FUNCTION @extschema@.price_cart(text, text, text, timestamptz) IS
'Prices the user''s stored cart: pricing rules, bundles, promotional code, totals (semantics 2).
Arguments: user_id; tier_code; promo_code, in any case, with or without blanks around it; at, the instant of all decisions.
Returns: the quote, as quote() does, its lines in the order in which they were added. Add-ons that are no longer sold are left out
of the totals and listed under unavailable.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range;
54000 too_many_lines, catalog_too_large,
value_too_large.';
ALTER FUNCTION @extschema@.price_cart(text, text, text, timestamptz) COST 1000;

COMMENT ON FUNCTION @extschema@.cart_total(text, text, text, timestamptz) IS
'The total of price_cart() alone.
Arguments: as for price_cart().
Returns: the amount to pay, with two decimals; 0.00 for an empty cart.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range;
54000 too_many_lines, catalog_too_large,
value_too_large.';
ALTER FUNCTION @extschema@.cart_total(text, text, text, timestamptz) COST 1000;

COMMENT ON FUNCTION @extschema@.cart_lines(text, text, text, timestamptz) IS
'The user''s stored cart as rows to show: each line with its id, its add-on as in the catalog, and its price as by price_cart().
The totals of all rows are the total of price_cart().
Arguments: as for price_cart().
Returns: a row for each line, in the order in which they were added: cart_item_id; add_on_id; name, description, category and icon_url of
the add-on; billing_type, the line''s own or else the add-on''s; quantity; unit_list_price; list_amount; discount, by rules, bundles and
code; total, the amount to pay for the line; added_at. If the add-on is no longer sold, list_amount, discount and total are NULL.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range;
54000 too_many_lines, catalog_too_large,
value_too_large.';
ALTER FUNCTION @extschema@.cart_lines(text, text, text, timestamptz) COST 2000 ROWS 5;

COMMENT ON FUNCTION @extschema@.price_carts(text, text, timestamptz) IS
'Prices every stored cart in one scan: the cart_total() of each user, without a call for each of them (semantics 2).
Arguments: tier_code, as if every user had it; promo_code, as if every cart used it; at, the instant of all decisions.
Returns: a row for each user with a cart, in no particular order: user_id; line_count, of the lines that can be sold; list_total;
discount_total; total, with two decimals, in extensions.currency.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range, naming the user;
54000 catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.price_carts(text, text, timestamptz) COST 10000000 ROWS 100000;

SET LOCAL search_path = @extschema@, pg_temp;
