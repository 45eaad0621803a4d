//! Owners alter their tables, by mistake or on purpose. Whatever they do, no function crashes or misreads values,
//! each reports what was changed, and everything works again once the change is undone.

use harness::reads::READS;
use harness::writes::{self, WRITES};
use harness::{Server, marketplace, parts_of, refusal, share, text};
use postgres::Client;

/// The types that columns are changed to, with a value that a reader of another type would misread.
const TYPES: [&str; 12] = [
    "integer NOT NULL DEFAULT 42",
    "bigint NOT NULL DEFAULT 140737488355328",
    "boolean NOT NULL DEFAULT true",
    "text NOT NULL DEFAULT 'SIXTEEN BYTES + and more that a text of the page holds'",
    "numeric NOT NULL DEFAULT 1e30",
    "timestamptz NOT NULL DEFAULT '2026-01-01'",
    "uuid NOT NULL DEFAULT 'a0000000-0000-4000-8000-000000000003'",
    "jsonb NOT NULL DEFAULT '[{\"a\": [1, 2]}]'",
    "uuid[] NOT NULL DEFAULT '{{a0000000-0000-4000-8000-000000000003},{a0000000-0000-4000-8000-000000000003}}'",
    "name NOT NULL DEFAULT 'a name is no varlena'",
    "mood NOT NULL DEFAULT 'happy'",
    "text GENERATED ALWAYS AS ('made') STORED",
];

/// PostgreSQL's own errors about a table that the owner has made unusable for a statement.
const ORDINARY: [&str; 3] = ["23502", "428C9", "22P02"];

/// The tables and their columns.
fn columns(client: &mut Client) -> Vec<(String, String)> {
    let query = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                  WHERE c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'extensions')::oid[])
                    AND a.attnum > 0 AND NOT a.attisdropped
                  ORDER BY 1, 2";
    client.query(query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Calls of every function, reads and writes, except those that only look at catalogs or read everything in plain
/// SQL.
fn calls() -> impl Iterator<Item = &'static str> {
    let slow = ["check_", "export_catalog", "marketplace_status", "marketplace_metrics", "load_sample_catalog"];
    let all = READS.into_iter().chain(WRITES.into_iter().map(|(_, call)| call));
    all.filter(move |call| !slow.iter().any(|name| call.contains(name)))
}

/// The types that a column is turned into: two, others for each column, or all where ALL_TYPES is set, which takes ten
/// minutes.
fn types_for(position: usize) -> Vec<&'static str> {
    let count = if std::env::var_os("ALL_TYPES").is_some() { TYPES.len() } else { 2 };
    (0..count).map(|next| TYPES[(position * 5 + next * 7) % TYPES.len()]).collect()
}

/// Makes a call and undoes it. Returns its SQLSTATE and machine code if it fails; panics if the connection breaks.
fn attempt(client: &mut Client, call: &str) -> Option<(String, String, String)> {
    let result = client.batch_execute(&format!("SAVEPOINT attempt; {call}"));
    let failure = result.err().map(|error| parts_of(&error, call));
    client.batch_execute("ROLLBACK TO attempt").unwrap();
    failure
}

/// Whether the planner or the executor rejected one of our statements, which should have been refused in our words
/// before.
fn is_unexplained(code: &str, state: &str) -> bool {
    code.is_empty() && (state.starts_with("42") || state == "0A000") && !ORDINARY.contains(&state)
}

/// Puts another column in the place of one, alone in its table's eyes: the old one keeps its values, constraints and readers.
fn replace(table: &str, column: &str, definition: &str) -> String {
    // A primary key fills itself.
    let optional = if column == "id" { "" } else { "ALTER COLUMN kept DROP NOT NULL, " };
    format!(
        "ALTER TABLE {table} RENAME COLUMN {column} TO kept; ALTER TABLE {table} {optional}ADD COLUMN {column} {definition};"
    )
}

#[test]
fn any_column_of_any_type_is_told_and_crashes_nothing() {
    let mut client = writes::situation("types");
    client.batch_execute("CREATE TYPE mood AS ENUM ('happy', 'sad'); BEGIN").unwrap();
    let usual: Vec<_> = calls().map(|call| attempt(&mut client, call)).collect();
    let mut explained = 0_usize;
    let columns: Vec<_> = columns(&mut client).into_iter().enumerate().collect();
    for (position, (table, column)) in share(columns) {
        for definition in types_for(position) {
            client.batch_execute("SAVEPOINT changed").unwrap();
            client.batch_execute(&replace(&table, &column, definition)).unwrap();
            for call in calls() {
                let Some((state, code, message)) = attempt(&mut client, call) else { continue };
                let told = format!("{table}.{column} as {definition}: {call}: {state} {message}");
                assert!(!state.starts_with("XX"), "{told}");
                let is_ours = !call.contains("revenue_by") && !call.contains("simulate") || code == "schema_changed";
                assert!(!is_ours || !is_unexplained(&code, &state) || is_written_in_sql(call), "{told}");
                explained += usize::from(code == "schema_changed");
            }
            client.batch_execute("ROLLBACK TO changed").unwrap();
        }
        // Right again.
        let again: Vec<_> = calls().map(|call| attempt(&mut client, call)).collect();
        assert_eq!(again, usual, "after {table}.{column}");
    }
    assert!(explained > 4 * share((0..200).collect()).len(), "{explained}");
}

