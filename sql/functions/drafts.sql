-- Drafts of rows: completes a JSON object as if it were inserted. Only the tables define what makes a row valid:
-- their columns' types and defaults, and their constraints.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Neither function names an object of ours, so they need no change when the schema is renamed.
CREATE FUNCTION @extschema@._draft_problem(whose regclass, draft jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT CASE jsonb_typeof(draft) WHEN 'object' THEN draft ELSE '{}' END AS entry
    ), columns AS MATERIALIZED (
        SELECT a.attnum, a.attname::text AS name, a.attnotnull AS is_required, format_type(a.atttypid, NULL) AS type,
               -- What a row is called has no part in a price.
               a.attnotnull AND NOT a.atthasdef AND a.attname <> ALL ('{name,code}') AS is_needed,
               -- Of texts and numbers that have such.
               CASE WHEN a.atttypmod > 0 THEN a.atttypmod - 4 END AS longest,
               CASE WHEN a.atttypmod > 0 THEN 10::numeric ^ (((a.atttypmod - 4) >> 16) - ((a.atttypmod - 4) & 2047)) END AS bound,
               (a.atttypmod - 4) & 2047 AS scale, g.entry -> a.attname::text AS value, jsonb_typeof(g.entry -> a.attname::text) AS found
          FROM pg_attribute a, given g
         WHERE a.attrelid = whose AND a.attnum > 0 AND NOT a.attisdropped
    ), misfits AS (
        SELECT c.name, c.value, CASE c.type
                   WHEN 'integer' THEN 'an integer'
                   WHEN 'numeric' THEN concat('a number', ' up to ' || round(c.bound - 10::numeric ^ -c.scale, c.scale))
                   WHEN 'boolean' THEN 'true or false'
                   WHEN 'uuid' THEN 'a UUID'
                   WHEN 'uuid[]' THEN 'an array of add-on ids'
                   WHEN 'timestamp with time zone' THEN 'a time as a string'
                   WHEN 'character varying' THEN format('a string of up to %s characters', c.longest)
                   WHEN 'jsonb' THEN 'a document'
                   ELSE 'a string' END AS expected
          FROM columns c
         WHERE CASE WHEN c.found IS NULL THEN false
                    WHEN c.found = 'null' THEN c.is_required
                    WHEN c.type = 'integer' THEN CASE WHEN c.found = 'number' AND c.value #>> '{}' ~ '^-?[0-9]{1,10}$'
                                                      THEN (c.value #>> '{}')::bigint NOT BETWEEN -2147483648 AND 2147483647 ELSE true END
                    WHEN c.type = 'numeric' THEN CASE c.found WHEN 'number'
                                                              THEN coalesce(abs(round((c.value #>> '{}')::numeric, c.scale)) >= c.bound, false)
                                                              ELSE true END
                    WHEN c.type = 'uuid[]' THEN c.found <> 'array' OR EXISTS (
                         SELECT FROM jsonb_array_elements(CASE c.found WHEN 'array' THEN c.value ELSE '[]' END) e
                          WHERE e #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' IS NOT TRUE)
                    WHEN c.type = 'uuid' THEN c.value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' IS NOT TRUE
                    WHEN c.type = 'character varying' THEN c.found <> 'string' OR length(c.value #>> '{}') > c.longest
                    WHEN c.type = 'boolean' THEN c.found <> 'boolean'
                    ELSE c.type <> 'jsonb' AND c.found <> 'string' END
    )
    SELECT p.problem
      FROM (SELECT 1, format('expected a JSON object, not %s', jsonb_typeof(draft)) WHERE jsonb_typeof(draft) <> 'object'
             UNION ALL
            SELECT 2, format('unknown key "%s"; the keys are %s', left(k.key, 60), (SELECT string_agg(c.name, ', ' ORDER BY c.attnum) FROM columns c))
              FROM given g, jsonb_object_keys(g.entry) k (key)
             WHERE k.key NOT IN (SELECT c.name FROM columns c)
             UNION ALL
            SELECT 3, format('key "%s" is missing', c.name) FROM columns c WHERE c.is_needed AND c.found IS NULL
             UNION ALL
            SELECT 4, format('"%s" must be %s, not %s', m.name, m.expected, left(m.value::text, 60)) FROM misfits m) p (step, problem)
     ORDER BY p.step, p.problem LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@._draft_problem(regclass, jsonb) IS
'Why a JSON object is no row of a table, by the types of its columns; NULL when it is one. Only the
simulations call it.';

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
    EXECUTE format('SELECT to_jsonb(presets) FROM (SELECT %s) presets', coalesce(presets, '')) INTO entry;
    -- A bundle needs no name to have a price.
    entry := jsonb_build_object('id', id, 'name', '') || entry || draft;
    FOR checked IN
        SELECT n.conname, n.conkey, pg_get_expr(n.conbin, n.conrelid) AS expression, obj_description(n.oid, 'pg_constraint') AS words
          FROM pg_constraint n
         WHERE n.conrelid = whose AND n.contype = 'c'
           -- Of tables that Citus spreads: what it asks for changes no price.
           AND n.conname <> 'promotional_codes_normalized_check'
         ORDER BY n.conname
    LOOP
        EXECUTE format('SELECT NOT (%s) FROM jsonb_populate_record(NULL::%s, $1) %I', checked.expression, whose,
                       (SELECT c.relname FROM pg_class c WHERE c.oid = whose)) INTO is_broken USING entry;
        IF is_broken THEN
            broken_constraint := checked.conname;
            -- The comment on a constraint says in a line what must hold, and in another what to do about it.
            rule := format('%s (%s)', CASE WHEN checked.words LIKE E'%\n%' THEN split_part(checked.words, E'\n', 1) ELSE checked.expression END,
                           (SELECT string_agg(format('%s: %s', a.attname, left(entry ->> a.attname::text, 60)), ', ' ORDER BY a.attnum)
                              FROM pg_attribute a WHERE a.attrelid = whose AND a.attnum = ANY (checked.conkey)));
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
