//! Runs some of the lives of crates/engine/tests/lives on a server: in order, in other orders, repeatedly, and by
//! many clients at once. `LIVES=1000` runs more of them.

#[path = "lives/told.rs"]
mod told;

use harness::clients::{ask, connect};
use harness::{Server, invariants};
use postgres::Client;

use told::{check_out, lives, state, tell, worlds};

fn database(name: &str) -> Client {
    let server = Server::shared();
    server.create_database(name);
    let mut client = server.connect(name);
    client.batch_execute("CREATE EXTENSION extensions").unwrap();
    client
}

#[test]
fn a_life_ends_alike_in_whatever_order_it_is_told() {
    let mut client = database("lives");
    let mut random = fastrand::Rng::with_seed(14);
    for world in worlds(lives()) {
        // One transaction, so that everything happens at one instant.
        client.batch_execute("BEGIN").unwrap();
        let checkout = check_out(&mut client, &world);
        client.batch_execute("SAVEPOINT before").unwrap();
        let in_order: Vec<usize> = (0..world.sent.len()).collect();
        let backwards: Vec<usize> = in_order.iter().rev().copied().collect();
        let mut shuffled = [in_order.clone(), in_order.clone()].concat();
        random.shuffle(&mut shuffled);
        let mut expected: Option<String> = None;
        for order in [in_order, backwards, shuffled] {
            tell(&mut client, &world, &checkout, &order);
            let state = state(&mut client, true);
            let known = expected.get_or_insert_with(|| state.clone());
            assert_eq!(&state, known, "{order:?}: {world:?}");
            client.batch_execute("ROLLBACK TO before").unwrap();
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn deliveries_by_many_clients_at_once_give_one_state() {
    const CLIENTS: usize = 4;
    let mut client = database("lives_at_once");
    for (seed, world) in (0..).zip(worlds(lives() / 4)) {
        let mut ended: Vec<String> = Vec::new();
        for clients in [1, CLIENTS] {
            let checkout = check_out(&mut client, &world);
            std::thread::scope(|scope| {
                for number in 0..clients {
                    let (world, checkout) = (&world, &checkout);
                    scope.spawn(move || {
                        let mut client = connect("lives_at_once", "read committed");
                        // Each event is delivered twice, by whichever client takes it.
                        let mut order: Vec<usize> = (0..world.sent.len())
                            .chain(0..world.sent.len())
                            .filter(|body| body % clients == number)
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
            invariants::check(&mut client);
            ended.push(state(&mut client, false));
            client
                .batch_execute(
                    "TRUNCATE add_on_purchases, user_add_ons, cart_items; DROP TABLE IF EXISTS marketplace_unclaimed",
                )
                .unwrap();
        }
        assert_eq!(ended[0], ended[1], "{world:?}");
    }
}