/// Functions written in SQL are PostgreSQL's to explain; check_marketplace() alone has to work whatever happens.
fn is_written_in_sql(call: &str) -> bool {
    [
        "_check_catalog",
        "_check_purchases",
        "_unknown_references",
        "export_catalog",
        "marketplace_status",
        "marketplace_metrics",
        "explain_checkout",
        "load_sample",
        "_by_",
        "_performance",
        "expiring",
        "cart_conversion",
        "recurring_revenue",
        "entitled_users",
        "FROM add_ons",
        "FROM add_on_purchases",
    ]
    .iter()
    .any(|name| call.contains(name))
}

#[test]
fn check_marketplace_tells_every_changed_column_and_how_to_change_it_back() {
    let mut client = marketplace("told");
    client.batch_execute("BEGIN").unwrap();
    for (table, column) in share(columns(&mut client)) {
        for (definition, found) in [("box", "box"), ("point", "point")] {
            client.batch_execute(&format!("SAVEPOINT s; {}", replace(&table, &column, definition))).unwrap();
            let told = text(
                &mut client,
                &format!(
                    "SELECT detail FROM check_marketplace() WHERE check_name = 'columns' AND NOT ok AND detail LIKE 'column {column} of %{table} is {found}, not %'"
                ),
            );
            let told = told.unwrap_or_else(|| panic!("{table}.{column} as {definition} is not told"));
            assert!(told.contains(&format!("{table} ALTER COLUMN {column} TYPE ")), "{told}");
            client.batch_execute("ROLLBACK TO s").unwrap();
        }
    }
}

#[test]
fn another_session_goes_on_with_what_was_changed_back() {
    let mut owner = writes::situation("elsewhere");
    let mut client = Server::shared().connect("elsewhere");
    let usual: Vec<_> = in_transaction(&mut client);
    // A quarter of the columns is enough here.
    for (table, column) in columns(&mut owner).into_iter().step_by(4) {
        owner.batch_execute(&replace(&table, &column, "bigint NOT NULL DEFAULT 140737488355328")).unwrap();
        client.batch_execute("BEGIN").unwrap();
        for call in calls() {
            if let Some((state, _, message)) = attempt(&mut client, call) {
                assert!(!state.starts_with("XX"), "{table}.{column}: {call}: {state} {message}");
            }
        }
        client.batch_execute("ROLLBACK").unwrap();
        owner
            .batch_execute(&format!(
                "ALTER TABLE {table} DROP COLUMN {column} CASCADE; ALTER TABLE {table} RENAME COLUMN kept TO {column}"
            ))
            .unwrap();
        assert_eq!(in_transaction(&mut client), usual, "after {table}.{column}");
    }
}

fn in_transaction(client: &mut Client) -> Vec<Option<(String, String, String)>> {
    client.batch_execute("BEGIN").unwrap();
    let outcomes = calls().map(|call| attempt(client, call)).collect();
    client.batch_execute("ROLLBACK").unwrap();
    outcomes
}

/// The columns that a migration changes in earnest, by ALTER TYPE with its values.
#[test]
fn an_honest_migration_is_told_and_can_be_taken_back() {
    let mut client = marketplace("honest");
    client
        .batch_execute(
            "CREATE TABLE subscription_tiers (tier_code integer PRIMARY KEY); INSERT INTO subscription_tiers VALUES (7);
             INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent)
             VALUES ('a0000000-0000-4000-8000-000000000003', '7', 10);
             ALTER TABLE pricing_rules ALTER tier_code TYPE integer USING tier_code::integer",
        )
        .unwrap();
    let price = "SELECT price_add_on('a0000000-0000-4000-8000-000000000003', 1, '7')";
    let (state, code, message) = refusal(&mut client, price);
    assert_eq!((&*state, &*code), ("55000", "schema_changed"));
    assert_eq!(message, "column tier_code of table pricing_rules is integer, not character varying(50)");
    let linked = text(&mut client, "SELECT status || ': ' || detail FROM link_reference_tables() LIMIT 1").unwrap();
    assert!(
        linked.starts_with("not linked: column pricing_rules.tier_code is integer, not character varying(50)"),
        "{linked}"
    );
    client.batch_execute("ALTER TABLE pricing_rules ALTER tier_code TYPE varchar(50)").unwrap();
    assert_eq!(text(&mut client, price).unwrap(), "17.99");
}

