-- Searching the sample catalog.
SELECT name, rank > 0 AS ranked FROM search_add_ons('vector');            -- a name counts more than a description
SELECT name FROM search_add_ons('vec sea');                               -- words by their beginning, all of them
SELECT name FROM search_add_ons('SPEECH text');                           -- in any case and order
SELECT name FROM search_add_ons('(TTS)');
SELECT name FROM search_add_ons('center-deep');
SELECT name FROM search_add_ons('text-to-speech');                        -- with hyphens, and without
SELECT name FROM search_add_ons('centre-deep');
SELECT name FROM search_add_ons('unheard of');
SELECT name FROM search_add_ons('''; DROP TABLE add_ons; --');
SELECT name FROM search_add_ons(E'back\\slash & | ! <-> :* ''quotes''');
SELECT count(*) FROM search_add_ons('!!!');                               -- no words: nothing matches
SELECT count(*) FROM search_add_ons('   ');                               -- no search text: everything does
SELECT name, base_price, billing_type, category, rank FROM search_add_ons();
SELECT name FROM search_add_ons(category => 'infrastructure');
SELECT name FROM search_add_ons(category => 'no such category');
SELECT name FROM search_add_ons(feature_key => 'api_access');
SELECT name FROM search_add_ons('compute', 'infrastructure', 'api_access', 40, 60);
SELECT name, base_price FROM search_add_ons(min_price => 12.99, max_price => 14.99);
SELECT name FROM search_add_ons(max_rows => 2, skip => 1);
SELECT count(*) FROM search_add_ons(max_rows => NULL, skip => NULL);
SELECT count(*) FROM search_add_ons(max_rows => 0);
SELECT name FROM search_add_ons(max_rows => -1);
SELECT name FROM search_add_ons(skip => -1);
SELECT count(*) FROM search_add_ons(min_price => 'NaN');
SELECT add_on_id, name, description, features FROM search_add_ons('orator');
BEGIN;
UPDATE add_ons SET is_active = false WHERE name = 'Vector Search';        -- not for sale
UPDATE add_on_features SET enabled = false WHERE feature_key = 'gpu_hours';-- withheld, though listed
SELECT name FROM search_add_ons('vector');
SELECT name FROM search_add_ons(feature_key => 'gpu_hours');
ROLLBACK;
