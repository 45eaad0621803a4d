//! Random arguments of every type to every function of the extension: no crash, no internal error, no SQLSTATE that is not
//! expected. `make fuzz` makes 100 000 calls; the seed is printed, and `FUZZ_SEED` repeats a run.

use std::collections::BTreeMap;

use fastrand::Rng;
use harness::{Server, invariants, marketplace, text};
use postgres::Client;
use serde_json::Value;

/// How many calls are made without `FUZZ_CALLS`.
const CALLS: usize = 4_000;

/// A function as pg_proc has it.
struct Function {
    name: String,
    arguments: Vec<String>,
    /// How many of them must be given.
    required: usize,
    /// Its effects are undone: others expect the extension as it was.
    is_undone: bool,
    /// Only other functions call it, and give it what makes sense.
    is_internal: bool,
}

/// Changes more than rows.
const ADMINISTRATION: [&str; 16] = [
    "adopt_rows",
    "adopt_tables",
    "adoption_rows",
    "attach_tables",
    "detach_tables",
    "disable_user_isolation",
    "enable_user_isolation",
    "grant_marketplace_access",
    "revoke_marketplace_access",
    "import_catalog",
    "link_reference_tables",
    "unlink_reference_tables",
    "protect_marketplace",
    "unprotect_marketplace",
    "run_maintenance",
    "schedule_maintenance",
];

/// SQLSTATEs that our own errors have; each comes with a `code:` line.
const OURS: [&str; 7] = ["22003", "22023", "23514", "42501", "55000", "P0002", "39P03"];

/// SQLSTATEs of PostgreSQL that random values deserve.
const POSTGRESQLS: [(&str, &str); 14] = [
    ("22003", "numeric_value_out_of_range: a sum of amounts that no column holds"),
    ("22007", "invalid_datetime_format: in a draft of a row"),
    ("22008", "datetime_field_overflow: a month after the last timestamp"),
    ("22021", "character_not_in_repertoire"),
    ("22023", "invalid_parameter_value: a time zone that does not exist"),
    ("22P05", "untranslatable_character"),
    ("23502", "not_null_violation"),
    ("23503", "foreign_key_violation"),
    ("23505", "unique_violation"),
    ("23514", "check_violation of a table's own constraint"),
    ("54000", "program_limit_exceeded: a key that no index holds"),
    ("54001", "statement_too_complex: a document nested deeper than the stack"),
    ("42501", "insufficient_privilege"),
    ("42704", "undefined_object: a role that does not exist"),
];

fn functions(client: &mut Client) -> Vec<Function> {
    let query = "SELECT p.proname::text, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n),
                        p.pronargs::int - p.pronargdefaults, coalesce(obj_description(p.oid, 'pg_proc') ~ '\\mOnly .* calls? it', false)
                   FROM pg_proc p
                   JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                   JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  WHERE e.extname = 'extensions' AND NOT 'internal'::regtype = ANY (p.proargtypes)
                    AND p.prorettype <> ALL ('{trigger,event_trigger}'::regtype[])
                  ORDER BY p.oid::regprocedure::text COLLATE \"C\"";
    let describe = |row: &postgres::Row| {
        let name: String = row.get(0);
        let is_undone = ADMINISTRATION.contains(&name.as_str());
        let (required, is_internal) = (row.get::<_, i32>(2) as usize, row.get(3));
        Function { name, arguments: row.get(1), required, is_undone: is_undone || is_internal, is_internal }
    };
    client.query(query, &[]).unwrap().iter().map(describe).collect()
}

/// A literal in SQL, whatever its characters.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn choose<'a>(random: &mut Rng, among: &[&'a str]) -> &'a str {
    among[random.usize(..among.len())]
}

/// Ids of the sample's rows and of purchases that exist, and others.
fn uuid(random: &mut Rng, known: &[String]) -> String {
    match random.u8(..10) {
        0 => "00000000-0000-0000-0000-000000000000".into(),
        1 => "ffffffff-ffff-ffff-ffff-ffffffffffff".into(),
        2 => uuid::Uuid::from_u128(random.u128(..)).to_string(),
        _ => known[random.usize(..known.len())].clone(),
    }
}

