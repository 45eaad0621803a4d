-- 2.00 off each unit for orders of five or more, from 2027 on.
INSERT INTO pricing_rules (add_on_id, discount_amount, conditions, valid_from)
VALUES ('a0000000-0000-4000-8000-000000000005', 2.00, '{"min_quantity": 5}', '2027-01-01');
SELECT price_add_on('a0000000-0000-4000-8000-000000000005', 5, at => '2026-12-31') AS before,
       price_add_on('a0000000-0000-4000-8000-000000000005', 5, at => '2027-01-01') AS after;
INSERT INTO pricing_rules (add_on_id, discount_percent, conditions)
VALUES ('a0000000-0000-4000-8000-000000000005', 10, '{"minimum_quantity": 5}');
