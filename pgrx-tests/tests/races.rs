//! Concurrency: many clients started together, and two clients stepped by hand through each race.

use std::collections::BTreeSet;

use harness::clients::{Answer, ISOLATION_LEVELS, Session, ask, at_once};
use harness::{BOLT, BRIGADE, Server, VECTORS, invariants, marketplace, text};
use postgres::Client;

const CLIENTS: usize = 32;

fn put(client: &mut Client, user: &str, add_on: &str) {
    client.batch_execute(&format!("SELECT * FROM add_to_cart('{user}', '{add_on}')")).unwrap();
}

fn number(client: &mut Client, query: &str) -> i64 {
    text(client, query).unwrap_or_else(|| panic!("{query} returns nothing")).parse().unwrap()
}

fn succeeded(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.is_ok()).count()
}

/// The codes of all answers that are refusals.
fn refusals(answers: &[Answer]) -> BTreeSet<&str> {
    answers.iter().filter_map(|answer| answer.as_ref().err()).map(|(_, code)| code.as_str()).collect()
}

#[test]
fn a_code_with_n_uses_left_is_redeemed_exactly_n_times() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("code {isolation}");
        let mut client = marketplace(&database);
        client.batch_execute("UPDATE promotional_codes SET max_uses = 7 WHERE code = 'LAUNCH2025'").unwrap();
        (0..CLIENTS).for_each(|number| put(&mut client, &format!("user {number}"), BRIGADE));
        let answers = at_once(&database, isolation, CLIENTS, |number| {
            format!("SELECT checkout_id FROM checkout('user {number}', promo_code => 'launch2025')")
        });
        assert_eq!(succeeded(&answers), 7, "{isolation}");
        assert_eq!(refusals(&answers), BTreeSet::from(["promo_refused"]), "{isolation}");
        assert_eq!(number(&mut client, "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'"), 7);
        let carts = "SELECT count(*) FROM cart_items";
        assert_eq!(number(&mut client, carts), (CLIENTS - 7) as i64, "who was refused keeps the cart");
        invariants::check(&mut client);
    }
}

#[test]
fn a_bundle_with_n_uses_left_is_sold_exactly_n_times() {
    let mut client = marketplace("bundles");
    client.batch_execute("UPDATE add_on_bundles SET max_uses = 5 WHERE name = 'Developer Pro'").unwrap();
    for number in 0..CLIENTS {
        [BRIGADE, BOLT, VECTORS].iter().for_each(|add_on| put(&mut client, &format!("user {number}"), add_on));
    }
    // With an expected price, a client that comes too late learns that the price has changed; without one, it pays
    // the new price.
    let answers = at_once("bundles", "read committed", CLIENTS, |number| {
        format!("SELECT checkout_id FROM checkout('user {number}', expected_total => 39.98)")
    });
    assert_eq!(succeeded(&answers), 5);
    assert_eq!(refusals(&answers), BTreeSet::from(["price_changed"]));
    assert_eq!(number(&mut client, "SELECT current_uses FROM add_on_bundles WHERE name = 'Developer Pro'"), 5);
    let answers = at_once("bundles", "read committed", CLIENTS, |number| {
        format!("SELECT checkout_id FROM checkout('user {number}', expected_total => 49.97)")
    });
    assert_eq!(succeeded(&answers), CLIENTS - 5);
    invariants::check(&mut client);
}

#[test]
fn a_limit_per_user_binds_although_the_user_has_many_tabs_open() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("tabs {isolation}");
        let mut client = marketplace(&database);
        let limit =
            r#"UPDATE promotional_codes SET user_restrictions = '{"max_uses_per_user": 2}' WHERE code = 'FRIEND50'"#;
        client.batch_execute(limit).unwrap();
        // Each tab puts something else into the cart and checks out at once, in one transaction.
        let answers = at_once(&database, isolation, 9, |number| {
            let add_on = format!("a0000000-0000-4000-8000-00000000000{}", number + 1);
            format!(
                "BEGIN; SELECT 1 FROM add_to_cart('ada', '{add_on}');
                 SELECT checkout_id FROM checkout('ada', promo_code => 'friend50'); COMMIT"
            )
        });
        assert_eq!(succeeded(&answers), 2, "{isolation}: {answers:?}");
        invariants::check(&mut client);
    }
}

#[test]
fn a_cart_is_sold_once() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("cart {isolation}");
        let mut client = marketplace(&database);
        put(&mut client, "ada", BRIGADE);
        put(&mut client, "ada", BOLT);
        let answers = at_once(&database, isolation, CLIENTS, |_| "SELECT checkout_id FROM checkout('ada')".to_owned());
        assert_eq!(succeeded(&answers), 1, "{isolation}");
        assert_eq!(refusals(&answers), BTreeSet::from(["empty_cart"]), "{isolation}");
        assert_eq!(number(&mut client, "SELECT count(*) FROM add_on_purchases"), 2);
        invariants::check(&mut client);
    }
}

