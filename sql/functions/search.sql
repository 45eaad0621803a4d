-- Comments and costs of the functions of src/api/search.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) IS
'Add-ons on sale that meet all given criteria, the best matches of the search text first, then by sort_order and name.
Arguments: search, words of the name or the description, or their beginnings; if nothing matches, any part of the name or the description,
such as ''rigade'' of Brigade, and, if pg_trgm is installed, also words similar to one of the name; category; feature_key, a feature that
the add-on gives; min_price and max_price, inclusive; max_rows, NULL for all; skip, rows to skip.
Returns: the add-ons; rank is 0 without search.
Errors: 22023 invalid_count; 54000 value_too_large.';
ALTER FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) COST 10000 ROWS 20;

COMMENT ON FUNCTION @extschema@.list_add_ons(text, text, text, numeric, numeric, integer, integer) IS
'A page of the add-ons on sale, for a list: what search_add_ons() finds, in its order, with more columns for pages, and the total number.
Arguments: as for search_add_ons().
Returns: the add-ons; created_at, when it was added to the catalog; rank, 0 without search; total_count, in each row the number of
add-ons on all pages. A page without rows has no total.
Errors: 22023 invalid_count; 54000 value_too_large.';
ALTER FUNCTION @extschema@.list_add_ons(text, text, text, numeric, numeric, integer, integer) COST 15000 ROWS 20;

SET LOCAL search_path = @extschema@, pg_temp;
