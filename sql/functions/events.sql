-- What people and the planner are told about the functions of src/api/events.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.apply_stripe_event(jsonb) IS
'Applies the body of a Stripe webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Stripe sends it, of any API version. Our checkout is found by metadata.checkout_id or
client_reference_id, else by the payment or the subscription.
Returns: {"handled": boolean, "action": text, ...}. handled is false for what does not concern us (ignored), what names nothing we
know yet (not_found: answer with an error, and it will be delivered again), and what is refused because amount or currency differ
from ours or the checkout has failed (refused, with reason, expected and received). Otherwise changed says whether this delivery
changed anything; a refund or dispute that comes before its payment is applied with it (noted_until_paid).
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
