//! The catalog cache shows each query what its own snapshot would find, whatever happens elsewhere.

use harness::clients::{Session, connect};
use harness::{BOLT, BRIGADE, Server, marketplace, refusal, text};
use postgres::Client;

const PRICE: &str = "SELECT price_add_on('a0000000-0000-4000-8000-000000000003')";
const HAS_AGENTS: &str = "SELECT has_feature('ada', 'agent_platform')";

/// A database in which Brigade costs 19.99 and ada owns it, and a session that has asked for both.
fn warm(database: &str, isolation: &str) -> (Client, Client) {
    let mut other = marketplace(database);
    other.batch_execute(&format!("SELECT * FROM grant_add_on('ada', '{BRIGADE}')")).unwrap();
    let mut session = connect(database, isolation);
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    assert_eq!(text(&mut session, HAS_AGENTS).unwrap(), "t");
    (session, other)
}

fn set_price(client: &mut Client, price: u32) {
    client.batch_execute(&format!("UPDATE add_ons SET base_price = {price} WHERE id = '{BRIGADE}'")).unwrap();
}

/// One of the numbers of `catalog_cache_stats()`.
fn statistic(client: &mut Client, name: &str) -> i64 {
    text(client, &format!("SELECT {name} FROM catalog_cache_stats()")).unwrap().parse().unwrap()
}

/// How much an action increases one of the numbers. The other tests announce so many changes that a session's cache
/// may be emptied at any time, so the smallest increase of a few attempts is the action's own.
fn growth(client: &mut Client, name: &str, mut through: impl FnMut(&mut Client)) -> i64 {
    let mut attempt = || {
        let before = statistic(client, name);
        through(client);
        statistic(client, name) - before
    };
    (0..5).map(|_| attempt()).min().unwrap()
}

#[test]
fn cached_entries_are_not_read_again() {
    let (mut session, _other) = warm("kept", "read committed");
    let ask = |session: &mut Client| {
        for _ in 0..10 {
            text(session, PRICE);
            text(session, HAS_AGENTS);
        }
    };
    assert_eq!(growth(&mut session, "loads", ask), 0);
    assert!(growth(&mut session, "hits", ask) >= 18);
    assert!(statistic(&mut session, "entries") >= 2 && statistic(&mut session, "bytes") > 100);
}

#[test]
fn a_commit_elsewhere_is_seen_by_the_next_statement() {
    let (mut session, mut other) = warm("committed", "read committed");
    set_price(&mut other, 5);
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
    // Also in a transaction that is open already, whose statements lock no table of their own.
    session.batch_execute("BEGIN").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
    set_price(&mut other, 6);
    assert_eq!(text(&mut session, PRICE).unwrap(), "6.00");
    other.batch_execute("BEGIN").unwrap();
    set_price(&mut other, 7);
    assert_eq!(text(&mut session, PRICE).unwrap(), "6.00");
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "7.00");
    session.batch_execute("COMMIT").unwrap();
    for (change, expected) in [
        ("UPDATE add_on_features SET enabled = false WHERE feature_key = 'agent_platform'", "f"),
        ("DELETE FROM add_on_features WHERE feature_key = 'agent_platform'", "t"), // add_ons.features still lists it
        ("UPDATE add_ons SET features = features - 'agent_platform'", "f"),
        (
            "INSERT INTO add_on_features (add_on_id, feature_key) SELECT id, 'agent_platform' FROM add_ons WHERE name = 'Brigade'",
            "t",
        ),
        ("TRUNCATE add_on_features", "f"),
    ] {
        other.batch_execute(change).unwrap();
        assert_eq!(text(&mut session, HAS_AGENTS).unwrap(), expected, "{change}");
    }
    for (change, expected) in [
        ("INSERT INTO pricing_rules (add_on_id, discount_percent) SELECT id, 100 FROM add_ons", "0.00"),
        ("UPDATE pricing_rules SET is_active = false", "7.00"),
        ("UPDATE pricing_rules SET is_active = true, discount_percent = 0, discount_amount = 1", "6.00"),
        ("TRUNCATE pricing_rules", "7.00"),
    ] {
        other.batch_execute(change).unwrap();
        assert_eq!(text(&mut session, PRICE).unwrap(), expected, "{change}");
    }
}

