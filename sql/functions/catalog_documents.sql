-- Moves a catalog between environments as a document that refers to rows by name instead of by id.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@._refuse_catalog(text) IS
'Raises the error for a document that is not a catalog. Only import_catalog() calls it.';
ALTER FUNCTION @extschema@._refuse_catalog(text) COST 10;

COMMENT ON FUNCTION @extschema@._check_rows_written(text, bigint, bigint) IS
'Raises an error if fewer rows of a table were written than intended. Only import_catalog(), adopt_tables() and
load_sample_catalog() call it.';
ALTER FUNCTION @extschema@._check_rows_written(text, bigint, bigint) COST 10;

COMMENT ON FUNCTION @extschema@._check_catalog_size(jsonb) IS
'Raises an error for a document that is too large to be imported. Only import_catalog() calls it.';
ALTER FUNCTION @extschema@._check_catalog_size(jsonb) COST 10;

-- The content of a document for a row: its columns, except those that belong to one environment, with names instead
-- of ids.
CREATE FUNCTION @extschema@._catalog_keys(kind text) RETURNS text[]
LANGUAGE sql STABLE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(CASE a.attname WHEN 'add_on_id' THEN 'add_on' WHEN 'add_on_ids' THEN 'add_ons' ELSE a.attname END ORDER BY a.attnum)
      FROM pg_attribute a
     WHERE a.attrelid = format('%s.%I', '@extschema@', kind)::regclass AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attname <> ALL ('{id,created_at,updated_at,created_by,current_uses}')
$$;
COMMENT ON FUNCTION @extschema@._catalog_keys(text) IS
'The keys that a row of a table may have in a catalog document. Only export_catalog() and import_catalog() call it.';

