//! Code of the owner of the tables (triggers, defaults, any object under an expected name) never runs with more
//! rights than the owner has.
//!
//! The owner need not be a superuser, and a superuser may call what we tell superusers to call. So if a superuser is
//! behind a call, our statements run as the owner, in the state in which PostgreSQL's own maintenance commands run
//! other people's code: roles cannot be changed, no temporary objects can be created, and settings are restored.

use std::cell::Cell;

use pgrx::pg_sys;

use super::{installation, raw};

thread_local! {
    /// The last result of `reason`, and what it depends on.
    static KNOWN: Cell<Option<(Roles, u64, Reason)>> = const { Cell::new(None) };
}

/// All the roles that take part in a call.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Roles {
    owner: pg_sys::Oid,
    current: pg_sys::Oid,
    outer: pg_sys::Oid,
    session: pg_sys::Oid,
    authenticated: pg_sys::Oid,
}

/// What must be done before a statement runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Nothing,
    /// The call has the owner's rights, but the session is a superuser's.
    Restrict,
    /// A superuser calls.
    BecomeOwner,
}

/// The previous rights and state, which are restored on drop.
pub struct Restricted {
    user: pg_sys::Oid,
    context: i32,
    guc_level: i32,
}

impl Restricted {
    /// Restricts what runs until the value is dropped, if a superuser is behind the call and the owner is not one.
    pub fn where_needed(owner: pg_sys::Oid) -> Option<Restricted> {
        match reason(owner) {
            Reason::Nothing => None,
            Reason::Restrict | Reason::BecomeOwner => Some(Restricted::to_owner(owner)),
        }
    }

    /// Runs everything as the owner until the value is dropped. The caller must have the owner's rights.
    pub fn to_owner(owner: pg_sys::Oid) -> Restricted {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        let restricted = (pg_sys::SECURITY_RESTRICTED_OPERATION | pg_sys::SECURITY_LOCAL_USERID_CHANGE) as i32;
        // SAFETY: a transaction is in progress; drop puts everything back, and so does the end of a transaction that fails.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            let guc_level = pg_sys::NewGUCNestLevel();
            pg_sys::SetUserIdAndSecContext(owner, context | restricted);
            Restricted { user, context, guc_level }
        }
    }
}

impl Drop for Restricted {
    fn drop(&mut self) {
        // When an error unwinds, the end of the transaction or subtransaction does this.
        if !std::thread::panicking() {
            // SAFETY: this undoes what `to_owner` did.
            unsafe {
                pg_sys::AtEOXact_GUC(false, self.guc_level);
                pg_sys::SetUserIdAndSecContext(self.user, self.context);
            }
        }
    }
}

/// Whether the caller is a superuser and the owner is none.
pub fn is_called_by_superuser(owner: pg_sys::Oid) -> bool {
    reason(owner) == Reason::BecomeOwner
}

fn reason(owner: pg_sys::Oid) -> Reason {
    // SAFETY: these read variables.
    let roles = unsafe {
        Roles {
            owner,
            current: raw::GetUserId(),
            outer: raw::GetOuterUserId(),
            session: raw::GetSessionUserId(),
            authenticated: raw::GetAuthenticatedUserId(),
        }
    };
    let changes = installation::catalog_changes();
    match KNOWN.get() {
        Some((known, then, reason)) if known == roles && then == changes => reason,
        _ => {
            let reason = roles.reason();
            KNOWN.set(Some((roles, changes, reason)));
            reason
        }
    }
}

impl Roles {
    fn reason(&self) -> Reason {
        if self.owner == pg_sys::InvalidOid || is_superuser(self.owner) {
            Reason::Nothing
        } else if is_superuser(self.current) {
            Reason::BecomeOwner
        } else if self.current == self.owner
            && [self.outer, self.session, self.authenticated].into_iter().any(is_superuser)
        {
            Reason::Restrict
        } else {
            Reason::Nothing
        }
    }
}

fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: this looks at a catalog.
    unsafe { pg_sys::superuser_arg(role) }
}
