//! Installing: any schema, several databases, any search_path, any encoding, and no trace after DROP EXTENSION.
//!
//! On a preview too, because it installs, removes and dumps.

use harness::reads::READS;
use harness::{Server, marketplace, refusal, text};

/// A priced cart and a feature check, whatever the search_path: the functions are called with their schema.
fn works_in(client: &mut postgres::Client, schema: &str) {
    let brigade = "a0000000-0000-4000-8000-000000000003";
    client.batch_execute(&format!("SELECT * FROM {schema}.load_sample_catalog()")).unwrap();
    client.batch_execute(&format!("SELECT * FROM {schema}.add_to_cart('ada', '{brigade}', 2)")).unwrap();
    assert_eq!(text(client, &format!("SELECT {schema}.cart_total('ada')")).unwrap(), "39.98");
    let quote = format!("SELECT {schema}.price_cart('ada', promo_code => 'launch2025') -> 'total'");
    assert_eq!(text(client, &quote).unwrap(), "31.98");
    client
        .batch_execute(&format!("INSERT INTO {schema}.user_add_ons (user_id, add_on_id) VALUES ('ada', '{brigade}')"))
        .unwrap();
    assert_eq!(text(client, &format!("SELECT {schema}.has_feature('ada', 'agent_platform')")).unwrap(), "t");
    assert_eq!(text(client, &format!("SELECT * FROM {schema}.entitled_users('agent_platform')")).unwrap(), "ada");
    assert_eq!(text(client, &format!("SELECT name FROM {schema}.active_add_ons('ada')")).unwrap(), "Brigade");
    assert_eq!(text(client, &format!("SELECT name FROM {schema}.search_add_ons('agent')")).unwrap(), "Brigade");
    let problems = format!("SELECT count(*) FROM {schema}.check_marketplace() WHERE NOT ok");
    assert_eq!(text(client, &problems).unwrap(), "0");
}

#[test]
fn it_installs_into_any_schema_and_works_with_an_empty_search_path() {
    let server = Server::shared();
    for (database, schema) in [("in_public", "public"), ("in_shop", "shop"), ("in_odd", "\"My Shop\"")] {
        server.create_database(database);
        let mut client = server.connect(database);
        client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).unwrap();
        client.batch_execute(&format!("CREATE EXTENSION extensions SCHEMA {schema}")).unwrap();
        client.batch_execute("SET search_path = ''").unwrap();
        works_in(&mut client, schema);
    }
}

#[test]
fn it_moves_with_its_schema_and_to_another_in_one_session() {
    let server = Server::shared();
    server.create_database("moving");
    let mut client = server.connect("moving");
    client.batch_execute("CREATE SCHEMA one; CREATE SCHEMA two; CREATE EXTENSION extensions SCHEMA one").unwrap();
    works_in(&mut client, "one");
    client.batch_execute("ALTER SCHEMA one RENAME TO uno").unwrap();
    assert_eq!(text(&mut client, "SELECT uno.cart_total('ada')").unwrap(), "39.98");
    client.batch_execute("DROP EXTENSION extensions; CREATE EXTENSION extensions SCHEMA two").unwrap();
    works_in(&mut client, "two");
    client.batch_execute("DROP EXTENSION extensions; CREATE EXTENSION extensions SCHEMA two").unwrap();
    works_in(&mut client, "two");
}

#[test]
fn hostile_objects_on_the_search_path_are_never_called() {
    let mut client = marketplace("hostile");
    client
        .batch_execute(
            "CREATE SCHEMA evil;
             CREATE FUNCTION evil.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
             CREATE FUNCTION evil.trap(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil.trap($1::text, $2)';
             CREATE FUNCTION evil.trap(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT evil.trap($1::text, $2::text)';
             CREATE FUNCTION evil.trap(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS
               'SELECT evil.trap($1::text, $2::text)';
             CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.trap);
             CREATE OPERATOR evil.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = evil.trap);
             CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.trap);
             CREATE OPERATOR evil.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.trap);
             CREATE FUNCTION evil.upper(text) RETURNS text LANGUAGE sql AS 'SELECT evil.trap($1, $1)::text';
             CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.trap(''now'', ''now'')::text::timestamptz';
             CREATE TEMP TABLE add_ons (id int);
             CREATE TEMP TABLE cart_items (id int);
             CREATE TABLE evil.user_add_ons (id int);
             SET search_path = evil, pg_temp, pg_catalog",
        )
        .unwrap();
    assert!(client.simple_query("SELECT 'a'::text = 'a'::text").is_err(), "the trap is set");
    works_in(&mut client, "public");
    let insert = "INSERT INTO public.promotional_codes (code, discount_type, discount_value)
                  VALUES (' new ', 'percentage', 1) RETURNING code";
    assert_eq!(text(&mut client, insert).unwrap(), "NEW");
}