-- The row that an entry of a document refers to. A rule has no name of its own.
CREATE FUNCTION @extschema@._catalog_key(kind text, entry jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE kind WHEN 'add_on_features' THEN jsonb_build_array(entry -> 'add_on', entry -> 'feature_key')
                     WHEN 'pricing_rules' THEN jsonb_build_array(entry -> 'add_on', coalesce(entry -> 'tier_code', 'null'),
                                                                 coalesce(entry -> 'priority', '0'))
                     WHEN 'promotional_codes' THEN entry -> 'code'
                     ELSE entry -> 'name' END
$$;
COMMENT ON FUNCTION @extschema@._catalog_key(text, jsonb) IS
'What tells the rows of a table apart in a catalog document. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._catalog_object(kind text, entry jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE kind WHEN 'add_ons' THEN 'add-on ' || (entry ->> 'name')
                     WHEN 'add_on_features' THEN format('feature %s of %s', entry ->> 'feature_key', entry ->> 'add_on')
                     WHEN 'add_on_bundles' THEN 'bundle ' || (entry ->> 'name')
                     WHEN 'promotional_codes' THEN 'code ' || (entry ->> 'code')
                     ELSE format('rule of %s for %s, priority %s', entry ->> 'add_on',
                                 coalesce('tier ' || (entry ->> 'tier_code'), 'everybody'), coalesce(entry ->> 'priority', '0')) END
$$;
COMMENT ON FUNCTION @extschema@._catalog_object(text, jsonb) IS
'A row of the catalog in words. Only export_catalog() and import_catalog() call it.';

-- Ids as names; one that no add-on has stays what it is.
CREATE FUNCTION @extschema@._add_on_names(ids jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(coalesce(a.name, given.id) ORDER BY given.place), '[]')
      FROM jsonb_array_elements_text(ids) WITH ORDINALITY given (id, place)
      LEFT JOIN @extschema@.add_ons a ON a.id = given.id::uuid
$$;
COMMENT ON FUNCTION @extschema@._add_on_names(jsonb) IS
'The names of add-ons, in the order of their ids. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._catalog_rows() RETURNS TABLE (kind text, id uuid, entry jsonb)
LANGUAGE sql STABLE PARALLEL SAFE COST 100000 ROWS 200 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT r.kind, r.id,
           r.entry - '{id,created_at,updated_at,created_by,current_uses,add_on_id,add_on_ids}'::text[]
           || coalesce((SELECT jsonb_build_object('add_on', a.name) FROM @extschema@.add_ons a
                         WHERE a.id = (r.entry ->> 'add_on_id')::uuid), '{}')
           || CASE WHEN r.kind = 'add_on_bundles' THEN jsonb_build_object('add_ons', @extschema@._add_on_names(r.entry -> 'add_on_ids'))
                   WHEN r.kind = 'promotional_codes' AND r.entry -> 'applicable_to' <> 'null'
                   THEN jsonb_build_object('applicable_to', @extschema@._add_on_names(r.entry -> 'applicable_to'))
                   WHEN r.kind = 'pricing_rules'
                   THEN jsonb_build_object('conditions', (r.entry -> 'conditions')
                            || coalesce((SELECT jsonb_object_agg(c.key, @extschema@._add_on_names(c.value))
                                           FROM jsonb_each(r.entry -> 'conditions') c
                                          WHERE c.key IN ('requires_addon', 'excludes_addon')), '{}'))
                   ELSE '{}' END
      FROM (SELECT 'add_ons', t.id, to_jsonb(t) FROM @extschema@.add_ons t
             UNION ALL
            SELECT 'add_on_features', t.id, to_jsonb(t) FROM @extschema@.add_on_features t
             UNION ALL
            SELECT 'add_on_bundles', t.id, to_jsonb(t) FROM @extschema@.add_on_bundles t
             UNION ALL
            SELECT 'pricing_rules', t.id, to_jsonb(t) FROM @extschema@.pricing_rules t
             UNION ALL
            SELECT 'promotional_codes', t.id, to_jsonb(t) FROM @extschema@.promotional_codes t) r (kind, id, entry)
$$;
COMMENT ON FUNCTION @extschema@._catalog_rows() IS
'The rows of the catalog as a document has them, with their ids. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._export_catalog_body() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_object_agg(t.name, coalesce(entries.list, '[]'))
      FROM @extschema@._table_names() t
      LEFT JOIN (SELECT r.kind, jsonb_agg(r.entry ORDER BY @extschema@._catalog_key(r.kind, r.entry), r.entry) AS list
                   FROM @extschema@._catalog_rows() r
                  GROUP BY r.kind) entries ON entries.kind = t.name
     WHERE NOT t.has_users
$$;
COMMENT ON FUNCTION @extschema@._export_catalog_body() IS
'What export_catalog() does, which has it run as the owner of the tables. Only that calls it.';

ALTER FUNCTION @extschema@.export_catalog() COST 200000;

COMMENT ON FUNCTION @extschema@.export_catalog() IS
'The catalog as a document with names instead of ids, to keep in version control or to import elsewhere.
Arguments: none.
Returns: an object of arrays, one for each table: add_ons, add_on_features, add_on_bundles, pricing_rules, promotional_codes; each of
flat objects with the columns as keys, so that jsonb_to_recordset() makes rows of them. add_on and add_ons hold names, as do
applicable_to, requires_addon and excludes_addon. What belongs to one environment is left out: ids, created_at, updated_at,
created_by, current_uses. Times are in UTC. The same catalog always gives the same document.
Errors: 42501, no right to read the tables.';

-- An entry in the form in which the table would return it: numbers with their decimals, times in UTC.
CREATE FUNCTION @extschema@._canonical_entry(kind text, entry jsonb) RETURNS jsonb
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    by_name CONSTANT text[] := '{add_on,add_ons,applicable_to,conditions}';
    row_text jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s.%I, $1))', '@extschema@', kind) INTO row_text USING entry - by_name;
    IF kind = 'promotional_codes' THEN
        row_text := row_text || jsonb_build_object('code', @extschema@.normalized_code(row_text ->> 'code'));
    ELSIF kind = 'add_ons' THEN
        row_text := row_text || jsonb_build_object('features', @extschema@._feature_keys(row_text -> 'features'));
    END IF;
    RETURN (SELECT jsonb_object_agg(e.key, CASE WHEN e.key = ANY (by_name) THEN e.value
                                                -- Amounts have two decimals at least.
                                                WHEN a.atttypid = 'numeric'::regtype AND jsonb_typeof(row_text -> e.key) = 'number'
                                                THEN to_jsonb((row_text ->> e.key)::numeric + 0.00)
                                                ELSE row_text -> e.key END)
              FROM jsonb_each(entry) e
              LEFT JOIN pg_attribute a ON a.attrelid = format('%s.%I', '@extschema@', kind)::regclass AND a.attname = e.key AND NOT a.attisdropped);
EXCEPTION WHEN data_exception THEN
    PERFORM @extschema@._refuse_catalog(format('%s: %s', @extschema@._catalog_object(kind, entry), SQLERRM));
