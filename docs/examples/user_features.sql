SELECT feature_key, configuration, cardinality(add_on_ids) AS add_ons, expires_at::date
  FROM user_features('bob', '2026-12-01')
 WHERE feature_key IN ('gpu_hours', 'code_review');
