//! Row-level security of the tables that belong to users: a connection sees only the user whom a setting names.

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::row_security::TABLES_OF_USERS;
use crate::pg::statement::{Statement, command};

static OTHER_POLICIES: Statement<(bool,)> = Statement::new(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_policy p
                     WHERE p.polrelid = pg_catalog.to_regclass($1) AND p.polname <> 'user_isolation')",
);

static LITERAL: Statement<(String,)> = Statement::new("SELECT pg_catalog.quote_literal($1)");

/// Hides the rows of everybody but the user whom the setting names, from all roles but superusers, those with BYPASSRLS, and
/// the owner of the tables, who makes the dumps.
pub fn enable(setting: &str) -> Result<(), Error> {
    if !is_custom_setting(setting) {
        return Err(Error::InvalidSetting { setting: setting.to_owned() });
    }
    let schema = installation::schema()?;
    // A subquery, so that the setting is looked up once for a statement and not for each row.
    let is_visible =
        format!("user_id OPERATOR(pg_catalog.=) (SELECT pg_catalog.current_setting({}, true))", literal(setting)?);
    for table in TABLES_OF_USERS {
        drop_policy(&schema, table)?;
        command(&format!("CREATE POLICY user_isolation ON {schema}.{table} USING ({is_visible})"));
        command(&format!("ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY"));
    }
    Ok(())
}

/// Shows all rows again, unless somebody has made other policies.
pub fn disable() -> Result<(), Error> {
    let schema = installation::schema()?;
    for table in TABLES_OF_USERS {
        drop_policy(&schema, table)?;
        let table = format!("{schema}.{table}");
        if OTHER_POLICIES.execute_one(params![&table], |(answer,)| answer)? != Some(true) {
            command(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"));
        }
    }
    Ok(())
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

/// Whether PostgreSQL would let somebody set it: identifiers, joined by dots, at least two.
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
