-- The end of every installation and every update. Nobody may call anything before grant_marketplace_access(),
-- whatever ALTER DEFAULT PRIVILEGES says, except what constraints call with the rights of the writer. Everything
-- belongs to the owner of the tables. At first this is the role that creates the extension, which need not be a
-- superuser. The exception is the function of an event trigger, which runs with everybody's rights.
--
-- Only what differs is changed: a change locks a table, and in an update PostgreSQL records the privileges that a
-- function then has as its initial ones, which pg_dump leaves out.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Citus may send the functions of a user to that user's node.
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid
          FROM pg_proc p
          JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
          JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions' AND p.proargnames[1] = 'user_id' AND p.pronargs > p.pronargdefaults AND p.prosupport::oid = 0
    LOOP
        EXECUTE format('ALTER FUNCTION %s SUPPORT %s', function, '@extschema@._plan_call_of_user');
    END LOOP;
END
$$;

DO $$
DECLARE
    owner CONSTANT regrole := (SELECT c.relowner FROM pg_class c WHERE c.oid = '@extschema@.add_ons'::regclass);
    member record;
    grantee oid;
BEGIN
    FOR member IN
        SELECT format('FUNCTION %s', p.oid::regprocedure) AS name,
               p.proowner <> owner AND p.prorettype <> 'event_trigger'::regtype AS is_not_owned,
               p.proname IN ('has_no_duplicates', 'check_pricing_conditions', 'check_user_restrictions',
                             'check_feature_configuration', 'normalized_code') AS is_for_writers,
               coalesce(p.proacl, acldefault('f', p.proowner)) AS privileges, p.proowner AS maker, age(d.xmin) <= 0 AS is_new
          FROM pg_proc p
          JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions'
         UNION ALL
        SELECT format('TABLE %s', c.oid::regclass), c.relowner <> owner, false,
               coalesce(c.relacl, acldefault('r', c.relowner)), c.relowner, age(d.xmin) <= 0
          FROM pg_class c
          JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions' AND c.relkind IN ('r', 'v')
    LOOP
        -- New objects may have been granted by ALTER DEFAULT PRIVILEGES; older ones were granted on purpose.
        FOR grantee IN
            SELECT DISTINCT a.grantee
              FROM aclexplode(member.privileges) a
             WHERE a.grantee <> member.maker AND (a.grantee = 0 OR member.is_new) AND NOT (a.grantee = 0 AND member.is_for_writers)
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %s', member.name,
                           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END);
        END LOOP;
        IF member.is_not_owned THEN
            EXECUTE format('ALTER %s OWNER TO %s', member.name, owner);
        END IF;
    END LOOP;
END
$$;

SET LOCAL search_path = @extschema@, pg_temp;
