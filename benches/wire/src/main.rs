//! Prices and sells carts in two ways, as an application with plain statements and by calls of the extension, and
//! prints what each took as JSON. Run by benches/bench.py:
//!
//! ```text
//! wire SOCKET_FOLDER PORT DATABASE USER CARTS ROUNDS
//! ```
//!
//! Before anything is timed, both must give the same answers.

mod application;
mod caller;
mod wire;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use application::{Application, Buyer};
use caller::Caller;
use serde_json::{Value, json};
use wire::{Sent, Wire};

/// Where the server is, and how much to do.
struct Work {
    socket: String,
    port: u16,
    database: String,
    user: String,
    /// How many users of the database have carts.
    carts: u64,
    rounds: usize,
}

/// Carts that are priced in a round, and that are sold.
const PRICED: u64 = 1000;
const SOLD: u64 = 200;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, port, database, user, carts, rounds] =
        <[String; 6]>::try_from(arguments).ok().context("wire SOCKET_FOLDER PORT DATABASE USER CARTS ROUNDS")?;
    let (port, carts, rounds) = (port.parse()?, carts.parse()?, rounds.parse()?);
    let work = Work { socket, port, database, user, carts, rounds };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut measured = Vec::new();
        for (transport, host) in [("socket", work.socket.as_str()), ("TCP", "127.0.0.1")] {
            for is_pipelined in [false, true] {
                let both = Both::connect(&work, host, is_pipelined).await?;
                both.agree_on_prices().await?;
                both.agree_on_sales().await?;
                let how = if is_pipelined { "pipelined" } else { "one by one" };
                for (name, figures) in [("price", both.prices().await?), ("sale", both.sales().await?)] {
                    measured.push(
                        json!({"work": name, "transport": transport, "statements_sent": how, "figures": figures}),
                    );
                }
            }
        }
        println!("{}", serde_json::to_string(&measured)?);
        Ok(())
    })
}

/// The application and the caller.
struct Both<'w> {
    work: &'w Work,
    application: Application,
    caller: Caller,
}

/// How long a piece of work took, and what was sent for it, for one cart.
struct Took {
    elapsed: Duration,
    sent: Sent,
    count: u64,
}

impl Took {
    fn since(start: Instant, sent: Sent, count: u64) -> Took {
        Took { elapsed: start.elapsed(), sent, count }
    }
}

impl<'w> Both<'w> {
    async fn connect(work: &'w Work, host: &str, is_pipelined: bool) -> Result<Both<'w>> {
        let connect = || Wire::connect(host, work.port, &work.database, &work.user, is_pipelined);
        let application = Application::new(connect().await?).await?;
        Ok(Both { work, application, caller: Caller::new(connect().await?).await? })
    }

    /// Fails unless the quotes are the same to the last key, with and without codes and tiers.
    async fn agree_on_prices(&self) -> Result<()> {
        for number in 0..300 {
            let user_id = self.user(number * 37);
            for promo_code in [None, Some("TEN"), Some(" five "), Some("NOBODY'S")] {
                let buyer = Buyer { user_id: &user_id, tier_code: (number % 2 == 0).then_some("pro"), promo_code };
                let mut theirs = serde_json::to_value(self.application.price(buyer).await?.document())?;
                let mut ours = self.caller.price(buyer).await?;
                for quote in [&mut theirs, &mut ours] {
                    quote["priced_at"].take();
                }
                ensure!(theirs == ours, "two quotes for {buyer:?}: {theirs} and {ours}");
            }
        }
        Ok(())
    }

    /// Fails unless the same carts become the same purchases and the same access.
    async fn agree_on_sales(&self) -> Result<()> {
        let (theirs, ours) = (self.fill("app").await?, self.fill("call").await?);
        for (theirs, ours) in theirs.iter().zip(&ours).take(100) {
            self.sell_as_application(theirs).await?;
            self.sell_by_calls(ours).await?;
            let (theirs, ours) = (self.sold(theirs).await?, self.sold(ours).await?);
            ensure!(!theirs["purchases"].is_null() && theirs == ours, "two sales: {theirs} and {ours}");
        }
        Ok(())
    }

    /// What a user has bought and owns.
    async fn sold(&self, user_id: &str) -> Result<Value> {
        let query = "SELECT jsonb_build_object(
            'purchases', (SELECT jsonb_agg(jsonb_build_array(add_on_id, amount, currency, quantity, promo_code, status, metadata -> 'quote_line',
                                                             metadata -> 'position') ORDER BY add_on_id)
                            FROM add_on_purchases WHERE user_id = $1),
            'payments', (SELECT count(DISTINCT stripe_payment_id) FROM add_on_purchases WHERE user_id = $1),
            'access', (SELECT jsonb_agg(jsonb_build_array(add_on_id, status, quantity, renewal_amount,
                                                          date_trunc('hour', expires_at - purchased_at + interval '1 minute')) ORDER BY add_on_id)
                         FROM user_add_ons WHERE user_id = $1),
            'cart', (SELECT count(*) FROM cart_items WHERE user_id = $1))";
        let wire = &self.caller.wire;
        Ok(wire.rows(&wire.prepare(query).await?, &[&user_id]).await?[0].get(0))
    }

