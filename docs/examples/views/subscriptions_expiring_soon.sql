INSERT INTO user_add_ons (user_id, add_on_id, expires_at) VALUES ('dee', 'a0000000-0000-4000-8000-000000000005', now() + interval '3 days');
SELECT user_id, name, auto_renew, remaining <= interval '3 days' AS within_three_days FROM subscriptions_expiring_soon;
