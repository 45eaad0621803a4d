//! Entitlement checks of a column, which the planner turns into EXISTS: the answers stay those of the function.
//!
//! On a preview too, because the planner's nodes are another's from one major to the next.

use harness::{Server, add_on, marketplace, refusal, text};
use postgres::Client;

/// 3000 people of whom some own some add-ons, for some time, and some are no users.
const PEOPLE: &str = "
    CREATE TABLE people (n integer PRIMARY KEY, user_id text, name varchar(40), feature text, friend text);
    INSERT INTO people
    SELECT n, CASE WHEN n % 50 > 0 THEN 'user ' || n END, 'user ' || n, (ARRAY['vector_database', 'gpu_hours', NULL])[1 + n % 3],
           'user ' || 3001 - n
      FROM generate_series(1, 3000) n;
    INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at)
    SELECT 'user ' || n, a.id, (ARRAY['active', 'active', 'active', 'suspended'])[1 + (n + a.sort_order / 10) % 4],
           now() + interval '1 day' * (n % 5 - 3), CASE WHEN n % 7 > 1 THEN now() + interval '1 day' * (n % 11 - 1) END
      FROM generate_series(1, 3000) n JOIN add_ons a ON (n + a.sort_order / 10) % 3 = 0
     WHERE n % 2 = 0
        ON CONFLICT DO NOTHING;
    DELETE FROM user_add_ons WHERE expires_at <= purchased_at;
    ANALYZE";

fn people(name: &str) -> Client {
    let mut client = marketplace(name);
    client.batch_execute(PEOPLE).unwrap();
    let some = "SELECT count(*) BETWEEN 100 AND 2900 FROM people WHERE has_feature(user_id || '', 'vector_database')";
    assert_eq!(text(&mut client, some).unwrap(), "t");
    client
}

