SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.pricing_rules (
    id               uuid          NOT NULL DEFAULT gen_random_uuid(),
    add_on_id        uuid          NOT NULL,
    tier_code        varchar(50),
    discount_percent numeric       NOT NULL DEFAULT 0.00,
    discount_amount  numeric       NOT NULL DEFAULT 0.00,
    conditions       jsonb         NOT NULL DEFAULT '{}',
    priority         integer       NOT NULL DEFAULT 0,
    is_active        boolean       NOT NULL DEFAULT true,
    valid_from       timestamptz,
    valid_until      timestamptz,
    created_at       timestamptz   NOT NULL DEFAULT now(),
    updated_at       timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pricing_rules_pkey PRIMARY KEY (id),
    CONSTRAINT pricing_rules_add_on_id_fkey
        FOREIGN KEY (add_on_id) REFERENCES @extschema@.add_ons (id) ON DELETE CASCADE,
    CONSTRAINT pricing_rules_discount_percent_check CHECK (discount_percent BETWEEN 0 AND 100),
    CONSTRAINT pricing_rules_discount_percent_decimals_check CHECK (discount_percent = round(discount_percent, 2)),
    CONSTRAINT pricing_rules_discount_amount_check CHECK (discount_amount >= 0),
    CONSTRAINT pricing_rules_discount_amount_decimals_check
        CHECK (discount_amount = round(discount_amount, 2) AND discount_amount < 100000000),
    CONSTRAINT pricing_rules_conditions_check CHECK (@extschema@.check_pricing_conditions(conditions)),
    CONSTRAINT pricing_rules_window_check CHECK (valid_from < valid_until)
);

COMMENT ON TABLE @extschema@.pricing_rules IS
'Discounts on lines of one add-on. Of the rules that apply to a line, the one with the highest priority wins; only stackable rules combine.';
COMMENT ON COLUMN @extschema@.pricing_rules.id IS 'Identifies the rule. Among rules with the same priority and discount, the smallest id wins.';
COMMENT ON COLUMN @extschema@.pricing_rules.add_on_id IS 'The add-on whose lines it discounts.';
COMMENT ON COLUMN @extschema@.pricing_rules.tier_code IS 'The tier that it is for; NULL for everybody.';
COMMENT ON COLUMN @extschema@.pricing_rules.discount_percent IS 'Percentage taken off the line, from 0 to 100.';
COMMENT ON COLUMN @extschema@.pricing_rules.discount_amount IS 'The amount taken off each unit, in addition to the percentage.';
COMMENT ON COLUMN @extschema@.pricing_rules.conditions IS
'What must hold, as a JSON object; all given keys must. min_quantity, max_quantity: integer from 1, units of the line.
min_subtotal: number from 0, list price of the cart. requires_addon, excludes_addon: array of add-on ids, each or none of them
in the cart or owned. billing_type: one or an array of one_time, monthly, annual, usage_based. first_purchase_only: boolean,
the user is known and has no earlier purchase. stackable: boolean, not a condition: it combines with other stackable rules.';
COMMENT ON COLUMN @extschema@.pricing_rules.priority IS 'The highest wins.';
COMMENT ON COLUMN @extschema@.pricing_rules.is_active IS 'Whether it applies.';
COMMENT ON COLUMN @extschema@.pricing_rules.valid_from IS 'When it begins to apply; NULL for always.';
COMMENT ON COLUMN @extschema@.pricing_rules.valid_until IS 'When it no longer applies; NULL for never.';
COMMENT ON COLUMN @extschema@.pricing_rules.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.pricing_rules.updated_at IS 'When the row was last updated; maintained by a trigger.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT pricing_rules_pkey ON @extschema@.pricing_rules IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT pricing_rules_add_on_id_fkey ON @extschema@.pricing_rules IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT pricing_rules_discount_percent_check ON @extschema@.pricing_rules IS
'discount_percent must be from 0 to 100
Write 20 to take 20 % off.';
COMMENT ON CONSTRAINT pricing_rules_discount_percent_decimals_check ON @extschema@.pricing_rules IS
'discount_percent must have at most two decimals
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT pricing_rules_discount_amount_check ON @extschema@.pricing_rules IS
'discount_amount must be 0 or more
Write 5.00 to take 5.00 off.';
COMMENT ON CONSTRAINT pricing_rules_discount_amount_decimals_check ON @extschema@.pricing_rules IS
'discount_amount must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT pricing_rules_window_check ON @extschema@.pricing_rules IS
'valid_from must be before valid_until
Leave valid_from NULL if it has no beginning, and valid_until if it has no end.';
COMMENT ON CONSTRAINT pricing_rules_conditions_check ON @extschema@.pricing_rules IS
'conditions must have known keys, with values of the right kind
The comment on the column lists the keys.';

SELECT pg_extension_config_dump('@extschema@.pricing_rules', '');

SET LOCAL search_path = @extschema@, pg_temp;
