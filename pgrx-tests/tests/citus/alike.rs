//! The same calls on one server and on a cluster must give the same answers.

use std::collections::BTreeMap;

use harness::Server;
use postgres::{Client, SimpleQueryMessage};

use super::{check, distributed, nodes};

/// All columns of all rows, or the refusal, without what differs each time: ids are replaced by the order of their
/// appearance, and times are dropped.
struct Transcript {
    ids: BTreeMap<String, String>,
}

impl Transcript {
    fn of(client: &mut Client, calls: &[&str]) -> Vec<String> {
        let mut transcript = Transcript { ids: BTreeMap::new() };
        calls.iter().map(|call| transcript.answer(client, call)).collect()
    }

    fn answer(&mut self, client: &mut Client, call: &str) -> String {
        let mut call = call.to_owned();
        for (id, name) in &self.ids {
            call = call.replace(&format!("<{name}>"), id);
        }
        let answer = match client.simple_query(&call) {
            Ok(messages) => messages.iter().filter_map(columns).collect::<Vec<String>>().join("\n"),
            Err(error) => {
                let error = error.as_db_error().unwrap_or_else(|| panic!("{call} broke the connection"));
                format!("{} {} {}", error.code().code(), error.message(), error.detail().unwrap_or_default())
            }
        };
        answer.split_inclusive(|letter: char| " \n,()\"{}".contains(letter)).map(|word| self.stable(word)).collect()
    }

    fn stable(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(|letter: char| " \n,()\"{}".contains(letter));
        // The ids of the sample are the same everywhere.
        if uuid::Uuid::try_parse(bare).is_ok() && !bare.contains("0000000-0000-4000-8000-") {
            let next = format!("id {}", self.ids.len());
            let name = self.ids.entry(bare.to_owned()).or_insert(next).clone();
            return word.replace(bare, &name);
        }
        let is_date = bare.len() == 10 && bare.matches('-').count() == 2;
        let is_time = bare.len() > 8 && bare.matches(':').count() >= 2;
        if is_date || is_time { word.replace(bare, "TIME") } else { word.to_owned() }
    }
}

fn columns(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|column| row.get(column).unwrap_or("NULL")).collect::<Vec<&str>>().join(" "))
}