#[test]
fn one_idempotency_key_makes_one_checkout() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("key {isolation}");
        let mut client = marketplace(&database);
        put(&mut client, "ada", BRIGADE);
        let call = "SELECT checkout_id FROM checkout('ada', idempotency_key => 'key')";
        let answers = at_once(&database, isolation, CLIENTS, |_| call.to_owned());
        let checkouts: BTreeSet<&Option<String>> = answers.iter().map(|answer| answer.as_ref().unwrap()).collect();
        assert_eq!(checkouts.len(), 1, "{isolation}");
        assert_eq!(number(&mut client, "SELECT count(*) FROM add_on_purchases"), 1);
    }
}

#[test]
fn a_checkout_is_completed_or_failed_and_never_both() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("fate {isolation}");
        let mut client = marketplace(&database);
        for round in 0..5 {
            let user = format!("user {round}");
            put(&mut client, &user, BRIGADE);
            put(&mut client, &user, BOLT);
            let checkout =
                text(&mut client, &format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'launch2025')"));
            let checkout = checkout.unwrap();
            let answers = at_once(&database, isolation, 16, |number| match number % 2 {
                0 => format!("SELECT count(*) FROM complete_checkout('{checkout}', 'pi_{round}')"),
                _ => format!("SELECT fail_checkout('{checkout}')"),
            });
            let completed = answers.iter().step_by(2).filter(|answer| answer.is_ok()).count();
            let failed = answers.iter().skip(1).step_by(2).filter(|answer| answer.is_ok()).count();
            assert!((completed, failed) == (8, 0) || (completed, failed) == (0, 8), "{isolation}: {answers:?}");
            assert_eq!(refusals(&answers), BTreeSet::from(["checkout_state"]));
            let states =
                format!("SELECT count(DISTINCT status) FROM add_on_purchases WHERE checkout_id = '{checkout}'");
            assert_eq!(number(&mut client, &states), 1);
        }
        invariants::check(&mut client);
    }
}

/// Two users with pending checkouts, and those checkouts.
fn two_waiting(client: &mut Client) -> [String; 2] {
    ["ada", "bob"].map(|user| {
        put(client, user, BRIGADE);
        text(client, &format!("SELECT checkout_id FROM checkout('{user}')")).unwrap()
    })
}

#[test]
fn one_payment_completes_one_checkout_however_it_is_told() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("one payment {isolation}");
        let mut client = marketplace(&database);
        for round in 0..8 {
            let checkouts = two_waiting(&mut client);
            let call = |number: usize| {
                let (payment, checkout) = (format!("pi_{round}"), &checkouts[number % 2]);
                // By hand in the even rounds; by events, or one by each, in others.
                if round % 2 == 0 || (round % 4 == 3 && number.is_multiple_of(2)) {
                    return format!("SELECT complete_checkout('{checkout}', '{payment}')");
                }
                format!(
                    r#"SELECT apply_stripe_event('{{"id": "evt_1", "type": "payment_intent.succeeded", "created": 1767225600, "data": {{"object":
                       {{"id": "{payment}", "object": "payment_intent", "status": "succeeded", "amount": 1999, "amount_received": 1999,
                         "currency": "usd", "metadata": {{"checkout_id": "{checkout}"}}}}}}}}') ->> 'action'"#
                )
            };
            for answer in at_once(&database, isolation, 4, call) {
                let is_expected = match &answer {
                    Ok(_) => true,
                    Err((_, code)) => code == "payment_used",
                };
                assert!(is_expected, "{isolation}, round {round}: {answer:?}");
            }
            let paid = "SELECT count(*) FROM add_on_purchases WHERE status = 'completed' AND stripe_payment_id = ";
            assert_eq!(number(&mut client, &format!("{paid}'pi_{round}'")), 1, "{isolation}, round {round}");
            invariants::check(&mut client);
            client.batch_execute("TRUNCATE add_on_purchases, user_add_ons, cart_items").unwrap();
        }
    }
}

/// An intent of a checkout that meanwhile pays for another user's.
fn intent_of(checkout: &str) -> String {
    format!(
        r#"{{"id": "pi_both", "object": "payment_intent", "status": "succeeded", "amount": 1999, "amount_received": 1999,
             "currency": "usd", "metadata": {{"checkout_id": "{checkout}"}}}}"#
    )
}

fn event_of(checkout: &str) -> String {
    let intent = intent_of(checkout);
    format!(
        r#"SELECT apply_stripe_event('{{"type": "payment_intent.succeeded", "created": 1767225600, "data": {{"object": {intent}}}}}') ->> 'action'"#
    )
}

fn fetched_of(checkout: &str) -> String {
    format!("SELECT action FROM reconcile_stripe('{}')", intent_of(checkout))
}

