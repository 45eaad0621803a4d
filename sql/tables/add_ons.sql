SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.add_ons (
    id           uuid          NOT NULL DEFAULT gen_random_uuid(),
    name         varchar(255)  NOT NULL,
    description  text,
    category     varchar(100)  NOT NULL,
    base_price   numeric       NOT NULL,
    billing_type varchar(50)   NOT NULL,
    features     jsonb         NOT NULL DEFAULT '[]',
    is_active    boolean       NOT NULL DEFAULT true,
    metadata     jsonb         NOT NULL DEFAULT '{}',
    is_featured  boolean       NOT NULL DEFAULT false,
    sort_order   integer       NOT NULL DEFAULT 0,
    version      varchar(50),
    icon_url     varchar(512),
    created_at   timestamptz   NOT NULL DEFAULT now(),
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    trial_days   integer,
    CONSTRAINT add_ons_pkey PRIMARY KEY (id),
    CONSTRAINT add_ons_name_key UNIQUE (name),
    CONSTRAINT add_ons_category_check
        CHECK (category ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT add_ons_base_price_check CHECK (base_price >= 0),
    CONSTRAINT add_ons_base_price_decimals_check CHECK (base_price = round(base_price, 2) AND base_price < 100000000),
    CONSTRAINT add_ons_billing_type_check CHECK (billing_type IN ('one_time', 'monthly', 'annual', 'usage_based')),
    CONSTRAINT add_ons_trial_days_check CHECK (trial_days > 0),
    CONSTRAINT add_ons_features_check
        CHECK (jsonb_typeof(features) = 'array' AND NOT jsonb_path_exists(features, 'strict $[*] ? (@.type() != "string")'))
);

COMMENT ON TABLE @extschema@.add_ons IS
'What is for sale. A withdrawn add-on (is_active = false) can no longer be bought, and stays with those who own it.';
COMMENT ON COLUMN @extschema@.add_ons.id IS 'Identifies the add-on everywhere. Ties in pricing go to the smaller id.';
COMMENT ON COLUMN @extschema@.add_ons.name IS 'The name shown to shoppers; unique.';
COMMENT ON COLUMN @extschema@.add_ons.description IS 'What it does, for shoppers and for search_add_ons().';
COMMENT ON COLUMN @extschema@.add_ons.category IS 'A slug: words of small letters and digits, joined by hyphens. The sample catalog has ai-services, infrastructure, analytics, development
and productivity.';
COMMENT ON COLUMN @extschema@.add_ons.base_price IS 'List price of one unit, in the currency of the setting extensions.currency.';
COMMENT ON COLUMN @extschema@.add_ons.billing_type IS
'one_time, monthly, annual or usage_based. Buying grants a month, a year, or, for the other two, access without end.';
COMMENT ON COLUMN @extschema@.add_ons.features IS
'Array of feature keys that the add-on gives. A row of add_on_features with the same key overrides a key listed here.';
COMMENT ON COLUMN @extschema@.add_ons.is_active IS 'Whether it is for sale.';
COMMENT ON COLUMN @extschema@.add_ons.metadata IS 'Anything else; not read by the extension.';
COMMENT ON COLUMN @extschema@.add_ons.is_featured IS 'Whether to show it on the front page; not read by the extension.';
COMMENT ON COLUMN @extschema@.add_ons.sort_order IS 'Position in listings, smaller first, before the name.';
COMMENT ON COLUMN @extschema@.add_ons.version IS 'Version of the add-on itself; not read by the extension.';
COMMENT ON COLUMN @extschema@.add_ons.icon_url IS 'The address of its icon; not read by the extension.';
COMMENT ON COLUMN @extschema@.add_ons.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.add_ons.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.add_ons.trial_days IS 'The length of a trial in days, once per user; NULL for no trial.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT add_ons_pkey ON @extschema@.add_ons IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_ons_name_key ON @extschema@.add_ons IS
'name must be unique
Another add-on has this name. Rename one of them.';
COMMENT ON CONSTRAINT add_ons_category_check ON @extschema@.add_ons IS
'category must be a slug: words of small letters and digits, joined by single hyphens
Write it like ai-services. ''AI & Chat'', for example, becomes ai-chat.';
COMMENT ON CONSTRAINT add_ons_base_price_check ON @extschema@.add_ons IS
'base_price must be 0 or more
A price of 0 means free of charge. To give a discount, use a pricing rule, a bundle or a code.';
COMMENT ON CONSTRAINT add_ons_base_price_decimals_check ON @extschema@.add_ons IS
'base_price must have at most two decimals and be below 100000000
Round the value before you write it. It is refused so that no digit is dropped silently.';
COMMENT ON CONSTRAINT add_ons_billing_type_check ON @extschema@.add_ons IS
'billing_type must be one_time, monthly, annual or usage_based
For a yearly price, write annual.';
COMMENT ON CONSTRAINT add_ons_trial_days_check ON @extschema@.add_ons IS
'trial_days must be 1 or more
Leave it NULL if there is no trial.';
COMMENT ON CONSTRAINT add_ons_features_check ON @extschema@.add_ons IS
'features must be an array of feature keys
Write it like ["cold_storage"]. Limits and options of a feature belong in its row of add_on_features.';

SELECT pg_extension_config_dump('@extschema@.add_ons', '');

SET LOCAL search_path = @extschema@, pg_temp;
