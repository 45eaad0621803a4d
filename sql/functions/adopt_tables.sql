-- Takes over the tables of a database that was made from plain SQL files. The statements are dynamic, because the
-- columns of those tables are not known.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@._check_adoption(text, text, text[]) IS
'Refuses schemas that adopt_tables() cannot take tables from. Only that calls it.
Arguments: source_schema; time_zone.
Returns: nothing.
Errors: 22023 null_argument, invalid_source_schema.';
ALTER FUNCTION @extschema@._check_adoption(text, text, text[]) COST 1000;

-- Each column of ours as an expression over the old table "s": converted if the type differs; the column's default if
-- the old column is missing, or holds NULL where ours may not.
CREATE FUNCTION @extschema@._adoption_columns(old_table regclass, new_table regclass)
RETURNS TABLE (column_name text, expression text, obstacle text, loss text)
LANGUAGE sql COST 10000 ROWS 15 SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.attname::text,
           CASE WHEN o.attname IS NULL THEN coalesce(n.preset, 'NULL::' || n.type)
                WHEN n.attnotnull AND n.preset IS NOT NULL THEN format('coalesce(%s, %s)', c.expression, n.preset)
                ELSE c.expression END,
           CASE WHEN o.attname IS NULL AND n.attnotnull AND n.preset IS NULL THEN 'it is missing, and there is no default for it' END,
           -- What a cast would change without saying so: text that is too long, digits that do not fit.
           CASE WHEN o.attname IS NULL OR n.atttypmod < 0 THEN NULL
                WHEN n.atttypid = 'varchar'::regtype THEN format('length(s.%I::text) > %s', n.attname, n.atttypmod - 4)
                WHEN n.atttypid = 'numeric'::regtype
                THEN format('s.%1$I::numeric <> round(s.%1$I::numeric, %2$s) OR abs(s.%1$I::numeric) >= 10 ^ %3$s', n.attname,
                            n.scale, n.digits - n.scale) END
      FROM (SELECT a.*, format_type(a.atttypid, a.atttypmod) AS type, pg_get_expr(d.adbin, d.adrelid) AS preset,
                   (a.atttypmod - 4) >> 16 AS digits, (a.atttypmod - 4) & 2047 AS scale
              FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = new_table AND a.attnum > 0 AND NOT a.attisdropped) n
      LEFT JOIN pg_attribute o ON o.attrelid = old_table AND o.attname = n.attname AND o.attnum > 0 AND NOT o.attisdropped
     CROSS JOIN LATERAL (
               SELECT CASE WHEN n.attname IN ('code', 'promo_code') THEN format('@extschema@.normalized_code(s.%I::text)::%s', n.attname, n.type)
                           WHEN n.attname = 'currency' THEN format('upper(s.%I::text COLLATE "C")::%s', n.attname, n.type)
                           WHEN n.attname = 'features' THEN format('@extschema@._feature_keys(s.%I::jsonb)', n.attname)
                           WHEN o.atttypid = n.atttypid AND o.atttypmod = n.atttypmod THEN format('s.%I', n.attname)
                           ELSE format('s.%I::%s', n.attname, n.type) END) c (expression)
     ORDER BY n.attnum
$$;
COMMENT ON FUNCTION @extschema@._adoption_columns(regclass, regclass) IS
'How adopt_tables() makes the columns of our tables from those of an old one, and what would get lost. Only adopt_tables() calls it.';