#[test]
fn own_changes_are_seen_and_their_undoing_too() {
    let (mut session, _other) = warm("own", "read committed");
    session.batch_execute("BEGIN").unwrap();
    set_price(&mut session, 5);
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
    session.batch_execute("SAVEPOINT s").unwrap();
    set_price(&mut session, 6);
    assert_eq!(text(&mut session, PRICE).unwrap(), "6.00");
    session.batch_execute("ROLLBACK TO s").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
    assert!(session.batch_execute("SELECT 1 / 0").is_err());
    session.batch_execute("ROLLBACK").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    session
        .batch_execute(&format!(
            "DO $$ BEGIN
               UPDATE add_ons SET base_price = 8 WHERE id = '{BRIGADE}';
               ASSERT price_add_on('{BRIGADE}') = 8;
               RAISE division_by_zero;
             EXCEPTION WHEN division_by_zero THEN ASSERT price_add_on('{BRIGADE}') = 19.99;
             END $$"
        ))
        .unwrap();
    // A transaction that is prepared is as good as undone until it is committed.
    session.batch_execute("BEGIN").unwrap();
    set_price(&mut session, 9);
    assert_eq!(text(&mut session, PRICE).unwrap(), "9.00");
    session.batch_execute("PREPARE TRANSACTION 'nine'").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    session.batch_execute("COMMIT PREPARED 'nine'").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "9.00");
}

#[test]
fn a_query_does_not_see_what_it_changes_itself() {
    let (mut session, _other) = warm("inside", "read committed");
    session
        .batch_execute(&format!(
            "CREATE FUNCTION change() RETURNS numeric LANGUAGE plpgsql AS $$ BEGIN
               UPDATE add_ons SET base_price = base_price + 1 WHERE id = '{BRIGADE}';
               RETURN price_add_on('{BRIGADE}');
             END $$"
        ))
        .unwrap();
    // Not constant, or the planner would compute it beforehand.
    let price = "price_add_on(id)";
    let query = format!(
        "SELECT concat_ws(' ', {price}, change(), {price}, change(), {price}) FROM add_ons WHERE id = '{BRIGADE}'"
    );
    assert_eq!(text(&mut session, &query).unwrap(), "19.99 20.99 19.99 21.99 19.99");
    assert_eq!(text(&mut session, PRICE).unwrap(), "21.99");
}

#[test]
fn a_transaction_with_one_snapshot_keeps_its_prices() {
    for isolation in ["repeatable read", "serializable"] {
        let (mut session, mut other) = warm(&format!("fixed_{}", &isolation[..4]), isolation);
        session.batch_execute("BEGIN").unwrap();
        assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
        set_price(&mut other, 5);
        other.batch_execute("UPDATE add_on_features SET enabled = false").unwrap();
        for _ in 0..3 {
            assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
            assert_eq!(text(&mut session, HAS_AGENTS).unwrap(), "t");
            // An entry that was never requested before is also read as of then.
            assert_eq!(text(&mut session, &format!("SELECT price_add_on('{BOLT}')")).unwrap(), "14.99");
            other
                .batch_execute(&format!("UPDATE add_ons SET base_price = base_price + 1 WHERE id = '{BOLT}'"))
                .unwrap();
        }
        session.batch_execute("COMMIT").unwrap();
        assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
        assert_eq!(text(&mut session, HAS_AGENTS).unwrap(), "f");
        assert_eq!(text(&mut session, &format!("SELECT price_add_on('{BOLT}')")).unwrap(), "17.99");
    }
}

