//! Searches the catalog with PostgreSQL's full-text search. If that finds no word, it searches for parts of words.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use uuid::Uuid;

use crate::error::Error;
use crate::pg::jsonb::Jsonb;
use crate::pg::statement::Statement;
use crate::{giving, params};
use engine::money::Money;
use engine::time::Instant;

/// The criteria of a search. A criterion that is not given is not tested.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// Words of the name or the description, or prefixes of them.
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
    /// The number of rows to skip.
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
    /// The rank of the match: 0 without a search text.
    pub rank: f32,
    pub version: Option<String>,
    pub icon_url: Option<String>,
    pub trial_days: Option<i32>,
    pub is_featured: bool,
    pub created_at: Instant,
    /// The number of results on all pages. This column and those above from the version on are only read for
    /// listings.
    pub total_count: i64,
}

/// The words of a search text as the index has them.
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

const GIVES_FEATURE: &str = concat!("a.id = ANY (ARRAY( ", giving!("$3"), " ))");

/// The columns of an add-on that was found, in its order, the price in cents.
type FoundColumns = (
    Uuid,
    String,
    Option<String>,
    String,
    i64,
    String,
    Jsonb,
    f32,
    Option<String>,
    Option<String>,
    Option<i32>,
    bool,
    Instant,
    i64,
);

/// How to search for a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Text {
    /// There is none.
    Nothing,
    /// By words or prefixes of words, through the index.
    Words,
    /// Anywhere in the name or the description, row by row.
    Anywhere,
    /// The same, or similar to a word of the name by pg_trgm in this schema.
    AnywhereOrAlike { trigrams: String },
}

/// What is read of an add-on that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Details {
    /// What describes it.
    Brief,
    /// All that pages of a catalog show, and how many were found.
    Listing,
}

/// Criteria that the same statement tests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Form {
    text: Text,
    by_category: bool,
    by_feature: bool,
    details: Details,
}

thread_local! {
    /// One statement for each mode, so that the plan of each can use its indexes.
    static SEARCHES: RefCell<HashMap<Form, Rc<Statement<FoundColumns>>>> = RefCell::default();
}

/// The schema of pg_trgm, if it is installed and may be used; 25 is the oid of the type text.
static TRIGRAMS: Statement<(String,)> = Statement::new(
    "SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text)
       FROM pg_catalog.pg_extension e
       JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
       JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
      WHERE e.extname = 'pg_trgm' AND p.proname = 'word_similarity'
        AND p.pronargs = 2 AND p.proargtypes[0] = 25 AND p.proargtypes[1] = 25
        AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')",
);

/// The maximum length of a search text in bytes: more words than anybody searches for.
const LONGEST_SEARCH: usize = 8 << 10;

/// Passes on the add-ons on sale that meet all criteria, the best matches first.
pub fn search(criteria: &Criteria, details: Details, mut each: impl FnMut(FoundAddOn)) -> Result<(), Error> {
    if let Some(size) = criteria.search.as_deref().map(str::len).filter(|&size| size > LONGEST_SEARCH) {
        return Err(Error::ValueTooLarge { what: "text", size, limit: LONGEST_SEARCH });
    }
    let Some(text) = criteria.search.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
        read(criteria, Text::Nothing, None, details, each)?;
        return Ok(());
    };
    let Some(words) = query_of(text)? else { return Ok(()) };
    if read(criteria, Text::Words, Some(&words), details, &mut each)? || has_words(criteria, &words)? {
        return Ok(());
    }
    let anywhere = match TRIGRAMS.read_one(params![], |(schema,)| schema)? {
        // Blanks separate the words of a statement.
        Some(trigrams) if !trigrams.contains(char::is_whitespace) => Text::AnywhereOrAlike { trigrams },
        _ => Text::Anywhere,
    };
    read(criteria, anywhere, Some(text), details, each)?;
    Ok(())
}

/// Whether these words find anything, on any page.
fn has_words(criteria: &Criteria, words: &str) -> Result<bool, Error> {
    if criteria.skip.unwrap_or(0) == 0 && criteria.max_rows != Some(0) {
        // The empty page was the first one.
        return Ok(false);
    }
    let first = Criteria { max_rows: Some(1), skip: Some(0), ..criteria.clone() };
    read(&first, Text::Words, Some(words), Details::Brief, |_| ())
}

/// Reads a page. Returns whether it has rows.
fn read(
    criteria: &Criteria,
    text: Text,
    looked_for: Option<&str>,
    details: Details,
    mut each: impl FnMut(FoundAddOn),
) -> Result<bool, Error> {
    let params = params![
        looked_for,
        criteria.category.as_deref(),
        criteria.feature_key.as_deref(),
        criteria.min_price.as_deref(),
        criteria.max_price.as_deref(),
        criteria.max_rows,
        criteria.skip,
    ];
    let (by_category, by_feature) = (criteria.category.is_some(), criteria.feature_key.is_some());
    let statement = statement(Form { text, by_category, by_feature, details });
    let mut has_rows = false;
    statement.read(params, |row| {
        has_rows = true;
        each(read_add_on(row));
        Ok(())
    })?;
    Ok(has_rows)
}