END
$$;
COMMENT ON FUNCTION @extschema@._canonical_entry(text, jsonb) IS
'An entry of a catalog document as export_catalog() would write it. Only import_catalog() calls it.';

CREATE FUNCTION @extschema@._add_on_ids(names jsonb, whose text) RETURNS jsonb
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
    found uuid;
    ids jsonb := '[]';
BEGIN
    IF jsonb_typeof(names) = 'null' THEN
        RETURN names;
    ELSIF jsonb_typeof(names) <> 'array' THEN
        PERFORM @extschema@._refuse_catalog(format('%s: expected an array of names of add-ons, not %s', whose, names));
    END IF;
    FOR wanted IN SELECT jsonb_array_elements_text(names) LOOP
        SELECT a.id INTO found FROM @extschema@.add_ons a WHERE a.name = wanted;
        IF found IS NULL AND wanted ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
            -- Exported where no add-on had this id.
            found := wanted::uuid;
        ELSIF found IS NULL THEN
            PERFORM @extschema@._refuse_catalog(format('%s: there is no add-on %s, neither here nor in the document', whose, quote_ident(wanted)));
        END IF;
        ids := ids || to_jsonb(found);
    END LOOP;
    RETURN ids;
END
$$;
COMMENT ON FUNCTION @extschema@._add_on_ids(jsonb, text) IS
'The ids of add-ons, in the order of their names. Only import_catalog() calls it.';

-- The columns that an entry sets.
CREATE FUNCTION @extschema@._catalog_columns(kind text, entry jsonb) RETURNS jsonb
LANGUAGE plpgsql COST 2000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    object CONSTANT text := @extschema@._catalog_object(kind, entry);
    columns jsonb := entry - '{add_on,add_ons}'::text[];
    condition record;
BEGIN
    IF entry ? 'add_on' THEN
        columns := columns || jsonb_build_object('add_on_id', @extschema@._add_on_ids(jsonb_build_array(entry -> 'add_on'), object) -> 0);
    END IF;
    IF entry ? 'add_ons' THEN
        columns := columns || jsonb_build_object('add_on_ids', @extschema@._add_on_ids(entry -> 'add_ons', object));
    END IF;
    IF entry ? 'applicable_to' THEN
        columns := columns || jsonb_build_object('applicable_to', @extschema@._add_on_ids(entry -> 'applicable_to', object));
    END IF;
    IF jsonb_typeof(entry -> 'conditions') = 'object' THEN
        FOR condition IN SELECT * FROM jsonb_each(entry -> 'conditions') c WHERE c.key IN ('requires_addon', 'excludes_addon') LOOP
            columns := jsonb_set(columns, ARRAY['conditions', condition.key], @extschema@._add_on_ids(condition.value, object));
        END LOOP;
    END IF;
    RETURN columns;
END
$$;
COMMENT ON FUNCTION @extschema@._catalog_columns(text, jsonb) IS
'An entry of a catalog document with the ids of this database. Only import_catalog() calls it.';

-- Refuses an invalid catalog before anything is written.
CREATE FUNCTION @extschema@._check_catalog_document(catalog jsonb) RETURNS void
LANGUAGE plpgsql COST 100000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kinds CONSTANT text[] := ARRAY(SELECT t.name FROM @extschema@._table_names() t WHERE NOT t.has_users ORDER BY t.place);
    problem text;
