-- What a good PL/pgSQL programmer would write in place of the extension: the same rules over the same tables and indexes, plans
-- cached by PL/pgSQL, no dynamic SQL. bench.py checks that both give the same answers before it compares their times.
-- Run in a database where the extension is in the schema public.

CREATE SCHEMA baseline;

CREATE FUNCTION baseline.has_feature(p_user text, p_feature text, p_at timestamptz DEFAULT now()) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    -- Faster than a join in one EXISTS, or in two: those visit every add-on that the user owns.
    giving uuid[] := ARRAY(
        SELECT f.add_on_id FROM add_on_features f WHERE f.feature_key = p_feature AND f.enabled
     UNION ALL
        SELECT a.id FROM add_ons a
         WHERE a.features ? p_feature
           AND NOT EXISTS (SELECT FROM add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = p_feature));
BEGIN
    RETURN EXISTS (
        SELECT FROM user_add_ons u
         WHERE u.user_id = p_user AND u.status = 'active' AND u.purchased_at <= p_at AND (u.expires_at IS NULL OR u.expires_at > p_at)
           AND u.add_on_id = ANY (giving));
END
$$;

-- The rules that are candidates for a line, in the order in which they apply.
CREATE FUNCTION baseline.price_add_on(p_add_on uuid, p_quantity integer DEFAULT 1, p_tier text DEFAULT NULL, p_at timestamptz DEFAULT now())
RETURNS numeric LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    add_on record;
    rule record;
    remaining numeric;
    is_first boolean := true;
BEGIN
    SELECT a.base_price * p_quantity AS list, a.billing_type INTO add_on FROM add_ons a WHERE a.id = p_add_on AND a.is_active;
    remaining := add_on.list;
    FOR rule IN
        SELECT r.discount_percent, r.discount_amount, coalesce((r.conditions -> 'stackable')::boolean, false) AS is_stackable
          FROM pricing_rules r
         WHERE r.add_on_id = p_add_on AND r.is_active
           AND (r.valid_from IS NULL OR r.valid_from <= p_at) AND (r.valid_until IS NULL OR r.valid_until > p_at)
           AND (r.tier_code IS NULL OR r.tier_code = p_tier)
           AND (r.conditions = '{}'
                OR coalesce((r.conditions ->> 'min_quantity')::integer <= p_quantity, true)
               AND coalesce((r.conditions ->> 'max_quantity')::integer >= p_quantity, true)
               AND coalesce((r.conditions ->> 'min_subtotal')::numeric <= add_on.list, true)
               AND coalesce(r.conditions -> 'requires_addon' <@ to_jsonb(ARRAY[p_add_on]), true)
               AND NOT coalesce(r.conditions -> 'excludes_addon' ? p_add_on::text, false)
               AND coalesce(r.conditions -> 'billing_type' @> to_jsonb(add_on.billing_type), true)
               AND NOT coalesce((r.conditions -> 'first_purchase_only')::boolean, false))
         ORDER BY r.priority DESC,
                  least(round(add_on.list * r.discount_percent / 100, 2) + r.discount_amount * p_quantity, add_on.list) DESC, r.id
    LOOP
        CONTINUE WHEN NOT is_first AND NOT rule.is_stackable;
        remaining := remaining
                     - least(round(remaining * rule.discount_percent / 100, 2) + rule.discount_amount * p_quantity, remaining);
        EXIT WHEN is_first AND NOT rule.is_stackable;
        is_first := false;
    END LOOP;
    RETURN remaining;
END
$$;

-- Capped largest remainder, with remainders of whole numbers: those of numeric division are cut off somewhere.
CREATE FUNCTION baseline.split(p_total numeric, p_weights numeric[]) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg((share + CASE WHEN place <= p_total * 100 - sum_of_shares THEN 1 ELSE 0 END) / 100 ORDER BY n)
      FROM (SELECT n, share, sum(share) OVER () AS sum_of_shares, row_number() OVER (ORDER BY remainder DESC, n) AS place
              FROM (SELECT n, div(p_total * 100 * w, sum(w) OVER ()) AS share, mod(p_total * 100 * w, sum(w) OVER ()) AS remainder
                      FROM unnest(p_weights) WITH ORDINALITY weights (w, n)) shares) places
