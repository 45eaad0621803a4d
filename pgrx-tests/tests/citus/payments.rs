//! Providers' events on a cluster: in any order, on any node, repeated and concurrent.

#[path = "../lives/told.rs"]
mod told;

use std::thread;

use harness::clients::ask;
use harness::{Server, text};
use postgres::Client;

use super::{BRIGADE, check, distributed, nodes};
use told::{World, check_out, state, worlds};

const LIVES: usize = 12;

/// A database of one server, which the cluster is compared with.
fn plain(nodes: &[Server; 3], name: &str) -> Client {
    nodes[0].create_database(name);
    let mut client = nodes[0].connect(name);
    client.batch_execute("CREATE EXTENSION extensions").unwrap();
    client
}

/// The state of a checkout after these events, each delivered through the next of the clients.
fn told_in_turn(clients: &mut [Client], world: &World, order: &[usize]) -> String {
    let checkout = check_out(&mut clients[0], world);
    let count = clients.len();
    for (turn, &number) in order.iter().enumerate() {
        let call = world.sent[number].call(&checkout);
        clients[turn % count].batch_execute(&call).unwrap_or_else(|error| panic!("{error:?}: {world:?}"));
    }
    let state = state(&mut clients[0], false);
    forget_it(&mut clients[0]);
    state
}

fn forget_it(client: &mut Client) {
    let is_there = text(client, "SELECT to_regclass('marketplace_unclaimed')").is_some();
    let unclaimed = if is_there { ", marketplace_unclaimed" } else { "" };
    client.batch_execute(&format!("TRUNCATE add_on_purchases, user_add_ons, cart_items{unclaimed}")).unwrap();
}

#[test]
fn a_life_ends_as_on_one_server_in_whatever_order_the_nodes_are_told_of_it() {
    let Some(nodes) = nodes() else { return };
    let mut plain = [plain(nodes, "lives_alone")];
    let mut clients = distributed(nodes, "lives");
    let mut random = fastrand::Rng::with_seed(14);
    for world in worlds(LIVES) {
        let in_order: Vec<usize> = (0..world.sent.len()).collect();
        let backwards: Vec<usize> = in_order.iter().rev().copied().collect();
        let mut shuffled = [in_order.clone(), in_order.clone()].concat();
        random.shuffle(&mut shuffled);
        let expected = told_in_turn(&mut plain, &world, &in_order);
        for order in [in_order, backwards, shuffled] {
            assert_eq!(told_in_turn(&mut clients, &world, &order), expected, "{order:?}: {world:?}");
        }
    }
}

#[test]
fn many_clients_tell_all_nodes_of_one_life_at_once() {
    const CLIENTS: usize = 6;
    let Some(nodes) = nodes() else { return };
    let mut plain = [plain(nodes, "at_once_alone")];
    let [mut client, ..] = distributed(nodes, "lives_at_once");
    for (seed, world) in (0..).zip(worlds(LIVES / 2)) {
        let in_order: Vec<usize> = (0..world.sent.len()).collect();
        let expected = told_in_turn(&mut plain, &world, &in_order);
        let checkout = check_out(&mut client, &world);
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let (world, checkout, node) = (&world, &checkout, &nodes[number % 3]);
                scope.spawn(move || {
                    let mut client = node.connect("lives_at_once");
                    // Each event is delivered twice, by whichever client takes it.
                    let mut order: Vec<usize> = (0..2 * world.sent.len())
                        .filter(|body| body % CLIENTS == number)
                        .map(|body| body % world.sent.len())
                        .collect();
                    fastrand::Rng::with_seed(seed).shuffle(&mut order);
                    for body in order {
                        // No deadlock, no violation: nothing but an answer.
                        ask(&mut client, &world.sent[body].call(checkout))
                            .unwrap_or_else(|error| panic!("{error:?}: {world:?}"));
                    }
                });
            }
        });
        assert_eq!(state(&mut client, false), expected, "{world:?}");
        check(&mut client);
        forget_it(&mut client);
    }
}

