//! Row-level security for the tables that belong to users: a connection sees only the user that a setting names.

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::statement::{Statement, command};
use crate::pg::tables::TABLES_OF_USERS;

static OTHER_POLICIES: Statement<(bool,)> = Statement::new(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_policy p
                     WHERE p.polrelid = pg_catalog.to_regclass($1) AND p.polname <> 'user_isolation')",
);

/// The tables' row-level security in PostgreSQL's catalogs.
static STATE: Statement<(String,)> = Statement::new(
    "SELECT pg_catalog.concat_ws(' ', c.oid, c.relrowsecurity, p.polname, pg_catalog.pg_get_expr(p.polqual, c.oid))
       FROM pg_catalog.unnest($1) t (name)
       JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
       LEFT JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid
      ORDER BY 1",
);

static LITERAL: Statement<(String,)> = Statement::new("SELECT pg_catalog.quote_literal($1)");

/// Hides the rows of everybody except the user that the setting names, from all roles except superusers, roles with
/// BYPASSRLS, and the owner of the tables, who makes the dumps. Returns what was done.
pub fn enable(setting: &str) -> Result<String, Error> {
    if !is_custom_setting(setting) {
        return Err(Error::InvalidSetting { setting: setting.to_owned() });
    }
    let schema = installation::schema()?;
    let before = state(&schema)?;
    // A subquery, so that the setting is looked up once for a statement and not for each row.
    let is_visible =
        format!("user_id OPERATOR(pg_catalog.=) (SELECT pg_catalog.current_setting({}, true))", literal(setting)?);
    for table in TABLES_OF_USERS {
        drop_policy(&schema, table)?;
        command(&format!("CREATE POLICY user_isolation ON {schema}.{table} USING ({is_visible})"));
        command(&format!("ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY"));
    }
    let tables = TABLES_OF_USERS.join(", ");
    Ok(match state(&schema)? == before {
        true => format!("the setting {setting} decided already whose rows of {tables} a session sees"),
        false => {
            format!("a session now sees only the rows of {tables} that belong to the user in the setting {setting}")
        }
    })
}

/// Shows all rows again, unless somebody has created other policies. Returns what was done.
pub fn disable() -> Result<String, Error> {
    let schema = installation::schema()?;
    let before = state(&schema)?;
    let mut limited = Vec::new();
    for table in TABLES_OF_USERS {
        drop_policy(&schema, table)?;
        let table = format!("{schema}.{table}");
        if OTHER_POLICIES.execute_one(params![&table], |(answer,)| answer)? == Some(true) {
            limited.push(table);
        } else {
            command(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"));
        }
    }
    Ok(match state(&schema)? == before {
        true => "user isolation was not enabled".to_owned(),
        false if limited.is_empty() => {
            format!("a session sees the rows of all users in {}", TABLES_OF_USERS.join(", "))
        }
        false => format!("user isolation is disabled; policies that somebody else made stay on {}", limited.join(", ")),
    })
}

/// The row-level security of the tables.
fn state(schema: &str) -> Result<Vec<String>, Error> {
    let tables = TABLES_OF_USERS.map(|table| format!("{schema}.{table}"));
    STATE.execute_all(params![&tables[..]], |(line,)| line)
}

fn drop_policy(schema: &str, table: &str) -> Result<(), Error> {
    static EXISTS: Statement<(bool,)> = Statement::new(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_policy p
                         WHERE p.polrelid = pg_catalog.to_regclass($1) AND p.polname = 'user_isolation')",
    );
    if EXISTS.execute_one(params![&format!("{schema}.{table}")], |(answer,)| answer)? == Some(true) {
        command(&format!("DROP POLICY user_isolation ON {schema}.{table}"));
    }
    Ok(())
}

/// Whether PostgreSQL accepts it as a custom setting: at least two identifiers, joined by dots.
fn is_custom_setting(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
    };
    name.contains('.') && name.split('.').all(is_identifier)
}

fn literal(text: &str) -> Result<String, Error> {
    Ok(LITERAL.execute_one(params![text], |(answer,)| answer)?.unwrap_or_default())
}
