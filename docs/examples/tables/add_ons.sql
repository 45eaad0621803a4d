INSERT INTO add_ons (name, description, category, base_price, billing_type, features, trial_days)
VALUES ('Cold Storage', 'Archive files that you rarely read.', 'infrastructure', 4.99, 'monthly', '["cold_storage"]', 14);
SELECT name, base_price, billing_type FROM search_add_ons('archive');
-- No longer for sale; whoever has it keeps it.
UPDATE add_ons SET is_active = false WHERE name = 'Cold Storage';
SELECT count(*) AS for_sale FROM search_add_ons('archive');
