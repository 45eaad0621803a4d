-- What functions that return nothing say they have done, also when that was nothing.
BEGIN;
CREATE ROLE regress_web;

-- Shop: 23 functions, all tables, and the views of users. Catalog adds one function to that, so revoking it takes one.
SELECT grant_marketplace_access('regress_web', 'shop');
SELECT grant_marketplace_access('regress_web', 'shop');
SELECT grant_marketplace_access('regress_web', 'catalog');
SELECT revoke_marketplace_access('regress_web', 'catalog');
SELECT revoke_marketplace_access('regress_web', 'catalog');
-- Support: all that catalog gives but catalog_cache_stats(), which monitor gives, too.
SELECT grant_marketplace_access('regress_web', 'monitor');
SELECT grant_marketplace_access('regress_web', 'catalog');
SELECT revoke_marketplace_access('regress_web', 'catalog');
-- Billing: 23 functions, 6 tables, 4 views of revenue and those of users. The level tables has no functions.
SELECT grant_marketplace_access('regress_web', 'billing');
SELECT grant_marketplace_access('regress_web', 'tables');

SELECT enable_user_isolation();
SELECT enable_user_isolation();
SELECT enable_user_isolation('app.user');
SELECT disable_user_isolation();
SELECT disable_user_isolation();
CREATE POLICY mine ON cart_items USING (true);
SELECT enable_user_isolation();
SELECT disable_user_isolation();

SELECT protect_marketplace();
SELECT protect_marketplace();
SELECT unprotect_marketplace();
SELECT unprotect_marketplace();

-- A second call is refused.
SELECT detach_tables();
SELECT attach_tables();
ROLLBACK;
