//! Personal data can be exported and erased, while the books stay correct.

use harness::{invariants, refusal, text, writes};

#[test]
fn everything_of_a_user_is_exported_and_nothing_of_anybody_else() {
    let mut client = writes::situation("exported");
    client
        .batch_execute(
            r#"INSERT INTO promotional_codes (code, discount_type, discount_value, created_by, user_restrictions)
               VALUES ('HERS', 'percentage', 5, 'carol', '{}'), ('FORHER', 'percentage', 5, NULL, '{"user_ids": ["bob", "carol"]}'),
                      ('OTHERS', 'percentage', 5, 'bob', '{"user_ids": ["bob"]}');
               SELECT add_to_cart('carol', 'a0000000-0000-4000-8000-000000000003')"#,
        )
        .unwrap();
    let counts = "SELECT concat_ws(' ', jsonb_array_length(e -> 'cart_items'), jsonb_array_length(e -> 'user_add_ons'),
                                   jsonb_array_length(e -> 'add_on_purchases'), e -> 'promotional_codes')
                    FROM export_user('carol') e";
    let stored = "SELECT concat_ws(' ', (SELECT count(*) FROM cart_items WHERE user_id = 'carol'),
                                   (SELECT count(*) FROM user_add_ons WHERE user_id = 'carol'),
                                   (SELECT count(*) FROM add_on_purchases WHERE user_id = 'carol'), '[\"FORHER\", \"HERS\"]')";
    assert_eq!(text(&mut client, counts), text(&mut client, stored));
    assert_eq!(text(&mut client, "SELECT export_user('carol')::text LIKE '%\"bob\"%'").unwrap(), "f");
    assert_eq!(text(&mut client, "SELECT export_user('nobody') ->> 'add_on_purchases'").unwrap(), "[]");
}

#[test]
fn a_forgotten_user_leaves_no_trace_but_the_books() {
    let mut client = writes::situation("forgotten");
    client
        .batch_execute(
            r#"INSERT INTO promotional_codes (code, discount_type, discount_value, created_by, user_restrictions)
               VALUES ('HERS', 'percentage', 5, 'carol', '{"user_ids": ["bob", "carol"]}')"#,
        )
        .unwrap();
    let books = "SELECT string_agg(concat_ws(' ', checkout_id, add_on_id, amount, status, refund_amount), ',' ORDER BY id) FROM add_on_purchases";
    let uses = "SELECT current_uses FROM promotional_codes WHERE code = 'LAUNCH2025'";
    let before = (text(&mut client, books), text(&mut client, uses));
    let affected = "SELECT string_agg(object || ' ' || affected, ', ') FROM forget_user('carol', 'customer 7')";
    let told = text(&mut client, affected).unwrap();
    assert!(told.ends_with("add_on_purchases 9, promotional_codes 1"), "{told}");
    assert_eq!((text(&mut client, books), text(&mut client, uses)), before);
    for table in ["cart_items", "user_add_ons", "add_on_purchases", "promotional_codes"] {
        let traces =
            format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%carol%' AND t::text NOT LIKE '%pi_carol%'");
        assert_eq!(text(&mut client, &traces).unwrap(), "0", "{table}");
    }
    let restrictions =
        "SELECT user_restrictions -> 'user_ids' || to_jsonb(created_by) FROM promotional_codes WHERE code = 'HERS'";
    assert_eq!(text(&mut client, restrictions).unwrap(), r#"["bob", "customer 7", "customer 7"]"#);
    // Again changes nothing; without a name everybody gets one of their own.
    let again = "SELECT sum(affected) FROM forget_user('carol')";
    assert_eq!(text(&mut client, again).unwrap(), "0");
    client.batch_execute("SELECT forget_user('bob'); SELECT forget_user('dave')").unwrap();
    let names = "SELECT count(DISTINCT user_id) FROM add_on_purchases WHERE user_id LIKE 'forgotten %'";
    assert_eq!(text(&mut client, names).unwrap(), "2");
    invariants::check(&mut client);
}

#[test]
fn bad_names_are_refused() {
    let mut client = writes::situation("refused");
    assert_eq!(refusal(&mut client, "SELECT forget_user('ada', 'ada')").1, "same_user");
    assert_eq!(refusal(&mut client, "SELECT forget_user('')").1, "invalid_user_id");
    assert_eq!(refusal(&mut client, "SELECT forget_user('ada', repeat('x', 256))").1, "invalid_user_id");
    assert_eq!(refusal(&mut client, "SELECT export_user(NULL)").1, "null_argument");
}
