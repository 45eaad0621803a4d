-- What people, the planner and roles are told about functions. Comments say what each does, for \df+ and for the reference
-- documentation, which is generated from them: a summary, then Arguments, Returns, and Errors as "SQLSTATE code, code; SQLSTATE code".
SET LOCAL search_path = pg_catalog, pg_temp;

-- Pricing

COMMENT ON FUNCTION @extschema@.price_add_on(uuid, integer, text, timestamptz) IS
'What a line costs on its own: list price times quantity, less its pricing rules, for nobody in particular (semantics 2.1, 2.2).
Arguments: add_on_id; quantity, units from 1; tier_code, whose rules count besides those for everybody; at, the instant of all decisions.
Returns: the amount, with two decimals, in extensions.currency.
Errors: 22023 null_argument, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.quote(jsonb, text, text, text, timestamptz) IS
'Prices any items as a cart: pricing rules, bundles, promotional code, totals (semantics 2). The order of the items does not matter.
Arguments: items, [{"add_on_id": uuid, "quantity": integer from 1}, ...], the same add-on given twice being one line; user_id, for
conditions on what the user owns or bought; tier_code; promo_code, in any case, with or without blanks around it; at.
Returns: the quote, an object with lines (in add-on id order), unavailable, bundles, bundle_search, promo, list_total,
discount_total, total, line_count, item_count, user_id, tier_code, currency and priced_at. Amounts have two decimals. A refused
code does not fail the quote: promo.valid is false and promo.reasons says why.
Errors: 22023 null_argument, malformed_argument; P0002 add_on_not_found; 55000 add_on_not_for_sale; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.price_cart(text, text, text, timestamptz) IS
'Prices the user''s stored cart: pricing rules, bundles, promotional code, totals (semantics 2).
Arguments: user_id; tier_code; promo_code, in any case, with or without blanks around it; at, the instant of all decisions.
Returns: the quote, as quote() does, its lines in the order in which they were added. Add-ons that are no longer sold are left out
of the totals and listed under unavailable.
Errors: 22023 null_argument; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.cart_total(text, text, text, timestamptz) IS
'The total of price_cart() alone.
Arguments: as for price_cart().
Returns: what is to pay, with two decimals; 0.00 for an empty cart.
Errors: 22023 null_argument; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.price_carts(text, text, timestamptz) IS
'Prices every stored cart in one scan: what cart_total() says of each user, without asking user by user (semantics 2).
Arguments: tier_code, as though every user had it; promo_code, as though every cart used it; at, the instant of all decisions.
Returns: a row for each user with a cart, in no particular order: user_id; line_count, of the lines that can be sold; list_total;
discount_total; total, with two decimals, in extensions.currency.
Errors: 22023 null_argument; 22003 amount_out_of_range, naming the user.';

COMMENT ON FUNCTION @extschema@.explain_cart(text, text, text, timestamptz) IS
'Why the user''s cart costs what price_cart() says: a row for each candidate of each step, applied or not, and why (semantics 2).
Arguments: as for price_cart().
Returns: the rows in the order of the steps. step, counted from 1; stage, one of line, rule, bundle, bundle_split, promo_condition,
promo, promo_split, total; add_on_id, the line''s, where the row is about one line; source_id, the rule, the bundle or the code;
source, its name; outcome: listed or unavailable (line), applied, lost or ineligible (rule), applied, not_chosen or ineligible
(bundle), met or the reason of the refusal (promo_condition), applied or refused (promo), to_pay (total); base, the amount that it
starts from, of a total what is to pay; discount, what it takes off its line, so that the rows add up to the quote''s
discount_total; detail, why, with the values compared.
Errors: 22023 null_argument; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.simulate_pricing_rule(jsonb, uuid, text, timestamptz) IS
'The stored carts whose total would change if a pricing rule were added, or took the place of another. Nothing is written.
Arguments: rule, an object with the columns of pricing_rules as keys, of which add_on_id is required and the others have the
defaults of the table; replaces, the id of the rule whose place it takes, NULL to add it; tier_code, as though every user had it; at.
A rule without an id has the id of the one it replaces, or else comes last among equals.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before; total_after.
Errors: 22023 null_argument, malformed_argument; 22007, a time that is none; 23514 draft_refused, what a constraint of the table
refuses; P0002 add_on_not_found, replaced_not_found; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.simulate_bundle(jsonb, uuid, text, timestamptz) IS
'The stored carts whose total would change if a bundle were added, or took the place of another. Nothing is written.
Arguments: bundle, an object with the columns of add_on_bundles as keys, of which add_on_ids is required and the others have the
defaults of the table; replaces, the id of the bundle whose place it takes, NULL to add it; tier_code, as though every user had it; at.
Each cart is priced by itself: the uses left are there for every one of them.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before; total_after.
Errors: 22023 null_argument, malformed_argument; 22007, a time that is none; 23514 draft_refused, what a constraint of the table
refuses; P0002 replaced_not_found; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.simulate_promo_code(jsonb, text, timestamptz) IS
'The stored carts whose total would change if every cart used a promotional code. Nothing is written.
Arguments: code, an object with the columns of promotional_codes as keys, of which discount_type and discount_value are required and
the others have the defaults of the table; redemptions of an existing code count for max_uses_per_user when its code is given;
tier_code, as though every user had it; at.
Each cart is priced by itself: the uses left are there for every one of them.
Returns: a row for each cart whose total would change, in no particular order: user_id; total_before, without any code; total_after.
Errors: 22023 null_argument, malformed_argument; 22007, a time that is none; 23514 draft_refused, what a constraint of the table
refuses; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.explain_cart_text(text, text, text, timestamptz) IS
'explain_cart() as an indented tree, made to be read by whoever answers "why do I pay this?".
Arguments: as for price_cart().
Returns: the tree, in the manner of EXPLAIN.
Errors: 22023 null_argument; 22003 amount_out_of_range.';

