-- The comment of each index names the query that it serves, with $n for the values of that query. A test reads the
-- comment, runs EXPLAIN on the query at a realistic size, and looks for the index in the plan.
SET LOCAL search_path = pg_catalog, pg_temp;

-- add_ons

CREATE INDEX idx_add_ons_features ON @extschema@.add_ons USING gin (features);
CREATE INDEX idx_add_ons_search ON @extschema@.add_ons USING gin
    ((setweight(to_tsvector('simple'::regconfig, name::text), 'A')
      || setweight(to_tsvector('simple'::regconfig, coalesce(description, '')), 'B')));
CREATE INDEX idx_add_ons_listing ON @extschema@.add_ons (sort_order, name) WHERE is_active;
CREATE INDEX idx_add_ons_category ON @extschema@.add_ons (category, sort_order, name) WHERE is_active;
CREATE INDEX idx_add_ons_featured ON @extschema@.add_ons (sort_order, id) WHERE is_active AND is_featured;
CREATE INDEX idx_add_ons_price ON @extschema@.add_ons (base_price) WHERE is_active;

-- user_add_ons

CREATE INDEX idx_user_add_ons_user_id ON @extschema@.user_add_ons (user_id, purchased_at DESC) WHERE status = 'active';
CREATE INDEX idx_user_add_ons_add_on ON @extschema@.user_add_ons (add_on_id, status);
CREATE INDEX idx_user_add_ons_expiring ON @extschema@.user_add_ons (expires_at) WHERE status = 'active';
CREATE INDEX idx_user_add_ons_lago_subscription ON @extschema@.user_add_ons (lago_subscription_id)
    WHERE lago_subscription_id IS NOT NULL;

-- add_on_purchases

CREATE INDEX idx_add_on_purchases_user_date ON @extschema@.add_on_purchases (user_id, purchased_at DESC);
CREATE INDEX idx_add_on_purchases_add_on_date ON @extschema@.add_on_purchases (add_on_id, purchased_at);
CREATE INDEX idx_add_on_purchases_checkout ON @extschema@.add_on_purchases (checkout_id) WHERE checkout_id IS NOT NULL;
CREATE INDEX idx_add_on_purchases_promo_code ON @extschema@.add_on_purchases (promo_code, user_id)
    WHERE promo_code IS NOT NULL;
CREATE INDEX idx_add_on_purchases_stripe_payment ON @extschema@.add_on_purchases (stripe_payment_id)
    WHERE stripe_payment_id IS NOT NULL;
CREATE INDEX idx_add_on_purchases_lago_invoice ON @extschema@.add_on_purchases (lago_invoice_id)
    WHERE lago_invoice_id IS NOT NULL;
CREATE INDEX idx_add_on_purchases_pending ON @extschema@.add_on_purchases (purchased_at, checkout_id)
    WHERE status = 'pending';
-- pg_upgrade would restore IN (...) in a different form, and the index would no longer match the expected definition.
CREATE INDEX idx_add_on_purchases_revenue ON @extschema@.add_on_purchases (purchased_at) INCLUDE (add_on_id, amount)
    WHERE status = ANY ('{completed,refunded,disputed}'::text[]);
CREATE UNIQUE INDEX idx_add_on_purchases_idempotency_key ON @extschema@.add_on_purchases
    (user_id, (metadata ->> 'idempotency_key')) WHERE metadata ? 'idempotency_key';
CREATE INDEX idx_add_on_purchases_provider_ids ON @extschema@.add_on_purchases USING gin (provider_ids)
    WHERE provider_ids IS NOT NULL;
CREATE INDEX idx_add_on_purchases_unsettled ON @extschema@.add_on_purchases ((facts -> 'unsettled')) WHERE facts ? 'unsettled';
CREATE INDEX idx_add_on_purchases_user_add_on ON @extschema@.add_on_purchases (user_id, add_on_id);

-- add_on_bundles

CREATE INDEX idx_add_on_bundles_add_ons ON @extschema@.add_on_bundles USING gin (add_on_ids);

-- pricing_rules

CREATE INDEX idx_pricing_rules_priority ON @extschema@.pricing_rules (add_on_id, priority DESC, id);
CREATE INDEX idx_pricing_rules_tier ON @extschema@.pricing_rules (tier_code) WHERE tier_code IS NOT NULL;

