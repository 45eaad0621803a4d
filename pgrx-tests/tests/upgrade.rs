//! Upgrading: an upgrade of any released version gives the same as a new installation, and no data is lost.
//!
//! On a preview too, because it compares every catalog.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Server, add_on, paths, refusal, sql, text, upgrade_script};
use postgres::Client;

fn released() -> PathBuf {
    paths::root().join("sql/released")
}

/// The versions whose install scripts are kept.
fn versions() -> Vec<String> {
    let files = std::fs::read_dir(released()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let version = |file: String| Some(file.strip_prefix("extensions--")?.strip_suffix(".sql")?.to_owned());
    let mut versions: Vec<String> = files.filter_map(version).filter(|name| !name.contains("--")).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

/// The folder in which the server looks for install scripts.
fn scripts() -> PathBuf {
    let output = Command::new(paths::programs(paths::major()).join("pg_config")).arg("--sharedir").output().unwrap();
    Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("extension")
}

/// A database with a released version of the extension.
fn database(name: &str, version: &str) -> Client {
    let file = format!("extensions--{version}.sql");
    if released().join(&file).exists() {
        std::fs::copy(released().join(&file), scripts().join(&file)).unwrap();
    }
    let server = Server::shared();
    server.create_database(name);
    let mut client = server.connect(name);
    client.batch_execute(&format!("CREATE EXTENSION extensions VERSION '{version}'")).unwrap();
    client
}

fn current() -> String {
    let control = std::fs::read_to_string(scripts().join("extensions.control")).unwrap();
    control
        .lines()
        .find_map(|line| line.strip_prefix("default_version = '")?.strip_suffix('\'').map(str::to_owned))
        .unwrap()
}

const DESCRIPTION: &str = "
        WITH member AS (
            SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
             WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        ), relation AS (
            SELECT c.* FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
        )
        SELECT concat_ws(' | ', 'member', pg_describe_object(classid, objid, 0)) FROM member
         UNION ALL
        SELECT concat_ws(' | ', 'extension', extversion, extrelocatable, extnamespace::regnamespace, extowner::regrole) FROM pg_extension
         WHERE extname = 'extensions'
         UNION ALL
        SELECT concat_ws(' | ', 'dumped', t::regclass, w) FROM pg_extension e, unnest(e.extconfig, e.extcondition) u (t, w)
         WHERE e.extname = 'extensions'
         UNION ALL
        SELECT concat_ws(' | ', 'relation', relname, relkind, relowner::regrole, relpersistence, relrowsecurity, reloptions,
                         relreplident, array_to_string(array(SELECT unnest(relacl)::text ORDER BY 1), ','), obj_description(oid, 'pg_class'),
                         CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END)
          FROM relation
         UNION ALL
        SELECT concat_ws(' | ', 'column', r.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                         a.attcollation::regcollation, a.attstorage, a.attcompression, a.attstattarget, a.attacl,
                         pg_get_expr(d.adbin, d.adrelid), col_description(r.oid, a.attnum))
          FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
          LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
         UNION ALL
        SELECT concat_ws(' | ', 'constraint', r.relname, n.conname, pg_get_constraintdef(n.oid), n.convalidated, n.condeferrable,
                         obj_description(n.oid, 'pg_constraint'))
          FROM relation r JOIN pg_constraint n ON n.conrelid = r.oid
         UNION ALL
        SELECT concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, c.reloptions,
                         obj_description(i.indexrelid, 'pg_class'))
          FROM relation r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class c ON c.oid = i.indexrelid
         UNION ALL
        SELECT concat_ws(' | ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger'))
          FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
         UNION ALL
        SELECT concat_ws(' | ', 'rule', pg_get_ruledef(u.oid)) FROM relation r JOIN pg_rewrite u ON u.ev_class = r.oid
         UNION ALL
        SELECT concat_ws(' | ', 'policy', r.relname, p.polname) FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
         UNION ALL
        SELECT concat_ws(' | ', 'function', p.oid::regprocedure, pg_get_functiondef(p.oid), p.proowner::regrole, p.procost, p.prorows,
                         p.provolatile, p.proparallel, p.proisstrict, p.prosecdef, p.proleakproof, p.prosupport, p.proconfig,
                         p.probin, p.prosrc, array_to_string(array(SELECT unnest(p.proacl)::text ORDER BY 1), ','),
                         obj_description(p.oid, 'pg_proc'))
          FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
         UNION ALL
        SELECT concat_ws(' | ', 'initial privileges', pg_describe_object(i.classoid, i.objoid, i.objsubid), i.privtype,
                         array_to_string(array(SELECT unnest(i.initprivs)::text ORDER BY 1), ','))
          FROM pg_init_privs i JOIN member m ON m.classid = i.classoid AND m.objid = i.objoid
         UNION ALL
        SELECT concat_ws(' | ', 'depends', pg_describe_object(d.classid, d.objid, d.objsubid), d.deptype,
                         pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
          FROM pg_depend d JOIN member m ON m.classid = d.classid AND m.objid = d.objid
         WHERE d.refclassid <> 'pg_namespace'::regclass";

/// The catalogs' description of the extension, a line for each object.
fn description(client: &mut Client) -> BTreeSet<String> {
    client.query(DESCRIPTION, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn assert_same(upgraded: &BTreeSet<String>, fresh: &BTreeSet<String>, version: &str) {
    let missing: Vec<&String> = fresh.difference(upgraded).collect();
    let left: Vec<&String> = upgraded.difference(fresh).collect();
    assert!(
        missing.is_empty() && left.is_empty(),
        "an upgrade from {version} is not a new installation: a migration is missing in sql/ (CONTRIBUTING.md says how to write one).\n\
         Only in a new installation: {missing:#?}\nOnly after the upgrade: {left:#?}"
    );
}

const SCRIPT: &str =
    "-- What it is; about\nSELECT ';', \";\" /* ; */;\nCREATE FUNCTION f() AS $a$BEGIN; -- kept\nEND$a$;\n
    CREATE FUNCTION g()\nBEGIN ATOMIC\n    -- kept\n    SELECT CASE WHEN true THEN 1 END;\nEND;\n-- over\n";

#[test]
fn statements_of_scripts_are_taken_apart() {
    let expected = [
        "SELECT ';', \";\"",
        "CREATE FUNCTION f() AS $a$BEGIN; -- kept\nEND$a$",
        "CREATE FUNCTION g()\nBEGIN ATOMIC\n    -- kept\n    SELECT CASE WHEN true THEN 1 END;\nEND",
    ];
    assert_eq!(sql::statements(SCRIPT), expected);
}

#[test]
fn upgrade_scripts_are_made_of_the_functions_as_they_are() {
    for (name, script) in upgrade_script::all(&scripts(), &current()) {
        let stored = std::fs::read_to_string(paths::root().join("sql").join(&name)).unwrap_or_default();
        assert!(stored == script, "sql/{name} is stale: run make upgrade-script");
    }
}

#[test]
fn upgraded_is_the_same_as_fresh() {
    let fresh = description(&mut database("fresh", &current()));
    assert!(fresh.len() > 500);
    for version in versions() {
        let mut client = database(&format!("empty_{version}"), &version);
        assert_ne!(description(&mut client), fresh);
        client.batch_execute("ALTER EXTENSION extensions UPDATE").unwrap();
        assert_same(&description(&mut client), &fresh, &version);
    }
}

/// A digest of every row of every table, without the columns that are new.
fn digest(client: &mut Client) -> String {
    let query = "
        SELECT md5(string_agg(t, '' ORDER BY t)) FROM (
            SELECT (to_jsonb(a) - 'trial_days')::text FROM add_ons a UNION ALL SELECT to_jsonb(a)::text FROM add_on_features a
         UNION ALL SELECT to_jsonb(a)::text FROM add_on_bundles a UNION ALL SELECT to_jsonb(a)::text FROM pricing_rules a
         UNION ALL SELECT (to_jsonb(a) - 'renewals')::text FROM promotional_codes a
         UNION ALL SELECT (to_jsonb(a) - '{quantity,renewal_amount,suspended_at,sources,usage,usage_keys,paid_periods}'::text[])::text FROM user_add_ons a
         UNION ALL SELECT (to_jsonb(a) - '{facts,provider_ids,paid}'::text[])::text FROM add_on_purchases a UNION ALL SELECT to_jsonb(a)::text FROM cart_items a) x (t)";
    text(client, query).unwrap()
}

/// Some business: carts, a pending checkout and a paid one, as the functions of the released version have written
/// them. With this library they need the columns that the update adds.
fn trade(client: &mut Client) {
    let brigade = add_on(client, "Brigade");
    client
        .batch_execute(&format!(
            "SELECT add_to_cart('eve', '{brigade}', 2);
             INSERT INTO add_on_purchases (user_id, add_on_id, amount, quantity, checkout_id, promo_code, status, subscription_ends_at, metadata)
             VALUES ('ada', '{brigade}', 31.98, 2, gen_random_uuid(), 'LAUNCH2025', 'completed', now() + interval '1 month',
                     '{{\"position\": 0, \"quote_line\": {{\"billing_type\": \"monthly\"}}}}'),
                    ('bob', '{brigade}', 39.98, 2, gen_random_uuid(), NULL, 'pending', NULL,
                     '{{\"position\": 0, \"quote_line\": {{\"billing_type\": \"monthly\"}}}}');
             UPDATE promotional_codes SET current_uses = 1 WHERE code = 'LAUNCH2025';
             INSERT INTO user_add_ons (user_id, add_on_id, expires_at) VALUES ('ada', '{brigade}', now() + interval '1 month')"
        ))
        .unwrap();
}

#[test]
fn data_outlives_an_upgrade_and_business_goes_on() {
    let fresh = description(&mut database("fresh_for_data", &current()));
    for version in versions() {
        let mut client = database(&format!("data_{version}"), &version);
        client.batch_execute("SELECT * FROM load_sample_catalog()").unwrap();
        trade(&mut client);
        let before = digest(&mut client);
        // Somebody else is in the middle of something, with plans made before.
        let mut other = Server::shared().connect(&format!("data_{version}"));
        assert_eq!(text(&mut other, "SELECT cart_total('eve')").unwrap(), "39.98");
        client.batch_execute("ALTER EXTENSION extensions UPDATE").unwrap();
        assert_eq!(digest(&mut client), before);
        assert_same(&description(&mut client), &fresh, &version);
        assert_eq!(text(&mut other, "SELECT cart_total('eve')").unwrap(), "39.98");
        for session in [&mut client, &mut other] {
            let purchase = "SELECT count(*) FROM add_on_purchases WHERE status = 'completed'";
            session
                .batch_execute("SELECT complete_checkout(checkout_id) FROM add_on_purchases WHERE user_id = 'bob'")
                .unwrap();
            assert_eq!(text(session, purchase).unwrap(), "2");
        }
        let problems = "SELECT count(*) FROM check_marketplace() WHERE NOT ok";
        assert_eq!(text(&mut client, problems).unwrap(), "0");
    }
}

/// All purchases with their refunds, and what is owned, with its end in months or days after the purchase.
fn stands(client: &mut Client) -> Vec<String> {
    let query = "
        SELECT string_agg(concat_ws(': ', person, purchases, owned), E'\n' ORDER BY person) FROM (
            SELECT p.user_id, string_agg(concat_ws(' ', p.status, p.refund_amount), ', ' ORDER BY p.checkout_id IS NULL, p.stripe_payment_id),
                   (SELECT concat_ws(' ', u.status, has_add_on(u.user_id, u.add_on_id),
                               (SELECT min(e) FROM unnest('{1 month,2 months,1 day,9 days}'::interval[]) e
                                 WHERE (timezone('UTC', b.at) + e)::timestamp = timezone('UTC', u.expires_at)))
                      FROM user_add_ons u, begun b WHERE u.user_id = p.user_id)
              FROM add_on_purchases p GROUP BY 1) x (person, purchases, owned)";
    text(client, query).unwrap().lines().map(str::to_owned).collect()
}

/// How purchases of 1.0.0 stand after the update.
const BEFORE: [&str; 16] = [
    "by hand: completed 10.00: active t",
    "disputed: disputed 0.00: suspended f",
    "due: completed 0.00: active f 9 days",
    "ended: completed 0.00: cancelled f 1 day",
    "failed: failed 0.00",
    "gone: refunded 50.00: cancelled f 1 day",
    "lago: completed 0.00: active t 1 mon",
    "lost: refunded 50.00: cancelled f 1 day",
    "noted: pending 0.00",
    "overdue: completed 0.00: suspended f 1 mon",
    "paid: completed 0.00: active t 1 mon",
    "part: completed 30.00: active t",
    "pending: pending 0.00",
    "renewed: completed 0.00, completed 0.00: active t 2 mons",
    "unpaid: completed 0.00: suspended f 1 mon",
    "won: completed 0.00: active t",
];

/// Their state once providers have reported more.
const AFTER: [&str; 16] = [
    "by hand: completed 10.00: active t", // the provider tells of the same 10.00
    "disputed: completed 0.00: active t", // won
    "due: completed 0.00, completed 0.00: active t", // renewed
    "ended: completed 5.00: cancelled f 1 day",
    "failed: completed 0.00: active t", // the money came after all
    "gone: completed 0.00: active t",   // the refund has failed
    "lago: completed 0.00, completed 0.00: active t 2 mons",
    "lost: refunded 50.00: cancelled f 1 day",
    "noted: completed 20.00: active t", // 20.00 were paid back before the payment was told
    "overdue: completed 0.00, completed 0.00: active t 2 mons",
    "paid: refunded 10.00: cancelled f",
    "part: completed 0.00: active t", // the refund has failed
    "pending: completed 0.00: active t",
    "renewed: completed 0.00, refunded 10.00: active t 1 mon",
    "unpaid: completed 0.00: active t 1 mon", // paid again
    "won: completed 20.00: active t",
];

/// Rows of 1.0.0 keep their meaning: the update changes nothing, and later events have the same effect as if
/// everything had been reported here.
#[test]
fn every_state_of_a_purchase_goes_on_after_the_update() {
    let script = |name: &str| std::fs::read_to_string(harness::paths::root().join("tests/upgrade").join(name)).unwrap();
    let mut client = database("states", "1.0.0");
    client.batch_execute("SET timezone = 'UTC'").unwrap();
    client.batch_execute(&script("states-1.0.0.sql")).unwrap();
    client.batch_execute("ALTER EXTENSION extensions UPDATE").unwrap();
    assert_eq!(stands(&mut client), BEFORE);
    client.batch_execute(&script("told-later.sql")).unwrap();
    assert_eq!(stands(&mut client), AFTER);
    // Again, and nothing changes.
    client.batch_execute("DROP FUNCTION told(text, jsonb), lago_told(text, text, int)").unwrap();
    client.batch_execute(&script("told-later.sql")).unwrap();
    assert_eq!(stands(&mut client), AFTER);
    let problems = "SELECT count(*) FROM check_marketplace() WHERE NOT ok";
    assert_eq!(text(&mut client, problems).unwrap(), "0");
}

#[test]
fn an_upgrade_that_is_rolled_back_leaves_no_trace() {
    let version = versions().remove(0);
    let mut client = database("rolled_back", &version);
    let before = description(&mut client);
    client.batch_execute("BEGIN; ALTER EXTENSION extensions UPDATE; ROLLBACK").unwrap();
    assert_eq!(description(&mut client), before);
}

#[test]
fn owners_stay_who_they_are() {
    let version = versions().remove(0);
    let mut client = database("owned", &version);
    client
        .batch_execute(
            "CREATE ROLE keeper;
             DO $$DECLARE t text; BEGIN
               FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') LOOP
                   EXECUTE format('ALTER TABLE %I OWNER TO keeper', t);
               END LOOP; END$$;
             ALTER EXTENSION extensions UPDATE",
        )
        .unwrap();
    let others = "
        SELECT string_agg(what, ' ') FROM (
            SELECT relname::text, relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
         UNION ALL SELECT proname, proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace) x (what, owner)
         WHERE owner <> 'keeper'::regrole";
    assert_eq!(text(&mut client, others).unwrap(), "guard_marketplace");
}

/// The new library is installed before anybody runs ALTER EXTENSION: until then, the functions of the old version
/// call it.
#[test]
fn the_functions_of_a_released_version_work_with_this_library() {
    for version in versions() {
        let mut client = database(&format!("old_{version}"), &version);
        // CREATE FUNCTION has looked every symbol up already; these run.
        client.batch_execute("SELECT * FROM load_sample_catalog()").unwrap();
        trade(&mut client);
        for call in [
            "SELECT price_cart('eve', 'pro', 'FIRSTBUY')",
            "SELECT * FROM explain_cart('eve')",
            "SELECT * FROM price_carts()",
            "SELECT has_feature('ada', 'agent_platform')",
            "SELECT * FROM user_features('ada')",
            "SELECT * FROM validate_promo_code('FIRSTBUY', 'eve')",
            "SELECT * FROM search_add_ons('agent')",
            "SELECT * FROM check_marketplace()",
            "SELECT * FROM catalog_cache_stats()",
        ] {
            client.batch_execute(call).unwrap_or_else(|error| panic!("{version}: {call}: {error:?}"));
        }
        // Functions that store facts need the update, and say so.
        for call in [
            "SELECT * FROM run_maintenance()",
            "SELECT refund_purchase(id) FROM add_on_purchases WHERE user_id = 'ada'",
            "SELECT complete_checkout(checkout_id) FROM add_on_purchases WHERE user_id = 'bob'",
        ] {
            assert_eq!(refusal(&mut client, call).1, "schema_changed", "{version}: {call}");
        }
        let script = std::fs::read_to_string(released().join(format!("extensions--{version}.sql"))).unwrap();
        let mut symbols = 0;
        for line in script.lines().filter_map(|line| line.strip_prefix("AS 'MODULE_PATHNAME', '")) {
            let symbol = line.trim_end_matches([';', '\'']);
            let create = format!(
                "CREATE FUNCTION pg_temp.resolves_{symbols}() RETURNS void LANGUAGE c AS '$libdir/extensions', '{symbol}'"
            );
            client.batch_execute(&create).unwrap_or_else(|error| panic!("{version}: {error:?}"));
            symbols += 1;
        }
        assert!(symbols > 30, "{version} has {symbols} symbols");
    }
}

#[test]
fn released_scripts_are_what_they_were() {
    let sums = std::fs::read_to_string(released().join("SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (expected, file) = line.split_once("  ").unwrap();
        // The program of coreutils, so that everybody gets the same result from "sha256sum -c".
        let output = Command::new("sha256sum").arg(released().join(file)).output().unwrap();
        let actual = String::from_utf8(output.stdout).unwrap();
        assert!(actual.starts_with(expected), "{file} was released and has been edited since");
    }
    for version in versions() {
        assert!(sums.contains(&format!("  extensions--{version}.sql")), "SHA256SUMS does not know {version}");
    }
    // A version that was released has a way to this one.
    let mut client = Server::shared().connect("postgres");
    for version in versions() {
        let path = format!(
            "SELECT path FROM pg_extension_update_paths('extensions') WHERE source = '{version}' AND target = '{}'",
            current()
        );
        assert!(text(&mut client, &path).is_some(), "there is no way from {version} to {}", current());
    }
}

#[test]
fn there_is_no_way_back_and_no_other_version() {
    let mut client = database("no_way_back", &current());
    assert_eq!(refusal(&mut client, "ALTER EXTENSION extensions UPDATE TO '0.9.0'").0, "22023");
}

/// A function or view that a released version created is a member of the extension, so nobody can have put another in its
/// place. This is also true for a renamed one, because renaming fails if the new name is taken. pgspot cannot know
/// that about what is replaced.
fn replacing_as_creating(script: &str) -> String {
    let released: Vec<String> = versions()
        .iter()
        .map(|version| std::fs::read_to_string(released().join(format!("extensions--{version}.sql"))).unwrap())
        .collect();
    let mut parts = script.split("CREATE OR REPLACE FUNCTION @extschema@.");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        let name = &part[..part.find('(').unwrap()];
        let ways = [format!("CREATE FUNCTION @extschema@.{name}("), format!("FUNCTION \"{name}\"(")];
        let is_renamed = script.contains(&format!(" RENAME TO {name};\n"));
        assert!(is_renamed || released.iter().any(|old| ways.iter().any(|way| old.contains(way))), "{name} is new");
        shown += &format!("CREATE FUNCTION @extschema@.{part}");
    }
    let mut parts = shown.split("CREATE OR REPLACE VIEW @extschema@.");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        let created = format!("CREATE VIEW @extschema@.{}", part.split_inclusive(' ').next().unwrap());
        assert!(released.iter().any(|old| old.contains(&created)), "{created} is new");
        shown += &format!("CREATE VIEW @extschema@.{part}");
    }
    shown
}

/// pgspot cannot read bodies in SQL's own syntax, which PostgreSQL parses when it creates the function: so each is
/// passed to it as a statement of the script. It also objects to the extension's schema in a search_path. Functions
/// in Rust look nothing up by it; it is there for triggers of the owner.
fn for_pgspot(script: &str) -> String {
    let script = script.replace(
        "SET search_path TO pg_catalog, @extschema@, pg_temp\nLANGUAGE c",
        "SET search_path TO pg_catalog, pg_temp\nLANGUAGE c",
    );
    let mut parts = script.split("BEGIN ATOMIC\n");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        let (body, rest) = part.split_once("\nEND;").unwrap();
        shown += &format!("SET search_path = pg_catalog, pg_temp AS $$SELECT 1$$;\n{body}\n{rest}");
    }
    shown
}

#[test]
fn pgspot_finds_nothing_in_the_scripts() {
    let pgspot = paths::cache().join("venv/bin/pgspot");
    let this_version = scripts().join(format!("extensions--{}.sql", current()));
    let upgrades = std::fs::read_dir(paths::root().join("sql")).unwrap().map(|entry| entry.unwrap().path());
    let upgrades = upgrades.filter(|path| path.file_name().unwrap().to_string_lossy().matches("--").count() == 2);
    let check = |script: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script.sql");
        std::fs::write(&file, for_pgspot(&replacing_as_creating(script))).unwrap();
        let output =
            Command::new(&pgspot).arg(&file).output().unwrap_or_else(|error| panic!("{}: {error}", pgspot.display()));
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    for path in upgrades.chain([this_version]) {
        let found = check(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(found.trim(), "Errors: 0 Warnings: 0 Unknown: 0", "{}", path.display());
    }
    // It does find things.
    let found = check("CREATE FUNCTION @extschema@.f() RETURNS text LANGUAGE sql AS $$SELECT now()::text$$;");
    assert!(!found.contains("Errors: 0"), "{found}");
}

/// Users of 1.0.0 in every state that its functions and its hosts have left rows in, ten of each. `kind` says which.
const EVERY_KIND_OF_ROW: &str = "
    SET timezone = 'UTC';
    CREATE TABLE kinds AS
    SELECT i, kind, 'user ' || i AS user_id, (SELECT id FROM add_ons ORDER BY id OFFSET i % 9 LIMIT 1) AS add_on_id,
           now() - interval '10 days' - i * interval '1 minute' AS began, gen_random_uuid() AS checkout_id
      FROM unnest('{granted,granted until,ran out,expired,cancelled,cancelled by a host,suspended,disputed,pending,bought,renewed,without end,
                    extended,refunded,runs out,lago,not paid,later,infinite,since ever,overdue,stripe}'::text[]) WITH ORDINALITY k (kind, n)
     CROSS JOIN LATERAL (SELECT n * 10 + m AS i FROM generate_series(0, 9) m) numbered;
    INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at, auto_renew, cancelled_at, cancellation_reason, lago_subscription_id)
    SELECT user_id, add_on_id,
           CASE WHEN kind IN ('expired', 'pending') THEN kind WHEN kind IN ('cancelled', 'cancelled by a host', 'refunded') THEN 'cancelled'
                WHEN kind IN ('suspended', 'disputed', 'overdue') THEN 'suspended' ELSE 'active' END,
           CASE kind WHEN 'later' THEN now() + interval '3 days' WHEN 'since ever' THEN '-infinity' WHEN 'ran out' THEN began - interval '2 months'
                     WHEN 'expired' THEN began - interval '2 months' WHEN 'renewed' THEN began - interval '1 month' ELSE began END,
           CASE WHEN kind IN ('granted', 'suspended', 'pending', 'without end', 'later') THEN NULL
                WHEN kind IN ('ran out', 'expired') THEN began - interval '1 month' WHEN kind IN ('cancelled', 'refunded') THEN began + interval '2 days'
                WHEN kind = 'extended' THEN began + interval '3 months' WHEN kind = 'infinite' THEN 'infinity' ELSE began + interval '1 month' END,
           kind NOT IN ('cancelled', 'cancelled by a host', 'refunded', 'runs out'),
           CASE WHEN kind IN ('cancelled', 'cancelled by a host', 'refunded', 'runs out') THEN began + interval '2 days' END,
           'words', CASE WHEN kind IN ('lago', 'overdue') THEN 'lago ' || i END
      FROM kinds;
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, stripe_payment_id, lago_invoice_id, status, refund_amount, metadata,
                                  purchased_at, subscription_ends_at)
    SELECT k.user_id, k.add_on_id, 10, CASE WHEN p.n = 1 THEN k.checkout_id END, CASE WHEN k.kind <> 'overdue' AND p.status <> 'failed' THEN 'pi_' || k.i || '_' || p.n END,
           CASE WHEN k.kind = 'overdue' THEN 'in_' || k.i END, p.status, CASE p.status WHEN 'refunded' THEN 10 ELSE 0 END, p.metadata,
           p.at - interval '5 minutes', p.ends
      FROM kinds k
     CROSS JOIN LATERAL (
            SELECT 1 AS n, 'completed' AS status, '{}'::jsonb AS metadata, k.began AS at, k.began + interval '1 month' AS ends
             WHERE k.kind IN ('bought', 'extended', 'runs out')
             UNION ALL
            SELECT n, 'completed', '{}', k.began + (n - 2) * interval '1 month', k.began + (n - 1) * interval '1 month'
              FROM generate_series(1, 2) n WHERE k.kind = 'renewed'
             UNION ALL
            SELECT 1, 'completed', '{}', k.began + interval '5 minutes', NULL WHERE k.kind = 'without end'
             UNION ALL
            SELECT 1, 'failed', '{}', k.began, NULL WHERE k.kind = 'not paid'
             UNION ALL
            SELECT 1, 'disputed', jsonb_build_object('disputes', jsonb_build_object('dp_' || k.i, 'open')), k.began, k.began + interval '1 month' WHERE k.kind = 'disputed'
             UNION ALL
            SELECT 1, 'refunded', '{\"refunded_by_provider\": 1000}', k.began, k.began + interval '1 month' WHERE k.kind = 'refunded'
             UNION ALL
            SELECT 1, 'completed', jsonb_build_object('overdue_invoices', jsonb_build_object('in_late_' || k.i, 'overdue'), 'lago_subscription_id', 'lago ' || k.i),
                   k.began, k.began + interval '1 month' WHERE k.kind = 'overdue'
             UNION ALL
            SELECT 1, 'completed', jsonb_build_object('stripe_subscription_id', 'sub_' || k.i, 'subscription', jsonb_build_object('said_at', 0, 'auto_renew', true)),
                   k.began, k.began + interval '1 month' WHERE k.kind = 'stripe') p;
    CREATE TABLE had AS
    SELECT k.*, u.status, u.purchased_at, u.expires_at, x.at, has_add_on(k.user_id, k.add_on_id, x.at) AS has
      FROM kinds k JOIN user_add_ons u USING (user_id, add_on_id)
     CROSS JOIN LATERAL unnest(ARRAY[now(), now() + interval '1 microsecond', u.purchased_at, u.purchased_at - interval '1 microsecond', u.expires_at,
                                     u.expires_at - interval '1 microsecond', now() + interval '100 years']) x (at)
     WHERE isfinite(x.at)";

