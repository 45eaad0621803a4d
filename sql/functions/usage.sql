-- Comments and costs of the functions of src/api/usage.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.consume_feature(text, text, numeric, text) IS
'Uses units of a metered feature, all or none (semantics 7). It is part of the caller''s transaction: work and usage commit or roll back
together. However many clients call it at once, nobody uses more than is granted. Calls for one user and feature wait for each other, calls
for different users never do.
Arguments: user_id; feature_key; amount, units from 0, with at most six decimals; idempotency_key, with which a repeated call gets the
answer of the first and counts nothing; the last 100 of a user and feature are remembered, except for calls that were not allowed.
Returns: one row. allowed, whether the units were used; used, in the current period; remaining, what can still be used; granted, what
the user''s add-ons give together, and, like remaining, NULL where that is any amount; resets_at, when the first of their periods ends.
Units of several add-ons are taken from what ends first. A user without the feature has nothing granted.
Errors: 22023 null_argument, invalid_user_id, invalid_units, text_too_long; 22003 units_out_of_range; 23514 malformed_column; 55000
row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.consume_feature(text, text, numeric, text) COST 1500 ROWS 1;

COMMENT ON FUNCTION @extschema@.release_feature(text, text, numeric, text) IS
'Gives back units that consume_feature() has used, at most what was used in the current period (semantics 7).
Arguments: as for consume_feature(); keys are separate from those of consume_feature().
Returns: one row, as consume_feature() does; allowed is false for a user without the feature.
Errors: 22023 null_argument, invalid_user_id, invalid_units, text_too_long; 23514 malformed_column; 55000 row_swallowed;
42501 other_user.';
ALTER FUNCTION @extschema@.release_feature(text, text, numeric, text) COST 1500 ROWS 1;

COMMENT ON FUNCTION @extschema@.set_feature_usage(text, text, numeric) IS
'Sets how many units of a metered feature are used, such as a number of seats that is counted elsewhere (semantics 7).
Arguments: user_id; feature_key; used, units from 0, with at most six decimals.
Returns: one row, as consume_feature() does. More than is granted is not allowed, and changes nothing.
Errors: 22023 null_argument, invalid_user_id, invalid_units; 22003 units_out_of_range; 23514 malformed_column; 55000
row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.set_feature_usage(text, text, numeric) COST 1500 ROWS 1;

COMMENT ON FUNCTION @extschema@.feature_usage(text, text, timestamptz) IS
'What a user has used of metered features, and what is left (semantics 7).
Arguments: user_id; feature_key, NULL for every feature of the user that some add-on limits; at, the instant of the decision.
Returns: a row for each feature that the user has, in key order: feature_key; granted, what the user''s add-ons give together, NULL for any
amount; used, in the period of that instant; remaining; resets_at, when the first of their periods ends. Usage before the current period is
not kept: for an earlier instant, used and remaining are NULL.
Errors: 23514 malformed_column.';
ALTER FUNCTION @extschema@.feature_usage(text, text, timestamptz) COST 300 ROWS 1;

SET LOCAL search_path = @extschema@, pg_temp;