-- Promotions

COMMENT ON FUNCTION @extschema@.validate_promo_code(text, text, text, timestamptz) IS
'Whether a promotional code may be used, every reason why not, and what it would take off the user''s cart (semantics 2.4).
Arguments: code, in any case, with or without blanks around it; user_id; without one, the conditions on the cart are not tested;
tier_code; at.
Returns: one row. valid; reasons, in this order, of unknown, inactive, expired, exhausted, below_minimum, not_applicable,
tier_not_allowed, not_first_purchase, user_not_allowed, user_limit_reached, empty_cart; discount_type and discount_value of the
code, NULL when unknown; eligible_amount, what the eligible lines cost; discount; cart_total, before the code; final_total, after it.
The last four are NULL without a user.
Errors: 22023 null_argument; 22003 amount_out_of_range.';

-- Entitlements

COMMENT ON FUNCTION @extschema@.has_feature(text, text, timestamptz) IS
'Whether the user has the feature through some add-on they own (semantics 5).
Arguments: user_id; feature_key; at, the instant of the decision.
Returns: true or false, never NULL; false for a NULL argument.
Asked of a column, as in WHERE has_feature(t.user_id, ''x''), it is planned as a semi-join is: all users are looked up at once, where
that is cheaper. entitled_users() is the shorter way to all of them.
Errors: none.';

COMMENT ON FUNCTION @extschema@.has_add_on(text, uuid, timestamptz) IS
'Whether the user owns the add-on (semantics 5).
Arguments: user_id; add_on_id; at, the instant of the decision.
Returns: true or false, never NULL; false for a NULL argument or an unknown add-on.
Asked of a column, it is planned as has_feature() is.
Errors: none.';

COMMENT ON FUNCTION @extschema@.plan_entitlement_check(internal) IS
'Planner support of has_feature() and has_add_on(): asked of a column, they are planned as EXISTS over user_add_ons. Not called by
anybody but PostgreSQL.';

COMMENT ON FUNCTION @extschema@.has_features(text, text[], timestamptz) IS
'has_feature() for several features at once.
Arguments: user_id; feature_keys; at, the instant of the decision.
Returns: a row for each given key, in the given order; entitled is never NULL.
Errors: none.';

COMMENT ON FUNCTION @extschema@.feature_configuration(text, text, timestamptz) IS
'The limits and options of a feature, merged over all add-ons that give it to the user: key by key, numbers by the larger,
booleans by OR, anything else from the most recently purchased add-on (semantics 5).
Arguments: user_id; feature_key; at.
Returns: the configuration; NULL when the user does not have the feature.
Errors: none.';

COMMENT ON FUNCTION @extschema@.user_features(text, timestamptz) IS
'Every feature that the user has (semantics 5).
Arguments: user_id; at.
Returns: a row for each feature, in key order: feature_key; configuration, merged as by feature_configuration(); add_on_ids, the
add-ons that give it; expires_at, when the last of them ends, NULL for no end.
Errors: none.';

COMMENT ON FUNCTION @extschema@.active_add_ons(text, timestamptz) IS
'The add-ons that the user owns, the most recently purchased first (semantics 5).
Arguments: user_id; at.
Returns: a row for each add-on, also for those no longer sold.
Errors: none.';

COMMENT ON FUNCTION @extschema@.entitled_users(text, timestamptz) IS
'Every user who has the feature: the fast way to ask has_feature() of everybody (semantics 5).
Arguments: feature_key; at.
Returns: each user once, in no particular order.
Errors: none.';

-- Cart

COMMENT ON FUNCTION @extschema@.add_to_cart(text, uuid, integer) IS
'Puts units of an add-on into the user''s cart, on top of those that are there.
Arguments: user_id, 1 to 255 characters; add_on_id; quantity, units from 1.
Returns: the cart item with its new quantity.
Errors: 22023 null_argument, invalid_user_id, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale; 23514
quantity_limit.';

