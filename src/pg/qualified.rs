//! Qualifies the text of statements, so that nothing in it depends on the caller's search_path.
//!
//! Tables are written as `@extschema@.table`, functions as `pg_catalog.function`, and operators between spaces, to be
//! qualified before the statement is parsed. Qualified operators all have the same precedence, so expressions need
//! parentheses. The `=` of an assignment is not an operator and is written without spaces. Only `unnest` of several
//! arrays is written unqualified, because the parser requires that.

const OPERATORS: [&str; 18] =
    ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "||", "?", "@>", "<@", "&&", "@@", "->", "->>"];

/// Keywords that imply an operator, which PostgreSQL looks up by the search_path.
const HIDING: [&str; 11] =
    ["IN", "IN(", "LIKE", "ILIKE", "SIMILAR", "BETWEEN", "NULLIF", "NULLIF(", "USING", "OVERLAPS", "ESCAPE"];

/// The text with the schema filled in and operators qualified.
pub fn in_schema(sql: &str, schema: &str) -> String {
    let word = |word: &str| match OPERATORS.contains(&word) {
        true => format!("OPERATOR(pg_catalog.{word})"),
        false => word.replace("@extschema@", schema),
    };
    sql.split_whitespace().map(word).collect::<Vec<String>>().join(" ")
}

/// Whether a text names a table of the extension.
pub fn names(sql: &str, table: &str) -> bool {
    sql.match_indices("@extschema@.").any(|(start, prefix)| {
        let rest = &sql[start + prefix.len()..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        rest.split(|c| !is_word(c)).next() == Some(table)
    })
}

/// Whether a word stands in a text.
pub fn mentions(sql: &str, word: &str) -> bool {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|one| one == word)
}

/// Fails compilation if a text contains something that cannot be qualified: a keyword that implies an operator, or a
/// literal whose blanks would be lost or whose operators would be qualified.
pub const fn check(sql: &str) {
    let sql = sql.as_bytes();
    let (mut at, mut is_literal, mut word) = (0, false, 0);
    while at <= sql.len() {
        if at == sql.len() || sql[at].is_ascii_whitespace() {
            if is_literal {
                assert!(
                    at + 1 < sql.len() && sql[at] == b' ' && !sql[at + 1].is_ascii_whitespace(),
                    "blanks of a literal get lost"
                );
                assert!(!is_one_of(sql, word, at, &OPERATORS), "an operator in a literal is qualified like any other");
            } else {
                check_word(sql, word, at);
            }
            word = at + 1;
        } else if sql[at] == b'\'' {
            is_literal = !is_literal;
        }
        at += 1;
    }
}

const fn check_word(sql: &[u8], start: usize, end: usize) {
    assert!(!is_one_of(sql, start, end, &HIDING), "a word hides an operator that is looked up by the search_path");
    // SELECT DISTINCT takes its operator from the type, IS DISTINCT FROM by its name.
    let is_distinct_from = is(sql, start, end, "DISTINCT") && is(sql, end + 1, end + 5, "FROM");
    assert!(!is_distinct_from, "IS DISTINCT FROM hides an operator that is looked up by the search_path");
}

const fn is_one_of(sql: &[u8], start: usize, end: usize, words: &[&str]) -> bool {
    let mut position = 0;
    while position < words.len() {
        if is(sql, start, end, words[position]) {
            return true;
        }
        position += 1;
    }
    false
}

const fn is(sql: &[u8], start: usize, end: usize, word: &str) -> bool {
    let word = word.as_bytes();
    if end > sql.len() || end - start != word.len() {
        return false;
    }
    let mut position = 0;
    while position < word.len() {
        if !sql[start + position].eq_ignore_ascii_case(&word[position]) {
            return false;
        }
        position += 1;
    }
    true
}