fn statement(form: Form) -> Rc<Statement<FoundColumns>> {
    SEARCHES.with_borrow_mut(|searches| {
        let built = || Rc::new(Statement::built(sql(&form)));
        Rc::clone(searches.entry(form.clone()).or_insert_with(built))
    })
}

/// The query for all words of a text, each as a prefix; `None` when it has no words.
fn query_of(text: &str) -> Result<Option<String>, Error> {
    let as_written = all_words_of(text)?;
    if !text.contains('-') {
        return Ok(as_written);
    }
    // A text with hyphens also matches the same words without them: the index holds "e-mail" whole and in parts, but
    // "text to speech" only in parts.
    let in_parts = all_words_of(&text.replace('-', " "))?;
    let spellings: Vec<String> = [as_written, in_parts].into_iter().flatten().collect();
    Ok((!spellings.is_empty()).then(|| spellings.join(" | ")))
}

fn all_words_of(text: &str) -> Result<Option<String>, Error> {
    let words =
        WORDS.read_all(params![text], |(word,)| format!("'{}':*", word.replace('\\', "\\\\").replace('\'', "''")))?;
    Ok((!words.is_empty()).then(|| words.join(" & ")))
}

/// A row whose name, or else description, contains the text, or with pg_trgm has a word in its name that is similar
/// to it.
const IN_NAME: &str = "(pg_catalog.strpos(pg_catalog.lower(a.name::pg_catalog.text), pg_catalog.lower($1)) > 0)";
const IN_DESCRIPTION: &str =
    "(pg_catalog.strpos(pg_catalog.lower(COALESCE(a.description, '')), pg_catalog.lower($1)) > 0)";

/// The minimum similarity (0 to 1) of a word of the name: with one missing or wrong letter, half of the trigrams of a
/// short word are left.
const ALIKE: &str = "0.5::real";

/// The rank of a row for the text, and the condition that it matches.
fn match_of(text: &Text) -> (String, Option<String>) {
    let place = format!("(CASE WHEN {IN_NAME} THEN 0.5::real WHEN {IN_DESCRIPTION} THEN 0.25::real ELSE 0::real END)");
    match text {
        Text::Nothing => ("0::real".to_owned(), None),
        Text::Words => (
            format!("pg_catalog.ts_rank( {SEARCH_VECTOR} , $1::pg_catalog.tsquery)"),
            Some(format!("{SEARCH_VECTOR} @@ $1::pg_catalog.tsquery")),
        ),
        Text::Anywhere => (place, Some(format!("({IN_NAME} OR {IN_DESCRIPTION})"))),
        Text::AnywhereOrAlike { trigrams } => {
            let alike = format!("{trigrams}.word_similarity($1, a.name::pg_catalog.text)");
            (format!("({place} + {alike})"), Some(format!("({IN_NAME} OR {IN_DESCRIPTION} OR ({alike} >= {ALIKE}))")))
        }
    }
}

fn sql(form: &Form) -> String {
    let (rank, matches) = match_of(&form.text);
    let mut criteria = vec![
        "a.is_active".to_owned(),
        "($4 IS NULL OR a.base_price >= $4::numeric)".to_owned(),
        "($5 IS NULL OR a.base_price <= $5::numeric)".to_owned(),
    ];
    criteria.extend(matches);
    if form.by_category {
        criteria.push("a.category = $2".to_owned());
    }
    if form.by_feature {
        criteria.push(GIVES_FEATURE.to_owned());
    }
    let criteria = criteria.join(" AND ");
    // A search without a listing reads only columns that every released version has, because its function may be that
    // of an older one.
    let shown = match form.details {
        Details::Listing => format!(
            "a.version, a.icon_url, a.trial_days, a.is_featured, a.created_at,
             (SELECT pg_catalog.count(*) FROM @extschema@.add_ons a WHERE {criteria})"
        ),
        Details::Brief => {
            "NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::integer, false, a.created_at, 0::bigint".to_owned()
        }
    };
    format!(
        "SELECT a.id, a.name, a.description, a.category, (a.base_price * 100)::bigint, a.billing_type, a.features, {rank}, {shown}
           FROM @extschema@.add_ons a
          WHERE {criteria}
          ORDER BY 8 DESC, a.sort_order, a.name, a.id
          LIMIT $6 OFFSET $7"
    )
}

fn read_add_on(columns: FoundColumns) -> FoundAddOn {
    let (
        id,
        name,
        description,
        category,
        cents,
        billing_type,
        features,
        rank,
        version,
        icon_url,
        trial_days,
        is_featured,
        created_at,
        total_count,
    ) = columns;
    let base_price = Money::from_cents(cents);
    FoundAddOn {
        id,
        name,
        description,
        category,
        base_price,
        billing_type,
        features,
        rank,
        version,
        icon_url,
        trial_days,
        is_featured,
        created_at,
        total_count,
    }
}
