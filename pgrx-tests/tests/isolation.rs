//! enable_user_isolation(): a session reads and writes one user's rows, through functions and directly.

use std::sync::OnceLock;

use harness::{Server, add_on, marketplace, refusal, text};
use postgres::Client;

/// The roles of an application, which exist once in the server. `everything` may do more than any level gives it.
fn create_roles() {
    static CREATED: OnceLock<()> = OnceLock::new();
    CREATED.get_or_init(|| {
        let roles = "CREATE ROLE web LOGIN; CREATE ROLE everything LOGIN; CREATE ROLE worker LOGIN BYPASSRLS";
        Server::shared().connect("postgres").batch_execute(roles).unwrap();
    });
}

/// The ids of the victim's rows.
struct Victim {
    brigade: uuid::Uuid,
    pending: String,
    paid: String,
    purchase: String,
}

/// A marketplace in which `victim` has a cart, a pending purchase and a paid one; and isolation is on.
fn isolated(name: &str) -> (Client, Victim) {
    create_roles();
    let mut client = marketplace(name);
    let brigade = add_on(&mut client, "Brigade");
    let bolt = add_on(&mut client, "Bolt");
    client
        .batch_execute(&format!(
            "SELECT grant_marketplace_access('web', level) FROM unnest('{{shop,entitlements,billing}}'::text[]) level;
             GRANT EXECUTE ON FUNCTION run_maintenance TO web;
             SELECT grant_marketplace_access('worker', 'billing'), grant_marketplace_access('worker', 'admin');
             GRANT ALL ON ALL TABLES IN SCHEMA public TO everything;
             GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO everything;
             SELECT add_to_cart('victim', '{brigade}');
             SELECT complete_checkout(checkout_id, 'pi_victim') FROM checkout('victim');
             SELECT add_to_cart('victim', '{bolt}'); SELECT * FROM checkout('victim', idempotency_key => 'of the victim');
             SELECT add_to_cart('victim', '{bolt}');
             SELECT enable_user_isolation()"
        ))
        .unwrap();
    let mut id = |query: &str| text(&mut client, query).unwrap();
    let pending = id("SELECT checkout_id FROM add_on_purchases WHERE status = 'pending'");
    let purchase = id("SELECT id FROM add_on_purchases WHERE status = 'completed'");
    let paid = id("SELECT checkout_id FROM add_on_purchases WHERE status = 'completed'");
    (client, Victim { brigade, pending, paid, purchase })
}

/// A description of all of the victim's data.
fn state_of_victim(client: &mut Client) -> String {
    let query = "
        SELECT string_agg(row_text, ' ' ORDER BY row_text) FROM (
            SELECT to_jsonb(u)::text FROM user_add_ons u WHERE user_id = 'victim'
         UNION ALL SELECT to_jsonb(p)::text FROM add_on_purchases p WHERE user_id = 'victim'
         UNION ALL SELECT to_jsonb(c)::text FROM cart_items c WHERE user_id = 'victim') x (row_text)";
    text(client, query).unwrap()
}

