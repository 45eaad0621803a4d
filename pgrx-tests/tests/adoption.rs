//! adopt_tables(): takes over a database that was made from plain SQL files.

use std::io::Write;
use std::process::Stdio;

use harness::python::pytest;
use harness::{Server, markdown, paths, refusal, text};
use postgres::Client;

/// A database of the predecessor, in which the extension is installed in another schema.
fn predecessor(name: &str) -> Client {
    let server = Server::shared();
    server.create_database(name);
    let mut client = server.connect(name);
    let tables = std::fs::read_to_string(paths::root().join("tests/adoption/predecessor.sql")).unwrap();
    client.batch_execute(&tables).unwrap();
    client.batch_execute("CREATE SCHEMA shop; CREATE EXTENSION extensions SCHEMA shop").unwrap();
    client
}

/// Object, status and detail of each row, an object's obstacles in order.
fn adopt(client: &mut Client, arguments: &str) -> Vec<[String; 3]> {
    let rows =
        client.query(&format!("SELECT object, status, detail FROM shop.adopt_tables({arguments})"), &[]).unwrap();
    rows.iter().map(|row| [0, 1, 2].map(|column| row.get(column))).collect()
}

fn obstacles(client: &mut Client, change: &str) -> Vec<String> {
    client.batch_execute(&format!("BEGIN; {change}")).unwrap();
    let found = adopt(client, "'public', 'UTC', dry_run => true")
        .into_iter()
        .filter(|[_, status, _]| status == "obstacle")
        .map(|[object, _, detail]| format!("{object}: {detail}"))
        .collect();
    client.batch_execute("ROLLBACK").unwrap();
    found
}