$$;

CREATE FUNCTION baseline.price_cart(p_user text, p_tier text DEFAULT NULL, p_code text DEFAULT NULL, p_at timestamptz DEFAULT now())
RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    ids uuid[];
    names text[];
    charged text[];
    quantities integer[];
    prices numeric[];
    lists numeric[];
    remaining numeric[];
    places integer[];
    rule_discounts numeric[] := '{}';
    line_rules jsonb[] := '{}';
    bundle_discounts numeric[];
    line_bundles jsonb[];
    promo_discounts numeric[];
    applied_bundles jsonb := '[]';
    unavailable jsonb;
    promo jsonb;
    n integer;
    subtotal numeric;
    list_ids text[];
    owned text[];
    has_purchased boolean;
    rule record;
    is_first boolean;
    discount numeric;
    applied jsonb;
    -- Bundles
    b_ids uuid[];
    b_names text[];
    b_percents numeric[];
    b_amounts numeric[];
    b_members jsonb;
    b_most integer[];
    m integer;
    chosen integer[];
    best integer[];
    best_saving numeric := 0;
    best_count integer := 0;
    saving numeric;
    taken integer[];
    base numeric;
    consumed numeric[];
    parts numeric[];
    position integer;
    line integer;
    is_possible boolean;
    -- Code
    code promotional_codes;
    reasons text[] := '{}';
    total numeric;
    eligible integer[];
    eligible_amount numeric;