/// A call, and the thief's result: a value, or the code of a refusal.
type Attempt = (&'static str, Result<&'static str, &'static str>);

const CALLS: &[Attempt] = &[
    ("SELECT cart_total('victim')", Ok("0.00")),
    ("SELECT price_cart('victim') ->> 'line_count'", Ok("0")),
    ("SELECT count(*) FROM explain_cart('victim') WHERE stage = 'line'", Ok("0")),
    ("SELECT has_feature('victim', 'agent_platform')", Ok("f")),
    ("SELECT has_add_on('victim', '{brigade}')", Ok("f")),
    ("SELECT count(*) FROM has_features('victim', '{agent_platform}') WHERE entitled", Ok("0")),
    ("SELECT coalesce(feature_configuration('victim', 'agent_platform')::text, 'none')", Ok("none")),
    ("SELECT count(*) FROM user_features('victim')", Ok("0")),
    ("SELECT count(*) FROM active_add_ons('victim')", Ok("0")),
    ("SELECT count(*) FROM entitled_users('agent_platform')", Ok("0")),
    ("SELECT count(*) FROM users WHERE has_feature(users.id, 'agent_platform')", Ok("0")),
    ("SELECT count(*) FROM users WHERE has_add_on(users.id, '{brigade}')", Ok("0")),
    ("SELECT count(*) FROM purchase_history('victim')", Ok("0")),
    ("SELECT count(*) FROM list_purchases('victim')", Ok("0")),
    ("SELECT count(*) FROM cart_lines('victim')", Ok("0")),
    ("SELECT count(*) FROM purchase_details WHERE user_id = 'victim'", Ok("0")),
    ("SELECT count(*) FROM owned_add_ons WHERE user_id = 'victim'", Ok("0")),
    ("SELECT clear_cart('victim')", Err("other_user")),
    ("SELECT remove_from_cart('victim', (SELECT id FROM add_ons WHERE name = 'Bolt'))", Err("other_user")),
    ("SELECT add_to_cart('victim', '{brigade}')", Err("other_user")),
    ("SELECT set_cart_quantity('victim', '{brigade}', 3)", Err("other_user")),
    ("SELECT set_cart_quantity('victim', '{brigade}', 0)", Err("other_user")),
    ("SELECT * FROM checkout('victim')", Err("other_user")),
    ("SELECT * FROM checkout('victim', idempotency_key => 'of the victim')", Err("other_user")),
    ("SELECT stripe_checkout('{pending}', 'https://shop.test', 'https://shop.test')", Err("checkout_not_found")),
    ("SELECT * FROM complete_checkout('{pending}')", Err("other_user")),
    ("SELECT * FROM complete_checkout('{paid}', 'pi_thief')", Err("other_user")),
    ("SELECT fail_checkout('{pending}')", Err("other_user")),
    ("SELECT refund_purchase('{purchase}')", Err("other_user")),
    ("SELECT dispute_purchase('{purchase}')", Err("other_user")),
    ("SELECT resolve_dispute('{purchase}', true)", Err("other_user")),
    ("SELECT * FROM grant_add_on('victim', '{brigade}')", Err("other_user")),
    ("SELECT cancel_add_on('victim', '{brigade}', immediately => true)", Err("other_user")),
    ("SELECT suspend_add_on('victim', '{brigade}')", Err("other_user")),
    ("SELECT resume_add_on('victim', '{brigade}')", Err("other_user")),
    ("SELECT renew_add_on('victim', '{brigade}', 19.99)", Err("other_user")),
    ("SELECT * FROM consume_feature('victim', 'agent_platform')", Err("other_user")),
    ("SELECT * FROM release_feature('victim', 'agent_platform')", Err("other_user")),
    ("SELECT * FROM set_feature_usage('victim', 'agent_platform', 0)", Err("other_user")),
    ("SELECT count(*) FROM feature_usage('victim')", Ok("0")),
    ("SELECT * FROM merge_carts('victim', 'thief')", Err("other_user")),
    ("SELECT * FROM merge_carts('thief', 'victim')", Err("other_user")),
    // Objects of others and missing objects look alike.
    ("SELECT fail_checkout('{brigade}')", Err("other_user")),
    ("SELECT refund_purchase('{brigade}')", Err("other_user")),
    (
        r#"SELECT apply_stripe_event('{"id": "evt", "object": "event", "type": "charge.refunded", "created": 1700000000,
                "data": {"object": {"id": "ch", "object": "charge", "payment_intent": "pi_victim", "amount": 1999,
                "amount_refunded": 1999, "currency": "usd", "refunded": true}}}')"#,
        Err("rows_hidden"),
    ),
    ("SELECT * FROM run_maintenance('0', '0')", Err("rows_hidden")),
    // Through functions with other rights.
    ("SELECT lent.clears('victim')", Err("other_user")),
    ("SELECT lent.fails('{pending}')", Err("other_user")),
    ("SELECT count(*) FROM cart_items", Ok("0")),
    ("SELECT count(*) FROM add_on_purchases WHERE user_id = 'victim'", Ok("0")),
    ("SELECT count(*) FROM user_add_ons", Ok("0")),
    ("INSERT INTO cart_items (user_id, add_on_id) VALUES ('victim', '{brigade}')", Err("")),
    ("INSERT INTO user_add_ons (user_id, add_on_id) VALUES ('victim', '{brigade}') ON CONFLICT DO NOTHING", Err("")),
    ("INSERT INTO add_on_purchases (user_id, add_on_id, amount) VALUES ('victim', '{brigade}', 0)", Err("")),
    // A predicate that leaks what it sees.
    ("SELECT count(*) FROM add_on_purchases WHERE pg_temp.spy(user_id)", Ok("0")),
];

