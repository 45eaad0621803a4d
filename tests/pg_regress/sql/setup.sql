-- Installs the extension and loads the sample catalog for the suites that follow.
CREATE EXTENSION extensions;
SELECT * FROM load_sample_catalog();
SELECT * FROM load_sample_catalog(); -- nothing to do the second time
SELECT * FROM check_marketplace();
SELECT name, base_price, category, jsonb_array_length(features) AS features FROM add_ons ORDER BY sort_order;
SELECT a.name, count(*) AS features FROM add_on_features f JOIN add_ons a ON a.id = f.add_on_id GROUP BY a.name, a.sort_order ORDER BY a.sort_order;
SELECT b.name, b.discount_percent, array_agg(a.name ORDER BY a.sort_order) AS add_ons
  FROM add_on_bundles b JOIN add_ons a ON a.id = ANY (b.add_on_ids) GROUP BY b.id ORDER BY b.id;
SELECT code, discount_type, discount_value, max_uses, user_restrictions, round(extract(epoch FROM expires_at - now()) / 86400) AS days FROM promotional_codes ORDER BY id;

-- What a call is refused with; a call that is not refused is undone as well.
CREATE SCHEMA testing;
CREATE FUNCTION testing.refusal(call text, OUT state text, OUT code text, OUT message text) LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    constraint_name text;
BEGIN
    EXECUTE call;
    RAISE EXCEPTION 'not refused' USING ERRCODE = 'ZZZZZ';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            constraint_name = CONSTRAINT_NAME;
    code := substring(detail FROM 'code: (\w+)$');
    IF constraint_name <> '' THEN
        code := constraint_name;
        message := 'violates a constraint';
    END IF;
END
$$;
