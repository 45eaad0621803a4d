//! Resource limits of calls: bounds on the input, the memory of the largest calls, and how soon a cancel ends them.
//!
//! On the newest alone, because the bounds, and the points where a cancel is noticed, are in our code, which is the same everywhere.

use std::fs;
use std::time::{Duration, Instant};

use harness::{BRIGADE, Server, marketplace, refusal, text};
use postgres::Client;

/// The memory that no call may exceed, in bytes.
const MOST_MEMORY: i64 = 64 << 20;

/// Documents that are hostile and large, each under a name.
const HOSTILE: &str = r#"
    CREATE TABLE hostile (name text PRIMARY KEY, doc jsonb);
    INSERT INTO hostile VALUES
      ('objects',  ('[' || repeat('{"":1},', 2600000) || '1]')::jsonb),
      ('spaces',   to_jsonb(repeat(' ', 100000000))),
      ('keys',     (SELECT jsonb_object_agg(n, n) FROM generate_series(1, 300000) n)),
      -- Small as it is stored, and large as it is printed.
      ('digits',   (SELECT jsonb_agg(1e100000::numeric) FROM generate_series(1, 1000))),
      ('small',    (SELECT jsonb_agg(jsonb_build_object('', n)) FROM generate_series(1, 70000) n)),
      ('deep',     (repeat('[', 3000) || repeat(']', 3000))::jsonb)"#;

/// Functions that take a document from their caller, and the name that they use for it.
const READERS: &[(&str, &str)] = &[
    ("quote(doc)", "items"),
    ("simulate_pricing_rule(doc)", "rule"),
    ("simulate_bundle(doc)", "bundle"),
    ("simulate_promo_code(doc)", "code"),
    ("simulate_renewals('a0000000-0000-4000-8000-000000000003', rule => doc)", "rule"),
    ("apply_stripe_event(doc)", "event"),
    ("apply_lago_event(doc)", "event"),
    ("check_pricing_conditions(doc)", "pricing_rules.conditions"),
    ("check_user_restrictions(doc)", "promotional_codes.user_restrictions"),
    ("import_catalog(doc)", "catalog"),
];

#[test]
fn documents_that_are_too_large_are_refused_before_they_are_read() {
    let mut client = marketplace("documents");
    client.batch_execute(HOSTILE).unwrap();
    for (reader, name) in READERS {
        for doc in ["objects", "spaces", "keys", "digits", "small", "deep"] {
            let query = format!("SELECT {reader} FROM hostile WHERE name = '{doc}'");
            let (state, code, message) = refusal(&mut client, &query);
            let is_large = ["document_too_large", "document_too_costly"].contains(&code.as_str());
            match doc {
                "objects" | "spaces" => assert!(is_large && state == "54000", "{reader} {doc}: {code} {message}"),
                _ => assert!(is_large || code.starts_with("malformed_"), "{reader} {doc}: {code} {message}"),
            }
            assert!(message.starts_with(name), "{reader} {doc}: {message}");
        }
    }
    // Writers of the tables have the same limits.
    for statement in [
        format!(
            "INSERT INTO pricing_rules (add_on_id, conditions) SELECT '{BRIGADE}', doc FROM hostile WHERE name = 'objects'"
        ),
        "UPDATE promotional_codes SET user_restrictions = doc FROM hostile h WHERE h.name = 'objects'".to_owned(),
    ] {
        assert_eq!(refusal(&mut client, &statement).1, "document_too_large", "{statement}");
    }
}