/// For a query on many shards Citus opens more connections to a node, and may request a lock again over any of them.
#[test]
fn one_transaction_tells_of_several_users_and_does_not_wait_for_itself() {
    let Some(nodes) = nodes() else { return };
    let [mut coordinator, mut worker, _] = distributed(nodes, "itself");
    let users = 0..4;
    for user in users.clone() {
        coordinator.batch_execute(&format!("SELECT add_to_cart('user {user}', '{BRIGADE}')")).unwrap();
    }
    let checkouts: Vec<String> = users
        .map(|user| text(&mut coordinator, &format!("SELECT checkout_id FROM checkout('user {user}')")).unwrap())
        .collect();
    // The same attempt by name, so that the same lock is wanted again and again, before and after rolled back savepoints.
    let told = |checkout: &str, status: &str| {
        format!(
            r#"SELECT apply_stripe_event('{{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1767225600,
                "data": {{"object": {{"id": "cs_1", "object": "checkout.session", "metadata": {{"checkout_id": "{checkout}"}},
                "payment_intent": "pi_{checkout}", "amount_total": 1999, "currency": "usd", "payment_status": "{status}"}}}}}}')"#
        )
    };
    for node in nodes {
        // In sessions that have no connections yet; and again in a transaction with savepoints that are rolled back.
        let mut client = node.connect("itself");
        let events: Vec<String> = checkouts.iter().map(|checkout| told(checkout, "unpaid")).collect();
        let calls: Vec<String> = events.iter().map(|event| event.replace("SELECT ", "")).collect();
        client.batch_execute(&format!("SELECT e.* FROM (VALUES ({})) e", calls.join(", "))).unwrap();
        client.batch_execute("BEGIN").unwrap();
        for (checkout, unpaid) in checkouts.iter().zip(&events) {
            client.batch_execute(&format!("SAVEPOINT told; {}", told(checkout, "paid"))).unwrap();
            client.batch_execute(&format!("ROLLBACK TO told; {unpaid}")).unwrap();
        }
        client.batch_execute("COMMIT").unwrap();
    }
    let unpaid = "SELECT count(*) FROM add_on_purchases WHERE status = 'pending' AND facts ->> 'awaited' = 'payment'";
    assert_eq!(text(&mut worker, unpaid).unwrap(), "4");
    // Others can take what a rolled back savepoint held.
    let mut other = nodes[2].connect("itself");
    other.batch_execute("SET statement_timeout = '10s'").unwrap();
    coordinator
        .batch_execute(&format!("BEGIN; SAVEPOINT told; {}; ROLLBACK TO told", told(&checkouts[0], "paid")))
        .unwrap();
    other.batch_execute(&told(&checkouts[0], "paid")).unwrap();
    coordinator.batch_execute("COMMIT").unwrap();
    check(&mut coordinator);
}

/// In Stripe's API since 2025-03-31 nothing but `invoice_payment.paid` says that a refunded payment is an invoice's.
#[test]
fn early_events_count_on_every_node_once_their_checkout_is_known() {
    let Some(nodes) = nodes() else { return };
    let mut clients = distributed(nodes, "early");
    let event = |kind: &str, object: &str| {
        format!(
            r#"SELECT apply_stripe_event('{{"id": "evt_{kind}", "object": "event", "type": "{kind}", "created": 1767225600,
                "data": {{"object": {object}}}}}') ->> 'action'"#
        )
    };
    let refund = event(
        "charge.refunded",
        r#"{"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 1999, "amount_refunded": 1999, "refunded": true,
            "currency": "usd"}"#,
    );
    let link = event(
        "invoice_payment.paid",
        r#"{"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "amount_paid": 1999, "currency": "usd", "status": "paid",
            "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}"#,
    );
    assert_eq!(text(&mut clients[1], &refund).unwrap(), "not_ours");
    assert_eq!(text(&mut clients[2], &link).unwrap(), "not_ours");
    for client in &mut clients {
        assert_eq!(text(client, "SELECT count(*) FROM marketplace_unclaimed").unwrap(), "2", "each node has its copy");
    }
    clients[0].batch_execute(&format!("SELECT add_to_cart('ada', '{BRIGADE}')")).unwrap();
    let checkout = text(&mut clients[0], "SELECT checkout_id FROM checkout('ada')").unwrap();
    let session = event(
        "checkout.session.completed",
        &format!(
            r#"{{"id": "cs_1", "object": "checkout.session", "mode": "subscription", "client_reference_id": "{checkout}",
                "invoice": "in_1", "subscription": "sub_1", "amount_total": 1999, "currency": "usd", "payment_status": "paid"}}"#
        ),
    );
    clients[1].batch_execute(&session).unwrap();
    let state = "SELECT status || ' ' || refund_amount FROM add_on_purchases";
    for client in &mut clients {
        assert_eq!(text(client, state).unwrap(), "refunded 19.99");
        assert_eq!(text(client, "SELECT has_feature('ada', 'agent_platform')").unwrap(), "f");
        assert_eq!(text(client, "SELECT count(*) FROM marketplace_unclaimed").unwrap(), "0");
    }
    // Reports that no sale takes over are deleted on every node.
    clients[2].batch_execute(&refund.replace("_1", "_2")).unwrap();
    clients[0].batch_execute("UPDATE marketplace_unclaimed SET heard_at = now() - interval '31 days'").unwrap();
    let forgotten = "SELECT affected FROM run_maintenance() WHERE task = 'unclaimed_events'";
    text(&mut clients[1], forgotten).expect("the task is named");
    for client in &mut clients {
        assert_eq!(text(client, "SELECT count(*) FROM marketplace_unclaimed").unwrap(), "0");
    }
    check(&mut clients[2]);
}
