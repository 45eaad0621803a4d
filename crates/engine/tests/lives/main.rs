//! Random lives of checkouts, delivered in any order and repeatedly.
//!
//! A [`world`] plays the provider: it takes money, refunds it, lets disputes be decided, renews subscriptions, and
//! sends webhooks of each version of its API. The outcome of the bodies is compared with the world's own books: every
//! order gives the same state, the money kept is the money taken, and there is access exactly where a payment stands
//! behind it.
//!
//! `make fuzz` runs 100 000 lives at each provider.

mod actions;
mod bodies;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use engine::access::outcome::{Access, access};
use engine::access::source::Source;
use engine::billing::BillingType;
use engine::events::{lago, stripe};
use engine::payments::by_hand::ByHand;
use engine::payments::derive::{LineOutcome, Outcome, derive};
use engine::payments::sale::Sale;
use engine::payments::{Fact, Facts};
use engine::purchases::PurchaseStatus::{self, *};
use engine::time::Instant;
use proptest::prelude::*;
use serde_json::Value;

use actions::action;
use world::{Api, CHECKOUT, CURRENCY, Payment, World, instant};

/// Long after everything has been delivered.
const HEARD: Instant = Instant(900_000_000_000_000);

/// A body and what reads it.
#[derive(Clone)]
pub enum Body {
    /// An event of Stripe's.
    Stripe(Value),
    /// A webhook of Lago's.
    Lago(Value),
}

impl std::fmt::Debug for Body {
    /// As JSON, which one can read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Body::Stripe(body) | Body::Lago(body)) = self;
        write!(f, "{body}")
    }
}

impl Body {
    fn facts(&self) -> Vec<Fact> {
        let read = match self {
            Body::Stripe(body) => stripe::event(body, HEARD),
            Body::Lago(body) => lago::event(body, HEARD),
        };
        read.unwrap_or_else(|malformed| panic!("{malformed}: {self:?}"))
    }
}

/// The facts about the checkout once everything was delivered: bodies that name it, or an object that is known. A
/// body that names nothing known is stored for later, and taken over once one of its ids becomes known.
fn known(bodies: &[&Body], said: &[ByHand]) -> Facts {
    let mut known = Facts::default();
    said.iter().for_each(|word| known.add_call(word.clone()));
    let mut waiting: Vec<Fact> = bodies.iter().flat_map(|body| body.facts()).collect();
    loop {
        let before = waiting.len();
        for fact in std::mem::take(&mut waiting) {
            let is_ours = match fact.checkout_id {
                Some(checkout_id) => checkout_id == CHECKOUT,
                None => !fact.ids().is_disjoint(&known.ids()),
            };
            if is_ours { known.learn(fact) } else { waiting.push(fact) }
        }
        if waiting.len() == before {
            return known;
        }
    }
}

fn derived(world: &World, facts: &Facts) -> Outcome {
    derive(&Sale { lines: &world.lines, currency: CURRENCY, facts, renewals: &[], is_gone: false })
}

/// What the world expects of the checkout.
struct Books<'a> {
    /// The payment that settles it.
    settling: Option<&'a Payment>,
    /// The payments of later periods and of changes.
    later: Vec<&'a Payment>,
    /// Payments that pay for nothing.
    unsettled: BTreeSet<String>,
}

fn books(world: &World) -> Books<'_> {
    let total: i64 = world.total();
    let paid: Vec<&Payment> = world.payments.iter().filter(|payment| payment.paid_at.is_some()).collect();
    let fits = |payment: &&&Payment| payment.carries(total) && payment.is_first;
    let settling = paid.iter().filter(fits).min_by_key(|payment| {
        let is_refunded = payment.refunded() >= payment.taken;
        (is_refunded, payment.paid_at, payment.id.clone())
    });
    let settling = settling.copied();
    let is_other = |payment: &&Payment| settling.is_none_or(|settling| settling.id != payment.id);
    let (later, rest): (Vec<&Payment>, Vec<&Payment>) =
        paid.iter().copied().filter(is_other).partition(|payment| settling.is_some() && !payment.is_first);
    let unsettled = rest.iter().filter(|payment| payment.refunded() < payment.taken);
    Books { settling, later, unsettled: unsettled.map(|payment| payment.id.clone()).collect() }
}

