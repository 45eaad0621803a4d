//! Payment events as the providers send them: once, twice, late, and in every order.

use harness::{BOLT, BRIGADE, VECTORS, marketplace, paths, refusal, rounds, text};
use postgres::Client;
use serde_json::{Value, json};

/// The purchases of this cart cost 12.80, 9.59 and 9.59: a bundle and a code are used.
const TOTAL: i64 = 31_98;

/// A published object with some of its fields changed.
fn published(name: &str, changes: Value) -> Value {
    let file = paths::root().join(format!("tests/payloads/{name}.json"));
    let mut object: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// An event of Stripe, created this many seconds after the new year.
fn stripe(kind: &str, seconds: i64, object: Value) -> (String, Value) {
    let id = format!("evt_{kind}_{seconds}");
    let body = json!({"id": id, "object": "event", "type": kind, "created": 1_767_225_600 + seconds,
                      "api_version": "2026-06-30", "livemode": false, "data": {"object": object}});
    (format!("stripe {kind} {seconds}"), body)
}

fn lago(kind: &str, object_type: &str, object: Value) -> (String, Value) {
    let body = json!({"webhook_type": kind, "object_type": object_type, "organization_id": "org", object_type: object});
    (format!("lago {kind}"), body)
}

fn apply(client: &mut Client, (name, body): &(String, Value)) -> Value {
    let function = if name.starts_with("stripe") { "apply_stripe_event" } else { "apply_lago_event" };
    let body = body.to_string().replace('\'', "''");
    serde_json::from_str(&text(client, &format!("SELECT {function}('{body}')")).unwrap()).unwrap()
}

/// A checkout of three lines with a bundle and a code, at a fixed id.
fn check_out(client: &mut Client, user: &str) -> String {
    for add_on in [BRIGADE, BOLT, VECTORS] {
        client.batch_execute(&format!("SELECT * FROM add_to_cart('{user}', '{add_on}')")).unwrap();
    }
    text(client, &format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'launch2025')")).unwrap()
}

/// Everything about a user that events can change, and the counters.
fn state(client: &mut Client, user: &str) -> String {
    let query = format!(
        "SELECT concat_ws(E'\\n',
           (SELECT string_agg(concat_ws(' ', p.add_on_id, p.amount, p.status, p.refund_amount, p.stripe_payment_id,
                                        p.lago_invoice_id, p.subscription_ends_at), E'\\n'
                              ORDER BY p.checkout_id IS NULL, p.add_on_id, p.stripe_payment_id, p.lago_invoice_id, p.amount)
              FROM add_on_purchases p WHERE p.user_id = '{user}'),
           (SELECT string_agg(concat_ws(' ', u.add_on_id, u.status, u.expires_at, u.auto_renew, u.lago_subscription_id,
                                        u.cancellation_reason), E'\\n' ORDER BY u.add_on_id)
              FROM user_add_ons u WHERE u.user_id = '{user}'),
           (SELECT 'uses ' || current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'),
           (SELECT 'instances ' || current_uses FROM add_on_bundles WHERE name = 'Developer Pro'))"
    );
    text(client, &query).unwrap()
}

/// Delivers each event once, whatever the answer: an event that names nothing known yet is kept until something does.
fn deliver(client: &mut Client, events: &[&(String, Value)]) {
    for event in events {
        let answer = apply(client, event);
        assert_eq!(answer["retry"], false, "{event:?}: {answer}");
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![vec![]], |permutations, next| {
        let insert = |permutation: Vec<usize>| {
            (0..=permutation.len()).map(move |position| {
                let mut longer = permutation.clone();
                longer.insert(position, next);
                longer
            })
        };
        permutations.into_iter().flat_map(insert).collect()
    })
}

/// A session in our currency; its taxes and shipping are those of the changes, or none.
fn session(changes: Value) -> Value {
    let mut object = published("stripe.checkout.session", json!({"currency_conversion": null, "total_details": null}));
    changes.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
    object
}

/// A subscription that is not paused.
fn stripe_subscription(changes: Value) -> Value {
    let mut object = published("stripe.subscription", json!({"pause_collection": null}));
    changes.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
    object
}

/// The name of a checkout's life, its events, and its final status.
type Life = (&'static str, Vec<(String, Value)>, &'static str);

/// Every life of a checkout in Stripe's events.
fn lives(checkout: &str) -> Vec<Life> {
    let mut lives = paid_once(checkout);
    lives.extend(unpaid(checkout));
    lives.extend(subscribed(checkout));
    lives
}

/// A session that is completed, or whose money has arrived.
fn paid_session(kind: &str, seconds: i64, changes: Value) -> (String, Value) {
    let mut object =
        session(json!({"payment_status": "paid", "amount_total": TOTAL, "currency": "usd", "payment_intent": "pi_1"}));
    changes.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
    stripe(&format!("checkout.session.{kind}"), seconds, object)
}

fn failed_attempt(checkout: &str) -> (String, Value) {
    let intent = json!({"id": "pi_1", "metadata": {"checkout_id": checkout}});
    stripe("payment_intent.payment_failed", 5, published("stripe.payment_intent", intent))
}

fn refund(checkout: &str, seconds: i64, amount: i64) -> (String, Value) {
    let charge = json!({"payment_intent": "pi_1", "amount": TOTAL, "amount_refunded": amount, "metadata": {"checkout_id": checkout}});
    stripe("charge.refunded", seconds, published("stripe.charge", charge))
}

fn paid_once(checkout: &str) -> Vec<Life> {
    let metadata = json!({"checkout_id": checkout});
    let paid = paid_session("completed", 10, json!({"metadata": metadata, "total_details": {"amount_tax": 0}}));
    let intent = json!({"id": "pi_1", "amount": TOTAL, "amount_received": TOTAL, "metadata": metadata});
    let succeeded = stripe("payment_intent.succeeded", 9, published("stripe.payment_intent", intent));
    let attempt = failed_attempt(checkout);
    let refund = |seconds, amount| refund(checkout, seconds, amount);
    let dispute = |kind: &str, seconds, status: &str| {
        stripe(kind, seconds, published("stripe.dispute", json!({"payment_intent": "pi_1", "status": status})))
    };
    let disputed = dispute("charge.dispute.created", 40, "needs_response");
    let won = dispute("charge.dispute.closed", 50, "won");
    let lost = dispute("charge.dispute.closed", 50, "lost");
    let with_tax = json!({"metadata": metadata, "amount_total": TOTAL + 250, "total_details": {"amount_tax": 250}});
    let taxed = paid_session("completed", 10, with_tax);
    vec![
        ("paid in full", vec![paid.clone(), succeeded.clone(), attempt.clone(), unpaid_session(checkout)], "completed"),
        ("paid and refunded", vec![paid.clone(), succeeded.clone(), refund(30, 1000), refund(31, TOTAL)], "refunded"),
        ("refunded in part", vec![paid.clone(), refund(30, 500), refund(31, 777), refund(32, 1500)], "completed"),
        (
            "a dispute that is won",
            vec![paid.clone(), succeeded.clone(), disputed.clone(), won.clone(), refund(30, 300)],
            "completed",
        ),
        ("a dispute that is lost", vec![paid.clone(), refund(30, 300), disputed.clone(), lost], "completed"),
        ("a dispute still open", vec![paid.clone(), succeeded, disputed.clone(), attempt.clone()], "disputed"),
        ("refunded while disputed", vec![paid, disputed.clone(), refund(45, TOTAL), won], "refunded"),
        ("paid with tax", vec![taxed, refund(30, 600), attempt, disputed], "disputed"),
    ]
}

/// A session that is completed before its money has come.
fn unpaid_session(checkout: &str) -> (String, Value) {
    let object = json!({"client_reference_id": checkout, "payment_status": "unpaid", "amount_total": TOTAL, "payment_intent": "pi_1"});
    stripe("checkout.session.completed", 10, session(object))
}

fn unpaid(checkout: &str) -> Vec<Life> {
    let attempt = failed_attempt(checkout);
    let expired = json!({"client_reference_id": checkout, "payment_intent": "pi_1"});
    let expired = stripe("checkout.session.expired", 60, session(expired));
    let arrived = paid_session("async_payment_succeeded", 20, json!({"client_reference_id": checkout}));
    // Another tab, in which nobody had paid.
    let other =
        session(json!({"id": "cs_0", "client_reference_id": checkout, "payment_intent": null, "status": "expired"}));
    let other = stripe("checkout.session.expired", 5, other);
    vec![
        ("never paid", vec![attempt.clone(), expired], "failed"),
        ("on its way while another session expires", vec![other.clone(), unpaid_session(checkout)], "pending"),
        ("come while another session expires", vec![other, unpaid_session(checkout), arrived.clone()], "completed"),
        ("paid late", vec![unpaid_session(checkout), arrived, attempt, refund(checkout, 30, 900)], "completed"),
    ]
}

fn subscribed(checkout: &str) -> Vec<Life> {
    let metadata = json!({"checkout_id": checkout});
    let session = json!({"mode": "subscription", "metadata": metadata, "payment_intent": null, "subscription": "sub_1", "invoice": "in_1"});
    let subscribed = paid_session("completed", 10, session);
    let invoice = |seconds, id: &str, intent: &str, reason: &str, end: i64| {
        let changes = json!({"id": id, "billing_reason": reason, "amount_paid": TOTAL, "currency": "usd", "total_excluding_tax": TOTAL,
                             "subtotal_excluding_tax": TOTAL,
                             "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": metadata}},
                             "payments": {"data": [{"payment": {"payment_intent": intent}}]},
                             "lines": {"data": [{"period": {"start": end - 2_700_000, "end": end}}]}});
        stripe("invoice.paid", seconds, published("stripe.invoice", changes))
    };
    let first = invoice(11, "in_1", "pi_1", "subscription_create", 4_000_000_000);
    let second = invoice(100, "in_2", "pi_2", "subscription_cycle", 4_002_700_000);
    let subscription = |kind: &str, seconds, status: &str, cancelled: bool| {
        let changes = json!({"id": "sub_1", "metadata": metadata, "status": status, "cancel_at_period_end": cancelled, "ended_at": 1_900_000_000,
                             "items": {"data": [{"current_period_end": 4_002_700_000_i64}]}});
        stripe(kind, seconds, stripe_subscription(changes))
    };
    let cancels = subscription("customer.subscription.updated", 110, "active", true);
    let unpaid = subscription("customer.subscription.updated", 120, "unpaid", true);
    let stays = subscription("customer.subscription.updated", 130, "active", false);
    let deleted = subscription("customer.subscription.deleted", 140, "canceled", true);
    vec![
        ("subscribed", vec![subscribed.clone(), first.clone(), second.clone(), cancels.clone()], "completed"),
        (
            "subscribed and ended",
            vec![subscribed.clone(), first.clone(), cancels.clone(), deleted, second.clone()],
            "completed",
        ),
        ("unpaid for a while", vec![subscribed.clone(), cancels, unpaid.clone(), stays], "completed"),
        ("unpaid since", vec![subscribed, first, unpaid, second], "completed"),
    ]
}

