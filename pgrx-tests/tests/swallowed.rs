//! A BEFORE trigger of the host that returns NULL makes PostgreSQL skip the row silently. Every function that writes
//! rows detects this, and leaves nothing half done.

use std::collections::BTreeSet;

use harness::writes::{self, WRITES};
use harness::{parts_of, text};
use postgres::Client;

/// Calls besides those of `WRITES` that reach writes which the others do not reach. The statements before the last
/// semicolon run before there is a trigger.
const OTHERS: &[(&str, &str)] = &[
    ("load_sample_catalog", "DELETE FROM cart_items; DELETE FROM add_on_purchases; DELETE FROM user_add_ons; DELETE FROM add_ons;
      DELETE FROM promotional_codes; DELETE FROM add_on_bundles; SELECT * FROM load_sample_catalog()"),
    ("set_cart_quantity", "SELECT * FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000003', 0)"),
    ("merge_carts", "SELECT * FROM merge_carts('ada', 'zoe')"),
    ("fail_checkout", "SELECT fail_checkout((SELECT min(checkout_id::text) FROM add_on_purchases WHERE user_id = 'bob')::uuid, restore_cart => true)"),
    ("checkout", "UPDATE add_ons SET base_price = 0; SELECT * FROM checkout('ada', allow_mixed_billing => true)"),
    // Money that comes after the checkout has failed takes its uses again.
    ("apply_stripe_event", r#"SELECT fail_checkout(min(checkout_id::text)::uuid) FROM add_on_purchases WHERE user_id = 'bob';
      SELECT apply_stripe_event(jsonb_build_object('id', 'evt_1', 'type', 'checkout.session.completed', 'created', 1767225600,
             'data', jsonb_build_object('object', jsonb_build_object('id', 'cs_1', 'client_reference_id', p.checkout_id,
             'payment_intent', 'pi_bob', 'amount_total', (100 * p.total)::bigint, 'currency', 'usd', 'payment_status', 'paid'))))
        FROM (SELECT checkout_id, sum(amount) AS total FROM add_on_purchases WHERE user_id = 'bob' GROUP BY 1) p"#),
    // Two payments of which one is for nothing.
    ("settle_payment", r#"SELECT apply_stripe_event(jsonb_build_object('id', 'evt_2', 'type', 'checkout.session.completed', 'created', 1767225600,
             'data', jsonb_build_object('object', jsonb_build_object('id', 'cs_2', 'client_reference_id', p.checkout_id,
             'payment_intent', 'pi_second', 'amount_total', 1, 'currency', 'usd', 'payment_status', 'paid'))))
        FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'bob') p;
      SELECT settle_payment('cs_2') OR settle_payment('pi_second')"#),
    ("reconcile_stripe", r#"SELECT * FROM reconcile_stripe((SELECT jsonb_build_object('id', 'cs_1', 'object', 'checkout.session', 'mode', 'payment',
             'status', 'complete', 'client_reference_id', p.checkout_id, 'payment_intent', 'pi_bob', 'amount_total', (100 * p.total)::bigint,
             'currency', 'usd', 'payment_status', 'paid')
        FROM (SELECT checkout_id, sum(amount) AS total FROM add_on_purchases WHERE user_id = 'bob' GROUP BY 1) p))"#),
    ("start_trial", "UPDATE add_ons SET trial_days = 7; SELECT * FROM start_trial('zoe', 'a0000000-0000-4000-8000-000000000003')"),
    ("reprice_renewals", "UPDATE add_ons SET base_price = base_price + 1; SELECT reprice_renewals('a0000000-0000-4000-8000-000000000003')"),
    ("refund_purchase", "SELECT sum(refund_purchase(id)) FROM add_on_purchases WHERE user_id = 'carol' AND status = 'completed'"),
    ("forget_user", "SELECT * FROM grant_add_on('nobody', 'a0000000-0000-4000-8000-000000000003');
      SELECT add_to_cart('carol', 'a0000000-0000-4000-8000-000000000004');
      UPDATE promotional_codes SET created_by = 'carol'; SELECT * FROM forget_user('carol', 'nobody')"),
    ("run_maintenance", "UPDATE promotional_codes SET expires_at = now() - interval '1 day';
      UPDATE user_add_ons SET expires_at = now() - interval '60 days', purchased_at = now() - interval '90 days';
      UPDATE cart_items SET added_at = now() - interval '60 days', updated_at = now() - interval '60 days';
      SELECT * FROM run_maintenance('0 s', '0 s')"),
    ("import_catalog", r#"SELECT * FROM import_catalog('{"add_ons": [{"name": "Bolt", "base_price": 1}, {"name": "New", "category": "analytics",
          "base_price": 5, "billing_type": "monthly"}], "add_on_features": [{"add_on": "Bolt", "feature_key": "new"}],
          "add_on_bundles": [{"name": "Pair", "add_ons": ["Bolt", "Brigade"]}], "pricing_rules": [{"add_on": "Bolt", "discount_percent": 5}],
          "promotional_codes": [{"code": "NEW", "discount_type": "percentage", "discount_value": 5}]}')"#),
    ("grant_marketplace_access", "SELECT grant_marketplace_access('swallowed_app', 'shop'); SELECT grant_marketplace_access('swallowed_app', 'billing')"),
    ("grant_marketplace_access", "SELECT grant_marketplace_access('swallowed_app', 'shop'); SELECT grant_marketplace_access('swallowed_app', 'shop')"),
    ("revoke_marketplace_access", "SELECT grant_marketplace_access('swallowed_app', 'shop'); SELECT revoke_marketplace_access('swallowed_app', 'shop')"),
    ("adopt_tables", "CREATE SCHEMA old;
      CREATE TABLE old.add_ons AS TABLE add_ons; CREATE TABLE old.add_on_features AS TABLE add_on_features;
      CREATE TABLE old.add_on_bundles AS TABLE add_on_bundles; CREATE TABLE old.promotional_codes AS TABLE promotional_codes;
      CREATE TABLE old.user_add_ons AS TABLE user_add_ons; CREATE TABLE old.add_on_purchases AS TABLE add_on_purchases;
      CREATE TABLE old.cart_items AS TABLE cart_items;
      TRUNCATE add_ons, add_on_features, add_on_bundles, pricing_rules, promotional_codes, user_add_ons, add_on_purchases, cart_items;
      SELECT * FROM adopt_tables('old')"),
];

