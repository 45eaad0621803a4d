-- The extension's tables, for functions that are written in SQL. src/pg/tables.rs has their list.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@._table_names() IS
'The names of the eight tables, those that others refer to first, and whether their rows are a user''s or the catalog''s. The install
script calls it, too.';
ALTER FUNCTION @extschema@._table_names() COST 10 ROWS 8;

CREATE FUNCTION @extschema@._marketplace_tables() RETURNS TABLE (place integer, name text, relation regclass, has_users boolean)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 ROWS 8 SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.place, t.name, c.oid::regclass, t.has_users
      FROM @extschema@._table_names() t
      -- A view, or anything else under the name of a table, does not count.
      LEFT JOIN pg_class c ON c.relnamespace = '@extschema@'::regnamespace AND c.relname = t.name AND c.relkind IN ('r', 'p')
$$;
COMMENT ON FUNCTION @extschema@._marketplace_tables() IS
'The eight tables as they are in this database; relation is NULL for one that is missing. Only functions written in SQL call it.';

SET LOCAL search_path = @extschema@, pg_temp;