-- cart_items

-- Covers the columns that prices depend on, so that price_carts() reads every cart in order without visiting the
-- table.
CREATE INDEX idx_cart_items_user ON @extschema@.cart_items (user_id, added_at, add_on_id) INCLUDE (quantity, billing_type);
CREATE INDEX idx_cart_items_add_on ON @extschema@.cart_items (add_on_id);
CREATE INDEX idx_cart_items_added_at ON @extschema@.cart_items (added_at);

-- add_on_features

CREATE INDEX idx_add_on_features_key ON @extschema@.add_on_features (feature_key, add_on_id);

-- promotional_codes

CREATE INDEX idx_promotional_codes_expiring ON @extschema@.promotional_codes (expires_at) WHERE is_active;
CREATE INDEX idx_promotional_codes_applicable_to ON @extschema@.promotional_codes USING gin (applicable_to);

COMMENT ON INDEX @extschema@.add_ons_pkey IS
'SELECT * FROM add_ons WHERE id = $1';
COMMENT ON INDEX @extschema@.add_ons_name_key IS
'SELECT * FROM add_ons WHERE name = $1';
COMMENT ON INDEX @extschema@.idx_add_ons_features IS
'SELECT id FROM add_ons WHERE features ? $1';
COMMENT ON INDEX @extschema@.idx_add_ons_search IS
'SELECT id FROM add_ons WHERE (setweight(to_tsvector(''simple''::regconfig, name::text), ''A'')
|| setweight(to_tsvector(''simple''::regconfig, coalesce(description, '''')), ''B'')) @@ $1::tsquery';
COMMENT ON INDEX @extschema@.idx_add_ons_listing IS
'SELECT * FROM add_ons WHERE is_active ORDER BY sort_order, name LIMIT 20';
COMMENT ON INDEX @extschema@.idx_add_ons_category IS
'SELECT * FROM add_ons WHERE is_active AND category = $1 ORDER BY sort_order, name LIMIT 20';
COMMENT ON INDEX @extschema@.idx_add_ons_featured IS
'SELECT * FROM add_ons WHERE is_active AND is_featured ORDER BY sort_order';
COMMENT ON INDEX @extschema@.idx_add_ons_price IS
'SELECT min(base_price), max(base_price) FROM add_ons WHERE is_active';

COMMENT ON INDEX @extschema@.user_add_ons_pkey IS
'SELECT * FROM user_add_ons WHERE id = $1';
COMMENT ON INDEX @extschema@.user_add_ons_user_add_on_key IS
'SELECT * FROM user_add_ons WHERE user_id = $1 AND add_on_id = $2';
COMMENT ON INDEX @extschema@.idx_user_add_ons_user_id IS
'SELECT * FROM user_add_ons WHERE user_id = $1 AND status = ''active'' ORDER BY purchased_at DESC';
COMMENT ON INDEX @extschema@.idx_user_add_ons_add_on IS
'SELECT user_id FROM user_add_ons WHERE add_on_id = $1 AND status = ''active''';
COMMENT ON INDEX @extschema@.idx_user_add_ons_expiring IS
'SELECT id FROM user_add_ons WHERE status = ''active'' AND expires_at <= $1';
COMMENT ON INDEX @extschema@.idx_user_add_ons_lago_subscription IS
'SELECT * FROM user_add_ons WHERE lago_subscription_id = $1';

COMMENT ON INDEX @extschema@.add_on_purchases_pkey IS
'SELECT * FROM add_on_purchases WHERE id = $1';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_user_date IS
'SELECT * FROM add_on_purchases WHERE user_id = $1 ORDER BY purchased_at DESC LIMIT 50';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_add_on_date IS
'SELECT * FROM add_on_purchases WHERE add_on_id = $1 ORDER BY purchased_at LIMIT 50';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_checkout IS
'SELECT * FROM add_on_purchases WHERE checkout_id = $1';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_promo_code IS
'SELECT checkout_id FROM add_on_purchases WHERE promo_code = $1 AND user_id = $2';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_stripe_payment IS
'SELECT * FROM add_on_purchases WHERE stripe_payment_id = $1';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_lago_invoice IS
'SELECT * FROM add_on_purchases WHERE lago_invoice_id = $1';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_pending IS
'SELECT checkout_id FROM add_on_purchases WHERE status = ''pending'' AND purchased_at < $1';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_revenue IS
'SELECT add_on_id, currency, sum(amount) FROM add_on_purchases
WHERE status IN (''completed'', ''refunded'', ''disputed'') AND purchased_at >= $1 GROUP BY add_on_id, currency';

COMMENT ON INDEX @extschema@.idx_add_on_purchases_idempotency_key IS
'SELECT checkout_id FROM add_on_purchases
WHERE user_id = $1 AND metadata ->> ''idempotency_key'' = $2 AND metadata ? ''idempotency_key''';

COMMENT ON INDEX @extschema@.idx_add_on_purchases_provider_ids IS
'SELECT user_id, checkout_id FROM add_on_purchases WHERE provider_ids && ARRAY[$1]';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_unsettled IS
'SELECT facts -> ''unsettled'' FROM add_on_purchases WHERE facts ? ''unsettled''';
COMMENT ON INDEX @extschema@.idx_add_on_purchases_user_add_on IS
'SELECT * FROM add_on_purchases WHERE user_id = $1 AND add_on_id = $2';
COMMENT ON INDEX @extschema@.add_on_bundles_pkey IS
'SELECT * FROM add_on_bundles WHERE id = $1';
COMMENT ON INDEX @extschema@.add_on_bundles_name_key IS
'SELECT * FROM add_on_bundles WHERE name = $1';
COMMENT ON INDEX @extschema@.idx_add_on_bundles_add_ons IS
'SELECT * FROM add_on_bundles WHERE add_on_ids @> ARRAY[$1::uuid]';

COMMENT ON INDEX @extschema@.pricing_rules_pkey IS
'SELECT * FROM pricing_rules WHERE id = $1';
COMMENT ON INDEX @extschema@.idx_pricing_rules_priority IS
'SELECT * FROM pricing_rules WHERE add_on_id = $1 ORDER BY priority DESC, id';
COMMENT ON INDEX @extschema@.idx_pricing_rules_tier IS
'SELECT * FROM pricing_rules WHERE tier_code = $1';

COMMENT ON INDEX @extschema@.cart_items_pkey IS
'DELETE FROM cart_items WHERE id = $1';
COMMENT ON INDEX @extschema@.cart_items_user_add_on_key IS
'SELECT id FROM cart_items WHERE user_id = $1 AND add_on_id = $2';
COMMENT ON INDEX @extschema@.idx_cart_items_user IS
'SELECT add_on_id, quantity, billing_type FROM cart_items WHERE user_id = $1 ORDER BY added_at, add_on_id';
COMMENT ON INDEX @extschema@.idx_cart_items_add_on IS
'SELECT user_id FROM cart_items WHERE add_on_id = $1';
COMMENT ON INDEX @extschema@.idx_cart_items_added_at IS
'SELECT id FROM cart_items WHERE added_at < $1';

COMMENT ON INDEX @extschema@.add_on_features_pkey IS
'SELECT * FROM add_on_features WHERE id = $1';
COMMENT ON INDEX @extschema@.add_on_features_add_on_feature_key IS
'SELECT * FROM add_on_features WHERE add_on_id = $1';
COMMENT ON INDEX @extschema@.idx_add_on_features_key IS
'SELECT add_on_id FROM add_on_features WHERE feature_key = $1 AND enabled';

COMMENT ON INDEX @extschema@.promotional_codes_pkey IS
'SELECT * FROM promotional_codes WHERE id = $1';
COMMENT ON INDEX @extschema@.promotional_codes_code_key IS
'SELECT * FROM promotional_codes WHERE code = $1';
COMMENT ON INDEX @extschema@.idx_promotional_codes_expiring IS
'SELECT id FROM promotional_codes WHERE is_active AND expires_at <= $1';
COMMENT ON INDEX @extschema@.idx_promotional_codes_applicable_to IS
'SELECT code FROM promotional_codes WHERE applicable_to @> ARRAY[$1::uuid]';

SET LOCAL search_path = @extschema@, pg_temp;
