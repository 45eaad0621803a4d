SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.user_add_ons (
    id                   uuid         NOT NULL DEFAULT gen_random_uuid(),
    user_id              varchar(255) NOT NULL,
    add_on_id            uuid         NOT NULL,
    status               varchar(50)  NOT NULL DEFAULT 'active',
    purchased_at         timestamptz  NOT NULL DEFAULT now(),
    expires_at           timestamptz,
    lago_subscription_id varchar(255),
    auto_renew           boolean      NOT NULL DEFAULT true,
    cancellation_reason  text,
    cancelled_at         timestamptz,
    created_at           timestamptz  NOT NULL DEFAULT now(),
    updated_at           timestamptz  NOT NULL DEFAULT now(),
    quantity             integer      NOT NULL DEFAULT 1,
    renewal_amount       numeric(10,2),
    suspended_at         timestamptz,
    sources              jsonb,
    usage                jsonb,
    usage_keys           bytea,
    paid_periods         jsonb,
    CONSTRAINT user_add_ons_pkey PRIMARY KEY (id),
    CONSTRAINT user_add_ons_user_add_on_key UNIQUE (user_id, add_on_id),
    CONSTRAINT user_add_ons_add_on_id_fkey
        FOREIGN KEY (add_on_id) REFERENCES @extschema@.add_ons (id) ON DELETE RESTRICT,
    CONSTRAINT user_add_ons_status_check
        CHECK (status IN ('active', 'cancelled', 'expired', 'pending', 'suspended')),
    CONSTRAINT user_add_ons_quantity_check CHECK (quantity > 0),
    CONSTRAINT user_add_ons_renewal_amount_check CHECK (renewal_amount >= 0)
    -- Leaves room on each page, so that counting usage stores the new version on the same page and touches no index.
) WITH (fillfactor = 85);

COMMENT ON TABLE @extschema@.user_add_ons IS
'Who owns what. A user is entitled to an add-on at an instant when the row is active and purchased_at <= instant < expires_at.';
COMMENT ON COLUMN @extschema@.user_add_ons.id IS 'Identifies the row.';
COMMENT ON COLUMN @extschema@.user_add_ons.user_id IS 'The user as the identity provider names them (Keycloak sub).';
COMMENT ON COLUMN @extschema@.user_add_ons.add_on_id IS 'The add-on. While somebody owns it, it cannot be deleted, only withdrawn from sale.';
COMMENT ON COLUMN @extschema@.user_add_ons.status IS
'active, cancelled (access ended at once), expired, pending or suspended. Only active rows entitle.';
COMMENT ON COLUMN @extschema@.user_add_ons.purchased_at IS 'When access begins.';
COMMENT ON COLUMN @extschema@.user_add_ons.expires_at IS 'When access ends, exclusively; NULL for no end. No job has to run for it to end.';
COMMENT ON COLUMN @extschema@.user_add_ons.lago_subscription_id IS 'The subscription in Lago, if there is one.';
COMMENT ON COLUMN @extschema@.user_add_ons.auto_renew IS 'Whether a payment is expected to extend it; false once it was cancelled at the end of its period.';
COMMENT ON COLUMN @extschema@.user_add_ons.cancellation_reason IS 'The reason that was given for the cancellation.';
COMMENT ON COLUMN @extschema@.user_add_ons.cancelled_at IS 'When it was cancelled.';
COMMENT ON COLUMN @extschema@.user_add_ons.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.user_add_ons.updated_at IS 'When the row was last updated; maintained by a trigger.';
COMMENT ON COLUMN @extschema@.user_add_ons.usage IS
'What was used of the add-on''s metered features, and when that was last counted: {"pages": {"used": 120, "at": "..."}}. It counts in the
current period if that had begun by then. consume_feature() and similar functions maintain it; feature_usage() shows the result.';
COMMENT ON COLUMN @extschema@.user_add_ons.usage_keys IS
'The idempotency keys that were last used for each metered feature, with their answers, packed.';
COMMENT ON COLUMN @extschema@.user_add_ons.quantity IS
'Units: as many as the live purchase with the most units bought; those of usage_based add-ons add up.';
COMMENT ON COLUMN @extschema@.user_add_ons.renewal_amount IS
'The price of the next renewal, locked at the purchase; NULL if nothing was bought.';
COMMENT ON COLUMN @extschema@.user_add_ons.suspended_at IS
'Since when it is suspended by hand; only resume_add_on() ends that.';
COMMENT ON COLUMN @extschema@.user_add_ons.sources IS
'The sources of access other than purchases: grants, trials, rows written by the host; maintained by the functions, shown by
explain_access().';
COMMENT ON COLUMN @extschema@.user_add_ons.paid_periods IS
'The paid periods that have not ended, in which usage is counted, where they do not follow from purchased_at, expires_at and how the add-on
is charged: a year of what is sold by the month, a month after a trial that ended on the 31st; maintained by the functions.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT user_add_ons_pkey ON @extschema@.user_add_ons IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT user_add_ons_add_on_id_fkey ON @extschema@.user_add_ons IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT user_add_ons_user_add_on_key ON @extschema@.user_add_ons IS
'user_id and add_on_id must be unique together
The user has this add-on already. Keep the row that lasts longer.';
COMMENT ON CONSTRAINT user_add_ons_status_check ON @extschema@.user_add_ons IS
'status must be active, cancelled, expired, pending or suspended
Only rows with the status active give access.';
COMMENT ON CONSTRAINT user_add_ons_quantity_check ON @extschema@.user_add_ons IS
'quantity must be 1 or more
A user without the add-on has no row. To end access, call cancel_add_on().';
COMMENT ON CONSTRAINT user_add_ons_renewal_amount_check ON @extschema@.user_add_ons IS
'renewal_amount must be 0 or more
Leave it NULL if nothing is renewed.';

SELECT pg_extension_config_dump('@extschema@.user_add_ons', '');

SET LOCAL search_path = @extschema@, pg_temp;