#[test]
fn everybody_keeps_the_access_they_had_to_the_second() {
    for version in versions() {
        let mut client = database(&format!("kinds_{version}"), &version);
        client.batch_execute("SELECT * FROM load_sample_catalog()").unwrap();
        client.batch_execute(EVERY_KIND_OF_ROW).unwrap();
        assert_eq!(text(&mut client, "SELECT count(DISTINCT kind) FROM had WHERE has").as_deref(), Some("14"));
        client.batch_execute("ALTER EXTENSION extensions UPDATE").unwrap();
        let changed = |client: &mut Client, after: &str| {
            let asked =
                "SELECT string_agg(DISTINCT kind, ', ') FROM had WHERE has <> has_add_on(user_id, add_on_id, at)";
            assert_eq!(text(client, asked), None, "{version}: {after}");
            let rows = "SELECT string_agg(concat_ws(' ', kind, h.status, h.purchased_at, h.expires_at, '->', u.status, u.purchased_at, u.expires_at), '; ')
                          FROM (SELECT DISTINCT kind, user_id, status, purchased_at, expires_at FROM had) h JOIN user_add_ons u USING (user_id)
                         WHERE (h.status, h.purchased_at, h.expires_at) IS DISTINCT FROM (u.status, u.purchased_at, u.expires_at)";
            assert_eq!(text(client, rows), None, "{version}: {after}");
        };
        changed(&mut client, "updated");
        // The sources say so.
        let explained = "SELECT string_agg(DISTINCT kind, ', ') FROM had h
                          WHERE at >= now() AND has <> (SELECT coalesce(bool_or(live), false) FROM explain_access(h.user_id, h.add_on_id, h.at))";
        assert_eq!(text(&mut client, explained), None);
        // And nothing changes when more is reported about old purchases: a cent is refunded, or an add-on is withheld
        // for a moment.
        client
            .batch_execute("SELECT refund_purchase(id, 0.01) FROM add_on_purchases WHERE status = 'completed'")
            .unwrap();
        changed(&mut client, "a cent is paid back");
        let touched = "SELECT suspend_add_on(user_id, add_on_id), resume_add_on(user_id, add_on_id) FROM user_add_ons WHERE status = 'active'";
        client.batch_execute(touched).unwrap();
        changed(&mut client, "suspended and resumed");
        // A withheld add-on comes back when the reason is gone, and not before.
        client
            .batch_execute(
                "SELECT resolve_dispute(id, true) FROM add_on_purchases WHERE status = 'disputed';
                 SELECT apply_lago_event(jsonb_build_object('webhook_type', 'invoice.payment_status_updated', 'object_type', 'invoice', 'invoice',
                            jsonb_build_object('lago_id', 'in_late_' || i, 'payment_status', 'succeeded', 'currency', 'USD', 'total_amount_cents', 1000,
                                               'subscriptions', jsonb_build_array(jsonb_build_object('lago_id', 'lago ' || i)))))
                   FROM kinds WHERE kind = 'overdue'",
            )
            .unwrap();
        let back = "SELECT string_agg(DISTINCT kind, ', ' ORDER BY kind) FROM kinds WHERE kind IN ('disputed', 'overdue', 'suspended') AND has_add_on(user_id, add_on_id)";
        assert_eq!(text(&mut client, back).as_deref(), Some("disputed, overdue"));
    }
}

