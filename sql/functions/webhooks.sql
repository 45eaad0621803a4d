-- Comments and costs of the functions of src/api/webhooks.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.apply_stripe_event(jsonb) IS
'Applies the body of a Stripe webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Stripe sends it, of any API version since 2022. Our checkout is found by metadata.checkout_id or
client_reference_id, otherwise by any id that is already known.
Returns: {"handled": boolean, "action": text, "retry": boolean, ...}. retry is true if the body names a checkout that does not exist yet
(not_found): answer the provider with an error, and it will deliver again; answer everything else with success. handled is false for this,
for events that do not concern us (ignored, not_ours, unknown_status), and for a payment that is not applied (refused, with reason,
payment_id, expected, received and, if there was tax or shipping in it, on_top; unsettled_payments() lists it). Otherwise changed says whether this delivery changed anything.
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.apply_stripe_event(jsonb) COST 10000;

COMMENT ON FUNCTION @extschema@.apply_lago_event(jsonb) IS
'Applies the body of a Lago webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Lago sends it. Our checkout is found by a checkout_id in the metadata of the invoice or as the external
id of the subscription, else by the invoice or the subscription.
Returns: as apply_stripe_event().
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.apply_lago_event(jsonb) COST 10000;

COMMENT ON FUNCTION @extschema@.reconcile_stripe(jsonb, timestamptz) IS
'Applies objects that were fetched from Stripe''s API, for webhooks that did not arrive (semantics 4). Objects that are already known change
nothing. examples/reconcile_stripe.py fetches them.
Arguments: objects, an array of objects, a list as the API returns it, or one object: checkout sessions, payment intents, charges,
refunds, disputes, invoices, invoice payments, subscriptions, events; fetched_at, when they were fetched, not in the future.
Returns: a row for each object: its id, the result, as an action of apply_stripe_event(), and whether that changed anything.
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden; 54000 document_too_large, document_too_costly.';
ALTER FUNCTION @extschema@.reconcile_stripe(jsonb, timestamptz) COST 100000 ROWS 100;

COMMENT ON FUNCTION @extschema@.unsettled_payments() IS
'Payments that were taken but pay for nothing: a second payment, a wrong amount or currency, a payment that came too late (semantics
4.3). Each is listed until its refund is reported or settle_payment() is called.
Arguments: none.
Returns: a row for each payment, the earliest first: its id, stripe or lago, the checkout that it is about, the user, what was taken with
tax, the currency, and why it was not applied: already_paid, amount_mismatch, currency_mismatch, payment_used or checkout_failed.
Errors: none.';
ALTER FUNCTION @extschema@.unsettled_payments() COST 10000 ROWS 10;

COMMENT ON FUNCTION @extschema@.settle_payment(text, text) IS
'Records that a payment that was not applied has been dealt with: unsettled_payments() no longer lists it, and it completes nothing later
(semantics 4.3).
Arguments: payment_id, as unsettled_payments() names it; note, what was done, kept with the facts.
Returns: whether there was one.
Errors: 22023 null_argument, text_too_long.';
ALTER FUNCTION @extschema@.settle_payment(text, text) COST 10000;

SET LOCAL search_path = @extschema@, pg_temp;
