-- Comments and costs of the functions of src/api/checkout.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.checkout(text, text, text, numeric, text, boolean) IS
'Sells the user''s cart: prices it at one instant, claims the uses of its code and bundles, creates a pending purchase for each line, and
empties the cart (semantics 6). If it is refused, nothing is changed. A total of 0.00 is completed at once. Add-ons that
are no longer sold stay in the cart.
Arguments: user_id, 1 to 255 characters; tier_code; promo_code; expected_total, what the shopper was shown; idempotency_key, up to 255
characters: the same key with the same arguments returns the same purchases; allow_mixed_billing, sells lines that cannot be paid
in one session.
Returns: a row for each purchase, in the order of the cart, all with one checkout_id.
Errors: 22023 null_argument, invalid_user_id, invalid_amount, text_too_long, idempotency_key_reused; 55000 empty_cart,
price_changed, price_not_chargeable, currency_unusable, row_swallowed; 23514 promo_refused, already_owned, mixed_billing; 22003
amount_out_of_range; 40001 idempotency_key_unseen; 42501 other_user.';
ALTER FUNCTION @extschema@.checkout(text, text, text, numeric, text, boolean) COST 10000 ROWS 3;

COMMENT ON FUNCTION @extschema@.complete_checkout(uuid, text, text, text) IS
'Completes a checkout that was paid, and grants its add-ons: a month, a year, or access without end (semantics 4, 5). Repeating it
changes nothing and returns the same.
Arguments: checkout_id; stripe_payment_id, lago_invoice_id, up to 255 characters; payment_method, up to 50.
Returns: a row for each purchase, in the order of the cart: when the access that it pays for ends, NULL for no end.
Errors: 22023 null_argument, text_too_long; P0002 checkout_not_found; 23514 payment_used; 55000 checkout_state, payment_mismatch,
row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.complete_checkout(uuid, text, text, text) COST 10000 ROWS 3;

COMMENT ON FUNCTION @extschema@.fail_checkout(uuid, text, boolean) IS
'Gives up a checkout that will not be paid, and gives back the uses of its code and bundles (semantics 4).
Arguments: checkout_id; reason, kept in metadata; restore_cart, puts the lines back into the cart, unless they are already in it. A payment
that is reported later still completes it.
Returns: whether anything changed.
Errors: 22023 null_argument; P0002 checkout_not_found; 55000 checkout_state, row_swallowed; 42501 other_user.';
ALTER FUNCTION @extschema@.fail_checkout(uuid, text, boolean) COST 10000;

COMMENT ON FUNCTION @extschema@.stripe_checkout(uuid, text, text) IS
'What to send to Stripe so that a checkout can be paid there (semantics 6): parameters of a Checkout session in Stripe''s minor
units, whose items add up to what the checkout costs. Send them as they are; Stripe''s API takes them flattened, line_items[0][quantity].
Arguments: checkout_id, of a checkout that waits for its payment; success_url, cancel_url, absolute, up to 5000 characters.
Returns: session, for POST /v1/checkout/sessions; coupon, null, or what to send to POST /v1/coupons before it, where a promotional code
is for the first payments and not for all renewals. The coupon has the checkout''s id and can be used once.
Errors: 22023 null_argument, text_too_long, invalid_url; P0002 checkout_not_found; 55000 checkout_state; 23514 not_payable.';
ALTER FUNCTION @extschema@.stripe_checkout(uuid, text, text) COST 1000;

SET LOCAL search_path = @extschema@, pg_temp;