/// Every life of a checkout in Lago's events.
fn lagos_lives(checkout: &str) -> Vec<Life> {
    let object = |name: &str, key: &str| published(name, json!({}))[key].clone();
    let subscription = |changes: Value| {
        let mut subscription = object("lago.subscription", "subscription");
        subscription["external_id"] = json!(checkout);
        subscription["current_billing_period_ending_at"] = json!("2099-01-31T23:59:59Z");
        subscription["next_plan_code"] = Value::Null; // its plan does not change
        changes.as_object().unwrap().iter().for_each(|(key, value)| subscription[key] = value.clone());
        subscription
    };
    let invoice = |id: &str, status: &str| {
        let mut invoice = object("lago.invoice", "invoice");
        invoice["lago_id"] = json!(id);
        invoice["payment_status"] = json!(status);
        invoice["currency"] = json!("USD");
        invoice["total_amount_cents"] = json!(TOTAL);
        invoice["sub_total_excluding_taxes_amount_cents"] = json!(TOTAL);
        invoice["taxes_amount_cents"] = json!(0);
        invoice["billing_periods"] = json!([]);
        invoice["subscriptions"][0]["external_id"] = json!(checkout);
        invoice
    };
    let started = lago("subscription.started", "subscription", subscription(json!({})));
    let terminated =
        lago("subscription.terminated", "subscription", subscription(json!({"terminated_at": "2030-01-01T00:00:00Z"})));
    let created = lago("invoice.created", "invoice", invoice("in_lago_1", "pending"));
    let overdue = lago("invoice.payment_overdue", "invoice", invoice("in_lago_1", "failed"));
    let failed = lago("invoice.payment_status_updated", "invoice", invoice("in_lago_1", "failed"));
    let paid = lago("invoice.payment_status_updated", "invoice", invoice("in_lago_1", "succeeded"));
    vec![
        ("Lago: paid", vec![started.clone(), created.clone(), failed.clone(), paid.clone()], "completed"),
        ("Lago: paid late", vec![created, overdue, failed, paid.clone()], "completed"),
        ("Lago: terminated", vec![started, paid, terminated], "completed"),
    ]
}

