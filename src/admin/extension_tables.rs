//! Detaches the tables from the extension, and attaches them again.

use super::counted;
use crate::error::Error;
use crate::params;
use crate::pg::extension_script::PretendedScript;
use crate::pg::installation;
use crate::pg::statement::{Statement, command, command_as_caller};
use crate::pg::tables::{EXPECTED, TABLES};

/// Relations, the tables `c` of `$rows`, each with its name and whether it belongs to the extension.
macro_rules! select_members {
    ($name:literal, $rows:literal) => {
        Statement::new(concat!(
            "SELECT ",
            $name,
            ", EXISTS (SELECT
                         FROM pg_catalog.pg_depend d
                         JOIN pg_catalog.pg_extension e
                           ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
                          AND e.extname = 'extensions')
               FROM ",
            $rows
        ))
    };
}

/// Which of these tables of the schema belong to the extension; rows only for those that exist.
static MEMBERSHIP: Statement<(String, bool)> = select_members!(
    "c.relname::pg_catalog.text",
    "pg_catalog.pg_class c
      WHERE c.oid = ANY (ARRAY(SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.unnest($1) t (name))::pg_catalog.oid[])"
);

/// The partitions of these tables: the quoted name, with its schema, and whether it belongs to the extension.
static PARTITIONS: Statement<(String, bool)> = select_members!(
    "pg_catalog.format('%I.%I', n.nspname, c.relname)",
    "pg_catalog.unnest(ARRAY(SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.unnest($1) t (name))) ours (id)
      CROSS JOIN LATERAL pg_catalog.pg_partition_tree(ours.id) p
       JOIN pg_catalog.pg_class c ON c.oid = p.relid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE p.level > 0
      ORDER BY 1"
);

/// Constraints and triggers of the tables that call functions of the extension: (kind, table, name).
static DEPENDENTS: Statement<(String, String, String)> = Statement::new(
    "SELECT o.kind, c.relname::pg_catalog.text, pg_catalog.quote_ident(o.name)
       FROM (SELECT 'constraint', 'pg_catalog.pg_constraint'::pg_catalog.regclass, n.oid, n.conrelid, n.conname::pg_catalog.text
               FROM pg_catalog.pg_constraint n
              UNION ALL
             SELECT 'trigger', 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, t.tgrelid, t.tgname::pg_catalog.text
               FROM pg_catalog.pg_trigger t
              WHERE NOT t.tgisinternal) o (kind, classid, oid, table_oid, name)
       JOIN pg_catalog.pg_class c ON c.oid = o.table_oid
      WHERE c.oid = ANY (ARRAY(SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.unnest($1) t (name))::pg_catalog.oid[])
        AND EXISTS (SELECT
                      FROM pg_catalog.pg_depend calls
                      JOIN pg_catalog.pg_depend member
                        ON member.classid = calls.refclassid AND member.objid = calls.refobjid AND member.deptype = 'e'
                      JOIN pg_catalog.pg_extension e
                        ON member.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND member.refobjid = e.oid
                     WHERE calls.classid = o.classid AND calls.objid = o.oid
                       AND calls.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.extname = 'extensions')
      ORDER BY 1, 2, 3",
);

/// The existing tables in the format of EXPECTED, but without definitions. Constraints that PostgreSQL creates for
/// NOT NULL are reported with the column.
static ACTUAL: Statement<(String,)> = Statement::new(
    "SELECT pg_catalog.concat_ws(' ', 'column', (c.relname || '.') || a.attname,
                                 pg_catalog.format_type(a.atttypid, a.atttypmod),
                                 CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                                 'DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid))
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE c.oid = ANY (ARRAY(SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.unnest($1) t (name))::pg_catalog.oid[])
      UNION ALL
     SELECT pg_catalog.concat_ws(' ', 'constraint', (c.relname || '.') || n.conname)
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_constraint n ON n.conrelid = c.oid AND n.contype = ANY ('{p,u,f,c}')
      WHERE c.oid = ANY (ARRAY(SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.unnest($1) t (name))::pg_catalog.oid[])
      UNION ALL
     SELECT pg_catalog.concat_ws(' ', 'trigger', (c.relname || '.') || t.tgname)
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
      WHERE c.oid = ANY (ARRAY(SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.unnest($1) t (name))::pg_catalog.oid[])",
);

/// The CHECK constraints that call functions of the extension, as a new installation has them: (table, name, definition).
fn calling_constraints() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    EXPECTED.lines().filter_map(|line| {
        let (table, rest) = line.strip_prefix("constraint ")?.split_once('.')?;
        let (name, definition) = rest.split_once(' ')?;
        (definition.starts_with("CHECK") && definition.contains("@extschema@.")).then_some((table, name, definition))
    })
}

/// Takes the tables out of the extension. Their triggers are dropped with the extension. The constraints that call
/// its functions cannot be, so they are dropped now. Returns what was done.
pub fn detach() -> Result<String, Error> {
    let schema = installation::schema()?;
    if membership(&schema)?.iter().any(|(_, is_member)| !is_member) {
        return Err(Error::TablesAlreadyDetached);
    }
    for table in TABLES {
        command_as_caller(&format!("ALTER EXTENSION extensions DROP TABLE {schema}.{table}"));
    }
    let mut partitions = partitions(&schema)?;
    partitions.retain(|(_, is_member)| *is_member);
    for (partition, _) in &partitions {
        command_as_caller(&format!("ALTER EXTENSION extensions DROP TABLE {partition}"));
    }
    let (triggers, constraints): (Vec<_>, Vec<_>) =
        dependents(&schema)?.into_iter().partition(|(kind, ..)| kind == "trigger");
    for (_, table, name) in triggers {
        command(&format!("ALTER TRIGGER {name} ON {schema}.{table} DEPENDS ON EXTENSION extensions"));
    }
    for (_, table, name) in &constraints {
        command(&format!("ALTER TABLE {schema}.{table} DROP CONSTRAINT {name}"));
    }
    Ok(format!(
        "{} are no longer part of the extension, and {} that call its functions were dropped",
        tables_in_words(TABLES.len(), partitions.len()),
        counted(constraints.len(), "constraint")
    ))
}

