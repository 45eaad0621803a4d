//! Entitlement checks of many users in one statement, which keep what they have in common and may read all users at once:
//! the answers stay those of one call.
//!
//! On a preview too, because the plans that are looked at are others from one major to the next.

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

/// A query with each check replaced by what it means, in SQL.
fn spelled_out(query: &str) -> String {
    let mut query = query.to_owned();
    for function in ["has_feature(", "has_add_on("] {
        while let Some(start) = query.find(function) {
            let (from, mut depth) = (start + function.len(), 1);
            let length = query[from..].find(|letter| {
                depth += i32::from(letter == '(') - i32::from(letter == ')');
                depth == 0
            });
            let end = from + length.unwrap();
            let (user, what) = query[from..end].split_once(',').unwrap();
            let meaning = if function == "has_feature(" {
                format!("({user} IN (SELECT e.user_id FROM entitled_users({what}) e (user_id)) IS TRUE)")
            } else {
                format!(
                    "EXISTS (SELECT FROM user_add_ons u WHERE u.user_id = {user} AND u.add_on_id = {what} AND u.status = 'active'
                        AND u.purchased_at <= now() AND (u.expires_at IS NULL OR u.expires_at > now()))"
                )
            };
            query.replace_range(start..=end, &meaning);
        }
    }
    query
}

/// Compares the results of a query with those of what it means.
fn compare(client: &mut Client, query: &str) {
    let meaning = spelled_out(query);
    assert_ne!(meaning, query, "nothing to compare with");
    let all = |query: &str| format!("SELECT md5(string_agg(q::text, ',' ORDER BY q::text)), count(*) FROM ({query}) q");
    let [found, meant] = [all(query), all(&meaning)].map(|query| client.query_one(&query, &[]).unwrap());
    assert_eq!(found.get::<_, Option<String>>(0), meant.get(0), "{query}");
    assert!(found.get::<_, i64>(1) > 0, "{query} finds nothing to compare");
}

/// How often a query searches an index of the users' add-ons.
fn searches(client: &mut Client, query: &str) -> i64 {
    let count = "SELECT sum(pg_stat_get_xact_numscans(i.indexrelid))::bigint FROM pg_index i WHERE i.indrelid = 'user_add_ons'::regclass";
    client.batch_execute("BEGIN").unwrap();
    // Those of the transactions before may be counted, too.
    let before: i64 = client.query_one(count, &[]).unwrap().get(0);
    client.query(query, &[]).unwrap();
    let after: i64 = client.query_one(count, &[]).unwrap().get(0);
    client.batch_execute("COMMIT").unwrap();
    after - before
}

