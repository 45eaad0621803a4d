//! Backups: what pg_dump, pg_dumpall, pg_basebackup and pg_upgrade carry over, and what they do not. docs/backup.md
//! tells users.

use std::process::{Command, Output};
use std::sync::OnceLock;

use harness::business::{self, SCHEMA};
use harness::{NEWEST, Server, paths, text};
use postgres::{Client, NoTls};

/// A role that owns databases and is no superuser.
const OWNER: &str = "merchant";

/// A role to which levels of access are granted.
const SHOPPER: &str = "shopper";

/// The database that most tests dump, with rights granted and the guard on. They never change it.
const ORIGINAL: &str = "original";

fn original() -> &'static Server {
    static READY: OnceLock<()> = OnceLock::new();
    let server = Server::shared();
    READY.get_or_init(|| {
        let mut client = server.connect("postgres");
        client.batch_execute(&format!("CREATE ROLE {OWNER} LOGIN; CREATE ROLE {SHOPPER} LOGIN")).unwrap();
        give_access_and_protect(&mut business::open(server, ORIGINAL));
    });
    server
}

fn give_access_and_protect(client: &mut Client) {
    client
        .batch_execute(&format!(
            "SELECT grant_marketplace_access('{SHOPPER}', 'shop'), grant_marketplace_access('{SHOPPER}', 'billing'),
                    protect_marketplace();
             GRANT SELECT (name) ON add_ons TO PUBLIC"
        ))
        .unwrap();
}

/// Runs one of PostgreSQL's programs as a role.
fn run_as(role: &str, server: &Server, program: &str, arguments: &[&str]) -> Output {
    server.command(program).env("PGUSER", role).args(arguments).output().unwrap()
}

