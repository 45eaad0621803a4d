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
'What shoppers type; unique. It is stored in capitals and without spaces around it, as normalized_code() returns it, however it is
written. A code that a purchase names can be neither renamed nor deleted.';
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
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT promotional_codes_code_key ON @extschema@.promotional_codes IS
'code must be unique, in capital or small letters
Another row has this code. Rename or delete one of them.';
COMMENT ON CONSTRAINT promotional_codes_code_check ON @extschema@.promotional_codes IS
'code must not be empty
Spaces around a code are removed, so a code of spaces alone is empty.';
COMMENT ON CONSTRAINT promotional_codes_discount_type_check ON @extschema@.promotional_codes IS
'discount_type must be percentage or fixed_amount
Write percentage rather than percent, and fixed_amount rather than fixed.';
COMMENT ON CONSTRAINT promotional_codes_discount_value_check ON @extschema@.promotional_codes IS
'discount_value must be above 0, and at most 100 where discount_type is percentage
Write 20 to take 20 % off.';
COMMENT ON CONSTRAINT promotional_codes_discount_value_decimals_check ON @extschema@.promotional_codes IS
'discount_value must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT promotional_codes_min_purchase_amount_decimals_check ON @extschema@.promotional_codes IS
'min_purchase_amount must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT promotional_codes_max_uses_check ON @extschema@.promotional_codes IS
'max_uses must be 1 or more
Leave it NULL if there is no limit. To switch it off, set is_active to false.';
COMMENT ON CONSTRAINT promotional_codes_current_uses_check ON @extschema@.promotional_codes IS
'current_uses must be from 0 to max_uses
All uses of the code are taken. Raise max_uses, or refuse the code.';
COMMENT ON CONSTRAINT promotional_codes_renewals_check ON @extschema@.promotional_codes IS
'renewals must be 0 or more
Leave it NULL if the code applies to every renewal.';
COMMENT ON CONSTRAINT promotional_codes_user_restrictions_check ON @extschema@.promotional_codes IS
'user_restrictions must have known keys, with values of the right kind
The comment on the column lists the keys.';

SELECT pg_extension_config_dump('@extschema@.promotional_codes', '');

SET LOCAL search_path = @extschema@, pg_temp;
