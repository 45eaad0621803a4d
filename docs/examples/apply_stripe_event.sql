SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1795000000,
    "data": {"object": {"id": "cs_1", "object": "checkout.session", "payment_status": "paid", "payment_intent": "pi_1",
        "amount_subtotal": 999, "amount_total": 999, "currency": "usd",
        "client_reference_id": "f0000000-0000-4000-8000-000000000003"}}}');
