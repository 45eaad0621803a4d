-- Comments and costs of the functions of src/api/access_levels.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.grant_marketplace_access(regrole, text) IS
'Gives a role the privileges of a level: EXECUTE on its functions, and the privileges on tables and schema that these need.
Arguments: role; level: catalog (look at add-ons, price_add_on, quote without a user and a code), entitlements (has_feature and similar
functions), shop (add-ons, carts, prices, codes, checkouts, purchase history), billing (payments, refunds, disputes, subscriptions, payment
events), support (everything that explains a price, an order or access; changes nothing), monitor (check_marketplace and similar functions),
tables (direct reads and writes, for backends that do not call functions), admin (all of these, and everything else). A role can have
several levels. The table marketplace_access, which the first call creates, records what each role was granted.
Returns: nothing; a NOTICE says what was done.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';
ALTER FUNCTION @extschema@.grant_marketplace_access(regrole, text) COST 100000;

COMMENT ON FUNCTION @extschema@.revoke_marketplace_access(regrole, text) IS
'Revokes what a level has granted to a role, except what another of its levels grants too. Other grants stay. admin takes all levels.
Arguments: as for grant_marketplace_access().
Returns: nothing; a NOTICE says what was done.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';
ALTER FUNCTION @extschema@.revoke_marketplace_access(regrole, text) COST 100000;

COMMENT ON FUNCTION @extschema@.enable_user_isolation(text) IS
'Switches on row-level security: in user_add_ons, add_on_purchases and cart_items, every session sees and writes only the rows of the user
whose id is in a setting, through functions and directly, and no rows while it is not set. Functions change only data of that user. The
owner of the tables, superusers and roles with BYPASSRLS see everything: let one of these apply payment events and run the maintenance.
The setting is only as trustworthy as whoever can set it: let the backend set it (SET LOCAL extensions.user_id = ...), never the user.
Arguments: setting, the name of the setting.
Returns: nothing; a NOTICE says what was done. Calling it again with another setting replaces the first.
Errors: 22023 null_argument, invalid_setting; 42501, the caller does not own the tables.';
ALTER FUNCTION @extschema@.enable_user_isolation(text) COST 100000;

COMMENT ON FUNCTION @extschema@.disable_user_isolation() IS
'Switches off what enable_user_isolation() switched on. Policies that somebody else created stay, and row-level security with them.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 42501, the caller does not own the tables.';
ALTER FUNCTION @extschema@.disable_user_isolation() COST 100000;

SET LOCAL search_path = @extschema@, pg_temp;
