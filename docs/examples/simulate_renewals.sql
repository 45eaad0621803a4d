SELECT count(*) FROM complete_checkout('f0000000-0000-4000-8000-000000000003', 'pi_cy');
SELECT user_id, amount_before, amount_after FROM simulate_renewals('a0000000-0000-4000-8000-000000000005', base_price => 11.99);
