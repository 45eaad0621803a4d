-- A database made from plain SQL files, as the extension's predecessor was: local times without a zone, columns that came
-- later missing, others that nobody needs any more, and rows from before there were constraints. Written for these tests.
CREATE TABLE add_ons (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL,
    description text,
    category varchar(100) NOT NULL,
    base_price numeric(10,2) NOT NULL,
    billing_type varchar(50) NOT NULL DEFAULT 'monthly',
    features jsonb DEFAULT '[]',
    is_active boolean DEFAULT true,
    sort_order integer,
    legacy_sku text,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now()
);
CREATE INDEX idx_add_ons_category ON add_ons (category);
CREATE INDEX idx_add_ons_features ON add_ons USING gin (features);

CREATE TABLE user_add_ons (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id varchar(255) NOT NULL,
    add_on_id uuid NOT NULL REFERENCES add_ons (id),
    status varchar(50) DEFAULT 'active',
    purchased_at timestamp DEFAULT now(),
    expires_at timestamp,
    lago_subscription_id varchar(255),
    auto_renew boolean DEFAULT true,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now()
);
CREATE INDEX idx_user_add_ons_user ON user_add_ons (user_id);

CREATE TABLE add_on_purchases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id varchar(255) NOT NULL,
    add_on_id uuid NOT NULL REFERENCES add_ons (id),
    amount numeric(12,4) NOT NULL,
    currency varchar(10) DEFAULT 'USD',
    promo_code text,
    stripe_payment_id varchar(255),
    status varchar(50) DEFAULT 'pending',
    refund_amount numeric(10,2),
    purchased_at timestamp DEFAULT now(),
    created_at timestamp DEFAULT now()
);

CREATE TABLE add_on_bundles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL,
    add_on_ids uuid[] NOT NULL,
    discount_percent numeric(5,2) DEFAULT 0,
    discount_amount numeric(10,2),
    is_active boolean DEFAULT true,
    valid_from timestamp,
    valid_until timestamp,
    created_at timestamp DEFAULT now()
);

CREATE TABLE pricing_rules (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    add_on_id uuid NOT NULL REFERENCES add_ons (id) ON DELETE CASCADE,
    tier_code varchar(50),
    discount_percent numeric(5,2) DEFAULT 0,
    conditions text DEFAULT '{}',
    priority integer DEFAULT 0,
    is_active boolean DEFAULT true,
    created_at timestamp DEFAULT now()
);

CREATE TABLE cart_items (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id varchar(255) NOT NULL,
    add_on_id uuid NOT NULL REFERENCES add_ons (id) ON DELETE CASCADE,
    quantity integer DEFAULT 1,
    added_at timestamp DEFAULT now()
);

CREATE TABLE promotional_codes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    code varchar(50) NOT NULL UNIQUE,
    description text,
    discount_type varchar(20) NOT NULL,
    discount_value numeric(10,2) NOT NULL,
    max_uses integer,
    current_uses integer DEFAULT 0,
    expires_at timestamp,
    is_active boolean DEFAULT true,
    created_at timestamp DEFAULT now()
);

INSERT INTO add_ons (id, name, category, base_price, features, sort_order, legacy_sku, created_at) VALUES
    ('00000000-0000-4000-8000-0000000000a1', 'Archive', 'infrastructure', 19.99, '["cold_storage"]', 1, 'SKU-1', '2024-07-01 12:00'),
    ('00000000-0000-4000-8000-0000000000a2', 'Reports', 'analytics', 9.99, NULL, NULL, 'SKU-2', '2024-12-01 12:00');
INSERT INTO user_add_ons (id, user_id, add_on_id, status, purchased_at, expires_at) VALUES
    ('00000000-0000-4000-8000-0000000000b1', 'ada', '00000000-0000-4000-8000-0000000000a1', 'active', '2024-07-01 12:00', NULL),
    ('00000000-0000-4000-8000-0000000000b2', 'zoe', '00000000-0000-4000-8000-0000000000a1', 'cancelled', '2024-12-01 12:00', '2025-01-01 12:00');
INSERT INTO add_on_purchases (id, user_id, add_on_id, amount, status, promo_code, purchased_at) VALUES
    ('00000000-0000-4000-8000-0000000000c1', 'ada', '00000000-0000-4000-8000-0000000000a1', 19.9900, 'completed', 'early', '2024-07-01 12:00');
INSERT INTO add_on_bundles (id, name, add_on_ids, discount_percent, valid_from) VALUES
    ('00000000-0000-4000-8000-0000000000d1', 'Both', '{00000000-0000-4000-8000-0000000000a1,00000000-0000-4000-8000-0000000000a2}', 10,
     '2024-07-01 00:00');
INSERT INTO pricing_rules (id, add_on_id, tier_code, discount_percent, conditions) VALUES
    ('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000a1', 'pro', 10, '{"min_quantity": 2}');
INSERT INTO cart_items (id, user_id, add_on_id, quantity) VALUES
    ('00000000-0000-4000-8000-0000000000f1', 'zoe', '00000000-0000-4000-8000-0000000000a2', NULL);
INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES (' early ', 'percentage', 20);
