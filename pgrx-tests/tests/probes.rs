//! Rows that functions find by reading an index themselves are those that the query finds; and if an index alone
//! cannot decide, the query is what runs.
//!
//! On a preview too, because indexes are read by functions inside a server.

use harness::clients::connect;
use harness::{Server, marketplace, refusal, text};
use postgres::{Client, NoTls};

/// Users who own add-ons, some of them expired, and have carts; and a role that may read.
const PEOPLE: &str = "
    INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at)
    SELECT 'user ' || n, a.id, (ARRAY['active', 'active', 'suspended', 'cancelled'])[1 + n % 4], now() + interval '1 day' * (n % 3 - 2),
           CASE WHEN n % 5 > 1 THEN now() + interval '1 day' * (n % 7 - 1) END
      FROM generate_series(1, 60) n JOIN add_ons a ON (n + a.sort_order / 10) % 3 = 0;
    INSERT INTO cart_items (user_id, add_on_id, quantity, added_at)
    SELECT 'user ' || n, a.id, 1 + n % 4, now() - interval '1 minute' * (n * 7 % 5) FROM generate_series(1, 60) n JOIN add_ons a ON n % 2 = 0;
    DO $$ BEGIN CREATE ROLE probing LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
    GRANT USAGE ON SCHEMA public TO probing; GRANT SELECT ON ALL TABLES IN SCHEMA public TO probing;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO probing; ANALYZE";

/// A database with them, and a session of that role.
fn people(name: &str) -> (Client, Client) {
    let mut owner = marketplace(name);
    owner.batch_execute(PEOPLE).unwrap();
    let reader = Server::shared().config(name).user("probing").connect(NoTls).unwrap();
    (owner, reader)
}

/// The number of questions about users' add-ons and carts whose answer differs from the tables.
const DIFFERENCES: &str = "
    SELECT (SELECT count(*) FROM generate_series(0, 61) n CROSS JOIN add_ons a
             WHERE has_add_on('user ' || n, a.id)
                <> EXISTS (SELECT FROM user_add_ons u WHERE u.user_id = 'user ' || n AND u.add_on_id = a.id AND u.status = 'active'
                                                        AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now())))
         + (SELECT count(*) FROM generate_series(0, 61) n
             WHERE (SELECT array_agg(l ->> 'add_on_id') FROM jsonb_array_elements(price_cart('user ' || n) -> 'lines') l)
                   IS DISTINCT FROM
                   (SELECT array_agg(c.add_on_id::text ORDER BY c.added_at, c.add_on_id) FROM cart_items c WHERE c.user_id = 'user ' || n))";

/// Makes a session compare, and returns whether it planned queries for that.
fn compare(session: &mut Client) -> bool {
    assert_eq!(text(session, DIFFERENCES).unwrap(), "0");
    let owned =
        text(session, "SELECT count(*) FROM generate_series(0, 61) n, add_ons a WHERE has_add_on('user ' || n, a.id)");
    assert_ne!(owned.unwrap(), "0", "there is nothing to find");
    plans(session)
}

/// Whether the session has a plan of a query that could be a probe.
fn plans(session: &mut Client) -> bool {
    let kept = "SELECT count(*) > 0 FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident LIKE '%user_add_ons t WHERE%'";
    text(session, kept).unwrap() == "t"
}

#[test]
fn an_index_is_read_without_a_plan() {
    let (mut owner, mut reader) = people("probes");
    // Only a superuser may look into the memory of a session.
    assert!(!compare(&mut owner));
    assert_eq!(text(&mut reader, DIFFERENCES).unwrap(), "0");
}