/// Delivers the payment of a user's checkout while it becomes known for another one and others report it too,
/// whichever of the two users comes first in the lock order.
fn tell_of_what_becomes_another_users(name: &str, tell: fn(&str) -> String) {
    for [named, other] in [["ada", "bob"], ["bob", "ada"]] {
        let database = format!("{name} {named}");
        let mut client = marketplace(&database);
        let [of_ada, of_bob] = two_waiting(&mut client);
        let [of_named, of_other] = if named == "ada" { [of_ada, of_bob] } else { [of_bob, of_ada] };
        let [mut with_named, mut with_other, mut first, mut second] =
            [(); 4].map(|()| Session::new(&database, "read committed"));
        with_named.step("BEGIN").unwrap();
        with_named.step(&format!("SELECT count(*) FROM add_to_cart('{named}', '{BOLT}')")).unwrap();
        // It knows of one alone, and waits.
        let first = first.waits(&tell(&of_named));
        client.batch_execute(&format!("SELECT count(*) FROM complete_checkout('{of_other}', 'pi_both')")).unwrap();
        with_other.step("BEGIN").unwrap();
        with_other.step(&format!("SELECT count(*) FROM add_to_cart('{other}', '{BOLT}')")).unwrap();
        // It knows of both, and waits for one of them, then perhaps with that for the other.
        let second = second.waits(&event_of(&of_named));
        with_other.step("COMMIT").unwrap();
        let waited_for =
            "SELECT count(DISTINCT (objid, objsubid)) FROM pg_locks WHERE NOT granted AND locktype = 'object'
                             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while number(&mut client, waited_for) != 1 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        with_named.step("COMMIT").unwrap();
        assert_eq!([first.answer(), second.answer()], [(); 2].map(|()| Ok(Some("refused".to_owned()))));
        invariants::check(&mut client);
    }
}

#[test]
fn stepped_a_payment_that_becomes_known_for_another_user() {
    tell_of_what_becomes_another_users("event", event_of);
}

#[test]
fn stepped_a_fetched_payment_that_becomes_known_for_another_user() {
    tell_of_what_becomes_another_users("fetched", fetched_of);
}

#[test]
fn stepped_an_unclaimed_payment_while_its_checkout_appears() {
    let mut client = marketplace("put_aside");
    let [checkout, _] = two_waiting(&mut client);
    let event = |kind: &str, object: &str| {
        format!(
            r#"SELECT apply_stripe_event('{{"type": "{kind}", "created": 1767225600, "data": {{"object": {object}}}}}') ->> 'action'"#
        )
    };
    let [mut one, mut other, mut another] = [(); 3].map(|()| Session::new("put_aside", "read committed"));
    one.step("BEGIN").unwrap();
    one.step(&format!("SELECT complete_checkout('{checkout}', 'pi_1')")).unwrap();
    // Nobody can know yet whose it is; the call waits until that is decided.
    let refund = r#"{"id": "re_1", "object": "refund", "payment_intent": "pi_1", "amount": 1999, "currency": "usd", "status": "succeeded"}"#;
    let pending = other.waits(&event("refund.created", refund));
    one.step("COMMIT").unwrap();
    assert_eq!(pending.answer(), Ok(Some("refunded".to_owned())));
    // The other way round: a stored report is taken over by the checkout that is paid with it meanwhile.
    let [_, checkout] = two_waiting(&mut client);
    let refund = refund.replace("_1", "_2");
    one.step("BEGIN").unwrap();
    assert_eq!(one.step(&event("refund.created", &refund)), Ok(Some("not_ours".to_owned())));
    let pending = another.waits(&format!("SELECT complete_checkout('{checkout}', 'pi_2')"));
    one.step("COMMIT").unwrap();
    pending.answer().unwrap();
    let refunded = "SELECT count(*) FROM add_on_purchases WHERE status = 'refunded'";
    assert_eq!(number(&mut client, refunded), 2);
}

#[test]
fn refunds_never_exceed_the_amount_and_give_a_use_back_once() {
    for isolation in ISOLATION_LEVELS {
        let database = format!("refund {isolation}");
        let mut client = marketplace(&database);
        put(&mut client, "ada", BRIGADE);
        text(&mut client, "SELECT checkout_id FROM checkout('ada', promo_code => 'launch2025')");
        text(&mut client, "SELECT complete_checkout(checkout_id) FROM add_on_purchases");
        let purchase = text(&mut client, "SELECT id FROM add_on_purchases").unwrap();
        // 15.99 were paid: three refunds of 4.00 leave 3.99.
        let answers = at_once(&database, isolation, 16, |_| format!("SELECT refund_purchase('{purchase}', 4)"));
        assert_eq!(succeeded(&answers), 3, "{isolation}");
        assert_eq!(refusals(&answers), BTreeSet::from(["refund_exceeds_amount"]));
        let answers = at_once(&database, isolation, 16, |_| format!("SELECT refund_purchase('{purchase}')"));
        assert_eq!(succeeded(&answers), 16, "refunding all that is left, again and again");
        assert!(answers.iter().all(|answer| answer == &Ok(Some("15.99".to_owned()))));
        assert_eq!(number(&mut client, "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'"), 0);
        invariants::check(&mut client);
    }
}

#[test]
fn a_failed_checkout_gives_its_uses_back_once() {
    let mut client = marketplace("give back");
    for user in ["ada", "bob"] {
        [BRIGADE, BOLT, VECTORS].iter().for_each(|add_on| put(&mut client, user, add_on));
        text(&mut client, &format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'launch2025')"));
    }
    let checkout = text(&mut client, "SELECT checkout_id FROM add_on_purchases WHERE user_id = 'ada' LIMIT 1").unwrap();
    let answers = at_once("give back", "read committed", 16, |_| format!("SELECT fail_checkout('{checkout}')"));
    let changed = answers.iter().filter(|answer| **answer == Ok(Some("t".to_owned()))).count();
    assert_eq!((changed, succeeded(&answers)), (1, 16));
    assert_eq!(number(&mut client, "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'"), 1);
    assert_eq!(number(&mut client, "SELECT current_uses FROM add_on_bundles WHERE name = 'Developer Pro'"), 1);
    invariants::check(&mut client);
}