fn words(random: &mut Rng) -> String {
    let known = [
        "ada",
        "bob",
        "user 1",
        "LAUNCH2025",
        "launch2025 ",
        "FIRSTBUY",
        "FRIEND50",
        "VIP2025",
        "vip_founder",
        "pro",
        "agent_platform",
        "gpu_hours",
        "Brigade",
        "ai-services",
        "infrastructure",
        "completed",
        "refunded",
        "pending",
        "monthly",
        "UTC",
        "Europe/Berlin",
        "public",
        "pg_catalog",
        "extensions.user_id",
        "shop",
        "catalog",
        "billing",
        "admin",
        "entitlements",
        "17 3 * * *",
    ];
    let odd = [
        "",
        " ",
        "\t\n",
        "'",
        "\\",
        "''; DROP TABLE add_ons; --",
        "%s%n%d",
        "\u{202e}abc",
        "💩",
        "ß",
        "İ",
        "\u{1}",
        "NULL",
        "{}",
        "$1",
        "\"",
        "a.b.c",
        "0",
        "-1",
        "NaN",
        "1e999",
        "\u{feff}",
        "\u{fdfa}\u{fdfa}",
    ];
    match random.u8(..8) {
        0 => choose(random, &odd).repeat(random.usize(1..4)),
        1 => choose(random, &odd).repeat(random.usize(100..20_000)),
        2 => (0..random.usize(1..300)).map(|_| random.char('\u{1}'..'\u{10ffff}')).collect(),
        _ => choose(random, &known).to_owned(),
    }
}

fn number(random: &mut Rng) -> String {
    let odd = [
        "0",
        "-0",
        "0.00",
        "0.01",
        "0.004",
        "0.005",
        "-0.01",
        "1",
        "19.99",
        "99999999.99",
        "100000000",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e-16383",
        "9e131071",
        "-9e131071",
        "0.1234567890123456789012345678901234567890",
        "79228162514264337593543950335",
        "79228162514264337593543950336",
        "-92233720368547758.08",
        "92233720368547758.07",
        "92233720368547758.08",
    ];
    match random.u8(..3) {
        0 => format!("{}.{:02}", random.i64(-100..100_000), random.u8(..100)),
        1 => format!("{}{}e{}", choose(random, &["", "-"]), random.u64(..), random.i32(-400..400)),
        _ => choose(random, &odd).to_owned(),
    }
}

