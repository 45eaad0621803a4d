INSERT INTO add_on_bundles (name, add_on_ids, discount_percent, valid_until)
SELECT 'Search and GPU', array_agg(id), 30, '2099-01-01' FROM add_ons WHERE name IN ('Vector Search', 'GPU Compute');
SELECT quote(jsonb_agg(jsonb_build_object('add_on_id', id, 'quantity', 1)))->'bundles'->0->>'discount' AS discount
  FROM add_ons WHERE name IN ('Vector Search', 'GPU Compute');