/// The refunds of amounts that were paid with one payment.
fn refunded_of<'a>(outcomes: impl Iterator<Item = &'a LineOutcome>) -> i64 {
    outcomes.map(|outcome| outcome.refunded.cents()).sum()
}

/// Compares the outcome of one payment with what the world did with it.
fn compare_payment(payment: &Payment, amount: i64, outcomes: &[&LineOutcome], world: &World) {
    let expected = payment.lost_of(amount);
    // With tax on top the share of each refund is rounded to the cent.
    let tolerance = if payment.taken == amount { 0 } else { 1 };
    let refunded = refunded_of(outcomes.iter().copied());
    assert!((refunded - expected).abs() <= tolerance, "{}: {refunded} refunded, not {expected}: {world:?}", payment.id);
    let is_whole = payment.is_gone();
    for outcome in outcomes {
        let expected = match () {
            () if is_whole => Refunded,
            () if payment.is_disputed() => Disputed,
            () => Completed,
        };
        // The rest of a line can be zero before the payment is refunded in full.
        let is_used_up = !is_whole && outcome.status == Refunded;
        assert!(outcome.status == expected || is_used_up, "{}: {outcome:?}, not {expected:?}: {world:?}", payment.id);
    }
}

fn check(world: &World, outcome: &Outcome) {
    let books = books(world);
    let unsettled: BTreeSet<String> = outcome.unsettled.iter().map(|payment| payment.id.clone()).collect();
    assert_eq!(unsettled, books.unsettled, "unsettled: {world:?}");
    match books.settling {
        Some(payment) => {
            let lines: Vec<&LineOutcome> = outcome.lines.iter().collect();
            compare_payment(payment, world.total(), &lines, world);
        }
        None => {
            let mut statuses: Vec<PurchaseStatus> = outcome.lines.iter().map(|line| line.status).collect();
            statuses.dedup();
            let may_fail = !world.is_awaited() || world.is_given_up();
            let expected: &[PurchaseStatus] = if may_fail { &[Pending, Failed] } else { &[Pending] };
            assert!(
                statuses.len() == 1 && statuses.iter().all(|status| expected.contains(status)),
                "{statuses:?}: {world:?}"
            );
            if world.is_given_up() {
                assert!(statuses.contains(&Failed), "{world:?}");
            }
        }
    }
    compare_later(world, &books, outcome);
    compare_access(world, &books, outcome);
}

fn compare_later(world: &World, books: &Books, outcome: &Outcome) {
    let mut renewals: BTreeMap<String, (i64, Vec<&LineOutcome>)> = BTreeMap::new();
    for renewal in &outcome.renewals {
        let id = renewal.payment.id.clone().unwrap_or_default();
        let (amount, outcomes) = renewals.entry(id).or_default();
        *amount += renewal.amount.cents();
        outcomes.push(&renewal.outcome);
    }
    let told: BTreeSet<String> = renewals.keys().cloned().collect();
    let expected: BTreeSet<String> = books.later.iter().map(|payment| payment.id.clone()).collect();
    assert_eq!(told, expected, "renewals: {world:?}");
    for payment in &books.later {
        let (amount, outcomes) = &renewals[&payment.id];
        assert_eq!(*amount, payment.net(), "{world:?}");
        compare_payment(payment, *amount, outcomes, world);
    }
}

/// There is access exactly where a payment that was not taken back stands behind it.
fn compare_access(world: &World, books: &Books, outcome: &Outcome) {
    let paying: Vec<&Payment> = books.settling.into_iter().chain(books.later.iter().copied()).collect();
    for (place, line) in world.lines.iter().enumerate() {
        let mut sources = Vec::new();
        let renewals = outcome.renewals.iter().filter(|renewal| renewal.line == place).map(|renewal| &renewal.outcome);
        for (number, of_line) in [&outcome.lines[place]].into_iter().chain(renewals).enumerate() {
            if let Some(paid) = &of_line.paid {
                sources.push(Source::of_purchase(number.to_string(), of_line.status, paid, 1, false));
            }
        }
        let now = instant(world.now);
        let has = matches!(access(&sources, now), Some(Access::Live(span)) if span.contains(now));
        let gives = |payment: &&&Payment| payment.gives_period && !payment.is_gone() && !payment.is_disputed();
        let is_paid = paying.iter().filter(gives).any(|payment| world.covers(payment, line));
        let refunded_alone = sources.iter().any(|source| source.standing == engine::access::source::Standing::Gone);
        let is_withheld = world.is_withheld() && line.billing != BillingType::OneTime;
        if has {
            assert!(is_paid && !is_withheld, "access without money: {sources:?}: {world:?}");
        } else if is_paid && !is_withheld && !refunded_alone {
            panic!("money without access: {sources:?} at {now:?}: {world:?}");
        }
    }
}

