-- Sources of access, renewal prices, and payments that were not applied: comments and costs of the functions of
-- src/api/sources.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

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

COMMENT ON FUNCTION @extschema@.settle_payment(text, text) IS
'Records that a payment that was not applied has been dealt with: unsettled_payments() no longer lists it, and it completes nothing later
(semantics 4.3).
Arguments: payment_id, as unsettled_payments() names it; note, what was done, kept with the facts.
Returns: whether there was one.
Errors: 22023 null_argument, text_too_long.';
ALTER FUNCTION @extschema@.settle_payment(text, text) COST 10000;

COMMENT ON FUNCTION @extschema@.unsettled_payments() IS
'Payments that were taken but pay for nothing: a second payment, a wrong amount or currency, a payment that came too late (semantics
4.3). Each is listed until its refund is reported or settle_payment() is called.
Arguments: none.
Returns: a row for each payment, the earliest first: its id, stripe or lago, the checkout that it is about, the user, what was taken with
tax, the currency, and why it was not applied: already_paid, amount_mismatch, currency_mismatch, payment_used or checkout_failed.
Errors: none.';
ALTER FUNCTION @extschema@.unsettled_payments() COST 10000 ROWS 10;

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
