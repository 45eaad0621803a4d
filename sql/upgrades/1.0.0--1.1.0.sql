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
    SET (fillfactor = 85),
    ADD CONSTRAINT user_add_ons_quantity_check CHECK (quantity > 0),
    ADD CONSTRAINT user_add_ons_renewal_amount_check CHECK (renewal_amount >= 0);
ALTER TABLE @extschema@.add_on_purchases
    ADD COLUMN facts jsonb,
    ADD COLUMN provider_ids text[],
    ADD COLUMN paid jsonb;

DROP INDEX @extschema@.idx_add_on_purchases_holds;
CREATE INDEX idx_add_on_purchases_provider_ids ON @extschema@.add_on_purchases USING gin (provider_ids)
    WHERE provider_ids IS NOT NULL;
CREATE INDEX idx_add_on_purchases_user_add_on ON @extschema@.add_on_purchases (user_id, add_on_id);

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

ALTER VIEW @extschema@.subscriptions_expiring_soon SET (security_invoker = true);

DROP FUNCTION @extschema@.check_marketplace();

-- Here the functions are made.

-- The function costs more than an insert would bear, and nearly every code is in capitals.
CREATE TRIGGER normalize_add_on_purchases_currency BEFORE INSERT OR UPDATE OF currency ON @extschema@.add_on_purchases
    FOR EACH ROW WHEN (NEW.currency <> upper(NEW.currency COLLATE "C")) EXECUTE FUNCTION @extschema@.normalize_currency();

-- Configurations had no keys of ours before. Where one has them in another sense, the constraint holds for new ones until somebody
-- corrects that and validates it.
ALTER TABLE @extschema@.add_on_features ADD CONSTRAINT add_on_features_configuration_check
    CHECK (@extschema@.check_feature_configuration(configuration)) NOT VALID;
DO $$
BEGIN
    ALTER TABLE @extschema@.add_on_features VALIDATE CONSTRAINT add_on_features_configuration_check;
EXCEPTION WHEN check_violation THEN
    RAISE WARNING '%', SQLERRM
        USING HINT = 'Correct it, then ALTER TABLE add_on_features VALIDATE CONSTRAINT add_on_features_configuration_check.';
END
$$;

-- Bought before codes were stored in capitals
UPDATE @extschema@.add_on_purchases SET currency = upper(currency COLLATE "C") WHERE currency <> upper(currency COLLATE "C");