/// Types with the same representation keep working: a longer text, a domain.
#[test]
fn a_longer_text_or_a_domain_does_no_harm() {
    let mut client = writes::situation("domains");
    client
        .batch_execute(
            "CREATE DOMAIN email AS varchar(255) CHECK (VALUE <> 'x'); CREATE DOMAIN money_amount AS numeric(10,2);
             ALTER TABLE pricing_rules ALTER tier_code TYPE email; ALTER TABLE promotional_codes ALTER created_by TYPE text;
             ALTER TABLE cart_items ALTER billing_type TYPE text; ALTER TABLE user_add_ons ALTER lago_subscription_id TYPE text;
             ALTER TABLE pricing_rules ALTER discount_amount TYPE money_amount; BEGIN",
        )
        .unwrap();
    for call in calls() {
        let failure = attempt(&mut client, call);
        assert!(failure.is_none(), "{call}: {failure:?}");
    }
    let differences = "SELECT count(*) FROM check_marketplace() WHERE NOT ok AND check_name = 'columns'";
    assert_eq!(text(&mut client, differences).unwrap(), "0");
}

#[test]
fn null_where_none_may_be_is_told() {
    let mut client = marketplace("nulls");
    client
        .batch_execute(
            "ALTER TABLE add_ons ALTER base_price DROP NOT NULL; UPDATE add_ons SET base_price = NULL WHERE name = 'Brigade'",
        )
        .unwrap();
    let (state, code, _) = refusal(&mut client, "SELECT price_add_on('a0000000-0000-4000-8000-000000000003')");
    assert_eq!((&*state, &*code), ("55000", "schema_changed"));
    let told = "SELECT detail FROM check_marketplace() WHERE check_name = 'columns' AND severity = 'warning'";
    assert!(text(&mut client, told).unwrap().contains("ALTER COLUMN base_price SET NOT NULL"));
}

#[test]
fn a_view_under_a_tables_name_is_not_read() {
    let mut client = marketplace("views");
    client
        .batch_execute(
            "CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil was called'; END $$;
             ALTER TABLE add_ons RENAME TO real_add_ons;
             CREATE VIEW add_ons AS SELECT * FROM real_add_ons WHERE evil()",
        )
        .unwrap();
    let (state, code, _) = refusal(&mut client, "SELECT price_add_on('a0000000-0000-4000-8000-000000000003')");
    assert_eq!((&*state, &*code), ("55000", "schema_changed"));
    let told = "SELECT detail FROM check_marketplace() WHERE NOT ok AND check_name = 'tables'";
    assert_eq!(text(&mut client, told).unwrap(), "table add_ons is missing");
    client.batch_execute("DROP VIEW add_ons; ALTER TABLE real_add_ons RENAME TO add_ons").unwrap();
    assert!(text(&mut client, "SELECT price_add_on('a0000000-0000-4000-8000-000000000003')").is_some());
}

/// Functions of ours called from triggers, policies, checks, defaults, generated columns and indexes while the tables change under
/// the statement that fires them: no plan is freed that is being executed.
#[test]
fn plans_in_use_outlive_changes_of_the_installation() {
    let brigade = "'a0000000-0000-4000-8000-000000000003'";
    let change = "ALTER TABLE add_on_features DISABLE TRIGGER invalidate_add_on_features_cache;
                  ALTER TABLE add_on_features ENABLE ALWAYS TRIGGER invalidate_add_on_features_cache;
                  EXECUTE 'ALTER SCHEMA m RENAME TO n'; EXECUTE 'ALTER SCHEMA n RENAME TO m';";
    Server::shared().create_database("in_use");
    let mut client = Server::shared().connect("in_use");
    client
        .batch_execute(
            "CREATE SCHEMA m; SET search_path = m, public; CREATE EXTENSION extensions SCHEMA m; SELECT load_sample_catalog()",
        )
        .unwrap();
    client
        .batch_execute(&format!(
            "CREATE FUNCTION companion() RETURNS trigger LANGUAGE plpgsql SET search_path = m AS $$
             BEGIN
               IF pg_trigger_depth() = 1 THEN
                 {change}
                 BEGIN
                   PERFORM m.add_to_cart(NEW.user_id, 'a0000000-0000-4000-8000-000000000001');
                   PERFORM m.add_to_cart(NEW.user_id, '00000000-0000-0000-0000-000000000000');
                 EXCEPTION WHEN no_data_found THEN PERFORM m.add_to_cart(NEW.user_id, 'a0000000-0000-4000-8000-000000000002');
                 END;
                 PERFORM m.cart_total(NEW.user_id), m.has_feature(NEW.user_id, 'api_access'), m.price_add_on({brigade});
               END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER companion AFTER INSERT ON cart_items FOR EACH ROW EXECUTE FUNCTION companion();"
        ))
        .unwrap();
    for user in 0..20 {
        let added = format!("SELECT quantity FROM add_to_cart('u{user}', {brigade})");
        assert_eq!(text(&mut client, &added).unwrap(), "1");
        let companions = format!("SELECT count(*) FROM cart_items WHERE user_id = 'u{user}'");
        assert_eq!(text(&mut client, &companions).unwrap(), "2");
    }
}