#[test]
fn the_order_and_number_of_deliveries_leaves_the_same_state() {
    let mut client = marketplace("orders");
    let checkout = check_out(&mut client, "ada");
    // One transaction, so that all orders happen at the same instant.
    client.batch_execute("BEGIN; SAVEPOINT before").unwrap();
    for (name, events, status) in lives(&checkout).into_iter().chain(lagos_lives(&checkout)) {
        let mut expected: Option<String> = None;
        let orders = permutations(events.len());
        let step = orders.len() / rounds(orders.len());
        for order in orders.into_iter().step_by(step) {
            for repeated in [false, true] {
                let mut deliveries: Vec<&(String, Value)> = order.iter().map(|&position| &events[position]).collect();
                if repeated {
                    deliveries =
                        deliveries.iter().flat_map(|&event| [event, event]).chain(deliveries.clone()).collect();
                }
                deliver(&mut client, &deliveries);
                let state = state(&mut client, "ada");
                let names: Vec<&str> = deliveries.iter().map(|(name, _)| name.as_str()).collect();
                match &expected {
                    None => expected = Some(state),
                    Some(expected) => assert_eq!(&state, expected, "{name}: {names:?}"),
                }
                client.batch_execute("ROLLBACK TO before").unwrap();
            }
        }
        let statuses: Vec<&str> =
            expected.as_ref().unwrap().lines().filter(|line| line.contains(" USD ") || line.contains(status)).collect();
        assert!(statuses.len() >= 3, "{name} ends {status}:\n{}", expected.unwrap());
    }
}

