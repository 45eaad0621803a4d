-- Selling a cart: what is written, what is refused, and that a refusal leaves nothing behind.
\set brigade '''a0000000-0000-4000-8000-000000000003'''
\set bolt '''a0000000-0000-4000-8000-000000000004'''
\set vectors '''a0000000-0000-4000-8000-000000000008'''
BEGIN;
CREATE VIEW pg_temp.sold AS
SELECT a.name, p.amount, p.currency, p.quantity, p.promo_code, p.status FROM add_on_purchases p JOIN add_ons a ON a.id = p.add_on_id ORDER BY p.checkout_id, (p.metadata ->> 'position')::integer;
CREATE VIEW pg_temp.uses AS
SELECT (SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025') AS launch2025, (SELECT current_uses FROM add_on_bundles WHERE name = 'Developer Pro') AS developer_pro;

SELECT quantity FROM add_to_cart('ada', :bolt);
SELECT quantity FROM add_to_cart('ada', :vectors);
SELECT quantity FROM add_to_cart('ada', :brigade, 2);
SELECT cart_total('ada', promo_code => 'launch2025') AS total \gset
SELECT add_on_id, quantity, amount, currency, status FROM checkout('ada', promo_code => ' launch2025', expected_total => :total);
SELECT * FROM pg_temp.sold;
SELECT * FROM pg_temp.uses;
SELECT count(*) AS left_in_cart FROM cart_items;

-- Each purchase keeps its line of the quote, and the first of them all of it.
SELECT checkout_id FROM add_on_purchases LIMIT 1 \gset
SELECT metadata ->> 'position' AS position, metadata #>> '{quote_line,name}' AS name, (metadata #>> '{quote_line,total}')::numeric = amount AS costs_its_line,
       metadata ? 'quote' AS has_quote, metadata #>> '{quote,total}' AS total, metadata #>> '{quote,promo,code}' AS code, metadata #>> '{quote,bundles,0,name}' AS bundle
  FROM add_on_purchases ORDER BY (metadata ->> 'position')::integer;
UPDATE add_ons SET base_price = 1, name = 'Renamed' WHERE id = :brigade;
SELECT metadata -> 'quote_line' -> 'unit_list_price' AS price, metadata #>> '{quote_line,name}' AS name FROM add_on_purchases WHERE add_on_id = :brigade;
UPDATE add_ons SET base_price = 19.99, name = 'Brigade' WHERE id = :brigade;

-- The cart is empty now, and sold only once.
SELECT * FROM testing.refusal('SELECT * FROM checkout(''ada'')');
SELECT * FROM pg_temp.uses;

-- Giving up gives the uses back, once.
SELECT fail_checkout(:'checkout_id', 'changed their mind');
SELECT fail_checkout(:'checkout_id');
SELECT DISTINCT status, metadata ->> 'reason' AS reason FROM add_on_purchases;
SELECT * FROM pg_temp.uses;

-- A refused code: all reasons, and nothing written. So with a total that is not expected, and ways of billing that do not mix.
SELECT quantity FROM add_to_cart('bob', :brigade);
UPDATE promotional_codes SET min_purchase_amount = 100, user_restrictions = '{"tier": "vip", "first_purchase_only": true}' WHERE code = 'LAUNCH2025';
INSERT INTO cart_items (user_id, add_on_id, billing_type) VALUES ('mixed', :brigade, 'annual'), ('mixed', :bolt, 'one_time'), ('mixed', :vectors, 'monthly');
SELECT call, refusal.* FROM unnest(ARRAY[
    'SELECT * FROM checkout(''bob'', promo_code => ''launch2025'')',
    'SELECT * FROM checkout(''bob'', promo_code => ''nope'')',
    'SELECT * FROM checkout(''bob'', expected_total => 19.98)',
    'SELECT * FROM checkout(''bob'', promo_code => ''launch2025'', expected_total => 15.99)',
    'SELECT * FROM checkout(''bob'', expected_total => 19.990001)',
    'UPDATE add_ons SET base_price = base_price + 0.01; SELECT * FROM checkout(''bob'', expected_total => 19.99)',
    'DELETE FROM cart_items; SELECT * FROM checkout(''bob'', expected_total => 19.99)',
    'UPDATE add_ons SET is_active = false; SELECT * FROM checkout(''bob'')',
    'SELECT * FROM checkout(''mixed'')'
]) WITH ORDINALITY calls (call, position), testing.refusal(call) ORDER BY position;
SELECT count(*) FILTER (WHERE user_id = 'bob') AS bobs, (SELECT count(*) FROM cart_items WHERE user_id = 'bob') AS in_cart FROM add_on_purchases;
\set VERBOSITY default
SAVEPOINT refused;
SELECT * FROM checkout('bob', promo_code => 'launch2025', expected_total => 15.99);
ROLLBACK TO refused;
SELECT * FROM checkout('mixed');
ROLLBACK TO refused;
\set VERBOSITY terse
SELECT count(*) AS lines, count(DISTINCT checkout_id) AS checkouts FROM checkout('mixed', allow_mixed_billing => true);

-- What is withdrawn from sale stays in the cart, unsold.
SELECT quantity FROM add_to_cart('eve', :brigade);
SELECT quantity FROM add_to_cart('eve', :bolt);
UPDATE add_ons SET is_active = false WHERE id = :bolt;
SELECT add_on_id, amount FROM checkout('eve');
SELECT add_on_id FROM cart_items WHERE user_id = 'eve';
UPDATE add_ons SET is_active = true WHERE id = :bolt;

-- The same key with the same request: the same answer. With another: an error.
SELECT add_on_id, amount, status FROM checkout('bob', expected_total => 19.99, idempotency_key => 'tab 1');
SELECT add_on_id, amount, status FROM checkout('bob', expected_total => 19.99, idempotency_key => 'tab 1');
SELECT quantity FROM add_to_cart('bob', :bolt);
SELECT add_on_id, amount, status FROM checkout('bob', expected_total => 19.990, idempotency_key => 'tab 1'); -- the cart is not looked at
SELECT state, code, regexp_replace(message, '[0-9a-f-]{36}', 'ID') AS message FROM testing.refusal('SELECT * FROM checkout(''bob'', idempotency_key => ''tab 1'')');
SELECT add_on_id, amount FROM checkout('bob', idempotency_key => 'tab 2');
SELECT quantity FROM add_to_cart('eve', :brigade);
SELECT add_on_id, amount FROM checkout('eve', idempotency_key => 'tab 1'); -- another user's key is another key

-- A cart that costs nothing is complete at once.
INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('GRATIS', 'percentage', 100);
SELECT quantity FROM add_to_cart('zoë 💡', :brigade);
SELECT amount, status FROM checkout('zoë 💡', promo_code => 'gratis');
SELECT has_add_on('zoë 💡', :brigade);

-- The setting extensions.currency decides the currency of what is sold.
SET LOCAL extensions.currency = 'EUR';
SELECT quantity FROM add_to_cart('fee', :brigade);
SELECT amount, currency FROM checkout('fee');
SELECT * FROM check_marketplace() WHERE NOT ok;
SELECT severity, split_part(detail, ' ', 2) || '...' || substring(detail FROM 'prices.*') AS detail FROM check_marketplace() WHERE check_name = 'purchase_currencies';
ROLLBACK;
