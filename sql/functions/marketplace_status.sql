SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@._marketplace_status_body() RETURNS TABLE (metric text, value text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    last_maintenance text;
    counted jsonb;
    open_amount text;
    -- By itself, because Citus does not take the function into a UNION with its tables.
    catalog_cache CONSTANT text := (SELECT format('%s hits, %s loads, %s kB in this session', s.hits, s.loads, s.bytes / 1024)
                                      FROM @extschema@.catalog_cache_stats() s);
BEGIN
    -- pg_cron keeps its records in the one database that it works from, and need not be there at all.
    IF to_regnamespace('cron') IS NULL THEN
        last_maintenance := 'unknown: pg_cron is not in this database';
    ELSIF NOT has_schema_privilege('cron', 'USAGE') THEN
        last_maintenance := format('unknown: %s may not look into the schema cron', current_user);
    ELSE
        EXECUTE 'SELECT format(''%s (%s)'', r.end_time, r.status)
                   FROM cron.job_run_details r JOIN cron.job j USING (jobid)
                  WHERE j.jobname = ''extensions: run_maintenance'' AND j.database = current_database() AND r.end_time IS NOT NULL
                  ORDER BY r.end_time DESC LIMIT 1' INTO last_maintenance;
    END IF;
    SELECT jsonb_object_agg(m.metric, m.value), max(m.amounts) FILTER (WHERE m.metric = 'open_amount') INTO counted, open_amount
      FROM (SELECT m.metric, sum(m.value) AS value,
                   string_agg(format('%s %s', m.labels ->> 'currency', m.value), ', ' ORDER BY m.labels ->> 'currency') AS amounts
              FROM @extschema@._marketplace_metrics_body() m
             -- Abandoned carts are no reason to look closer: every shop has them.
             WHERE m.labels ->> 'task' IS DISTINCT FROM 'abandoned_cart_items'
             GROUP BY m.metric) m;
    RETURN QUERY
    SELECT 'version', e.extversion FROM pg_extension e WHERE e.extname = 'extensions'
     UNION ALL
    SELECT 'add_ons_on_sale', counted ->> 'add_ons_on_sale'
     UNION ALL
    SELECT 'active_subscriptions', count(*)::text
      FROM @extschema@.user_add_ons u
     WHERE u.status = 'active' AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now())
     UNION ALL
    SELECT 'subscriptions_expiring_soon', counted ->> 'subscriptions_expiring_within_week'
     UNION ALL
    SELECT 'carts', count(DISTINCT c.user_id)::text FROM @extschema@.cart_items c
     UNION ALL
    SELECT 'open_checkouts', counted ->> 'open_checkouts'
     UNION ALL
    SELECT 'open_amount', coalesce(open_amount, '0')
     UNION ALL
    SELECT 'revenue_today', coalesce(string_agg(format('%s %s', r.currency, r.net), ', ' ORDER BY r.currency), '0')
      FROM (SELECT p.currency, sum(p.amount - p.refund_amount)
              FROM @extschema@.add_on_purchases p
             WHERE p.status IN ('completed', 'refunded', 'disputed') AND p.purchased_at >= date_trunc('day', now())
             GROUP BY p.currency) r (currency, net)
     UNION ALL
    SELECT 'codes_nearly_used_up',
           coalesce(string_agg(format('%s (%s of %s)', c.code, c.current_uses, c.max_uses), ', ' ORDER BY c.code), 'none')
      FROM @extschema@.promotional_codes c
     WHERE c.is_active AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.current_uses >= 0.9 * c.max_uses
     UNION ALL
    SELECT 'unsettled_payments', coalesce(counted ->> 'unsettled_payments', '0')
     UNION ALL
    SELECT 'catalog_cache', catalog_cache
     UNION ALL
    SELECT 'waiting_for_maintenance', counted ->> 'waiting_for_maintenance'
     UNION ALL
    SELECT 'last_maintenance', coalesce(last_maintenance, 'never, as far as pg_cron knows')
     UNION ALL
    SELECT 'protected', CASE counted ->> 'protected' WHEN '0' THEN 'no' ELSE 'yes' END
     UNION ALL
    SELECT 'user_isolation', CASE counted ->> 'user_isolation' WHEN '0' THEN 'no' ELSE 'yes' END;
END
$$;
COMMENT ON FUNCTION @extschema@._marketplace_status_body() IS
'What marketplace_status() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.marketplace_status() RETURNS TABLE (metric text, value text)
LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000000 ROWS 14 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.marketplace_status() IS
'An overview of the state of the marketplace.
Arguments: none.
Returns: rows of metric and value, in this order: version; add_ons_on_sale; active_subscriptions; subscriptions_expiring_soon; carts;
open_checkouts, which wait for their payment; open_amount, of these, by currency; revenue_today, since midnight in UTC, less what
was paid back of it, by currency; codes_nearly_used_up, active codes of which nine tenths are used; unsettled_payments,
as unsettled_payments() lists them; catalog_cache, of this session;
waiting_for_maintenance, rows that run_maintenance() would clean up; last_maintenance, if pg_cron runs it; protected;
user_isolation.
Errors: 42501, no right to read the tables.';

SET LOCAL search_path = @extschema@, pg_temp;
