//! Random arguments of every type for every function of the extension: no crash, no internal error, no unexpected
//! SQLSTATE. `make fuzz` makes 100 000 calls; the seed is printed, and `FUZZ_SEED` repeats a run.

mod documents;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use harness::{Server, errors, invariants, marketplace, rounds, text};
use postgres::Client;

use values::value;

/// The number of calls without `FUZZ_CALLS`.
const CALLS: usize = 4_000;

/// A function from pg_proc.
struct Function {
    name: String,
    arguments: Vec<String>,
    /// The number of its required arguments.
    required: usize,
    /// Its effects are rolled back, because other calls need the extension as it was.
    is_undone: bool,
    /// Only other functions call it, with sensible arguments.
    is_internal: bool,
}

/// Changes more than rows.
const ADMINISTRATION: [&str; 16] = [
    "_adopt_rows",
    "adopt_tables",
    "_adoption_rows",
    "attach_tables",
    "detach_tables",
    "disable_user_isolation",
    "enable_user_isolation",
    "grant_marketplace_access",
    "revoke_marketplace_access",
    "import_catalog",
    "link_reference_tables",
    "unlink_reference_tables",
    "protect_marketplace",
    "unprotect_marketplace",
    "run_maintenance",
    "schedule_maintenance",
];

/// SQLSTATEs of PostgreSQL that random values may cause.
const POSTGRESQLS: [(&str, &str); 13] = [
    ("22003", "numeric_value_out_of_range: a sum of amounts that no column holds"),
    ("22008", "datetime_field_overflow: a month after the last timestamp"),
    ("22021", "character_not_in_repertoire"),
    ("22023", "invalid_parameter_value: a time zone that does not exist"),
    ("22P05", "untranslatable_character"),
    ("23502", "not_null_violation"),
    ("23503", "foreign_key_violation"),
    ("23505", "unique_violation"),
    ("23514", "check_violation of a table's own constraint"),
    ("54000", "program_limit_exceeded: a key that no index holds"),
    ("54001", "statement_too_complex: a document nested deeper than the stack"),
    ("42501", "insufficient_privilege"),
    ("42704", "undefined_object: a role that does not exist"),
];

fn functions(client: &mut Client) -> Vec<Function> {
    let query = "SELECT p.proname::text, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n),
                        p.pronargs::int - p.pronargdefaults, coalesce(obj_description(p.oid, 'pg_proc') ~ '\\mOnly .* calls? it', false)
                   FROM pg_proc p
                   JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                   JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  WHERE e.extname = 'extensions' AND NOT 'internal'::regtype = ANY (p.proargtypes)
                    AND p.prorettype <> ALL ('{trigger,event_trigger}'::regtype[])
                  ORDER BY p.oid::regprocedure::text COLLATE \"C\"";
    let describe = |row: &postgres::Row| {
        let name: String = row.get(0);
        let is_undone = ADMINISTRATION.contains(&name.as_str());
        let (required, is_internal) = (row.get::<_, i32>(2) as usize, row.get(3));
        Function { name, arguments: row.get(1), required, is_undone: is_undone || is_internal, is_internal }
    };
    client.query(query, &[]).unwrap().iter().map(describe).collect()
}

fn call(random: &mut Rng, function: &Function, known: &[String]) -> String {
    let given = random.usize(function.required..=function.arguments.len());
    let arguments: Vec<String> = function.arguments[..given].iter().map(|kind| value(random, kind, known)).collect();
    format!("SELECT * FROM {}({})", function.name, arguments.join(", "))
}

