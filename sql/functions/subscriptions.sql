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

COMMENT ON FUNCTION @extschema@.start_trial(text, uuid) IS
'Gives the user an add-on for its trial_days, only once (semantics 5). A purchase during the trial begins at its end.
Arguments: user_id, 1 to 255 characters; add_on_id.
Returns: the add-on and when the trial ends.
Errors: 22023 null_argument, invalid_user_id; P0002 add_on_not_found; 23514 no_trial, trial_refused; 42501 other_user.';
ALTER FUNCTION @extschema@.start_trial(text, uuid) COST 5000 ROWS 1;

COMMENT ON FUNCTION @extschema@.explain_access(text, uuid, timestamptz) IS
'Every source of a user''s access to an add-on, and why it gives access or does not (semantics 5).
Arguments: user_id, 1 to 255 characters; add_on_id; at.
Returns: a row for each source, the earliest first: purchase, subscription, grant, trial, or host, a row that was not written by these
functions; source_id, the purchase, the subscription or the number of the grant; its window, NULL where it gives no time; whether it
gives access at that instant; and why. A suspension by hand is a row of its own.
Errors: 22023 null_argument, invalid_user_id.';
ALTER FUNCTION @extschema@.explain_access(text, uuid, timestamptz) COST 5000 ROWS 3;

COMMENT ON FUNCTION @extschema@.upcoming_renewals(text, timestamptz) IS
'What will be renewed, when, and at which price (semantics 5): add-ons that renew automatically and whose period ends by a given time.
Arguments: user_id, NULL for everybody; until, a month from now by default.
Returns: a row for each add-on, the next first: the user, the add-on, when its period ends, renewal_amount, the currency that it was
bought in, and the promotional code that the amount takes into account.
Errors: none.';
ALTER FUNCTION @extschema@.upcoming_renewals(text, timestamptz) COST 10000 ROWS 100;

COMMENT ON FUNCTION @extschema@.reprice_renewals(uuid) IS
'Sets the renewal price of an add-on to today''s price, for everybody who has bought it (semantics 5). The price is that of
price_add_on() for the units that the user has, without a tier or a code.
Arguments: add_on_id.
Returns: how many amounts changed.
Errors: 22023 null_argument; P0002 add_on_not_found; 55000 add_on_not_for_sale, row_swallowed.';
ALTER FUNCTION @extschema@.reprice_renewals(uuid) COST 1000000;

SET LOCAL search_path = @extschema@, pg_temp;
