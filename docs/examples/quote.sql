SELECT jsonb_pretty(quote('[{"add_on_id": "a0000000-0000-4000-8000-000000000004", "quantity": 1}]',
                          promo_code => ' friend50 ', at => '2026-12-01 12:00+00')) AS quote;
