//! Malformed webhook bodies: each is answered, or refused with one of our errors. None causes one of PostgreSQL's
//! errors about a column, and none corrupts the books.

use std::collections::BTreeMap;

use fastrand::Rng;
use harness::{BOLT, BRIGADE, marketplace, refusal, text};
use postgres::Client;
use serde_json::{Value, json};

/// Kinds of events with the object that they carry; the body says more than once which checkout it is about.
const KINDS: [(&str, &str); 18] = [
    ("checkout.session.completed", "stripe.checkout.session"),
    ("checkout.session.expired", "stripe.checkout.session"),
    ("checkout.session.async_payment_succeeded", "stripe.checkout.session"),
    ("payment_intent.succeeded", "stripe.payment_intent"),
    ("payment_intent.processing", "stripe.payment_intent"),
    ("charge.succeeded", "stripe.charge"),
    ("charge.refunded", "stripe.charge"),
    ("refund.created", "stripe.refund"),
    ("refund.failed", "stripe.refund"),
    ("charge.dispute.created", "stripe.dispute"),
    ("charge.dispute.closed", "stripe.dispute"),
    ("invoice.paid", "stripe.invoice"),
    ("invoice.overdue", "stripe.invoice"),
    ("invoice_payment.paid", "stripe.invoice_payment"),
    ("customer.subscription.updated", "stripe.subscription"),
    ("customer.subscription.deleted", "stripe.subscription"),
    ("subscription.updated", "lago.subscription"),
    ("invoice.payment_status_updated", "lago.invoice"),
];

fn published(name: &str) -> Value {
    let path = format!("{}/../tests/payloads/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A body about a checkout, of one of the kinds.
fn body(random: &mut Rng, checkout: &str) -> (&'static str, Value) {
    let (kind, name) = KINDS[random.usize(..KINDS.len())];
    let mut object = published(name);
    if let Some(key) = name.strip_prefix("lago.") {
        let inside = &mut object[key];
        inside["external_id"] = json!(checkout);
        inside["payment_status"] = json!(["succeeded", "pending", "failed"][random.usize(..3)]);
        if key == "invoice" {
            inside["fees"][0]["external_subscription_id"] = json!(checkout);
        }
        let inside = inside.clone();
        return ("apply_lago_event", json!({"webhook_type": kind, "object_type": key, key: inside}));
    }
    object["metadata"] = json!({"checkout_id": checkout});
    for (key, value) in [("payment_intent", "pi_1"), ("charge", "ch_1"), ("invoice", "in_1"), ("latest_charge", "ch_1")]
    {
        if object.get(key).is_some() {
            object[key] = json!(value);
        }
    }
    if let Some(status) = object.get("payment_status").cloned() {
        object["payment_status"] = if random.bool() { json!("paid") } else { status };
        object["amount_total"] = json!(1499);
        object["currency"] = json!("usd");
    }
    let event = json!({"id": "evt_1", "object": "event", "type": kind, "created": 1_767_225_600 + random.i64(0..100),
                       "data": {"object": object, "previous_attributes": {"status": "active", "amount_refunded": 1}}});
    ("apply_stripe_event", event)
}

/// Something that does not belong where it is put.
fn odd(random: &mut Rng) -> Value {
    match random.u8(..16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(10_000_000_000_000_i64),
        3 => json!(-1),
        4 => json!(i64::MIN),
        5 => json!(i64::MAX),
        6 => json!(0),
        7 => serde_json::from_str("99999999999999999999.5").unwrap(),
        8 => json!("x".repeat(300)),
        9 => json!("something new"),
        10 => json!([]),
        11 => json!({}),
        12 => json!([{"id": 7, "metadata": [], "data": "x"}]),
        13 => json!("9999-12-31T23:59:59Z"),
        14 => json!("\u{1}\u{10ffff}"),
        _ => json!(1_767_225_600),
    }
}

/// Puts something odd at a random place inside of a document.
fn spoil(value: &mut Value, random: &mut Rng) {
    let inside: Option<&mut Value> = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let place = random.usize(..fields.len());
            fields.values_mut().nth(place)
        }
        Value::Array(elements) if !elements.is_empty() => {
            let place = random.usize(..elements.len());
            elements.get_mut(place)
        }
        _ => None,
    };
    match inside {
        Some(inside) if random.u8(..4) > 0 && (inside.is_object() || inside.is_array()) => spoil(inside, random),
        Some(inside) => *inside = odd(random),
        None => *value = odd(random),
    }
}

fn apply(client: &mut Client, function: &str, body: &Value) -> Result<Value, postgres::Error> {
    let query = format!("SELECT {function}($1::text::jsonb)::text");
    client.query_one(&query, &[&body.to_string()]).map(|row| serde_json::from_str(row.get(0)).unwrap())
}

