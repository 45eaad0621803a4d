CREATE TABLE subscription_tiers (tier_code varchar(50) PRIMARY KEY);
INSERT INTO subscription_tiers VALUES ('free'), ('pro');
SELECT reference, status FROM link_reference_tables();
SELECT * FROM unlink_reference_tables();
