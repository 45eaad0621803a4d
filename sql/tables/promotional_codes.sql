SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.promotional_codes (
    id                  uuid          NOT NULL DEFAULT gen_random_uuid(),
    code                varchar(50)   NOT NULL,
    description         text,
    discount_type       varchar(20)   NOT NULL,
    discount_value      numeric       NOT NULL,
    max_uses            integer,
    current_uses        integer       NOT NULL DEFAULT 0,
    applicable_to       uuid[],
    min_purchase_amount numeric       NOT NULL DEFAULT 0.00,
    user_restrictions   jsonb         NOT NULL DEFAULT '{}',
    expires_at          timestamptz,
    is_active           boolean       NOT NULL DEFAULT true,
    created_by          varchar(255),
    metadata            jsonb         NOT NULL DEFAULT '{}',
    created_at          timestamptz   NOT NULL DEFAULT now(),
    updated_at          timestamptz   NOT NULL DEFAULT now(),
    renewals            integer       DEFAULT 0,
    CONSTRAINT promotional_codes_pkey PRIMARY KEY (id),
    CONSTRAINT promotional_codes_code_key UNIQUE (code),
    CONSTRAINT promotional_codes_code_check CHECK (code <> ''),
    CONSTRAINT promotional_codes_discount_type_check CHECK (discount_type IN ('percentage', 'fixed_amount')),
    CONSTRAINT promotional_codes_discount_value_check
        CHECK (discount_value > 0 AND (discount_type <> 'percentage' OR discount_value <= 100)),
    CONSTRAINT promotional_codes_discount_value_decimals_check
        CHECK (discount_value = round(discount_value, 2) AND discount_value < 100000000),
    CONSTRAINT promotional_codes_min_purchase_amount_decimals_check
        CHECK (min_purchase_amount = round(min_purchase_amount, 2) AND abs(min_purchase_amount) < 100000000),
    CONSTRAINT promotional_codes_max_uses_check CHECK (max_uses > 0),
    CONSTRAINT promotional_codes_renewals_check CHECK (renewals >= 0),
    CONSTRAINT promotional_codes_current_uses_check CHECK (current_uses >= 0 AND current_uses <= max_uses),
    CONSTRAINT promotional_codes_user_restrictions_check CHECK (@extschema@.check_user_restrictions(user_restrictions))
) WITH (fillfactor = 80);

COMMENT ON TABLE @extschema@.promotional_codes IS 'Codes that take something off a whole cart, or off some add-ons in it.';
COMMENT ON COLUMN @extschema@.promotional_codes.id IS 'Identifies the code.';
COMMENT ON COLUMN @extschema@.promotional_codes.code IS
'What shoppers type. A trigger stores it in the form of normalized_code(), no matter who writes it, and it is compared in that form;
unique. A code that a purchase names can be neither renamed nor deleted.';
COMMENT ON COLUMN @extschema@.promotional_codes.description IS 'What the code is for.';
COMMENT ON COLUMN @extschema@.promotional_codes.discount_type IS 'percentage or fixed_amount.';
COMMENT ON COLUMN @extschema@.promotional_codes.discount_value IS
'A percentage up to 100, taken once from the sum of the eligible lines, or an amount, limited to that sum.';
COMMENT ON COLUMN @extschema@.promotional_codes.max_uses IS 'The maximum number of redemptions; NULL for no limit.';
COMMENT ON COLUMN @extschema@.promotional_codes.current_uses IS 'The number of live redemptions: checkouts with this code that are paid or pending.';
COMMENT ON COLUMN @extschema@.promotional_codes.applicable_to IS 'The add-ons that it is valid for; NULL for all.';
COMMENT ON COLUMN @extschema@.promotional_codes.min_purchase_amount IS 'The minimum price of the whole cart, after pricing rules and bundles.';
COMMENT ON COLUMN @extschema@.promotional_codes.user_restrictions IS
'Who may use it, as a JSON object; all given keys must hold. tier: one or an array of tiers. first_purchase_only: boolean, the
user has no earlier purchase. user_ids: array of users. max_uses_per_user: integer from 1. A key that needs a user or a tier
refuses the code when none is given.';
COMMENT ON COLUMN @extschema@.promotional_codes.expires_at IS 'When it no longer applies; NULL for never.';
COMMENT ON COLUMN @extschema@.promotional_codes.is_active IS 'Whether it applies.';
COMMENT ON COLUMN @extschema@.promotional_codes.created_by IS 'Who created it; not read by the extension.';
COMMENT ON COLUMN @extschema@.promotional_codes.metadata IS 'Anything else; not read by the extension.';
COMMENT ON COLUMN @extschema@.promotional_codes.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.promotional_codes.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.promotional_codes.renewals IS
'The number of renewals that it applies to, in addition to the first payment; NULL for all.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT promotional_codes_pkey ON @extschema@.promotional_codes IS
'id must be another than that of every other row
Leave it out, and the row gets one.';
COMMENT ON CONSTRAINT promotional_codes_code_key ON @extschema@.promotional_codes IS
'code must be another than that of every other code, in whatever letters it is written
Delete or rename one of them.';
COMMENT ON CONSTRAINT promotional_codes_code_check ON @extschema@.promotional_codes IS
'code must not be empty
Blanks around a code do not count.';
COMMENT ON CONSTRAINT promotional_codes_discount_type_check ON @extschema@.promotional_codes IS
'discount_type must be percentage or fixed_amount
What is called ''percent'' elsewhere is percentage here, and ''fixed'' is fixed_amount.';
COMMENT ON CONSTRAINT promotional_codes_discount_value_check ON @extschema@.promotional_codes IS
'discount_value must be above 0, and at most 100 where discount_type is percentage
Write 20 for 20 %.';
COMMENT ON CONSTRAINT promotional_codes_discount_value_decimals_check ON @extschema@.promotional_codes IS
'discount_value must have at most two decimals and be below 100000000
Round it the way you mean it; PostgreSQL does not do that for you here.';
COMMENT ON CONSTRAINT promotional_codes_min_purchase_amount_decimals_check ON @extschema@.promotional_codes IS
'min_purchase_amount must have at most two decimals and be below 100000000
Round it the way you mean it; PostgreSQL does not do that for you here.';
COMMENT ON CONSTRAINT promotional_codes_max_uses_check ON @extschema@.promotional_codes IS
'max_uses must be 1 or more
Leave it NULL where there is no limit; is_active = false switches it off.';
COMMENT ON CONSTRAINT promotional_codes_current_uses_check ON @extschema@.promotional_codes IS
'current_uses must be from 0 to max_uses
All uses are taken: raise max_uses, or refuse the code.';
COMMENT ON CONSTRAINT promotional_codes_renewals_check ON @extschema@.promotional_codes IS
'renewals must be 0 or more
Leave it NULL where the code goes on applying.';
COMMENT ON CONSTRAINT promotional_codes_user_restrictions_check ON @extschema@.promotional_codes IS
'user_restrictions must have known keys, with values of the right kind
The comment of the column lists the keys.';

SELECT pg_extension_config_dump('@extschema@.promotional_codes', '');

SET LOCAL search_path = @extschema@, pg_temp;
