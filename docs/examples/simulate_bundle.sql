SELECT s.* FROM add_on_bundles b, simulate_bundle(to_jsonb(b) || '{"discount_percent": 30}', replaces => b.id) s
 WHERE b.name = 'Developer Pro';
