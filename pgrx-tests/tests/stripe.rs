//! stripe_checkout(): its parameters come back as an event that completes the checkout. reconcile_stripe(): objects
//! from the API have the same effect as webhooks.

use harness::{BOLT, BRIGADE, marketplace, refusal, text};
use postgres::Client;
use serde_json::{Value, json};

const THANKS: &str = "https://shop.test/thanks?session={CHECKOUT_SESSION_ID}";

/// The id of a checkout of these add-ons, each with its quantity.
fn check_out(client: &mut Client, user: &str, lines: &[(&str, i32)], code: Option<&str>) -> String {
    for (add_on, quantity) in lines {
        let query = "SELECT * FROM add_to_cart($1, $2::text::uuid, $3)";
        client.query(query, &[&user, &add_on, &quantity]).unwrap();
    }
    let query = "SELECT checkout_id::text FROM checkout($1, promo_code => $2, allow_mixed_billing => true)";
    client.query(query, &[&user, &code]).unwrap()[0].get(0)
}

fn parameters(client: &mut Client, checkout: &str) -> Value {
    let query = format!("SELECT stripe_checkout('{checkout}', '{THANKS}', 'app://cart')");
    serde_json::from_str(&text(client, &query).unwrap()).unwrap()
}

fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no integer: {value}"))
}

/// Stripe's result for the parameters: the paid session.
fn paid_session(parameters: &Value) -> Value {
    let session = &parameters["session"];
    let items = session["line_items"].as_array().unwrap();
    let cost = |item: &Value| integer(&item["quantity"]) * integer(&item["price_data"]["unit_amount"]);
    let subtotal: i64 = items.iter().map(cost).sum();
    let discount = parameters["coupon"]["amount_off"].as_i64().unwrap_or(0);
    assert_eq!(parameters["coupon"].is_null(), session.get("discounts").is_none());
    let is_subscription = session["mode"] == "subscription";
    assert_eq!(items.iter().any(|item| item["price_data"].get("recurring").is_some()), is_subscription);
    json!({
        "id": "cs_1", "object": "checkout.session", "mode": session["mode"], "status": "complete", "payment_status": "paid",
        "client_reference_id": session["client_reference_id"], "metadata": session["metadata"],
        "currency": items[0]["price_data"]["currency"], "amount_subtotal": subtotal, "amount_total": subtotal - discount,
        "total_details": {"amount_discount": discount, "amount_shipping": 0, "amount_tax": 0},
        "payment_intent": if is_subscription { Value::Null } else { json!("pi_1") },
        "subscription": if is_subscription { json!("sub_1") } else { Value::Null },
        "invoice": if is_subscription { json!("in_1") } else { Value::Null },
    })
}

/// The SQLSTATE and the code of a refusal.
fn codes(client: &mut Client, query: &str) -> (String, String) {
    let (state, code, _) = refusal(client, query);
    (state, code)
}

fn tell(client: &mut Client, kind: &str, object: &Value) -> Value {
    tell_at(client, 1_767_225_600, kind, object)
}

fn tell_at(client: &mut Client, created: i64, kind: &str, object: &Value) -> Value {
    let event = json!({"id": "evt_1", "object": "event", "type": kind, "created": created, "data": {"object": object}});
    let answer = client.query_one("SELECT apply_stripe_event($1::text::jsonb)::text", &[&event.to_string()]).unwrap();
    serde_json::from_str(answer.get(0)).unwrap()
}

