-- Plain SQL, so that the planner can inline the functions into the calling query. Their columns have exactly the
-- declared types, because distribute_marketplace() turns them into PL/pgSQL.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.has_feature(text, text, timestamptz) IS
'Whether the user has the feature through some add-on they own (semantics 5).
Arguments: user_id; feature_key; at, the instant of the decision.
Returns: true or false, never NULL; false for a NULL argument.
A statement that asks about many users, as WHERE has_feature(t.user_id, ''x'') does, reads all entitled users at once where that is
cheaper. entitled_users() returns all of them.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.has_feature(text, text, timestamptz) COST 100;

COMMENT ON FUNCTION @extschema@.has_add_on(text, uuid, timestamptz) IS
'Whether the user owns the add-on (semantics 5).
Arguments: user_id; add_on_id; at, the instant of the decision.
Returns: true or false, never NULL; false for a NULL argument or an unknown add-on.
A statement that asks about many users reads all of them at once, as with has_feature().
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.has_add_on(text, uuid, timestamptz) COST 100;

COMMENT ON FUNCTION @extschema@._plan_entitlement_check(internal) IS
'Planner support of has_feature() and has_add_on(): with Citus, a call without a user stays where it is. Not called by anybody but
PostgreSQL.';

COMMENT ON FUNCTION @extschema@.has_features(text, text[], timestamptz) IS
'has_feature() for several features at once.
Arguments: user_id; feature_keys; at, the instant of the decision.
Returns: a row for each given key, in the given order; entitled is never NULL.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.has_features(text, text[], timestamptz) COST 1500 ROWS 5;

COMMENT ON FUNCTION @extschema@.feature_configuration(text, text, timestamptz) IS
'The limits and options of a feature, merged over all add-ons that give it to the user: key by key, numbers by the larger,
booleans by OR, anything else from the most recently purchased add-on (semantics 5).
Arguments: user_id; feature_key; at.
Returns: the configuration; NULL when the user does not have the feature.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.feature_configuration(text, text, timestamptz) COST 1500;

COMMENT ON FUNCTION @extschema@.user_features(text, timestamptz) IS
'Every feature that the user has (semantics 5).
Arguments: user_id; at.
Returns: a row for each feature, in key order: feature_key; configuration, merged as by feature_configuration(); add_on_ids, the
add-ons that give it; expires_at, when the last of them ends, NULL for no end.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.user_features(text, timestamptz) COST 1500 ROWS 20;

CREATE FUNCTION @extschema@.active_add_ons(user_id text, at timestamptz DEFAULT now())
RETURNS TABLE (
    add_on_id uuid, name text, category text, purchased_at timestamptz, expires_at timestamptz, auto_renew boolean, quantity integer
)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 ROWS 10
BEGIN ATOMIC
    SELECT u.add_on_id, a.name::text, a.category::text, u.purchased_at, u.expires_at, u.auto_renew, u.quantity
      FROM @extschema@.user_add_ons u
      JOIN @extschema@.add_ons a ON a.id = u.add_on_id
     WHERE u.user_id = active_add_ons.user_id
       AND u.status = 'active'
       AND u.purchased_at <= at
       AND (u.expires_at IS NULL OR u.expires_at > at)
     ORDER BY u.purchased_at DESC, u.add_on_id;
END;

COMMENT ON FUNCTION @extschema@.active_add_ons(text, timestamptz) IS
'The add-ons that the user owns, the most recently purchased first (semantics 5).
Arguments: user_id; at.
Returns: a row for each add-on, also for those no longer sold; quantity, the units that the user has of it.
Errors: none.';

CREATE FUNCTION @extschema@.entitled_users(feature_key text, at timestamptz DEFAULT now())
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 ROWS 10000
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

COMMENT ON FUNCTION @extschema@.entitled_users(text, timestamptz) IS
'Every user who has the feature, faster than calling has_feature() for each user (semantics 5).
Arguments: feature_key; at.
Returns: each user once, in no particular order.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
