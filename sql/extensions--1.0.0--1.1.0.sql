-- Made by `make upgrade-script` from sql/upgrades/1.0.0--1.1.0.sql and the sources of functions and comments: edit those.
SET LOCAL search_path = pg_catalog, pg_temp;

-- From 1.0.0 to 1.1.0: CHANGELOG.md says what is new.

ALTER TABLE @extschema@.add_ons
    DROP CONSTRAINT add_ons_category_check,
    ADD CONSTRAINT add_ons_category_check CHECK (category OPERATOR(pg_catalog.~) '^[a-z0-9]+(-[a-z0-9]+)*$'),
    ADD COLUMN trial_days integer,
    ADD CONSTRAINT add_ons_trial_days_check CHECK (trial_days > 0);
ALTER TABLE @extschema@.promotional_codes
    ADD COLUMN renewals integer DEFAULT 0,
    ADD CONSTRAINT promotional_codes_renewals_check CHECK (renewals >= 0);
ALTER TABLE @extschema@.user_add_ons
    ADD COLUMN quantity integer NOT NULL DEFAULT 1,
    ADD COLUMN renewal_amount numeric(10,2),
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN sources jsonb,
    ADD COLUMN usage jsonb,
    ADD COLUMN usage_keys bytea,
    ADD COLUMN paid_periods jsonb,
    SET (fillfactor = 85),
    ADD CONSTRAINT user_add_ons_quantity_check CHECK (quantity > 0),
    ADD CONSTRAINT user_add_ons_renewal_amount_check CHECK (renewal_amount >= 0);
ALTER TABLE @extschema@.add_on_purchases
    SET (toast_tuple_target = 1024),
    ADD COLUMN facts jsonb,
    ADD COLUMN provider_ids text[],
    ADD COLUMN paid jsonb;

-- A third decimal is refused from now on, and was rounded away before: that is what a type with decimals does. The rows stay as they are. So
-- do other people's views over these columns, which ALTER COLUMN TYPE would want to have dropped: only what the columns say of their
-- decimals goes.
UPDATE pg_attribute SET atttypmod = -1
 WHERE attname IN ('base_price', 'discount_percent', 'discount_amount', 'discount_value', 'min_purchase_amount')
   AND attrelid IN ('@extschema@.add_ons'::regclass, '@extschema@.add_on_bundles'::regclass, '@extschema@.pricing_rules'::regclass,
                    '@extschema@.promotional_codes'::regclass);
ALTER TABLE @extschema@.add_ons
    ADD CONSTRAINT add_ons_base_price_decimals_check CHECK (base_price = round(base_price, 2) AND base_price < 100000000);
ALTER TABLE @extschema@.add_on_bundles
    ALTER COLUMN discount_percent SET DEFAULT 0.00,
    ALTER COLUMN discount_amount SET DEFAULT 0.00,
    ADD CONSTRAINT add_on_bundles_discount_percent_decimals_check CHECK (discount_percent = round(discount_percent, 2)),
    ADD CONSTRAINT add_on_bundles_discount_amount_decimals_check
        CHECK (discount_amount = round(discount_amount, 2) AND discount_amount < 100000000);
ALTER TABLE @extschema@.pricing_rules
    ALTER COLUMN discount_percent SET DEFAULT 0.00,
    ALTER COLUMN discount_amount SET DEFAULT 0.00,
    ADD CONSTRAINT pricing_rules_discount_percent_decimals_check CHECK (discount_percent = round(discount_percent, 2)),
    ADD CONSTRAINT pricing_rules_discount_amount_decimals_check
        CHECK (discount_amount = round(discount_amount, 2) AND discount_amount < 100000000);
ALTER TABLE @extschema@.promotional_codes
    ALTER COLUMN min_purchase_amount SET DEFAULT 0.00,
    ADD CONSTRAINT promotional_codes_discount_value_decimals_check
        CHECK (discount_value = round(discount_value, 2) AND discount_value < 100000000),
    ADD CONSTRAINT promotional_codes_min_purchase_amount_decimals_check
        CHECK (min_purchase_amount = round(min_purchase_amount, 2) AND abs(min_purchase_amount) < 100000000);

DROP INDEX @extschema@.idx_add_on_purchases_holds;
DROP INDEX IF EXISTS @extschema@.idx_add_on_purchases_user_status, @extschema@.idx_add_on_purchases_stripe_subscription;
CREATE INDEX idx_add_on_purchases_provider_ids ON @extschema@.add_on_purchases USING gin (provider_ids)
    WHERE provider_ids IS NOT NULL;
CREATE INDEX idx_add_on_purchases_unsettled ON @extschema@.add_on_purchases ((facts -> 'unsettled')) WHERE facts ? 'unsettled';
CREATE INDEX idx_add_on_purchases_user_add_on ON @extschema@.add_on_purchases (user_id, add_on_id);
-- What was paid, also where it was paid back since: all that reports of a period read.
DROP INDEX @extschema@.idx_add_on_purchases_revenue;
CREATE INDEX idx_add_on_purchases_revenue ON @extschema@.add_on_purchases (purchased_at) INCLUDE (add_on_id, amount)
    WHERE status = ANY ('{completed,refunded,disputed}'::text[]);