/// The number of tables and partitions, in words.
fn tables_in_words(tables: usize, partitions: usize) -> String {
    match (tables, partitions) {
        (tables, 0) => counted(tables, "table"),
        (0, partitions) => counted(partitions, "partition"),
        _ => format!("{} and {}", counted(tables, "table"), counted(partitions, "partition")),
    }
}

/// Takes the tables back into the extension if they still are what its functions expect, with partitions that were
/// created since. Returns what was done.
pub fn attach() -> Result<String, Error> {
    let schema = installation::schema()?;
    let membership = membership(&schema)?;
    let are_members = membership.len() == TABLES.len() && membership.iter().all(|(_, is_member)| *is_member);
    let mut partitions = partitions(&schema)?;
    partitions.retain(|(_, is_member)| !is_member);
    if are_members && partitions.is_empty() {
        return Err(Error::TablesAlreadyAttached);
    }
    if !are_members {
        attach_tables(&schema, &membership)?;
    }
    for (partition, _) in &partitions {
        command_as_caller(&format!("ALTER EXTENSION extensions ADD TABLE {partition}"));
    }
    let partitions: Vec<String> = partitions.into_iter().map(|(partition, _)| partition).collect();
    register_for_dump(&partitions)?;
    let attached = if are_members { 0 } else { TABLES.len() };
    Ok(format!("now part of the extension: {}", tables_in_words(attached, partitions.len())))
}

fn attach_tables(schema: &str, membership: &[(String, bool)]) -> Result<(), Error> {
    let actual = actual(schema)?;
    let differences = differences(&actual);
    if !differences.is_empty() {
        return Err(Error::TablesDiffer { differences });
    }
    for (table, name, definition) in calling_constraints() {
        let definition = definition.replace("@extschema@", schema);
        if actual.contains(&format!("constraint {table}.{name}")) {
            command(&format!("ALTER TABLE {schema}.{table} DROP CONSTRAINT {name}"));
        }
        command(&format!("ALTER TABLE {schema}.{table} ADD CONSTRAINT {name} {definition}"));
    }
    for (_, table, name) in dependents(schema)?.into_iter().filter(|(kind, ..)| kind == "trigger") {
        command(&format!("ALTER TRIGGER {name} ON {schema}.{table} NO DEPENDS ON EXTENSION extensions"));
    }
    for (table, _) in membership.iter().filter(|(_, is_member)| !is_member) {
        command_as_caller(&format!("ALTER EXTENSION extensions ADD TABLE {schema}.{table}"));
    }
    register_for_dump(&qualified_tables(schema))
}

/// The parts of EXPECTED that the tables lack: columns by definition, constraints and triggers by name. Additions do
/// no harm, and a missing index only makes things slow, so neither is a reason to refuse.
fn differences(actual: &[String]) -> Vec<String> {
    let is_readded =
        |line: &str| calling_constraints().any(|(table, name, _)| line == format!("constraint {table}.{name}"));
    let expected = EXPECTED.lines().filter_map(|line| match line.split(' ').next() {
        Some("column") => Some(line.to_owned()),
        Some("constraint" | "trigger") => Some(line.splitn(3, ' ').take(2).collect::<Vec<&str>>().join(" ")),
        _ => None,
    });
    expected.filter(|line| !is_readded(line) && !actual.contains(line)).collect()
}

/// The existing tables in the format of EXPECTED.
fn actual(schema: &str) -> Result<Vec<String>, Error> {
    ACTUAL.execute_all(params![&qualified_tables(schema)], |(line,)| line)
}

fn membership(schema: &str) -> Result<Vec<(String, bool)>, Error> {
    MEMBERSHIP.execute_all(params![&qualified_tables(schema)], |row| row)
}

fn partitions(schema: &str) -> Result<Vec<(String, bool)>, Error> {
    PARTITIONS.execute_all(params![&qualified_tables(schema)], |row| row)
}

fn dependents(schema: &str) -> Result<Vec<(String, String, String)>, Error> {
    DEPENDENTS.execute_all(params![&qualified_tables(schema)], |row| row)
}

fn qualified_tables(schema: &str) -> Vec<String> {
    TABLES.iter().map(|table| format!("{schema}.{table}")).collect()
}

/// Makes pg_dump dump the rows again. PostgreSQL allows that request only in extension scripts. ALTER EXTENSION ADD
/// loses the setting and runs no script, so this imitates one, for a caller that has just proved to own the
/// extension.
fn register_for_dump(tables: &[String]) -> Result<(), Error> {
    static DUMP: Statement = Statement::new("SELECT pg_catalog.pg_extension_config_dump($1::pg_catalog.regclass, '')");
    let _script = PretendedScript::begin();
    // In separate statements, because all of them update the same row.
    tables.iter().try_for_each(|table| DUMP.perform(params![table]).map(|_| ()))
}