COMMENT ON FUNCTION @extschema@.set_cart_quantity(text, uuid, integer) IS
'Makes the user''s cart hold exactly so many units of an add-on.
Arguments: user_id, 1 to 255 characters; add_on_id; quantity, units; 0 takes the add-on out.
Returns: the cart item; no row when it was taken out.
Errors: 22023 null_argument, invalid_user_id, invalid_quantity; P0002 add_on_not_found; 55000 add_on_not_for_sale; 23514
quantity_limit.';

COMMENT ON FUNCTION @extschema@.remove_from_cart(text, uuid) IS
'Takes an add-on out of the user''s cart.
Arguments: user_id; add_on_id.
Returns: whether it was there.
Errors: 22023 null_argument, invalid_user_id.';

COMMENT ON FUNCTION @extschema@.clear_cart(text) IS
'Empties the user''s cart.
Arguments: user_id.
Returns: how many items it had.
Errors: 22023 null_argument, invalid_user_id.';

-- Checkout and purchases

COMMENT ON FUNCTION @extschema@.checkout(text, text, text, numeric, text, boolean) IS
'Sells the user''s cart: prices it at one instant, claims the uses of its code and bundles, makes a pending purchase of each line, and
empties the cart (semantics 6). One transaction: a refusal leaves nothing behind. A total of 0.00 is completed at once. Add-ons that
are no longer sold stay in the cart.
Arguments: user_id, 1 to 255 characters; tier_code; promo_code; expected_total, what the shopper was shown; idempotency_key, up to 255
characters: the same key with the same arguments returns the same purchases; allow_mixed_billing, sells lines that cannot be paid
in one session.
Returns: a row for each purchase, in the order of the cart, all with one checkout_id.
Errors: 22023 null_argument, invalid_user_id, invalid_amount, text_too_long, idempotency_key_reused; 55000 empty_cart, price_changed;
23514 promo_refused, mixed_billing; 22003 amount_out_of_range.';

COMMENT ON FUNCTION @extschema@.complete_checkout(uuid, text, text, text) IS
'Completes a checkout that was paid, and grants its add-ons: a month, a year, or access without end (semantics 4, 5). Repeating it
changes nothing and returns the same.
Arguments: checkout_id; stripe_payment_id, lago_invoice_id, up to 255 characters; payment_method, up to 50.
Returns: a row for each purchase, in the order of the cart: when the access that it pays for ends, NULL for no end.
Errors: 22023 null_argument, text_too_long; P0002 checkout_not_found; 55000 checkout_state, payment_mismatch.';

COMMENT ON FUNCTION @extschema@.fail_checkout(uuid, text) IS
'Gives up a checkout that will not be paid, and gives the uses of its code and bundles back (semantics 4).
Arguments: checkout_id; reason, kept in metadata.
Returns: whether anything changed.
Errors: 22023 null_argument; P0002 checkout_not_found; 55000 checkout_state.';

COMMENT ON FUNCTION @extschema@.refund_purchase(uuid, numeric, text) IS
'Records that so much of a purchase was paid back. When all is, the purchase is refunded, its access ends unless another purchase
pays for it, and with the last purchase of a checkout the uses of its code and bundles are given back (semantics 4).
Arguments: purchase_id; amount, NULL for all that is left; reason, kept in metadata.
Returns: what is refunded so far.
Errors: 22023 null_argument, invalid_amount; P0002 purchase_not_found; 55000 purchase_state; 23514 refund_exceeds_amount.';

COMMENT ON FUNCTION @extschema@.dispute_purchase(uuid, text) IS
'Records that the payment of a completed purchase is contested, and withholds its access (semantics 4, 5).
Arguments: purchase_id; reason, kept in metadata.
Returns: the new status.
Errors: 22023 null_argument; P0002 purchase_not_found; 55000 purchase_state.';

COMMENT ON FUNCTION @extschema@.resolve_dispute(uuid, boolean) IS
'Records how a dispute was decided: won, access is given back; lost, the purchase is refunded in full (semantics 4, 5).
Arguments: purchase_id; won.
Returns: the new status.
Errors: 22023 null_argument; P0002 purchase_not_found; 55000 purchase_state.';

COMMENT ON FUNCTION @extschema@.purchase_history(text, text, integer, integer) IS
'The user''s purchases, newest first.
Arguments: user_id; status, one of pending, completed, failed, refunded, disputed, NULL for all; max_rows, NULL for all; skip.
Returns: the purchases, with the present names of the add-ons.
Errors: 22023 null_argument, unknown_word, invalid_count.';

COMMENT ON FUNCTION @extschema@.grant_add_on(text, uuid, timestamptz) IS
'Gives the user an add-on without a purchase. What the user has already is not shortened (semantics 5).
Arguments: user_id, 1 to 255 characters; add_on_id, for sale or not; expires_at, ahead, NULL for no end.
Returns: the add-on and when access ends.
Errors: 22023 null_argument, invalid_user_id, expiry_not_ahead; P0002 add_on_not_found.';

