-- What people and the planner are told about the functions of src/api/search.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) IS
'Add-ons on sale that meet all given criteria, the best matches of the search text first, then by sort_order and name.
Arguments: search, words of the name or the description, each at least by its beginning; category; feature_key, a feature that the
add-on gives; min_price and max_price, inclusive; max_rows, NULL for all; skip, rows to leave out before.
Returns: the add-ons; rank is 0 without search.
Errors: 22023 invalid_count; 54000 value_too_large.';
ALTER FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) COST 10000 ROWS 20;

SET LOCAL search_path = @extschema@, pg_temp;
