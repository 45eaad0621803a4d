//! Privileges of roles, in levels (docs/security.md has the table).
//!
//! The privileges that a level has granted to a role are recorded (src/store/access_records.rs). So taking a level away leaves privileges that were granted by hand before, and those of the role's other
//! levels.

use std::collections::BTreeSet;

use pgrx::pg_sys;

use super::counted;
use crate::error::Error;
use crate::params;
use crate::pg::installation;
use crate::pg::statement::{Statement, command, command_as_caller};
use crate::pg::tables::TABLES;
use crate::store::access_records;

/// The privileges of a role. Levels overlap.
#[derive(Debug)]
struct Level {
    name: &'static str,
    /// Functions; the ones that this version has are granted.
    functions: &'static [&'static str],
    /// Privileges, and the tables that they are on.
    tables: &'static [(&'static str, &'static [&'static str])],
}

const ALL_TABLES: &[&str] = &TABLES;

/// Views that are read with the rights of the reader.
const OF_USERS: &[&str] = &["purchase_details", "owned_add_ons"];

const LEVELS: [Level; 7] = [
    Level {
        name: "catalog",
        functions: &["price_add_on", "quote", "search_add_ons", "list_add_ons", "catalog_cache_stats"],
        tables: &[("SELECT", &["add_ons", "add_on_features", "add_on_bundles", "pricing_rules"])],
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
            "consume_feature",
            "release_feature",
            "set_feature_usage",
            "feature_usage",
        ],
        tables: &[("SELECT", &["add_ons", "add_on_features", "user_add_ons", "owned_add_ons"])],
    },
    Level {
        name: "shop",
        functions: &[
            "price_add_on",
            "quote",
            "search_add_ons",
            "list_add_ons",
            "add_to_cart",
            "set_cart_quantity",
            "remove_from_cart",
            "clear_cart",
            "merge_carts",
            "price_cart",
            "cart_total",
            "cart_lines",
            "explain_cart",
            "explain_cart_text",
            "validate_promo_code",
            "checkout",
            "stripe_checkout",
            "fail_checkout",
            "start_trial",
            "purchase_history",
            "list_purchases",
            "explain_checkout",
            "upcoming_renewals",
        ],
        tables: &[("SELECT", ALL_TABLES), ("SELECT", OF_USERS)],
    },
    Level {
        name: "billing",
        functions: &[
            "stripe_checkout",
            "complete_checkout",
            "fail_checkout",
            "purchase_history",
            "list_purchases",
            "explain_checkout",
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
            "reconcile_stripe",
            "revenue_by_add_on",
            "unsettled_payments",
            "settle_payment",
            "explain_access",
            "upcoming_renewals",
            "reprice_renewals",
        ],
        tables: &[
            (
                "SELECT",
                &[
                    "add_ons",
                    "add_on_features",
                    "add_on_bundles",
                    "promotional_codes",
                    "add_on_purchases",
                    "user_add_ons",
                ],
            ),
            ("SELECT", OF_USERS),
            ("SELECT", &["revenue_by_day", "revenue_by_add_on", "revenue_by_category", "recurring_revenue"]),
        ],
    },
    Level {
        name: "support",
        functions: &[
            "price_add_on",
            "quote",
            "search_add_ons",
            "list_add_ons",
            "price_cart",
            "cart_total",
            "cart_lines",
            "explain_cart",
            "explain_cart_text",
            "explain_checkout",
            "validate_promo_code",
            "has_feature",
            "has_add_on",
            "has_features",
            "feature_configuration",
            "user_features",
            "active_add_ons",
            "entitled_users",
            "feature_usage",
            "explain_access",
            "purchase_history",
            "list_purchases",
            "unsettled_payments",
            "upcoming_renewals",
            "export_user",
        ],
        tables: &[("SELECT", ALL_TABLES), ("SELECT", OF_USERS)],
    },
    Level {
        name: "monitor",
        functions: &["check_marketplace", "marketplace_status", "marketplace_metrics", "catalog_cache_stats"],
        tables: &[],
    },
    // The operations of backends that use the tables and not the functions.
    Level {
        name: "tables",
        functions: &[],
        tables: &[
            ("SELECT", ALL_TABLES),
            ("SELECT", OF_USERS),
            ("INSERT", &["add_ons", "promotional_codes", "user_add_ons", "add_on_purchases", "cart_items"]),
            ("UPDATE", &["add_ons", "promotional_codes", "user_add_ons", "add_on_purchases", "cart_items"]),
            ("DELETE", &["cart_items"]),
        ],
    },
];