COMMENT ON FUNCTION @extschema@.renew_add_on(text, uuid, numeric, text, text) IS
'Extends an add-on by its period, from its end if that is ahead, else from now, and records the payment as a purchase. A payment or
invoice that was seen before changes nothing (semantics 5).
Arguments: user_id; add_on_id; amount, stripe_payment_id and lago_invoice_id, what is known of the payment; without any, none is
recorded.
Returns: the new end; NULL for no end.
Errors: 22023 null_argument, invalid_user_id, invalid_amount, text_too_long; P0002 not_owned.';

COMMENT ON FUNCTION @extschema@.cancel_add_on(text, uuid, text, boolean) IS
'Cancels an add-on: it runs out at the end of its period, or ends immediately (semantics 5).
Arguments: user_id; add_on_id; reason; immediately.
Returns: when access ends; NULL for never, as what was bought for good has no period to run out.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned.';

COMMENT ON FUNCTION @extschema@.suspend_add_on(text, uuid, text) IS
'Withholds an add-on until it is resumed.
Arguments: user_id; add_on_id; reason.
Returns: whether anything changed.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned.';

COMMENT ON FUNCTION @extschema@.resume_add_on(text, uuid) IS
'Gives a suspended add-on back.
Arguments: user_id; add_on_id.
Returns: whether anything changed.
Errors: 22023 null_argument, invalid_user_id; P0002 not_owned.';

COMMENT ON FUNCTION @extschema@.apply_stripe_event(jsonb) IS
'Applies the body of a Stripe webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Stripe sends it, of any API version. Our checkout is found by metadata.checkout_id or
client_reference_id, else by the payment or the subscription.
Returns: {"handled": boolean, "action": text, ...}. handled is false for what does not concern us (ignored), what names nothing we
know yet (not_found: answer with an error, and it will be delivered again), and what is refused because amount or currency differ
from ours or the checkout has failed (refused, with reason, expected and received). Otherwise changed says whether this delivery
changed anything; a refund or dispute that comes before its payment is applied with it (noted_until_paid).
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden.';

COMMENT ON FUNCTION @extschema@.apply_lago_event(jsonb) IS
'Applies the body of a Lago webhook whose signature was verified. Repeated, late and unordered deliveries leave the same state.
Arguments: event, the body as Lago sends it. Our checkout is found by a checkout_id in the metadata of the invoice or as the external
id of the subscription, else by the invoice or the subscription.
Returns: as apply_stripe_event().
Errors: 22023 null_argument, malformed_argument; 42501 rows_hidden.';

-- Catalog and operations

COMMENT ON FUNCTION @extschema@.catalog_cache_stats() IS
'How this session''s copy of the catalog is doing. It holds what the session has used of add-ons with their rules and bundles, and of
features, up to extensions.catalog_cache_size, and is emptied when the catalog changes.
Arguments: none.
Returns: one row. entries and bytes, what is kept now; loads, how many were read from the tables; hits, how often one was found at hand;
invalidations, how often it was emptied; the last three since the session began.
Errors: none.';

COMMENT ON FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval) IS
'Clears away what nobody waits for: abandoned carts, checkouts that were never paid, whose uses are given back, subscriptions past
their end, and codes past theirs. It never waits for a checkout, and can run twice at once.
Arguments: cart_max_age, since anything in the cart was touched; checkout_max_age, since the checkout; batch, the most rows of each
task; renewal_grace, how long subscriptions that renew by themselves may be late.
Returns: a row for each task and how many rows it changed. A task that changed as many as batch may have more to do.
Errors: 22023 null_argument, negative_interval, invalid_count; 42501 rows_hidden.';

COMMENT ON FUNCTION @extschema@.schedule_maintenance(text) IS
'Has pg_cron call run_maintenance() regularly, in place of a schedule set before.
Arguments: schedule, in the notation of cron.
Returns: the id of the job in pg_cron.
Errors: 22023 null_argument; 55000 scheduler_missing.';

COMMENT ON FUNCTION @extschema@.link_reference_tables() IS
'Adds foreign keys to the tables subscription_tiers(tier_code) and feature_definitions(feature_key) of the host application, where
they exist, in this schema or in public. Calling it again validates what could not be validated before.
Arguments: none.
Returns: a row for each link: linked, linked for new rows (detail names the values in the way), not linked (detail says why), or no
such table.
Errors: none.';

COMMENT ON FUNCTION @extschema@.unlink_reference_tables() IS
'Drops the foreign keys that link_reference_tables() has added.
Arguments: none.
Returns: a row for each link: unlinked, or was not linked.
Errors: none.';

COMMENT ON FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) IS
'Add-ons on sale that meet all given criteria, the best matches of the search text first, then by sort_order and name.
Arguments: search, words of the name or the description, each at least by its beginning; category; feature_key, a feature that the
add-on gives; min_price and max_price, inclusive; max_rows, NULL for all; skip, rows to leave out before.
Returns: the add-ons; rank is 0 without search.
Errors: 22023 invalid_count.';

COMMENT ON FUNCTION @extschema@.load_sample_catalog() IS
'Inserts nine add-ons with their features, four bundles and four promotional codes, to try things with. What is there is left alone.
Arguments: none.
Returns: for each table, how many rows were inserted: none when run again.
Errors: none.';

