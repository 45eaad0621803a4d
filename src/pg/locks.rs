//! The order in which locks are taken, so that no two functions ever wait for each other:
//!
//! 1. the user, by an advisory lock ([`lock_user`]): everything that sells, pays, refunds or ends something of a user holds
//!    it from its start, and no function ever holds two users;
//! 2. rows of that user: `cart_items`, `add_on_purchases` and `user_add_ons`, in whatever order, as only the holder of the
//!    user's lock locks more than one of them;
//! 3. bundles, by id, for their uses;
//! 4. the promotional code, for its uses: last, because everybody may want the same one.
//!
//! Cart functions lock single rows of `cart_items` and nothing else, so they do not take the user's lock.
//! `run_maintenance` locks rows of users without their lock, but passes over those that somebody else has locked.

use pgrx::pg_sys;

use crate::error::Error;
use crate::params;
use crate::pg::statement::Statement;

// The first key of our advisory locks is "exts" in ASCII, the second a hash of the user.

/// Where the tables are spread over nodes, it is taken on the node that holds the user's rows, whichever node asks: the rows that
/// are counted send the statement there, and locking none of them has Citus begin a transaction there, which holds the lock.
static LOCK: Statement = Statement::new_or_distributed(
    "SELECT pg_catalog.pg_advisory_xact_lock(1702392947, pg_catalog.hashtext($1))",
    "SELECT pg_catalog.pg_advisory_xact_lock(1702392947, pg_catalog.hashtext($1))
       FROM (SELECT pg_catalog.count(*)
               FROM (SELECT FROM @extschema@.cart_items c WHERE c.user_id = $1 LIMIT 0 FOR UPDATE) none) at_home",
);

/// Waits until nobody else holds the user, and holds the user until the transaction ends. What is read afterwards must be
/// read under a [`FreshSnapshot`].
pub fn lock_user(user_id: &str) -> Result<(), Error> {
    LOCK.perform(params![user_id]).map(|_| ())
}

/// A snapshot of now in place of that of the calling query, which may be older than the lock that was waited for. It sees
/// what this transaction has written so far. Under REPEATABLE READ and SERIALIZABLE the transaction's snapshot stays.
pub struct FreshSnapshot;

impl FreshSnapshot {
    /// Makes statements that [`read`](Statement::read) do so under a new snapshot, as long as the value lives.
    pub fn take() -> FreshSnapshot {
        // SAFETY: a transaction is in progress, as a function of it is running.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        FreshSnapshot
    }
}

impl Drop for FreshSnapshot {
    fn drop(&mut self) {
        // When an error unwinds, the end of the transaction or subtransaction drops its snapshots.
        if !std::thread::panicking() {
            // SAFETY: take pushed the snapshot that is popped here.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}
