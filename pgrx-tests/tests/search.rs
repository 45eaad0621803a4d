//! search_add_ons() by parts of words, and by similarity if pg_trgm is installed, which not every fetched server has.

use harness::{NEWEST, marketplace, paths, text};
use postgres::Client;

fn has_trigrams(client: &mut Client) -> bool {
    let there = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')";
    let has_trigrams = text(client, there).unwrap() == "t";
    assert!(has_trigrams || paths::major() != NEWEST, "the newest server has it");
    has_trigrams
}

fn found(client: &mut Client, search: &str) -> String {
    let query =
        format!("SELECT coalesce(string_agg(name, ', ' ORDER BY rank DESC, name), '') FROM search_add_ons('{search}')");
    text(client, &query).unwrap()
}

#[test]
fn misspelt_words_are_found_with_pg_trgm() {
    let mut client = marketplace("misspelt");
    // A part of a word needs nothing, a word like another does.
    assert_eq!(found(&mut client, "rigade"), "Brigade");
    assert_eq!(found(&mut client, "brgade"), "");
    if !has_trigrams(&mut client) {
        return;
    }
    client.batch_execute("CREATE SCHEMA \"Trigrams\"; CREATE EXTENSION pg_trgm SCHEMA \"Trigrams\"").unwrap();
    for misspelt in ["brgade", "Brigadde", "presentn", "vectr"] {
        let one = text(&mut client, &format!("SELECT count(*) >= 1 FROM search_add_ons('{misspelt}')")).unwrap();
        assert_eq!(one, "t", "{misspelt}");
    }
    assert_eq!(found(&mut client, "brgade"), "Brigade");
    assert_eq!(found(&mut client, "unheard"), "");
    // Results by words are not mixed with results by similarity.
    assert_eq!(found(&mut client, "brigade"), "Brigade");
    client.batch_execute("DROP EXTENSION pg_trgm").unwrap();
    assert_eq!(found(&mut client, "brgade"), "");
    client.batch_execute("CREATE EXTENSION pg_trgm").unwrap();
    assert_eq!(found(&mut client, "brgade"), "Brigade");
}

#[test]
fn whoever_may_not_use_pg_trgm_searches_without() {
    let mut client = marketplace("without_trigrams");
    if !has_trigrams(&mut client) {
        return;
    }
    client
        .batch_execute(
            "CREATE SCHEMA closed; CREATE EXTENSION pg_trgm SCHEMA closed; CREATE ROLE searching;
             SELECT grant_marketplace_access('searching', 'catalog'); SET ROLE searching",
        )
        .unwrap();
    assert_eq!(found(&mut client, "rigade"), "Brigade");
    assert_eq!(found(&mut client, "brgade"), "");
    client
        .batch_execute(
            "RESET ROLE; GRANT USAGE ON SCHEMA closed TO searching;
             REVOKE EXECUTE ON FUNCTION closed.word_similarity FROM PUBLIC; SET ROLE searching",
        )
        .unwrap();
    assert_eq!(found(&mut client, "brgade"), "");
    client
        .batch_execute("RESET ROLE; GRANT EXECUTE ON FUNCTION closed.word_similarity TO searching; SET ROLE searching")
        .unwrap();
    assert_eq!(found(&mut client, "brgade"), "Brigade");
    client.batch_execute("RESET ROLE").unwrap();
}
