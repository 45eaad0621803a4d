CREATE SCHEMA shop;
CREATE TABLE shop.add_ons (id uuid PRIMARY KEY, name text, category text, base_price numeric, billing_type text, created_at timestamp);
INSERT INTO shop.add_ons VALUES ('10000000-0000-4000-8000-000000000001', 'Chat', 'productivity', 4.99, 'monthly', '2025-01-01');
-- Rows are taken over into an empty marketplace, and the one of the examples is not.
SELECT * FROM adopt_tables('shop', dry_run => true) WHERE status = 'obstacle' LIMIT 2;
DROP EXTENSION extensions;
CREATE EXTENSION extensions;
SELECT * FROM adopt_tables('shop') WHERE status <> 'absent';
SELECT name, base_price, created_at FROM add_ons;
