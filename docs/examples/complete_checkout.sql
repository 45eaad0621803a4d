SELECT a.name, access.expires_at > now() AS is_ahead
  FROM complete_checkout('f0000000-0000-4000-8000-000000000003', stripe_payment_id => 'pi_1') access
  JOIN add_ons a ON a.id = access.add_on_id;
