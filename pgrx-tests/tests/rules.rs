//! Rules that SQL has to write itself to find rows: over rows of every kind, each statement, function and view must
//! find what the engine does.

use std::collections::BTreeSet;

use engine::access::status::{AccessStatus, is_entitled};
use engine::purchases::PurchaseStatus;
use engine::time::{Instant, Window};
use harness::{Server, refusal, text};
use postgres::Client;

type Names = BTreeSet<String>;

const HOUR: i64 = 3_600_000_000;

/// The queries for users with the feature `f`, which only one add-on gives, at the instant of the grid.
const WHO_HAS_THE_FEATURE: &[&str] = &[
    // Called for each user, and asked of a column, which the planner knows a way for.
    "SELECT id FROM people WHERE has_feature(id || '', 'f', at)",
    "SELECT id FROM people WHERE has_feature(id, 'f', (SELECT at FROM grid))",
    "SELECT id FROM people, has_features(id, '{f}', at) WHERE entitled",
    "SELECT id FROM people WHERE feature_configuration(id, 'f', at) IS NOT NULL",
    "SELECT id FROM people, user_features(id, at) WHERE feature_key = 'f'",
    "SELECT entitled_users('f', (SELECT at FROM grid))",
    "SELECT id FROM people, feature_usage(id, 'f', at)",
    "SELECT id FROM people, feature_usage(id, NULL, at) WHERE feature_key = 'f'",
];

/// The same for the add-on. A rule discounts its neighbour for users who have it.
const WHO_HAS_THE_ADD_ON: &[&str] = &[
    "SELECT id FROM people WHERE has_add_on(id || '', 'a0000000-0000-4000-8000-00000000000a', at)",
    "SELECT id FROM people WHERE has_add_on(id, 'a0000000-0000-4000-8000-00000000000a', (SELECT at FROM grid))",
    "SELECT id FROM people, active_add_ons(id, at)",
    "SELECT id FROM people WHERE cart_total(id, at => at) = 5",
    "SELECT user_id FROM price_carts(at => (SELECT at FROM grid)) WHERE total = 5",
];

/// An add-on with a feature, its neighbour, a rule for users who have the former and buy the latter, and the users in
/// question, each with a cart.
const GRID: &str = r#"
    INSERT INTO add_ons (id, name, category, base_price, billing_type)
    VALUES ('a0000000-0000-4000-8000-00000000000a', 'A', 'a', 10, 'monthly'),
           ('b0000000-0000-4000-8000-00000000000b', 'B', 'b', 10, 'monthly');
    INSERT INTO add_on_features (add_on_id, feature_key, configuration)
    VALUES ('a0000000-0000-4000-8000-00000000000a', 'f', '{"limit": 10, "per": "ever"}');
    INSERT INTO pricing_rules (add_on_id, discount_percent, conditions)
    VALUES ('b0000000-0000-4000-8000-00000000000b', 50, '{"requires_addon": ["a0000000-0000-4000-8000-00000000000a"]}');
    CREATE TABLE grid AS SELECT now() AS at;
    CREATE TABLE people AS
    SELECT 'user ' || row_number() OVER () AS id, status, since, until, at
      FROM grid, unnest('{active,cancelled,expired,pending,suspended}'::text[]) status, unnest('{-2,-1,0,1}'::integer[]) since,
           unnest('{NULL,-100,-2,-1,0,1,2,400}'::integer[]) until;
    INSERT INTO user_add_ons (user_id, add_on_id, status, purchased_at, expires_at, auto_renew)
    SELECT id, 'a0000000-0000-4000-8000-00000000000a', status, at + since * interval '1 hour', at + until * interval '1 hour',
           coalesce(until % 2 = 0, false)
      FROM people;
    INSERT INTO cart_items (user_id, add_on_id) SELECT id, 'b0000000-0000-4000-8000-00000000000b' FROM people;
    ANALYZE"#;

