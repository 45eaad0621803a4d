//! A connection that counts what is sent over it.

use std::cell::Cell;
use std::future::Future;

use anyhow::Result;
use futures_util::future::try_join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Statements, BEGIN and COMMIT included.
    pub statements: u64,
    /// How often the client waited for an answer.
    pub round_trips: u64,
}

/// A connection.
pub struct Wire {
    client: Client,
    sent: Cell<Sent>,
    /// Whether statements that do not need each other's answers are sent together.
    is_pipelined: bool,
}

impl Wire {
    /// Connects to the database at a host, which is an address or the folder of a socket.
    pub async fn connect(host: &str, port: u16, database: &str, user: &str, is_pipelined: bool) -> Result<Wire> {
        let (client, connection) =
            Config::new().host(host).port(port).dbname(database).user(user).connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(Wire { client, sent: Cell::default(), is_pipelined })
    }

    /// Prepares a statement; this is not counted, because an application does it once.
    pub async fn prepare(&self, text: &str) -> Result<Statement> {
        Ok(self.client.prepare(text).await?)
    }

    /// The rows that a prepared statement returns.
    pub async fn rows(&self, statement: &Statement, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.count();
        Ok(self.client.query(statement, values).await?)
    }

    /// How many rows a prepared statement changes.
    pub async fn change(&self, statement: &Statement, values: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        self.count();
        Ok(self.client.execute(statement, values).await?)
    }

    /// Runs a statement without parameters.
    pub async fn run(&self, text: &str) -> Result<()> {
        self.count();
        Ok(self.client.batch_execute(text).await?)
    }

    /// Sends two things together if the application does that, and else one after the other.
    pub async fn both<A, B>(
        &self,
        first: impl Future<Output = Result<A>>,
        second: impl Future<Output = Result<B>>,
    ) -> Result<(A, B)> {
        if !self.is_pipelined {
            return Ok((first.await?, second.await?));
        }
        let round_trips = self.sent.get().round_trips + 1;
        let answers = try_join(first, second).await?;
        self.sent.set(Sent { round_trips, ..self.sent.get() });
        Ok(answers)
    }

    /// What was sent since the last time.
    pub fn take_sent(&self) -> Sent {
        self.sent.take()
    }

    fn count(&self) {
        let Sent { statements, round_trips } = self.sent.get();
        self.sent.set(Sent { statements: statements + 1, round_trips: round_trips + 1 });
    }
}
