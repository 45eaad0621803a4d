//! Completing a checkout updates its purchases without a statement. What a host puts on the table has its say
//! nevertheless, the constraints bind, and every index leads to the new rows.
//!
//! On a preview too, because rows are written by functions inside a server.

use harness::{Server, marketplace, refusal, text};
use postgres::Client;

/// Sells three add-ons to a user. Returns the checkout.
fn sell(client: &mut Client, user: &str) -> String {
    let add =
        format!("SELECT add_to_cart('{user}', id) FROM add_ons WHERE name IN ('Bolt', 'Brigade', 'Vector Search')");
    client.batch_execute(&add).unwrap();
    let sold = format!("SELECT min(checkout_id::text) FROM checkout('{user}', allow_mixed_billing => true)");
    text(client, &sold).unwrap()
}

fn complete(checkout: &str, method: &str) -> String {
    format!("SELECT count(*) FROM complete_checkout('{checkout}', 'pi_{checkout}', payment_method => '{method}')")
}

/// The purchases of a checkout, by status.
fn statuses(client: &mut Client, checkout: &str) -> String {
    let statuses = format!("SELECT string_agg(status, ' ') FROM add_on_purchases WHERE checkout_id = '{checkout}'");
    text(client, &statuses).unwrap()
}

const COMPLETED: &str = "completed completed completed";

#[test]
fn what_a_host_puts_on_the_table_has_its_say_in_every_completion() {
    let mut client = marketplace("say");
    let mut owner = Server::shared().connect("say");
    let mut customers = 0;
    let mut complete_and_look = |client: &mut Client, look: &str| {
        customers += 1;
        let checkout = sell(client, &format!("customer {customers}"));
        assert_eq!(text(client, &complete(&checkout, "card")).as_deref(), Some("3"));
        assert_eq!(statuses(client, &checkout), COMPLETED);
        text(client, &look.replace("{checkout}", &checkout)).unwrap()
    };
    let paid = "SELECT count(*) FROM add_on_purchases WHERE checkout_id = '{checkout}' AND paid IS NOT NULL
                   AND payment_method = 'card' AND stripe_payment_id = 'pi_{checkout}' AND lago_invoice_id IS NULL";
    let told = "SELECT count(*) FROM add_on_purchases WHERE checkout_id = '{checkout}' AND facts IS NOT NULL
                   AND provider_ids = '{pi_{checkout}}'";
    assert_eq!(complete_and_look(&mut client, paid), "3");
    assert_eq!(complete_and_look(&mut client, told), "1");

    let log = "CREATE TABLE log (status text);
               CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN INSERT INTO log VALUES (NEW.status); RETURN NEW; END $$";
    owner.batch_execute(log).unwrap();
    for (number, timing) in ["BEFORE UPDATE", "AFTER UPDATE OF status"].into_iter().enumerate() {
        owner
            .batch_execute(&format!(
                "CREATE TRIGGER a_log {timing} ON add_on_purchases FOR EACH ROW EXECUTE FUNCTION log()"
            ))
            .unwrap();
        let logged = "SELECT count(*) FROM log WHERE status = 'completed'";
        assert_eq!(complete_and_look(&mut client, logged), (3 * (number + 1)).to_string(), "{timing}");
        owner.batch_execute("DROP TRIGGER a_log ON add_on_purchases").unwrap();
    }

    owner
        .batch_execute(
            "ALTER TABLE add_on_purchases ADD COLUMN is_paid boolean GENERATED ALWAYS AS (paid IS NOT NULL) STORED",
        )
        .unwrap();
    assert_eq!(
        complete_and_look(
            &mut client,
            "SELECT count(*) FROM add_on_purchases WHERE checkout_id = '{checkout}' AND is_paid"
        ),
        "3"
    );
    owner.batch_execute("ALTER TABLE add_on_purchases DROP COLUMN is_paid").unwrap();

    owner
        .batch_execute("ALTER TABLE add_on_purchases ADD CONSTRAINT no_barter CHECK (payment_method <> 'barter')")
        .unwrap();
    assert_eq!(complete_and_look(&mut client, paid), "3");
    let checkout = sell(&mut client, "ada");
    assert_eq!(refusal(&mut client, &complete(&checkout, "barter")).0, "23514");
    assert_eq!(statuses(&mut client, &checkout), "pending pending pending");

    let never = "CREATE OR REPLACE FUNCTION enforce_purchase_transition() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF NEW.status <> OLD.status THEN RAISE EXCEPTION 'never'; END IF; RETURN NEW; END $$";
    owner.batch_execute(never).unwrap();
    assert_eq!(refusal(&mut client, &complete(&checkout, "card")).0, "P0001");
    assert_eq!(statuses(&mut client, &checkout), "pending pending pending");
}

/// A check that waits for the end of the transaction looks at the version it was queued for. Where that is no longer
/// the current one, PostgreSQL relies on the UPDATE to have queued another.
#[test]
fn what_is_checked_at_the_end_is_checked_of_what_was_completed() {
    let mut client = marketplace("deferred");
    client
        .batch_execute(
            "CREATE TABLE customers (name varchar PRIMARY KEY); INSERT INTO customers VALUES ('ada');
             ALTER TABLE add_on_purchases ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES customers DEFERRABLE INITIALLY DEFERRED",
        )
        .unwrap();
    for (user, outcome) in [("ada", Ok(())), ("eve", Err("23503"))] {
        client.batch_execute("BEGIN").unwrap();
        let checkout = sell(&mut client, user);
        assert_eq!(text(&mut client, &complete(&checkout, "card")).as_deref(), Some("3"));
        let ended = client.batch_execute("COMMIT");
        assert_eq!(ended.as_ref().map_err(|error| error.code().unwrap().code()).copied(), outcome, "{user}");
    }
}

