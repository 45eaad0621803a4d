SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@.check_marketplace_body() RETURNS TABLE (check_name text, ok boolean, detail text, severity text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH members AS (
        SELECT c.oid, c.relname::text AS name
          FROM pg_class c
         WHERE c.relnamespace = '@extschema@'::regnamespace
           AND c.relname IN ('add_ons', 'user_add_ons', 'add_on_purchases', 'add_on_bundles', 'pricing_rules', 'cart_items',
                             'add_on_features', 'promotional_codes')
           AND c.relkind = 'r'
    ), problems (check_name, detail) AS (
            SELECT 'tables', 'table ' || wanted.name || ' is missing'
              FROM unnest(ARRAY['add_ons', 'user_add_ons', 'add_on_purchases', 'add_on_bundles', 'pricing_rules',
                                'cart_items', 'add_on_features', 'promotional_codes']) wanted (name)
             WHERE wanted.name NOT IN (SELECT m.name FROM members m)
        UNION ALL
            SELECT 'tables', 'table ' || m.name || ' would not be dumped: it is not a configuration table of the extension'
              FROM members m
             WHERE m.oid NOT IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
        UNION ALL
            SELECT 'indexes', 'index ' || i.indexrelid::regclass || ' is not valid: REINDEX it'
              FROM pg_index i
              JOIN members m ON m.oid = i.indrelid
             WHERE NOT (i.indisvalid AND i.indisready)
        UNION ALL
            SELECT 'constraints', 'constraint ' || c.conname || ' of ' || m.name || ' is not validated'
              FROM pg_constraint c
              JOIN members m ON m.oid = c.conrelid
             WHERE NOT c.convalidated
        UNION ALL
            SELECT 'triggers', 'trigger ' || t.tgname || ' of ' || m.name || ' is disabled'
              FROM pg_trigger t
              JOIN members m ON m.oid = t.tgrelid
             WHERE t.tgenabled = 'D'
        UNION ALL
            SELECT 'promotional_code_uses',
                   'code ' || c.code || ' (' || c.id || ') has current_uses ' || c.current_uses || ', but '
                   || coalesce(r.redemptions, 0) || ' live redemptions'
              FROM @extschema@.promotional_codes c
              LEFT JOIN (SELECT p.promo_code, count(DISTINCT coalesce(p.checkout_id, p.id)) AS redemptions
                           FROM @extschema@.add_on_purchases p
                          WHERE p.promo_code IS NOT NULL AND p.status IN ('pending', 'completed', 'disputed')
                          GROUP BY p.promo_code) r ON r.promo_code = c.code
             WHERE c.current_uses <> coalesce(r.redemptions, 0)
        UNION ALL
            SELECT 'bundle_uses',
                   'bundle "' || b.name || '" (' || b.id || ') has current_uses ' || b.current_uses || ', but '
                   || coalesce(r.instances, 0) || ' live instances'
              FROM @extschema@.add_on_bundles b
              LEFT JOIN (SELECT quoted.bundle_id AS id, sum(quoted.instances) AS instances
                           FROM @extschema@.add_on_purchases p
                          CROSS JOIN jsonb_to_recordset(p.metadata #> '{quote,bundles}') quoted (bundle_id uuid, instances integer)
                          WHERE p.metadata ? 'quote'
                            AND EXISTS (SELECT FROM @extschema@.add_on_purchases live
                                         WHERE live.user_id = p.user_id AND live.checkout_id = p.checkout_id
                                           AND live.status IN ('pending', 'completed', 'disputed'))
                          GROUP BY quoted.bundle_id) r ON r.id = b.id
             WHERE b.current_uses <> coalesce(r.instances, 0)
        UNION ALL
            SELECT 'quotes',
                   'checkout ' || p.checkout_id || ' was quoted ' || (p.metadata #>> '{quote,total}') || ', but its purchases cost '
                   || paid.total
              FROM @extschema@.add_on_purchases p
              JOIN (SELECT line.user_id, line.checkout_id, sum(line.amount) AS total
                      FROM @extschema@.add_on_purchases line
                     WHERE line.checkout_id IS NOT NULL
                     GROUP BY line.user_id, line.checkout_id) paid ON paid.user_id = p.user_id AND paid.checkout_id = p.checkout_id
             WHERE p.metadata ? 'quote' AND (p.metadata #>> '{quote,total}')::numeric <> paid.total
        UNION ALL
            SELECT 'refunds',
                   'purchase ' || p.id || ' is ' || p.status || ', but ' || p.refund_amount || ' of ' || p.amount || ' is refunded'
              FROM @extschema@.add_on_purchases p
             WHERE (p.status = 'refunded') <> (p.refund_amount = p.amount)
               AND p.status IN ('completed', 'disputed', 'refunded') AND p.amount > 0
        UNION ALL
            SELECT 'purchase_currencies',
                   count(*) || ' purchases are in ' || p.currency || ', of which ' || count(*) FILTER (WHERE p.status = 'pending')
                   || ' wait for their payment; prices are in ' || c.code
              FROM @extschema@.currency_setting() c
              JOIN @extschema@.add_on_purchases p ON p.currency <> c.code
             GROUP BY p.currency, c.code
        UNION ALL
            SELECT 'bundle_add_ons', 'bundle "' || b.name || '" (' || b.id || ') names add-on ' || named.id || ', which does not exist'
              FROM @extschema@.add_on_bundles b
             CROSS JOIN unnest(b.add_on_ids) named (id)
             WHERE NOT EXISTS (SELECT FROM @extschema@.add_ons a WHERE a.id = named.id)
        UNION ALL
            SELECT 'promotional_code_add_ons', 'code ' || c.code || ' (' || c.id || ') names add-on ' || named.id || ', which does not exist'
              FROM @extschema@.promotional_codes c
             CROSS JOIN unnest(c.applicable_to) named (id)
             WHERE NOT EXISTS (SELECT FROM @extschema@.add_ons a WHERE a.id = named.id)
        UNION ALL
            SELECT c.check_name, c.detail
              FROM @extschema@.check_catalog() c
    )
    SELECT checks.name, problems.detail IS NULL OR checks.severity <> 'error', coalesce(problems.detail, checks.good),
           CASE WHEN problems.detail IS NULL THEN 'ok' ELSE checks.severity END
      FROM (VALUES
               (1, 'tables', 'error', 'all eight tables are there and are dumped with their rows'),
               (2, 'indexes', 'error', 'all indexes are valid'),
               (3, 'constraints', 'error', 'all constraints are validated'),
               (4, 'triggers', 'error', 'all triggers are enabled'),
               (5, 'promotional_code_uses', 'error', 'current_uses of every code equals its live redemptions'),
               (6, 'bundle_uses', 'error', 'current_uses of every bundle equals its live instances'),
               (7, 'quotes', 'error', 'every checkout costs what it was quoted'),
               (8, 'refunds', 'error', 'what is refunded in full is refunded, and nothing else'),
               (9, 'bundle_add_ons', 'error', 'every bundle names existing add-ons'),
               (10, 'promotional_code_add_ons', 'error', 'every code names existing add-ons'),
               (11, 'pricing_rules', 'warning', 'every active rule can apply'),
               (12, 'bundles', 'warning', 'every active bundle can be sold and saves something'),
               (13, 'promotional_codes', 'warning', 'every active code can apply'),
               (14, 'features', 'warning', 'every add-on on sale gives a feature, and every listed feature has a row'),
               (15, 'discounts', 'notice', 'nothing active takes 100 % off'),
               (16, 'currency', 'error', 'every list price can be charged in extensions.currency'),
               (17, 'purchase_currencies', 'warning', 'every purchase is in extensions.currency')
           ) checks (position, name, severity, good)
      LEFT JOIN problems ON problems.check_name = checks.name
     ORDER BY checks.position, problems.detail
$$;
COMMENT ON FUNCTION @extschema@.check_marketplace_body() IS
'What check_marketplace() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.check_marketplace() RETURNS TABLE (check_name text, ok boolean, detail text, severity text)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 10000000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.check_marketplace() IS
'Looks for everything that should not be: missing or invalid objects, counters that differ from the rows behind them, checkouts that
cost something else than they were quoted, bundles and codes that name unknown add-ons; and, in the catalog, active rules, bundles and
codes that can never apply, features without rows, a currency or prices that nobody can charge, discounts of 100 %; and purchases in
another currency than that of prices.
Arguments: none.
Returns: a row for each problem found, and one for each check that found none: check_name; ok, false for errors only, so that an alarm
can hang on it; detail, which names the row; severity: error, what is broken; warning, what probably was not meant; notice, what may
surprise; or ok.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