/// The life of a marketplace, call by call; `<id n>` stands for the n-th id that an answer has named.
const LIFE: [&str; 101] = [
    // Carts and prices.
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 2)",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 1)",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 98)",
    "SELECT add_on_id, quantity FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000004', 101)",
    "SELECT add_on_id, quantity FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000004', 2)",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000008')",
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-00000000000f')",
    "SELECT remove_from_cart('ada', 'a0000000-0000-4000-8000-000000000001')",
    "INSERT INTO pricing_rules (id, add_on_id, discount_percent, conditions)
     VALUES ('d0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000004', 10, '{\"min_quantity\": 2}')",
    "UPDATE add_on_bundles SET max_uses = 2 WHERE name = 'Developer Pro'",
    "SELECT price_cart('ada', 'pro', 'launch2025') - 'priced_at'",
    "SELECT cart_total('ada', 'pro', 'firstbuy')",
    "SELECT explain_cart_text('ada', 'pro', 'launch2025')",
    "SELECT * FROM validate_promo_code(' launch2025 ', 'ada')",
    "SELECT * FROM validate_promo_code('vip2025', 'ada', 'free')",
    "SELECT * FROM price_carts('pro', 'launch2025') ORDER BY user_id",
    "SELECT * FROM simulate_promo_code('{\"code\": \"NEW\", \"discount_type\": \"percentage\", \"discount_value\": 50}')",
    // Checkout.
    "SELECT * FROM checkout('ada', 'pro', 'launch2025', expected_total => 1)",
    "SELECT checkout_id, add_on_id, quantity, amount, currency, status FROM checkout('ada', 'pro', 'launch2025', idempotency_key => 'k')",
    "SELECT checkout_id, add_on_id, quantity, amount, currency, status FROM checkout('ada', 'pro', 'launch2025', idempotency_key => 'k')",
    "SELECT * FROM checkout('ada', 'pro', idempotency_key => 'k')",
    "SELECT * FROM checkout('ada')",
    "SELECT code, current_uses FROM promotional_codes ORDER BY code",
    "SELECT name, current_uses FROM add_on_bundles ORDER BY name",
    "SELECT * FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT * FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT * FROM complete_checkout('<id 0>', 'pi_2')",
    "SELECT fail_checkout('<id 0>')",
    // Entitlements.
    "SELECT has_feature('ada', 'agent_platform'), has_feature('bob', 'agent_platform'), has_feature('ada', 'x')",
    "SELECT has_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM has_features('ada', '{agent_platform,speech}')",
    "SELECT feature_configuration('ada', 'agent_platform')",
    "SELECT feature_key, configuration FROM user_features('ada')",
    "SELECT add_on_id, name, category, auto_renew FROM active_add_ons('ada') ORDER BY add_on_id",
    "SELECT * FROM entitled_users('agent_platform')",
    "SELECT add_on_id, name, quantity, amount, status, refund_amount FROM purchase_history('ada')",
    "SELECT add_on_id, amount FROM purchase_history('ada', 'completed', 1, 1)",
    "SELECT add_on_id, name, amount, status, total_count FROM list_purchases('ada')",
    "SELECT add_on_id, name, category, amount, status FROM purchase_details WHERE user_id = 'ada' ORDER BY add_on_id",
    "SELECT add_on_id, name, features, status, entitled FROM owned_add_ons WHERE user_id = 'ada' ORDER BY add_on_id",
    "SELECT name, purchases, units, gross, net FROM revenue_by_add_on('2020-01-01')",
    "SELECT add_on_id, quantity, total FROM cart_lines('bob', 'pro')",
    "SELECT * FROM validate_promo_code('firstbuy', 'ada')",
    // Refunds and disputes.
    "SELECT id FROM add_on_purchases WHERE user_id = 'ada' AND add_on_id = 'a0000000-0000-4000-8000-000000000003'",
    "SELECT id FROM add_on_purchases WHERE user_id = 'ada' AND add_on_id = 'a0000000-0000-4000-8000-000000000004'",
    "SELECT refund_purchase('<id 1>', 5)",
    "SELECT refund_purchase('<id 1>', 500)",
    "SELECT refund_purchase('<id 1>', reason => 'returned')",
    "SELECT has_feature('ada', 'agent_platform')",
    "SELECT dispute_purchase('<id 2>', 'not mine')",
    "SELECT has_feature('ada', 'code_completion')",
    "SELECT resolve_dispute('<id 2>', true)",
    "SELECT has_feature('ada', 'code_completion')",
    "SELECT dispute_purchase('<id 2>'), resolve_dispute('<id 2>', false)",
    "SELECT refund_purchase('e0000000-0000-4000-8000-000000000000')",
    // What is owned.
    "SELECT * FROM grant_add_on('bob', 'a0000000-0000-4000-8000-000000000003', now() + interval '1 day')",
    "SELECT * FROM grant_add_on('bob', 'a0000000-0000-4000-8000-000000000003', now() + interval '1 hour')",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_3') > now() + interval '27 days'",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_3') < now() + interval '33 days'",
    "SELECT suspend_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 'late')",
    "SELECT status, cancellation_reason FROM user_add_ons WHERE user_id = 'bob'",
    "SELECT resume_add_on('bob', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT cancel_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 'moving') > now()",
    "SELECT cancel_add_on('bob', 'a0000000-0000-4000-8000-000000000003', immediately => true) <= now()",
    "SELECT status, auto_renew, cancellation_reason FROM user_add_ons WHERE user_id = 'bob'",
    "SELECT cancel_add_on('carol', 'a0000000-0000-4000-8000-000000000003')",
    // Webhooks.
    "SELECT add_on_id, quantity FROM add_to_cart('dora', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT checkout_id, amount FROM checkout('dora', promo_code => 'launch2025')",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1767225600,
        "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {"checkout_id": "<id 3>"}, "mode": "payment",
        "payment_status": "paid", "amount_total": 1599, "currency": "usd", "payment_intent": "pi_4"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1767225600,
        "data": {"object": {"id": "cs_1", "object": "checkout.session", "metadata": {"checkout_id": "<id 3>"}, "mode": "payment",
        "payment_status": "paid", "amount_total": 1599, "currency": "usd", "payment_intent": "pi_4"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_2", "object": "event", "type": "charge.refunded", "created": 1767225700,
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_4", "amount": 1599, "amount_refunded": 500,
        "currency": "usd"}}}')"#,
    r#"SELECT apply_stripe_event('{"id": "evt_3", "object": "event", "type": "charge.refunded", "created": 1767225800,
        "data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_unknown", "amount": 1599,
        "amount_refunded": 500, "currency": "usd"}}}')"#,
    "SELECT status, refund_amount, stripe_payment_id FROM add_on_purchases WHERE user_id = 'dora'",
    // A second payment, and one that is used twice.
    r#"SELECT apply_stripe_event('{"id": "evt_4", "object": "event", "type": "payment_intent.succeeded", "created": 1767225900,
        "data": {"object": {"id": "pi_5", "object": "payment_intent", "metadata": {"checkout_id": "<id 3>"}, "status": "succeeded",
        "amount": 1599, "amount_received": 1599, "currency": "usd"}}}')"#,
    "SELECT payment_id, amount, currency, reason FROM unsettled_payments()",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_4')",
    "SELECT settle_payment('pi_5', 'paid back by bank transfer'), settle_payment('pi_5')",
    "SELECT payment_id FROM unsettled_payments()",
    r#"SELECT object_id, action FROM reconcile_stripe('[{"id": "re_1", "object": "refund", "payment_intent": "pi_4", "charge": "ch_1",
        "amount": 700, "currency": "usd", "status": "succeeded", "created": 1767226000}]')"#,
    "SELECT status, refund_amount FROM add_on_purchases WHERE user_id = 'dora'",
    // Sources and usage.
    "SELECT source, live FROM explain_access('dora', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT user_id, add_on_id, amount FROM upcoming_renewals('dora', now() + interval '2 months')",
    "SELECT reprice_renewals('a0000000-0000-4000-8000-000000000003')",
    "SELECT feature_key, granted, used FROM feature_usage('dora') ORDER BY 1",
    "SELECT allowed, used, granted FROM feature_usage('dora') f, consume_feature('dora', f.feature_key, 1, 'once') WHERE f.granted IS NOT NULL",
    "SELECT allowed, used, granted FROM feature_usage('dora') f, consume_feature('dora', f.feature_key, 1, 'once') WHERE f.granted IS NOT NULL",
    // A checkout that fails gives its uses back.
    "SELECT add_on_id, quantity FROM add_to_cart('emil', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT checkout_id, amount FROM checkout('emil', promo_code => 'launch2025')",
    "SELECT fail_checkout('<id 4>', 'declined')",
    "SELECT code, current_uses FROM promotional_codes ORDER BY code",
    // A free checkout completes at once.
    "INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('GIFT', 'percentage', 100)",
    "SELECT add_on_id, quantity FROM add_to_cart('fay', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT checkout_id, amount, status FROM checkout('fay', promo_code => 'gift')",
    "SELECT has_feature('fay', 'agent_platform')",
    // Maintenance.
    "SELECT add_on_id, quantity FROM add_to_cart('gus', 'a0000000-0000-4000-8000-000000000003')",
    "UPDATE cart_items SET added_at = now() - interval '40 days', updated_at = now() - interval '40 days' WHERE user_id = 'gus'",
    "SELECT add_on_id, quantity FROM add_to_cart('hal', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT count(*) FROM checkout('hal', promo_code => 'launch2025')",
    "UPDATE add_on_purchases SET purchased_at = now() - interval '2 days' WHERE user_id = 'hal'",
    // The table of those that are nobody's is made when it is needed, but by Citus beforehand.
    "SELECT * FROM run_maintenance() WHERE task <> 'unclaimed_events'",
    "SELECT code, current_uses FROM promotional_codes ORDER BY code",
];