/// Attempts for which a role must be able to write the tables.
const DIRECT: &[Attempt] = &[
    ("WITH d AS (DELETE FROM cart_items RETURNING 1) SELECT count(*) FROM d", Ok("0")),
    ("WITH u AS (UPDATE user_add_ons SET status = 'expired' RETURNING 1) SELECT count(*) FROM u", Ok("0")),
    ("WITH u AS (UPDATE add_on_purchases SET user_id = 'thief' RETURNING 1) SELECT count(*) FROM u", Ok("0")),
];

impl Victim {
    /// A call with their ids in it.
    fn named_in(&self, call: &str) -> String {
        let call = call.replace("{brigade}", &self.brigade.to_string()).replace("{pending}", &self.pending);
        call.replace("{purchase}", &self.purchase).replace("{paid}", &self.paid)
    }
}

/// Makes a call in a session that names its user in this way.
fn assert_tried(mut thief: Client, user: &str, call: &str, outcome: Result<&str, &str>) {
    thief
        .batch_execute(
            "CREATE FUNCTION pg_temp.spy(varchar) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
             $$BEGIN RAISE EXCEPTION 'saw %', $1; END$$",
        )
        .unwrap();
    thief.batch_execute(&format!("BEGIN; {user}")).unwrap();
    match outcome {
        Ok(value) => assert_eq!(text(&mut thief, call).as_deref(), Some(value), "{user}: {call}"),
        Err(code) => {
            let (state, refused, _) = refusal(&mut thief, call);
            // A call that only reads finds nothing.
            let expected = if code.ends_with("_not_found") { "P0002" } else { "42501" };
            assert_eq!((state.as_str(), refused.as_str()), (expected, code), "{user}: {call}");
        }
    }
}

#[test]
fn nobody_reaches_another_user_through_functions_or_directly() {
    let (mut superuser, victim) = isolated("attacked");
    let before = state_of_victim(&mut superuser);
    superuser
        .batch_execute(
            "CREATE SCHEMA lent; GRANT USAGE ON SCHEMA lent TO PUBLIC;
             CREATE FUNCTION lent.clears(victim text) RETURNS integer LANGUAGE sql SECURITY DEFINER AS
             'SELECT public.clear_cart(victim)';
             CREATE FUNCTION lent.fails(victim uuid) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS
             'SELECT public.fail_checkout(victim)';
             ALTER FUNCTION lent.clears(text) OWNER TO worker; ALTER FUNCTION lent.fails(uuid) OWNER TO worker",
        )
        .unwrap();
    superuser
        .batch_execute("CREATE TABLE users AS SELECT 'victim' || left(n::text, 0) AS id FROM generate_series(1, 10) n")
        .unwrap();
    superuser.batch_execute("GRANT SELECT ON users TO web, everything").unwrap();
    for role in ["web", "everything"] {
        for user in ["SET LOCAL extensions.user_id = 'thief'", "SET LOCAL extensions.user_id = ''", "SELECT 1"] {
            for (call, outcome) in CALLS.iter().chain(DIRECT.iter().filter(|_| role == "everything")) {
                let thief = Server::shared().config("attacked").user(role).connect(postgres::NoTls).unwrap();
                assert_tried(thief, user, &victim.named_in(call), *outcome);
            }
        }
    }
    assert_eq!(state_of_victim(&mut superuser), before);
}

