CREATE EXTENSION extensions;
SELECT sum(inserted) FROM load_sample_catalog();

-- A rule for everybody who takes two or more of Vector Search, and one for a tier.
INSERT INTO pricing_rules (id, add_on_id, tier_code, discount_percent, priority, conditions)
VALUES ('e0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000008', NULL, 10, 1, '{"min_quantity": 2}'),
       ('e0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000008', 'pro', 25, 2, '{}');

-- Ada has a cart: Brigade, Bolt, and two of Vector Search.
INSERT INTO cart_items (user_id, add_on_id, quantity, added_at)
VALUES ('ada', 'a0000000-0000-4000-8000-000000000003', 1, '2026-11-20 09:00'),
       ('ada', 'a0000000-0000-4000-8000-000000000004', 1, '2026-11-20 09:01'),
       ('ada', 'a0000000-0000-4000-8000-000000000008', 2, '2026-11-20 09:02');

-- Bob bought Bolt and GPU Compute, which both give GPU hours.
INSERT INTO add_on_purchases (id, user_id, add_on_id, amount, checkout_id, status, purchased_at, subscription_ends_at)
VALUES ('d0000000-0000-4000-8000-000000000001', 'bob', 'a0000000-0000-4000-8000-000000000004', 14.99,
        'f0000000-0000-4000-8000-000000000001', 'completed', '2026-11-10', '2099-12-10'),
       ('d0000000-0000-4000-8000-000000000002', 'bob', 'a0000000-0000-4000-8000-000000000009', 49.99,
        'f0000000-0000-4000-8000-000000000001', 'completed', '2026-11-10', '2099-12-20');
INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at)
VALUES ('bob', 'a0000000-0000-4000-8000-000000000004', '2026-11-10', '2099-12-10'),
       ('bob', 'a0000000-0000-4000-8000-000000000009', '2026-11-10', '2099-12-20');

-- Cy has begun a checkout of Presenton and not paid for it yet.
INSERT INTO add_on_purchases (id, user_id, add_on_id, amount, checkout_id, status, purchased_at)
VALUES ('d0000000-0000-4000-8000-000000000003', 'cy', 'a0000000-0000-4000-8000-000000000005', 9.99,
        'f0000000-0000-4000-8000-000000000003', 'pending', '2026-11-20');
