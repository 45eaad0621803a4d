SELECT count(*) FROM complete_checkout('f0000000-0000-4000-8000-000000000003', 'pi_cy');
SELECT user_id, add_on_id, amount, currency FROM upcoming_renewals('cy', until => now() + interval '2 months');
