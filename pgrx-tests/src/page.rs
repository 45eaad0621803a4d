//! Follows a page of the documentation as its reader would: runs each SQL and shell block in turn, on a server of its
//! own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::markdown::{self, Block};
use crate::server::SUPERUSER;
use crate::{Server, paths};

/// Longer than any block takes, and short enough to wait for.
const TIMEOUT_SECONDS: &str = "180";

/// A reader at work: a server, a database and a folder.
pub struct Reader {
    server: Server,
    databases: usize,
}

impl Reader {
    /// A reader with a new server.
    pub fn new() -> Reader {
        let reader = Reader { server: Server::start(""), databases: 0 };
        fs::create_dir(reader.folder()).expect("the server's folder can be written to");
        reader
    }

    /// Runs every block of a page that can be run, and returns where the output differs from the page. A page that
    /// does not create the extension starts with the extension and the sample catalog in place.
    pub fn follow(&mut self, page: &str) -> Vec<String> {
        let mut blocks = markdown::blocks(page);
        if !blocks.iter().any(|block| block.text.contains("CREATE EXTENSION")) {
            let text = "CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog();".to_owned();
            blocks.insert(0, Block { language: "sql".to_owned(), text, ..Block::default() });
        }
        let runnable = blocks.iter().filter(|block| !block.is_marked("no-run"));
        runnable.filter_map(|block| self.run(block).err().map(|why| format!("line {}: {why}", block.line))).collect()
    }

    fn run(&mut self, block: &Block) -> Result<(), String> {
        if self.databases == 0 || block.is_marked("fresh") {
            self.databases += 1;
            self.server.create_database(&self.database());
            self.shell(&format!("export PGDATABASE={}", self.database()), None)?;
        }
        match block.language.as_str() {
            "sql" => self.sql(block),
            "sh" | "bash" => self.shell(&block.text, block.output.as_deref()),
            "console" => self.session(&block.text),
            _ => Ok(()),
        }
    }

    fn database(&self) -> String {
        format!("docs_{}", self.databases)
    }

    /// The state of the shell between blocks.
    fn state(&self) -> std::path::PathBuf {
        self.server.folder().join("shell")
    }

    fn folder(&self) -> std::path::PathBuf {
        self.server.folder().join("reader")
    }

    /// Runs a block in the shell's database and as its user (PGDATABASE and PGUSER). An error is expected only if the
    /// page shows it.
    fn sql(&self, block: &Block) -> Result<(), String> {
        let stop = if block.output.is_some() { "ON_ERROR_STOP=0" } else { "ON_ERROR_STOP=1" };
        let mut command = self.command("bash");
        command.args(["-c", &format!(". '{}'; exec psql -X -q -v {stop} -f -", self.state().display())]);
        let (printed, is_good) = output_of(command, &block.text);
        compare(&without_places(&printed), is_good, block.output.as_deref(), &block.text)
    }

    /// Variables and the current folder last from block to block, as in a terminal.
    fn shell(&self, script: &str, output: Option<&str>) -> Result<(), String> {
        let whole = format!(
            "[ ! -e '{0}' ] || . '{0}'\nset -a -euo pipefail\n{script}\n{{ export -p; echo \"cd '$PWD'\"; }} >'{0}'\n",
            self.state().display()
        );
        let mut command = self.command("bash");
        command.args(["-c", &whole]);
        let (printed, is_good) = output_of(command, "");
        compare(&printed, is_good, output, script)
    }

    /// Commands after prompts, with their output.
    fn session(&self, text: &str) -> Result<(), String> {
        let mut steps: Vec<(String, String)> = Vec::new();
        let mut is_continued = false;
        for line in text.lines() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push((format!("{command}\n"), String::new())),
                (None, Some((command, _))) if is_continued => command.push_str(&format!("{line}\n")),
                (None, Some((_, output))) => output.push_str(&format!("{line}\n")),
                (None, None) => return Err(format!("no command stands before\n{line}")),
            }
            is_continued = line.ends_with('\\');
        }
        steps.iter().try_for_each(|(command, output)| self.shell(command, Some(output)))
    }

    /// A program of the server or of the machine, in the reader's folder, with the environment to reach the server.
    fn command(&self, program: &str) -> Command {
        let programs = paths::programs(paths::major());
        let venv = paths::cache().join("venv/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("timeout");
        command.args([TIMEOUT_SECONDS, "sh", "-c", "exec \"$0\" \"$@\" 2>&1"]).arg(program);
        command
            .current_dir(self.folder())
            .env("PATH", format!("{}:{}:{path}", programs.display(), venv.display()))
            .env("HOME", self.folder())
            .env("PGHOST", self.server.folder())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", self.database())
            .env("PGDATA", self.server.data())
            .env("PGTZ", "UTC")
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Default for Reader {
    fn default() -> Self {
        Reader::new()
    }
}

/// Servers that the page has started and not stopped.
impl Drop for Reader {
    fn drop(&mut self) {
        let mut command = self.command("bash");
        let stop =
            "find . -name postmaster.pid | while read -r file; do pg_ctl -m immediate -s stop -D \"${file%/*}\"; done";
        let _ = output_of(
            {
                command.args(["-c", stop]);
                command
            },
            "",
        );
    }
}

/// A program's output, errors included, in the order in which it is printed, and whether the program succeeds.
fn output_of(mut command: Command, input: &str) -> (String, bool) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("timeout and sh are everywhere");
    // A program that has ended reads no more input.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it can be waited for");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

fn compare(printed: &str, is_good: bool, expected: Option<&str>, block: &str) -> Result<(), String> {
    match expected {
        Some(expected) if markdown::is_as_expected(expected, printed) => Ok(()),
        Some(expected) => Err(format!("\n{block}\nshould print\n{expected}\nand prints\n{printed}")),
        None if is_good => Ok(()),
        None => Err(format!("\n{block}\nfails\n{printed}")),
    }
}

/// psql prefixes messages with their place in the input.
fn without_places(printed: &str) -> String {
    let levels = ["ERROR:", "WARNING:", "NOTICE:"];
    let strip = |line: &str| {
        let start = line.strip_prefix("psql:").and_then(|_| levels.iter().find_map(|level| line.find(level)));
        format!("{}\n", &line[start.unwrap_or(0)..])
    };
    printed.lines().map(strip).collect()
}

/// The pages of the documentation that are not generated, with the README first: their names and texts.
pub fn pages() -> Vec<(String, String)> {
    let root = paths::root();
    let mut names: Vec<String> = fs::read_dir(root.join("docs"))
        .expect("there is documentation")
        .map(|entry| format!("docs/{}", entry.expect("it can be listed").file_name().to_string_lossy()))
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    names.insert(0, "README.md".to_owned());
    names.into_iter().map(|name| (name.clone(), read(&root.join(&name)))).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
