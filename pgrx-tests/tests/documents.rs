//! export_catalog() and import_catalog(): moving a catalog between environments. Also marketplace_status().

use harness::{Server, add_on, marketplace, refusal, text};
use postgres::Client;

fn empty(name: &str) -> Client {
    let server = Server::shared();
    server.create_database(name);
    let mut client = server.connect(name);
    client.batch_execute("CREATE EXTENSION extensions").unwrap();
    client
}

/// Object and action of each difference.
fn import(client: &mut Client, document: &str, dry_run: bool) -> Vec<String> {
    let call = "SELECT object || ': ' || action FROM import_catalog($1::text::jsonb, $2)";
    client.query(call, &[&document, &dry_run]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn export(client: &mut Client) -> String {
    text(client, "SELECT export_catalog()").unwrap()
}

#[test]
fn a_catalog_goes_to_another_database_by_names() {
    let mut here = marketplace("from_here");
    here.batch_execute(
        "INSERT INTO add_ons (name, category, base_price, billing_type) VALUES ('Zoë''s \"Tool\"; --', 'analytics', 1, 'one_time');
         INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent, conditions, valid_from)
         SELECT b.id, 'pro', 10, jsonb_build_object('requires_addon', jsonb_build_array(z.id), 'min_quantity', 2), '2026-03-29 02:30+02'
           FROM add_ons b, add_ons z WHERE b.name = 'Bolt' AND z.name LIKE 'Zoë%';
         -- Rules that differ in nothing but their discount, and two that do not differ at all.
         INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent)
         SELECT id, 'pro', d FROM add_ons, unnest('{5,7,7}'::int[]) d WHERE name = 'Bolt';
         UPDATE promotional_codes SET applicable_to = ARRAY(SELECT id FROM add_ons WHERE name LIKE 'Zoë%' OR name = 'Bolt' ORDER BY name),
                                      current_uses = 3, created_by = 'ada' WHERE code = 'VIP2025'",
    )
    .unwrap();
    let document = export(&mut here);
    assert_eq!(import(&mut here, &document, false), Vec::<String>::new());

    let mut there = empty("to_there");
    there.batch_execute("SET timezone = 'Asia/Kathmandu'").unwrap();
    let rehearsed = import(&mut there, &document, true);
    assert_eq!(text(&mut there, "SELECT count(*) FROM add_ons").unwrap(), "0");
    assert_eq!(import(&mut there, &document, false), rehearsed);
    assert!(rehearsed.iter().all(|line| line.ends_with(": insert")));
    // 10 add-ons, 44 features, 4 bundles, 4 rules, 4 codes.
    let features = text(&mut here, "SELECT count(*) FROM add_on_features").unwrap().parse::<usize>().unwrap();
    assert_eq!(rehearsed.len(), 10 + features + 4 + 4 + 4);
    assert_eq!(export(&mut there), document);
    assert_eq!(import(&mut there, &document, false), Vec::<String>::new());
    // Ids are those of the other database.
    let id = |client: &mut Client| add_on(client, "Bolt");
    assert_ne!(id(&mut here), id(&mut there));
    let means_the_same = "
        SELECT bool_and(a.name IS NOT NULL) FROM pricing_rules r, jsonb_array_elements_text(r.conditions -> 'requires_addon') named
          LEFT JOIN add_ons a ON a.id = named::uuid WHERE r.conditions ? 'requires_addon'";
    assert_eq!(text(&mut there, means_the_same).unwrap(), "t");
    assert_eq!(text(&mut there, "SELECT current_uses FROM promotional_codes WHERE code = 'VIP2025'").unwrap(), "0");
}