/// Purchases that were sold in the same transaction, and purchases that were sold before.
#[test]
fn completed_purchases_are_found_by_every_index() {
    let mut client = marketplace("found");
    let add = "INSERT INTO cart_items (user_id, add_on_id)
               SELECT 'user ' || n, id FROM generate_series(1, 200) n, add_ons WHERE name IN ('Bolt', 'Brigade', 'Vector Search')";
    client.batch_execute(add).unwrap();
    client
        .batch_execute(
            "CREATE TEMP TABLE sold AS
             SELECT n, s.* FROM generate_series(1, 100) n, LATERAL checkout('user ' || n, promo_code => 'FRIEND50', allow_mixed_billing => true) s;
             SELECT complete_checkout(checkout_id, 'pi_' || n) FROM (SELECT DISTINCT n, checkout_id FROM sold) s;
             BEGIN;
             INSERT INTO sold
             SELECT n, s.* FROM generate_series(101, 200) n, LATERAL checkout('user ' || n, promo_code => 'FRIEND50', allow_mixed_billing => true) s;
             SELECT complete_checkout(checkout_id, 'pi_' || n) FROM (SELECT DISTINCT n, checkout_id FROM sold WHERE n > 100) s;
             COMMIT;
             SET enable_seqscan = off; SET enable_bitmapscan = off",
        )
        .unwrap();
    let all = "SELECT count(*) FROM add_on_purchases WHERE status = 'completed' AND promo_code = 'FRIEND50'";
    assert_eq!(text(&mut client, all).as_deref(), Some("600"));
    let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'add_on_purchases'::regclass";
    assert_eq!(text(&mut client, indexes).as_deref(), Some("13"), "each is asked below");
    for (condition, found) in [
        ("id IN (SELECT purchase_id FROM sold)", "600"),
        ("user_id IN (SELECT 'user ' || n FROM sold)", "600"),
        ("add_on_id IN (SELECT add_on_id FROM sold) AND purchased_at <= now()", "600"),
        ("checkout_id IN (SELECT checkout_id FROM sold)", "600"),
        ("promo_code = 'FRIEND50' AND user_id IN (SELECT 'user ' || n FROM sold)", "600"),
        ("stripe_payment_id IN (SELECT 'pi_' || n FROM sold)", "600"),
        ("lago_invoice_id IN (SELECT 'pi_' || n FROM sold)", "0"),
        ("status = 'pending' AND purchased_at <= now()", "0"),
        ("status IN ('completed', 'refunded', 'disputed') AND purchased_at <= now()", "600"),
        (
            "user_id IN (SELECT 'user ' || n FROM sold) AND metadata ->> 'idempotency_key' = 'none' AND metadata ? 'idempotency_key'",
            "0",
        ),
        ("facts ? 'unsettled'", "0"),
        ("user_id IN (SELECT 'user ' || n FROM sold) AND add_on_id IN (SELECT add_on_id FROM sold)", "600"),
    ] {
        let query = format!("SELECT count(*) FROM add_on_purchases WHERE {condition}");
        assert_eq!(text(&mut client, &query).as_deref(), Some(found), "{condition}");
    }
    client.batch_execute("SET enable_bitmapscan = on").unwrap();
    let by_ids = "SELECT count(*) FROM add_on_purchases WHERE provider_ids && ARRAY(SELECT 'pi_' || n FROM sold)";
    assert_eq!(text(&mut client, by_ids).as_deref(), Some("200"), "one of each checkout stores the facts");
    assert_eq!(text(&mut client, "SELECT string_agg(check_name, ' ') FROM check_marketplace() WHERE NOT ok"), None);
}

/// The quote of a checkout is long. It is stored beside its row, and stays there when the row is updated.
#[test]
fn a_payment_does_not_write_the_quote_again() {
    let mut client = marketplace("quote");
    client.batch_execute("SELECT add_to_cart('ada', id) FROM add_ons").unwrap();
    let sold = "SELECT min(checkout_id::text) FROM checkout('ada', allow_mixed_billing => true)";
    let checkout = text(&mut client, sold).unwrap();
    let written = |client: &mut Client| {
        client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
        let written = "SELECT n_tup_ins || ' ' || n_tup_del FROM pg_stat_all_tables
                        WHERE relid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'add_on_purchases'::regclass)";
        text(client, written).unwrap()
    };
    let before = written(&mut client);
    assert!(!before.starts_with("0 "), "the quote is stored in its row");
    client.batch_execute(&complete(&checkout, "card")).unwrap();
    assert_eq!(written(&mut client), before);
    let quote = "SELECT metadata -> 'quote' ->> 'line_count' FROM add_on_purchases WHERE metadata ? 'quote'";
    assert_eq!(text(&mut client, quote).as_deref(), Some("9"));
}