/// Grants, purchases, trials, suspensions and renewals of one add-on, and what each leaves.
const ACCESS: [&str; 54] = [
    "SELECT * FROM start_trial('ada', 'a0000000-0000-4000-8000-000000000003')",
    "UPDATE add_ons SET trial_days = 14 WHERE name = 'Brigade'",
    "SELECT add_on_id, expires_at = now() + interval '14 days' FROM start_trial('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM start_trial('ada', 'a0000000-0000-4000-8000-000000000003')",
    // A purchase during the trial begins at its end.
    "SELECT add_on_id, quantity FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 3)",
    "SELECT checkout_id, amount FROM checkout('ada', promo_code => 'launch2025')",
    "SELECT add_on_id, expires_at > now() + interval '41 days' FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT source, live, valid_from <= now(), valid_until > now() + interval '40 days', detail
       FROM explain_access('ada', 'a0000000-0000-4000-8000-000000000003') ORDER BY valid_from, source",
    "SELECT add_on_id, quantity, auto_renew FROM active_add_ons('ada')",
    "SELECT status, quantity, renewal_amount, suspended_at IS NULL FROM user_add_ons",
    "SELECT user_id, add_on_id, amount, currency, promo_code FROM upcoming_renewals(NULL, now() + interval '3 months')",
    "SELECT user_id, add_on_id, amount, currency, promo_code FROM upcoming_renewals('ada', now() + interval '3 months')",
    "SELECT count(*) FROM upcoming_renewals()",
    // Renewed without an amount, by a payment that is reported twice, and with another amount.
    "SELECT renew_add_on('ada', 'a0000000-0000-4000-8000-000000000003', stripe_payment_id => 'pi_2') > now() + interval '70 days'",
    "SELECT renew_add_on('ada', 'a0000000-0000-4000-8000-000000000003', stripe_payment_id => 'pi_2') > now() + interval '80 days'",
    "SELECT renew_add_on('ada', 'a0000000-0000-4000-8000-000000000003', 10, lago_invoice_id => 'in_3') > now() + interval '98 days'",
    "SELECT amount, status, checkout_id IS NULL FROM add_on_purchases ORDER BY 3, 1",
    "SELECT check_name, ok, severity FROM check_marketplace() WHERE check_name IN ('renewal_amounts', 'unsettled_payments')",
    "UPDATE add_ons SET base_price = 24.99 WHERE name = 'Brigade'",
    "SELECT * FROM simulate_renewals('a0000000-0000-4000-8000-000000000003', 29.99)",
    "SELECT reprice_renewals('a0000000-0000-4000-8000-000000000003')",
    "SELECT reprice_renewals('a0000000-0000-4000-8000-000000000003')",
    "SELECT renewal_amount, sources #>> '{priced_by,price}' = 'repriced' FROM user_add_ons",
    "SELECT amount, promo_code FROM upcoming_renewals('ada', now() + interval '6 months')",
    // Support withholds it; what ends meanwhile does not lift that.
    "SELECT suspend_add_on('ada', 'a0000000-0000-4000-8000-000000000003', 'fraud?')",
    "SELECT suspend_add_on('ada', 'a0000000-0000-4000-8000-000000000003', 'fraud!')",
    "SELECT has_feature('ada', 'agent_platform'), has_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT id FROM add_on_purchases WHERE checkout_id IS NOT NULL",
    "SELECT refund_purchase('<id 1>', reason => 'sorry')",
    "SELECT status, cancellation_reason FROM user_add_ons",
    "SELECT resume_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT resume_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT has_feature('ada', 'agent_platform')",
    // The later periods have moved up.
    "SELECT source, live, valid_until > now() + interval '70 days' FROM explain_access('ada', 'a0000000-0000-4000-8000-000000000003')
      ORDER BY live, valid_until",
    // A grant stays when the purchases go.
    "SELECT add_on_id FROM grant_add_on('ada', 'a0000000-0000-4000-8000-000000000003', now() + interval '1 year')",
    "SELECT id FROM add_on_purchases WHERE status = 'completed' AND amount = 10",
    "SELECT refund_purchase('<id 2>')",
    "SELECT expires_at > now() + interval '360 days' FROM active_add_ons('ada')",
    "SELECT id FROM add_on_purchases WHERE status = 'completed'",
    "SELECT dispute_purchase('<id 3>')",
    "SELECT resolve_dispute('<id 3>', false)",
    "SELECT status, refund_amount FROM add_on_purchases ORDER BY 2",
    "SELECT source, live FROM explain_access('ada', 'a0000000-0000-4000-8000-000000000003') ORDER BY 1, 2",
    "SELECT has_feature('ada', 'agent_platform'), has_feature('ada', 'agent_platform', now() + interval '2 years')",
    "SELECT cancel_add_on('ada', 'a0000000-0000-4000-8000-000000000003', 'bye', true) <= now()",
    "SELECT has_feature('ada', 'agent_platform')",
    "SELECT source, live FROM explain_access('ada', 'a0000000-0000-4000-8000-000000000003') ORDER BY 1, 2",
    // A one-time purchase cannot be repeated.
    "UPDATE add_ons SET billing_type = 'one_time' WHERE name = 'Vector Vault'",
    "SELECT add_on_id FROM grant_add_on('bob', 'a0000000-0000-4000-8000-000000000004')",
    "SELECT renew_add_on('carol', 'a0000000-0000-4000-8000-000000000003', 5)",
    "SELECT renew_add_on('bob', 'a0000000-0000-4000-8000-000000000004', 14.99, 'pi_1')",
    "SELECT suspend_add_on('carol', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT user_id FROM entitled_users('code_completion') ORDER BY 1",
    "SELECT user_id, status, auto_renew, quantity, renewal_amount FROM user_add_ons ORDER BY 1",
];

