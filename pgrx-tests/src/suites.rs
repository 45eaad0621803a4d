//! The suites: the test targets of this package, as Cargo lists them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{NEWEST, PREVIEW, paths};

/// The prefix of the line with which a suite requires the machine for itself, because it measures something.
const ALONE: &str = "//! Alone, because ";

/// The prefix of the line with which a suite also runs on a PostgreSQL that is not released, together with other
/// versions.
const PREVIEWED: &str = "//! On a preview too, because ";

/// The prefix of the line with which a suite runs only on the newest release, if several versions are tested.
const ONCE: &str = "//! On the newest alone, because ";

/// The prefix of the line that keeps a suite out of the table, because it needs something that set-up does not fetch.
const APART: &str = "//! Apart, because ";

/// A program of tests that is run and reported as one.
pub struct Suite {
    /// The name of its file.
    pub name: String,
    /// Whether it needs the machine for itself.
    pub is_alone: bool,
    /// Whether it is one of the few that run on a PostgreSQL that is not released.
    pub is_previewed: bool,
    /// Whether it runs only on the newest release of several.
    pub is_once: bool,
    program: PathBuf,
}

impl Suite {
    /// Whether it runs on one of these versions.
    pub fn is_for(&self, major: u32, majors: &[u32]) -> bool {
        match major {
            _ if majors == [major] => true,
            PREVIEW => self.is_previewed,
            NEWEST => true,
            _ => !self.is_once,
        }
    }

    /// The command that runs it against a PostgreSQL.
    pub fn command(&self, major: u32) -> Command {
        let mut command = Command::new(&self.program);
        // The tests' own output says how many cases they stand for.
        command.arg("--show-output").env("PG_MAJOR", major.to_string());
        command
    }
}

/// Compiles the suites and finds them in Cargo's messages.
pub fn compiled() -> Vec<Suite> {
    let arguments = ["test", "--package", "harness", "--test", "*", "--no-run"];
    let mut command = cargo(&[&arguments[..], &["--message-format", "json-render-diagnostics"]].concat());
    let output = command.current_dir(paths::root()).stderr(Stdio::inherit()).output().expect("cargo can be run");
    assert!(output.status.success(), "the suites do not compile");
    let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let mut suites: Vec<Suite> = messages.lines().filter_map(suite).collect();
    assert!(!suites.is_empty(), "cargo lists no suites");
    suites.sort_by(|one, other| one.name.cmp(&other.name));
    suites
}

/// The suite that a message of Cargo is about.
fn suite(message: &str) -> Option<Suite> {
    let message: serde_json::Value = serde_json::from_str(message).expect("cargo prints JSON");
    let (target, program) = (&message["target"], message["executable"].as_str()?);
    let source = Path::new(target["src_path"].as_str()?);
    let text = std::fs::read_to_string(source).expect("it was just compiled");
    let says = |mark| text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.starts_with(mark));
    let is_listed = target["kind"] == serde_json::json!(["test"]) && !says(APART);
    is_listed.then(|| Suite {
        name: target["name"].as_str().unwrap_or_default().to_owned(),
        is_alone: says(ALONE),
        is_previewed: says(PREVIEWED),
        is_once: says(ONCE),
        program: program.into(),
    })
}

/// A call of Cargo.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}
