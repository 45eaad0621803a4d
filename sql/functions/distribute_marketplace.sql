-- Distributes the tables over the nodes of a Citus cluster: the catalog is copied to every node, and the users' rows
-- are stored on the node that their user's id hashes to. Statements about Citus are dynamic, because it need not be
-- installed.
--
-- The tables stay members of the extension. CREATE EXTENSION has made them on every node, and Citus does not change
-- the definitions of such tables. So each node is prepared separately, by the same function.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@._refuse_distribution(text, text, text) IS
'Raises one of the errors of distribute_marketplace(). Only that and what it calls call it.';
ALTER FUNCTION @extschema@._refuse_distribution(text, text, text) COST 10;

COMMENT ON FUNCTION @extschema@._hold_user(text) IS
'Has this node hold a user''s lock until the transaction ends. Only the other nodes of a Citus cluster call it, on the node of the
user''s rows, as the owner of the tables.';
ALTER FUNCTION @extschema@._hold_user(text) COST 100;

COMMENT ON FUNCTION @extschema@._make_unclaimed_table() IS
'Makes the table of what payment providers told of things that nothing is known to be about, if it is not there and the owner may make
tables. Returns: whether it is there. Only distribute_marketplace() calls it.';
ALTER FUNCTION @extschema@._make_unclaimed_table() COST 100000;

COMMENT ON FUNCTION @extschema@._plan_call_of_user(internal) IS
'Planner support of the functions that Citus sends to the node of a user: a call without a user stays where it is, as Citus 14 crashes
when it looks for its node. Not called by anybody but PostgreSQL.';

CREATE FUNCTION @extschema@._is_member(class regclass, object oid) RETURNS boolean
LANGUAGE sql COST 100 SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_depend d
                     JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'extensions'
                    WHERE d.classid = class AND d.objid = object AND d.deptype = 'e')
$$;
COMMENT ON FUNCTION @extschema@._is_member(regclass, oid) IS
'Whether an object, a row of that catalog, belongs to the extension. Only the functions below call it.';

-- The distribution of a table as this node knows it: r for a reference table, h for a hash-distributed one, NULL for
-- a local one.
CREATE FUNCTION @extschema@._distribution_method(relation regclass) RETURNS "char"
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 200 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    method "char";
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        EXECUTE 'SELECT CASE WHEN p.partmethod = ''n'' AND p.repmodel = ''t'' THEN ''r'' ELSE p.partmethod END
                   FROM pg_dist_partition p WHERE p.logicalrelid = $1' INTO method USING relation;
    END IF;
    RETURN method;
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_method(regclass) IS
'How Citus spreads a table: r copied to every node, h by a hash of the user; NULL for a table that is only here.
Only check_installation() and the functions below call it.';

-- Commands for this node that change what Citus does not support: triggers and primary keys that it refuses, and
-- functions that it cannot look into.
CREATE FUNCTION @extschema@._distribution_preparations() RETURNS SETOF text
LANGUAGE sql COST 100000 ROWS 30 SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('DROP TRIGGER %I ON %s', t.tgname, m.relation)
      FROM @extschema@._marketplace_tables() m
      JOIN pg_trigger t ON t.tgrelid = m.relation AND NOT t.tgisinternal AND @extschema@._is_member('pg_proc', t.tgfoid)
     UNION ALL
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', m.relation, c.conname)
      FROM @extschema@._marketplace_tables() m
      JOIN pg_constraint c ON c.conrelid = m.relation AND c.contype = 'f'
     WHERE @extschema@._distribution_method(m.relation) IS NULL
     UNION ALL
    -- With the id first, for those who look for nothing else.
    SELECT format('ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I PRIMARY KEY (id, user_id)', m.relation, c.conname)
      FROM @extschema@._marketplace_tables() m
      JOIN pg_constraint c ON c.conrelid = m.relation AND c.contype = 'p' AND cardinality(c.conkey) = 1
     WHERE m.has_users
     UNION ALL
    -- The trigger that normalizes codes is dropped, so a constraint refuses those that are not normalized.
    SELECT format('ALTER TABLE %s ADD CONSTRAINT promotional_codes_normalized_check CHECK (code = %s(code))',
                  m.relation, '@extschema@.normalized_code')
      FROM @extschema@._marketplace_tables() m
     WHERE m.name = 'promotional_codes'
       AND NOT EXISTS (SELECT FROM pg_constraint c
                        WHERE c.conrelid = m.relation AND c.conname = 'promotional_codes_normalized_check')
     UNION ALL
    -- Citus takes no parameters of functions in SQL, and does not see the tables of a function that becomes part of a query. So
    -- the same query goes into PL/pgSQL; without the casts that keep Citus from knowing the user's column.
    SELECT format('CREATE OR REPLACE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
                   AS $body$ #variable_conflict use_column BEGIN RETURN QUERY %s END $body$',
                  p.oid::regproc, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                  regexp_replace(regexp_replace(pg_get_function_sqlbody(p.oid), '^BEGIN ATOMIC(.*)END$', '\1'),
                                 '\(([a-z]+\.user_id)\)::text = ', '\1 = ', 'g'))
      FROM pg_proc p
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'sql'
     WHERE p.pronamespace = '@extschema@'::regnamespace
       AND p.proname IN ('active_add_ons', 'entitled_users')
