SELECT * FROM simulate_pricing_rule('{"add_on_id": "a0000000-0000-4000-8000-000000000003", "discount_percent": 50}');