#[test]
fn each_life_ends_in_the_expected_state() {
    let mut client = marketplace("ends");
    let checkout = check_out(&mut client, "ada");
    client.batch_execute("BEGIN; SAVEPOINT before").unwrap();
    for (name, expected) in [
        ("paid in full", "t active 1 1 0.00"),
        ("paid and refunded", "f cancelled 0 0 31.98"),
        ("refunded in part", "t active 1 1 15.00"),
        ("a dispute that is won", "t active 1 1 3.00"),
        ("a dispute that is lost", "t active 1 1 13.00"), // it was about 10.00, and 3.00 were refunded
        ("a dispute still open", "f suspended 1 1 0.00"),
        ("refunded while disputed", "f cancelled 0 0 31.98"),
        ("paid with tax", "f suspended 1 1 5.56"), // 6.00 of 34.48, of 31.98
        ("never paid", "f - 0 0 0.00"),
        ("paid late", "t active 1 1 9.00"),
        ("subscribed", "t active 1 1 0.00"),
        ("subscribed and ended", "f cancelled 1 1 0.00"),
        ("unpaid for a while", "t active 1 1 0.00"),
        ("unpaid since", "f suspended 1 1 0.00"),
        ("Lago: paid", "t active 1 1 0.00"),
        ("Lago: paid late", "t active 1 1 0.00"),
        ("Lago: terminated", "f cancelled 1 1 0.00"),
    ] {
        let mut all = lives(&checkout).into_iter().chain(lagos_lives(&checkout));
        let (_, events, _) = all.find(|(other, ..)| *other == name).unwrap();
        deliver(&mut client, &events.iter().collect::<Vec<_>>());
        let query = "SELECT concat_ws(' ', has_feature('ada', 'agent_platform'),
                       coalesce((SELECT string_agg(DISTINCT status, ',') FROM user_add_ons), '-'),
                       (SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'),
                       (SELECT current_uses FROM add_on_bundles WHERE name = 'Developer Pro'),
                       (SELECT sum(refund_amount) FROM add_on_purchases))";
        assert_eq!(text(&mut client, query).unwrap(), expected, "{name}");
        let problems = "SELECT string_agg(detail, '; ') FROM check_marketplace() WHERE NOT ok";
        assert_eq!(text(&mut client, problems), None, "{name}");
        client.batch_execute("ROLLBACK TO before").unwrap();
    }
}

#[test]
fn free_lines_are_kept_until_the_whole_payment_is_refunded() {
    let mut client = marketplace("free");
    let gift = "INSERT INTO add_ons (name, category, base_price, billing_type)
                VALUES ('Gift', 'productivity', 0, 'monthly') RETURNING id";
    let gift = text(&mut client, gift).unwrap();
    for add_on in [BRIGADE, &gift] {
        client.batch_execute(&format!("SELECT * FROM add_to_cart('gus', '{add_on}')")).unwrap();
    }
    let checkout = text(&mut client, "SELECT checkout_id FROM checkout('gus')").unwrap();
    client.batch_execute(&format!("SELECT * FROM complete_checkout('{checkout}', 'pi_1')")).unwrap();
    let refunded = |client: &mut Client, cents: i64| {
        let charge = json!({"payment_intent": "pi_1", "amount": 1999, "amount_refunded": cents, "metadata": {}});
        let answer = apply(client, &stripe("charge.refunded", cents, published("stripe.charge", charge)));
        let purchases = "SELECT string_agg(concat_ws(' ', amount, refund_amount, status, refunded_at IS NOT NULL), ', '
                                           ORDER BY amount) FROM add_on_purchases";
        let owns = text(client, &format!("SELECT has_add_on('gus', '{gift}')")).unwrap();
        (answer["action"].as_str().unwrap().to_owned(), text(client, purchases).unwrap(), owns == "t")
    };
    let partly = ("partially_refunded".to_owned(), "0.00 0.00 completed f, 19.99 1.00 completed t".to_owned(), true);
    assert_eq!(refunded(&mut client, 100), partly);
    assert_eq!(refunded(&mut client, 100), partly);
    let whole = ("refunded".to_owned(), "0.00 0.00 refunded t, 19.99 19.99 refunded t".to_owned(), false);
    assert_eq!(refunded(&mut client, 1999), whole);
}