#[test]
fn spoiled_bodies_are_answered_or_refused_as_such() {
    let mut client = marketplace("bodies");
    let mut random = Rng::with_seed(0xb0d1e5);
    let (mut answered, mut refused) = (0, 0);
    for number in 0..30 {
        let user = format!("user {number}");
        client.query("SELECT * FROM add_to_cart($1, $2::text::uuid)", &[&user, &BOLT]).unwrap();
        let checkout: String = client.query_one("SELECT checkout_id::text FROM checkout($1)", &[&user]).unwrap().get(0);
        for _ in 0..12 {
            let (function, mut body) = body(&mut random, &checkout);
            // Mostly inside of the object, where one field among many is not what it should be.
            for _ in 0..random.usize(..4) {
                match body.pointer_mut("/data/object") {
                    Some(object) if random.u8(..20) > 0 => spoil(object, &mut random),
                    _ => spoil(&mut body, &mut random),
                }
            }
            match apply(&mut client, function, &body) {
                Ok(answer) => {
                    answered += 1;
                    assert!(
                        answer["handled"].is_boolean() && answer["action"].is_string() && answer["retry"].is_boolean()
                    );
                }
                Err(error) => {
                    refused += 1;
                    let error = error.as_db_error().unwrap_or_else(|| panic!("{error}: {body}"));
                    assert_eq!(error.code().code(), "22023", "{error}: {body}");
                    assert!(
                        error.detail().is_some_and(|detail| detail.contains("code: malformed_argument")),
                        "{error}: {body}"
                    );
                }
            }
        }
    }
    // Enough of both, or this tests nothing.
    assert!(answered > 100 && refused > 50, "{answered} {refused}");
    let problems =
        "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace() WHERE severity = 'error'";
    assert_eq!(text(&mut client, problems), None);
    // Access only where a purchase is paid.
    let unpaid = "SELECT string_agg(u.user_id, ', ') FROM user_add_ons u
                   WHERE has_add_on(u.user_id, u.add_on_id)
                     AND NOT EXISTS (SELECT FROM add_on_purchases p WHERE p.user_id = u.user_id AND p.status = 'completed')";
    assert_eq!(text(&mut client, unpaid), None);
}