COMMENT ON FUNCTION @extschema@.check_marketplace() IS
'Looks for everything that should not be: missing or invalid objects, counters that differ from the rows behind them, checkouts that
cost something else than they were quoted, bundles and codes that name unknown add-ons; and, in the catalog, active rules, bundles and
codes that can never apply, features without rows, discounts of 100 %.
Arguments: none.
Returns: a row for each problem found (ok = false, detail names the row), and one for each check that found none (ok = true).
Errors: none.';

-- Called by constraints and triggers

COMMENT ON FUNCTION @extschema@.check_pricing_conditions(jsonb) IS
'Whether a document is one that pricing_rules.conditions may hold. A CHECK constraint calls it.
Arguments: conditions.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column.';

COMMENT ON FUNCTION @extschema@.check_user_restrictions(jsonb) IS
'Whether a document is one that promotional_codes.user_restrictions may hold. A CHECK constraint calls it.
Arguments: user_restrictions.
Returns: true, or an error that names the key.
Errors: 23514 malformed_column.';

COMMENT ON FUNCTION @extschema@.enforce_purchase_transition() IS
'Refuses changes of a purchase''s status that its life does not allow (semantics 4). A trigger of add_on_purchases calls it.
Errors: 23514 illegal_transition.';

COMMENT ON FUNCTION @extschema@.invalidate_catalog_cache() IS
'Tells the catalog caches of all sessions that a table has changed. Triggers of the tables of the catalog call it.
Errors: none.';

-- Keeping the rows

COMMENT ON FUNCTION @extschema@.protect_marketplace() IS
'Has DROP EXTENSION, DROP SCHEMA ... CASCADE, DROP OWNED and whatever else would drop one of the tables refused while that table holds
rows. It makes the event trigger extensions_guard, which only a superuser can. Calling it again changes nothing.
Arguments: none.
Returns: nothing.
Errors: 42501, the caller is no superuser. Whoever drops a table then gets 55000 marketplace_protected.';

COMMENT ON FUNCTION @extschema@.unprotect_marketplace() IS
'Ends what protect_marketplace() began.
Arguments: none.
Returns: nothing.
Errors: 42501, the caller does not own the event trigger.';

COMMENT ON FUNCTION @extschema@.detach_tables() IS
'Takes the eight tables out of the extension. They keep their rows, their indexes and their triggers, and everything goes on working;
but pg_dump dumps them like any other table, they can be given to tools that do not touch members of extensions, and DROP EXTENSION
leaves them. The triggers go with the extension then. Constraints that call its functions are dropped now:
add_on_bundles_add_on_ids_check, pricing_rules_conditions_check, promotional_codes_user_restrictions_check.
Arguments: none.
Returns: nothing.
Errors: 55000 tables_already_detached; 42501, the caller does not own the extension.';

COMMENT ON FUNCTION @extschema@.attach_tables() IS
'Takes the eight tables back into the extension, if they still have every column, constraint and trigger that they had; adds the
constraints that detach_tables() dropped, and has pg_dump dump the rows as those of an extension again.
Arguments: none.
Returns: nothing.
Errors: 55000 tables_already_attached, tables_differ, with all that is missing in DETAIL; 23514, a row breaks one of the constraints;
42501, the caller does not own the extension or a table.';

COMMENT ON FUNCTION @extschema@.refuse_distribution(text, text, text) IS
'Raises one of the errors of distribute_marketplace(). Only that and what it calls call it.';

COMMENT ON FUNCTION @extschema@.distribute_marketplace(integer) IS
'Spreads the tables over the nodes of a Citus cluster: the catalog is copied to every node, the rows of users lie on the node that their
user_id hashes to, and the functions whose first argument is user_id run there. Every node is prepared for it: the triggers of the tables
are dropped, and the primary keys of the users'' tables become (id, user_id). Calling it again does what is left to do, as after adding a
node or updating the extension. It takes locks that exclude everybody, and moves all rows.
Arguments: shard_count, into how many parts the users'' rows are divided.
Returns: a row for each node, table, foreign key and function: object; status, what was done, or that it was so before.
Errors: 22023 invalid_shard_count; 55000 citus_missing, not_coordinator, node_not_prepared, not_distributable, which names all
obstacles; 42501, the caller does not own the tables.';

COMMENT ON FUNCTION @extschema@.distribution_status() IS
'Whether the tables are spread over the nodes of a Citus cluster, and what is in the way or left to do.
Arguments: none.
Returns: a row for Citus, each obstacle, node, table, foreign key and function: object; ok; detail. Without Citus, the first alone.
Errors: none.';

COMMENT ON FUNCTION @extschema@.guard_marketplace() IS
'Does nothing but be called: the event trigger extensions_guard has the library loaded with it, which then guards the tables.
Errors: 39P03 not_called_by_trigger.';

