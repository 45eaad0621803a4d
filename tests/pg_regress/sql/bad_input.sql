-- Bad input: SQLSTATE, machine code and message for each, and nothing written. The backend is the same before and after.
SELECT pg_backend_pid() AS backend \gset
\set brigade '''a0000000-0000-4000-8000-000000000003'''

SELECT call, refusal.* FROM unnest(ARRAY[
    -- NULL where a value is required
    'SELECT price_add_on(NULL)',
    'SELECT price_add_on(gen_random_uuid(), NULL)',
    'SELECT price_add_on(gen_random_uuid(), at => NULL)',
    'SELECT quote(NULL)',
    'SELECT quote(''[]'', at => NULL)',
    'SELECT price_cart(NULL)',
    'SELECT price_cart(''u'', at => NULL)',
    'SELECT cart_total(NULL)',
    'SELECT * FROM validate_promo_code(NULL)',
    'SELECT * FROM validate_promo_code(''X'', at => NULL)',
    'SELECT * FROM add_to_cart(NULL, gen_random_uuid())',
    'SELECT * FROM add_to_cart(''u'', NULL)',
    'SELECT * FROM add_to_cart(''u'', gen_random_uuid(), NULL)',
    'SELECT * FROM set_cart_quantity(NULL, gen_random_uuid(), 1)',
    'SELECT * FROM set_cart_quantity(''u'', NULL, 1)',
    'SELECT * FROM set_cart_quantity(''u'', gen_random_uuid(), NULL)',
    'SELECT remove_from_cart(NULL, gen_random_uuid())',
    'SELECT remove_from_cart(''u'', NULL)',
    'SELECT clear_cart(NULL)',
    -- unknown and withdrawn add-ons
    'SELECT price_add_on(''00000000-0000-0000-0000-000000000000'')',
    'SELECT quote(''[{"add_on_id": "00000000-0000-0000-0000-000000000000", "quantity": 1}]'')',
    'SELECT * FROM add_to_cart(''u'', ''00000000-0000-0000-0000-000000000000'')',
    'SELECT * FROM set_cart_quantity(''u'', ''00000000-0000-0000-0000-000000000000'', 1)',
    'UPDATE add_ons SET is_active = false; SELECT price_add_on(''a0000000-0000-4000-8000-000000000003'')',
    'UPDATE add_ons SET is_active = false; SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 1}]'')',
    'UPDATE add_ons SET is_active = false; SELECT * FROM add_to_cart(''u'', ''a0000000-0000-4000-8000-000000000003'')',
    -- quantities
    'SELECT price_add_on(''a0000000-0000-4000-8000-000000000003'', 0)',
    'SELECT price_add_on(''a0000000-0000-4000-8000-000000000003'', -1)',
    'SELECT price_add_on(''a0000000-0000-4000-8000-000000000003'', 2147483647)',
    'SELECT * FROM add_to_cart(''u'', ''a0000000-0000-4000-8000-000000000003'', 0)',
    'SELECT * FROM add_to_cart(''u'', ''a0000000-0000-4000-8000-000000000003'', -1)',
    'SELECT * FROM add_to_cart(''u'', ''a0000000-0000-4000-8000-000000000003'', 2147483647)',
    'SELECT * FROM set_cart_quantity(''u'', ''a0000000-0000-4000-8000-000000000003'', -1)',
    'SELECT * FROM set_cart_quantity(''u'', ''a0000000-0000-4000-8000-000000000003'', 2147483647)',
    -- a price beyond numeric(10,2)
    'UPDATE add_ons SET base_price = 99999999.99; SELECT price_add_on(''a0000000-0000-4000-8000-000000000003'', 2)',
    'UPDATE add_ons SET base_price = 100000000',
    'INSERT INTO cart_items (user_id, add_on_id, quantity) VALUES (''u'', ''a0000000-0000-4000-8000-000000000003'', 2147483647); SELECT price_cart(''u'')',
    -- malformed items
    'SELECT quote(''{}'')',
    'SELECT quote(''null'')',
    'SELECT quote(''"items"'')',
    'SELECT quote(''[1]'')',
    'SELECT quote(''[null]'')',
    'SELECT quote(''[{}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003"}]'')',
    'SELECT quote(''[{"quantity": 1}]'')',
    'SELECT quote(''[{"add_on_id": 3, "quantity": 1}]'')',
    'SELECT quote(''[{"add_on_id": "3", "quantity": 1}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": "1"}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 1.5}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 0}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": -1}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 1e300}]'')',
    'SELECT quote(''[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 1, "price": 0}]'')',
    'SELECT quote((SELECT jsonb_agg(item) FROM jsonb_build_object(''add_on_id'', ''a0000000-0000-4000-8000-000000000003'', ''quantity'', 2147483647) item, generate_series(1, 2)))',
    'SELECT quote((repeat(''['', 500) || repeat('']'', 500))::jsonb)',
    -- user ids
    'SELECT * FROM add_to_cart('''', ''a0000000-0000-4000-8000-000000000003'')',
    'SELECT * FROM add_to_cart(repeat(''u'', 256), ''a0000000-0000-4000-8000-000000000003'')',
    'SELECT clear_cart(repeat(''u'', 256))'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;

-- Every refusal has a DETAIL that ends with its code, and a HINT.
\set VERBOSITY default
SELECT price_add_on('00000000-0000-0000-0000-000000000000');
SELECT quote('[{"add_on_id": "a0000000-0000-4000-8000-000000000003", "quantity": 1, "price": 0}]');
SELECT price_add_on(:brigade, 2147483647);

SELECT (SELECT count(*) FROM cart_items) AS cart_items, (SELECT count(*) FROM add_ons WHERE is_active AND base_price < 50) AS add_ons,
       pg_backend_pid() = :backend AS same_backend;
