-- Comments and costs of the functions of src/api/purchases.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.refund_purchase(uuid, numeric, text) IS
'Records a refund of a purchase, in part or in full. When the whole amount is refunded, the status becomes refunded, and access ends unless
another purchase pays for it. With the last purchase of a checkout, the uses of its code and bundles are given back (semantics 4).
Arguments: purchase_id; amount, a multiple of the smallest amount in its currency, NULL for all that is left; reason, kept in metadata.
Returns: the amount refunded so far.
Errors: 22023 null_argument, invalid_amount; P0002 purchase_not_found; 55000 purchase_state; 23514 refund_exceeds_amount; 42501
other_user.';
ALTER FUNCTION @extschema@.refund_purchase(uuid, numeric, text) COST 5000;

COMMENT ON FUNCTION @extschema@.dispute_purchase(uuid, text) IS
'Records that the payment of a completed purchase is contested, and withholds its access (semantics 4, 5).
Arguments: purchase_id; reason, kept in metadata.
Returns: the new status.
Errors: 22023 null_argument; P0002 purchase_not_found; 55000 purchase_state; 42501 other_user.';
ALTER FUNCTION @extschema@.dispute_purchase(uuid, text) COST 5000;

COMMENT ON FUNCTION @extschema@.resolve_dispute(uuid, boolean) IS
'Records how a dispute was decided: won, access is given back; lost, the purchase is refunded in full (semantics 4, 5).
Arguments: purchase_id; won.
Returns: the new status.
Errors: 22023 null_argument; P0002 purchase_not_found; 55000 purchase_state; 42501 other_user.';
ALTER FUNCTION @extschema@.resolve_dispute(uuid, boolean) COST 5000;

COMMENT ON FUNCTION @extschema@.purchase_history(text, text, integer, integer) IS
'The user''s purchases, newest first.
Arguments: user_id; status, one of pending, completed, failed, refunded, disputed, NULL for all; max_rows, NULL for all; skip.
Returns: the purchases, with the present names of the add-ons.
Errors: 22023 null_argument, unknown_word, invalid_count.';
ALTER FUNCTION @extschema@.purchase_history(text, text, integer, integer) COST 2000 ROWS 50;

COMMENT ON FUNCTION @extschema@.list_purchases(text, text, integer, integer) IS
'A page of the user''s purchases for a list, newest first: what purchase_history() returns, with the ids of providers and checkouts, and the
total number. The view purchase_details has the same for a purchase, a checkout or all users.
Arguments: user_id; status, one of pending, completed, failed, refunded, disputed, NULL for all; max_rows, NULL for all; skip.
Returns: the purchases, with the present names, categories, versions and pictures of the add-ons; total_count, in each row the number of
purchases on all pages. A page without rows has no total.
Errors: 22023 null_argument, unknown_word, invalid_count.';
ALTER FUNCTION @extschema@.list_purchases(text, text, integer, integer) COST 2500 ROWS 20;

SET LOCAL search_path = @extschema@, pg_temp;