/// Every order of this many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![vec![]], |orders, next| {
        let put = |order: &Vec<usize>, place: usize| [&order[..place], &[next], &order[place..]].concat();
        orders.iter().flat_map(|order| (0..=order.len()).map(move |place| put(order, place))).collect()
    })
}

fn lives() -> u32 {
    std::env::var("LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(2_000)
}

fn world(apis: &'static [Api]) -> impl Strategy<Value = World> {
    let lines = prop::collection::vec(1..5_000_i64, 1..4);
    let actions = prop::collection::vec((1..4_i64, action()), 1..14);
    (prop::sample::select(apis), lines, any::<bool>(), prop::sample::select(vec![0, 0, 19]), actions).prop_map(
        |(api, amounts, is_subscription, tax, actions)| {
            let mut world = World::new(api, &amounts, is_subscription || api == Api::Lago, tax);
            for (seconds, action) in actions {
                world.now += seconds;
                world.act(&action);
            }
            world
        },
    )
}

/// Deliveries of a life: each body once or twice, in any order.
fn deliveries(apis: &'static [Api]) -> impl Strategy<Value = (World, Vec<usize>)> {
    world(apis).prop_flat_map(|world| {
        let count = world.sent.len();
        let twice = prop::collection::vec(any::<bool>(), count);
        (Just(world), twice).prop_flat_map(move |(world, twice)| {
            let again = twice.into_iter().enumerate().filter(|(_, again)| *again).map(|(number, _)| number);
            let all: Vec<usize> = (0..count).chain(again).collect();
            (Just(world), Just(all).prop_shuffle())
        })
    })
}

fn lived_through((world, order): (World, Vec<usize>)) {
    let in_order: Vec<&Body> = world.sent.iter().collect();
    let facts = known(&in_order, &world.said);
    let outcome = derived(&world, &facts);
    let shuffled: Vec<&Body> = order.iter().map(|&number| &world.sent[number]).collect();
    assert_eq!(derived(&world, &known(&shuffled, &world.said)), outcome, "the order matters: {world:?}");
    check(&world, &outcome);
    stays_paid(&world, &shuffled);
}

/// What was paid once is never unpaid again, at whatever point of the deliveries one looks: no purchase leaves
/// `completed` because of what turns up later about its payment.
fn stays_paid(world: &World, bodies: &[&Body]) {
    let mut is_paid = false;
    for count in 1..=bodies.len() {
        let outcome = derived(world, &known(&bodies[..count], &world.said));
        let is_paid_now = outcome.lines.iter().all(|line| line.status.is_paid());
        assert!(is_paid_now || !is_paid, "unpaid by {:?}: {world:?}", bodies[count - 1]);
        is_paid = is_paid_now;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: lives(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lives_at_stripe_end_as_the_provider_says(life in deliveries(&[Api::StripeUntilBasil, Api::StripeSinceBasil])) {
        lived_through(life);
    }

    #[test]
    fn lives_at_lago_end_as_the_provider_says(life in deliveries(&[Api::Lago])) {
        lived_through(life);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: lives() / 20, failure_persistence: None, ..ProptestConfig::default() })]

    /// All orders of the first events of a life, each body twice, however early the body that names the checkout
    /// comes.
    #[test]
    fn every_order_of_delivery_gives_the_same_state(world in world(&[Api::StripeUntilBasil, Api::StripeSinceBasil, Api::Lago])) {
        let begun: Vec<&Body> = world.sent.iter().take(6).collect();
        let expected = derived(&world, &known(&begun, &[]));
        for order in orders(begun.len()) {
            let told: Vec<&Body> = order.iter().chain(&order).map(|&number| begun[number]).collect();
            assert_eq!(derived(&world, &known(&told, &[])), expected, "{order:?}: {world:?}");
        }
    }
}