COMMENT ON FUNCTION @extschema@.check_adoption(text, text) IS
'Refuses schemas that adopt_tables() cannot take tables from. Only that calls it.
Arguments: source_schema; time_zone.
Returns: nothing.
Errors: 22023 null_argument, invalid_source_schema.';

-- Who may do what

COMMENT ON FUNCTION @extschema@.marketplace_status() IS
'The state of the marketplace at one look.
Arguments: none.
Returns: rows of metric and value, in this order: version; add_ons_on_sale; active_subscriptions; subscriptions_expiring_soon; carts;
open_checkouts, which wait for their payment; open_amount, of these, by currency; revenue_today, since midnight in UTC, less what
was paid back of it, by currency; codes_nearly_used_up, active codes of which nine tenths are used; catalog_cache, of this session;
waiting_for_maintenance, rows that run_maintenance() would clear away; last_maintenance, if pg_cron runs it; protected;
user_isolation.
Errors: 42501, no right to read the tables.';

COMMENT ON FUNCTION @extschema@.export_catalog() IS
'The catalog as a document, in which things have names instead of ids, to be kept in version control or imported elsewhere.
Arguments: none.
Returns: an object of arrays, one for each table: add_ons, add_on_features, add_on_bundles, pricing_rules, promotional_codes; each of
flat objects with the columns as keys, so that jsonb_to_recordset() makes rows of them. add_on and add_ons hold names, as do
applicable_to, requires_addon and excludes_addon. What belongs to one environment is left out: ids, created_at, updated_at,
created_by, current_uses. Times are in UTC. The same catalog always gives the same document.
Errors: 42501, no right to read the tables.';

COMMENT ON FUNCTION @extschema@.import_catalog(jsonb, boolean) IS
'Makes the catalog what a document says. Rows are found by names: add-ons and bundles by name, features by add-on and key, codes by code,
rules by add-on, tier and priority. Keys that an entry lacks stay what they are, or get the defaults of the table. Nothing is
deleted. Importing a document again changes nothing.
Arguments: catalog, as export_catalog() returns it, or a part of it; dry_run, to do everything, report it and undo it.
Returns: a row for each difference: object, in words; action: insert, update with the column and its old and new value, or keep for
a row that the document does not have; id, of the row, NULL for one that a rehearsal would insert. No rows when nothing differs.
Errors: 22023 null_argument, malformed_argument; what the constraints of the tables raise; 42501, no right to write them.';

COMMENT ON FUNCTION @extschema@.refuse_catalog(text) IS
'Raises the error for a document that is no catalog. Only import_catalog() calls it.';

COMMENT ON FUNCTION @extschema@.grant_marketplace_access(regrole, text) IS
'Gives a role the privileges of a level: EXECUTE on its functions, and what these need of the tables and the schema.
Arguments: role; level: catalog (look at add-ons, price_add_on, quote without a user and a code), entitlements (has_feature and its
like), shop (add-ons, carts, prices, codes, checkouts, purchase history), billing (payments, refunds, disputes, subscriptions, payment
events), admin (all of these, and everything else). A role can have several levels.
Returns: nothing.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';

COMMENT ON FUNCTION @extschema@.revoke_marketplace_access(regrole, text) IS
'Takes the privileges of a level from a role, but for those that another of its levels needs. admin takes them all.
Arguments: as for grant_marketplace_access().
Returns: nothing.
Errors: 22023 null_argument, unknown_access_level; 42501 not_owner.';

COMMENT ON FUNCTION @extschema@.enable_user_isolation(text) IS
'Row-level security: of user_add_ons, add_on_purchases and cart_items every session sees and writes only the rows of the user whose
id is in a setting, through functions and directly; none while it is not set. The owner of the tables, superusers and roles with
BYPASSRLS see everything: have payment events applied and maintenance done by one of these.
The setting is as trustworthy as whoever can set it: let the backend set it (SET LOCAL extensions.user_id = ...), never the user.
Arguments: setting, the name of the setting.
Returns: nothing. Calling it again with another setting replaces the first.
Errors: 22023 null_argument, invalid_setting; 42501, the caller does not own the tables.';

COMMENT ON FUNCTION @extschema@.disable_user_isolation() IS
'Ends what enable_user_isolation() began. Policies that somebody else made stay, and row-level security with them.
Arguments: none.
Returns: nothing.
Errors: 42501, the caller does not own the tables.';

-- What the planner should expect: COST in units of cpu_operator_cost, of which about 40 make a microsecond on the machine of
-- benches/, and ROWS of functions that return sets. Measured at the benchmark's medium size.