/// The output of a program, which must succeed without a warning.
fn quietly(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file or folder beside the server's data.
fn beside(server: &Server, name: &str) -> String {
    server.folder().join(name).to_str().unwrap().to_owned()
}

/// The table in which grant_marketplace_access() writes down what it has granted. A fresh extension does not have it.
const RECORD: &str = "marketplace.marketplace_access";

/// Restores the rows of a dump, but for that table's, as docs/backup.md says.
fn restore_rows(server: &Server, database: &str, file: &str) {
    let list = quietly(run_as("postgres", server, "pg_restore", &["--list", file]));
    let is_kept = |line: &&str| !line.contains("marketplace_access");
    let rows = beside(server, &format!("rows of {database}"));
    std::fs::write(&rows, list.lines().filter(is_kept).collect::<Vec<_>>().join("\n")).unwrap();
    quietly(run_as("postgres", server, "pg_restore", &["--data-only", "-L", &rows, "-d", database, file]));
}

fn create_database_of(owner: &str, database: &str) {
    let create = format!("CREATE DATABASE \"{database}\" OWNER {owner} TEMPLATE template0");
    original().connect("postgres").batch_execute(&create).unwrap();
}

fn connect_as(role: &str, database: &str) -> Client {
    original().config(database).user(role).connect(NoTls).unwrap()
}

fn in_schema(mut client: Client, schema: &str) -> Client {
    client.batch_execute(&format!("SET search_path = {schema}, public")).unwrap();
    client
}

/// A dump as text, without what differs from one dump to the next: its key, and where in their tables the rows lie.
fn plain_dump(server: &Server, database: &str, options: &[&str]) -> String {
    let dump = quietly(run_as("postgres", server, "pg_dump", &[&["-d", database], options].concat()));
    let is_lasting = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
    let (mut lines, mut rows): (Vec<&str>, Option<usize>) = (Vec::new(), None);
    for line in dump.lines().filter(is_lasting) {
        if let ("\\.", Some(first)) = (line, rows) {
            lines[first..].sort_unstable();
            rows = None;
        }
        lines.push(line);
        if line.starts_with("COPY ") && line.ends_with(" FROM stdin;") {
            rows = Some(lines.len());
        }
    }
    lines.join("\n")
}

/// Fails with the first line that differs.
fn same_dump(before: &str, after: &str) {
    let difference = before.lines().zip(after.lines()).find(|(before, after)| before != after);
    assert!(before == after, "{difference:.1000?}, {} and {} bytes", before.len(), after.len());
}

/// Everything is as it was, byte by byte, and business goes on.
fn is_restored(server: &Server, database: &str) {
    same_dump(&plain_dump(server, ORIGINAL, &[]), &plain_dump(server, database, &[]));
    let (mut before, mut after) = (server.connect(ORIGINAL), in_schema(server.connect(database), SCHEMA));
    business::assert_same(&business::rows(&mut after), &business::rows(&mut before));
    business::assert_same(&business::definitions(&mut after), &business::definitions(&mut before));
    business::goes_on(&mut after);
}

#[test]
fn a_plain_dump_is_restored() {
    let server = original();
    let file = beside(server, "plain.sql");
    quietly(run_as("postgres", server, "pg_dump", &["-d", ORIGINAL, "-f", &file]));
    server.create_database("from plain");
    quietly(run_as(
        "postgres",
        server,
        "psql",
        &["-Xq", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", "from plain", "-f", &file],
    ));
    is_restored(server, "from plain");
}

#[test]
fn a_custom_dump_is_restored_also_in_one_transaction() {
    let server = original();
    let file = beside(server, "custom");
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", ORIGINAL, "-f", &file]));
    for (database, options) in [("from custom", &[][..]), ("from custom at once", &["--single-transaction"])] {
        server.create_database(database);
        quietly(run_as("postgres", server, "pg_restore", &[options, &["-d", database, &file]].concat()));
        is_restored(server, database);
    }
}

/// A dump in a folder, made by four jobs.
fn folder_dump() -> String {
    static MADE: OnceLock<String> = OnceLock::new();
    let make = || {
        let folder = beside(original(), "folder");
        quietly(run_as("postgres", original(), "pg_dump", &["-Fd", "-j4", "-d", ORIGINAL, "-f", &folder]));
        folder
    };
    MADE.get_or_init(make).clone()
}

#[test]
fn a_parallel_dump_is_restored_by_one_job() {
    let (server, folder) = (original(), folder_dump());
    server.create_database("from folder");
    quietly(run_as("postgres", server, "pg_restore", &["-d", "from folder", &folder]));
    is_restored(server, "from folder");
}

#[test]
fn a_parallel_restore_checks_no_keys_in_the_role_of_a_replica() {
    let (server, folder) = (original(), folder_dump());
    server.create_database("from folder by four");
    let mut restore = server.command("pg_restore");
    restore.env("PGOPTIONS", "-c session_replication_role=replica");
    quietly(restore.args(["-j4", "-d", "from folder by four", &folder]).output().unwrap());
    is_restored(server, "from folder by four");
}

/// A parallel restore without that: the foreign keys are there before the rows, and it keeps no order.
#[test]
fn a_parallel_restore_never_loses_rows_silently() {
    let (server, folder) = (original(), folder_dump());
    for round in 0..3 {
        let database = format!("careless {round}");
        server.create_database(&database);
        let output = run_as("postgres", server, "pg_restore", &["-j4", "-d", &database, &folder]);
        if output.status.success() {
            is_restored(server, &database);
        } else {
            assert!(errors(&output).contains("violates foreign key constraint"), "{}", errors(&output));
        }
    }
}

/// For roles that may not set session_replication_role: one job restores the marketplace, many restore everything
/// else.
fn restore_in_steps(role: &str, database: &str, dump: &str) {
    let steps: [&[&str]; 4] = [
        &["--section=pre-data"],
        &["--section=data", "-n", SCHEMA],
        &["--section=data", "-N", SCHEMA, "-j4"],
        &["--section=post-data", "-j4"],
    ];
    for step in steps {
        quietly(run_as(role, original(), "pg_restore", &[step, &["-d", database, dump]].concat()));
    }
}

#[test]
fn a_parallel_restore_in_steps_keeps_the_order() {
    let (server, folder) = (original(), folder_dump());
    server.create_database("from folder in steps");
    restore_in_steps("postgres", "from folder in steps", &folder);
    is_restored(server, "from folder in steps");
}

#[test]
fn rows_alone_go_into_a_fresh_extension() {
    let server = original();
    let file = beside(server, "rows");
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", ORIGINAL, "-f", &file]));
    let rows = plain_dump(server, ORIGINAL, &["--data-only", "--exclude-table", RECORD]);
    let script = beside(server, "rows.sql");
    std::fs::write(&script, &rows).unwrap();
    let fresh = |database: &str| {
        server.create_database(database);
        let install = format!("CREATE SCHEMA {SCHEMA}; CREATE EXTENSION extensions SCHEMA {SCHEMA}");
        server.connect(database).batch_execute(&install).unwrap();
    };
    fresh("rows by pg_restore");
    restore_rows(server, "rows by pg_restore", &file);
    fresh("rows by psql");
    let psql = ["-Xq", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", "rows by psql", "-f", &script];
    quietly(run_as("postgres", server, "psql", &psql));
    for database in ["rows by pg_restore", "rows by psql"] {
        same_dump(&rows, &plain_dump(server, database, &["--data-only"]));
        let mut client = in_schema(server.connect(database), SCHEMA);
        business::assert_same(&business::rows(&mut client), &business::rows(&mut server.connect(ORIGINAL)));
        business::goes_on(&mut client);
    }
    // Into one that has rows of its own they do not go.
    fresh("rows twice");
    in_schema(server.connect("rows twice"), SCHEMA).batch_execute("SELECT * FROM load_sample_catalog()").unwrap();
    let output = run_as("postgres", server, "pg_restore", &["--data-only", "-d", "rows twice", &file]);
    assert!(errors(&output).contains("duplicate key value"), "{}", errors(&output));
}

#[test]
fn rows_reach_another_schema_by_way_of_its_name() {
    let server = original();
    let file = beside(server, "moved");
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", ORIGINAL, "-f", &file]));
    server.create_database("moved");
    let mut client = server.connect("moved");
    client.batch_execute("CREATE SCHEMA shop; CREATE EXTENSION extensions SCHEMA shop").unwrap();

    // The dump names the schema that it was made of.
    let output = run_as("postgres", server, "pg_restore", &["-d", "moved", &file]);
    assert!(errors(&output).contains("relation \"marketplace.add_ons\" does not exist"), "{}", errors(&output));
    assert_eq!(text(&mut client, "SELECT count(*) FROM shop.add_ons").unwrap(), "0");
    client.batch_execute(&format!("DROP SCHEMA {SCHEMA} CASCADE")).unwrap();

    client.batch_execute(&format!("ALTER SCHEMA shop RENAME TO {SCHEMA}")).unwrap();
    restore_rows(server, "moved", &file);
    client.batch_execute(&format!("ALTER SCHEMA {SCHEMA} RENAME TO shop")).unwrap();
    business::assert_same(&business::rows(&mut client), &business::rows(&mut server.connect(ORIGINAL)));
    business::goes_on(&mut in_schema(client, "shop"));
}

#[test]
fn an_owner_who_is_no_superuser_dumps_and_restores() {
    let server = original();
    for database in ["of owner", "of owner restored", "of owner in steps", "of owner by superuser", "of owner guarded"]
    {
        create_database_of(OWNER, database);
    }
    let mut owner = business::trade(connect_as(OWNER, "of owner"));
    let grant = format!("SELECT grant_marketplace_access('{SHOPPER}', 'shop')");
    owner.batch_execute(&grant).unwrap();
    let (file, guarded) = (beside(server, "owner"), beside(server, "guarded"));
    quietly(run_as(OWNER, server, "pg_dump", &["-Fc", "-d", "of owner", "-f", &file]));
    quietly(run_as(OWNER, server, "pg_restore", &["-d", "of owner restored", &file]));
    restore_in_steps(OWNER, "of owner in steps", &file);
    let by_superuser = ["--role", OWNER, "-d", "of owner by superuser", &file];
    quietly(run_as("postgres", server, "pg_restore", &by_superuser));
    for database in ["of owner restored", "of owner in steps", "of owner by superuser"] {
        same_dump(&plain_dump(server, "of owner", &[]), &plain_dump(server, database, &[]));
        let mut restored = in_schema(connect_as(OWNER, database), SCHEMA);
        business::assert_same(&business::rows(&mut restored), &business::rows(&mut owner));
        business::assert_same(&business::definitions(&mut restored), &business::definitions(&mut owner));
        business::goes_on(&mut restored);
    }

    // The guard takes a superuser; everything else comes back.
    in_schema(server.connect("of owner"), SCHEMA).batch_execute("SELECT protect_marketplace()").unwrap();
    quietly(run_as(OWNER, server, "pg_dump", &["-Fc", "-d", "of owner", "-f", &guarded]));
    let output = run_as(OWNER, server, "pg_restore", &["-d", "of owner guarded", &guarded]);
    assert!(errors(&output).contains("permission denied to create event trigger"), "{}", errors(&output));
    assert!(!errors(&output).contains("COPY"), "{}", errors(&output));
    in_schema(server.connect("of owner guarded"), SCHEMA).batch_execute("SELECT protect_marketplace()").unwrap();
    let mut restored = in_schema(connect_as(OWNER, "of owner guarded"), SCHEMA);
    business::assert_same(&business::rows(&mut restored), &business::rows(&mut owner));
    business::assert_same(&business::definitions(&mut restored), &business::definitions(&mut owner));
}

#[test]
fn isolation_is_turned_on_again_after_a_restore() {
    let server = original();
    for database in ["isolated", "isolated by superuser", "isolated by owner"] {
        create_database_of(OWNER, database);
    }
    let mut owner = business::trade(connect_as(OWNER, "isolated"));
    let isolate = "SELECT enable_user_isolation()";
    owner.batch_execute(&format!("{isolate}; SELECT grant_marketplace_access('{SHOPPER}', 'shop')")).unwrap();
    for (role, database) in [("postgres", "isolated by superuser"), (OWNER, "isolated by owner")] {
        let file = beside(server, database);
        quietly(run_as(role, server, "pg_dump", &["-Fc", "-d", "isolated", "-f", &file]));
        // As the owner, to whom the extension will belong.
        quietly(run_as(OWNER, server, "pg_restore", &["-d", database, &file]));
        let mut restored = in_schema(connect_as(OWNER, database), SCHEMA);
        business::assert_same(&business::rows(&mut restored), &business::rows(&mut owner));
        // pg_dump leaves out the policies of an extension's tables.
        assert_eq!(text(&mut restored, "SELECT count(*) FROM pg_policy").unwrap(), "0");
        restored.batch_execute(isolate).unwrap();
        business::assert_same(&business::definitions(&mut restored), &business::definitions(&mut owner));
        let mut shopper = in_schema(connect_as(SHOPPER, database), SCHEMA);
        shopper.batch_execute("SET extensions.user_id = 'user 2'").unwrap();
        let users = "SELECT string_agg(DISTINCT user_id, ',') FROM cart_items";
        assert!(text(&mut shopper, users).is_none_or(|users| users == "user 2"));
        business::goes_on(&mut restored);
    }
    // A role that would dump only some of the rows dumps none.
    let output = run_as(SHOPPER, server, "pg_dump", &["-d", "isolated", "-t", "marketplace.cart_items", "--data-only"]);
    assert!(!output.status.success());
}

#[test]
fn a_restore_with_clean_replaces_the_rows_although_they_are_guarded() {
    let server = original();
    let file = beside(server, "clean");
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", ORIGINAL, "-f", &file]));
    server.create_database("cleaned");
    quietly(run_as("postgres", server, "pg_restore", &["-d", "cleaned", &file]));
    in_schema(server.connect("cleaned"), SCHEMA).batch_execute("DELETE FROM cart_items").unwrap();
    quietly(run_as("postgres", server, "pg_restore", &["--clean", "-d", "cleaned", &file]));
    is_restored(server, "cleaned");
}

#[test]
fn what_is_dumped_of_the_extension_can_be_chosen() {
    let server = original();
    server.create_database("chosen");
    let mut client = business::trade(server.connect("chosen"));
    client.batch_execute("CREATE TABLE public.of_the_host (id int)").unwrap();
    // Tables with rows, the extension, and another table.
    let parts = |dump: &str| {
        let tables = dump.matches("\nCOPY marketplace.").count();
        (tables, dump.contains("CREATE EXTENSION"), dump.contains("CREATE TABLE public.of_the_host"))
    };
    let dumped = |options: &[&str]| parts(&plain_dump(server, "chosen", options));
    assert_eq!(dumped(&[]), (8, true, true));
    assert_eq!(dumped(&["--schema-only"]), (0, true, true));
    assert_eq!(dumped(&["--exclude-table-data=marketplace.*"]), (0, true, true));
    assert_eq!(dumped(&["--exclude-table-data=marketplace.cart_items"]), (7, true, true));
    assert_eq!(dumped(&["--extension=plpgsql"]), (0, false, true));
    if paths::major() >= 17 {
        assert_eq!(dumped(&["--exclude-extension=extensions"]), (0, false, true));
    }
    let file = beside(server, "chosen");
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", "chosen", "-f", &file]));
    let restored = quietly(run_as("postgres", server, "pg_restore", &["--schema-only", "-f", "-", &file]));
    assert_eq!(parts(&restored), (0, true, true));
}

#[test]
fn links_to_tables_of_the_host_are_made_again_after_a_restore() {
    let server = original();
    server.create_database("linked");
    let mut client = business::trade(server.connect("linked"));
    client
        .batch_execute(
            "CREATE TABLE subscription_tiers (tier_code varchar(50) PRIMARY KEY); INSERT INTO subscription_tiers VALUES ('pro');
             SELECT * FROM link_reference_tables()",
        )
        .unwrap();
    let file = beside(server, "linked");
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", "linked", "-f", &file]));
    server.create_database("linked restored");
    quietly(run_as("postgres", server, "pg_restore", &["-d", "linked restored", &file]));
    let mut restored = in_schema(server.connect("linked restored"), SCHEMA);
    let (with_links, without) = (business::definitions(&mut client), business::definitions(&mut restored));
    assert!(with_links.len() > without.len(), "pg_dump leaves out constraints that an extension's table got later");
    restored.batch_execute("SELECT * FROM link_reference_tables()").unwrap();
    business::assert_same(&business::definitions(&mut restored), &with_links);
}

fn install() -> String {
    format!("CREATE SCHEMA {SCHEMA}; CREATE EXTENSION extensions SCHEMA {SCHEMA}")
}

/// The statements of docs/faq.md and docs/backup.md about additions to the tables, which check_marketplace() reports
/// in time.
#[test]
fn indexes_and_checks_that_were_added_are_told_and_made_again() {
    let server = original();
    create_database_of(OWNER, "added");
    let mut client = connect_as(OWNER, "added");
    let install = install();
    let additions = format!(
        "CREATE INDEX own_index ON {SCHEMA}.add_ons (lower(name));
         ALTER TABLE {SCHEMA}.cart_items ADD CONSTRAINT own_check CHECK (quantity < 50)"
    );
    client.batch_execute(&format!("{install}; SELECT {SCHEMA}.load_sample_catalog(); {additions}")).unwrap();
    let told = format!(
        "SELECT string_agg(severity || ' ' || split_part(detail, ' ', 2), ', ' ORDER BY 1, 2) FROM {SCHEMA}.check_marketplace() c
          WHERE detail LIKE '%is not the extension''s%'"
    );
    assert_eq!(
        text(&mut client, &told.replace(" ORDER BY 1, 2", " ORDER BY detail")).unwrap(),
        "notice own_check, notice own_index"
    );
    let dump = beside(server, "added.dump");
    quietly(run_as(OWNER, server, "pg_dump", &["-Fc", "-f", &dump, "added"]));
    create_database_of(OWNER, "added_restored");
    quietly(run_as(OWNER, server, "pg_restore", &["-d", "added_restored", &dump]));
    let mut restored = connect_as(OWNER, "added_restored");
    let rows = format!("SELECT count(*) FROM {SCHEMA}.add_ons");
    assert_eq!(text(&mut restored, &rows).unwrap(), "9");
    let own = "SELECT count(*) FROM pg_class WHERE relname = 'own_index'";
    assert_eq!(text(&mut restored, own).unwrap(), "0");
    restored.batch_execute(&additions).unwrap();
}

#[test]
fn columns_that_were_added_are_told_and_made_before_their_rows() {
    let server = original();
    create_database_of(OWNER, "added_column");
    let mut client = connect_as(OWNER, "added_column");
    let install = install();
    client.batch_execute(&format!("{install}; SELECT {SCHEMA}.load_sample_catalog()")).unwrap();
    let rows = format!("SELECT count(*) FROM {SCHEMA}.add_ons");
    // A column is reported as a warning. Its table's rows fail to load until the column is there again.
    let column = format!("ALTER TABLE {SCHEMA}.add_ons ADD COLUMN supplier text DEFAULT 'acme'");
    client.batch_execute(&column).unwrap();
    let warned = format!(
        "SELECT count(*) FROM {SCHEMA}.check_marketplace() WHERE severity = 'warning' AND detail LIKE 'column supplier %fail to load'"
    );
    assert_eq!(text(&mut client, &warned).unwrap(), "1");
    let dump = beside(server, "column.dump");
    quietly(run_as(OWNER, server, "pg_dump", &["-Fc", "-f", &dump, "added_column"]));
    create_database_of(OWNER, "column_restored");
    let output = run_as(OWNER, server, "pg_restore", &["-d", "column_restored", &dump]);
    assert!(!output.status.success() && errors(&output).contains("supplier"), "{}", errors(&output));
    create_database_of(OWNER, "column_kept");
    let mut kept = connect_as(OWNER, "column_kept");
    kept.batch_execute(&format!("{install}; {column}")).unwrap();
    restore_rows(server, "column_kept", &dump);
    assert_eq!(
        text(&mut kept, &format!("SELECT string_agg(DISTINCT supplier, '') FROM {SCHEMA}.add_ons")).unwrap(),
        "acme"
    );
    assert_eq!(text(&mut kept, &rows).unwrap(), "9");
}

#[test]
fn detached_tables_are_dumped_like_any_others() {
    let server = original();
    server.create_database("detached");
    let mut client = business::trade(server.connect("detached"));
    let before = business::rows(&mut client);
    let file = beside(server, "detached");
    client.batch_execute("SELECT detach_tables()").unwrap();
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", "detached", "-f", &file]));
    server.create_database("half detached");
    let output = run_as("postgres", server, "pg_restore", &["-d", "half detached", &file]);
    assert!(errors(&output).contains("relation \"add_ons\" already exists"), "the extension makes them too");

    client.batch_execute("DROP EXTENSION extensions").unwrap();
    quietly(run_as("postgres", server, "pg_dump", &["-Fc", "-d", "detached", "-f", &file]));
    server.create_database("detached restored");
    quietly(run_as("postgres", server, "pg_restore", &["-j4", "-d", "detached restored", &file]));
    let mut restored = server.connect("detached restored");
    for line in before {
        let (table, _) = line.split_once(':').unwrap();
        let digest = format!(
            "SELECT concat_ws(' ', '{table}:', count(*), 'rows', sum(hashtextextended(t::text, 0))) FROM {SCHEMA}.{table} t"
        );
        assert_eq!(text(&mut restored, &digest).unwrap(), line);
    }
}

#[test]
fn a_whole_cluster_is_dumped_with_its_roles_and_copied_as_files() {
    let server = Server::start("");
    let create = format!("CREATE ROLE {OWNER} LOGIN PASSWORD 'secret'; CREATE ROLE {SHOPPER} LOGIN IN ROLE {OWNER}");
    server.connect("postgres").batch_execute(&create).unwrap();
    let mut before = business::open(&server, "whole");
    give_access_and_protect(&mut before);
    before.batch_execute("SELECT enable_user_isolation()").unwrap();
    let (rows, definitions) = (business::rows(&mut before), business::definitions(&mut before));

    let script = beside(&server, "all.sql");
    quietly(run_as("postgres", &server, "pg_dumpall", &["-f", &script]));
    let second = Server::start("");
    let psql = ["-Xq", "-o", "/dev/null", "-d", "postgres", "-f", &script];
    let output = run_as("postgres", &second, "psql", &psql);
    let said = errors(&output);
    assert!(said.lines().count() == 1 && said.contains("role \"postgres\" already exists"), "{said}");
    let mut restored = in_schema(second.connect("whole"), SCHEMA);
    business::assert_same(&business::rows(&mut restored), &rows);
    restored.batch_execute("SELECT enable_user_isolation()").unwrap();
    business::assert_same(&business::definitions(&mut restored), &definitions);
    same_dump(&plain_dump(&server, "whole", &[]), &plain_dump(&second, "whole", &[]));
    let roles = "SELECT string_agg(concat_ws(' ', a.rolname, a.rolcanlogin, a.rolpassword, m.roleid::regrole), ';' ORDER BY a.rolname)
                   FROM pg_authid a LEFT JOIN pg_auth_members m ON m.member = a.oid WHERE a.rolname IN ('merchant', 'shopper')";
    assert_eq!(text(&mut second.connect("whole"), roles), text(&mut server.connect("whole"), roles));
    business::goes_on(&mut restored);

    // Files carry everything, policies too.
    let copy = Server::made_by(paths::major(), "", |copy| {
        let data = copy.data();
        quietly(run_as(
            "postgres",
            &server,
            "pg_basebackup",
            &["-D", data.to_str().unwrap(), "-X", "stream", "-c", "fast", "--no-sync"],
        ));
    });
    let mut copied = in_schema(copy.connect("whole"), SCHEMA);
    business::assert_same(&business::rows(&mut copied), &rows);
    business::assert_same(&business::definitions(&mut copied), &definitions);
    same_dump(&plain_dump(&server, "whole", &[]), &plain_dump(&copy, "whole", &[]));
    business::goes_on(&mut copied);
}

/// The major from which pg_upgrade is tried.
const OLD_MAJOR: u32 = 15;

#[test]
fn pg_upgrade_takes_a_cluster_of_15_along() {
    let library = paths::cache().join(format!("postgres/{OLD_MAJOR}/pginstall/lib/extensions.so"));
    if paths::major() < NEWEST || !library.exists() {
        println!(
            "pg_upgrade is tried to {NEWEST} and newer, once the extension is installed in PostgreSQL {OLD_MAJOR} too"
        );
        return;
    }
    let old = Server::made_by(OLD_MAJOR, "", |old| old.initialize(&[]));
    old.connect("postgres").batch_execute(&format!("CREATE ROLE {SHOPPER} LOGIN")).unwrap();
    let mut before = business::open(&old, "upgraded");
    give_access_and_protect(&mut before);
    before.batch_execute("SELECT enable_user_isolation()").unwrap();
    let (rows, definitions) = (business::rows(&mut before), business::definitions(&mut before));
    drop(before);
    old.control(&["-m", "fast", "stop"]);

    let new = Server::made_by(paths::major(), "", |new| {
        // From 18 on, clusters have checksums unless told otherwise, and both must be alike.
        new.initialize(&["--no-data-checksums"]);
        for check in [&["--check"][..], &[]] {
            upgrade(&old, new, check);
        }
    });
    let mut after = in_schema(new.connect("upgraded"), SCHEMA);
    business::assert_same(&business::rows(&mut after), &rows);
    // 18 and newer know NOT NULL as constraints too, have a new privilege on tables, and put fewer parentheses.
    let comparable = |lines: &[String]| -> Vec<String> {
        let is_old = |line: &&String| !(line.starts_with("constraint") && line.contains(" NOT NULL "));
        let without_expressions = |line: &String| match line.starts_with("constraint") || line.contains("TRIGGER") {
            true => line.split([' ', '(']).take(3).chain(line.rsplit(' ').take(1)).collect::<Vec<_>>().join(" "),
            false => line.replace("arwdDxtm", "arwdDxt"),
        };
        lines.iter().filter(is_old).map(without_expressions).collect()
    };
    business::assert_same(&comparable(&business::definitions(&mut after)), &comparable(&definitions));
    business::goes_on(&mut after);
}

fn upgrade(old: &Server, new: &Server, options: &[&str]) {
    let output = Command::new(new.programs().join("pg_upgrade"))
        .current_dir(new.folder())
        .args(["-U", "postgres", "-b"])
        .arg(old.programs())
        .arg("-B")
        .arg(new.programs())
        .arg("-d")
        .arg(old.data())
        .arg("-D")
        .arg(new.data())
        .arg("-s")
        .arg(new.folder())
        .args(options)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout) + &*errors(&output));
}
