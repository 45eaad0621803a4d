-- Comments and costs of the functions of src/api/validators.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.check_pricing_conditions(jsonb) IS
'Whether a document is one that pricing_rules.conditions may hold. A CHECK constraint calls it.
Arguments: conditions.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.check_pricing_conditions(jsonb) COST 50;

COMMENT ON FUNCTION @extschema@.check_user_restrictions(jsonb) IS
'Whether a document is one that promotional_codes.user_restrictions may hold. A CHECK constraint calls it.
Arguments: user_restrictions.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.check_user_restrictions(jsonb) COST 50;

COMMENT ON FUNCTION @extschema@.check_feature_configuration(jsonb) IS
'Whether a document is one that add_on_features.configuration may hold: limit, per and overage must make sense, everything else is the
host''s own. A CHECK constraint calls it.
Arguments: configuration.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column.';
ALTER FUNCTION @extschema@.check_feature_configuration(jsonb) COST 50;
COMMENT ON FUNCTION @extschema@.normalized_code(text) IS
'A promotional code as it is stored and compared, however people type it: without the blanks, control and invisible characters around it,
in capitals by a rule that does not depend on the locale of the database, composed (NFC). A trigger of promotional_codes calls it.';
ALTER FUNCTION @extschema@.normalized_code(text) COST 20;

SET LOCAL search_path = @extschema@, pg_temp;
