SELECT user_id, amount, currency FROM upcoming_renewals(until => now() + interval '2 months');
