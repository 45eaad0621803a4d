-- What in a catalog cannot work, or works otherwise than was meant.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set gpu '''a0000000-0000-4000-8000-000000000009'''
BEGIN;
SELECT * FROM _check_catalog();
INSERT INTO pricing_rules (id, add_on_id, tier_code, discount_percent, priority, is_active, valid_from, valid_until, conditions) VALUES
    ('e0000000-0000-4000-8000-000000000001', :brigade, NULL, 5, 10, true, NULL, now(), '{}'),
    ('e0000000-0000-4000-8000-000000000002', :brigade, NULL, 5, 10, true, NULL, NULL, '{"min_quantity": 3, "max_quantity": 2}'),
    ('e0000000-0000-4000-8000-000000000003', :brigade, NULL, 5, 10, true, NULL, NULL,
     '{"requires_addon": ["a0000000-0000-4000-8000-000000000004"], "excludes_addon": ["a0000000-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000004"]}'),
    ('e0000000-0000-4000-8000-000000000004', :brigade, NULL, 5, 10, true, NULL, NULL, '{"excludes_addon": ["a0000000-0000-4000-8000-000000000003"]}'),
    ('e0000000-0000-4000-8000-000000000005', :brigade, NULL, 5, 10, true, NULL, NULL, '{"requires_addon": ["a0000000-0000-4000-8000-00000000000f"]}'),
    ('e0000000-0000-4000-8000-000000000006', :brigade, NULL, 5, 10, true, NULL, NULL, '{"billing_type": []}'),
    ('e0000000-0000-4000-8000-000000000007', :brigade, 'gold', 5, 10, true, NULL, NULL, '{}'),
    -- Beaten by a higher one without conditions ...
    ('e0000000-0000-4000-8000-000000000011', :bolt, NULL, 5, 9, true, NULL, NULL, '{"first_purchase_only": false, "requires_addon": [], "min_quantity": 1, "min_subtotal": 0.00}'),
    ('e0000000-0000-4000-8000-000000000012', :bolt, NULL, 50, 8, true, '2026-01-01', NULL, '{"min_quantity": 2, "stackable": true}'),
    ('e0000000-0000-4000-8000-000000000013', :bolt, 'pro', 50, 7, true, NULL, NULL, '{}'),
    -- ... and not: another tier, another time, a stackable winner, a switched-off one, conditions.
    ('e0000000-0000-4000-8000-000000000021', :gpu, 'pro', 5, 9, true, NULL, NULL, '{}'),
    ('e0000000-0000-4000-8000-000000000022', :gpu, NULL, 5, 9, true, '2027-01-01', NULL, '{}'),
    ('e0000000-0000-4000-8000-000000000023', :gpu, NULL, 5, 9, true, NULL, NULL, '{"stackable": true, "min_quantity": 2}'),
    ('e0000000-0000-4000-8000-000000000024', :gpu, NULL, 5, 9, false, NULL, NULL, '{}'),
    ('e0000000-0000-4000-8000-000000000025', :gpu, NULL, 5, 1, true, NULL, NULL, '{"stackable": true}'),
    -- Everything off.
    ('e0000000-0000-4000-8000-000000000031', :gpu, 'staff', 100, 99, true, NULL, NULL, '{}');
SELECT detail FROM _check_catalog() WHERE check_name = 'pricing_rules' ORDER BY detail COLLATE "C";
CREATE TABLE subscription_tiers (tier_code varchar(50) PRIMARY KEY);
INSERT INTO subscription_tiers VALUES ('pro'), ('staff');
SELECT detail FROM _check_catalog() WHERE detail LIKE '%tier%';

