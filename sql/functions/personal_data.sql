-- Comments and costs of the functions of src/api/personal_data.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.export_user(text) IS
'Everything that is stored about a user, for a request of access under data protection law.
Arguments: user_id.
Returns: a document: user_id; cart_items, user_add_ons and add_on_purchases, with their rows as they are; promotional_codes, the codes that
name the user. If nothing is stored, the lists are empty.
Errors: 22023 null_argument, invalid_user_id; 42501 other_user.';
ALTER FUNCTION @extschema@.export_user(text) COST 20000;

COMMENT ON FUNCTION @extschema@.forget_user(text, text) IS
'Removes a person and keeps the accounts correct: the cart is deleted; purchases, with their amounts and uses, and the access that they paid
for stay under another name, which also replaces the user in promotional codes. Backups and server logs are not covered.
Arguments: user_id; replacement, the name under which they stay; by default a new one, different for every call.
Returns: a row for each table: object, and affected, how many of its rows were removed or renamed.
Errors: 22023 null_argument, invalid_user_id, same_user; 42501 other_user.';
ALTER FUNCTION @extschema@.forget_user(text, text) COST 50000 ROWS 4;

SET LOCAL search_path = @extschema@, pg_temp;
