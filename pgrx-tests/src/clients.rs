//! Many clients at once: started together, or stepped by hand.

use std::sync::Barrier;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::{Server, parts_of};

/// The isolation levels that clients use.
pub const ISOLATION_LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

/// The result of a client's call: the first column of the first row, or SQLSTATE and machine code.
pub type Answer = Result<Option<String>, (String, String)>;

/// Connects at an isolation level.
pub fn connect(database: &str, isolation: &str) -> Client {
    let mut client = Server::shared().connect(database);
    client.batch_execute(&format!("SET default_transaction_isolation = '{isolation}'")).expect("it is a level");
    client
}

/// Runs a call and returns its answer.
pub fn ask(client: &mut impl postgres::GenericClient, call: &str) -> Answer {
    match client.simple_query(call) {
        Ok(messages) => {
            let first = messages.iter().find_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                _ => None,
            });
            Ok(first.flatten())
        }
        Err(error) => {
            let (state, code, message) = parts_of(&error, call);
            Err((state, if code.is_empty() { message } else { code }))
        }
    }
}

/// How many of the answers are true.
pub fn allowed(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.as_deref() == Some("t"))).count()
}

/// Runs the call of each client at the same moment, each in its own session, and returns their answers in order. A
/// serialization failure is retried, as clients of those isolation levels do.
pub fn at_once(database: &str, isolation: &str, clients: usize, call: impl Fn(usize) -> String + Sync) -> Vec<Answer> {
    let barrier = Barrier::new(clients);
    thread::scope(|scope| {
        let run = |number: usize| {
            let (barrier, call) = (&barrier, &call);
            scope.spawn(move || {
                let mut client = connect(database, isolation);
                let call = call(number);
                barrier.wait();
                loop {
                    match ask(&mut client, &call) {
                        Err((state, _)) if state == "40001" && isolation != "read committed" => {
                            client.batch_execute("ROLLBACK").expect("it is possible at any time");
                        }
                        answer => return answer,
                    }
                }
            })
        };
        let handles: Vec<_> = (0..clients).map(run).collect();
        handles.into_iter().map(|handle| handle.join().expect("no client panics")).collect()
    })
}

/// A call that runs in a session of its own until it is joined.
pub struct Pending {
    answer: Receiver<Answer>,
    backend: i32,
}

/// A session that is stepped by hand.
pub struct Session {
    client: Option<Client>,
    backend: i32,
}

impl Session {
    /// A session at an isolation level.
    pub fn new(database: &str, isolation: &str) -> Session {
        let mut client = connect(database, isolation);
        let backend = client.query_one("SELECT pg_backend_pid()", &[]).expect("it answers").get(0);
        Session { client: Some(client), backend }
    }

    /// Runs a step that waits for no other session.
    pub fn step(&mut self, call: &str) -> Answer {
        ask(self.client.as_mut().expect("no step is pending"), call)
    }

    /// Starts a step that waits for another session, and returns once it is waiting.
    pub fn waits(&mut self, call: &str) -> Pending {
        let mut client = self.client.take().expect("no step is pending");
        let (sender, answer) = channel();
        let call = call.to_owned();
        thread::spawn(move || {
            let _ = sender.send(ask(&mut client, &call));
        });
        let pending = Pending { answer, backend: self.backend };
        assert!(pending.is_waiting(), "the step does not wait");
        pending
    }
}

impl Pending {
    fn is_waiting(&self) -> bool {
        let mut client = Server::shared().connect("postgres");
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
            if client.query_one(query, &[&self.backend]).is_ok_and(|row| row.get::<_, Option<bool>>(0) == Some(true)) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// The step's answer, after the session that it waits for has gone on.
    pub fn answer(self) -> Answer {
        self.answer.recv_timeout(Duration::from_secs(30)).expect("the step ends")
    }
}
