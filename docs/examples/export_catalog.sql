SELECT key AS table, jsonb_array_length(value) AS rows FROM jsonb_each(export_catalog());
SELECT jsonb_pretty(export_catalog() #> '{add_on_bundles,1}') AS developer_pro;
