SELECT allowed FROM consume_feature('bob', 'code_review', 8);
SELECT feature_key, granted, used, remaining FROM feature_usage('bob');
SELECT granted, used, remaining FROM feature_usage('bob', 'code_review', now() + interval '1 day');
