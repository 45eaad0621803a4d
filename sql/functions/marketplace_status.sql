SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@.marketplace_status_body() RETURNS TABLE (metric text, value text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    last_maintenance text;
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
    RETURN QUERY
    SELECT 'version', e.extversion FROM pg_extension e WHERE e.extname = 'extensions'
     UNION ALL
    SELECT 'add_ons_on_sale', count(*)::text FROM @extschema@.add_ons a WHERE a.is_active
     UNION ALL
    SELECT 'active_subscriptions', count(*)::text
      FROM @extschema@.user_add_ons u
     WHERE u.status = 'active' AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now())
     UNION ALL
    SELECT 'subscriptions_expiring_soon', count(*)::text FROM @extschema@.subscriptions_expiring_soon
     UNION ALL
    SELECT 'carts', count(DISTINCT c.user_id)::text FROM @extschema@.cart_items c
     UNION ALL
    SELECT 'open_checkouts', count(DISTINCT coalesce(p.checkout_id, p.id))::text FROM @extschema@.add_on_purchases p WHERE p.status = 'pending'
     UNION ALL
    SELECT 'open_amount', coalesce(string_agg(format('%s %s', o.currency, o.amount), ', ' ORDER BY o.currency), '0')
      FROM (SELECT p.currency, sum(p.amount) FROM @extschema@.add_on_purchases p WHERE p.status = 'pending' GROUP BY p.currency) o (currency, amount)
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
    SELECT 'unsettled_payments', coalesce(sum(jsonb_array_length(p.facts -> 'unsettled')), 0)::text
      FROM @extschema@.add_on_purchases p WHERE p.facts ? 'unsettled'
     UNION ALL
    SELECT 'catalog_cache', catalog_cache
     UNION ALL
    -- What run_maintenance() would clear away with its defaults, but for carts.
    SELECT 'waiting_for_maintenance',
           ((SELECT count(*) FROM @extschema@.add_on_purchases p WHERE p.status = 'pending' AND p.purchased_at < now() - interval '24 hours')
            + (SELECT count(*) FROM @extschema@.promotional_codes c WHERE c.is_active AND c.expires_at <= now())
            + (SELECT count(*) FROM @extschema@.user_add_ons u
                WHERE u.status = 'active' AND u.expires_at <= now() AND NOT u.auto_renew))::text
     UNION ALL
    SELECT 'last_maintenance', coalesce(last_maintenance, 'never, as far as pg_cron knows')
     UNION ALL
    -- Citus takes no subqueries without columns out of a UNION.
    SELECT 'protected', CASE WHEN EXISTS (SELECT 1 FROM pg_event_trigger t WHERE t.evtname = 'extensions_guard') THEN 'yes' ELSE 'no' END
     UNION ALL
    SELECT 'user_isolation', CASE WHEN EXISTS (SELECT 1 FROM pg_policy p WHERE p.polname = 'user_isolation'
                                                  AND p.polrelid = '@extschema@.user_add_ons'::regclass) THEN 'yes' ELSE 'no' END;
END
$$;
COMMENT ON FUNCTION @extschema@.marketplace_status_body() IS
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
waiting_for_maintenance, rows that run_maintenance() would clear away; last_maintenance, if pg_cron runs it; protected;
user_isolation.
Errors: 42501, no right to read the tables.';

SET LOCAL search_path = @extschema@, pg_temp;
