SELECT apply_stripe_event('{"id": "evt_2", "type": "checkout.session.completed", "created": 1795000000,
    "data": {"object": {"id": "cs_2", "payment_status": "paid", "payment_intent": "pi_2", "amount_total": 100, "currency": "usd",
        "client_reference_id": "f0000000-0000-4000-8000-000000000003"}}}') ->> 'reason' AS reason;
SELECT settle_payment('pi_2', 'paid back by bank transfer'), settle_payment('pi_2') AS again;
