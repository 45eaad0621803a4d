//! The users that a call may be about, once enable_user_isolation() has been called.
//!
//! Functions that write run as the owner of the tables, from whom no policy hides anything. So they check here what
//! the policies allow the caller: the role that the session works as, whatever functions with other rights it has
//! called through.

use std::cell::RefCell;
use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::installation::{self, Installation, with_relation};
use super::statement::Statement;
use super::tables::TABLES_OF_USERS;
use crate::error::Error;
use crate::params;

/// The policies of a table that narrow or widen what a role may write: all that apply to it, except those that only
/// allow more reading.
static POLICIES: Statement<(String, Option<String>)> = Statement::new(
    "SELECT p.polname::pg_catalog.text,
            CASE WHEN p.polpermissive AND p.polcmd = '*' AND p.polwithcheck IS NULL
                 THEN pg_catalog.pg_get_expr(p.polqual, p.polrelid) END
       FROM pg_catalog.pg_policy p
      WHERE p.polrelid = $1 AND (NOT p.polpermissive OR p.polcmd <> 'r')
        AND (0::pg_catalog.oid = ANY (p.polroles)
             OR EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) r (oid) WHERE pg_catalog.pg_has_role($2, r.oid, 'USAGE')))",
);

/// What limits a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Limit {
    /// Nothing.
    None,
    /// Limited to the user that the setting names.
    Setting(String),
    /// Limited by other policies, or the caller cannot be determined.
    Unknown,
}

/// A limit, and the state from which it was derived.
struct Known {
    caller: pg_sys::Oid,
    is_restricted: bool,
    changes: (u64, u64),
    limit: Limit,
}

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// Refuses a call about a user that the caller may not act for.
pub fn check_user(user_id: &str) -> Result<(), Error> {
    check_owner(Some(user_id))
}

/// Refuses a call about an object whose user was looked up; `None` if there is no such object. Objects of others and
/// missing objects are refused in the same way, so that callers cannot tell them apart.
pub fn check_owner(owner: Option<&str>) -> Result<(), Error> {
    match limit()? {
        Limit::None => Ok(()),
        Limit::Unknown => Err(Error::RowsHidden { task: "the call" }),
        Limit::Setting(setting) => match value_of(&setting) {
            Some(own) if owner == Some(own.as_str()) => Ok(()),
            own => Err(Error::OtherUser { setting, own: own.filter(|own| !own.is_empty()) }),
        },
    }
}

/// Refuses a task that concerns all users if any policy hides some of them. A task that turned out to concern one
/// user is open to every caller that may act for that user.
pub fn check_sees_everybody(task: &'static str, owner: Option<&str>) -> Result<(), Error> {
    check_owner(owner).map_err(|error| match error {
        Error::OtherUser { .. } | Error::RowsHidden { .. } => Error::RowsHidden { task },
        other => other,
    })
}

fn limit() -> Result<Limit, Error> {
    // SAFETY: these take in what other sessions have committed, and read variables.
    let (caller, is_restricted) = unsafe {
        pg_sys::AcceptInvalidationMessages();
        (pg_sys::GetOuterUserId(), pg_sys::InSecurityRestrictedOperation())
    };
    let installation = installation::without_connection()?;
    let changes = (installation::table_changes(), installation::catalog_changes());
    let known = KNOWN.with_borrow(|known| {
        let is_same =
            |known: &&Known| known.caller == caller && known.is_restricted == is_restricted && known.changes == changes;
        known.as_ref().filter(is_same).map(|known| known.limit.clone())
    });
    if let Some(limit) = known {
        return Ok(limit);
    }
    let limit = find_limit(&installation, caller, is_restricted)?;
    KNOWN.set(Some(Known { caller, is_restricted, changes, limit: limit.clone() }));
    Ok(limit)
}

fn find_limit(installation: &Installation, caller: pg_sys::Oid, is_restricted: bool) -> Result<Limit, Error> {
    let tables = TABLES_OF_USERS.map(|table| installation.table(table));
    let mut limit = Limit::None;
    for table in tables.into_iter().filter(|&table| has_row_security(table)) {
        if is_restricted {
            // Somebody's index, view or the like, evaluated in somebody else's session.
            return Ok(Limit::Unknown);
        }
        limit = match (limit, limit_by(table, caller)?) {
            (one, Limit::None) => one,
            (Limit::None, other) => other,
            (one, other) if one == other => one,
            _ => Limit::Unknown,
        };
    }
    Ok(limit)
}

fn has_row_security(table: pg_sys::Oid) -> bool {
    // SAFETY: the relation is open.
    with_relation(table, |relation| unsafe { (*(*relation).rd_rel).relrowsecurity }).unwrap_or(false)
}

/// Whether row-level security on a table that was read just now applies to the current role. A table that is gone has
/// no policies.
pub fn hides_rows(table: pg_sys::Oid) -> bool {
    is_subject(table, pg_sys::InvalidOid)
}

fn is_subject(table: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: this looks at catalogs.
    let security = unsafe { pg_sys::check_enable_rls(table, role, true) };
    security == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
}

fn limit_by(table: pg_sys::Oid, caller: pg_sys::Oid) -> Result<Limit, Error> {
    if !is_subject(table, caller) {
        return Ok(Limit::None);
    }
    let policies = POLICIES.execute_all(params![table, caller], |policy| policy)?;
    Ok(match &policies[..] {
        [(name, Some(condition))] if name == "user_isolation" => {
            setting_of(condition).map_or(Limit::Unknown, |setting| Limit::Setting(setting.to_owned()))
        }
        _ => Limit::Unknown,
    })
}

/// The setting that the condition of our policy refers to; `None` for any other condition.
fn setting_of(condition: &str) -> Option<&str> {
    let begins = ["((user_id)::text = ( SELECT current_setting('", "(user_id = ( SELECT current_setting('"];
    let rest = begins.iter().find_map(|begin| condition.strip_prefix(begin))?;
    let (setting, rest) = rest.split_once('\'')?;
    (rest == "::text, true) AS current_setting))").then_some(setting)
}

fn value_of(setting: &str) -> Option<String> {
    let setting = CString::new(setting).ok()?;
    // SAFETY: this returns a C string, or NULL for a setting that nobody has set.
    unsafe {
        let value = pg_sys::GetConfigOption(setting.as_ptr(), true, false);
        (!value.is_null()).then(|| super::text::from_server(CStr::from_ptr(value).to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::setting_of;

    #[test]
    fn the_setting_is_read_off_our_condition_and_no_other() {
        let ours = "((user_id)::text = ( SELECT current_setting('extensions.user_id'::text, true) AS current_setting))";
        assert_eq!(setting_of(ours), Some("extensions.user_id"));
        assert_eq!(setting_of(&ours.replace("))", ") OR true)")), None);
        assert_eq!(setting_of("(user_id = 'ada'::text)"), None);
    }
}