#[test]
fn a_session_made_from_stripe_checkout_completes_the_checkout() {
    let mut client = marketplace("sent_and_back");
    client
        .batch_execute(
            "INSERT INTO add_ons (id, name, category, base_price, billing_type) VALUES
               ('b0000000-0000-4000-8000-000000000001', 'Once', 'analytics', 49.99, 'one_time'),
               ('b0000000-0000-4000-8000-000000000002', 'Units', 'analytics', 0.07, 'usage_based'),
               ('b0000000-0000-4000-8000-000000000003', 'Yearly', 'analytics', 119.99, 'annual');
             INSERT INTO promotional_codes (code, discount_type, discount_value, renewals) VALUES
               ('FIRST', 'percentage', 33, 0), ('TWICE', 'percentage', 33, 1), ('EVER', 'percentage', 33, NULL)",
        )
        .unwrap();
    let once = "b0000000-0000-4000-8000-000000000001";
    let units = "b0000000-0000-4000-8000-000000000002";
    let yearly = "b0000000-0000-4000-8000-000000000003";
    let carts: [&[(&str, i32)]; 5] =
        [&[(once, 1)], &[(once, 3), (units, 29)], &[(BRIGADE, 1), (BOLT, 2)], &[(BOLT, 3), (units, 7)], &[(yearly, 1)]];
    let codes = [None, Some("FIRST"), Some("TWICE"), Some("EVER")];
    for (number, (lines, code)) in carts.iter().flat_map(|lines| codes.map(|code| (lines, code))).enumerate() {
        client.batch_execute("BEGIN").unwrap();
        let user = format!("user {number}");
        let checkout = check_out(&mut client, &user, lines, code);
        let parameters = parameters(&mut client, &checkout);
        let session = &parameters["session"];
        assert_eq!((&session["success_url"], &session["cancel_url"]), (&json!(THANKS), &json!("app://cart")));
        let named: Vec<&str> = session["line_items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["price_data"]["product_data"]["metadata"]["add_on_id"].as_str().unwrap())
            .collect();
        assert_eq!(named, lines.iter().map(|(add_on, _)| *add_on).collect::<Vec<_>>());
        let answer = tell(&mut client, "checkout.session.completed", &paid_session(&parameters));
        assert_eq!(answer["action"], "completed", "{code:?} {lines:?}: {answer} for {parameters}");
        let all =
            "SELECT bool_and(p.status = 'completed' AND has_add_on(p.user_id, p.add_on_id)) FROM add_on_purchases p";
        assert_eq!(text(&mut client, all).as_deref(), Some("t"));
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_code_for_the_first_payment_is_a_coupon_and_the_renewals_cost_more() {
    let mut client = marketplace("coupons");
    // 19.99 and 14.99; 5.00 off are split 2.86 and 2.14.
    let checkout = check_out(&mut client, "ada", &[(BRIGADE, 1), (BOLT, 1)], Some("friend50"));
    let told = parameters(&mut client, &checkout);
    assert_eq!(
        told["coupon"],
        json!({"id": checkout, "name": "FRIEND50", "amount_off": 500, "currency": "usd", "duration": "once",
               "max_redemptions": 1, "metadata": {"checkout_id": checkout}})
    );
    let amounts = |told: &Value| {
        let items = told["session"]["line_items"].as_array().unwrap();
        items.iter().map(|item| integer(&item["price_data"]["unit_amount"])).collect::<Vec<_>>()
    };
    assert_eq!(amounts(&told), [1999, 1499]);
    client.batch_execute("UPDATE promotional_codes SET renewals = NULL WHERE code = 'FRIEND50'").unwrap();
    let told = parameters(&mut client, &checkout);
    assert_eq!((amounts(&told), &told["coupon"]), (vec![1713, 1285], &Value::Null));
}

#[test]
fn amounts_are_in_stripes_minor_units() {
    let mut client = marketplace("minor_units");
    client.batch_execute("UPDATE add_ons SET base_price = 999 WHERE name = 'Bolt'").unwrap();
    for (currency, minor) in [("JPY", 999), ("ISK", 99_900), ("EUR", 99_900)] {
        client.batch_execute(&format!("BEGIN; SET LOCAL extensions.currency = '{currency}'")).unwrap();
        let checkout = check_out(&mut client, "ada", &[(BOLT, 1)], None);
        let parameters = parameters(&mut client, &checkout);
        let session = paid_session(&parameters);
        assert_eq!((&session["amount_total"], &session["currency"]), (&json!(minor), &json!(currency.to_lowercase())));
        let answer = tell(&mut client, "checkout.session.completed", &session);
        assert_eq!(answer["action"], "completed", "{currency}: {answer}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn amounts_that_stripe_cannot_charge_are_refused() {
    let mut client = marketplace("not_payable");
    client.batch_execute("UPDATE add_ons SET base_price = 0.49 WHERE name = 'Bolt'").unwrap();
    let cheap = check_out(&mut client, "ada", &[(BOLT, 1)], None);
    let of = |checkout: &str, url: &str| format!("SELECT stripe_checkout('{checkout}', '{url}', '{url}')");
    let good = "https://shop.test/";
    assert_eq!(codes(&mut client, &of(&cheap, good)), ("23514".into(), "not_payable".into()));
    client.batch_execute("UPDATE add_ons SET billing_type = 'annual' WHERE name = 'Brigade'").unwrap();
    let mixed = check_out(&mut client, "bob", &[(BOLT, 9), (BRIGADE, 1)], None);
    assert_eq!(refusal(&mut client, &of(&mixed, good)).1, "not_payable");
    client.batch_execute(&format!("SELECT fail_checkout('{mixed}')")).unwrap();
    assert_eq!(codes(&mut client, &of(&mixed, good)), ("55000".into(), "checkout_state".into()));
    assert_eq!(refusal(&mut client, &of("00000000-0000-0000-0000-000000000000", good)).1, "checkout_not_found");
    for url in ["", "shop.test", "://shop.test", "https://", "https://shop.test/a b", "1s://x", "javascript:alert(1)"] {
        assert_eq!(codes(&mut client, &of(&cheap, url)), ("22023".into(), "invalid_url".into()), "{url}");
    }
    let long = format!("https://shop.test/{}", "x".repeat(5000));
    assert_eq!(refusal(&mut client, &of(&cheap, &long)).1, "text_too_long");
    assert_eq!(refusal(&mut client, "SELECT stripe_checkout(NULL, 'https://a', 'https://a')").1, "null_argument");
}

#[test]
fn purchases_without_a_snapshot_are_sold_as_the_catalog_says() {
    let mut client = marketplace("no_snapshot");
    let checkout = "f0000000-0000-4000-8000-000000000001";
    for metadata in [
        "{}",
        r#"{"quote_line": 7}"#,
        r#"{"quote_line": {"promo_discount": "x", "billing_type": "never"}, "position": "z"}"#,
    ] {
        client
            .batch_execute(&format!(
                "BEGIN;
                 INSERT INTO add_on_purchases (user_id, add_on_id, amount, quantity, checkout_id, metadata)
                 VALUES ('cy', '{BOLT}', 29.98, 2, '{checkout}', '{metadata}')"
            ))
            .unwrap();
        let session = parameters(&mut client, checkout)["session"].take();
        let item = &session["line_items"][0];
        assert_eq!((&item["quantity"], &item["price_data"]["unit_amount"]), (&json!(2), &json!(1499)));
        assert_eq!(item["price_data"]["product_data"]["name"], "Bolt");
        assert_eq!(session["mode"], "subscription");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

/// The results for objects: id, action, and whether anything changed.
fn reconcile(client: &mut Client, objects: &Value) -> Vec<(Option<String>, String, bool)> {
    let query = "SELECT * FROM reconcile_stripe($1::text::jsonb)";
    client
        .query(query, &[&objects.to_string()])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn told(id: &str, action: &str, changed: bool) -> (Option<String>, String, bool) {
    (Some(id.to_owned()), action.to_owned(), changed)
}

/// Objects of a subscription's first payment, as the API lists them since 2025-03-31, and the refund of it.
fn objects_of(checkout: &str, amount: i64) -> Value {
    json!([
        {"id": "re_1", "object": "refund", "charge": "ch_1", "payment_intent": "pi_1", "amount": 500, "currency": "usd",
         "status": "succeeded", "created": 1_767_225_700},
        {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": amount, "amount_captured": amount, "captured": true,
         "paid": true, "status": "succeeded", "amount_refunded": 500, "refunded": false, "currency": "usd", "created": 1_767_225_600},
        {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "status": "paid", "amount_paid": amount,
         "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
        {"id": "in_1", "object": "invoice", "status": "paid", "billing_reason": "subscription_create", "total": amount,
         "amount_paid": amount, "currency": "usd", "parent": {"type": "subscription_details", "subscription_details":
             {"subscription": "sub_1", "metadata": {"checkout_id": checkout}}}},
        {"id": "cus_1", "object": "customer"},
    ])
}

#[test]
fn objects_are_found_by_each_other_in_whatever_order_they_come() {
    let mut client = marketplace("reconciled");
    let checkout = check_out(&mut client, "ada", &[(BOLT, 1)], None);
    let objects = objects_of(&checkout, 1499);
    let first = reconcile(&mut client, &json!({"object": "list", "data": objects, "has_more": false}));
    let ids: Vec<&str> = first.iter().map(|row| row.0.as_deref().unwrap()).collect();
    assert_eq!(ids, ["re_1", "ch_1", "inpay_1", "in_1", "cus_1"]);
    assert_eq!(first[3], told("in_1", "completed", true));
    assert_eq!(first[4], told("cus_1", "ignored", false));
    assert!(first[..4].iter().all(|(_, action, _)| action != "not_ours"), "{first:?}");
    let state = "SELECT concat_ws(' ', status, refund_amount, stripe_payment_id, has_add_on('ada', add_on_id)) FROM add_on_purchases";
    assert_eq!(text(&mut client, state).unwrap(), "completed 5.00 pi_1 t");
    // Again, alone or all of them, they change nothing.
    assert!(reconcile(&mut client, &objects).iter().all(|(_, _, changed)| !changed));
    assert_eq!(reconcile(&mut client, &objects[0]), [told("re_1", "partially_refunded", false)]);
    assert_eq!(reconcile(&mut client, &json!([])), []);
}

#[test]
fn fetched_objects_count_by_their_own_dates() {
    let mut client = marketplace("fetched_at");
    let checkout = check_out(&mut client, "ada", &[(BOLT, 1)], None);
    let subscription = |status: &str| {
        json!({"id": "sub_1", "object": "subscription", "status": status, "metadata": {"checkout_id": checkout},
               "cancel_at_period_end": false, "items": {"data": [{"current_period_end": 4_102_444_800_i64}]}})
    };
    reconcile(&mut client, &objects_of(&checkout, 1499));
    let renews = "SELECT auto_renew FROM user_add_ons";
    let mut cancelled = subscription("active");
    cancelled["cancel_at_period_end"] = json!(true);
    tell(&mut client, "customer.subscription.updated", &cancelled);
    assert_eq!(text(&mut client, renews).as_deref(), Some("f"));
    // It was fetched before that was reported, and arrives after it.
    let earlier = "SELECT * FROM reconcile_stripe($1::text::jsonb, '2025-12-31')";
    client.query(earlier, &[&subscription("active").to_string()]).unwrap();
    assert_eq!(text(&mut client, renews).as_deref(), Some("f"));
    // A time in the future counts as now: otherwise the objects would override everything reported until then.
    let later = "SELECT * FROM reconcile_stripe($1::text::jsonb, '2099-01-01')";
    client.query(later, &[&subscription("active").to_string()]).unwrap();
    assert_eq!(text(&mut client, renews).as_deref(), Some("t"));
    let soon = text(&mut client, "SELECT extract(epoch FROM now())::bigint + 60").unwrap().parse().unwrap();
    tell_at(&mut client, soon, "customer.subscription.updated", &cancelled);
    assert_eq!(text(&mut client, renews).as_deref(), Some("f"));
}

#[test]
fn reconcile_refuses_documents_without_objects() {
    let mut client = marketplace("no_objects");
    for objects in [
        "7",
        "[7]",
        "{}",
        "[{}]",
        r#"{"data": [null]}"#,
        r#"[{"object": "charge"}]"#,
        r#"[{"object": "event"}]"#,
        r#"[{"object": "charge", "id": "ch_1", "amount": 10.5, "amount_refunded": 1, "currency": "usd"}]"#,
    ] {
        let query = format!("SELECT * FROM reconcile_stripe('{objects}')");
        assert_eq!(codes(&mut client, &query), ("22023".into(), "malformed_argument".into()), "{objects}");
    }
    assert_eq!(codes(&mut client, "SELECT * FROM reconcile_stripe(NULL)").1, "null_argument");
    assert_eq!(codes(&mut client, "SELECT * FROM reconcile_stripe('[]', NULL)").1, "null_argument");
}
