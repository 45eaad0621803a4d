\set feature random(1, :add_ons)
SELECT * FROM search_add_ons(feature_key => 'listed_' || :feature::integer);
