-- Prepares a database for the shop. Run it as a superuser; running it again changes nothing.
\set ON_ERROR_STOP on
CREATE SCHEMA IF NOT EXISTS marketplace;
CREATE EXTENSION IF NOT EXISTS extensions SCHEMA marketplace;
SELECT * FROM marketplace.load_sample_catalog();

-- The shop logs in as shop_backend and the desk as desk_backend, which may do nothing by themselves. Each request runs in a role of one
-- access level, or of two.
SELECT format('CREATE ROLE %s', role)
  FROM unnest('{shop_backend LOGIN NOINHERIT,desk_backend LOGIN NOINHERIT,shop_customer,shop_billing BYPASSRLS,shop_sign_in BYPASSRLS,
                desk_support BYPASSRLS,desk_billing BYPASSRLS,desk_admin BYPASSRLS}'::text[]) role
 WHERE to_regrole(split_part(role, ' ', 1)) IS NULL \gexec
GRANT shop_customer, shop_billing, shop_sign_in TO shop_backend;
GRANT desk_support, desk_billing, desk_admin TO desk_backend;
SELECT marketplace.grant_marketplace_access('shop_customer', level) FROM unnest('{catalog,entitlements,shop}'::text[]) level;
SELECT marketplace.grant_marketplace_access('shop_billing', 'billing'), marketplace.grant_marketplace_access('shop_sign_in', 'shop');
SELECT marketplace.grant_marketplace_access(('desk_' || level)::regrole, level) FROM unnest('{support,billing,admin}'::text[]) level;

-- Where to pay for what: the shop's own, as its roles only read the tables of the marketplace.
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.payment_pages (
    checkout_id uuid PRIMARY KEY,
    session     text NOT NULL,
    pay_at      text NOT NULL
);
-- Whether the shopper has done everything there, and only the money is missing.
ALTER TABLE shop.payment_pages ADD COLUMN IF NOT EXISTS is_on_its_way boolean NOT NULL DEFAULT false;
GRANT USAGE ON SCHEMA shop TO shop_customer, shop_billing, desk_support, desk_billing, desk_admin;
GRANT SELECT, INSERT, UPDATE ON shop.payment_pages TO shop_customer;
GRANT SELECT, UPDATE (is_on_its_way) ON shop.payment_pages TO shop_billing;
GRANT SELECT ON shop.payment_pages TO desk_support, desk_billing, desk_admin;

-- shop_customer sees the rows of one user, whom each request names. The others see everybody's, hence BYPASSRLS: payment events can be about
-- anybody, who signs in takes a guest's cart along, and the desk looks up anybody.
SELECT marketplace.enable_user_isolation('extensions.user_id');
