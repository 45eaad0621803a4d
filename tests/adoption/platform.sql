-- What a platform that used the eight tables had besides those of docs/migrating.md, whose tables these statements continue: checks,
-- triggers and indexes of its own, users and tiers, and a history. Written for these tests.
ALTER TABLE add_ons ADD CHECK (base_price >= 0), ADD CHECK (billing_type IN ('one_time', 'monthly', 'annual', 'usage_based'));
ALTER TABLE user_add_ons ADD CHECK (status IN ('active', 'cancelled', 'expired', 'pending', 'suspended'));
ALTER TABLE add_on_purchases ADD CHECK (amount >= 0), ADD CHECK (status IN ('pending', 'completed', 'failed', 'refunded', 'disputed'));
ALTER TABLE cart_items ADD CHECK (quantity > 0);

CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE TRIGGER update_add_ons_updated_at BEFORE UPDATE ON add_ons FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_cart_items_updated_at BEFORE UPDATE ON cart_items FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE INDEX idx_add_ons_features ON add_ons USING gin (features);
CREATE INDEX idx_user_add_ons_user_id ON user_add_ons (user_id);
CREATE INDEX idx_cart_items_user ON cart_items (user_id, added_at DESC);
CREATE INDEX idx_add_on_purchases_user_date ON add_on_purchases (user_id, purchased_at DESC);
CREATE INDEX idx_add_on_purchases_revenue ON add_on_purchases (purchased_at, amount) WHERE status = 'completed';
CREATE INDEX idx_pricing_rules_priority ON pricing_rules (priority DESC, add_on_id) WHERE is_active;

CREATE TABLE users (id varchar(255) PRIMARY KEY, email text);
INSERT INTO users VALUES ('ada', 'ada@platform.example');
CREATE TABLE subscription_tiers (id serial PRIMARY KEY, tier_code varchar(50) UNIQUE);
CREATE TABLE tier_features (tier_id integer REFERENCES subscription_tiers, feature_key varchar(100), enabled boolean);
INSERT INTO subscription_tiers (tier_code) VALUES ('managed');
INSERT INTO tier_features VALUES (1, 'archive', true), (1, 'chat', false);
GRANT SELECT ON users, subscription_tiers, tier_features TO PUBLIC;

UPDATE add_ons SET feature_key = slug;
INSERT INTO add_ons (name, description, category, base_price, billing_type, features, slug)
VALUES ('Lantern', 'Finds agents', 'development', 14.99, 'one_time', '["lamp"]', 'lantern');
INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses) VALUES ('AUTUMN', 'percentage', 20, 1);
INSERT INTO add_on_purchases (user_id, add_on_id, amount, stripe_payment_id, status, purchased_at)
SELECT 'user ' || n, a.id, a.base_price, 'pi_old_' || n, 'completed', timestamp '2024-01-01 12:00' + n * interval '1 day'
  FROM generate_series(1, 200) n, add_ons a WHERE a.name = 'Archive';
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at)
SELECT p.user_id, p.add_on_id, p.purchased_at FROM add_on_purchases p WHERE p.user_id LIKE 'user %';
