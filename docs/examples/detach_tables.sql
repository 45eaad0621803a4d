SELECT detach_tables();
DROP EXTENSION extensions CASCADE;
SELECT count(*) AS kept FROM add_ons;