/// Traps that an owner without superuser rights has set for an update: triggers, a replaced function, a check, a
/// default, a view.
const IN_THE_WAY: &str = "
    CREATE SEQUENCE public.strikes; GRANT ALL ON public.strikes TO PUBLIC;
    CREATE FUNCTION public.strike() RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
        attempt text;
    BEGIN
        PERFORM nextval('public.strikes');
        FOREACH attempt IN ARRAY ARRAY['SELECT 1', 'RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE postgres'] LOOP
            BEGIN
                EXECUTE attempt;
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
            IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
                EXECUTE format('ALTER ROLE %I SUPERUSER', (SELECT tableowner FROM pg_tables WHERE tablename = 'add_ons'));
            END IF;
        END LOOP;
        RETURN true;
    END $$;
    CREATE FUNCTION public.strike_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.strike(); RETURN NEW; END $$;
    CREATE FUNCTION public.strike_for(value anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.strike(); END $$;
    ALTER TABLE add_on_purchases DISABLE TRIGGER USER; ALTER TABLE promotional_codes DISABLE TRIGGER USER;
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id) SELECT 'eve', id, 1, gen_random_uuid() FROM add_ons LIMIT 1;
    UPDATE add_on_purchases SET currency = 'usd', stripe_payment_id = 'pi_1',
           metadata = metadata || '{\"disputes\": {\"dp_1\": \"won\"}, \"stripe_subscription_id\": \"sub_1\"}';
    ALTER TABLE add_on_purchases ENABLE TRIGGER USER; ALTER TABLE promotional_codes ENABLE TRIGGER USER;
    CREATE TRIGGER aa_strike BEFORE UPDATE ON add_on_purchases FOR EACH ROW EXECUTE FUNCTION public.strike_row();
    CREATE TRIGGER zz_strike AFTER UPDATE ON add_on_purchases EXECUTE FUNCTION public.strike_row();
    CREATE TRIGGER aa_strike BEFORE UPDATE ON promotional_codes EXECUTE FUNCTION public.strike_row();
    ALTER TABLE add_on_purchases ADD CONSTRAINT strike CHECK (public.strike_for(currency)) NOT VALID;
    ALTER TABLE add_on_features ADD CONSTRAINT strike CHECK (public.strike_for(feature_key)) NOT VALID;
    CREATE INDEX ON add_on_purchases (public.strike_for(currency));
    CREATE POLICY strike ON add_on_purchases USING (public.strike()) WITH CHECK (public.strike());
    ALTER TABLE add_on_purchases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.strike(); RETURN NEW; END $$";