/// Units of limits of the sample catalog, without a period, by day and by period.
const USAGE: [&str; 26] = [
    "SELECT allowed, used, remaining, granted FROM consume_feature('ada', 'agent_platform')",
    "SELECT add_on_id FROM grant_add_on('ada', 'a0000000-0000-4000-8000-000000000003', now() + interval '20 days')",
    "SELECT add_on_id FROM grant_add_on('ada', 'a0000000-0000-4000-8000-000000000004')",
    "SELECT feature_key, granted, used, remaining, resets_at FROM feature_usage('ada')",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 2.5)",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 2.5, 'job 1')",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 2.5, 'job 1')",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 3, 'job 2')",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 5.000001)",
    "SELECT * FROM release_feature('ada', 'agent_platform', 1, 'job 1')",
    "SELECT * FROM release_feature('ada', 'agent_platform', 100)",
    "SELECT * FROM set_feature_usage('ada', 'agent_platform', 9)",
    "SELECT * FROM set_feature_usage('ada', 'agent_platform', 10.5)",
    "SELECT * FROM feature_usage('ada', 'agent_platform')",
    "SELECT allowed, used FROM generate_series(1, 3) n, consume_feature('ada', 'code_review', 20)",
    "SELECT * FROM feature_usage('ada', 'code_review', now() + interval '1 day')",
    "SELECT * FROM consume_feature('ada', 'agent_platform', -1)",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 'NaN')",
    "SELECT * FROM consume_feature('ada', 'agent_platform', 1e20)",
    "SELECT * FROM consume_feature('ada', 'no such thing')",
    "SELECT * FROM consume_feature('ada', NULL)",
    "SELECT * FROM set_feature_usage('ada', 'agent_platform', -1)",
    "SELECT suspend_add_on('ada', 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM consume_feature('ada', 'agent_platform')",
    "BEGIN; SELECT allowed FROM consume_feature('ada', 'code_review'); ROLLBACK",
    "SELECT feature_key, granted, used FROM feature_usage('ada') ORDER BY 1",
];