#[test]
fn each_difference_is_told_and_nothing_is_deleted() {
    let mut client = marketplace("differences");
    client.batch_execute("INSERT INTO pricing_rules (add_on_id, tier_code, discount_percent) SELECT id, 'pro', 5 FROM add_ons WHERE name = 'Bolt'").unwrap();
    let document = export(&mut client);
    let id = text(&mut client, "SELECT id FROM pricing_rules").unwrap();
    client
        .batch_execute(
            "UPDATE add_ons SET base_price = 20, description = NULL WHERE name = 'Bolt';
             UPDATE pricing_rules SET discount_percent = 6;
             DELETE FROM add_on_bundles WHERE name = 'AI Productivity';
             INSERT INTO promotional_codes (code, discount_type, discount_value) VALUES ('OURS', 'percentage', 10)",
        )
        .unwrap();
    let told = import(&mut client, &document, true);
    let expected = [
        "add-on Bolt: update base_price: 20.00 -> 14.99",
        "rule of Bolt for tier pro, priority 0: update discount_percent: 6.00 -> 5.00",
        "bundle AI Productivity: insert",
        "code OURS: keep",
    ];
    for line in expected {
        assert!(told.iter().any(|found| found == line), "{line}: {told:#?}");
    }
    assert!(told.iter().any(|line| line.starts_with("add-on Bolt: update description: null -> \"")), "{told:#?}");
    assert_eq!(told.len(), 5, "{told:#?}");
    assert_eq!(import(&mut client, &document, false), told);
    assert_eq!(import(&mut client, &document, false), ["code OURS: keep"]);
    assert_eq!(text(&mut client, "SELECT id FROM pricing_rules").unwrap(), id);
    // A part of a document says nothing of the rest, neither of other columns nor of other tables.
    let part = r#"{"promotional_codes": [{"code": " ours ", "discount_value": 11}]}"#;
    let told = import(&mut client, part, false);
    assert_eq!(told[0], "code OURS: update discount_value: 10.00 -> 11.00");
    assert_eq!(told.len(), 5);
    assert_eq!(
        text(&mut client, "SELECT discount_type FROM promotional_codes WHERE code = 'OURS'").unwrap(),
        "percentage"
    );
}