    /// Prices carts in turn.
    async fn prices(&self) -> Result<Value> {
        let users: Vec<String> = (0..PRICED).map(|number| self.user(number * 31)).collect();
        let mut rounds = Vec::new();
        for _ in 0..=self.work.rounds {
            let (start, _) = (Instant::now(), self.application.wire.take_sent());
            for user_id in &users {
                self.application.price(buyer(user_id)).await?;
            }
            let theirs = Took::since(start, self.application.wire.take_sent(), PRICED);
            let (start, _) = (Instant::now(), self.caller.wire.take_sent());
            for user_id in &users {
                self.caller.price(buyer(user_id)).await?;
            }
            rounds.push([theirs, Took::since(start, self.caller.wire.take_sent(), PRICED)]);
        }
        Ok(figures(&rounds))
    }

    /// Sells carts in turn.
    async fn sales(&self) -> Result<Value> {
        let mut rounds = Vec::new();
        for _ in 0..=self.work.rounds {
            let (theirs, ours) = (self.fill("app").await?, self.fill("call").await?);
            let (start, _) = (Instant::now(), self.application.wire.take_sent());
            for user_id in &theirs {
                self.sell_as_application(user_id).await?;
            }
            let application = Took::since(start, self.application.wire.take_sent(), SOLD);
            let (start, _) = (Instant::now(), self.caller.wire.take_sent());
            for user_id in &ours {
                self.sell_by_calls(user_id).await?;
            }
            rounds.push([application, Took::since(start, self.caller.wire.take_sent(), SOLD)]);
        }
        Ok(figures(&rounds))
    }

    async fn sell_as_application(&self, user_id: &str) -> Result<()> {
        let (checkout_id, total) = self.application.check_out(buyer(user_id)).await?;
        self.application.complete(checkout_id, total, &format!("pi_{checkout_id}")).await
    }

    async fn sell_by_calls(&self, user_id: &str) -> Result<()> {
        let checkout_id = self.caller.check_out(buyer(user_id)).await?;
        self.caller.complete(checkout_id, &format!("pi_{checkout_id}")).await
    }

    /// Gives new users the carts of others. The names of new users are new in each process and each time.
    async fn fill(&self, kind: &str) -> Result<Vec<String>> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let prefix = format!("wire-{kind}-{}-", since.as_micros());
        let (wire, carts) = (&self.caller.wire, self.work.carts as i64);
        let fill = "INSERT INTO cart_items (user_id, add_on_id, quantity, billing_type, added_at)
                    SELECT $1 || n, c.add_on_id, c.quantity, c.billing_type, c.added_at
                      FROM generate_series(0, $2::bigint - 1) n JOIN cart_items c ON c.user_id = 'user-' || 1 + n * 53 % $3::bigint";
        let fill = wire.prepare(fill).await?;
        wire.change(&fill, &[&prefix, &(SOLD as i64), &carts]).await?;
        Ok((0..SOLD).map(|number| format!("{prefix}{number}")).collect())
    }

    /// A user of the database who has a cart.
    fn user(&self, number: u64) -> String {
        format!("user-{}", 1 + number % self.work.carts)
    }
}

fn buyer(user_id: &str) -> Buyer<'_> {
    Buyer { user_id, tier_code: Some("pro"), promo_code: Some("TEN") }
}

/// The medians of all rounds but the first, which warms up: microseconds, statements and round trips for a cart.
fn figures(rounds: &[[Took; 2]]) -> Value {
    let of = |who: usize| {
        let rounds: Vec<&Took> = rounds.iter().skip(1).map(|round| &round[who]).collect();
        let median = |figure: fn(&Took) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(|took| figure(took) / took.count as f64).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        json!({
            "us": median(|took| took.elapsed.as_secs_f64() * 1e6),
            "statements": median(|took| took.sent.statements as f64),
            "round_trips": median(|took| took.sent.round_trips as f64),
        })
    };
    json!({"application": of(0), "calls": of(1)})
}