/// Sales of several users, and everything that reports them.
const REPORTS: [&str; 36] = [
    "SELECT count(*) FROM generate_series(1, 6) n, add_to_cart('user ' || n, 'a0000000-0000-4000-8000-000000000003', n)",
    "SELECT count(*) FROM generate_series(1, 3) n, add_to_cart('user ' || n, 'a0000000-0000-4000-8000-000000000008')",
    "SELECT sum(amount) FROM generate_series(1, 5) n, checkout('user ' || n, promo_code => CASE WHEN n < 3 THEN 'launch2025' END)",
    "SELECT user_id, checkout_id FROM add_on_purchases GROUP BY 1, 2 ORDER BY 1",
    "SELECT count(*) FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT count(*) FROM complete_checkout('<id 1>', 'pi_2')",
    "SELECT count(*) FROM complete_checkout('<id 2>', 'pi_3')",
    "SELECT count(*) FROM complete_checkout('<id 3>', 'pi_4')",
    "SELECT id FROM add_on_purchases WHERE user_id < 'user 5' AND quantity > 1 ORDER BY user_id",
    "SELECT refund_purchase('<id 5>')",
    "SELECT dispute_purchase('<id 6>')",
    "SELECT refund_purchase('<id 7>', 5)",
    r#"SELECT apply_stripe_event('{"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1767225600,
        "data": {"object": {"id": "pi_again", "object": "payment_intent", "metadata": {"checkout_id": "<id 3>"}, "status": "succeeded",
        "amount": 100, "amount_received": 100, "currency": "usd"}}}') ->> 'action'"#,
    "SELECT payment_id, provider, user_id, amount, currency, reason FROM unsettled_payments()",
    "SELECT user_id, add_on_id, amount, currency, promo_code FROM upcoming_renewals(NULL, now() + interval '2 months') ORDER BY 1, 2",
    "SELECT month, currency, subscriptions, new, renewed, changed, churned, mrr FROM recurring_revenue",
    "SELECT * FROM revenue_by_day",
    "SELECT * FROM revenue_by_add_on ORDER BY 1",
    "SELECT * FROM revenue_by_category ORDER BY 1",
    "SELECT * FROM promo_code_performance ORDER BY 1",
    "SELECT user_id, add_on_id FROM subscriptions_expiring_soon ORDER BY 1, 2",
    "SELECT * FROM cart_conversion",
    "SELECT metric, value FROM marketplace_status() WHERE metric NOT IN ('catalog_cache', 'database') ORDER BY 1",
    "SELECT * FROM marketplace_metrics() WHERE metric NOT LIKE '%seconds' ORDER BY 1, 2",
    "SELECT check_name, ok, detail, severity FROM check_marketplace() WHERE check_name <> 'triggers' AND severity IN ('error', 'warning')",
    "SELECT check_name, ok, severity FROM check_marketplace() WHERE check_name <> 'triggers' ORDER BY 1, 2, 3",
    "SELECT settle_payment('pi_again', 'sent back')",
    "SELECT count(*) FROM unsettled_payments()",
    "SELECT * FROM explain_checkout('<id 0>')",
    "SELECT stripe_checkout('<id 4>', 'https://shop.example/done', 'https://shop.example/cart')",
    "SELECT * FROM price_carts() ORDER BY 1",
    "SELECT * FROM simulate_bundle('{\"add_on_ids\": [\"a0000000-0000-4000-8000-000000000003\", \"a0000000-0000-4000-8000-000000000004\"], \"discount_percent\": 5}') ORDER BY 1",
    "SELECT export_catalog() - 'exported_at'",
    "SELECT count(*), count(*) FILTER (WHERE action = 'unchanged') FROM import_catalog(export_catalog())",
    r#"SELECT object, action FROM import_catalog('{"promotional_codes": [{"code": " small ", "discount_type": "percentage", "discount_value": 5}]}')"#,
    "SELECT code FROM promotional_codes ORDER BY 1",
];

