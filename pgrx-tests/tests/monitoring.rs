//! docs/monitoring: the real postgres_exporter runs queries.yaml as a role of the level monitor, promtool tests the
//! alerts, and alerts and dashboard use only exported metrics.
//!
//! On the newest alone, because the exporter and promtool are the same, and other suites ask the functions on every version.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Server, business, paths, text};
use postgres::Client;
use serde_json::Value;

fn page(name: &str) -> PathBuf {
    paths::root().join("docs/monitoring").join(name)
}

fn program(name: &str) -> PathBuf {
    paths::cache().join("monitoring").join(name)
}

/// A marketplace in every state, with a payment that was not applied and a role that may monitor.
fn monitored(server: &Server) -> Client {
    let mut client = business::open(server, "monitored");
    let too_little = "SELECT apply_stripe_event(jsonb_build_object('id', 'evt_1', 'type', 'payment_intent.succeeded', 'created', 1900000000,
        'data', jsonb_build_object('object', jsonb_build_object('id', 'pi_little', 'status', 'succeeded', 'amount_received', 100,
            'currency', 'usd', 'metadata', jsonb_build_object('checkout_id', p.checkout_id))))) ->> 'action'
        FROM add_on_purchases p WHERE p.status = 'pending' ORDER BY p.id LIMIT 1";
    assert_eq!(text(&mut client, too_little).as_deref(), Some("refused"));
    client
        .batch_execute("CREATE ROLE collector LOGIN; SELECT grant_marketplace_access('collector', 'monitor'); ANALYZE")
        .unwrap();
    client
}

/// The number of a line of Prometheus' text format: `name{label="value",...} number`.
fn exported(page: &str, name: &str, label: &str) -> Option<f64> {
    let line = page.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

fn number(client: &mut Client, query: &str) -> Option<f64> {
    text(client, query).map(|number| number.parse().expect("it is a number"))
}

/// The names of our metrics that a text mentions.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("marketplace_")).map(str::to_owned).collect()
}

/// postgres_exporter, which ends with its owner.
struct Exporter {
    process: Child,
    port: u16,
}

impl Exporter {
    fn start(server: &Server, database: &str) -> Exporter {
        let socket = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = socket.expect("a port is free").port();
        let source = format!("user=collector host={} dbname={database} sslmode=disable", server.folder().display());
        let process = Command::new(program("prometheus-postgres-exporter"))
            .args(["--disable-default-metrics", "--disable-settings-metrics", "--extend.query-path"])
            .arg(page("queries.yaml"))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .env("DATA_SOURCE_NAME", source)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/setup.sh monitoring fetches it");
        Exporter { process, port }
    }

    /// The response to Prometheus, once the exporter listens.
    fn scrape(&self) -> String {
        let begun = Instant::now();
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > Duration::from_secs(30) => {
                    panic!("the exporter does not listen: {error}")
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("the exporter can be ended");
    }
}

#[test]
fn the_exporter_exports_what_the_tables_say() {
    let server = Server::start("");
    let mut client = monitored(&server);
    let page = Exporter::start(&server, "monitored").scrape();
    for (name, label, query) in [
        ("marketplace_add_ons_on_sale", "", "SELECT count(*) FROM add_ons WHERE is_active"),
        ("marketplace_protected", "", "SELECT 0"),
        (
            "marketplace_open_checkouts",
            "",
            "SELECT count(DISTINCT checkout_id) FROM add_on_purchases WHERE status = 'pending'",
        ),
        (
            "marketplace_currency_open_amount",
            "currency=\"USD\"",
            "SELECT sum(amount) FROM add_on_purchases WHERE status = 'pending'",
        ),
        (
            "marketplace_currency_paid_amount_last_day",
            "currency=\"USD\"",
            "SELECT sum(amount) FROM add_on_purchases WHERE status IN ('completed', 'refunded', 'disputed')",
        ),
        ("marketplace_unsettled_payments", "reason=\"amount_mismatch\"", "SELECT count(*) FROM unsettled_payments()"),
        ("marketplace_maintenance_waiting", "task=\"unpaid_purchases\"", "SELECT 0"),
        ("marketplace_table_rows", "name=\"cart_items\"", "SELECT count(*) FROM cart_items"),
        ("marketplace_check_problems", "severity=\"error\"", "SELECT count(*) FROM check_marketplace() WHERE NOT ok"),
    ] {
        assert_eq!(exported(&page, name, label), number(&mut client, query), "{name}\n{page}");
    }
    let age = exported(&page, "marketplace_oldest_open_checkout_seconds", "").unwrap();
    assert!((0.0..3600.0).contains(&age), "{age}");
    let failed = page.lines().filter(|line| line.starts_with("pg_exporter_last_scrape_error") && !line.ends_with(" 0"));
    assert_eq!(failed.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn alerts_and_dashboard_ask_for_what_is_exported() {
    let server = Server::start("");
    monitored(&server);
    let exported = names(&Exporter::start(&server, "monitored").scrape());
    let alerts = std::fs::read_to_string(page("alerts.yaml")).unwrap();
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(page("dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: String = targets.map(|target| target["expr"].as_str().unwrap()).collect::<Vec<_>>().join(" ");
    let shown = names(&expressions);
    assert!(shown.len() > 10, "{shown:?}");
    let asked: BTreeSet<_> = names(&alerts).union(&shown).cloned().collect();
    let unknown: Vec<_> = asked.difference(&exported).collect();
    assert!(unknown.is_empty(), "{unknown:?} of {exported:?}");
}

#[test]
fn alerts_ring_when_they_should() {
    let output =
        Command::new(program("promtool")).args(["test", "rules"]).arg(page("alerts-test.yaml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rules = std::fs::read_to_string(page("alerts.yaml")).unwrap();
    let tests = std::fs::read_to_string(page("alerts-test.yaml")).unwrap();
    let untested: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .filter(|alert| {
            !tests.split("exp_alerts").any(|before| before.trim_end().ends_with(&format!("alertname: {alert}")))
        })
        .collect();
    assert!(untested.is_empty(), "{untested:?} never ring in the tests");
}

#[test]
fn every_metric_of_a_large_table_has_an_index() {
    let server = Server::start("");
    let mut client = business::open(&server, "indexed");
    client.batch_execute("ANALYZE; SET enable_seqscan = off; SELECT * FROM marketplace_metrics()").unwrap();
    let scans = |client: &mut Client| {
        client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
        let tables = "('add_on_purchases', 'user_add_ons', 'cart_items')";
        number(client, &format!("SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN {tables}"))
    };
    let before = scans(&mut client);
    client.batch_execute("SELECT * FROM marketplace_metrics()").unwrap();
    assert_eq!(scans(&mut client), before, "a table is read from its beginning to its end");
    client.batch_execute("SELECT count(*) FROM add_on_purchases WHERE payment_method IS NULL").unwrap();
    assert_ne!(scans(&mut client), before, "such scans are counted");
}