#[test]
fn serializable_transactions_notice_that_a_price_they_read_has_changed() {
    let (mut one, mut two) = warm("skew", "serializable");
    two.batch_execute("SET default_transaction_isolation = 'serializable'").unwrap();
    for _ in 0..2 {
        one.batch_execute("BEGIN").unwrap();
        two.batch_execute("BEGIN").unwrap();
        // Each reads the price that the other changes.
        assert!(text(&mut one, PRICE).is_some());
        assert!(text(&mut two, &format!("SELECT price_add_on('{BOLT}')")).is_some());
        one.batch_execute(&format!("UPDATE add_ons SET base_price = base_price + 1 WHERE id = '{BOLT}'")).unwrap();
        let second =
            two.batch_execute(&format!("UPDATE add_ons SET base_price = base_price + 1 WHERE id = '{BRIGADE}'"));
        let commits = [one.batch_execute("COMMIT"), second.and_then(|()| two.batch_execute("COMMIT"))];
        let refused = commits.iter().filter_map(|commit| commit.as_ref().err()).collect::<Vec<_>>();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].code().unwrap().code(), "40001");
        two.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_cursor_keeps_the_prices_of_its_beginning() {
    let (mut session, mut other) = warm("cursors", "read committed");
    session
        .batch_execute(&format!(
            "BEGIN; DECLARE c CURSOR FOR SELECT price_add_on(id) FROM add_ons, generate_series(1, 5) WHERE id = '{BRIGADE}'"
        ))
        .unwrap();
    assert_eq!(text(&mut session, "FETCH c").unwrap(), "19.99");
    set_price(&mut other, 5);
    assert_eq!(text(&mut session, "FETCH c").unwrap(), "19.99");
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
    assert_eq!(text(&mut session, "FETCH c").unwrap(), "19.99");
    set_price(&mut other, 6);
    assert_eq!(text(&mut session, PRICE).unwrap(), "6.00");
    assert_eq!(text(&mut session, "FETCH c").unwrap(), "19.99");
    session.batch_execute("COMMIT").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "6.00");
}

#[test]
fn a_statement_that_began_before_a_change_does_not_leave_its_old_prices_behind() {
    let (warmed, mut other) = warm("long", "read committed");
    drop(warmed);
    for is_warm in [true, false] {
        let mut session = Session::new("long", "read committed");
        other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7)").unwrap();
        if is_warm {
            assert!(session.step(PRICE).is_ok());
        }
        let old = text(&mut other, PRICE).unwrap();
        // While it waits for the lock, the session receives the change, and then asks again under its old snapshot.
        let before = if is_warm { "price_add_on(id), " } else { "" };
        let pending = session.waits(&format!(
            "SELECT concat_ws(' ', {before}pg_advisory_xact_lock(7), price_add_on(id), price_add_on(id))
               FROM add_ons WHERE id = '{BRIGADE}'"
        ));
        other
            .batch_execute(&format!("UPDATE add_ons SET base_price = base_price + 1 WHERE id = '{BRIGADE}'; COMMIT"))
            .unwrap();
        let answer = pending.answer().unwrap().unwrap();
        assert_eq!(answer.split_whitespace().collect::<Vec<_>>(), vec![old.as_str(); if is_warm { 3 } else { 2 }]);
        let new = text(&mut other, PRICE).unwrap();
        assert_ne!(new, old);
        let mut again = connect("long", "read committed");
        assert_eq!(text(&mut again, PRICE).unwrap(), new);
    }
}

#[test]
fn the_same_session_goes_on_with_new_prices_after_such_a_statement() {
    let (mut session, mut other) = warm("goes_on", "read committed");
    // While the query runs, another session changes the price and commits.
    let link = format!("host={} user=postgres dbname=goes_on", Server::shared().folder().display());
    let available = "SELECT count(*)::text FROM pg_available_extensions WHERE name = 'dblink'";
    if text(&mut session, available).as_deref() == Some("1") {
        session.batch_execute("CREATE EXTENSION dblink").unwrap();
        let change = format!("UPDATE add_ons SET base_price = 5 WHERE id = ''{BRIGADE}''");
        let query = format!(
            "SELECT concat_ws(' ', price_add_on(id), length(dblink_exec('{link}', '{change}')), price_add_on(id), has_feature('ada', 'agent_platform'))
               FROM add_ons WHERE id = '{BRIGADE}'"
        );
        assert_eq!(text(&mut session, &query).unwrap(), "19.99 8 19.99 t");
    } else {
        set_price(&mut other, 5);
    }
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
}

