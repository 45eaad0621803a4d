//! Who may call what: privileges of roles, in levels (docs/security.md has the table).

use std::collections::BTreeSet;

use pgrx::pg_sys;

use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::statement::{Statement, command};

/// What a role may do. Levels overlap; the functions that a level shares with no other tell whether a role has it.
#[derive(Debug)]
pub struct Level {
    name: &'static str,
    functions: &'static [&'static str],
    /// Privileges, and on which tables.
    tables: &'static [(&'static str, &'static str)],
}

const LEVELS: [Level; 4] = [
    Level {
        name: "catalog",
        functions: &["price_add_on", "quote", "search_add_ons", "catalog_cache_stats"],
        tables: &[
            ("SELECT", "add_ons"),
            ("SELECT", "add_on_features"),
            ("SELECT", "add_on_bundles"),
            ("SELECT", "pricing_rules"),
        ],
    },
    Level {
        name: "entitlements",
        functions: &[
            "has_feature",
            "has_add_on",
            "has_features",
            "feature_configuration",
            "user_features",
            "active_add_ons",
            "entitled_users",
        ],
        tables: &[("SELECT", "add_ons"), ("SELECT", "add_on_features"), ("SELECT", "user_add_ons")],
    },
    Level {
        name: "shop",
        functions: &[
            "price_add_on",
            "quote",
            "search_add_ons",
            "add_to_cart",
            "set_cart_quantity",
            "remove_from_cart",
            "clear_cart",
            "price_cart",
            "cart_total",
            "explain_cart",
            "explain_cart_text",
            "validate_promo_code",
            "checkout",
            "complete_checkout",
            "fail_checkout",
            "purchase_history",
        ],
        tables: &[
            ("SELECT", "add_ons"),
            ("SELECT", "add_on_features"),
            ("SELECT", "add_on_bundles"),
            ("UPDATE (current_uses, updated_at)", "add_on_bundles"),
            ("SELECT", "pricing_rules"),
            ("SELECT", "promotional_codes"),
            ("UPDATE (current_uses, updated_at)", "promotional_codes"),
            ("SELECT", "cart_items"),
            ("INSERT", "cart_items"),
            ("UPDATE", "cart_items"),
            ("DELETE", "cart_items"),
            ("SELECT", "add_on_purchases"),
            ("INSERT", "add_on_purchases"),
            ("UPDATE", "add_on_purchases"),
            ("SELECT", "user_add_ons"),
            ("INSERT", "user_add_ons"),
            ("UPDATE", "user_add_ons"),
        ],
    },
    Level {
        name: "billing",
        functions: &[
            "complete_checkout",
            "fail_checkout",
            "purchase_history",
            "refund_purchase",
            "dispute_purchase",
            "resolve_dispute",
            "grant_add_on",
            "renew_add_on",
            "cancel_add_on",
            "suspend_add_on",
            "resume_add_on",
            "apply_stripe_event",
            "apply_lago_event",
        ],
        tables: &[
            ("SELECT", "add_ons"),
            ("SELECT", "add_on_bundles"),
            ("UPDATE (current_uses, updated_at)", "add_on_bundles"),
            ("SELECT", "promotional_codes"),
            ("UPDATE (current_uses, updated_at)", "promotional_codes"),
            ("SELECT", "add_on_purchases"),
            ("INSERT", "add_on_purchases"),
            ("UPDATE", "add_on_purchases"),
            ("SELECT", "user_add_ons"),
            ("INSERT", "user_add_ons"),
            ("UPDATE", "user_add_ons"),
        ],
    },
];

/// Everything: the functions and tables of all levels, and whatever else belongs to the extension.
const ADMIN: &str = "admin";

/// The extension's tables and views, each with whether the caller has the privileges of its owner.
static RELATIONS: Statement<(String, bool)> = Statement::new(
    "SELECT c.relname::pg_catalog.text, pg_catalog.pg_has_role(c.relowner, 'USAGE')
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
      WHERE e.extname = 'extensions' AND c.relkind = ANY ('{r,p,v}')
      ORDER BY c.relname",
);

/// The extension's functions that people call, each with whether the role was granted its execution.
static FUNCTIONS: Statement<(String, String, bool)> = Statement::new(
    "SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proname::pg_catalog.text,
            EXISTS (SELECT FROM pg_catalog.aclexplode(p.proacl) a WHERE a.grantee = $1 AND a.privilege_type = 'EXECUTE')
       FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
      WHERE e.extname = 'extensions'
        AND p.prorettype <> ALL ('{trigger,event_trigger,internal}'::pg_catalog.regtype[])
      ORDER BY p.proname",
);

static ROLE_NAME: Statement<(String,)> = Statement::new("SELECT $1::pg_catalog.regrole::pg_catalog.text");

/// A function of the extension.
struct Function {
    signature: String,
    name: String,
    is_granted: bool,
}

/// A privilege on a table or view.
type Privilege = (String, String);