CREATE OR REPLACE VIEW @extschema@.promo_code_performance AS
SELECT c.id AS promotional_code_id, c.code, c.is_active, c.current_uses, c.max_uses,
       count(DISTINCT coalesce(p.checkout_id, p.id)) FILTER (WHERE p.status = 'pending') AS pending_checkouts,
       count(DISTINCT coalesce(p.checkout_id, p.id)) FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')) AS paid_checkouts,
       count(DISTINCT p.user_id) FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')) AS users,
       coalesce(sum(p.amount - p.refund_amount) FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')), 0) AS net,
       coalesce(sum(CASE WHEN jsonb_typeof(p.metadata #> '{quote_line,promo_discount}') = 'number'
                         THEN (p.metadata #>> '{quote_line,promo_discount}')::numeric END)
                FILTER (WHERE p.status IN ('completed', 'refunded', 'disputed')), 0) AS discount
  FROM @extschema@.promotional_codes c
  LEFT JOIN @extschema@.add_on_purchases p ON p.promo_code = c.code
 GROUP BY c.id;

CREATE VIEW @extschema@.cart_conversion AS
WITH steps AS (
    SELECT timezone('UTC', max(added_at))::date AS day, 1 AS open_carts, 0 AS checkouts, NULL AS status
      FROM @extschema@.cart_items
     GROUP BY user_id
     UNION ALL
    SELECT timezone('UTC', min(purchased_at))::date, 0, 1,
           CASE WHEN bool_or(status = 'pending') THEN 'pending' WHEN bool_or(status <> 'failed') THEN 'paid' ELSE 'failed' END
      FROM @extschema@.add_on_purchases
     WHERE checkout_id IS NOT NULL
     GROUP BY checkout_id
)
SELECT day, sum(open_carts) AS open_carts, sum(checkouts) AS checkouts, count(*) FILTER (WHERE status = 'pending') AS pending_checkouts,
       count(*) FILTER (WHERE status = 'failed') AS failed_checkouts, count(*) FILTER (WHERE status = 'paid') AS paid_checkouts,
       round(100.0 * count(*) FILTER (WHERE status = 'paid') / count(*), 2) AS conversion_percent
  FROM steps
 GROUP BY day;

CREATE VIEW @extschema@.recurring_revenue AS
WITH paid AS (
    SELECT p.user_id, p.add_on_id, p.currency, p.amount / m.months AS value, timezone('UTC', p.subscription_ends_at) AS until,
           greatest(timezone('UTC', p.purchased_at), timezone('UTC', p.subscription_ends_at) - m.months * interval '1 month') AS since
      FROM @extschema@.add_on_purchases p
      JOIN @extschema@.add_ons a ON a.id = p.add_on_id
     CROSS JOIN LATERAL (
            SELECT coalesce(CASE WHEN p.paid @? 'strict $.period.months ? (@.type() == "number" && @ >= 1 && @ <= 1200)'
                                 THEN (p.paid #>> '{period,months}')::numeric::integer END,
                            CASE coalesce(p.metadata #>> '{quote_line,billing_type}', a.billing_type)
                                WHEN 'monthly' THEN 1 WHEN 'annual' THEN 12 END) AS months) m
     WHERE p.status = 'completed' AND m.months > 0 AND isfinite(p.subscription_ends_at)
), periods AS (
    SELECT user_id, add_on_id, currency, value, until,
           greatest(since, lag(until) OVER (PARTITION BY user_id, add_on_id, currency ORDER BY until, since)) AS since
      FROM paid
), counted AS (
    SELECT currency, value, since, until, lag(value) OVER of_one AS value_before,
           coalesce(since <= lag(until) OVER of_one + interval '3 days', false) AS is_renewal,
           coalesce(lead(since) OVER of_one <= until + interval '3 days', false) AS is_renewed
      FROM periods
     WHERE since < until AND since <= timezone('UTC', now())
    WINDOW of_one AS (PARTITION BY user_id, add_on_id, currency ORDER BY since)
), changes AS (
    SELECT currency, date_trunc('month', since) AS month, CASE WHEN is_renewal THEN 0 ELSE 1 END AS subscriptions,
           CASE WHEN is_renewal THEN 0 ELSE value END AS new, CASE WHEN is_renewal THEN value ELSE 0 END AS renewed,
           CASE WHEN is_renewal THEN value - value_before ELSE 0 END AS changed, 0 AS churned
      FROM counted
     UNION ALL
    SELECT currency, date_trunc('month', until), -1, 0, 0, 0, value
      FROM counted
     WHERE NOT is_renewed AND until <= timezone('UTC', now())
), months AS (
    SELECT first.currency, month.month
      FROM (SELECT currency, min(month) AS month FROM changes GROUP BY currency) first
     CROSS JOIN LATERAL generate_series(first.month, timezone('UTC', now()), interval '1 month') month (month)
), sums AS (
    SELECT currency, month, sum(subscriptions) AS subscriptions, sum(new) AS new, sum(renewed) AS renewed, sum(changed) AS changed,
           sum(churned) AS churned
      FROM changes
     GROUP BY currency, month
)
SELECT m.month::date AS month, m.currency, (sum(coalesce(s.subscriptions, 0)) OVER until_then)::bigint AS subscriptions,
       round(coalesce(s.new, 0), 2) AS new, round(coalesce(s.renewed, 0), 2) AS renewed, round(coalesce(s.changed, 0), 2) AS changed,
       round(coalesce(s.churned, 0), 2) AS churned,
       round(sum(coalesce(s.new, 0) + coalesce(s.changed, 0) - coalesce(s.churned, 0)) OVER until_then, 2) AS mrr
  FROM months m
  LEFT JOIN sums s ON s.currency = m.currency AND s.month = m.month
WINDOW until_then AS (PARTITION BY m.currency ORDER BY m.month);

ALTER VIEW @extschema@.subscriptions_expiring_soon SET (security_invoker = true);

CREATE VIEW @extschema@.purchase_details WITH (security_invoker = true) AS
SELECT p.id AS purchase_id, p.checkout_id, p.user_id, p.add_on_id, a.name, a.category, a.version, a.icon_url, p.quantity, p.amount,
       p.currency, p.status, p.refund_amount, p.promo_code, p.stripe_payment_id, p.lago_invoice_id, p.payment_method, p.purchased_at,
       p.refunded_at, p.subscription_ends_at
  FROM @extschema@.add_on_purchases p
  JOIN @extschema@.add_ons a ON a.id = p.add_on_id;

CREATE VIEW @extschema@.owned_add_ons WITH (security_invoker = true) AS
SELECT u.user_id, u.add_on_id, a.name, a.description, a.category, a.version, a.icon_url,
       (SELECT coalesce(jsonb_agg(given.key ORDER BY given.key COLLATE "C"), '[]')
          FROM (SELECT f.feature_key AS key FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.enabled
                 UNION
                SELECT listed.key FROM jsonb_array_elements_text(a.features) listed (key)
                 WHERE NOT EXISTS (SELECT FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = listed.key)
               ) given) AS features,
       u.status, u.status = 'active' AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now()) AS entitled,
       u.quantity, u.purchased_at, u.expires_at, u.auto_renew, u.renewal_amount, u.cancelled_at, u.cancellation_reason, u.suspended_at
  FROM @extschema@.user_add_ons u
  JOIN @extschema@.add_ons a ON a.id = u.add_on_id;

DROP FUNCTION @extschema@.active_add_ons(text, timestamptz);
DROP FUNCTION @extschema@.check_marketplace();
DROP FUNCTION @extschema@.fail_checkout(uuid, text);
DROP FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval);

-- What is not for users starts with _. Whatever depends on the functions, or was granted, stays as it is.
ALTER FUNCTION @extschema@.check_catalog() RENAME TO _check_catalog;
ALTER FUNCTION @extschema@.plan_entitlement_check(internal) RENAME TO _plan_entitlement_check;
ALTER FUNCTION @extschema@.reference_links() RENAME TO _reference_links;
ALTER FUNCTION @extschema@.unknown_references() RENAME TO _unknown_references;

CREATE FUNCTION @extschema@._add_on_ids(names jsonb, whose text) RETURNS jsonb
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
    found uuid;
    ids jsonb := '[]';
BEGIN
    IF jsonb_typeof(names) = 'null' THEN
        RETURN names;
    ELSIF jsonb_typeof(names) <> 'array' THEN
        PERFORM @extschema@._refuse_catalog(format('%s: expected an array of names of add-ons, not %s', whose, names));
    END IF;
    FOR wanted IN SELECT jsonb_array_elements_text(names) LOOP
        SELECT a.id INTO found FROM @extschema@.add_ons a WHERE a.name = wanted;
        IF found IS NULL AND wanted ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
            -- Exported where no add-on had this id.
            found := wanted::uuid;
        ELSIF found IS NULL THEN
            PERFORM @extschema@._refuse_catalog(format('%s: there is no add-on %s, neither here nor in the document', whose, quote_ident(wanted)));
        END IF;
        ids := ids || to_jsonb(found);
    END LOOP;
    RETURN ids;
END
$$;
COMMENT ON FUNCTION @extschema@._add_on_ids(jsonb, text) IS
'The ids of add-ons, in the order of their names. Only import_catalog() calls it.';

CREATE FUNCTION @extschema@._add_on_names(ids jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(coalesce(a.name, given.id) ORDER BY given.place), '[]')
      FROM jsonb_array_elements_text(ids) WITH ORDINALITY given (id, place)
      LEFT JOIN @extschema@.add_ons a ON a.id = given.id::uuid
$$;
COMMENT ON FUNCTION @extschema@._add_on_names(jsonb) IS
'The names of add-ons, in the order of their ids. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._adopt_rows(old_table regclass, new_table regclass) RETURNS bigint
LANGUAGE plpgsql COST 10000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pages_at_once CONSTANT bigint := 4096;
    pages CONSTANT bigint := pg_relation_size(old_table) / current_setting('block_size')::bigint;
    columns text;
    list text;
    row_count bigint;
    meant bigint;
    total bigint := 0;
BEGIN
    SELECT string_agg(format('%I', c.column_name), ', '), string_agg(c.expression, ', ') INTO columns, list
      FROM @extschema@._adoption_columns(old_table, new_table) c;
    FOR page IN 0 .. pages BY pages_at_once LOOP
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s s WHERE s.ctid >= $1 AND s.ctid < $2', new_table, columns, list, old_table)
          USING format('(%s,0)', page)::tid, format('(%s,0)', page + pages_at_once)::tid;
        GET DIAGNOSTICS row_count = ROW_COUNT;
        total := total + row_count;
        EXECUTE format('SELECT count(*) FROM %s s WHERE s.ctid >= $1 AND s.ctid < $2', old_table)
           INTO meant USING format('(%s,0)', page)::tid, format('(%s,0)', page + pages_at_once)::tid;
        PERFORM @extschema@._check_rows_written((SELECT c.relname::text FROM pg_class c WHERE c.oid = new_table), meant, row_count);
        IF page + pages_at_once < pages THEN
            RAISE NOTICE '%: % rows, % %%', old_table, total, 100 * (page + pages_at_once) / pages;
        END IF;
    END LOOP;
    RETURN total;
END
$$;
COMMENT ON FUNCTION @extschema@._adopt_rows(regclass, regclass) IS
'Copies the rows of an old table into ours, and reports the progress. Only adopt_tables() calls it.';

CREATE FUNCTION @extschema@._adopt_tables_body(source_schema name, time_zone text, dry_run boolean, skip text[])
RETURNS TABLE (object text, status text, detail text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    old_table regclass;
    new_table regclass;
    is_clear boolean := true;
    row_count bigint;
    left_behind text;
    -- Where the add-ons are that the old tables refer to.
    add_ons regclass;
BEGIN
    PERFORM @extschema@._check_adoption(source_schema, time_zone, skip);
    add_ons := coalesce(CASE WHEN 'add_ons' <> ALL (skip) THEN to_regclass(format('%I.add_ons', source_schema)) END,
                        '@extschema@.add_ons'::regclass);
    -- Every conversion goes by it, and it ends with the function.
    PERFORM set_config('timezone', time_zone, true);
    FOR object, status, detail IN SELECT * FROM @extschema@._adoption_findings(source_schema, skip) LOOP
        is_clear := is_clear AND status <> 'obstacle';
        RETURN NEXT;
    END LOOP;
    IF NOT is_clear THEN
        RETURN;
    END IF;
    FOR object IN SELECT t.name FROM @extschema@._table_names() t WHERE t.name <> ALL (skip) ORDER BY t.place LOOP
        old_table := to_regclass(format('%I.%I', source_schema, object));
        new_table := format('%s.%I', '@extschema@', object)::regclass;
        CONTINUE WHEN old_table IS NULL;
        IF dry_run THEN
            status := 'can be adopted';
            EXECUTE format('SELECT count(*) FROM %s', old_table) INTO row_count;
        ELSE
            status := 'adopted';
            row_count := @extschema@._adopt_rows(old_table, new_table);
            EXECUTE format('ANALYZE %s', new_table);
        END IF;
        detail := format('%s %s', row_count, CASE row_count WHEN 1 THEN 'row' ELSE 'rows' END);
        RETURN NEXT;
        status := 'doubtful';
        FOR detail IN SELECT * FROM @extschema@._adoption_doubts(old_table, new_table, add_ons) LOOP
            RETURN NEXT;
        END LOOP;
        SELECT string_agg(quote_ident(o.attname), ', ' ORDER BY o.attnum) INTO left_behind
          FROM pg_attribute o
         WHERE o.attrelid = old_table AND o.attnum > 0 AND NOT o.attisdropped
           AND NOT EXISTS (SELECT FROM pg_attribute n WHERE n.attrelid = new_table AND n.attname = o.attname AND NOT n.attisdropped);
        IF left_behind IS NOT NULL THEN
            status := 'left behind';
            detail := format('columns that ours does not have: %s', left_behind);
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._adopt_tables_body(name, text, boolean, text[]) IS
'What adopt_tables() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._adoption_columns(old_table regclass, new_table regclass)
RETURNS TABLE (column_name text, expression text, obstacle text, loss text)
LANGUAGE sql COST 10000 ROWS 15 SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.attname::text,
           CASE WHEN o.attname IS NULL THEN coalesce(n.preset, 'NULL::' || n.type)
                WHEN n.attnotnull AND n.preset IS NOT NULL THEN format('coalesce(%s, %s)', c.expression, n.preset)
                ELSE c.expression END,
           CASE WHEN o.attname IS NULL AND n.attnotnull AND n.preset IS NULL THEN 'it is missing, and there is no default for it' END,
           -- What a cast would change without saying so: text that is too long, digits that do not fit.
           CASE WHEN o.attname IS NULL OR n.atttypmod < 0 THEN NULL
                WHEN n.atttypid = 'varchar'::regtype THEN format('length(s.%I::text) > %s', n.attname, n.atttypmod - 4)
                WHEN n.atttypid = 'numeric'::regtype
                THEN format('s.%1$I::numeric <> round(s.%1$I::numeric, %2$s) OR abs(s.%1$I::numeric) >= 10 ^ %3$s', n.attname,
                            n.scale, n.digits - n.scale) END
      FROM (SELECT a.*, format_type(a.atttypid, a.atttypmod) AS type, pg_get_expr(d.adbin, d.adrelid) AS preset,
                   (a.atttypmod - 4) >> 16 AS digits, (a.atttypmod - 4) & 2047 AS scale
              FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = new_table AND a.attnum > 0 AND NOT a.attisdropped) n
      LEFT JOIN pg_attribute o ON o.attrelid = old_table AND o.attname = n.attname AND o.attnum > 0 AND NOT o.attisdropped
     CROSS JOIN LATERAL (
               SELECT CASE WHEN n.attname IN ('code', 'promo_code') THEN format('@extschema@.normalized_code(s.%I::text)::%s', n.attname, n.type)
                           WHEN n.attname = 'currency' THEN format('upper(s.%I::text COLLATE "C")::%s', n.attname, n.type)
                           WHEN n.attname = 'features' THEN format('@extschema@._feature_keys(s.%I::jsonb)', n.attname)
                           WHEN o.atttypid = n.atttypid AND o.atttypmod = n.atttypmod THEN format('s.%I', n.attname)
                           ELSE format('s.%I::%s', n.attname, n.type) END) c (expression)
     ORDER BY n.attnum
$$;
COMMENT ON FUNCTION @extschema@._adoption_columns(regclass, regclass) IS
'How adopt_tables() makes the columns of our tables from those of an old one, and what would get lost. Only adopt_tables() calls it.';

CREATE FUNCTION @extschema@._adoption_doubts(old_table regclass, new_table regclass, add_ons regclass) RETURNS TABLE (doubt text)
LANGUAGE plpgsql COST 1000000 ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    expressions CONSTANT jsonb := (SELECT jsonb_object_agg(c.column_name, c.expression)
                                     FROM @extschema@._adoption_columns(old_table, new_table) c);
    has_features CONSTANT boolean := EXISTS (SELECT FROM pg_attribute a
                                              WHERE a.attrelid = old_table AND a.attname = 'features' AND NOT a.attisdropped);
    row_count bigint;
BEGIN
    IF expressions ? 'features' AND has_features THEN
        EXECUTE format('SELECT count(*) FROM %s s WHERE jsonb_typeof(s.features::jsonb) = ''object''', old_table) INTO row_count;
        doubt := format('features is an object in %s: its keys become the list of features, and its values stay behind; limits belong into add_on_features',
                        CASE row_count WHEN 1 THEN '1 row' ELSE format('%s rows', row_count) END);
        IF row_count > 0 THEN
            RETURN NEXT;
        END IF;
    ELSIF expressions ? 'expires_at' AND expressions ? 'auto_renew' THEN
        EXECUTE format('SELECT count(*) FROM (SELECT %s AS add_on_id, %s AS status, %s AS expires_at FROM %s s) s
                          JOIN %s a ON a.id::uuid = s.add_on_id
                         WHERE s.status = ''active'' AND s.expires_at IS NULL AND a.billing_type IN (''monthly'', ''annual'')',
                       expressions ->> 'add_on_id', expressions ->> 'status', expressions ->> 'expires_at', old_table, add_ons)
           INTO row_count;
        doubt := CASE row_count WHEN 1 THEN '1 active subscription of a monthly or annual add-on has no expires_at: it never ends, until you set one'
                      ELSE format('%s active subscriptions of monthly or annual add-ons have no expires_at: they never end, until you set one',
                                  row_count) END;
        IF row_count > 0 THEN
            RETURN NEXT;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_doubts(regclass, regclass, regclass) IS
'What adopt_tables() migrates unchanged although it may not be intended. Only that calls it.';

CREATE FUNCTION @extschema@._adoption_findings(source_schema name, skip text[]) RETURNS TABLE (object text, status text, detail text)
LANGUAGE plpgsql COST 10000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_table regclass;
    new_table regclass;
    is_free boolean;
BEGIN
    FOR object IN SELECT t.name FROM @extschema@._table_names() t ORDER BY t.place LOOP
        old_table := to_regclass(format('%I.%I', source_schema, object));
        new_table := format('%s.%I', '@extschema@', object)::regclass;
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', new_table) INTO is_free;
        status := 'obstacle';
        IF object = ANY (skip) THEN
            status := 'skipped';
            detail := 'left as it is, as you asked';
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF NOT is_free THEN
            detail := format('%s holds rows already', new_table);
            RETURN NEXT;
        END IF;
        IF old_table IS NULL THEN
            status := 'absent';
            detail := format('there is no table %I.%I', source_schema, object);
            RETURN NEXT;
            CONTINUE;
        END IF;
        EXECUTE format('LOCK TABLE %s IN SHARE MODE', old_table);
        RAISE NOTICE '%: checking', old_table;
        FOR detail IN SELECT * FROM @extschema@._adoption_obstacles(old_table, new_table) LOOP
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_findings(name, text[]) IS
'The tables that adopt_tables() does not migrate, and every obstacle. Only that calls it.';

CREATE FUNCTION @extschema@._adoption_obstacles(old_table regclass, new_table regclass) RETURNS TABLE (obstacle text)
LANGUAGE plpgsql COST 10000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem record;
    rule record;
    list text;
    culprits text;
    is_convertible boolean := true;
BEGIN
    IF (SELECT c.relkind <> 'r' FROM pg_class c WHERE c.oid = old_table) THEN
        obstacle := 'it is not an ordinary table';
        RETURN NEXT;
        RETURN;
    END IF;
    FOR problem IN SELECT * FROM @extschema@._adoption_columns(old_table, new_table) LOOP
        culprits := CASE WHEN problem.obstacle IS NULL
                         THEN @extschema@._adoption_rows(old_table, 's.*', format('length((%s)::text) < 0', problem.expression)) END;
        IF problem.obstacle IS NOT NULL OR culprits IS NOT NULL THEN
            is_convertible := false;
            obstacle := format('column %s: %s', problem.column_name, coalesce(problem.obstacle, 'no such value is possible: ' || culprits));
            RETURN NEXT;
            CONTINUE;
        END IF;
        culprits := CASE WHEN problem.loss IS NOT NULL
                         THEN @extschema@._adoption_rows(old_table, 's.*', problem.loss, ARRAY[problem.column_name]) END;
        IF culprits IS NOT NULL THEN
            obstacle := format('column %s: values do not fit: %s. Shorten or round them', problem.column_name, culprits);
            RETURN NEXT;
        END IF;
    END LOOP;
    IF NOT is_convertible THEN
        RETURN;
    END IF;
    SELECT string_agg(format('%s AS %I', c.expression, c.column_name), ', ') INTO list
      FROM @extschema@._adoption_columns(old_table, new_table) c;
    FOR rule IN SELECT * FROM @extschema@._adoption_rules(old_table, new_table, list) LOOP
        culprits := @extschema@._adoption_rows(old_table, list, rule.breaks, rule.columns);
        IF culprits IS NOT NULL THEN
            obstacle := concat_ws('', rule.label, ': ', culprits, '. ' || rule.advice);
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_obstacles(regclass, regclass) IS
'Everything that prevents the rows of an old table from being migrated. Only adopt_tables() calls it.';

CREATE FUNCTION @extschema@._adoption_rows(old_table regclass, list text, condition text, told text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql COST 1000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen CONSTANT text := format('(SELECT s.ctid AS old_ctid, %s FROM %s s) s', list, old_table);
    -- A row "o" as it is told: 'id (column: value)'.
    label CONSTANT text :=
        'coalesce(to_jsonb(o) ->> ''id'', o.ctid::text)
         || coalesce(format('' (%s)'', (SELECT string_agg(format(''%s: %s'', v.key, left(v.value, 60)), '', '' ORDER BY v.key)
                                           FROM jsonb_each_text(to_jsonb(o)) v WHERE v.key = ANY ($2) AND v.key NOT IN (''id''))), '''')';
    row_count bigint;
    places tid[];
    place tid;
    holds boolean;
    culprits text[] := '{}';
BEGIN
    EXECUTE format('SELECT count(*), (array_agg(s.old_ctid))[:10] FROM %s WHERE %s', seen, condition) INTO row_count, places;
    IF row_count = 0 THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT array_agg(%s ORDER BY o.ctid) FROM %s o WHERE o.ctid = ANY ($1)', label, old_table) INTO culprits USING places, told;
    RETURN format('%s such as %s', CASE row_count WHEN 1 THEN '1 row,' ELSE format('%s rows,', row_count) END,
                  array_to_string(culprits, ', '));
EXCEPTION WHEN data_exception OR check_violation OR invalid_text_representation THEN
    -- The error does not say which row raised it, so each row is tested by itself.
    FOR place IN EXECUTE format('SELECT o.ctid FROM %s o', old_table) LOOP
        BEGIN
            EXECUTE format('SELECT %s FROM %s WHERE s.old_ctid = $1', condition, seen) INTO holds USING place;
            CONTINUE WHEN holds IS NOT TRUE;
            EXECUTE format('SELECT $3 || (%s) FROM %s o WHERE o.ctid = $1', label, old_table) INTO culprits USING place, told, culprits;
        EXCEPTION WHEN data_exception OR check_violation OR invalid_text_representation THEN
            EXECUTE format('SELECT $2 || format(''%%s (%%s)'', coalesce(to_jsonb(o) ->> ''id'', o.ctid::text), $3)
                              FROM %s o WHERE o.ctid = $1', old_table)
               INTO culprits USING place, culprits, SQLERRM;
        END;
        EXIT WHEN cardinality(culprits) = 10;
    END LOOP;
    RETURN CASE WHEN culprits <> '{}' THEN format('rows such as %s', array_to_string(culprits, ', ')) END;
WHEN cannot_coerce THEN
    RETURN format('all rows (%s)', SQLERRM);
END
$$;
COMMENT ON FUNCTION @extschema@._adoption_rows(regclass, text, text, text[]) IS
'The rows of an old table that adopt_tables() cannot migrate. Only that calls it.';

CREATE FUNCTION @extschema@._adoption_rules(old_table regclass, new_table regclass, list text)
RETURNS TABLE (label text, breaks text, columns text[], advice text)
LANGUAGE sql COST 100000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(r.rule || format(' (%s)', r.name), r.name), broken.condition, r.columns, r.advice
      FROM @extschema@._table_rules(new_table) r
      JOIN pg_constraint n ON n.oid = r.id
      LEFT JOIN pg_class referenced ON referenced.oid = n.confrelid
      LEFT JOIN pg_attribute referred ON referred.attrelid = n.confrelid AND referred.attnum = n.confkey[1]
     CROSS JOIN LATERAL (SELECT string_agg(format('s.%I', c.name), ', ' ORDER BY c.place) FROM unnest(r.columns) WITH ORDINALITY c (name, place)) key (terms)
     CROSS JOIN LATERAL (SELECT CASE r.kind
               WHEN 'c' THEN format('NOT (%s)', r.condition)
               WHEN 'f' THEN format('%1$s IS NOT NULL AND NOT EXISTS (SELECT FROM %2$s p WHERE p.%3$I::uuid = %1$s)', key.terms,
                                    coalesce(to_regclass(format('%s.%I', (SELECT o.relnamespace::regnamespace FROM pg_class o WHERE o.oid = old_table),
                                                                referenced.relname)), n.confrelid::regclass), referred.attname)
               ELSE format('(%1$s) IN (SELECT %1$s FROM (SELECT %2$s FROM %3$s s) s GROUP BY %1$s HAVING count(*) > 1)', key.terms, list, old_table)
           END) broken (condition)
     UNION ALL
    SELECT format('%s is required', a.attname), format('s.%I IS NULL', a.attname), '{}', NULL
      FROM pg_attribute a WHERE a.attrelid = new_table AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION @extschema@._adoption_rules(regclass, regclass, text) IS
'The rules of a table of ours, in words, each with the condition by which adopt_tables() finds old rows that break it.
Only adopt_tables() calls it.';

CREATE FUNCTION @extschema@._canonical_entry(kind text, entry jsonb) RETURNS jsonb
LANGUAGE plpgsql COST 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    by_name CONSTANT text[] := '{add_on,add_ons,applicable_to,conditions}';
    row_text jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s.%I, $1))', '@extschema@', kind) INTO row_text USING entry - by_name;
    IF kind = 'promotional_codes' THEN
        row_text := row_text || jsonb_build_object('code', @extschema@.normalized_code(row_text ->> 'code'));
    ELSIF kind = 'add_ons' THEN
        row_text := row_text || jsonb_build_object('features', @extschema@._feature_keys(row_text -> 'features'));
    END IF;
    RETURN (SELECT jsonb_object_agg(e.key, CASE WHEN e.key = ANY (by_name) THEN e.value
                                                -- Amounts have two decimals at least.
                                                WHEN a.atttypid = 'numeric'::regtype AND jsonb_typeof(row_text -> e.key) = 'number'
                                                THEN to_jsonb((row_text ->> e.key)::numeric + 0.00)
                                                ELSE row_text -> e.key END)
              FROM jsonb_each(entry) e
              LEFT JOIN pg_attribute a ON a.attrelid = format('%s.%I', '@extschema@', kind)::regclass AND a.attname = e.key AND NOT a.attisdropped);
EXCEPTION WHEN data_exception THEN
    PERFORM @extschema@._refuse_catalog(format('%s: %s', @extschema@._catalog_object(kind, entry), SQLERRM));
END
$$;
COMMENT ON FUNCTION @extschema@._canonical_entry(text, jsonb) IS
'An entry of a catalog document as export_catalog() would write it. Only import_catalog() calls it.';

CREATE FUNCTION @extschema@._catalog_columns(kind text, entry jsonb) RETURNS jsonb
LANGUAGE plpgsql COST 2000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    object CONSTANT text := @extschema@._catalog_object(kind, entry);
    columns jsonb := entry - '{add_on,add_ons}'::text[];
    condition record;
BEGIN
    IF entry ? 'add_on' THEN
        columns := columns || jsonb_build_object('add_on_id', @extschema@._add_on_ids(jsonb_build_array(entry -> 'add_on'), object) -> 0);
    END IF;
    IF entry ? 'add_ons' THEN
        columns := columns || jsonb_build_object('add_on_ids', @extschema@._add_on_ids(entry -> 'add_ons', object));
    END IF;
    IF entry ? 'applicable_to' THEN
        columns := columns || jsonb_build_object('applicable_to', @extschema@._add_on_ids(entry -> 'applicable_to', object));
    END IF;
    IF jsonb_typeof(entry -> 'conditions') = 'object' THEN
        FOR condition IN SELECT * FROM jsonb_each(entry -> 'conditions') c WHERE c.key IN ('requires_addon', 'excludes_addon') LOOP
            columns := jsonb_set(columns, ARRAY['conditions', condition.key], @extschema@._add_on_ids(condition.value, object));
        END LOOP;
    END IF;
    RETURN columns;
END
$$;
COMMENT ON FUNCTION @extschema@._catalog_columns(text, jsonb) IS
'An entry of a catalog document with the ids of this database. Only import_catalog() calls it.';

CREATE FUNCTION @extschema@._catalog_key(kind text, entry jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE kind WHEN 'add_on_features' THEN jsonb_build_array(entry -> 'add_on', entry -> 'feature_key')
                     WHEN 'pricing_rules' THEN jsonb_build_array(entry -> 'add_on', coalesce(entry -> 'tier_code', 'null'),
                                                                 coalesce(entry -> 'priority', '0'))
                     WHEN 'promotional_codes' THEN entry -> 'code'
                     ELSE entry -> 'name' END
$$;
COMMENT ON FUNCTION @extschema@._catalog_key(text, jsonb) IS
'What tells the rows of a table apart in a catalog document. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._catalog_keys(kind text) RETURNS text[]
LANGUAGE sql STABLE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(CASE a.attname WHEN 'add_on_id' THEN 'add_on' WHEN 'add_on_ids' THEN 'add_ons' ELSE a.attname END ORDER BY a.attnum)
      FROM pg_attribute a
     WHERE a.attrelid = format('%s.%I', '@extschema@', kind)::regclass AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attname <> ALL ('{id,created_at,updated_at,created_by,current_uses}')
$$;
COMMENT ON FUNCTION @extschema@._catalog_keys(text) IS
'The keys that a row of a table may have in a catalog document. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._catalog_matches(kind text, entries jsonb) RETURNS TABLE (entry jsonb, id uuid, here jsonb)
LANGUAGE sql COST 200000 ROWS 200 SET search_path = pg_catalog, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT canonical.entry, row_number() OVER (PARTITION BY canonical.entry) AS copy, e.place
          FROM jsonb_array_elements(entries) WITH ORDINALITY e (value, place)
         CROSS JOIN LATERAL @extschema@._canonical_entry(kind, e.value) canonical (entry)
    ), present AS MATERIALIZED (
        SELECT r.id, r.entry, row_number() OVER (PARTITION BY r.entry ORDER BY r.id) AS copy
          FROM @extschema@._catalog_rows() r
         WHERE r.kind = _catalog_matches.kind
    ), same AS MATERIALIZED (
        SELECT g.place, p.id FROM given g JOIN present p ON p.entry = g.entry AND p.copy = g.copy
    ), other_given AS (
        SELECT g.*, @extschema@._catalog_key(kind, g.entry) AS key,
               row_number() OVER (PARTITION BY @extschema@._catalog_key(kind, g.entry) ORDER BY g.place) AS turn
          FROM given g WHERE g.place NOT IN (SELECT s.place FROM same s)
    ), other_present AS (
        SELECT p.*, @extschema@._catalog_key(kind, p.entry) AS key,
               row_number() OVER (PARTITION BY @extschema@._catalog_key(kind, p.entry) ORDER BY p.id) AS turn
          FROM present p WHERE p.id NOT IN (SELECT s.id FROM same s)
    )
    SELECT g.entry, p.id, p.entry
      FROM other_given g FULL JOIN other_present p ON p.key = g.key AND p.turn = g.turn
     ORDER BY g.place, @extschema@._catalog_object(kind, p.entry), p.id
$$;
COMMENT ON FUNCTION @extschema@._catalog_matches(text, jsonb) IS
'The differences between a document and a table, side by side. Only import_catalog() calls it.';

CREATE FUNCTION @extschema@._catalog_object(kind text, entry jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE kind WHEN 'add_ons' THEN 'add-on ' || (entry ->> 'name')
                     WHEN 'add_on_features' THEN format('feature %s of %s', entry ->> 'feature_key', entry ->> 'add_on')
                     WHEN 'add_on_bundles' THEN 'bundle ' || (entry ->> 'name')
                     WHEN 'promotional_codes' THEN 'code ' || (entry ->> 'code')
                     ELSE format('rule of %s for %s, priority %s', entry ->> 'add_on',
                                 coalesce('tier ' || (entry ->> 'tier_code'), 'everybody'), coalesce(entry ->> 'priority', '0')) END
$$;
COMMENT ON FUNCTION @extschema@._catalog_object(text, jsonb) IS
'A row of the catalog in words. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._catalog_rows() RETURNS TABLE (kind text, id uuid, entry jsonb)
LANGUAGE sql STABLE PARALLEL SAFE COST 100000 ROWS 200 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT r.kind, r.id,
           r.entry - '{id,created_at,updated_at,created_by,current_uses,add_on_id,add_on_ids}'::text[]
           || coalesce((SELECT jsonb_build_object('add_on', a.name) FROM @extschema@.add_ons a
                         WHERE a.id = (r.entry ->> 'add_on_id')::uuid), '{}')
           || CASE WHEN r.kind = 'add_on_bundles' THEN jsonb_build_object('add_ons', @extschema@._add_on_names(r.entry -> 'add_on_ids'))
                   WHEN r.kind = 'promotional_codes' AND r.entry -> 'applicable_to' <> 'null'
                   THEN jsonb_build_object('applicable_to', @extschema@._add_on_names(r.entry -> 'applicable_to'))
                   WHEN r.kind = 'pricing_rules'
                   THEN jsonb_build_object('conditions', (r.entry -> 'conditions')
                            || coalesce((SELECT jsonb_object_agg(c.key, @extschema@._add_on_names(c.value))
                                           FROM jsonb_each(r.entry -> 'conditions') c
                                          WHERE c.key IN ('requires_addon', 'excludes_addon')), '{}'))
                   ELSE '{}' END
      FROM (SELECT 'add_ons', t.id, to_jsonb(t) FROM @extschema@.add_ons t
             UNION ALL
            SELECT 'add_on_features', t.id, to_jsonb(t) FROM @extschema@.add_on_features t
             UNION ALL
            SELECT 'add_on_bundles', t.id, to_jsonb(t) FROM @extschema@.add_on_bundles t
             UNION ALL
            SELECT 'pricing_rules', t.id, to_jsonb(t) FROM @extschema@.pricing_rules t
             UNION ALL
            SELECT 'promotional_codes', t.id, to_jsonb(t) FROM @extschema@.promotional_codes t) r (kind, id, entry)
$$;
COMMENT ON FUNCTION @extschema@._catalog_rows() IS
'The rows of the catalog as a document has them, with their ids. Only export_catalog() and import_catalog() call it.';

CREATE FUNCTION @extschema@._check_adoption(
    "source_schema" pg_catalog.text,
    "time_zone" pg_catalog.text,
    "skip" pg_catalog.text[]
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_adoption_wrapper';
COMMENT ON FUNCTION @extschema@._check_adoption(text, text, text[]) IS
'Refuses schemas that adopt_tables() cannot take tables from. Only that calls it.
Arguments: source_schema; time_zone.
Returns: nothing.
Errors: 22023 null_argument, invalid_source_schema.';
ALTER FUNCTION @extschema@._check_adoption(text, text, text[]) COST 1000;

CREATE OR REPLACE FUNCTION @extschema@._check_catalog() RETURNS TABLE (check_name text, detail text)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@._check_catalog() IS
'Finds entries of the catalog that cannot work, or work differently than was probably intended: active rules, bundles and codes that can
never apply, that no longer apply or that save nothing or almost nothing, features without rows, a currency or list prices that cannot be
charged, discounts of 100 %. check_marketplace() reports what it finds.
Arguments: none.
Returns: a row for each problem found: the check of check_marketplace() it belongs to, and a sentence with the id of the row.
Errors: none.';

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

CREATE FUNCTION @extschema@._check_catalog_document(catalog jsonb) RETURNS void
LANGUAGE plpgsql COST 100000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kinds CONSTANT text[] := ARRAY(SELECT t.name FROM @extschema@._table_names() t WHERE NOT t.has_users ORDER BY t.place);
    problem text;
BEGIN
    PERFORM @extschema@._check_catalog_size(catalog);
    IF jsonb_typeof(catalog) IS DISTINCT FROM 'object' THEN
        PERFORM @extschema@._refuse_catalog(CASE WHEN catalog IS NOT NULL THEN format('expected an object, not %s', jsonb_typeof(catalog)) END);
    END IF;
    SELECT CASE WHEN k.key <> ALL (kinds) THEN format('unknown key %s; the keys are %s', quote_ident(k.key), array_to_string(kinds, ', '))
                WHEN jsonb_typeof(k.value) <> 'array' THEN format('%s: expected an array, not %s', k.key, jsonb_typeof(k.value)) END
      INTO problem
      FROM jsonb_each(catalog) k
     WHERE k.key <> ALL (kinds) OR jsonb_typeof(k.value) <> 'array'
     ORDER BY k.key LIMIT 1;
    IF problem IS NOT NULL THEN
        PERFORM @extschema@._refuse_catalog(problem);
    END IF;
    SELECT CASE WHEN jsonb_typeof(e.value) <> 'object' THEN format('%s[%s]: expected an object, not %s', k.key, e.place - 1, jsonb_typeof(e.value))
                WHEN unknown.key IS NOT NULL
                THEN format('%s[%s]: unknown key %s; the keys are %s', k.key, e.place - 1, quote_ident(unknown.key),
                            array_to_string(@extschema@._catalog_keys(k.key), ', '))
                ELSE format('%s[%s]: %s is missing', k.key, e.place - 1, required.key) END
      INTO problem
      FROM jsonb_each(catalog) k
     CROSS JOIN LATERAL jsonb_array_elements(k.value) WITH ORDINALITY e (value, place)
     CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(e.value) WHEN 'object' THEN e.value ELSE '{}' END) entry (value)
      LEFT JOIN LATERAL (SELECT o.key FROM jsonb_object_keys(entry.value) o (key)
                          WHERE o.key <> ALL (@extschema@._catalog_keys(k.key)) ORDER BY o.key LIMIT 1) unknown ON true
      LEFT JOIN LATERAL (SELECT r.key
                           FROM unnest(CASE k.key WHEN 'add_on_features' THEN '{add_on,feature_key}' WHEN 'pricing_rules' THEN '{add_on}'
                                                  WHEN 'promotional_codes' THEN '{code}' ELSE '{name}' END::text[]) r (key)
                          WHERE coalesce(jsonb_typeof(entry.value -> r.key), '') <> 'string' LIMIT 1) required ON true
     WHERE jsonb_typeof(e.value) <> 'object' OR unknown.key IS NOT NULL OR required.key IS NOT NULL
     ORDER BY k.key, e.place LIMIT 1;
    IF problem IS NOT NULL THEN
        PERFORM @extschema@._refuse_catalog(problem);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._check_catalog_document(jsonb) IS
'Refuses a document that import_catalog() cannot read, and says where. Only that calls it.';

CREATE FUNCTION @extschema@._check_catalog_size(
    "catalog" pg_catalog.jsonb
) RETURNS VOID
IMMUTABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_catalog_size_wrapper';
COMMENT ON FUNCTION @extschema@._check_catalog_size(jsonb) IS
'Raises an error for a document that is too large to be imported. Only import_catalog() calls it.';
ALTER FUNCTION @extschema@._check_catalog_size(jsonb) COST 10;

CREATE FUNCTION @extschema@._check_distribution(shard_count integer) RETURNS void
LANGUAGE plpgsql COST 20000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_coordinator boolean;
    obstacles text;
    plain_owner name;
BEGIN
    IF shard_count IS NULL OR shard_count NOT BETWEEN 1 AND 64000 THEN
        PERFORM @extschema@._refuse_distribution('invalid_shard_count', NULL, coalesce(shard_count::text, 'NULL'));
    END IF;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        PERFORM @extschema@._refuse_distribution('citus_missing', NULL, NULL);
    END IF;
    -- Citus moves rows and makes constraints with the rights of whoever asks for it, and what the tables' owner has defined with them.
    SELECT r.rolname INTO plain_owner
      FROM @extschema@._marketplace_tables() m JOIN pg_class c ON c.oid = m.relation JOIN pg_roles r ON r.oid = c.relowner
     WHERE NOT r.rolsuper AND (SELECT me.rolsuper FROM pg_roles me WHERE me.rolname = current_user)
     LIMIT 1;
    IF plain_owner IS NOT NULL THEN
        PERFORM @extschema@._refuse_distribution('not_distributable', NULL, format(
                    'The tables belong to %I, who is no superuser: connect as that role.', plain_owner));
    END IF;
    EXECUTE 'SELECT citus_is_coordinator()' INTO is_coordinator;
    IF NOT is_coordinator THEN
        PERFORM @extschema@._refuse_distribution('not_coordinator', NULL, NULL);
    END IF;
    SELECT string_agg(format('%s: %s.', o.object, o.obstacle), ' ' ORDER BY o.object, o.obstacle) INTO obstacles
      FROM @extschema@._distribution_obstacles() o;
    IF obstacles IS NOT NULL THEN
        PERFORM @extschema@._refuse_distribution('not_distributable', NULL, obstacles);
    END IF;
END
$$;
COMMENT ON FUNCTION @extschema@._check_distribution(integer) IS
'Raises an error that names everything that is in the way. Only distribute_marketplace() calls it.';

CREATE FUNCTION @extschema@._check_installation() RETURNS TABLE (check_name text, severity text, detail text)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    WITH tables AS (
        SELECT m.name, m.relation::oid AS oid, m.relation AS spelled, c.relkind = 'p' AS is_partitioned,
               -- By Citus: r or h, if at all.
               @extschema@._distribution_method(m.relation) AS method
          FROM @extschema@._marketplace_tables() m
          LEFT JOIN pg_class c ON c.oid = m.relation
    ), expected AS (
        SELECT e.kind, e.name, e.definition, t.oid AS table_oid, t.spelled, t.is_partitioned, t.method
          FROM @extschema@._expected_objects() e
          LEFT JOIN tables t ON t.name = e.table_name
         WHERE e.table_name = '' OR t.oid IS NOT NULL
    ), found (kind, table_oid, name, definition, state) AS (
            SELECT 'constraint', c.conrelid, c.conname::text, pg_get_constraintdef(c.oid), CASE WHEN NOT c.convalidated THEN 'not validated' END
              FROM pg_constraint c JOIN tables t ON t.oid = c.conrelid
        UNION ALL
            SELECT 'index', i.indrelid, c.relname, replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON '), CASE WHEN NOT (i.indisvalid AND i.indisready) THEN 'not valid' END
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN tables t ON t.oid = i.indrelid
        UNION ALL
            SELECT 'trigger', g.tgrelid, g.tgname, concat_ws(' ', CASE WHEN g.tgenabled = 'D' THEN 'O' ELSE g.tgenabled END, pg_get_triggerdef(g.oid)),
                   CASE WHEN g.tgenabled = 'D' THEN 'disabled' END
              FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid
             WHERE NOT g.tgisinternal
        UNION ALL
            SELECT 'function', NULL, p.proname, p.prosrc, NULL
              FROM pg_proc p
             WHERE p.pronamespace = '@extschema@'::regnamespace AND p.prosqlbody IS NULL
               AND (p.prorettype = 'trigger'::regtype OR p.prolang IN (SELECT l.oid FROM pg_language l WHERE l.lanname IN ('sql', 'plpgsql')))
    ), compared AS (
        SELECT e.kind, e.name, e.spelled, e.definition,
               e.table_oid NOT IN (SELECT unnest(x.extconfig) FROM pg_extension x WHERE x.extname = 'extensions') AS is_detached,
               f.name IS NULL AS is_missing, f.state,
               -- A trigger that fires at other times than it should is told apart from one that does something else.
               e.kind = 'trigger' AND f.state IS NULL AND left(e.definition, 1) <> left(f.definition, 1) AS fires_otherwise,
               -- Whatever is unique in a partitioned table has the key of the partitions in it, and in one of users that Citus spreads, the user.
               f.definition <> e.definition AND NOT ((e.is_partitioned OR coalesce(e.method = 'h', false)) AND e.definition ~ '^(PRIMARY KEY|UNIQUE|CREATE UNIQUE)') AND (e.kind <> 'trigger' OR substr(f.definition, 2) <> substr(e.definition, 2)) AS is_replaced
          FROM expected e
          LEFT JOIN found f ON f.kind = e.kind AND f.name = e.name AND f.table_oid IS NOT DISTINCT FROM e.table_oid
         WHERE e.kind <> 'column' AND NOT (e.kind = 'trigger' AND e.method IS NOT NULL)
    ), problems AS (
        SELECT c.*,
               CASE c.kind WHEN 'function' THEN 'function @extschema@.' || c.name || '()' ELSE c.kind || ' ' || c.name || ' of ' || c.spelled END AS label,
               CASE c.kind
                   WHEN 'constraint' THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.spelled, c.name, c.definition)
                   WHEN 'index' THEN c.definition
                   WHEN 'trigger' THEN substr(c.definition, 3) || '; ' || format('ALTER TABLE %s ENABLE %sTRIGGER %I', c.spelled,
                        CASE left(c.definition, 1) WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, c.name)
               END AS remedy
          FROM compared c
    )
        SELECT 'tables' AS check_name, 'error' AS severity, 'table ' || t.name || ' is missing' AS detail FROM tables t WHERE t.oid IS NULL
    UNION ALL
        SELECT 'tables', 'error', 'table ' || t.name || ' would not be dumped: it is not a configuration table of the extension. SELECT attach_tables()'
          FROM tables t
         WHERE t.oid NOT IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
    UNION ALL
        SELECT 'tables', 'notice', format('table %s is partitioned: dump it with pg_dump --load-via-partition-root, which restores it as one table', t.spelled)
          FROM tables t
         WHERE t.is_partitioned
    UNION ALL
        SELECT 'triggers', 'notice', 'the tables are spread by Citus, which takes no triggers: what is written into them directly is only held to constraints'
         WHERE EXISTS (SELECT FROM tables t WHERE t.method IS NOT NULL)
    UNION ALL
        SELECT 'tables', 'error', format('the rows of partition %s of %s would not be dumped: it is not a table of the extension. SELECT attach_tables()',
                                         p.relid, t.spelled)
          FROM tables t
         CROSS JOIN LATERAL pg_partition_tree(t.oid) p
         WHERE t.is_partitioned AND p.isleaf
           AND t.oid IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
           AND p.relid NOT IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
    UNION ALL
        SELECT 'columns', 'error', format('column %I of %s is %s, not %s', d.column_name, t.spelled, d.found, d.expected)
               || CASE WHEN d.found NOT IN ('missing', 'generated')
                       THEN format('. ALTER TABLE %s ALTER COLUMN %I TYPE %s', t.spelled, d.column_name, d.expected) ELSE '' END
          FROM @extschema@._column_differences() d
          JOIN tables t ON t.name = d.table_name
    UNION ALL
        SELECT 'columns', 'warning', format('column %I of %s may be NULL. ALTER TABLE %2$s ALTER COLUMN %1$I SET NOT NULL', a.attname, e.spelled)
          FROM expected e
          JOIN pg_attribute a ON a.attrelid = e.table_oid AND a.attname = e.name AND NOT a.attisdropped
         WHERE e.kind = 'column' AND e.definition LIKE '%NOT NULL%' AND NOT a.attnotnull
    UNION ALL
        SELECT 'columns', 'warning', format('column %I of %s is not the extension''s: a dump restores the table without it, and its rows then fail to load',
                                            a.attname, t.spelled)
          FROM tables t
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE NOT EXISTS (SELECT FROM expected e WHERE e.kind = 'column' AND e.table_oid = t.oid AND e.name = a.attname)
    UNION ALL
        SELECT CASE p.kind WHEN 'index' THEN 'indexes' ELSE p.kind || 's' END,
               -- Nothing becomes wrong without an index, but slow.
               -- Detached tables have lost the constraints that call our functions, and get them back when they are attached.
               CASE WHEN p.kind = 'constraint' AND p.is_missing AND p.definition LIKE 'CHECK%@extschema@.%' AND p.is_detached THEN 'notice'
                    WHEN p.kind = 'index' AND p.is_missing OR p.is_replaced THEN 'warning' ELSE 'error' END,
               CASE
                   WHEN p.is_missing THEN p.label || ' is missing' || coalesce('. ' || p.remedy, '')
                   WHEN p.state = 'not valid' THEN format('%s is not valid. REINDEX INDEX @extschema@.%I', p.label, p.name)
                   WHEN p.state = 'not validated' THEN format('%s is not validated. ALTER TABLE %s VALIDATE CONSTRAINT %I', p.label, p.spelled, p.name)
                   WHEN p.state = 'disabled' THEN p.label || ' is disabled. ' || regexp_replace(p.remedy, '^.*; ', '')
                   WHEN p.fires_otherwise AND p.name LIKE 'invalidate%'
                   THEN p.label || ' does not always fire, so sessions keep nothing of the catalog in memory. ' || regexp_replace(p.remedy, '^.*; ', '')
                   WHEN p.fires_otherwise THEN p.label || ' fires at other times than it should. ' || regexp_replace(p.remedy, '^.*; ', '')
                   ELSE p.label || ' is not the one that was installed' END
          FROM problems p
         WHERE p.is_missing OR p.state IS NOT NULL OR p.fires_otherwise OR p.is_replaced
    UNION ALL
        -- What somebody has added. It works, and a dump of the extension's tables leaves it out.
        SELECT CASE f.kind WHEN 'index' THEN 'indexes' ELSE f.kind || 's' END, 'notice',
               format('%s %I of %s is not the extension''s: no dump has it, make it again after a restore', f.kind, f.name, t.spelled)
          FROM found f
          JOIN tables t ON t.oid = f.table_oid
         WHERE f.kind IN ('index', 'constraint', 'trigger') AND f.state IS NULL
           AND t.oid IN (SELECT unnest(e.extconfig) FROM pg_extension e WHERE e.extname = 'extensions')
           AND NOT EXISTS (SELECT FROM expected e WHERE e.kind = f.kind AND e.name = f.name AND e.table_oid = f.table_oid)
           -- PostgreSQL 18 has a constraint for each NOT NULL; link_reference_tables() makes some, which it tells of, and
           -- distribute_marketplace() one; the rest of an index is its constraint.
           AND NOT (f.kind = 'constraint' AND f.definition LIKE 'NOT NULL%')
           AND NOT (t.method IS NOT NULL AND f.name = 'promotional_codes_normalized_check')
           AND NOT (f.kind = 'index' AND EXISTS (SELECT FROM found c WHERE c.kind = 'constraint' AND c.table_oid = f.table_oid AND c.name = f.name))
    UNION ALL
        SELECT CASE f.kind WHEN 'index' THEN 'indexes' ELSE f.kind || 's' END, 'error',
               CASE f.kind
                   WHEN 'index' THEN format('index %I of %s is not valid. REINDEX INDEX @extschema@.%1$I', f.name, t.spelled)
                   ELSE format('constraint %I of %s is not validated. ALTER TABLE %2$s VALIDATE CONSTRAINT %1$I', f.name, t.spelled) END
          FROM found f
          JOIN tables t ON t.oid = f.table_oid
         WHERE f.kind IN ('index', 'constraint') AND f.state IS NOT NULL
           AND NOT EXISTS (SELECT FROM expected e WHERE e.kind = f.kind AND e.name = f.name AND e.table_oid = f.table_oid)
$$;
COMMENT ON FUNCTION @extschema@._check_installation() IS
'Tables, columns, constraints, indexes, triggers and functions that are missing, disabled or not as they were installed, each with the
command that repairs it. Only check_marketplace() calls it.
Arguments: none.
Returns: a row for each problem.
Errors: none.';

CREATE FUNCTION @extschema@._check_marketplace_body() RETURNS TABLE (check_name text, ok boolean, detail text, severity text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The rows cannot be read as long as a table or a column is missing or has another type.
    is_readable CONSTANT boolean := NOT EXISTS (SELECT FROM @extschema@._check_installation() i
                                                 WHERE i.check_name IN ('tables', 'columns') AND i.severity = 'error');
    names text[] := '{}';
    severities text[] := '{}';
    details text[] := '{}';
BEGIN
    SELECT coalesce(array_agg(i.check_name), '{}'), coalesce(array_agg(i.severity), '{}'), coalesce(array_agg(i.detail), '{}')
      INTO names, severities, details
      FROM @extschema@._check_installation() i;
    IF is_readable THEN
        SELECT names || coalesce(array_agg(p.check_name), '{}'), details || coalesce(array_agg(p.detail), '{}')
          INTO names, details
          FROM @extschema@._check_purchases() p;
        SELECT names || coalesce(array_agg(c.check_name), '{}'), details || coalesce(array_agg(c.detail), '{}')
          INTO names, details
          FROM @extschema@._check_catalog() c;
    END IF;
    -- Problems of the installation have severities of their own, others that of their check.
    RETURN QUERY
    SELECT checks.name, problems.detail IS NULL OR coalesce(problems.severity, checks.severity) <> 'error',
           coalesce(problems.detail, CASE WHEN checks.needs_rows AND NOT is_readable THEN 'not checked: first correct the tables and columns'
                                          ELSE checks.good END),
           CASE WHEN problems.detail IS NOT NULL THEN coalesce(problems.severity, checks.severity)
                WHEN checks.needs_rows AND NOT is_readable THEN 'notice' ELSE 'ok' END
      FROM (VALUES
               (1, 'tables', false, 'error', 'all eight tables are there and are dumped with their rows'),
               (2, 'columns', false, 'error', 'every column has the type that the functions expect'),
               (3, 'indexes', false, 'error', 'all indexes are there and valid'),
               (4, 'constraints', false, 'error', 'all constraints are there and validated'),
               (5, 'triggers', false, 'error', 'all triggers are there and fire when they should'),
               (6, 'functions', false, 'error', 'all functions written in SQL are those that were installed'),
               (7, 'promotional_code_uses', true, 'error', 'current_uses of every code equals its live redemptions'),
               (8, 'bundle_uses', true, 'error', 'current_uses of every bundle equals its live instances'),
               (9, 'quotes', true, 'error', 'every checkout costs what it was quoted'),
               (10, 'refunds', true, 'error', 'what is refunded in full is refunded, and nothing else'),
               (11, 'bundle_add_ons', true, 'error', 'every bundle names existing add-ons'),
               (12, 'promotional_code_add_ons', true, 'error', 'every code names existing add-ons'),
               (13, 'pricing_rules', true, 'warning', 'every active rule can apply and saves something'),
               (14, 'bundles', true, 'warning', 'every active bundle saves something'),
               (15, 'promotional_codes', true, 'warning', 'every active code takes something off'),
               (16, 'features', true, 'warning', 'every add-on on sale gives a feature, and every listed feature has a row'),
               (17, 'discounts', true, 'notice', 'nothing active takes 100 % off'),
               (22, 'ended', true, 'notice', 'no active rule, bundle or code is over, used up or for what is withdrawn from sale'),
               (18, 'currency', true, 'error', 'every list price can be charged in extensions.currency'),
               (19, 'purchase_currencies', true, 'warning', 'every purchase is in extensions.currency'),
               (20, 'unsettled_payments', true, 'warning', 'all money that was taken pays for something'),
               (21, 'renewal_amounts', true, 'notice', 'every renewal cost what was locked at the purchase')
           ) checks (position, name, needs_rows, severity, good)
      LEFT JOIN unnest(names, severities, details) problems (check_name, severity, detail) ON problems.check_name = checks.name
     ORDER BY checks.position, problems.severity, problems.detail;
END
$$;
COMMENT ON FUNCTION @extschema@._check_marketplace_body() IS
'What check_marketplace() does, which has it run as the owner of the tables. Only that calls it.';

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

CREATE FUNCTION @extschema@._check_rows_written(
    "table_name" pg_catalog.text,
    "meant" bigint,
    "written" bigint
) RETURNS VOID
IMMUTABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_rows_written_wrapper';
COMMENT ON FUNCTION @extschema@._check_rows_written(text, bigint, bigint) IS
'Raises an error if fewer rows of a table were written than intended. Only import_catalog(), adopt_tables() and
load_sample_catalog() call it.';
ALTER FUNCTION @extschema@._check_rows_written(text, bigint, bigint) COST 10;

CREATE FUNCTION @extschema@._column_differences() RETURNS TABLE (
    "table_name" pg_catalog.text,
    "column_name" pg_catalog.text,
    "expected" pg_catalog.text,
    "found" pg_catalog.text
)
STRICT STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'column_differences_wrapper';
COMMENT ON FUNCTION @extschema@._column_differences() IS
'Columns that the extension''s functions cannot read or write, because they are missing, generated or of another type.
Only _check_installation() and link_reference_tables() call it.';
ALTER FUNCTION @extschema@._column_differences() COST 10000 ROWS 10;

CREATE FUNCTION @extschema@._currency_setting() RETURNS TABLE (
    "code" pg_catalog.text,
    "smallest_unit" pg_catalog.numeric,
    "problem" pg_catalog.text
)
STRICT STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'currency_setting_wrapper';
COMMENT ON FUNCTION @extschema@._currency_setting() IS
'The currency that the setting extensions.currency names.
Arguments: none.
Returns: one row: code, as it is set; smallest_unit, the smallest amount that can be charged: 0.01, or 1.00 in currencies that have no
decimals in ISO 4217; problem, why prices cannot have it, and then smallest_unit is NULL.
Errors: none.';
ALTER FUNCTION @extschema@._currency_setting() COST 40 ROWS 1;

CREATE FUNCTION @extschema@._distribute_table(relation regclass, has_users boolean, shard_count integer) RETURNS text
LANGUAGE plpgsql COST 100000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done CONSTANT text := CASE WHEN has_users THEN 'spread by user_id' ELSE 'copied to every node' END;
BEGIN
    IF @extschema@._distribution_method(relation) IS NOT NULL THEN
        RETURN 'was ' || done;
    ELSIF NOT has_users THEN
        EXECUTE 'SELECT create_reference_table($1)' USING relation;
    ELSIF relation = '@extschema@.user_add_ons'::regclass THEN
        EXECUTE 'SELECT create_distributed_table($1, ''user_id'', colocate_with => ''none'', shard_count => $2)'
          USING relation, shard_count;
    ELSE
        EXECUTE 'SELECT create_distributed_table($1, ''user_id'', colocate_with => ''@extschema@.user_add_ons'')' USING relation;
    END IF;
    RETURN done;
END
$$;
COMMENT ON FUNCTION @extschema@._distribute_table(regclass, boolean, integer) IS
'Has Citus spread one table. Only distribute_marketplace() calls it.';

CREATE FUNCTION @extschema@._distribution_foreign_keys() RETURNS TABLE (name text, command text, is_there boolean)
LANGUAGE sql COST 10000 ROWS 5 SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.name, format('ALTER TABLE %s ADD CONSTRAINT %I %s', m.relation, e.name, e.definition),
           EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = m.relation AND c.conname = e.name)
      FROM @extschema@._marketplace_tables() m
      JOIN @extschema@._expected_objects() e ON e.kind = 'constraint' AND e.table_name = m.name AND e.definition LIKE 'FOREIGN KEY%'
     ORDER BY m.place
$$;
COMMENT ON FUNCTION @extschema@._distribution_foreign_keys() IS
'The foreign keys between the tables, and whether they are there. Only distribute_marketplace() and distribution_status() call it.';

CREATE FUNCTION @extschema@._distribution_method(relation regclass) RETURNS "char"
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 200 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    method "char";
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        EXECUTE 'SELECT CASE WHEN p.partmethod = ''n'' AND p.repmodel = ''t'' THEN ''r'' ELSE p.partmethod END
                   FROM pg_dist_partition p WHERE p.logicalrelid = $1' INTO method USING relation;
    END IF;
    RETURN method;
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_method(regclass) IS
'How Citus spreads a table: r copied to every node, h by a hash of the user; NULL for a table that is only here.
Only check_installation() and the functions below call it.';

CREATE FUNCTION @extschema@._distribution_nodes() RETURNS TABLE (node text, is_worker boolean, version text, report jsonb, failure text)
LANGUAGE plpgsql COST 10000000 ROWS 3 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    worker record;
BEGIN
    node := 'coordinator';
    is_worker := false;
    SELECT e.extversion, @extschema@._distribution_of_node() INTO version, report FROM pg_extension e WHERE e.extname = 'extensions';
    RETURN NEXT;
    is_worker := true;
    FOR worker IN EXECUTE $query$
        SELECT * FROM run_command_on_workers(
                   'SELECT coalesce((SELECT e.extversion FROM pg_extension e WHERE e.extname = ''extensions''), '''')')
         ORDER BY nodename, nodeport $query$
    LOOP
        node := format('node %s:%s', worker.nodename, worker.nodeport);
        version := worker.result;
        report := NULL;
        failure := CASE WHEN NOT worker.success THEN worker.result END;
        IF worker.success AND version <> '' THEN
            EXECUTE 'SELECT CASE WHEN r.success THEN r.result::jsonb END, CASE WHEN NOT r.success THEN r.result END
                       FROM run_command_on_workers(''SELECT @extschema@._distribution_of_node()'') r
                      WHERE r.nodename = $1 AND r.nodeport = $2'
               INTO report, failure USING worker.nodename, worker.nodeport;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_nodes() IS
'Asks every node of the cluster for its _distribution_of_node(). Only distribute_marketplace() and distribution_status() call it.';

CREATE FUNCTION @extschema@._distribution_obstacles() RETURNS TABLE (object text, obstacle text)
LANGUAGE plpgsql COST 20000000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT 'table ' || m.name, 'it is missing or is no ordinary table'
          FROM @extschema@._marketplace_tables() m
          LEFT JOIN pg_class c ON c.oid = m.relation AND c.relkind = 'r'
         WHERE c.oid IS NULL
         UNION ALL
        SELECT 'table ' || m.name, 'it does not belong to the extension: call attach_tables() first'
          FROM @extschema@._marketplace_tables() m
         WHERE m.relation IS NOT NULL AND NOT @extschema@._is_member('pg_class', m.relation)
         UNION ALL
        SELECT 'table ' || m.name, format('trigger %s is not the extension''s: drop it', t.tgname)
          FROM @extschema@._marketplace_tables() m
          JOIN pg_trigger t ON t.tgrelid = m.relation AND NOT t.tgisinternal AND NOT @extschema@._is_member('pg_proc', t.tgfoid)
         UNION ALL
        SELECT 'table ' || m.name, 'policy user_isolation looks into another query: call disable_user_isolation() first'
          FROM @extschema@._marketplace_tables() m
          JOIN pg_policy p ON p.polrelid = m.relation AND p.polname = 'user_isolation'
         UNION ALL
        SELECT 'table ' || c.conrelid::regclass,
               format('foreign key %s to %s: %s', c.conname, c.confrelid::regclass,
                      CASE WHEN c.conname IN ('pricing_rules_tier_code_fkey', 'add_on_features_feature_key_fkey')
                           THEN 'call unlink_reference_tables() first' ELSE 'drop it' END)
          FROM pg_constraint c
         WHERE c.contype = 'f'
           AND (c.conrelid IN (SELECT m.relation FROM @extschema@._marketplace_tables() m))
               <> (c.confrelid IN (SELECT m.relation FROM @extschema@._marketplace_tables() m))
           AND EXISTS (SELECT FROM @extschema@._marketplace_tables() m
                        WHERE m.relation IN (c.conrelid, c.confrelid) AND @extschema@._distribution_method(m.relation) IS NULL);
    RETURN QUERY
        SELECT n.node, o.obstacle
          FROM @extschema@._distribution_nodes() n
         CROSS JOIN LATERAL (
               SELECT n.failure WHERE n.failure IS NOT NULL
                UNION ALL
               SELECT format('it has version %s of the extension, and this node %s', n.version, e.extversion)
                 FROM pg_extension e
                WHERE e.extname = 'extensions' AND n.failure IS NULL AND n.version NOT IN ('', e.extversion)
                UNION ALL
               SELECT format('rows in its own %s would be hidden: delete them there', t.name)
                 FROM jsonb_array_elements_text(n.report -> 'tables_with_rows') t (name)
                WHERE n.is_worker
                UNION ALL
               SELECT 'max_prepared_transactions is 0: two-phase commits need more'
                WHERE (n.report -> 'max_prepared_transactions') = '0') o (obstacle);
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_obstacles() IS
'What is in the way of distribute_marketplace(), object by object. Only that and distribution_status() call it.';

CREATE FUNCTION @extschema@._distribution_of_node() RETURNS jsonb
LANGUAGE plpgsql COST 200000 SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    local_table text;
    has_rows boolean;
    filled text[] := '{}';
BEGIN
    FOR local_table IN
        SELECT c.relname FROM pg_class c
         WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relkind IN ('r', 'p')
           AND (c.relname = 'marketplace_unclaimed' OR c.oid IN (SELECT m.relation FROM @extschema@._marketplace_tables() m))
           AND @extschema@._distribution_method(c.oid) IS NULL
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s.%I)', '@extschema@', local_table) INTO has_rows;
        IF has_rows THEN
            filled := filled || local_table;
        END IF;
    END LOOP;
    RETURN jsonb_build_object(
        'tables_with_rows', to_jsonb(filled),
        'preparations', (SELECT count(*) FROM @extschema@._distribution_preparations()),
        'max_prepared_transactions', current_setting('max_prepared_transactions')::integer);
END
$$;
COMMENT ON FUNCTION @extschema@._distribution_of_node() IS
'What distribute_marketplace() and distribution_status() want to know of each node. Only _distribution_nodes() calls it.';

CREATE FUNCTION @extschema@._draft_problem(whose regclass, draft jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    WITH given AS MATERIALIZED (
        SELECT CASE jsonb_typeof(draft) WHEN 'object' THEN draft ELSE '{}' END AS entry
    ), columns AS MATERIALIZED (
        SELECT a.attnum, a.attname::text AS name, a.attnotnull AS is_required, a.atthasdef AS has_default, g.entry -> a.attname::text AS value
          FROM pg_attribute a, given g
         WHERE a.attrelid = whose AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT p.problem
      FROM (SELECT 1, format('expected a JSON object, not %s', jsonb_typeof(draft)) WHERE jsonb_typeof(draft) <> 'object'
             UNION ALL
            SELECT 2, format('unknown key "%s"; the keys are %s', left(k.key, 60), (SELECT string_agg(c.name, ', ' ORDER BY c.attnum) FROM columns c))
              FROM given g, jsonb_object_keys(g.entry) k (key)
             WHERE k.key NOT IN (SELECT c.name FROM columns c)
             UNION ALL
            SELECT 3, format('key "%s" is missing', c.name) FROM columns c
             -- What a row is called has no part in a price.
             WHERE c.is_required AND NOT c.has_default AND c.value IS NULL AND c.name NOT IN ('name', 'code')
             UNION ALL
            SELECT 4, format('"%s" must not be null', c.name) FROM columns c WHERE c.is_required AND c.value = 'null') p (step, problem)
     ORDER BY p.step, p.problem LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@._draft_problem(regclass, jsonb) IS
'Why a JSON object is no row of a table, by the names of its columns and those that are required; NULL when it is one. Only the
simulations call it.';

CREATE FUNCTION @extschema@._draft_row(whose regclass, draft jsonb, id uuid)
RETURNS TABLE (entry jsonb, broken_constraint text, rule text)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000 ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    presets text;
    checked record;
    is_broken boolean;
BEGIN
    SELECT string_agg(format('%s AS %I', pg_get_expr(d.adbin, d.adrelid), a.attname), ', ') INTO presets
      FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE d.adrelid = whose AND a.attgenerated = '' AND a.attname <> 'id' AND NOT draft ? a.attname::text;
    -- A bundle needs no name to have a price.
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s, jsonb_build_object(''id'', $1, ''name'', '''') || to_jsonb(presets) || $2))
                      FROM (SELECT %s) presets', whose, presets) INTO entry USING id, draft;
    FOR checked IN EXECUTE format('SELECT * FROM %s._table_rules($1) r WHERE r.kind = ''c''',
                                  (SELECT c.relnamespace::regnamespace FROM pg_class c WHERE c.oid = whose)) USING whose LOOP
        EXECUTE format('SELECT NOT (%s) FROM jsonb_populate_record(NULL::%s, $1) %I', checked.condition, whose,
                       (SELECT c.relname FROM pg_class c WHERE c.oid = whose)) INTO is_broken USING entry;
        IF is_broken THEN
            broken_constraint := checked.name;
            rule := format('%s (%s)', CASE WHEN checked.advice IS NULL THEN checked.condition ELSE checked.rule END,
                           (SELECT string_agg(format('%s: %s', c.name, left(entry ->> c.name, 60)), ', ' ORDER BY c.place)
                              FROM unnest(checked.columns) WITH ORDINALITY c (name, place)));
            EXIT;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._draft_row(regclass, jsonb, uuid) IS
'The row that a table would make of a JSON object with its columns as keys, defaults and all, and the first of its constraints that
refuses it, with what that asks for. Only the simulations call it.';

CREATE FUNCTION @extschema@._draft_value(whose regclass, draft jsonb, key text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s, $1))', whose) INTO entry USING jsonb_build_object(key, draft -> key);
    RETURN entry -> key;
END
$$;
COMMENT ON FUNCTION @extschema@._draft_value(regclass, jsonb, text) IS
'The value of a key as the column of that name would store it, or PostgreSQL''s own error. Only the simulations call it.';

CREATE FUNCTION @extschema@._expected_objects() RETURNS TABLE (
    "kind" pg_catalog.text,
    "table_name" pg_catalog.text,
    "name" pg_catalog.text,
    "definition" pg_catalog.text
)
STRICT STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'expected_objects_wrapper';
COMMENT ON FUNCTION @extschema@._expected_objects() IS
'The parts of the extension''s tables, its functions written in SQL and those of triggers, as they were installed. Only _check_installation() calls it.';
ALTER FUNCTION @extschema@._expected_objects() COST 10000 ROWS 250;

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

CREATE FUNCTION @extschema@._export_catalog_body() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_object_agg(t.name, coalesce(entries.list, '[]'))
      FROM @extschema@._table_names() t
      LEFT JOIN (SELECT r.kind, jsonb_agg(r.entry ORDER BY @extschema@._catalog_key(r.kind, r.entry), r.entry) AS list
                   FROM @extschema@._catalog_rows() r
                  GROUP BY r.kind) entries ON entries.kind = t.name
     WHERE NOT t.has_users
$$;
COMMENT ON FUNCTION @extschema@._export_catalog_body() IS
'What export_catalog() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._feature_keys(features jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE jsonb_typeof(features) WHEN 'object' THEN (SELECT coalesce(jsonb_agg(given.key ORDER BY given.key), '[]')
                                                              FROM jsonb_object_keys(features) given (key))
                                       ELSE features END
$$;
COMMENT ON FUNCTION @extschema@._feature_keys(jsonb) IS
'The features of an add-on as they are stored: of an object, its keys. Only import_catalog() and adopt_tables() call it.';

CREATE FUNCTION @extschema@._functions_of_users() RETURNS SETOF regprocedure
LANGUAGE sql COST 100000 ROWS 25 SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid::regprocedure
      FROM pg_proc p
     WHERE p.pronargs > p.pronargdefaults AND p.proargnames[1] = 'user_id' AND p.prosupport::oid <> 0 AND @extschema@._is_member('pg_proc', p.oid)
     ORDER BY p.proname
$$;
COMMENT ON FUNCTION @extschema@._functions_of_users() IS
'The functions that Citus sends to the node of the user, whom their first argument names. Only distribute_marketplace() and
distribution_status() call it.';

CREATE FUNCTION @extschema@._hold_user(
    "user_id" pg_catalog.text
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'hold_user_wrapper';
COMMENT ON FUNCTION @extschema@._hold_user(text) IS
'Has this node hold a user''s lock until the transaction ends. Only the other nodes of a Citus cluster call it, on the node of the
user''s rows, as the owner of the tables.';
ALTER FUNCTION @extschema@._hold_user(text) COST 100;

CREATE FUNCTION @extschema@._import_catalog_body(catalog jsonb, dry_run boolean) RETURNS TABLE (object text, action text, id uuid)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    kinds CONSTANT text[] := ARRAY(SELECT t.name FROM @extschema@._table_names() t WHERE NOT t.has_users ORDER BY t.place);
    kind text;
    match record;
    difference record;
BEGIN
    PERFORM @extschema@._check_catalog_document(catalog);
    -- A rehearsal does everything, so that the tables have their say, and undoes it.
    FOREACH kind IN ARRAY kinds LOOP
        CONTINUE WHEN NOT catalog ? kind;
        FOR match IN SELECT * FROM @extschema@._catalog_matches(kind, catalog -> kind) LOOP
            object := @extschema@._catalog_object(kind, coalesce(match.here, match.entry));
            id := match.id;
            IF match.entry IS NULL THEN
                action := 'keep';
                RETURN NEXT;
            ELSIF match.here IS NULL THEN
                id := @extschema@._write_catalog_entry(kind, match.entry, NULL);
                action := 'insert';
                -- Nobody will find the row of a rehearsal.
                id := CASE WHEN NOT dry_run THEN id END;
                RETURN NEXT;
            ELSIF match.here || match.entry <> match.here THEN
                PERFORM @extschema@._write_catalog_entry(kind, match.entry, match.id);
                FOR difference IN SELECT e.key, match.here -> e.key AS old, e.value AS new FROM jsonb_each(match.entry) e LOOP
                    CONTINUE WHEN difference.old = difference.new;
                    action := format('update %s: %s -> %s', difference.key, difference.old, difference.new);
                    RETURN NEXT;
                END LOOP;
            END IF;
        END LOOP;
    END LOOP;
    IF dry_run THEN
        RAISE EXCEPTION 'rehearsed' USING ERRCODE = 'UE001';
    END IF;
EXCEPTION WHEN SQLSTATE 'UE001' THEN
    -- Everything that this block has written is undone; the rows that it has returned stay.
    NULL;
END
$$;
COMMENT ON FUNCTION @extschema@._import_catalog_body(jsonb, boolean) IS
'What import_catalog() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._is_member(class regclass, object oid) RETURNS boolean
LANGUAGE sql COST 100 SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_depend d
                     JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'extensions'
                    WHERE d.classid = class AND d.objid = object AND d.deptype = 'e')
$$;
COMMENT ON FUNCTION @extschema@._is_member(regclass, oid) IS
'Whether an object, a row of that catalog, belongs to the extension. Only the functions below call it.';

CREATE FUNCTION @extschema@._link_reference_tables_body() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link record;
    obstacles text;
    reason text;
BEGIN
    FOR link IN SELECT * FROM @extschema@._reference_links() LOOP
        reference := link.reference;
        IF link.to_table IS NULL THEN
            status := 'no such table';
            detail := format('there is no %s to point to', split_part(link.reference, ' -> ', 2));
            RETURN NEXT;
            CONTINUE;
        END IF;
        -- The other side has to fit ours: a column of ours of another type is one that no function can read.
        SELECT format('column %s.%s is %s, not %s; change the type of %s instead', d.table_name, d.column_name, d.found, d.expected,
                      split_part(link.reference, ' -> ', 2))
          INTO detail
          FROM @extschema@._column_differences() d
         WHERE d.table_name = split_part(link.reference, '.', 1) AND d.column_name = link.from_column;
        IF FOUND THEN
            status := 'not linked';
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = link.from_table AND c.conname = link.constraint_name) THEN
            BEGIN
                EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I) NOT VALID',
                               link.from_table, link.constraint_name, link.from_column, link.to_table, link.to_column);
            EXCEPTION WHEN invalid_foreign_key OR undefined_column OR datatype_mismatch OR wrong_object_type THEN
                GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
                status := 'not linked';
                detail := concat_ws(': ', SQLERRM, nullif(reason, ''));
                IF SQLSTATE = '42804' THEN
                    detail := format('%s Make %s %s; the extension''s column must stay as it is', detail, split_part(link.reference, ' -> ', 2),
                                     (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                                       WHERE a.attrelid = link.from_table AND a.attname = link.from_column));
                END IF;
                RETURN NEXT;
                CONTINUE;
            END;
        END IF;
        -- All values in the way, and not only the first, which is all that validating names.
        SELECT string_agg(format('%s (%s rows)', unknown.value, unknown.row_count), ', ' ORDER BY unknown.value) INTO obstacles
          FROM @extschema@._unknown_references() unknown
         WHERE unknown.from_table = link.from_table AND unknown.from_column = link.from_column;
        IF obstacles IS NULL THEN
            EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', link.from_table, link.constraint_name);
            status := 'linked';
            detail := format('constraint %s holds for all rows', link.constraint_name);
        ELSE
            status := 'linked for new rows';
            detail := format('unknown to %s: %s; correct these rows and call again', link.to_table, obstacles);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._link_reference_tables_body() IS
'What link_reference_tables() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._load_sample_catalog_body() RETURNS TABLE (object text, inserted bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Rows that were neither written nor there before: a trigger has swallowed them.
    swallowed bigint;
    -- By add-on: its feature keys and their configurations.
    catalog_features CONSTANT jsonb := '{
        "Unicorn Orator (TTS)": {
            "text_to_speech": {"limit": 500000, "per": "month", "unit": "characters", "languages": 30},
            "voice_library": {"voices": 120},
            "voice_streaming": {"max_latency_ms": 300},
            "audio_export": {"formats": ["mp3", "wav", "ogg"]},
            "api_access": {"requests_per_minute": 60}
        },
        "Amanuensis (STT)": {
            "speech_to_text": {"limit": 1000, "per": "month", "unit": "minutes", "accuracy_percent": 95},
            "speaker_labels": {"speakers": 8},
            "live_transcription": {"streams": 2},
            "subtitle_export": {"formats": ["srt", "vtt"]},
            "api_access": {"requests_per_minute": 60}
        },
        "Brigade": {
            "agent_platform": {"limit": 10, "per": "ever", "unit": "agents"},
            "agent_tools": {"tools_per_agent": 20},
            "agent_memory": {"megabytes": 512},
            "workflow_builder": {"workflows": 50},
            "api_access": {"requests_per_minute": 300}
        },
        "Bolt": {
            "code_completion": {"languages": 25},
            "code_review": {"limit": 50, "per": "day", "unit": "reviews"},
            "cloud_workspaces": {"limit": 5, "per": "ever", "unit": "workspaces"},
            "gpu_hours": {"limit": 10, "unit": "hours", "priority": false}
        },
        "Presenton": {
            "presentation_builder": {"limit": 50, "per": "month", "unit": "presentations"},
            "template_library": {"templates": 100},
            "brand_kit": {"brands": 3},
            "slide_export": {"formats": ["pptx", "pdf"]}
        },
        "Center-Deep Pro": {
            "semantic_search": {"limit": 100000, "per": "ever", "unit": "documents"},
            "vector_database": {"limit": 500000, "per": "ever", "unit": "vectors", "dedicated": false},
            "search_analytics": {"retention_days": 90},
            "document_connectors": {"connectors": 12},
            "api_access": {"requests_per_minute": 120}
        },
        "Document Processing": {
            "ocr": {"limit": 5000, "per": "month", "unit": "pages"},
            "table_extraction": {"tables_per_page": 10},
            "form_recognition": {"forms": 40},
            "batch_processing": {"jobs": 5},
            "document_connectors": {"connectors": 4}
        },
        "Vector Search": {
            "vector_database": {"limit": 1000000, "per": "ever", "unit": "vectors", "dedicated": true},
            "hybrid_search": {"max_latency_ms": 10},
            "vector_snapshots": {"snapshots": 7},
            "api_access": {"requests_per_minute": 600}
        },
        "GPU Compute": {
            "gpu_hours": {"limit": 50, "unit": "hours", "priority": true},
            "gpu_models": {"models": ["A100", "H100"]},
            "container_images": {"images": 20},
            "job_scheduler": {"jobs": 10},
            "api_access": {"requests_per_minute": 120}
        }
    }';
BEGIN
    WITH given (id, name, description, category, base_price, billing_type, is_featured, sort_order, version, icon_url, features) AS MATERIALIZED (
        SELECT a.id::uuid, a.name, a.description, a.category, a.base_price, a.billing_type, a.is_featured, a.sort_order, a.version,
               a.icon_url, (SELECT jsonb_agg(key ORDER BY key) FROM jsonb_object_keys(catalog_features -> a.name) key)
          FROM (VALUES
            ('a0000000-0000-4000-8000-000000000001', 'Unicorn Orator (TTS)',
             'Text to speech in 30 languages, with natural voices and streaming.',
             'ai-services', 9.99, 'monthly', true, 10, '2.1', '/icons/orator.svg'),
            ('a0000000-0000-4000-8000-000000000002', 'Amanuensis (STT)',
             'Speech to text with 95% accuracy, speaker labels and time stamps.',
             'ai-services', 9.99, 'monthly', false, 20, '1.8', '/icons/amanuensis.svg'),
            ('a0000000-0000-4000-8000-000000000003', 'Brigade',
             'Agent platform: run up to 10 agents that share tools and memory.',
             'ai-services', 19.99, 'monthly', true, 30, '3.0', '/icons/brigade.svg'),
            ('a0000000-0000-4000-8000-000000000004', 'Bolt',
             'AI development environment with completion, review and GPU hours.',
             'development', 14.99, 'monthly', false, 40, '1.4', '/icons/bolt.svg'),
            ('a0000000-0000-4000-8000-000000000005', 'Presenton',
             'Presentation builder with 100 templates and brand kits.',
             'productivity', 9.99, 'monthly', false, 50, '1.2', '/icons/presenton.svg'),
            ('a0000000-0000-4000-8000-000000000006', 'Center-Deep Pro',
             'Semantic search over your documents, with a vector database behind it.',
             'analytics', 19.99, 'monthly', true, 60, '2.0', '/icons/center-deep.svg'),
            ('a0000000-0000-4000-8000-000000000007', 'Document Processing',
             'OCR, tables and forms for 5,000 pages a month.',
             'productivity', 12.99, 'monthly', false, 70, '1.5', '/icons/documents.svg'),
            ('a0000000-0000-4000-8000-000000000008', 'Vector Search',
             'Similarity search over a million vectors that answers in under 10 ms.',
             'infrastructure', 14.99, 'monthly', false, 80, '1.1', '/icons/vectors.svg'),
            ('a0000000-0000-4000-8000-000000000009', 'GPU Compute',
             'A100 and H100 by the hour: 50 GPU hours a month.',
             'infrastructure', 49.99, 'monthly', false, 90, '1.0', '/icons/gpu.svg')
          ) a (id, name, description, category, base_price, billing_type, is_featured, sort_order, version, icon_url)
    ), written AS (
        INSERT INTO @extschema@.add_ons AS t (id, name, description, category, base_price, billing_type, is_featured, sort_order, version, icon_url, features)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.id = g.id)
                              AND NOT EXISTS (SELECT FROM @extschema@.add_ons t WHERE t.id = g.id OR t.name = g.name))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('add_ons', inserted + swallowed, inserted);
    object := 'add_ons';
    RETURN NEXT;

    WITH given (add_on_id, feature_key, configuration) AS MATERIALIZED (
        SELECT a.id, f.key, f.value
          FROM jsonb_each(catalog_features) of_add_on
          JOIN @extschema@.add_ons a ON a.name = of_add_on.key
         CROSS JOIN jsonb_each(of_add_on.value) f
    ), written AS (
        INSERT INTO @extschema@.add_on_features AS t (add_on_id, feature_key, configuration)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.add_on_id, t.feature_key
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.add_on_id = g.add_on_id AND w.feature_key = g.feature_key)
                              AND NOT EXISTS (SELECT FROM @extschema@.add_on_features t WHERE t.add_on_id = g.add_on_id AND t.feature_key = g.feature_key))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('add_on_features', inserted + swallowed, inserted);
    object := 'add_on_features';
    RETURN NEXT;

    WITH given (id, name, description, add_on_ids, discount_percent) AS MATERIALIZED (
        SELECT b.id::uuid, b.name, b.description, array_agg(a.id ORDER BY a.sort_order, a.id), b.discount_percent
          FROM (VALUES
            ('b0000000-0000-4000-8000-000000000001', 'AI Productivity', 'Speak, listen and present.', 15,
             ARRAY['Unicorn Orator (TTS)', 'Amanuensis (STT)', 'Presenton']),
            ('b0000000-0000-4000-8000-000000000002', 'Developer Pro', 'Agents, a place to build them and vectors to search.', 20,
             ARRAY['Brigade', 'Bolt', 'Vector Search']),
            ('b0000000-0000-4000-8000-000000000003', 'Enterprise Suite', 'Everything.', 25,
             ARRAY['Unicorn Orator (TTS)', 'Amanuensis (STT)', 'Brigade', 'Bolt', 'Presenton', 'Center-Deep Pro',
                   'Document Processing', 'Vector Search', 'GPU Compute']),
            ('b0000000-0000-4000-8000-000000000004', 'Knowledge Base', 'Read documents and find what they say.', 10,
             ARRAY['Center-Deep Pro', 'Document Processing'])
          ) b (id, name, description, discount_percent, add_on_names)
          JOIN @extschema@.add_ons a ON a.name = ANY (b.add_on_names)
         GROUP BY b.id, b.name, b.description, b.discount_percent, b.add_on_names
        HAVING count(*) = cardinality(b.add_on_names)
    ), written AS (
        INSERT INTO @extschema@.add_on_bundles AS t (id, name, description, add_on_ids, discount_percent)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.id = g.id)
                              AND NOT EXISTS (SELECT FROM @extschema@.add_on_bundles t WHERE t.id = g.id OR t.name = g.name))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('add_on_bundles', inserted + swallowed, inserted);
    object := 'add_on_bundles';
    RETURN NEXT;

    WITH given (id, code, description, discount_type, discount_value, max_uses, expires_at, user_restrictions) AS MATERIALIZED (
        VALUES
            ('c0000000-0000-4000-8000-000000000001'::uuid, 'LAUNCH2025', 'Launch offer', 'percentage', 20, 100,
             now() + interval '30 days', '{}'::jsonb),
            ('c0000000-0000-4000-8000-000000000002', 'FIRSTBUY', 'For the first purchase', 'percentage', 15, NULL,
             now() + interval '90 days', '{"first_purchase_only": true}'),
            ('c0000000-0000-4000-8000-000000000003', 'FRIEND50', 'From a friend', 'fixed_amount', 5, 1000,
             now() + interval '60 days', '{}'),
            ('c0000000-0000-4000-8000-000000000004', 'VIP2025', 'For founders', 'percentage', 30, 50,
             now() + interval '365 days', '{"tier": "vip_founder"}')
    ), written AS (
        INSERT INTO @extschema@.promotional_codes AS t (id, code, description, discount_type, discount_value, max_uses, expires_at, user_restrictions)
        SELECT g.* FROM given g
        ON CONFLICT DO NOTHING
        RETURNING t.id
    )
    SELECT (SELECT count(*) FROM written),
           count(*) FILTER (WHERE NOT EXISTS (SELECT FROM written w WHERE w.id = g.id)
                              AND NOT EXISTS (SELECT FROM @extschema@.promotional_codes t WHERE t.id = g.id OR t.code = g.code))
      INTO inserted, swallowed
      FROM given g;
    PERFORM @extschema@._check_rows_written('promotional_codes', inserted + swallowed, inserted);
    object := 'promotional_codes';
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@._load_sample_catalog_body() IS
'What load_sample_catalog() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._make_unclaimed_table() RETURNS bool
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'make_unclaimed_table_wrapper';
COMMENT ON FUNCTION @extschema@._make_unclaimed_table() IS
'Makes the table of what payment providers told of things that nothing is known to be about, if it is not there and the owner may make
tables. Returns: whether it is there. Only distribute_marketplace() calls it.';
ALTER FUNCTION @extschema@._make_unclaimed_table() COST 100000;

