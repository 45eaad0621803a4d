-- Drafts of rows: completes a JSON object as if it were inserted. Only the tables define what makes a row valid:
-- their columns' types and defaults, and their constraints. adopt_tables() judges old rows by the same constraints.
SET LOCAL search_path = pg_catalog, pg_temp;

-- No function here names the schema of the extension, so they need no change when it is renamed.
CREATE FUNCTION @extschema@._table_rules(whose regclass)
RETURNS TABLE (kind "char", id oid, name text, condition text, rule text, advice text, columns text[])
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.contype, n.oid, n.conname::text, pg_get_expr(n.conbin, n.conrelid), said.lines[1], said.lines[2],
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = whose AND a.attnum = ANY (n.conkey) ORDER BY a.attnum)
      FROM pg_constraint n
     CROSS JOIN LATERAL string_to_array(obj_description(n.oid, 'pg_constraint'), E'\n') said (lines)
     WHERE n.conrelid = whose AND n.contype IN ('c', 'f', 'p', 'u')
       -- Of tables that Citus spreads: a trigger makes it true elsewhere.
       AND n.conname <> 'promotional_codes_normalized_check'
     ORDER BY n.conname
$$;
COMMENT ON FUNCTION @extschema@._table_rules(regclass) IS
'The constraints of a table: its kind and name, the condition of a CHECK, and what its comment says in a line that must hold, and in
another what to do about it. Only the simulations and adopt_tables() call it.';

CREATE FUNCTION @extschema@._draft_problem(whose regclass, draft jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT CASE jsonb_typeof(draft) WHEN 'object' THEN draft ELSE '{}' END AS entry
    ), columns AS MATERIALIZED (
        SELECT a.attnum, a.attname::text AS name, a.attnotnull AS is_required, a.atthasdef AS has_default, g.entry -> a.attname::text AS value
          FROM pg_attribute a, given g
         WHERE a.attrelid = whose AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT p.problem
      FROM (SELECT 1, format('expected a JSON object, not %s', jsonb_typeof(draft)) WHERE jsonb_typeof(draft) <> 'object'
             UNION ALL
            SELECT 2, format('unknown key "%s"; the keys are %s', left(k.key, 60), (SELECT string_agg(c.name, ', ' ORDER BY c.attnum) FROM columns c))
              FROM given g, jsonb_object_keys(g.entry) k (key)
             WHERE k.key NOT IN (SELECT c.name FROM columns c)
             UNION ALL
            SELECT 3, format('key "%s" is missing', c.name) FROM columns c
             -- What a row is called has no part in a price.
             WHERE c.is_required AND NOT c.has_default AND c.value IS NULL AND c.name NOT IN ('name', 'code')
             UNION ALL
            SELECT 4, format('"%s" must not be null', c.name) FROM columns c WHERE c.is_required AND c.value = 'null') p (step, problem)
     ORDER BY p.step, p.problem LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@._draft_problem(regclass, jsonb) IS
'Why a JSON object is no row of a table, by the names of its columns and those that are required; NULL when it is one. Only the
simulations call it.';

CREATE FUNCTION @extschema@._draft_value(whose regclass, draft jsonb, key text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s, $1))', whose) INTO entry USING jsonb_build_object(key, draft -> key);
    RETURN entry -> key;
END
$$;
COMMENT ON FUNCTION @extschema@._draft_value(regclass, jsonb, text) IS
'The value of a key as the column of that name would store it, or PostgreSQL''s own error. Only the simulations call it.';

CREATE FUNCTION @extschema@._draft_row(whose regclass, draft jsonb, id uuid)
RETURNS TABLE (entry jsonb, broken_constraint text, rule text)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000 ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    presets text;
    checked record;
    is_broken boolean;
BEGIN
    SELECT string_agg(format('%s AS %I', pg_get_expr(d.adbin, d.adrelid), a.attname), ', ') INTO presets
      FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE d.adrelid = whose AND a.attgenerated = '' AND a.attname <> 'id' AND NOT draft ? a.attname::text;
    -- A bundle needs no name to have a price.
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s, jsonb_build_object(''id'', $1, ''name'', '''') || to_jsonb(presets) || $2))
                      FROM (SELECT %s) presets', whose, presets) INTO entry USING id, draft;
    FOR checked IN EXECUTE format('SELECT * FROM %s._table_rules($1) r WHERE r.kind = ''c''',
                                  (SELECT c.relnamespace::regnamespace FROM pg_class c WHERE c.oid = whose)) USING whose LOOP
        EXECUTE format('SELECT NOT (%s) FROM jsonb_populate_record(NULL::%s, $1) %I', checked.condition, whose,
                       (SELECT c.relname FROM pg_class c WHERE c.oid = whose)) INTO is_broken USING entry;
        IF is_broken THEN
            broken_constraint := checked.name;
            rule := format('%s (%s)', CASE WHEN checked.advice IS NULL THEN checked.condition ELSE checked.rule END,
                           (SELECT string_agg(format('%s: %s', c.name, left(entry ->> c.name, 60)), ', ' ORDER BY c.place)
                              FROM unnest(checked.columns) WITH ORDINALITY c (name, place)));
            EXIT;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._draft_row(regclass, jsonb, uuid) IS
'The row that a table would make of a JSON object with its columns as keys, defaults and all, and the first of its constraints that
refuses it, with what that asks for. Only the simulations call it.';

SET LOCAL search_path = @extschema@, pg_temp;
