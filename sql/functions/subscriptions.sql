-- Comments and costs of the functions of src/api/subscriptions.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.grant_add_on(text, uuid, timestamptz) IS
'Gives the user an add-on without a purchase. Access that the user already has is not shortened (semantics 5).
Arguments: user_id, 1 to 255 characters; add_on_id, for sale or not; expires_at, in the future, NULL for no end.
Returns: the add-on and when access ends.
Errors: 22023 null_argument, invalid_user_id, expiry_not_ahead; P0002 add_on_not_found; 42501 other_user.';
ALTER FUNCTION @extschema@.grant_add_on(text, uuid, timestamptz) COST 5000 ROWS 1;

COMMENT ON FUNCTION @extschema@.renew_add_on(text, uuid, numeric, text, text) IS
'Extends an add-on by its period, from its end if that is in the future, otherwise from now, and records the payment as a purchase. A payment
or invoice that was seen before changes nothing; one that has paid for another user is refused (semantics 5).
Arguments: user_id; add_on_id; amount, stripe_payment_id and lago_invoice_id, what is known of the payment; without any, none is
recorded.
Returns: the new end; NULL for no end.
Errors: 22023 null_argument, invalid_user_id, invalid_amount, text_too_long; P0002 not_owned; 23514 payment_used; 42501 other_user.';
ALTER FUNCTION @extschema@.renew_add_on(text, uuid, numeric, text, text) COST 5000;

COMMENT ON FUNCTION @extschema@.cancel_add_on(text, uuid, text, boolean) IS
'Cancels an add-on: it runs out at the end of its period, or ends immediately (semantics 5).
Arguments: user_id; add_on_id; reason; immediately.
Returns: when access ends; NULL for never, because a one-time purchase has no period to run out.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned; 42501 other_user.';
ALTER FUNCTION @extschema@.cancel_add_on(text, uuid, text, boolean) COST 5000;

COMMENT ON FUNCTION @extschema@.suspend_add_on(text, uuid, text) IS
'Withholds an add-on until it is resumed.
Arguments: user_id; add_on_id; reason.
Returns: whether anything changed.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned; 42501 other_user.';
ALTER FUNCTION @extschema@.suspend_add_on(text, uuid, text) COST 5000;

COMMENT ON FUNCTION @extschema@.resume_add_on(text, uuid) IS
'Gives a suspended add-on back.
Arguments: user_id; add_on_id.
Returns: whether anything changed.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned; 42501 other_user.';
ALTER FUNCTION @extschema@.resume_add_on(text, uuid) COST 5000;

SET LOCAL search_path = @extschema@, pg_temp;
