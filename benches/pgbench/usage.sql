SELECT allowed FROM consume_feature('meter-0', 'metered');