/// As above, but it is another session that changes the tables while a trigger sleeps inside a function of ours.
#[test]
fn plans_in_use_outlive_changes_by_others() {
    let mut client = marketplace("others");
    client
        .batch_execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
               IF pg_trigger_depth() = 1 THEN
                 PERFORM pg_sleep(0.2);
                 PERFORM add_to_cart(NEW.user_id, 'a0000000-0000-4000-8000-000000000001');
               END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER slow BEFORE INSERT ON cart_items FOR EACH ROW EXECUTE FUNCTION slow();",
        )
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut owner = Server::shared().connect("others");
            for _ in 0..300 {
                owner
                    .batch_execute(
                        "ALTER TABLE add_on_features DISABLE TRIGGER invalidate_add_on_features_cache;
                         ALTER TABLE add_on_features ENABLE ALWAYS TRIGGER invalidate_add_on_features_cache",
                    )
                    .unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        for user in 0..10 {
            let added = format!("SELECT quantity FROM add_to_cart('u{user}', 'a0000000-0000-4000-8000-000000000003')");
            assert_eq!(text(&mut client, &added).unwrap(), "1");
        }
    });
}

/// A function of the owner that calls ours while they run, and optionally changes the installation first. What it
/// does in a subtransaction is rolled back while the plans of the outer statement run.
const ASKING: &str = "
    CREATE FUNCTION change() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        ALTER TABLE m.add_on_features DISABLE TRIGGER invalidate_add_on_features_cache;
        ALTER TABLE m.add_on_features ENABLE ALWAYS TRIGGER invalidate_add_on_features_cache;
        ALTER TABLE m.pricing_rules ALTER tier_code SET STATISTICS 10; ALTER TABLE m.pricing_rules ALTER tier_code SET STATISTICS -1;
        ALTER SCHEMA m RENAME TO n; ALTER SCHEMA n RENAME TO m;
        PERFORM set_config('asking.changes', (current_setting('asking.changes')::integer + 1)::text, false);
    END $$;
    CREATE FUNCTION ask(who text) RETURNS boolean LANGUAGE plpgsql SET search_path = m AS $$
    BEGIN
        IF current_setting('asking.now', true) = 'on' THEN
            RETURN true;
        END IF;
        PERFORM set_config('asking.now', 'on', true), set_config('asking.asked', (current_setting('asking.asked')::integer + 1)::text, false);
        BEGIN
            PERFORM pg_sleep(current_setting('asking.pause')::float8);
            IF current_setting('asking.changes') <> '' THEN
                PERFORM change();
            END IF;
        -- The statement may be using the table that is to be changed.
        EXCEPTION WHEN object_in_use OR insufficient_privilege THEN NULL;
        END;
        BEGIN
            PERFORM m.add_to_cart('of ' || who, 'a0000000-0000-4000-8000-000000000001');
            PERFORM m.add_to_cart('of ' || who, '00000000-0000-0000-0000-000000000000');
        EXCEPTION WHEN no_data_found OR insufficient_privilege THEN
            PERFORM m.cart_total('of ' || who), m.price_add_on('a0000000-0000-4000-8000-000000000002');
        END;
        PERFORM m.cart_total(who), m.has_feature(who, 'api_access'), m.price_add_on('a0000000-0000-4000-8000-000000000003');
        PERFORM * FROM m.user_features(who), m.search_add_ons('speech');
        PERFORM set_config('asking.now', 'off', true);
        RETURN true;
    END $$;
    CREATE FUNCTION asked(who text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN m.ask(who)::text; END $$;
    CREATE FUNCTION ask_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.ask(NEW.user_id); RETURN NEW; END $$;
    SET asking.asked = 0; SET asking.changes = ''; SET asking.pause = 0";

/// The places in which the owner can have a function called.
const ASKERS: [(&str, &str); 8] = [
    (
        "policy",
        "ALTER TABLE add_ons ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                CREATE POLICY ask ON add_ons FOR SELECT USING (m.ask('policy'))",
    ),
    ("check", "ALTER TABLE cart_items ADD CONSTRAINT ask CHECK (m.ask(user_id)) NOT VALID"),
    (
        "default",
        "ALTER TABLE cart_items ADD COLUMN note text; ALTER TABLE cart_items ALTER note SET DEFAULT m.ask('default')::text",
    ),
    ("generated column", "ALTER TABLE cart_items ADD COLUMN note text GENERATED ALWAYS AS (m.asked(user_id)) STORED"),
    ("index", "CREATE INDEX ask ON cart_items (m.asked(user_id))"),
    ("partial index", "CREATE INDEX ask ON cart_items (quantity) WHERE m.asked(user_id) = 'true'"),
    (
        "domain",
        "CREATE DOMAIN noted AS text CHECK (m.ask(VALUE)); ALTER TABLE cart_items ADD COLUMN note noted DEFAULT 'noted'",
    ),
    ("trigger", "CREATE TRIGGER ask AFTER INSERT OR UPDATE ON cart_items FOR EACH ROW EXECUTE FUNCTION m.ask_row()"),
];

/// A marketplace of an owner without superuser rights, and a session of that owner.
fn asking(database: &str) -> Client {
    let server = Server::shared();
    let mut superuser = server.connect("postgres");
    superuser.batch_execute(&format!("CREATE ROLE {database} LOGIN")).unwrap();
    superuser.batch_execute(&format!("CREATE DATABASE {database} OWNER {database}")).unwrap();
    let mut owner = server.config(database).user(database).connect(postgres::NoTls).unwrap();
    owner
        .batch_execute("CREATE SCHEMA m; SET search_path = m, public; CREATE EXTENSION extensions SCHEMA m; SELECT load_sample_catalog()")
        .unwrap();
    owner.batch_execute(ASKING).unwrap();
    owner
}

/// A user's purchases, through all the places in which a function of the owner is called.
fn shop_for(client: &mut Client, user: &str, asker: &str) {
    let brigade = "a0000000-0000-4000-8000-000000000003";
    for (call, expected) in [
        (format!("SELECT quantity FROM add_to_cart('{user}', '{brigade}')"), "1"),
        (format!("SELECT quantity FROM add_to_cart('{user}', '{brigade}')"), "2"),
        (format!("SELECT quantity FROM set_cart_quantity('{user}', '{brigade}', 1)"), "1"),
        (format!("SELECT cart_total('{user}')"), "19.99"),
        (format!("SELECT amount FROM checkout('{user}')"), "19.99"),
    ] {
        let found = client.query_one(&format!("SELECT ({call})::text"), &[]).unwrap_or_else(|error| {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{asker}: {call} broke the connection: {error}"));
            panic!("{asker}: {call}: {error:?}")
        });
        assert_eq!(found.get::<_, &str>(0), expected, "{asker}: {call}");
    }
}

fn asked(client: &mut Client, what: &str) -> i32 {
    text(client, &format!("SELECT current_setting('asking.{what}')")).unwrap().parse().unwrap()
}

#[test]
fn plans_in_use_outlive_whatever_calls_ours_and_changes_the_installation() {
    let mut client = asking("asking_here");
    for (number, (asker, definition)) in ASKERS.into_iter().enumerate() {
        client
            .batch_execute(&format!(
                "SET asking.asked = 0; SET asking.changes = ''; BEGIN; {definition}; SET asking.changes = 0"
            ))
            .unwrap();
        shop_for(&mut client, &format!("u{number}"), asker);
        let (asked, changes) = (asked(&mut client, "asked"), asked(&mut client, "changes"));
        assert!(asked > 0 && changes > 0, "{asker}: asked {asked} times, {changes} changes");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn plans_in_use_outlive_whatever_calls_ours_while_others_change_the_installation() {
    let mut client = asking("asking_there");
    client.batch_execute("SET asking.pause = 0.03").unwrap();
    for (number, (asker, definition)) in ASKERS.into_iter().enumerate() {
        // An index is not made over rows here: its function writes into the table, which PostgreSQL itself does not bear then.
        client.batch_execute("TRUNCATE cart_items").unwrap();
        client.batch_execute(&format!("SET asking.asked = 0; {definition}")).unwrap();
        let is_done = std::sync::atomic::AtomicBool::new(false);
        let changes = std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                let mut owner = Server::shared().connect("asking_there");
                owner.batch_execute("SET search_path = m").unwrap();
                let mut changes = 0;
                while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    // One at a time, so that no lock is held while another is waited for.
                    for change in [
                        "ALTER TABLE add_on_features DISABLE TRIGGER invalidate_add_on_features_cache",
                        "ALTER TABLE add_on_features ENABLE ALWAYS TRIGGER invalidate_add_on_features_cache",
                        "ALTER TABLE pricing_rules ALTER tier_code SET STATISTICS 10",
                        "ALTER TABLE pricing_rules ALTER tier_code SET STATISTICS -1",
                    ] {
                        owner.batch_execute(change).unwrap();
                    }
                    changes += 1;
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                changes
            });
            for user in 0..3 {
                shop_for(&mut client, &format!("u{number}{user}"), asker);
            }
            is_done.store(true, std::sync::atomic::Ordering::Relaxed);
            others.join().unwrap()
        });
        let asked = asked(&mut client, "asked");
        assert!(asked > 0 && changes > 0, "{asker}: asked {asked} times, {changes} changes");
        client
            .batch_execute(
                "DROP POLICY IF EXISTS ask ON add_ons; 
                 ALTER TABLE add_ons DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; ALTER TABLE cart_items DROP CONSTRAINT IF EXISTS ask;
                 DROP INDEX IF EXISTS ask; ALTER TABLE cart_items DROP COLUMN IF EXISTS note; DROP DOMAIN IF EXISTS noted;
                 DROP TRIGGER IF EXISTS ask ON cart_items",
            )
            .unwrap();
    }
}

