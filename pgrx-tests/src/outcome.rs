//! Runs a suite and evaluates its result.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{CASES, paths};

/// What came of a suite.
pub struct Outcome {
    /// Whether all went well.
    pub is_good: bool,
    passed: usize,
    took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let verdict = if self.is_good { format!("{} ok", self.passed) } else { "FAILED".to_owned() };
        write!(f, "{verdict} {:4.0}s", self.took.as_secs_f64())
    }
}

/// Runs a suite, and shows its output if it fails.
pub fn of(name: &str, major: u32, mut command: Command) -> Outcome {
    let title = if major == 0 { name.to_owned() } else { format!("{name} on PostgreSQL {major}") };
    let started = Instant::now();
    command.current_dir(paths::root()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
    let errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let collector = std::thread::spawn(move || errors.lines().map_while(Result::ok).collect::<Vec<String>>());
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines: Vec<String> = output.lines().map_while(Result::ok).collect();
    let is_good = child.wait().is_ok_and(|status| status.success());
    let outcome = Outcome { is_good, passed: passed(&lines), took: started.elapsed() };
    println!("==> {title}: {outcome}");
    if !is_good {
        lines.retain(|line| !is_passed(line));
        lines.extend(collector.join().unwrap_or_default());
        println!("    {}", lines.join("\n    "));
    }
    outcome
}

fn is_passed(line: &str) -> bool {
    line.starts_with("test ") && line.ends_with("... ok")
}

/// The number of passed tests: those of libtest, with the tests that a test ran counted instead of that test.
fn passed(lines: &[String]) -> usize {
    let tests = lines.iter().filter(|line| is_passed(line)).count();
    let cases = lines.iter().filter_map(|line| line.strip_prefix(CASES)?.parse::<usize>().ok());
    cases.fold(tests, |sum, cases| sum + cases - 1)
}