#[test]
fn a_renewal_extends_every_recurring_line_once() {
    let mut client = marketplace("renewals");
    let checkout = check_out(&mut client, "ada");
    let all = lives(&checkout);
    let (_, events, _) = all.iter().find(|(name, ..)| *name == "subscribed").unwrap();
    let [subscribed, first, second, _] = &events[..] else { panic!() };
    assert_eq!(apply(&mut client, subscribed)["action"], "completed");
    assert_eq!(apply(&mut client, first)["action"], "completed");
    assert_eq!(apply(&mut client, first)["changed"], json!(false));
    let renewed = apply(&mut client, second);
    assert_eq!((&renewed["action"], &renewed["changed"]), (&json!("renewed"), &json!(true)));
    assert_eq!(apply(&mut client, second)["changed"], json!(false));
    // The backend reports the same payment.
    let again = format!("SELECT renew_add_on('ada', '{BRIGADE}', 12.80, 'pi_2')");
    let end = "2096-11-02 13:06:40+00";
    assert_eq!(text(&mut client, &again).unwrap(), end);
    let ends = "SELECT string_agg(DISTINCT expires_at::text, ' ') FROM user_add_ons";
    assert_eq!(text(&mut client, ends).unwrap(), end);
    // The payment is split over the lines as the first payment was.
    let amounts = "SELECT string_agg(amount::text, ' ' ORDER BY add_on_id) FROM add_on_purchases WHERE stripe_payment_id = 'pi_2'";
    assert_eq!(text(&mut client, amounts).unwrap(), "12.80 9.59 9.59");
    // A renewal can be refunded on its own; earlier payments are unaffected.
    let refund =
        published("stripe.charge", json!({"payment_intent": "pi_2", "amount_refunded": TOTAL, "currency": "usd"}));
    assert_eq!(apply(&mut client, &stripe("charge.refunded", 200, refund))["action"], "refunded");
    assert_eq!(text(&mut client, "SELECT has_feature('ada', 'agent_platform')").unwrap(), "t");
    let kept = "SELECT count(*) FROM user_add_ons u JOIN add_on_purchases p USING (user_id, add_on_id)
                 WHERE p.checkout_id IS NOT NULL AND u.expires_at = p.subscription_ends_at";
    assert_eq!(text(&mut client, kept).unwrap(), "3");
}

/// A checkout of one add-on.
fn check_out_one(client: &mut Client, user: &str, add_on: &str) -> String {
    client.batch_execute(&format!("SELECT * FROM add_to_cart('{user}', '{add_on}')")).unwrap();
    text(client, &format!("SELECT checkout_id FROM checkout('{user}')")).unwrap()
}

/// A checkout of one add-on, completed.
fn buy(client: &mut Client, user: &str, add_on: &str, payment_id: &str) -> String {
    let checkout = check_out_one(client, user, add_on);
    text(client, &format!("SELECT complete_checkout('{checkout}', '{payment_id}')"));
    checkout
}

fn subscription_of(checkout: &str, id: &str, changes: Value) -> Value {
    let mut object = stripe_subscription(json!({"id": id, "metadata": {"checkout_id": checkout}}));
    changes.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
    object
}

#[test]
fn the_answer_reports_unsettled_money() {
    let mut client = marketplace("answers");
    client.batch_execute("UPDATE promotional_codes SET max_uses = 1 WHERE code = 'LAUNCH2025'").unwrap();
    let checkout = check_out(&mut client, "ada");
    let metadata = json!({"checkout_id": checkout});
    // Of what was taken, a part is tax: the total alone would look right.
    let taxed = json!({"metadata": metadata, "amount_subtotal": TOTAL - 500, "total_details": {"amount_tax": 500}});
    let answer = apply(&mut client, &paid_session("completed", 10, taxed));
    assert_eq!(
        [&answer["reason"], &answer["received"], &answer["on_top"]],
        ["amount_mismatch", "31.98 USD", "5.00 USD"]
    );
    assert_eq!(text(&mut client, "SELECT settle_payment('pi_1')").unwrap(), "t");

    // The code is used up by others, so the money comes too late.
    text(&mut client, &format!("SELECT fail_checkout('{checkout}')"));
    client.batch_execute("UPDATE promotional_codes SET current_uses = 1 WHERE code = 'LAUNCH2025'").unwrap();
    let intent = |id: &str| json!({"id": id, "amount": TOTAL, "amount_received": TOTAL, "metadata": metadata});
    let late = stripe("payment_intent.succeeded", 90, published("stripe.payment_intent", intent("pi_2")));
    assert_eq!(apply(&mut client, &late)["reason"], "checkout_failed");
    let unsettled = "SELECT string_agg(payment_id || ' ' || reason, ', ') FROM unsettled_payments()";
    assert_eq!(text(&mut client, unsettled).as_deref(), Some("pi_2 checkout_failed"));
    assert_eq!(text(&mut client, "SELECT settle_payment('pi_2', 'paid back')").unwrap(), "t");
    assert_eq!(text(&mut client, unsettled), None);
    apply(&mut client, &late);
    assert_eq!(text(&mut client, unsettled), None);

    // What was the reason for a failure is none after the money has come.
    let checkout = check_out_one(&mut client, "cyd", BRIGADE);
    let reason = |client: &mut Client| {
        text(client, "SELECT concat_ws(' ', status, metadata ->> 'reason') FROM add_on_purchases WHERE user_id = 'cyd'")
    };
    let expired =
        session(json!({"id": "cs_3", "client_reference_id": checkout, "payment_intent": null, "status": "expired"}));
    apply(&mut client, &stripe("checkout.session.expired", 90, expired));
    assert_eq!(reason(&mut client).as_deref(), Some("failed checkout session expired"));
    let came = json!({"id": "pi_4", "amount": 1999, "amount_received": 1999, "metadata": {"checkout_id": checkout}});
    apply(&mut client, &stripe("payment_intent.succeeded", 95, published("stripe.payment_intent", came)));
    assert_eq!(reason(&mut client).as_deref(), Some("completed"));

    // A charge that paid is no refund, although it names its running total.
    let checkout = buy(&mut client, "bob", BRIGADE, "pi_3");
    let charge = json!({"payment_intent": "pi_3", "amount": 1999, "amount_captured": 1999, "amount_refunded": 0, "captured": true,
                        "paid": true, "refunded": false, "metadata": {"checkout_id": checkout}});
    let answer = apply(&mut client, &stripe("charge.succeeded", 95, published("stripe.charge", charge)));
    assert_eq!(answer["action"], "completed");
}

