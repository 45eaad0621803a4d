//! Generates upgrade scripts from handwritten statements about tables, and from the functions and comments of the
//! install script.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{paths, sql};

/// The marker for the functions in a file of sql/upgrades.
const MARK: &str = "-- Here the functions are made.\n";

/// The upgrade scripts to the version whose install script is in a folder, with their names.
pub fn all(folder: &Path, version: &str) -> Vec<(String, String)> {
    let sql = paths::root().join("sql");
    let read =
        |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let new = read(&folder.join(format!("extensions--{version}.sql")));
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(sql.join("upgrades")).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
        if let Some(old_version) = name.strip_suffix(&format!("--{version}.sql")) {
            let old = read(&sql.join(format!("released/extensions--{old_version}.sql")));
            scripts.push((format!("extensions--{name}"), script(&name, &read(&path), &old, &new)));
        }
    }
    assert!(!scripts.is_empty(), "nothing in sql/upgrades leads to {version}");
    scripts
}

fn script(name: &str, by_hand: &str, old: &str, new: &str) -> String {
    let (before, after) =
        by_hand.split_once(MARK).unwrap_or_else(|| panic!("sql/upgrades/{name} does not say: {}", MARK.trim()));
    let (old, new) = (Definitions::read(old), Definitions::read(new));
    let privileges = std::fs::read_to_string(paths::root().join("sql/privileges.sql")).expect("it is there");
    format!(
        "-- Made by `make upgrade-script` from sql/upgrades/{name} and the sources of functions and comments: edit those.\n\
         SET LOCAL search_path = pg_catalog, pg_temp;\n\n{before}{}{after}\n{}{privileges}",
        new.functions_since(&old, &renamed_functions(before)),
        new.comments_since(&old),
    )
}

/// A script's statements about functions, by name, and its comments on other objects. Both are sorted, because pgrx's
/// order changes whenever objects are added.
struct Definitions {
    /// Several statements for each name: the functions of this name, their costs, their comments.
    functions: BTreeMap<String, Vec<String>>,
    comments: BTreeSet<String>,
}

impl Definitions {
    fn read(script: &str) -> Definitions {
        let mut functions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut comments = BTreeSet::new();
        for statement in sql::statements(script) {
            if let Some(name) = made_function(&statement) {
                functions.entry(name.to_owned()).or_default().push(with_names_qualified(&statement));
            } else if let Some(name) = described_function(&statement) {
                let made = functions.get_mut(name).unwrap_or_else(|| panic!("it comes before {name}: {statement}"));
                made.push(statement);
            } else if statement.starts_with("COMMENT ON ") {
                comments.insert(statement);
            }
        }
        Definitions { functions, comments }
    }

    /// Functions that are new, renamed or changed. A function that is created again loses its cost.
    fn functions_since(&self, old: &Definitions, renamed: &BTreeSet<&str>) -> String {
        let is_as_before = |name, made| {
            old.functions.get(name).is_some_and(|before: &Vec<String>| comparable(before) == comparable(made))
        };
        let mut changed: Vec<_> = self.functions.iter().filter(|(name, made)| !is_as_before(*name, made)).collect();
        changed.sort_by_key(|(_, made)| made.iter().map(|statement| place(statement)).max());
        let mut script = String::new();
        for (name, made) in changed {
            let is_there = old.functions.contains_key(name) || renamed.contains(&**name);
            let create = if is_there { "CREATE OR REPLACE FUNCTION" } else { "CREATE FUNCTION" };
            made.iter().for_each(|statement| {
                script += &format!("{};\n", statement.replacen("CREATE FUNCTION", create, 1));
            });
            script.push('\n');
        }
        script
    }

    fn comments_since(&self, old: &Definitions) -> String {
        self.comments.difference(&old.comments).map(|comment| format!("{comment};\n")).collect()
    }
}

/// The new names of functions that the handwritten part renames.
fn renamed_functions(script: &str) -> BTreeSet<&str> {
    let statements = script.lines().filter(|line| line.starts_with("ALTER FUNCTION "));
    statements.filter_map(|line| line.split_once(" RENAME TO ")).map(|(_, name)| name.trim_end_matches(';')).collect()
}

/// The same for functions whose costs are set in CREATE FUNCTION and again later.
fn comparable(made: &[String]) -> BTreeSet<String> {
    made.iter().flat_map(|statement| without_costs(statement)).collect()
}

/// A statement without its COST, and the COST.
fn without_costs(statement: &str) -> [String; 2] {
    let Some((before, rest)) = statement.split_once(" COST ") else { return [statement.to_owned(), String::new()] };
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut end = digits(rest);
    if let Some(rows) = rest[end..].strip_prefix(" ROWS ") {
        end += " ROWS ".len() + digits(rows);
    }
    let costs = &rest[..end];
    let others = format!("{before}{}", &rest[end..]);
    [if others.starts_with("ALTER") { String::new() } else { others }, costs.to_owned()]
}

/// PostgreSQL immediately looks up a function's support function, and the functions called in a body in SQL's own
/// syntax.
fn place(statement: &str) -> u8 {
    if statement.contains("BEGIN ATOMIC") { 2 } else { u8::from(statement.contains(" SUPPORT ")) }
}

fn made_function(statement: &str) -> Option<&str> {
    let rest = statement.strip_prefix("CREATE ")?.trim_start().strip_prefix("FUNCTION ")?;
    Some(name_of(rest))
}

fn described_function(statement: &str) -> Option<&str> {
    let rest = statement.strip_prefix("COMMENT ON FUNCTION ").or_else(|| statement.strip_prefix("ALTER FUNCTION "))?;
    Some(name_of(rest))
}

fn name_of(signature: &str) -> &str {
    let (name, _) = signature.split_once('(').expect("it has arguments");
    name.trim_start_matches("@extschema@.").trim_matches('"')
}

/// pgrx relies on the search path for names, but an upgrade creates its objects under another one.
fn with_names_qualified(statement: &str) -> String {
    let quoted = statement.strip_prefix("CREATE ").and_then(|rest| rest.trim_start().strip_prefix("FUNCTION \""));
    let Some((name, rest)) = quoted.and_then(|rest| rest.split_once('"')) else { return statement.to_owned() };
    let statement = format!("CREATE FUNCTION @extschema@.{name}{rest}").replace('\t', "    ");
    statement.replace(" SUPPORT \"", " SUPPORT @extschema@.\"")
}