BEGIN
    PERFORM @extschema@._check_catalog_size(catalog);
    IF jsonb_typeof(catalog) IS DISTINCT FROM 'object' THEN
        PERFORM @extschema@._refuse_catalog(CASE WHEN catalog IS NOT NULL THEN format('expected an object, not %s', jsonb_typeof(catalog)) END);
    END IF;
    SELECT CASE WHEN k.key <> ALL (kinds) THEN format('unknown key %s; the keys are %s', quote_ident(k.key), array_to_string(kinds, ', '))
                WHEN jsonb_typeof(k.value) <> 'array' THEN format('%s: expected an array, not %s', k.key, jsonb_typeof(k.value)) END
      INTO problem
      FROM jsonb_each(catalog) k
     WHERE k.key <> ALL (kinds) OR jsonb_typeof(k.value) <> 'array'
     ORDER BY k.key LIMIT 1;
    IF problem IS NOT NULL THEN
        PERFORM @extschema@._refuse_catalog(problem);
    END IF;
    SELECT CASE WHEN jsonb_typeof(e.value) <> 'object' THEN format('%s[%s]: expected an object, not %s', k.key, e.place - 1, jsonb_typeof(e.value))
                WHEN unknown.key IS NOT NULL
                THEN format('%s[%s]: unknown key %s; the keys are %s', k.key, e.place - 1, quote_ident(unknown.key),
                            array_to_string(@extschema@._catalog_keys(k.key), ', '))
                ELSE format('%s[%s]: %s is missing', k.key, e.place - 1, required.key) END
      INTO problem
      FROM jsonb_each(catalog) k
     CROSS JOIN LATERAL jsonb_array_elements(k.value) WITH ORDINALITY e (value, place)
     CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(e.value) WHEN 'object' THEN e.value ELSE '{}' END) entry (value)
      LEFT JOIN LATERAL (SELECT o.key FROM jsonb_object_keys(entry.value) o (key)
                          WHERE o.key <> ALL (@extschema@._catalog_keys(k.key)) ORDER BY o.key LIMIT 1) unknown ON true
      LEFT JOIN LATERAL (SELECT r.key
                           FROM unnest(CASE k.key WHEN 'add_on_features' THEN '{add_on,feature_key}' WHEN 'pricing_rules' THEN '{add_on}'
                                                  WHEN 'promotional_codes' THEN '{code}' ELSE '{name}' END::text[]) r (key)
                          WHERE coalesce(jsonb_typeof(entry.value -> r.key), '') <> 'string' LIMIT 1) required ON true
     WHERE jsonb_typeof(e.value) <> 'object' OR unknown.key IS NOT NULL OR required.key IS NOT NULL
     ORDER BY k.key, e.place LIMIT 1;
    IF problem IS NOT NULL THEN
        PERFORM @extschema@._refuse_catalog(problem);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._check_catalog_document(jsonb) IS
'Refuses a document that import_catalog() cannot read, and says where. Only that calls it.';

-- Each entry of a document with the row that it refers to. Identical rows are matched first, because several rules
-- can have the same key.
CREATE FUNCTION @extschema@._catalog_matches(kind text, entries jsonb) RETURNS TABLE (entry jsonb, id uuid, here jsonb)
LANGUAGE sql COST 200000 ROWS 200 SET search_path = pg_catalog, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT canonical.entry, row_number() OVER (PARTITION BY canonical.entry) AS copy, e.place
          FROM jsonb_array_elements(entries) WITH ORDINALITY e (value, place)
         CROSS JOIN LATERAL @extschema@._canonical_entry(kind, e.value) canonical (entry)
    ), present AS MATERIALIZED (
        SELECT r.id, r.entry, row_number() OVER (PARTITION BY r.entry ORDER BY r.id) AS copy
          FROM @extschema@._catalog_rows() r
         WHERE r.kind = _catalog_matches.kind
    ), same AS MATERIALIZED (
        SELECT g.place, p.id FROM given g JOIN present p ON p.entry = g.entry AND p.copy = g.copy
    ), other_given AS (
        SELECT g.*, @extschema@._catalog_key(kind, g.entry) AS key,
               row_number() OVER (PARTITION BY @extschema@._catalog_key(kind, g.entry) ORDER BY g.place) AS turn
          FROM given g WHERE g.place NOT IN (SELECT s.place FROM same s)
    ), other_present AS (
        SELECT p.*, @extschema@._catalog_key(kind, p.entry) AS key,
               row_number() OVER (PARTITION BY @extschema@._catalog_key(kind, p.entry) ORDER BY p.id) AS turn
          FROM present p WHERE p.id NOT IN (SELECT s.id FROM same s)
    )
    SELECT g.entry, p.id, p.entry
      FROM other_given g FULL JOIN other_present p ON p.key = g.key AND p.turn = g.turn
     ORDER BY g.place, @extschema@._catalog_object(kind, p.entry), p.id
$$;
COMMENT ON FUNCTION @extschema@._catalog_matches(text, jsonb) IS
'The differences between a document and a table, side by side. Only import_catalog() calls it.';

-- Writes an entry into the row with this id or a new one. Returns its id.
CREATE FUNCTION @extschema@._write_catalog_entry(kind text, entry jsonb, id uuid) RETURNS uuid
LANGUAGE plpgsql COST 5000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns CONSTANT jsonb := @extschema@._catalog_columns(kind, entry);
    list CONSTANT text := (SELECT string_agg(quote_ident(c.key), ', ') FROM jsonb_object_keys(columns) c (key));
    written uuid;
    told text;
    advice text;