ALTER FUNCTION @extschema@.price_add_on(uuid, integer, text, timestamptz) COST 20;
ALTER FUNCTION @extschema@.quote(jsonb, text, text, text, timestamptz) COST 1000;
ALTER FUNCTION @extschema@.price_cart(text, text, text, timestamptz) COST 1000;
ALTER FUNCTION @extschema@.cart_total(text, text, text, timestamptz) COST 1000;
ALTER FUNCTION @extschema@.price_carts(text, text, timestamptz) COST 10000000 ROWS 100000;
ALTER FUNCTION @extschema@.explain_cart(text, text, text, timestamptz) COST 40000 ROWS 20;
ALTER FUNCTION @extschema@.explain_cart_text(text, text, text, timestamptz) COST 40000;
ALTER FUNCTION @extschema@.simulate_pricing_rule(jsonb, uuid, text, timestamptz) COST 10000000 ROWS 1000;
ALTER FUNCTION @extschema@.simulate_bundle(jsonb, uuid, text, timestamptz) COST 10000000 ROWS 1000;
ALTER FUNCTION @extschema@.simulate_promo_code(jsonb, text, timestamptz) COST 20000000 ROWS 100000;
ALTER FUNCTION @extschema@.validate_promo_code(text, text, text, timestamptz) COST 1000 ROWS 1;

ALTER FUNCTION @extschema@.has_feature(text, text, timestamptz) COST 100;
ALTER FUNCTION @extschema@.has_add_on(text, uuid, timestamptz) COST 100;
ALTER FUNCTION @extschema@.has_features(text, text[], timestamptz) COST 1500 ROWS 5;
ALTER FUNCTION @extschema@.feature_configuration(text, text, timestamptz) COST 1500;
ALTER FUNCTION @extschema@.user_features(text, timestamptz) COST 1500 ROWS 20;

ALTER FUNCTION @extschema@.active_add_ons(text, timestamptz) COST 1000 ROWS 10;
ALTER FUNCTION @extschema@.entitled_users(text, timestamptz) COST 1000000 ROWS 10000;

ALTER FUNCTION @extschema@.add_to_cart(text, uuid, integer) COST 2000 ROWS 1;
ALTER FUNCTION @extschema@.set_cart_quantity(text, uuid, integer) COST 2000 ROWS 1;
ALTER FUNCTION @extschema@.remove_from_cart(text, uuid) COST 2000;
ALTER FUNCTION @extschema@.clear_cart(text) COST 2000;
ALTER FUNCTION @extschema@.checkout(text, text, text, numeric, text, boolean) COST 10000 ROWS 3;
ALTER FUNCTION @extschema@.complete_checkout(uuid, text, text, text) COST 10000 ROWS 3;
ALTER FUNCTION @extschema@.fail_checkout(uuid, text) COST 10000;
ALTER FUNCTION @extschema@.purchase_history(text, text, integer, integer) COST 2000 ROWS 50;
ALTER FUNCTION @extschema@.refund_purchase(uuid, numeric, text) COST 5000;
ALTER FUNCTION @extschema@.dispute_purchase(uuid, text) COST 5000;
ALTER FUNCTION @extschema@.resolve_dispute(uuid, boolean) COST 5000;
ALTER FUNCTION @extschema@.grant_add_on(text, uuid, timestamptz) COST 5000 ROWS 1;
ALTER FUNCTION @extschema@.renew_add_on(text, uuid, numeric, text, text) COST 5000;
ALTER FUNCTION @extschema@.cancel_add_on(text, uuid, text, boolean) COST 5000;
ALTER FUNCTION @extschema@.suspend_add_on(text, uuid, text) COST 5000;
ALTER FUNCTION @extschema@.resume_add_on(text, uuid) COST 5000;
ALTER FUNCTION @extschema@.apply_stripe_event(jsonb) COST 10000;
ALTER FUNCTION @extschema@.apply_lago_event(jsonb) COST 10000;

ALTER FUNCTION @extschema@.search_add_ons(text, text, text, numeric, numeric, integer, integer) COST 10000 ROWS 20;
ALTER FUNCTION @extschema@.catalog_cache_stats() COST 10 ROWS 1;
ALTER FUNCTION @extschema@.run_maintenance(interval, interval, integer, interval) COST 1000000 ROWS 4;
ALTER FUNCTION @extschema@.schedule_maintenance(text) COST 10000;
ALTER FUNCTION @extschema@.check_pricing_conditions(jsonb) COST 50;
ALTER FUNCTION @extschema@.check_user_restrictions(jsonb) COST 50;