/// Everything: the functions and tables of all levels, and all other objects of the extension.
const ADMIN: &str = "admin";

const ADMIN_TABLES: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"];

/// The extension's tables and views, each with whether the caller has the privileges of its owner, and the privileges
/// that its owner has granted to the role.
static RELATIONS: Statement<(String, bool, String)> = Statement::new(
    "SELECT c.relname::pg_catalog.text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
            (SELECT COALESCE(pg_catalog.string_agg(a.privilege_type, ' '), '')
               FROM pg_catalog.aclexplode(c.relacl) a
              WHERE a.grantee = $1 AND a.grantor = c.relowner)
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
      WHERE e.extname = 'extensions' AND c.relkind = ANY ('{r,p,v}')
      ORDER BY c.relname",
);

/// The extension's functions for users, each with whether its owner has granted EXECUTE to the role.
static FUNCTIONS: Statement<(String, String, bool)> = Statement::new(
    "SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proname::pg_catalog.text,
            EXISTS (SELECT FROM pg_catalog.aclexplode(p.proacl) a
                     WHERE a.grantee = $1 AND a.grantor = p.proowner AND a.privilege_type = 'EXECUTE')
       FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
      WHERE e.extname = 'extensions'
        AND p.prorettype <> ALL ('{trigger,event_trigger,internal}'::pg_catalog.regtype[])
      ORDER BY p.proname",
);

static MAY_USE_SCHEMA: Statement<(bool,)> = Statement::new(
    "SELECT EXISTS (SELECT
                      FROM pg_catalog.pg_extension e
                      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                     CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
                     WHERE e.extname = 'extensions' AND a.grantee = $1 AND a.privilege_type = 'USAGE')",
);

static ROLE_NAME: Statement<(String,)> = Statement::new("SELECT $1::pg_catalog.regrole::pg_catalog.text");

/// A privilege as GRANT and REVOKE name it: the right, and the object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Privilege {
    /// The form in which it is recorded: `EXECUTE checkout`, `SELECT cart_items`.
    name: String,
    /// `EXECUTE ON FUNCTION market.checkout(text, ...)`
    command: String,
}

/// What can be given to a role.
struct Offer {
    all: Vec<Privilege>,
    /// The privileges that the owners have granted to the role, through a level or by hand.
    held: BTreeSet<String>,
}

/// Grants a role the privileges of a level, and returns them.
pub fn grant(role: pg_sys::Oid, level: &str) -> Result<String, Error> {
    let role_name = role_name(role)?;
    let offer = offer(role)?;
    let recorded = access_records::of_role(role)?;
    one_table_at_a_time()?;
    let wanted: Vec<&Privilege> = offer.all.iter().filter(|privilege| is_in(level, &privilege.name)).collect();
    for privilege in &wanted {
        command(&format!("GRANT {} TO {role_name}", privilege.command));
    }
    let is_by_hand = |name: &str| offer.held.contains(name) && !recorded.iter().any(|(_, given)| given == name);
    let given: BTreeSet<&str> =
        wanted.iter().map(|privilege| &*privilege.name).filter(|name| !is_by_hand(name)).collect();
    let known = recorded.iter().filter(|(recorded, _)| recorded == level).count();
    access_records::replace(role, level, known, given.into_iter().collect())?;
    Ok(match wanted.iter().all(|privilege| offer.held.contains(&privilege.name)) {
        true => format!("role {role_name} had all privileges of the level {level} already"),
        false => format!("role {role_name} now has the privileges of the level {level}, on {}", in_words(&wanted)),
    })
}

