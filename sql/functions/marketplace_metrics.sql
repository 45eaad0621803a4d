SET LOCAL search_path = pg_catalog, pg_temp;

-- Citus takes no aggregates without a table, no subqueries without columns, and no functions of ours beside its tables out of a UNION.
CREATE FUNCTION @extschema@._marketplace_metrics_body() RETURNS TABLE (metric text, labels jsonb, value numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY
    SELECT 'info', jsonb_build_object('version', e.extversion, 'currency', s.code), 1::numeric
      FROM pg_extension e CROSS JOIN @extschema@._currency_setting() s WHERE e.extname = 'extensions'
     UNION ALL
    SELECT 'protected', '{}'::jsonb, count(*)::numeric FROM pg_event_trigger t WHERE t.evtname = 'extensions_guard'
     UNION ALL
    SELECT 'user_isolation', '{}'::jsonb, count(*)::numeric
      FROM pg_policy p WHERE p.polname = 'user_isolation' AND p.polrelid = '@extschema@.user_add_ons'::regclass;

    RETURN QUERY
    SELECT 'estimated_rows', jsonb_build_object('table', m.name), greatest(c.reltuples, 0)::numeric
      FROM @extschema@._marketplace_tables() m JOIN pg_class c ON c.oid = m.relation
     ORDER BY m.name;

    RETURN QUERY
    SELECT 'add_ons_on_sale', '{}'::jsonb, count(*)::numeric FROM @extschema@.add_ons a WHERE a.is_active
     UNION ALL
    SELECT 'codes_nearly_used_up', '{}', count(*) FROM @extschema@.promotional_codes c
     WHERE c.is_active AND (c.expires_at IS NULL OR c.expires_at > now())
       AND c.current_uses >= 0.9 * c.max_uses AND c.current_uses < c.max_uses
     UNION ALL
    SELECT 'codes_used_up', '{}', count(*) FROM @extschema@.promotional_codes c
     WHERE c.is_active AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.current_uses >= c.max_uses
     UNION ALL
    SELECT 'cart_lines_changed_last_hour', '{}', count(*) FROM @extschema@.cart_items i WHERE i.added_at > now() - interval '1 hour'
     UNION ALL
    SELECT 'open_checkouts', '{}', count(DISTINCT coalesce(p.checkout_id, p.id))
      FROM @extschema@.add_on_purchases p WHERE p.status = 'pending'
     UNION ALL
    SELECT 'oldest_open_checkout_seconds', '{}', coalesce(round(extract(epoch FROM now() - min(p.purchased_at)), 3), 0)
      FROM @extschema@.add_on_purchases p WHERE p.status = 'pending'
     UNION ALL
    SELECT 'subscriptions_expiring_within_week', '{}', count(*) FROM @extschema@.user_add_ons u
     WHERE u.status = 'active' AND u.expires_at > now() AND u.expires_at <= now() + interval '7 days';

    RETURN QUERY
    SELECT 'open_amount', jsonb_build_object('currency', p.currency), sum(p.amount)
      FROM @extschema@.add_on_purchases p WHERE p.status = 'pending' GROUP BY p.currency ORDER BY p.currency;

    RETURN QUERY
    SELECT m.metric, jsonb_build_object('currency', paid.currency), m.value
      FROM (SELECT p.currency, count(*)::numeric AS purchases, sum(p.amount) AS amount
              FROM @extschema@.add_on_purchases p
             WHERE p.status IN ('completed', 'refunded', 'disputed') AND p.purchased_at > now() - interval '1 day'
             GROUP BY p.currency) paid
     CROSS JOIN LATERAL (VALUES ('paid_purchases_last_day', paid.purchases), ('paid_amount_last_day', paid.amount)) m (metric, value)
     ORDER BY m.metric DESC, paid.currency;

    RETURN QUERY
    SELECT 'unsettled_payments', jsonb_build_object('provider', u.provider, 'reason', u.reason), count(*)::numeric
      FROM @extschema@.add_on_purchases p
     CROSS JOIN LATERAL jsonb_path_query(p.facts, '$.unsettled[*] ? (@.type() == "object")') unsettled
     CROSS JOIN LATERAL jsonb_to_record(unsettled) u (provider text, reason text)
     WHERE p.facts ? 'unsettled'
     GROUP BY u.provider, u.reason ORDER BY u.provider, u.reason;

    RETURN QUERY
    SELECT 'waiting_for_maintenance', jsonb_build_object('task', w.task), w.waiting::numeric FROM @extschema@._waiting_for_maintenance() w;
END
$$;
COMMENT ON FUNCTION @extschema@._marketplace_metrics_body() IS
'What marketplace_metrics() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.marketplace_metrics() RETURNS TABLE (metric text, labels jsonb, value numeric)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 200000 ROWS 25 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.marketplace_metrics() IS
'Numbers for Prometheus and other collectors. Each is found through an index or in a small table, so it can be called every few seconds.
Arguments: none.
Returns: rows of metric, labels and value: info, always 1, with version and currency; protected and user_isolation, 1 when they are on;
estimated_rows by table, as VACUUM and ANALYZE counted; add_ons_on_sale; codes_nearly_used_up, active codes of which nine tenths are used,
and codes_used_up; cart_lines_changed_last_hour; open_checkouts, which wait for their payment, oldest_open_checkout_seconds and open_amount
by currency; subscriptions_expiring_within_week; paid_purchases_last_day and paid_amount_last_day by currency, of the last 24 hours, even if
refunded since; unsettled_payments by provider and reason; waiting_for_maintenance by task, rows that run_maintenance() would clean up.
Where there is nothing to count, a metric without labels is 0, and one with labels has no row.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
