CREATE TABLE subscription_tiers (tier_code varchar(50) PRIMARY KEY);
INSERT INTO subscription_tiers VALUES ('free');
SELECT * FROM link_reference_tables();
