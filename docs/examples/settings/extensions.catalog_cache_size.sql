SET extensions.catalog_cache_size = '32MB';
SELECT cart_total('ada');
SHOW extensions.catalog_cache_size;
