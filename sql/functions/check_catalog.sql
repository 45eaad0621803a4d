-- Finds what cannot work in the catalog; check_marketplace() reports it. Both functions have a body as text and a SET
-- clause, so that they are not inlined: Citus would not find the tables in them. The column names come from the first
-- SELECT of the UNION, as Citus requires.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@._check_catalog_body() RETURNS TABLE (check_name text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH rules AS (
        SELECT r.*, 'the rule ' || r.id || ' of add-on "' || a.name || '"' AS label,
               -- Keys that always hold are no conditions.
               NOT EXISTS (SELECT FROM jsonb_each(r.conditions) c
                            WHERE NOT (c.key = 'stackable' OR c.value = 'false'
                                       OR c.key = 'min_quantity' AND c.value = '1' OR c.key = 'min_subtotal' AND c.value = '0'
                                       OR c.key IN ('requires_addon', 'excludes_addon') AND c.value = '[]')) AS is_unconditional,
               coalesce((r.conditions -> 'stackable')::boolean, false) AS is_stackable
          FROM @extschema@.pricing_rules r
          JOIN @extschema@.add_ons a ON a.id = r.add_on_id
         WHERE r.is_active
    ), bundles AS (
        SELECT b.*, 'the bundle "' || b.name || '" (' || b.id || ')' AS label
          FROM @extschema@.add_on_bundles b
         WHERE b.is_active
    ), codes AS (
        SELECT c.*, 'the code ' || c.code || ' (' || c.id || ')' AS label
          FROM @extschema@.promotional_codes c
         WHERE c.is_active
    ), impossible_rules (label, because) AS (
            SELECT r.label, 'min_quantity ' || (r.conditions ->> 'min_quantity') || ' is more than max_quantity '
                            || (r.conditions ->> 'max_quantity') AS because
              FROM rules r
             WHERE (r.conditions ->> 'min_quantity')::integer > (r.conditions ->> 'max_quantity')::integer
        UNION ALL
            SELECT r.label, 'it both requires and excludes add-on ' || required.id
              FROM rules r
             CROSS JOIN jsonb_array_elements_text(r.conditions -> 'requires_addon') required (id)
             WHERE r.conditions -> 'excludes_addon' ? required.id
        UNION ALL
            SELECT r.label, 'it excludes its own add-on, which is in every cart that it looks at'
              FROM rules r
             WHERE r.conditions -> 'excludes_addon' ? r.add_on_id::text
        UNION ALL
            SELECT r.label, 'it requires add-on ' || required.id || ', which does not exist'
              FROM rules r
             CROSS JOIN jsonb_array_elements_text(r.conditions -> 'requires_addon') required (id)
             WHERE NOT EXISTS (SELECT FROM @extschema@.add_ons a WHERE a.id = required.id::uuid)
        UNION ALL
            SELECT r.label, 'it allows no billing_type'
              FROM rules r
             WHERE r.conditions -> 'billing_type' = '[]'
        UNION ALL
            SELECT r.label, t.relname || ' knows no tier ' || r.tier_code
              FROM rules r
              JOIN @extschema@._unknown_references() unknown ON unknown.from_column = 'tier_code' AND unknown.value = r.tier_code
              JOIN pg_class t ON t.oid = unknown.to_table
        UNION ALL
            SELECT r.label, 'the rule ' || min(winner.id::text) || ' of a higher priority always wins: it has no conditions'
              FROM rules r
              JOIN rules winner ON winner.add_on_id = r.add_on_id AND winner.priority > r.priority
                               AND winner.is_unconditional
                               AND (winner.tier_code IS NULL OR winner.tier_code = r.tier_code)
                               AND (winner.valid_from IS NULL OR winner.valid_from <= r.valid_from)
                               AND (winner.valid_until IS NULL OR winner.valid_until >= r.valid_until)
             -- Only stackable rules follow a stackable winner, but another winner may come first.
             WHERE NOT (winner.is_stackable AND r.is_stackable)
             GROUP BY r.label
    ), ended (label, because) AS (
        -- These applied once. Sales end all the time, and hardly anybody switches them off then.
            SELECT r.label, 'its window is over' AS because
              FROM rules r
             WHERE r.valid_until <= now()
        UNION ALL
            SELECT b.label, 'its window is over'
              FROM bundles b
             WHERE b.valid_until <= now()
        UNION ALL
            SELECT b.label, 'add-on "' || a.name || '" (' || a.id || ') is withdrawn from sale'
              FROM bundles b
              JOIN @extschema@.add_ons a ON a.id = ANY (b.add_on_ids) AND NOT a.is_active
        UNION ALL
            SELECT c.label, 'it has expired'
              FROM codes c
             WHERE c.expires_at <= now()
        UNION ALL
            SELECT c.label, 'all ' || c.max_uses || ' uses are taken'
              FROM codes c
             WHERE c.current_uses >= c.max_uses
        UNION ALL
            SELECT c.label, 'none of the add-ons that it is good for is on sale'
              FROM codes c
             WHERE NOT EXISTS (SELECT FROM @extschema@.add_ons a
                                WHERE a.is_active AND (c.applicable_to IS NULL OR a.id = ANY (c.applicable_to)))
               AND (c.applicable_to IS NOT NULL OR EXISTS (SELECT FROM @extschema@.add_ons))
    ), discounts (check_name, label, percent, amount) AS (
            SELECT 'pricing_rules', r.label, r.discount_percent, r.discount_amount FROM rules r
        UNION ALL
            SELECT 'bundles', b.label, b.discount_percent, b.discount_amount FROM bundles b
        UNION ALL
            SELECT 'promotional_codes', c.label, CASE c.discount_type WHEN 'percentage' THEN c.discount_value ELSE 0 END,
                   CASE c.discount_type WHEN 'percentage' THEN 0 ELSE c.discount_value END
              FROM codes c
    )
    SELECT 'pricing_rules', r.label || ' can never apply: ' || r.because
      FROM impossible_rules r
    UNION ALL
    SELECT 'ended', e.label || ' no longer applies: ' || e.because
      FROM ended e
    UNION ALL
    SELECT 'bundles', b.label || ' names add-on ' || named.id || ' more than once'
      FROM bundles b
     CROSS JOIN LATERAL (SELECT member.id FROM unnest(b.add_on_ids) member (id) GROUP BY member.id HAVING count(*) > 1) named
    UNION ALL
    SELECT d.check_name, d.label || ' saves nothing'
      FROM discounts d
     WHERE d.percent = 0 AND d.amount = 0
    UNION ALL
    SELECT d.check_name, d.label || ' takes ' || d.percent || ' % off: write 20 for 20 %, not 0.2'
      FROM discounts d
     WHERE d.percent > 0 AND d.percent < 1
    UNION ALL
    SELECT 'bundles', b.label || ' saves nothing'
      FROM bundles b
     WHERE (b.discount_percent > 0 OR b.discount_amount > 0)
       AND 0 = ALL (SELECT a.base_price FROM @extschema@.add_ons a WHERE a.id = ANY (b.add_on_ids))
    UNION ALL
    SELECT 'features', 'add-on "' || a.name || '" (' || a.id || ') lists the feature ' || listed.feature_key
                       || ', which has no row in add_on_features'
      FROM @extschema@.add_ons a
     CROSS JOIN jsonb_array_elements_text(a.features) listed (feature_key)
     WHERE NOT EXISTS (SELECT FROM @extschema@.add_on_features f
                        WHERE f.add_on_id = a.id AND f.feature_key = listed.feature_key)
    UNION ALL
    SELECT 'features', 'add-on "' || a.name || '" (' || a.id || ') gives no feature'
      FROM @extschema@.add_ons a
     WHERE a.is_active AND a.features = '[]'
       AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.enabled)
    UNION ALL
    SELECT 'currency', 'extensions.currency is "' || c.code || '", which prices cannot have: ' || c.problem
      FROM @extschema@._currency_setting() c
     WHERE c.problem IS NOT NULL
    UNION ALL
    SELECT 'currency', 'add-on "' || a.name || '" (' || a.id || ') costs ' || a.base_price || ', which is no multiple of '
                       || c.smallest_unit || ', the smallest amount in ' || c.code
      FROM @extschema@._currency_setting() c
      JOIN @extschema@.add_ons a ON a.base_price % c.smallest_unit <> 0
     WHERE a.is_active
    UNION ALL
    SELECT 'discounts', d.label || ' takes 100 % off'
      FROM discounts d
     WHERE d.percent = 100
$$;
COMMENT ON FUNCTION @extschema@._check_catalog_body() IS
'What _check_catalog() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._check_catalog() RETURNS TABLE (check_name text, detail text)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@._check_catalog() IS
'Finds entries of the catalog that cannot work, or work differently than was probably intended: active rules, bundles and codes that can
never apply, that no longer apply or that save nothing or almost nothing, features without rows, a currency or list prices that cannot be
charged, discounts of 100 %. check_marketplace() reports what it finds.
Arguments: none.
Returns: a row for each problem found: the check of check_marketplace() it belongs to, and a sentence with the id of the row.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