#[test]
fn every_function_that_reads_is_among_the_reads() {
    let mut client = marketplace("reads");
    let functions =
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND provolatile = 's'
            AND obj_description(oid, 'pg_proc') NOT LIKE '%Only % call% it.'";
    for row in client.query(functions, &[]).unwrap() {
        let name: &str = row.get(0);
        assert!(READS.iter().any(|read| read.contains(&format!("{name}("))), "{name} is not");
    }
}

#[test]
fn reads_take_no_transaction_id_and_run_in_a_read_only_transaction() {
    let mut client = marketplace("read_only");
    client.batch_execute("SELECT * FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')").unwrap();
    client.batch_execute("BEGIN READ ONLY").unwrap();
    for read in READS {
        client.batch_execute(read).unwrap_or_else(|error| panic!("{read}: {error:?}"));
    }
    assert_eq!(text(&mut client, "SELECT txid_current_if_assigned()"), None);
    let write = "SELECT add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')";
    assert_eq!(refusal(&mut client, write).0, "25006");
}

#[test]
fn reads_run_in_parallel_workers() {
    let mut client = marketplace("parallel");
    client.batch_execute("SELECT * FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')").unwrap();
    let setting = if harness::paths::major() < 16 { "force_parallel_mode" } else { "debug_parallel_query" };
    client
        .batch_execute(&format!("SET {setting} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0"))
        .unwrap();
    for read in READS {
        let plan: String = client
            .query(&format!("EXPLAIN {read}"), &[])
            .unwrap_or_else(|error| panic!("{read}: {error:?}"))
            .iter()
            .map(|row| row.get::<_, String>(0))
            .collect();
        // The status tells of the session's own cache. Functions in plain SQL become part of the query, and one that uses WITH can't leave
        // the leader, nor can a UNION about a row of the query around it.
        let stays = plan.contains("CTE") || plan.contains("Append") || read.contains("_status");
        assert!(plan.contains("Gather") || stays, "{read}: {plan}");
        client.batch_execute(read).unwrap_or_else(|error| panic!("{read}: {error:?}"));
    }
    assert_eq!(text(&mut client, READS[READS.len() - 1]).unwrap(), "162.91");
}

