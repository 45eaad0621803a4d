CREATE ROLE example_gate;
SELECT grant_marketplace_access('example_gate', 'entitlements');
SET ROLE example_gate;
SELECT has_feature('bob', 'gpu_hours');
SELECT clear_cart('bob');
RESET ROLE;
DROP OWNED BY example_gate;
DROP ROLE example_gate;