/// The backend's knowledge of the installation is current, whatever snapshot the transaction uses.
#[test]
fn a_transaction_with_an_old_snapshot_notices_changes_of_the_installation() {
    let mut owner = marketplace("snapshots");
    let mut client = Server::shared().connect("snapshots");
    let price = "SELECT price_add_on('a0000000-0000-4000-8000-000000000003')";
    assert_eq!(text(&mut client, price).unwrap(), "19.99");
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").unwrap();
    owner.batch_execute("ALTER TABLE add_ons DISABLE TRIGGER ALL").unwrap();
    assert_eq!(text(&mut client, price).unwrap(), "19.99");
    client.batch_execute("COMMIT").unwrap();
    assert_eq!(text(&mut client, price).unwrap(), "19.99");
    owner.batch_execute("UPDATE add_ons SET base_price = 1 WHERE name = 'Brigade'").unwrap();
    assert_eq!(text(&mut client, price).unwrap(), "1.00", "without its triggers nothing is kept");
    let told = "SELECT count(*) FROM check_marketplace() WHERE check_name = 'triggers' AND detail LIKE '%ENABLE ALWAYS TRIGGER invalidate%'";
    assert_eq!(text(&mut owner, told).unwrap(), "1");
    owner.batch_execute("ALTER TABLE add_ons ENABLE TRIGGER ALL").unwrap();
    assert_eq!(text(&mut owner, told).unwrap(), "1", "it is enabled, but not always");
    owner.batch_execute("ALTER TABLE add_ons ENABLE ALWAYS TRIGGER invalidate_add_ons_cache").unwrap();
    assert_eq!(text(&mut owner, told).unwrap(), "0");

    owner.batch_execute("CREATE SCHEMA m; DROP EXTENSION extensions; CREATE EXTENSION extensions SCHEMA m; SELECT m.load_sample_catalog()").unwrap();
    client.batch_execute("SELECT m.price_cart('ada')").unwrap();
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").unwrap();
    owner.batch_execute("ALTER SCHEMA m RENAME TO n").unwrap();
    assert!(client.batch_execute("SELECT n.price_cart('ada')").is_ok());
    client.batch_execute("COMMIT").unwrap();
    client.batch_execute("SELECT n.price_cart('ada')").unwrap();
}

