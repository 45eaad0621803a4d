-- Checks whether the extension's objects are as they were installed; check_marketplace() reports it. It reads only
-- catalogs, so that it can report what is wrong with tables that nothing else can read any more.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@._check_installation() RETURNS TABLE (check_name text, severity text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    WITH tables AS (
        SELECT m.name, m.relation::oid AS oid, m.relation AS spelled, c.relkind = 'p' AS is_partitioned,
               -- By Citus: r or h, if at all.
               @extschema@._distribution_method(m.relation) AS method
          FROM @extschema@._marketplace_tables() m
          LEFT JOIN pg_class c ON c.oid = m.relation
    ), expected AS (
        SELECT e.kind, e.name, e.definition, t.oid AS table_oid, t.spelled, t.is_partitioned, t.method
          FROM @extschema@._expected_objects() e
          LEFT JOIN tables t ON t.name = e.table_name
         WHERE e.table_name = '' OR t.oid IS NOT NULL
    ), found (kind, table_oid, name, definition, state) AS (
            SELECT 'constraint', c.conrelid, c.conname::text, pg_get_constraintdef(c.oid), CASE WHEN NOT c.convalidated THEN 'not validated' END
              FROM pg_constraint c JOIN tables t ON t.oid = c.conrelid
        UNION ALL
            SELECT 'index', i.indrelid, c.relname, replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON '), CASE WHEN NOT (i.indisvalid AND i.indisready) THEN 'not valid' END
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN tables t ON t.oid = i.indrelid
        UNION ALL
            SELECT 'trigger', g.tgrelid, g.tgname, concat_ws(' ', CASE WHEN g.tgenabled = 'D' THEN 'O' ELSE g.tgenabled END, pg_get_triggerdef(g.oid)),
                   CASE WHEN g.tgenabled = 'D' THEN 'disabled' END
              FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid
             WHERE NOT g.tgisinternal
        UNION ALL
            SELECT 'function', NULL, p.proname, p.prosrc, NULL
              FROM pg_proc p
             WHERE p.pronamespace = '@extschema@'::regnamespace AND p.prosqlbody IS NULL
               AND (p.prorettype = 'trigger'::regtype OR p.prolang IN (SELECT l.oid FROM pg_language l WHERE l.lanname IN ('sql', 'plpgsql')))
    ), compared AS (
        SELECT e.kind, e.name, e.spelled, e.definition,
               e.table_oid NOT IN (SELECT unnest(x.extconfig) FROM pg_extension x WHERE x.extname = 'extensions') AS is_detached,
               f.name IS NULL AS is_missing, f.state,
               -- A trigger that fires at other times than it should is told apart from one that does something else.
               e.kind = 'trigger' AND f.state IS NULL AND left(e.definition, 1) <> left(f.definition, 1) AS fires_otherwise,
               -- Whatever is unique in a partitioned table has the key of the partitions in it, and in one of users that Citus spreads, the user.
               f.definition <> e.definition AND NOT ((e.is_partitioned OR coalesce(e.method = 'h', false)) AND e.definition ~ '^(PRIMARY KEY|UNIQUE|CREATE UNIQUE)') AND (e.kind <> 'trigger' OR substr(f.definition, 2) <> substr(e.definition, 2)) AS is_replaced
          FROM expected e
          LEFT JOIN found f ON f.kind = e.kind AND f.name = e.name AND f.table_oid IS NOT DISTINCT FROM e.table_oid
         WHERE e.kind <> 'column' AND NOT (e.kind = 'trigger' AND e.method IS NOT NULL)
    ), problems AS (
        SELECT c.*,
               CASE c.kind WHEN 'function' THEN 'function @extschema@.' || c.name || '()' ELSE c.kind || ' ' || c.name || ' of ' || c.spelled END AS label,
               CASE c.kind
                   WHEN 'constraint' THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.spelled, c.name, c.definition)
                   WHEN 'index' THEN c.definition
                   WHEN 'trigger' THEN substr(c.definition, 3) || '; ' || format('ALTER TABLE %s ENABLE %sTRIGGER %I', c.spelled,
                        CASE left(c.definition, 1) WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, c.name)
               END AS remedy
          FROM compared c
    )
        SELECT 'tables' AS check_name, 'error' AS severity, 'table ' || t.name || ' is missing' AS detail FROM tables t WHERE t.oid IS NULL
    UNION ALL
        SELECT 'tables', 'error', 'table ' || t.name || ' would not be dumped: it is not a configuration table of the extension. SELECT attach_tables()'
          FROM tables t
         WHERE t.oid NOT IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
    UNION ALL
        SELECT 'tables', 'notice', format('table %s is partitioned: dump it with pg_dump --load-via-partition-root, which restores it as one table', t.spelled)
          FROM tables t
         WHERE t.is_partitioned
    UNION ALL
        SELECT 'triggers', 'notice', 'the tables are spread by Citus, which takes no triggers: what is written into them directly is only held to constraints'
         WHERE EXISTS (SELECT FROM tables t WHERE t.method IS NOT NULL)
    UNION ALL
        SELECT 'tables', 'error', format('the rows of partition %s of %s would not be dumped: it is not a table of the extension. SELECT attach_tables()',
                                         p.relid, t.spelled)
          FROM tables t
         CROSS JOIN LATERAL pg_partition_tree(t.oid) p
         WHERE t.is_partitioned AND p.isleaf
           AND t.oid IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
           AND p.relid NOT IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
    UNION ALL
        SELECT 'columns', 'error', format('column %I of %s is %s, not %s', d.column_name, t.spelled, d.found, d.expected)
               || CASE WHEN d.found NOT IN ('missing', 'generated')
                       THEN format('. ALTER TABLE %s ALTER COLUMN %I TYPE %s', t.spelled, d.column_name, d.expected) ELSE '' END
          FROM @extschema@._column_differences() d
          JOIN tables t ON t.name = d.table_name
    UNION ALL
        SELECT 'columns', 'warning', format('column %I of %s may be NULL. ALTER TABLE %2$s ALTER COLUMN %1$I SET NOT NULL', a.attname, e.spelled)
          FROM expected e
          JOIN pg_attribute a ON a.attrelid = e.table_oid AND a.attname = e.name AND NOT a.attisdropped
         WHERE e.kind = 'column' AND e.definition LIKE '%NOT NULL%' AND NOT a.attnotnull
    UNION ALL
        SELECT 'columns', 'warning', format('column %I of %s is not the extension''s: a dump restores the table without it, and its rows then fail to load',
                                            a.attname, t.spelled)
          FROM tables t
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE NOT EXISTS (SELECT FROM expected e WHERE e.kind = 'column' AND e.table_oid = t.oid AND e.name = a.attname)
    UNION ALL
        SELECT CASE p.kind WHEN 'index' THEN 'indexes' ELSE p.kind || 's' END,
               -- Nothing becomes wrong without an index, but slow.
               -- Detached tables have lost the constraints that call our functions, and get them back when they are attached.
               CASE WHEN p.kind = 'constraint' AND p.is_missing AND p.definition LIKE 'CHECK%@extschema@.%' AND p.is_detached THEN 'notice'
                    WHEN p.kind = 'index' AND p.is_missing OR p.is_replaced THEN 'warning' ELSE 'error' END,
               CASE
                   WHEN p.is_missing THEN p.label || ' is missing' || coalesce('. ' || p.remedy, '')
                   WHEN p.state = 'not valid' THEN format('%s is not valid. REINDEX INDEX @extschema@.%I', p.label, p.name)
                   WHEN p.state = 'not validated' THEN format('%s is not validated. ALTER TABLE %s VALIDATE CONSTRAINT %I', p.label, p.spelled, p.name)
                   WHEN p.state = 'disabled' THEN p.label || ' is disabled. ' || regexp_replace(p.remedy, '^.*; ', '')
                   WHEN p.fires_otherwise AND p.name LIKE 'invalidate%'
                   THEN p.label || ' does not always fire, so sessions keep nothing of the catalog in memory. ' || regexp_replace(p.remedy, '^.*; ', '')
                   WHEN p.fires_otherwise THEN p.label || ' fires at other times than it should. ' || regexp_replace(p.remedy, '^.*; ', '')
                   ELSE p.label || ' is not the one that was installed' END
          FROM problems p
         WHERE p.is_missing OR p.state IS NOT NULL OR p.fires_otherwise OR p.is_replaced
    UNION ALL
        -- What somebody has added. It works, and a dump of the extension's tables leaves it out.
        SELECT CASE f.kind WHEN 'index' THEN 'indexes' ELSE f.kind || 's' END, 'notice',
               format('%s %I of %s is not the extension''s: no dump has it, make it again after a restore', f.kind, f.name, t.spelled)
          FROM found f
          JOIN tables t ON t.oid = f.table_oid
         WHERE f.kind IN ('index', 'constraint', 'trigger') AND f.state IS NULL
           AND t.oid IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
           AND NOT EXISTS (SELECT FROM expected e WHERE e.kind = f.kind AND e.name = f.name AND e.table_oid = f.table_oid)
           -- PostgreSQL 18 has a constraint for each NOT NULL; link_reference_tables() makes some, which it tells of, and
           -- distribute_marketplace() one; the rest of an index is its constraint.
           AND NOT (f.kind = 'constraint' AND f.definition LIKE 'NOT NULL%')
           AND NOT (t.method IS NOT NULL AND f.name = 'promotional_codes_normalized_check')
           AND NOT (f.kind = 'index' AND EXISTS (SELECT FROM found c WHERE c.kind = 'constraint' AND c.table_oid = f.table_oid AND c.name = f.name))
    UNION ALL
        SELECT CASE f.kind WHEN 'index' THEN 'indexes' ELSE f.kind || 's' END, 'error',
               CASE f.kind
                   WHEN 'index' THEN format('index %I of %s is not valid. REINDEX INDEX @extschema@.%1$I', f.name, t.spelled)
                   ELSE format('constraint %I of %s is not validated. ALTER TABLE %2$s VALIDATE CONSTRAINT %1$I', f.name, t.spelled) END
          FROM found f
          JOIN tables t ON t.oid = f.table_oid
         WHERE f.kind IN ('index', 'constraint') AND f.state IS NOT NULL
           AND NOT EXISTS (SELECT FROM expected e WHERE e.kind = f.kind AND e.name = f.name AND e.table_oid = f.table_oid)
$$;
COMMENT ON FUNCTION @extschema@._check_installation() IS
'Tables, columns, constraints, indexes, triggers and functions that are missing, disabled or not as they were installed, each with the
command that repairs it. Only check_marketplace() calls it.
Arguments: none.
Returns: a row for each problem.
Errors: none.';
COMMENT ON FUNCTION @extschema@._expected_objects() IS
'The parts of the extension''s tables, its functions written in SQL and those of triggers, as they were installed. Only _check_installation() calls it.';
COMMENT ON FUNCTION @extschema@._column_differences() IS
'Columns that the extension''s functions cannot read or write, because they are missing, generated or of another type.
Only _check_installation() and link_reference_tables() call it.';
ALTER FUNCTION @extschema@._expected_objects() COST 10000 ROWS 250;
ALTER FUNCTION @extschema@._column_differences() COST 10000 ROWS 10;

SET LOCAL search_path = @extschema@, pg_temp;