#[test]
fn uses_are_never_kept_and_do_not_empty_the_cache() {
    let (mut session, mut other) = warm("uses", "read committed");
    other.batch_execute("UPDATE add_on_bundles SET max_uses = 2").unwrap();
    let fill = "SELECT count(*) FROM (VALUES ('ada'), ('bob'), ('eve')) u (id), add_ons a, add_to_cart(u.id, a.id)
                 WHERE a.name IN ('Brigade', 'Bolt', 'Vector Search')";
    assert_eq!(text(&mut other, fill).unwrap(), "9");
    assert_eq!(text(&mut session, "SELECT cart_total('eve')").unwrap(), "39.98");
    other.batch_execute("SELECT * FROM checkout('ada')").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('eve')").unwrap(), "39.98");
    other.batch_execute("SELECT * FROM checkout('bob', promo_code => 'launch2025')").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('eve')").unwrap(), "49.97");
    other.batch_execute("UPDATE add_on_bundles SET max_uses = 3").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('eve')").unwrap(), "39.98");
    other.batch_execute("UPDATE add_on_bundles SET max_uses = 100").unwrap();
    let mut users = 0..;
    let sell = |session: &mut Client| {
        let user = format!("user {}", users.next().unwrap());
        let sold = format!(
            "SELECT count(*) FROM add_ons a, add_to_cart('{user}', a.id) WHERE a.name IN ('Brigade', 'Bolt', 'Vector Search');
             SELECT * FROM checkout('{user}', promo_code => 'launch2025')"
        );
        other.batch_execute(&sold).unwrap();
        assert_eq!(text(session, "SELECT cart_total('eve')").unwrap(), "39.98");
    };
    assert_eq!(growth(&mut session, "invalidations", sell), 0);
    let change = |session: &mut Client| {
        connect("uses", "read committed").batch_execute("UPDATE add_on_bundles SET max_uses = max_uses + 1").unwrap();
        assert_eq!(text(session, "SELECT cart_total('eve')").unwrap(), "39.98");
    };
    assert_eq!(growth(&mut session, "invalidations", change), 1);
}

#[test]
fn memory_is_bounded_and_prices_stay_right() {
    let (mut session, mut other) = warm("bounded", "read committed");
    other
        .batch_execute(
            "INSERT INTO add_ons (name, category, base_price, billing_type, features)
             SELECT 'number ' || n, 'analytics', n, 'monthly', jsonb_build_array('feature ' || n) FROM generate_series(1, 3000) n;
             INSERT INTO pricing_rules (add_on_id, discount_amount) SELECT id, 1 FROM add_ons WHERE name LIKE 'number %'",
        )
        .unwrap();
    let wrong = "SELECT count(*) FROM add_ons WHERE name LIKE 'number %' AND price_add_on(id) <> base_price - 1";
    // Brigade is all that ada owns.
    let features = "SELECT count(*) FROM add_ons a, add_ons brigade
                     WHERE brigade.name = 'Brigade' AND has_feature('ada', a.features ->> 0) <> (brigade.features ? (a.features ->> 0))";
    for size in [64, 256, 0] {
        session.batch_execute(&format!("SET extensions.catalog_cache_size = '{size}kB'")).unwrap();
        for _ in 0..2 {
            assert_eq!(text(&mut session, wrong).unwrap(), "0");
            assert_eq!(text(&mut session, features).unwrap(), "0");
        }
        let bytes = statistic(&mut session, "bytes");
        assert!(bytes <= size * 1024, "{bytes} bytes in {size} kB");
        assert!(size == 0 || bytes > size * 1024 / 2, "{bytes} bytes of {size} kB are used");
    }
    session.batch_execute("RESET extensions.catalog_cache_size").unwrap();
    assert_eq!(text(&mut session, wrong).unwrap(), "0");
    let ask = |session: &mut Client| assert_eq!(text(session, wrong).unwrap(), "0");
    assert_eq!(growth(&mut session, "loads", ask), 0, "the usual size holds 3000 add-ons");
}

