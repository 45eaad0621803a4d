//! A PostgreSQL server for tests. It is reached through a socket in its folder, and removed when the test program
//! ends.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use tempfile::TempDir;

use crate::paths;

/// A running server.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

const USUAL_PORT: u16 = 5432;

/// A file system in memory.
const IN_MEMORY: &str = "/dev/shm";

/// The space that the servers of all suites that run at once need there, with plenty to spare.
const ROOM: u64 = 8 << 30;

/// The superuser of every server.
pub const SUPERUSER: &str = "postgres";

impl Server {
    /// Starts a server with additional settings.
    pub fn start(settings: &str) -> Server {
        Server::made_by(paths::major(), settings, |server| server.initialize(&[]))
    }

    /// Starts a server of a major version whose data folder is not just made by `initdb`, but by a base backup or an
    /// upgrade.
    pub fn made_by(major: u32, settings: &str, make: impl FnOnce(&Server)) -> Server {
        let server = Server { folder: new_folder(), programs: paths::programs(major), port: USUAL_PORT };
        make(&server);
        server.start_with(settings);
        server
    }

    /// Starts a server from other programs. It also listens on the loopback interface, at a port that was free a
    /// moment ago.
    pub fn start_on_loopback(programs: &Path, settings: &str) -> Server {
        let socket = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = socket.expect("a port is free").port();
        let server = Server { folder: new_folder(), programs: programs.to_owned(), port };
        server.initialize(&[]);
        server.start_with(&format!("listen_addresses = '127.0.0.1'\nport = {port}\n{settings}"));
        server
    }

    fn start_with(&self, settings: &str) {
        let socket = self.folder.path().display();
        let configuration = format!(
            "listen_addresses = ''\nunix_socket_directories = '{socket}'\nfsync = off\nmax_connections = 150\n\
             max_prepared_transactions = 10\nautovacuum = off\ntimezone = 'UTC'\n{settings}"
        );
        self.configure(&configuration);
        self.control(&["start"]);
    }

    /// Starts a hot standby that streams from a primary under a name.
    pub fn standby_of(primary: &Server, name: &str) -> Server {
        let server = Server { folder: new_folder(), programs: primary.programs.clone(), port: USUAL_PORT };
        let data = server.data();
        // The name is written into the standby's primary_conninfo.
        let connection = format!("application_name={name}");
        let target = ["-D", path(&data), "-d", &connection];
        primary.run("pg_basebackup", &[&target[..], &["-R", "-X", "stream", "-c", "fast", "--no-sync"]].concat());
        server.configure(&format!("unix_socket_directories = '{}'", server.folder.path().display()));
        server.control(&["start"]);
        server
    }

    /// Makes an empty data folder. Without options it is the copy of one that was made before, because `initdb` takes
    /// seconds.
    pub fn initialize(&self, options: &[&str]) {
        if options.is_empty() {
            copy_folder(&self.initialized(), &self.data());
        } else {
            self.run_initdb(&self.data(), options);
        }
    }

    /// An empty data folder to copy. The first test program that needs it makes it, for these programs only: other
    /// builds of the same version have other collations.
    fn initialized(&self) -> PathBuf {
        let programs = path(&self.programs).replace(|letter: char| !letter.is_alphanumeric(), "-");
        let made = paths::initialized().join(programs);
        if !made.exists() {
            fs::create_dir_all(paths::initialized()).expect("the target folder can be written to");
            let folder = tempfile::tempdir_in(paths::initialized()).expect("the target folder can be written to");
            self.run_initdb(&folder.path().join("data"), &[]);
            // Another program may have made it meanwhile.
            let _ = fs::rename(folder.path().join("data"), &made);
        }
        made
    }

