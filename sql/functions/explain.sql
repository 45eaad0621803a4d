-- Comments and costs of the functions of src/api/explain.rs.
SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION @extschema@.explain_cart(text, text, text, timestamptz) IS
'Why the user''s cart costs what price_cart() says: a row for each candidate of each step, applied or not, and why (semantics 2).
Arguments: as for price_cart().
Returns: the rows in the order of the steps. step, counted from 1; stage, one of line, rule, bundle, bundle_split, promo_condition,
promo, promo_split, total; add_on_id, the line''s, where the row is about one line; source_id, the rule, the bundle or the code;
source, its name; outcome: listed or unavailable (line), applied, lost or ineligible (rule), applied, not_chosen or ineligible
(bundle), met or the reason of the refusal (promo_condition), applied or refused (promo), to_pay (total); base, the amount that it
starts from, of a total what is to pay; discount, what it takes off its line, so that the rows add up to the quote''s
discount_total; detail, why, with the values compared.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range.';
ALTER FUNCTION @extschema@.explain_cart(text, text, text, timestamptz) COST 40000 ROWS 20;

COMMENT ON FUNCTION @extschema@.explain_cart_text(text, text, text, timestamptz) IS
'explain_cart() as an indented tree, for people who answer "why do I pay this?".
Arguments: as for price_cart().
Returns: the tree, in the style of EXPLAIN.
Errors: 22023 null_argument; 55000 price_not_chargeable, currency_unusable; 22003 amount_out_of_range; 54000
explanation_too_long.';
ALTER FUNCTION @extschema@.explain_cart_text(text, text, text, timestamptz) COST 40000;

SET LOCAL search_path = @extschema@, pg_temp;