/// Takes from a role the privileges that a level has granted and that none of its other levels has. For `admin`,
/// which means everything, those of all levels. Returns what was taken.
pub fn revoke(role: pg_sys::Oid, level: &str) -> Result<String, Error> {
    let role_name = role_name(role)?;
    let offer = offer(role)?;
    let (taken, kept): (Vec<_>, Vec<_>) =
        access_records::of_role(role)?.into_iter().partition(|(recorded, _)| level == ADMIN || recorded == level);
    one_table_at_a_time()?;
    let is_taken =
        |name: &str| taken.iter().any(|(_, given)| given == name) && !kept.iter().any(|(_, given)| given == name);
    let revoked: Vec<&Privilege> = offer.all.iter().filter(|privilege| is_taken(&privilege.name)).collect();
    for privilege in &revoked {
        command(&format!("REVOKE {} FROM {role_name}", privilege.command));
    }
    let levels: BTreeSet<&String> = taken.iter().map(|(level, _)| level).collect();
    levels.into_iter().try_for_each(|level| {
        let known = taken.iter().filter(|(recorded, _)| recorded == level).count();
        access_records::forget(role, level, known)
    })?;
    Ok(match (taken.is_empty(), revoked.is_empty()) {
        (true, _) => format!("role {role_name} has no privileges through the level {level}"),
        (_, true) => format!("role {role_name} keeps the privileges of the level {level}: other levels grant them too"),
        _ => format!("role {role_name} lost privileges of the level {level}, on {}", in_words(&revoked)),
    })
}

/// A summary of privileges: `20 functions, 5 tables and 4 views`. Functions that are not for users do not count.
fn in_words(privileges: &[&Privilege]) -> String {
    let on = privileges.iter().filter_map(|privilege| privilege.name.split_once(' '));
    let (functions, relations): (BTreeSet<_>, BTreeSet<_>) = on.partition(|(what, _)| *what == "EXECUTE");
    let functions = functions.iter().filter(|(_, name)| !name.starts_with('_')).count();
    let relations: BTreeSet<&str> = relations.into_iter().map(|(_, name)| name).collect();
    let tables = relations.iter().filter(|name| TABLES.contains(name)).count();
    let counts = [(functions, "function"), (tables, "table"), (relations.len() - tables, "view")];
    let words: Vec<String> =
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| counted(number, noun)).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// If Citus distributes tables with foreign keys between them, their privileges cannot be changed over many
/// connections at once.
fn one_table_at_a_time() -> Result<(), Error> {
    if installation::is_distributed()? {
        command_as_caller("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'");
    }
    Ok(())
}

/// The level with this name, if there is one.
pub fn level(name: &str) -> Result<&'static str, Error> {
    let names = LEVELS.iter().map(|level| level.name).chain([ADMIN]);
    names.into_iter().find(|known| *known == name).ok_or_else(|| Error::UnknownAccessLevel { level: name.to_owned() })
}

/// Whether a level needs a privilege, by its name. Every level needs the schema.
fn is_in(level: &str, privilege: &str) -> bool {
    let Some(level) = LEVELS.iter().find(|known| known.name == level) else { return true };
    match privilege.split_once(' ') {
        None => true,
        // It runs with the rights of its caller, and so do the functions that it calls.
        Some(("EXECUTE", "_explain_checkout_body")) => level.functions.contains(&"explain_checkout"),
        Some(("EXECUTE", function)) => level.functions.contains(&function),
        Some((what, table)) => level.tables.iter().any(|(one, tables)| *one == what && tables.contains(&table)),
    }
}

fn offer(role: pg_sys::Oid) -> Result<Offer, Error> {
    let schema = installation::schema()?;
    let mut offer = Offer { all: Vec::new(), held: BTreeSet::new() };
    let mut add = |name: &str, command: String, is_held: bool| {
        offer.all.push(Privilege { name: name.to_owned(), command });
        if is_held {
            offer.held.insert(name.to_owned());
        }
    };
    let is_held = MAY_USE_SCHEMA.execute_one(params![role], |(answer,)| answer)?.unwrap_or_default();
    add("USAGE", format!("USAGE ON SCHEMA {schema}"), is_held);
    let mut is_owner = true;
    RELATIONS.execute(params![role], |(relation, has_rights, granted)| {
        is_owner &= has_rights;
        for privilege in ADMIN_TABLES {
            let is_held = granted.split(' ').any(|one| one == privilege);
            add(&format!("{privilege} {relation}"), format!("{privilege} ON {schema}.{relation}"), is_held);
        }
        Ok(())
    })?;
    // A GRANT by a role without the grant option is only a warning.
    if !is_owner {
        return Err(Error::NotOwner);
    }
    FUNCTIONS.execute(params![role], |(signature, name, is_granted)| {
        add(&format!("EXECUTE {name}"), format!("EXECUTE ON FUNCTION {signature}"), is_granted);
        Ok(())
    })?;
    Ok(offer)
}

fn role_name(role: pg_sys::Oid) -> Result<String, Error> {
    Ok(ROLE_NAME.execute_one(params![role], |(name,)| name)?.unwrap_or_default())
}
