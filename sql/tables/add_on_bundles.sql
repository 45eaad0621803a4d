SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@.has_no_duplicates(elements uuid[]) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*) = count(DISTINCT element) FROM unnest(elements) element;
END;
COMMENT ON FUNCTION @extschema@.has_no_duplicates(uuid[]) IS
'Whether no element is given twice and none is NULL. A CHECK constraint of add_on_bundles calls it.';

CREATE TABLE @extschema@.add_on_bundles (
    id               uuid          NOT NULL DEFAULT gen_random_uuid(),
    name             varchar(255)  NOT NULL,
    description      text,
    add_on_ids       uuid[]        NOT NULL,
    discount_percent numeric       NOT NULL DEFAULT 0.00,
    discount_amount  numeric       NOT NULL DEFAULT 0.00,
    is_active        boolean       NOT NULL DEFAULT true,
    valid_from       timestamptz,
    valid_until      timestamptz,
    max_uses         integer,
    current_uses     integer       NOT NULL DEFAULT 0,
    metadata         jsonb         NOT NULL DEFAULT '{}',
    created_at       timestamptz   NOT NULL DEFAULT now(),
    updated_at       timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT add_on_bundles_pkey PRIMARY KEY (id),
    CONSTRAINT add_on_bundles_name_key UNIQUE (name),
    CONSTRAINT add_on_bundles_add_on_ids_check
        CHECK (cardinality(add_on_ids) >= 2 AND @extschema@.has_no_duplicates(add_on_ids)),
    CONSTRAINT add_on_bundles_discount_percent_check CHECK (discount_percent BETWEEN 0 AND 100),
    CONSTRAINT add_on_bundles_discount_percent_decimals_check CHECK (discount_percent = round(discount_percent, 2)),
    CONSTRAINT add_on_bundles_discount_amount_check CHECK (discount_amount >= 0),
    CONSTRAINT add_on_bundles_discount_amount_decimals_check
        CHECK (discount_amount = round(discount_amount, 2) AND discount_amount < 100000000),
    CONSTRAINT add_on_bundles_window_check CHECK (valid_from < valid_until),
    CONSTRAINT add_on_bundles_max_uses_check CHECK (max_uses > 0),
    CONSTRAINT add_on_bundles_current_uses_check CHECK (current_uses >= 0 AND current_uses <= max_uses)
) WITH (fillfactor = 80);

COMMENT ON TABLE @extschema@.add_on_bundles IS
'Add-ons that are cheaper together. One unit of each makes an instance; a unit belongs to one instance of one bundle at most.';
COMMENT ON COLUMN @extschema@.add_on_bundles.id IS 'Identifies the bundle. Among selections that save the same amount, smaller ids win.';
COMMENT ON COLUMN @extschema@.add_on_bundles.name IS 'The name shown to shoppers; unique.';
COMMENT ON COLUMN @extschema@.add_on_bundles.description IS 'What the bundle is good for.';
COMMENT ON COLUMN @extschema@.add_on_bundles.add_on_ids IS 'The add-ons, at least two, each once.';
COMMENT ON COLUMN @extschema@.add_on_bundles.discount_percent IS 'Percentage taken off the price of the units in its instances, from 0 to 100.';
COMMENT ON COLUMN @extschema@.add_on_bundles.discount_amount IS 'The amount taken off each instance, in addition to the percentage.';
COMMENT ON COLUMN @extschema@.add_on_bundles.is_active IS 'Whether it applies.';
COMMENT ON COLUMN @extschema@.add_on_bundles.valid_from IS 'When it begins to apply; NULL for always.';
COMMENT ON COLUMN @extschema@.add_on_bundles.valid_until IS 'When it no longer applies; NULL for never.';
COMMENT ON COLUMN @extschema@.add_on_bundles.max_uses IS 'The maximum number of instances that can be sold; NULL for no limit.';
COMMENT ON COLUMN @extschema@.add_on_bundles.current_uses IS 'The number of instances that are sold or held by a pending checkout.';
COMMENT ON COLUMN @extschema@.add_on_bundles.metadata IS 'Anything else; not read by the extension.';
COMMENT ON COLUMN @extschema@.add_on_bundles.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.add_on_bundles.updated_at IS 'When the row was last updated; maintained by a trigger.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT add_on_bundles_pkey ON @extschema@.add_on_bundles IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_on_bundles_name_key ON @extschema@.add_on_bundles IS
'name must be unique
Another bundle has this name. Rename one of them.';
COMMENT ON CONSTRAINT add_on_bundles_add_on_ids_check ON @extschema@.add_on_bundles IS
'add_on_ids must name at least two add-ons, each once
To make a single add-on cheaper, use a pricing rule.';
COMMENT ON CONSTRAINT add_on_bundles_discount_percent_check ON @extschema@.add_on_bundles IS
'discount_percent must be from 0 to 100
Write 20 to take 20 % off.';
COMMENT ON CONSTRAINT add_on_bundles_discount_percent_decimals_check ON @extschema@.add_on_bundles IS
'discount_percent must have at most two decimals
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT add_on_bundles_discount_amount_check ON @extschema@.add_on_bundles IS
'discount_amount must be 0 or more
Write 5.00 to take 5.00 off.';
COMMENT ON CONSTRAINT add_on_bundles_discount_amount_decimals_check ON @extschema@.add_on_bundles IS
'discount_amount must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT add_on_bundles_window_check ON @extschema@.add_on_bundles IS
'valid_from must be before valid_until
Leave valid_from NULL if it has no beginning, and valid_until if it has no end.';
COMMENT ON CONSTRAINT add_on_bundles_max_uses_check ON @extschema@.add_on_bundles IS
'max_uses must be 1 or more
Leave it NULL if there is no limit. To switch it off, set is_active to false.';
COMMENT ON CONSTRAINT add_on_bundles_current_uses_check ON @extschema@.add_on_bundles IS
'current_uses must be from 0 to max_uses
All uses of the bundle are taken. Raise max_uses, or refuse the sale.';

SELECT pg_extension_config_dump('@extschema@.add_on_bundles', '');

SET LOCAL search_path = @extschema@, pg_temp;
