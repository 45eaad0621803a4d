SELECT allowed, used, remaining, granted FROM consume_feature('bob', 'gpu_hours', 12.5, idempotency_key => 'job 1');
SELECT allowed, used, remaining, granted FROM consume_feature('bob', 'gpu_hours', 12.5, idempotency_key => 'job 1');
SELECT allowed, used, remaining, granted FROM consume_feature('bob', 'gpu_hours', 50);
SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'gpu_hours');