#[test]
fn the_end_of_a_subscription_leaves_what_others_pay_for() {
    let mut client = marketplace("resubscribed");
    let first = buy(&mut client, "ada", BRIGADE, "pi_1");
    let ended = |seconds| json!({"status": "canceled", "ended_at": 1_767_225_600 + seconds});
    let deleted = stripe("customer.subscription.deleted", 50, subscription_of(&first, "sub_1", ended(50)));
    apply(&mut client, &deleted);
    let entitled = "SELECT has_feature('ada', 'agent_platform')";
    assert_eq!(text(&mut client, entitled).unwrap(), "f");
    let second = buy(&mut client, "ada", BRIGADE, "pi_2");
    apply(&mut client, &deleted);
    let late =
        stripe("customer.subscription.updated", 40, subscription_of(&first, "sub_1", json!({"status": "unpaid"})));
    apply(&mut client, &late);
    assert_eq!(text(&mut client, entitled).unwrap(), "t", "late news of the first subscription");
    let deleted = stripe("customer.subscription.deleted", 60, subscription_of(&second, "sub_2", ended(60)));
    apply(&mut client, &deleted);
    assert_eq!(text(&mut client, entitled).unwrap(), "f");
}

#[test]
fn the_end_of_a_subscription_leaves_what_was_bought_for_good() {
    let mut client = marketplace("mixed_billing");
    client
        .batch_execute(&format!(
            "INSERT INTO cart_items (user_id, add_on_id, billing_type) VALUES ('ada', '{BRIGADE}', 'monthly'), ('ada', '{BOLT}', 'one_time')"
        ))
        .unwrap();
    let checkout = text(&mut client, "SELECT checkout_id FROM checkout('ada', allow_mixed_billing => true)").unwrap();
    text(&mut client, &format!("SELECT complete_checkout('{checkout}', 'pi_1')"));
    for (kind, changes) in [
        ("customer.subscription.updated", json!({"status": "unpaid"})),
        ("customer.subscription.deleted", json!({"ended_at": 1_767_225_700})),
    ] {
        apply(&mut client, &stripe(kind, 50, subscription_of(&checkout, "sub_1", changes)));
        let entitled = "SELECT concat_ws(' ', has_feature('ada', 'agent_platform'), has_feature('ada', 'gpu_hours'))";
        assert_eq!(text(&mut client, entitled).unwrap(), "f t", "{kind}");
    }
}

#[test]
fn maintenance_may_come_before_the_provider_extends() {
    let mut client = marketplace("expired_first");
    let checkout = buy(&mut client, "ada", BRIGADE, "pi_1");
    client
        .batch_execute(
            "UPDATE user_add_ons SET purchased_at = now() - interval '2 months', expires_at = now() - interval '1 month';
             SELECT * FROM run_maintenance()",
        )
        .unwrap();
    assert_eq!(text(&mut client, "SELECT status FROM user_add_ons").unwrap(), "expired");
    let running = json!({"status": "active", "items": {"data": [{"current_period_end": 4_000_000_000_i64}]}});
    apply(&mut client, &stripe("customer.subscription.updated", 50, subscription_of(&checkout, "sub_1", running)));
    assert_eq!(text(&mut client, "SELECT has_feature('ada', 'agent_platform')").unwrap(), "t");
}

#[test]
fn a_renewal_without_a_plausible_period_extends_by_one() {
    let mut client = marketplace("periods");
    let checkout = check_out(&mut client, "ada");
    let all = lives(&checkout);
    let (_, events, _) = all.iter().find(|(name, ..)| *name == "subscribed").unwrap();
    apply(&mut client, &events[0]);
    let changes = json!({"id": "in_9", "billing_reason": "subscription_cycle", "subscription": "sub_1", "payment_intent": "pi_9",
                         "parent": null, "currency": "usd", "amount_paid": TOTAL});
    let event = stripe("invoice.paid", 300, published("stripe.invoice", changes)); // its period ended in 2024
    assert_eq!(apply(&mut client, &event)["action"], "renewed");
    let query =
        "SELECT bool_and(u.expires_at AT TIME ZONE 'UTC' = (p.purchased_at AT TIME ZONE 'UTC') + interval '2 months')
                   FROM user_add_ons u JOIN add_on_purchases p USING (user_id, add_on_id) WHERE p.checkout_id IS NULL";
    client
        .batch_execute("UPDATE add_on_purchases SET purchased_at = (SELECT min(purchased_at) FROM user_add_ons)")
        .unwrap();
    assert_eq!(text(&mut client, query).unwrap(), "t");
}

