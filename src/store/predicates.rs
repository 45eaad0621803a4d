//! Rules of the engine as SQL conditions, for statements that find rows by them. Each is written only once here. The
//! suite `rules` compares them with the engine, and also the SQL functions and views that have to write them
//! themselves.

/// Whether the row `u` of `user_add_ons` gives access at an instant, as `engine::access::status::is_entitled` does.
#[macro_export]
macro_rules! is_entitled {
    ($at:literal) => {
        concat!(
            "u.status = 'active' AND u.purchased_at <= ",
            $at,
            " AND (u.expires_at IS NULL OR u.expires_at > ",
            $at,
            ")"
        )
    };
}

/// The add-ons that give a feature: those of the rows `f` of `add_on_features` that are enabled, and those `a` that
/// list the key and have no such row.
#[macro_export]
macro_rules! giving {
    ($key:literal) => {
        concat!(
            "SELECT f.add_on_id FROM @extschema@.add_on_features f WHERE f.feature_key = ", $key, " AND f.enabled
              UNION ALL
             SELECT a.id FROM @extschema@.add_ons a
              WHERE a.features ? ", $key, "
                AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f WHERE f.add_on_id = a.id AND f.feature_key = ", $key, ")"
        )
    };
}

/// The reverse: the features that the add-on of the row `u` gives, and their configurations.
#[macro_export]
macro_rules! given {
    () => {
        "SELECT f.feature_key::pg_catalog.text, f.configuration
           FROM @extschema@.add_on_features f
          WHERE f.add_on_id = u.add_on_id AND f.enabled
          UNION ALL
         SELECT DISTINCT listed.feature_key, '{}'::pg_catalog.jsonb
           FROM @extschema@.add_ons a
          CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(a.features) listed (feature_key)
          WHERE a.id = u.add_on_id
            AND NOT EXISTS (SELECT FROM @extschema@.add_on_features f
                             WHERE f.add_on_id = a.id AND f.feature_key = listed.feature_key)"
    };
}

/// Whether the purchase `p` was paid, as `PurchaseStatus::is_paid`.
#[macro_export]
macro_rules! is_paid {
    () => {
        "p.status = ANY ('{completed,refunded,disputed}')"
    };
}

/// Whether the purchase `p` holds the uses of its code and bundles, as `PurchaseStatus::is_live`.
#[macro_export]
macro_rules! is_live {
    () => {
        "p.status = ANY ('{pending,completed,disputed}')"
    };
}

/// Whether a user with the purchase `p` no longer counts as new, as `PurchaseStatus::is_earlier_purchase`.
#[macro_export]
macro_rules! is_earlier_purchase {
    () => {
        "p.status = ANY ('{pending,completed,refunded,disputed}')"
    };
}

/// Whether access by the row `u` of `user_add_ons` has expired; subscriptions that renew have a grace period.
#[macro_export]
macro_rules! has_run_out {
    ($grace:literal) => {
        concat!(
            "u.status = 'active' AND u.expires_at <= pg_catalog.now()
             AND (NOT u.auto_renew OR u.expires_at <= (pg_catalog.now() - ",
            $grace,
            "))"
        )
    };
}

/// Whether nothing in the cart of a user was touched for this long, for the rows `o` of `cart_items`.
#[macro_export]
macro_rules! is_abandoned {
    ($user:literal, $age:literal) => {
        concat!(
            "NOT EXISTS (SELECT
                           FROM @extschema@.cart_items n
                          WHERE n.user_id = ",
            $user,
            " AND GREATEST(n.added_at, n.updated_at) >= (pg_catalog.now() - ",
            $age,
            "))"
        )
    };
}

/// Whether the purchase `p` has waited for its payment for this long, and none is on its way that may take longer.
#[macro_export]
macro_rules! is_unpaid {
    ($age:literal, $payment_age:literal) => {
        concat!(
            "p.status = 'pending' AND p.purchased_at < (pg_catalog.now() - ",
            $age,
            ") AND NOT EXISTS (SELECT
                                 FROM @extschema@.add_on_purchases f
                                WHERE f.user_id = p.user_id AND f.checkout_id = p.checkout_id
                                  AND ((f.facts ->> 'awaited') = 'trial'
                                       OR ((f.facts ->> 'awaited') = 'payment' AND f.purchased_at >= (pg_catalog.now() - ",
            $payment_age,
            "))))"
        )
    };
}

/// Whether the code of the row `c` of `promotional_codes` is switched on although it has expired.
#[macro_export]
macro_rules! has_expired {
    () => {
        "c.is_active AND c.expires_at <= pg_catalog.now()"
    };
}