INSERT INTO add_ons (id, name, category, base_price, billing_type, is_active, features) VALUES
    ('a0000000-0000-4000-8000-000000000011', 'Old', 'analytics', 5, 'monthly', false, '[]'),
    ('a0000000-0000-4000-8000-000000000012', 'Free', 'analytics', 0, 'monthly', true, '["listed"]'),
    ('a0000000-0000-4000-8000-000000000013', 'Gratis', 'analytics', 0, 'monthly', true, '[]'),
    ('a0000000-0000-4000-8000-000000000014', 'Mute', 'analytics', 5, 'monthly', true, '[]');
INSERT INTO add_on_features (add_on_id, feature_key, enabled) VALUES ('a0000000-0000-4000-8000-000000000013', 'given', true), ('a0000000-0000-4000-8000-000000000014', 'withheld', false);
INSERT INTO add_on_bundles (id, name, add_on_ids, discount_percent, is_active, valid_until) VALUES
    ('b0000000-0000-4000-8000-000000000011', 'With Old', ARRAY[:gpu, 'a0000000-0000-4000-8000-000000000011']::uuid[], 5, true, NULL),
    ('b0000000-0000-4000-8000-000000000012', 'Unknown', ARRAY[:gpu, 'a0000000-0000-4000-8000-00000000000f']::uuid[], 5, true, NULL),
    ('b0000000-0000-4000-8000-000000000013', 'Nothing', ARRAY[:gpu, :bolt]::uuid[], 0, true, NULL),
    ('b0000000-0000-4000-8000-000000000014', 'Of nothing', ARRAY['a0000000-0000-4000-8000-000000000012', 'a0000000-0000-4000-8000-000000000013']::uuid[], 5, true, NULL),
    ('b0000000-0000-4000-8000-000000000015', 'Everything', ARRAY[:gpu, :bolt]::uuid[], 100, true, NULL),
    ('b0000000-0000-4000-8000-000000000016', 'Past', ARRAY[:gpu, :bolt]::uuid[], 5, true, now()),
    ('b0000000-0000-4000-8000-000000000017', 'Off', ARRAY[:gpu, 'a0000000-0000-4000-8000-000000000011']::uuid[], 100, false, now());
INSERT INTO promotional_codes (id, code, discount_type, discount_value, max_uses, current_uses, applicable_to, expires_at, is_active) VALUES
    ('c0000000-0000-4000-8000-000000000011', 'EXPIRED', 'percentage', 5, NULL, 0, NULL, now(), true),
    ('c0000000-0000-4000-8000-000000000012', 'EXHAUSTED', 'percentage', 5, 1, 1, NULL, NULL, true),
    ('c0000000-0000-4000-8000-000000000013', 'FOROLD', 'percentage', 5, NULL, 0, ARRAY['a0000000-0000-4000-8000-000000000011']::uuid[], NULL, true),
    ('c0000000-0000-4000-8000-000000000014', 'FORNONE', 'percentage', 5, NULL, 0, '{}', NULL, true),
    ('c0000000-0000-4000-8000-000000000015', 'FREE', 'percentage', 100, NULL, 0, NULL, NULL, true),
    ('c0000000-0000-4000-8000-000000000016', 'HUNDRED', 'fixed_amount', 100, NULL, 0, NULL, NULL, true),
    ('c0000000-0000-4000-8000-000000000017', 'OFF', 'percentage', 100, 1, 1, '{}', now(), false);
SELECT * FROM _check_catalog() WHERE check_name <> 'pricing_rules' ORDER BY check_name, detail COLLATE "C";
-- A table that no constraint guards, as one that was taken over may be
ALTER TABLE add_on_bundles DROP CONSTRAINT add_on_bundles_add_on_ids_check;
INSERT INTO add_on_bundles (id, name, add_on_ids, discount_percent) VALUES ('b0000000-0000-4000-8000-000000000018', 'Twice', ARRAY[:gpu, :gpu, :bolt]::uuid[], 5);
SELECT detail FROM _check_catalog() WHERE detail LIKE '%Twice%';
SELECT check_name, severity, bool_and(ok) AS ok, count(*) AS problems FROM check_marketplace() WHERE severity <> 'ok' GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;
