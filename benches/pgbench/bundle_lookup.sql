\set add_on random(1, :add_ons)
SELECT b.* FROM add_on_bundles b WHERE b.add_on_ids @> ARRAY(SELECT id FROM add_ons WHERE sort_order = :add_on::integer) AND b.is_active;