#[test]
fn whatever_else_decides_is_left_to_the_planner() {
    for (database, change) in [
        ("probes_dropped", "ALTER TABLE user_add_ons DROP CONSTRAINT user_add_ons_user_add_on_key"),
        (
            "probes_collation",
            "ALTER TABLE user_add_ons DROP CONSTRAINT user_add_ons_user_add_on_key;
             CREATE UNIQUE INDEX other ON user_add_ons (user_id COLLATE \"POSIX\", add_on_id)",
        ),
        (
            "probes_partial",
            "ALTER TABLE user_add_ons DROP CONSTRAINT user_add_ons_user_add_on_key;
             CREATE UNIQUE INDEX other ON user_add_ons (user_id, add_on_id) WHERE status = 'active'",
        ),
        (
            "probes_heirs",
            "CREATE TABLE more () INHERITS (user_add_ons);
                          INSERT INTO more (user_id, add_on_id) SELECT 'user 61', id FROM add_ons",
        ),
        ("probes_policy", "ALTER TABLE user_add_ons ENABLE ROW LEVEL SECURITY"),
    ] {
        let (mut owner, _) = people(database);
        assert!(!compare(&mut owner));
        owner.batch_execute(change).unwrap();
        assert!(compare(&mut owner), "{change}");
        // A session that begins with it, too.
        assert!(compare(&mut connect(database, "read committed")), "{change}");
    }
}

#[test]
fn a_new_index_is_read_as_soon_as_it_is_there() {
    let (mut owner, _) = people("probes_new");
    owner.batch_execute("ALTER TABLE user_add_ons DROP CONSTRAINT user_add_ons_user_add_on_key").unwrap();
    owner.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY again ON user_add_ons (user_id, add_on_id)").unwrap();
    assert!(!compare(&mut owner));
    let mut other = connect("probes_new", "read committed");
    assert!(!compare(&mut other));
    owner.batch_execute("REINDEX INDEX CONCURRENTLY again").unwrap();
    assert!(!compare(&mut other));
    owner.batch_execute("DROP INDEX again").unwrap();
    assert!(compare(&mut other));
}

#[test]
fn probes_refuse_a_role_without_select() {
    let (mut owner, mut reader) = people("probes_privileges");
    let asked = "SELECT has_add_on('user 3', (SELECT min(id::text)::uuid FROM add_ons))";
    text(&mut reader, asked);
    owner.batch_execute("REVOKE SELECT ON user_add_ons FROM probing").unwrap();
    assert_eq!(refusal(&mut reader, asked).0, "42501");
    owner
        .batch_execute("GRANT SELECT (user_id, add_on_id, status, purchased_at, expires_at) ON user_add_ons TO probing")
        .unwrap();
    text(&mut reader, asked);
    owner.batch_execute("REVOKE SELECT (status) ON user_add_ons FROM probing").unwrap();
    assert_eq!(refusal(&mut reader, asked).0, "42501");
    owner.batch_execute("GRANT SELECT ON user_add_ons TO probing").unwrap();
    text(&mut reader, asked);
    // Policies hold from the next statement on.
    let owned = "SELECT count(*) FROM generate_series(0, 61) n, add_ons a WHERE has_add_on('user ' || n, a.id)";
    assert_ne!(text(&mut reader, owned).unwrap(), "0");
    owner.batch_execute("ALTER TABLE user_add_ons ENABLE ROW LEVEL SECURITY").unwrap();
    assert_eq!(text(&mut reader, owned).unwrap(), "0");
}

#[test]
fn rows_are_those_of_the_snapshot() {
    let (mut owner, _) = people("probes_snapshot");
    owner
        .batch_execute(
            "UPDATE user_add_ons SET status = 'active', expires_at = NULL, purchased_at = now() - interval '1 day'",
        )
        .unwrap();
    let owned = "SELECT count(*) FROM generate_series(0, 61) n, add_ons a WHERE has_add_on('user ' || n, a.id)";
    let all = text(&mut owner, owned).unwrap();
    let mut keeping = connect("probes_snapshot", "repeatable read");
    keeping.batch_execute("BEGIN").unwrap();
    assert_eq!(text(&mut keeping, owned).unwrap(), all);
    owner.batch_execute("UPDATE user_add_ons SET status = 'cancelled'").unwrap();
    assert_eq!(text(&mut keeping, owned).unwrap(), all);
    assert_eq!(text(&mut owner, owned).unwrap(), "0");
    keeping.batch_execute("COMMIT").unwrap();
    assert_eq!(text(&mut keeping, owned).unwrap(), "0");
    // A statement does not see what it writes itself.
    let written =
        "WITH w AS (UPDATE user_add_ons SET status = 'active' WHERE user_id = 'user 3' RETURNING user_id, add_on_id)
                   SELECT bool_or(has_add_on(user_id, add_on_id)) FROM w";
    assert_eq!(text(&mut owner, written).unwrap(), "f");
    assert_eq!(
        text(&mut owner, "SELECT bool_and(has_add_on(user_id, add_on_id)) FROM user_add_ons WHERE user_id = 'user 3'")
            .unwrap(),
        "t"
    );
    // An error in the middle leaves nothing open.
    owner.batch_execute("BEGIN; SAVEPOINT s").unwrap();
    assert!(owner.batch_execute("SELECT has_add_on('user 3', add_on_id), 1 / 0 FROM user_add_ons").is_err());
    owner.batch_execute("ROLLBACK TO s").unwrap();
    assert_ne!(text(&mut owner, owned).unwrap(), "0");
    owner.batch_execute("COMMIT").unwrap();
}

#[test]
fn no_code_of_the_owner_runs_when_indexes_are_looked_at() {
    let (mut owner, _) = people("probes_owner");
    // A superuser's query on tables of an owner without superuser rights, who has made an index whose predicate runs
    // code when it is simplified.
    owner
        .batch_execute(
            "DO $$ BEGIN CREATE ROLE owning LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
             GRANT CREATE, USAGE ON SCHEMA public TO owning;
             DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                   LOOP EXECUTE format('ALTER TABLE %I OWNER TO owning', t); END LOOP; END $$;
             SET ROLE owning; CREATE SEQUENCE looks;
             CREATE FUNCTION look() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
                 'BEGIN IF current_user <> ''owning'' THEN RAISE EXCEPTION ''looked as %'', current_user; END IF; RETURN true; END';
             ALTER TABLE user_add_ons DROP CONSTRAINT user_add_ons_user_add_on_key;
             CREATE INDEX other ON user_add_ons (user_id, add_on_id) WHERE look(); RESET ROLE",
        )
        .unwrap();
    let mut other = connect("probes_owner", "read committed");
    for asked in [
        "SELECT bool_or(has_add_on('user ' || n, 'a0000000-0000-4000-8000-000000000003')) FROM generate_series(0, 61) n",
        "SELECT bool_or(has_feature('user ' || n, 'agent_platform')) FROM generate_series(0, 61) n",
        "SELECT count(*) FROM generate_series(0, 61) n, feature_usage('user ' || n, 'agent_platform')",
    ] {
        assert!(text(&mut other, asked).is_some());
    }
    assert!(plans(&mut other));
    // It would be noticed.
    assert!(other.batch_execute("SELECT FROM user_add_ons WHERE user_id = 'user 3'").is_err());
}
