\set user random(1, :users)
\set feature random(1, :add_ons)
SELECT has_feature('user-' || :user::integer, 'feature_' || :feature::integer);
