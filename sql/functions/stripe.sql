-- What people and the planner are told about the functions of src/api/stripe.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.stripe_checkout(uuid, text, text) IS
'What to send to Stripe so that a checkout can be paid there (semantics 6): parameters of a Checkout session in Stripe''s minor
units, whose items add up to what the checkout costs. Send them as they are; Stripe''s API takes them flattened, line_items[0][quantity].
Arguments: checkout_id, of a checkout that waits for its payment; success_url, cancel_url, absolute, up to 5000 characters.
Returns: session, for POST /v1/checkout/sessions; coupon, null, or what to send to POST /v1/coupons before it, where a promotional code
is for the first payments and not for all renewals. The coupon has the checkout''s id and can be used once.
Errors: 22023 null_argument, text_too_long, invalid_url; P0002 checkout_not_found; 55000 checkout_state; 23514 not_payable.';
ALTER FUNCTION @extschema@.stripe_checkout(uuid, text, text) COST 1000;

SET LOCAL search_path = @extschema@, pg_temp;
