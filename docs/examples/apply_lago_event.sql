SELECT apply_lago_event('{"webhook_type": "subscription.terminated", "object_type": "subscription", "subscription": {"lago_id": "s1",
    "external_id": "unknown", "status": "terminated", "terminated_at": "2026-12-01T00:00:00Z"}}');