#[test]
fn other_amounts_are_refused_and_reported() {
    let mut client = marketplace("differs");
    let checkout = check_out(&mut client, "ada");
    let before = state(&mut client, "ada");
    let pay = |amount: i64, currency: &str| {
        let changes = json!({"client_reference_id": checkout, "payment_status": "paid", "amount_total": amount, "currency": currency,
                             "payment_intent": "pi_1", "total_details": {"amount_tax": 250}});
        stripe("checkout.session.completed", 10, session(changes))
    };
    let report = apply(&mut client, &pay(TOTAL - 1, "usd"));
    assert_eq!(report["handled"], json!(false));
    assert_eq!((&report["action"], &report["reason"]), (&json!("refused"), &json!("amount_mismatch")));
    assert_eq!((&report["expected"], &report["received"]), (&json!("31.98 USD"), &json!("31.97 USD")));
    assert_eq!(apply(&mut client, &pay(TOTAL, "eur"))["reason"], "currency_mismatch");
    assert_eq!(state(&mut client, "ada"), before, "nothing was applied");
    assert_eq!(apply(&mut client, &pay(TOTAL + 250, "usd"))["action"], "completed", "ours, and tax");

    let checkout = check_out(&mut client, "bob");
    text(&mut client, &format!("SELECT fail_checkout('{checkout}')"));
    let changes =
        json!({"client_reference_id": checkout, "payment_status": "paid", "amount_total": TOTAL, "currency": "usd"});
    let late = apply(&mut client, &stripe("checkout.session.completed", 99, session(changes)));
    assert_eq!(late["action"], json!("completed"), "its uses can be claimed again");
}

#[test]
fn unrelated_events_are_not_handled() {
    let mut client = marketplace("foreign");
    let event = |kind: &str, object: Value| stripe(kind, 1, object);
    let unknown =
        apply(&mut client, &event("plan.created", published("stripe.event", json!({}))["data"]["object"].clone()));
    assert_eq!(unknown, json!({"handled": false, "action": "ignored", "retry": false}));
    for (kind, name) in [
        ("checkout.session.completed", "stripe.checkout.session"),
        ("payment_intent.succeeded", "stripe.payment_intent"),
        ("charge.refunded", "stripe.charge"),
        ("charge.dispute.created", "stripe.dispute"),
        ("invoice.paid", "stripe.invoice"),
        ("invoice.payment_failed", "stripe.invoice"),
        ("customer.subscription.updated", "stripe.subscription"),
        ("customer.subscription.deleted", "stripe.subscription"),
    ] {
        let report = apply(&mut client, &event(kind, published(name, json!({}))));
        assert_eq!(report, json!({"handled": false, "action": "not_ours", "retry": false}), "{kind}");
    }
    for (kind, object_type, name) in [
        ("invoice.created", "invoice", "lago.invoice"),
        ("invoice.payment_overdue", "invoice", "lago.invoice"),
        ("subscription.started", "subscription", "lago.subscription"),
        ("subscription.terminated", "subscription", "lago.subscription"),
    ] {
        let object = published(name, json!({}))[object_type].clone();
        assert_eq!(apply(&mut client, &lago(kind, object_type, object))["action"], "not_ours", "{kind}");
    }
    // An event with our marker may arrive before the checkout is committed.
    let early = json!({"client_reference_id": "c0000000-0000-4000-8000-000000000001", "payment_status": "paid"});
    let report = apply(&mut client, &event("checkout.session.completed", session(early)));
    assert_eq!(report, json!({"handled": false, "action": "not_found", "retry": true}));
}

#[test]
fn events_refuse_a_body_that_is_not_an_event() {
    let mut client = marketplace("no_events");
    for body in [
        "{}",
        "[]",
        "null",
        "1",
        r#"{"type": 5}"#,
        r#"{"type": "charge.refunded"}"#,
        r#"{"type": "charge.refunded", "data": {"object": 7}}"#,
    ] {
        assert_eq!(
            refusal(&mut client, &format!("SELECT apply_stripe_event('{body}')")).1,
            "malformed_argument",
            "{body}"
        );
        assert_eq!(
            refusal(&mut client, &format!("SELECT apply_lago_event('{body}')")).1,
            "malformed_argument",
            "{body}"
        );
    }
    assert_eq!(refusal(&mut client, "SELECT apply_stripe_event(NULL)").1, "null_argument");
}