/// Rows for ids to name, and roles and tables for functions that take them.
fn prepare(client: &mut Client) -> Vec<String> {
    client
        .batch_execute(
            "CREATE ROLE fuzz_shopper; CREATE ROLE \"fuzz owner\";
             CREATE SCHEMA old; CREATE TABLE old.add_ons (id int, name text, base_price float, created_at timestamp);
             SELECT count(*) FROM unnest('{ada,bob,user 1}'::text[]) u, add_ons a, add_to_cart(u, a.id, 1);
             SELECT count(*) FROM unnest('{bob,user 1}'::text[]) u, checkout(u, promo_code => 'launch2025', allow_mixed_billing => true);
             SELECT count(*) FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'bob') c, complete_checkout(c.checkout_id, 'pi_1');
             SET statement_timeout = '10s'",
        )
        .unwrap();
    let ids = "SELECT id::text FROM add_ons UNION SELECT id::text FROM add_on_bundles UNION SELECT checkout_id::text FROM add_on_purchases
               UNION SELECT id::text FROM add_on_purchases UNION SELECT id::text FROM promotional_codes ORDER BY 1";
    client.query(ids, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// The result of a call: an SQLSTATE, or `00000`; and the error if it is unexpected.
fn outcome(client: &mut Client, call: &str, is_internal: bool, ours: &BTreeSet<String>) -> (String, Option<String>) {
    let Err(error) = client.simple_query(call) else { return ("00000".to_owned(), None) };
    let short = call.chars().take(2_000).collect::<String>();
    let error = error.as_db_error().unwrap_or_else(|| panic!("{short} broke the connection: {error}"));
    let state = error.code().code();
    let has_code = error.detail().is_some_and(|detail| detail.lines().any(|line| line.starts_with("code: ")));
    let is_expected = match has_code {
        true => ours.contains(state),
        false if is_internal => !["XX", "57", "58", "53"].contains(&&state[..2]),
        false => POSTGRESQLS.iter().any(|(known, _)| *known == state),
    };
    let told = || format!("{state} {}, in {:?}, of {short}", error.message(), error.where_());
    (state.to_owned(), (!is_expected).then(told))
}

#[test]
fn random_arguments_are_answered_or_refused() {
    let seed: u64 = std::env::var("FUZZ_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let calls: usize = std::env::var("FUZZ_CALLS").map_or_else(|_| rounds(CALLS), |calls| calls.parse().unwrap());
    println!("FUZZ_SEED={seed} FUZZ_CALLS={calls}");
    let mut random = Rng::with_seed(seed);
    let mut client = marketplace("fuzz");
    let known = prepare(&mut client);
    let ours = errors(&mut client).into_values().collect();
    let functions = functions(&mut client);
    assert!(functions.len() > 50);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut surprises: BTreeMap<(String, String), String> = BTreeMap::new();
    for number in 0..calls {
        let function = &functions[number % functions.len()];
        let call = call(&mut random, function, &known);
        client.batch_execute("BEGIN").unwrap();
        let (outcome, unexpected) = outcome(&mut client, &call, function.is_internal, &ours);
        if let Some(error) = unexpected {
            surprises.entry((function.name.clone(), outcome.clone())).or_insert(error);
        }
        // Some effects are kept, so that later calls find something.
        let is_kept = outcome == "00000" && !function.is_undone && random.u8(..4) == 0;
        client
            .batch_execute(if is_kept { "COMMIT" } else { "ROLLBACK" })
            .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{calls} calls of {} functions: {outcomes:?}", functions.len());
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(outcomes["00000"] * 5 > calls, "most calls should get past their arguments: {outcomes:?}");
    client.batch_execute("SET statement_timeout = 0").unwrap();
    counters_hold(&mut client);
}

/// grant_add_on() gives access that nobody paid for, so only the extension's own checks count.
fn counters_hold(client: &mut Client) {
    let problems = "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
                     WHERE NOT ok AND check_name IN ('tables', 'indexes', 'constraints', 'triggers', 'promotional_code_uses', 'bundle_uses', 'refunds', 'quotes')";
    assert_eq!(text(client, problems), None);
}

#[test]
fn functions_of_triggers_are_called_by_triggers_only() {
    let mut client = marketplace("fuzz triggers");
    for function in [
        "enforce_purchase_transition",
        "invalidate_catalog_cache",
        "set_updated_at",
        "normalize_promo_code",
        "normalize_currency",
        "guard_marketplace",
    ] {
        let error = client.simple_query(&format!("SELECT {function}()")).unwrap_err();
        assert!(error.as_db_error().is_some(), "{function} broke the connection: {error}");
    }
    assert_eq!(
        Server::shared()
            .connect("fuzz triggers")
            .simple_query("SELECT guard_marketplace()")
            .unwrap_err()
            .code()
            .unwrap()
            .code(),
        "39P03"
    );
    invariants::check(&mut client);
}