/// A document: one that fits somewhere, one of them with something changed, or anything.
fn document(random: &mut Rng, known: &[String]) -> String {
    let id = uuid(random, known);
    let other = uuid(random, known);
    let count = choose(
        random,
        &["1", "2", "0", "-1", "1.5", "1e9", "100", "2147483648", "null", "\"2\"", "1e-400", "99999999999999999999"],
    );
    let amount =
        choose(random, &["10", "0", "100", "0.005", "-1", "1e400", "33.33", "\"10\"", "null", "99999999.99", "1e20"]);
    let seconds =
        choose(random, &["1767225600", "0", "-1", "1e18", "9223372036854775807", "253402300800", "null", "\"x\""]);
    let kind = choose(
        random,
        &[
            "checkout.session.completed",
            "checkout.session.expired",
            "checkout.session.async_payment_succeeded",
            "payment_intent.succeeded",
            "payment_intent.payment_failed",
            "charge.refunded",
            "charge.dispute.created",
            "charge.dispute.closed",
            "invoice.paid",
            "customer.subscription.updated",
            "customer.subscription.deleted",
            "refund.updated",
            "x",
            "",
        ],
    );
    let lago = choose(
        random,
        &[
            "subscription.started",
            "subscription.terminated",
            "invoice.created",
            "invoice.payment_overdue",
            "invoice.payment_status_updated",
            "invoice.paid_credit_added",
            "x",
        ],
    );
    let status = choose(
        random,
        &["paid", "unpaid", "succeeded", "failed", "won", "lost", "active", "canceled", "past_due", "terminated", ""],
    );
    let shaped = match random.u8(..9) {
        0 => format!(
            r#"[{{"add_on_id": "{id}", "quantity": {count}}}, {{"add_on_id": "{other}", "quantity": {count}}}]"#
        ),
        1 => format!(
            r#"{{"min_quantity": {count}, "max_quantity": {count}, "min_subtotal": {amount}, "requires_addon": ["{id}"],
                         "excludes_addon": ["{other}"], "billing_type": ["monthly", "{status}"], "first_purchase_only": true, "stackable": true}}"#
        ),
        2 => format!(
            r#"{{"tier": ["pro", "{status}"], "first_purchase_only": false, "user_ids": ["ada"], "max_uses_per_user": {count}}}"#
        ),
        3 => format!(
            r#"{{"add_on_id": "{id}", "discount_percent": {amount}, "discount_amount": {amount}, "priority": {count},
                         "conditions": {{"min_quantity": {count}}}, "valid_from": "2026-01-01", "valid_until": "{status}"}}"#
        ),
        4 => format!(
            r#"{{"name": "{status}", "add_on_ids": ["{id}", "{other}"], "discount_percent": {amount}, "max_uses": {count}}}"#
        ),
        5 => format!(
            r#"{{"code": "new {status}", "discount_type": "percentage", "discount_value": {amount}, "applicable_to": ["{id}"],
                         "user_restrictions": {{"max_uses_per_user": {count}}}, "min_purchase_amount": {amount}}}"#
        ),
        6 => format!(
            r#"{{"id": "evt_{}", "type": "{kind}", "created": {seconds}, "data": {{"object": {{"id": "cs_1", "object": "x",
                         "client_reference_id": "{id}", "metadata": {{"checkout_id": "{other}"}}, "payment_intent": "pi_1", "invoice": "in_1",
                         "subscription": "sub_1", "amount_total": {count}, "amount": {count}, "amount_received": {count}, "amount_refunded": {count},
                         "amount_paid": {count}, "currency": "{}", "payment_status": "{status}", "status": "{status}",
                         "current_period_end": {seconds}, "lines": {{"data": [{{"period": {{"start": {seconds}, "end": {seconds}}}}}]}}}}}}}}"#,
            random.u8(..),
            choose(random, &["usd", "eur", "USD", "", "xxxxx"])
        ),
        7 => format!(
            r#"{{"webhook_type": "{lago}", "object_type": "{}", "organization_id": "org",
                         "invoice": {{"lago_id": "in_1", "payment_status": "{status}", "total_amount_cents": {count}, "currency": "USD",
                         "metadata": [{{"key": "checkout_id", "value": "{id}"}}], "subscriptions": [{{"lago_subscription_id": "sub_1",
                         "subscription_to_datetime": "{}"}}]}},
                         "subscription": {{"lago_id": "sub_1", "external_id": "{id}", "status": "{status}", "terminated_at": "2030-01-01T00:00:00Z"}}}}"#,
            choose(random, &["invoice", "subscription", "x"]),
            choose(random, &["2099-02-28T00:00:00Z", "infinity", "0000-00-00", "+999999-12-31T00:00:00Z", ""])
        ),
        _ => format!(
            r#"{{"version": 1, "add_ons": [{{"id": "{id}", "name": "{status}", "category": "analytics", "base_price": {amount},
                         "billing_type": "monthly"}}], "pricing_rules": [], "add_on_bundles": [{{"id": "{other}", "add_on_ids": ["{id}"]}}],
                         "promotional_codes": [], "add_on_features": []}}"#
        ),
    };
    match random.u8(..12) {
        0 => {
            let depth = random.usize(1..6_000);
            format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
        }
        1 => choose(
            random,
            &["null", "true", "0", "\"\"", "[]", "{}", "[null]", "[[]]", "{\"\": {\"\": []}}", "1e1000", "-0"],
        )
        .to_owned(),
        2 => format!(
            "[{}]",
            vec![format!(r#"{{"add_on_id": "{id}", "quantity": 1}}"#); random.usize(1..2_000)].join(",")
        ),
        3 => mutated(random, &shaped),
        _ => shaped,
    }
}

/// With one value replaced by another, if that is a document still.
fn mutated(random: &mut Rng, document: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(document) else { return document.to_owned() };
    replace_within(random, &mut value);
    value.to_string()
}

fn replace_within(random: &mut Rng, value: &mut Value) {
    let odd = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"x\"",
        "0",
        "-1",
        "1e400",
        "[{}]",
        "{\"a\": null}",
        "9223372036854775808",
    ];
    let mut inner: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    if inner.is_empty() || random.u8(..3) == 0 {
        *value = serde_json::from_str(choose(random, &odd)).unwrap();
    } else {
        let position = random.usize(..inner.len());
        replace_within(random, inner.swap_remove(position));
    }
}