#[test]
fn texts_and_arrays_that_are_too_large_are_refused_before_they_are_copied() {
    let mut client = marketplace("texts");
    client
        .batch_execute(
            "CREATE TABLE long AS SELECT repeat('x', 200000000) AS x, array_fill('x'::text, '{1000000}') AS xs",
        )
        .unwrap();
    for call in [
        "has_feature(x || '', 'f')",
        "has_feature('ada', x)",
        "has_features('ada', xs)",
        "price_cart('ada', promo_code => x)",
        "price_cart(x)",
        "add_to_cart(x, 'a0000000-0000-4000-8000-000000000003')",
        "checkout('ada', tier_code => x)",
        "fail_checkout(gen_random_uuid(), x)",
        "search_add_ons(x)",
        "validate_promo_code(x)",
        "apply_stripe_event('{}') FROM (SELECT _refuse_catalog(x) FROM long) q",
    ] {
        let (state, code, message) =
            refusal(&mut client, &format!("SELECT {call} FROM long").replace("q FROM long", "q"));
        assert_eq!((state.as_str(), code.as_str()), ("54000", "value_too_large"), "{call}: {message}");
    }
    let words = "SELECT * FROM search_add_ons((SELECT string_agg('word ' || n, ' ') FROM generate_series(1, 5000) n))";
    assert_eq!(refusal(&mut client, words).1, "value_too_large");
}

#[test]
fn a_quote_keeps_to_the_quantity_of_a_cart_and_to_so_many_lines() {
    let mut client = marketplace("quotes");
    let quote = |quantity: i64| format!(r#"SELECT quote('[{{"add_on_id": "{BRIGADE}", "quantity": {quantity}}}]')"#);
    assert!(client.simple_query(&quote(100)).is_ok());
    for quantity in [101, 1_000_000, 2_147_483_647] {
        let (state, code, _) = refusal(&mut client, &quote(quantity));
        assert_eq!((state.as_str(), code.as_str()), ("23514", "quantity_limit"), "{quantity}");
    }
    let lines = |count: i64| {
        format!(
            "SELECT quote(jsonb_agg(jsonb_build_object('add_on_id', md5(n::text)::uuid, 'quantity', 1))) FROM generate_series(1, {count}) n"
        )
    };
    assert_eq!(refusal(&mut client, &lines(10_000)).1, "add_on_not_found");
    assert_eq!(refusal(&mut client, &lines(10_001)).1, "too_many_lines");
}

#[test]
fn a_quote_is_stored_as_postgresql_itself_would_store_it() {
    let mut client = marketplace("stored");
    // Names of every length and script, keys that a search has to find, and arrays with more elements than a stride.
    client
        .batch_execute(
            "UPDATE add_ons SET name = repeat(E'\\u00e9\\u4e2d\\U0001F600\"\\\\ ', sort_order / 10) || name;
             INSERT INTO add_ons (id, name, category, base_price, billing_type)
             SELECT ('b0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'n' || n, 'analytics', n % 9 * 1111.1, 'one_time'
               FROM generate_series(1, 100) n;
             INSERT INTO cart_items (user_id, add_on_id, quantity) SELECT 'ada', id, 1 + sort_order FROM add_ons;
             INSERT INTO cart_items (user_id, add_on_id) SELECT 'bob', id FROM add_ons LIMIT 1;
             CREATE TABLE stored AS
             SELECT price_cart(u, p, p) AS q FROM unnest('{ada,bob,nobody}'::text[]) u, unnest('{launch2025,NULL,pro}'::text[]) p;
             SELECT count(*) FROM checkout('ada', allow_mixed_billing => true);
             INSERT INTO stored SELECT metadata FROM add_on_purchases;
             CREATE TABLE read AS SELECT q, q::text::jsonb AS again FROM stored",
        )
        .unwrap();
    for same in [
        "q = again AND q::text = again::text AND pg_column_size(q) = pg_column_size(again)",
        "(SELECT bool_and(q -> k = again -> k) FROM jsonb_object_keys(again) k)",
        "(SELECT coalesce(bool_and(q #> ARRAY['lines', n::text] = again #> ARRAY['lines', n::text]), true)
            FROM generate_series(0, jsonb_array_length(coalesce(again -> 'lines', '[]')) - 1) n)",
        "(SELECT coalesce(bool_and(l -> k = l::text::jsonb -> k), true)
            FROM jsonb_array_elements(coalesce(q -> 'lines', '[]')) l, jsonb_object_keys(l) k)",
    ] {
        let all = format!("SELECT count(*) > 100 AND bool_and({same}) FROM read");
        assert_eq!(text(&mut client, &all).as_deref(), Some("t"), "{same}");
    }
}

