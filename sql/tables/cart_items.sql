SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.cart_items (
    id           uuid         NOT NULL DEFAULT gen_random_uuid(),
    user_id      varchar(255) NOT NULL,
    add_on_id    uuid         NOT NULL,
    quantity     integer      NOT NULL DEFAULT 1,
    billing_type varchar(50),
    added_at     timestamptz  NOT NULL DEFAULT now(),
    created_at   timestamptz  NOT NULL DEFAULT now(),
    updated_at   timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT cart_items_pkey PRIMARY KEY (id),
    CONSTRAINT cart_items_user_add_on_key UNIQUE (user_id, add_on_id),
    CONSTRAINT cart_items_add_on_id_fkey
        FOREIGN KEY (add_on_id) REFERENCES @extschema@.add_ons (id) ON DELETE CASCADE,
    CONSTRAINT cart_items_quantity_check CHECK (quantity > 0),
    CONSTRAINT cart_items_billing_type_check CHECK (billing_type IN ('one_time', 'monthly', 'annual', 'usage_based'))
);

COMMENT ON TABLE @extschema@.cart_items IS 'What users are about to buy: one row per user and add-on.';
COMMENT ON COLUMN @extschema@.cart_items.id IS 'Identifies the item.';
COMMENT ON COLUMN @extschema@.cart_items.user_id IS 'The user as the identity provider names them (Keycloak sub).';
COMMENT ON COLUMN @extschema@.cart_items.add_on_id IS 'The add-on.';
COMMENT ON COLUMN @extschema@.cart_items.quantity IS 'Its units. The functions allow at most extensions.max_cart_quantity.';
COMMENT ON COLUMN @extschema@.cart_items.billing_type IS 'The billing type; NULL for that of the add-on.';
COMMENT ON COLUMN @extschema@.cart_items.added_at IS 'When it was put into the cart; lines are listed in this order.';
COMMENT ON COLUMN @extschema@.cart_items.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.cart_items.updated_at IS 'When the row was last updated; maintained by a trigger.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT cart_items_pkey ON @extschema@.cart_items IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT cart_items_add_on_id_fkey ON @extschema@.cart_items IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT cart_items_user_add_on_key ON @extschema@.cart_items IS
'user_id and add_on_id must be unique together
The add-on is in this cart already. Keep one row, with the quantity of both.';
COMMENT ON CONSTRAINT cart_items_quantity_check ON @extschema@.cart_items IS
'quantity must be 1 or more
Delete the row to take the add-on out of the cart.';
COMMENT ON CONSTRAINT cart_items_billing_type_check ON @extschema@.cart_items IS
'billing_type must be one_time, monthly, annual or usage_based
Leave it NULL to use the billing type of the add-on.';

SELECT pg_extension_config_dump('@extschema@.cart_items', '');

SET LOCAL search_path = @extschema@, pg_temp;
