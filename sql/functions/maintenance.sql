-- Comments and costs of the functions of src/api/maintenance.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.catalog_cache_stats() IS
'Statistics of this session''s copy of the catalog. It holds the add-ons that the session has used, with their rules and bundles, and the
features, up to extensions.catalog_cache_size, and is emptied when the catalog changes.
Arguments: none.
Returns: one row. entries and bytes, what is kept now; loads, how many entries were read from the tables; hits, how often an entry was found
in the cache; invalidations, how often it was emptied; the last three since the session began.
Errors: none.';
ALTER FUNCTION @extschema@.catalog_cache_stats() COST 10 ROWS 1;

COMMENT ON FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval, interval) IS
'Cleans up: deletes abandoned carts, fails checkouts that were never paid and gives their uses back, and updates the status of expired
subscriptions and codes. It never waits for a checkout, and can run twice at the same time.
Arguments: cart_max_age, since the last change of the cart; checkout_max_age, since the checkout; batch, the maximum number of rows of each
task; renewal_grace, how long subscriptions that renew automatically may be late; payment_max_age, how long a payment may be in progress
before its checkout counts as never paid, and how long reported payments that match nothing are kept.
Returns: a row for each task and how many rows it changed. A task that changed as many as batch may have more to do.
Errors: 22023 null_argument, negative_interval, invalid_count; 42501 rows_hidden.';
ALTER FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval, interval) COST 1000000 ROWS 4;

COMMENT ON FUNCTION @extschema@._waiting_for_maintenance() IS
'The tasks of run_maintenance(), and how many rows each would find if it were called without arguments. Only marketplace_metrics() calls it.';
ALTER FUNCTION @extschema@._waiting_for_maintenance() COST 50000 ROWS 4;

COMMENT ON FUNCTION @extschema@.schedule_maintenance(text) IS
'Has pg_cron call run_maintenance() regularly, in place of a schedule set before.
Arguments: schedule, in the notation of cron.
Returns: the id of the job in pg_cron.
Errors: 22023 null_argument; 55000 scheduler_missing.';
ALTER FUNCTION @extschema@.schedule_maintenance(text) COST 10000;

COMMENT ON FUNCTION @extschema@.revenue_by_add_on(timestamptz, timestamptz) IS
'The view revenue_by_add_on for the purchases of a period: by add-on and currency, the highest revenue first. Refunds count with the purchase
that they refund, whenever they were made.
Arguments: since, the first instant of the period, NULL for the first purchase; until, the first instant after it, NULL for no end.
Returns: the columns of the view: purchases, paid ones; units; gross, what was paid; refunded, until now; net, what is left.
Errors: none.';
ALTER FUNCTION @extschema@.revenue_by_add_on(timestamptz, timestamptz) COST 1000000 ROWS 100;

SET LOCAL search_path = @extschema@, pg_temp;
