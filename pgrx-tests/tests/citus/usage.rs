//! Metered features on a cluster, by clients of all nodes at once.

use harness::clients::{Answer, allowed, ask};
use harness::{text, wait_until};
use postgres::Client;

use super::{BOLT, BRIGADE, at_once, distributed, nodes};

/// Gives users an add-on with this many credits, without a period.
fn give(client: &mut Client, users: &[&str], add_on: &str, limit: i64) {
    let metered = format!(
        "INSERT INTO add_on_features (add_on_id, feature_key, configuration)
         VALUES ('{add_on}', 'credits', '{{\"limit\": {limit}, \"per\": \"ever\"}}')
         ON CONFLICT ON CONSTRAINT add_on_features_add_on_feature_key DO UPDATE SET configuration = excluded.configuration"
    );
    client.batch_execute(&metered).unwrap();
    for user in users {
        client.batch_execute(&format!("SELECT grant_add_on('{user}', '{add_on}')")).unwrap();
    }
}

fn used(client: &mut Client, user: &str) -> String {
    text(client, &format!("SELECT concat_ws(' of ', used, granted) FROM feature_usage('{user}', 'credits')")).unwrap()
}

#[test]
fn the_last_units_are_used_once_by_clients_of_all_nodes() {
    const CLIENTS: usize = 24;
    let Some(nodes) = nodes() else { return };
    let mut clients = distributed(nodes, "units");
    give(&mut clients[0], &["ada", "bob"], BOLT, 7);
    // In a transaction of its own the function is not sent to the user's node.
    let call = |user: &str, amount: usize, number: usize| {
        let call = format!("SELECT allowed FROM consume_feature('{user}', 'credits', {amount})");
        if number.is_multiple_of(2) { call } else { format!("BEGIN; {call}; COMMIT") }
    };
    let answers = at_once(nodes, "units", CLIENTS, |number| call("ada", 1, number));
    assert_eq!(allowed(&answers), 7, "{answers:?}");
    assert!(answers.iter().all(Answer::is_ok), "who gets nothing is told so: {answers:?}");
    // The amount does not divide evenly among two add-ons: of fourteen units, at most four calls for three each get
    // any.
    give(&mut clients[0], &["bob"], BRIGADE, 7);
    let answers = at_once(nodes, "units", CLIENTS, |number| call("bob", 3, number));
    assert_eq!(allowed(&answers), 4, "{answers:?}");
    for client in &mut clients {
        assert_eq!((used(client, "ada"), used(client, "bob")), ("7 of 7".to_owned(), "12 of 14".to_owned()));
    }
    // All give units back at once, at most as many as were used: calls that come too late change nothing.
    let released = at_once(nodes, "units", 9, |_| "SELECT used FROM release_feature('ada', 'credits')".to_owned());
    let mut left: Vec<String> = released.into_iter().map(|answer| answer.unwrap().unwrap()).collect();
    left.sort();
    assert_eq!(left.concat(), "000123456");
    for client in &mut clients {
        assert_eq!(used(client, "ada"), "0 of 7");
    }
}

#[test]
fn a_key_counts_once_whichever_node_is_asked_first() {
    let Some(nodes) = nodes() else { return };
    let mut clients = distributed(nodes, "keys");
    give(&mut clients[0], &["ada"], BOLT, 10);
    let answers = at_once(nodes, "keys", 12, |number| {
        format!("SELECT used FROM consume_feature('ada', 'credits', 2, 'job {}')", number % 2)
    });
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(used)) if used == "2" || used == "4")), "{answers:?}");
    for client in &mut clients {
        assert_eq!(used(client, "ada"), "4 of 10");
    }
}

#[test]
fn counting_waits_only_for_the_same_user() {
    let Some(nodes) = nodes() else { return };
    let [mut one, mut other, mut third] = distributed(nodes, "waits");
    let users: Vec<String> = (0..8).map(|number| format!("user {number}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    give(&mut one, &users, BOLT, 10);
    give(&mut one, &["ada"], BOLT, 10);
    one.batch_execute("BEGIN").unwrap();
    assert_eq!(ask(&mut one, "SELECT allowed FROM consume_feature('ada', 'credits')"), Ok(Some("t".to_owned())));
    for client in [&mut other, &mut third] {
        client.batch_execute("SET statement_timeout = '5s'").unwrap();
        for user in &users {
            let call = format!("SELECT allowed FROM consume_feature('{user}', 'credits')");
            assert_eq!(ask(client, &call), Ok(Some("t".to_owned())), "{user} waits for nobody");
        }
        client.batch_execute("SET statement_timeout = '500ms'").unwrap();
        let refused = ask(client, "SELECT allowed FROM consume_feature('ada', 'credits')").unwrap_err();
        assert_eq!(refused.0, "57014", "what is being counted is not known yet");
    }
    // The coordinator gives up before the node that it asked: a call that still waits there would count after the rollback.
    let still_waiting = "SELECT sum(result::integer)::text FROM run_command_on_all_nodes(
                             $$SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'$$)";
    wait_until(&mut other, still_waiting, "0");
    one.batch_execute("ROLLBACK").unwrap();
    assert_eq!(used(&mut other, "ada"), "0 of 10", "what was rolled back counts nothing");
    assert_eq!(used(&mut other, "user 3"), "2 of 10");
}