#[test]
fn units_added_at_once_add_up_to_the_limit_and_no_further() {
    let mut client = marketplace("quantity");
    let answers = at_once("quantity", "read committed", CLIENTS, |_| {
        format!("SELECT quantity FROM add_to_cart('ada', '{BRIGADE}', 7)")
    });
    assert_eq!(succeeded(&answers), 14, "14 × 7 = 98 of at most 100");
    assert_eq!(refusals(&answers), BTreeSet::from(["quantity_limit"]));
    assert_eq!(number(&mut client, "SELECT quantity FROM cart_items"), 98);
}

#[test]
fn maintenance_runs_twice_at_once_beside_checkouts() {
    let mut client = marketplace("maintenance");
    for number in 0..40 {
        [BRIGADE, BOLT, VECTORS].iter().for_each(|add_on| put(&mut client, &format!("user {number}"), add_on));
        text(&mut client, &format!("SELECT checkout_id FROM checkout('user {number}', promo_code => 'friend50')"));
        put(&mut client, &format!("user {number}"), BOLT);
    }
    client.batch_execute("UPDATE add_on_purchases SET purchased_at = now() - interval '2 days'").unwrap();
    let answers = at_once("maintenance", "read committed", 24, |number| match number {
        0..4 => "SELECT sum(affected) FROM run_maintenance(batch => 20)".to_owned(),
        _ => format!("SELECT checkout_id FROM checkout('user {number}', promo_code => 'friend50')"),
    });
    assert_eq!(succeeded(&answers), 24, "{answers:?}");
    while number(&mut client, "SELECT sum(affected) FROM run_maintenance()") > 0 {}
    let old =
        "SELECT count(*) FROM add_on_purchases WHERE purchased_at < now() - interval '1 day' AND status <> 'failed'";
    assert_eq!(number(&mut client, old), 0);
    assert_eq!(number(&mut client, "SELECT current_uses FROM promotional_codes WHERE code = 'FRIEND50'"), 20);
    invariants::check(&mut client);
}

// Two sessions, step by step.

fn completed_purchase(client: &mut Client, user: &str) -> (String, String) {
    put(client, user, BRIGADE);
    let checkout = text(client, &format!("SELECT checkout_id FROM checkout('{user}')")).unwrap();
    text(client, &format!("SELECT complete_checkout('{checkout}')"));
    let purchase = text(client, &format!("SELECT id FROM add_on_purchases WHERE checkout_id = '{checkout}'")).unwrap();
    (checkout, purchase)
}

const SERIALIZATION_FAILURE: &str = "40001";

fn state(answer: Answer) -> String {
    answer.map_or_else(|(state, _)| state, |_| "ok".to_owned())
}

#[test]
fn stepped_two_checkouts_of_one_cart() {
    for (isolation, second) in ISOLATION_LEVELS.iter().zip(["55000", SERIALIZATION_FAILURE, SERIALIZATION_FAILURE]) {
        let database = format!("stepped cart {isolation}");
        let mut client = marketplace(&database);
        put(&mut client, "ada", BRIGADE);
        let (mut one, mut two) = (Session::new(&database, isolation), Session::new(&database, isolation));
        one.step("BEGIN").unwrap();
        one.step("SELECT checkout_id FROM checkout('ada')").unwrap();
        let pending = two.waits("SELECT checkout_id FROM checkout('ada')");
        one.step("COMMIT").unwrap();
        assert_eq!(state(pending.answer()), second, "{isolation}");
        // ... and when the first is rolled back, the second sells the cart.
        put(&mut client, "bob", BRIGADE);
        let (mut one, mut two) = (Session::new(&database, isolation), Session::new(&database, isolation));
        one.step("BEGIN").unwrap();
        one.step("SELECT checkout_id FROM checkout('bob')").unwrap();
        let pending = two.waits("SELECT checkout_id FROM checkout('bob')");
        one.step("ROLLBACK").unwrap();
        assert_eq!(state(pending.answer()), "ok", "{isolation}");
        assert_eq!(number(&mut client, "SELECT count(*) FROM add_on_purchases"), 2);
        invariants::check(&mut client);
    }
}

#[test]
fn stepped_the_last_use_of_a_code() {
    for (isolation, second) in ISOLATION_LEVELS.iter().zip(["23514", SERIALIZATION_FAILURE, SERIALIZATION_FAILURE]) {
        let database = format!("stepped code {isolation}");
        let mut client = marketplace(&database);
        client.batch_execute("UPDATE promotional_codes SET max_uses = 1 WHERE code = 'LAUNCH2025'").unwrap();
        put(&mut client, "ada", BRIGADE);
        put(&mut client, "bob", BRIGADE);
        let (mut one, mut two) = (Session::new(&database, isolation), Session::new(&database, isolation));
        one.step("BEGIN").unwrap();
        one.step("SELECT checkout_id FROM checkout('ada', promo_code => 'launch2025')").unwrap();
        // Both have seen that the code is valid; bob waits for ada's claim of the last use.
        let pending = two.waits("SELECT checkout_id FROM checkout('bob', promo_code => 'launch2025')");
        one.step("COMMIT").unwrap();
        assert_eq!(state(pending.answer()), second, "{isolation}");
        assert_eq!(number(&mut client, "SELECT count(*) FROM cart_items WHERE user_id = 'bob'"), 1);
        invariants::check(&mut client);
    }
}

