-- Comments and costs of the functions of src/api/events.rs.
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

SET LOCAL search_path = @extschema@, pg_temp;
