SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@._explain_checkout_body(checkout_id uuid)
RETURNS TABLE (step integer, stage text, add_on_id uuid, source_id uuid, source text, outcome text, base numeric, discount numeric, detail text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH purchases AS (
        -- Documents that the host has changed so that they cannot be read are left out.
        SELECT CASE WHEN NOT p.metadata @? '$.quote ? (@.type() != "object" || @.bundles.type() != "array"
                         || exists (@.bundles[*] ? (@.instances.type() != "number" || @.base.type() != "number" || @.discount.type() != "number"))
                         || @.promo.valid.type() != "boolean" || @.promo.eligible_amount.type() != "number"
                         || @.promo.discount_value.type() != "number")' THEN p.metadata -> 'quote' END AS quote,
               CASE WHEN NOT p.metadata @? '$.quote_line ? (@.type() != "object" || @.quantity.type() != "number"
                         || @.list_amount.type() != "number" || @.rule_discount.type() != "number" || @.bundle_discount.type() != "number"
                         || @.promo_discount.type() != "number" || @.rules.type() != "array" || @.bundles.type() != "array")'
                    THEN p.metadata -> 'quote_line' END AS line,
               p.add_on_id, p.quantity, p.amount, p.promo_code, a.name,
               row_number() OVER (ORDER BY p.metadata -> 'position', p.purchased_at, p.id) AS place
          FROM @extschema@.add_on_purchases p
          JOIN @extschema@.add_ons a ON a.id = p.add_on_id
         WHERE p.checkout_id = _explain_checkout_body.checkout_id
    ), lines AS (
        SELECT p.place, p.add_on_id, coalesce(p.line ->> 'name', p.name) AS name, p.amount, p.promo_code,
               coalesce((p.line -> 'quantity')::numeric, p.quantity) AS quantity, p.line ->> 'unit_list_price' AS unit_list_price,
               p.line ->> 'billing_type' AS billing_type, coalesce((p.line ->> 'list_amount')::numeric, p.amount) AS list_amount,
               (p.line ->> 'rule_discount')::numeric AS rule_discount, p.line -> 'rules' AS rules,
               (p.line ->> 'bundle_discount')::numeric AS bundle_discount, p.line -> 'bundles' AS bundles,
               (p.line ->> 'promo_discount')::numeric AS promo_discount
          FROM purchases p
    ), quote AS (
        SELECT p.quote FROM purchases p WHERE p.quote IS NOT NULL LIMIT 1
    ), bundles AS (
        SELECT b.place, b.bundle ->> 'bundle_id' AS id, b.bundle ->> 'name' AS name, (b.bundle -> 'instances')::numeric AS instances,
               (b.bundle ->> 'base')::numeric AS base, (b.bundle ->> 'discount')::numeric AS discount
          FROM quote q CROSS JOIN LATERAL jsonb_array_elements(q.quote -> 'bundles') WITH ORDINALITY b (bundle, place)
    ), rows (stage_number, place, stage, add_on_id, source_id, source, outcome, base, discount, detail) AS (
        SELECT 1, l.place, 'line', l.add_on_id, NULL::text, l.name, 'listed', l.list_amount, NULL::numeric,
               CASE WHEN l.unit_list_price IS NULL THEN format('%s units; the quote was not kept', l.quantity)
                    ELSE format('%s x %s, %s', l.quantity, l.unit_list_price, l.billing_type) END
          FROM lines l
         UNION ALL
        -- Which rule took how much was not kept where several did; together they took this.
        SELECT 2, l.place, 'rule', l.add_on_id, CASE WHEN jsonb_array_length(l.rules) = 1 THEN l.rules ->> 0 END, 'pricing rule', 'applied',
               l.list_amount, l.rule_discount, format('rules %s', (SELECT string_agg(r, ', ') FROM jsonb_array_elements_text(l.rules) r))
          FROM lines l WHERE l.rule_discount > 0
         UNION ALL
        SELECT 3, b.place, 'bundle', NULL, b.id, b.name, 'applied', b.base, NULL, format('%s %s', CASE b.instances WHEN 1 THEN '1 instance takes off' ELSE b.instances || ' instances take off' END, b.discount)
          FROM bundles b
         UNION ALL
        SELECT 4, l.place, 'bundle_split', l.add_on_id, CASE WHEN jsonb_array_length(l.bundles) = 1 THEN l.bundles ->> 0 END,
               (SELECT string_agg(b.name, ', ' ORDER BY b.place) FROM bundles b WHERE l.bundles ? b.id), 'applied',
               l.list_amount - l.rule_discount, l.bundle_discount, 'its part of what the bundles take off'
          FROM lines l WHERE l.bundle_discount > 0
         UNION ALL
        SELECT 5, 1, 'promo', NULL, NULL, q.quote #>> '{promo,code}', 'applied', (q.quote #>> '{promo,eligible_amount}')::numeric, NULL,
               CASE q.quote #>> '{promo,discount_type}'
                   WHEN 'percentage' THEN format('%s %% of %s', trim_scale((q.quote #>> '{promo,discount_value}')::numeric),
                                                 q.quote #>> '{promo,eligible_amount}')
                   ELSE format('%s off %s', q.quote #>> '{promo,discount_value}', q.quote #>> '{promo,eligible_amount}') END
          FROM quote q WHERE (q.quote #>> '{promo,valid}')::boolean
         UNION ALL
        SELECT 6, l.place, 'promo_split', l.add_on_id, NULL, l.promo_code, 'applied', l.list_amount - l.rule_discount - l.bundle_discount,
               l.promo_discount, 'its part of what the code takes off'
          FROM lines l WHERE l.promo_discount > 0
         UNION ALL
        SELECT 7, l.place, 'total', l.add_on_id, NULL, l.name, 'to_pay', l.amount, NULL, format('%s - %s', l.list_amount, l.list_amount - l.amount)
          FROM lines l
         UNION ALL
        SELECT 8, 1, 'total', NULL, NULL, 'checkout', 'to_pay', sum(l.amount), NULL,
               format('%s - %s', sum(l.list_amount), sum(l.list_amount) - sum(l.amount))
          FROM lines l HAVING count(*) > 0
    )
    SELECT (row_number() OVER (ORDER BY r.stage_number, r.place))::integer, r.stage, r.add_on_id,
           CASE WHEN r.source_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.source_id::uuid END,
           r.source, r.outcome, r.base, r.discount, r.detail
      FROM rows r
     ORDER BY r.stage_number, r.place
$$;
COMMENT ON FUNCTION @extschema@._explain_checkout_body(uuid) IS
'What explain_checkout() does, which has it run as the owner of the tables where a superuser calls. Only that calls it.';

CREATE FUNCTION @extschema@.explain_checkout(checkout_id uuid)
RETURNS TABLE (step integer, stage text, add_on_id uuid, source_id uuid, source text, outcome text, base numeric, discount numeric, detail text)
LANGUAGE c STABLE PARALLEL SAFE COST 20000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';

COMMENT ON FUNCTION @extschema@.explain_checkout(uuid) IS
'Why a checkout cost what it cost: the quote that it was sold by, in the columns of explain_cart(). The catalog may have changed since.
Arguments: checkout_id.
Returns: the rows in the order of the steps; none for a checkout that does not exist or is another user''s. step, counted from 1; stage, one of
line, rule, bundle, bundle_split, promo, promo_split, total; add_on_id, the line''s; source_id, the rule or the bundle, NULL where several
applied together; source, its name; outcome: listed, applied or to_pay; base, the amount that it starts from, of a total what was to
pay; discount, what it took off its line, so that the rows add up to the discount; detail, the values.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
