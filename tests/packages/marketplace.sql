-- What has to work after an installation of any version, in the schema marketplace.
\set ON_ERROR_STOP on
SET search_path = marketplace;
SELECT sum(inserted) > 0 AS is_loaded FROM load_sample_catalog() \gset
\if :is_loaded
\else
DO $$ BEGIN RAISE EXCEPTION 'the sample catalog is empty'; END $$;
\endif

-- Two units of an add-on of 19.99 are 39.98, and 20 % less are 31.984.
SELECT count(*) FROM add_ons a, add_to_cart('ada', a.id, 2) WHERE a.name = 'Brigade';
DO $$
DECLARE
    sold uuid;
BEGIN
    ASSERT cart_total('ada') = 39.98, cart_total('ada');
    ASSERT cart_total('ada', promo_code => 'launch2025') = 31.98, cart_total('ada', promo_code => 'launch2025');
    SELECT checkout_id INTO sold FROM checkout('ada', promo_code => 'launch2025', expected_total => 31.98);
    ASSERT NOT has_feature('ada', 'agent_platform');
    PERFORM complete_checkout(sold, 'paid');
    ASSERT has_feature('ada', 'agent_platform');
    ASSERT NOT EXISTS (SELECT FROM check_marketplace() WHERE NOT ok);
END
$$;
