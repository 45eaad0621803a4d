-- Comments and costs of the functions of src/api/protection.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.protect_marketplace() IS
'Makes PostgreSQL refuse DROP EXTENSION, DROP SCHEMA ... CASCADE, DROP OWNED and everything else that would drop one of the tables while that
table holds rows. It creates the event trigger extensions_guard, which only a superuser can do. Calling it again changes nothing.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 42501, the caller is not a superuser. Whoever drops a table then gets 55000 marketplace_protected.';
ALTER FUNCTION @extschema@.protect_marketplace() COST 10000;

COMMENT ON FUNCTION @extschema@.unprotect_marketplace() IS
'Ends the protection by protect_marketplace().
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 42501, the caller does not own the event trigger.';
ALTER FUNCTION @extschema@.unprotect_marketplace() COST 10000;

COMMENT ON FUNCTION @extschema@.detach_tables() IS
'Takes the eight tables out of the extension. They keep their rows, their indexes and their triggers, and everything keeps working; but
pg_dump dumps them like any other table, tools that do not touch members of extensions can use them, and DROP EXTENSION leaves them. The
triggers are then dropped with the extension. Constraints that call its functions are dropped at once: add_on_bundles_add_on_ids_check,
pricing_rules_conditions_check, promotional_codes_user_restrictions_check.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 55000 tables_already_detached; 42501, the caller does not own the extension.';
ALTER FUNCTION @extschema@.detach_tables() COST 100000;

COMMENT ON FUNCTION @extschema@.attach_tables() IS
'Takes the eight tables back into the extension, if they still have every column, constraint and trigger that they had; adds the
constraints that detach_tables() dropped, and lets pg_dump dump the rows as those of an extension again.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 55000 tables_already_attached, tables_differ, with all that is missing in DETAIL; 23514, a row breaks one of the constraints;
42501, the caller does not own the extension or a table.';
ALTER FUNCTION @extschema@.attach_tables() COST 1000000;

COMMENT ON FUNCTION @extschema@.guard_marketplace() IS
'Does nothing but be called: the event trigger extensions_guard has the library loaded with it, which then guards the tables.
Errors: 39P03 not_called_by_trigger.';

SET LOCAL search_path = @extschema@, pg_temp;
