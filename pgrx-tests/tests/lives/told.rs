//! Runs lives of crates/engine/tests/lives on servers: a checkout, the providers' events about it, and its final
//! state.

#![allow(dead_code, reason = "what the engine's own test compares the lives with is not needed here")]

#[path = "../../../crates/engine/tests/lives/actions.rs"]
mod actions;
#[path = "../../../crates/engine/tests/lives/bodies.rs"]
mod bodies;
#[path = "../../../crates/engine/tests/lives/world.rs"]
mod world;

use engine::billing::BillingType;
use harness::text;
use postgres::Client;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use actions::action;
pub use world::World;
use world::{Api, CHECKOUT};

/// A body and what reads it.
#[derive(Clone, Debug)]
pub enum Body {
    /// An event of Stripe's.
    Stripe(Value),
    /// A webhook of Lago's.
    Lago(Value),
}

impl Body {
    /// The call that tells of it.
    pub fn call(&self, checkout: &str) -> String {
        let (function, body) = match self {
            Body::Stripe(body) => ("apply_stripe_event", body),
            Body::Lago(body) => ("apply_lago_event", body),
        };
        // The id in the world becomes that of the server.
        let body = body.to_string().replace(&CHECKOUT.to_string(), checkout).replace('\'', "''");
        format!("SELECT {function}('{body}')")
    }
}

/// How many of them.
pub fn lives() -> usize {
    std::env::var("LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(40)
}

/// Lives that are the same in every run.
pub fn worlds(count: usize) -> Vec<World> {
    let lines = prop::collection::vec(1..5_000_i64, 1..4);
    let actions = prop::collection::vec((1..4_i64, action()), 1..14);
    let apis = prop::sample::select(&[Api::StripeUntilBasil, Api::StripeSinceBasil, Api::Lago][..]);
    let strategy = (apis, lines, any::<bool>(), prop::sample::select(vec![0, 0, 19]), actions).prop_map(
        |(api, amounts, is_subscription, tax, actions)| {
            let mut world = World::new(api, &amounts, is_subscription || api == Api::Lago, tax);
            for (seconds, action) in actions {
                world.now += seconds;
                world.act(&action);
            }
            world
        },
    );
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("nothing is filtered").current()).collect()
}

/// A checkout by ada with the world's lines, given up by hand if the life says so. Returns its id.
pub fn check_out(client: &mut Client, world: &World) -> String {
    for line in &world.lines {
        let billing = if line.billing == BillingType::Monthly { "monthly" } else { "one_time" };
        let (id, price) = (line.add_on_id, line.amount);
        client
            .batch_execute(&format!(
                "INSERT INTO add_ons (id, name, category, base_price, billing_type) VALUES ('{id}', '{id}', 'tests', {price}, '{billing}')
                     ON CONFLICT (id) DO UPDATE SET base_price = {price}, billing_type = '{billing}';
                 SELECT add_to_cart('ada', '{id}')"
            ))
            .unwrap();
    }
    let checkout = text(client, "SELECT checkout_id FROM checkout('ada')").unwrap();
    for _ in &world.said {
        client.batch_execute(&format!("SELECT fail_checkout('{checkout}')")).unwrap();
    }
    checkout
}

/// Its final state.
pub fn state(client: &mut Client, with_times: bool) -> String {
    let times = |columns: &str| if with_times { columns.to_owned() } else { "NULL".to_owned() };
    let query = format!(
        "SELECT concat_ws(E'\\n',
           (SELECT string_agg(concat_ws(' ', p.add_on_id, p.amount, p.status,
                                        p.refund_amount, p.stripe_payment_id, p.lago_invoice_id, {}), E'\\n'
                              ORDER BY p.checkout_id IS NULL, p.add_on_id, p.stripe_payment_id, p.lago_invoice_id, p.amount)
              FROM add_on_purchases p),
           (SELECT string_agg(concat_ws(' ', u.add_on_id, u.status, u.auto_renew, u.lago_subscription_id, {}), E'\\n' ORDER BY u.add_on_id)
              FROM user_add_ons u),
           (SELECT string_agg(concat_ws(' ', payment_id, amount, currency, reason), E'\\n' ORDER BY payment_id) FROM unsettled_payments()))",
        times("p.subscription_ends_at"),
        times("u.expires_at")
    );
    text(client, &query).unwrap_or_default()
}

/// Delivers a life's events to a server; the numbers choose among its bodies.
pub fn tell(client: &mut Client, world: &World, checkout: &str, order: &[usize]) {
    for &number in order {
        client.batch_execute(&world.sent[number].call(checkout)).unwrap_or_else(|error| panic!("{error:?}: {world:?}"));
    }
}