BEGIN
    SELECT array_agg(c.add_on_id ORDER BY c.add_on_id) FILTER (WHERE a.is_active), array_agg(a.name ORDER BY c.add_on_id) FILTER (WHERE a.is_active),
           array_agg(coalesce(c.billing_type, a.billing_type) ORDER BY c.add_on_id) FILTER (WHERE a.is_active),
           array_agg(c.quantity ORDER BY c.add_on_id) FILTER (WHERE a.is_active),
           array_agg(a.base_price ORDER BY c.add_on_id) FILTER (WHERE a.is_active),
           array_agg(a.base_price * c.quantity ORDER BY c.add_on_id) FILTER (WHERE a.is_active),
           array_agg(c.place ORDER BY c.add_on_id) FILTER (WHERE a.is_active), sum(a.base_price * c.quantity) FILTER (WHERE a.is_active),
           coalesce(jsonb_agg(jsonb_build_object('add_on_id', c.add_on_id, 'reason', 'withdrawn') ORDER BY c.place)
                    FILTER (WHERE NOT a.is_active), '[]')
      INTO ids, names, charged, quantities, prices, lists, places, subtotal, unavailable
      FROM (SELECT i.*, row_number() OVER (ORDER BY i.added_at, i.add_on_id) AS place FROM cart_items i WHERE i.user_id = p_user) c
      JOIN add_ons a ON a.id = c.add_on_id;
    n := coalesce(cardinality(ids), 0);
    remaining := lists;
    list_ids := ids::text[];
    bundle_discounts := array_fill(0::numeric, ARRAY[n]);
    promo_discounts := array_fill(0::numeric, ARRAY[n]);
    line_bundles := array_fill('[]'::jsonb, ARRAY[n]);
    FOR i IN 1..n LOOP
        is_first := true;
        applied := '[]';
        FOR rule IN
            SELECT r.*, coalesce((r.conditions -> 'stackable')::boolean, false) AS is_stackable
              FROM pricing_rules r
             WHERE r.add_on_id = ids[i] AND r.is_active
               AND (r.valid_from IS NULL OR r.valid_from <= p_at) AND (r.valid_until IS NULL OR r.valid_until > p_at)
               AND (r.tier_code IS NULL OR r.tier_code = p_tier)
               AND (r.conditions = '{}'
                    OR coalesce((r.conditions ->> 'min_quantity')::integer <= quantities[i], true)
                   AND coalesce((r.conditions ->> 'max_quantity')::integer >= quantities[i], true)
                   AND coalesce((r.conditions ->> 'min_subtotal')::numeric <= subtotal, true)
                   AND coalesce(r.conditions -> 'billing_type' @> to_jsonb(charged[i]), true))
             ORDER BY r.priority DESC,
                      least(round(lists[i] * r.discount_percent / 100, 2) + r.discount_amount * quantities[i], lists[i]) DESC, r.id
        LOOP
            CONTINUE WHEN NOT is_first AND NOT rule.is_stackable;
            IF owned IS NULL AND (rule.conditions ? 'requires_addon' OR rule.conditions ? 'excludes_addon') THEN
                SELECT coalesce(array_agg(u.add_on_id::text), '{}') INTO owned FROM user_add_ons u
                 WHERE u.user_id = p_user AND u.status = 'active' AND u.purchased_at <= p_at AND (u.expires_at IS NULL OR u.expires_at > p_at);
            END IF;
            CONTINUE WHEN rule.conditions ? 'requires_addon' AND EXISTS (
                SELECT FROM jsonb_array_elements_text(rule.conditions -> 'requires_addon') x (id) WHERE x.id <> ALL (list_ids) AND x.id <> ALL (owned));
            CONTINUE WHEN rule.conditions ? 'excludes_addon' AND EXISTS (
                SELECT FROM jsonb_array_elements_text(rule.conditions -> 'excludes_addon') x (id) WHERE x.id = ANY (list_ids) OR x.id = ANY (owned));
            IF rule.conditions -> 'first_purchase_only' = 'true' THEN
                IF has_purchased IS NULL THEN
                    has_purchased := EXISTS (SELECT FROM add_on_purchases p
                                              WHERE p.user_id = p_user AND p.status IN ('completed', 'disputed', 'refunded'));
                END IF;
                CONTINUE WHEN has_purchased;
            END IF;
            discount := least(round(remaining[i] * rule.discount_percent / 100, 2) + rule.discount_amount * quantities[i], remaining[i]);
            IF discount > 0 THEN
                remaining[i] := remaining[i] - discount;
                applied := applied || to_jsonb(rule.id);
            END IF;
            EXIT WHEN is_first AND NOT rule.is_stackable;
            is_first := false;
        END LOOP;
        rule_discounts[i] := lists[i] - remaining[i];
        line_rules[i] := applied;
    END LOOP;

    -- Every selection of bundles, as numbers are counted.
    SELECT array_agg(b.id ORDER BY b.id), array_agg(b.name ORDER BY b.id), array_agg(b.discount_percent ORDER BY b.id),
           array_agg(b.discount_amount ORDER BY b.id), jsonb_agg(b.lines ORDER BY b.id), array_agg(b.most ORDER BY b.id)
      INTO b_ids, b_names, b_percents, b_amounts, b_members, b_most
      FROM (SELECT b.*, least(q.most, b.max_uses - b.current_uses) AS most, q.lines
              FROM add_on_bundles b
             CROSS JOIN LATERAL (SELECT min(quantities[array_position(ids, x.id)]) AS most, array_agg(array_position(ids, x.id) ORDER BY x.id) AS lines
                                   FROM unnest(b.add_on_ids) x (id)) q
             WHERE n > 1 AND b.add_on_ids && ids AND b.add_on_ids <@ ids AND b.is_active
               AND (b.valid_from IS NULL OR b.valid_from <= p_at) AND (b.valid_until IS NULL OR b.valid_until > p_at)) b
     WHERE b.most > 0;
    m := coalesce(cardinality(b_ids), 0);
    IF m > 0 THEN
        chosen := array_fill(0, ARRAY[m]);
        best := chosen;
        LOOP
            -- The next selection.
            position := m;
            WHILE position > 0 AND chosen[position] = b_most[position] LOOP
                chosen[position] := 0;
                position := position - 1;
            END LOOP;
            EXIT WHEN position = 0;
            chosen[position] := chosen[position] + 1;
            taken := array_fill(0, ARRAY[n]);
            saving := 0;
            is_possible := true;
            FOR k IN 1..m LOOP
                CONTINUE WHEN chosen[k] = 0;
                base := 0;
                FOR line IN SELECT x::integer FROM jsonb_array_elements_text(b_members -> (k - 1)) x LOOP
                    is_possible := is_possible AND taken[line] + chosen[k] <= quantities[line];
                    base := base + round(remaining[line] * (taken[line] + chosen[k]) / quantities[line], 2)
                                 - round(remaining[line] * taken[line] / quantities[line], 2);
                    taken[line] := taken[line] + chosen[k];
                END LOOP;
                EXIT WHEN NOT is_possible;
                discount := least(round(base * b_percents[k] / 100, 2) + b_amounts[k] * chosen[k], base);
                is_possible := discount > 0;
                EXIT WHEN NOT is_possible;
                saving := saving + discount;
            END LOOP;
            CONTINUE WHEN NOT is_possible;
            -- Later selections have more instances of the smaller ids, and so the smaller list of ids.
            IF saving > best_saving OR saving = best_saving AND (SELECT sum(x) FROM unnest(chosen) x) <= best_count THEN
                best := chosen;
                best_saving := saving;
                best_count := (SELECT sum(x) FROM unnest(chosen) x);
            END IF;
        END LOOP;
        taken := array_fill(0, ARRAY[n]);
        FOR k IN 1..m LOOP
            CONTINUE WHEN best[k] = 0;
            consumed := '{}';
            FOR line IN SELECT x::integer FROM jsonb_array_elements_text(b_members -> (k - 1)) x LOOP
                consumed := consumed || (round(remaining[line] * (taken[line] + best[k]) / quantities[line], 2)
                                         - round(remaining[line] * taken[line] / quantities[line], 2));
                taken[line] := taken[line] + best[k];
            END LOOP;
            base := (SELECT sum(x) FROM unnest(consumed) x);
            discount := least(round(base * b_percents[k] / 100, 2) + b_amounts[k] * best[k], base);
            parts := baseline.split(discount, consumed);
            applied_bundles := applied_bundles || jsonb_build_object('bundle_id', b_ids[k], 'name', b_names[k], 'instances', best[k],
                                                                     'base', base, 'discount', discount);
            FOR i IN 1..cardinality(parts) LOOP
                line := (b_members -> (k - 1) ->> (i - 1))::integer;
                bundle_discounts[line] := bundle_discounts[line] + parts[i];
                line_bundles[line] := line_bundles[line] || to_jsonb(b_ids[k]);
            END LOOP;
        END LOOP;
    END IF;

    FOR i IN 1..n LOOP
        remaining[i] := round(remaining[i] - bundle_discounts[i], 2);
    END LOOP;
    IF p_code IS NOT NULL THEN
        SELECT * INTO code FROM promotional_codes c WHERE c.code = upper(btrim(p_code));
        total := coalesce((SELECT sum(x) FROM unnest(remaining) x), 0);
        SELECT array_agg(i), sum(remaining[i]) INTO eligible, eligible_amount
          FROM generate_series(1, n) i WHERE code.id IS NOT NULL AND (code.applicable_to IS NULL OR ids[i] = ANY (code.applicable_to));
        IF code.id IS NULL THEN
            reasons := ARRAY['unknown'];
        ELSE
            IF NOT code.is_active THEN reasons := reasons || 'inactive'::text; END IF;
            IF code.expires_at <= p_at THEN reasons := reasons || 'expired'::text; END IF;
            IF code.current_uses >= code.max_uses THEN reasons := reasons || 'exhausted'::text; END IF;
            IF n > 0 AND total < code.min_purchase_amount THEN reasons := reasons || 'below_minimum'::text; END IF;
            IF n > 0 AND eligible IS NULL THEN reasons := reasons || 'not_applicable'::text; END IF;
            IF code.user_restrictions <> '{}' THEN
                IF code.user_restrictions ? 'tier' AND NOT coalesce(code.user_restrictions -> 'tier' @> to_jsonb(p_tier), false) THEN
                    reasons := reasons || 'tier_not_allowed'::text;
                END IF;
                IF code.user_restrictions -> 'first_purchase_only' = 'true' AND EXISTS (
                    SELECT FROM add_on_purchases p WHERE p.user_id = p_user AND p.status IN ('completed', 'disputed', 'refunded')) THEN
                    reasons := reasons || 'not_first_purchase'::text;
                END IF;
                IF code.user_restrictions ? 'user_ids' AND NOT code.user_restrictions -> 'user_ids' ? p_user THEN
                    reasons := reasons || 'user_not_allowed'::text;
                END IF;
                IF (code.user_restrictions ->> 'max_uses_per_user')::integer <= (
                    SELECT count(DISTINCT coalesce(p.checkout_id, p.id)) FROM add_on_purchases p
                     WHERE p.promo_code = code.code AND p.user_id = p_user AND p.status IN ('pending', 'completed', 'disputed')) THEN
                    reasons := reasons || 'user_limit_reached'::text;
                END IF;
            END IF;
        END IF;
        IF n = 0 THEN reasons := reasons || 'empty_cart'::text; END IF;
        discount := 0;
        IF reasons = '{}' THEN
            discount := CASE code.discount_type WHEN 'percentage' THEN round(eligible_amount * code.discount_value / 100, 2)
                                                ELSE least(code.discount_value, eligible_amount) END;
            IF discount > 0 THEN
                parts := baseline.split(discount, (SELECT array_agg(remaining[x] ORDER BY o) FROM unnest(eligible) WITH ORDINALITY e (x, o)));
                FOR i IN 1..cardinality(eligible) LOOP
                    promo_discounts[eligible[i]] := parts[i];
                    remaining[eligible[i]] := round(remaining[eligible[i]] - parts[i], 2);
                END LOOP;
            END IF;
        END IF;
        promo := jsonb_build_object('code', upper(btrim(p_code)), 'valid', reasons = '{}', 'reasons', reasons, 'discount_type', code.discount_type,
                                    'discount_value', code.discount_value, 'eligible_amount', coalesce(eligible_amount, 0.00),
                                    'discount', round(discount, 2));
    END IF;
    total := coalesce((SELECT sum(x) FROM unnest(remaining) x), 0.00);
    RETURN jsonb_build_object(
        'user_id', p_user, 'tier_code', p_tier, 'currency', 'USD', 'priced_at', p_at,
        'lines', coalesce((SELECT jsonb_agg(jsonb_build_object(
                     'add_on_id', ids[i], 'name', names[i], 'billing_type', charged[i], 'quantity', quantities[i], 'unit_list_price', prices[i],
                     'list_amount', lists[i], 'rule_discount', rule_discounts[i], 'rules', line_rules[i],
                     'bundle_discount', round(bundle_discounts[i], 2), 'bundles', line_bundles[i],
                     'promo_discount', round(promo_discounts[i], 2), 'total', remaining[i]) ORDER BY places[i])
                   FROM generate_series(1, n) i), '[]'),
        'unavailable', unavailable, 'bundles', applied_bundles, 'bundle_search', 'exact', 'promo', promo,
        'list_total', coalesce(subtotal, 0.00), 'discount_total', coalesce(subtotal, 0.00) - total, 'total', total,
        'line_count', n, 'item_count', coalesce((SELECT sum(x) FROM unnest(quantities) x), 0));
END
$$;

-- A counter as one would keep it, with room on its pages.
CREATE TABLE baseline.usage (
    user_id text, feature_key text, used numeric(20, 6) NOT NULL DEFAULT 0, PRIMARY KEY (user_id, feature_key)) WITH (fillfactor = 70);
INSERT INTO baseline.usage SELECT 'meter-' || u, 'metered' FROM generate_series(0, 2000) u;
VACUUM ANALYZE baseline.usage;