#[test]
fn cached_rows_are_not_shown_to_a_role_without_rights() {
    // Roles belong to a whole server, and what changes with them empties every cache there.
    let server = Server::start("");
    let [mut other, mut session] = [(); 2].map(|()| server.connect("postgres"));
    other.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    other
        .batch_execute(
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
             CREATE ROLE reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
             CREATE ROLE stranger;
             CREATE ROLE tenant; GRANT SELECT ON ALL TABLES IN SCHEMA public TO tenant",
        )
        .unwrap();
    session.batch_execute("SET ROLE reader").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    session.batch_execute("SET ROLE stranger").unwrap();
    assert_eq!(refusal(&mut session, PRICE).0, "42501");
    session.batch_execute("SET ROLE reader").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    other.batch_execute("REVOKE SELECT ON add_ons FROM reader").unwrap();
    assert_eq!(refusal(&mut session, PRICE).0, "42501");
    // Privileges of a group, too.
    other
        .batch_execute(
            "CREATE ROLE crowd; GRANT SELECT ON ALL TABLES IN SCHEMA public TO crowd; GRANT crowd TO stranger",
        )
        .unwrap();
    session.batch_execute("SET ROLE stranger").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    other.batch_execute("REVOKE crowd FROM stranger").unwrap();
    assert_eq!(refusal(&mut session, PRICE).0, "42501");
    // With policies, rows may come and go without any change.
    session.batch_execute("SET ROLE tenant").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    other
        .batch_execute(
            "ALTER TABLE add_ons ENABLE ROW LEVEL SECURITY;
             CREATE POLICY by_setting ON add_ons USING (name = current_setting('test.visible', true))",
        )
        .unwrap();
    assert_eq!(refusal(&mut session, PRICE).1, "add_on_not_found");
    session.batch_execute("SET test.visible = 'Brigade'").unwrap();
    assert_eq!(text(&mut session, PRICE).unwrap(), "19.99");
    session.batch_execute("SET test.visible = 'Bolt'").unwrap();
    assert_eq!(refusal(&mut session, PRICE).1, "add_on_not_found");
}

#[test]
fn the_cache_is_emptied_when_the_extension_is_dropped_and_created_again() {
    let (mut session, mut other) = warm("reborn", "read committed");
    for schema in ["public", "elsewhere"] {
        other
            .batch_execute(&format!(
                "DROP EXTENSION extensions; CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION extensions SCHEMA {schema};
                 SELECT * FROM {schema}.load_sample_catalog(); UPDATE {schema}.add_ons SET base_price = 3"
            ))
            .unwrap();
        let price = format!("SELECT {schema}.price_add_on('{BRIGADE}'), {schema}.has_feature('ada', 'agent_platform')");
        assert_eq!(text(&mut session, &price).unwrap(), "3.00");
        session
            .batch_execute(&format!(
                "DROP EXTENSION extensions; CREATE EXTENSION extensions SCHEMA {schema};
                 SELECT * FROM {schema}.load_sample_catalog(); UPDATE {schema}.add_ons SET base_price = 4"
            ))
            .unwrap();
        assert_eq!(text(&mut session, &price).unwrap(), "4.00");
        assert_eq!(text(&mut other, &price).unwrap(), "4.00");
    }
}

#[test]
fn the_cache_is_right_in_parallel_workers_and_in_their_leader() {
    let (mut session, mut other) = warm("workers", "read committed");
    let setting = if harness::paths::major() < 16 { "force_parallel_mode" } else { "debug_parallel_query" };
    session
        .batch_execute(&format!(
            "SET {setting} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
             SET parallel_leader_participation = on"
        ))
        .unwrap();
    let total = "SELECT sum(price_add_on(id)) FROM add_ons";
    assert_eq!(text(&mut session, total).unwrap(), "162.91");
    set_price(&mut other, 20);
    assert_eq!(text(&mut session, total).unwrap(), "162.92");
    session.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").unwrap();
    assert_eq!(text(&mut session, total).unwrap(), "162.92");
    set_price(&mut other, 21);
    assert_eq!(text(&mut session, total).unwrap(), "162.92");
    session.batch_execute("COMMIT").unwrap();
    assert_eq!(text(&mut session, total).unwrap(), "163.92");
}

#[test]
fn changes_are_announced_where_ordinary_triggers_do_not_fire() {
    let (mut session, mut other) = warm("replica", "read committed");
    other.batch_execute("SET session_replication_role = replica").unwrap();
    set_price(&mut other, 5);
    assert_eq!(text(&mut session, PRICE).unwrap(), "5.00");
}
