SELECT * FROM reconcile_stripe('{"object": "list", "has_more": false, "data": [
    {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 999, "amount_received": 999, "currency": "usd",
     "metadata": {"checkout_id": "f0000000-0000-4000-8000-000000000003"}},
    {"id": "pi_2", "object": "payment_intent", "status": "succeeded", "amount": 4200, "amount_received": 4200, "currency": "usd",
     "metadata": {}}]}');