CREATE FUNCTION @extschema@._marketplace_metrics_body() RETURNS TABLE (metric text, labels jsonb, value numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY
    SELECT 'info', jsonb_build_object('version', e.extversion, 'currency', s.code), 1::numeric
      FROM pg_extension e CROSS JOIN @extschema@._currency_setting() s WHERE e.extname = 'extensions'
     UNION ALL
    SELECT 'protected', '{}'::jsonb, count(*)::numeric FROM pg_event_trigger t WHERE t.evtname = 'extensions_guard'
     UNION ALL
    SELECT 'user_isolation', '{}'::jsonb, count(*)::numeric
      FROM pg_policy p WHERE p.polname = 'user_isolation' AND p.polrelid = '@extschema@.user_add_ons'::regclass;

    RETURN QUERY
    SELECT 'estimated_rows', jsonb_build_object('table', m.name), greatest(c.reltuples, 0)::numeric
      FROM @extschema@._marketplace_tables() m JOIN pg_class c ON c.oid = m.relation
     ORDER BY m.name;

    RETURN QUERY
    SELECT 'add_ons_on_sale', '{}'::jsonb, count(*)::numeric FROM @extschema@.add_ons a WHERE a.is_active
     UNION ALL
    SELECT 'codes_nearly_used_up', '{}', count(*) FROM @extschema@.promotional_codes c
     WHERE c.is_active AND (c.expires_at IS NULL OR c.expires_at > now())
       AND c.current_uses >= 0.9 * c.max_uses AND c.current_uses < c.max_uses
     UNION ALL
    SELECT 'codes_used_up', '{}', count(*) FROM @extschema@.promotional_codes c
     WHERE c.is_active AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.current_uses >= c.max_uses
     UNION ALL
    SELECT 'cart_lines_changed_last_hour', '{}', count(*) FROM @extschema@.cart_items i WHERE i.added_at > now() - interval '1 hour'
     UNION ALL
    SELECT 'open_checkouts', '{}', count(DISTINCT coalesce(p.checkout_id, p.id))
      FROM @extschema@.add_on_purchases p WHERE p.status = 'pending'
     UNION ALL
    SELECT 'oldest_open_checkout_seconds', '{}', coalesce(round(extract(epoch FROM now() - min(p.purchased_at)), 3), 0)
      FROM @extschema@.add_on_purchases p WHERE p.status = 'pending'
     UNION ALL
    SELECT 'subscriptions_expiring_within_week', '{}', count(*) FROM @extschema@.user_add_ons u
     WHERE u.status = 'active' AND u.expires_at > now() AND u.expires_at <= now() + interval '7 days';

    RETURN QUERY
    SELECT 'open_amount', jsonb_build_object('currency', p.currency), sum(p.amount)
      FROM @extschema@.add_on_purchases p WHERE p.status = 'pending' GROUP BY p.currency ORDER BY p.currency;

    RETURN QUERY
    SELECT m.metric, jsonb_build_object('currency', paid.currency), m.value
      FROM (SELECT p.currency, count(*)::numeric AS purchases, sum(p.amount) AS amount
              FROM @extschema@.add_on_purchases p
             WHERE p.status IN ('completed', 'refunded', 'disputed') AND p.purchased_at > now() - interval '1 day'
             GROUP BY p.currency) paid
     CROSS JOIN LATERAL (VALUES ('paid_purchases_last_day', paid.purchases), ('paid_amount_last_day', paid.amount)) m (metric, value)
     ORDER BY m.metric DESC, paid.currency;

    RETURN QUERY
    SELECT 'unsettled_payments', jsonb_build_object('provider', u.provider, 'reason', u.reason), count(*)::numeric
      FROM @extschema@.add_on_purchases p
     CROSS JOIN LATERAL jsonb_path_query(p.facts, '$.unsettled[*] ? (@.type() == "object")') unsettled
     CROSS JOIN LATERAL jsonb_to_record(unsettled) u (provider text, reason text)
     WHERE p.facts ? 'unsettled'
     GROUP BY u.provider, u.reason ORDER BY u.provider, u.reason;

    RETURN QUERY
    SELECT 'waiting_for_maintenance', jsonb_build_object('task', w.task), w.waiting::numeric FROM @extschema@._waiting_for_maintenance() w;
END
$$;
COMMENT ON FUNCTION @extschema@._marketplace_metrics_body() IS
'What marketplace_metrics() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._marketplace_status_body() RETURNS TABLE (metric text, value text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    last_maintenance text;
    counted jsonb;
    open_amount text;
    -- By itself, because Citus does not take the function into a UNION with its tables.
    catalog_cache CONSTANT text := (SELECT format('%s hits, %s loads, %s kB in this session', s.hits, s.loads, s.bytes / 1024)
                                      FROM @extschema@.catalog_cache_stats() s);
BEGIN
    -- pg_cron keeps its records in the one database that it works from, and need not be there at all.
    IF to_regnamespace('cron') IS NULL THEN
        last_maintenance := 'unknown: pg_cron is not in this database';
    ELSIF NOT has_schema_privilege('cron', 'USAGE') THEN
        last_maintenance := format('unknown: %s may not look into the schema cron', current_user);
    ELSE
        EXECUTE 'SELECT format(''%s (%s)'', r.end_time, r.status)
                   FROM cron.job_run_details r JOIN cron.job j USING (jobid)
                  WHERE j.jobname = ''extensions: run_maintenance'' AND j.database = current_database() AND r.end_time IS NOT NULL
                  ORDER BY r.end_time DESC LIMIT 1' INTO last_maintenance;
    END IF;
    SELECT jsonb_object_agg(m.metric, m.value), max(m.amounts) FILTER (WHERE m.metric = 'open_amount') INTO counted, open_amount
      FROM (SELECT m.metric, sum(m.value) AS value,
                   string_agg(format('%s %s', m.labels ->> 'currency', m.value), ', ' ORDER BY m.labels ->> 'currency') AS amounts
              FROM @extschema@._marketplace_metrics_body() m
             -- Abandoned carts are no reason to look closer: every shop has them.
             WHERE m.labels ->> 'task' IS DISTINCT FROM 'abandoned_cart_items'
             GROUP BY m.metric) m;
    RETURN QUERY
    SELECT 'version', e.extversion FROM pg_extension e WHERE e.extname = 'extensions'
     UNION ALL
    SELECT 'add_ons_on_sale', counted ->> 'add_ons_on_sale'
     UNION ALL
    SELECT 'active_subscriptions', count(*)::text
      FROM @extschema@.user_add_ons u
     WHERE u.status = 'active' AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now())
     UNION ALL
    SELECT 'subscriptions_expiring_soon', counted ->> 'subscriptions_expiring_within_week'
     UNION ALL
    SELECT 'carts', count(DISTINCT c.user_id)::text FROM @extschema@.cart_items c
     UNION ALL
    SELECT 'open_checkouts', counted ->> 'open_checkouts'
     UNION ALL
    SELECT 'open_amount', coalesce(open_amount, '0')
     UNION ALL
    SELECT 'revenue_today', coalesce(string_agg(format('%s %s', r.currency, r.net), ', ' ORDER BY r.currency), '0')
      FROM (SELECT p.currency, sum(p.amount - p.refund_amount)
              FROM @extschema@.add_on_purchases p
             WHERE p.status IN ('completed', 'refunded', 'disputed') AND p.purchased_at >= date_trunc('day', now())
             GROUP BY p.currency) r (currency, net)
     UNION ALL
    SELECT 'codes_nearly_used_up',
           coalesce(string_agg(format('%s (%s of %s)', c.code, c.current_uses, c.max_uses), ', ' ORDER BY c.code), 'none')
      FROM @extschema@.promotional_codes c
     WHERE c.is_active AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.current_uses >= 0.9 * c.max_uses
     UNION ALL
    SELECT 'unsettled_payments', coalesce(counted ->> 'unsettled_payments', '0')
     UNION ALL
    SELECT 'catalog_cache', catalog_cache
     UNION ALL
    SELECT 'waiting_for_maintenance', counted ->> 'waiting_for_maintenance'
     UNION ALL
    SELECT 'last_maintenance', coalesce(last_maintenance, 'never, as far as pg_cron knows')
     UNION ALL
    SELECT 'protected', CASE counted ->> 'protected' WHEN '0' THEN 'no' ELSE 'yes' END
     UNION ALL
    SELECT 'user_isolation', CASE counted ->> 'user_isolation' WHEN '0' THEN 'no' ELSE 'yes' END;
