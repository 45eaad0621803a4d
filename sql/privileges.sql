-- The end of every installation and every update. Nobody may call anything before grant_marketplace_access(), except what
-- constraints call in the name of whoever writes. Everything belongs to the owner of the tables, at first whoever makes the extension,
-- who need not be a superuser; but not the function of an event trigger, which runs in everybody's name.
--
-- Only what is not so already is changed: a change locks a table, and in an update PostgreSQL takes the privileges that a function
-- has then for its initial ones, which pg_dump leaves out.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
    owner CONSTANT regrole := (SELECT c.relowner FROM pg_class c WHERE c.oid = '@extschema@.add_ons'::regclass);
    member record;
BEGIN
    FOR member IN
        SELECT p.oid::regprocedure AS function,
               p.proowner <> owner AND p.prorettype <> 'event_trigger'::regtype AS is_not_owned,
               p.proname NOT IN ('has_no_duplicates', 'check_pricing_conditions', 'check_user_restrictions')
               AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS is_public
          FROM pg_proc p
          JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions'
    LOOP
        IF member.is_not_owned THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO %s', member.function, owner);
        END IF;
        IF member.is_public THEN
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', member.function);
        END IF;
    END LOOP;
    FOR member IN
        SELECT c.oid::regclass AS relation, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
          FROM pg_class c
          JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions' AND c.relkind IN ('r', 'v') AND c.relowner <> owner
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %s', member.kind, member.relation, owner);
    END LOOP;
END
$$;

SET LOCAL search_path = @extschema@, pg_temp;