    fn run_initdb(&self, data: &Path, options: &[&str]) {
        let usual = ["-D", path(data), "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        self.run("initdb", &[&usual, options].concat());
    }

    /// Adds settings and restarts.
    pub fn reconfigure(&self, settings: &str) {
        self.configure(settings);
        self.control(&["restart"]);
    }

    fn configure(&self, settings: &str) {
        let file = self.data().join("postgresql.conf");
        let written = fs::read_to_string(&file).and_then(|old| fs::write(&file, format!("{old}\n{settings}\n")));
        written.expect("the configuration can be written");
    }

    /// The server that all tests of this program share.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let server = Server::start("");
            server.remove_at_exit();
            server
        })
    }

    /// For a server in a static, which is never dropped: it is stopped and removed when the program ends.
    pub fn remove_at_exit(&self) {
        remove_at_exit(self);
    }

    /// Announces that the log will report processes ended by a signal. Otherwise such a report fails the test,
    /// because nothing of ours may crash a server.
    pub fn expect_kills(&self) {
        fs::write(kills_are_expected(self.folder.path()), "").expect("the folder can be written to");
    }

    /// Connects as the superuser.
    pub fn connect(&self, database: &str) -> Client {
        self.config(database).connect(NoTls).expect("the server accepts connections")
    }

    /// The same, however long the server needs to recover from a crash.
    pub fn connect_after_crash(&self, database: &str) -> Client {
        let begun = Instant::now();
        loop {
            match self.config(database).connect(NoTls) {
                Ok(client) => return client,
                Err(error) => {
                    assert!(begun.elapsed() < Duration::from_secs(60), "the server does not come back: {error}")
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How to connect as the superuser.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path()).port(self.port).user(SUPERUSER).dbname(database);
        config
    }

    /// Makes an empty database.
    pub fn create_database(&self, name: &str) {
        self.copy_database("template1", name);
    }

    /// Makes a copy of a database that nobody is connected to.
    pub fn copy_database(&self, from: &str, name: &str) {
        // Two CREATE DATABASE at once would block each other in the database that is copied.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let created =
            self.connect("postgres").batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{from}\""));
        created.expect("a database can be made");
    }

    /// The port, of the socket and of the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the socket, and of other files that a test needs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs one of the server's programs and returns what it prints.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output =
            self.command(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// One of the server's programs, with the environment to reach it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env("PGHOST", self.folder.path())
            .env("PGUSER", SUPERUSER)
            .env("PGPORT", self.port.to_string())
            .env_remove("PGDATABASE")
            .stdin(Stdio::null());
        command
    }

    /// `pg_ctl` with these arguments; it waits for the server to start or stop. The server's messages go to its log.
    pub fn control(&self, arguments: &[&str]) {
        let (data, log) = (self.data(), self.folder.path().join("log"));
        let status = self
            .command("pg_ctl")
            .args(["-w", "-s", "-D", path(&data), "-l", path(&log)])
            .args(arguments)
            .stdout(Stdio::null())
            .status();
        let log = || fs::read_to_string(&log).unwrap_or_default();
        assert!(status.is_ok_and(|status| status.success()), "pg_ctl {arguments:?} failed: {}", log());
    }

    /// The folder of the programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The folder of the data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let crashes = crashes(self.folder.path());
        let data = self.data();
        // The folder is deleted too, so nothing has to be saved.
        let mut stop = self.command("pg_ctl");
        // It may have been stopped before.
        let _ = stop.args(["-s", "-m", "immediate", "-D", path(&data), "stop"]).stderr(Stdio::null()).status();
        assert!(crashes.is_none() || std::thread::panicking(), "{}", crashes.unwrap_or_default());
    }
}

fn kills_are_expected(folder: &Path) -> PathBuf {
    folder.join("kills-are-expected")
}

/// The log's reports of processes ended by a signal, unless a test has announced them.
fn crashes(folder: &Path) -> Option<String> {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let is_crash = log.contains("terminated by signal") && !kills_are_expected(folder).exists();
    is_crash.then(|| format!("a process of the server has crashed:\n{log}"))
}

/// A folder whose name is short enough for a socket. It is in memory if there is room, because making and removing the
/// thousands of files of servers and databases is work for the file system of a disk.
fn new_folder() -> TempDir {
    static PARENT: OnceLock<&str> = OnceLock::new();
    let parent = PARENT.get_or_init(|| if free_bytes(IN_MEMORY) > ROOM { IN_MEMORY } else { "/tmp" });
    tempfile::Builder::new().prefix("ext-").tempdir_in(parent).expect("the folder of servers can be written to")
}

/// The free space of a file system; 0 if it is not there.
fn free_bytes(folder: &str) -> u64 {
    let output = Command::new("stat").args(["--file-system", "--format=%a %S", folder]).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    output
        .split_whitespace()
        .map_while(|number| number.parse::<u64>().ok())
        .reduce(|blocks, size| blocks * size)
        .unwrap_or(0)
}

fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-R").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "{} cannot be copied", from.display());
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths are UTF-8")
}

/// Statics are not dropped, so the shared server is stopped by the C library when the program ends.
fn remove_at_exit(server: &Server) {
    static LEFT: Mutex<Vec<(PathBuf, PathBuf)>> = Mutex::new(Vec::new());
    extern "C" fn remove() {
        let mut has_crashed = false;
        for (programs, folder) in LEFT.lock().map(|mut left| left.split_off(0)).unwrap_or_default() {
            if let Some(crashes) = crashes(&folder) {
                has_crashed = true;
                eprintln!("{crashes}");
            }
            let data = folder.join("data");
            let _ = Command::new(programs.join("pg_ctl"))
                .args(["-s", "-m", "immediate", "-D"])
                .arg(data)
                .arg("stop")
                .status();
            let _ = fs::remove_dir_all(folder);
        }
        if has_crashed {
            // SAFETY: it only ends the program, with the code of failed tests.
            unsafe { libc::_exit(101) };
        }
    }
    if let Ok(mut left) = LEFT.lock() {
        left.push((server.programs.clone(), server.folder.path().to_owned()));
    }
    // SAFETY: the function stays valid until the program has ended.
    unsafe { libc::atexit(remove) };
}