#[test]
fn add_ons_of_a_lago_subscription_that_were_not_bought_here() {
    let mut client = marketplace("lago_only");
    client
        .batch_execute(&format!(
            "INSERT INTO user_add_ons (user_id, add_on_id, status, expires_at, lago_subscription_id)
             VALUES ('ada', '{BOLT}', 'pending', now() + interval '1 day', 'b7ab2926-1de8-4428-9bcd-779314ac129b')"
        ))
        .unwrap();
    let mut subscription = published("lago.subscription", json!({}))["subscription"].clone();
    subscription["current_billing_period_ending_at"] = json!("2099-01-31T00:00:00Z");
    subscription["next_plan_code"] = Value::Null;
    assert_eq!(
        apply(&mut client, &lago("subscription.started", "subscription", subscription.clone()))["handled"],
        json!(true)
    );
    let owned = "SELECT status || ' ' || expires_at FROM user_add_ons";
    assert_eq!(text(&mut client, owned).unwrap(), "active 2099-01-31 00:00:00+00");
    let mut invoice = published("lago.invoice", json!({}))["invoice"].clone();
    invoice["billing_periods"] =
        json!([{"lago_subscription_id": subscription["lago_id"], "subscription_to_datetime": "2099-02-28T00:00:00Z"}]);
    assert_eq!(apply(&mut client, &lago("invoice.payment_overdue", "invoice", invoice.clone()))["action"], "suspended");
    assert_eq!(text(&mut client, "SELECT has_feature('ada', 'gpu_hours')").unwrap(), "f");
    invoice["payment_status"] = json!("succeeded");
    let paid = lago("invoice.payment_status_updated", "invoice", invoice.clone());
    assert_eq!(apply(&mut client, &paid)["action"], "renewed");
    apply(&mut client, &paid);
    apply(&mut client, &lago("invoice.payment_overdue", "invoice", invoice));
    assert_eq!(text(&mut client, owned).unwrap(), "active 2099-02-28 00:00:00+00");
    assert_eq!(
        text(&mut client, "SELECT string_agg(amount || ' ' || currency, ' ') FROM add_on_purchases").unwrap(),
        "1.00 EUR", // without the tax
    );
    subscription["terminated_at"] = json!("2030-01-01T00:00:00Z");
    apply(&mut client, &lago("subscription.terminated", "subscription", subscription));
    // An end dated in the future counts as of now.
    assert_eq!(
        text(&mut client, "SELECT status || ' ' || (expires_at <= now()) FROM user_add_ons").unwrap(),
        "cancelled true"
    );
}

#[test]
fn entitlement_changes_are_announced_when_they_are_committed() {
    use postgres::fallible_iterator::FallibleIterator;
    let mut client = marketplace("announced");
    let mut listener = harness::Server::shared().connect("announced");
    listener.batch_execute("LISTEN extensions_entitlements").unwrap();
    let mut heard = move || {
        listener.batch_execute("SELECT 1").unwrap();
        let mut payloads = Vec::new();
        let mut notifications = listener.notifications();
        let mut iterator = notifications.timeout_iter(std::time::Duration::from_millis(200));
        while let Some(notification) = iterator.next().unwrap() {
            payloads.push(notification.payload().to_owned());
        }
        payloads
    };
    let checkout = check_out(&mut client, "zoë");
    assert!(heard().is_empty(), "a pending checkout entitles to nothing");
    client.batch_execute("BEGIN").unwrap();
    text(&mut client, &format!("SELECT complete_checkout('{checkout}')"));
    assert!(heard().is_empty(), "nothing is heard before the commit");
    client.batch_execute("ROLLBACK").unwrap();
    assert!(heard().is_empty(), "nor after a rollback");
    text(&mut client, &format!("SELECT complete_checkout('{checkout}')"));
    assert_eq!(heard(), ["zoë"], "three add-ons, one announcement");
    for call in [
        format!("SELECT suspend_add_on('zoë', '{BOLT}')"),
        format!("SELECT resume_add_on('zoë', '{BOLT}')"),
        format!("SELECT renew_add_on('zoë', '{BOLT}')"),
        format!("SELECT cancel_add_on('zoë', '{BOLT}')"),
        format!("SELECT cancel_add_on('zoë', '{BOLT}', immediately => true)"),
        format!("SELECT grant_add_on('zoë', '{BOLT}')"),
        format!("SELECT dispute_purchase((SELECT id FROM add_on_purchases WHERE add_on_id = '{BRIGADE}'))"),
        format!("SELECT refund_purchase((SELECT id FROM add_on_purchases WHERE add_on_id = '{VECTORS}'))"),
    ] {
        text(&mut client, &call);
        assert_eq!(heard(), ["zoë"], "{call}");
    }
    for _ in 0..2 {
        text(&mut client, &format!("SELECT suspend_add_on('zoë', '{VECTORS}')"));
    }
    assert_eq!(heard(), ["zoë"], "the second time nothing changed");
}
