//! The invariants: what holds whatever clients do and whatever happens to the server.

use postgres::GenericClient;

use crate::text;

/// Queries that return a violation, or NULL. The extension's schema must be on the search path.
const QUERIES: [(&str, &str); 5] = [
    // Some tests exhaust a code on purpose.
    (
        "check_marketplace",
        "SELECT string_agg(check_name || ': ' || detail, '; ') FROM check_marketplace()
          WHERE NOT ok AND check_name <> 'promotional_codes'",
    ),
    (
        "refunds above the amount",
        "SELECT string_agg(id::text, ', ') FROM add_on_purchases WHERE refund_amount > amount",
    ),
    // A user with an active add-on has paid for it, and a user who has paid for it has it, unless it was ended or
    // withheld. A disputed add-on is withheld, but somebody can have given it back by hand.
    (
        "access that nobody paid for",
        "SELECT string_agg(concat_ws(' ', u.user_id, 'has', u.add_on_id, u.cancellation_reason), ', ') FROM user_add_ons u
          WHERE u.status = 'active'
            AND NOT EXISTS (SELECT FROM add_on_purchases p
                             WHERE p.user_id = u.user_id AND p.add_on_id = u.add_on_id
                               AND p.status IN ('completed', 'disputed'))",
    ),
    (
        "payments without access",
        "SELECT string_agg(p.user_id || ' has not ' || p.add_on_id, ', ') FROM add_on_purchases p
          WHERE p.status = 'completed'
            AND NOT EXISTS (SELECT FROM user_add_ons u WHERE u.user_id = p.user_id AND u.add_on_id = p.add_on_id)",
    ),
    (
        "checkouts without some of their lines",
        "SELECT string_agg(DISTINCT p.checkout_id::text, ', ') FROM add_on_purchases p
          WHERE p.metadata ? 'quote'
            AND (p.metadata #>> '{quote,line_count}')::int
                <> (SELECT count(*) FROM add_on_purchases l WHERE l.checkout_id = p.checkout_id)",
    ),
];

/// Fails if anything is wrong.
pub fn check(client: &mut impl GenericClient) {
    let broken: Vec<String> = QUERIES
        .iter()
        .filter_map(|(what, query)| text(client, query).map(|found| format!("{what}: {found}")))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