fn installed(database: &str, rows: &str) -> Client {
    Server::shared().create_database(database);
    let mut client = Server::shared().connect(database);
    client.batch_execute("CREATE EXTENSION extensions").unwrap();
    client.batch_execute(rows).unwrap();
    client
}

/// The first column of a query of texts.
fn names(client: &mut Client, query: &str) -> Names {
    let rows = client.query(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// Goes on as a role for whom rows are read by the planner's way: a policy that hides nothing may hide anything.
fn become_reader(client: &mut Client) {
    let reader = format!("reader of {}", text(client, "SELECT current_database()").unwrap());
    client
        .batch_execute(&format!(
            "CREATE ROLE \"{reader}\"; GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{reader}\";
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO \"{reader}\";
             ALTER TABLE user_add_ons ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON user_add_ons USING (true);
             ALTER TABLE add_on_purchases ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON add_on_purchases USING (true);
             SET ROLE \"{reader}\""
        ))
        .unwrap();
}

fn all_say(client: &mut Client, expected: &Names, queries: &[&str]) {
    assert!(!expected.is_empty());
    for query in queries {
        assert_eq!(names(client, query), *expected, "{query}");
    }
}

/// Somebody of the grid.
struct Person {
    id: String,
    status: AccessStatus,
    /// The window, the instant of the grid being 0.
    window: Window,
    renews: bool,
}

fn people(client: &mut Client) -> Vec<Person> {
    let hours = |hours: i32| Instant(i64::from(hours) * HOUR);
    let person = |row: &postgres::Row| {
        let until = row.get::<_, Option<i32>>(3);
        Person {
            id: row.get(0),
            status: AccessStatus::from_name(row.get(1)).unwrap(),
            window: Window { from: Some(hours(row.get(2))), until: until.map(hours) },
            renews: until.is_some_and(|until| until % 2 == 0),
        }
    };
    client.query("SELECT id, status, since, until FROM people", &[]).unwrap().iter().map(person).collect()
}

fn chosen(people: &[Person], is_chosen: impl Fn(&Person) -> bool) -> Names {
    people.iter().filter(|person| is_chosen(person)).map(|person| person.id.clone()).collect()
}

const NOW: Instant = Instant(0);

#[test]
fn entitled_agrees_with_the_engine() {
    let mut client = installed("entitled", GRID);
    let people = people(&mut client);
    let entitled = chosen(&people, |person| is_entitled(person.status, person.window, NOW));
    assert!(entitled.len() > 5 && entitled.len() < people.len() / 5);
    all_say(&mut client, &entitled, WHO_HAS_THE_FEATURE);
    all_say(&mut client, &entitled, WHO_HAS_THE_ADD_ON);
    let counted = text(&mut client, "SELECT value FROM marketplace_status() WHERE metric = 'active_subscriptions'");
    assert_eq!(counted, Some(entitled.len().to_string()));
    all_say(&mut client, &entitled, &["SELECT user_id::text FROM owned_add_ons WHERE entitled"]);
    // By one statement, by the clock: nothing begins or ends within the hour.
    all_say(&mut client, &entitled, &["SELECT id FROM people, consume_feature(id, 'f') WHERE allowed"]);
    // Under locks
    all_say(&mut client, &entitled, &["SELECT id FROM people, consume_feature(id, 'f', 1, 'key') WHERE allowed"]);
    become_reader(&mut client);
    all_say(&mut client, &entitled, WHO_HAS_THE_FEATURE);
    all_say(&mut client, &entitled, WHO_HAS_THE_ADD_ON);
}

#[test]
fn expiry_agrees_with_the_engine() {
    let mut client = installed("running_out", GRID);
    let people = people(&mut client);
    let is_over = |person: &Person, at| person.status == AccessStatus::Active && person.window.is_over(at);
    let soon = chosen(&people, |person| !is_over(person, NOW) && is_over(person, Instant(7 * 24 * HOUR)));
    all_say(&mut client, &soon, &["SELECT user_id::text FROM subscriptions_expiring_soon"]);
    for query in [
        "SELECT value FROM marketplace_status() WHERE metric = 'subscriptions_expiring_soon'",
        "SELECT value FROM marketplace_metrics() WHERE metric = 'subscriptions_expiring_within_week'",
    ] {
        assert_eq!(text(&mut client, query), Some(soon.len().to_string()), "{query}");
    }
    // Without arguments, run_maintenance() gives subscriptions that renew three days of grace.
    let over = chosen(&people, |person| is_over(person, if person.renews { Instant(-3 * 24 * HOUR) } else { NOW }));
    for query in [
        "SELECT value FROM marketplace_status() WHERE metric = 'waiting_for_maintenance'",
        "SELECT value FROM marketplace_metrics() WHERE labels ->> 'task' = 'expired_subscriptions'",
    ] {
        assert_eq!(text(&mut client, query), Some(over.len().to_string()), "{query}");
    }
    // Subscriptions that renew have half an hour of grace.
    let marked = chosen(&people, |person| is_over(person, if person.renews { Instant(-HOUR / 2) } else { NOW }));
    assert!(marked.len() > over.len());
    client.batch_execute("SELECT * FROM run_maintenance(renewal_grace => '30 minutes')").unwrap();
    all_say(
        &mut client,
        &marked,
        &[
            "SELECT p.id FROM people p JOIN user_add_ons u ON u.user_id = p.id WHERE p.status = 'active' AND u.status = 'expired'",
        ],
    );
}

#[test]
fn features_given_agree_with_the_engine() {
    // Nine add-ons, each of another user: without a row of the feature, with an enabled one, or a disabled one; that
    // list it, or not, or twice.
    let rows = r#"
        CREATE TABLE grid AS SELECT now() AS at;
        CREATE TABLE people AS
        SELECT 'user ' || row_number() OVER () AS id, gen_random_uuid() AS add_on_id, enabled, listed, at
          FROM grid, unnest('{NULL,true,false}'::boolean[]) enabled, unnest('{0,1,2}'::integer[]) listed;
        INSERT INTO add_ons (id, name, category, base_price, billing_type, features)
        SELECT add_on_id, id, 'a', 10, 'monthly', to_jsonb(array_fill('f'::text, ARRAY[listed]) || '{g}') FROM people;
        INSERT INTO add_on_features (add_on_id, feature_key, enabled, configuration)
        SELECT add_on_id, 'f', enabled, '{"limit": 10}' FROM people WHERE enabled IS NOT NULL;
        INSERT INTO user_add_ons (user_id, add_on_id) SELECT id, add_on_id FROM people;
        UPDATE user_add_ons SET purchased_at = '2020-01-01'"#;
    let mut client = installed("giving", rows);
    let found = client.query("SELECT id, enabled, listed FROM people", &[]).unwrap();
    // A row decides; without a row, the list does.
    let gives = |row: &&postgres::Row| row.get::<_, Option<bool>>(1).unwrap_or(row.get::<_, i32>(2) > 0);
    let giving: Names = found.iter().filter(gives).map(|row| row.get(0)).collect();
    assert_eq!((found.len(), giving.len()), (9, 5));
    let of_add_ons = &[
        "SELECT name FROM search_add_ons(feature_key => 'f')",
        "SELECT name FROM list_add_ons(feature_key => 'f')",
        "SELECT user_id::text FROM owned_add_ons WHERE features ? 'f'",
    ];
    all_say(&mut client, &giving, WHO_HAS_THE_FEATURE);
    all_say(&mut client, &giving, of_add_ons);
    all_say(&mut client, &giving, &["SELECT id FROM people, consume_feature(id, 'f') WHERE allowed"]);
    become_reader(&mut client);
    all_say(&mut client, &giving, WHO_HAS_THE_FEATURE);
    all_say(&mut client, &giving, of_add_ons);
}

/// For each status a user, an add-on, a code, a bundle, a currency and a payment of that name, and a purchase with all of them.
const PURCHASES: &str = r#"
    CREATE TABLE statuses AS
    SELECT status AS name, gen_random_uuid() AS add_on_id, gen_random_uuid() AS other_id, gen_random_uuid() AS bundle_id,
           gen_random_uuid() AS checkout_id, gen_random_uuid() AS later_id, 'XA' || upper(left(status, 1)) AS currency
      FROM unnest('{pending,completed,failed,refunded,disputed}'::text[]) status;
    INSERT INTO add_ons (id, name, category, base_price, billing_type)
    SELECT add_on_id, name, name, 10, 'monthly' FROM statuses UNION ALL SELECT other_id, 'other ' || name, 'o', 10, 'monthly' FROM statuses;
    INSERT INTO add_on_bundles (id, name, add_on_ids, discount_percent) SELECT bundle_id, name, ARRAY[add_on_id, other_id], 10 FROM statuses;
    INSERT INTO promotional_codes (code, discount_type, discount_value, user_restrictions)
    SELECT name, 'percentage', 10, '{"max_uses_per_user": 1}'::jsonb FROM statuses
     UNION ALL SELECT 'newcomer', 'percentage', 10, '{"first_purchase_only": true}'::jsonb;
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, checkout_id, promo_code, stripe_payment_id, lago_invoice_id, status, metadata)
    SELECT name, add_on_id, 10, currency, checkout_id, upper(name), 'pi_' || name, 'in_' || name, name,
           jsonb_build_object('quote_line', '{"promo_discount": 1}'::jsonb, 'quote', jsonb_build_object('total', 10, 'bundles',
                              jsonb_build_array(jsonb_build_object('bundle_id', bundle_id, 'instances', 1))))
      FROM statuses;
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, currency, checkout_id)
    SELECT 'buyer', add_on_id, 10, 'USD', later_id FROM statuses;
    INSERT INTO user_add_ons (user_id, add_on_id) SELECT 'renewer', add_on_id FROM statuses"#;

