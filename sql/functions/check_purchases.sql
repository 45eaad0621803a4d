-- Checks whether counters and sums agree with the rows behind them; check_marketplace() reports it.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@._check_purchases() RETURNS TABLE (check_name text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE COST 10000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
            SELECT 'promotional_code_uses' AS check_name,
                   'code ' || c.code || ' (' || c.id || ') has current_uses ' || c.current_uses || ', but '
                   || coalesce(r.redemptions, 0) || ' live redemptions'
              FROM @extschema@.promotional_codes c
              LEFT JOIN (SELECT p.promo_code, count(DISTINCT coalesce(p.checkout_id, p.id)) AS redemptions
                           FROM @extschema@.add_on_purchases p
                          WHERE p.promo_code IS NOT NULL AND p.status IN ('pending', 'completed', 'disputed')
                          GROUP BY p.promo_code) r ON r.promo_code = c.code
             WHERE c.current_uses <> coalesce(r.redemptions, 0)
        UNION ALL
            SELECT 'bundle_uses',
                   'bundle "' || b.name || '" (' || b.id || ') has current_uses ' || b.current_uses || ', but '
                   || coalesce(r.instances, 0) || ' live instances'
              FROM @extschema@.add_on_bundles b
              LEFT JOIN (SELECT (quoted ->> 'bundle_id')::uuid AS id, sum((quoted ->> 'instances')::numeric) AS instances
                           FROM @extschema@.add_on_purchases p
                          -- Entries that the host has changed so that they cannot be read count as no instance.
                          CROSS JOIN jsonb_path_query(p.metadata, 'strict $.quote.bundles[*] ? (@.instances.type() == "number"
                                                          && @.bundle_id like_regex "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")', silent => true) quoted
                          WHERE p.metadata ? 'quote'
                            AND EXISTS (SELECT FROM @extschema@.add_on_purchases live
                                         WHERE live.user_id = p.user_id AND live.checkout_id = p.checkout_id
                                           AND live.status IN ('pending', 'completed', 'disputed'))
                          GROUP BY quoted ->> 'bundle_id') r ON r.id = b.id
             WHERE b.current_uses <> coalesce(r.instances, 0)
        UNION ALL
            SELECT 'quotes',
                   'checkout ' || p.checkout_id || ' was quoted ' || coalesce(left(p.metadata #>> '{quote,total}', 100), 'nothing')
                   || ', but its purchases cost '
                   || paid.total
              FROM @extschema@.add_on_purchases p
              JOIN (SELECT line.user_id, line.checkout_id, sum(line.amount) AS total
                      FROM @extschema@.add_on_purchases line
                     WHERE line.checkout_id IS NOT NULL
                     GROUP BY line.user_id, line.checkout_id) paid ON paid.user_id = p.user_id AND paid.checkout_id = p.checkout_id
             WHERE p.metadata ? 'quote'
               AND CASE WHEN jsonb_typeof(p.metadata #> '{quote,total}') = 'number' THEN (p.metadata #>> '{quote,total}')::numeric END
                   IS DISTINCT FROM paid.total
        UNION ALL
            SELECT 'refunds',
                   'purchase ' || p.id || ' is ' || p.status || ', but ' || p.refund_amount || ' of ' || p.amount || ' is refunded'
              FROM @extschema@.add_on_purchases p
             WHERE (p.status = 'refunded') <> (p.refund_amount = p.amount)
               AND p.status IN ('completed', 'disputed', 'refunded') AND p.amount > 0
        UNION ALL
            SELECT 'purchase_currencies',
                   count(*) || ' purchases are in ' || p.currency || ', of which ' || count(*) FILTER (WHERE p.status = 'pending')
                   || ' wait for their payment; prices are in ' || c.code
              FROM @extschema@._currency_setting() c
              JOIN @extschema@.add_on_purchases p ON p.currency <> c.code
             GROUP BY p.currency, c.code
        UNION ALL
            SELECT 'unsettled_payments',
                   'payment ' || u.payment_id || ' of ' || u.amount || ' ' || u.currency || ' for ' || coalesce(p.checkout_id, p.id)
                   || ' was not applied: ' || u.reason || '. Pay it back, or call settle_payment()'
              FROM @extschema@.add_on_purchases p
             CROSS JOIN jsonb_path_query(p.facts, '$.unsettled[*] ? (@.type() == "object")') unsettled
             CROSS JOIN jsonb_to_record(unsettled) u (payment_id text, amount text, currency text, reason text)
             WHERE p.facts ? 'unsettled'
        UNION ALL
            SELECT 'renewal_amounts',
                   'purchase ' || r.id || ' renews add-on ' || r.add_on_id || ' of user "' || r.user_id || '" for ' || r.amount
                   || ', not for ' || round(agreed.full_price / 100, 2)
              FROM @extschema@.add_on_purchases r
              JOIN @extschema@.add_on_purchases bought
                ON bought.user_id = r.user_id AND bought.add_on_id = r.add_on_id AND bought.checkout_id::text = r.metadata ->> 'renewal_of'
             -- A price that the host has changed so that it cannot be read is compared with nothing.
             CROSS JOIN LATERAL (
                    SELECT CASE WHEN jsonb_typeof(bought.metadata #> '{renewal,full}') = 'number'
                                THEN (bought.metadata #>> '{renewal,full}')::numeric END AS full_price,
                           CASE WHEN jsonb_typeof(bought.metadata #> '{renewal,reduced}') = 'number'
                                THEN (bought.metadata #>> '{renewal,reduced}')::numeric END AS reduced) agreed
             WHERE r.checkout_id IS NULL AND r.metadata ? 'renewal_of' AND bought.metadata ? 'renewal' AND r.paid ->> 'period' <> 'nothing'
               AND r.amount * 100 NOT IN (agreed.full_price, agreed.reduced)
               -- What reprice_renewals() has set since
               AND NOT EXISTS (SELECT FROM @extschema@.user_add_ons u
                                WHERE u.user_id = r.user_id AND u.add_on_id = r.add_on_id AND u.renewal_amount = r.amount)
        UNION ALL
            SELECT 'bundle_add_ons', 'bundle "' || b.name || '" (' || b.id || ') names add-on ' || named.id || ', which does not exist'
              FROM @extschema@.add_on_bundles b
             CROSS JOIN unnest(b.add_on_ids) named (id)
             WHERE NOT EXISTS (SELECT FROM @extschema@.add_ons a WHERE a.id = named.id)
        UNION ALL
            SELECT 'promotional_code_add_ons', 'code ' || c.code || ' (' || c.id || ') names add-on ' || named.id || ', which does not exist'
              FROM @extschema@.promotional_codes c
             CROSS JOIN unnest(c.applicable_to) named (id)
             WHERE NOT EXISTS (SELECT FROM @extschema@.add_ons a WHERE a.id = named.id)
$$;
COMMENT ON FUNCTION @extschema@._check_purchases() IS
'Counters, quotes and refunds that do not agree with the rows behind them, and bundles and codes that name unknown add-ons.
Only check_marketplace() calls it.
Arguments: none.
Returns: a row for each problem.
Errors: none.';

SET LOCAL search_path = @extschema@, pg_temp;
