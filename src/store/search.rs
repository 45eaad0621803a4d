//! Searching the catalog with PostgreSQL's full-text search.

use std::cell::OnceCell;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::jsonb::Jsonb;
use crate::pg::statement::Statement;
use crate::{giving, params};
use engine::money::Money;

/// What to look for. Criteria that are not given are not tested.
#[derive(Debug, Default)]
pub struct Criteria {
    /// Words of the name or the description, each at least by its beginning.
    pub search: Option<String>,
    /// The category.
    pub category: Option<String>,
    /// A feature that the add-on gives.
    pub feature_key: Option<String>,
    /// The lowest list price, in digits.
    pub min_price: Option<String>,
    /// The highest list price, in digits.
    pub max_price: Option<String>,
    /// The most rows to return.
    pub max_rows: Option<i32>,
    /// The rows to leave out before.
    pub skip: Option<i32>,
}

/// An add-on that was found.
#[derive(Debug)]
pub struct FoundAddOn {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub category: String,
    pub base_price: Money,
    pub billing_type: String,
    pub features: Jsonb,
    /// How well it matches the search text: 0 without one.
    pub rank: f32,
}

/// The words of a search text as the index knows them.
static WORDS: Statement<(String,)> = Statement::new(
    "SELECT word.lexeme
       FROM pg_catalog.unnest(pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, $1)) word
      ORDER BY 1",
);

/// The expression of the index idx_add_ons_search.
const SEARCH_VECTOR: &str = "
    (pg_catalog.setweight(pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, a.name::pg_catalog.text), 'A')
     || pg_catalog.setweight(pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig,
                                                    COALESCE(a.description, '')), 'B'))";

const GIVES_FEATURE: &str = concat!("a.id = ANY (ARRAY( ", giving!("$3", "f.add_on_id", "a.id"), " ))");

/// The columns of an add-on that was found, in its order, the price in cents.
type FoundColumns = (Uuid, String, Option<String>, String, i64, String, Jsonb, f32);

thread_local! {
    /// One statement for each combination of criteria, so that the plan of each can use its indexes.
    static SEARCHES: [OnceCell<Statement<FoundColumns>>; 8] = const { [const { OnceCell::new() }; 8] };
}

/// The bytes that a search text may have: more words than anybody searches for.
const LONGEST_SEARCH: usize = 8 << 10;

/// Hands over the add-ons on sale that meet all criteria, the best matches first.
pub fn search(criteria: &Criteria, mut each: impl FnMut(FoundAddOn)) -> Result<(), Error> {
    if let Some(size) = criteria.search.as_deref().map(str::len).filter(|&size| size > LONGEST_SEARCH) {
        return Err(Error::ValueTooLarge { what: "text", size, limit: LONGEST_SEARCH });
    }
    let query = match criteria.search.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => match query_of(text)? {
            Some(query) => Some(query),
            None => return Ok(()),
        },
    };
    let params = params![
        query.as_deref(),
        criteria.category.as_deref(),
        criteria.feature_key.as_deref(),
        criteria.min_price.as_deref(),
        criteria.max_price.as_deref(),
        criteria.max_rows,
        criteria.skip,
    ];
    SEARCHES.with(|searches| {
        let by_words = query.is_some();
        let (by_category, by_feature) = (criteria.category.is_some(), criteria.feature_key.is_some());
        let combination = usize::from(by_words) | usize::from(by_category) << 1 | usize::from(by_feature) << 2;
        let statement = searches[combination].get_or_init(|| Statement::built(sql(by_words, by_category, by_feature)));
        statement.read(params, |row| {
            each(read_add_on(row));
            Ok(())
        })
    })
}

/// The query for all words of a text, each as a prefix; `None` when it has no words.
fn query_of(text: &str) -> Result<Option<String>, Error> {
    let as_written = all_words_of(text)?;
    if !text.contains('-') {
        return Ok(as_written);
    }
    // A text with hyphens also means the same words without: the index has "e-mail" as a whole and in parts, but "text to
    // speech" in parts only.
    let in_parts = all_words_of(&text.replace('-', " "))?;
    let spellings: Vec<String> = [as_written, in_parts].into_iter().flatten().collect();
    Ok((!spellings.is_empty()).then(|| spellings.join(" | ")))
}

fn all_words_of(text: &str) -> Result<Option<String>, Error> {
    let words =
        WORDS.read_all(params![text], |(word,)| format!("'{}':*", word.replace('\\', "\\\\").replace('\'', "''")))?;
    Ok((!words.is_empty()).then(|| words.join(" & ")))
}

fn sql(by_words: bool, by_category: bool, by_feature: bool) -> String {
    let rank = match by_words {
        true => format!("pg_catalog.ts_rank( {SEARCH_VECTOR} , $1::pg_catalog.tsquery)"),
        false => "0::real".to_owned(),
    };
    let mut criteria = vec![
        "a.is_active".to_owned(),
        "($4 IS NULL OR a.base_price >= $4::numeric)".to_owned(),
        "($5 IS NULL OR a.base_price <= $5::numeric)".to_owned(),
    ];
    if by_words {
        criteria.push(format!("{SEARCH_VECTOR} @@ $1::pg_catalog.tsquery"));
    }
    if by_category {
        criteria.push("a.category = $2".to_owned());
    }
    if by_feature {
        criteria.push(GIVES_FEATURE.to_owned());
    }
    format!(
        "SELECT a.id, a.name, a.description, a.category, (a.base_price * 100)::bigint, a.billing_type, a.features, {rank}
           FROM @extschema@.add_ons a
          WHERE {}
          ORDER BY 8 DESC, a.sort_order, a.name, a.id
          LIMIT $6 OFFSET $7",
        criteria.join(" AND ")
    )
}

fn read_add_on(columns: FoundColumns) -> FoundAddOn {
    let (id, name, description, category, cents, billing_type, features, rank) = columns;
    FoundAddOn { id, name, description, category, base_price: Money::from_cents(cents), billing_type, features, rank }
}