#[test]
fn rows_are_taken_over_with_their_ids_and_in_their_time_zone() {
    let mut client = predecessor("taken_over");
    // Whatever the session's own time zone.
    client.batch_execute("SET timezone = 'Asia/Tokyo'").unwrap();
    let rehearsal = adopt(&mut client, "'public', 'America/New_York', dry_run => true");
    assert!(rehearsal.contains(&["add_ons", "can be adopted", "2 rows"].map(str::to_owned)), "{rehearsal:?}");
    assert_eq!(text(&mut client, "SELECT count(*) FROM shop.add_ons").unwrap(), "0");
    let adopted = adopt(&mut client, "'public', 'America/New_York'");
    assert!(adopted.contains(&["add_on_purchases", "adopted", "1 row"].map(str::to_owned)), "{adopted:?}");
    assert!(adopted.iter().any(|[object, status, _]| object == "add_on_features" && status == "absent"), "{adopted:?}");
    assert_eq!(text(&mut client, "SHOW timezone").unwrap(), "Asia/Tokyo");

    // Noon in New York, in summer and in winter.
    let times = "SELECT string_agg((created_at AT TIME ZONE 'UTC')::text, ' ' ORDER BY created_at) FROM shop.add_ons";
    assert_eq!(text(&mut client, times).unwrap(), "2024-07-01 16:00:00 2024-12-01 17:00:00");
    let values = [
        ("SELECT string_agg(id::text, ' ') FROM shop.cart_items", "00000000-0000-4000-8000-0000000000f1"),
        ("SELECT string_agg(quantity::text, ' ') FROM shop.cart_items", "1"),
        ("SELECT string_agg(code, ' ') FROM shop.promotional_codes", "EARLY"),
        ("SELECT string_agg(promo_code, ' ') FROM shop.add_on_purchases", "EARLY"),
        ("SELECT string_agg(conditions ->> 'min_quantity', ' ') FROM shop.pricing_rules", "2"),
        ("SELECT string_agg(features::text, ' ' ORDER BY name) FROM shop.add_ons", r#"["cold_storage"] []"#),
        ("SELECT string_agg(sort_order::text, ' ' ORDER BY name) FROM shop.add_ons", "1 0"),
    ];
    for (query, value) in values {
        assert_eq!(text(&mut client, query).unwrap(), value, "{query}");
    }
    // And business goes on: 29.98, with the bundle's 10 % off.
    client
        .batch_execute(
            "SELECT * FROM shop.add_to_cart('ada', '00000000-0000-4000-8000-0000000000a1');
             SELECT * FROM shop.add_to_cart('ada', '00000000-0000-4000-8000-0000000000a2')",
        )
        .unwrap();
    assert_eq!(text(&mut client, "SELECT shop.cart_total('ada')").unwrap(), "26.98");
    assert_eq!(text(&mut client, "SELECT count(*) FROM public.add_ons").unwrap(), "2");
}

const ARCHIVE: &str = "00000000-0000-4000-8000-0000000000a1";

/// Changes to a predecessor's tables, and the words in which they are reported.
const OBSTACLES: &[(&str, &[&str])] = &[
    (
        "UPDATE add_ons SET category = 'invalid_category' WHERE name = 'Archive'",
        &["category must be a slug", "add_ons_category_check", ARCHIVE, "(category: invalid_category)", "ai-chat."],
    ),
    ("UPDATE add_ons SET base_price = -1 WHERE name = 'Archive'", &["add_ons_base_price_check", ARCHIVE]),
    ("ALTER TABLE add_ons DROP COLUMN category", &["column category: it is missing"]),
    (
        "ALTER TABLE add_ons ALTER name DROP NOT NULL; UPDATE add_ons SET name = NULL WHERE name = 'Archive'",
        &["name is required", ARCHIVE],
    ),
    (
        "UPDATE pricing_rules SET conditions = '{\"min_quantity\": 2'",
        &["column conditions: no such value is possible", "00000000-0000-4000-8000-0000000000e1", "json"],
    ),
    (
        "UPDATE pricing_rules SET conditions = '{\"colour\": 2}'",
        &["pricing_rules_conditions_check", "00000000-0000-4000-8000-0000000000e1"],
    ),
    (
        "UPDATE add_on_purchases SET amount = 19.9901",
        &["column amount: values do not fit", "00000000-0000-4000-8000-0000000000c1"],
    ),
    (
        "UPDATE add_on_purchases SET currency = 'dollars'",
        &["column currency: values do not fit", "00000000-0000-4000-8000-0000000000c1"],
    ),
    (
        "UPDATE user_add_ons SET user_id = 'ada'",
        &[
            "user_add_ons_user_add_on_key",
            "2 rows",
            "00000000-0000-4000-8000-0000000000b1",
            "00000000-0000-4000-8000-0000000000b2",
        ],
    ),
    (
        "ALTER TABLE add_on_purchases DROP CONSTRAINT add_on_purchases_add_on_id_fkey;
             UPDATE add_on_purchases SET add_on_id = gen_random_uuid()",
        &["add_on_purchases_add_on_id_fkey", "00000000-0000-4000-8000-0000000000c1"],
    ),
    (
        "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('Early', 'percentage', 1)",
        &["promotional_codes_code_key", "2 rows"],
    ),
    (
        "UPDATE promotional_codes SET discount_type = 'fixed'",
        &[
            "discount_type must be percentage or fixed_amount",
            "promotional_codes_discount_type_check",
            "(discount_type: fixed)",
        ],
    ),
    (
        "INSERT INTO shop.add_ons (name, category, base_price, billing_type) VALUES ('x', 'analytics', 1, 'monthly')",
        &["shop.add_ons holds rows already"],
    ),
    ("ALTER TABLE cart_items RENAME TO c; CREATE VIEW cart_items AS TABLE c", &["it is not an ordinary table"]),
];

#[test]
fn every_obstacle_is_told_with_its_rows_before_anything_is_written() {
    let mut client = predecessor("obstructed");
    assert_eq!(obstacles(&mut client, "SELECT 1"), Vec::<String>::new());
    for (change, told) in OBSTACLES {
        let found = obstacles(&mut client, change);
        assert_eq!(found.len(), 1, "{change}: {found:?}");
        assert!(told.iter().all(|words| found[0].contains(words)), "{change}: {found:?}");
    }
    client.batch_execute("UPDATE add_ons SET category = 'Storage'").unwrap();
    let told = adopt(&mut client, "'public'");
    assert!(told.iter().all(|[_, status, _]| ["obstacle", "absent"].contains(&status.as_str())), "{told:?}");
    assert_eq!(text(&mut client, "SELECT count(*) FROM shop.cart_items").unwrap(), "0");
}

#[test]
fn adoption_refuses_unsuitable_sources() {
    let mut client = predecessor("refused_source");
    let error = |client: &mut Client, arguments: &str| {
        refusal(client, &format!("SELECT * FROM shop.adopt_tables({arguments})"))
    };
    assert_eq!(error(&mut client, "'nowhere'").1, "invalid_source_schema");
    assert_eq!(error(&mut client, "'shop'").1, "invalid_source_schema");
    assert_eq!(error(&mut client, "NULL").1, "null_argument");
    assert_eq!(error(&mut client, "'public', NULL").1, "null_argument");
    assert_eq!(error(&mut client, "'public', 'Mars/Olympus'").0, "22023");
    client.batch_execute("CREATE ROLE adopter; GRANT USAGE ON SCHEMA shop TO adopter; SET ROLE adopter").unwrap();
    assert_eq!(error(&mut client, "'public'").0, "42501");
}

/// Rows are copied some thousand pages at a time. Here each fills a page; `ADOPTED_ROWS=1000000` for the figures of docs/reliability.md.
#[test]
fn rows_on_any_number_of_pages_are_taken_over_at_once_or_not_at_all() {
    let rows: usize = std::env::var("ADOPTED_ROWS").map_or(10_000, |rows| rows.parse().unwrap());
    let mut client = predecessor("pages");
    let filling = if rows > 100_000 { 0 } else { 6_000 };
    client
        .batch_execute(&format!(
            "ALTER TABLE public.add_on_purchases ADD filling text; ALTER TABLE public.add_on_purchases ALTER filling SET STORAGE PLAIN;
             INSERT INTO public.add_on_purchases (user_id, add_on_id, amount, status, purchased_at, filling)
             SELECT 'user ' || n % 100000, '00000000-0000-4000-8000-0000000000a1', n % 100, 'completed',
                    timestamp '2020-01-01' + n * interval '1 minute', repeat('x', {filling})
               FROM generate_series(1, {rows} - 1) n"
        ))
        .unwrap();
    let pages = text(&mut client, "SELECT pg_relation_size('public.add_on_purchases') / 8192").unwrap();
    assert!(pages.parse::<usize>().unwrap() > 2 * 4096, "they are not copied piece by piece: {pages}");
    client.batch_execute("BEGIN").unwrap();
    let started = std::time::Instant::now();
    let adopted = adopt(&mut client, "'public', 'Europe/Berlin'");
    println!("{rows} rows in {:.1} s", started.elapsed().as_secs_f64());
    let told = ["add_on_purchases", "adopted", &format!("{rows} rows")].map(str::to_owned);
    assert!(adopted.contains(&told), "{adopted:?}");
    let difference = "
        SELECT count(*) FROM public.add_on_purchases o FULL JOIN shop.add_on_purchases n USING (id)
         WHERE (o.user_id, o.add_on_id, o.amount, o.status, o.purchased_at AT TIME ZONE 'Europe/Berlin')
               IS DISTINCT FROM (n.user_id, n.add_on_id, n.amount, n.status, n.purchased_at)";
    assert_eq!(text(&mut client, difference).unwrap(), "0");
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(text(&mut client, "SELECT count(*) FROM shop.add_on_purchases").unwrap(), "0");
}

/// A relation of another kind may have the name of a table in the old schema; and columns that ours lack are
/// reported.
#[test]
fn tables_that_are_something_else_are_skipped_and_columns_left_behind_are_told() {
    let mut client = predecessor("skipping");
    client
        .batch_execute(
            "DROP TABLE pricing_rules; CREATE TABLE pricing_rules (model text PRIMARY KEY, markup numeric);
             ALTER TABLE add_ons ADD COLUMN slug text, ADD COLUMN \"launch URL\" text",
        )
        .unwrap();
    let refused = adopt(&mut client, "'public'");
    assert!(refused.iter().any(|[table, status, _]| table == "pricing_rules" && status == "obstacle"), "{refused:?}");
    let told = adopt(&mut client, "'public', skip => '{pricing_rules}'");
    let row = |table: &str, status: &str| {
        told.iter().find(|[t, s, _]| t == table && s == status).map(|[.., detail]| detail.as_str())
    };
    assert_eq!(row("pricing_rules", "skipped"), Some("left as it is, as you asked"), "{told:?}");
    assert!(row("add_ons", "left behind").is_some_and(|detail| detail.ends_with("slug, \"launch URL\"")), "{told:?}");
    assert_eq!(
        text(&mut client, "SELECT count(*) = (SELECT count(*) FROM public.add_ons) FROM shop.add_ons").unwrap(),
        "t"
    );
    let unknown = refusal(&mut client, "SELECT * FROM shop.adopt_tables('public', skip => '{prices}')");
    assert_eq!((unknown.0.as_str(), unknown.1.as_str()), ("22023", "unknown_word"));
}

#[test]
fn features_currencies_and_subscriptions_are_taken_over_as_ours_are() {
    let mut client = predecessor("as_ours");
    client
        .batch_execute(
            r#"UPDATE public.add_ons SET features = '{"speech": {"hours": 5}, "cold_storage": 1}' WHERE name = 'Archive';
               UPDATE public.add_on_purchases SET currency = 'usd'"#,
        )
        .unwrap();
    let told = adopt(&mut client, "'public'");
    let doubt = |table: &str| {
        told.iter()
            .find(|[t, s, _]| t == table && s == "doubtful")
            .map(|[.., detail]| detail.as_str())
            .unwrap_or_default()
    };
    assert!(doubt("add_ons").starts_with("features is an object in 1 row: "), "{told:?}");
    // Ada's has no end; zoe's is cancelled.
    assert!(
        doubt("user_add_ons").starts_with("1 active subscription of a monthly or annual add-on has no expires_at"),
        "{told:?}"
    );
    let values = [
        ("SELECT features::text FROM shop.add_ons WHERE name = 'Archive'", r#"["cold_storage", "speech"]"#),
        ("SELECT currency FROM shop.add_on_purchases", "USD"),
        ("SELECT shop.has_feature('ada', 'speech')", "t"),
    ];
    for (query, value) in values {
        assert_eq!(text(&mut client, query).unwrap(), value, "{query}");
    }
}

/// Runs a script with psql, and says what it printed where it failed.
fn psql(database: &str, script: &str) -> Result<(), String> {
    let mut command = Server::shared().command("psql");
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]);
    let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// docs/migrating.md, followed in a database like that of a platform, up to where its backends start again; then what those do.
#[test]
fn backends_go_on_unmodified_in_a_database_that_was_taken_over_by_the_page() {
    const DATABASE: &str = "moved_in";
    Server::shared().create_database(DATABASE);
    let page = std::fs::read_to_string(paths::root().join("docs/migrating.md")).unwrap();
    let platform = std::fs::read_to_string(paths::root().join("tests/adoption/platform.sql")).unwrap();
    let is_before_they_start = |block: &markdown::Block| !block.text.contains("\\connect - backend");
    let blocks: Vec<_> = markdown::blocks(&page).into_iter().take_while(is_before_they_start).collect();
    assert!(blocks.len() > 10 && blocks.iter().all(|block| block.language == "sql"));
    for (number, block) in blocks.iter().enumerate() {
        let outcome = psql(DATABASE, &block.text);
        let is_refused = block.output.as_ref().is_some_and(|output| output.contains("ERROR:"));
        assert_eq!(outcome.is_err(), is_refused, "line {} of the page: {outcome:?}", block.line);
        if number == 0 {
            // The page's own small example, and what a platform has besides.
            psql(DATABASE, &platform).unwrap();
        }
    }
    pytest(DATABASE, &["tests/adoption"]);
}

/// Tables of the same names in the same schema prevent the installation; those in another schema are reported.
#[test]
fn an_installation_beside_tables_of_the_same_names_says_what_to_do() {
    let server = Server::shared();
    server.create_database("beside");
    let mut client = server.connect("beside");
    client.batch_execute("CREATE TABLE cart_items (id integer)").unwrap();
    let error = client.batch_execute("CREATE EXTENSION extensions").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42P07");
    assert_eq!(error.message(), "the schema public has tables of the extension's names: cart_items");
    assert!(error.detail().is_some_and(|detail| detail.ends_with("code: names_taken")), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("SET SCHEMA predecessor")), "{error:?}");
    client
        .batch_execute(
            "CREATE SCHEMA predecessor; ALTER TABLE cart_items SET SCHEMA predecessor; CREATE EXTENSION extensions",
        )
        .unwrap();
}