fn statuses(is_it: impl Fn(PurchaseStatus) -> bool) -> Names {
    PurchaseStatus::ALL.into_iter().filter(|&status| is_it(status)).map(|status| status.name().to_owned()).collect()
}

#[test]
fn paid_agrees_with_the_engine() {
    let mut client = installed("paid", PURCHASES);
    let paid = statuses(PurchaseStatus::is_paid);
    all_say(
        &mut client,
        &paid,
        &[
            "SELECT name FROM revenue_by_day JOIN statuses USING (currency)",
            "SELECT s.name FROM revenue_by_add_on r JOIN statuses s ON s.name = r.name",
            "SELECT s.name FROM revenue_by_add_on(NULL, NULL) r JOIN statuses s ON s.name = r.name",
            "SELECT s.name FROM revenue_by_category r JOIN statuses s ON s.name = r.category",
            "SELECT lower(code) FROM promo_code_performance WHERE paid_checkouts = 1",
            "SELECT lower(code) FROM promo_code_performance WHERE users = 1",
            "SELECT lower(code) FROM promo_code_performance WHERE net = 10",
            "SELECT lower(code) FROM promo_code_performance WHERE discount = 1",
            "SELECT name FROM statuses, marketplace_status() WHERE metric = 'revenue_today' AND strpos(value, currency) > 0",
            "SELECT name FROM statuses, marketplace_metrics() WHERE metric = 'paid_purchases_last_day' AND labels ->> 'currency' = currency",
            "SELECT name FROM statuses, marketplace_metrics() WHERE metric = 'paid_amount_last_day' AND labels ->> 'currency' = currency",
        ],
    );
    let waiting = "SELECT paid_checkouts || ' ' || failed_checkouts || ' ' || pending_checkouts FROM cart_conversion";
    assert_eq!(text(&mut client, waiting), Some(format!("{} 1 6", paid.len())));
    // One payment pays for one thing, in Stripe as in Lago, for one user as for another.
    for (name, code) in ["pending", "completed", "failed", "refunded", "disputed"].map(|name| (name, "payment_used")) {
        for call in [
            "SELECT complete_checkout(later_id, 'pi_' || name) FROM statuses",
            "SELECT complete_checkout(later_id, NULL, 'in_' || name) FROM statuses",
            "SELECT renew_add_on('renewer', add_on_id, 10, 'pi_' || name) FROM statuses",
            "SELECT renew_add_on('renewer', add_on_id, 10, NULL, 'in_' || name) FROM statuses",
        ] {
            let call = format!("{call} WHERE name = '{name}'");
            if paid.contains(name) {
                assert_eq!(refusal(&mut client, &call).1, code, "{call}");
            } else {
                client.batch_execute(&format!("BEGIN; {call}; ROLLBACK")).unwrap_or_else(|e| panic!("{call}: {e:?}"));
            }
        }
    }
    // A purchase that was paid and refunded in full is refunded.
    client.batch_execute("UPDATE add_on_purchases SET refund_amount = amount").unwrap();
    let told = "SELECT name FROM statuses, add_on_purchases p, _check_purchases()
                 WHERE p.user_id = name AND check_name = 'refunds' AND strpos(detail, p.id::text) > 0";
    all_say(&mut client, &statuses(|status| status.is_paid() && status != PurchaseStatus::Refunded), &[told]);
}