$$;
COMMENT ON FUNCTION @extschema@._distribution_preparations() IS
'What is left to do on this node before Citus can spread the tables, as commands. Only the functions below call it.';

-- Another node may wait for a lock that the asking transaction itself holds there, and nobody would find that deadlock.
CREATE FUNCTION @extschema@._prepare_distribution() RETURNS bigint
LANGUAGE plpgsql COST 10000000 SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    commands CONSTANT text[] := ARRAY(SELECT c FROM @extschema@._distribution_preparations() c);
    command text;
BEGIN
    -- What is done here is done on each node by this same function.
    PERFORM set_config('citus.enable_ddl_propagation', 'off', true);
    FOREACH command IN ARRAY commands LOOP
        EXECUTE command;
    END LOOP;
    PERFORM set_config('citus.enable_ddl_propagation', 'on', true);
    RETURN cardinality(commands);
END
$$;
COMMENT ON FUNCTION @extschema@._prepare_distribution() IS
'Makes the tables of this node such that Citus can spread them. Only distribute_marketplace() calls it.';

CREATE FUNCTION @extschema@._distribution_of_node() RETURNS jsonb
LANGUAGE plpgsql COST 200000 SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    local_table text;
    has_rows boolean;
    filled text[] := '{}';
BEGIN
    FOR local_table IN
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relkind IN ('r', 'p')
           AND (c.relname = 'marketplace_unclaimed' OR c.oid IN (SELECT m.relation FROM @extschema@._marketplace_tables() m))
           AND @extschema@._distribution_method(c.oid) IS NULL
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s.%I)', '@extschema@', local_table) INTO has_rows;
        IF has_rows THEN
            filled := filled || local_table;
        END IF;
    END LOOP;
    RETURN jsonb_build_object(
        'tables_with_rows', to_jsonb(filled),
        'preparations', (SELECT count(*) FROM @extschema@._distribution_preparations()),
        'max_prepared_transactions', current_setting('max_prepared_transactions')::integer);
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_of_node() IS
'What distribute_marketplace() and distribution_status() want to know of each node. Only _distribution_nodes() calls it.';

