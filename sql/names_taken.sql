-- Runs before a table is created: tables with these names may exist, made by the plain-SQL files that preceded the
-- extension. In the extension's schema they prevent its creation; in another schema, the search_path decides which
-- tables are found.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
    here text;
    elsewhere text;
BEGIN
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FILTER (WHERE n.oid = '@extschema@'::regnamespace),
           string_agg(format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname) FILTER (WHERE n.oid <> '@extschema@'::regnamespace)
      INTO here, elsewhere
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname IN (SELECT t.name FROM @extschema@._table_names() t) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_';
    IF here IS NOT NULL THEN
        RAISE EXCEPTION 'the schema % has tables of the extension''s names: %', '@extschema@'::regnamespace, here
            USING ERRCODE = 'duplicate_table',
                  DETAIL = E'The extension creates tables of its own, and can migrate the rows of others.\ncode: names_taken',
                  HINT = 'Move each of them away, as with CREATE SCHEMA predecessor; ALTER TABLE ... SET SCHEMA predecessor; then CREATE EXTENSION, and SELECT * FROM adopt_tables(''predecessor''). Or install into another schema: CREATE EXTENSION extensions SCHEMA marketplace.';
    ELSIF elsewhere IS NOT NULL THEN
        RAISE WARNING 'there are tables of the extension''s names in other schemas: %', elsewhere
            USING HINT = 'adopt_tables() migrates their rows. As long as they are on a search_path, it decides which of the two a query means: move them away.';
    END IF;
END
$$;

SET LOCAL search_path = @extschema@, pg_temp;