#[test]
fn stepped_the_last_instance_of_a_bundle() {
    let mut client = marketplace("stepped bundle");
    client.batch_execute("UPDATE add_on_bundles SET max_uses = 1 WHERE name = 'Developer Pro'").unwrap();
    for user in ["ada", "bob"] {
        [BRIGADE, BOLT, VECTORS].iter().for_each(|add_on| put(&mut client, user, add_on));
    }
    let mut one = Session::new("stepped bundle", "read committed");
    let mut two = Session::new("stepped bundle", "read committed");
    one.step("BEGIN").unwrap();
    one.step("SELECT checkout_id FROM checkout('ada')").unwrap();
    let pending = two.waits("SELECT checkout_id FROM checkout('bob')");
    one.step("COMMIT").unwrap();
    assert_eq!(pending.answer(), Err(("55000".to_owned(), "price_changed".to_owned())));
    assert_eq!(number(&mut client, "SELECT count(*) FROM cart_items WHERE user_id = 'bob'"), 3);
    invariants::check(&mut client);
}

#[test]
fn stepped_completing_and_failing() {
    for (isolation, second) in ISOLATION_LEVELS.iter().zip(["55000", SERIALIZATION_FAILURE, SERIALIZATION_FAILURE]) {
        let database = format!("stepped fate {isolation}");
        let mut client = marketplace(&database);
        for (first, then) in [("complete_checkout", "fail_checkout"), ("fail_checkout", "complete_checkout")] {
            put(&mut client, first, BRIGADE);
            let checkout = text(&mut client, &format!("SELECT checkout_id FROM checkout('{first}')")).unwrap();
            let (mut one, mut two) = (Session::new(&database, isolation), Session::new(&database, isolation));
            one.step("BEGIN").unwrap();
            one.step(&format!("SELECT {first}('{checkout}')")).unwrap();
            let pending = two.waits(&format!("SELECT {then}('{checkout}')"));
            one.step("COMMIT").unwrap();
            assert_eq!(state(pending.answer()), second, "{isolation}: {first}, then {then}");
        }
        invariants::check(&mut client);
    }
}

#[test]
fn stepped_two_refunds() {
    for (isolation, second) in ISOLATION_LEVELS.iter().zip(["23514", SERIALIZATION_FAILURE, SERIALIZATION_FAILURE]) {
        let database = format!("stepped refund {isolation}");
        let mut client = marketplace(&database);
        let (_, purchase) = completed_purchase(&mut client, "ada");
        let (mut one, mut two) = (Session::new(&database, isolation), Session::new(&database, isolation));
        one.step("BEGIN").unwrap();
        one.step(&format!("SELECT refund_purchase('{purchase}', 15)")).unwrap();
        let pending = two.waits(&format!("SELECT refund_purchase('{purchase}', 15)"));
        one.step("COMMIT").unwrap();
        assert_eq!(state(pending.answer()), second, "{isolation}");
        assert_eq!(text(&mut client, "SELECT refund_amount FROM add_on_purchases").unwrap(), "15.00");
        invariants::check(&mut client);
    }
}

#[test]
fn stepped_a_cart_that_changes_while_it_is_sold() {
    let mut client = marketplace("stepped change");
    put(&mut client, "ada", BRIGADE);
    let mut one = Session::new("stepped change", "read committed");
    let mut two = Session::new("stepped change", "read committed");
    // Another tab has changed the quantity and not committed yet: the checkout waits and sells what was decided.
    one.step("BEGIN").unwrap();
    one.step(&format!("SELECT quantity FROM set_cart_quantity('ada', '{BRIGADE}', 3)")).unwrap();
    let pending = two.waits("SELECT amount FROM checkout('ada')");
    one.step("COMMIT").unwrap();
    assert_eq!(pending.answer(), Ok(Some("59.97".to_owned())));

    // The other way round: a line that is added while the cart is being sold stays for the next checkout.
    put(&mut client, "bob", BRIGADE);
    let mut two = Session::new("stepped change", "read committed");
    one.step("BEGIN").unwrap();
    one.step("SELECT checkout_id FROM checkout('bob')").unwrap();
    let pending = two.waits(&format!("SELECT quantity FROM add_to_cart('bob', '{BRIGADE}', 2)"));
    one.step("COMMIT").unwrap();
    assert_eq!(pending.answer(), Ok(Some("2".to_owned())));
    assert_eq!(number(&mut client, "SELECT quantity FROM cart_items WHERE user_id = 'bob'"), 2);
    invariants::check(&mut client);
}