END
$$;
COMMENT ON FUNCTION @extschema@._marketplace_status_body() IS
'What marketplace_status() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._marketplace_tables() RETURNS TABLE (place integer, name text, relation regclass, has_users boolean)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 ROWS 8 SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.place, t.name, c.oid::regclass, t.has_users
      FROM @extschema@._table_names() t
      -- A view, or anything else under the name of a table, does not count.
      LEFT JOIN pg_class c ON c.relnamespace = '@extschema@'::regnamespace AND c.relname = t.name AND c.relkind IN ('r', 'p')
$$;
COMMENT ON FUNCTION @extschema@._marketplace_tables() IS
'The eight tables as they are in this database; relation is NULL for one that is missing. Only functions written in SQL call it.';

CREATE FUNCTION @extschema@._plan_call_of_user(
    "request" internal
) RETURNS internal
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'plan_call_of_user_wrapper';
COMMENT ON FUNCTION @extschema@._plan_call_of_user(internal) IS
'Planner support of the functions that Citus sends to the node of a user: a call without a user stays where it is, as Citus 14 crashes
when it looks for its node. Not called by anybody but PostgreSQL.';

CREATE OR REPLACE FUNCTION @extschema@._plan_entitlement_check(
    "request" internal
) RETURNS internal
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'plan_entitlement_check_wrapper';
COMMENT ON FUNCTION @extschema@._plan_entitlement_check(internal) IS
'Planner support of has_feature() and has_add_on(): with Citus, a call without a user stays where it is. Not called by anybody but
PostgreSQL.';

CREATE FUNCTION @extschema@._prepare_distribution() RETURNS bigint
LANGUAGE plpgsql COST 10000000 SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
    commands CONSTANT text[] := ARRAY(SELECT c FROM @extschema@._distribution_preparations() c);
    command text;
BEGIN
    -- What is done here is done on each node by this same function.
    PERFORM set_config('citus.enable_ddl_propagation', 'off', true);
    FOREACH command IN ARRAY commands LOOP
        EXECUTE command;
    END LOOP;
    PERFORM set_config('citus.enable_ddl_propagation', 'on', true);
    RETURN cardinality(commands);
END
$$;
COMMENT ON FUNCTION @extschema@._prepare_distribution() IS
'Makes the tables of this node such that Citus can spread them. Only distribute_marketplace() calls it.';

CREATE FUNCTION @extschema@._prepare_workers() RETURNS TABLE (object text, status text)
LANGUAGE plpgsql COST 100000000 ROWS 3 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    command text;
    worker record;