#[test]
fn features_that_are_an_object_are_compared_as_they_are_stored() {
    let mut client = marketplace("features_by_key");
    let document = r#"{"add_ons": [{"name": "Bolt", "features": {"b": 1, "a": {"limit": 2}}}]}"#;
    // All other add-ons are not in the document and are kept.
    let changes = |client: &mut Client| -> Vec<String> {
        import(client, document, false).into_iter().filter(|line| !line.ends_with(": keep")).collect()
    };
    let told = changes(&mut client);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with(r#"-> ["a", "b"]"#), "{told:?}");
    assert_eq!(text(&mut client, "SELECT features FROM add_ons WHERE name = 'Bolt'").as_deref(), Some(r#"["a", "b"]"#));
    assert_eq!(changes(&mut client), [""; 0]);
}

/// Invalid catalogs, the code of each refusal, and words of its message.
const NO_CATALOGS: &[(&str, &str, &str)] = &[
    ("[]", "malformed_argument", "expected an object, not array"),
    ("null", "malformed_argument", "expected an object, not null"),
    (r#"{"addons": []}"#, "malformed_argument", "unknown key addons"),
    (r#"{"add_ons": {}}"#, "malformed_argument", "add_ons: expected an array, not object"),
    (r#"{"add_ons": [1]}"#, "malformed_argument", "add_ons[0]: expected an object, not number"),
    (r#"{"add_ons": [{"name": "Bolt"}, {"nam": "x"}]}"#, "malformed_argument", "add_ons[1]: unknown key nam"),
    (r#"{"add_ons": [{"base_price": 1}]}"#, "malformed_argument", "add_ons[0]: name is missing"),
    (r#"{"add_ons": [{"name": null}]}"#, "malformed_argument", "add_ons[0]: name is missing"),
    (r#"{"add_ons": [{"name": "Bolt", "id": "x"}]}"#, "malformed_argument", "unknown key id"),
    (
        r#"{"add_ons": [{"name": "Bolt", "base_price": "x"}]}"#,
        "malformed_argument",
        "add-on Bolt: invalid input syntax",
    ),
    (
        r#"{"promotional_codes": [{"code": "VIP2025", "expires_at": "soon"}]}"#,
        "malformed_argument",
        "code VIP2025: invalid input",
    ),
    (r#"{"pricing_rules": [{"add_on": "Nothing"}]}"#, "malformed_argument", "there is no add-on \"Nothing\""),
    (
        r#"{"add_on_bundles": [{"name": "AI Productivity", "add_ons": "Bolt"}]}"#,
        "malformed_argument",
        "expected an array of names",
    ),
    (
        r#"{"pricing_rules": [{"add_on": "Bolt", "conditions": {"requires_addon": ["Nothing"]}}]}"#,
        "malformed_argument",
        "there is no add-on",
    ),
];

#[test]
fn import_names_the_malformed_place() {
    let mut client = marketplace("no_catalog");
    let before = export(&mut client);
    for (document, code, words) in NO_CATALOGS {
        let (state, found, message) = refusal(&mut client, &format!("SELECT * FROM import_catalog('{document}')"));
        assert_eq!((state.as_str(), found.as_str()), ("22023", *code), "{document}: {message}");
        assert!(message.contains(words), "{document}: {message}");
    }
    assert_eq!(refusal(&mut client, "SELECT * FROM import_catalog(NULL)").1, "null_argument");
    // A row that a constraint refuses undoes the rows before it, even in a rehearsal.
    let document = r#"{"add_ons": [{"name": "Bolt", "base_price": 1}, {"name": "Brigade", "base_price": -1}]}"#;
    for dry_run in ["false", "true"] {
        let call = format!("SELECT * FROM import_catalog('{document}', {dry_run})");
        let (state, _, message) = refusal(&mut client, &call);
        assert_eq!(state, "23514");
        assert!(message.starts_with("add-on Brigade: "), "{message}");
    }
    let duplicate = r#"{"add_ons": [{"name": "Twice", "category": "analytics", "base_price": 1, "billing_type": "monthly"},
                                    {"name": "Twice", "category": "analytics", "base_price": 2, "billing_type": "monthly"}]}"#;
    assert_eq!(refusal(&mut client, &format!("SELECT * FROM import_catalog('{duplicate}')")).0, "23505");
    assert_eq!(export(&mut client), before);
}

#[test]
fn the_status_counts_what_is_there() {
    let mut client = marketplace("status");
    let metric = |client: &mut Client, name: &str| {
        text(client, &format!("SELECT value FROM marketplace_status() WHERE metric = '{name}'")).unwrap()
    };
    let quiet = [
        ("add_ons_on_sale", "9"),
        ("active_subscriptions", "0"),
        ("open_checkouts", "0"),
        ("open_amount", "0"),
        ("revenue_today", "0"),
        ("codes_nearly_used_up", "none"),
        ("unsettled_payments", "0"),
        ("waiting_for_maintenance", "0"),
        ("protected", "no"),
        ("user_isolation", "no"),
    ];
    for (name, value) in quiet {
        assert_eq!(metric(&mut client, name), value, "{name}");
    }
    let brigade = add_on(&mut client, "Brigade");
    client
        .batch_execute(&format!(
            "SELECT add_to_cart(u, '{brigade}') FROM unnest('{{ada,bob,eve}}'::text[]) u;
             SELECT complete_checkout(checkout_id) FROM checkout('ada'); SELECT * FROM checkout('bob');
             SELECT refund_purchase(id, 5) FROM add_on_purchases WHERE user_id = 'ada';
             UPDATE promotional_codes SET current_uses = 45 WHERE code = 'VIP2025';
             UPDATE promotional_codes SET expires_at = now() - interval '1 day' WHERE code = 'FRIEND50';
             SELECT protect_marketplace(), enable_user_isolation()"
        ))
        .unwrap();
    let busy = [
        ("active_subscriptions", "1"),
        ("carts", "1"),
        ("open_checkouts", "1"),
        ("open_amount", "USD 19.99"),
        ("revenue_today", "USD 14.99"),
        ("codes_nearly_used_up", "VIP2025 (45 of 50)"),
        ("waiting_for_maintenance", "1"),
        ("protected", "yes"),
        ("user_isolation", "yes"),
    ];
    for (name, value) in busy {
        assert_eq!(metric(&mut client, name), value, "{name}");
    }
    let conversion = "SELECT concat_ws(' ', open_carts, checkouts, pending_checkouts, failed_checkouts, paid_checkouts, conversion_percent)
                        FROM cart_conversion";
    assert_eq!(text(&mut client, conversion).unwrap(), "1 2 1 0 1 33.33");
}
