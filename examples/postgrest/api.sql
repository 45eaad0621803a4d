-- A schema for PostgREST, or for anything else that turns HTTP requests into calls of functions with JSON arguments.
-- Run it once, as the owner of the marketplace, where the extension lies in the schema "marketplace". Then, in postgrest.conf:
--     db-uri = "postgres://authenticator@localhost/shop"
--     db-schemas = "api"
--     db-anon-role = "visitor"
--     db-pre-request = "api.identify"
-- Tokens carry {"role": "customer", "sub": "<user id>"}.

CREATE ROLE visitor;
CREATE ROLE customer;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT visitor, customer TO authenticator;

SELECT marketplace.grant_marketplace_access('visitor', 'catalog');
SELECT marketplace.grant_marketplace_access('customer', level) FROM unnest('{catalog,entitlements,shop}'::text[]) level;
-- Whatever a request asks for, it sees one user's rows.
SELECT marketplace.enable_user_isolation('extensions.user_id');

CREATE SCHEMA api;
ALTER DEFAULT PRIVILEGES IN SCHEMA api REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA api TO visitor, customer;

-- Says who the transaction is for. PostgREST calls it first, with the claims of the verified token in a setting.
CREATE FUNCTION api.identify() RETURNS void LANGUAGE sql AS $$
    SELECT set_config('extensions.user_id',
                      coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', ''), true)
$$;

CREATE FUNCTION api.search(search text DEFAULT NULL, category text DEFAULT NULL, max_rows integer DEFAULT 20, skip integer DEFAULT 0)
RETURNS TABLE (add_on_id uuid, name text, description text, category text, base_price numeric, billing_type text, features jsonb)
LANGUAGE sql STABLE AS $$
    SELECT found.add_on_id, found.name, found.description, found.category, found.base_price, found.billing_type, found.features
      FROM marketplace.search_add_ons(search, category, max_rows => max_rows, skip => skip) found
$$;

-- Nobody passes a user id: it is that of the token.
CREATE FUNCTION api.cart(promo_code text DEFAULT NULL) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT marketplace.price_cart(current_setting('extensions.user_id'), promo_code => promo_code)
$$;

CREATE FUNCTION api.put_into_cart(add_on_id uuid, quantity integer DEFAULT 1) RETURNS jsonb LANGUAGE sql AS $$
    SELECT to_jsonb(item) FROM marketplace.add_to_cart(current_setting('extensions.user_id'), add_on_id, quantity) item
$$;

CREATE FUNCTION api.features() RETURNS TABLE (feature_key text, configuration jsonb, expires_at timestamptz) LANGUAGE sql STABLE AS $$
    SELECT mine.feature_key, mine.configuration, mine.expires_at
      FROM marketplace.user_features(current_setting('extensions.user_id')) mine
$$;

-- PostgREST answers SQLSTATE 55000 and P0002 with 500, and PTnnn with the status nnn. What a client should hear of as its own
-- mistake or as a conflict is raised again so, with message, DETAIL and HINT as they were.
CREATE FUNCTION api.checkout(promo_code text DEFAULT NULL, expected_total numeric DEFAULT NULL, idempotency_key text DEFAULT NULL)
RETURNS TABLE (checkout_id uuid, purchase_id uuid, add_on_id uuid, quantity integer, amount numeric, currency text, status text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    message text;
    detail text;
    hint text;
    state text;
BEGIN
    RETURN QUERY SELECT sold.* FROM marketplace.checkout(
        current_setting('extensions.user_id'), NULL, checkout.promo_code, checkout.expected_total, checkout.idempotency_key) sold;
EXCEPTION WHEN object_not_in_prerequisite_state OR no_data_found OR check_violation THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE EXCEPTION USING MESSAGE = message, DETAIL = detail, HINT = hint,
          ERRCODE = CASE state WHEN '55000' THEN 'PT409' WHEN 'P0002' THEN 'PT404' ELSE 'PT422' END;
END
$$;

GRANT EXECUTE ON FUNCTION api.identify, api.search TO visitor, customer;
GRANT EXECUTE ON FUNCTION api.cart, api.put_into_cart, api.features, api.checkout TO customer;
