SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.add_on_features (
    id            uuid         NOT NULL DEFAULT gen_random_uuid(),
    add_on_id     uuid         NOT NULL,
    feature_key   varchar(100) NOT NULL,
    enabled       boolean      NOT NULL DEFAULT true,
    configuration jsonb        NOT NULL DEFAULT '{}',
    created_at    timestamptz  NOT NULL DEFAULT now(),
    updated_at    timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT add_on_features_pkey PRIMARY KEY (id),
    CONSTRAINT add_on_features_add_on_feature_key UNIQUE (add_on_id, feature_key),
    CONSTRAINT add_on_features_add_on_id_fkey
        FOREIGN KEY (add_on_id) REFERENCES @extschema@.add_ons (id) ON DELETE CASCADE,
    CONSTRAINT add_on_features_configuration_check CHECK (@extschema@.check_feature_configuration(configuration))
);

COMMENT ON TABLE @extschema@.add_on_features IS
'What owning an add-on allows, feature by feature. Keys listed in add_ons.features count too, unless they have a row here.';
COMMENT ON COLUMN @extschema@.add_on_features.id IS 'Identifies the row.';
COMMENT ON COLUMN @extschema@.add_on_features.add_on_id IS 'The add-on that gives the feature.';
COMMENT ON COLUMN @extschema@.add_on_features.feature_key IS 'The feature, as the application asks for it with has_feature().';
COMMENT ON COLUMN @extschema@.add_on_features.enabled IS 'false withholds the feature, even when add_ons.features lists it.';
COMMENT ON COLUMN @extschema@.add_on_features.configuration IS
'Limits and options, as a JSON object. Where several owned add-ons give the feature, feature_configuration() merges key by key:
numbers by the larger, booleans by OR, anything else from the most recently purchased add-on.
limit, a number from 0, makes the feature metered: consume_feature() allows this many units for each unit of the add-on and each
per: period (the default: the add-on''s own paid one), day, month, year (of the calendar in UTC) or ever. overage: refuse (the
default) or allow more. Limits of several add-ons add up.';
COMMENT ON COLUMN @extschema@.add_on_features.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.add_on_features.updated_at IS 'When the row was last updated; maintained by a trigger.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT add_on_features_pkey ON @extschema@.add_on_features IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_on_features_add_on_id_fkey ON @extschema@.add_on_features IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT add_on_features_add_on_feature_key ON @extschema@.add_on_features IS
'feature_key must be unique within its add-on
The add-on has a row for this feature already. Keep one of them.';
COMMENT ON CONSTRAINT add_on_features_configuration_check ON @extschema@.add_on_features IS
'configuration must have valid values for limit, per and overage, if it has these keys
The comment on the column says which values they take.';

SELECT pg_extension_config_dump('@extschema@.add_on_features', '');

SET LOCAL search_path = @extschema@, pg_temp;
