SELECT * FROM marketplace_status() WHERE metric NOT IN ('version', 'catalog_cache', 'waiting_for_maintenance');