#[test]
fn awaited_agrees_with_the_engine() {
    let mut client = installed("pending", PURCHASES);
    client.batch_execute("DELETE FROM add_on_purchases WHERE user_id = 'buyer'").unwrap();
    let pending = statuses(|status| status == PurchaseStatus::Pending);
    all_say(
        &mut client,
        &pending,
        &[
            "SELECT lower(code) FROM promo_code_performance WHERE pending_checkouts = 1",
            "SELECT name FROM statuses, marketplace_metrics() WHERE metric = 'open_amount' AND labels ->> 'currency' = currency",
            "SELECT name FROM statuses, marketplace_status() WHERE metric = 'open_amount' AND strpos(value, currency) > 0",
            "SELECT name FROM statuses, _check_purchases() WHERE check_name = 'purchase_currencies' AND detail LIKE '1 purchases are in ' || currency || ', of which 1%'",
        ],
    );
    let earlier = "UPDATE add_on_purchases SET purchased_at = now() - CASE status WHEN 'pending' THEN 2 ELSE 9 END * interval '1 day'";
    client.batch_execute(earlier).unwrap();
    for query in [
        "SELECT round(value / 86400 / 2) FROM marketplace_metrics() WHERE metric = 'oldest_open_checkout_seconds'",
        "SELECT value FROM marketplace_status() WHERE metric = 'open_checkouts'",
        "SELECT value FROM marketplace_metrics() WHERE metric = 'open_checkouts'",
        "SELECT value FROM marketplace_status() WHERE metric = 'waiting_for_maintenance'",
        "SELECT value FROM marketplace_metrics() WHERE labels ->> 'task' = 'unpaid_purchases'",
        "SELECT affected FROM run_maintenance() WHERE task = 'unpaid_purchases'",
    ] {
        assert_eq!(text(&mut client, query).as_deref(), Some("1"), "{query}");
    }
}

