//! Every function that writes rows, with a call that makes it write.

use crate::marketplace;
use postgres::Client;

/// The state that the calls find: ada has a cart, bob has an unpaid checkout, carol has paid for hers, one of her
/// purchases is disputed, one of her subscriptions is suspended and one is Lago's, and dave's checkout and cart are
/// old.
const SITUATION: &str = "
    SELECT count(*) FROM unnest('{ada,bob,carol,dave}'::text[]) u, add_ons a, add_to_cart(u, a.id, 1);
    SELECT count(*) FROM unnest('{bob,carol,dave}'::text[]) u,
           checkout(u, promo_code => 'launch2025', allow_mixed_billing => true);
    SELECT count(*) FROM (SELECT DISTINCT checkout_id FROM add_on_purchases WHERE user_id = 'carol') c,
           complete_checkout(c.checkout_id, 'pi_carol');
    SELECT dispute_purchase(id) FROM add_on_purchases WHERE user_id = 'carol' AND add_on_id = 'a0000000-0000-4000-8000-000000000001';
    SELECT suspend_add_on('carol', 'a0000000-0000-4000-8000-000000000002');
    SELECT consume_feature('carol', 'agent_platform', 4);
    UPDATE user_add_ons SET lago_subscription_id = 'sub_1'
     WHERE user_id = 'carol' AND add_on_id = 'a0000000-0000-4000-8000-000000000005';
    SELECT count(*) FROM add_ons a, add_to_cart('dave', a.id, 1);
    UPDATE add_on_purchases SET purchased_at = now() - interval '2 days' WHERE user_id = 'dave';
    UPDATE cart_items SET added_at = now() - interval '2 months' WHERE user_id = 'dave'";

/// The functions and their calls.
pub const WRITES: [(&str, &str); 25] = [
    ("load_sample_catalog", "DELETE FROM add_on_bundles; SELECT * FROM load_sample_catalog()"),
    ("add_to_cart", "SELECT * FROM add_to_cart('ada', 'a0000000-0000-4000-8000-000000000003', 2)"),
    ("set_cart_quantity", "SELECT * FROM set_cart_quantity('ada', 'a0000000-0000-4000-8000-000000000003', 7)"),
    ("remove_from_cart", "SELECT remove_from_cart('ada', 'a0000000-0000-4000-8000-000000000003')"),
    ("clear_cart", "SELECT clear_cart('ada')"),
    ("merge_carts", "SELECT * FROM merge_carts('ada', 'bob')"),
    ("consume_feature", "SELECT * FROM consume_feature('carol', 'agent_platform', 2, 'job')"),
    ("release_feature", "SELECT * FROM release_feature('carol', 'agent_platform', 1, 'job')"),
    ("set_feature_usage", "SELECT * FROM set_feature_usage('carol', 'agent_platform', 3)"),
    ("checkout", "SELECT * FROM checkout('ada', promo_code => 'launch2025', allow_mixed_billing => true)"),
    (
        "complete_checkout",
        "SELECT * FROM complete_checkout((SELECT min(checkout_id::text) FROM add_on_purchases WHERE user_id = 'bob')::uuid, 'pi_bob')",
    ),
    (
        "fail_checkout",
        "SELECT fail_checkout((SELECT min(checkout_id::text) FROM add_on_purchases WHERE user_id = 'bob')::uuid, 'declined')",
    ),
    (
        "refund_purchase",
        "SELECT refund_purchase(id) FROM add_on_purchases
          WHERE user_id = 'carol' AND add_on_id = 'a0000000-0000-4000-8000-000000000003'",
    ),
    (
        "dispute_purchase",
        "SELECT dispute_purchase(id, 'unknown') FROM add_on_purchases
          WHERE user_id = 'carol' AND add_on_id = 'a0000000-0000-4000-8000-000000000003'",
    ),
    (
        "resolve_dispute",
        "SELECT resolve_dispute(id, true) FROM add_on_purchases
          WHERE user_id = 'carol' AND add_on_id = 'a0000000-0000-4000-8000-000000000001'",
    ),
    (
        "resolve_dispute, lost",
        "SELECT resolve_dispute(id, false) FROM add_on_purchases
          WHERE user_id = 'carol' AND add_on_id = 'a0000000-0000-4000-8000-000000000001'",
    ),
    (
        "grant_add_on",
        "SELECT * FROM grant_add_on('eve', 'a0000000-0000-4000-8000-000000000003', now() + interval '1 day')",
    ),
    ("renew_add_on", "SELECT renew_add_on('carol', 'a0000000-0000-4000-8000-000000000003', 19.99, 'pi_renewal')"),
    ("cancel_add_on", "SELECT cancel_add_on('carol', 'a0000000-0000-4000-8000-000000000003', 'too dear', true)"),
    ("suspend_add_on", "SELECT suspend_add_on('carol', 'a0000000-0000-4000-8000-000000000003', 'unpaid')"),
    ("resume_add_on", "SELECT resume_add_on('carol', 'a0000000-0000-4000-8000-000000000002')"),
    (
        "apply_stripe_event",
        r#"SELECT apply_stripe_event(jsonb_build_object('id', 'evt_1', 'type', 'checkout.session.completed', 'created', 1767225600,
                  'data', jsonb_build_object('object', jsonb_build_object('id', 'cs_1', 'client_reference_id', p.checkout_id,
                  'payment_intent', 'pi_bob', 'amount_total', (100 * p.total)::bigint, 'currency', 'usd', 'payment_status', 'paid'))))
             FROM (SELECT checkout_id, sum(amount) AS total FROM add_on_purchases WHERE user_id = 'bob' GROUP BY 1) p"#,
    ),
    (
        "apply_lago_event",
        r#"SELECT apply_lago_event('{"webhook_type": "subscription.terminated", "object_type": "subscription",
             "subscription": {"lago_id": "sub_1", "status": "terminated", "terminated_at": "2026-01-01T00:00:00Z"}}')"#,
    ),
    ("forget_user", "SELECT * FROM forget_user('carol')"),
    ("run_maintenance", "SELECT * FROM run_maintenance()"),
];

/// A fresh database with a marketplace in which each of the calls has something to write.
pub fn situation(database: &str) -> Client {
    let mut client = marketplace(database);
    prepare(&mut client);
    client
}

/// The same from a marketplace with the sample catalog.
pub fn prepare(client: &mut Client) {
    client.batch_execute(SITUATION).unwrap_or_else(|error| panic!("{error:?}"));
}