#[test]
fn every_text_of_a_database_is_understood_whatever_its_encoding() {
    let server = Server::shared();
    for (encoding, user) in [("SQL_ASCII", "zoë💩"), ("LATIN1", "zoë")] {
        let database = format!("in_{}", encoding.to_lowercase());
        let create = format!("CREATE DATABASE {database} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        server.connect("postgres").batch_execute(&create).unwrap();
        let mut client = server.connect(&database);
        client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
        let brigade = "a0000000-0000-4000-8000-000000000003";
        client.batch_execute(&format!("SELECT * FROM add_to_cart('{user}', '{brigade}')")).unwrap();
        assert_eq!(text(&mut client, &format!("SELECT cart_total('{user}')")).unwrap(), "19.99");
        assert_eq!(text(&mut client, &format!("SELECT price_cart('{user}') ->> 'user_id'")).unwrap(), user);
    }
    let mut client = server.connect("in_sql_ascii");
    assert_eq!(refusal(&mut client, "SELECT cart_total(convert_from('\\xff', 'SQL_ASCII'))").0, "22021");
}

#[test]
fn nothing_is_left_after_drop_extension() {
    let mut client = marketplace("dropped");
    client.batch_execute("DROP EXTENSION extensions").unwrap();
    let left = "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert_eq!(text(&mut client, left), None);
    let left = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(text(&mut client, left), None);
    assert_eq!(refusal(&mut client, "SELECT cart_total('ada')").0, "42883");
}

#[test]
fn every_object_has_a_comment() {
    let mut client = marketplace("comments");
    let without_comment = "
        SELECT string_agg(kind || ' ' || name, ', ') FROM (
            SELECT 'relation', c.relname::text, obj_description(c.oid, 'pg_class')
              FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
          UNION ALL
            SELECT 'column', c.relname || '.' || a.attname, col_description(a.attrelid, a.attnum)
              FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
          UNION ALL
            SELECT 'function', p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc')
              FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
          UNION ALL
            SELECT 'trigger', t.tgname, obj_description(t.oid, 'pg_trigger')
              FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
             WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
        ) objects (kind, name, comment)
        WHERE comment IS NULL";
    assert_eq!(text(&mut client, without_comment), None);
}

#[test]
fn all_eight_tables_are_dumped_with_their_rows() {
    let mut client = marketplace("config");
    let not_dumped = "
        SELECT string_agg(c.relname, ', ') FROM pg_class c, pg_extension e
         WHERE e.extname = 'extensions' AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S')
           AND c.oid <> ALL (e.extconfig)";
    assert_eq!(text(&mut client, not_dumped), None);
    let dumped = "SELECT cardinality(extconfig) FROM pg_extension WHERE extname = 'extensions'";
    assert_eq!(text(&mut client, dumped).unwrap(), "8");
    client.batch_execute("DROP EXTENSION extensions; CREATE EXTENSION extensions; ANALYZE").unwrap();
    let seeded = "SELECT sum(reltuples) FROM pg_class c, pg_extension e
                   WHERE e.extname = 'extensions' AND c.oid = ANY (e.extconfig)";
    assert_eq!(text(&mut client, seeded).unwrap(), "0");
}

#[test]
fn errors_carry_no_backtrace_even_when_the_server_asks_for_one() {
    // SAFETY: set before any server of this test is started; the other tests do not read it.
    unsafe { std::env::set_var("RUST_BACKTRACE", "1") };
    let server = Server::start("");
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION extensions").unwrap();
    let error = client.simple_query("SELECT price_add_on(NULL)").unwrap_err();
    let detail = error.as_db_error().unwrap().detail().unwrap().to_owned();
    assert!(detail.ends_with("\ncode: null_argument"), "{detail}");
}

/// Functions written in SQL have the schema in their bodies, but learn its new name when one of them is called.
#[test]
fn everything_goes_on_when_the_schema_is_renamed() {
    let server = Server::shared();
    server.create_database("renamed");
    let mut client = server.connect("renamed");
    client
        .batch_execute(
            "CREATE SCHEMA first; CREATE EXTENSION extensions SCHEMA first; SELECT first.load_sample_catalog();
             SELECT first.add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003')",
        )
        .unwrap();
    for name in ["second", "\"a.b %s\"", "first"] {
        let former =
            text(&mut client, "SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'extensions'");
        client.batch_execute(&format!("ALTER SCHEMA {} RENAME TO {name}", former.unwrap())).unwrap();
        // In a session that has seen nothing of it, and in one that has.
        for client in [&mut server.connect("renamed"), &mut client] {
            let problems =
                format!("SELECT string_agg(detail, '; ') FROM {name}.check_marketplace() WHERE severity <> 'ok'");
            assert_eq!(text(client, &problems), None, "{name}");
            client.batch_execute(&format!("SET search_path = {name}")).unwrap();
            for call in extensions_reads_and_operations() {
                client.batch_execute(call).unwrap_or_else(|error| panic!("{name}: {call}: {error:?}"));
            }
            client.batch_execute("RESET search_path").unwrap();
        }
    }
}

/// Every function that reads, and those for operations.
fn extensions_reads_and_operations() -> impl Iterator<Item = &'static str> {
    let operations = [
        "SELECT * FROM load_sample_catalog()",
        "SELECT * FROM import_catalog(export_catalog())",
        "SELECT * FROM run_maintenance()",
        "SELECT * FROM link_reference_tables(), unlink_reference_tables()",
        "SELECT detach_tables()",
        "SELECT attach_tables()",
        "SELECT grant_marketplace_access('pg_monitor', 'shop')",
        "SELECT revoke_marketplace_access('pg_monitor', 'shop')",
        "SELECT enable_user_isolation()",
        "SELECT disable_user_isolation()",
        "UPDATE promotional_codes SET code = lower(code) || ' ' WHERE code = 'VIP2025'",
        "SELECT checkout('renamed', promo_code => 'vip2025', tier_code => 'vip_founder') FROM add_to_cart('renamed', 'a0000000-0000-4000-8000-000000000003')",
    ];
    READS.into_iter().chain(operations)
}