BEGIN
    FOREACH command IN ARRAY ARRAY[
        -- Citus itself makes extensions on the workers that are made after it.
        (SELECT format('DO $do$ BEGIN
                            PERFORM set_config(''citus.enable_ddl_propagation'', ''off'', true), set_config(''lock_timeout'', ''10s'', true);
                            CREATE SCHEMA IF NOT EXISTS %1$s;
                            CREATE EXTENSION IF NOT EXISTS extensions SCHEMA %1$s VERSION %2$L;
                            -- Of its own, without rows; Citus makes it anew.
                            IF %1$s._distribution_method(to_regclass(%3$L)) IS NULL THEN
                                DROP TABLE IF EXISTS %1$s.marketplace_unclaimed;
                            END IF;
                        END $do$', e.extnamespace::regnamespace, e.extversion, '@extschema@.marketplace_unclaimed')
           FROM pg_extension e WHERE e.extname = 'extensions'),
        'SELECT @extschema@._prepare_distribution()']
    LOOP
        FOR worker IN EXECUTE 'SELECT * FROM run_command_on_workers($1)' USING command LOOP
            object := format('node %s:%s', worker.nodename, worker.nodeport);
            IF NOT worker.success THEN
                PERFORM @extschema@._refuse_distribution('node_not_prepared', object, worker.result);
            END IF;
            IF command LIKE 'SELECT%' THEN
                status := CASE worker.result WHEN '0' THEN 'was prepared' ELSE format('prepared by %s changes', worker.result) END;
                RETURN NEXT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._prepare_workers() IS
'Prepares the other nodes; what is done there is done, whatever becomes of the transaction. Only distribute_marketplace() calls it.';

CREATE OR REPLACE FUNCTION @extschema@._reference_links()
RETURNS TABLE (reference text, from_table regclass, from_column text, constraint_name text, to_column text, to_table regclass)
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 ROWS 6 SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.from_table || '.' || l.from_column || ' -> ' || l.to_table || '.' || l.to_column,
           ('@extschema@.' || l.from_table)::regclass, l.from_column, l.from_table || '_' || l.from_column || '_fkey', l.to_column,
           coalesce(to_regclass('@extschema@.' || l.to_table), to_regclass('public.' || l.to_table))
      FROM (VALUES ('pricing_rules', 'tier_code', 'subscription_tiers', 'tier_code'),
                   ('add_on_features', 'feature_key', 'feature_definitions', 'feature_key'))
           l (from_table, from_column, to_table, to_column)
$$;
COMMENT ON FUNCTION @extschema@._reference_links() IS
'The links that link_reference_tables() makes and unlink_reference_tables() drops, and the tables they would point to.';

CREATE FUNCTION @extschema@._refuse_catalog(
    "problem" pg_catalog.text
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'refuse_catalog_wrapper';
COMMENT ON FUNCTION @extschema@._refuse_catalog(text) IS
'Raises the error for a document that is not a catalog. Only import_catalog() calls it.';
ALTER FUNCTION @extschema@._refuse_catalog(text) COST 10;

CREATE FUNCTION @extschema@._refuse_distribution(
    "code" pg_catalog.text,
    "node" pg_catalog.text,
    "detail" pg_catalog.text
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'refuse_distribution_wrapper';
COMMENT ON FUNCTION @extschema@._refuse_distribution(text, text, text) IS
'Raises one of the errors of distribute_marketplace(). Only that and what it calls call it.';
ALTER FUNCTION @extschema@._refuse_distribution(text, text, text) COST 10;

CREATE FUNCTION @extschema@._table_names() RETURNS TABLE (
    "place" INT,
    "name" pg_catalog.text,
    "has_users" bool
)
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'table_names_wrapper';
COMMENT ON FUNCTION @extschema@._table_names() IS
'The names of the eight tables, those that others refer to first, and whether their rows are a user''s or the catalog''s. The install
script calls it, too.';
ALTER FUNCTION @extschema@._table_names() COST 10 ROWS 8;

CREATE FUNCTION @extschema@._table_rules(whose regclass)
RETURNS TABLE (kind "char", id oid, name text, condition text, rule text, advice text, columns text[])
LANGUAGE sql STABLE PARALLEL SAFE COST 10000 ROWS 10 SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.contype, n.oid, n.conname::text, pg_get_expr(n.conbin, n.conrelid), said.lines[1], said.lines[2],
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = whose AND a.attnum = ANY (n.conkey) ORDER BY a.attnum)
      FROM pg_constraint n
     CROSS JOIN LATERAL string_to_array(obj_description(n.oid, 'pg_constraint'), E'\n') said (lines)
     WHERE n.conrelid = whose AND n.contype IN ('c', 'f', 'p', 'u')
       -- Of tables that Citus spreads: a trigger makes it true elsewhere.
       AND n.conname <> 'promotional_codes_normalized_check'
     ORDER BY n.conname
$$;
COMMENT ON FUNCTION @extschema@._table_rules(regclass) IS
'The constraints of a table: its kind and name, the condition of a CHECK, and what its comment says in a line that must hold, and in
another what to do about it. Only the simulations and adopt_tables() call it.';

CREATE OR REPLACE FUNCTION @extschema@._unknown_references()
RETURNS TABLE (from_table regclass, from_column text, to_table regclass, value text, row_count bigint)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@._unknown_references() IS
'Tiers of pricing rules and features of add-ons that the application''s tables, where they exist, do not know.
Arguments: none.
Returns: a row for each unknown value: where it stands, the table that should know it, and how many rows have it.
Errors: none.';

CREATE FUNCTION @extschema@._unknown_references_body()
RETURNS TABLE (from_table regclass, from_column text, to_table regclass, value text, row_count bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link record;
BEGIN
    FOR link IN
        SELECT l.*
          FROM @extschema@._reference_links() l
          JOIN pg_attribute a ON a.attrelid = l.to_table AND a.attname = l.to_column AND NOT a.attisdropped
         WHERE has_column_privilege(l.to_table, l.to_column, 'SELECT')
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT $1, $2, $3, f.%1$I::text, count(*)
               FROM %2$s f
              WHERE f.%1$I IS NOT NULL AND NOT EXISTS (SELECT FROM %3$s t WHERE t.%4$I = f.%1$I)
              GROUP BY f.%1$I',
            link.from_column, link.from_table, link.to_table, link.to_column)
        USING link.from_table, link.from_column, link.to_table;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._unknown_references_body() IS
'What _unknown_references() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._unlink_reference_tables_body() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    link record;
BEGIN
    FOR link IN SELECT * FROM @extschema@._reference_links() LOOP
        reference := link.reference;
        IF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = link.from_table AND c.conname = link.constraint_name) THEN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', link.from_table, link.constraint_name);
            status := 'unlinked';
            detail := format('constraint %s is dropped', link.constraint_name);
        ELSE
            status := 'was not linked';
            detail := format('there is no constraint %s', link.constraint_name);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@._unlink_reference_tables_body() IS
'What unlink_reference_tables() does, which has it run as the owner of the tables. Only that calls it.';

CREATE FUNCTION @extschema@._waiting_for_maintenance() RETURNS TABLE (
    "task" pg_catalog.text,
    "waiting" bigint
)
STRICT STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'waiting_for_maintenance_wrapper';
COMMENT ON FUNCTION @extschema@._waiting_for_maintenance() IS
'The tasks of run_maintenance(), and how many rows each would find if it were called without arguments. Only marketplace_metrics() calls it.';
ALTER FUNCTION @extschema@._waiting_for_maintenance() COST 50000 ROWS 4;

CREATE FUNCTION @extschema@._write_catalog_entry(kind text, entry jsonb, id uuid) RETURNS uuid
LANGUAGE plpgsql COST 5000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns CONSTANT jsonb := @extschema@._catalog_columns(kind, entry);
    list CONSTANT text := (SELECT string_agg(quote_ident(c.key), ', ') FROM jsonb_object_keys(columns) c (key));
    written uuid;
    told text;
    advice text;
BEGIN
    IF id IS NULL THEN
        EXECUTE format('INSERT INTO %3$s.%1$I (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%3$s.%1$I, $1) RETURNING id',
                       kind, list, '@extschema@')
           INTO written USING columns;
    ELSE
        EXECUTE format('UPDATE %3$s.%1$I SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(NULL::%3$s.%1$I, $1)) WHERE id = $2
                        RETURNING id', kind, list, '@extschema@')
           INTO written USING columns, id;
    END IF;
    PERFORM @extschema@._check_rows_written(kind, 1, CASE WHEN written IS NULL THEN 0 ELSE 1 END);
    RETURN written;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
    IF SQLSTATE LIKE '23%' THEN
        -- The table tells what is wrong, but not with which entry.
        GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('%s: %s', @extschema@._catalog_object(kind, entry), SQLERRM),
                              DETAIL = told, HINT = coalesce(nullif(advice, ''), 'Correct the document and import it again.');
    END IF;
    PERFORM @extschema@._refuse_catalog(format('%s: %s', @extschema@._catalog_object(kind, entry), SQLERRM));
END
$$;
COMMENT ON FUNCTION @extschema@._write_catalog_entry(text, jsonb, uuid) IS
'Stores an entry of a catalog document. Only import_catalog() calls it.';

CREATE OR REPLACE FUNCTION @extschema@.add_to_cart(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "quantity" INT DEFAULT 1
) RETURNS TABLE (
    "cart_item_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "quantity" INT
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'add_to_cart_wrapper';
COMMENT ON FUNCTION @extschema@.add_to_cart(text, uuid, integer) IS
'Adds units of an add-on to the user''s cart.
Arguments: user_id, 1 to 255 characters; add_on_id; quantity, units from 1.
Returns: the cart item with its new quantity.
Errors: 22023 null_argument, invalid_user_id, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale,
row_swallowed; 23514 quantity_limit; 42501 other_user.';
ALTER FUNCTION @extschema@.add_to_cart(text, uuid, integer) COST 2000 ROWS 1;

CREATE FUNCTION @extschema@.adopt_tables(source_schema name, time_zone text DEFAULT 'UTC', dry_run boolean DEFAULT false,
                                        skip text[] DEFAULT '{}')
RETURNS TABLE (object text, status text, detail text)
LANGUAGE c SECURITY DEFINER COST 100000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.adopt_tables(name, text, boolean, text[]) IS
'Migrates the rows of a database that was created from the plain-SQL files that preceded the extension: from tables of the same names in
another schema, with all or some of their columns. Ids are kept. It runs in one transaction and only reads the old tables.
Arguments: source_schema, where the old tables are; time_zone, the time zone of their timestamps without time zone; dry_run, to look for
obstacles and write nothing; skip, tables to leave out, because the old table of that name is something else or is not wanted.
Everything is checked first: columns, values that do not fit, and every constraint. If anything is in the way, nothing is written.
Columns that the old tables lack get their defaults, and so does NULL where it is not allowed. Codes and currencies are stored in
capitals, and features that are an object as its keys. Notices report the progress.
Returns: a row for each table and each obstacle: object, the table; status, one of adopted, can be adopted, absent, obstacle, skipped,
doubtful, left behind; detail, the number of rows, what is wrong with which of them and what to do about it, what is migrated unchanged
although it may not be intended, such as subscriptions without an end, or columns that the new table does not have.
Errors: 22023 null_argument, invalid_source_schema, unknown_word; 22023, an unknown time zone; 42501, no right to read or write; 55000 row_swallowed.';

CREATE OR REPLACE FUNCTION @extschema@.apply_lago_event(
    "event" pg_catalog.jsonb
) RETURNS pg_catalog.jsonb
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'apply_lago_event_wrapper';
COMMENT ON FUNCTION @extschema@.apply_lago_event(jsonb) IS
'Applies the body of a Lago webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Lago sends it. Our checkout is found by a checkout_id in the metadata of the invoice or as the external
id of the subscription, else by the invoice or the subscription.
Returns: as apply_stripe_event().
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.apply_lago_event(jsonb) COST 10000;

CREATE OR REPLACE FUNCTION @extschema@.apply_stripe_event(
    "event" pg_catalog.jsonb
) RETURNS pg_catalog.jsonb
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'apply_stripe_event_wrapper';
COMMENT ON FUNCTION @extschema@.apply_stripe_event(jsonb) IS
'Applies the body of a Stripe webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Stripe sends it, of any API version since 2022. Our checkout is found by metadata.checkout_id or
client_reference_id, otherwise by any id that is already known.
Returns: {"handled": boolean, "action": text, "retry": boolean, ...}. retry is true if the body names a checkout that does not exist yet
(not_found): answer the provider with an error, and it will deliver again; answer everything else with success. handled is false for this,
for events that do not concern us (ignored, not_ours, unknown_status), and for a payment that is not applied (refused, with reason,
payment_id, expected, received and, if there was tax or shipping in it, on_top; unsettled_payments() lists it). Otherwise changed says whether this delivery changed anything.
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.apply_stripe_event(jsonb) COST 10000;

CREATE FUNCTION @extschema@.attach_tables() RETURNS VOID
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'attach_tables_wrapper';
COMMENT ON FUNCTION @extschema@.attach_tables() IS
'Takes the eight tables back into the extension, if they still have every column, constraint and trigger that they had; adds the
constraints that detach_tables() dropped, and lets pg_dump dump the rows as those of an extension again.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 55000 tables_already_attached, tables_differ, with all that is missing in DETAIL; 23514, a row breaks one of the constraints;
42501, the caller does not own the extension or a table.';
ALTER FUNCTION @extschema@.attach_tables() COST 1000000;

CREATE OR REPLACE FUNCTION @extschema@.cancel_add_on(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "reason" pg_catalog.text DEFAULT NULL,
    "immediately" bool DEFAULT false
) RETURNS pg_catalog.timestamptz
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'cancel_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.cancel_add_on(text, uuid, text, boolean) IS
'Cancels an add-on: it runs out at the end of its period, or ends immediately (semantics 5).
Arguments: user_id; add_on_id; reason; immediately.
Returns: when access ends; NULL for never, because a one-time purchase has no period to run out.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned; 42501 other_user.';
ALTER FUNCTION @extschema@.cancel_add_on(text, uuid, text, boolean) COST 5000;

CREATE FUNCTION @extschema@.cart_lines(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "cart_item_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "description" pg_catalog.text,
    "category" pg_catalog.text,
    "icon_url" pg_catalog.text,
    "billing_type" pg_catalog.text,
    "quantity" pg_catalog.int4,
    "unit_list_price" pg_catalog.numeric,
    "list_amount" pg_catalog.numeric,
    "discount" pg_catalog.numeric,
    "total" pg_catalog.numeric,
    "added_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'cart_lines_wrapper';
COMMENT ON FUNCTION @extschema@.cart_lines(text, text, text, timestamptz) IS
'The user''s stored cart as rows to show: each line with its id, its add-on as in the catalog, and its price as by price_cart().
The totals of all rows are the total of price_cart().
Arguments: as for price_cart().
Returns: a row for each line, in the order in which they were added: cart_item_id; add_on_id; name, description, category and icon_url of
the add-on; billing_type, the line''s own or else the add-on''s; quantity; unit_list_price; list_amount; discount, by rules, bundles and
code; total, the amount to pay for the line; added_at. If the add-on is no longer sold, list_amount, discount and total are NULL.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range;
54000 too_many_lines, catalog_too_large,
value_too_large.';
ALTER FUNCTION @extschema@.cart_lines(text, text, text, timestamptz) COST 2000 ROWS 5;

CREATE OR REPLACE FUNCTION @extschema@.cart_total(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS pg_catalog.numeric
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'cart_total_wrapper';
COMMENT ON FUNCTION @extschema@.cart_total(text, text, text, timestamptz) IS
'The total of price_cart() alone.
Arguments: as for price_cart().
Returns: the amount to pay, with two decimals; 0.00 for an empty cart.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range;
54000 too_many_lines, catalog_too_large,
value_too_large.';
ALTER FUNCTION @extschema@.cart_total(text, text, text, timestamptz) COST 1000;

CREATE OR REPLACE FUNCTION @extschema@.catalog_cache_stats() RETURNS TABLE (
    "entries" bigint,
    "bytes" bigint,
    "loads" bigint,
    "hits" bigint,
    "invalidations" bigint
)
STRICT VOLATILE PARALLEL RESTRICTED
LANGUAGE c
AS 'MODULE_PATHNAME', 'catalog_cache_stats_wrapper';
COMMENT ON FUNCTION @extschema@.catalog_cache_stats() IS
'Statistics of this session''s copy of the catalog. It holds the add-ons that the session has used, with their rules and bundles, and the
features, up to extensions.catalog_cache_size, and is emptied when the catalog changes.
Arguments: none.
Returns: one row. entries and bytes, what is kept now; loads, how many entries were read from the tables; hits, how often an entry was found
in the cache; invalidations, how often it was emptied; the last three since the session began.
Errors: none.';
ALTER FUNCTION @extschema@.catalog_cache_stats() COST 10 ROWS 1;

CREATE FUNCTION @extschema@.check_feature_configuration(
    "configuration" pg_catalog.jsonb
) RETURNS bool
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_feature_configuration_wrapper';
COMMENT ON FUNCTION @extschema@.check_feature_configuration(jsonb) IS
'Whether a document is one that add_on_features.configuration may hold: limit, per and overage must make sense, everything else is the
host''s own. A CHECK constraint calls it.
Arguments: configuration.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column.';
ALTER FUNCTION @extschema@.check_feature_configuration(jsonb) COST 50;

CREATE OR REPLACE FUNCTION @extschema@.check_marketplace() RETURNS TABLE (check_name text, ok boolean, detail text, severity text)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 20000000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.check_marketplace() IS
'Finds problems: tables, columns, constraints, indexes, triggers and functions that are missing, disabled or replaced, each with the command
that repairs it; counters that differ from the rows behind them, checkouts whose price differs from their quote, bundles and codes that name
unknown add-ons; in the catalog, active rules, bundles and codes that can never apply, no longer apply or save almost nothing, features
without rows, a currency or prices that cannot be charged, discounts of 100 %; and purchases whose currency differs from that of the prices.
Arguments: none.
Returns: a row for each problem found, and one for each check that found none: check_name; ok, false for errors only, so that an alert can
use it; detail, which names the row or object; severity: error, what is broken; warning, what was probably not intended; notice, what may be
surprising; or ok. If a table or column was changed, rows are not checked.
Errors: none.';

CREATE OR REPLACE FUNCTION @extschema@.check_pricing_conditions(
    "conditions" pg_catalog.jsonb
) RETURNS bool
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_pricing_conditions_wrapper';
COMMENT ON FUNCTION @extschema@.check_pricing_conditions(jsonb) IS
'Whether a document is one that pricing_rules.conditions may hold. A CHECK constraint calls it.
Arguments: conditions.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.check_pricing_conditions(jsonb) COST 50;

CREATE OR REPLACE FUNCTION @extschema@.check_user_restrictions(
    "user_restrictions" pg_catalog.jsonb
) RETURNS bool
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_user_restrictions_wrapper';
COMMENT ON FUNCTION @extschema@.check_user_restrictions(jsonb) IS
'Whether a document is one that promotional_codes.user_restrictions may hold. A CHECK constraint calls it.
Arguments: user_restrictions.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.check_user_restrictions(jsonb) COST 50;

CREATE OR REPLACE FUNCTION @extschema@.checkout(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "expected_total" pg_catalog.numeric DEFAULT NULL,
    "idempotency_key" pg_catalog.text DEFAULT NULL,
    "allow_mixed_billing" bool DEFAULT false
) RETURNS TABLE (
    "checkout_id" pg_catalog.uuid,
    "purchase_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "quantity" INT,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "status" pg_catalog.text
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', 'checkout_wrapper';
COMMENT ON FUNCTION @extschema@.checkout(text, text, text, numeric, text, boolean) IS
'Sells the user''s cart: prices it at one instant, claims the uses of its code and bundles, creates a pending purchase for each line, and
empties the cart (semantics 6). If it is refused, nothing is changed. A total of 0.00 is completed at once. Add-ons that
are no longer sold stay in the cart.
Arguments: user_id, 1 to 255 characters; tier_code; promo_code; expected_total, what the shopper was shown; idempotency_key, up to 255
characters: the same key with the same arguments returns the same purchases; allow_mixed_billing, sells lines that cannot be paid
in one session.
Returns: a row for each purchase, in the order of the cart, all with one checkout_id.
Errors: 22023 null_argument, invalid_user_id, invalid_amount, text_too_long, idempotency_key_reused; 55000 empty_cart,
price_changed, price_not_chargeable, currency_unusable, row_swallowed; 23514 promo_refused, already_owned, mixed_billing; 22003
amount_out_of_range; 40001 idempotency_key_unseen; 42501 other_user.';
ALTER FUNCTION @extschema@.checkout(text, text, text, numeric, text, boolean) COST 10000 ROWS 3;

CREATE OR REPLACE FUNCTION @extschema@.clear_cart(
    "user_id" pg_catalog.text
) RETURNS INT
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'clear_cart_wrapper';
COMMENT ON FUNCTION @extschema@.clear_cart(text) IS
'Empties the user''s cart.
Arguments: user_id.
Returns: how many items it had.
Errors: 22023 null_argument, invalid_user_id; 42501 other_user.';
ALTER FUNCTION @extschema@.clear_cart(text) COST 2000;

CREATE OR REPLACE FUNCTION @extschema@.complete_checkout(
    "checkout_id" pg_catalog.uuid,
    "stripe_payment_id" pg_catalog.text DEFAULT NULL,
    "lago_invoice_id" pg_catalog.text DEFAULT NULL,
    "payment_method" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "expires_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', 'complete_checkout_wrapper';
COMMENT ON FUNCTION @extschema@.complete_checkout(uuid, text, text, text) IS
'Completes a checkout that was paid, and grants its add-ons: a month, a year, or access without end (semantics 4, 5). Repeating it
changes nothing and returns the same.
Arguments: checkout_id; stripe_payment_id, lago_invoice_id, up to 255 characters; payment_method, up to 50.
Returns: a row for each purchase, in the order of the cart: when the access that it pays for ends, NULL for no end.
Errors: 22023 null_argument, text_too_long; P0002 checkout_not_found; 23514 payment_used; 55000 checkout_state, payment_mismatch,
row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.complete_checkout(uuid, text, text, text) COST 10000 ROWS 3;

CREATE FUNCTION @extschema@.consume_feature(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "amount" pg_catalog.numeric DEFAULT 1,
    "idempotency_key" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "allowed" bool,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "granted" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', 'consume_feature_wrapper';
COMMENT ON FUNCTION @extschema@.consume_feature(text, text, numeric, text) IS
'Uses units of a metered feature, all or none (semantics 7). It is part of the caller''s transaction: work and usage commit or roll back
together. However many clients call it at once, nobody uses more than is granted. Calls for one user and feature wait for each other, calls
for different users never do.
Arguments: user_id; feature_key; amount, units from 0, with at most six decimals; idempotency_key, with which a repeated call gets the
answer of the first and counts nothing; the last 100 of a user and feature are remembered, except for calls that were not allowed.
Returns: one row. allowed, whether the units were used; used, in the current period; remaining, what can still be used; granted, what
the user''s add-ons give together, and, like remaining, NULL where that is any amount; resets_at, when the first of their periods ends.
Units of several add-ons are taken from what ends first. A user without the feature has nothing granted.
Errors: 22023 null_argument, invalid_user_id, invalid_units, text_too_long; 22003 units_out_of_range; 23514 malformed_column; 55000
row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.consume_feature(text, text, numeric, text) COST 1500 ROWS 1;

CREATE FUNCTION @extschema@.detach_tables() RETURNS VOID
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'detach_tables_wrapper';
COMMENT ON FUNCTION @extschema@.detach_tables() IS
'Takes the eight tables out of the extension. They keep their rows, their indexes and their triggers, and everything keeps working; but
pg_dump dumps them like any other table, tools that do not touch members of extensions can use them, and DROP EXTENSION leaves them. The
triggers are then dropped with the extension. Constraints that call its functions are dropped at once: add_on_bundles_add_on_ids_check,
pricing_rules_conditions_check, promotional_codes_user_restrictions_check.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 55000 tables_already_detached; 42501, the caller does not own the extension.';
ALTER FUNCTION @extschema@.detach_tables() COST 100000;

CREATE FUNCTION @extschema@.disable_user_isolation() RETURNS VOID
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'disable_user_isolation_wrapper';
COMMENT ON FUNCTION @extschema@.disable_user_isolation() IS
'Switches off what enable_user_isolation() switched on. Policies that somebody else created stay, and row-level security with them.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 42501, the caller does not own the tables.';
ALTER FUNCTION @extschema@.disable_user_isolation() COST 100000;

CREATE OR REPLACE FUNCTION @extschema@.dispute_purchase(
    "purchase_id" pg_catalog.uuid,
    "reason" pg_catalog.text DEFAULT NULL
) RETURNS pg_catalog.text
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'dispute_purchase_wrapper';
COMMENT ON FUNCTION @extschema@.dispute_purchase(uuid, text) IS
'Records that the payment of a completed purchase is contested, and withholds its access (semantics 4, 5).
Arguments: purchase_id; reason, kept in metadata.
Returns: the new status.
Errors: 22023 null_argument; P0002 purchase_not_found; 55000 purchase_state; 42501 other_user.';
ALTER FUNCTION @extschema@.dispute_purchase(uuid, text) COST 5000;

CREATE FUNCTION @extschema@.distribute_marketplace(shard_count integer DEFAULT 32) RETURNS TABLE (object text, status text)
LANGUAGE plpgsql COST 1000000000 ROWS 40 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
BEGIN
    PERFORM @extschema@._check_distribution(shard_count);
    RETURN QUERY SELECT * FROM @extschema@._prepare_workers();
    object := 'coordinator';
    SELECT CASE p WHEN 0 THEN 'was prepared' ELSE format('prepared by %s changes', p) END INTO status
      FROM @extschema@._prepare_distribution() p;
    RETURN NEXT;

    -- Tables that refer to each other cannot be changed over many connections at once.
    PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);
    FOR item IN SELECT * FROM @extschema@._marketplace_tables() m ORDER BY m.place LOOP
        object := 'table ' || item.name;
        status := @extschema@._distribute_table(item.relation, item.has_users, shard_count);
        RETURN NEXT;
    END LOOP;
    IF @extschema@._make_unclaimed_table() THEN
        object := 'table marketplace_unclaimed';
        status := @extschema@._distribute_table('@extschema@.marketplace_unclaimed', false, shard_count);
        RETURN NEXT;
    END IF;
    FOR item IN SELECT * FROM @extschema@._distribution_foreign_keys() LOOP
        object := 'constraint ' || item.name;
        status := 'was there';
        IF NOT item.is_there THEN
            EXECUTE item.command;
            status := 'added again';
        END IF;
        RETURN NEXT;
    END LOOP;
    FOR item IN SELECT f AS name FROM @extschema@._functions_of_users() f LOOP
        EXECUTE 'SELECT create_distributed_function($1, ''user_id'', colocate_with => ''@extschema@.user_add_ons'')' USING item.name;
        object := 'function ' || item.name;
        status := 'runs on the node of its user';
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.distribute_marketplace(integer) IS
'Spreads the tables over the nodes of a Citus cluster: the catalog is copied to every node, the rows of users are on the node that their
user_id hashes to, and the functions whose first argument is user_id run there. Every node is prepared for it: the triggers of the tables
are dropped, and the primary keys of the users'' tables become (id, user_id). Calling it again does what is left to do, for example after
adding a node or updating the extension. It locks out everybody, and moves all rows.
Arguments: shard_count, the number of parts into which the users'' rows are divided.
Returns: a row for each node, table, foreign key and function: object; status, what was done, or that nothing had to be done.
Errors: 22023 invalid_shard_count; 55000 citus_missing, not_coordinator, node_not_prepared, not_distributable, which names all
obstacles; 42501, the caller does not own the tables.';

CREATE FUNCTION @extschema@.distribution_status() RETURNS TABLE (object text, ok boolean, detail text)
LANGUAGE plpgsql COST 50000000 ROWS 40 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    citus_version CONSTANT text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'citus');
BEGIN
    RETURN QUERY SELECT 'citus', citus_version IS NOT NULL, coalesce('version ' || citus_version, 'is not installed in this database');
    IF citus_version IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT o.object, false, o.obstacle FROM @extschema@._distribution_obstacles() o;
    RETURN QUERY
        SELECT n.node, coalesce((n.report ->> 'preparations') = '0', false),
               CASE WHEN n.failure IS NOT NULL THEN 'cannot be asked'
                    WHEN n.version = '' THEN 'the extension is missing: call distribute_marketplace()'
                    WHEN (n.report ->> 'preparations') = '0' THEN format('version %s, prepared', n.version)
                    ELSE format('%s changes are left to make: call distribute_marketplace()', n.report ->> 'preparations') END
          FROM @extschema@._distribution_nodes() n;
    RETURN QUERY
        SELECT 'table ' || m.name, coalesce(s.method = CASE WHEN m.has_users THEN 'h' ELSE 'r' END, false),
               CASE WHEN s.method IS NULL THEN 'only on this node: call distribute_marketplace()'
                    WHEN s.method = 'r' THEN 'copied to every node'
                    WHEN s.method = 'h' THEN 'spread by user_id'
                    ELSE 'spread in another way' END
          FROM (SELECT * FROM @extschema@._marketplace_tables()
                 UNION ALL
                SELECT 9, c.relname, c.oid, false
                  FROM pg_class c
                 WHERE c.relnamespace = '@extschema@'::regnamespace AND c.relname = 'marketplace_unclaimed' AND c.relkind = 'r') m
         CROSS JOIN LATERAL (SELECT @extschema@._distribution_method(m.relation)) s (method)
         ORDER BY m.place;
    RETURN QUERY
        SELECT 'constraint ' || k.name, k.is_there,
               CASE WHEN k.is_there THEN 'is there' ELSE 'is missing: call distribute_marketplace()' END
          FROM @extschema@._distribution_foreign_keys() k;
    RETURN QUERY EXECUTE $query$
        SELECT 'function ' || f::text, o.distribution_argument_index IS NOT NULL,
               CASE WHEN o.distribution_argument_index IS NOT NULL THEN 'runs on the node of its user'
                    ELSE 'runs where it is called: call distribute_marketplace()' END
          FROM @extschema@._functions_of_users() f
          LEFT JOIN pg_dist_object o ON o.classid = 'pg_proc'::regclass AND o.objid = f::oid
    $query$;
END
$$;
COMMENT ON FUNCTION @extschema@.distribution_status() IS
'Whether the tables are spread over the nodes of a Citus cluster, and what is in the way or left to do.
Arguments: none.
Returns: a row for Citus, each obstacle, node, table, foreign key and function: object; ok; detail. Without Citus, only the first.
Errors: none.';

CREATE FUNCTION @extschema@.enable_user_isolation(
    "setting" pg_catalog.text DEFAULT 'extensions.user_id'
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'enable_user_isolation_wrapper';
COMMENT ON FUNCTION @extschema@.enable_user_isolation(text) IS
'Switches on row-level security: in user_add_ons, add_on_purchases and cart_items, every session sees and writes only the rows of the user
whose id is in a setting, through functions and directly, and no rows while it is not set. Functions change only data of that user. The
owner of the tables, superusers and roles with BYPASSRLS see everything: let one of these apply payment events and run the maintenance.
The setting is only as trustworthy as whoever can set it: let the backend set it (SET LOCAL extensions.user_id = ...), never the user.
Arguments: setting, the name of the setting.
Returns: nothing; a NOTICE says what was done. Calling it again with another setting replaces the first.
Errors: 22023 null_argument, invalid_setting; 42501, the caller does not own the tables.';
ALTER FUNCTION @extschema@.enable_user_isolation(text) COST 100000;

CREATE OR REPLACE FUNCTION @extschema@.enforce_purchase_transition() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'enforce_purchase_transition_wrapper';
COMMENT ON FUNCTION @extschema@.enforce_purchase_transition() IS
'Refuses changes of a purchase''s status that are not allowed (semantics 4). A trigger of add_on_purchases calls it.
Errors: 23514 illegal_transition; 39P01 called_without_trigger.';

CREATE FUNCTION @extschema@.explain_access(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "source" pg_catalog.text,
    "source_id" pg_catalog.text,
    "valid_from" pg_catalog.timestamptz,
    "valid_until" pg_catalog.timestamptz,
    "live" bool,
    "detail" pg_catalog.text
)
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'explain_access_wrapper';
COMMENT ON FUNCTION @extschema@.explain_access(text, uuid, timestamptz) IS
'Every source of a user''s access to an add-on, and why it gives access or does not (semantics 5).
Arguments: user_id, 1 to 255 characters; add_on_id; at.
Returns: a row for each source, the earliest first: purchase, subscription, grant, trial, or host, a row that was not written by these
functions; source_id, the purchase, the subscription or the number of the grant; its window, NULL where it gives no time; whether it
gives access at that instant; and why. A suspension by hand is a row of its own.
Errors: 22023 null_argument, invalid_user_id.';
ALTER FUNCTION @extschema@.explain_access(text, uuid, timestamptz) COST 5000 ROWS 3;

CREATE OR REPLACE FUNCTION @extschema@.explain_cart(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "step" pg_catalog.int4,
    "stage" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "source_id" pg_catalog.uuid,
    "source" pg_catalog.text,
    "outcome" pg_catalog.text,
    "base" pg_catalog.numeric,
    "discount" pg_catalog.numeric,
    "detail" pg_catalog.text
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'explain_cart_wrapper';
COMMENT ON FUNCTION @extschema@.explain_cart(text, text, text, timestamptz) IS
'Why the user''s cart costs what price_cart() says: a row for each candidate of each step, applied or not, and why (semantics 2).
Arguments: as for price_cart().
Returns: the rows in the order of the steps. step, counted from 1; stage, one of line, rule, bundle, bundle_split, promo_condition,
promo, promo_split, total; add_on_id, the line''s, where the row is about one line; source_id, the rule, the bundle or the code;
source, its name; outcome: listed or unavailable (line), applied, lost or ineligible (rule), applied, not_chosen or ineligible
(bundle), met or the reason of the refusal (promo_condition), applied or refused (promo), to_pay (total); base, the amount that it
starts from, of a total what is to pay; discount, what it takes off its line, so that the rows add up to the quote''s
discount_total; detail, why, with the values compared.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range.';
ALTER FUNCTION @extschema@.explain_cart(text, text, text, timestamptz) COST 40000 ROWS 20;

CREATE OR REPLACE FUNCTION @extschema@.explain_cart_text(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS pg_catalog.text
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'explain_cart_text_wrapper';
COMMENT ON FUNCTION @extschema@.explain_cart_text(text, text, text, timestamptz) IS
'explain_cart() as an indented tree, for people who answer "why do I pay this?".
Arguments: as for price_cart().
Returns: the tree, in the style of EXPLAIN.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000
explanation_too_long.';
ALTER FUNCTION @extschema@.explain_cart_text(text, text, text, timestamptz) COST 40000;

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

CREATE FUNCTION @extschema@.export_catalog() RETURNS pg_catalog.jsonb
STRICT STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'export_catalog_wrapper';
ALTER FUNCTION @extschema@.export_catalog() COST 200000;
COMMENT ON FUNCTION @extschema@.export_catalog() IS
'The catalog as a document with names instead of ids, to keep in version control or to import elsewhere.
Arguments: none.
Returns: an object of arrays, one for each table: add_ons, add_on_features, add_on_bundles, pricing_rules, promotional_codes; each of
flat objects with the columns as keys, so that jsonb_to_recordset() makes rows of them. add_on and add_ons hold names, as do
applicable_to, requires_addon and excludes_addon. What belongs to one environment is left out: ids, created_at, updated_at,
created_by, current_uses. Times are in UTC. The same catalog always gives the same document.
Errors: 42501, no right to read the tables.';

CREATE FUNCTION @extschema@.export_user(
    "user_id" pg_catalog.text
) RETURNS pg_catalog.jsonb
STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'export_user_wrapper';
COMMENT ON FUNCTION @extschema@.export_user(text) IS
'Everything that is stored about a user, for a request of access under data protection law.
Arguments: user_id.
Returns: a document: user_id; cart_items, user_add_ons and add_on_purchases, with their rows as they are; promotional_codes, the codes that
name the user. If nothing is stored, the lists are empty.
Errors: 22023 null_argument, invalid_user_id; 42501 other_user.';
ALTER FUNCTION @extschema@.export_user(text) COST 20000;

CREATE OR REPLACE FUNCTION @extschema@.fail_checkout(
    "checkout_id" pg_catalog.uuid,
    "reason" pg_catalog.text DEFAULT NULL,
    "restore_cart" bool DEFAULT false
) RETURNS bool
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'give_up_checkout_wrapper';
COMMENT ON FUNCTION @extschema@.fail_checkout(uuid, text, boolean) IS
'Gives up a checkout that will not be paid, and gives back the uses of its code and bundles (semantics 4).
Arguments: checkout_id; reason, kept in metadata; restore_cart, puts the lines back into the cart, unless they are already in it. A payment
that is reported later still completes it.
Returns: whether anything changed.
Errors: 22023 null_argument; P0002 checkout_not_found; 55000 checkout_state, row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.fail_checkout(uuid, text, boolean) COST 10000;

CREATE OR REPLACE FUNCTION @extschema@.feature_configuration(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS pg_catalog.jsonb
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'feature_configuration_wrapper';
COMMENT ON FUNCTION @extschema@.feature_configuration(text, text, timestamptz) IS
'The limits and options of a feature, merged over all add-ons that give it to the user: key by key, numbers by the larger,
booleans by OR, anything else from the most recently purchased add-on (semantics 5).
Arguments: user_id; feature_key; at.
Returns: the configuration; NULL when the user does not have the feature.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.feature_configuration(text, text, timestamptz) COST 1500;

CREATE FUNCTION @extschema@.feature_usage(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "feature_key" pg_catalog.text,
    "granted" pg_catalog.numeric,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'feature_usage_wrapper';
COMMENT ON FUNCTION @extschema@.feature_usage(text, text, timestamptz) IS
'What a user has used of metered features, and what is left (semantics 7).
Arguments: user_id; feature_key, NULL for every feature of the user that some add-on limits; at, the instant of the decision.
Returns: a row for each feature that the user has, in key order: feature_key; granted, what the user''s add-ons give together, NULL for any
amount; used, in the period of that instant; remaining; resets_at, when the first of their periods ends. Usage before the current period is
not kept: for an earlier instant, used and remaining are NULL.
Errors: 23514 malformed_column.';
ALTER FUNCTION @extschema@.feature_usage(text, text, timestamptz) COST 300 ROWS 1;

CREATE FUNCTION @extschema@.forget_user(
    "user_id" pg_catalog.text,
    "replacement" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "object" pg_catalog.text,
    "affected" bigint
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'forget_user_wrapper';
COMMENT ON FUNCTION @extschema@.forget_user(text, text) IS
'Removes a person and keeps the accounts correct: the cart is deleted; purchases, with their amounts and uses, and the access that they paid
for stay under another name, which also replaces the user in promotional codes. Backups and server logs are not covered.
Arguments: user_id; replacement, the name under which they stay; by default a new one, different for every call.
Returns: a row for each table: object, and affected, how many of its rows were removed or renamed.
Errors: 22023 null_argument, invalid_user_id, same_user; 42501 other_user.';
ALTER FUNCTION @extschema@.forget_user(text, text) COST 50000 ROWS 4;

CREATE OR REPLACE FUNCTION @extschema@.grant_add_on(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "expires_at" pg_catalog.timestamptz DEFAULT NULL
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "expires_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'grant_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.grant_add_on(text, uuid, timestamptz) IS
'Gives the user an add-on without a purchase. Access that the user already has is not shortened (semantics 5).
Arguments: user_id, 1 to 255 characters; add_on_id, for sale or not; expires_at, in the future, NULL for no end.
Returns: the add-on and when access ends.
Errors: 22023 null_argument, invalid_user_id, expiry_not_ahead; P0002 add_on_not_found; 42501 other_user.';
ALTER FUNCTION @extschema@.grant_add_on(text, uuid, timestamptz) COST 5000 ROWS 1;

CREATE FUNCTION @extschema@.grant_marketplace_access(
    "role" pg_catalog.regrole,
    "level" pg_catalog.text
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'grant_marketplace_access_wrapper';
COMMENT ON FUNCTION @extschema@.grant_marketplace_access(regrole, text) IS
'Gives a role the privileges of a level: EXECUTE on its functions, and the privileges on tables and schema that these need.
Arguments: role; level: catalog (look at add-ons, price_add_on, quote without a user and a code), entitlements (has_feature and similar
functions), shop (add-ons, carts, prices, codes, checkouts, purchase history), billing (payments, refunds, disputes, subscriptions, payment
events), support (everything that explains a price, an order or access; changes nothing), monitor (check_marketplace and similar functions),
tables (direct reads and writes, for backends that do not call functions), admin (all of these, and everything else). A role can have
several levels. The table marketplace_access, which the first call creates, records what each role was granted.
Returns: nothing; a NOTICE says what was done.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';
ALTER FUNCTION @extschema@.grant_marketplace_access(regrole, text) COST 100000;

CREATE FUNCTION @extschema@.guard_marketplace() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_marketplace_wrapper';
COMMENT ON FUNCTION @extschema@.guard_marketplace() IS
'Does nothing but be called: the event trigger extensions_guard has the library loaded with it, which then guards the tables.
Errors: 39P03 not_called_by_trigger.';

CREATE OR REPLACE FUNCTION @extschema@.has_features(
    "user_id" pg_catalog.text,
    "feature_keys" pg_catalog.text[],
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "feature_key" pg_catalog.text,
    "entitled" bool
)
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'has_features_wrapper';
COMMENT ON FUNCTION @extschema@.has_features(text, text[], timestamptz) IS
'has_feature() for several features at once.
Arguments: user_id; feature_keys; at, the instant of the decision.
Returns: a row for each given key, in the given order; entitled is never NULL.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.has_features(text, text[], timestamptz) COST 1500 ROWS 5;

CREATE FUNCTION @extschema@.import_catalog(catalog jsonb, dry_run boolean DEFAULT false) RETURNS TABLE (object text, action text, id uuid)
LANGUAGE c SECURITY DEFINER COST 1000000 ROWS 200 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.import_catalog(jsonb, boolean) IS
'Changes the catalog to match a document. Rows are found by names: add-ons and bundles by name, features by add-on and key, codes by
code, rules by add-on, tier and priority. Keys that an entry lacks keep their values, or get the defaults of the table. Nothing is
deleted. Importing a document again changes nothing.
Arguments: catalog, as export_catalog() returns it, or a part of it; dry_run, to do everything, report it and undo it.
Returns: a row for each difference: object, in words; action: insert, update with the column and its old and new value, or keep for
a row that the document does not have; id, of the row, NULL for one that a dry run would insert. No rows when nothing differs.
Errors: 22023 null_argument, malformed_argument; what the constraints of the tables raise; 42501, no right to write them;
54000 document_too_large; 55000 row_swallowed.';

CREATE OR REPLACE FUNCTION @extschema@.invalidate_catalog_cache() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_catalog_cache_wrapper';
COMMENT ON FUNCTION @extschema@.invalidate_catalog_cache() IS
'Tells the catalog caches of all sessions that a table has changed. Triggers of the tables of the catalog call it.
Errors: 39P01 called_without_trigger.';

CREATE OR REPLACE FUNCTION @extschema@.link_reference_tables() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE c SECURITY DEFINER COST 1000000 ROWS 6 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.link_reference_tables() IS
'Adds foreign keys to the tables subscription_tiers(tier_code) and feature_definitions(feature_key) of the host application, where
they exist, in this schema or in public. Calling it again validates what could not be validated before.
Arguments: none.
Returns: a row for each link: linked, linked for new rows (detail names the values in the way), not linked (detail says why), or no
such table.
Errors: none.';

CREATE FUNCTION @extschema@.list_add_ons(
    "search" pg_catalog.text DEFAULT NULL,
    "category" pg_catalog.text DEFAULT NULL,
    "feature_key" pg_catalog.text DEFAULT NULL,
    "min_price" pg_catalog.numeric DEFAULT NULL,
    "max_price" pg_catalog.numeric DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 20,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "description" pg_catalog.text,
    "category" pg_catalog.text,
    "base_price" pg_catalog.numeric,
    "billing_type" pg_catalog.text,
    "features" pg_catalog.jsonb,
    "version" pg_catalog.text,
    "icon_url" pg_catalog.text,
    "trial_days" pg_catalog.int4,
    "is_featured" pg_catalog.bool,
    "created_at" pg_catalog.timestamptz,
    "rank" pg_catalog.float4,
    "total_count" pg_catalog.int8
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'list_add_ons_wrapper';
COMMENT ON FUNCTION @extschema@.list_add_ons(text, text, text, numeric, numeric, integer, integer) IS
'A page of the add-ons on sale, for a list: what search_add_ons() finds, in its order, with more columns for pages, and the total number.
Arguments: as for search_add_ons().
Returns: the add-ons; created_at, when it was added to the catalog; rank, 0 without search; total_count, in each row the number of
add-ons on all pages. A page without rows has no total.
Errors: 22023 invalid_count; 54000 value_too_large.';
ALTER FUNCTION @extschema@.list_add_ons(text, text, text, numeric, numeric, integer, integer) COST 15000 ROWS 20;

CREATE FUNCTION @extschema@.list_features() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(NEW.features) = 'object' THEN
        NEW.features := (SELECT coalesce(jsonb_agg(given.key ORDER BY given.key), '[]') FROM jsonb_object_keys(NEW.features) given (key));
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.list_features() IS
'Stores features that are given as an object as the array of its keys. A trigger of add_ons calls it.';

CREATE FUNCTION @extschema@.list_purchases(
    "user_id" pg_catalog.text,
    "status" pg_catalog.text DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 20,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "purchase_id" pg_catalog.uuid,
    "checkout_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "category" pg_catalog.text,
    "version" pg_catalog.text,
    "icon_url" pg_catalog.text,
    "quantity" pg_catalog.int4,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "status" pg_catalog.text,
    "refund_amount" pg_catalog.numeric,
    "promo_code" pg_catalog.text,
    "stripe_payment_id" pg_catalog.text,
    "lago_invoice_id" pg_catalog.text,
    "purchased_at" pg_catalog.timestamptz,
    "subscription_ends_at" pg_catalog.timestamptz,
    "total_count" pg_catalog.int8
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'list_purchases_wrapper';
COMMENT ON FUNCTION @extschema@.list_purchases(text, text, integer, integer) IS
'A page of the user''s purchases for a list, newest first: what purchase_history() returns, with the ids of providers and checkouts, and the
total number. The view purchase_details has the same for a purchase, a checkout or all users.
Arguments: user_id; status, one of pending, completed, failed, refunded, disputed, NULL for all; max_rows, NULL for all; skip.
Returns: the purchases, with the present names, categories, versions and pictures of the add-ons; total_count, in each row the number of
purchases on all pages. A page without rows has no total.
Errors: 22023 null_argument, unknown_word, invalid_count.';
ALTER FUNCTION @extschema@.list_purchases(text, text, integer, integer) COST 2500 ROWS 20;

CREATE OR REPLACE FUNCTION @extschema@.load_sample_catalog() RETURNS TABLE (object text, inserted bigint)
LANGUAGE c SECURITY DEFINER COST 100000 ROWS 4 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.load_sample_catalog() IS
'Inserts nine add-ons with their features, four bundles and four promotional codes, to experiment with. Existing rows are not changed.
Arguments: none.
Returns: for each table, how many rows were inserted: none when run again.
Errors: 55000 row_swallowed.';

CREATE FUNCTION @extschema@.marketplace_metrics() RETURNS TABLE (metric text, labels jsonb, value numeric)
LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER COST 200000 ROWS 25 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.marketplace_metrics() IS
'Numbers for Prometheus and other collectors. Each is found through an index or in a small table, so it can be called every few seconds.
Arguments: none.
Returns: rows of metric, labels and value: info, always 1, with version and currency; protected and user_isolation, 1 when they are on;
estimated_rows by table, as VACUUM and ANALYZE counted; add_ons_on_sale; codes_nearly_used_up, active codes of which nine tenths are used,
and codes_used_up; cart_lines_changed_last_hour; open_checkouts, which wait for their payment, oldest_open_checkout_seconds and open_amount
by currency; subscriptions_expiring_within_week; paid_purchases_last_day and paid_amount_last_day by currency, of the last 24 hours, even if
refunded since; unsettled_payments by provider and reason; waiting_for_maintenance by task, rows that run_maintenance() would clean up.
Where there is nothing to count, a metric without labels is 0, and one with labels has no row.
Errors: none.';

CREATE FUNCTION @extschema@.marketplace_status() RETURNS TABLE (metric text, value text)
LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000000 ROWS 14 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.marketplace_status() IS
'An overview of the state of the marketplace.
Arguments: none.
Returns: rows of metric and value, in this order: version; add_ons_on_sale; active_subscriptions; subscriptions_expiring_soon; carts;
open_checkouts, which wait for their payment; open_amount, of these, by currency; revenue_today, since midnight in UTC, less what
was paid back of it, by currency; codes_nearly_used_up, active codes of which nine tenths are used; unsettled_payments,
as unsettled_payments() lists them; catalog_cache, of this session;
waiting_for_maintenance, rows that run_maintenance() would clean up; last_maintenance, if pg_cron runs it; protected;
user_isolation.
Errors: 42501, no right to read the tables.';

CREATE FUNCTION @extschema@.merge_carts(
    "from_user_id" pg_catalog.text,
    "into_user_id" pg_catalog.text
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "quantity" INT
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'merge_carts_wrapper';
COMMENT ON FUNCTION @extschema@.merge_carts(text, text) IS
'Moves a cart into another user''s cart, for example when a guest signs in. If an add-on is in both, the larger quantity stays, up to
extensions.max_cart_quantity.
Arguments: from_user_id, whose cart is empty afterwards; into_user_id.
Returns: the cart of into_user_id, a row for each line in the order in which they were added: add_on_id; quantity.
Errors: 22023 null_argument, invalid_user_id; 55000 row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.merge_carts(text, text) COST 4000 ROWS 5;

CREATE FUNCTION @extschema@.normalize_currency() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'normalize_currency_wrapper';
COMMENT ON FUNCTION @extschema@.normalize_currency() IS
'Stores the code of a currency in capitals, no matter who writes it. A trigger of add_on_purchases calls it.
Errors: 39P01 called_without_trigger; 55000 schema_changed.';

CREATE OR REPLACE FUNCTION @extschema@.normalize_promo_code() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('SELECT %I.normalized_code($1)', TG_TABLE_SCHEMA) INTO NEW.code USING NEW.code;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.normalize_promo_code() IS
'Stores a code in the form of normalized_code(), no matter who writes it. A trigger of promotional_codes calls it.';

CREATE FUNCTION @extschema@.normalized_code(
    "code" pg_catalog.text
) RETURNS pg_catalog.text
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'normalized_code_wrapper';
COMMENT ON FUNCTION @extschema@.normalized_code(text) IS
'A promotional code as it is stored and compared, however people type it: without the blanks, control and invisible characters around it,
in capitals by a rule that does not depend on the locale of the database, composed (NFC). A trigger of promotional_codes calls it.';
ALTER FUNCTION @extschema@.normalized_code(text) COST 20;

CREATE FUNCTION @extschema@.pad_decimals() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'add_ons' THEN
            IF NEW.base_price = round(NEW.base_price, 2) THEN
                NEW.base_price := round(NEW.base_price, 2);
            END IF;
        WHEN 'promotional_codes' THEN
            IF NEW.discount_value = round(NEW.discount_value, 2) THEN
                NEW.discount_value := round(NEW.discount_value, 2);
            END IF;
            IF NEW.min_purchase_amount = round(NEW.min_purchase_amount, 2) THEN
                NEW.min_purchase_amount := round(NEW.min_purchase_amount, 2);
            END IF;
        ELSE
            IF NEW.discount_percent = round(NEW.discount_percent, 2) THEN
                NEW.discount_percent := round(NEW.discount_percent, 2);
            END IF;
            IF NEW.discount_amount = round(NEW.discount_amount, 2) THEN
                NEW.discount_amount := round(NEW.discount_amount, 2);
            END IF;
    END CASE;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.pad_decimals() IS
'Stores amounts with two decimals: 10 as 10.00. Triggers of the catalog''s tables call it.';

CREATE OR REPLACE FUNCTION @extschema@.price_add_on(
    "add_on_id" pg_catalog.uuid,
    "quantity" INT DEFAULT 1,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS pg_catalog.numeric
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'price_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.price_add_on(uuid, integer, text, timestamptz) IS
'The price of a line on its own: list price times quantity, less its pricing rules, without a user (semantics 2.1, 2.2).
Arguments: add_on_id; quantity, units from 1; tier_code, the tier whose rules apply in addition to those for everybody; at, the instant of
all decisions.
Returns: the amount, with two decimals, in extensions.currency.
Errors: 22023 null_argument, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale, price_not_chargeable,
currency_unusable; 22003 amount_out_of_range;
54000 value_too_large.';
ALTER FUNCTION @extschema@.price_add_on(uuid, integer, text, timestamptz) COST 20;

CREATE OR REPLACE FUNCTION @extschema@.price_cart(
    "user_id" pg_catalog.text,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS pg_catalog.jsonb
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'price_cart_wrapper';
COMMENT ON FUNCTION @extschema@.price_cart(text, text, text, timestamptz) IS
'Prices the user''s stored cart: pricing rules, bundles, promotional code, totals (semantics 2).
Arguments: user_id; tier_code; promo_code, in any case, with or without blanks around it; at, the instant of all decisions.
Returns: the quote, as quote() does, its lines in the order in which they were added. Add-ons that are no longer sold are left out
of the totals and listed under unavailable.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range;
54000 too_many_lines, catalog_too_large,
value_too_large.';
ALTER FUNCTION @extschema@.price_cart(text, text, text, timestamptz) COST 1000;

CREATE OR REPLACE FUNCTION @extschema@.price_carts(
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "user_id" pg_catalog.text,
    "line_count" pg_catalog.int4,
    "list_total" pg_catalog.numeric,
    "discount_total" pg_catalog.numeric,
    "total" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'price_carts_wrapper';
COMMENT ON FUNCTION @extschema@.price_carts(text, text, timestamptz) IS
'Prices every stored cart in one scan: the cart_total() of each user, without a call for each of them (semantics 2).
Arguments: tier_code, as if every user had it; promo_code, as if every cart used it; at, the instant of all decisions.
Returns: a row for each user with a cart, in no particular order: user_id; line_count, of the lines that can be sold; list_total;
discount_total; total, with two decimals, in extensions.currency.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range, naming the user;
54000 catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.price_carts(text, text, timestamptz) COST 10000000 ROWS 100000;

CREATE FUNCTION @extschema@.protect_marketplace() RETURNS VOID
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'protect_marketplace_wrapper';
COMMENT ON FUNCTION @extschema@.protect_marketplace() IS
'Makes PostgreSQL refuse DROP EXTENSION, DROP SCHEMA ... CASCADE, DROP OWNED and everything else that would drop one of the tables while that
table holds rows. It creates the event trigger extensions_guard, which only a superuser can do. Calling it again changes nothing.
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 42501, the caller is not a superuser. Whoever drops a table then gets 55000 marketplace_protected.';
ALTER FUNCTION @extschema@.protect_marketplace() COST 10000;

CREATE FUNCTION @extschema@.protect_redeemed_code() RETURNS trigger
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'protect_redeemed_code_wrapper';
COMMENT ON FUNCTION @extschema@.protect_redeemed_code() IS
'Refuses to rename or delete a code that a purchase names. A trigger of promotional_codes calls it.
Errors: 23503 code_redeemed; 39P01 called_without_trigger.';

CREATE FUNCTION @extschema@.protect_sold_add_on() RETURNS trigger
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'protect_sold_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.protect_sold_add_on() IS
'Refuses to delete an add-on that somebody has bought or owns. A trigger of add_ons calls it.
Errors: 23503 add_on_sold; 39P01 called_without_trigger.';

CREATE OR REPLACE FUNCTION @extschema@.purchase_history(
    "user_id" pg_catalog.text,
    "status" pg_catalog.text DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 50,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "purchase_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "quantity" pg_catalog.int4,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "status" pg_catalog.text,
    "refund_amount" pg_catalog.numeric,
    "purchased_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'purchase_history_wrapper';
COMMENT ON FUNCTION @extschema@.purchase_history(text, text, integer, integer) IS
'The user''s purchases, newest first.
Arguments: user_id; status, one of pending, completed, failed, refunded, disputed, NULL for all; max_rows, NULL for all; skip.
Returns: the purchases, with the present names of the add-ons.
Errors: 22023 null_argument, unknown_word, invalid_count.';
ALTER FUNCTION @extschema@.purchase_history(text, text, integer, integer) COST 2000 ROWS 50;

CREATE OR REPLACE FUNCTION @extschema@.quote(
    "items" pg_catalog.jsonb,
    "user_id" pg_catalog.text DEFAULT NULL,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "promo_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS pg_catalog.jsonb
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'quote_items_wrapper';
COMMENT ON FUNCTION @extschema@.quote(jsonb, text, text, text, timestamptz) IS
'Prices any items as a cart: pricing rules, bundles, promotional code, totals (semantics 2). The order of the items does not matter.
Arguments: items, [{"add_on_id": uuid, "quantity": integer from 1}, ...], the same add-on given twice being one line; user_id, for
conditions on what the user owns or bought; tier_code; promo_code, in any case, with or without blanks around it; at.
Returns: the quote, an object with lines (in add-on id order), unavailable, bundles, bundle_search, promo, list_total,
discount_total, total, line_count, item_count, user_id, tier_code, currency and priced_at. Amounts have two decimals. A refused
code does not fail the quote: promo.valid is false and promo.reasons says why.
Errors: 22023 null_argument, malformed_argument; P0002 add_on_not_found; 55000 add_on_not_for_sale, price_not_chargeable,
currency_unusable; 22003 amount_out_of_range;
54000 document_too_large, document_too_costly,
too_many_lines, catalog_too_large, value_too_large; 23514 quantity_limit.';
ALTER FUNCTION @extschema@.quote(jsonb, text, text, text, timestamptz) COST 1000;

CREATE FUNCTION @extschema@.reconcile_stripe(
    "objects" pg_catalog.jsonb,
    "fetched_at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "object_id" pg_catalog.text,
    "action" pg_catalog.text,
    "changed" bool
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'reconcile_stripe_wrapper';
COMMENT ON FUNCTION @extschema@.reconcile_stripe(jsonb, timestamptz) IS
'Applies objects that were fetched from Stripe''s API, for webhooks that did not arrive (semantics 4). Objects that are already known change
nothing. examples/reconcile_stripe.py fetches them.
Arguments: objects, an array of objects, a list as the API returns it, or one object: checkout sessions, payment intents, charges,
refunds, disputes, invoices, invoice payments, subscriptions, events; fetched_at, when they were fetched, not in the future.
Returns: a row for each object: its id, the result, as an action of apply_stripe_event(), and whether that changed anything.
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.reconcile_stripe(jsonb, timestamptz) COST 100000 ROWS 100;

CREATE OR REPLACE FUNCTION @extschema@.refund_purchase(
    "purchase_id" pg_catalog.uuid,
    "amount" pg_catalog.numeric DEFAULT NULL,
    "reason" pg_catalog.text DEFAULT NULL
) RETURNS pg_catalog.numeric
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'refund_purchase_wrapper';
COMMENT ON FUNCTION @extschema@.refund_purchase(uuid, numeric, text) IS
'Records a refund of a purchase, in part or in full. When the whole amount is refunded, the status becomes refunded, and access ends unless
another purchase pays for it. With the last purchase of a checkout, the uses of its code and bundles are given back (semantics 4).
Arguments: purchase_id; amount, a multiple of the smallest amount in its currency, NULL for all that is left; reason, kept in metadata.
Returns: the amount refunded so far.
Errors: 22023 null_argument, invalid_amount; P0002 purchase_not_found; 55000 purchase_state; 23514 refund_exceeds_amount; 42501
other_user.';
ALTER FUNCTION @extschema@.refund_purchase(uuid, numeric, text) COST 5000;

CREATE FUNCTION @extschema@.release_feature(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "amount" pg_catalog.numeric DEFAULT 1,
    "idempotency_key" pg_catalog.text DEFAULT NULL
) RETURNS TABLE (
    "allowed" bool,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "granted" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', 'release_feature_wrapper';
COMMENT ON FUNCTION @extschema@.release_feature(text, text, numeric, text) IS
'Gives back units that consume_feature() has used, at most what was used in the current period (semantics 7).
Arguments: as for consume_feature(); keys are separate from those of consume_feature().
Returns: one row, as consume_feature() does; allowed is false for a user without the feature.
Errors: 22023 null_argument, invalid_user_id, invalid_units, text_too_long; 23514 malformed_column; 55000 row_swallowed;
42501 other_user.';
ALTER FUNCTION @extschema@.release_feature(text, text, numeric, text) COST 1500 ROWS 1;

CREATE OR REPLACE FUNCTION @extschema@.remove_from_cart(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid
) RETURNS bool
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'remove_from_cart_wrapper';
COMMENT ON FUNCTION @extschema@.remove_from_cart(text, uuid) IS
'Takes an add-on out of the user''s cart.
Arguments: user_id; add_on_id.
Returns: whether it was there.
Errors: 22023 null_argument, invalid_user_id; 55000 row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.remove_from_cart(text, uuid) COST 2000;

CREATE OR REPLACE FUNCTION @extschema@.renew_add_on(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "amount" pg_catalog.numeric DEFAULT NULL,
    "stripe_payment_id" pg_catalog.text DEFAULT NULL,
    "lago_invoice_id" pg_catalog.text DEFAULT NULL
) RETURNS pg_catalog.timestamptz
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'renew_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.renew_add_on(text, uuid, numeric, text, text) IS
'Extends an add-on by its period, from its end if that is in the future, otherwise from now, and records the payment as a purchase. A payment
or invoice that was seen before changes nothing; one that has paid for another user is refused (semantics 5).
Arguments: user_id; add_on_id; amount, stripe_payment_id and lago_invoice_id, what is known of the payment; without any, none is
recorded.
Returns: the new end; NULL for no end.
Errors: 22023 null_argument, invalid_user_id, invalid_amount, text_too_long; P0002 not_owned; 23514 payment_used; 42501 other_user.';
ALTER FUNCTION @extschema@.renew_add_on(text, uuid, numeric, text, text) COST 5000;

CREATE FUNCTION @extschema@.reprice_renewals(
    "add_on_id" pg_catalog.uuid
) RETURNS bigint
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'reprice_renewals_wrapper';
COMMENT ON FUNCTION @extschema@.reprice_renewals(uuid) IS
'Sets the renewal price of an add-on to today''s price, for everybody who has bought it (semantics 5). The price is that of
price_add_on() for the units that the user has, without a tier or a code.
Arguments: add_on_id.
Returns: how many amounts changed.
Errors: 22023 null_argument; P0002 add_on_not_found; 55000 add_on_not_for_sale, row_swallowed.';
ALTER FUNCTION @extschema@.reprice_renewals(uuid) COST 1000000;

CREATE OR REPLACE FUNCTION @extschema@.resolve_dispute(
    "purchase_id" pg_catalog.uuid,
    "won" bool
) RETURNS pg_catalog.text
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'resolve_dispute_wrapper';
COMMENT ON FUNCTION @extschema@.resolve_dispute(uuid, boolean) IS
'Records how a dispute was decided: won, access is given back; lost, the purchase is refunded in full (semantics 4, 5).
Arguments: purchase_id; won.
Returns: the new status.
Errors: 22023 null_argument; P0002 purchase_not_found; 55000 purchase_state; 42501 other_user.';
ALTER FUNCTION @extschema@.resolve_dispute(uuid, boolean) COST 5000;

CREATE OR REPLACE FUNCTION @extschema@.resume_add_on(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid
) RETURNS bool
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'resume_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.resume_add_on(text, uuid) IS
'Gives a suspended add-on back.
Arguments: user_id; add_on_id.
Returns: whether anything changed.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned; 42501 other_user.';
ALTER FUNCTION @extschema@.resume_add_on(text, uuid) COST 5000;

CREATE FUNCTION @extschema@.revenue_by_add_on(
    "since" pg_catalog.timestamptz,
    "until" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "category" pg_catalog.text,
    "currency" pg_catalog.text,
    "purchases" pg_catalog.int8,
    "units" pg_catalog.int8,
    "gross" pg_catalog.numeric,
    "refunded" pg_catalog.numeric,
    "net" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'revenue_by_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.revenue_by_add_on(timestamptz, timestamptz) IS
'The view revenue_by_add_on for the purchases of a period: by add-on and currency, the highest revenue first. Refunds count with the purchase
that they refund, whenever they were made.
Arguments: since, the first instant of the period, NULL for the first purchase; until, the first instant after it, NULL for no end.
Returns: the columns of the view: purchases, paid ones; units; gross, what was paid; refunded, until now; net, what is left.
Errors: none.';
ALTER FUNCTION @extschema@.revenue_by_add_on(timestamptz, timestamptz) COST 1000000 ROWS 100;

CREATE FUNCTION @extschema@.revoke_marketplace_access(
    "role" pg_catalog.regrole,
    "level" pg_catalog.text
) RETURNS VOID
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'revoke_marketplace_access_wrapper';
COMMENT ON FUNCTION @extschema@.revoke_marketplace_access(regrole, text) IS
'Revokes what a level has granted to a role, except what another of its levels grants too. Other grants stay. admin takes all levels.
Arguments: as for grant_marketplace_access().
Returns: nothing; a NOTICE says what was done.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';
ALTER FUNCTION @extschema@.revoke_marketplace_access(regrole, text) COST 100000;

CREATE OR REPLACE FUNCTION @extschema@.run_maintenance(
    "cart_max_age" interval DEFAULT '30 days',
    "checkout_max_age" interval DEFAULT '24 hours',
    "batch" INT DEFAULT 10000,
    "renewal_grace" interval DEFAULT '3 days',
    "payment_max_age" interval DEFAULT '30 days'
) RETURNS TABLE (
    "task" pg_catalog.text,
    "affected" bigint
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'run_all_maintenance_wrapper';
COMMENT ON FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval, interval) IS
'Cleans up: deletes abandoned carts, fails checkouts that were never paid and gives their uses back, and updates the status of expired
subscriptions and codes. It never waits for a checkout, and can run twice at the same time.
Arguments: cart_max_age, since the last change of the cart; checkout_max_age, since the checkout; batch, the maximum number of rows of each
task; renewal_grace, how long subscriptions that renew automatically may be late; payment_max_age, how long a payment may be in progress
before its checkout counts as never paid, and how long reported payments that match nothing are kept.
Returns: a row for each task and how many rows it changed. A task that changed as many as batch may have more to do.
Errors: 22023 null_argument, negative_interval, invalid_count; 42501 rows_hidden.';
ALTER FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval, interval) COST 1000000 ROWS 4;

CREATE OR REPLACE FUNCTION @extschema@.search_add_ons(
    "search" pg_catalog.text DEFAULT NULL,
    "category" pg_catalog.text DEFAULT NULL,
    "feature_key" pg_catalog.text DEFAULT NULL,
    "min_price" pg_catalog.numeric DEFAULT NULL,
    "max_price" pg_catalog.numeric DEFAULT NULL,
    "max_rows" pg_catalog.int4 DEFAULT 20,
    "skip" pg_catalog.int4 DEFAULT 0
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "name" pg_catalog.text,
    "description" pg_catalog.text,
    "category" pg_catalog.text,
    "base_price" pg_catalog.numeric,
    "billing_type" pg_catalog.text,
    "features" pg_catalog.jsonb,
    "rank" pg_catalog.float4
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'search_add_ons_wrapper';
COMMENT ON FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) IS
'Add-ons on sale that meet all given criteria, the best matches of the search text first, then by sort_order and name.
Arguments: search, words of the name or the description, or their beginnings; if nothing matches, any part of the name or the description,
such as ''rigade'' of Brigade, and, if pg_trgm is installed, also words similar to one of the name; category; feature_key, a feature that
the add-on gives; min_price and max_price, inclusive; max_rows, NULL for all; skip, rows to skip.
Returns: the add-ons; rank is 0 without search.
Errors: 22023 invalid_count; 54000 value_too_large.';
ALTER FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) COST 10000 ROWS 20;

CREATE OR REPLACE FUNCTION @extschema@.set_cart_quantity(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "quantity" INT
) RETURNS TABLE (
    "cart_item_id" pg_catalog.uuid,
    "add_on_id" pg_catalog.uuid,
    "quantity" INT
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'set_cart_quantity_wrapper';
COMMENT ON FUNCTION @extschema@.set_cart_quantity(text, uuid, integer) IS
'Sets the number of units of an add-on in the user''s cart.
Arguments: user_id, 1 to 255 characters; add_on_id; quantity, units; 0 takes the add-on out.
Returns: the cart item; no row when it was taken out.
Errors: 22023 null_argument, invalid_user_id, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale,
row_swallowed; 23514 quantity_limit; 42501 other_user.';
ALTER FUNCTION @extschema@.set_cart_quantity(text, uuid, integer) COST 2000 ROWS 1;

CREATE FUNCTION @extschema@.set_feature_usage(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "used" pg_catalog.numeric
) RETURNS TABLE (
    "allowed" bool,
    "used" pg_catalog.numeric,
    "remaining" pg_catalog.numeric,
    "granted" pg_catalog.numeric,
    "resets_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c AS 'MODULE_PATHNAME', 'set_feature_usage_wrapper';
COMMENT ON FUNCTION @extschema@.set_feature_usage(text, text, numeric) IS
'Sets how many units of a metered feature are used, such as a number of seats that is counted elsewhere (semantics 7).
Arguments: user_id; feature_key; used, units from 0, with at most six decimals.
Returns: one row, as consume_feature() does. More than is granted is not allowed, and changes nothing.
Errors: 22023 null_argument, invalid_user_id, invalid_units; 22003 units_out_of_range; 23514 malformed_column; 55000
row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.set_feature_usage(text, text, numeric) COST 1500 ROWS 1;

CREATE OR REPLACE FUNCTION @extschema@.set_updated_at() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'set_updated_at_wrapper';
COMMENT ON FUNCTION @extschema@.set_updated_at() IS
'Keeps updated_at. Triggers of the tables call it.
Errors: 39P01 called_without_trigger; 55000 schema_changed.';

CREATE FUNCTION @extschema@.settle_payment(
    "payment_id" pg_catalog.text,
    "note" pg_catalog.text DEFAULT NULL
) RETURNS bool
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'settle_payment_wrapper';
COMMENT ON FUNCTION @extschema@.settle_payment(text, text) IS
'Records that a payment that was not applied has been dealt with: unsettled_payments() no longer lists it, and it completes nothing later
(semantics 4.3).
Arguments: payment_id, as unsettled_payments() names it; note, what was done, kept with the facts.
Returns: whether there was one.
Errors: 22023 null_argument, text_too_long.';
ALTER FUNCTION @extschema@.settle_payment(text, text) COST 10000;

CREATE OR REPLACE FUNCTION @extschema@.simulate_bundle(
    "bundle" pg_catalog.jsonb,
    "replaces" pg_catalog.uuid DEFAULT NULL,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE ("user_id" pg_catalog.text, "total_before" pg_catalog.numeric, "total_after" pg_catalog.numeric)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'simulate_bundle_wrapper';
COMMENT ON FUNCTION @extschema@.simulate_bundle(jsonb, uuid, text, timestamptz) IS
'The stored carts whose total would change if a bundle were added, or replaced another. Nothing is written.
Arguments: bundle, an object with the columns of add_on_bundles as keys, of which add_on_ids is required and the others have the
defaults of the table; replaces, the id of the bundle that it replaces, NULL to add it; tier_code, as if every user had it; at.
Each cart is priced on its own, as if all remaining uses were available to it.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before; total_after.
Errors: 22023 null_argument, malformed_argument; 23514 draft_refused, what a constraint of the table
refuses; P0002 replaced_not_found; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000 document_too_large,
catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_bundle(jsonb, uuid, text, timestamptz) COST 10000000 ROWS 1000;

CREATE OR REPLACE FUNCTION @extschema@.simulate_pricing_rule(
    "rule" pg_catalog.jsonb,
    "replaces" pg_catalog.uuid DEFAULT NULL,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE ("user_id" pg_catalog.text, "total_before" pg_catalog.numeric, "total_after" pg_catalog.numeric)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'simulate_pricing_rule_wrapper';
COMMENT ON FUNCTION @extschema@.simulate_pricing_rule(jsonb, uuid, text, timestamptz) IS
'The stored carts whose total would change if a pricing rule were added, or replaced another. Nothing is written.
Arguments: rule, an object with the columns of pricing_rules as keys, of which add_on_id is required and the others have the
defaults of the table; replaces, the id of the rule that it replaces, NULL to add it; tier_code, as if every user had it; at.
A rule without an id has the id of the one it replaces, or else comes last among equals.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before; total_after.
Errors: 22023 null_argument, malformed_argument; 23514 draft_refused, what a constraint of the table
refuses, malformed_column; P0002 add_on_not_found, replaced_not_found; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000 document_too_large, document_too_costly,
catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_pricing_rule(jsonb, uuid, text, timestamptz) COST 10000000 ROWS 1000;

CREATE OR REPLACE FUNCTION @extschema@.simulate_promo_code(
    "code" pg_catalog.jsonb,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE ("user_id" pg_catalog.text, "total_before" pg_catalog.numeric, "total_after" pg_catalog.numeric)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'simulate_promo_code_wrapper';
COMMENT ON FUNCTION @extschema@.simulate_promo_code(jsonb, text, timestamptz) IS
'The stored carts whose total would change if every cart used a promotional code. Nothing is written.
Arguments: code, an object with the columns of promotional_codes as keys, of which discount_type and discount_value are required and
the others have the defaults of the table; redemptions of an existing code count for max_uses_per_user when its code is given;
tier_code, as if every user had it; at.
Each cart is priced on its own, as if all remaining uses were available to it.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before, without any code; total_after.
Errors: 22023 null_argument, malformed_argument; 23514 draft_refused, what a constraint of the table
refuses, malformed_column; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000 document_too_large, document_too_costly,
catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_promo_code(jsonb, text, timestamptz) COST 20000000 ROWS 100000;

CREATE FUNCTION @extschema@.simulate_renewals(
    "add_on_id" pg_catalog.uuid,
    "base_price" pg_catalog.numeric DEFAULT NULL,
    "rule" pg_catalog.jsonb DEFAULT NULL,
    "replaces" pg_catalog.uuid DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "user_id" pg_catalog.text,
    "due_at" pg_catalog.timestamptz,
    "amount_before" pg_catalog.numeric,
    "amount_after" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'simulate_renewals_wrapper';
COMMENT ON FUNCTION @extschema@.simulate_renewals(uuid, numeric, jsonb, uuid, timestamptz) IS
'The renewals whose price would change if an add-on had other prices and reprice_renewals() were called. Nothing is written. Without another
price or rule, it shows what reprice_renewals() would change now.
Arguments: add_on_id; base_price, what the add-on would cost, NULL for what it costs; rule, a pricing rule of the add-on that would be
added, an object with the columns of pricing_rules as keys, of which add_on_id is required and the others have the defaults of the table;
replaces, the id of the rule that it replaces, or that is dropped if rule is NULL; at, when it would be priced.
Returns: a row for each renewal whose amount would change, in no particular order: user_id; due_at, when the period ends; amount_before,
as it is locked; amount_after.
Errors: 22023 null_argument, malformed_argument, invalid_amount; 23514 draft_refused, what a constraint of the
table refuses; P0002 add_on_not_found, replaced_not_found; 55000 add_on_not_for_sale, price_not_chargeable, currency_unusable; 22003
amount_out_of_range; 54000 document_too_large, document_too_costly, catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_renewals(uuid, numeric, jsonb, uuid, timestamptz) COST 1000000 ROWS 1000;

CREATE FUNCTION @extschema@.start_trial(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid
) RETURNS TABLE (
    "add_on_id" pg_catalog.uuid,
    "expires_at" pg_catalog.timestamptz
)
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'start_trial_wrapper';
COMMENT ON FUNCTION @extschema@.start_trial(text, uuid) IS
'Gives the user an add-on for its trial_days, only once (semantics 5). A purchase during the trial begins at its end.
Arguments: user_id, 1 to 255 characters; add_on_id.
Returns: the add-on and when the trial ends.
Errors: 22023 null_argument, invalid_user_id; P0002 add_on_not_found; 23514 no_trial, trial_refused; 42501 other_user.';
ALTER FUNCTION @extschema@.start_trial(text, uuid) COST 5000 ROWS 1;

CREATE FUNCTION @extschema@.stripe_checkout(
    "checkout_id" pg_catalog.uuid,
    "success_url" pg_catalog.text,
    "cancel_url" pg_catalog.text
) RETURNS pg_catalog.jsonb
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'stripe_checkout_wrapper';
COMMENT ON FUNCTION @extschema@.stripe_checkout(uuid, text, text) IS
'What to send to Stripe so that a checkout can be paid there (semantics 6): parameters of a Checkout session in Stripe''s minor
units, whose items add up to what the checkout costs. Send them as they are; Stripe''s API takes them flattened, line_items[0][quantity].
Arguments: checkout_id, of a checkout that waits for its payment; success_url, cancel_url, absolute, up to 5000 characters.
Returns: session, for POST /v1/checkout/sessions; coupon, null, or what to send to POST /v1/coupons before it, where a promotional code
is for the first payments and not for all renewals. The coupon has the checkout''s id and can be used once.
Errors: 22023 null_argument, text_too_long, invalid_url; P0002 checkout_not_found; 55000 checkout_state; 23514 not_payable.';
ALTER FUNCTION @extschema@.stripe_checkout(uuid, text, text) COST 1000;

CREATE OR REPLACE FUNCTION @extschema@.suspend_add_on(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "reason" pg_catalog.text DEFAULT NULL
) RETURNS bool
VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path TO pg_catalog, @extschema@, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'suspend_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.suspend_add_on(text, uuid, text) IS
'Withholds an add-on until it is resumed.
Arguments: user_id; add_on_id; reason.
Returns: whether anything changed.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned; 42501 other_user.';
ALTER FUNCTION @extschema@.suspend_add_on(text, uuid, text) COST 5000;

CREATE OR REPLACE FUNCTION @extschema@.unlink_reference_tables() RETURNS TABLE (reference text, status text, detail text)
LANGUAGE c SECURITY DEFINER COST 10000 ROWS 6 SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'run_body_wrapper';
COMMENT ON FUNCTION @extschema@.unlink_reference_tables() IS
'Drops the foreign keys that link_reference_tables() has added.
Arguments: none.
Returns: a row for each link: unlinked, or was not linked.
Errors: none.';

CREATE FUNCTION @extschema@.unprotect_marketplace() RETURNS void
STRICT VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'unprotect_marketplace_wrapper';
COMMENT ON FUNCTION @extschema@.unprotect_marketplace() IS
'Ends the protection by protect_marketplace().
Arguments: none.
Returns: nothing; a NOTICE says what was done.
Errors: 42501, the caller does not own the event trigger.';
ALTER FUNCTION @extschema@.unprotect_marketplace() COST 10000;

CREATE FUNCTION @extschema@.unsettled_payments() RETURNS TABLE (
    "payment_id" pg_catalog.text,
    "provider" pg_catalog.text,
    "checkout_id" pg_catalog.uuid,
    "user_id" pg_catalog.text,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "reason" pg_catalog.text,
    "received_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'unsettled_payments_wrapper';
COMMENT ON FUNCTION @extschema@.unsettled_payments() IS
'Payments that were taken but pay for nothing: a second payment, a wrong amount or currency, a payment that came too late (semantics
4.3). Each is listed until its refund is reported or settle_payment() is called.
Arguments: none.
Returns: a row for each payment, the earliest first: its id, stripe or lago, the checkout that it is about, the user, what was taken with
tax, the currency, and why it was not applied: already_paid, amount_mismatch, currency_mismatch, payment_used or checkout_failed.
Errors: none.';
ALTER FUNCTION @extschema@.unsettled_payments() COST 10000 ROWS 10;

CREATE FUNCTION @extschema@.upcoming_renewals(
    "user_id" pg_catalog.text DEFAULT NULL,
    "until" pg_catalog.timestamptz DEFAULT pg_catalog.now() OPERATOR(pg_catalog.+) '1 month'::pg_catalog.interval
) RETURNS TABLE (
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "due_at" pg_catalog.timestamptz,
    "amount" pg_catalog.numeric,
    "currency" pg_catalog.text,
    "promo_code" pg_catalog.text
)
STABLE PARALLEL SAFE
LANGUAGE c AS 'MODULE_PATHNAME', 'upcoming_renewals_wrapper';
COMMENT ON FUNCTION @extschema@.upcoming_renewals(text, timestamptz) IS
'What will be renewed, when, and at which price (semantics 5): add-ons that renew automatically and whose period ends by a given time.
Arguments: user_id, NULL for everybody; until, a month from now by default.
Returns: a row for each add-on, the next first: the user, the add-on, when its period ends, renewal_amount, the currency that it was
bought in, and the promotional code that the amount takes into account.
Errors: none.';
ALTER FUNCTION @extschema@.upcoming_renewals(text, timestamptz) COST 10000 ROWS 100;

CREATE OR REPLACE FUNCTION @extschema@.user_features(
    "user_id" pg_catalog.text,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "feature_key" pg_catalog.text,
    "configuration" pg_catalog.jsonb,
    "add_on_ids" pg_catalog.uuid[],
    "expires_at" pg_catalog.timestamptz
)
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'user_features_wrapper';
COMMENT ON FUNCTION @extschema@.user_features(text, timestamptz) IS
'Every feature that the user has (semantics 5).
Arguments: user_id; at.
Returns: a row for each feature, in key order: feature_key; configuration, merged as by feature_configuration(); add_on_ids, the
add-ons that give it; expires_at, when the last of them ends, NULL for no end.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.user_features(text, timestamptz) COST 1500 ROWS 20;

CREATE OR REPLACE FUNCTION @extschema@.validate_promo_code(
    "code" pg_catalog.text,
    "user_id" pg_catalog.text DEFAULT NULL,
    "tier_code" pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS TABLE (
    "valid" bool,
    "reasons" pg_catalog.text[],
    "discount_type" pg_catalog.text,
    "discount_value" pg_catalog.numeric,
    "eligible_amount" pg_catalog.numeric,
    "discount" pg_catalog.numeric,
    "cart_total" pg_catalog.numeric,
    "final_total" pg_catalog.numeric
)
STABLE PARALLEL SAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'validate_promo_code_wrapper';
COMMENT ON FUNCTION @extschema@.validate_promo_code(text, text, text, timestamptz) IS
'Whether a promotional code may be used, every reason why not, and what it would take off the user''s cart (semantics 2.4).
Arguments: code, in any case, with or without blanks around it; user_id; without one, the conditions on the cart are not tested;
tier_code; at.
Returns: one row. valid; reasons, in this order, of unknown, inactive, expired, exhausted, below_minimum, not_applicable,
tier_not_allowed, not_first_purchase, user_not_allowed, user_limit_reached, empty_cart; discount_type and discount_value of the
code, NULL when unknown; eligible_amount, what the eligible lines cost; discount; cart_total, before the code; final_total, after it.
The last four are NULL without a user.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range.';
ALTER FUNCTION @extschema@.validate_promo_code(text, text, text, timestamptz) COST 1000 ROWS 1;

CREATE FUNCTION @extschema@.verify_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'verify_row_wrapper';
COMMENT ON FUNCTION @extschema@.verify_row() IS
'Refuses a row that breaks a rule of its table, and explains why. Triggers of the catalog''s tables call it.
Errors: 23514 row_refused, malformed_column; 39P01 called_without_trigger.';

CREATE FUNCTION @extschema@.verify_uses() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'verify_uses_wrapper';
COMMENT ON FUNCTION @extschema@.verify_uses() IS
'Refuses more uses of a code or bundle than it has, and explains why. Triggers of promotional_codes and add_on_bundles call it.
Errors: 23514 row_refused; 39P01 called_without_trigger.';

CREATE OR REPLACE FUNCTION @extschema@.has_add_on(
    "user_id" pg_catalog.text,
    "add_on_id" pg_catalog.uuid,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS bool
STABLE PARALLEL SAFE SUPPORT @extschema@."_plan_entitlement_check"
LANGUAGE c
AS 'MODULE_PATHNAME', 'has_add_on_wrapper';
COMMENT ON FUNCTION @extschema@.has_add_on(text, uuid, timestamptz) IS
'Whether the user owns the add-on (semantics 5).
Arguments: user_id; add_on_id; at, the instant of the decision.
Returns: true or false, never NULL; false for a NULL argument or an unknown add-on.
A statement that asks about many users reads all of them at once, as with has_feature().
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.has_add_on(text, uuid, timestamptz) COST 100;

CREATE OR REPLACE FUNCTION @extschema@.has_feature(
    "user_id" pg_catalog.text,
    "feature_key" pg_catalog.text,
    "at" pg_catalog.timestamptz DEFAULT pg_catalog.now()
) RETURNS bool
STABLE PARALLEL SAFE SUPPORT @extschema@."_plan_entitlement_check"
LANGUAGE c
AS 'MODULE_PATHNAME', 'has_feature_wrapper';
COMMENT ON FUNCTION @extschema@.has_feature(text, text, timestamptz) IS
'Whether the user has the feature through some add-on they own (semantics 5).
Arguments: user_id; feature_key; at, the instant of the decision.
Returns: true or false, never NULL; false for a NULL argument.
A statement that asks about many users, as WHERE has_feature(t.user_id, ''x'') does, reads all entitled users at once where that is
cheaper. entitled_users() returns all of them.
Errors: 54000 value_too_large.';
ALTER FUNCTION @extschema@.has_feature(text, text, timestamptz) COST 100;

CREATE FUNCTION @extschema@._distribution_preparations() RETURNS SETOF text
LANGUAGE sql COST 100000 ROWS 30 SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('DROP TRIGGER %I ON %s', t.tgname, m.relation)
      FROM @extschema@._marketplace_tables() m
      JOIN pg_trigger t ON t.tgrelid = m.relation AND NOT t.tgisinternal AND @extschema@._is_member('pg_proc', t.tgfoid)
     UNION ALL
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', m.relation, c.conname)
      FROM @extschema@._marketplace_tables() m
      JOIN pg_constraint c ON c.conrelid = m.relation AND c.contype = 'f'
     WHERE @extschema@._distribution_method(m.relation) IS NULL
     UNION ALL
    -- With the id first, for those who look for nothing else.
    SELECT format('ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I PRIMARY KEY (id, user_id)', m.relation, c.conname)
      FROM @extschema@._marketplace_tables() m
      JOIN pg_constraint c ON c.conrelid = m.relation AND c.contype = 'p' AND cardinality(c.conkey) = 1
     WHERE m.has_users
     UNION ALL
    -- The trigger that normalizes codes is dropped, so a constraint refuses those that are not normalized.
    SELECT format('ALTER TABLE %s ADD CONSTRAINT promotional_codes_normalized_check CHECK (code = %s(code))',
                  m.relation, '@extschema@.normalized_code')
      FROM @extschema@._marketplace_tables() m
     WHERE m.name = 'promotional_codes'
       AND NOT EXISTS (SELECT FROM pg_constraint c
                        WHERE c.conrelid = m.relation AND c.conname = 'promotional_codes_normalized_check')
     UNION ALL
    -- Citus takes no parameters of functions in SQL, and does not see the tables of a function that becomes part of a query. So
    -- the same query goes into PL/pgSQL; without the casts that keep Citus from knowing the user's column.
    SELECT format('CREATE OR REPLACE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
                   AS $body$ #variable_conflict use_column BEGIN RETURN QUERY %s END $body$',
                  p.oid::regproc, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
                  regexp_replace(regexp_replace(pg_get_function_sqlbody(p.oid), '^BEGIN ATOMIC(.*)END$', '\1'),
                                 '\(([a-z]+\.user_id)\)::text = ', '\1 = ', 'g'))
      FROM pg_proc p
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'sql'
     WHERE p.pronamespace = '@extschema@'::regnamespace
       AND p.proname IN ('active_add_ons', 'entitled_users')
$$;
COMMENT ON FUNCTION @extschema@._distribution_preparations() IS
'What is left to do on this node before Citus can spread the tables, as commands. Only the functions below call it.';

CREATE OR REPLACE FUNCTION @extschema@.active_add_ons(user_id text, at timestamptz DEFAULT now())
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

CREATE OR REPLACE FUNCTION @extschema@.entitled_users(feature_key text, at timestamptz DEFAULT now())
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

CREATE OR REPLACE FUNCTION @extschema@.has_no_duplicates(elements uuid[]) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*) = count(DISTINCT element) FROM unnest(elements) element;
END;
COMMENT ON FUNCTION @extschema@.has_no_duplicates(uuid[]) IS
'Whether no element is given twice and none is NULL. A CHECK constraint of add_on_bundles calls it.';


-- The function costs more than an insert would bear, and nearly every code is in capitals.
CREATE TRIGGER normalize_add_on_purchases_currency BEFORE INSERT OR UPDATE OF currency ON @extschema@.add_on_purchases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.normalize_currency();

-- Configurations had no keys of ours before. Where one has them in another sense, the constraint holds for new ones until somebody
-- corrects that and validates it.
ALTER TABLE @extschema@.add_on_features ADD CONSTRAINT add_on_features_configuration_check
    CHECK (@extschema@.check_feature_configuration(configuration)) NOT VALID;

-- Rows are changed as the owner of the tables, whoever updates: triggers and whatever else of the owner's is in the way has no more
-- rights than the owner then, although this script runs as a superuser.
ALTER TABLE @extschema@.promotional_codes DROP CONSTRAINT promotional_codes_code_check;
CREATE FUNCTION @extschema@._upgrade_rows_body() RETURNS TABLE (object text, affected bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    BEGIN
        ALTER TABLE @extschema@.add_on_features VALIDATE CONSTRAINT add_on_features_configuration_check;
    EXCEPTION WHEN check_violation THEN
        RAISE WARNING '%', SQLERRM
            USING HINT = 'Correct it, then ALTER TABLE add_on_features VALIDATE CONSTRAINT add_on_features_configuration_check.';
    END;

    -- Bought before currencies were stored in capitals
    UPDATE @extschema@.add_on_purchases SET currency = upper(currency COLLATE "C") WHERE currency <> upper(currency COLLATE "C");

    -- Codes were stored in capitals as the locale of the database has them.
    UPDATE @extschema@.add_on_purchases SET promo_code = @extschema@.normalized_code(promo_code)
     WHERE promo_code <> @extschema@.normalized_code(promo_code);
    UPDATE @extschema@.promotional_codes SET code = @extschema@.normalized_code(code) WHERE code <> @extschema@.normalized_code(code);

    -- What 1.0.0 kept of payments in the metadata of purchases becomes facts, on the first purchase of each checkout for all of it. Purchases
    -- of which nothing was told need none: what their columns say becomes a fact when something more is told.
    WITH told AS (
        SELECT p.user_id, coalesce(p.checkout_id, p.id) AS sale, p.id, p.add_on_id, p.metadata, p.currency,
               coalesce(p.stripe_payment_id, p.lago_invoice_id) AS payment, p.purchased_at,
               row_number() OVER (PARTITION BY p.user_id, coalesce(p.checkout_id, p.id)
                                  ORDER BY coalesce((p.metadata ->> 'position')::bigint, 2147483647), p.add_on_id, p.id) AS place
          FROM @extschema@.add_on_purchases p
         WHERE p.metadata ?| '{refunded_by_provider,disputes,subscription,overdue_invoices,stripe_subscription_id,stripe_invoice_id,lago_subscription_id}'
    ), sales AS (
        SELECT t.user_id, t.sale, min(t.id::text) FILTER (WHERE t.place = 1) AS bearer, max(t.payment) AS payment,
               max((t.metadata ->> 'refunded_by_provider')::bigint) AS refunded,
               max(coalesce(t.metadata ->> 'stripe_subscription_id', t.metadata ->> 'lago_subscription_id')) AS subscription,
               max(t.metadata ->> 'stripe_invoice_id') AS invoice, max(upper(t.currency)) AS currency,
               (array_agg(t.metadata -> 'subscription' ORDER BY t.place) FILTER (WHERE t.metadata ? 'subscription'))[1] AS said,
               (array_agg(t.metadata -> 'disputes' ORDER BY t.place) FILTER (WHERE jsonb_typeof(t.metadata -> 'disputes') = 'object'))[1] AS disputes,
               (array_agg(t.metadata -> 'overdue_invoices' ORDER BY t.place)
                    FILTER (WHERE jsonb_typeof(t.metadata -> 'overdue_invoices') = 'object'))[1] AS overdue
          FROM told t
         GROUP BY t.user_id, t.sale
    ), facts AS (
        SELECT s.user_id, s.bearer::uuid AS id,
               array_remove(ARRAY[s.payment, s.subscription, s.invoice]
                            || ARRAY(SELECT jsonb_object_keys(coalesce(s.disputes, '{}')))
                            || ARRAY(SELECT jsonb_object_keys(coalesce(s.overdue, '{}'))), NULL) AS ids,
               jsonb_strip_nulls(jsonb_build_object(
                   'refund_totals', CASE WHEN s.refunded > 0 AND s.payment IS NOT NULL THEN
                       jsonb_build_object(s.payment, jsonb_build_object('payments', jsonb_build_array(s.payment), 'currency', s.currency,
                           'total', jsonb_build_array(jsonb_build_object('at', -9223372036854775808, 'now', s.refunded)))) END,
                   'disputes', CASE WHEN s.payment IS NOT NULL THEN
                       (SELECT jsonb_object_agg(d.key, jsonb_build_object('payments', jsonb_build_array(s.payment),
                                   'state', jsonb_build_array(jsonb_build_object('at', -9223372036854775808,
                                       'now', CASE d.value WHEN 'won' THEN 'kept' WHEN 'lost' THEN 'lost' ELSE 'open' END))))
                          FROM jsonb_each_text(s.disputes) d) END,
                   'attempts', (SELECT jsonb_object_agg(a.key, a.value) FROM (
                           SELECT o.key, jsonb_build_object('provider', 'lago', 'kind', 'invoice', 'subscriptions',
                                      CASE WHEN s.subscription IS NULL THEN '[]' ELSE jsonb_build_array(s.subscription) END,
                                      'state', jsonb_build_array(jsonb_build_object('at', -9223372036854775808, 'now', o.value)))
                             FROM jsonb_each_text(s.overdue) o WHERE o.value IN ('overdue', 'paid')
                            UNION ALL
                           SELECT s.invoice, jsonb_build_object('provider', 'stripe', 'kind', 'invoice',
                                      'same_payment', CASE WHEN s.payment IS NULL THEN '[]' ELSE jsonb_build_array(s.payment) END,
                                      'subscriptions', CASE WHEN s.subscription IS NULL THEN '[]' ELSE jsonb_build_array(s.subscription) END)
                            WHERE s.invoice IS NOT NULL) a (key, value)),
                   'subscriptions', CASE WHEN s.subscription IS NOT NULL THEN
                       jsonb_build_object(s.subscription, jsonb_build_object(
                           'state', CASE WHEN (s.said ->> 'has_ended')::boolean THEN
                                             jsonb_build_array(jsonb_build_object('at', (s.said -> 'said_at'),
                                                 'now', jsonb_build_object('ended', jsonb_build_object('at', s.said -> 'ended_at'))))
                                         WHEN s.said IS NOT NULL THEN
                                             jsonb_build_array(jsonb_build_object('at', (s.said -> 'said_at'),
                                                 'now', jsonb_build_object('running', jsonb_build_object('renews', s.said -> 'auto_renew',
                                                     'is_unpaid', coalesce(s.said -> 'on_hold', 'false'))))) END,
                           'ends', CASE WHEN jsonb_typeof(s.said -> 'period_end') = 'number' THEN
                                            jsonb_build_array(jsonb_build_object('of', '{}'::jsonb, 'until', s.said -> 'period_end',
                                                'said_at', s.said -> 'said_at', 'is_paid', true)) END)) END)) AS known
          FROM sales s
    )
    UPDATE @extschema@.add_on_purchases p
       SET facts = jsonb_build_object('known', f.known), provider_ids = f.ids
      FROM facts f
     WHERE p.id = f.id AND p.user_id = f.user_id;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION @extschema@._upgrade_rows_body() OWNER TO %s',
                   (SELECT c.relowner::regrole FROM pg_catalog.pg_class c WHERE c.oid = '@extschema@.add_ons'::regclass));
END
$$;
CREATE FUNCTION @extschema@.upgrade_rows() RETURNS TABLE (object text, affected bigint)
LANGUAGE c SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'run_body_wrapper';
SELECT * FROM @extschema@.upgrade_rows();
DROP FUNCTION @extschema@.upgrade_rows(), @extschema@._upgrade_rows_body();
ALTER TABLE @extschema@.promotional_codes
    ADD CONSTRAINT promotional_codes_code_check CHECK (code <> '');
CREATE TRIGGER protect_promotional_codes_code BEFORE UPDATE OF code OR DELETE ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_redeemed_code();

-- sql/triggers.sql says what they are for.
CREATE TRIGGER protect_add_ons BEFORE DELETE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.protect_sold_add_on();
CREATE TRIGGER normalize_add_ons_amounts BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_add_on_bundles_amounts BEFORE INSERT OR UPDATE OF discount_percent, discount_amount ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_pricing_rules_amounts BEFORE INSERT OR UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_promotional_codes_amounts BEFORE INSERT OR UPDATE OF discount_value, min_purchase_amount
    ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.pad_decimals();
CREATE TRIGGER normalize_add_ons_features BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.list_features();
CREATE TRIGGER verify_add_ons BEFORE INSERT OR UPDATE ON @extschema@.add_ons
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_features BEFORE INSERT OR UPDATE ON @extschema@.add_on_features
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_pricing_rules BEFORE INSERT OR UPDATE ON @extschema@.pricing_rules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_bundles BEFORE INSERT OR UPDATE OF
    add_on_ids, discount_percent, discount_amount, valid_from, valid_until, max_uses ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_promotional_codes BEFORE INSERT OR UPDATE OF
    code, discount_type, discount_value, max_uses, min_purchase_amount, user_restrictions, renewals ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_row();
CREATE TRIGGER verify_add_on_bundles_uses BEFORE UPDATE OF current_uses ON @extschema@.add_on_bundles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_uses();
CREATE TRIGGER verify_promotional_codes_uses BEFORE UPDATE OF current_uses ON @extschema@.promotional_codes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.verify_uses();

COMMENT ON COLUMN @extschema@.add_on_bundles.current_uses IS 'The number of instances that are sold or held by a pending checkout.';
COMMENT ON COLUMN @extschema@.add_on_bundles.discount_amount IS 'The amount taken off each instance, in addition to the percentage.';
COMMENT ON COLUMN @extschema@.add_on_bundles.discount_percent IS 'Percentage taken off the price of the units in its instances, from 0 to 100.';
COMMENT ON COLUMN @extschema@.add_on_bundles.id IS 'Identifies the bundle. Among selections that save the same amount, smaller ids win.';
COMMENT ON COLUMN @extschema@.add_on_bundles.max_uses IS 'The maximum number of instances that can be sold; NULL for no limit.';
COMMENT ON COLUMN @extschema@.add_on_bundles.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.add_on_features.configuration IS
'Limits and options, as a JSON object. Where several owned add-ons give the feature, feature_configuration() merges key by key:
numbers by the larger, booleans by OR, anything else from the most recently purchased add-on.
limit, a number from 0, makes the feature metered: consume_feature() allows this many units for each unit of the add-on and each
per: period (the default: the add-on''s own paid one), day, month, year (of the calendar in UTC) or ever. overage: refuse (the
default) or allow more. Limits of several add-ons add up.';
COMMENT ON COLUMN @extschema@.add_on_features.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.add_on_purchases.add_on_id IS 'The add-on. Once bought, it cannot be deleted, only withdrawn from sale.';
COMMENT ON COLUMN @extschema@.add_on_purchases.facts IS
'What providers reported and people entered, on the first purchase of a checkout for all its purchases; maintained by the functions.';
COMMENT ON COLUMN @extschema@.add_on_purchases.metadata IS 'The quote line that the amount comes from, and other data about the purchase.';
COMMENT ON COLUMN @extschema@.add_on_purchases.paid IS
'What the purchase pays for, according to the facts: since when, for how long, within which subscription; maintained by the functions.';
COMMENT ON COLUMN @extschema@.add_on_purchases.promo_code IS 'The promotional code that the checkout redeems; every row of the checkout has it.';
COMMENT ON COLUMN @extschema@.add_on_purchases.provider_ids IS
'The providers'' ids of the objects that the facts are about, by which events find the purchase.';
COMMENT ON COLUMN @extschema@.add_on_purchases.refund_amount IS 'The amount refunded so far, from 0 to amount.';
COMMENT ON COLUMN @extschema@.add_on_purchases.refunded_at IS 'When the last refund was recorded.';
COMMENT ON COLUMN @extschema@.add_on_purchases.status IS
'pending, completed, failed, refunded or disputed. It goes from pending to completed or failed, from completed to refunded or
disputed, from disputed to completed or refunded, and in no other way, no matter who writes it.';
COMMENT ON COLUMN @extschema@.add_ons.category IS 'A slug: words of small letters and digits, joined by hyphens. The sample catalog has ai-services, infrastructure, analytics, development
and productivity.';
COMMENT ON COLUMN @extschema@.add_ons.icon_url IS 'The address of its icon; not read by the extension.';
COMMENT ON COLUMN @extschema@.add_ons.id IS 'Identifies the add-on everywhere. Ties in pricing go to the smaller id.';
COMMENT ON COLUMN @extschema@.add_ons.trial_days IS 'The length of a trial in days, once per user; NULL for no trial.';
COMMENT ON COLUMN @extschema@.add_ons.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.cart_conversion.checkouts IS 'Checkouts begun, whatever their outcome.';
COMMENT ON COLUMN @extschema@.cart_conversion.conversion_percent IS 'Paid checkouts in percent of carts, open or checked out.';
COMMENT ON COLUMN @extschema@.cart_conversion.day IS 'The day, in UTC.';
COMMENT ON COLUMN @extschema@.cart_conversion.failed_checkouts IS 'How many failed or were given up.';
COMMENT ON COLUMN @extschema@.cart_conversion.open_carts IS 'Carts that nobody has checked out yet.';
COMMENT ON COLUMN @extschema@.cart_conversion.paid_checkouts IS 'How many were paid, even if refunded since.';
COMMENT ON COLUMN @extschema@.cart_conversion.pending_checkouts IS 'Of these, how many wait for their payment.';
COMMENT ON COLUMN @extschema@.cart_items.added_at IS 'When it was put into the cart; lines are listed in this order.';
COMMENT ON COLUMN @extschema@.cart_items.billing_type IS 'The billing type; NULL for that of the add-on.';
COMMENT ON COLUMN @extschema@.cart_items.quantity IS 'Its units. The functions allow at most extensions.max_cart_quantity.';
COMMENT ON COLUMN @extschema@.cart_items.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.owned_add_ons.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.owned_add_ons.auto_renew IS 'Whether a payment is expected to extend it.';
COMMENT ON COLUMN @extschema@.owned_add_ons.cancellation_reason IS 'The reason that was given.';
COMMENT ON COLUMN @extschema@.owned_add_ons.cancelled_at IS 'When it was cancelled.';
COMMENT ON COLUMN @extschema@.owned_add_ons.category IS 'Its category.';
COMMENT ON COLUMN @extschema@.owned_add_ons.description IS 'What it does.';
COMMENT ON COLUMN @extschema@.owned_add_ons.entitled IS 'Whether the user may use it now, as has_add_on() says.';
COMMENT ON COLUMN @extschema@.owned_add_ons.expires_at IS 'Until when; NULL for no end.';
COMMENT ON COLUMN @extschema@.owned_add_ons.features IS 'The keys of the features that it gives, as an array.';
COMMENT ON COLUMN @extschema@.owned_add_ons.icon_url IS 'Its picture.';
COMMENT ON COLUMN @extschema@.owned_add_ons.name IS 'Its name.';
COMMENT ON COLUMN @extschema@.owned_add_ons.purchased_at IS 'Since when.';
COMMENT ON COLUMN @extschema@.owned_add_ons.quantity IS 'The units that the user has.';
COMMENT ON COLUMN @extschema@.owned_add_ons.renewal_amount IS 'What the next renewal costs.';
COMMENT ON COLUMN @extschema@.owned_add_ons.status IS 'active, cancelled, expired, pending or suspended.';
COMMENT ON COLUMN @extschema@.owned_add_ons.suspended_at IS 'Since when it is suspended by hand.';
COMMENT ON COLUMN @extschema@.owned_add_ons.user_id IS 'The user.';
COMMENT ON COLUMN @extschema@.owned_add_ons.version IS 'Its version.';
COMMENT ON COLUMN @extschema@.pricing_rules.discount_amount IS 'The amount taken off each unit, in addition to the percentage.';
COMMENT ON COLUMN @extschema@.pricing_rules.discount_percent IS 'Percentage taken off the line, from 0 to 100.';
COMMENT ON COLUMN @extschema@.pricing_rules.id IS 'Identifies the rule. Among rules with the same priority and discount, the smallest id wins.';
COMMENT ON COLUMN @extschema@.pricing_rules.tier_code IS 'The tier that it is for; NULL for everybody.';
COMMENT ON COLUMN @extschema@.pricing_rules.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.promo_code_performance.max_uses IS 'The maximum number of redemptions; NULL for no limit.';
COMMENT ON COLUMN @extschema@.promo_code_performance.net IS 'What was paid with it, less refunds, over all currencies.';
COMMENT ON COLUMN @extschema@.promo_code_performance.paid_checkouts IS 'Checkouts with it that were paid, even if refunded since.';
COMMENT ON COLUMN @extschema@.promotional_codes.applicable_to IS 'The add-ons that it is valid for; NULL for all.';
COMMENT ON COLUMN @extschema@.promotional_codes.code IS
'What shoppers type; unique. It is stored in capitals and without spaces around it, as normalized_code() returns it, however it is
written. A code that a purchase names can be neither renamed nor deleted.';
COMMENT ON COLUMN @extschema@.promotional_codes.created_by IS 'Who created it; not read by the extension.';
COMMENT ON COLUMN @extschema@.promotional_codes.current_uses IS 'The number of live redemptions: checkouts with this code that are paid or pending.';
COMMENT ON COLUMN @extschema@.promotional_codes.discount_value IS
'A percentage up to 100, taken once from the sum of the eligible lines, or an amount, limited to that sum.';
COMMENT ON COLUMN @extschema@.promotional_codes.max_uses IS 'The maximum number of redemptions; NULL for no limit.';
COMMENT ON COLUMN @extschema@.promotional_codes.min_purchase_amount IS 'The minimum price of the whole cart, after pricing rules and bundles.';
COMMENT ON COLUMN @extschema@.promotional_codes.renewals IS
'The number of renewals that it applies to, in addition to the first payment; NULL for all.';
COMMENT ON COLUMN @extschema@.promotional_codes.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.purchase_details.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.purchase_details.amount IS 'What the line cost.';
COMMENT ON COLUMN @extschema@.purchase_details.category IS 'Its category.';
COMMENT ON COLUMN @extschema@.purchase_details.checkout_id IS 'The checkout that it is a line of.';
COMMENT ON COLUMN @extschema@.purchase_details.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.purchase_details.icon_url IS 'Its picture.';
COMMENT ON COLUMN @extschema@.purchase_details.lago_invoice_id IS 'The id of the invoice in Lago.';
COMMENT ON COLUMN @extschema@.purchase_details.name IS 'Its present name.';
COMMENT ON COLUMN @extschema@.purchase_details.payment_method IS 'How it was paid.';
COMMENT ON COLUMN @extschema@.purchase_details.promo_code IS 'The promotional code of the checkout.';
COMMENT ON COLUMN @extschema@.purchase_details.purchase_id IS 'The purchase.';
COMMENT ON COLUMN @extschema@.purchase_details.purchased_at IS 'When the checkout was made.';
COMMENT ON COLUMN @extschema@.purchase_details.quantity IS 'The units bought.';
COMMENT ON COLUMN @extschema@.purchase_details.refund_amount IS 'The amount refunded until now.';
COMMENT ON COLUMN @extschema@.purchase_details.refunded_at IS 'When the latest refund was recorded.';
COMMENT ON COLUMN @extschema@.purchase_details.status IS 'pending, completed, failed, refunded or disputed.';
COMMENT ON COLUMN @extschema@.purchase_details.stripe_payment_id IS 'The id of the payment in Stripe.';
COMMENT ON COLUMN @extschema@.purchase_details.subscription_ends_at IS 'The end of the period that it paid for.';
COMMENT ON COLUMN @extschema@.purchase_details.user_id IS 'The buyer.';
COMMENT ON COLUMN @extschema@.purchase_details.version IS 'Its version.';
COMMENT ON COLUMN @extschema@.recurring_revenue.changed IS 'How much more that is than before their renewal; negative if it is less.';
COMMENT ON COLUMN @extschema@.recurring_revenue.churned IS 'The monthly value of subscriptions that ended in the month.';
COMMENT ON COLUMN @extschema@.recurring_revenue.currency IS 'The currency of the amounts.';
COMMENT ON COLUMN @extschema@.recurring_revenue.month IS 'The first day of the month, in UTC.';
COMMENT ON COLUMN @extschema@.recurring_revenue.mrr IS 'The monthly value of subscriptions that run at the end of the month, or now.';
COMMENT ON COLUMN @extschema@.recurring_revenue.new IS 'The monthly value of subscriptions that began in the month.';
COMMENT ON COLUMN @extschema@.recurring_revenue.renewed IS 'The new monthly value of subscriptions that were renewed in the month.';
COMMENT ON COLUMN @extschema@.recurring_revenue.subscriptions IS 'The number of subscriptions that run at the end of the month, or now in the current one.';
COMMENT ON COLUMN @extschema@.revenue_by_add_on.refunded IS 'The amount refunded.';
COMMENT ON COLUMN @extschema@.revenue_by_category.refunded IS 'The amount refunded.';
COMMENT ON COLUMN @extschema@.revenue_by_day.refunded IS 'The amount refunded until now.';
COMMENT ON COLUMN @extschema@.user_add_ons.add_on_id IS 'The add-on. While somebody owns it, it cannot be deleted, only withdrawn from sale.';
COMMENT ON COLUMN @extschema@.user_add_ons.cancellation_reason IS 'The reason that was given for the cancellation.';
COMMENT ON COLUMN @extschema@.user_add_ons.paid_periods IS
'The paid periods that have not ended, in which usage is counted, where they do not follow from purchased_at, expires_at and how the add-on
is charged: a year of what is sold by the month, a month after a trial that ended on the 31st; maintained by the functions.';
COMMENT ON COLUMN @extschema@.user_add_ons.quantity IS
'Units: as many as the live purchase with the most units bought; those of usage_based add-ons add up.';
COMMENT ON COLUMN @extschema@.user_add_ons.renewal_amount IS
'The price of the next renewal, locked at the purchase; NULL if nothing was bought.';
COMMENT ON COLUMN @extschema@.user_add_ons.sources IS
'The sources of access other than purchases: grants, trials, rows written by the host; maintained by the functions, shown by
explain_access().';
COMMENT ON COLUMN @extschema@.user_add_ons.suspended_at IS
'Since when it is suspended by hand; only resume_add_on() ends that.';
COMMENT ON COLUMN @extschema@.user_add_ons.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.user_add_ons.usage IS
'What was used of the add-on''s metered features, and when that was last counted: {"pages": {"used": 120, "at": "..."}}. It counts in the
current period if that had begun by then. consume_feature() and similar functions maintain it; feature_usage() shows the result.';
COMMENT ON COLUMN @extschema@.user_add_ons.usage_keys IS
'The idempotency keys that were last used for each metered feature, with their answers, packed.';
COMMENT ON CONSTRAINT add_on_bundles_add_on_ids_check ON @extschema@.add_on_bundles IS
'add_on_ids must name at least two add-ons, each once
To make a single add-on cheaper, use a pricing rule.';
COMMENT ON CONSTRAINT add_on_bundles_current_uses_check ON @extschema@.add_on_bundles IS
'current_uses must be from 0 to max_uses
All uses of the bundle are taken. Raise max_uses, or refuse the sale.';
COMMENT ON CONSTRAINT add_on_bundles_discount_amount_check ON @extschema@.add_on_bundles IS
'discount_amount must be 0 or more
Write 5.00 to take 5.00 off.';
COMMENT ON CONSTRAINT add_on_bundles_discount_amount_decimals_check ON @extschema@.add_on_bundles IS
'discount_amount must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT add_on_bundles_discount_percent_check ON @extschema@.add_on_bundles IS
'discount_percent must be from 0 to 100
Write 20 to take 20 % off.';
COMMENT ON CONSTRAINT add_on_bundles_discount_percent_decimals_check ON @extschema@.add_on_bundles IS
'discount_percent must have at most two decimals
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT add_on_bundles_max_uses_check ON @extschema@.add_on_bundles IS
'max_uses must be 1 or more
Leave it NULL if there is no limit. To switch it off, set is_active to false.';
COMMENT ON CONSTRAINT add_on_bundles_name_key ON @extschema@.add_on_bundles IS
'name must be unique
Another bundle has this name. Rename one of them.';
COMMENT ON CONSTRAINT add_on_bundles_pkey ON @extschema@.add_on_bundles IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_on_bundles_window_check ON @extschema@.add_on_bundles IS
'valid_from must be before valid_until
Leave valid_from NULL if it has no beginning, and valid_until if it has no end.';
COMMENT ON CONSTRAINT add_on_features_add_on_feature_key ON @extschema@.add_on_features IS
'feature_key must be unique within its add-on
The add-on has a row for this feature already. Keep one of them.';
COMMENT ON CONSTRAINT add_on_features_add_on_id_fkey ON @extschema@.add_on_features IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT add_on_features_configuration_check ON @extschema@.add_on_features IS
'configuration must have valid values for limit, per and overage, if it has these keys
The comment on the column says which values they take.';
COMMENT ON CONSTRAINT add_on_features_pkey ON @extschema@.add_on_features IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_on_purchases_add_on_id_fkey ON @extschema@.add_on_purchases IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT add_on_purchases_amount_check ON @extschema@.add_on_purchases IS
'amount must be 0 or more
Refunds go into refund_amount.';
COMMENT ON CONSTRAINT add_on_purchases_pkey ON @extschema@.add_on_purchases IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_on_purchases_quantity_check ON @extschema@.add_on_purchases IS
'quantity must be 1 or more
A purchase has at least one unit.';
COMMENT ON CONSTRAINT add_on_purchases_refund_amount_check ON @extschema@.add_on_purchases IS
'refund_amount must be from 0 to amount
A refund cannot exceed the amount that was paid.';
COMMENT ON CONSTRAINT add_on_purchases_status_check ON @extschema@.add_on_purchases IS
'status must be pending, completed, failed, refunded or disputed
For a paid purchase, write completed.';
COMMENT ON CONSTRAINT add_ons_base_price_check ON @extschema@.add_ons IS
'base_price must be 0 or more
A price of 0 means free of charge. To give a discount, use a pricing rule, a bundle or a code.';
COMMENT ON CONSTRAINT add_ons_base_price_decimals_check ON @extschema@.add_ons IS
'base_price must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT add_ons_billing_type_check ON @extschema@.add_ons IS
'billing_type must be one_time, monthly, annual or usage_based
For a yearly price, write annual.';
COMMENT ON CONSTRAINT add_ons_category_check ON @extschema@.add_ons IS
'category must be a slug: words of small letters and digits, joined by single hyphens
Write it like ai-services. ''AI & Chat'', for example, becomes ai-chat.';
COMMENT ON CONSTRAINT add_ons_features_check ON @extschema@.add_ons IS
'features must be an array of feature keys
Write it like ["cold_storage"]. Limits and options of a feature belong in its row of add_on_features.';
COMMENT ON CONSTRAINT add_ons_name_key ON @extschema@.add_ons IS
'name must be unique
Another add-on has this name. Rename one of them.';
COMMENT ON CONSTRAINT add_ons_pkey ON @extschema@.add_ons IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_ons_trial_days_check ON @extschema@.add_ons IS
'trial_days must be 1 or more
Leave it NULL if there is no trial.';
COMMENT ON CONSTRAINT cart_items_add_on_id_fkey ON @extschema@.cart_items IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT cart_items_billing_type_check ON @extschema@.cart_items IS
'billing_type must be one_time, monthly, annual or usage_based
Leave it NULL to use the billing type of the add-on.';
COMMENT ON CONSTRAINT cart_items_pkey ON @extschema@.cart_items IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT cart_items_quantity_check ON @extschema@.cart_items IS
'quantity must be 1 or more
Delete the row to take the add-on out of the cart.';
COMMENT ON CONSTRAINT cart_items_user_add_on_key ON @extschema@.cart_items IS
'user_id and add_on_id must be unique together
The add-on is in this cart already. Keep one row, with the quantity of both.';
COMMENT ON CONSTRAINT pricing_rules_add_on_id_fkey ON @extschema@.pricing_rules IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT pricing_rules_conditions_check ON @extschema@.pricing_rules IS
'conditions must have known keys, with values of the right kind
The comment on the column lists the keys.';
COMMENT ON CONSTRAINT pricing_rules_discount_amount_check ON @extschema@.pricing_rules IS
'discount_amount must be 0 or more
Write 5.00 to take 5.00 off.';
COMMENT ON CONSTRAINT pricing_rules_discount_amount_decimals_check ON @extschema@.pricing_rules IS
'discount_amount must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT pricing_rules_discount_percent_check ON @extschema@.pricing_rules IS
'discount_percent must be from 0 to 100
Write 20 to take 20 % off.';
COMMENT ON CONSTRAINT pricing_rules_discount_percent_decimals_check ON @extschema@.pricing_rules IS
'discount_percent must have at most two decimals
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT pricing_rules_pkey ON @extschema@.pricing_rules IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT pricing_rules_window_check ON @extschema@.pricing_rules IS
'valid_from must be before valid_until
Leave valid_from NULL if it has no beginning, and valid_until if it has no end.';
COMMENT ON CONSTRAINT promotional_codes_code_check ON @extschema@.promotional_codes IS
'code must not be empty
Spaces around a code are removed, so a code of spaces alone is empty.';
COMMENT ON CONSTRAINT promotional_codes_code_key ON @extschema@.promotional_codes IS
'code must be unique, in capital or small letters
Another row has this code. Rename or delete one of them.';
COMMENT ON CONSTRAINT promotional_codes_current_uses_check ON @extschema@.promotional_codes IS
'current_uses must be from 0 to max_uses
All uses of the code are taken. Raise max_uses, or refuse the code.';
COMMENT ON CONSTRAINT promotional_codes_discount_type_check ON @extschema@.promotional_codes IS
'discount_type must be percentage or fixed_amount
Write percentage rather than percent, and fixed_amount rather than fixed.';
COMMENT ON CONSTRAINT promotional_codes_discount_value_check ON @extschema@.promotional_codes IS
'discount_value must be above 0, and at most 100 where discount_type is percentage
Write 20 to take 20 % off.';
COMMENT ON CONSTRAINT promotional_codes_discount_value_decimals_check ON @extschema@.promotional_codes IS
'discount_value must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT promotional_codes_max_uses_check ON @extschema@.promotional_codes IS
'max_uses must be 1 or more
Leave it NULL if there is no limit. To switch it off, set is_active to false.';
COMMENT ON CONSTRAINT promotional_codes_min_purchase_amount_decimals_check ON @extschema@.promotional_codes IS
'min_purchase_amount must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT promotional_codes_pkey ON @extschema@.promotional_codes IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT promotional_codes_renewals_check ON @extschema@.promotional_codes IS
'renewals must be 0 or more
Leave it NULL if the code applies to every renewal.';
COMMENT ON CONSTRAINT promotional_codes_user_restrictions_check ON @extschema@.promotional_codes IS
'user_restrictions must have known keys, with values of the right kind
The comment on the column lists the keys.';
COMMENT ON CONSTRAINT user_add_ons_add_on_id_fkey ON @extschema@.user_add_ons IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT user_add_ons_pkey ON @extschema@.user_add_ons IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT user_add_ons_quantity_check ON @extschema@.user_add_ons IS
'quantity must be 1 or more
A user without the add-on has no row. To end access, call cancel_add_on().';
COMMENT ON CONSTRAINT user_add_ons_renewal_amount_check ON @extschema@.user_add_ons IS
'renewal_amount must be 0 or more
Leave it NULL if nothing is renewed.';
COMMENT ON CONSTRAINT user_add_ons_status_check ON @extschema@.user_add_ons IS
'status must be active, cancelled, expired, pending or suspended
Only rows with the status active give access.';
COMMENT ON CONSTRAINT user_add_ons_user_add_on_key ON @extschema@.user_add_ons IS
'user_id and add_on_id must be unique together
The user has this add-on already. Keep the row that lasts longer.';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_provider_ids IS
'SELECT user_id, checkout_id FROM add_on_purchases WHERE provider_ids && ARRAY[$1]';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_revenue IS
'SELECT add_on_id, currency, sum(amount) FROM add_on_purchases
WHERE status IN (''completed'', ''refunded'', ''disputed'') AND purchased_at >= $1 GROUP BY add_on_id, currency';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_unsettled IS
'SELECT facts -> ''unsettled'' FROM add_on_purchases WHERE facts ? ''unsettled''';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_user_add_on IS
'SELECT * FROM add_on_purchases WHERE user_id = $1 AND add_on_id = $2';
COMMENT ON TABLE @extschema@.add_on_purchases IS
'What was bought and at which price: one row for each line of a checkout, whatever its outcome. The extension never deletes rows.';
COMMENT ON TABLE @extschema@.pricing_rules IS
'Discounts on lines of one add-on. Of the rules that apply to a line, the one with the highest priority wins; only stackable rules combine.';
COMMENT ON TRIGGER enforce_add_on_purchases_transition ON @extschema@.add_on_purchases IS
'Refuses changes of status that are not allowed.';
COMMENT ON TRIGGER normalize_add_on_bundles_amounts ON @extschema@.add_on_bundles IS 'Stores discounts with two decimals.';
COMMENT ON TRIGGER normalize_add_on_purchases_currency ON @extschema@.add_on_purchases IS 'Stores codes of currencies in capitals.';
COMMENT ON TRIGGER normalize_add_ons_amounts ON @extschema@.add_ons IS 'Stores prices with two decimals.';
COMMENT ON TRIGGER normalize_add_ons_features ON @extschema@.add_ons IS 'Stores an object of features as its keys.';
COMMENT ON TRIGGER normalize_pricing_rules_amounts ON @extschema@.pricing_rules IS 'Stores discounts with two decimals.';
COMMENT ON TRIGGER normalize_promotional_codes_amounts ON @extschema@.promotional_codes IS 'Stores amounts with two decimals.';
COMMENT ON TRIGGER protect_add_ons ON @extschema@.add_ons IS 'Keeps add-ons that somebody has bought or owns.';
COMMENT ON TRIGGER protect_promotional_codes_code ON @extschema@.promotional_codes IS
'Keeps codes that purchases name.';
COMMENT ON TRIGGER verify_add_on_bundles ON @extschema@.add_on_bundles IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_add_on_bundles_uses ON @extschema@.add_on_bundles IS 'Explains that all uses are taken.';
COMMENT ON TRIGGER verify_add_on_features ON @extschema@.add_on_features IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_add_ons ON @extschema@.add_ons IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_pricing_rules ON @extschema@.pricing_rules IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_promotional_codes ON @extschema@.promotional_codes IS 'Explains what a constraint refuses.';
COMMENT ON TRIGGER verify_promotional_codes_uses ON @extschema@.promotional_codes IS 'Explains that all uses are taken.';
COMMENT ON VIEW @extschema@.cart_conversion IS
'How many carts become purchases, by day. A cart that was checked out counts on the day of its checkout, an open cart on the day of its
latest addition.';
COMMENT ON VIEW @extschema@.owned_add_ons IS
'The add-ons that users have or had, in any status, with the catalog''s data about them; active_add_ons() returns what a user may use at an
instant. It shows users, so it runs with the rights of its reader.';
COMMENT ON VIEW @extschema@.promo_code_performance IS 'The revenue and the cost of each promotional code.';
COMMENT ON VIEW @extschema@.purchase_details IS
'Every purchase with the catalog''s data about its add-on: a single one, or those of a checkout, a user or an add-on. It
shows users, so it runs with the rights of its reader.';
COMMENT ON VIEW @extschema@.recurring_revenue IS
'Monthly recurring revenue (MRR), by month in UTC and currency, up to the current month. It counts the paid periods, with an end, of
completed purchases: a period is worth what was paid for it, by the month, so that a year counts a twelfth of its amount in each month. A
subscription is what a user has of one add-on in one currency. A period that begins at most three days after the one before has ended renews
it; otherwise it is new. A subscription churns in the month in which its last period ends, and counts as new if it is paid for again
later. So MRR is that of the month before, plus new, plus changed, less churned. Refunds in full and disputes take a period out of every
month, as if it had never been paid; refunds in part change nothing. Amounts are rounded to two places when they have been added up.';
COMMENT ON VIEW @extschema@.revenue_by_add_on IS 'Payments and refunds, by add-on and currency.';
COMMENT ON VIEW @extschema@.revenue_by_category IS 'Payments and refunds, by category of add-on and currency.';
COMMENT ON VIEW @extschema@.revenue_by_day IS
'Payments and refunds, by day and currency. Purchases that are pending or failed do not count.';
COMMENT ON VIEW @extschema@.subscriptions_expiring_soon IS
'Active add-ons whose access ends within seven days. It shows users, so it runs with the rights of its reader.';
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