/// A user with a cart, purchases, access, usage and codes, who is renamed to a user that exists already.
const PEOPLE: [&str; 23] = [
    "SELECT add_on_id FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 2)",
    "SELECT add_on_id FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000004')",
    "SELECT checkout_id, amount FROM checkout('ada', promo_code => 'launch2025', idempotency_key => 'k')",
    "SELECT add_on_id FROM complete_checkout('<id 0>', 'pi_1')",
    "SELECT allowed FROM consume_feature('ada', 'agent_platform', 3, 'once')",
    "SELECT add_on_id FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000008')",
    "SELECT add_on_id FROM grant_add_on('gone', 'a0000000-0000-4000-8000-000000000004')",
    r#"INSERT INTO promotional_codes (code, discount_type, discount_value, created_by, user_restrictions)
       VALUES ('PERSONAL', 'percentage', 5, 'ada', '{"user_ids": ["bob", "ada"]}')"#,
    "SELECT key, CASE jsonb_typeof(value) WHEN 'array' THEN jsonb_array_length(value)::text ELSE value::text END
       FROM jsonb_each(export_user('ada')) ORDER BY 1",
    "SELECT jsonb_path_query(export_user('ada'), '$.user_add_ons[*].usage.agent_platform.used')",
    "SELECT * FROM forget_user('ada', 'ada')",
    "SELECT * FROM forget_user('ada', 'gone')",
    "SELECT * FROM forget_user('ada', 'gone')",
    "SELECT key, CASE jsonb_typeof(value) WHEN 'array' THEN jsonb_array_length(value)::text ELSE value::text END
       FROM jsonb_each(export_user('ada')) ORDER BY 1",
    "SELECT user_id, add_on_id, quantity, amount, status, promo_code, stripe_payment_id, metadata::text LIKE '%ada%' FROM add_on_purchases ORDER BY 2",
    "SELECT user_id, add_on_id, status, renewal_amount FROM user_add_ons ORDER BY 2",
    "SELECT used, granted FROM feature_usage('gone', 'agent_platform')",
    "SELECT created_by, user_restrictions FROM promotional_codes WHERE code = 'PERSONAL'",
    "SELECT id FROM add_on_purchases WHERE quantity = 2",
    "SELECT refund_purchase('<id 1>')",
    "SELECT has_add_on('gone', 'a0000000-0000-4000-8000-000000000003'), has_add_on('gone', 'a0000000-0000-4000-8000-000000000004')",
    "SELECT code, current_uses FROM promotional_codes ORDER BY 1",
    "SELECT * FROM forget_user(NULL)",
];