#[test]
fn the_user_themself_shops_as_before() {
    let (_, victim) = isolated("themself");
    let mut session = Server::shared().config("themself").user("web").connect(postgres::NoTls).unwrap();
    session.batch_execute("SET extensions.user_id = 'victim'").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('victim')").unwrap(), "14.99");
    assert_eq!(text(&mut session, "SELECT has_feature('victim', 'agent_platform')").unwrap(), "t");
    assert_eq!(text(&mut session, "SELECT count(*) FROM purchase_history('victim')").unwrap(), "2");
    session.batch_execute(&format!("SELECT * FROM complete_checkout('{}')", victim.pending)).unwrap();
    session
        .batch_execute("SELECT complete_checkout(checkout_id) FROM checkout('victim', promo_code => 'LAUNCH2025')")
        .unwrap();
    assert_eq!(text(&mut session, &format!("SELECT refund_purchase('{}')", victim.purchase)).unwrap(), "19.99");
    assert_eq!(text(&mut session, "SELECT count(*) FROM cart_items").unwrap(), "0");
    // Another user in the same session, with plans made for the first.
    session.batch_execute("SET extensions.user_id = 'other'").unwrap();
    assert_eq!(text(&mut session, "SELECT count(*) FROM purchase_history('victim')").unwrap(), "0");
    assert_eq!(text(&mut session, "SELECT has_feature('victim', 'agent_platform')").unwrap(), "f");
}

#[test]
fn tasks_over_all_users_need_a_role_that_sees_all() {
    let (_, _) = isolated("everybody");
    let event = r#"SELECT apply_stripe_event('{"id": "evt", "object": "event", "type": "charge.refunded", "created": 1700000000,
        "data": {"object": {"id": "ch", "object": "charge", "payment_intent": "pi_victim", "amount": 1999, "amount_refunded": 1999,
        "currency": "usd", "refunded": true}}}') ->> 'handled'"#;
    let mut isolated = Server::shared().config("everybody").user("everything").connect(postgres::NoTls).unwrap();
    assert_eq!(refusal(&mut isolated, "SELECT * FROM run_maintenance()").1, "rows_hidden");
    assert_eq!(refusal(&mut isolated, event).1, "rows_hidden");
    // Once it knows whose event it is, it applies it.
    isolated.batch_execute("BEGIN; SET LOCAL extensions.user_id = 'victim'").unwrap();
    assert_eq!(text(&mut isolated, event).unwrap(), "true");
    isolated.batch_execute("ROLLBACK").unwrap();
    let mut worker = Server::shared().config("everybody").user("worker").connect(postgres::NoTls).unwrap();
    assert_eq!(text(&mut worker, event).unwrap(), "true");
    worker.batch_execute("SELECT * FROM run_maintenance()").unwrap();
    // Another charge of another payment: this one is known by now.
    let unknown = event.replace("pi_victim", "pi_unknown").replace(r#""id": "ch""#, r#""id": "ch_unknown""#);
    assert_eq!(text(&mut worker, &unknown).unwrap(), "false");
}