fn array(random: &mut Rng, kind: &str, element: impl Fn(&mut Rng) -> String) -> String {
    let elements = |random: &mut Rng| -> String {
        let count = random.usize(0..6);
        let one = |random: &mut Rng| if random.u8(..8) == 0 { "NULL".to_owned() } else { literal(&element(random)) };
        (0..count).map(|_| one(random)).collect::<Vec<_>>().join(", ")
    };
    match random.u8(..6) {
        0 => {
            let row = elements(random);
            if row.is_empty() { "ARRAY[]".to_owned() } else { format!("ARRAY[[{row}], [{row}]]") }
        }
        1 => format!("array_fill({}::{kind}, ARRAY[{}], ARRAY[-5])", literal(&element(random)), random.usize(1..500)),
        _ => format!("ARRAY[{}]", elements(random)),
    }
}

/// A value of a type, as SQL.
fn value(random: &mut Rng, kind: &str, known: &[String]) -> String {
    if random.u8(..10) == 0 {
        return format!("NULL::{kind}");
    }
    let value = match kind {
        "boolean" => literal(choose(random, &["true", "false"])),
        "integer" => {
            let odd = random.i32(..).to_string();
            literal(choose(random, &["0", "1", "2", "-1", "100", "101", "2147483647", "-2147483648", &odd]))
        }
        "numeric" => literal(&number(random)),
        "text" => literal(&words(random)),
        "name" => literal(&words(random).chars().take(60).collect::<String>()),
        "uuid" => literal(&uuid(random, known)),
        "jsonb" => literal(&document(random, known)),
        "text[]" => array(random, "text", words),
        "uuid[]" => array(random, "uuid", |random| uuid(random, known)),
        "timestamp with time zone" => literal(choose(
            random,
            &[
                "now",
                "infinity",
                "-infinity",
                "epoch",
                "4714-11-24 00:00+00 BC",
                "294276-12-31 23:59:59.999999+00",
                "2026-02-28",
                "2000-01-01 00:00:00.000001+14",
                "9999-12-31",
            ],
        )),
        "interval" => literal(choose(
            random,
            &[
                "0",
                "1 second",
                "-1 second",
                "30 days",
                "178000000 years",
                "-178000000 years",
                "1 mon -30 days",
                "2147483647 days",
                "-2147483648 days",
            ],
        )),
        "regclass" => literal(choose(
            random,
            &["add_ons", "cart_items", "pg_class", "revenue_by_day", "idx_cart_items_user", "old.add_ons"],
        )),
        "oid" => literal(choose(random, &["0", "1259", "2200", "4294967295"])),
        "regrole" => literal(choose(random, &["postgres", "fuzz_shopper", "pg_monitor", "\"fuzz owner\""])),
        other => panic!("no values are made of type {other}"),
    };
    format!("{value}::{kind}")
}

fn call(random: &mut Rng, function: &Function, known: &[String]) -> String {
    let given = random.usize(function.required..=function.arguments.len());
    let arguments: Vec<String> = function.arguments[..given].iter().map(|kind| value(random, kind, known)).collect();
    format!("SELECT * FROM {}({})", function.name, arguments.join(", "))
}