BEGIN
    IF id IS NULL THEN
        EXECUTE format('INSERT INTO %3$s.%1$I (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%3$s.%1$I, $1) RETURNING id',
                       kind, list, '@extschema@')
           INTO written USING columns;
    ELSE
        EXECUTE format('UPDATE %3$s.%1$I SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%3$s.%1$I, $1)) WHERE id = $2
                        RETURNING id', kind, list, '@extschema@')
           INTO written USING columns, id;
    END IF;
    PERFORM @extschema@._check_rows_written(kind, 1, CASE WHEN written IS NULL THEN 0 ELSE 1 END);
    RETURN written;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
    IF SQLSTATE LIKE '23%' THEN
        -- The table tells what is wrong, but not with which entry.
        GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('%s: %s', @extschema@._catalog_object(kind, entry), SQLERRM),
                              DETAIL = told, HINT = coalesce(nullif(advice, ''), 'Correct the document and import it again.');
    END IF;
    PERFORM @extschema@._refuse_catalog(format('%s: %s', @extschema@._catalog_object(kind, entry), SQLERRM));
END
$$;
COMMENT ON FUNCTION @extschema@._write_catalog_entry(text, jsonb, uuid) IS
'Stores an entry of a catalog document. Only import_catalog() calls it.';

CREATE FUNCTION @extschema@._import_catalog_body(catalog jsonb, dry_run boolean) RETURNS TABLE (object text, action text, id uuid)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    kinds CONSTANT text[] := ARRAY(SELECT t.name FROM @extschema@._table_names() t WHERE NOT t.has_users ORDER BY t.place);
    kind text;
    match record;
    difference record;
BEGIN
    PERFORM @extschema@._check_catalog_document(catalog);
    -- A rehearsal does everything, so that the tables have their say, and undoes it.
    FOREACH kind IN ARRAY kinds LOOP
        CONTINUE WHEN NOT catalog ? kind;
        FOR match IN SELECT * FROM @extschema@._catalog_matches(kind, catalog -> kind) LOOP
            object := @extschema@._catalog_object(kind, coalesce(match.here, match.entry));
            id := match.id;
            IF match.entry IS NULL THEN
                action := 'keep';
                RETURN NEXT;
            ELSIF match.here IS NULL THEN
                id := @extschema@._write_catalog_entry(kind, match.entry, NULL);
                action := 'insert';
                -- Nobody will find the row of a rehearsal.
                id := CASE WHEN NOT dry_run THEN id END;
                RETURN NEXT;
            ELSIF match.here || match.entry <> match.here THEN
                PERFORM @extschema@._write_catalog_entry(kind, match.entry, match.id);
                FOR difference IN SELECT e.key, match.here -> e.key AS old, e.value AS new FROM jsonb_each(match.entry) e LOOP
                    CONTINUE WHEN difference.old = difference.new;
                    action := format('update %s: %s -> %s', difference.key, difference.old, difference.new);
                    RETURN NEXT;
                END LOOP;
            END IF;
        END LOOP;
    END LOOP;
    IF dry_run THEN
        RAISE EXCEPTION 'rehearsed' USING ERRCODE = 'UE001';
    END IF;
EXCEPTION WHEN SQLSTATE 'UE001' THEN
    -- Everything that this block has written is undone; the rows that it has returned stay.
    NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._import_catalog_body(jsonb, boolean) IS
'What import_catalog() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@.import_catalog(catalog jsonb, dry_run boolean DEFAULT false) RETURNS TABLE (object text, action text, id uuid)
LANGUAGE c SECURITY DEFINER COST 1000000 ROWS 200 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.import_catalog(jsonb, boolean) IS
'Changes the catalog to match a document. Rows are found by names: add-ons and bundles by name, features by add-on and key, codes by
code, rules by add-on, tier and priority. Keys that an entry lacks keep their values, or get the defaults of the table. Nothing is
deleted. Importing a document again changes nothing.
Arguments: catalog, as export_catalog() returns it, or a part of it; dry_run, to do everything, report it and undo it.
Returns: a row for each difference: object, in words; action: insert, update with the column and its old and new value, or keep for
a row that the document does not have; id, of the row, NULL for one that a dry run would insert. No rows when nothing differs.
Errors: 22023 null_argument, malformed_argument; what the constraints of the tables raise; 42501, no right to write them;
54000 document_too_large; 55000 row_swallowed.';

SET LOCAL search_path = @extschema@, pg_temp;
