-- Foreign keys to two tables that the host application may have, in the extension's schema or in public.
SET LOCAL search_path = pg_catalog, pg_temp;

-- One row for each possible link: the names of both sides, and the table that it could point to.
CREATE FUNCTION @extschema@._reference_links()
RETURNS TABLE (reference text, from_table regclass, from_column text, constraint_name text, to_column text, to_table regclass)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 ROWS 6 SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.from_table || '.' || l.from_column || ' -> ' || l.to_table || '.' || l.to_column,
           ('@extschema@.' || l.from_table)::regclass, l.from_column, l.from_table || '_' || l.from_column || '_fkey', l.to_column,
           coalesce(to_regclass('@extschema@.' || l.to_table), to_regclass('public.' || l.to_table))
      FROM (VALUES ('pricing_rules', 'tier_code', 'subscription_tiers', 'tier_code'),
                   ('add_on_features', 'feature_key', 'feature_definitions', 'feature_key'))
           l (from_table, from_column, to_table, to_column)
$$;
COMMENT ON FUNCTION @extschema@._reference_links() IS
'The links that link_reference_tables() makes and unlink_reference_tables() drops, and the tables they would point to.';

-- Dynamic, because the tables need not exist. What the caller may not read is passed over.
CREATE FUNCTION @extschema@._unknown_references_body()
RETURNS TABLE (from_table regclass, from_column text, to_table regclass, value text, row_count bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link record;
BEGIN
    FOR link IN
        SELECT l.*
          FROM @extschema@._reference_links() l
          JOIN pg_attribute a ON a.attrelid = l.to_table AND a.attname = l.to_column AND NOT a.attisdropped
         WHERE has_column_privilege(l.to_table, l.to_column, 'SELECT')
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT $1, $2, $3, f.%1$I::text, count(*)
               FROM %2$s f
              WHERE f.%1$I IS NOT NULL AND NOT EXISTS (SELECT FROM %3$s t WHERE t.%4$I = f.%1$I)
              GROUP BY f.%1$I',
            link.from_column, link.from_table, link.to_table, link.to_column)
        USING link.from_table, link.from_column, link.to_table;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._unknown_references_body() IS
'What _unknown_references() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._unknown_references()
RETURNS TABLE (from_table regclass, from_column text, to_table regclass, value text, row_count bigint)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@._unknown_references() IS
'Tiers of pricing rules and features of add-ons that the application''s tables, where they exist, do not know.
Arguments: none.
Returns: a row for each unknown value: where it stands, the table that should know it, and how many rows have it.
Errors: none.';

CREATE FUNCTION @extschema@._link_reference_tables_body() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link record;
    obstacles text;
    reason text;
BEGIN
    FOR link IN SELECT * FROM @extschema@._reference_links() LOOP
        reference := link.reference;
        IF link.to_table IS NULL THEN
            status := 'no such table';
            detail := format('there is no %s to point to', split_part(link.reference, ' -> ', 2));
            RETURN NEXT;
            CONTINUE;
        END IF;
        -- The other side has to fit ours: a column of ours of another type is one that no function can read.
        SELECT format('column %s.%s is %s, not %s; change the type of %s instead', d.table_name, d.column_name, d.found, d.expected,
                      split_part(link.reference, ' -> ', 2))
          INTO detail
          FROM @extschema@._column_differences() d
         WHERE d.table_name = split_part(link.reference, '.', 1) AND d.column_name = link.from_column;
        IF FOUND THEN
            status := 'not linked';
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = link.from_table AND c.conname = link.constraint_name) THEN
            BEGIN
                EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I) NOT VALID',
                               link.from_table, link.constraint_name, link.from_column, link.to_table, link.to_column);
            EXCEPTION WHEN invalid_foreign_key OR undefined_column OR datatype_mismatch OR wrong_object_type THEN
                GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
                status := 'not linked';
                detail := concat_ws(': ', SQLERRM, nullif(reason, ''));
                IF SQLSTATE = '42804' THEN
                    detail := format('%s Make %s %s; the extension''s column must stay as it is', detail, split_part(link.reference, ' -> ', 2),
                                     (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                                       WHERE a.attrelid = link.from_table AND a.attname = link.from_column));
                END IF;
                RETURN NEXT;
                CONTINUE;
            END;
        END IF;
        -- All values in the way, and not only the first, which is all that validating names.
        SELECT string_agg(format('%s (%s rows)', unknown.value, unknown.row_count), ', ' ORDER BY unknown.value) INTO obstacles
          FROM @extschema@._unknown_references() unknown
         WHERE unknown.from_table = link.from_table AND unknown.from_column = link.from_column;
        IF obstacles IS NULL THEN
            EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', link.from_table, link.constraint_name);
            status := 'linked';
            detail := format('constraint %s holds for all rows', link.constraint_name);
        ELSE
            status := 'linked for new rows';
            detail := format('unknown to %s: %s; correct these rows and call again', link.to_table, obstacles);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._link_reference_tables_body() IS
'What link_reference_tables() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.link_reference_tables() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE c SECURITY DEFINER COST 1000000 ROWS 6 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.link_reference_tables() IS
'Adds foreign keys to the tables subscription_tiers(tier_code) and feature_definitions(feature_key) of the host application, where
they exist, in this schema or in public. Calling it again validates what could not be validated before.
Arguments: none.
Returns: a row for each link: linked, linked for new rows (detail names the values in the way), not linked (detail says why), or no
such table.
Errors: none.';

CREATE FUNCTION @extschema@._unlink_reference_tables_body() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link record;
BEGIN
    FOR link IN SELECT * FROM @extschema@._reference_links() LOOP
        reference := link.reference;
        IF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = link.from_table AND c.conname = link.constraint_name) THEN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', link.from_table, link.constraint_name);
            status := 'unlinked';
            detail := format('constraint %s is dropped', link.constraint_name);
        ELSE
            status := 'was not linked';
            detail := format('there is no constraint %s', link.constraint_name);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._unlink_reference_tables_body() IS
'What unlink_reference_tables() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.unlink_reference_tables() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE c SECURITY DEFINER COST 10000 ROWS 6 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.unlink_reference_tables() IS
'Drops the foreign keys that link_reference_tables() has added.
Arguments: none.
Returns: a row for each link: unlinked, or was not linked.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
