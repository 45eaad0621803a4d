SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE @extschema@.add_on_purchases (
    id                   uuid          NOT NULL DEFAULT gen_random_uuid(),
    user_id              varchar(255)  NOT NULL,
    add_on_id            uuid          NOT NULL,
    amount               numeric(10,2) NOT NULL,
    currency             varchar(3)    NOT NULL DEFAULT 'USD',
    quantity             integer       NOT NULL DEFAULT 1,
    checkout_id          uuid,
    promo_code           varchar(50),
    stripe_payment_id    varchar(255),
    lago_invoice_id      varchar(255),
    status               varchar(50)   NOT NULL DEFAULT 'pending',
    payment_method       varchar(50),
    refund_amount        numeric(10,2) NOT NULL DEFAULT 0,
    refunded_at          timestamptz,
    metadata             jsonb         NOT NULL DEFAULT '{}',
    purchased_at         timestamptz   NOT NULL DEFAULT now(),
    subscription_ends_at timestamptz,
    created_at           timestamptz   NOT NULL DEFAULT now(),
    facts                jsonb,
    provider_ids         text[],
    paid                 jsonb,
    CONSTRAINT add_on_purchases_pkey PRIMARY KEY (id),
    CONSTRAINT add_on_purchases_add_on_id_fkey
        FOREIGN KEY (add_on_id) REFERENCES @extschema@.add_ons (id) ON DELETE RESTRICT,
    CONSTRAINT add_on_purchases_amount_check CHECK (amount >= 0),
    CONSTRAINT add_on_purchases_quantity_check CHECK (quantity > 0),
    CONSTRAINT add_on_purchases_status_check
        CHECK (status IN ('pending', 'completed', 'failed', 'refunded', 'disputed')),
    CONSTRAINT add_on_purchases_refund_amount_check CHECK (refund_amount BETWEEN 0 AND amount)
    -- Stores the long document of a checkout, the quote, beside the row: then a payment does not write it again.
) WITH (toast_tuple_target = 1024);

COMMENT ON TABLE @extschema@.add_on_purchases IS
'What was bought and at which price: one row for each line of a checkout, whatever its outcome. The extension never deletes rows.';
COMMENT ON COLUMN @extschema@.add_on_purchases.id IS 'Identifies the purchase.';
COMMENT ON COLUMN @extschema@.add_on_purchases.user_id IS 'The user as the identity provider names them (Keycloak sub).';
COMMENT ON COLUMN @extschema@.add_on_purchases.add_on_id IS 'The add-on. Once bought, it cannot be deleted, only withdrawn from sale.';
COMMENT ON COLUMN @extschema@.add_on_purchases.amount IS 'What the line cost after all discounts.';
COMMENT ON COLUMN @extschema@.add_on_purchases.currency IS 'ISO 4217 code of the amounts.';
COMMENT ON COLUMN @extschema@.add_on_purchases.quantity IS 'Units bought.';
COMMENT ON COLUMN @extschema@.add_on_purchases.checkout_id IS 'The checkout that the purchase belongs to; its rows share it.';
COMMENT ON COLUMN @extschema@.add_on_purchases.promo_code IS 'The promotional code that the checkout redeems; every row of the checkout has it.';
COMMENT ON COLUMN @extschema@.add_on_purchases.stripe_payment_id IS 'The payment in Stripe, if there is one.';
COMMENT ON COLUMN @extschema@.add_on_purchases.lago_invoice_id IS 'The invoice in Lago, if there is one.';
COMMENT ON COLUMN @extschema@.add_on_purchases.status IS
'pending, completed, failed, refunded or disputed. It goes from pending to completed or failed, from completed to refunded or
disputed, from disputed to completed or refunded, and in no other way, no matter who writes it.';
COMMENT ON COLUMN @extschema@.add_on_purchases.payment_method IS 'How it was paid.';
COMMENT ON COLUMN @extschema@.add_on_purchases.refund_amount IS 'The amount refunded so far, from 0 to amount.';
COMMENT ON COLUMN @extschema@.add_on_purchases.refunded_at IS 'When the last refund was recorded.';
COMMENT ON COLUMN @extschema@.add_on_purchases.metadata IS 'The quote line that the amount comes from, and other data about the purchase.';
COMMENT ON COLUMN @extschema@.add_on_purchases.purchased_at IS 'When it was bought.';
COMMENT ON COLUMN @extschema@.add_on_purchases.subscription_ends_at IS 'The end of the access that the purchase paid for; NULL for no end.';
COMMENT ON COLUMN @extschema@.add_on_purchases.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN @extschema@.add_on_purchases.facts IS
'What providers reported and people entered, on the first purchase of a checkout for all its purchases; maintained by the functions.';
COMMENT ON COLUMN @extschema@.add_on_purchases.provider_ids IS
'The providers'' ids of the objects that the facts are about, by which events find the purchase.';
COMMENT ON COLUMN @extschema@.add_on_purchases.paid IS
'What the purchase pays for, according to the facts: since when, for how long, within which subscription; maintained by the functions.';
-- The error for a refused row: the rule, which verify_row() puts after the name of the table, and the hint.
COMMENT ON CONSTRAINT add_on_purchases_pkey ON @extschema@.add_on_purchases IS
'id must be unique
Leave it out: the row gets one by itself.';
COMMENT ON CONSTRAINT add_on_purchases_add_on_id_fkey ON @extschema@.add_on_purchases IS
'add_on_id must be the id of a row of add_ons
Insert the add-on first, with is_active = false if it is not for sale.';
COMMENT ON CONSTRAINT add_on_purchases_amount_check ON @extschema@.add_on_purchases IS
'amount must be 0 or more
Refunds go into refund_amount.';
COMMENT ON CONSTRAINT add_on_purchases_quantity_check ON @extschema@.add_on_purchases IS
'quantity must be 1 or more
A purchase has at least one unit.';
COMMENT ON CONSTRAINT add_on_purchases_status_check ON @extschema@.add_on_purchases IS
'status must be pending, completed, failed, refunded or disputed
For a paid purchase, write completed.';
COMMENT ON CONSTRAINT add_on_purchases_refund_amount_check ON @extschema@.add_on_purchases IS
'refund_amount must be from 0 to amount
A refund cannot exceed the amount that was paid.';

SELECT pg_extension_config_dump('@extschema@.add_on_purchases', '');

SET LOCAL search_path = @extschema@, pg_temp;