#[test]
fn stepped_maintenance_waits_for_nobody() {
    let mut client = marketplace("stepped maintenance");
    for user in ["ada", "bob"] {
        put(&mut client, user, BRIGADE);
        text(&mut client, &format!("SELECT checkout_id FROM checkout('{user}', promo_code => 'launch2025')"));
    }
    client.batch_execute("UPDATE add_on_purchases SET purchased_at = now() - interval '2 days'").unwrap();
    let checkout = text(&mut client, "SELECT checkout_id FROM add_on_purchases WHERE user_id = 'ada'").unwrap();
    let mut one = Session::new("stepped maintenance", "read committed");
    one.step("BEGIN").unwrap();
    one.step(&format!("SELECT complete_checkout('{checkout}', 'pi_late')")).unwrap();
    // Ada's checkout is being completed at this moment, so it is skipped; bob's is failed.
    let failed = "SELECT affected FROM run_maintenance() WHERE task = 'unpaid_purchases'";
    client.batch_execute("SET lock_timeout = '2s'").unwrap();
    assert_eq!(number(&mut client, failed), 1);
    one.step("COMMIT").unwrap();
    assert_eq!(number(&mut client, failed), 0);
    let statuses = "SELECT string_agg(status, ' ' ORDER BY user_id) FROM add_on_purchases";
    assert_eq!(text(&mut client, statuses).unwrap(), "completed failed");
    invariants::check(&mut client);
}

#[test]
fn stepped_a_transaction_that_changes_a_cart_and_then_checks_out() {
    for (isolation, second) in ISOLATION_LEVELS.iter().zip(["55000", SERIALIZATION_FAILURE, SERIALIZATION_FAILURE]) {
        let database = format!("stepped host {isolation}");
        let mut client = marketplace(&database);
        put(&mut client, "ada", BRIGADE);
        let (mut one, mut two) = (Session::new(&database, isolation), Session::new(&database, isolation));
        let changes = [
            format!("SELECT quantity FROM set_cart_quantity('ada', '{BRIGADE}', 2)"),
            format!("SELECT quantity FROM add_to_cart('ada', '{BRIGADE}')"),
            format!("SELECT remove_from_cart('ada', '{BOLT}')"),
        ];
        one.step("BEGIN").unwrap();
        for change in changes {
            one.step(&change).unwrap();
        }
        // The other checkout waits for the transaction from its first change on, and does not block it.
        let pending = two.waits("SELECT checkout_id FROM checkout('ada')");
        assert_eq!(one.step("SELECT amount FROM checkout('ada')"), Ok(Some("59.97".to_owned())), "{isolation}");
        one.step("COMMIT").unwrap();
        assert_eq!(state(pending.answer()), second, "{isolation}");
        invariants::check(&mut client);
    }
}

#[test]
fn stepped_a_key_that_the_snapshot_does_not_show() {
    for isolation in &ISOLATION_LEVELS[1..] {
        let database = format!("stepped key {isolation}");
        let mut client = marketplace(&database);
        let mut one = Session::new(&database, isolation);
        one.step("BEGIN").unwrap();
        one.step("SELECT count(*) FROM cart_items").unwrap();
        let checkout = "SELECT checkout_id FROM checkout('ada', idempotency_key => 'key')";
        put(&mut client, "ada", BRIGADE);
        let first = text(&mut client, checkout);
        one.step(&format!("SELECT quantity FROM add_to_cart('ada', '{BOLT}')")).unwrap();
        let refused = one.step(checkout);
        assert_eq!(
            refused,
            Err((SERIALIZATION_FAILURE.to_owned(), "idempotency_key_unseen".to_owned())),
            "{isolation}"
        );
        // A repeated call, as the hint suggests, returns what the key has made.
        one.step("ROLLBACK").unwrap();
        assert_eq!(one.step(checkout), Ok(first), "{isolation}");
        invariants::check(&mut client);
    }
}

#[test]
fn a_users_lock_is_nobody_elses_to_take() {
    let mut client = marketplace("advisory");
    put(&mut client, "ada", BRIGADE);
    client.batch_execute("CREATE ROLE stranger LOGIN").unwrap();
    let mut stranger = Session::new("advisory", "read committed");
    stranger.step("SET ROLE stranger").unwrap();
    stranger.step("SELECT pg_advisory_lock(1702392947, hashtext('ada'))").unwrap();
    stranger.step("SELECT pg_advisory_lock(hashtext('ada'))").unwrap();
    assert_eq!(state(stranger.step("SELECT _hold_user('ada')")), "42501");
    client.batch_execute("SET lock_timeout = '2s'").unwrap();
    assert!(ask(&mut client, "SELECT checkout_id FROM checkout('ada')").is_ok());
    stranger.step("SELECT pg_advisory_unlock_all(); RESET ROLE; DROP ROLE stranger").unwrap();
}

#[test]
fn a_prepared_transaction_keeps_the_users_lock() {
    let mut client = marketplace("prepared");
    let mut one = Session::new("prepared", "read committed");
    let mut two = Session::new("prepared", "read committed");
    one.step("BEGIN").unwrap();
    one.step(&format!("SELECT quantity FROM add_to_cart('ada', '{BRIGADE}')")).unwrap();
    one.step("PREPARE TRANSACTION 'cart of ada'").unwrap();
    let pending = two.waits("SELECT amount FROM checkout('ada')");
    client.batch_execute("COMMIT PREPARED 'cart of ada'").unwrap();
    assert_eq!(pending.answer(), Ok(Some("19.99".to_owned())));
}