/// Gives a role what a level needs.
pub fn grant(role: pg_sys::Oid, level: &str) -> Result<(), Error> {
    let (schema, role_name) = (installation::schema()?, role_name(role)?);
    let functions = functions(role)?;
    let relations = relations()?;
    one_table_at_a_time()?;
    command(&format!("GRANT USAGE ON SCHEMA {schema} TO {role_name}"));
    for function in functions.iter().filter(|function| is_in(level, &function.name)) {
        command(&format!("GRANT EXECUTE ON FUNCTION {} TO {role_name}", function.signature));
    }
    for (privilege, relation) in privileges(level, &relations) {
        command(&format!("GRANT {privilege} ON {schema}.{relation} TO {role_name}"));
    }
    Ok(())
}

/// Takes from a role what a level needs and none of its other levels does. Of `admin`, which stands for everything, that is all.
pub fn revoke(role: pg_sys::Oid, level: &str) -> Result<(), Error> {
    let (schema, role_name) = (installation::schema()?, role_name(role)?);
    let granted: Vec<Function> = functions(role)?.into_iter().filter(|function| function.is_granted).collect();
    let relations = relations()?;
    one_table_at_a_time()?;
    let levels_kept: Vec<&str> =
        if level == ADMIN { Vec::new() } else { levels_of(&granted).into_iter().filter(|one| *one != level).collect() };
    let is_needed = |function: &Function| levels_kept.iter().any(|level| is_in(level, &function.name));
    for function in granted.iter().filter(|function| is_in(level, &function.name) && !is_needed(function)) {
        command(&format!("REVOKE EXECUTE ON FUNCTION {} FROM {role_name}", function.signature));
    }
    let needed: BTreeSet<Privilege> = levels_kept.iter().flat_map(|level| privileges(level, &relations)).collect();
    for (privilege, relation) in privileges(level, &relations).difference(&needed) {
        command(&format!("REVOKE {privilege} ON {schema}.{relation} FROM {role_name}"));
    }
    // Taking a privilege from a table takes it from its columns too.
    for (privilege, relation) in needed.iter().filter(|(privilege, _)| privilege.contains('(')) {
        command(&format!("GRANT {privilege} ON {schema}.{relation} TO {role_name}"));
    }
    if levels_kept.is_empty() {
        command(&format!("REVOKE USAGE ON SCHEMA {schema} FROM {role_name}"));
    }
    Ok(())
}

/// Where Citus spreads tables that refer to each other, their privileges cannot be changed over many connections at once.
fn one_table_at_a_time() -> Result<(), Error> {
    if installation::is_distributed()? {
        command("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'");
    }
    Ok(())
}

/// The name of a level, if it is one.
pub fn level(name: &str) -> Result<&'static str, Error> {
    let names = LEVELS.iter().map(|level| level.name).chain([ADMIN]);
    names.into_iter().find(|known| *known == name).ok_or_else(|| Error::UnknownAccessLevel { level: name.to_owned() })
}

/// The levels that a role has, by the functions that it may execute.
fn levels_of(granted: &[Function]) -> BTreeSet<&'static str> {
    granted.iter().filter_map(|function| level_that_alone_has(&function.name)).collect()
}

fn level_that_alone_has(function: &str) -> Option<&'static str> {
    let mut levels = LEVELS.iter().filter(|level| level.functions.contains(&function));
    match (levels.next(), levels.next()) {
        (None, _) => Some(ADMIN),
        (Some(level), None) => Some(level.name),
        _ => None,
    }
}

fn is_in(level: &str, function: &str) -> bool {
    let named = LEVELS.iter().find(|known| known.name == level);
    named.is_none_or(|level| level.functions.contains(&function))
}

/// What a level needs of tables and views.
fn privileges(level: &str, relations: &[String]) -> BTreeSet<Privilege> {
    let Some(level) = LEVELS.iter().find(|known| known.name == level) else {
        let all = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"];
        return relations.iter().flat_map(|relation| all.map(|one| (one.to_owned(), relation.clone()))).collect();
    };
    level.tables.iter().map(|&(privilege, table)| (privilege.to_owned(), table.to_owned())).collect()
}

fn relations() -> Result<Vec<String>, Error> {
    let (mut names, mut is_owner) = (Vec::new(), true);
    RELATIONS.execute(params![], |(name, has_rights)| {
        names.push(name);
        is_owner &= has_rights;
        Ok(())
    })?;
    // GRANT by somebody else is only a warning.
    if is_owner { Ok(names) } else { Err(Error::NotOwner) }
}

fn functions(role: pg_sys::Oid) -> Result<Vec<Function>, Error> {
    FUNCTIONS.execute_all(params![role], |(signature, name, is_granted)| Function { signature, name, is_granted })
}

fn role_name(role: pg_sys::Oid) -> Result<String, Error> {
    Ok(ROLE_NAME.execute_one(params![role], |(name,)| name)?.unwrap_or_default())
}