-- Each node, its version of the extension and the result of its _distribution_of_node(); NULL if the extension is
-- missing.
CREATE FUNCTION @extschema@._distribution_nodes() RETURNS TABLE (node text, is_worker boolean, version text, report jsonb, failure text)
LANGUAGE plpgsql COST 10000000 ROWS 3 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    worker record;
BEGIN
    node := 'coordinator';
    is_worker := false;
    SELECT e.extversion, @extschema@._distribution_of_node() INTO version, report FROM pg_extension e WHERE e.extname = 'extensions';
    RETURN NEXT;
    is_worker := true;
    FOR worker IN EXECUTE $query$
        SELECT * FROM run_command_on_workers(
                   'SELECT coalesce((SELECT e.extversion FROM pg_extension e WHERE e.extname = ''extensions''), '''')')
         ORDER BY nodename, nodeport $query$
    LOOP
        node := format('node %s:%s', worker.nodename, worker.nodeport);
        version := worker.result;
        report := NULL;
        failure := CASE WHEN NOT worker.success THEN worker.result END;
        IF worker.success AND version <> '' THEN
            EXECUTE 'SELECT CASE WHEN r.success THEN r.result::jsonb END, CASE WHEN NOT r.success THEN r.result END
                       FROM run_command_on_workers(''SELECT @extschema@._distribution_of_node()'') r
                      WHERE r.nodename = $1 AND r.nodeport = $2'
               INTO report, failure USING worker.nodename, worker.nodeport;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_nodes() IS
'Asks every node of the cluster for its _distribution_of_node(). Only distribute_marketplace() and distribution_status() call it.';

-- Everything that prevents distribution, in words.
CREATE FUNCTION @extschema@._distribution_obstacles() RETURNS TABLE (object text, obstacle text)
LANGUAGE plpgsql COST 20000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT 'table ' || m.name, 'it is missing or is no ordinary table'
          FROM @extschema@._marketplace_tables() m
          LEFT JOIN pg_class c ON c.oid = m.relation AND c.relkind = 'r'
         WHERE c.oid IS NULL
         UNION ALL
        SELECT 'table ' || m.name, 'it does not belong to the extension: call attach_tables() first'
          FROM @extschema@._marketplace_tables() m
         WHERE m.relation IS NOT NULL AND NOT @extschema@._is_member('pg_class', m.relation)
         UNION ALL
        SELECT 'table ' || m.name, format('trigger %s is not the extension''s: drop it', t.tgname)
          FROM @extschema@._marketplace_tables() m
          JOIN pg_trigger t ON t.tgrelid = m.relation AND NOT t.tgisinternal AND NOT @extschema@._is_member('pg_proc', t.tgfoid)
         UNION ALL
        SELECT 'table ' || m.name, 'policy user_isolation looks into another query: call disable_user_isolation() first'
          FROM @extschema@._marketplace_tables() m
          JOIN pg_policy p ON p.polrelid = m.relation AND p.polname = 'user_isolation'
         UNION ALL
        SELECT 'table ' || c.conrelid::regclass,
               format('foreign key %s to %s: %s', c.conname, c.confrelid::regclass,
                      CASE WHEN c.conname IN ('pricing_rules_tier_code_fkey', 'add_on_features_feature_key_fkey')
                           THEN 'call unlink_reference_tables() first' ELSE 'drop it' END)
          FROM pg_constraint c
         WHERE c.contype = 'f'
           AND (c.conrelid IN (SELECT m.relation FROM @extschema@._marketplace_tables() m))
               <> (c.confrelid IN (SELECT m.relation FROM @extschema@._marketplace_tables() m))
           AND EXISTS (SELECT FROM @extschema@._marketplace_tables() m
                        WHERE m.relation IN (c.conrelid, c.confrelid) AND @extschema@._distribution_method(m.relation) IS NULL);
    RETURN QUERY
        SELECT n.node, o.obstacle
          FROM @extschema@._distribution_nodes() n
         CROSS JOIN LATERAL (
               SELECT n.failure WHERE n.failure IS NOT NULL
                UNION ALL
               SELECT format('it has version %s of the extension, and this node %s', n.version, e.extversion)
                 FROM pg_extension e
                WHERE e.extname = 'extensions' AND n.failure IS NULL AND n.version NOT IN ('', e.extversion)
                UNION ALL
               SELECT format('rows in its own %s would be hidden: delete them there', t.name)
                 FROM jsonb_array_elements_text(n.report -> 'tables_with_rows') t (name)
                WHERE n.is_worker
                UNION ALL
               SELECT 'max_prepared_transactions is 0: two-phase commits need more'
                WHERE (n.report -> 'max_prepared_transactions') = '0') o (obstacle);
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_obstacles() IS
'What is in the way of distribute_marketplace(), object by object. Only that and distribution_status() call it.';

-- The functions whose first argument is the user: they run on the node of the user's rows. Only those with planner
-- support, without which a NULL would crash Citus; the last file of an installation assigns it. A function that may
-- be called without a user queries all nodes.
CREATE FUNCTION @extschema@._functions_of_users() RETURNS SETOF regprocedure
LANGUAGE sql COST 100000 ROWS 25 SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid::regprocedure
      FROM pg_proc p
     WHERE p.pronargs > p.pronargdefaults AND p.proargnames[1] = 'user_id' AND p.prosupport::oid <> 0 AND @extschema@._is_member('pg_proc', p.oid)
     ORDER BY p.proname
$$;
COMMENT ON FUNCTION @extschema@._functions_of_users() IS
'The functions that Citus sends to the node of the user, whom their first argument names. Only distribute_marketplace() and
distribution_status() call it.';

-- Refuses what cannot work, before anything is changed.
CREATE FUNCTION @extschema@._check_distribution(shard_count integer) RETURNS void
LANGUAGE plpgsql COST 20000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_coordinator boolean;
    obstacles text;
    plain_owner name;
BEGIN
    IF shard_count IS NULL OR shard_count NOT BETWEEN 1 AND 64000 THEN
        PERFORM @extschema@._refuse_distribution('invalid_shard_count', NULL, coalesce(shard_count::text, 'NULL'));
    END IF;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM @extschema@._refuse_distribution('citus_missing', NULL, NULL);
    END IF;
    -- Citus moves rows and makes constraints with the rights of whoever asks for it, and what the tables' owner has defined with them.
    SELECT r.rolname INTO plain_owner
      FROM @extschema@._marketplace_tables() m JOIN pg_class c ON c.oid = m.relation JOIN pg_roles r ON r.oid = c.relowner
     WHERE NOT r.rolsuper AND (SELECT me.rolsuper FROM pg_roles me WHERE me.rolname = current_user)
     LIMIT 1;
    IF plain_owner IS NOT NULL THEN
        PERFORM @extschema@._refuse_distribution('not_distributable', NULL, format(
                    'The tables belong to %I, who is no superuser: connect as that role.', plain_owner));
    END IF;
    EXECUTE 'SELECT citus_is_coordinator()' INTO is_coordinator;
    IF NOT is_coordinator THEN
        PERFORM @extschema@._refuse_distribution('not_coordinator', NULL, NULL);
    END IF;
    SELECT string_agg(format('%s: %s.', o.object, o.obstacle), ' ' ORDER BY o.object, o.obstacle) INTO obstacles
      FROM @extschema@._distribution_obstacles() o;
    IF obstacles IS NOT NULL THEN
        PERFORM @extschema@._refuse_distribution('not_distributable', NULL, obstacles);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._check_distribution(integer) IS
'Raises an error that names everything that is in the way. Only distribute_marketplace() calls it.';

-- The foreign keys that _prepare_distribution() has dropped, as they were installed.
CREATE FUNCTION @extschema@._distribution_foreign_keys() RETURNS TABLE (name text, command text, is_there boolean)
LANGUAGE sql COST 10000 ROWS 5 SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.name, format('ALTER TABLE %s ADD CONSTRAINT %I %s', m.relation, e.name, e.definition),
           EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = m.relation AND c.conname = e.name)
      FROM @extschema@._marketplace_tables() m
      JOIN @extschema@._expected_objects() e ON e.kind = 'constraint' AND e.table_name = m.name AND e.definition LIKE 'FOREIGN KEY%'
     ORDER BY m.place
$$;
COMMENT ON FUNCTION @extschema@._distribution_foreign_keys() IS
'The foreign keys between the tables, and whether they are there. Only distribute_marketplace() and distribution_status() call it.';

-- Makes sure that every worker has the extension, with its tables in the form that Citus accepts.
CREATE FUNCTION @extschema@._prepare_workers() RETURNS TABLE (object text, status text)
LANGUAGE plpgsql COST 100000000 ROWS 3 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    command text;
    worker record;
BEGIN
    FOREACH command IN ARRAY ARRAY[
        -- Citus itself makes extensions on the workers that are made after it.
        (SELECT format('DO $do$ BEGIN
                            PERFORM set_config(''citus.enable_ddl_propagation'', ''off'', true), set_config(''lock_timeout'', ''10s'', true);
                            CREATE SCHEMA IF NOT EXISTS %1$s;
                            CREATE EXTENSION IF NOT EXISTS extensions SCHEMA %1$s VERSION %2$L;
                            -- Of its own, without rows; Citus makes it anew.
                            IF %1$s._distribution_method(to_regclass(%3$L)) IS NULL THEN
                                DROP TABLE IF EXISTS %1$s.marketplace_unclaimed;
                            END IF;
                        END $do$', e.extnamespace::regnamespace, e.extversion, '@extschema@.marketplace_unclaimed')
           FROM pg_extension e WHERE e.extname = 'extensions'),
        'SELECT @extschema@._prepare_distribution()']
    LOOP
        FOR worker IN EXECUTE 'SELECT * FROM run_command_on_workers($1)' USING command LOOP
            object := format('node %s:%s', worker.nodename, worker.nodeport);
            IF NOT worker.success THEN
                PERFORM @extschema@._refuse_distribution('node_not_prepared', object, worker.result);
            END IF;
            IF command LIKE 'SELECT%' THEN
                status := CASE worker.result WHEN '0' THEN 'was prepared' ELSE format('prepared by %s changes', worker.result) END;
                RETURN NEXT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._prepare_workers() IS
'Prepares the other nodes; what is done there is done, whatever becomes of the transaction. Only distribute_marketplace() calls it.';

-- Distributes a table that is still local. Returns what was done, or that it was done before.
CREATE FUNCTION @extschema@._distribute_table(relation regclass, has_users boolean, shard_count integer) RETURNS text
LANGUAGE plpgsql COST 100000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done CONSTANT text := CASE WHEN has_users THEN 'spread by user_id' ELSE 'copied to every node' END;
BEGIN
    IF @extschema@._distribution_method(relation) IS NOT NULL THEN
        RETURN 'was ' || done;
    ELSIF NOT has_users THEN
        EXECUTE 'SELECT create_reference_table($1)' USING relation;
    ELSIF relation = '@extschema@.user_add_ons'::regclass THEN
        EXECUTE 'SELECT create_distributed_table($1, ''user_id'', colocate_with => ''none'', shard_count => $2)'
          USING relation, shard_count;
    ELSE
        EXECUTE 'SELECT create_distributed_table($1, ''user_id'', colocate_with => ''@extschema@.user_add_ons'')' USING relation;
    END IF;
    RETURN done;
END
$$;
COMMENT ON FUNCTION @extschema@._distribute_table(regclass, boolean, integer) IS
'Has Citus spread one table. Only distribute_marketplace() calls it.';

CREATE FUNCTION @extschema@.distribute_marketplace(shard_count integer DEFAULT 32) RETURNS TABLE (object text, status text)
LANGUAGE plpgsql COST 1000000000 ROWS 40 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
BEGIN
    PERFORM @extschema@._check_distribution(shard_count);
    RETURN QUERY SELECT * FROM @extschema@._prepare_workers();
    object := 'coordinator';
    SELECT CASE p WHEN 0 THEN 'was prepared' ELSE format('prepared by %s changes', p) END INTO status
      FROM @extschema@._prepare_distribution() p;
    RETURN NEXT;

    -- Tables that refer to each other cannot be changed over many connections at once.
    PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
    FOR item IN SELECT * FROM @extschema@._marketplace_tables() m ORDER BY m.place LOOP
        object := 'table ' || item.name;
        status := @extschema@._distribute_table(item.relation, item.has_users, shard_count);
        RETURN NEXT;
    END LOOP;
    IF @extschema@._make_unclaimed_table() THEN
        object := 'table marketplace_unclaimed';
        status := @extschema@._distribute_table('@extschema@.marketplace_unclaimed', false, shard_count);
        RETURN NEXT;
    END IF;
    FOR item IN SELECT * FROM @extschema@._distribution_foreign_keys() LOOP
        object := 'constraint ' || item.name;
        status := 'was there';
        IF NOT item.is_there THEN
            EXECUTE item.command;
            status := 'added again';
        END IF;
        RETURN NEXT;
    END LOOP;
    FOR item IN SELECT f AS name FROM @extschema@._functions_of_users() f LOOP
        EXECUTE 'SELECT create_distributed_function($1, ''user_id'', colocate_with => ''@extschema@.user_add_ons'')' USING item.name;
        object := 'function ' || item.name;
        status := 'runs on the node of its user';
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION @extschema@.distribute_marketplace(integer) IS
'Spreads the tables over the nodes of a Citus cluster: the catalog is copied to every node, the rows of users are on the node that their
user_id hashes to, and the functions whose first argument is user_id run there. Every node is prepared for it: the triggers of the tables
are dropped, and the primary keys of the users'' tables become (id, user_id). Calling it again does what is left to do, for example after
adding a node or updating the extension. It locks out everybody, and moves all rows.
Arguments: shard_count, the number of parts into which the users'' rows are divided.
Returns: a row for each node, table, foreign key and function: object; status, what was done, or that nothing had to be done.
Errors: 22023 invalid_shard_count; 55000 citus_missing, not_coordinator, node_not_prepared, not_distributable, which names all
obstacles; 42501, the caller does not own the tables.';

CREATE FUNCTION @extschema@.distribution_status() RETURNS TABLE (object text, ok boolean, detail text)
LANGUAGE plpgsql COST 50000000 ROWS 40 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    citus_version CONSTANT text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'citus');
BEGIN
    RETURN QUERY SELECT 'citus', citus_version IS NOT NULL, coalesce('version ' || citus_version, 'is not installed in this database');
    IF citus_version IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT o.object, false, o.obstacle FROM @extschema@._distribution_obstacles() o;
    RETURN QUERY
        SELECT n.node, coalesce((n.report ->> 'preparations') = '0', false),
               CASE WHEN n.failure IS NOT NULL THEN 'cannot be asked'
                    WHEN n.version = '' THEN 'the extension is missing: call distribute_marketplace()'
                    WHEN (n.report ->> 'preparations') = '0' THEN format('version %s, prepared', n.version)
                    ELSE format('%s changes are left to make: call distribute_marketplace()', n.report ->> 'preparations') END
          FROM @extschema@._distribution_nodes() n;
    RETURN QUERY
        SELECT 'table ' || m.name, coalesce(s.method = CASE WHEN m.has_users THEN 'h' ELSE 'r' END, false),
               CASE WHEN s.method IS NULL THEN 'only on this node: call distribute_marketplace()'
                    WHEN s.method = 'r' THEN 'copied to every node'
                    WHEN s.method = 'h' THEN 'spread by user_id'
                    ELSE 'spread in another way' END
          FROM (SELECT * FROM @extschema@._marketplace_tables()
                 UNION ALL
                SELECT 9, c.relname, c.oid, false
                  FROM pg_class c
                 WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = 'marketplace_unclaimed' AND c.relkind = 'r') m
         CROSS JOIN LATERAL (SELECT @extschema@._distribution_method(m.relation)) s (method)
         ORDER BY m.place;
    RETURN QUERY
        SELECT 'constraint ' || k.name, k.is_there,
               CASE WHEN k.is_there THEN 'is there' ELSE 'is missing: call distribute_marketplace()' END
          FROM @extschema@._distribution_foreign_keys() k;
    RETURN QUERY EXECUTE $query$
        SELECT 'function ' || f::text, o.distribution_argument_index IS NOT NULL,
               CASE WHEN o.distribution_argument_index IS NOT NULL THEN 'runs on the node of its user'
                    ELSE 'runs where it is called: call distribute_marketplace()' END
          FROM @extschema@._functions_of_users() f
          LEFT JOIN pg_dist_object o ON o.classid = 'pg_proc'::regclass AND o.objid = f::oid
    $query$;
END
$$;

COMMENT ON FUNCTION @extschema@.distribution_status() IS
'Whether the tables are spread over the nodes of a Citus cluster, and what is in the way or left to do.
Arguments: none.
Returns: a row for Citus, each obstacle, node, table, foreign key and function: object; ok; detail. Without Citus, only the first.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
