-- Plain SQL, so that the planner can inline them into the query that calls them. Their columns have the very types that they return,
-- because distribute_marketplace() turns them into PL/pgSQL.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@.active_add_ons(user_id text, at timestamptz DEFAULT now())
RETURNS TABLE (
    add_on_id uuid, name text, category text, purchased_at timestamptz, expires_at timestamptz, auto_renew boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT u.add_on_id, a.name::text, a.category::text, u.purchased_at, u.expires_at, u.auto_renew
      FROM @extschema@.user_add_ons u
      JOIN @extschema@.add_ons a ON a.id = u.add_on_id
     WHERE u.user_id = active_add_ons.user_id
       AND u.status = 'active'
       AND u.purchased_at <= at
       AND (u.expires_at IS NULL OR u.expires_at > at)
     ORDER BY u.purchased_at DESC, u.add_on_id;
END;

CREATE FUNCTION @extschema@.entitled_users(feature_key text, at timestamptz DEFAULT now())
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT DISTINCT u.user_id::text
      FROM @extschema@.user_add_ons u
     WHERE u.status = 'active'
       AND u.purchased_at <= at
       AND (u.expires_at IS NULL OR u.expires_at > at)
       AND u.add_on_id IN (
               SELECT f.add_on_id
                 FROM @extschema@.add_on_features f
                WHERE f.feature_key = entitled_users.feature_key AND f.enabled
            UNION ALL
               SELECT a.id
                 FROM @extschema@.add_ons a
                WHERE a.features ? entitled_users.feature_key
                  AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f
                                   WHERE f.add_on_id = a.id AND f.feature_key = entitled_users.feature_key));
END;

SET LOCAL search_path = @extschema@, pg_temp;