/// A catalog of 10,000 add-ons, with rules and overlapping bundles, and a user with all of it in the cart.
const LARGE: &str = "
    INSERT INTO add_ons (id, name, description, category, base_price, billing_type)
    SELECT ('b0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Add-on of some length to be read by somebody ' || n,
           repeat('What it does. ', 20), 'analytics', 10 + n % 7, 'one_time'
      FROM generate_series(1, 10000) n;
    INSERT INTO add_on_features (add_on_id, feature_key, configuration)
    SELECT a.id, 'feature_' || n, jsonb_build_object('quota', n, 'name', repeat('x', 50))
      FROM add_ons a, generate_series(1, 2) n WHERE a.id::text LIKE 'b0%';
    INSERT INTO pricing_rules (add_on_id, discount_percent, priority, conditions)
    SELECT a.id, 5 * n, n, jsonb_build_object('min_quantity', n, 'stackable', n > 1)
      FROM add_ons a, generate_series(1, 2) n WHERE a.id::text LIKE 'b0%';
    INSERT INTO add_on_bundles (name, add_on_ids, discount_percent)
    SELECT 'Bundle ' || n, ARRAY(SELECT ('b0000000-0000-4000-8000-' || lpad(m::text, 12, '0'))::uuid FROM generate_series(n, n + 2) m), 10
      FROM generate_series(1, 9998) n;
    INSERT INTO cart_items (user_id, add_on_id, quantity)
    SELECT u, a.id, 100 FROM add_ons a, unnest('{most,buyer}'::text[]) u WHERE a.id::text LIKE 'b0%';
    INSERT INTO cart_items (user_id, add_on_id)
    SELECT 'user ' || n, ('b0000000-0000-4000-8000-' || lpad((n % 10000 + 1)::text, 12, '0'))::uuid FROM generate_series(1, 10000) n;
    ANALYZE";

/// A server whose shared buffers are too small to count as memory of a session.
fn large_marketplace(name: &str) -> (Server, Client) {
    let server = Server::start("shared_buffers = '2MB'\nwork_mem = '1MB'");
    server.create_database(name);
    let mut client = server.connect(name);
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    client.batch_execute(LARGE).unwrap();
    (server, client)
}

/// The peak memory of a session, in bytes.
fn peak(backend: &str) -> i64 {
    let status = fs::read_to_string(format!("/proc/{backend}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024
}

/// The largest call of each function that reads or writes more than a few rows. A name after `--` is a step that must follow others.
const LARGEST: &[&str] = &[
    "SELECT count(quote(items)) FROM documents",
    "SELECT length(price_cart('most')::text)",
    "SELECT cart_total('most')",
    "SELECT count(*) FROM cart_lines('most')",
    "SELECT count(*) FROM price_carts()",
    "SELECT count(*) FROM explain_cart('most')",
    "SELECT length(explain_cart_text('most'))",
    r#"SELECT count(*) FROM simulate_pricing_rule('{"add_on_id": "b0000000-0000-4000-8000-000000000001", "discount_percent": 50}')"#,
    r#"SELECT count(*) FROM simulate_bundle('{"name": "x", "discount_percent": 90, "add_on_ids": ["b0000000-0000-4000-8000-000000000001", "b0000000-0000-4000-8000-000000000002"]}')"#,
    r#"SELECT count(*) FROM simulate_promo_code('{"code": "x", "discount_type": "percentage", "discount_value": 10}')"#,
    "SELECT count(*) FROM search_add_ons(max_rows => NULL)",
    "SELECT count(*) FROM search_add_ons('somebody', max_rows => NULL)",
    "SELECT count(*) FROM list_add_ons('omebod', max_rows => NULL)",
    "SELECT count(*) FROM checkout('buyer')",
    "SELECT count(*) FROM purchase_history('buyer', max_rows => NULL)",
    "SELECT count(*) FROM list_purchases('buyer', max_rows => NULL)",
    "SELECT count(*) FROM user_features('owner')",
    "SELECT count(*) FROM active_add_ons('owner')",
    "SELECT count(apply_stripe_event(event)) FROM documents",
    "SELECT count(apply_lago_event(event)) FROM documents",
    "SELECT count(*) FROM run_maintenance('0 s', '1 day', batch => 2000000000)",
];

/// The life of a checkout of 10,000 lines, step by step; each step uses the state that the earlier ones have left.
const PAYMENTS: &[&str] = &[
    "SELECT count(*) FROM checkout('buyer')",
    "SELECT count(*) FROM complete_checkout((SELECT checkout_id FROM add_on_purchases WHERE user_id = 'buyer' LIMIT 1), 'pi_1')",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "type": "charge.dispute.created", "created": 1900000001,
         "data": {"object": {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "status": "needs_response"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_2", "type": "charge.dispute.closed", "created": 1900000002,
         "data": {"object": {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "status": "won"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_3", "type": "charge.refunded", "created": 1900000003,
         "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "refunded": true, "amount": 1299700000, "amount_refunded": 1299700000}}}')"#,
    "SELECT count(*) FROM checkout('most')",
    "SELECT fail_checkout((SELECT checkout_id FROM add_on_purchases WHERE user_id = 'most' LIMIT 1))",
];

/// The largest documents that are read.
const DOCUMENTS: &str = r#"
    CREATE TABLE documents AS
    SELECT (SELECT jsonb_agg(jsonb_build_object('add_on_id', a.id, 'quantity', 100)) FROM add_ons a WHERE a.id::text LIKE 'b0%') AS items,
           jsonb_build_object('id', 'evt', 'type', 'invoice.paid', 'created', 1, 'webhook_type', 'invoice.created', 'object_type', 'invoice',
             'invoice', '{"lago_id": "x"}'::jsonb,
             'data', jsonb_build_object('object', jsonb_build_object('id', 'in_1', 'object', 'invoice', 'lines', (
               SELECT jsonb_agg(jsonb_build_object('id', 'il_' || n, 'amount', n, 'currency', 'usd', 'description', repeat('x', 40)))
                 FROM generate_series(1, 20000) n)))) AS event;
    INSERT INTO user_add_ons (user_id, add_on_id) SELECT 'owner', id FROM add_ons"#;

#[test]
fn no_call_takes_more_memory_than_it_may() {
    let (server, mut client) = large_marketplace("memory");
    client.batch_execute(DOCUMENTS).unwrap();
    let (report, most, _) = measure(&server, "memory", LARGEST);
    assert!(most < MOST_MEMORY, "{report}");
}

/// Measures each call in a session of its own. Returns the results, and the maximum memory and time.
fn measure(server: &Server, database: &str, calls: &[&str]) -> (String, i64, Duration) {
    let (mut report, mut most, mut longest) = (String::new(), 0, Duration::ZERO);
    for call in calls {
        let mut session = server.connect(database);
        let backend = text(&mut session, "SELECT pg_backend_pid()").unwrap();
        text(&mut session, &format!("SELECT price_add_on('{BRIGADE}')"));
        let (before, started) = (peak(&backend), Instant::now());
        if let Err(error) = session.batch_execute(call) {
            // A call that would take more is refused.
            assert_eq!(error.code().map(|state| state.code()), Some("54000"), "{call}: {error:?}");
        }
        let (taken, time) = (peak(&backend) - before, started.elapsed());
        report += &format!("{:6.1} MB {:7.1} ms {call}\n", taken as f64 / 1_048_576.0, time.as_secs_f64() * 1000.0);
        (most, longest) = (most.max(taken), longest.max(time));
    }
    println!("{report}");
    (report, most, longest)
}

/// `cargo test -p harness --test limits -- --ignored --nocapture` with a release build installed.
#[test]
#[ignore = "it measures a release build; the suites run a debug build"]
fn a_large_checkout_is_paid_disputed_and_refunded_within_a_second() {
    let (server, _client) = large_marketplace("payments");
    let (report, most, longest) = measure(&server, "payments", PAYMENTS);
    assert!(most < MOST_MEMORY, "{report}");
    assert!(longest < Duration::from_secs(1), "{report}");
}

#[test]
fn a_cancel_ends_every_long_call() {
    let (server, mut client) = large_marketplace("cancels");
    client.batch_execute(DOCUMENTS).unwrap();
    // A cart that only direct writes can create: the limits of the search are the only ones.
    client
        .batch_execute(
            "INSERT INTO cart_items (user_id, add_on_id, quantity)
             SELECT 'direct', ('b0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 900000 FROM generate_series(1, 8) n;
             UPDATE add_ons SET base_price = 1 WHERE id::text LIKE 'b0%'",
        )
        .unwrap();
    // How late a call may end after a cancel. A call that never checks takes minutes; docs/reliability.md has the
    // figures of a release build on an otherwise idle machine.
    let patience = Duration::from_secs(5);
    let calls =
        LARGEST.iter().copied().chain(["SELECT cart_total('direct')", "SELECT length(explain_cart_text('direct'))"]);
    for call in calls {
        let mut session = server.connect("cancels");
        text(&mut session, &format!("SELECT price_add_on('{BRIGADE}')"));
        for timeout in [20, 60, 150, 400] {
            session.batch_execute(&format!("BEGIN; SET LOCAL statement_timeout = {timeout}")).unwrap();
            let started = Instant::now();
            let outcome = session.batch_execute(call);
            let took = started.elapsed();
            // It is under the time limit, too, and a busy machine can miss that.
            while session.batch_execute("ROLLBACK").is_err() {}
            let is_cancelled = outcome.is_err_and(|error| error.code().is_some_and(|state| state.code() == "57014"));
            let late = took.saturating_sub(Duration::from_millis(timeout));
            println!("{call}: {timeout} ms, cancelled {is_cancelled}, {late:?} late");
            assert!(late < patience, "{call}: {timeout} ms were {took:?}");
            if !is_cancelled {
                break;
            }
        }
    }
}

#[test]
fn a_cart_of_bundles_that_share_an_add_on_is_priced_at_once() {
    let mut client = marketplace("hub");
    client
        .batch_execute(
            "INSERT INTO add_ons (id, name, category, base_price, billing_type)
             SELECT gen_random_uuid(), 'acc ' || n, 'analytics', 10, 'monthly' FROM generate_series(1, 1500) n;
             INSERT INTO add_ons (id, name, category, base_price, billing_type)
             VALUES ('c0000000-0000-4000-8000-000000000001', 'hub', 'analytics', 10, 'monthly');
             INSERT INTO add_on_bundles (name, add_on_ids, discount_percent)
             SELECT 'hub + ' || name, ARRAY['c0000000-0000-4000-8000-000000000001', id]::uuid[], 10 FROM add_ons WHERE name LIKE 'acc %';
             INSERT INTO cart_items (user_id, add_on_id, quantity)
             SELECT 'hub', id, 20 FROM add_ons WHERE name LIKE 'acc %' OR name = 'hub';
             SET statement_timeout = '5s'",
        )
        .unwrap();
    // 1,501 × 20 × 10.00, less 10 % of twenty pairs of 20.00.
    assert_eq!(text(&mut client, "SELECT cart_total('hub')").as_deref(), Some("300160.00"));
    assert_eq!(text(&mut client, "SELECT price_cart('hub') ->> 'bundle_search'").as_deref(), Some("greedy"));
}