#[test]
fn absurd_values_one_by_one() {
    let mut client = marketplace("absurd");
    client.batch_execute("BEGIN").unwrap();
    client.query("SELECT * FROM add_to_cart('ada', $1::text::uuid)", &[&BOLT]).unwrap();
    let checkout = text(&mut client, "SELECT checkout_id FROM checkout('ada')").unwrap();
    let session = |key: &str, value: Value| {
        let mut session = json!({"id": "cs_1", "object": "checkout.session", "metadata": {"checkout_id": checkout}, "status": "complete",
                                 "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 1499, "currency": "usd"});
        session[key] = value;
        json!({"id": "evt_1", "type": "checkout.session.completed", "created": 1_767_225_600, "data": {"object": session}})
    };
    let mut answer = |body: &Value| {
        client.batch_execute("SAVEPOINT before").unwrap();
        let answer = apply(&mut client, "apply_stripe_event", body);
        client.batch_execute("ROLLBACK TO before").unwrap();
        match answer {
            Ok(answer) => answer["action"].as_str().unwrap().to_owned(),
            Err(error) => error.as_db_error().map(|error| error.code().code().to_owned()).unwrap_or_default(),
        }
    };
    let mut check = |key: &str, value: Value, expected: &str| {
        assert_eq!(answer(&session(key, value.clone())), expected, "{key}: {value}");
    };
    check("amount_total", json!(10_000_000_000_000_i64), "refused");
    check("amount_total", json!(-1499), "22023");
    check("amount_total", json!(14.99), "22023");
    check("amount_total", json!("1499"), "22023");
    check("id", json!("c".repeat(300)), "22023");
    check("payment_intent", json!("p".repeat(300)), "22023");
    check("payment_intent", json!(["pi_1"]), "22023");
    check("payment_status", json!("something new"), "linked");
    check("metadata", json!([]), "not_ours");
    check("metadata", Value::Null, "not_ours");
    check("currency", json!("kwd"), "22023");
    check("currency", json!("dollars"), "22023");
    check("extra", json!("x".repeat(2_000_000)), "completed");
}

/// Words and ids of every kind that a caller could pass, as SQL.
fn texts() -> Vec<String> {
    let quoted = |text: String| format!("'{text}'");
    let long = ["x", "é"].map(|letter| quoted(letter.repeat(300)));
    let fitting = quoted("é".repeat(255));
    let odd = ["NULL", "''", "E'\\x01\\x02\\n'", "'💸'", "U&'\\202e\\0000'", "repeat('y', 2000000)"].map(str::to_owned);
    long.into_iter().chain([fitting]).chain(odd).collect()
}

/// The code of the refusal of a call; `None` where it is answered.
fn code_of(client: &mut Client, call: &str) -> Option<String> {
    client.batch_execute("BEGIN").unwrap();
    let shown: String = call.chars().take(120).collect();
    let outcome = client.batch_execute(&format!("SELECT {call}"));
    client.batch_execute("ROLLBACK").unwrap();
    let error = outcome.err()?;
    let error = error.as_db_error().unwrap_or_else(|| panic!("{shown} broke the connection: {error}"));
    // PostgreSQL itself refuses a value that is not a text.
    let is_no_text = error.code().code() == "22P05" || error.message().contains("Unicode escape");
    let code = error.detail().and_then(|detail| detail.lines().find_map(|line| line.strip_prefix("code: ")));
    assert!(is_no_text || (code.is_some() && error.hint().is_some()), "{shown}: {error:?}");
    Some(code.unwrap_or_default().to_owned())
}

/// Calls by hand with values that nobody should pass: an answer, or an error of ours.
#[test]
fn calls_by_hand_are_answered_or_refused_whatever_they_are_given() {
    let mut client = marketplace("by_hand");
    let mut buy = || {
        client.batch_execute(&format!("SELECT add_to_cart('ada', '{BRIGADE}')")).unwrap();
        text(&mut client, "SELECT checkout_id FROM checkout('ada')").unwrap()
    };
    let (paid, waiting) = (buy(), buy());
    client.batch_execute(&format!("SELECT complete_checkout('{paid}', 'pi_0')")).unwrap();
    let purchase = text(&mut client, &format!("SELECT id FROM add_on_purchases WHERE checkout_id = '{paid}'")).unwrap();
    let with_texts = [
        format!("complete_checkout('{waiting}', %)"),
        format!("complete_checkout('{waiting}', NULL, %)"),
        format!("complete_checkout('{waiting}', NULL, NULL, %)"),
        format!("fail_checkout('{waiting}', %)"),
        format!("refund_purchase('{purchase}', 1, %)"),
        format!("dispute_purchase('{purchase}', %)"),
        format!("renew_add_on('ada', '{BRIGADE}', 1, %)"),
        format!("renew_add_on('ada', '{BRIGADE}', 1, NULL, %)"),
        format!("renew_add_on(%, '{BRIGADE}', 1)"),
        format!("start_trial(%, '{BRIGADE}')"),
        format!("explain_access(%, '{BRIGADE}')"),
        format!("suspend_add_on('ada', '{BRIGADE}', %)"),
        format!("stripe_checkout('{waiting}', %, 'https://shop.example')"),
        "settle_payment(%)".to_owned(),
        "settle_payment('pi_9', %)".to_owned(),
        "upcoming_renewals(%)".to_owned(),
    ];
    let with_numbers = [format!("refund_purchase('{purchase}', %)"), format!("renew_add_on('ada', '{BRIGADE}', %)")];
    let numbers =
        ["NULL", "-1", "0", "1e13", "'NaN'", "'Infinity'", "0.001", "99999999.99", "1e130", "-0.01"].map(str::to_owned);
    // An amount that is too small to be stored is not treated as zero, and trailing zeros change nothing.
    for (amount, expected) in [("1e-30", Some("invalid_amount")), ("5.0000000000000000000000000000000000000000", None)]
    {
        let call = format!("renew_add_on('ada', '{BRIGADE}', {amount})");
        assert_eq!(code_of(&mut client, &call).as_deref(), expected);
    }
    let mut refused = BTreeMap::new();
    for (calls, values) in [(&with_texts[..], texts()), (&with_numbers[..], numbers.to_vec())] {
        for (call, value) in calls.iter().flat_map(|call| values.iter().map(move |value| (call, value))) {
            if let Some(code) = code_of(&mut client, &call.replace('%', value)) {
                *refused.entry(code).or_insert(0) += 1;
            }
        }
    }
    for code in ["invalid_amount", "text_too_long", "refund_exceeds_amount", "null_argument"] {
        assert!(refused.contains_key(code), "{code} was never raised: {refused:?}");
    }
}

#[test]
fn what_nobody_can_pay_back_is_not_refunded() {
    let mut client = marketplace("yen");
    client
        .batch_execute(
            "SET extensions.currency = 'JPY';
             INSERT INTO add_ons (id, name, category, base_price, billing_type)
             VALUES ('a0000000-0000-4000-8000-0000000000a1', 'Yen', 'tests', 999, 'monthly');
             SELECT add_to_cart('ada', 'a0000000-0000-4000-8000-0000000000a1');
             SELECT complete_checkout(c.checkout_id, 'pi_1') FROM checkout('ada') c",
        )
        .unwrap();
    let refund = |amount: &str| format!("SELECT refund_purchase(id, {amount}) FROM add_on_purchases");
    assert_eq!(refusal(&mut client, &refund("0.5")).1, "invalid_amount");
    assert_eq!(text(&mut client, &refund("99")).unwrap(), "99.00");
    assert_eq!(text(&mut client, &refund("NULL")).unwrap(), "999.00");
}
