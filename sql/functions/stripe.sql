-- Comments and costs of the functions of src/api/stripe.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.stripe_checkout(uuid, text, text) IS
'What to send to Stripe so that a checkout can be paid there (semantics 6): parameters of a Checkout session in Stripe''s minor
units, whose items add up to what the checkout costs. Send them as they are; Stripe''s API takes them flattened, line_items[0][quantity].
Arguments: checkout_id, of a checkout that waits for its payment; success_url, cancel_url, absolute, up to 5000 characters.
Returns: session, for POST /v1/checkout/sessions; coupon, null, or what to send to POST /v1/coupons before it, where a promotional code
is for the first payments and not for all renewals. The coupon has the checkout''s id and can be used once.
Errors: 22023 null_argument, text_too_long, invalid_url; P0002 checkout_not_found; 55000 checkout_state; 23514 not_payable.';
ALTER FUNCTION @extschema@.stripe_checkout(uuid, text, text) COST 1000;

COMMENT ON FUNCTION @extschema@.reconcile_stripe(jsonb, timestamptz) IS
'Applies objects that were fetched from Stripe''s API, for webhooks that did not arrive (semantics 4). Objects that are already known change
nothing. examples/reconcile_stripe.py fetches them.
Arguments: objects, an array of objects, a list as the API returns it, or one object: checkout sessions, payment intents, charges,
refunds, disputes, invoices, invoice payments, subscriptions, events; fetched_at, when they were fetched, not in the future.
Returns: a row for each object: its id, the result, as an action of apply_stripe_event(), and whether that changed anything.
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.reconcile_stripe(jsonb, timestamptz) COST 100000 ROWS 100;

SET LOCAL search_path = @extschema@, pg_temp;
