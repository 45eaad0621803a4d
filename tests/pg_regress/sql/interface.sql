-- The functions that callers see: names, arguments, results, volatility, parallel safety, and nothing security definer.
SELECT p.proname AS function, pg_get_function_identity_arguments(p.oid) AS arguments,
       pg_get_function_result(p.oid) AS result,
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE p.proparallel WHEN 's' THEN 'safe' ELSE 'unsafe' END AS parallel, p.prosecdef AS definer
  FROM pg_proc p
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
 WHERE p.prorettype <> 'trigger'::regtype
 ORDER BY p.proname COLLATE "C", 2;

-- Tables and constraints.
SELECT c.conrelid::regclass AS "table", c.conname AS "constraint", pg_get_constraintdef(c.oid) AS definition
  FROM pg_constraint c
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.conrelid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
 WHERE c.contype <> 'n'
 ORDER BY c.conrelid::regclass::text COLLATE "C", c.contype, c.conname COLLATE "C";

SELECT a.attrelid::regclass AS "table", a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null, pg_get_expr(f.adbin, f.adrelid) AS "default"
  FROM pg_attribute a
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = 0 AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
  LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid::regclass::text COLLATE "C", a.attnum;