/// The script runs as a superuser, whoever runs the update.
#[test]
fn an_update_runs_no_code_of_the_owner_as_a_superuser() {
    for (number, version) in versions().into_iter().enumerate() {
        drop(database(&format!("scripts_{number}"), &version));
        if version == current() {
            continue;
        }
        for updater in ["updated_owner", "postgres"] {
            let (name, owner) = (format!("{updater}_{number}"), format!("owner_of_{updater}_{number}"));
            let server = Server::shared();
            let mut superuser = server.connect("postgres");
            superuser.batch_execute(&format!("CREATE ROLE {owner} LOGIN")).unwrap();
            superuser.batch_execute(&format!("CREATE DATABASE {name} OWNER {owner}")).unwrap();
            // Whose tables they are is for the superuser to say in that version.
            let mut installing = server.connect(&name);
            installing
                .batch_execute(&format!(
                    "SET SESSION AUTHORIZATION {owner}; CREATE EXTENSION extensions VERSION '{version}'; RESET SESSION AUTHORIZATION;
                     DO $$ DECLARE t text; BEGIN
                       FOR t IN SELECT format('TABLE %s', c.oid::regclass) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
                                 UNION ALL SELECT format('FUNCTION %s', p.oid::regprocedure) FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace LOOP
                         EXECUTE format('ALTER %s OWNER TO {owner}', t);
                       END LOOP; END $$"
                ))
                .unwrap();
            let mut client = server.config(&name).user(&owner).connect(postgres::NoTls).unwrap();
            client.batch_execute("SELECT load_sample_catalog()").unwrap();
            client.batch_execute(IN_THE_WAY).unwrap();
            let strikes = "SELECT last_value FROM strikes";
            let before: i64 = client.query_one(strikes, &[]).unwrap().get(0);
            let role = if updater == "postgres" { updater } else { &owner };
            let mut updating = server.config(&name).user(role).connect(postgres::NoTls).unwrap();
            updating
                .batch_execute("ALTER EXTENSION extensions UPDATE")
                .unwrap_or_else(|error| panic!("{role}: {error:?}"));
            let is_superuser = format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{owner}'");
            assert_eq!(text(&mut superuser, &is_superuser).unwrap(), "f", "{version} by {role}");
            let after: i64 = client.query_one(strikes, &[]).unwrap().get(0);
            assert!(after > before, "{version} by {role}: the owner's code ran, with the owner's rights");
            assert_eq!(
                text(&mut client, "SELECT currency || ' ' || (facts IS NOT NULL) FROM add_on_purchases").unwrap(),
                "USD true"
            );
        }
    }
}
