//! Code that the owner of the tables has made (triggers, defaults, whatever stands under a name) never runs with more rights than the
//! owner has.
//!
//! The owner need not be a superuser, and a superuser may call what we tell superusers to call. So whenever one is behind a call,
//! our statements run as the owner, in the state in which PostgreSQL's own maintenance commands run code of others: roles cannot be
//! changed, nothing temporary can be made, and settings are put back.

use std::cell::Cell;

use pgrx::pg_sys;

use super::installation;

thread_local! {
    /// The last answer of `reason`, and what it depends on.
    static KNOWN: Cell<Option<(Roles, u64, Reason)>> = const { Cell::new(None) };
}

/// Everybody who has a part in a call.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Roles {
    owner: pg_sys::Oid,
    current: pg_sys::Oid,
    outer: pg_sys::Oid,
    session: pg_sys::Oid,
    authenticated: pg_sys::Oid,
}

/// What there is to do before a statement runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Nothing,
    /// The owner's rights are in place, but a superuser's session is behind them.
    Restrict,
    /// A superuser calls.
    BecomeOwner,
}

/// The rights and the state of before, to which dropping it returns.
pub struct Restricted {
    user: pg_sys::Oid,
    context: i32,
    guc_level: i32,
}

impl Restricted {
    /// Restricts what runs until the value is dropped, if a superuser is behind it and the owner is none.
    pub fn where_needed(owner: pg_sys::Oid) -> Option<Restricted> {
        match reason(owner) {
            Reason::Nothing => None,
            Reason::Restrict | Reason::BecomeOwner => Some(Restricted::to_owner(owner)),
        }
    }

    /// Has what runs until the value is dropped run as the owner. The caller must have the owner's rights.
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
            current: pg_sys::GetUserId(),
            outer: pg_sys::GetOuterUserId(),
            session: pg_sys::GetSessionUserId(),
            authenticated: pg_sys::GetAuthenticatedUserId(),
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