/// Whatever is asked of nobody.
const NOBODY: [&str; 23] = [
    "SELECT has_feature(NULL, 'x')",
    "SELECT has_feature(nullif('a', 'a'), 'x')",
    "SELECT has_add_on(NULL, 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM has_features(NULL, '{a}')",
    "SELECT feature_configuration(NULL, 'x')",
    "SELECT * FROM user_features(NULL)",
    "SELECT * FROM active_add_ons(NULL)",
    "SELECT * FROM feature_usage(NULL)",
    "SELECT count(*) FROM upcoming_renewals()",
    "SELECT * FROM purchase_history(NULL)",
    "SELECT * FROM list_purchases(NULL)",
    "SELECT * FROM cart_lines(NULL)",
    "SELECT price_cart(NULL::varchar)",
    "SELECT cart_total(user_id => NULL)",
    "SELECT * FROM explain_cart(NULL)",
    "SELECT export_user(NULL)",
    "SELECT * FROM add_to_cart(NULL, 'a0000000-0000-4000-8000-000000000003')",
    "SELECT * FROM checkout(NULL)",
    "SELECT allowed FROM consume_feature(NULL, 'x')",
    "SELECT * FROM grant_add_on(NULL, 'a0000000-0000-4000-8000-000000000003')",
    "PREPARE nobody (text) AS SELECT * FROM checkout($1)",
    "EXECUTE nobody (NULL)",
    "DEALLOCATE nobody",
];

