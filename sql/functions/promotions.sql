-- Comments and costs of the functions of src/api/promotions.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.validate_promo_code(text, text, text, timestamptz) IS
'Whether a promotional code may be used, every reason why not, and what it would take off the user''s cart (semantics 2.4).
Arguments: code, in any case, with or without blanks around it; user_id; without one, the conditions on the cart are not tested;
tier_code; at.
Returns: one row. valid; reasons, in this order, of unknown, inactive, expired, exhausted, below_minimum, not_applicable,
tier_not_allowed, not_first_purchase, user_not_allowed, user_limit_reached, empty_cart; discount_type and discount_value of the
code, NULL when unknown; eligible_amount, what the eligible lines cost; discount; cart_total, before the code; final_total, after it.
The last four are NULL without a user.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range.';
ALTER FUNCTION @extschema@.validate_promo_code(text, text, text, timestamptz) COST 1000 ROWS 1;

SET LOCAL search_path = @extschema@, pg_temp;