/// Functions that run as the owner and write no rows: those that change tables, policies or privileges, and those that only look.
const OF_NO_ROWS: [&str; 10] = [
    "marketplace_metrics",
    "export_user",
    "_check_catalog",
    "check_marketplace",
    "export_catalog",
    "marketplace_status",
    "_unknown_references",
    "link_reference_tables",
    "unlink_reference_tables",
    "_hold_user",
];

/// One trigger function records the writes; the other suppresses every row, or repeatedly the first one.
const TRIGGERS: &str = "
    CREATE ROLE swallowed_app;
    CREATE SEQUENCE swallows;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('test.touched', current_setting('test.touched') || TG_TABLE_NAME || ' ' || TG_OP || ',', false);
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        row_key CONSTANT text := coalesce(to_jsonb(coalesce(NEW, OLD)) ->> 'id', to_jsonb(coalesce(NEW, OLD))::text);
    BEGIN
        IF TG_ARGV[0] = 'all' OR current_setting('test.row') IN ('', row_key) THEN
            PERFORM nextval('public.swallows'), set_config('test.row', row_key, false);
            RETURN NULL;
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE FUNCTION with_triggers(definition text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' LOOP
            EXECUTE format(definition, name);
        END LOOP;
    END $$";

/// The SQLSTATE and code of an error.
fn outcome(client: &mut Client, call: &str) -> Result<(), (String, String)> {
    client.batch_execute(call).map_err(|error| {
        let (state, code, message) = parts_of(&error, call);
        (state, if code.is_empty() { message } else { code })
    })
}

/// The tables that a call writes, and how.
fn touched(client: &mut Client, before: &str, call: &str) -> BTreeSet<String> {
    client
        .batch_execute(&format!(
            "SAVEPOINT s; {before}; SET test.touched = '';
             SELECT with_triggers('CREATE TRIGGER zz_note AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION note()')"
        ))
        .unwrap_or_else(|error| panic!("{before}: {error:?}"));
    outcome(client, call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    let touched = text(client, "SELECT current_setting('test.touched')").unwrap();
    client.batch_execute("ROLLBACK TO s").unwrap();
    touched.split_terminator(',').map(str::to_owned).collect()
}

#[test]
fn suppressed_rows_raise_an_error_in_every_function() {
    let mut client = writes::situation("swallowed");
    client
        .batch_execute(&format!("{TRIGGERS}; SELECT grant_marketplace_access('swallowed_app', 'catalog'); BEGIN"))
        .unwrap();
    let (mut missed, mut swallowed) = (Vec::new(), 0);
    for (name, statements) in WRITES.iter().chain(OTHERS) {
        let (before, call) = statements.rsplit_once("; ").or(statements.rsplit_once(";\n")).unwrap_or(("", statements));
        let touched = touched(&mut client, before, call);
        assert!(!touched.is_empty(), "{name} writes nothing: {call}");
        for (one, how) in touched.iter().flat_map(|one| [(one, "all"), (one, "one")]) {
            let (table, operation) = one.split_once(' ').unwrap();
            client
                .batch_execute(&format!(
                    "SAVEPOINT s; {before}; SET test.row = ''; SELECT setval('swallows', 1, false);
                     CREATE TRIGGER aa_swallow BEFORE {operation} ON {table} FOR EACH ROW EXECUTE FUNCTION swallow('{how}')"
                ))
                .unwrap();
            let outcome = outcome(&mut client, call);
            client.batch_execute("ROLLBACK TO s").unwrap();
            let was_called = text(&mut client, "SELECT is_called FROM swallows").as_deref() == Some("t");
            match outcome {
                Err((state, code)) if was_called && state == "55000" && code == "row_swallowed" => swallowed += 1,
                Ok(()) if !was_called => {}
                other => missed.push(format!("{name}, {how} of {operation} on {table}: {other:?}")),
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(swallowed > 150, "{swallowed}");
}

/// A function that is new has a call in one of the lists.
#[test]
fn every_function_that_writes_is_tried() {
    let mut client = harness::marketplace("writers");
    let query = "SELECT DISTINCT p.proname::text FROM pg_proc p
                   JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                   JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
                  WHERE p.prosecdef AND p.prorettype <> 'trigger'::regtype AND p.prorettype <> 'event_trigger'::regtype";
    let writers: BTreeSet<String> = client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let tried = WRITES.iter().chain(OTHERS).map(|(name, _)| name.split(',').next().unwrap()).chain(OF_NO_ROWS);
    let tried: BTreeSet<&str> = tried.collect();
    let untried: Vec<&String> = writers.iter().filter(|name| !tried.contains(name.as_str())).collect();
    assert!(untried.is_empty(), "{untried:?}");
}
