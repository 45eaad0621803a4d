-- Comments and costs of the functions of src/api/simulations.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.simulate_pricing_rule(jsonb, uuid, text, timestamptz) IS
'The stored carts whose total would change if a pricing rule were added, or replaced another. Nothing is written.
Arguments: rule, an object with the columns of pricing_rules as keys, of which add_on_id is required and the others have the
defaults of the table; replaces, the id of the rule that it replaces, NULL to add it; tier_code, as if every user had it; at.
A rule without an id has the id of the one it replaces, or else comes last among equals.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before; total_after.
Errors: 22023 null_argument, malformed_argument; 23514 draft_refused, what a constraint of the table
refuses, malformed_column; P0002 add_on_not_found, replaced_not_found; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000 document_too_large, document_too_costly,
catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_pricing_rule(jsonb, uuid, text, timestamptz) COST 10000000 ROWS 1000;

COMMENT ON FUNCTION @extschema@.simulate_bundle(jsonb, uuid, text, timestamptz) IS
'The stored carts whose total would change if a bundle were added, or replaced another. Nothing is written.
Arguments: bundle, an object with the columns of add_on_bundles as keys, of which add_on_ids is required and the others have the
defaults of the table; replaces, the id of the bundle that it replaces, NULL to add it; tier_code, as if every user had it; at.
Each cart is priced on its own, as if all remaining uses were available to it.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before; total_after.
Errors: 22023 null_argument, malformed_argument; 23514 draft_refused, what a constraint of the table
refuses; P0002 replaced_not_found; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000 document_too_large,
catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_bundle(jsonb, uuid, text, timestamptz) COST 10000000 ROWS 1000;

COMMENT ON FUNCTION @extschema@.simulate_promo_code(jsonb, text, timestamptz) IS
'The stored carts whose total would change if every cart used a promotional code. Nothing is written.
Arguments: code, an object with the columns of promotional_codes as keys, of which discount_type and discount_value are required and
the others have the defaults of the table; redemptions of an existing code count for max_uses_per_user when its code is given;
tier_code, as if every user had it; at.
Each cart is priced on its own, as if all remaining uses were available to it.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before, without any code; total_after.
Errors: 22023 null_argument, malformed_argument; 23514 draft_refused, what a constraint of the table
refuses, malformed_column; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000 document_too_large, document_too_costly,
catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_promo_code(jsonb, text, timestamptz) COST 20000000 ROWS 100000;

COMMENT ON FUNCTION @extschema@.simulate_renewals(uuid, numeric, jsonb, uuid, timestamptz) IS
'The renewals whose price would change if an add-on had other prices and reprice_renewals() were called. Nothing is written. Without another
price or rule, it shows what reprice_renewals() would change now.
Arguments: add_on_id; base_price, what the add-on would cost, NULL for what it costs; rule, a pricing rule of the add-on that would be
added, an object with the columns of pricing_rules as keys, of which add_on_id is required and the others have the defaults of the table;
replaces, the id of the rule that it replaces, or that is dropped if rule is NULL; at, when it would be priced.
Returns: a row for each renewal whose amount would change, in no particular order: user_id; due_at, when the period ends; amount_before,
as it is locked; amount_after.
Errors: 22023 null_argument, malformed_argument, invalid_amount; 23514 draft_refused, what a constraint of the
table refuses; P0002 add_on_not_found, replaced_not_found; 55000 add_on_not_for_sale, price_not_chargeable, currency_unusable; 22003
amount_out_of_range; 54000 document_too_large, document_too_costly, catalog_too_large, value_too_large.';
ALTER FUNCTION @extschema@.simulate_renewals(uuid, numeric, jsonb, uuid, timestamptz) COST 1000000 ROWS 1000;

SET LOCAL search_path = @extschema@, pg_temp;