#[test]
fn a_transaction_can_fill_as_many_carts_as_it_likes() {
    let mut client = marketplace("many carts");
    let fill = format!("SELECT count(*) FROM generate_series(1, 20000) n, add_to_cart('user ' || n, '{BRIGADE}')");
    assert_eq!(number(&mut client, &fill), 20_000);
}

#[test]
fn stepped_maintenance_gives_uses_back_in_the_order_of_checkouts() {
    let mut client = marketplace("stepped uses");
    [BRIGADE, BOLT, VECTORS].iter().for_each(|add_on| put(&mut client, "ada", add_on));
    text(&mut client, "SELECT checkout_id FROM checkout('ada')");
    client
        .batch_execute(
            "UPDATE add_on_purchases SET purchased_at = now() - interval '2 days';
             UPDATE promotional_codes SET expires_at = now() - interval '1 second' WHERE code = 'LAUNCH2025'",
        )
        .unwrap();
    let (mut one, mut two) =
        (Session::new("stepped uses", "read committed"), Session::new("stepped uses", "read committed"));
    // Somebody holds the bundle and then wants the code, as every checkout does.
    one.step("BEGIN").unwrap();
    one.step("UPDATE add_on_bundles SET updated_at = now() WHERE name = 'Developer Pro'").unwrap();
    let pending = two.waits("SELECT sum(affected) FROM run_maintenance()");
    one.step("UPDATE promotional_codes SET updated_at = now() WHERE code = 'LAUNCH2025'").unwrap();
    one.step("COMMIT").unwrap();
    assert_eq!(pending.answer(), Ok(Some("4".to_owned())), "three purchases are failed and a code is switched off");
    invariants::check(&mut client);
}

#[test]
fn a_cart_that_is_touched_while_maintenance_runs_is_kept() {
    let mut client = marketplace("touched");
    let old = format!(
        "ALTER TABLE cart_items DISABLE TRIGGER update_cart_items_updated_at;
         INSERT INTO cart_items (user_id, add_on_id, added_at, updated_at)
         SELECT 'user ' || n, '{BRIGADE}', now() - interval '40 days' - n * interval '1 s', now() - interval '40 days'
           FROM generate_series(1, 100000) n;
         ALTER TABLE cart_items ENABLE TRIGGER update_cart_items_updated_at; ANALYZE cart_items"
    );
    client.batch_execute(&old).unwrap();
    std::thread::scope(|scope| {
        let maintenance = scope.spawn(|| {
            let mut client = harness::clients::connect("touched", "read committed");
            number(&mut client, "SELECT sum(affected) FROM run_maintenance(batch => 100000)")
        });
        // One cart after the other is touched, from those that are cleared away last, until maintenance is done.
        let mut touched = 0;
        while !maintenance.is_finished() && touched < 2_000 {
            touched += 1;
            let touch = format!("SELECT quantity FROM set_cart_quantity('user {touched}', '{BRIGADE}', 7)");
            assert_eq!(text(&mut client, &touch).as_deref(), Some("7"));
        }
        maintenance.join().unwrap();
        let kept = "SELECT count(*) FROM cart_items WHERE quantity = 7";
        assert_eq!(number(&mut client, kept), touched);
    });
}

// A random walk of all clients through all functions.

/// A small generator of random numbers, so that a walk can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn random_call(dice: &mut Dice) -> String {
    let user = format!("user {}", dice.roll(6));
    let add_on = format!("a0000000-0000-4000-8000-00000000000{}", 1 + dice.roll(9));
    let checkout = format!(
        "(SELECT checkout_id FROM add_on_purchases WHERE user_id = '{user}' AND checkout_id IS NOT NULL ORDER BY md5(id::text || '{}') LIMIT 1)",
        dice.roll(1000)
    );
    let purchase = format!(
        "(SELECT id FROM add_on_purchases WHERE user_id = '{user}' ORDER BY md5(id::text || '{}') LIMIT 1)",
        dice.roll(1000)
    );
    let code = ["launch2025", "friend50", "firstbuy", "nope"][dice.roll(4) as usize];
    let event = |kind: &str, object: String| {
        format!(
            "SELECT apply_stripe_event(jsonb_build_object('type', '{kind}', 'id', 'evt', 'created', 1, 'data', jsonb_build_object('object', {object})))"
        )
    };
    match dice.roll(28) {
        0..6 => format!("SELECT * FROM add_to_cart('{user}', '{add_on}', {})", 1 + dice.roll(3)),
        6 => format!("SELECT * FROM set_cart_quantity('{user}', '{add_on}', {})", dice.roll(4)),
        7 => format!("SELECT remove_from_cart('{user}', '{add_on}')"),
        8..12 => format!("SELECT * FROM checkout('{user}', promo_code => '{code}')"),
        12 => format!("SELECT * FROM checkout('{user}')"),
        13..16 => format!("SELECT complete_checkout({checkout}, 'pi_' || {checkout})"),
        16 => format!("SELECT fail_checkout({checkout}, 'no luck')"),
        17 => format!("SELECT refund_purchase({purchase}, 1.5)"),
        18 => format!("SELECT refund_purchase({purchase})"),
        19 => format!("SELECT dispute_purchase({purchase})"),
        20 => format!("SELECT resolve_dispute({purchase}, {})", dice.roll(2) == 0),
        21 => "SELECT * FROM run_maintenance(checkout_max_age => '0 s', batch => 5)".to_owned(),
        22 => event(
            "checkout.session.completed",
            format!(
                "jsonb_build_object('client_reference_id', {checkout}, 'payment_status', 'paid', 'payment_intent', 'pi_' || {checkout})"
            ),
        ),
        23 => format!("SELECT renew_add_on('{user}', '{add_on}', 3, 'pi_renewal_' || {})", dice.roll(100)),
        24 => format!("SELECT cancel_add_on('{user}', '{add_on}', 'enough', {})", dice.roll(2) == 0),
        25 => format!("SELECT suspend_add_on('{user}', '{add_on}')"),
        26 => format!("SELECT resume_add_on('{user}', '{add_on}')"),
        _ => event(
            "charge.refunded",
            format!(
                "jsonb_build_object('payment_intent', 'pi_' || {checkout}, 'amount_refunded', {})",
                dice.roll(5000)
            ),
        ),
    }
}