/// The same calls on one server and on a cluster, whose answers and refusals have to be the same. Returns the cluster's clients.
fn alike(name: &str, calls: &[&str], refusals: usize) -> Option<[Client; 3]> {
    let nodes = nodes()?;
    let mut plain = plain(nodes, &format!("{name} alone"));
    let mut clients = distributed(nodes, name);
    // Citus forwards the calls, whichever node is asked.
    for client in [0, 2] {
        let expected = Transcript::of(&mut plain, calls);
        let answers = Transcript::of(&mut clients[client], calls);
        for ((call, expected), answer) in calls.iter().zip(&expected).zip(&answers) {
            assert_eq!(answer, expected, "node {client}: {call}");
        }
        let refused = expected.iter().filter(|answer| answer.contains("code: ")).count();
        assert!(refused >= refusals, "refusals are compared too, {refused} of them");
        for statement in ANEW {
            plain.batch_execute(statement).unwrap();
            clients[0].batch_execute(statement).unwrap();
        }
    }
    Some(clients)
}

/// As it was before the calls.
const ANEW: [&str; 8] = [
    "DELETE FROM cart_items",
    "DELETE FROM user_add_ons",
    "DELETE FROM add_on_purchases",
    "DELETE FROM pricing_rules WHERE id = 'd0000000-0000-4000-8000-000000000001'",
    "DELETE FROM promotional_codes WHERE code IN ('GIFT', 'PERSONAL', 'SMALL')",
    "UPDATE promotional_codes SET current_uses = 0",
    "UPDATE add_on_bundles SET current_uses = 0, max_uses = NULL",
    "UPDATE add_ons SET trial_days = NULL, base_price = 19.99 WHERE name = 'Brigade'",
];

/// One server with the sample catalog.
fn plain(nodes: &[Server; 3], name: &str) -> Client {
    nodes[0].create_database(name);
    let mut client = nodes[0].connect(name);
    client.batch_execute("CREATE EXTENSION extensions; SELECT * FROM load_sample_catalog()").unwrap();
    // The trigger would replace an older time with its own.
    client.batch_execute("ALTER TABLE cart_items DISABLE TRIGGER update_cart_items_updated_at").unwrap();
    client
}

#[test]
fn a_cluster_answers_as_one_server_does() {
    let Some(mut clients) = alike("alike", &LIFE, 9) else { return };
    clients.iter_mut().for_each(check);
}

#[test]
fn access_comes_from_the_same_sources() {
    let Some(mut clients) = alike("sources", &ACCESS, 5) else { return };
    clients.iter_mut().for_each(check);
}

#[test]
fn usage_is_counted_alike() {
    alike("counted", &USAGE, 5);
}

#[test]
fn reports_say_the_same() {
    alike("reports", &REPORTS, 0);
}

#[test]
fn a_person_is_handed_over_and_forgotten_alike() {
    let Some(mut clients) = alike("people", &PEOPLE, 2) else { return };
    clients.iter_mut().for_each(check);
}

/// A user who could make Citus crash with a NULL user would take the node down for everybody.
#[test]
fn a_null_user_does_not_crash_a_node() {
    alike("nobody", &NOBODY, 8);
}