ALTER FUNCTION @extschema@.load_sample_catalog() COST 100000 ROWS 4;
ALTER FUNCTION @extschema@.reference_links() COST 1000 ROWS 6;
ALTER FUNCTION @extschema@.unknown_references() COST 1000000 ROWS 10;
ALTER FUNCTION @extschema@.link_reference_tables() COST 1000000 ROWS 6;
ALTER FUNCTION @extschema@.unlink_reference_tables() COST 10000 ROWS 6;
ALTER FUNCTION @extschema@.protect_marketplace() COST 10000;
ALTER FUNCTION @extschema@.unprotect_marketplace() COST 10000;
ALTER FUNCTION @extschema@.detach_tables() COST 100000;
ALTER FUNCTION @extschema@.attach_tables() COST 1000000;
ALTER FUNCTION @extschema@.refuse_distribution(text, text, text) COST 10;
ALTER FUNCTION @extschema@.marketplace_tables() COST 1000 ROWS 8;
ALTER FUNCTION @extschema@.is_member(regclass, oid) COST 100;
ALTER FUNCTION @extschema@.distribution_method(regclass) COST 200;
ALTER FUNCTION @extschema@.distribution_preparations() COST 100000 ROWS 30;
ALTER FUNCTION @extschema@.prepare_distribution() COST 10000000;
ALTER FUNCTION @extschema@.distribution_of_node() COST 200000;
ALTER FUNCTION @extschema@.distribution_nodes() COST 10000000 ROWS 3;
ALTER FUNCTION @extschema@.distribution_obstacles() COST 20000000 ROWS 10;
ALTER FUNCTION @extschema@.functions_of_users() COST 100000 ROWS 25;
ALTER FUNCTION @extschema@.check_distribution(integer) COST 20000000;
ALTER FUNCTION @extschema@.distribution_foreign_keys() COST 10000 ROWS 5;
ALTER FUNCTION @extschema@.prepare_workers() COST 100000000 ROWS 3;
ALTER FUNCTION @extschema@.distribute_table(regclass, boolean, integer) COST 100000000;
ALTER FUNCTION @extschema@.distribute_marketplace(integer) COST 1000000000 ROWS 40;
ALTER FUNCTION @extschema@.distribution_status() COST 50000000 ROWS 40;
ALTER FUNCTION @extschema@.check_adoption(text, text) COST 1000;
ALTER FUNCTION @extschema@.adoption_columns(regclass, regclass) COST 10000 ROWS 15;
ALTER FUNCTION @extschema@.adoption_rows(regclass, text, text) COST 1000000;
ALTER FUNCTION @extschema@.adoption_obstacles(regclass, regclass) COST 10000000 ROWS 10;
ALTER FUNCTION @extschema@.adopt_rows(regclass, regclass) COST 10000000;
ALTER FUNCTION @extschema@.adopt_tables(name, text, boolean) COST 100000000 ROWS 10;
ALTER FUNCTION @extschema@.grant_marketplace_access(regrole, text) COST 100000;
ALTER FUNCTION @extschema@.revoke_marketplace_access(regrole, text) COST 100000;
ALTER FUNCTION @extschema@.enable_user_isolation(text) COST 100000;
ALTER FUNCTION @extschema@.disable_user_isolation() COST 100000;
ALTER FUNCTION @extschema@.marketplace_status() COST 1000000 ROWS 14;
ALTER FUNCTION @extschema@.catalog_keys(text) COST 1000;
ALTER FUNCTION @extschema@.catalog_key(text, jsonb) COST 20;
ALTER FUNCTION @extschema@.catalog_object(text, jsonb) COST 20;
ALTER FUNCTION @extschema@.add_on_names(jsonb) COST 1000;
ALTER FUNCTION @extschema@.catalog_rows() COST 100000 ROWS 200;
ALTER FUNCTION @extschema@.export_catalog() COST 200000;
ALTER FUNCTION @extschema@.canonical_entry(text, jsonb) COST 1000;
ALTER FUNCTION @extschema@.add_on_ids(jsonb, text) COST 1000;
ALTER FUNCTION @extschema@.catalog_columns(text, jsonb) COST 2000;
ALTER FUNCTION @extschema@.check_catalog_document(jsonb) COST 100000;
ALTER FUNCTION @extschema@.catalog_matches(text, jsonb) COST 200000 ROWS 200;
ALTER FUNCTION @extschema@.write_catalog_entry(text, jsonb, uuid) COST 5000;
ALTER FUNCTION @extschema@.import_catalog(jsonb, boolean) COST 1000000 ROWS 200;
ALTER FUNCTION @extschema@.refuse_catalog(text) COST 10;
ALTER FUNCTION @extschema@.check_catalog() COST 1000000 ROWS 10;
ALTER FUNCTION @extschema@.check_marketplace() COST 10000000 ROWS 20;

-- Nobody may call anything before grant_marketplace_access(), except what constraints call in the name of whoever writes. Everything
-- belongs to whoever makes the extension, who need not be a superuser; but not the function of an event trigger, which runs in
-- everybody's name.
DO $$
DECLARE
    member record;
BEGIN
    FOR member IN
        SELECT p.oid::regprocedure AS function, p.prorettype = 'event_trigger'::regtype AS is_for_all,
               p.proname IN ('has_no_duplicates', 'check_pricing_conditions', 'check_user_restrictions') AS is_called_by_writers
          FROM pg_proc p
          JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions'
    LOOP
        IF NOT member.is_for_all THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO @extowner@', member.function);
        END IF;
        IF NOT member.is_called_by_writers THEN
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', member.function);
        END IF;
    END LOOP;
    FOR member IN
        SELECT c.oid::regclass AS relation, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
          FROM pg_class c
          JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
          JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'extensions' AND c.relkind IN ('r', 'v')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO @extowner@', member.kind, member.relation);
    END LOOP;
END
$$;

SET LOCAL search_path = @extschema@, pg_temp;