/// Missing, disabled or replaced objects are reported with the command that repairs them, and that command does.
#[test]
fn the_remedies_of_check_marketplace_mend_the_installation() {
    let mut client = marketplace("mended");
    client
        .batch_execute(
            "ALTER TABLE cart_items DROP CONSTRAINT cart_items_quantity_check;
             DROP INDEX idx_add_ons_features;
             DROP TRIGGER update_cart_items_updated_at ON cart_items;
             ALTER TABLE add_on_purchases DISABLE TRIGGER enforce_add_on_purchases_transition;
             ALTER TABLE pricing_rules DISABLE TRIGGER ALL; ALTER TABLE pricing_rules ENABLE TRIGGER ALL;
             CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             ALTER TABLE add_ons ADD COLUMN colour text",
        )
        .unwrap();
    let problems = "SELECT check_name, severity, detail FROM check_marketplace() WHERE severity <> 'ok' ORDER BY 1, 3";
    let told: Vec<(String, String, String)> =
        client.query(problems, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let has = |check: &str, severity: &str, part: &str| {
        let found = told.iter().any(|(c, s, d)| c == check && s == severity && d.contains(part));
        assert!(found, "{check} {severity} {part}: {told:#?}");
    };
    has("constraints", "error", "cart_items_quantity_check of public.cart_items is missing");
    has("indexes", "warning", "idx_add_ons_features of public.add_ons is missing");
    has("triggers", "error", "update_cart_items_updated_at of public.cart_items is missing");
    has("triggers", "error", "enforce_add_on_purchases_transition of public.add_on_purchases is disabled");
    has("triggers", "error", "invalidate_pricing_rules_cache of public.pricing_rules does not always fire");
    has("functions", "warning", "set_updated_at() is not the one that was installed");
    has("columns", "warning", "colour");
    for (check, _, detail) in &told {
        if let (Some((_, remedy)), true) = (detail.split_once(". "), check != "columns") {
            client.batch_execute(remedy).unwrap_or_else(|error| panic!("{remedy}: {error:?}"));
        }
    }
    client.batch_execute("ALTER TABLE add_ons DROP COLUMN colour").unwrap();
    let left: Vec<String> = client.query(problems, &[]).unwrap().iter().map(|row| row.get(2)).collect();
    assert_eq!(left, ["function public.set_updated_at() is not the one that was installed"]);
}

#[test]
fn foreign_metadata_changes_nothing_and_breaks_nothing() {
    let mut client = marketplace("metadata");
    client
        .batch_execute(
            "SELECT add_to_cart('ada', (SELECT id FROM add_ons WHERE name = 'Brigade'), 2);
             CREATE TABLE sold AS SELECT * FROM checkout('ada', promo_code => 'LAUNCH2025', idempotency_key => 'key')",
        )
        .unwrap();
    let again = "SELECT count(*) FROM checkout('ada', promo_code => 'LAUNCH2025', idempotency_key => 'key')";
    let explained = "SELECT count(*) FROM sold, explain_checkout(checkout_id)";
    let keys = ["position", "quote_line", "quote"].map(|key| vec![key.to_owned()]);
    let of_line = ["quantity", "list_amount", "rule_discount", "bundle_discount", "promo_discount", "rules", "bundles"];
    let of_line = of_line.map(|key| vec!["quote_line".to_owned(), key.to_owned()]);
    let of_quote = ["bundles", "promo", "promo,valid", "promo,eligible_amount", "promo,discount_value"];
    let of_quote = of_quote.map(|keys| vec![format!("quote,{keys}")]);
    for path in keys.into_iter().chain(of_line).chain(of_quote).map(|path| path.join(",")) {
        for junk in ["\"odd\"", "{}", "[]", "[[]]", "[{\"bundle_id\": 1, \"base\": \"x\"}]", "null", "1e400", "true"] {
            client.batch_execute("BEGIN").unwrap();
            let change = format!("UPDATE add_on_purchases SET metadata = jsonb_set(metadata, '{{{path}}}', '{junk}')");
            client.batch_execute(&change).unwrap();
            // The data of the sale is in columns, and is still reported.
            let told: i64 = text(&mut client, explained).unwrap_or_else(|| panic!("{change}")).parse().unwrap();
            assert!(told >= 3, "{change}: {told}");
            assert_eq!(text(&mut client, again).as_deref(), Some("1"), "{change}");
            client.batch_execute("ROLLBACK").unwrap();
        }
    }
}

/// Reports and changes of the same: what cannot be read is left out, and told where it is missed.
#[test]
fn reports_answer_whatever_a_host_writes_into_metadata() {
    let mut client = marketplace("metadata_reports");
    client
        .batch_execute(
            "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('TEN', 'percentage', 10);
             SELECT add_to_cart('ada', id) FROM add_ons WHERE name IN ('Brigade', 'Bolt', 'Vector Search');
             CREATE TABLE sold AS SELECT DISTINCT checkout_id FROM checkout('ada', promo_code => 'ten');
             SELECT complete_checkout(checkout_id, 'pi_1') FROM sold;
             SELECT renew_add_on('ada', id, 3, 'pi_2') FROM add_ons WHERE name = 'Bolt'",
        )
        .unwrap();
    let changed = "UPDATE add_on_purchases SET metadata = jsonb_set(metadata, '{quote,total}', '\"odd\"') WHERE metadata ? 'quote'";
    let reports = ["promo_code_performance", "recurring_revenue", "check_marketplace()", "revenue_by_day"]
        .map(|report| format!("SELECT count(*) FROM {report}"));
    let bundle = "quote,bundles,0";
    let metadata =
        ["quote", "quote,total", "quote,bundles", bundle, "quote,bundles,0,bundle_id", "quote,bundles,0,instances"];
    let metadata = metadata.iter().chain(&[
        "quote_line,promo_discount",
        "quote_line,billing_type",
        "renewal",
        "renewal,full",
        "renewal,reduced",
    ]);
    let paths = metadata.map(|path| ("metadata", *path)).chain([("paid", "period,months")]);
    for (column, path) in paths {
        for junk in [
            "\"odd\"",
            "{}",
            "[]",
            "[[7]]",
            "[\"7\"]",
            "null",
            "1e400",
            "-1.5",
            "true",
            "[{\"bundle_id\": 1, \"instances\": []}]",
        ] {
            client.batch_execute("BEGIN").unwrap();
            let change = format!("UPDATE add_on_purchases SET {column} = jsonb_set({column}, '{{{path}}}', '{junk}')");
            client.batch_execute(&change).unwrap();
            for report in &reports {
                let answer = client.query_one(report, &[]);
                answer.unwrap_or_else(|error| panic!("{report} after {change}: {error:?}"));
            }
            if column == "metadata" {
                let refund = "SELECT refund_purchase(id) FROM add_on_purchases WHERE checkout_id IS NOT NULL";
                client.batch_execute(refund).unwrap_or_else(|error| panic!("{refund} after {change}: {error:?}"));
            }
            client.batch_execute("ROLLBACK").unwrap();
        }
    }
    client.batch_execute(changed).unwrap();
    let told = text(&mut client, "SELECT detail FROM check_marketplace() WHERE check_name = 'quotes'").unwrap();
    assert!(told.contains("was quoted odd, but its purchases cost"), "{told}");
}

/// Hosts use the function for tables of their own, whose column can be of any type that reads what an instant is written as.
#[test]
fn updated_at_is_kept_in_columns_of_every_type() {
    let mut client = marketplace("stamps");
    for of_type in ["timestamptz", "timestamptz(0)", "timestamp", "timestamp(3)", "date", "text"] {
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS notes; CREATE TABLE notes (note text, updated_at {of_type});
                 CREATE TRIGGER stamp BEFORE INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
            ))
            .unwrap();
        let is_now = format!("RETURNING updated_at = now()::{of_type}");
        let written = text(&mut client, &format!("INSERT INTO notes VALUES ('one') {is_now}"));
        assert_eq!(written.as_deref(), Some("t"), "{of_type}");
        let written = text(&mut client, &format!("UPDATE notes SET note = 'two', updated_at = NULL {is_now}"));
        assert_eq!(written.as_deref(), Some("t"), "{of_type}");
        assert_eq!(text(&mut client, "DELETE FROM notes RETURNING note").as_deref(), Some("two"));
    }
    client.batch_execute("ALTER TABLE notes DROP COLUMN updated_at; INSERT INTO notes VALUES ('three')").unwrap_err();
}