#[test]
fn stepped_a_free_checkout_with_a_code_beside_maintenance() {
    let mut client = marketplace("stepped free");
    client
        .batch_execute(&format!(
            "UPDATE add_ons SET base_price = 0 WHERE id = '{BOLT}';
             INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('SOME', 'percentage', 10)"
        ))
        .unwrap();
    [BRIGADE, BOLT].iter().for_each(|add_on| put(&mut client, "ada", add_on));
    text(&mut client, "SELECT checkout_id FROM checkout('ada', promo_code => 'some')");
    client.batch_execute("UPDATE add_on_purchases SET purchased_at = now() - interval '2 days'").unwrap();
    put(&mut client, "ada", BOLT);
    let session = || Session::new("stepped free", "read committed");
    let (mut one, mut two, mut three) = (session(), session(), session());
    one.step("BEGIN").unwrap();
    one.step("UPDATE promotional_codes SET updated_at = now() WHERE code = 'SOME'").unwrap();
    // Completing it at once needs the user's other purchase of the same add-on. If it took the code first,
    // maintenance would lock that purchase and wait for the code.
    let checkout = two.waits("SELECT count(*) FROM checkout('ada', promo_code => 'some')");
    three.step("SET lock_timeout = '3s'").unwrap();
    assert_eq!(three.step("SELECT sum(affected) FROM run_maintenance()"), Ok(Some("0".to_owned())));
    one.step("COMMIT").unwrap();
    assert_eq!(checkout.answer(), Ok(Some("1".to_owned())));
    invariants::check(&mut client);
}

/// The server's report about deadlocks: who waited for what, and in which calls.
fn deadlocks() -> String {
    let log = std::fs::read_to_string(Server::shared().folder().join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let found = lines.iter().position(|line| line.contains("deadlock detected")).unwrap_or(lines.len());
    lines[found..(found + 20).min(lines.len())].join("\n")
}

#[test]
fn a_random_walk_of_many_clients_breaks_nothing() {
    let calls = std::env::var("WALK_CALLS").map_or(250, |calls| calls.parse().unwrap());
    let seed = std::env::var("WALK_SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
    for isolation in ISOLATION_LEVELS {
        let database = format!("walk {isolation}");
        let mut client = marketplace(&database);
        client
            .batch_execute(
                r#"UPDATE promotional_codes SET max_uses = 9, user_restrictions = '{"max_uses_per_user": 3}' WHERE code = 'LAUNCH2025';
                   UPDATE promotional_codes SET max_uses = 5 WHERE code = 'FRIEND50';
                   UPDATE add_on_bundles SET max_uses = 3 WHERE name <> 'Enterprise Suite';
                   UPDATE add_ons SET base_price = 0 WHERE id = 'a0000000-0000-4000-8000-000000000006'"#,
            )
            .unwrap();
        std::thread::scope(|scope| {
            for number in 0..24_u64 {
                let database = &database;
                scope.spawn(move || {
                    let mut client = harness::clients::connect(database, isolation);
                    let mut dice = Dice(seed * 1000 + number + 1);
                    for _ in 0..calls {
                        let call = random_call(&mut dice);
                        if let Err((state, message)) = ask(&mut client, &call) {
                            // Refusals are fine; a deadlock, a constraint violation or an internal error is not.
                            let is_refusal =
                                ["22023", "23514", "55000", "P0002", SERIALIZATION_FAILURE].contains(&state.as_str());
                            assert!(is_refusal, "seed {seed}, {isolation}: {call}: {state} {message}\n{}", deadlocks());
                            assert!(!message.contains("violates"), "seed {seed}, {isolation}: {call}: {message}");
                        }
                    }
                });
            }
        });
        invariants::check(&mut client);
        let sold = number(&mut client, "SELECT count(*) FROM add_on_purchases WHERE status <> 'pending'");
        assert!(sold > 50, "the walk goes somewhere: {sold} purchases");
    }
}
