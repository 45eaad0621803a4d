//! A full disk: a tablespace of a few megabytes, mounted so that only this server sees it.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use harness::{Server, business, invariants};
use postgres::Client;

use harness::writes::{WRITES, prepare};

const SIZE: &str = "size=40m";

/// Makes a program, and everything that it starts, see a file system in memory at a folder. It needs no privileges on
/// systems that let everybody create namespaces.
fn with_small_disk<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let text = |text: &[u8]| CString::new(text).unwrap();
    let (folder, kind, size) = (text(folder.as_os_str().as_bytes()), text(b"tmpfs"), text(SIZE.as_bytes()));
    // SAFETY: these ask who we are.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    // The user stays who it is.
    let files = [
        (text(b"/proc/self/setgroups"), "deny".to_owned()),
        (text(b"/proc/self/uid_map"), format!("{user} {user} 1")),
        (text(b"/proc/self/gid_map"), format!("{group} {group} 1")),
    ];
    let enter = move || {
        // SAFETY: these are system calls on memory that was allocated before the fork.
        unsafe {
            check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as isize)?;
            for (file, content) in &files {
                let file = libc::open(file.as_ptr(), libc::O_WRONLY);
                check(libc::write(file, content.as_ptr().cast(), content.len()))?;
                libc::close(file);
            }
            let private = libc::MS_REC | libc::MS_PRIVATE;
            check(libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), private, std::ptr::null()) as isize)?;
            check(libc::mount(kind.as_ptr(), folder.as_ptr(), kind.as_ptr(), 0, size.as_ptr().cast()) as isize)
        }
    };
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(enter) }
}

fn check(result: isize) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Fills up the disk, and then the free space in the pages of the tables.
const FILLINGS: [&str; 6] = [
    "INSERT INTO filler SELECT repeat('x', 8000)",
    "INSERT INTO cart_items (user_id, add_on_id) SELECT 'filler ' || gen_random_uuid(), id FROM add_ons LIMIT 1",
    "INSERT INTO user_add_ons (user_id, add_on_id, status) SELECT 'filler ' || gen_random_uuid(), id, 'cancelled' FROM add_ons LIMIT 1",
    "INSERT INTO add_on_purchases (user_id, add_on_id, amount, status) SELECT 'filler', id, 1, 'failed' FROM add_ons LIMIT 1",
    "INSERT INTO promotional_codes (code, discount_type, discount_value, is_active) VALUES ('FILLER ' || gen_random_uuid(), 'percentage', 1, false)",
    "INSERT INTO add_on_bundles (name, add_on_ids, is_active) SELECT 'Filler ' || gen_random_uuid(), array_agg(id), false FROM add_ons",
];

/// Row by row, so that the rows that fit stay.
fn fill(client: &mut Client) {
    client
        .batch_execute("CREATE TABLE filler (filling text); ALTER TABLE filler ALTER filling SET STORAGE PLAIN")
        .unwrap();
    // If an index is full first, its table still takes some rows.
    for filling in FILLINGS.iter().cycle().take(8 * FILLINGS.len()) {
        let error = loop {
            if let Err(error) = client.batch_execute(filling) {
                break error;
            }
        };
        assert_eq!(error.code().map(|code| code.code()), Some("53100"), "{filling}: {error:?}");
    }
}

/// A server with a marketplace on a small disk; `None` if none can be mounted.
fn on_small_disk() -> Option<(Server, postgres::Client)> {
    let server = Server::start("");
    server.control(&["-m", "fast", "stop"]);
    let small = server.folder().join("small");
    std::fs::create_dir(&small).unwrap();
    let mut start = server.command("pg_ctl");
    start.args(["-w", "-s", "start", "-D"]).arg(server.data()).arg("-l").arg(server.folder().join("log"));
    match with_small_disk(&mut start, &small).stdout(std::process::Stdio::null()).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            println!("no disk can be mounted here ({error}): interruptions.rs raises the error by a trigger");
            return None;
        }
    }
    let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", small.display());
    let mut postgres = server.connect("postgres");
    postgres.batch_execute(&tablespace).unwrap();
    postgres.batch_execute("CREATE DATABASE marketplace TABLESPACE small").unwrap();
    let mut client = server.connect("marketplace");
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    drop(postgres);
    Some((server, client))
}

#[test]
fn a_full_disk_leaves_nothing_half_done() {
    let Some((_server, mut client)) = on_small_disk() else { return };
    prepare(&mut client);
    // Earlier changes may have left no room. From 19 on, a SELECT also marks pages as all-visible and fails if there
    // is no room for that: the second statement makes room.
    client.batch_execute("VACUUM FULL").unwrap();
    client.batch_execute("VACUUM").unwrap();
    fill(&mut client);

    let before = business::rows(&mut client);
    let mut full = Vec::new();
    for (name, call) in WRITES {
        let result = client.batch_execute(&format!("BEGIN; SAVEPOINT before; {call}"));
        if let Err(error) = result {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{name} broke the connection: {error}"));
            assert_eq!(error.code().code(), "53100", "{name}: {error:?}");
            client.batch_execute("ROLLBACK TO before; COMMIT").unwrap();
            full.push(name);
        } else {
            client.batch_execute("ROLLBACK").unwrap();
        }
        business::assert_same(&business::rows(&mut client), &before);
    }
    println!("the disk was full for {} of {} functions: {full:?}", full.len(), WRITES.len());
    assert!(full.len() > WRITES.len() / 2, "{full:?}");

    // The same session completes everything once there is room again.
    client.batch_execute("DROP TABLE filler").unwrap();
    for (name, call) in WRITES {
        client.batch_execute("BEGIN").unwrap();
        client.batch_execute(call).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        client.batch_execute("ROLLBACK").unwrap();
    }
    invariants::check(&mut client);
}
