-- What people and the planner are told about the functions of src/api/access.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.grant_marketplace_access(regrole, text) IS
'Gives a role the privileges of a level: EXECUTE on its functions, and what these need of the tables and the schema.
Arguments: role; level: catalog (look at add-ons, price_add_on, quote without a user and a code), entitlements (has_feature and its
like), shop (add-ons, carts, prices, codes, checkouts, purchase history), billing (payments, refunds, disputes, subscriptions, payment
events), support (whatever explains a price, an order or an access; changes nothing), monitor (check_marketplace and its like), tables
(direct reads and writes, for backends that do not call functions), admin (all of these, and everything else). A role can have several
levels. What a role was given is written down in the table marketplace_access, which the first call makes.
Returns: nothing.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';
ALTER FUNCTION @extschema@.grant_marketplace_access(regrole, text) COST 100000;

COMMENT ON FUNCTION @extschema@.revoke_marketplace_access(regrole, text) IS
'Revokes what a level has granted to a role, except what another of its levels grants too. Other grants stay. admin takes all levels.
Arguments: as for grant_marketplace_access().
Returns: nothing.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';
ALTER FUNCTION @extschema@.revoke_marketplace_access(regrole, text) COST 100000;

COMMENT ON FUNCTION @extschema@.enable_user_isolation(text) IS
'Row-level security: of user_add_ons, add_on_purchases and cart_items every session sees and writes only the rows of the user whose
id is in a setting, through functions and directly; none while it is not set. What a call of a function changes must be that user''s. The
owner of the tables, superusers and roles with BYPASSRLS see everything: have payment events applied and maintenance done by one of these.
The setting is as trustworthy as whoever can set it: let the backend set it (SET LOCAL extensions.user_id = ...), never the user.
Arguments: setting, the name of the setting.
Returns: nothing. Calling it again with another setting replaces the first.
Errors: 22023 null_argument, invalid_setting; 42501, the caller does not own the tables.';
ALTER FUNCTION @extschema@.enable_user_isolation(text) COST 100000;

COMMENT ON FUNCTION @extschema@.disable_user_isolation() IS
'Ends what enable_user_isolation() began. Policies that somebody else made stay, and row-level security with them.
Arguments: none.
Returns: nothing.
Errors: 42501, the caller does not own the tables.';
ALTER FUNCTION @extschema@.disable_user_isolation() COST 100000;

SET LOCAL search_path = @extschema@, pg_temp;
