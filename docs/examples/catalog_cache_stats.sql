SELECT cart_total('ada'), cart_total('ada');
SELECT entries > 0 AS has_entries, hits > 0 AS has_hits FROM catalog_cache_stats();