-- Finds the rows of an old table, seen through a SELECT list, for which a condition is true or raises an error, with
-- their values in some columns; NULL if there are none.
CREATE FUNCTION @extschema@._adoption_rows(old_table regclass, list text, condition text, told text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql COST 1000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen CONSTANT text := format('(SELECT s.ctid AS old_ctid, %s FROM %s s) s', list, old_table);
    -- A row "o" as it is told: 'id (column: value)'.
    label CONSTANT text :=
        'coalesce(to_jsonb(o) ->> ''id'', o.ctid::text)
         || coalesce(format('' (%s)'', (SELECT string_agg(format(''%s: %s'', v.key, left(v.value, 60)), '', '' ORDER BY v.key)
                                           FROM jsonb_each_text(to_jsonb(o)) v WHERE v.key = ANY ($2) AND v.key NOT IN (''id''))), '''')';
    row_count bigint;
    places tid[];
    place tid;
    holds boolean;
    culprits text[] := '{}';
BEGIN
    EXECUTE format('SELECT count(*), (array_agg(s.old_ctid))[:10] FROM %s WHERE %s', seen, condition) INTO row_count, places;
    IF row_count = 0 THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT array_agg(%s ORDER BY o.ctid) FROM %s o WHERE o.ctid = ANY ($1)', label, old_table) INTO culprits USING places, told;
    RETURN format('%s such as %s', CASE row_count WHEN 1 THEN '1 row,' ELSE format('%s rows,', row_count) END,
                  array_to_string(culprits, ', '));
EXCEPTION WHEN data_exception OR check_violation OR invalid_text_representation THEN
    -- The error does not say which row raised it, so each row is tested by itself.
    FOR place IN EXECUTE format('SELECT o.ctid FROM %s o', old_table) LOOP
        BEGIN
            EXECUTE format('SELECT %s FROM %s WHERE s.old_ctid = $1', condition, seen) INTO holds USING place;
            CONTINUE WHEN holds IS NOT TRUE;
            EXECUTE format('SELECT $3 || (%s) FROM %s o WHERE o.ctid = $1', label, old_table) INTO culprits USING place, told, culprits;
        EXCEPTION WHEN data_exception OR check_violation OR invalid_text_representation THEN
            EXECUTE format('SELECT $2 || format(''%%s (%%s)'', coalesce(to_jsonb(o) ->> ''id'', o.ctid::text), $3)
                              FROM %s o WHERE o.ctid = $1', old_table)
               INTO culprits USING place, culprits, SQLERRM;
        END;
        EXIT WHEN cardinality(culprits) = 10;
    END LOOP;
    RETURN CASE WHEN culprits <> '{}' THEN format('rows such as %s', array_to_string(culprits, ', ')) END;
WHEN cannot_coerce THEN
    RETURN format('all rows (%s)', SQLERRM);
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_rows(regclass, text, text, text[]) IS
'The rows of an old table that adopt_tables() cannot migrate. Only that calls it.';

-- What the rows "s" of an old table break if they are seen through a SELECT list: our constraints, tested with their own
-- expressions, and columns that are required.
CREATE FUNCTION @extschema@._adoption_rules(old_table regclass, new_table regclass, list text)
RETURNS TABLE (label text, breaks text, columns text[], advice text)
LANGUAGE sql COST 100000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(r.rule || format(' (%s)', r.name), r.name), broken.condition, r.columns, r.advice
      FROM @extschema@._table_rules(new_table) r
      JOIN pg_constraint n ON n.oid = r.id
      LEFT JOIN pg_class referenced ON referenced.oid = n.confrelid
      LEFT JOIN pg_attribute referred ON referred.attrelid = n.confrelid AND referred.attnum = n.confkey[1]
     CROSS JOIN LATERAL (SELECT string_agg(format('s.%I', c.name), ', ' ORDER BY c.place) FROM unnest(r.columns) WITH ORDINALITY c (name, place)) key (terms)
     CROSS JOIN LATERAL (SELECT CASE r.kind
               WHEN 'c' THEN format('NOT (%s)', r.condition)
               WHEN 'f' THEN format('%1$s IS NOT NULL AND NOT EXISTS (SELECT FROM %2$s p WHERE p.%3$I::uuid = %1$s)', key.terms,
                                    coalesce(to_regclass(format('%s.%I', (SELECT o.relnamespace::regnamespace FROM pg_class o WHERE o.oid = old_table),
                                                                referenced.relname)), n.confrelid::regclass), referred.attname)
               ELSE format('(%1$s) IN (SELECT %1$s FROM (SELECT %2$s FROM %3$s s) s GROUP BY %1$s HAVING count(*) > 1)', key.terms, list, old_table)
           END) broken (condition)
     UNION ALL
    SELECT format('%s is required', a.attname), format('s.%I IS NULL', a.attname), '{}', NULL
      FROM pg_attribute a WHERE a.attrelid = new_table AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION @extschema@._adoption_rules(regclass, regclass, text) IS
'The rules of a table of ours, in words, each with the condition by which adopt_tables() finds old rows that break it.
Only adopt_tables() calls it.';

-- Everything that keeps the rows of an old table from becoming rows of ours, in the words of the constraints' comments.
CREATE FUNCTION @extschema@._adoption_obstacles(old_table regclass, new_table regclass) RETURNS TABLE (obstacle text)
LANGUAGE plpgsql COST 10000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem record;
    rule record;
    list text;
    culprits text;
    is_convertible boolean := true;
BEGIN
    IF (SELECT c.relkind <> 'r' FROM pg_class c WHERE c.oid = old_table) THEN
        obstacle := 'it is not an ordinary table';
        RETURN NEXT;
        RETURN;
    END IF;
    FOR problem IN SELECT * FROM @extschema@._adoption_columns(old_table, new_table) LOOP
        culprits := CASE WHEN problem.obstacle IS NULL
                         THEN @extschema@._adoption_rows(old_table, 's.*', format('length((%s)::text) < 0', problem.expression)) END;
        IF problem.obstacle IS NOT NULL OR culprits IS NOT NULL THEN
            is_convertible := false;
            obstacle := format('column %s: %s', problem.column_name, coalesce(problem.obstacle, 'no such value is possible: ' || culprits));
            RETURN NEXT;
            CONTINUE;
        END IF;
        culprits := CASE WHEN problem.loss IS NOT NULL
                         THEN @extschema@._adoption_rows(old_table, 's.*', problem.loss, ARRAY[problem.column_name]) END;
        IF culprits IS NOT NULL THEN
            obstacle := format('column %s: values do not fit: %s. Shorten or round them', problem.column_name, culprits);
            RETURN NEXT;
        END IF;
    END LOOP;
    IF NOT is_convertible THEN
        RETURN;
    END IF;
    SELECT string_agg(format('%s AS %I', c.expression, c.column_name), ', ') INTO list
      FROM @extschema@._adoption_columns(old_table, new_table) c;
    FOR rule IN SELECT * FROM @extschema@._adoption_rules(old_table, new_table, list) LOOP
        culprits := @extschema@._adoption_rows(old_table, list, rule.breaks, rule.columns);
        IF culprits IS NOT NULL THEN
            obstacle := concat_ws('', rule.label, ': ', culprits, '. ' || rule.advice);
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_obstacles(regclass, regclass) IS
'Everything that prevents the rows of an old table from being migrated. Only adopt_tables() calls it.';

-- Copies the rows, some thousand pages at a time, so that a long copy can report its progress. Returns the number of
-- rows.
CREATE FUNCTION @extschema@._adopt_rows(old_table regclass, new_table regclass) RETURNS bigint
LANGUAGE plpgsql COST 10000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pages_at_once CONSTANT bigint := 4096;
    pages CONSTANT bigint := pg_relation_size(old_table) / current_setting('block_size')::bigint;
    columns text;
    list text;
    row_count bigint;
    meant bigint;
    total bigint := 0;
BEGIN
    SELECT string_agg(format('%I', c.column_name), ', '), string_agg(c.expression, ', ') INTO columns, list
      FROM @extschema@._adoption_columns(old_table, new_table) c;
    FOR page IN 0 .. pages BY pages_at_once LOOP
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s WHERE s.ctid >= $1 AND s.ctid < $2', new_table, columns, list, old_table)
          USING format('(%s,0)', page)::tid, format('(%s,0)', page + pages_at_once)::tid;
        GET DIAGNOSTICS row_count = ROW_COUNT;
        total := total + row_count;
        EXECUTE format('SELECT count(*) FROM %s s WHERE s.ctid >= $1 AND s.ctid < $2', old_table)
           INTO meant USING format('(%s,0)', page)::tid, format('(%s,0)', page + pages_at_once)::tid;
        PERFORM @extschema@._check_rows_written((SELECT c.relname::text FROM pg_class c WHERE c.oid = new_table), meant, row_count);
        IF page + pages_at_once < pages THEN
            RAISE NOTICE '%: % rows, % %%', old_table, total, 100 * (page + pages_at_once) / pages;
        END IF;
    END LOOP;
    RETURN total;
END
$$;
COMMENT ON FUNCTION @extschema@._adopt_rows(regclass, regclass) IS
'Copies the rows of an old table into ours, and reports the progress. Only adopt_tables() calls it.';

-- Rows that are taken over unchanged, but may be a mistake: a sentence for each kind.
CREATE FUNCTION @extschema@._adoption_doubts(old_table regclass, new_table regclass, add_ons regclass) RETURNS TABLE (doubt text)
LANGUAGE plpgsql COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    expressions CONSTANT jsonb := (SELECT jsonb_object_agg(c.column_name, c.expression)
                                     FROM @extschema@._adoption_columns(old_table, new_table) c);
    has_features CONSTANT boolean := EXISTS (SELECT FROM pg_attribute a
                                              WHERE a.attrelid = old_table AND a.attname = 'features' AND NOT a.attisdropped);
    row_count bigint;
BEGIN
    IF expressions ? 'features' AND has_features THEN
        EXECUTE format('SELECT count(*) FROM %s s WHERE jsonb_typeof(s.features::jsonb) = ''object''', old_table) INTO row_count;
        doubt := format('features is an object in %s: its keys become the list of features, and its values stay behind; limits belong into add_on_features',
                        CASE row_count WHEN 1 THEN '1 row' ELSE format('%s rows', row_count) END);
        IF row_count > 0 THEN
            RETURN NEXT;
        END IF;
    ELSIF expressions ? 'expires_at' AND expressions ? 'auto_renew' THEN
        EXECUTE format('SELECT count(*) FROM (SELECT %s AS add_on_id, %s AS status, %s AS expires_at FROM %s s) s
                          JOIN %s a ON a.id::uuid = s.add_on_id
                         WHERE s.status = ''active'' AND s.expires_at IS NULL AND a.billing_type IN (''monthly'', ''annual'')',
                       expressions ->> 'add_on_id', expressions ->> 'status', expressions ->> 'expires_at', old_table, add_ons)
           INTO row_count;
        doubt := CASE row_count WHEN 1 THEN '1 active subscription of a monthly or annual add-on has no expires_at: it never ends, until you set one'
                      ELSE format('%s active subscriptions of monthly or annual add-ons have no expires_at: they never end, until you set one',
                                  row_count) END;
        IF row_count > 0 THEN
            RETURN NEXT;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_doubts(regclass, regclass, regclass) IS
'What adopt_tables() migrates unchanged although it may not be intended. Only that calls it.';

-- Looks at everything before anything is written, and nobody writes to the old tables meanwhile.
CREATE FUNCTION @extschema@._adoption_findings(source_schema name, skip text[]) RETURNS TABLE (object text, status text, detail text)
LANGUAGE plpgsql COST 10000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_table regclass;
    new_table regclass;
    is_free boolean;
BEGIN
    FOR object IN SELECT t.name FROM @extschema@._table_names() t ORDER BY t.place LOOP
        old_table := to_regclass(format('%I.%I', source_schema, object));
        new_table := format('%s.%I', '@extschema@', object)::regclass;
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', new_table) INTO is_free;
        status := 'obstacle';
        IF object = ANY (skip) THEN
            status := 'skipped';
            detail := 'left as it is, as you asked';
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF NOT is_free THEN
            detail := format('%s holds rows already', new_table);
            RETURN NEXT;
        END IF;
        IF old_table IS NULL THEN
            status := 'absent';
            detail := format('there is no table %I.%I', source_schema, object);
            RETURN NEXT;
            CONTINUE;
        END IF;
        EXECUTE format('LOCK TABLE %s IN SHARE MODE', old_table);
        RAISE NOTICE '%: checking', old_table;
        FOR detail IN SELECT * FROM @extschema@._adoption_obstacles(old_table, new_table) LOOP
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_findings(name, text[]) IS
'The tables that adopt_tables() does not migrate, and every obstacle. Only that calls it.';

CREATE FUNCTION @extschema@._adopt_tables_body(source_schema name, time_zone text, dry_run boolean, skip text[])
RETURNS TABLE (object text, status text, detail text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    old_table regclass;
    new_table regclass;
    is_clear boolean := true;
    row_count bigint;
    left_behind text;
    -- Where the add-ons are that the old tables refer to.
    add_ons regclass;
BEGIN
    PERFORM @extschema@._check_adoption(source_schema, time_zone, skip);
    add_ons := coalesce(CASE WHEN 'add_ons' <> ALL (skip) THEN to_regclass(format('%I.add_ons', source_schema)) END,
                        '@extschema@.add_ons'::regclass);
    -- Every conversion goes by it, and it ends with the function.
    PERFORM set_config('timezone', time_zone, true);
    FOR object, status, detail IN SELECT * FROM @extschema@._adoption_findings(source_schema, skip) LOOP
        is_clear := is_clear AND status <> 'obstacle';
        RETURN NEXT;
    END LOOP;
    IF NOT is_clear THEN
        RETURN;
    END IF;
    FOR object IN SELECT t.name FROM @extschema@._table_names() t WHERE t.name <> ALL (skip) ORDER BY t.place LOOP
        old_table := to_regclass(format('%I.%I', source_schema, object));
        new_table := format('%s.%I', '@extschema@', object)::regclass;
        CONTINUE WHEN old_table IS NULL;
        IF dry_run THEN
            status := 'can be adopted';
            EXECUTE format('SELECT count(*) FROM %s', old_table) INTO row_count;
        ELSE
            status := 'adopted';
            row_count := @extschema@._adopt_rows(old_table, new_table);
            EXECUTE format('ANALYZE %s', new_table);
        END IF;
        detail := format('%s %s', row_count, CASE row_count WHEN 1 THEN 'row' ELSE 'rows' END);
        RETURN NEXT;
        status := 'doubtful';
        FOR detail IN SELECT * FROM @extschema@._adoption_doubts(old_table, new_table, add_ons) LOOP
            RETURN NEXT;
        END LOOP;
        SELECT string_agg(quote_ident(o.attname), ', ' ORDER BY o.attnum) INTO left_behind
          FROM pg_attribute o
         WHERE o.attrelid = old_table AND o.attnum > 0 AND NOT o.attisdropped
           AND NOT EXISTS (SELECT FROM pg_attribute n WHERE n.attrelid = new_table AND n.attname = o.attname AND NOT n.attisdropped);
        IF left_behind IS NOT NULL THEN
            status := 'left behind';
            detail := format('columns that ours does not have: %s', left_behind);
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._adopt_tables_body(name, text, boolean, text[]) IS
'What adopt_tables() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.adopt_tables(source_schema name, time_zone text DEFAULT 'UTC', dry_run boolean DEFAULT false,
                                        skip text[] DEFAULT '{}')
RETURNS TABLE (object text, status text, detail text)
LANGUAGE c SECURITY DEFINER COST 100000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.adopt_tables(name, text, boolean, text[]) IS
'Migrates the rows of a database that was created from the plain-SQL files that preceded the extension: from tables of the same names in
another schema, with all or some of their columns. Ids are kept. It runs in one transaction and only reads the old tables.
Arguments: source_schema, where the old tables are; time_zone, the time zone of their timestamps without time zone; dry_run, to look for
obstacles and write nothing; skip, tables to leave out, because the old table of that name is something else or is not wanted.
Everything is checked first: columns, values that do not fit, and every constraint. If anything is in the way, nothing is written.
Columns that the old tables lack get their defaults, and so does NULL where it is not allowed. Codes and currencies are stored in
capitals, and features that are an object as its keys. Notices report the progress.
Returns: a row for each table and each obstacle: object, the table; status, one of adopted, can be adopted, absent, obstacle, skipped,
doubtful, left behind; detail, the number of rows, what is wrong with which of them and what to do about it, what is migrated unchanged
although it may not be intended, such as subscriptions without an end, or columns that the new table does not have.
Errors: 22023 null_argument, invalid_source_schema, unknown_word; 22023, an unknown time zone; 42501, no right to read or write; 55000 row_swallowed.';

SET LOCAL search_path = @extschema@, pg_temp;
