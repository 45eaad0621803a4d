-- Comments and costs of the functions of src/api/currency.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@._currency_setting() IS
'The currency that the setting extensions.currency names.
Arguments: none.
Returns: one row: code, as it is set; smallest_unit, the smallest amount that can be charged: 0.01, or 1.00 in currencies that have no
decimals in ISO 4217; problem, why prices cannot have it, and then smallest_unit is NULL.
Errors: none.';
ALTER FUNCTION @extschema@._currency_setting() COST 40 ROWS 1;

SET LOCAL search_path = @extschema@, pg_temp;
