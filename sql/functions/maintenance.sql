-- What people and the planner are told about the functions of src/api/maintenance.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.catalog_cache_stats() IS
'Statistics of this session''s copy of the catalog. It holds what the session has used of add-ons with their rules and bundles, and of
features, up to extensions.catalog_cache_size, and is emptied when the catalog changes.
Arguments: none.
Returns: one row. entries and bytes, what is kept now; loads, how many were read from the tables; hits, how often one was found at hand;
invalidations, how often it was emptied; the last three since the session began.
Errors: none.';
ALTER FUNCTION @extschema@.catalog_cache_stats() COST 10 ROWS 1;

COMMENT ON FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval, interval) IS
'Cleans up: deletes abandoned carts, fails checkouts that were never paid and gives their uses back, and updates the status of expired
subscriptions and codes. It never waits for a checkout, and can run twice at the same time.
Arguments: cart_max_age, since anything in the cart was touched; checkout_max_age, since the checkout; batch, the most rows of each
task; renewal_grace, how long subscriptions that renew by themselves may be late; payment_max_age, how long a payment may be on its
way before its checkout counts as never paid, and how long what a provider told is kept when nothing turns out to be meant.
Returns: a row for each task and how many rows it changed. A task that changed as many as batch may have more to do.
Errors: 22023 null_argument, negative_interval, invalid_count; 42501 rows_hidden.';
ALTER FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval, interval) COST 1000000 ROWS 4;

COMMENT ON FUNCTION @extschema@.schedule_maintenance(text) IS
'Has pg_cron call run_maintenance() regularly, in place of a schedule set before.
Arguments: schedule, in the notation of cron.
Returns: the id of the job in pg_cron.
Errors: 22023 null_argument; 55000 scheduler_missing.';
ALTER FUNCTION @extschema@.schedule_maintenance(text) COST 10000;

SET LOCAL search_path = @extschema@, pg_temp;
