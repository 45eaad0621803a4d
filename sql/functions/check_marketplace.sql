SET LOCAL search_path = pg_catalog, pg_temp;

-- In PL/pgSQL, which plans a query when it gets there: those on rows cannot be planned if columns have changed.
CREATE FUNCTION @extschema@._check_marketplace_body() RETURNS TABLE (check_name text, ok boolean, detail text, severity text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The rows cannot be read as long as a table or a column is missing or has another type.
    is_readable CONSTANT boolean := NOT EXISTS (SELECT FROM @extschema@._check_installation() i
                                                 WHERE i.check_name IN ('tables', 'columns') AND i.severity = 'error');
    names text[] := '{}';
    severities text[] := '{}';
    details text[] := '{}';
BEGIN
    SELECT coalesce(array_agg(i.check_name), '{}'), coalesce(array_agg(i.severity), '{}'), coalesce(array_agg(i.detail), '{}')
      INTO names, severities, details
      FROM @extschema@._check_installation() i;
    IF is_readable THEN
        SELECT names || coalesce(array_agg(p.check_name), '{}'), details || coalesce(array_agg(p.detail), '{}')
          INTO names, details
          FROM @extschema@._check_purchases() p;
        SELECT names || coalesce(array_agg(c.check_name), '{}'), details || coalesce(array_agg(c.detail), '{}')
          INTO names, details
          FROM @extschema@._check_catalog() c;
    END IF;
    -- Problems of the installation have severities of their own, others that of their check.
    RETURN QUERY
    SELECT checks.name, problems.detail IS NULL OR coalesce(problems.severity, checks.severity) <> 'error',
           coalesce(problems.detail, CASE WHEN checks.needs_rows AND NOT is_readable THEN 'not checked: first correct the tables and columns'
                                          ELSE checks.good END),
           CASE WHEN problems.detail IS NOT NULL THEN coalesce(problems.severity, checks.severity)
                WHEN checks.needs_rows AND NOT is_readable THEN 'notice' ELSE 'ok' END
      FROM (VALUES
               (1, 'tables', false, 'error', 'all eight tables are there and are dumped with their rows'),
               (2, 'columns', false, 'error', 'every column has the type that the functions expect'),
               (3, 'indexes', false, 'error', 'all indexes are there and valid'),
               (4, 'constraints', false, 'error', 'all constraints are there and validated'),
               (5, 'triggers', false, 'error', 'all triggers are there and fire when they should'),
               (6, 'functions', false, 'error', 'all functions written in SQL are those that were installed'),
               (7, 'promotional_code_uses', true, 'error', 'current_uses of every code equals its live redemptions'),
               (8, 'bundle_uses', true, 'error', 'current_uses of every bundle equals its live instances'),
               (9, 'quotes', true, 'error', 'every checkout costs what it was quoted'),
               (10, 'refunds', true, 'error', 'what is refunded in full is refunded, and nothing else'),
               (11, 'bundle_add_ons', true, 'error', 'every bundle names existing add-ons'),
               (12, 'promotional_code_add_ons', true, 'error', 'every code names existing add-ons'),
               (13, 'pricing_rules', true, 'warning', 'every active rule can apply and saves something'),
               (14, 'bundles', true, 'warning', 'every active bundle saves something'),
               (15, 'promotional_codes', true, 'warning', 'every active code takes something off'),
               (16, 'features', true, 'warning', 'every add-on on sale gives a feature, and every listed feature has a row'),
               (17, 'discounts', true, 'notice', 'nothing active takes 100 % off'),
               (22, 'ended', true, 'notice', 'no active rule, bundle or code is over, used up or for what is withdrawn from sale'),
               (18, 'currency', true, 'error', 'every list price can be charged in extensions.currency'),
               (19, 'purchase_currencies', true, 'warning', 'every purchase is in extensions.currency'),
               (20, 'unsettled_payments', true, 'warning', 'all money that was taken pays for something'),
               (21, 'renewal_amounts', true, 'notice', 'every renewal cost what was locked at the purchase')
           ) checks (position, name, needs_rows, severity, good)
      LEFT JOIN unnest(names, severities, details) problems (check_name, severity, detail) ON problems.check_name = checks.name
     ORDER BY checks.position, problems.severity, problems.detail;
END
$$;
COMMENT ON FUNCTION @extschema@._check_marketplace_body() IS
'What check_marketplace() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.check_marketplace() RETURNS TABLE (check_name text, ok boolean, detail text, severity text)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 20000000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.check_marketplace() IS
'Finds problems: tables, columns, constraints, indexes, triggers and functions that are missing, disabled or replaced, each with the command
that repairs it; counters that differ from the rows behind them, checkouts whose price differs from their quote, bundles and codes that name
unknown add-ons; in the catalog, active rules, bundles and codes that can never apply, no longer apply or save almost nothing, features
without rows, a currency or prices that cannot be charged, discounts of 100 %; and purchases whose currency differs from that of the prices.
Arguments: none.
Returns: a row for each problem found, and one for each check that found none: check_name; ok, false for errors only, so that an alert can
use it; detail, which names the row or object; severity: error, what is broken; warning, what was probably not intended; notice, what may be
surprising; or ok. If a table or column was changed, rows are not checked.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