/// Uses are claimed without a plan where nothing else has a say. Whatever a host puts on the table has one from the next checkout on.
#[test]
fn triggers_of_the_host_on_codes_fire_at_checkout() {
    let mut client = marketplace("codes");
    let mut owner = Server::shared().connect("codes");
    owner
        .batch_execute(
            "INSERT INTO promotional_codes (code, discount_type, discount_value, max_uses) VALUES ('FEW', 'percentage', 10, 3);
             CREATE FUNCTION buy(shopper text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM add_to_cart(shopper, (SELECT id FROM add_ons WHERE name = 'Brigade'));
                 PERFORM checkout(shopper, promo_code => 'FEW');
                 RETURN (SELECT current_uses || CASE WHEN updated_at = now() THEN ' now' ELSE '' END FROM promotional_codes WHERE code = 'FEW');
             END $$",
        )
        .unwrap();
    assert_eq!(text(&mut client, "SELECT buy('ada')").as_deref(), Some("1 now"));
    owner
        .batch_execute(
            "CREATE TABLE log (uses integer);
             CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO log VALUES (NEW.current_uses); NEW.updated_at := '2020-02-02'; RETURN NEW; END $$;
             CREATE TRIGGER zz_log BEFORE UPDATE OF current_uses ON promotional_codes FOR EACH ROW EXECUTE FUNCTION log()",
        )
        .unwrap();
    assert_eq!(text(&mut client, "SELECT buy('bob')").as_deref(), Some("2"));
    assert_eq!(text(&mut client, "SELECT uses FROM log").as_deref(), Some("2"));
    owner
        .batch_execute(
            "DROP TRIGGER zz_log ON promotional_codes; ALTER TABLE promotional_codes ADD CONSTRAINT odd CHECK (current_uses <> 3)",
        )
        .unwrap();
    assert_eq!(refusal(&mut client, "SELECT buy('eve')").0, "23514");
    owner.batch_execute("ALTER TABLE promotional_codes DROP CONSTRAINT odd").unwrap();
    owner.batch_execute("ALTER TABLE promotional_codes DISABLE TRIGGER update_promotional_codes_updated_at").unwrap();
    assert_eq!(text(&mut client, "SELECT buy('eve')").as_deref(), Some("3 now"), "claims set it themselves");
    assert_eq!(refusal(&mut client, "SELECT buy('kim')").1, "promo_refused");
    assert_eq!(
        text(&mut client, "SELECT current_uses FROM promotional_codes WHERE code = 'FEW'").as_deref(),
        Some("3")
    );
}
