CREATE ROLE example_gate;
SELECT grant_marketplace_access('example_gate', 'entitlements');
SELECT revoke_marketplace_access('example_gate', 'entitlements');
SET ROLE example_gate;
SELECT has_feature('bob', 'gpu_hours');
RESET ROLE;
DROP ROLE example_gate;