fn plan(client: &mut Client, query: &str) -> String {
    let rows = client.query(&format!("EXPLAIN (VERBOSE, COSTS OFF) {query}"), &[]).unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

/// Runs a query as it is planned, and as it would run if the function were called for each row, and compares the
/// results.
fn compare(client: &mut Client, query: &str) {
    let as_calls = ["user_id", "name", "friend"].iter().fold(query.to_owned(), |query, column| {
        query.replace(&format!("(p.{column}, "), &format!("(p.{column} || '', "))
    });
    assert_ne!(as_calls, query, "nothing to compare with");
    let (planned, called) = (plan(client, query), plan(client, &as_calls));
    assert!(!planned.contains("has_feature(") && !planned.contains("has_add_on("), "{query}\n{planned}");
    assert!(called.contains("has_feature(") || called.contains("has_add_on("), "{as_calls}\n{called}");
    let all = |query: &str| format!("SELECT md5(string_agg(q::text, ',' ORDER BY q::text)), count(*) FROM ({query}) q");
    let [planned, called] = [all(query), all(&as_calls)].map(|query| client.query_one(&query, &[]).unwrap());
    assert_eq!(planned.get::<_, Option<String>>(0), called.get(0), "{query}");
    assert!(planned.get::<_, i64>(1) > 0, "{query} finds nothing to compare");
}

#[test]
fn the_planner_rewrites_checks_in_every_clause() {
    let mut client = people("asked");
    let bolt = add_on(&mut client, "Bolt");
    for query in [
        "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database')",
        "SELECT n FROM people p WHERE NOT has_feature(p.user_id, 'vector_database')",
        "SELECT n, has_feature(p.user_id, 'vector_database') FROM people p",
        "SELECT n FROM people p WHERE has_feature(p.name, 'vector_database')",
        "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database') OR has_feature(p.friend, 'gpu_hours')",
        "SELECT n FROM people p WHERE (has_feature(p.user_id, 'vector_database') IS NOT TRUE) AND n < 500",
        "SELECT n, CASE WHEN has_feature(p.user_id, 'vector_database') THEN 'yes' ELSE name END FROM people p WHERE n BETWEEN 10 AND 30",
        "SELECT has_feature(p.user_id, 'vector_database') AS entitled, count(*), max(n) FROM people p GROUP BY 1",
        "SELECT n FROM (SELECT n FROM people p ORDER BY has_feature(p.user_id, 'vector_database'), n LIMIT 700) q",
        "SELECT o.n, p.n AS other FROM people o LEFT JOIN people p ON o.n = p.n + 5 AND has_feature(p.user_id, 'vector_database')",
        "SELECT o.n, has_feature(p.user_id, 'vector_database') FROM people o LEFT JOIN people p ON o.n = p.n + 2500",
        "SELECT o.n FROM people o WHERE EXISTS (SELECT FROM people p WHERE p.n = o.n - 1 AND has_feature(p.user_id, 'vector_database'))",
        "SELECT n, (SELECT has_feature(p.user_id, 'vector_database')) FROM people p",
        "SELECT n, l.* FROM people p CROSS JOIN LATERAL (SELECT has_feature(p.user_id, 'vector_database') AS entitled) l",
        "SELECT n, l.* FROM people p CROSS JOIN LATERAL (VALUES (has_feature(p.user_id, 'vector_database'))) l",
        "SELECT n, l.* FROM people p CROSS JOIN LATERAL coalesce(has_feature(p.user_id, 'vector_database')) l",
        "WITH p AS MATERIALIZED (SELECT * FROM people) SELECT n FROM p WHERE has_feature(p.user_id, 'vector_database')",
        "WITH p AS (SELECT * FROM people) SELECT n FROM p WHERE has_feature(p.user_id, 'vector_database')",
        "SELECT n FROM (SELECT n, name FROM people UNION ALL SELECT -n, friend FROM people) p WHERE has_feature(p.name, 'vector_database')",
        "SELECT n, sum(n) FILTER (WHERE has_feature(p.user_id, 'vector_database')) OVER (ORDER BY n) FROM people p",
        "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database', now() - interval '2 days')",
        "SELECT n FROM people p WHERE NOT has_feature(p.user_id, 'vector_database', NULL)",
        "SELECT n FROM people p WHERE NOT has_feature(p.user_id, NULL)",
        "SELECT n FROM people p WHERE NOT has_feature(p.user_id, 'nobody has it')",
    ] {
        compare(&mut client, query);
    }
    compare(&mut client, &format!("SELECT n FROM people p WHERE has_add_on(p.user_id, '{bolt}')"));
    compare(&mut client, &format!("SELECT n, has_add_on(p.friend, '{bolt}') FROM people p WHERE n > 100"));
}

/// The rows of a query of names, in order.
fn names(client: &mut Client, query: &str) -> Vec<String> {
    client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

const TYPES: &[&str] = &[
    "text",
    "text COLLATE ci",
    "varchar(20) COLLATE ci",
    "text COLLATE \"C\"",
    "varchar COLLATE \"POSIX\"",
    "loose",
    "short",
    "shorter COLLATE ci",
    "char(8)",
    "char(8) COLLATE ci",
    "name",
];

const QUESTIONS: &[&str] = &[
    "has_feature(id, 'agent_platform')",
    "has_feature(id, 'agent_platform' COLLATE ci)",
    "has_feature(id, 'AGENT_PLATFORM' COLLATE ci)",
    "has_add_on(id, 'a0000000-0000-4000-8000-000000000003')",
];

/// Checks that a question about a column `id` finds exactly the users for whom the function returns true, wherever in
/// a query it is asked.
fn assert_answers_alike(client: &mut Client, of_type: &str, question: &str) {
    // The function's result for each user alone, which the planner cannot change.
    let alone = |client: &mut Client, id: Option<&str>| -> bool {
        client.query_one(&format!("SELECT {}", question.replace("id,", "$1::text,")), &[&id]).unwrap().get(0)
    };
    let everybody: Vec<Option<String>> =
        client.query("SELECT id::text FROM people", &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let mut owners: Vec<String> = everybody.into_iter().filter(|id| alone(client, id.as_deref())).flatten().collect();
    owners.sort();
    for query in [
        format!("SELECT id::text FROM people WHERE {question}"),
        format!("SELECT id::text FROM people WHERE NOT ({question}) IS NOT TRUE"),
        format!("SELECT id::text FROM (SELECT id, {question} AS owns FROM people) q WHERE owns"),
        format!(
            "SELECT p.id::text FROM people p JOIN people ON p.ctid = people.ctid AND {}",
            question.replace("id,", "people.id,")
        ),
        format!(
            "SELECT CASE WHEN {question} THEN id::text END AS id FROM people ORDER BY id NULLS LAST LIMIT {}",
            owners.len()
        ),
    ] {
        let mut found = names(client, &query);
        found.sort();
        assert_eq!(found, owners, "{of_type}: {query}");
    }
}

#[test]
fn the_rewritten_check_answers_as_the_function_for_every_collation_and_type() {
    let mut client = marketplace("collations");
    // A collation under which upper case equals lower case. A server that was built without ICU has none.
    let ci = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    if client.batch_execute(ci).is_err() {
        client.batch_execute("CREATE COLLATION ci FROM \"POSIX\"").unwrap();
    }
    client
        .batch_execute(
            "CREATE DOMAIN loose AS text COLLATE ci; CREATE DOMAIN short AS varchar(20); CREATE DOMAIN shorter AS short;
             SELECT count(*) FROM unnest('{ada,eve}'::text[]) u, grant_add_on(u, 'a0000000-0000-4000-8000-000000000003')",
        )
        .unwrap();
    for of_type in TYPES {
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS people; CREATE TABLE people (id {of_type}); CREATE INDEX ON people (id);
                 INSERT INTO people VALUES ('ada'), ('ADA'), ('ada '), ('Eve'), ('eve'), ('bob'), (NULL); ANALYZE people"
            ))
            .unwrap();
        for question in QUESTIONS {
            assert_answers_alike(&mut client, of_type, question);
        }
    }
    // A column of another deterministic collation is looked up as fast as ever.
    client
        .batch_execute(
            "DROP TABLE people; CREATE TABLE people (id varchar COLLATE \"POSIX\"); INSERT INTO people VALUES ('ada'); ANALYZE; SET enable_seqscan = off",
        )
        .unwrap();
    let planned = plan(&mut client, "SELECT has_feature(id, 'agent_platform') FROM people");
    // Which versions print with more or fewer parentheses.
    assert!(planned.replace('(', "").contains("Index Cond: u.user_id)::text = "), "{planned}");
}

#[test]
fn the_function_is_called_where_the_question_differs_from_row_to_row() {
    let mut client = people("called");
    for query in [
        "SELECT n FROM people p WHERE has_feature(p.user_id, p.feature)",
        "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database', now() - n * interval '1 hour')",
        "SELECT n FROM people p WHERE has_feature(p.user_id, (SELECT 'vector_database'))",
        "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database', clock_timestamp())",
        "SELECT n FROM people p WHERE has_feature(p.user_id || '', 'vector_database')",
        "SELECT has_feature('user 4', 'vector_database')",
    ] {
        assert!(plan(&mut client, query).contains("has_feature("), "{query}");
        client.batch_execute(query).unwrap();
    }
}

#[test]
fn prepared_statements_take_the_question_as_parameters() {
    let mut client = people("prepared");
    client.batch_execute("SET plan_cache_mode = force_generic_plan").unwrap();
    let asked = "SELECT count(*) FROM people p WHERE has_feature(p.user_id, $1, $2::text::timestamptz)";
    let prepared = client.prepare(asked).unwrap();
    for (feature, at) in [
        ("vector_database", Some("2026-01-01")),
        ("vector_database", Some("infinity")),
        ("no such", Some("now")),
        ("vector_database", None),
    ] {
        let called = "SELECT count(*) FROM people p WHERE has_feature(p.user_id || '', $1, $2::text::timestamptz)";
        let counts = [
            client.query_one(&prepared, &[&feature, &at]).unwrap(),
            client.query_one(called, &[&feature, &at]).unwrap(),
        ];
        assert_eq!(counts[0].get::<_, i64>(0), counts[1].get::<_, i64>(0), "{feature} at {at:?}");
    }
    let now = client.query_one(&prepared, &[&"vector_database", &"now"]).unwrap().get::<_, i64>(0);
    client.batch_execute("BEGIN; DELETE FROM user_add_ons").unwrap();
    assert!(now > 0);
    assert_eq!(
        client.query_one(&prepared, &[&"vector_database", &"now"]).unwrap().get::<_, i64>(0),
        0,
        "own changes are seen"
    );
    client.batch_execute("ROLLBACK; UPDATE add_on_features SET enabled = false").unwrap();
    assert_eq!(
        client.query_one(&prepared, &[&"vector_database", &"now"]).unwrap().get::<_, i64>(0),
        0,
        "so is a new catalog"
    );
}

#[test]
fn updates_and_deletes_use_the_rewritten_check() {
    let mut client = people("changed");
    let entitled = "SELECT count(*) FROM people p WHERE has_feature(p.user_id || '', 'vector_database')";
    let count: i64 = client.query_one(entitled, &[]).unwrap().get(0);
    for change in [
        "UPDATE people p SET feature = 'found' WHERE has_feature(p.user_id, 'vector_database')",
        "UPDATE people p SET n = p.n + CASE WHEN has_feature(p.user_id, 'vector_database') THEN 10000 ELSE 0 END WHERE has_feature(p.name, 'vector_database') AND has_feature(p.user_id, 'vector_database')",
        "MERGE INTO people p USING (SELECT n FROM people) s ON p.n = s.n
          WHEN MATCHED AND has_feature(p.user_id, 'vector_database') THEN UPDATE SET feature = 'merged'",
        "INSERT INTO people SELECT p.n + 50000, p.user_id FROM people p WHERE has_feature(p.user_id, 'vector_database')",
        "DELETE FROM people p WHERE has_feature(p.user_id, 'vector_database')",
    ] {
        let changed = client.execute(change, &[]).unwrap();
        let expected = if change.starts_with("DELETE") { 2 * count } else { count };
        assert_eq!(changed, expected as u64, "{change}");
    }
    let left: i64 = client
        .query_one("SELECT count(*) FROM people p WHERE has_feature(p.user_id, 'vector_database')", &[])
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}

#[test]
fn views_functions_and_policies_ask_too() {
    let mut client = people("views");
    client
        .batch_execute(
            "CREATE VIEW entitled WITH (security_barrier) AS SELECT n FROM people WHERE has_feature(user_id, 'vector_database');
             CREATE FUNCTION may(who text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT has_feature(who, 'vector_database') $$;
             CREATE ROLE reader;
             GRANT SELECT ON people, add_ons, add_on_features, user_add_ons TO reader;
             GRANT EXECUTE ON FUNCTION has_feature TO reader;
             CREATE POLICY entitled_ones ON people USING (has_feature(user_id, 'vector_database'));
             ALTER TABLE people ENABLE ROW LEVEL SECURITY",
        )
        .unwrap();
    let expected =
        text(&mut client, "SELECT count(*) FROM people p WHERE has_feature(p.user_id || '', 'vector_database')");
    assert_eq!(text(&mut client, "SELECT count(*) FROM entitled"), expected);
    assert_eq!(text(&mut client, "SELECT count(*) FROM people WHERE may(user_id)"), expected);
    assert_eq!(text(&mut client, "SELECT sum(may(user_id)::integer) FROM people"), expected);
    client.batch_execute("SET ROLE reader").unwrap();
    assert_eq!(text(&mut client, "SELECT count(*) FROM people"), expected);
    assert!(plan(&mut client, "SELECT * FROM people").contains("SubPlan"));
}

#[test]
fn the_rewritten_check_shows_no_more_than_the_function() {
    let mut client = people("secured");
    let asked = "SELECT count(*) FROM people WHERE has_feature(user_id, 'vector_database')";
    client.batch_execute("CREATE ROLE asker; GRANT SELECT ON people, add_ons, add_on_features TO asker; REVOKE EXECUTE ON FUNCTION has_feature FROM PUBLIC").unwrap();
    client.batch_execute("SET ROLE asker").unwrap();
    assert!(refusal(&mut client, asked).2.contains("permission denied for function has_feature"));
    client.batch_execute("RESET ROLE; GRANT EXECUTE ON FUNCTION has_feature TO asker; SET ROLE asker").unwrap();
    assert!(refusal(&mut client, asked).2.contains("permission denied for table user_add_ons"));
    let all = text(&mut client, &format!("RESET ROLE; {asked}")).unwrap();
    // Whoever owns the table sees all of it; a plan that was made for the owner must not serve the other.
    client
        .batch_execute(&format!(
            "GRANT SELECT ON user_add_ons TO asker; PREPARE asked AS {asked}; SET plan_cache_mode = force_generic_plan; EXECUTE asked;
             CREATE POLICY own ON user_add_ons USING (user_id = 'user 4');
             ALTER TABLE user_add_ons ENABLE ROW LEVEL SECURITY"
        ))
        .unwrap();
    assert_eq!(text(&mut client, "EXECUTE asked").unwrap(), all);
    let one = text(&mut client, "SELECT has_feature('user 4', 'vector_database')::integer").unwrap();
    client.batch_execute("SET ROLE asker").unwrap();
    assert_eq!(text(&mut client, "EXECUTE asked").unwrap(), one);
    client.batch_execute("RESET ROLE").unwrap();
    assert_eq!(text(&mut client, "EXECUTE asked").unwrap(), all);
    client.batch_execute("ALTER TABLE user_add_ons DISABLE ROW LEVEL SECURITY; SET ROLE asker").unwrap();
    assert_eq!(text(&mut client, "EXECUTE asked").unwrap(), all);
}

#[test]
fn a_hostile_search_path_changes_nothing() {
    let mut client = people("hostile");
    let asked = "SELECT pg_catalog.count(*) FROM public.people WHERE public.has_feature(user_id, 'vector_database')";
    let all = text(&mut client, asked);
    client
        .batch_execute(
            "CREATE SCHEMA evil; SET search_path = evil, pg_catalog;
             CREATE FUNCTION lie(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE FUNCTION lie(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR = (FUNCTION = lie, LEFTARG = text, RIGHTARG = text);
             CREATE OPERATOR = (FUNCTION = lie, LEFTARG = uuid, RIGHTARG = uuid);
             CREATE TABLE user_add_ons (LIKE public.user_add_ons); CREATE TEMP TABLE add_ons (LIKE public.add_ons)",
        )
        .unwrap();
    assert_eq!(text(&mut client, asked), all);
    assert!(!plan(&mut client, asked).contains("lie("));
}

#[test]
fn parallel_workers_ask_too() {
    let mut client = people("parallel");
    client
        .batch_execute(
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
             SET max_parallel_workers_per_gather = 2; ALTER TABLE people SET (parallel_workers = 2)",
        )
        .unwrap();
    let asked = "SELECT count(*) FROM people p WHERE has_feature(p.user_id, 'vector_database')";
    assert!(plan(&mut client, asked).contains("Workers Planned"), "{}", plan(&mut client, asked));
    compare(&mut client, asked);
}

#[test]
fn a_check_over_all_users_scans_once() {
    let mut client = people("once");
    let asked = "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database')";
    assert!(plan(&mut client, asked).contains("hashed SubPlan"));
    let of_one = plan(&mut client, "SELECT has_feature(p.user_id, 'vector_database') FROM people p WHERE n = 7");
    assert!(
        !of_one.contains("hashed SubPlan") && of_one.contains("Index Cond: (((u.user_id)::text = p.user_id)"),
        "{of_one}"
    );
}

#[test]
fn an_aggregate_keeps_the_call() {
    let mut client = people("aggregates");
    for query in [
        "SELECT n % 7 AS n, bool_or(has_feature(p.user_id, 'vector_database')) FROM people p GROUP BY 1",
        "SELECT count(*) FILTER (WHERE has_feature(p.name, 'vector_database')) AS n FROM people p",
        "SELECT sum(CASE WHEN has_feature(p.name, 'vector_database') THEN 1 ELSE 2 END) AS n FROM people p",
        "SELECT n % 7 AS n FROM people p GROUP BY 1 HAVING bool_or(has_feature(p.user_id, 'vector_database'))",
    ] {
        let planned = plan(&mut client, query);
        assert!(planned.contains("has_feature(") && !planned.contains("SubPlan"), "{planned}");
        let by_join = query.replace("has_feature(p.name, 'vector_database')", "(e.user_id IS NOT NULL)");
        let by_join = by_join.replace("has_feature(p.user_id, 'vector_database')", "(e.user_id IS NOT NULL)").replace(
            "FROM people p",
            "FROM people p LEFT JOIN entitled_users('vector_database') e (user_id) ON e.user_id = COLUMN",
        );
        let column = if query.contains("p.name") { "p.name" } else { "p.user_id" };
        let [planned, joined] = [query.to_owned(), by_join.replace("COLUMN", column)].map(|query| {
            text(&mut client, &format!("SELECT string_agg(q::text, ',' ORDER BY q::text) FROM ({query}) q"))
        });
        assert_eq!(planned, joined, "{query}");
    }
    // A question about another column next to it is looked up for all rows at once.
    let beside = "SELECT count(*) FILTER (WHERE has_feature(p.name, 'vector_database')) FROM people p WHERE has_feature(p.friend, 'gpu_hours')";
    let planned = plan(&mut client, beside);
    assert!(planned.contains("hashed SubPlan") && planned.contains("has_feature("), "{planned}");
    let grouped = plan(&mut client, "SELECT count(*) FROM people p WHERE has_feature(p.user_id, 'vector_database')");
    assert!(grouped.contains("hashed SubPlan"), "{grouped}");
}

#[test]
fn an_index_or_a_constraint_keeps_the_call() {
    let mut client = people("kept");
    client.batch_execute("ALTER TABLE people ADD CHECK (has_feature(user_id, 'vector_database') IS NOT NULL)").unwrap();
    client.batch_execute("SET constraint_exclusion = on; INSERT INTO people VALUES (0, 'user 0')").unwrap();
    compare(&mut client, "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database')");
    let log = std::fs::read_to_string(Server::shared().folder().join("log")).unwrap();
    assert!(!log.contains("XX000") && !log.contains("unrecognized node type"), "{log}");
}

#[test]
fn every_function_says_what_it_costs_and_how_many_rows_it_returns() {
    let mut client = marketplace("estimates");
    // PostgreSQL's defaults for functions without COST and ROWS: 1 for C, 100 for other languages, 1000 rows.
    let unsaid = "
        SELECT string_agg(p.oid::regprocedure::text, ', ')
          FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'extensions'
         WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
           AND p.proname NOT IN ('has_no_duplicates', 'simulate_pricing_rule', 'simulate_bundle', 'simulate_renewals')
           -- Each is called by itself, by the function without _body.
           AND right(p.proname, 5) <> '_body'
           AND (p.procost = 1 OR p.prorows = 1000)";
    assert_eq!(text(&mut client, unsaid), None);
}