#[test]
fn isolation_uses_the_named_setting_until_it_is_disabled() {
    let (mut superuser, _) = isolated("named");
    superuser.batch_execute("SELECT enable_user_isolation('request.jwt.sub')").unwrap();
    let mut session = Server::shared().config("named").user("web").connect(postgres::NoTls).unwrap();
    session.batch_execute("SET extensions.user_id = 'victim'").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('victim')").unwrap(), "0.00");
    session.batch_execute("SET request.jwt.sub = 'victim'").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('victim')").unwrap(), "14.99");
    session.batch_execute("RESET request.jwt.sub").unwrap();
    superuser.batch_execute("CREATE POLICY ours ON cart_items USING (false); SELECT disable_user_isolation()").unwrap();
    assert_eq!(text(&mut session, "SELECT has_feature('victim', 'agent_platform')").unwrap(), "t");
    // The policies of others stay, and so does row security.
    assert_eq!(text(&mut session, "SELECT cart_total('victim')").unwrap(), "0.00");
    superuser.batch_execute("DROP POLICY ours ON cart_items; SELECT disable_user_isolation()").unwrap();
    assert_eq!(text(&mut session, "SELECT cart_total('victim')").unwrap(), "14.99");
    for setting in ["user_id", "a.b'; DROP TABLE cart_items; --", "", "a..b", ".a", "1.a"] {
        let call = format!("SELECT enable_user_isolation($x${setting}$x$)");
        assert_eq!(refusal(&mut superuser, &call).1, "invalid_setting", "{setting}");
    }
    assert_eq!(refusal(&mut superuser, "SELECT enable_user_isolation(NULL)").1, "null_argument");
    superuser.batch_execute("SET ROLE everything").unwrap();
    assert_eq!(refusal(&mut superuser, "SELECT enable_user_isolation()").0, "42501");
}

/// Code of somebody else that runs during a superuser's command, with the rights of its owner.
#[test]
fn code_run_by_a_superuser_stays_isolated() {
    let (mut superuser, _) = isolated("borrowed");
    let mut web = Server::shared().config("borrowed").user("web").connect(postgres::NoTls).unwrap();
    superuser.batch_execute("CREATE SCHEMA webs AUTHORIZATION web").unwrap();
    web.batch_execute(
        "CREATE TABLE webs.bait (id text); INSERT INTO webs.bait VALUES ('victim');
         CREATE FUNCTION webs.sweep(victim text) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
         BEGIN RETURN public.clear_cart(victim); END $$",
    )
    .unwrap();
    let before = state_of_victim(&mut superuser);
    let (state, code, _) = refusal(&mut superuser, "CREATE INDEX ON webs.bait (webs.sweep(id))");
    assert_eq!((state.as_str(), code.as_str()), ("42501", "rows_hidden"));
    assert_eq!(state_of_victim(&mut superuser), before);
}

/// Functions that write run as the owner, from whom no policy hides anything. So they refuse to bypass policies that
/// they cannot obey.
#[test]
fn policies_of_somebody_else_are_not_passed_over() {
    create_roles();
    let mut client = marketplace("other_policies");
    let brigade = add_on(&mut client, "Brigade");
    client
        .batch_execute(
            "SELECT grant_marketplace_access('web', 'shop'), grant_marketplace_access('worker', 'shop');
             ALTER TABLE cart_items ENABLE ROW LEVEL SECURITY;
             CREATE POLICY ours ON cart_items USING (user_id = current_setting('shop.who', true))",
        )
        .unwrap();
    let call = format!("SELECT add_to_cart('ada', '{brigade}')");
    let session = |role: &str| Server::shared().config("other_policies").user(role).connect(postgres::NoTls).unwrap();
    let mut web = session("web");
    web.batch_execute("SET shop.who = 'ada'").unwrap();
    assert_eq!(refusal(&mut web, &call).1, "rows_hidden");
    session("worker").batch_execute(&call).unwrap();
    // Our policy still narrows if another policy allows more reading; it does not if the other allows writing.
    client
        .batch_execute("DROP POLICY ours ON cart_items; SELECT enable_user_isolation(); CREATE POLICY seen ON cart_items FOR SELECT USING (true)")
        .unwrap();
    web.batch_execute("SET extensions.user_id = 'ada'").unwrap();
    web.batch_execute(&call).unwrap();
    assert_eq!(refusal(&mut web, "SELECT clear_cart('bob')").1, "other_user");
    client.batch_execute("CREATE POLICY written ON cart_items TO web USING (true)").unwrap();
    assert_eq!(refusal(&mut web, &call).1, "rows_hidden");
    client
        .batch_execute("DROP POLICY written ON cart_items; CREATE POLICY written ON cart_items TO worker USING (true)")
        .unwrap();
    web.batch_execute(&call).unwrap();
}
