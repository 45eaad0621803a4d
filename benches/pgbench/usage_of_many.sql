\set user random(0, 2000)
SELECT allowed FROM consume_feature('meter-' || :user::integer, 'metered');