#[test]
fn live_and_earlier_purchases_agree_with_the_engine() {
    let mut client = installed("live", PURCHASES);
    let live = statuses(PurchaseStatus::is_live);
    // No counter counts these purchases, so each one that should be counted is reported.
    all_say(
        &mut client,
        &live,
        &[
            "SELECT name FROM statuses, _check_purchases() WHERE check_name = 'promotional_code_uses' AND strpos(detail, upper(name)) > 0",
            "SELECT name FROM statuses, _check_purchases() WHERE check_name = 'bundle_uses' AND strpos(detail, bundle_id::text) > 0",
        ],
    );
    let used_up =
        "SELECT name FROM statuses, validate_promo_code(name, name) WHERE 'user_limit_reached' = ANY (reasons)";
    let earlier = statuses(PurchaseStatus::is_earlier_purchase);
    let no_newcomers =
        "SELECT name FROM statuses, validate_promo_code('newcomer', name) WHERE 'not_first_purchase' = ANY (reasons)";
    all_say(&mut client, &live, &[used_up]);
    all_say(&mut client, &earlier, &[no_newcomers]);
    become_reader(&mut client);
    all_say(&mut client, &live, &[used_up]);
    all_say(&mut client, &earlier, &[no_newcomers]);
}

#[test]
fn exhausted_codes_agree_with_the_engine() {
    let rows = r#"
        INSERT INTO add_ons (id, name, category, base_price, billing_type)
        VALUES ('a0000000-0000-4000-8000-00000000000a', 'A', 'a', 10, 'monthly');
        INSERT INTO promotional_codes (code, discount_type, discount_value, is_active, expires_at, max_uses, current_uses)
        SELECT 'C' || row_number() OVER (), 'percentage', 10, is_active, now() + until * interval '1 hour', 10, used
          FROM unnest('{true,false}'::boolean[]) is_active, unnest('{NULL,-1,0,1}'::integer[]) until, unnest('{8,9,10}'::integer[]) used;
        INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('FREE', 'percentage', 10)"#;
    let mut client = installed("codes", rows);
    // The engine's result when the code is given.
    let judged =
        "SELECT c.code::text, v.reasons, c.current_uses FROM promotional_codes c, validate_promo_code(c.code) v";
    let judged: Vec<(String, Vec<String>, i32)> =
        client.query(judged, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let is = |reasons: &[String], reason: &str| reasons.iter().any(|one| one == reason);
    let codes = |is_it: &dyn Fn(&[String], i32) -> bool| -> Names {
        judged.iter().filter(|(_, reasons, used)| is_it(reasons, *used)).map(|(code, ..)| code.clone()).collect()
    };
    let told = |because: &str| {
        format!(
            "SELECT c.code::text FROM promotional_codes c, _check_catalog() k WHERE k.detail = 'the code ' || c.code || ' (' || c.id || ') no longer applies: {because}'"
        )
    };
    let expired = codes(&|reasons, _| is(reasons, "expired") && !is(reasons, "inactive"));
    let exhausted = codes(&|reasons, _| is(reasons, "exhausted") && !is(reasons, "inactive"));
    all_say(&mut client, &expired, &[&told("it has expired")]);
    all_say(&mut client, &exhausted, &[&told("all 10 uses are taken")]);
    let on = |reasons: &[String]| !is(reasons, "inactive") && !is(reasons, "expired");
    let nearly = codes(&|reasons, used| on(reasons) && used == 9);
    let used_up = codes(&|reasons, _| on(reasons) && is(reasons, "exhausted"));
    let listed = "SELECT c.code::text FROM promotional_codes c, marketplace_status() s
                   WHERE s.metric = 'codes_nearly_used_up' AND strpos(s.value, c.code || ' (') > 0";
    all_say(&mut client, &nearly.union(&used_up).cloned().collect(), &[listed]);
    for (metric, expected) in [
        ("metric = 'codes_nearly_used_up'", nearly.len()),
        ("metric = 'codes_used_up'", used_up.len()),
        ("labels ->> 'task' = 'expired_promotional_codes'", expired.len()),
    ] {
        let counted = text(&mut client, &format!("SELECT value FROM marketplace_metrics() WHERE {metric}"));
        assert_eq!(counted, Some(expected.to_string()), "{metric}");
    }
    let switched_off = "SELECT affected FROM run_maintenance() WHERE task = 'expired_promotional_codes'";
    assert_eq!(text(&mut client, switched_off), Some(expired.len().to_string()));
}

/// Rows on both sides of each default of run_maintenance(): carts of two items, added and changed 29 or 31 days ago; checkouts
/// of which nothing, a payment or the end of a trial is awaited; subscriptions and codes.
const LEFTOVERS: &str = r#"
    INSERT INTO add_ons (id, name, category, base_price, billing_type)
    VALUES ('a0000000-0000-4000-8000-00000000000a', 'A', 'a', 10, 'monthly'), ('b0000000-0000-4000-8000-00000000000b', 'B', 'b', 10, 'monthly');
    INSERT INTO cart_items (user_id, add_on_id, added_at, updated_at)
    SELECT concat_ws(' ', 'cart', a, b, c, d), item.add_on_id, now() - item.added * interval '1 day', now() - item.changed * interval '1 day'
      FROM unnest('{29,31}'::integer[]) a, unnest('{29,31}'::integer[]) b, unnest('{29,31}'::integer[]) c, unnest('{29,31}'::integer[]) d,
           LATERAL (VALUES ('a0000000-0000-4000-8000-00000000000a'::uuid, a, b), ('b0000000-0000-4000-8000-00000000000b', c, d))
                   item (add_on_id, added, changed);
    INSERT INTO add_on_purchases (user_id, add_on_id, amount, checkout_id, purchased_at, facts)
    SELECT concat_ws(' ', 'buyer', age, awaited), 'a0000000-0000-4000-8000-00000000000a', 10, gen_random_uuid(),
           now() - age * interval '1 hour', jsonb_strip_nulls(jsonb_build_object('awaited', awaited))
      FROM unnest('{23,25,719,721}'::integer[]) age, unnest('{NULL,payment,trial}'::text[]) awaited;
    INSERT INTO user_add_ons (user_id, add_on_id, purchased_at, expires_at, auto_renew)
    SELECT concat_ws(' ', 'owner', age, renews), 'a0000000-0000-4000-8000-00000000000a', now() - interval '1 year',
           now() - age * interval '1 hour', renews
      FROM unnest('{-1,1,71,73}'::integer[]) age, unnest('{true,false}'::boolean[]) renews;
    INSERT INTO promotional_codes (code, discount_type, discount_value, expires_at)
    SELECT 'C' || age, 'percentage', 10, now() - age * interval '1 hour' FROM unnest('{-1,1}'::integer[]) age"#;

/// Reports about payments of no sale known here, one of them old enough to be forgotten.
const UNCLAIMED: &str = r#"
    SELECT apply_stripe_event(jsonb_build_object('id', 'evt_' || n, 'object', 'event', 'type', 'charge.refunded', 'created', 1767225600,
               'data', jsonb_build_object('object', jsonb_build_object('id', 'ch_' || n, 'object', 'charge', 'payment_intent', 'pi_' || n,
                   'amount', 1999, 'amount_refunded', 1999, 'refunded', true, 'currency', 'usd'))))
      FROM generate_series(719, 721, 2) n;
    UPDATE marketplace_unclaimed u SET heard_at = now() - n * interval '1 hour'
      FROM generate_series(719, 721, 2) n WHERE u.provider_ids @> ARRAY['pi_' || n]"#;

#[test]
fn metrics_say_what_maintenance_would_do() {
    let mut client = installed("leftovers", LEFTOVERS);
    let unclaimed = "SELECT value::text FROM marketplace_metrics() WHERE labels ->> 'task' = 'unclaimed_events'";
    assert_eq!(text(&mut client, unclaimed).unwrap(), "0", "before there is a table of them");
    client.batch_execute(UNCLAIMED).unwrap();
    let (waiting, done) = (
        "SELECT labels ->> 'task', value::bigint FROM marketplace_metrics() WHERE metric = 'waiting_for_maintenance' ORDER BY 1",
        "SELECT task, affected FROM run_maintenance() ORDER BY 1",
    );
    let mut counts = |query: &str| -> Vec<(String, i64)> {
        client.query(query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let expected = [
        // The one cart in which nothing was added or changed for 30 days.
        ("abandoned_cart_items", 2),
        ("expired_promotional_codes", 1),
        // Three that do not renew, and one whose renewal is late.
        ("expired_subscriptions", 4),
        ("unclaimed_events", 1),
        // Three of which nothing is awaited, and one whose payment has been awaited for too long.
        ("unpaid_purchases", 4),
    ];
    let expected = expected.map(|(task, rows)| (task.to_owned(), rows));
    assert_eq!(counts(waiting), expected);
    assert_eq!(counts(done), expected);
    assert!(counts(waiting).iter().all(|(_, rows)| *rows == 0));
}