/// Something for ids to name, and roles and tables for functions that take them.
fn prepare(client: &mut Client) -> Vec<String> {
    client
        .batch_execute(
            "CREATE ROLE fuzz_shopper; CREATE ROLE \"fuzz owner\";
             CREATE SCHEMA old; CREATE TABLE old.add_ons (id int, name text, base_price float, created_at timestamp);
             SELECT count(*) FROM unnest('{ada,bob,user 1}'::text[]) u, add_ons a, add_to_cart(u, a.id, 1);
             SELECT count(*) FROM unnest('{bob,user 1}'::text[]) u, checkout(u, promo_code => 'launch2025', allow_mixed_billing => true);
             SELECT count(*) FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'bob') c, complete_checkout(c.checkout_id, 'pi_1');
             SET statement_timeout = '10s'",
        )
        .unwrap();
    let ids = "SELECT id::text FROM add_ons UNION SELECT id::text FROM add_on_bundles UNION SELECT checkout_id::text FROM add_on_purchases
               UNION SELECT id::text FROM add_on_purchases UNION SELECT id::text FROM promotional_codes ORDER BY 1";
    client.query(ids, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// What a call came to: an SQLSTATE, or `00000`; and the error if nobody could expect it.
fn outcome(client: &mut Client, call: &str, is_internal: bool) -> (String, Option<String>) {
    let Err(error) = client.simple_query(call) else { return ("00000".to_owned(), None) };
    let short = call.chars().take(2_000).collect::<String>();
    let error = error.as_db_error().unwrap_or_else(|| panic!("{short} broke the connection: {error}"));
    let state = error.code().code();
    let has_code = error.detail().is_some_and(|detail| detail.lines().any(|line| line.starts_with("code: ")));
    let is_expected = match has_code {
        true => OURS.contains(&state),
        false if is_internal => !["XX", "57", "58", "53"].contains(&&state[..2]),
        false => POSTGRESQLS.iter().any(|(known, _)| *known == state),
    };
    let told = || format!("{state} {}, in {:?}, of {short}", error.message(), error.where_());
    (state.to_owned(), (!is_expected).then(told))
}

#[test]
fn random_arguments_are_answered_or_refused() {
    let seed: u64 = std::env::var("FUZZ_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let calls: usize = std::env::var("FUZZ_CALLS").map_or(CALLS, |calls| calls.parse().unwrap());
    println!("FUZZ_SEED={seed} FUZZ_CALLS={calls}");
    let mut random = Rng::with_seed(seed);
    let mut client = marketplace("fuzz");
    let known = prepare(&mut client);
    let functions = functions(&mut client);
    assert!(functions.len() > 50);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut surprises: BTreeMap<(String, String), String> = BTreeMap::new();
    for number in 0..calls {
        let function = &functions[number % functions.len()];
        let call = call(&mut random, function, &known);
        client.batch_execute("BEGIN").unwrap();
        let (outcome, unexpected) = outcome(&mut client, &call, function.is_internal);
        if let Some(error) = unexpected {
            surprises.entry((function.name.clone(), outcome.clone())).or_insert(error);
        }
        // What is kept now and then gives the next calls something to meet.
        let is_kept = outcome == "00000" && !function.is_undone && random.u8(..4) == 0;
        client
            .batch_execute(if is_kept { "COMMIT" } else { "ROLLBACK" })
            .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{calls} calls of {} functions: {outcomes:?}", functions.len());
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(outcomes["00000"] * 5 > calls, "most calls should get past their arguments: {outcomes:?}");
    client.batch_execute("SET statement_timeout = 0").unwrap();
    counters_hold(&mut client);
}

/// Access that nobody paid for is what grant_add_on() is for, so only the extension's own checks count.
fn counters_hold(client: &mut Client) {
    let problems = "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
                     WHERE NOT ok AND check_name IN ('tables', 'indexes', 'constraints', 'triggers', 'promotional_code_uses', 'bundle_uses', 'refunds', 'quotes')";
    assert_eq!(text(client, problems), None);
}

#[test]
fn functions_of_triggers_are_called_by_triggers_only() {
    let mut client = marketplace("fuzz triggers");
    for function in [
        "enforce_purchase_transition",
        "invalidate_catalog_cache",
        "set_updated_at",
        "normalize_promo_code",
        "normalize_currency",
        "guard_marketplace",
    ] {
        let error = client.simple_query(&format!("SELECT {function}()")).unwrap_err();
        assert!(error.as_db_error().is_some(), "{function} broke the connection: {error}");
    }
    assert_eq!(
        Server::shared()
            .connect("fuzz triggers")
            .simple_query("SELECT guard_marketplace()")
            .unwrap_err()
            .code()
            .unwrap()
            .code(),
        "39P03"
    );
    invariants::check(&mut client);
}