#[test]
fn checks_answer_in_every_clause_as_spelled_out() {
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
fn the_check_of_a_column_answers_as_a_call_of_its_own_for_every_collation_and_type() {
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
}

#[test]
fn a_question_may_differ_from_row_to_row() {
    let mut client = people("called");
    for (query, single) in [
        ("SELECT n FROM people p WHERE has_feature(p.user_id, p.feature)", "has_feature($1, $2)"),
        (
            "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database', now() - n % 50 * interval '1 hour')",
            "has_feature($1, 'vector_database', now() - $3 % 50 * interval '1 hour')",
        ),
        (
            "SELECT n FROM people p WHERE has_feature(p.user_id, (SELECT 'vector_database'))",
            "has_feature($1, 'vector_database')",
        ),
        (
            "SELECT n FROM people p WHERE has_feature(p.user_id || '', 'vector_database')",
            "has_feature($1, 'vector_database')",
        ),
    ] {
        let found: Vec<i32> = client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        let alone = format!("SELECT {single}, $1::text, $2::text, $3::integer");
        let alone = client.prepare(&alone).unwrap();
        let all = client.query("SELECT user_id, feature, n FROM people", &[]).unwrap();
        let is_found = |row: &postgres::Row, client: &mut Client| -> bool {
            let (user, feature, n): (Option<String>, Option<String>, i32) = (row.get(0), row.get(1), row.get(2));
            client.query_one(&alone, &[&user, &feature, &n]).unwrap().get(0)
        };
        let mut expected = Vec::new();
        for row in &all {
            if is_found(row, &mut client) {
                expected.push(row.get::<_, i32>(2));
            }
        }
        let sorted = |mut list: Vec<i32>| {
            list.sort_unstable();
            list
        };
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(sorted(found), sorted(expected), "{query}");
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
        let called =
            "SELECT count(*) FROM people p JOIN entitled_users($1, $2::text::timestamptz) e (user_id) USING (user_id)";
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
fn updates_and_deletes_ask_too() {
    let mut client = people("changed");
    let entitled = "SELECT count(*) FROM people p JOIN entitled_users('vector_database') e (user_id) USING (user_id)";
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
    let expected = text(
        &mut client,
        "SELECT count(*) FROM people p JOIN entitled_users('vector_database') e (user_id) USING (user_id)",
    );
    assert_eq!(text(&mut client, "SELECT count(*) FROM entitled"), expected);
    assert_eq!(text(&mut client, "SELECT count(*) FROM people WHERE may(user_id)"), expected);
    assert_eq!(text(&mut client, "SELECT sum(may(user_id)::integer) FROM people"), expected);
    client.batch_execute("SET ROLE reader").unwrap();
    assert_eq!(text(&mut client, "SELECT count(*) FROM people"), expected);
}

#[test]
fn the_check_of_many_users_shows_no_more_than_that_of_one() {
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
fn a_check_over_all_users_reads_them_at_once_in_every_position() {
    let mut client = people("once");
    for query in [
        "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database')",
        "SELECT n, has_feature(p.user_id, 'vector_database') FROM people p",
        "SELECT CASE WHEN has_feature(p.user_id, 'vector_database') THEN 1 ELSE 2 END FROM people p",
        "SELECT count(*) FILTER (WHERE has_feature(p.name, 'vector_database')) AS n FROM people p",
        "SELECT sum(CASE WHEN has_feature(p.name, 'vector_database') THEN 1 ELSE 2 END) AS n FROM people p",
        "SELECT n % 7 AS n, bool_or(has_feature(p.user_id, 'vector_database')) FROM people p GROUP BY 1",
        "SELECT n % 7 AS n FROM people p GROUP BY 1 HAVING bool_or(has_feature(p.user_id, 'vector_database'))",
        "SELECT n FROM people p ORDER BY has_feature(p.user_id, 'vector_database'), n",
        "SELECT p.n FROM people p JOIN people q ON q.n = p.n AND has_feature(p.user_id, 'vector_database')",
        "SELECT n FROM people p WHERE has_add_on(p.user_id, (SELECT id FROM add_ons ORDER BY sort_order LIMIT 1))",
    ] {
        compare(&mut client, query);
        let searches = searches(&mut client, query);
        assert!(searches < 1000, "{searches} searches: {query}");
    }
    let few = "SELECT has_feature(p.user_id, 'vector_database') FROM people p WHERE n BETWEEN 1 AND 20";
    assert!(searches(&mut client, few) >= 19);
    // What is kept for one query is of no other.
    client.batch_execute("SET work_mem = '64kB'; SET extensions.catalog_cache_size = 0").unwrap();
    compare(&mut client, "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database')");
}

#[test]
fn a_set_that_does_not_fit_into_its_memory_answers_for_all_users() {
    let mut client = people("too_many");
    client
        .batch_execute(
            "INSERT INTO user_add_ons (user_id, add_on_id) SELECT 'one of many ' || n, a.id
               FROM generate_series(1, 20000) n, (SELECT id FROM add_ons WHERE features ? 'vector_database' LIMIT 1) a;
             INSERT INTO people SELECT n, 'one of many ' || n FROM generate_series(10001, 30000) n; ANALYZE;
             SET work_mem = '64kB'; SET hash_mem_multiplier = 1; SET extensions.catalog_cache_size = 64",
        )
        .unwrap();
    let asked = "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database')";
    let joined = "SELECT p.n FROM people p JOIN entitled_users('vector_database') e (user_id) USING (user_id)";
    let all = |query: &str| format!("SELECT md5(string_agg(n::text, ',' ORDER BY n)) FROM ({query}) q");
    assert_eq!(text(&mut client, &all(asked)), text(&mut client, &all(joined)));
    let searches = searches(&mut client, asked);
    assert!((1000..22000).contains(&searches), "{searches}");
}

#[test]
fn a_place_that_asks_again_and_again_sees_what_has_changed_in_between() {
    let mut client = people("again");
    // The same expression, in one transaction: what it keeps is of one snapshot and one role.
    client
        .batch_execute(
            "CREATE ROLE nobody_special;
             GRANT SELECT ON people, add_ons, add_on_features, user_add_ons TO nobody_special;
             GRANT EXECUTE ON FUNCTION has_feature TO nobody_special;
             CREATE POLICY own ON user_add_ons USING (user_id = 'none');
             CREATE FUNCTION ask() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN has_feature('ada', 'vector_database'); END $$;
             CREATE FUNCTION count_entitled() RETURNS bigint LANGUAGE plpgsql AS
             $$ BEGIN RETURN (SELECT count(*) FROM people p WHERE has_feature(p.user_id, 'vector_database')); END $$;
             DO $$
             DECLARE
                 giving uuid := (SELECT id FROM add_ons WHERE features ? 'vector_database' LIMIT 1);
                 entitled boolean;
                 was bigint := count_entitled();
             BEGIN
                 FOR round IN 1 .. 400 LOOP
                     IF round % 2 = 1 THEN
                         INSERT INTO user_add_ons (user_id, add_on_id) VALUES ('ada', giving);
                     ELSE
                         DELETE FROM user_add_ons WHERE user_id = 'ada';
                     END IF;
                     entitled := has_feature('ada', 'vector_database');
                     ASSERT entitled = (round % 2 = 1), round;
                     ASSERT ask() = entitled, round;
                 END LOOP;
                 FOR round IN 1 .. 200 LOOP
                     ASSERT NOT has_feature('ada', 'vector_database');
                 END LOOP;
                 -- Nothing is left open, and whoever sees no rows finds none.
                 ALTER TABLE user_add_ons ENABLE ROW LEVEL SECURITY;
                 SET LOCAL ROLE nobody_special;
                 ASSERT count_entitled() = 0;
                 RESET ROLE;
                 ASSERT count_entitled() = was;
                 ALTER TABLE user_add_ons DISABLE ROW LEVEL SECURITY;
                 UPDATE add_on_features SET enabled = false;
                 ASSERT NOT ask();
             END $$",
        )
        .unwrap();
}

#[test]
fn cursors_keep_what_they_saw_and_leave_nothing_behind() {
    let mut client = people("cursors");
    let asked = "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database') ORDER BY n";
    let before: Vec<i32> = client.query(asked, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let ask = format!("DECLARE asked CURSOR FOR {}", asked.replace(" ORDER BY n", ""));
    client.batch_execute(&format!("BEGIN; {ask}; MOVE 20 FROM asked; SAVEPOINT before; MOVE 70 FROM asked")).unwrap();
    client
        .batch_execute("DELETE FROM user_add_ons; MOVE 70 FROM asked; ROLLBACK TO before; MOVE 1 FROM asked")
        .unwrap();
    client.batch_execute("DELETE FROM user_add_ons").unwrap();
    let mut left: Vec<i32> = client.query("FETCH ALL FROM asked", &[]).unwrap().iter().map(|row| row.get(0)).collect();
    left.sort_unstable();
    assert_eq!(left, before[161..]);
    client.batch_execute("CLOSE asked; ALTER TABLE user_add_ons ADD COLUMN note text; ROLLBACK").unwrap();
    // Statements that fail midway, in a subtransaction and not, and cursors that outlive their transaction.
    let fails = "SELECT 1 / (n - 700) FROM people p WHERE has_feature(p.user_id, 'vector_database') OR n > 0";
    for start in ["", "BEGIN; SAVEPOINT before; "] {
        let error = client.batch_execute(&format!("{start}{fails}")).unwrap_err();
        assert!(error.to_string().contains("db error"), "{error}");
        client.batch_execute("ROLLBACK").unwrap();
    }
    client
        .batch_execute(&format!("BEGIN; {}; MOVE 50 FROM asked; COMMIT", ask.replace("CURSOR", "CURSOR WITH HOLD")))
        .unwrap();
    assert_eq!(client.query("FETCH ALL FROM asked", &[]).unwrap().len(), before.len() - 50);
    let limited = "SELECT n FROM people p WHERE has_feature(p.user_id, 'vector_database') LIMIT 60";
    assert_eq!(client.query(limited, &[]).unwrap().len(), 60);
    client.batch_execute("CLOSE asked; ALTER TABLE user_add_ons ADD COLUMN note text").unwrap();
    let log = std::fs::read_to_string(Server::shared().folder().join("log")).unwrap();
    assert!(!log.contains("was not closed") && !log.contains("leak"), "{log}");
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
